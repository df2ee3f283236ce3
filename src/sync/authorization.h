/*
 * authorization.h
 *		The user's authorization: from a URL to open to tokens that are stored.
 */
#ifndef SPOTIFY_AUTHORIZATION_H
#define SPOTIFY_AUTHORIZATION_H

#include "sync/durable.h"

/*
 * Begins an authorization of an account that exists: keeps a new state and
 * code verifier, and returns the URL to open in a browser.
 */
extern char *spotify_authorization_begin(const char *account);

/*
 * Ends it with what the browser ended on.  The tokens are stored and committed
 * then.  Returns the Spotify user, or NULL with a warning if that could not be
 * found out.
 */
extern const char *spotify_authorization_complete(const char *account,
												  const char *response);

/*
 * The same after all checks, in a background worker: see
 * spotify_durable_authorize.  Must not be called inside a transaction.
 */
extern void spotify_authorization_finish(const char *account, const char *code,
										 const char *code_verifier,
										 SpotifyTraffic *traffic,
										 SpotifyAuthorized *authorized);

#endif /* SPOTIFY_AUTHORIZATION_H */
