/*
 * test_retry.c
 *		Every outcome and status, backoff, Retry-After and its limits.
 */
#include "spotify/retry.h"

#include <limits.h>

#include "tap.h"

/* Nearly the largest number that is drawn. */
#define HIGHEST 0.999999

static const SpotifyRetryPolicy usual = { .max_retries = 4,
										  .max_wait_ms = 10000,
										  .is_idempotent = true };

static const SpotifyRetryPolicy careful = { .max_retries = 4,
											.max_wait_ms = 10000,
											.is_idempotent = false };

static SpotifyHttpAnswer
answer_with(int status, int64_t retry_after)
{
	SpotifyHttpAnswer answer = { .outcome = SPOTIFY_HTTP_ANSWERED,
								 .was_sent = true,
								 .status = status,
								 .retry_after = retry_after };

	return answer;
}

static SpotifyHttpAnswer
failure(SpotifyHttpOutcome outcome, bool was_sent)
{
	SpotifyHttpAnswer answer = { .outcome = outcome, .was_sent = was_sent };

	return answer;
}

static SpotifyRetryVerdict
verdict(const SpotifyRetryPolicy *policy, SpotifyHttpAnswer answer, int attempt)
{
	return spotify_retry_decide(policy, &answer, false, attempt, 0.5).verdict;
}

static int
wait_of(const SpotifyRetryPolicy *policy, SpotifyHttpAnswer answer, int attempt,
		double random)
{
	SpotifyRetryDecision decision =
		spotify_retry_decide(policy, &answer, false, attempt, random);

	return decision.verdict == SPOTIFY_RETRY_WAIT ? decision.wait_ms : -1;
}

static void
limited_is(SpotifyRetryDecision decision, int64_t seconds, const char *name)
{
	tap_is_int(decision.verdict, SPOTIFY_RETRY_LIMITED, "%s: limited", name);
	tap_is_int(decision.limited_seconds, seconds, "%s: seconds", name);
}

static void
test_statuses(void)
{
	static const int final[] = { 200, 201, 204, 301, 304, 400, 401, 403, 404,
								 407, 408, 413, 428, 430, 499, 511, 600 };
	static const int transient[] = { 429, 500, 501, 502, 503, 504, 599 };
	size_t i;

	for (i = 0; i < sizeof(final) / sizeof(final[0]); i++)
		tap_is_int(verdict(&usual, answer_with(final[i], 0), 0),
				   SPOTIFY_RETRY_DONE, "status %d stays", final[i]);
	for (i = 0; i < sizeof(transient) / sizeof(transient[0]); i++)
		tap_is_int(verdict(&usual, answer_with(transient[i], 0), 0),
				   SPOTIFY_RETRY_WAIT, "status %d may pass", transient[i]);
}

static void
test_outcomes(void)
{
	static const SpotifyHttpOutcome final[] = {
		SPOTIFY_HTTP_REFUSED,	   SPOTIFY_HTTP_NO_AUTHORITIES,
		SPOTIFY_HTTP_UNTRUSTED,	   SPOTIFY_HTTP_MALFORMED,
		SPOTIFY_HTTP_TOO_LARGE,	   SPOTIFY_HTTP_HEADER_TOO_LARGE,
		SPOTIFY_HTTP_UNDECODED,	   SPOTIFY_HTTP_UNUSABLE,
		SPOTIFY_HTTP_OUT_OF_MEMORY
	};
	static const SpotifyHttpOutcome transient[] = { SPOTIFY_HTTP_UNREACHABLE,
													SPOTIFY_HTTP_TIMED_OUT,
													SPOTIFY_HTTP_CUT };
	SpotifyHttpAnswer answer;
	size_t i;

	for (i = 0; i < sizeof(final) / sizeof(final[0]); i++)
		tap_is_int(verdict(&usual, failure(final[i], true), 0),
				   SPOTIFY_RETRY_DONE, "outcome %d stays", (int) final[i]);
	for (i = 0; i < sizeof(transient) / sizeof(transient[0]); i++)
		tap_is_int(verdict(&usual, failure(transient[i], true), 0),
				   SPOTIFY_RETRY_WAIT, "outcome %d may pass",
				   (int) transient[i]);

	answer = failure(SPOTIFY_HTTP_TOO_LARGE, true);
	answer.status = 503;
	tap_is_int(verdict(&usual, answer, 0), SPOTIFY_RETRY_DONE,
			   "an error page that is too large stays too large");
}

