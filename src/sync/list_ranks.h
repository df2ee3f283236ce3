/*
 * list_ranks.h
 *		Ranks for the places of a list, of which few change when the list does.
 *
 * Plain C.  A place further in front has a larger rank.  Unlike a position, a
 * rank stays the same when something comes or goes elsewhere; unlike a date,
 * it tells apart what was saved in the same second.
 */
#ifndef SPOTIFY_LIST_RANKS_H
#define SPOTIFY_LIST_RANKS_H

#include <stdbool.h>
#include <stdint.h>

/* No place in the list.  Ranks are positive. */
#define SPOTIFY_NO_RANK 0

/*
 * Ranks the places of a list, from the first on: old has the ranks they have
 * so far, each once, or SPOTIFY_NO_RANK.  As many as possible keep theirs,
 * unless there is no room left between them: then all are ranked anew.
 * Returns false when memory is out.
 */
extern bool spotify_list_ranks_assign(const int64_t *old, int64_t *ranks,
									  int count);

#endif /* SPOTIFY_LIST_RANKS_H */
