/*
 * arena.h
 *		Many small pieces of memory that are given back together.
 *
 * Plain C.  A decoded page lives in one arena, so that no structure in it has
 * to be freed by itself.
 */
#ifndef SPOTIFY_ARENA_H
#define SPOTIFY_ARENA_H

#include <stddef.h>

typedef struct SpotifyArenaBlock SpotifyArenaBlock;

typedef struct SpotifyArena
{
	SpotifyArenaBlock *blocks; /* the newest first */
} SpotifyArena;

/*
 * Zeroed memory, aligned for any type, valid until the arena is released.
 * NULL when memory is out.  A zeroed SpotifyArena is an empty one.
 */
extern void *spotify_arena_alloc(SpotifyArena *arena, size_t size);

/* Takes over what another arena holds, which is empty then. */
extern void spotify_arena_take_over(SpotifyArena *arena, SpotifyArena *other);

/* Gives everything back; the arena is empty and usable again. */
extern void spotify_arena_release(SpotifyArena *arena);

#endif /* SPOTIFY_ARENA_H */
