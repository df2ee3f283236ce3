/*
 * test_fields.c
 *		Tables, and the readers for a single value.
 */
#include "spotify/fields.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "spotify/json.h"
#include "spotify/model.h"
#include "tap.h"

typedef struct Sample
{
	const char *text;
	const char *id;
	SpotifyInteger integer;
	SpotifyBoolean boolean;
	SpotifyTimestamp timestamp;
} Sample;

static const SpotifyFieldRule sample_rules[] = {
	{ "text", spotify_field_text, offsetof(Sample, text) },
	{ "id", spotify_field_id, offsetof(Sample, id) },
	{ "integer", spotify_field_integer, offsetof(Sample, integer) },
	{ "boolean", spotify_field_boolean, offsetof(Sample, boolean) },
	{ "timestamp", spotify_field_timestamp, offsetof(Sample, timestamp) },
	{ .name = NULL },
};

/* Reads a body as a Sample, whose texts last as long as the arena. */
static Sample
read_sample(const char *body, SpotifyArena *arena)
{
	Sample sample = { 0 };
	SpotifyDecodeProblem problem;
	struct json_object *root;

	if (spotify_json_parse(body, strlen(body), &root, &problem) !=
		SPOTIFY_DECODE_OK)
	{
		tap_ok(false, "%s: %s", body, problem.text);
		return sample;
	}
	if (!spotify_fields_read(sample_rules, root, arena, &sample))
		tap_ok(false, "memory is out");
	json_object_put(root);
	return sample;
}

static void
integer_is(const char *value, int64_t expected)
{
	SpotifyArena arena = { 0 };
	char body[100];
	Sample sample;

	snprintf(body, sizeof(body), "{\"integer\": %s}", value);
	sample = read_sample(body, &arena);
	tap_ok(sample.integer.is_known, "integer %s is known", value);
	tap_is_int(sample.integer.value, expected, "integer %s", value);
	spotify_arena_release(&arena);
}

static void
integer_is_unknown(const char *value)
{
	SpotifyArena arena = { 0 };
	char body[100];

	snprintf(body, sizeof(body), "{\"integer\": %s}", value);
	tap_ok(!read_sample(body, &arena).integer.is_known, "integer %s is unknown",
		   value);
	spotify_arena_release(&arena);
}

static void
test_integer(void)
{
	integer_is("0", 0);
	integer_is("-1", -1);
	integer_is("2147483647", INT32_MAX);
	integer_is("-2147483648", INT32_MIN);
	integer_is("204053.0", 204053);
	integer_is("4.9022656E7", 49022656);
	integer_is("-0.0", 0);
	integer_is("1e2", 100);
	integer_is("2147483647.0", INT32_MAX);
	integer_is_unknown("2147483648");
	integer_is_unknown("-2147483649");
	integer_is_unknown("2147483648.0");
	integer_is_unknown("9223372036854775807");
	integer_is_unknown("9223372036854775808");
	integer_is_unknown("18446744073709551617");
	integer_is_unknown("99999999999999999999999999");
	integer_is_unknown("-99999999999999999999999999");
	integer_is_unknown("1.5");
	integer_is_unknown("1e400");
	integer_is_unknown("-1e400");
	integer_is_unknown("\"12\"");
	integer_is_unknown("true");
	integer_is_unknown("null");
	integer_is_unknown("[1]");
	integer_is_unknown("{\"totalMilliseconds\": 188000}");
}

static void
test_boolean(void)
{
	SpotifyArena arena = { 0 };
	Sample sample = read_sample("{\"boolean\": true}", &arena);

	tap_ok(sample.boolean.is_known && sample.boolean.value, "true");
	sample = read_sample("{\"boolean\": false}", &arena);
	tap_ok(sample.boolean.is_known && !sample.boolean.value, "false");
	tap_ok(!read_sample("{\"boolean\": 1}", &arena).boolean.is_known,
		   "1 is no boolean");
	tap_ok(!read_sample("{\"boolean\": \"true\"}", &arena).boolean.is_known,
		   "\"true\" is no boolean");
	tap_ok(!read_sample("{\"boolean\": null}", &arena).boolean.is_known,
		   "null is no boolean");
	spotify_arena_release(&arena);
}

