/*
 * decode_token.c
 *		What the token endpoint answers.
 *
 * Plain C.  json-c's copies of the tokens cannot be overwritten; ours are, as
 * soon as they are given back.
 */
#include "spotify/decode.h"

#include <json-c/json.h>
#include <math.h>
#include <string.h>
#include <strings.h>

#include "spotify/fields.h"
#include "spotify/json.h"
#include "spotify/refusal.h"
#include "spotify/text.h"

/* Seconds that an access token lasts when the answer does not say. */
#define DEFAULT_EXPIRES_IN 3600

#define MAX_EXPIRES_IN 86400

/* int32_t: any number counts, be it out of range. */
static bool
read_expires_in(struct json_object *value, SpotifyArena *arena, void *member)
{
	int32_t *expires_in = member;
	double number;

	(void) arena;

	if (!spotify_json_number(value, &number) || isnan(number))
		return true;
	if (number < 0)
		number = 0;
	if (number > MAX_EXPIRES_IN)
		number = MAX_EXPIRES_IN;
	*expires_in = (int32_t) number;
	return true;
}

static const SpotifyFieldRule token_rules[] = {
	{ "scope", spotify_field_text, offsetof(SpotifyToken, scope) },
	{ "expires_in", read_expires_in, offsetof(SpotifyToken, expires_in) },
	{ .name = NULL },
};

/* Only bearer tokens can be used; an answer that says nothing means them. */
static bool
is_bearer(struct json_object *root)
{
	struct json_object *type = spotify_json_member(root, "token_type");

	if (type == NULL)
		return true;
	return json_object_is_type(type, json_type_string) &&
		   strcasecmp(json_object_get_string(type), "Bearer") == 0;
}

/* Copies the token of that name.  One that is missing or empty stays NULL. */
static SpotifyDecodeResult
read_token_text(struct json_object *root, const char *name, SpotifyArena *arena,
				const char **copy, SpotifyDecodeProblem *problem)
{
	const char *text;
	size_t length;

	if (!spotify_json_string(spotify_json_member(root, name), &text, &length) ||
		length == 0)
		return SPOTIFY_DECODE_OK;
	if (length > SPOTIFY_MAX_TOKEN_LENGTH)
		return spotify_refuse_wrong_shape(problem,
										  "\"%s\" is longer than %d bytes",
										  name, SPOTIFY_MAX_TOKEN_LENGTH);
	if (!spotify_text_is_visible_ascii(text, length))
		return spotify_refuse_wrong_shape(
			problem, "\"%s\" has a character that is not visible ASCII", name);

	*copy = spotify_text_copy(arena, text, length);
	return *copy == NULL ? spotify_refuse_out_of_memory(problem)
						 : SPOTIFY_DECODE_OK;
}

/* Reads the access token, which every answer must have. */
static SpotifyDecodeResult
read_access_token(struct json_object *root, SpotifyToken *token,
				  SpotifyDecodeProblem *problem)
{
	SpotifyDecodeResult result;

	if (!is_bearer(root))
		return spotify_refuse_wrong_shape(problem,
										  "\"token_type\" is not Bearer");
	result = read_token_text(root, "access_token", &token->arena,
							 &token->access_token, problem);
	if (result == SPOTIFY_DECODE_OK && token->access_token == NULL)
		return spotify_refuse_wrong_shape(problem,
										  "\"access_token\" is missing");
	return result;
}

/* A SpotifyJsonReader.  The refresh token comes first: it must not be lost. */
static SpotifyDecodeResult
read_token(struct json_object *root, void *target,
		   SpotifyDecodeProblem *problem)
{
	SpotifyToken *token = target;
	SpotifyDecodeResult result;

	if (!json_object_is_type(root, json_type_object))
		return spotify_refuse_wrong_shape(problem, "the body is not an object");

	result = read_token_text(root, "refresh_token", &token->arena,
							 &token->refresh_token, problem);
	if (result != SPOTIFY_DECODE_OK)
		return result;

	token->expires_in = DEFAULT_EXPIRES_IN;
	if (!spotify_fields_read(token_rules, root, &token->arena, token))
		return spotify_refuse_out_of_memory(problem);
	return read_access_token(root, token, problem);
}

SpotifyDecodeResult
spotify_decode_token(const char *body, size_t length, SpotifyToken *token,
					 SpotifyDecodeProblem *problem)
{
	SpotifyDecodeResult result;

	memset(token, 0, sizeof(*token));
	result = spotify_json_decode(body, length, read_token, token, problem);
	if (result != SPOTIFY_DECODE_OK &&
		(result != SPOTIFY_DECODE_WRONG_SHAPE || token->refresh_token == NULL))
		spotify_token_release(token);
	return result;
}
