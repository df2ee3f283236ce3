/*
 * credentials.h
 *		The table spotify_private.credentials.
 *
 * What it returns is secret: it must not get into any message.
 */
#ifndef SPOTIFY_CREDENTIALS_H
#define SPOTIFY_CREDENTIALS_H

#include "spotify/model.h"

typedef struct SpotifyCredentials
{
	char *client_secret; /* NULL: a PKCE client */
	char *refresh_token; /* NULL: never authorized, or restored from a dump */
	char *access_token;	 /* NULL: none yet */
	SpotifyTimestamp access_token_expires_at;
	SpotifyTimestamp access_token_obtained_at;
	bool is_user_confirmed; /* the tokens are the account's user's */
} SpotifyCredentials;

/* All fields are NULL when nothing is stored. */
extern SpotifyCredentials *spotify_credentials_load(const char *account);

/* Overwrites what was loaded, in a process that lives on. */
extern void spotify_credentials_wipe(SpotifyCredentials *credentials);

/*
 * Sets what is not NULL; an empty client secret removes the stored one.  The
 * access token is dropped, since it belongs to what was stored before.  Whose
 * another refresh token is nobody has confirmed yet.
 */
extern void spotify_credentials_set(const char *account,
									const char *client_secret,
									const char *refresh_token);

/*
 * Stores what Spotify granted.  A NULL refresh token leaves the stored one, a
 * NULL access token does not: it is no good beside a new refresh token.
 * Does nothing, and returns false, if old_refresh_token is not NULL and not
 * what is stored.  If it is NULL the login is new, and nobody has confirmed whose
 * it is.
 */
extern bool
spotify_credentials_set_tokens(const char *account, const char *access_token,
							   SpotifyTimestamp access_token_expires_at,
							   const char *refresh_token,
							   const char *old_refresh_token);

/*
 * Spotify said that the login is the account's user's, or that it is somebody
 * else's: then the tokens go.  Both do nothing if the refresh token is not what
 * is stored; the second returns whether it is.
 */
extern void spotify_credentials_confirm_user(const char *account,
											 const char *refresh_token);
extern bool spotify_credentials_drop_tokens(const char *account,
											const char *refresh_token);

/* An authorization that began, and has not ended yet. */
typedef struct SpotifyPendingAuthorization
{
	char *state;
	char *code_verifier; /* NULL: none is under way */
} SpotifyPendingAuthorization;

extern SpotifyPendingAuthorization *
spotify_credentials_load_pending(const char *account);

extern void spotify_credentials_set_pending(const char *account,
											const char *state,
											const char *code_verifier);

/* The authorization ended: forgets state and verifier. */
extern void spotify_credentials_end_pending(const char *account);

#endif /* SPOTIFY_CREDENTIALS_H */
