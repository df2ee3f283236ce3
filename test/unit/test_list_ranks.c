/*
 * test_list_ranks.c
 *		Ranks fall from place to place, and few of them change.
 */
#include <stdlib.h>

#include "sync/list_ranks.h"
#include "tap.h"

#define COUNT 6

static int
count_kept(const int64_t *old, const int64_t *ranks)
{
	int kept = 0;

	for (int i = 0; i < COUNT; i++)
		kept += old[i] != SPOTIFY_NO_RANK && old[i] == ranks[i];
	return kept;
}

static void
check(const char *name, const int64_t *old, int expected_kept)
{
	int64_t ranks[COUNT];
	bool falls = true;

	tap_ok(spotify_list_ranks_assign(old, ranks, COUNT), "%s: there is memory",
		   name);
	for (int i = 0; i < COUNT; i++)
		falls = falls && ranks[i] > 0 && (i == 0 || ranks[i] < ranks[i - 1]);
	tap_ok(falls, "%s: ranks fall from place to place", name);
	tap_is_int(count_kept(old, ranks), expected_kept, "%s: so many stay", name);
}

int
main(void)
{
	int64_t ranks[1];

	check("none so far", (int64_t[COUNT]){ 0 }, 0);
	check("all there", (int64_t[COUNT]){ 60, 50, 40, 30, 20, 10 }, 6);
	check("new in front", (int64_t[COUNT]){ 0, 0, 40, 30, 20, 10 }, 4);
	check("new amid", (int64_t[COUNT]){ 60, 50, 0, 0, 20, 10 }, 4);
	check("new at the end", (int64_t[COUNT]){ 60, 50, 40, 30, 0, 0 }, 4);
	check("one moved to the front", (int64_t[COUNT]){ 10, 60, 50, 40, 30, 20 },
		  5);
	check("two swapped", (int64_t[COUNT]){ 60, 40, 50, 30, 20, 10 }, 5);
	check("turned round", (int64_t[COUNT]){ 10, 20, 30, 40, 50, 60 }, 1);
	check("no room amid", (int64_t[COUNT]){ 60, 50, 0, 49, 20, 10 }, 0);
	check("no room at the end", (int64_t[COUNT]){ 60, 50, 4, 3, 1, 0 }, 0);
	tap_ok(spotify_list_ranks_assign(NULL, ranks, 0), "an empty list");
	return tap_done();
}
