/*
 * test_byte_buffer.c
 *		Growing, the maximum, the final NUL and who owns the content.
 */
#include "http/byte_buffer.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tap.h"

extern const char *__asan_default_options(void);

/* Lets malloc return NULL for a size that cannot be had, as without ASan. */
const char *
__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}

static void
test_empty(void)
{
	SpotifyByteBuffer buffer;

	spotify_byte_buffer_init(&buffer, 10);
	tap_ok(buffer.bytes == NULL, "a new buffer holds nothing");
	tap_is_int(spotify_byte_buffer_append(&buffer, "", 0),
			   SPOTIFY_BYTE_BUFFER_OK, "nothing can be appended");
	tap_ok(buffer.bytes == NULL, "appending nothing allocates nothing");
	tap_ok(spotify_byte_buffer_detach(&buffer) == NULL,
		   "an empty buffer detaches as NULL");
	spotify_byte_buffer_release(&buffer);
	spotify_byte_buffer_release(&buffer);
	tap_ok(buffer.bytes == NULL, "an empty buffer is released twice");
}

static void
test_append(void)
{
	SpotifyByteBuffer buffer;

	spotify_byte_buffer_init(&buffer, 100);
	spotify_byte_buffer_append(&buffer, "one", 3);
	tap_is_str(buffer.bytes, "one", "the first piece is a string");
	spotify_byte_buffer_append(&buffer, "-two!", 4);
	tap_is_str(buffer.bytes, "one-two", "the second piece follows the first");
	tap_is_int(buffer.length, 7, "length leaves out the final NUL");
	spotify_byte_buffer_append(&buffer, "\0z", 2);
	tap_is_int(buffer.length, 9, "a NUL counts as any byte");
	tap_ok(memcmp(buffer.bytes, "one-two\0z", 10) == 0, "and is kept");
	spotify_byte_buffer_release(&buffer);
	tap_ok(buffer.bytes == NULL && buffer.length == 0 && buffer.capacity == 0,
		   "a released buffer is empty");
	spotify_byte_buffer_append(&buffer, "again", 5);
	tap_is_str(buffer.bytes, "again", "and can be used again");
	spotify_byte_buffer_release(&buffer);
}

static void
test_maximum(void)
{
	SpotifyByteBuffer buffer;

	spotify_byte_buffer_init(&buffer, 5);
	tap_is_int(spotify_byte_buffer_append(&buffer, "123456", 6),
			   SPOTIFY_BYTE_BUFFER_FULL, "one byte too many at once");
	tap_ok(buffer.bytes == NULL, "is not appended in part");
	tap_is_int(spotify_byte_buffer_append(&buffer, "12345", 5),
			   SPOTIFY_BYTE_BUFFER_OK, "exactly the maximum");
	tap_is_int(buffer.capacity, 6, "allocates no more than that and a NUL");
	tap_is_int(spotify_byte_buffer_append(&buffer, "6", 1),
			   SPOTIFY_BYTE_BUFFER_FULL, "one byte more");
	tap_is_str(buffer.bytes, "12345", "leaves the content as it was");
	tap_is_int(spotify_byte_buffer_append(&buffer, "", SIZE_MAX),
			   SPOTIFY_BYTE_BUFFER_FULL, "a length that would overflow");
	tap_is_int(spotify_byte_buffer_append(&buffer, "", 0),
			   SPOTIFY_BYTE_BUFFER_OK, "nothing fits a full buffer");
	spotify_byte_buffer_release(&buffer);

	spotify_byte_buffer_init(&buffer, 0);
	tap_is_int(spotify_byte_buffer_append(&buffer, "1", 1),
			   SPOTIFY_BYTE_BUFFER_FULL, "a maximum of 0 takes nothing");
	spotify_byte_buffer_release(&buffer);
}

static void
test_growing(void)
{
	enum
	{
		MAXIMUM = 1000 * 1000,
		PIECE = 777
	};
	SpotifyByteBuffer buffer;
	char piece[PIECE];
	bool all_appended = true;
	bool all_kept = true;
	size_t capacities = 0;
	size_t last_capacity = 0;

	spotify_byte_buffer_init(&buffer, MAXIMUM);
	while (buffer.length + PIECE <= MAXIMUM)
	{
		memset(piece, (int) (buffer.length / PIECE % 251), PIECE);
		if (spotify_byte_buffer_append(&buffer, piece, PIECE) !=
			SPOTIFY_BYTE_BUFFER_OK)
			all_appended = false;
		if (buffer.capacity != last_capacity)
			capacities++;
		last_capacity = buffer.capacity;
	}
	for (size_t i = 0; i < buffer.length; i++)
		if ((unsigned char) buffer.bytes[i] != i / PIECE % 251)
			all_kept = false;
	tap_ok(all_appended, "many pieces are appended");
	tap_ok(all_kept, "growing keeps the content");
	tap_ok(buffer.bytes[buffer.length] == '\0', "and the final NUL");
	tap_ok(capacities < 10, "growing doubles the capacity");
	tap_ok(buffer.capacity <= MAXIMUM + 1, "up to the maximum");
	spotify_byte_buffer_release(&buffer);
}

static void
test_detach(void)
{
	SpotifyByteBuffer buffer;
	char *content;

	spotify_byte_buffer_init(&buffer, 100);
	spotify_byte_buffer_append(&buffer, "mine", 4);
	content = spotify_byte_buffer_detach(&buffer);
	tap_is_str(content, "mine", "detaching gives the content");
	tap_ok(buffer.bytes == NULL && buffer.length == 0,
		   "and leaves an empty buffer");
	spotify_byte_buffer_append(&buffer, "next", 4);
	tap_is_str(buffer.bytes, "next", "which can be filled again");
	tap_is_str(content, "mine", "without touching what was detached");
	spotify_byte_buffer_release(&buffer);
	free(content);
}

static void
test_out_of_memory(void)
{
	SpotifyByteBuffer buffer;

	spotify_byte_buffer_init(&buffer, SIZE_MAX);
	spotify_byte_buffer_append(&buffer, "kept", 4);
	/* Nothing is read from the piece: no memory of that size can be had. */
	tap_is_int(spotify_byte_buffer_append(&buffer, "", SIZE_MAX - 5),
			   SPOTIFY_BYTE_BUFFER_OUT_OF_MEMORY, "memory is out");
	tap_is_str(buffer.bytes, "kept", "the content stays");
	tap_is_int(spotify_byte_buffer_append(&buffer, "", SIZE_MAX),
			   SPOTIFY_BYTE_BUFFER_FULL, "no length overflows");
	spotify_byte_buffer_release(&buffer);
}

int
main(void)
{
	test_empty();
	test_append();
	test_maximum();
	test_growing();
	test_detach();
	test_out_of_memory();
	return tap_done();
}
