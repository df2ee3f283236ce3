/*
 * login.h
 *		An account's way into Spotify: whether it is open, and its access token.
 */
#ifndef SPOTIFY_LOGIN_H
#define SPOTIFY_LOGIN_H

#include "spotify/exchange.h"
#include "spotify/token.h"
#include "store/accounts.h"
#include "sync/durable.h"

typedef struct SpotifyLogin SpotifyLogin;

/*
 * Gets an access token for an account that exists, and warns if the
 * authorization ends soon.  The login lives in the current memory context.
 */
extern SpotifyLogin *spotify_login_open(const char *account,
										SpotifyTraffic *traffic);

/* Reports an error if Spotify asked not to be called yet. */
extern void spotify_login_check_limit(const SpotifyAccount *account);

/* The account; reports an error if it was forgotten meanwhile. */
extern SpotifyAccount *spotify_login_find_account(const char *name);

/* A SpotifyTokenSource. */
extern const char *spotify_login_access_token(void *login, bool is_refused);

/*
 * Stores what a new authorization granted: six months begin, and whatever was
 * stored before is over.
 */
extern void spotify_login_keep_new(const char *account,
								   const SpotifyGrant *grant);

/*
 * Stores the account's user, as Spotify has named it, and that this refresh
 * token is its, unless another one is stored by now.
 */
extern void spotify_login_keep_user(const char *account,
									const SpotifyProfile *profile,
									const char *refresh_token);

#endif /* SPOTIFY_LOGIN_H */