static void
test_text(void)
{
	SpotifyArena arena = { 0 };

	tap_is_str(read_sample("{\"text\": \"\"}", &arena).text, "",
			   "an empty text is a text");
	tap_is_str(read_sample("{\"text\": \"a\\u0000b\"}", &arena).text, "ab",
			   "U+0000 is dropped");
	tap_is_str(read_sample("{\"text\": \"a\xFFz\"}", &arena).text,
			   "a\xEF\xBF\xBDz", "malformed UTF-8 is replaced");
	tap_is_str(read_sample("{\"text\": \"\\uD83Dz\"}", &arena).text,
			   "\xEF\xBF\xBDz", "a lone surrogate is replaced");
	tap_is_str(read_sample("{\"text\": \"\\uD83D\\uDE86\"}", &arena).text,
			   "\xF0\x9F\x9A\x86", "a pair of surrogates is a character");
	tap_is_str(read_sample("{\"text\": \"caf\xC3\xA9\"}", &arena).text,
			   "caf\xC3\xA9", "what is not ASCII stays");
	tap_is_str(read_sample("{\"text\": 5}", &arena).text, NULL,
			   "a number is no text");
	tap_is_str(read_sample("{\"text\": [\"a\"]}", &arena).text, NULL,
			   "an array is no text");
	tap_is_str(read_sample("{\"text\": null}", &arena).text, NULL,
			   "null is no text");
	spotify_arena_release(&arena);
}

/* An id of a letter repeated, read back. */
static const char *
read_long_id(size_t length, SpotifyArena *arena)
{
	char *body = malloc(length + 100);
	size_t prefix_length;
	const char *id;

	if (body == NULL)
		abort();
	prefix_length = (size_t) sprintf(body, "{\"id\": \"");
	memset(body + prefix_length, 'x', length);
	strcpy(body + prefix_length + length, "\"}");
	id = read_sample(body, arena).id;
	free(body);
	return id;
}

static void
test_id(void)
{
	SpotifyArena arena = { 0 };
	const char *id;

	tap_is_str(read_sample("{\"id\": \"a'b\\\"c\\n\"}", &arena).id, "a'b\"c\n",
			   "an id may have any characters");
	tap_is_str(read_sample("{\"id\": \"\"}", &arena).id, NULL,
			   "an empty id is none");
	tap_is_str(read_sample("{\"id\": \"\\u0000\"}", &arena).id, NULL,
			   "an id of U+0000 is none");
	tap_is_str(read_sample("{\"id\": 7}", &arena).id, NULL,
			   "a number is no id");
	id = read_long_id(SPOTIFY_MAX_ID_LENGTH, &arena);
	tap_ok(id != NULL && strlen(id) == SPOTIFY_MAX_ID_LENGTH,
		   "the longest id is kept");
	tap_ok(read_long_id(SPOTIFY_MAX_ID_LENGTH + 1, &arena) == NULL,
		   "a longer one is none");
	tap_ok(read_long_id(1000000, &arena) == NULL, "nor is one of a megabyte");
	spotify_arena_release(&arena);
}

static void
test_timestamp(void)
{
	SpotifyArena arena = { 0 };
	Sample sample;

	sample = read_sample("{\"timestamp\": \"1970-01-01T00:00:01Z\"}", &arena);
	tap_ok(sample.timestamp.is_known && sample.timestamp.value == 1000000,
		   "a timestamp");
	sample = read_sample("{\"timestamp\": \"yesterday\"}", &arena);
	tap_ok(!sample.timestamp.is_known, "a text that is no timestamp");
	sample = read_sample("{\"timestamp\": 1}", &arena);
	tap_ok(!sample.timestamp.is_known, "a number is no timestamp");
	spotify_arena_release(&arena);
}

static void
test_table(void)
{
	SpotifyArena arena = { 0 };
	Sample sample;

	sample = read_sample("{\"more\": {\"id\": \"inner\"}, \"integer\": 1,"
						 " \"id\": \"first\", \"id\": \"last\"}",
						 &arena);
	tap_is_str(sample.id, "last", "the last of equal names counts");
	tap_is_int(sample.integer.value, 1, "fields come in any order");
	tap_ok(sample.text == NULL && !sample.boolean.is_known,
		   "a missing field is unknown");
	sample = read_sample("[1]", &arena);
	tap_ok(!sample.integer.is_known, "an array has no fields");
	sample = read_sample("null", &arena);
	tap_ok(!sample.integer.is_known, "null has no fields");
	spotify_arena_release(&arena);
}

int
main(void)
{
	test_integer();
	test_boolean();
	test_text();
	test_id();
	test_timestamp();
	test_table();
	return tap_done();
}
