/*
 * json.c
 *		A body as one JSON document of json-c.
 *
 * Plain C.  Works around what differs between json-c 0.15 and 0.18.
 *
 * JSON_TOKENER_STRICT is deliberately not set.  It grows stricter from one
 * release to the next, and json-c 0.18 with it refuses every string that is
 * not ASCII (github.com/json-c/json-c/issues/875).  The lenient grammar also
 * takes comments, single quotes and raw control characters, which does no
 * harm; that nothing follows the document is checked here.
 */
#include "spotify/json.h"

#include <json-c/json.h>
#include <limits.h>
#include <string.h>

#include "spotify/refusal.h"

/*
 * Saved tracks nest 8 levels deep.  The bound also limits how deep json-c
 * recurses when it frees a document.
 */
#define MAX_DEPTH 32

#define BYTE_ORDER_MARK "\xEF\xBB\xBF"

/* White space of JSON. */
static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static size_t
skip_space(const char *body, size_t length, size_t position)
{
	while (position < length && is_space(body[position]))
		position++;
	return position;
}

static size_t
skip_byte_order_mark(const char *body, size_t length)
{
	const size_t mark_length = strlen(BYTE_ORDER_MARK);

	if (length < mark_length || memcmp(body, BYTE_ORDER_MARK, mark_length) != 0)
		return 0;
	return mark_length;
}

static SpotifyDecodeResult
refuse_character(size_t position, SpotifyDecodeProblem *problem)
{
	return spotify_refuse_not_json(
		problem, "not JSON: unexpected character at byte %zu", position + 1);
}

/* A failure of json-c, which stopped at position. */
static SpotifyDecodeResult
refuse_for(enum json_tokener_error error, size_t position,
		   SpotifyDecodeProblem *problem)
{
	/*
	 * The codes above this one differ between releases, but all stand for lack
	 * of memory, or for a size that is checked before.
	 */
	if (error > json_tokener_error_parse_utf8_string)
		return spotify_refuse_out_of_memory(problem);

	if (error == json_tokener_continue)
		return spotify_refuse_not_json(problem,
									   "not JSON: the body ends too early");
	if (error == json_tokener_error_depth)
		return spotify_refuse_not_json(problem, "nested deeper than %d levels",
									   MAX_DEPTH);
	return refuse_character(position, problem);
}

/* Refuses what json-c must not see or would not take for an error. */
static SpotifyDecodeResult
check_bytes(const char *body, size_t length, size_t start,
			SpotifyDecodeProblem *problem)
{
	const char *nul;

	if (start == length)
		return spotify_refuse_not_json(problem, "the body is empty");
	if (length > INT_MAX)
		return spotify_refuse_not_json(
			problem, "the body is larger than %d bytes", INT_MAX);
	nul = memchr(body, '\0', length);
	if (nul != NULL)
		return refuse_character((size_t) (nul - body), problem);
	return SPOTIFY_DECODE_OK;
}

/* Parses what there is; end is where the document ended, or went wrong. */
static enum json_tokener_error
parse_bytes(struct json_tokener *tokener, const char *bytes, size_t length,
			struct json_object **root, size_t *end)
{
	*root = json_tokener_parse_ex(tokener, bytes, (int) length);
	*end = json_tokener_get_parse_end(tokener);
	if (json_tokener_get_error(tokener) != json_tokener_continue)
		return json_tokener_get_error(tokener);

	/* Only what follows a number shows that the number is complete. */
	*root = json_tokener_parse_ex(tokener, " ", 1);
	if (json_tokener_get_error(tokener) != json_tokener_success)
		return json_tokener_continue;
	return json_tokener_success;
}

/* Parses from position start on, where there is something. */
static SpotifyDecodeResult
parse_document(struct json_tokener *tokener, const char *body, size_t length,
			   size_t start, struct json_object **root,
			   SpotifyDecodeProblem *problem)
{
	enum json_tokener_error error;
	size_t end;

	error = parse_bytes(tokener, body + start, length - start, root, &end);
	end += start;
	if (error != json_tokener_success)
		return refuse_for(error, end, problem);

	/* Up to 0.16, json-c says success when it runs out of memory. */
	if (*root == NULL && body[start] != 'n' && body[start] != 'N')
		return spotify_refuse_out_of_memory(problem);

	end = skip_space(body, length, end);
	if (end < length)
	{
		json_object_put(*root);
		return refuse_character(end, problem);
	}
	return SPOTIFY_DECODE_OK;
}

SpotifyDecodeResult
spotify_json_parse(const char *body, size_t length, struct json_object **root,
				   SpotifyDecodeProblem *problem)
{
	struct json_tokener *tokener;
	SpotifyDecodeResult result;
	size_t start;

	if (body == NULL)
	{
		body = "";
		length = 0;
	}
	start = skip_byte_order_mark(body, length);
	start = skip_space(body, length, start);
	result = check_bytes(body, length, start, problem);
	if (result != SPOTIFY_DECODE_OK)
		return result;

	tokener = json_tokener_new_ex(MAX_DEPTH);
	if (tokener == NULL)
		return spotify_refuse_out_of_memory(problem);
	result = parse_document(tokener, body, length, start, root, problem);
	json_tokener_free(tokener);
	return result;
}

SpotifyDecodeResult
spotify_json_decode(const char *body, size_t length, SpotifyJsonReader *reader,
					void *target, SpotifyDecodeProblem *problem)
{
	struct json_object *root;
	SpotifyDecodeResult result;

	result = spotify_json_parse(body, length, &root, problem);
	if (result != SPOTIFY_DECODE_OK)
		return result;
	result = reader(root, target, problem);
	json_object_put(root);
	return result;
}

struct json_object *
spotify_json_member(struct json_object *object, const char *name)
{
	struct json_object *value = NULL;

	if (json_object_is_type(object, json_type_object))
		json_object_object_get_ex(object, name, &value);
	return value;
}

bool
spotify_json_string(struct json_object *value, const char **text,
					size_t *length)
{
	if (!json_object_is_type(value, json_type_string))
		return false;
	*text = json_object_get_string(value);
	*length = (size_t) json_object_get_string_len(value);
	return true;
}

bool
spotify_json_number(struct json_object *value, double *number)
{
	if (!json_object_is_type(value, json_type_int) &&
		!json_object_is_type(value, json_type_double))
		return false;
	*number = json_object_get_double(value);
	return true;
}
