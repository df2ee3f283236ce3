/*
 * text.h
 *		Text from the network: repaired, put on one line, checked.
 *
 * Plain C.  The text given may hold any bytes, NUL too.
 */
#ifndef SPOTIFY_TEXT_H
#define SPOTIFY_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "spotify/arena.h"

/*
 * A NUL-terminated copy that is valid UTF-8: U+0000 is dropped, and each
 * malformed sequence becomes U+FFFD, by the Unicode standard's practice of
 * replacing maximal subparts (section 3.9).  NULL when memory is out.
 */
extern char *spotify_text_copy(SpotifyArena *arena, const char *text,
							   size_t length);

/*
 * Writes text for people into line, which has size bytes (at least 4):
 * printable UTF-8 on one line, without white space at its ends or in runs.
 * What does not fit is cut off between two characters and replaced by "...".
 */
extern void spotify_text_line(char *line, size_t size, const char *text,
							  size_t length);

/* Tells whether every byte is a visible ASCII character, no blank. */
extern bool spotify_text_is_visible_ascii(const char *text, size_t length);

#endif /* SPOTIFY_TEXT_H */
