/*
 * test_json.c
 *		What counts as one JSON document.
 *
 * Nothing here may depend on the release of json-c.
 */
#include "spotify/json.h"

#include <json-c/json.h>
#include <stdio.h>
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
	is_accepted(BYTES("[0, -0, 10, 0.5, -1.25, 1e2, 1E+2, 0e-2, 1.5e+10]"),
				"every form of a number");
	is_accepted(BYTES("[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9'/*,]//\x7f\"]"),
				"every escape, and what is wrong outside of strings");
	is_accepted(BYTES("{\"\": 1, \"a\": {}, \"b\": [[], {}]}"),
				"empty names, objects and arrays");
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
			   "not JSON: unexpected character at byte 1", "UTF-16");
}

/* Refused at the last byte, counted from 1, of the part before the bar. */
static void
is_refused_at_bar(const char *marked, const char *name)
{
	char body[100];
	char expected[100];
	const char *bar = strchr(marked, '|');
	size_t until_bar = (size_t) (bar - marked);

	snprintf(body, sizeof(body), "%.*s%s", (int) until_bar, marked, bar + 1);
	snprintf(expected, sizeof(expected),
			 "not JSON: unexpected character at byte %zu", until_bar);
	is_refused(body, strlen(body), expected, name);
}

/* What json-c takes, all releases or some of them. */
static void
test_lenient(void)
{
	is_refused_at_bar("{/|* */}", "a comment");
	is_refused_at_bar("[1 /|/ one\n]", "a comment to the end of the line");
	is_refused_at_bar("[1] /|* */", "a comment behind the document");
	is_refused_at_bar("[1,]|", "a comma at the end of an array");
	is_refused_at_bar("{\"a\": 1 , }|", "a comma at the end of an object");
	is_refused_at_bar("[,]|", "an array of a comma");
	is_refused_at_bar("{,}|", "an object of a comma");
	is_refused_at_bar("{'|a': 1}", "a name in single quotes");
	is_refused_at_bar("['|a']", "a text in single quotes");
	is_refused_at_bar("{a|: 1}", "a name without quotes");
	is_refused_at_bar("[N|aN]", "NaN");
	is_refused_at_bar("[na|n]", "nan");
	is_refused_at_bar("[I|nfinity]", "Infinity");
	is_refused_at_bar("[-I|nfinity]", "-Infinity");
	is_refused_at_bar("[-i|nf]", "-inf");
	is_refused_at_bar("[T|rue]", "True");
	is_refused_at_bar("[fA|lse]", "fAlse");
	is_refused_at_bar("[N|ULL]", "NULL");
	is_refused_at_bar("[nullx|]", "a word that goes on");
	is_refused_at_bar("[01|]", "a leading zero");
	is_refused_at_bar("[-01|]", "a leading zero behind a sign");
	is_refused_at_bar("[00|]", "two zeros");
	is_refused_at_bar("[01|.5]", "a fraction with a leading zero");
	is_refused_at_bar("[1.]|", "a fraction without digits");
	is_refused_at_bar("[.|5]", "a fraction without a whole part");
	is_refused_at_bar("[1.e|5]", "an exponent behind a point");
	is_refused_at_bar("[1e]|", "an exponent without digits");
	is_refused_at_bar("[1e+]|", "an exponent of a sign");
	is_refused_at_bar("[-]|", "a number of a sign");
	is_refused_at_bar("[+|1]", "a plus sign");
	is_refused_at_bar("[1.-|5]", "a sign behind a point");
	is_refused_at_bar("[1-|2]", "a sign behind a number");
	is_refused_at_bar("[0x|10]", "a hexadecimal number");
	is_refused_at_bar("[\"a\n|b\"]", "a line end in a text");
	is_refused_at_bar("[\"\t|\"]", "a tab in a text");
	is_refused_at_bar("[\"\\\x01|\"]", "an escaped control character");
	is_refused_at_bar("{\"a\x1f|\": 1}", "a control character in a name");
	is_refused_at_bar("\f|[]", "a form feed in front");
	is_refused_at_bar("[\v|1]", "a vertical tab");
	is_refused_at_bar("[\xC2|\xA0]", "a space that is not ASCII");
}

