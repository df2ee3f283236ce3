/*
 * test_redirect.c
 *		What a browser ends on, as people copy it; and where it may be sent.
 */
#include "spotify/redirect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tap.h"

/* That a response has these parts; NULL: none. */
static void
parses(const char *response, const char *code, const char *state,
	   const char *error)
{
	static int number;
	SpotifyRedirect redirect;

	number++;
	tap_ok(spotify_redirect_parse(response, &redirect), "response %d", number);
	tap_is_str(redirect.code, code, "response %d: its code", number);
	tap_is_str(redirect.state, state, "response %d: its state", number);
	tap_is_str(redirect.error, error, "response %d: its error", number);
	spotify_redirect_release(&redirect);
	tap_ok(redirect.code == NULL && redirect.arena.blocks == NULL,
		   "response %d: released, it is empty", number);
	spotify_redirect_release(&redirect);
}

static void
test_forms(void)
{
	parses("http://127.0.0.1:8888/callback?code=C&state=S", "C", "S", NULL);
	parses("http://127.0.0.1:8888/callback?state=S&code=C", "C", "S", NULL);
	parses("\n https://example.org/?a=b&code=C#_=_\r\n", "C", NULL, NULL);
	parses("https://example.org/?error=access_denied&state=S", NULL, "S",
		   "access_denied");
	parses("?code=C&state=S", "C", "S", NULL);
	parses("code=C", "C", NULL, NULL);
	parses(" C \n", "C", NULL, NULL);
	parses("C-_1", "C-_1", NULL, NULL);
}

static void
test_escapes(void)
{
	parses("code=a%2Bb%2fc%3D&state=%53", "a+b/c=", "S", NULL);
	parses("code=a%20b", "a b", NULL, NULL);
	parses("code=%20C%0A", "C", NULL, NULL);
	parses("code=a%", "a%", NULL, NULL);
	parses("code=a%zz", "a%zz", NULL, NULL);
}

static void
test_nothing(void)
{
	parses("", NULL, NULL, NULL);
	parses(" \t\n", NULL, NULL, NULL);
	parses("http://127.0.0.1:8888/callback", NULL, NULL, NULL);
	parses("http://127.0.0.1:8888/callback?", NULL, NULL, NULL);
	parses("http://127.0.0.1:8888/callback?code", NULL, NULL, NULL);
	parses("http://127.0.0.1:8888/callback?code=", NULL, NULL, NULL);
	parses("http://127.0.0.1:8888/callback?code=#code=C", NULL, NULL, NULL);
	parses("https://accounts.spotify.com/authorize?response_type=code&state=S",
		   NULL, "S", NULL);
	parses("&&=&=x&?", NULL, NULL, NULL);
}

static void
test_long(void)
{
	enum
	{
		length = 1000000
	};
	char *code = malloc(length + 1);

	memset(code, 'x', length);
	code[length] = '\0';
	parses(code, code, NULL, NULL);
	free(code);
}

static void
test_uris(void)
{
	static const char *const accepted[] = {
		"https://example.org/callback",	  "https://example.org:8443/a",
		"http://127.0.0.1:8888/callback", "http://127.0.0.1/callback",
		"http://[::1]:8888/callback",	  "https://localhost.example.org/"
	};
	static const char *const refused[] = {
		"",
		"callback",
		"//127.0.0.1/callback",
		"spotify://callback",
		"http://example.org/callback",
		"http://127.0.0.1.example.org/",
		"http://localhost:8888/callback",
		"http://LOCALHOST/callback",
		"https://localhost/callback",
	};

	for (size_t i = 0; i < sizeof(accepted) / sizeof(accepted[0]); i++)
		tap_is_str(spotify_redirect_uri_problem(accepted[i]), NULL,
				   "accepted: %s", accepted[i]);
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		tap_ok(spotify_redirect_uri_problem(refused[i]) != NULL, "refused: %s",
			   refused[i]);
}

int
main(void)
{
	test_forms();
	test_escapes();
	test_nothing();
	test_long();
	test_uris();
	return tap_done();
}
