/*
 * test_arena.c
 *		Pieces of every size: zeroed, aligned, apart from each other.
 */
#include "spotify/arena.h"

#include <stdint.h>
#include <string.h>

#include "tap.h"

extern const char *__asan_default_options(void);

/* Lets malloc return NULL for a size that cannot be had, as without ASan. */
const char *
__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}

static bool
is_zeroed(const unsigned char *piece, size_t size)
{
	size_t i;

	for (i = 0; i < size; i++)
		if (piece[i] != 0)
			return false;
	return true;
}

static bool
is_filled(const unsigned char *piece, size_t size, unsigned char value)
{
	size_t i;

	for (i = 0; i < size; i++)
		if (piece[i] != value)
			return false;
	return true;
}

static void
test_empty(void)
{
	SpotifyArena arena = { 0 };

	spotify_arena_release(&arena);
	tap_ok(arena.blocks == NULL, "an empty arena can be released");
	tap_ok(spotify_arena_alloc(&arena, 0) != NULL,
		   "a piece of no bytes is a piece");
	tap_ok(spotify_arena_alloc(&arena, 0) != spotify_arena_alloc(&arena, 0),
		   "each piece has its own address");
	spotify_arena_release(&arena);
}

/* Small, at the borders of a block and of a shared piece, and large. */
static const size_t sizes[] = { 1,	  15,	 16,	17,	   4095,  4096,
								4097, 16383, 16384, 16385, 100000 };

#define SIZE_COUNT (sizeof(sizes) / sizeof(sizes[0]))
#define ROUNDS	   20

static void
test_pieces(void)
{
	SpotifyArena arena = { 0 };
	unsigned char *pieces[ROUNDS * SIZE_COUNT];
	bool all_zeroed = true;
	bool all_aligned = true;
	bool all_kept = true;
	size_t i;

	for (i = 0; i < ROUNDS * SIZE_COUNT; i++)
	{
		size_t size = sizes[i % SIZE_COUNT];

		pieces[i] = spotify_arena_alloc(&arena, size);
		if (pieces[i] == NULL)
		{
			tap_ok(false, "piece %zu of %zu bytes", i, size);
			return;
		}
		if ((uintptr_t) pieces[i] % _Alignof(max_align_t) != 0)
			all_aligned = false;
		if (!is_zeroed(pieces[i], size))
			all_zeroed = false;
		memset(pieces[i], (int) (i % 251) + 1, size);
	}
	for (i = 0; i < ROUNDS * SIZE_COUNT; i++)
		if (!is_filled(pieces[i], sizes[i % SIZE_COUNT],
					   (unsigned char) (i % 251 + 1)))
			all_kept = false;
	tap_ok(all_zeroed, "pieces are zeroed");
	tap_ok(all_aligned, "pieces are aligned for any type");
	tap_ok(all_kept, "no piece overlaps another");

	spotify_arena_release(&arena);
	tap_ok(arena.blocks == NULL, "a released arena is empty");
	pieces[0] = spotify_arena_alloc(&arena, 100);
	tap_ok(pieces[0] != NULL && is_zeroed(pieces[0], 100),
		   "and can be used again");
	spotify_arena_release(&arena);
}

static void
test_taking_over(void)
{
	SpotifyArena arena = { 0 };
	SpotifyArena other = { 0 };
	unsigned char *pieces[2];

	spotify_arena_take_over(&arena, &other);
	tap_ok(arena.blocks == NULL, "nothing is taken over from an empty arena");
	pieces[0] = spotify_arena_alloc(&arena, 100);
	pieces[1] = spotify_arena_alloc(&other, 100);
	if (pieces[0] == NULL || pieces[1] == NULL)
	{
		tap_ok(false, "two pieces");
		return;
	}
	spotify_arena_take_over(&arena, &other);
	tap_ok(other.blocks == NULL, "an arena that was taken over is empty");
	spotify_arena_release(&other);
	tap_ok(is_zeroed(pieces[1], 100), "its pieces live on in the other one");
	spotify_arena_release(&arena);
}

static void
test_out_of_memory(void)
{
	SpotifyArena arena = { 0 };
	char *kept;

	kept = spotify_arena_alloc(&arena, 5);
	strcpy(kept, "kept");
	tap_ok(spotify_arena_alloc(&arena, SIZE_MAX) == NULL,
		   "no size overflows: SIZE_MAX");
	tap_ok(spotify_arena_alloc(&arena, SIZE_MAX - 16) == NULL,
		   "no size overflows: a little less");
	tap_ok(spotify_arena_alloc(&arena, SIZE_MAX / 4) == NULL,
		   "memory that cannot be had is NULL");
	tap_is_str(kept, "kept", "what was there stays");
	tap_ok(spotify_arena_alloc(&arena, 5) != NULL, "and the arena goes on");
	spotify_arena_release(&arena);
}

int
main(void)
{
	test_empty();
	test_pieces();
	test_taking_over();
	test_out_of_memory();
	return tap_done();
}
