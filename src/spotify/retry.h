/*
 * retry.h
 *		What to do after an exchange: the decision, not the waiting.
 *
 * Plain C, without state: the caller counts the attempts, draws the random
 * number and waits.
 */
#ifndef SPOTIFY_RETRY_H
#define SPOTIFY_RETRY_H

#include "http/http.h"

typedef struct SpotifyRetryPolicy
{
	int max_retries;	/* attempts after the first */
	int max_wait_ms;	/* longest single wait */
	bool is_idempotent; /* false: repeating a request that may have been
						 * processed can do harm (a token may be used up) */
} SpotifyRetryPolicy;

typedef enum SpotifyRetryVerdict
{
	SPOTIFY_RETRY_DONE,		 /* a success, or a failure that stays one */
	SPOTIFY_RETRY_WAIT,		 /* ask again after wait_ms */
	SPOTIFY_RETRY_EXHAUSTED, /* transient, but max_retries are used up */
	SPOTIFY_RETRY_LIMITED	 /* 429 that lasts longer than we wait */
} SpotifyRetryVerdict;

typedef struct SpotifyRetryDecision
{
	SpotifyRetryVerdict verdict;
	int wait_ms;
	int64_t limited_seconds; /* for SPOTIFY_RETRY_LIMITED: until Spotify will
							  * answer again, 1 to 86,400 */
} SpotifyRetryDecision;

/*
 * attempt is 0 for the first one; random is drawn from [0, 1).  A 429 waits
 * as long as Retry-After says, or by backoff where that says nothing.  A
 * daily quota that is used up (is_quota_exceeded) is never waited for.
 */
extern SpotifyRetryDecision
spotify_retry_decide(const SpotifyRetryPolicy *policy,
					 const SpotifyHttpAnswer *answer, bool is_quota_exceeded,
					 int attempt, double random);

#endif /* SPOTIFY_RETRY_H */
