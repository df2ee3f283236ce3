/*
 * test_transport_curl_urls.c
 *		URLs: which can be the base of requests, and what is escaped in them.
 */
#include "http/http.h"

#include <stdlib.h>

#include "tap.h"

static void
test_url_problem(void)
{
	static const char *const scheme =
		"must start with https://, or with http:// for a loopback address";
	static const char *const loopback =
		"may use http:// only for a loopback address";
	static const char *const user = "must not contain a user or password";
	static const char *const query = "must not contain a query";
	static const char *const fragment = "must not contain a fragment";
	static const char *const host = "must contain a host";
	static const char *const ascii = "must consist of visible ASCII characters";
	static const char *const malformed = "is malformed";
	const struct
	{
		const char *url;
		const char *problem;
	} cases[] = {
		{ "https://api.spotify.com/v1", NULL },
		{ "https://accounts.spotify.com", NULL },
		{ "HTTPS://accounts.spotify.com/", NULL },
		{ "https://accounts.spotify.com:8443/x@y", NULL },
		{ "https://[2001:db8::1]/", NULL },
		{ "http://127.0.0.1:8080/v1", NULL },
		{ "http://127.1.2.3/", NULL },
		{ "http://localhost", NULL },
		{ "http://LocalHost:1/", NULL },
		{ "http://[::1]:8080/", NULL },
		{ "", scheme },
		{ "api.spotify.com/v1", scheme },
		{ "ftp://api.spotify.com/", scheme },
		{ "file:///etc/passwd", scheme },
		{ "https:/api.spotify.com/", scheme },
		{ " https://api.spotify.com/", scheme },
		{ "http://api.spotify.com/", loopback },
		{ "http://128.0.0.1/", loopback },
		{ "http://127.0.0.1.example.com/", loopback },
		{ "http://localhost.example.com/", loopback },
		{ "http://[::2]/", loopback },
		{ "http://[::ffff:127.0.0.1]/", loopback },
		{ "http://0.0.0.0/", loopback },
		{ "https://user@api.spotify.com/", user },
		{ "https://user:password@api.spotify.com/", user },
		{ "https://@api.spotify.com/", user },
		{ "http://127.0.0.1@example.com/", user },
		{ "http://127.0.0.1\\@example.com/", user },
		{ "https://api.spotify.com/?a=b", query },
		{ "https://api.spotify.com/?", query },
		{ "https://api.spotify.com?@x", query },
		{ "https://api.spotify.com/#a", fragment },
		{ "https://api.spotify.com/#", fragment },
		{ "https://", host },
		{ "https:///v1", host },
		{ "https://:443/v1", host },
		{ "https://api.spotify.com/a b", ascii },
		{ "https://api.spotify.com/\r\nX: y", ascii },
		{ "https://api.spotify.com/\xc3\xa4", ascii },
		{ "https://api.spotify.com:port/", malformed },
		{ "https://api.spotify.com:70000/", malformed },
		{ "https://[::1/", malformed },
		{ "https://api spotify.com/", ascii },
	};

	for (size_t i = 0; i < COUNT_OF(cases); i++)
		tap_is_str(spotify_url_problem(cases[i].url), cases[i].problem,
				   "the URL in case %zu %s", i + 1,
				   cases[i].problem != NULL ? cases[i].problem : "is fine");
}

static void
test_url_escape(void)
{
	static const struct
	{
		const char *text;
		const char *escaped;
	} cases[] = {
		{ "", "" },
		{ "AZaz09-._~", "AZaz09-._~" },
		{ "a b+c", "a%20b%2Bc" },
		{ "spotify:track:1,2", "spotify%3Atrack%3A1%2C2" },
		{ "100%&=?/#", "100%25%26%3D%3F%2F%23" },
		{ "\xc3\xa4\x01", "%C3%A4%01" },
	};

	for (size_t i = 0; i < COUNT_OF(cases); i++)
	{
		char *escaped = spotify_url_escape(cases[i].text);

		tap_is_str(escaped, cases[i].escaped, "\"%s\" is the escaped text",
				   cases[i].escaped);
		free(escaped);
	}
}

int
main(void)
{
	test_url_problem();
	test_url_escape();

	return tap_done();
}
