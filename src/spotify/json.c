/*
 * json.c
 *		A body as one JSON document of json-c.
 *
 * Plain C.  The result is the same with every json-c from 0.15 to 0.19.
 *
 * JSON_TOKENER_STRICT is deliberately not set.  It grows stricter from one
 * release to the next: 0.15 with it still takes NaN, names in single quotes,
 * form feeds and raw control characters; from 0.17 on it refuses numbers of
 * more than 64 bits, which are JSON; and 0.18 refuses every string that is not
 * ASCII (github.com/json-c/json-c/issues/875).  Instead each token is checked
 * here before json-c sees it.  Of what json-c takes that is no JSON, that
 * leaves commas before a closing bracket and text behind the document, which
 * are checked here too.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* memmem */
#endif

#include "spotify/json.h"

#include <json-c/json.h>
#include <limits.h>
#include <string.h>

#include "spotify/json_tokens.h"
#include "spotify/refusal.h"

/*
 * Saved tracks nest 8 levels deep.  The bound also limits how deep json-c
 * recurses when it frees a document.
 */
#define MAX_DEPTH 32

#define BYTE_ORDER_MARK "\xEF\xBB\xBF"

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

static SpotifyDecodeResult
refuse_end(SpotifyDecodeProblem *problem)
{
	return spotify_refuse_not_json(problem,
								   "not JSON: the body ends too early");
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
		return refuse_end(problem);
	if (error == json_tokener_error_depth)
		return spotify_refuse_not_json(problem, "nested deeper than %d levels",
									   MAX_DEPTH);
	return refuse_character(position, problem);
}

/* A body on its way into json-c. */
typedef struct Parser
{
	const char *body;
	size_t length;
	size_t position; /* so far json-c has read, or its part was replaced */
	struct json_tokener *tokener;
	struct json_object *root;	   /* once there is no error */
	enum json_tokener_error error; /* "continue" while more is wanted */
} Parser;

/* Gives json-c some bytes, if it wants more. */
static void
feed_bytes(Parser *parser, const char *bytes, size_t length)
{
	if (parser->error != json_tokener_continue)
		return;
	parser->root = json_tokener_parse_ex(parser->tokener, bytes, (int) length);
	parser->error = json_tokener_get_error(parser->tokener);
}

/* Gives json-c the body up to where a token ends. */
static void
feed(Parser *parser, size_t end)
{
	if (parser->error != json_tokener_continue)
		return;
	feed_bytes(parser, parser->body + parser->position, end - parser->position);
	parser->position += json_tokener_get_parse_end(parser->tokener);
}

/*
 * json-c would end a name at U+0000, which makes another name of it.  It gets
 * an empty one instead, which no field has.  Only a name with escapes can be one.
 */
static void
feed_name(Parser *parser, const SpotifyJsonToken *name)
{
	static const char nul[] = "\\u0000";

	if (memmem(parser->body + name->start, name->end - name->start, nul,
			   strlen(nul)) == NULL)
		return;
	feed(parser, name->start);
	feed_bytes(parser, "\"\"", 2);
	if (parser->error == json_tokener_continue)
		parser->position = name->end;
}

static void
feed_rest(Parser *parser)
{
	feed(parser, parser->length);
	if (parser->error != json_tokener_continue)
		return;

	/* Only what follows a number shows that the number is complete. */
	feed_bytes(parser, " ", 1);
	if (parser->error != json_tokener_success)
		parser->error = json_tokener_continue;
}

/* The mark that a token of the body is; 0 if it is none. */
static char
mark_of(const char *body, const SpotifyJsonToken *token)
{
	return token->type == SPOTIFY_JSON_MARK ? body[token->start] : '\0';
}

static bool
opens(char mark)
{
	return mark == '{' || mark == '[';
}

static bool
closes(char mark)
{
	return mark == '}' || mark == ']';
}

/* Gives json-c the whole body, if that consists of tokens of JSON. */
static SpotifyDecodeResult
feed_tokens(Parser *parser, SpotifyDecodeProblem *problem)
{
	SpotifyJsonToken token = { .end = parser->position };
	SpotifyJsonToken name = { .type = SPOTIFY_JSON_END };
	char last_mark = '\0';

	do
	{
		char mark;

		spotify_json_token_read(&token, parser->body, parser->length);
		mark = mark_of(parser->body, &token);
		if (token.type == SPOTIFY_JSON_CUT)
			return refuse_end(problem);
		if (token.type == SPOTIFY_JSON_WRONG)
			return refuse_character(token.end, problem);
		if (closes(mark) && last_mark == ',')
			return refuse_character(token.start, problem);
		if (mark == ':' && name.type == SPOTIFY_JSON_STRING)
			feed_name(parser, &name);
		/* Only a name with escapes may have to be replaced. */
		name.type = SPOTIFY_JSON_END;
		if (token.has_escapes)
			name = token;
		last_mark = mark;
	} while (token.type != SPOTIFY_JSON_END);
	feed_rest(parser);
	return SPOTIFY_DECODE_OK;
}

