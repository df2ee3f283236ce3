/*
 * test_decode_error.c
 *		Every form of an error, and bodies that are none.
 */
#include "spotify/decode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"
#include "tap.h"

/* A literal that may hold NULs, and its length. */
#define BYTES(literal) (literal), sizeof(literal) - 1

static void
error_is(const char *body, size_t length, const char *code, const char *message,
		 const char *name)
{
	SpotifyErrorBody error;

	memset(&error, '#', sizeof(error));
	spotify_decode_error(body, length, &error);
	tap_is_str(error.code, code, "%s: code", name);
	tap_is_str(error.message, message, "%s: message", name);
}

static void
fixture_is(const char *name, const char *code, const char *message)
{
	size_t length;
	char *body = fixture_read(name, &length);

	error_is(body, length, code, message, name);
	free(body);
}

static void
test_fixtures(void)
{
	fixture_is("error_invalid_grant.json", "invalid_grant",
			   "This refresh token is no longer valid");
	fixture_is("error_rate_limit.json", "", "Slow down, please");
	fixture_is("error_quota_exceeded.json", "QUOTA_EXCEEDED",
			   "Enough for today");
	fixture_is("error_expired_token.json", "", "The token is out of date");
	fixture_is("error_not_registered.txt", "",
			   "This account is not on the list of the application. Ask its "
			   "owner to add the account, and allow an hour until that takes "
			   "effect.");
	fixture_is("error_gateway.txt", "",
			   "<html> <head><title>502 Nobody Home</title></head> <body> "
			   "<center><h1>502 Nobody Home</h1></center> <hr> <p>The gateway "
			   "\xE2\x80\x9C"
			   "edge\xE2\x80\x9D could not reach any of its upstreams. Please "
			   "come back later; thi...");
}

static void
test_json(void)
{
	error_is(BYTES("{\"error\": \"invalid_client\"}"), "invalid_client", "",
			 "no description");
	error_is(BYTES("{\"error\": \"a\", \"error_description\": null}"), "a", "",
			 "a null description");
	error_is(BYTES("{\"error\": {}}"), "", "", "an empty object");
	error_is(BYTES("{\"error\": {\"type\": \"a\", \"description\": \"b\"}}"),
			 "a", "b", "type and description");
	error_is(BYTES("{\"error\": {\"type\": \"a\", \"reason\": \"r\", "
				   "\"description\": \"b\", \"message\": \"m\"}}"),
			 "r", "m", "reason and message beside them");
	error_is(BYTES("{\"error\": {\"message\": \"\", \"description\": \"b\"}}"),
			 "", "b", "an empty message beside a description");
	error_is(BYTES("{\"error\": {\"status\": 502, \"message\": 5}}"), "", "",
			 "a message that is no text");
	error_is(BYTES("\xEF\xBB\xBF{\"error\": {\"message\": \"m\"}}"), "", "m",
			 "a byte order mark");
	error_is(BYTES("{\"error\": {\"message\": \" a\\r\\n\\tb\\u0000c\\u001b "
				   "\\u202e\"}}"),
			 "", "a b c", "what cannot be printed");
	error_is(BYTES("{\"error\": {\"message\": \"a\xFF\xED\xA0\x80z\"}}"), "",
			 "a\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBDz",
			 "malformed UTF-8");
	error_is(BYTES("{\"error\": {\"message\": \"m\", \"reason\": \"a\\nb\"}}"),
			 "a b", "m", "a code is put on one line too");
}

static void
test_text(void)
{
	error_is(NULL, 0, "", "", "NULL");
	error_is(BYTES(""), "", "", "nothing");
	error_is(BYTES(" \r\n"), "", "", "white space");
	error_is(BYTES("plain\0text"), "", "plain text", "a NUL");
	error_is(BYTES("\"quoted\""), "", "\"quoted\"", "a JSON string");
	error_is(BYTES("[1]"), "", "[1]", "a JSON array");
	error_is(BYTES("null"), "", "null", "null");
	error_is(BYTES("\xEF\xBB\xBF"
				   "a"),
			 "", "a", "a byte order mark");
	error_is(BYTES("\x1F\x8B\x08\xFF"), "", "\xEF\xBF\xBD \xEF\xBF\xBD",
			 "binary");
}

/* An object that is no error may hold a token, so nothing of it is shown. */
static void
test_object_is_not_quoted(void)
{
	error_is(BYTES("{\"access_token\": \"secret\"}"), "", "", "a token");
	error_is(BYTES("\xEF\xBB\xBF {\"access_token\": \"secret\"}"), "", "",
			 "a token behind a byte order mark");
	error_is(BYTES("{\"access_token\": \"sec"), "", "", "a token that is cut");
	error_is(BYTES("{\"error\": [\"secret\"]}"), "", "", "an error of no form");
}

/* A line that is cut behind a whole character of 4 bytes, and nearly full. */
static void
is_cut(const char *line, size_t size, int shift, const char *name)
{
	size_t length = strlen(line);

	tap_ok(length > size - 1 - 4 && length < size,
		   "%s is nearly full, shift %d", name, shift);
	tap_is_int((long long) length % 4, (shift + 3) % 4,
			   "%s is cut between two characters, shift %d", name, shift);
}

static void
test_cut(void)
{
	SpotifyErrorBody error;
	char body[1000];
	char text[450];
	int shift;
	int i;

	for (shift = 0; shift < 4; shift++)
	{
		memset(text, 'x', (size_t) shift);
		text[shift] = '\0';
		for (i = 0; i < 100; i++)
			strcat(text, "\xF0\x9F\x9A\x86");
		snprintf(body, sizeof(body),
				 "{\"error\": \"%s\", \"error_description\": \"%s\"}", text,
				 text);
		spotify_decode_error(body, strlen(body), &error);
		is_cut(error.code, sizeof(error.code), shift, "the code");
		is_cut(error.message, sizeof(error.message), shift, "the message");
	}
}

int
main(int argc, char **argv)
{
	fixture_init(argc, argv);
	test_fixtures();
	test_json();
	test_text();
	test_object_is_not_quoted();
	test_cut();
	return tap_done();
}
