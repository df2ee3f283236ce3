/*
 * list_ranks.c
 *		Ranks for the places of a list, of which few change when the list does.
 */
#include "sync/list_ranks.h"

#include <stdlib.h>
#include <string.h>

/* Room that is left between two places. */
#define STEP INT64_C(1048576)

/*
 * The longest series of ranks that falls from the first place to the last, by
 * patience sorting: tails[n] is the place with the largest rank that a series
 * of n + 1 ranks can end with so far.
 */
typedef struct Series
{
	int *tails;
	int *before; /* by place: the one before it in its series, or -1 */
	int length;
} Series;

/* How long the series are that the rank can be put behind. */
static int
find_length(const Series *series, const int64_t *old, int64_t rank)
{
	int low = 0;
	int high = series->length;

	while (low < high)
	{
		int middle = (low + high) / 2;

		if (old[series->tails[middle]] > rank)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void
find_series(Series *series, const int64_t *old, int count)
{
	for (int i = 0; i < count; i++)
	{
		int length;

		if (old[i] == SPOTIFY_NO_RANK)
			continue;
		length = find_length(series, old, old[i]);
		series->before[i] = length == 0 ? -1 : series->tails[length - 1];
		series->tails[length] = i;
		if (length == series->length)
			series->length++;
	}
}

/* Leaves in ranks those of the series, and SPOTIFY_NO_RANK elsewhere. */
static void
keep_series(const Series *series, const int64_t *old, int64_t *ranks, int count)
{
	int place = series->length == 0 ? -1 : series->tails[series->length - 1];

	for (int i = 0; i < count; i++)
		ranks[i] = SPOTIFY_NO_RANK;
	for (; place >= 0; place = series->before[place])
		ranks[place] = old[place];
}

/*
 * Ranks the places first to last, which have none, between those around them;
 * false if there is no room.
 */
static bool
fill_gap(int64_t *ranks, int first, int last, int count)
{
	int64_t low = last + 1 < count ? ranks[last + 1] : 0;
	int places = last - first + 1;
	int64_t step = STEP;

	if (first > 0)
		step = (ranks[first - 1] - low) / (places + 1);
	for (int i = 0; i < places; i++)
		ranks[last - i] = low + step * (i + 1);
	return step > 0;
}

static bool
fill_gaps(int64_t *ranks, int count)
{
	int place = 0;

	while (place < count)
	{
		int first = place;

		while (place < count && ranks[place] == SPOTIFY_NO_RANK)
			place++;
		if (place > first && !fill_gap(ranks, first, place - 1, count))
			return false;
		place++;
	}
	return true;
}

bool
spotify_list_ranks_assign(const int64_t *old, int64_t *ranks, int count)
{
	Series series = { .tails = calloc(count + 1, sizeof(int)),
					  .before = calloc(count + 1, sizeof(int)) };
	bool has_memory = series.tails != NULL && series.before != NULL;

	if (has_memory)
	{
		find_series(&series, old, count);
		keep_series(&series, old, ranks, count);
		if (!fill_gaps(ranks, count))
		{
			memset(ranks, 0, count * sizeof(*ranks));
			fill_gap(ranks, 0, count - 1, count);
		}
	}
	free(series.tails);
	free(series.before);
	return has_memory;
}
