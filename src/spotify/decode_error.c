/*
 * decode_error.c
 *		What an answer that is no success says, for a message to people.
 *
 * Plain C.
 */
#include "spotify/decode.h"

#include <json-c/json.h>
#include <string.h>

#include "spotify/json.h"
#include "spotify/text.h"

/* Puts the value on one line if it is a string. */
static void
read_line(struct json_object *value, char *line, size_t size)
{
	const char *text;
	size_t length;

	if (spotify_json_string(value, &text, &length))
		spotify_text_line(line, size, text, length);
}

/* Puts a member on one line, or another one if that leaves it empty. */
static void
read_first_line(struct json_object *object, const char *name,
				const char *other_name, char *line, size_t size)
{
	read_line(spotify_json_member(object, name), line, size);
	if (line[0] == '\0')
		read_line(spotify_json_member(object, other_name), line, size);
}

/* Reads the forms that decode.h describes; false if it is neither. */
static bool
read_error(struct json_object *root, SpotifyErrorBody *error)
{
	struct json_object *value = spotify_json_member(root, "error");

	if (json_object_is_type(value, json_type_string))
	{
		read_line(value, error->code, sizeof(error->code));
		read_line(spotify_json_member(root, "error_description"),
				  error->message, sizeof(error->message));
		return true;
	}
	if (json_object_is_type(value, json_type_object))
	{
		read_first_line(value, "reason", "type", error->code,
						sizeof(error->code));
		read_first_line(value, "message", "description", error->message,
						sizeof(error->message));
		return true;
	}
	return false;
}

/*
 * Quotes a body that could not be read as an error, unless it is an object:
 * that could be, or have been before it was cut, an answer that holds a token.
 */
static void
quote_body(const char *body, size_t length, SpotifyErrorBody *error)
{
	spotify_text_line(error->message, sizeof(error->message), body, length);
	if (error->message[0] == '{')
		memset(error->message, 0, sizeof(error->message));
}

void
spotify_decode_error(const char *body, size_t length, SpotifyErrorBody *error)
{
	struct json_object *root;
	SpotifyDecodeProblem problem;
	bool is_read = false;

	memset(error, 0, sizeof(*error));
	if (body == NULL)
		return;

	if (spotify_json_parse(body, length, &root, &problem) == SPOTIFY_DECODE_OK)
	{
		is_read = read_error(root, error);
		json_object_put(root);
	}
	if (!is_read)
		quote_body(body, length, error);
}
