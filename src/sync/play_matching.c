/*
 * play_matching.c
 *		Which of the plays that Spotify tells are one with another, or stored.
 */
#include "sync/play_matching.h"

#include <stdlib.h>
#include <string.h>

/* In microseconds: plays of one track that end closer than this are one. */
#define SHORTEST_PLAY (INT64_C(30) * 1000000)

/* A play, on one side or the other: told by Spotify, or stored. */
typedef struct Moment
{
	const char *track_id;
	int64_t time;
	int position;	  /* in what was given */
	bool is_repeated; /* one with an older moment of its side */
	bool is_matched;  /* one with a moment of the other side */
} Moment;

typedef struct Side
{
	Moment *moments; /* by track, time and position */
	int count;
} Side;

/* A play told and one stored that may be the same. */
typedef struct Pair
{
	Moment *told;
	Moment *stored;
	int64_t distance;
} Pair;

typedef struct Matching
{
	Side told;
	Side stored;
	int64_t oldest; /* of all entries, those without a track too */
	int64_t newest;
	Pair *pairs;
	int pair_count;
} Matching;

static void
release_matching(Matching *matching)
{
	free(matching->told.moments);
	free(matching->stored.moments);
	free(matching->pairs);
}

static int
compare_numbers(int64_t one, int64_t other)
{
	return (one > other) - (one < other);
}

static int
compare_moments(const void *one, const void *other)
{
	const Moment *a = one;
	const Moment *b = other;
	int result = strcmp(a->track_id, b->track_id);

	if (result == 0)
		result = compare_numbers(a->time, b->time);
	if (result == 0)
		result = compare_numbers(a->position, b->position);
	return result;
}

/* Ties go to the older plays, so that the order of an answer does not matter. */
static int
compare_pairs(const void *one, const void *other)
{
	const Pair *a = one;
	const Pair *b = other;
	int result = compare_numbers(a->distance, b->distance);

	if (result == 0)
		result = compare_moments(a->told, b->told);
	if (result == 0)
		result = compare_moments(a->stored, b->stored);
	return result;
}

static int64_t
distance_of(const Moment *one, const Moment *other)
{
	return llabs(one->time - other->time);
}

static void
add_moment(Side *side, const char *track_id, SpotifyTimestamp time,
		   int position)
{
	Moment *moment = &side->moments[side->count++];

	moment->track_id = track_id;
	moment->time = time.value;
	moment->position = position;
}

static bool
collect_told(Side *side, const SpotifyPlaysPage *page)
{
	side->moments = calloc((size_t) page->count + 1, sizeof(Moment));
	if (side->moments == NULL)
		return false;
	for (int i = 0; i < page->count; i++)
	{
		const SpotifyPlay *play = &page->plays[i];

		if (play->track.id != NULL && play->played_at.is_known)
			add_moment(side, play->track.id, play->played_at, i);
	}
	qsort(side->moments, side->count, sizeof(Moment), compare_moments);
	return true;
}

static bool
collect_stored(Side *side, const SpotifyStoredPlay *stored, int count)
{
	side->moments = calloc((size_t) count + 1, sizeof(Moment));
	if (side->moments == NULL)
		return false;
	for (int i = 0; i < count; i++)
		add_moment(side, stored[i].track_id, stored[i].played_at, i);
	qsort(side->moments, side->count, sizeof(Moment), compare_moments);
	return true;
}

/*
 * Of plays told that are one, the oldest stands for all.  What is 30 s younger
 * than that is another play again, even if others lie between the two.
 */
static void
find_repeated(Side *told)
{
	Moment *kept = NULL;

	for (int i = 0; i < told->count; i++)
	{
		Moment *moment = &told->moments[i];

		moment->is_repeated = kept != NULL &&
							  strcmp(kept->track_id, moment->track_id) == 0 &&
							  distance_of(kept, moment) < SHORTEST_PLAY;
		if (!moment->is_repeated)
			kept = moment;
	}
}

/*
 * The moments of a side that have the same track and are at most so far away:
 * returns the first, and how many there are.
 */
static Moment *
find_near(const Side *side, const Moment *moment, int64_t distance, int *count)
{
	Moment earliest = *moment;
	int first = 0;
	int end = side->count;

	earliest.time -= distance;
	earliest.position = -1;
	while (first < end)
	{
		int middle = first + (end - first) / 2;

		if (compare_moments(&side->moments[middle], &earliest) < 0)
			first = middle + 1;
		else
			end = middle;
	}
	for (end = first; end < side->count; end++)
	{
		const Moment *near = &side->moments[end];

		if (strcmp(near->track_id, moment->track_id) != 0 ||
			near->time > moment->time + distance)
			break;
	}
	*count = end - first;
	return &side->moments[first];
}