/* How a text that is the beginning of a document is told from a wrong one. */
static void
test_cut(void)
{
	static const char whole[] =
		" {\"a\": [1.5e+1, \"b\\u00e9\", {}, true], \"c\": null} ";
	size_t end = strlen(whole) - 1;

	for (size_t length = 0; length < end; length++)
		tap_ok(spotify_json_is_cut(whole, length), "cut after %zu bytes",
			   length);
	tap_ok(!spotify_json_is_cut(whole, end), "an object that is whole");
	tap_ok(!spotify_json_is_cut(whole, end + 1), "and white space behind it");
	tap_ok(spotify_json_is_cut(NULL, 0), "NULL is cut");
	tap_ok(spotify_json_is_cut(BYTES("\xEF\xBB\xBF[")),
		   "so is what follows a byte order mark");
	tap_ok(!spotify_json_is_cut(BYTES("\xEF\xBB\xBF[]")),
		   "or it is whole there");
	tap_ok(!spotify_json_is_cut(BYTES("1")), "a number is whole");
	tap_ok(!spotify_json_is_cut(BYTES("<html>")), "HTML is not cut");
	tap_ok(!spotify_json_is_cut(BYTES("[\"\\\\\"]")),
		   "a backslash ends no string early");
	tap_ok(spotify_json_is_cut(BYTES("[\"\\\"]")), "nor late");
	tap_ok(spotify_json_is_cut(BYTES("[\"]\", [1]")),
		   "brackets in strings and within others close nothing");
	tap_ok(!spotify_json_is_cut(BYTES("[1, 2, 'a'")),
		   "nor is what could not go on as JSON");
	tap_ok(!spotify_json_is_cut(BYTES("{}}")), "nor is a bracket too much");
	tap_ok(!spotify_json_is_cut(BYTES("[\0")), "nor is a NUL");
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

/* The number of that name, or -1. */
static double
read_number(const char *body, const char *name)
{
	SpotifyDecodeProblem problem = { "" };
	struct json_object *root;
	double number = -1;

	if (spotify_json_parse(body, strlen(body), &root, &problem) !=
		SPOTIFY_DECODE_OK)
	{
		tap_note("%s: %s", body, problem.text);
		return -2;
	}
	(void) spotify_json_number(spotify_json_member(root, name), &number);
	json_object_put(root);
	return number;
}

/* json-c ends a name at U+0000. */
static void
test_names(void)
{
	tap_ok(read_number("{\"a\": 1, \"a\\u0000\": 2}", "a") == 1,
		   "a name that goes on after U+0000 is another one");
	tap_ok(read_number("{\"a\\u0000b\" : 2, \"a\": 1}", "a") == 1,
		   "whichever comes first");
	tap_ok(read_number("{\"a\\u0000\": 2, \"\\u0000a\": 3}", "a") == -1,
		   "and alone it is missing");
	tap_ok(read_number("{\"x\": {\"a\\u0000\": {\"a\\u0000\": []}}, \"a\": 1}",
					   "a") == 1,
		   "also where it is nested");
	tap_ok(read_number("{\"\\u0061\": 1}", "a") == 1,
		   "a name may have other escapes");
	tap_ok(read_number("{\"x\": \"a\\u0000\", \"a\": 1}", "a") == 1,
		   "U+0000 in a value is no concern of names");
	is_refused(BYTES("{\"a\\u0000\": 1, \"b\" 2}"),
			   "not JSON: unexpected character at byte 20",
			   "a missing colon behind such a name");
	is_refused(BYTES("{\"a\\u0000\": 1"), "not JSON: the body ends too early",
			   "an object that is cut behind such a name");
	is_refused(BYTES("{} {\"a\\u0000\": 1}"),
			   "not JSON: unexpected character at byte 4",
			   "a second document with such a name");
}

int
main(void)
{
	test_accepted();
	test_empty();
	test_refused();
	test_lenient();
	test_cut();
	test_depth();
	test_values();
	test_names();
	return tap_done();
}
