/*
 * test_decode_token.c
 *		Answers of the token endpoint, and those that cannot be used.
 */
#include "spotify/decode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"
#include "tap.h"

#define LONGEST_TOKEN 4096

static void
test_fixtures(void)
{
	SpotifyToken token;
	SpotifyDecodeProblem problem;
	size_t length;
	char *body;

	body = fixture_read("token_authorized.json", &length);
	if (tap_is_int(spotify_decode_token(body, length, &token, &problem),
				   SPOTIFY_DECODE_OK, "an authorisation's token"))
	{
		tap_is_str(token.access_token, "invented-access-token-1_AAAA",
				   "access_token");
		tap_is_str(token.refresh_token, "invented-refresh-token-1_BBBB",
				   "refresh_token");
		tap_is_str(token.scope, "user-library-read user-read-recently-played",
				   "scope");
		tap_is_int(token.expires_in, 3600, "expires_in");
		spotify_token_release(&token);
		tap_ok(token.access_token == NULL && token.arena.blocks == NULL,
			   "a released token is empty");
		spotify_token_release(&token);
	}
	free(body);

	body = fixture_read("token_refreshed.json", &length);
	if (tap_is_int(spotify_decode_token(body, length, &token, &problem),
				   SPOTIFY_DECODE_OK, "a refreshed token"))
	{
		tap_is_str(token.refresh_token, NULL, "has no refresh_token");
		spotify_token_release(&token);
	}
	free(body);
}

/* Decodes a token's members, which come behind an access token. */
static SpotifyToken
read_token(const char *members)
{
	SpotifyToken token = { 0 };
	SpotifyDecodeProblem problem = { "" };
	char body[500];

	snprintf(body, sizeof(body), "{\"access_token\": \"A\"%s}", members);
	if (!tap_is_int(spotify_decode_token(body, strlen(body), &token, &problem),
					SPOTIFY_DECODE_OK, "accepted: %s", members))
		tap_note("%s", problem.text);
	return token;
}

static void
expires_in_is(const char *value, int32_t expected)
{
	SpotifyToken token;
	char members[100];

	snprintf(members, sizeof(members), ", \"expires_in\": %s", value);
	token = read_token(members);
	tap_is_int(token.expires_in, expected, "expires_in %s", value);
	spotify_token_release(&token);
}

static void
test_expires_in(void)
{
	SpotifyToken token = read_token("");

	tap_is_int(token.expires_in, 3600, "expires_in missing");
	spotify_token_release(&token);
	expires_in_is("0", 0);
	expires_in_is("1800", 1800);
	expires_in_is("3600.0", 3600);
	expires_in_is("1799.9", 1799);
	expires_in_is("86400", 86400);
	expires_in_is("86401", 86400);
	expires_in_is("2147483648", 86400);
	expires_in_is("99999999999999999999", 86400);
	expires_in_is("1e400", 86400);
	expires_in_is("-1", 0);
	expires_in_is("-1e400", 0);
	expires_in_is("-0.5", 0);
	expires_in_is("null", 3600);
	expires_in_is("\"1800\"", 3600);
	expires_in_is("[1800]", 3600);
}

static void
refresh_token_is(const char *value, const char *expected)
{
	SpotifyToken token;
	char members[100];

	snprintf(members, sizeof(members), ", \"refresh_token\": %s", value);
	token = read_token(members);
	tap_is_str(token.refresh_token, expected, "refresh_token %s", value);
	spotify_token_release(&token);
}

static void
test_optional(void)
{
	SpotifyToken token;

	refresh_token_is("\"B\"", "B");
	refresh_token_is("\"\"", NULL);
	refresh_token_is("null", NULL);
	refresh_token_is("5", NULL);

	token = read_token(", \"scope\": \"\"");
	tap_is_str(token.scope, "", "an empty scope grants nothing");
	spotify_token_release(&token);
	token = read_token(", \"scope\": null");
	tap_is_str(token.scope, NULL, "a null scope is not told");
	spotify_token_release(&token);

	token = read_token(", \"token_type\": \"bearer\"");
	spotify_token_release(&token);
	token = read_token(", \"token_type\": null");
	spotify_token_release(&token);
	token = read_token(", \"brand_new\": {\"a\": [1]}");
	spotify_token_release(&token);
}

static void
is_refused(const char *body, const char *expected_problem)
{
	SpotifyToken token;
	SpotifyDecodeProblem problem = { "" };
	SpotifyDecodeResult result;

	result = spotify_decode_token(body, strlen(body), &token, &problem);
	tap_is_int(result, SPOTIFY_DECODE_WRONG_SHAPE, "refused: %.70s", body);
	tap_is_str(problem.text, expected_problem, "why: %.70s", body);
	if (result == SPOTIFY_DECODE_OK)
		spotify_token_release(&token);
}