/* Parses from the parser's position on, where there is something. */
static SpotifyDecodeResult
parse_document(Parser *parser, SpotifyDecodeProblem *problem)
{
	bool is_null = parser->body[parser->position] == 'n';
	SpotifyDecodeResult result = feed_tokens(parser, problem);
	SpotifyJsonToken next;

	if (result != SPOTIFY_DECODE_OK)
		return result;
	if (parser->error != json_tokener_success)
		return refuse_for(parser->error, parser->position, problem);

	/* Up to 0.16, json-c says success when it runs out of memory. */
	if (parser->root == NULL && !is_null)
		return spotify_refuse_out_of_memory(problem);

	next.end = parser->position;
	spotify_json_token_read(&next, parser->body, parser->length);
	if (next.type != SPOTIFY_JSON_END)
	{
		json_object_put(parser->root);
		return refuse_character(next.start, problem);
	}
	return SPOTIFY_DECODE_OK;
}

/* Finds where the document begins, if json-c can be given the body. */
static SpotifyDecodeResult
find_document(Parser *parser, SpotifyDecodeProblem *problem)
{
	SpotifyJsonToken first = { .end = skip_byte_order_mark(parser->body,
														   parser->length) };

	spotify_json_token_read(&first, parser->body, parser->length);
	if (first.type == SPOTIFY_JSON_END)
		return spotify_refuse_not_json(problem, "the body is empty");
	if (parser->length > INT_MAX)
		return spotify_refuse_not_json(
			problem, "the body is larger than %d bytes", INT_MAX);
	parser->position = first.start;
	return SPOTIFY_DECODE_OK;
}

SpotifyDecodeResult
spotify_json_parse(const char *body, size_t length, struct json_object **root,
				   SpotifyDecodeProblem *problem)
{
	Parser parser = { .body = body != NULL ? body : "",
					  .length = body != NULL ? length : 0,
					  .error = json_tokener_continue };
	SpotifyDecodeResult result = find_document(&parser, problem);

	if (result != SPOTIFY_DECODE_OK)
		return result;
	parser.tokener = json_tokener_new_ex(MAX_DEPTH);
	if (parser.tokener == NULL)
		return spotify_refuse_out_of_memory(problem);
	result = parse_document(&parser, problem);
	json_tokener_free(parser.tokener);
	*root = parser.root;
	return result;
}

/* Passes over the rest of a string; NULL if it does not end. */
static const char *
skip_string(const char *c, const char *end)
{
	for (;;)
	{
		const char *quote = memchr(c, '"', (size_t) (end - c));
		const char *before = quote;

		if (quote == NULL)
			return NULL;
		while (before > c && before[-1] == '\\')
			before--;
		if ((quote - before) % 2 == 0)
			return quote + 1;
		c = quote + 1;
	}
}

/*
 * Whether as many brackets are closed as were opened, at some point.  Much
 * faster than to read tokens, and of nearly every body all there is to ask:
 * what closes was not cut, whatever else is wrong with it.
 */
static bool
closes_at_last(const char *body, size_t length)
{
	const char *end = body + length;
	int open_brackets = 0;

	for (const char *c = body; c != NULL && c < end;)
	{
		char mark = *c++;

		if (opens(mark))
			open_brackets++;
		else if (closes(mark) && --open_brackets == 0)
			return true;
		else if (mark == '"')
			c = skip_string(c, end);
	}
	return false;
}

bool
spotify_json_is_cut(const char *body, size_t length)
{
	SpotifyJsonToken token = { .type = SPOTIFY_JSON_END };
	int open_brackets = 0;

	if (body == NULL)
		return true;
	if (closes_at_last(body, length))
		return false;
	token.end = skip_byte_order_mark(body, length);

	do
	{
		spotify_json_token_read(&token, body, length);
		if (opens(mark_of(body, &token)))
			open_brackets++;
		else if (closes(mark_of(body, &token)))
			open_brackets--;
	} while (open_brackets > 0 && token.type != SPOTIFY_JSON_END &&
			 token.type != SPOTIFY_JSON_CUT &&
			 token.type != SPOTIFY_JSON_WRONG);
	return token.type == SPOTIFY_JSON_END || token.type == SPOTIFY_JSON_CUT;
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
