/*
 * authorization.h
 *		The user's authorization: from a URL to open to tokens that are stored.
 */
#ifndef SPOTIFY_AUTHORIZATION_H
#define SPOTIFY_AUTHORIZATION_H

/*
 * Begins an authorization of an account that exists: keeps a new state and
 * code verifier, and returns the URL to open in a browser.
 */
extern char *spotify_authorization_begin(const char *account);

/*
 * Ends it with what the browser ended on.  Stores the tokens and the user,
 * whose id is returned.
 */
extern char *spotify_authorization_complete(const char *account,
											const char *response);

#endif /* SPOTIFY_AUTHORIZATION_H */
