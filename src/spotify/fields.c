/*
 * fields.c
 *		Members of a JSON object into members of a struct, by tables.
 *
 * Plain C.
 */
#include "spotify/fields.h"

#include <json-c/json.h>
#include <string.h>

#include "spotify/json.h"
#include "spotify/model.h"
#include "spotify/text.h"
#include "spotify/timestamp.h"

bool
spotify_fields_read(const SpotifyFieldRule *rules, struct json_object *object,
					SpotifyArena *arena, void *target)
{
	const SpotifyFieldRule *rule;

	for (rule = rules; rule->name != NULL; rule++)
	{
		struct json_object *value = spotify_json_member(object, rule->name);

		if (value != NULL &&
			!rule->read(value, arena, (char *) target + rule->offset))
			return false;
	}
	return true;
}

bool
spotify_field_text(struct json_object *value, SpotifyArena *arena, void *member)
{
	const char **copy = member;
	const char *text;
	size_t length;

	if (!spotify_json_string(value, &text, &length))
		return true;
	*copy = spotify_text_copy(arena, text, length);
	return *copy != NULL;
}

bool
spotify_field_is_id(const char *text)
{
	return text[0] != '\0' && strlen(text) <= SPOTIFY_MAX_ID_LENGTH;
}

bool
spotify_field_id(struct json_object *value, SpotifyArena *arena, void *member)
{
	const char **id = member;
	const char *text = NULL;

	if (!spotify_field_text(value, arena, &text))
		return false;
	if (text != NULL && spotify_field_is_id(text))
		*id = text;
	return true;
}

bool
spotify_field_integer(struct json_object *value, SpotifyArena *arena,
					  void *member)
{
	SpotifyInteger *integer = member;
	double number;

	(void) arena;

	/* NaN is in no range.  The range check makes the conversion defined. */
	if (spotify_json_number(value, &number) && number >= INT32_MIN &&
		number <= INT32_MAX && number == (int32_t) number)
	{
		integer->is_known = true;
		integer->value = (int32_t) number;
	}
	return true;
}

void
spotify_field_integer_up_to(struct json_object *value, int32_t maximum,
							SpotifyInteger *integer)
{
	SpotifyInteger read = { 0 };

	(void) spotify_field_integer(value, NULL, &read);
	if (read.is_known && read.value >= 0 && read.value <= maximum)
		*integer = read;
}

bool
spotify_field_boolean(struct json_object *value, SpotifyArena *arena,
					  void *member)
{
	SpotifyBoolean *boolean = member;

	(void) arena;

	if (json_object_is_type(value, json_type_boolean))
	{
		boolean->is_known = true;
		boolean->value = json_object_get_boolean(value);
	}
	return true;
}

bool
spotify_field_timestamp(struct json_object *value, SpotifyArena *arena,
						void *member)
{
	SpotifyTimestamp *timestamp = member;
	const char *text;
	size_t length;

	(void) arena;

	if (spotify_json_string(value, &text, &length))
		*timestamp = spotify_timestamp_parse(text, length);
	return true;
}
