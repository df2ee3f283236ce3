/*
 * test_json.c
 *		What counts as one JSON document.
 *
 * Nothing here may depend on the release of json-c: raw control characters
 * and the positions of errors within a string do.
 */
#include "spotify/json.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "tap.h"

/* A literal that may hold NULs, and its length. */
#define BYTES(literal) (literal), sizeof(literal) - 1

static void
is_accepted(const char *body, size_t length, const char *name)
{
	SpotifyDecodeProblem problem = { "" };
	struct json_object *root;

	if (!tap_is_int(spotify_json_parse(body, length, &root, &problem),
					SPOTIFY_DECODE_OK, "%s", name))
		tap_note("%s", problem.text);
	else
		json_object_put(root);
}

static void
is_refused(const char *body, size_t length, const char *expected_problem,
		   const char *name)
{
	SpotifyDecodeProblem problem = { "" };
	struct json_object *root;
	SpotifyDecodeResult result;

	result = spotify_json_parse(body, length, &root, &problem);
	tap_is_int(result, SPOTIFY_DECODE_NOT_JSON, "%s is refused", name);
	tap_is_str(problem.text, expected_problem, "%s: why", name);
	if (result == SPOTIFY_DECODE_OK)
		json_object_put(root);
}

static void
test_accepted(void)
{
	is_accepted(BYTES("{}"), "an object");
	is_accepted(BYTES("[]"), "an array");
	is_accepted(BYTES(" \r\n\t{} \r\n\t"), "white space on both sides");
	is_accepted(BYTES("\xEF\xBB\xBF{}"), "a byte order mark");
	is_accepted(BYTES("\xEF\xBB\xBF \n[1]"), "and white space behind it");
	is_accepted(BYTES("\"text\""), "a string");
	is_accepted(BYTES("12"), "a number");
	is_accepted(BYTES("true"), "a boolean");
	is_accepted(BYTES("null"), "null");
	is_accepted(BYTES("[\"\\u0000\"]"), "an escaped NUL");
	is_accepted(BYTES("[\"\\uD83D\", \"\\uDE86\"]"), "lone surrogates");
	is_accepted(BYTES("[\"caf\xC3\xA9\"]"), "what is not ASCII");
	is_accepted(BYTES("[\"\xFF\xC0\x80\xED\xA0\x80\"]"), "malformed UTF-8");
	is_accepted(BYTES("[1e400, -1e400, 99999999999999999999]"),
				"numbers out of range");
}

static void
test_empty(void)
{
	is_refused(NULL, 0, "the body is empty", "NULL");
	is_refused(NULL, 10, "the body is empty", "NULL of some length");
	is_refused(BYTES(""), "the body is empty", "no bytes");
	is_refused(BYTES(" \r\n"), "the body is empty", "only white space");
	is_refused(BYTES("\xEF\xBB\xBF"), "the body is empty",
			   "only a byte order mark");
}

static void
test_refused(void)
{
	const char *early = "not JSON: the body ends too early";

	is_refused(BYTES("{"), early, "an open object");
	is_refused(BYTES("[1, 2"), early, "an open array");
	is_refused(BYTES("{\"a\": \"b"), early, "an open string");
	is_refused(BYTES("{\"a\": tru"), early, "an open word");
	is_refused(BYTES("\"\\u00"), early, "an open escape");
	is_refused(BYTES("<html>"), "not JSON: unexpected character at byte 1",
			   "HTML");
	is_refused(BYTES("\xEF\xBB\xBF <html>"),
			   "not JSON: unexpected character at byte 5",
			   "HTML behind a byte order mark");
	is_refused(BYTES("{\"a\" 1}"), "not JSON: unexpected character at byte 6",
			   "a missing colon");
	is_refused(BYTES("{} x"), "not JSON: unexpected character at byte 4",
			   "trailing garbage");
	is_refused(BYTES("{}{}"), "not JSON: unexpected character at byte 3",
			   "a second document");
	is_refused(BYTES("null and void"),
			   "not JSON: unexpected character at byte 6",
			   "a text that begins like a document");
	is_refused(BYTES("{}\0"), "not JSON: unexpected character at byte 3",
			   "a NUL at the end");
	is_refused(BYTES("{\"a\0b\": 1}"),
			   "not JSON: unexpected character at byte 4", "a NUL inside");
	is_refused(BYTES("\xEF\xBB\xBF\xEF\xBB\xBF{}"),
			   "not JSON: unexpected character at byte 4",
			   "a second byte order mark");
	is_refused(BYTES("\xFF\xFE{\0}\0"),
			   "not JSON: unexpected character at byte 4", "UTF-16");
}

/* Arrays in arrays, with a number in the innermost. */
static char *
make_nested(int depth)
{
	char *body = malloc((size_t) depth * 2 + 2);

	if (body == NULL)
		abort();
	memset(body, '[', (size_t) depth);
	body[depth] = '1';
	memset(body + depth + 1, ']', (size_t) depth);
	body[depth * 2 + 1] = '\0';
	return body;
}

static void
test_depth(void)
{
	char *body;

	body = make_nested(31);
	is_accepted(body, strlen(body), "31 arrays and what is in them");
	free(body);
	body = make_nested(32);
	is_refused(body, strlen(body), "nested deeper than 32 levels", "32 arrays");
	free(body);
	body = make_nested(10000);
	is_refused(body, strlen(body), "nested deeper than 32 levels",
			   "10,000 arrays");
	free(body);
}

static void
test_values(void)
{
	const char *body = "{\"text\": \"a\\u0000b\", \"whole\": 3, \"exact\": 2.5,"
					   " \"none\": null, \"twice\": 1, \"twice\": 2}";
	SpotifyDecodeProblem problem;
	struct json_object *root;
	const char *text = NULL;
	size_t length = 0;
	double number = 0;

	if (!tap_is_int(spotify_json_parse(body, strlen(body), &root, &problem),
					SPOTIFY_DECODE_OK, "an object of several types"))
		return;

	tap_ok(spotify_json_string(spotify_json_member(root, "text"), &text,
							   &length) &&
			   length == 3 && memcmp(text, "a\0b", 3) == 0,
		   "a string has its length");
	tap_ok(spotify_json_number(spotify_json_member(root, "whole"), &number) &&
			   number == 3,
		   "an integer is a number");
	tap_ok(spotify_json_number(spotify_json_member(root, "exact"), &number) &&
			   number == 2.5,
		   "a float is a number");
	tap_ok(spotify_json_number(spotify_json_member(root, "twice"), &number) &&
			   number == 2,
		   "the last of equal names counts");
	tap_ok(spotify_json_member(root, "none") == NULL, "null is no member");
	tap_ok(spotify_json_member(root, "missing") == NULL,
		   "a missing member is none");
	tap_ok(spotify_json_member(NULL, "text") == NULL, "null has no members");
	tap_ok(spotify_json_member(spotify_json_member(root, "text"), "a") == NULL,
		   "a string has no members");
	tap_ok(!spotify_json_string(NULL, &text, &length), "null is no string");
	tap_ok(!spotify_json_string(spotify_json_member(root, "whole"), &text,
								&length),
		   "a number is no string");
	tap_ok(!spotify_json_number(NULL, &number), "null is no number");
	tap_ok(!spotify_json_number(spotify_json_member(root, "text"), &number),
		   "a string is no number");
	json_object_put(root);
}

int
main(void)
{
	test_accepted();
	test_empty();
	test_refused();
	test_depth();
	test_values();
	return tap_done();
}
