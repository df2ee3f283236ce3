/*
 * text.c
 *		Text from the network: repaired, put on one line, checked.
 *
 * Plain C.
 */
#include "spotify/text.h"

#include <stdint.h>
#include <string.h>

#define REPLACEMENT_CODE 0xFFFD
#define REPLACEMENT_UTF8 "\xEF\xBF\xBD"
#define ELLIPSIS		 "..."

typedef struct Character
{
	uint32_t code; /* REPLACEMENT_CODE when malformed */
	size_t length; /* bytes it takes up in the text */
} Character;

/* Well-formed sequences by their first byte: Unicode standard, table 3-7. */
typedef struct Utf8Form
{
	unsigned char first_min;
	unsigned char first_max;
	unsigned char second_min; /* narrower than 0x80 to 0xBF where that would */
	unsigned char second_max; /* be overlong, a surrogate or above U+10FFFF */
	unsigned char code_mask;  /* bits of the first byte that are code */
	unsigned char length;
} Utf8Form;

static const Utf8Form utf8_forms[] = {
	{ 0x00, 0x7F, 0x00, 0x00, 0x7F, 1 }, { 0xC2, 0xDF, 0x80, 0xBF, 0x1F, 2 },
	{ 0xE0, 0xE0, 0xA0, 0xBF, 0x0F, 3 }, { 0xE1, 0xEC, 0x80, 0xBF, 0x0F, 3 },
	{ 0xED, 0xED, 0x80, 0x9F, 0x0F, 3 }, { 0xEE, 0xEF, 0x80, 0xBF, 0x0F, 3 },
	{ 0xF0, 0xF0, 0x90, 0xBF, 0x07, 4 }, { 0xF1, 0xF3, 0x80, 0xBF, 0x07, 4 },
	{ 0xF4, 0xF4, 0x80, 0x8F, 0x07, 4 },
};

typedef struct CodeRange
{
	uint32_t first;
	uint32_t last;
} CodeRange;

/*
 * What would break, hide or reorder a line: white space, controls, and the
 * characters that format text without being seen.
 */
static const CodeRange blank_ranges[] = {
	{ 0x0000, 0x0020 },	  /* ASCII controls and space */
	{ 0x007F, 0x00A0 },	  /* further controls, no-break space */
	{ 0x00AD, 0x00AD },	  /* soft hyphen */
	{ 0x061C, 0x061C },	  /* Arabic letter mark */
	{ 0x200B, 0x200F },	  /* zero width, direction marks */
	{ 0x2028, 0x202F },	  /* line separators, direction overrides */
	{ 0x2060, 0x206F },	  /* invisible operators, direction isolates */
	{ 0xFEFF, 0xFEFF },	  /* byte order mark */
	{ 0xFFF9, 0xFFFB },	  /* annotation marks */
	{ 0xFFFE, 0xFFFF },	  /* no characters */
	{ 0xE0000, 0xE0FFF }, /* tags, variation selectors */
};

static const Utf8Form *
find_form(unsigned char first)
{
	size_t i;

	for (i = 0; i < sizeof(utf8_forms) / sizeof(utf8_forms[0]); i++)
		if (first >= utf8_forms[i].first_min &&
			first <= utf8_forms[i].first_max)
			return &utf8_forms[i];
	return NULL;
}

/* Reads the character at the front of a text that is not empty. */
static Character
next_character(const char *text, size_t length)
{
	const unsigned char *bytes = (const unsigned char *) text;
	const Utf8Form *form = find_form(bytes[0]);
	Character character = { REPLACEMENT_CODE, 1 };
	uint32_t code;

	if (form == NULL)
		return character;

	code = bytes[0] & form->code_mask;
	for (; character.length < form->length; character.length++)
	{
		size_t i = character.length;
		unsigned char min = i == 1 ? form->second_min : 0x80;
		unsigned char max = i == 1 ? form->second_max : 0xBF;

		if (i >= length || bytes[i] < min || bytes[i] > max)
			return character;
		code = code << 6 | (bytes[i] & 0x3F);
	}
	character.code = code;
	return character;
}

/* The repaired text's length; also writes it unless target is NULL. */
static size_t
repair(char *target, const char *text, size_t length)
{
	size_t written = 0;

	while (length > 0)
	{
		Character character = next_character(text, length);
		const char *piece = text;
		size_t piece_length = character.length;

		if (character.code == REPLACEMENT_CODE)
		{
			piece = REPLACEMENT_UTF8;
			piece_length = strlen(REPLACEMENT_UTF8);
		}
		if (character.code != 0)
		{
			if (target != NULL)
				memcpy(target + written, piece, piece_length);
			written += piece_length;
		}
		text += character.length;
		length -= character.length;
	}
	return written;
}

/* How much of a text needs no repair, for it is ASCII without NUL. */
static size_t
count_plain(const char *text, size_t length)
{
	size_t i = 0;

	while (i < length && (signed char) text[i] > 0)
		i++;
	return i;
}

/* Most texts are ids and URLs, for which one look at each byte is enough. */
char *
spotify_text_copy(SpotifyArena *arena, const char *text, size_t length)
{
	bool is_plain = count_plain(text, length) == length;
	size_t copy_length = is_plain ? length : repair(NULL, text, length);
	char *copy = spotify_arena_alloc(arena, copy_length + 1);

	/* The arena's zero ends it. */
	if (copy != NULL && is_plain)
		memcpy(copy, text, length);
	else if (copy != NULL)
		repair(copy, text, length);
	return copy;
}

static bool
is_blank(uint32_t code)
{
	size_t i;

	for (i = 0; i < sizeof(blank_ranges) / sizeof(blank_ranges[0]); i++)
		if (code >= blank_ranges[i].first && code <= blank_ranges[i].last)
			return true;
	return false;
}

void
spotify_text_line(char *line, size_t size, const char *text, size_t length)
{
	const size_t room = size - 1;
	size_t used = 0;
	size_t cut = 0; /* where the ellipsis goes if the text does not fit */
	bool is_after_blank = false;

	while (length > 0)
	{
		Character character = next_character(text, length);

		if (is_blank(character.code))
			is_after_blank = used > 0;
		else
		{
			char piece[8] = " "; /* a blank and a character of 4 bytes */
			size_t piece_length = is_after_blank ? 1 : 0;

			piece_length +=
				repair(piece + piece_length, text, character.length);
			if (piece_length > room - used)
			{
				memcpy(line + cut, ELLIPSIS, sizeof(ELLIPSIS));
				return;
			}
			memcpy(line + used, piece, piece_length);
			used += piece_length;
			if (used + strlen(ELLIPSIS) <= room)
				cut = used;
			is_after_blank = false;
		}
		text += character.length;
		length -= character.length;
	}
	line[used] = '\0';
}

bool
spotify_text_is_visible_ascii(const char *text, size_t length)
{
	size_t i;

	for (i = 0; i < length; i++)
		if (text[i] <= ' ' || text[i] > '~')
			return false;
	return true;
}
