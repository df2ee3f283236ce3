/*
 * arena.c
 *		Many small pieces of memory that are given back together.
 *
 * Plain C.  Pieces are cut off blocks, which form a chain.  The head of the
 * chain is the block that is being used up; a piece that would waste much of
 * it gets a block of its own behind the head.
 */
#include "spotify/arena.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

/*
 * Room in an ordinary block.  The structs and texts of a page of 50 tracks
 * come to about 40 kB, so a page takes a few blocks and a short answer wastes
 * little.
 */
#define BLOCK_ROOM ((size_t) 16 * 1024)

/* A larger piece gets its own block, which bounds the waste to a quarter. */
#define LARGEST_SHARED_PIECE (BLOCK_ROOM / 4)

#define ALIGNMENT _Alignof(max_align_t)

struct SpotifyArenaBlock
{
	SpotifyArenaBlock *next;
	size_t size;		/* bytes in room */
	size_t used;		/* of them given out, a multiple of ALIGNMENT */
	max_align_t room[]; /* where the pieces are */
};

/* A block that is not in the chain yet, all zero.  NULL when memory is out. */
static SpotifyArenaBlock *
make_block(size_t size)
{
	SpotifyArenaBlock *block;

	block = calloc(1, sizeof(SpotifyArenaBlock) + size);
	if (block != NULL)
		block->size = size;
	return block;
}

static bool
has_room(const SpotifyArenaBlock *block, size_t size)
{
	return block != NULL && size <= block->size - block->used;
}

static void *
cut_piece(SpotifyArenaBlock *block, size_t size)
{
	void *piece = (char *) block->room + block->used;

	block->used += size;
	return piece;
}

static void *
alloc_large(SpotifyArena *arena, size_t size)
{
	SpotifyArenaBlock *block = make_block(size);

	if (block == NULL)
		return NULL;
	if (arena->blocks == NULL)
		arena->blocks = block;
	else
	{
		block->next = arena->blocks->next;
		arena->blocks->next = block;
	}
	return cut_piece(block, size);
}

static void *
alloc_shared(SpotifyArena *arena, size_t size)
{
	if (!has_room(arena->blocks, size))
	{
		SpotifyArenaBlock *block = make_block(BLOCK_ROOM);

		if (block == NULL)
			return NULL;
		block->next = arena->blocks;
		arena->blocks = block;
	}
	return cut_piece(arena->blocks, size);
}

void *
spotify_arena_alloc(SpotifyArena *arena, size_t size)
{
	/* Rounding up, or adding the block's header, must not wrap around. */
	if (size > SIZE_MAX - sizeof(SpotifyArenaBlock) - ALIGNMENT)
		return NULL;
	if (size == 0)
		size = 1;
	size = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;

	if (size > LARGEST_SHARED_PIECE)
		return alloc_large(arena, size);
	return alloc_shared(arena, size);
}

void
spotify_arena_take_over(SpotifyArena *arena, SpotifyArena *other)
{
	SpotifyArenaBlock **end = &arena->blocks;

	while (*end != NULL)
		end = &(*end)->next;
	*end = other->blocks;
	other->blocks = NULL;
}

void
spotify_arena_release(SpotifyArena *arena)
{
	while (arena->blocks != NULL)
	{
		SpotifyArenaBlock *block = arena->blocks;

		arena->blocks = block->next;
		free(block);
	}
}
