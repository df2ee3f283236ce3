/*
 * test_text.c
 *		Repairing, putting on one line, checking.
 */
#include "spotify/text.h"

#include <string.h>

#include "tap.h"

#define FFFD "\xEF\xBF\xBD"

/* A literal that may hold NULs, and its length. */
#define BYTES(literal) (literal), sizeof(literal) - 1

static void
copy_is(const char *text, size_t length, const char *expected, const char *name)
{
	SpotifyArena arena = { 0 };

	tap_is_str(spotify_text_copy(&arena, text, length), expected, "%s", name);
	spotify_arena_release(&arena);
}

static void
test_copy(void)
{
	copy_is(BYTES(""), "", "nothing");
	copy_is(BYTES("plain"), "plain", "ASCII");
	copy_is(BYTES("tab\tline\ncontrol\x01"), "tab\tline\ncontrol\x01",
			"controls are kept");
	copy_is(BYTES("\xC3\xA9\xE7\xB5\x82\xF0\x9F\x9A\x86"),
			"\xC3\xA9\xE7\xB5\x82\xF0\x9F\x9A\x86",
			"2, 3 and 4 byte characters");
	copy_is(BYTES("\xD7\xA9\xE2\x80\x8F"), "\xD7\xA9\xE2\x80\x8F",
			"right to left");
	copy_is(BYTES("\xED\x9F\xBF\xEE\x80\x80\xF4\x8F\xBF\xBF"),
			"\xED\x9F\xBF\xEE\x80\x80\xF4\x8F\xBF\xBF",
			"the characters around the gaps");
	copy_is(BYTES("a\0b\0"), "ab", "U+0000 is dropped");
	copy_is(BYTES("\0"), "", "U+0000 alone");
}

static void
test_malformed(void)
{
	copy_is(BYTES("a\xFFz"), "a" FFFD "z", "a byte that never occurs");
	copy_is(BYTES("a\x80z"), "a" FFFD "z", "a continuation alone");
	copy_is(BYTES("a\xC3"), "a" FFFD, "cut after the first byte of 2");
	copy_is(BYTES("a\xE7\xB5"), "a" FFFD, "cut after the second byte of 3");
	copy_is(BYTES("a\xF0\x9F\x9A"), "a" FFFD, "cut after the third byte of 4");
	copy_is(BYTES("\xC3(z"), FFFD "(z", "a first byte without its second");
	copy_is(BYTES("\xC0\xAF"), FFFD FFFD, "overlong in 2 bytes");
	copy_is(BYTES("\xE0\x80\xAF"), FFFD FFFD FFFD, "overlong in 3 bytes");
	copy_is(BYTES("\xF0\x80\x80\xAF"), FFFD FFFD FFFD FFFD,
			"overlong in 4 bytes");
	copy_is(BYTES("\xC0\x80"), FFFD FFFD, "overlong U+0000");
	copy_is(BYTES("\xED\xA0\x80"), FFFD FFFD FFFD, "a surrogate");
	copy_is(BYTES("\xF4\x90\x80\x80"), FFFD FFFD FFFD FFFD, "above U+10FFFF");
	copy_is(BYTES("\xF8\x88\x80\x80\x80"), FFFD FFFD FFFD FFFD FFFD,
			"a sequence of 5");
	copy_is(BYTES("\xE7\xB5\x41"), FFFD "A",
			"two bytes of 3 are replaced once");
	copy_is(BYTES(FFFD), FFFD, "U+FFFD itself");
}

/* Exhaustive for up to 2 bytes: nothing that is left is malformed. */
static void
test_every_pair(void)
{
	SpotifyArena arena = { 0 };
	int first;
	int second;
	bool all_stable = true;

	for (first = 0; first < 256; first++)
		for (second = 0; second < 256; second++)
		{
			char text[2] = { (char) first, (char) second };
			char *copy = spotify_text_copy(&arena, text, 2);
			char *again = spotify_text_copy(&arena, copy, strlen(copy));

			if (strcmp(copy, again) != 0)
				all_stable = false;
		}
	tap_ok(all_stable, "what is repaired stays as it is");
	spotify_arena_release(&arena);
}

static void
line_is(const char *text, size_t length, size_t size, const char *expected,
		const char *name)
{
	char line[300];

	memset(line, '#', sizeof(line));
	spotify_text_line(line, size, text, length);
	tap_is_str(line, expected, "%s", name);
	tap_ok(line[size] == '#', "%s: stays within its size", name);
}

static void
test_line(void)
{
	line_is(BYTES(""), 20, "", "nothing");
	line_is(BYTES("  \r\n\t "), 20, "", "only white space");
	line_is(BYTES(" a  b\r\n\tc "), 20, "a b c", "white space is collapsed");
	line_is(BYTES("a\0b\x1B[31mc\x7F"), 20, "a b [31mc", "controls");
	line_is(BYTES("a\xC2\x85"
				  "b\xE2\x80\xA8"
				  "c\xE2\x80\xAE"
				  "d"),
			20, "a b c d", "controls, separators, overrides beyond ASCII");
	line_is(BYTES("\xEF\xBB\xBF"
				  "a\xC2\xA0"
				  "b"),
			20, "a b", "byte order mark, no-break space");
	line_is(BYTES("caf\xC3\xA9 \xF0\x9F\x9A\x86"), 20,
			"caf\xC3\xA9 \xF0\x9F\x9A\x86", "other characters stay");
	line_is(BYTES("a\xFF"
				  "b"),
			20, "a" FFFD "b", "malformed is replaced");
}

static void
test_line_cut(void)
{
	line_is(BYTES("123456789"), 10, "123456789", "fits exactly");
	line_is(BYTES("1234567890"), 10, "123456...", "one too many");
	line_is(BYTES("1234567 "), 8, "1234567", "white space does not count");
	line_is(BYTES("1234\xC3\xA9"
				  "56789"),
			10, "1234\xC3\xA9...", "a character that just fits");
	line_is(BYTES("12345\xC3\xA9"
				  "6789"),
			10, "12345...", "a character that does not fit is not cut");
	line_is(BYTES("12 \xF0\x9F\x9A\x86 9"), 10, "12 \xF0\x9F\x9A\x86 9",
			"a line that fits with its spaces");
	line_is(BYTES("12345 7890"), 10, "12345...",
			"no white space before the dots");
	line_is(BYTES("abcd"), 4, "...", "the smallest size");
}

static void
test_visible_ascii(void)
{
	tap_ok(spotify_text_is_visible_ascii(BYTES("AZaz09-_.~+/=!")),
		   "letters, digits and signs");
	tap_ok(!spotify_text_is_visible_ascii(BYTES("a b")), "not a space");
	tap_ok(!spotify_text_is_visible_ascii(BYTES("a\r\nb")), "not a line end");
	tap_ok(!spotify_text_is_visible_ascii(BYTES("a\0b")), "not a NUL");
	tap_ok(!spotify_text_is_visible_ascii(BYTES("a\x7F")), "not a delete");
	tap_ok(!spotify_text_is_visible_ascii(BYTES("\xC3\xA9")), "not beyond");
}

int
main(void)
{
	test_copy();
	test_malformed();
	test_every_pair();
	test_line();
	test_line_cut();
	test_visible_ascii();
	return tap_done();
}
