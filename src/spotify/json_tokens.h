/*
 * json_tokens.h
 *		The tokens of a JSON text, strictly by RFC 8259.
 *
 * Plain C.  How tokens make up a document is not looked at; json-c does that.
 */
#ifndef SPOTIFY_JSON_TOKENS_H
#define SPOTIFY_JSON_TOKENS_H

#include <stdbool.h>
#include <stddef.h>

typedef enum SpotifyJsonTokenType
{
	SPOTIFY_JSON_MARK,	 /* one of { } [ ] , : */
	SPOTIFY_JSON_STRING, /* whose escapes are not looked at */
	SPOTIFY_JSON_WORD,	 /* a number, true, false or null */
	SPOTIFY_JSON_END,	 /* no token follows */
	SPOTIFY_JSON_CUT,	 /* the text ends within the token */
	SPOTIFY_JSON_WRONG	 /* the byte at end can be in no token here */
} SpotifyJsonTokenType;

/* A token, and where it begins and ends in the text. */
typedef struct SpotifyJsonToken
{
	SpotifyJsonTokenType type;
	size_t start;
	size_t end;
	bool has_escapes; /* of a string: a backslash is in it */
} SpotifyJsonToken;

/*
 * Reads the token that follows the given one, past white space, into the same
 * place.  Before the first one stands an end: only its end is looked at.
 */
extern void spotify_json_token_read(SpotifyJsonToken *token, const char *text,
									size_t length);

#endif /* SPOTIFY_JSON_TOKENS_H */
