/*
 * exchange.h
 *		Exchanges with Spotify, several at once, with retries and waiting.
 *
 * Backend C.  Knows nothing of tokens or pages.  Waiting is on the latch, so
 * that a cancel ends it at once; whatever is thrown, everything is given back
 * with the memory context that was current when the pool was opened.
 */
#ifndef SPOTIFY_EXCHANGE_H
#define SPOTIFY_EXCHANGE_H

#include "datatype/timestamp.h"
#include "lib/ilist.h"

#include "http/http.h"
#include "spotify/model.h"
#include "spotify/retry.h"

/* What was sent and received, added up over all pools of a run. */
typedef struct SpotifyTraffic
{
	int32 requests; /* sent, repeated ones included */
	int32 retries;	/* how many of them repeated a failed one */
	int64 bytes_received;
	TimestampTz limited_until; /* no request before this; 0: no limit was met */
} SpotifyTraffic;

/* What to ask.  The strings must stay until the exchange has finished. */
typedef struct SpotifyExchangeRequest
{
	const char *url;
	const char *form; /* see SpotifyHttpRequest for these four */
	const char *bearer;
	const char *username;
	const char *password;
	const char *secrets[4]; /* what else no message may repeat; or NULL */
	bool is_idempotent;		/* may be repeated although it may have arrived */
	bool is_reauthorized;	/* the bearer is new, after another was refused */
	void *tag;				/* the caller's */
} SpotifyExchangeRequest;

/* One request and, when it has finished, what became of it. */
typedef struct SpotifyExchange
{
	dlist_node node;
	SpotifyExchangeRequest request;
	int attempts;			/* how often it was sent */
	bool is_uncompressed;	/* asks, since it was sent last, for no gzip */
	TimestampTz not_before; /* while it waits to be sent (again) */
	SpotifyHttpAnswer answer;
	SpotifyErrorBody error_body;   /* of a status from 400 on */
	SpotifyRetryDecision decision; /* never to wait, when finished */
	char first_problem[256];	   /* of the first attempt, if it failed */
} SpotifyExchange;

typedef struct SpotifyExchangePool SpotifyExchangePool;

/*
 * The pool adds what it sends to traffic, which must outlive it.  Raises an
 * error if so many sockets cannot be had.
 */
extern SpotifyExchangePool *spotify_exchange_open(int max_in_flight,
												  SpotifyTraffic *traffic);

/*
 * Copies the request and queues it: spotify_exchange_next sends it.  What waits
 * is not sent any more once a rate limit stands, or with a bearer that Spotify
 * has refused meanwhile: it finishes with the same status.
 */
extern void spotify_exchange_submit(SpotifyExchangePool *pool,
									const SpotifyExchangeRequest *request);

/*
 * Waits for the next exchange that finishes, in any order.  It stays valid
 * until the next call.  NULL when none is under way.
 */
extern const SpotifyExchange *spotify_exchange_next(SpotifyExchangePool *pool);

#endif /* SPOTIFY_EXCHANGE_H */