static void
test_refused(void)
{
	const char *odd_access =
		"\"access_token\" has a character that is not visible ASCII";
	const char *odd_refresh =
		"\"refresh_token\" has a character that is not visible ASCII";

	is_refused("[]", "the body is not an object");
	is_refused("null", "the body is not an object");
	is_refused("{}", "\"access_token\" is missing");
	is_refused("{\"access_token\": null}", "\"access_token\" is missing");
	is_refused("{\"access_token\": \"\"}", "\"access_token\" is missing");
	is_refused("{\"access_token\": 5}", "\"access_token\" is missing");
	is_refused("{\"access_token\": \"a b\"}", odd_access);
	is_refused("{\"access_token\": \"a\\r\\nb\"}", odd_access);
	is_refused("{\"access_token\": \"a\\u0000b\"}", odd_access);
	is_refused("{\"access_token\": \"\\u00e9\"}", odd_access);
	is_refused("{\"access_token\": \"A\", \"refresh_token\": \"a\\nb\"}",
			   odd_refresh);
	is_refused("{\"access_token\": \"A\", \"refresh_token\": \"a\\u0000\"}",
			   odd_refresh);
	is_refused("{\"access_token\": \"A\", \"token_type\": \"mac\"}",
			   "\"token_type\" is not Bearer");
	is_refused("{\"access_token\": \"A\", \"token_type\": 1}",
			   "\"token_type\" is not Bearer");
}

/* The refresh token of an answer whose access token is refused. */
static void
refresh_token_is_saved(const char *body)
{
	SpotifyToken token;
	SpotifyDecodeProblem problem = { "" };

	tap_is_int(spotify_decode_token(body, strlen(body), &token, &problem),
			   SPOTIFY_DECODE_WRONG_SHAPE, "refused in part: %.70s", body);
	tap_is_str(token.refresh_token, "B", "saved of %.70s", body);
	tap_is_str(token.access_token, NULL, "not used of %.70s", body);
	spotify_token_release(&token);
}

static void
test_refused_in_part(void)
{
	refresh_token_is_saved("{\"refresh_token\": \"B\"}");
	refresh_token_is_saved(
		"{\"access_token\": \"a b\", \"refresh_token\": \"B\"}");
	refresh_token_is_saved("{\"access_token\": \"A\", \"token_type\": \"mac\","
						   " \"refresh_token\": \"B\"}");
}

/* An answer whose member of that name has a text of that length. */
static void
make_long(char *body, size_t size, const char *format, int length)
{
	char text[LONGEST_TOKEN + 2];

	memset(text, 'x', (size_t) length);
	text[length] = '\0';
	snprintf(body, size, format, text);
}

static void
test_length(void)
{
	SpotifyToken token;
	SpotifyDecodeProblem problem;
	char body[LONGEST_TOKEN + 100];

	make_long(body, sizeof(body), "{\"access_token\": \"%s\"}", LONGEST_TOKEN);
	if (tap_is_int(spotify_decode_token(body, strlen(body), &token, &problem),
				   SPOTIFY_DECODE_OK, "the longest token"))
	{
		tap_is_int((long long) strlen(token.access_token), LONGEST_TOKEN,
				   "is kept whole");
		spotify_token_release(&token);
	}
	make_long(body, sizeof(body), "{\"access_token\": \"%s\"}",
			  LONGEST_TOKEN + 1);
	is_refused(body, "\"access_token\" is longer than 4096 bytes");
	make_long(body, sizeof(body),
			  "{\"access_token\": \"A\", \"refresh_token\": \"%s\"}",
			  LONGEST_TOKEN + 1);
	is_refused(body, "\"refresh_token\" is longer than 4096 bytes");
}

static void
test_not_json(void)
{
	SpotifyToken token;
	SpotifyDecodeProblem problem;
	const char *body = "<html>";

	tap_is_int(spotify_decode_token(body, strlen(body), &token, &problem),
			   SPOTIFY_DECODE_NOT_JSON, "HTML is not JSON");
	tap_is_int(spotify_decode_token(NULL, 0, &token, &problem),
			   SPOTIFY_DECODE_NOT_JSON, "nor is nothing");
}

int
main(int argc, char **argv)
{
	fixture_init(argc, argv);
	test_fixtures();
	test_expires_in();
	test_optional();
	test_refused();
	test_refused_in_part();
	test_length();
	test_not_json();
	return tap_done();
}
