/*
 * saved_plan.h
 *		Which changes a saved list means for what is stored of it.
 *
 * Plain C: knows neither network nor database.
 */
#ifndef SPOTIFY_SAVED_PLAN_H
#define SPOTIFY_SAVED_PLAN_H

#include <stdbool.h>

#include "store/saved_item.h"

typedef struct SpotifySavedPlan
{
	SpotifySavedChange *changes; /* all but removed ones */
	int change_count;
	SpotifySavedChange *missing; /* removed, if proven; with the rank so far */
	int missing_count;
	int active_count;  /* stored active before */
	int64_t last_rank; /* of what kept its place, the rank of the last one */

	/* where the list, if it is complete, holds something without identity */
	SpotifyNullPlace *null_places;
	int null_place_count;
	bool has_null_places_changed;
} SpotifySavedPlan;

/*
 * Finds the changes that lead from what is stored to a list, of which all
 * entries received are used.  A complete one gives each item its rank, and
 * changes as few of them as possible.  The plan refers to the ids of both.
 * Stored items with a rank come first, from the largest on.  Returns false
 * when memory is out.
 */
extern bool spotify_saved_plan_make(SpotifySavedPlan *plan,
									const SpotifySavedItem *stored,
									int stored_count,
									const SpotifyListEntry *list,
									int list_count, bool is_complete);

extern void spotify_saved_plan_release(SpotifySavedPlan *plan);

/*
 * The removal guard: whether so many removals are too many to be true.  Up to
 * 19 never are.
 */
extern bool spotify_saved_plan_exceeds(const SpotifySavedPlan *plan,
									   int removed, int max_removal_percent);

#endif /* SPOTIFY_SAVED_PLAN_H */
