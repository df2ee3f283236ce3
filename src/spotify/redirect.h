/*
 * redirect.h
 *		What a browser ends on after Spotify's authorize page.
 *
 * Plain C.  Spotify redirects to redirect_uri?code=...&state=..., or to
 * redirect_uri?error=access_denied&state=... if the user refused.
 */
#ifndef SPOTIFY_REDIRECT_H
#define SPOTIFY_REDIRECT_H

#include <stdbool.h>

#include "spotify/arena.h"

typedef struct SpotifyRedirect
{
	SpotifyArena arena;
	const char *code; /* NULL: none; otherwise secret until it is used */
	const char *state;
	const char *error;
} SpotifyRedirect;

/*
 * Reads the whole URL, its query string, or a bare code.  Returns false when
 * memory is out, and only then: a response without code has a NULL code.  The
 * caller releases the redirect in any case.
 */
extern bool spotify_redirect_parse(const char *response,
								   SpotifyRedirect *redirect);

/*
 * Tells whether Spotify accepts a redirect URI: https, or http to a loopback
 * address, but not the name localhost.  NULL if so, else what is wrong with
 * it, to be put after "the redirect URI ".
 * https://developer.spotify.com/documentation/web-api/concepts/redirect_uri
 */
extern const char *spotify_redirect_uri_problem(const char *uri);

extern void spotify_redirect_release(SpotifyRedirect *redirect);

#endif /* SPOTIFY_REDIRECT_H */