static void
find_span(Matching *matching, const SpotifyPlaysPage *page)
{
	matching->oldest = INT64_MAX;
	matching->newest = INT64_MIN;
	for (int i = 0; i < page->count; i++)
	{
		SpotifyTimestamp time = page->plays[i].played_at;

		if (!time.is_known)
			continue;
		if (time.value < matching->oldest)
			matching->oldest = time.value;
		if (time.value > matching->newest)
			matching->newest = time.value;
	}
}

/*
 * By the first rule.  What repeats a play is that play, so that it is stored if
 * either of them is.
 */
static void
match_close(Matching *matching)
{
	Moment *kept = NULL;

	for (int i = 0; i < matching->told.count; i++)
	{
		Moment *told = &matching->told.moments[i];
		int count;
		Moment *near =
			find_near(&matching->stored, told, SHORTEST_PLAY - 1, &count);

		if (!told->is_repeated)
			kept = told;
		if (count > 0)
			kept->is_matched = true;
		while (count-- > 0)
			near[count].is_matched = true;
	}
}

/* An entry without a track may be any play of its time: none is lacking. */
static void
match_unidentified(Matching *matching, const SpotifyPlaysPage *page)
{
	for (int i = 0; i < page->count; i++)
	{
		const SpotifyPlay *play = &page->plays[i];

		if (play->track.id != NULL || !play->played_at.is_known)
			continue;
		for (int j = 0; j < matching->stored.count; j++)
		{
			Moment *stored = &matching->stored.moments[j];

			if (llabs(stored->time - play->played_at.value) < SHORTEST_PLAY)
				stored->is_matched = true;
		}
	}
}

/* Adds the pairs of a play told, or only counts them while there is no room. */
static void
add_pairs(Matching *matching, Moment *told)
{
	int count;
	Moment *near =
		find_near(&matching->stored, told, SPOTIFY_PLAY_DRIFT, &count);

	if (told->is_repeated || told->is_matched)
		return;
	for (int i = 0; i < count; i++)
	{
		if (near[i].is_matched || near[i].time < matching->oldest ||
			near[i].time > matching->newest)
			continue;
		if (matching->pairs != NULL)
			matching->pairs[matching->pair_count] =
				(Pair){ .told = told,
						.stored = &near[i],
						.distance = distance_of(told, &near[i]) };
		matching->pair_count++;
	}
}

static void
collect_pairs(Matching *matching)
{
	matching->pair_count = 0;
	for (int i = 0; i < matching->told.count; i++)
		add_pairs(matching, &matching->told.moments[i]);
}

/* By the second rule. */
static bool
match_lacking(Matching *matching)
{
	collect_pairs(matching);
	matching->pairs = calloc((size_t) matching->pair_count + 1, sizeof(Pair));
	if (matching->pairs == NULL)
		return false;
	collect_pairs(matching);
	qsort(matching->pairs, matching->pair_count, sizeof(Pair), compare_pairs);
	for (int i = 0; i < matching->pair_count; i++)
	{
		Pair *pair = &matching->pairs[i];

		if (pair->told->is_matched || pair->stored->is_matched)
			continue;
		pair->told->is_matched = true;
		pair->stored->is_matched = true;
	}
	return true;
}

static void
tell_meanings(const Side *told, SpotifyPlayMeaning *meanings)
{
	for (int i = 0; i < told->count; i++)
	{
		const Moment *moment = &told->moments[i];

		meanings[moment->position] = moment->is_repeated ? SPOTIFY_PLAY_REPEATED
									 : moment->is_matched ? SPOTIFY_PLAY_STORED
														  : SPOTIFY_PLAY_NEW;
	}
}

bool
spotify_plays_match(const SpotifyPlaysPage *page,
					const SpotifyStoredPlay *stored, int stored_count,
					SpotifyPlayMeaning *meanings)
{
	Matching matching = { 0 };
	bool has_memory = collect_told(&matching.told, page) &&
					  collect_stored(&matching.stored, stored, stored_count);

	for (int i = 0; i < page->count; i++)
		meanings[i] = SPOTIFY_PLAY_UNIDENTIFIED;
	if (has_memory)
	{
		find_span(&matching, page);
		find_repeated(&matching.told);
		match_close(&matching);
		match_unidentified(&matching, page);
		has_memory = match_lacking(&matching);
	}
	if (has_memory)
		tell_meanings(&matching.told, meanings);
	release_matching(&matching);
	return has_memory;
}
