/*
 * login.h
 *		An account's way into Spotify: its access token, refreshed when needed.
 */
#ifndef SPOTIFY_LOGIN_H
#define SPOTIFY_LOGIN_H

#include "spotify/exchange.h"
#include "spotify/token.h"

typedef struct SpotifyLogin SpotifyLogin;

/*
 * Loads the account and its secrets into the current memory context.  The
 * account must exist.  Reports an error if Spotify asked not to be called
 * yet, if the account was never authorized, or, unless a refresh is what the
 * user asks for, if Spotify refused its refresh token.
 */
extern SpotifyLogin *spotify_login_open(const char *account, bool is_refresh,
										SpotifyTraffic *traffic);

/*
 * A SpotifyTokenSource: an access token that lasts for a minute at least.
 * With is_refused, one that is newer than the last.
 */
extern const char *spotify_login_access_token(void *login, bool is_refused);

/* Gets a new access token in any case; returns when it expires. */
extern TimestampTz spotify_login_refresh(SpotifyLogin *login);

/*
 * Stores what a new authorization granted: six months begin, and whatever was
 * stored before is over.
 */
extern void spotify_login_keep_new(const char *account,
								   const SpotifyGrant *grant);

#endif /* SPOTIFY_LOGIN_H */
