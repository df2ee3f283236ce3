/*
 * token.h
 *		The grants of Spotify's token endpoint.
 */
#ifndef SPOTIFY_TOKEN_H
#define SPOTIFY_TOKEN_H

#include "datatype/timestamp.h"

#include "spotify/decode.h"
#include "spotify/exchange.h"

/* Who asks.  The strings belong to the caller. */
typedef struct SpotifyTokenClient
{
	const char *client_id;
	const char *client_secret; /* NULL: a PKCE client */
} SpotifyTokenClient;

/* What was granted, in the memory context that was current. */
typedef struct SpotifyGrant
{
	char *access_token; /* NULL: it cannot be used, which is the problem */
	SpotifyDecodeProblem problem;
	TimestampTz access_token_expires_at;
	char *refresh_token; /* NULL: the old one goes on */
	char *scope;		 /* space separated; NULL: not told */
} SpotifyGrant;

/*
 * Refresh grant.  Returns true with the grant filled: with an access token, or
 * with a new refresh token at least.  Returns false if Spotify
 * answered invalid_grant, that is, the refresh token is expired, revoked or
 * unknown, with Spotify's words in *refusal.  Raises an error for every
 * other failure: those say nothing about the token.
 */
extern bool spotify_token_refresh(const SpotifyTokenClient *client,
								  const char *refresh_token,
								  SpotifyTraffic *traffic, SpotifyGrant *grant,
								  SpotifyErrorBody *refusal);

/*
 * Authorization code grant: see spotify_token_refresh.  The redirect URI is the
 * one that the code was asked for with.
 */
extern bool
spotify_token_exchange_code(const SpotifyTokenClient *client, const char *code,
							const char *redirect_uri, const char *code_verifier,
							SpotifyTraffic *traffic, SpotifyGrant *grant,
							SpotifyErrorBody *refusal);

#endif /* SPOTIFY_TOKEN_H */
