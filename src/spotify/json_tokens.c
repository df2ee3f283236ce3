/*
 * json_tokens.c
 *		The tokens of a JSON text, strictly by RFC 8259.
 *
 * Plain C.
 */
#include "spotify/json_tokens.h"

#include <stdint.h>
#include <string.h>

/* What is left to read of a text that need not end in a NUL. */
typedef struct Cursor
{
	const char *text;
	size_t length;
	size_t position;
	bool has_escapes; /* a backslash was taken */
} Cursor;

static bool
is_at_end(const Cursor *cursor)
{
	return cursor->position == cursor->length;
}

/* The next byte; 0, which no token has, at the end. */
static char
peek(const Cursor *cursor)
{
	return is_at_end(cursor) ? '\0' : cursor->text[cursor->position];
}

/* Passes over a byte if it is one of these. */
static bool
take_one_of(Cursor *cursor, const char *wanted)
{
	char c = peek(cursor);

	if (c == '\0' || strchr(wanted, c) == NULL)
		return false;
	cursor->position++;
	return true;
}

/* What it means that a token does not go on as it has to. */
static SpotifyJsonTokenType
broken(const Cursor *cursor)
{
	return is_at_end(cursor) ? SPOTIFY_JSON_CUT : SPOTIFY_JSON_WRONG;
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Passes over digits; false if there are none. */
static bool
take_digits(Cursor *cursor)
{
	size_t start = cursor->position;

	while (is_digit(peek(cursor)))
		cursor->position++;
	return cursor->position > start;
}

/* What follows a number, true, false or null must not look like a part of it. */
static SpotifyJsonTokenType
end_word(const Cursor *cursor)
{
	char c = peek(cursor);

	if (is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		c == '.' || c == '+' || c == '-')
		return SPOTIFY_JSON_WRONG;
	return SPOTIFY_JSON_WORD;
}

static SpotifyJsonTokenType
take_number(Cursor *cursor)
{
	(void) take_one_of(cursor, "-");
	if (!take_one_of(cursor, "0") && !take_digits(cursor))
		return broken(cursor);
	if (take_one_of(cursor, ".") && !take_digits(cursor))
		return broken(cursor);
	if (take_one_of(cursor, "eE"))
	{
		(void) take_one_of(cursor, "+-");
		if (!take_digits(cursor))
			return broken(cursor);
	}
	return end_word(cursor);
}

static SpotifyJsonTokenType
take_literal(Cursor *cursor, const char *literal)
{
	for (; *literal != '\0'; literal++, cursor->position++)
	{
		if (peek(cursor) != *literal)
			return broken(cursor);
	}
	return end_word(cursor);
}

#define EVERY_BYTE(value) (UINT64_MAX / 255 * (value))

/* Whether a byte of eight is zero. */
static bool
has_zero(uint64_t bytes)
{
	return ((bytes - EVERY_BYTE(0x01)) & ~bytes & EVERY_BYTE(0x80)) != 0;
}

/*
 * Passes over what stands for itself in a string.  Most of a body is that, so
 * it goes by eight bytes, as far as none of them is a quote, a backslash or a
 * control character.
 */
static const char *
skip_plain(const char *c, const char *end)
{
	for (; end - c >= 8; c += 8)
	{
		uint64_t bytes;

		memcpy(&bytes, c, sizeof(bytes));
		if (has_zero(bytes ^ EVERY_BYTE('"')) ||
			has_zero(bytes ^ EVERY_BYTE('\\')) ||
			has_zero(bytes & EVERY_BYTE(0xE0)))
			break;
	}
	while (c < end && (unsigned char) *c >= ' ' && *c != '"' && *c != '\\')
		c++;
	return c;
}

static SpotifyJsonTokenType
take_string(Cursor *cursor)
{
	const char *end = cursor->text + cursor->length;
	const char *c = skip_plain(cursor->text + cursor->position + 1, end);

	/* A backslash takes the next byte with it, unless that is wrong anyway. */
	while (c < end && *c == '\\')
	{
		cursor->has_escapes = true;
		if (++c < end && (unsigned char) *c >= ' ')
			c++;
		c = skip_plain(c, end);
	}
	cursor->position = (size_t) (c - cursor->text);
	if (c == end || *c != '"')
		return broken(cursor);
	cursor->position++;
	return SPOTIFY_JSON_STRING;
}

static void
skip_space(Cursor *cursor)
{
	char c = peek(cursor);

	while (c == ' ' || c == '\n' || c == '\r' || c == '\t')
	{
		cursor->position++;
		c = peek(cursor);
	}
}

static SpotifyJsonTokenType
take_token(Cursor *cursor)
{
	char first = peek(cursor);

	switch (first)
	{
		case '{':
		case '}':
		case '[':
		case ']':
		case ',':
		case ':':
			cursor->position++;
			return SPOTIFY_JSON_MARK;
		case '"':
			return take_string(cursor);
		case 't':
			return take_literal(cursor, "true");
		case 'f':
			return take_literal(cursor, "false");
		case 'n':
			return take_literal(cursor, "null");
		default:
			if (first == '-' || is_digit(first))
				return take_number(cursor);
			return is_at_end(cursor) ? SPOTIFY_JSON_END : SPOTIFY_JSON_WRONG;
	}
}

void
spotify_json_token_read(SpotifyJsonToken *token, const char *text,
						size_t length)
{
	Cursor cursor = { .text = text, .length = length, .position = token->end };

	skip_space(&cursor);
	token->start = cursor.position;
	token->type = take_token(&cursor);
	token->end = cursor.position;
	token->has_escapes = cursor.has_escapes;
}