static void
test_attempts(void)
{
	static const SpotifyRetryPolicy never = { .max_retries = 0,
											  .max_wait_ms = 10000,
											  .is_idempotent = true };

	tap_is_int(verdict(&usual, answer_with(500, 0), 3), SPOTIFY_RETRY_WAIT,
			   "the last retry");
	tap_is_int(verdict(&usual, answer_with(500, 0), 4), SPOTIFY_RETRY_EXHAUSTED,
			   "no retries are left");
	tap_is_int(verdict(&usual, failure(SPOTIFY_HTTP_CUT, true), 4),
			   SPOTIFY_RETRY_EXHAUSTED, "nor for a cut connection");
	tap_is_int(verdict(&usual, answer_with(404, 0), 4), SPOTIFY_RETRY_DONE,
			   "a status that stays is not exhausted");
	tap_is_int(verdict(&never, answer_with(500, 0), 0), SPOTIFY_RETRY_EXHAUSTED,
			   "a policy without retries");
}

static void
test_backoff(void)
{
	static const int limits[] = { 500, 1000, 2000, 4000, 8000, 10000, 10000 };
	static const SpotifyRetryPolicy patient = { .max_retries = INT_MAX,
												.max_wait_ms = INT_MAX,
												.is_idempotent = true };
	static const SpotifyRetryPolicy hasty = { .max_retries = 4,
											  .max_wait_ms = 100,
											  .is_idempotent = true };
	static const SpotifyRetryPolicy restless = { .max_retries = 4,
												 .max_wait_ms = 0,
												 .is_idempotent = true };
	SpotifyRetryPolicy policy = usual;
	int i;

	policy.max_retries = 100;
	for (i = 0; i < (int) (sizeof(limits) / sizeof(limits[0])); i++)
	{
		tap_is_int(wait_of(&policy, answer_with(500, 0), i, 0), 0,
				   "attempt %d: from 0", i);
		tap_is_int(wait_of(&policy, answer_with(500, 0), i, 0.5), limits[i] / 2,
				   "attempt %d: halfway", i);
		tap_is_int(wait_of(&policy, answer_with(500, 0), i, HIGHEST),
				   limits[i] - 1, "attempt %d: to the limit", i);
	}
	tap_is_int(wait_of(&policy, answer_with(500, 0), 99, 0.5), 5000,
			   "many attempts do not overflow");
	tap_is_int(wait_of(&patient, answer_with(500, 0), 20, 0.5),
			   500 * (1 << 20) / 2, "a high maximum");
	tap_is_int(wait_of(&patient, answer_with(500, 0), INT_MAX - 1, 0.5),
			   INT_MAX / 2, "the highest does not overflow either");
	tap_is_int(wait_of(&hasty, answer_with(500, 0), 0, HIGHEST), 99,
			   "a maximum below the first backoff");
	tap_is_int(wait_of(&restless, answer_with(500, 0), 3, HIGHEST), 0,
			   "a maximum of nothing");
}

static void
test_rate_limit(void)
{
	SpotifyHttpAnswer answer;

	tap_is_int(wait_of(&usual, answer_with(429, 3), 0, 0), 3000,
			   "429 waits as long as told");
	tap_is_int(wait_of(&usual, answer_with(429, 3), 0, HIGHEST), 3299,
			   "and up to a tenth longer");
	tap_is_int(wait_of(&usual, answer_with(429, 3), 3, 0), 3000,
			   "at every attempt");
	tap_is_int(wait_of(&usual, answer_with(429, 10), 0, HIGHEST), 10000,
			   "but no longer than the maximum");
	tap_is_int(wait_of(&usual, answer_with(429, 0), 0, 0.9), 1000,
			   "429 without a time waits a second at least");
	tap_is_int(wait_of(&usual, answer_with(429, 0), 3, 0.5), 2000,
			   "and backs off");
	tap_is_int(wait_of(&usual, answer_with(429, -5), 0, 0), 1000,
			   "a negative time is none");

	answer = failure(SPOTIFY_HTTP_CUT, true);
	answer.status = 429;
	answer.retry_after = 3;
	tap_is_int(wait_of(&usual, answer, 0, 0), 3000,
			   "a 429 whose body was cut is one");
}

static void
test_rate_limit_maximum(void)
{
	static const SpotifyRetryPolicy hasty = { .max_retries = 4,
											  .max_wait_ms = 1500,
											  .is_idempotent = true };
	static const SpotifyRetryPolicy hastier = { .max_retries = 4,
												.max_wait_ms = 300,
												.is_idempotent = true };
	static const SpotifyRetryPolicy patient = { .max_retries = 4,
												.max_wait_ms = INT_MAX,
												.is_idempotent = true };

	tap_is_int(wait_of(&hasty, answer_with(429, 1), 0, HIGHEST), 1099,
			   "a second is within 1.5");
	tap_is_int(verdict(&hasty, answer_with(429, 2), 0), SPOTIFY_RETRY_LIMITED,
			   "two are not");
	tap_is_int(wait_of(&hastier, answer_with(429, 0), 0, 0), 300,
			   "a maximum below a second is kept to");
	tap_is_int(wait_of(&patient, answer_with(429, INT_MAX / 1000), 0, HIGHEST),
			   INT_MAX, "the longest wait does not overflow");
	tap_is_int(verdict(&patient, answer_with(429, INT_MAX), 0),
			   SPOTIFY_RETRY_LIMITED, "nor does a longer one");
}

