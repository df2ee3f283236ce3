/*
 * retry.c
 *		What to do after an exchange: the decision, not the waiting.
 *
 * Plain C.
 */
#include "spotify/retry.h"

/*
 * Longest wait before the first retry; it doubles with each further one.
 * Spotify's 5xx mostly pass within seconds, and four retries from here span
 * 7.5 seconds at most and half of that on average, which a caller can stand.
 */
#define FIRST_BACKOFF_MS 500

/* Least wait after a 429 that names no time: Retry-After's smallest unit. */
#define MIN_LIMITED_WAIT_MS 1000

/*
 * How long a rate limit lasts when Spotify does not say: the window it counts
 * in, developer.spotify.com/documentation/web-api/concepts/rate-limits
 */
#define RATE_WINDOW_SECONDS 30

/*
 * The same for the daily quota.  It ends after hours, 13 to 15 as reported,
 * but asking once an hour costs little and finds out when it does.
 */
#define QUOTA_PAUSE_SECONDS 3600

/* Longest Retry-After that has been seen: 86,400, for a quota of a day. */
#define MAX_LIMITED_SECONDS 86400

#define STATUS_TOO_MANY_REQUESTS 429
#define STATUS_UNAVAILABLE		 503
#define STATUS_LOGIN_TO_NETWORK	 511

/* Tells whether the same request may succeed a little later. */
static bool
is_transient(const SpotifyHttpAnswer *answer)
{
	switch (answer->outcome)
	{
		case SPOTIFY_HTTP_UNREACHABLE:
		case SPOTIFY_HTTP_TIMED_OUT:
		case SPOTIFY_HTTP_CUT:
			return true;
		case SPOTIFY_HTTP_ANSWERED:
			return answer->status == STATUS_TOO_MANY_REQUESTS ||
				   (answer->status >= 500 && answer->status <= 599 &&
					answer->status != STATUS_LOGIN_TO_NETWORK);
		case SPOTIFY_HTTP_REFUSED:
		case SPOTIFY_HTTP_UNTRUSTED:
		case SPOTIFY_HTTP_NO_AUTHORITIES:
		case SPOTIFY_HTTP_MALFORMED:
		case SPOTIFY_HTTP_UNDECODED:
		case SPOTIFY_HTTP_TOO_LARGE:
		case SPOTIFY_HTTP_HEADER_TOO_LARGE:
		case SPOTIFY_HTTP_UNUSABLE:
		case SPOTIFY_HTTP_OUT_OF_MEMORY:
			break;
	}
	return false;
}

/*
 * How many retries this failure may have.  A request that may have been
 * processed without our hearing of it is repeated once at most if that can do
 * harm: by then the first answer is lost, and the second try shows whether
 * the harm is done.
 */
static int
retries_allowed(const SpotifyRetryPolicy *policy,
				const SpotifyHttpAnswer *answer)
{
	bool may_be_processed =
		answer->outcome != SPOTIFY_HTTP_ANSWERED && answer->was_sent;

	if (may_be_processed && !policy->is_idempotent && policy->max_retries > 1)
		return 1;
	return policy->max_retries;
}

/* Exponential backoff with full jitter: evenly from 0 to a doubling limit. */
static int
backoff_ms(const SpotifyRetryPolicy *policy, int attempt, double random)
{
	int limit_ms = FIRST_BACKOFF_MS;

	/* Halving the maximum, not doubling the limit, so as not to overflow. */
	for (; attempt > 0 && limit_ms <= policy->max_wait_ms / 2; attempt--)
		limit_ms *= 2;
	if (attempt > 0 || limit_ms > policy->max_wait_ms)
		limit_ms = policy->max_wait_ms;
	return (int) (random * limit_ms);
}

static bool
is_within_max_wait(const SpotifyRetryPolicy *policy, int64_t seconds)
{
	return seconds <= policy->max_wait_ms / 1000;
}

/*
 * Waits as long as Retry-After says, and up to a tenth longer, so that many
 * sessions do not come back at once.
 */
static int
told_wait_ms(const SpotifyRetryPolicy *policy, int64_t seconds, double random)
{
	int told_ms = (int) seconds * 1000;
	int jitter_ms = (int) (random * (told_ms / 10));

	if (jitter_ms > policy->max_wait_ms - told_ms)
		return policy->max_wait_ms;
	return told_ms + jitter_ms;
}

static SpotifyRetryDecision
wait_for(int wait_ms)
{
	SpotifyRetryDecision decision = { .verdict = SPOTIFY_RETRY_WAIT,
									  .wait_ms = wait_ms };

	return decision;
}

static SpotifyRetryDecision
end_with(SpotifyRetryVerdict verdict)
{
	SpotifyRetryDecision decision = { .verdict = verdict };

	return decision;
}

/* Gives up until Retry-After has passed, or for the given time without it. */
static SpotifyRetryDecision
limited(const SpotifyHttpAnswer *answer, int64_t default_seconds)
{
	SpotifyRetryDecision decision = { .verdict = SPOTIFY_RETRY_LIMITED };

	decision.limited_seconds =
		answer->retry_after > 0 ? answer->retry_after : default_seconds;
	if (decision.limited_seconds > MAX_LIMITED_SECONDS)
		decision.limited_seconds = MAX_LIMITED_SECONDS;
	return decision;
}

static SpotifyRetryDecision
decide_rate_limit(const SpotifyRetryPolicy *policy,
				  const SpotifyHttpAnswer *answer, int attempt, double random)
{
	int wait_ms;

	if (attempt >= policy->max_retries)
		return limited(answer, RATE_WINDOW_SECONDS);
	if (answer->retry_after > 0)
	{
		if (!is_within_max_wait(policy, answer->retry_after))
			return limited(answer, RATE_WINDOW_SECONDS);
		return wait_for(told_wait_ms(policy, answer->retry_after, random));
	}

	wait_ms = backoff_ms(policy, attempt, random);
	if (wait_ms < MIN_LIMITED_WAIT_MS)
		wait_ms = MIN_LIMITED_WAIT_MS;
	if (wait_ms > policy->max_wait_ms)
		wait_ms = policy->max_wait_ms;
	return wait_for(wait_ms);
}

static SpotifyRetryDecision
decide_failure(const SpotifyRetryPolicy *policy,
			   const SpotifyHttpAnswer *answer, int attempt, double random)
{
	if (attempt >= retries_allowed(policy, answer))
		return end_with(SPOTIFY_RETRY_EXHAUSTED);
	if (answer->status == STATUS_UNAVAILABLE && answer->retry_after > 0 &&
		is_within_max_wait(policy, answer->retry_after))
		return wait_for(told_wait_ms(policy, answer->retry_after, random));
	return wait_for(backoff_ms(policy, attempt, random));
}

SpotifyRetryDecision
spotify_retry_decide(const SpotifyRetryPolicy *policy,
					 const SpotifyHttpAnswer *answer, bool is_quota_exceeded,
					 int attempt, double random)
{
	if (is_quota_exceeded)
		return limited(answer, QUOTA_PAUSE_SECONDS);
	if (!is_transient(answer))
		return end_with(SPOTIFY_RETRY_DONE);
	if (answer->status == STATUS_TOO_MANY_REQUESTS)
		return decide_rate_limit(policy, answer, attempt, random);
	return decide_failure(policy, answer, attempt, random);
}
