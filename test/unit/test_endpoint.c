/*
 * test_endpoint.c
 *		URLs and forms, and what is percent-encoded in them.
 */
#include "spotify/endpoint.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "tap.h"

#define API "https://api.example/v1"

/* Frees what the endpoint gave. */
static void
text_is(char *text, const char *expected, const char *name)
{
	tap_is_str(text, expected, "%s", name);
	free(text);
}

static void
test_saved_tracks(void)
{
	text_is(spotify_endpoint_saved_tracks(API, 0),
			API "/me/tracks?limit=50&offset=0", "the first page");
	text_is(spotify_endpoint_saved_tracks(API, 12350),
			API "/me/tracks?limit=50&offset=12350", "a later page");
	text_is(spotify_endpoint_saved_tracks(API, INT_MAX),
			API "/me/tracks?limit=50&offset=2147483647", "the last offset");
	text_is(spotify_endpoint_saved_tracks(API "/", 0),
			API "/me/tracks?limit=50&offset=0", "a base with a slash");
	text_is(spotify_endpoint_saved_tracks(API "///", 0),
			API "/me/tracks?limit=50&offset=0", "a base with slashes");
}

static void
test_recently_played(void)
{
	text_is(spotify_endpoint_recently_played(API, 0),
			API "/me/player/recently-played?limit=50", "the last plays");
	text_is(spotify_endpoint_recently_played(API "/", 0),
			API "/me/player/recently-played?limit=50",
			"the last plays at a base with a slash");
	text_is(spotify_endpoint_recently_played(API, INT64_C(1793491200123)),
			API "/me/player/recently-played?limit=50&before=1793491200123",
			"plays before a point in time");
}

static void
test_contains(void)
{
	static const char *const one[] = { "0abc" };
	static const char *const two[] = { "0abc", "1def" };
	static const char *const odd[] = {
		"spotify:local:Uncle+Bertram:A,B:Caf\xC3\xA9 & 50%:154", "a/b?c#d"
	};

	text_is(spotify_endpoint_contains(API, "track", one, 1),
			API "/me/library/contains?uris=spotify%3Atrack%3A0abc", "one id");
	text_is(spotify_endpoint_contains(API "/", "track", two, 2),
			API "/me/library/contains?uris=spotify%3Atrack%3A0abc,"
				"spotify%3Atrack%3A1def",
			"two ids");
	text_is(spotify_endpoint_contains(API, "track", odd, 2),
			API "/me/library/contains?uris="
				"spotify%3Alocal%3AUncle%2BBertram%3AA%2CB%3ACaf%C3%A9%20%26%20"
				"50%25%3A154,spotify%3Atrack%3Aa%2Fb%3Fc%23d",
			"a local file, and an id with signs");
	text_is(spotify_endpoint_contains(API, "album", one, 1),
			API "/me/library/contains?uris=spotify%3Aalbum%3A0abc",
			"another type of item");
	text_is(spotify_endpoint_contains(API, "track", NULL, 0),
			API "/me/library/contains?uris=", "no ids");
}

static void
test_contains_many(void)
{
	const char *ids[SPOTIFY_CONTAINS_SIZE];
	const char *found;
	char *url;
	int count = 0;
	int i;

	for (i = 0; i < SPOTIFY_CONTAINS_SIZE; i++)
		ids[i] = "0123456789012345678901";
	url = spotify_endpoint_contains(API, "track", ids, SPOTIFY_CONTAINS_SIZE);
	for (found = url; found != NULL; found = strstr(found + 1, "%3Atrack%3A"))
		count++;
	tap_is_int(count - 1, SPOTIFY_CONTAINS_SIZE, "as many ids as there may be");
	free(url);
}

static void
test_token(void)
{
	text_is(spotify_endpoint_token("https://accounts.example"),
			"https://accounts.example/api/token", "the token endpoint");
	text_is(spotify_endpoint_token("https://accounts.example/"),
			"https://accounts.example/api/token", "a base with a slash");
}

static void
test_form(void)
{
	text_is(spotify_form_refresh("AQB-_x", NULL),
			"grant_type=refresh_token&refresh_token=AQB-_x",
			"a confidential client");
	text_is(spotify_form_refresh("AQB-_x", "c1"),
			"grant_type=refresh_token&refresh_token=AQB-_x&client_id=c1",
			"a PKCE client");
	text_is(spotify_form_refresh("a+b/c=&d", "e&f"),
			"grant_type=refresh_token&refresh_token=a%2Bb%2Fc%3D%26d"
			"&client_id=e%26f",
			"what has a meaning in forms is encoded");
}

int
main(void)
{
	test_saved_tracks();
	test_recently_played();
	test_contains();
	test_contains_many();
	test_token();
	test_form();
	return tap_done();
}
