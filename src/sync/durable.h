/*
 * durable.h
 *		Work in a transaction of its own, which survives the caller's.
 *
 * What a code or a refresh token bought, a quota that is used up, and a run
 * that failed must be kept although the caller rolls back, is cancelled or
 * is killed.  So a background worker does these: it finds out first whether
 * it will be able to write, spends the token, stores what it got, commits, and
 * then hands the result over.
 */
#ifndef SPOTIFY_DURABLE_H
#define SPOTIFY_DURABLE_H

#include "datatype/timestamp.h"

#include "spotify/exchange.h"

typedef enum SpotifyTokenNeed
{
	SPOTIFY_TOKEN_THAT_LASTS, /* the stored one if it lasts for a minute */
	SPOTIFY_TOKEN_OTHER_THAN, /* not the one that Spotify just refused */
	SPOTIFY_TOKEN_NEW		  /* one that Spotify gave since: the user asks */
} SpotifyTokenNeed;

typedef struct SpotifyAccessToken
{
	char *token; /* secret */
	TimestampTz expires_at;
} SpotifyAccessToken;

/*
 * An access token for an account, in the current memory context, with which it
 * is overwritten.  refused is
 * for SPOTIFY_TOKEN_OTHER_THAN, and else NULL.  Of many sessions that need
 * one, one asks Spotify and the others get the same.  Raises an error, before
 * anything is sent, if a new token could not be stored.
 */
extern SpotifyAccessToken spotify_durable_token(const char *account,
												SpotifyTokenNeed need,
												const char *refused,
												SpotifyTraffic *traffic);

/* What came of an authorization, in the memory context that was current. */
typedef struct SpotifyAuthorized
{
	const char *user_id; /* at Spotify; NULL: could not be found out */
	ErrorData *problem;	 /* why not; NULL if there is none */
	const char *scope;	 /* that was granted, space separated; NULL: not told */
} SpotifyAuthorized;

/*
 * Exchanges the code of an authorization, and stores what it gives and whose it
 * is.  Raises an error, before anything is sent, if that could not be stored.
 */
extern SpotifyAuthorized spotify_durable_authorize(const char *account,
												   const char *code,
												   const char *code_verifier);

/*
 * Stores that no account of this one's client id may send a request before
 * retry_after.  Raises an error if it could not be written.
 */
extern void spotify_durable_limit(const char *account, TimestampTz retry_after);

#endif /* SPOTIFY_DURABLE_H */