static void
test_limited(void)
{
	SpotifyHttpAnswer answer = answer_with(429, 11);

	limited_is(spotify_retry_decide(&usual, &answer, false, 0, 0), 11,
			   "longer than the maximum");
	answer = answer_with(429, 86400);
	limited_is(spotify_retry_decide(&usual, &answer, false, 0, 0), 86400,
			   "a day");
	answer = answer_with(429, 86401);
	limited_is(spotify_retry_decide(&usual, &answer, false, 0, 0), 86400,
			   "more than a day");
	answer = answer_with(429, INT64_MAX);
	limited_is(spotify_retry_decide(&usual, &answer, false, 0, 0), 86400,
			   "the longest");
	answer = answer_with(429, 2);
	limited_is(spotify_retry_decide(&usual, &answer, false, 4, 0), 2,
			   "no retries left, with a time");
	answer = answer_with(429, 0);
	limited_is(spotify_retry_decide(&usual, &answer, false, 4, 0), 30,
			   "no retries left, without a time");
}

static void
test_quota(void)
{
	SpotifyHttpAnswer answer = answer_with(429, 49861);

	limited_is(spotify_retry_decide(&usual, &answer, true, 0, 0), 49861,
			   "quota with a time");
	answer = answer_with(429, 1);
	limited_is(spotify_retry_decide(&usual, &answer, true, 0, 0), 1,
			   "quota with a short time");
	answer = answer_with(429, 0);
	limited_is(spotify_retry_decide(&usual, &answer, true, 0, 0), 3600,
			   "quota without a time");
	answer = answer_with(429, INT64_MAX);
	limited_is(spotify_retry_decide(&usual, &answer, true, 0, 0), 86400,
			   "quota with the longest");
}

static void
test_unavailable(void)
{
	tap_is_int(wait_of(&usual, answer_with(503, 2), 0, 0), 2000,
			   "503 waits as long as told");
	tap_is_int(wait_of(&usual, answer_with(503, 2), 0, HIGHEST), 2199,
			   "and up to a tenth longer");
	tap_is_int(wait_of(&usual, answer_with(503, 11), 0, 0.5), 250,
			   "503 with more than the maximum backs off");
	tap_is_int(wait_of(&usual, answer_with(503, 0), 0, 0.5), 250,
			   "503 without a time backs off");
	tap_is_int(wait_of(&usual, answer_with(500, 2), 0, 0.5), 250,
			   "500 with a time backs off");
	tap_is_int(verdict(&usual, answer_with(503, 2), 4), SPOTIFY_RETRY_EXHAUSTED,
			   "503 uses up retries");
}

/* A refresh token may be used up by a request of which nothing was heard. */
static void
test_not_idempotent(void)
{
	static const SpotifyRetryPolicy never = { .max_retries = 0,
											  .max_wait_ms = 10000,
											  .is_idempotent = false };
	SpotifyHttpAnswer answer;

	tap_is_int(verdict(&careful, failure(SPOTIFY_HTTP_TIMED_OUT, true), 0),
			   SPOTIFY_RETRY_WAIT, "sent without answer: once more");
	tap_is_int(verdict(&careful, failure(SPOTIFY_HTTP_TIMED_OUT, true), 1),
			   SPOTIFY_RETRY_EXHAUSTED, "but not twice");
	tap_is_int(verdict(&never, failure(SPOTIFY_HTTP_TIMED_OUT, true), 0),
			   SPOTIFY_RETRY_EXHAUSTED, "and not against the policy");
	tap_is_int(verdict(&careful, failure(SPOTIFY_HTTP_CUT, true), 1),
			   SPOTIFY_RETRY_EXHAUSTED, "nor after a cut");

	answer = failure(SPOTIFY_HTTP_CUT, true);
	answer.status = 200;
	tap_is_int(verdict(&careful, answer, 1), SPOTIFY_RETRY_EXHAUSTED,
			   "nor after a success that was cut");
	tap_is_int(verdict(&careful, failure(SPOTIFY_HTTP_UNREACHABLE, false), 3),
			   SPOTIFY_RETRY_WAIT, "what was not sent is repeated as usual");
	tap_is_int(verdict(&careful, failure(SPOTIFY_HTTP_TIMED_OUT, false), 3),
			   SPOTIFY_RETRY_WAIT, "also after a time-out");
	tap_is_int(verdict(&careful, answer_with(502, 0), 3), SPOTIFY_RETRY_WAIT,
			   "5xx is repeated as usual");
	tap_is_int(verdict(&careful, answer_with(429, 1), 3), SPOTIFY_RETRY_WAIT,
			   "429 is repeated as usual");
}

int
main(void)
{
	test_statuses();
	test_outcomes();
	test_attempts();
	test_backoff();
	test_rate_limit();
	test_rate_limit_maximum();
	test_limited();
	test_quota();
	test_unavailable();
	test_not_idempotent();
	return tap_done();
}
