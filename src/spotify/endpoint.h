/*
 * endpoint.h
 *		URLs and forms of the Web API.
 *
 * Plain C.  Each result is malloc'd and belongs to the caller; NULL means out
 * of memory.  A base may end in a slash.
 */
#ifndef SPOTIFY_ENDPOINT_H
#define SPOTIFY_ENDPOINT_H

#include <stdint.h>

/*
 * How many entries of a list are asked for at once: limit is 1 to 50.  Spotify
 * has lowered that for search (2026-02), so an answer may hold fewer, and then
 * says so in its own limit.
 */
#define SPOTIFY_PAGE_SIZE 50

/*
 * Most URIs that GET /me/library/contains takes:
 * https://developer.spotify.com/reference/web-api/open-api-schema.yaml
 */
#define SPOTIFY_CONTAINS_SIZE 40

/*
 * GET /me/tracks.  Without market: with it Spotify may put another id in the
 * place of the saved one.
 */
extern char *spotify_endpoint_saved_tracks(const char *api_url, int offset);

/*
 * GET /me/player/recently-played: the last 50 plays, which is all there are, or
 * of those that ended before a point in time (milliseconds since 1970; 0: none).
 * Without "after": plays can appear late, and those that are older than the
 * newest one known would be lost.
 * https://github.com/spotify/web-api/issues/1441
 */
extern char *spotify_endpoint_recently_played(const char *api_url,
											  int64_t before);

/*
 * GET /me/library/contains for count ids of items of a type, such as "track"
 * (or URIs of local files).
 */
extern char *spotify_endpoint_contains(const char *api_url,
									   const char *item_type,
									   const char *const *ids, int count);

/* POST /api/token: where the forms below go. */
extern char *spotify_endpoint_token(const char *accounts_url);

/*
 * The form of a refresh.  client_id is NULL for a confidential client, which
 * authorises itself by Basic authentication, and the id of a PKCE client.
 * Holds the refresh token: overwrite before freeing.
 */
extern char *spotify_form_refresh(const char *refresh_token,
								  const char *client_id);

/* GET /me: who the access token belongs to. */
extern char *spotify_endpoint_me(const char *api_url);

/* The query of the page on which the user authorizes the app. */
typedef struct SpotifyAuthorizeParameters
{
	const char *client_id;
	const char *redirect_uri;
	const char *scope; /* space separated */
	const char *state;
	const char *code_challenge; /* S256 */
} SpotifyAuthorizeParameters;

extern char *
spotify_endpoint_authorize(const char *accounts_url,
						   const SpotifyAuthorizeParameters *parameters);

/*
 * The form that exchanges a code for tokens; client_id as above.  Holds
 * secrets: overwrite before freeing.
 */
extern char *spotify_form_code(const char *code, const char *redirect_uri,
							   const char *code_verifier,
							   const char *client_id);

#endif /* SPOTIFY_ENDPOINT_H */
