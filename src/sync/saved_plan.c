/*
 * saved_plan.c
 *		Which changes a saved list means for what is stored of it.
 */
#include "sync/saved_plan.h"

#include <json-c/linkhash.h>
#include <stdlib.h>
#include <string.h>

#include "sync/list_ranks.h"

/* So many removals are believed whatever the percentage. */
#define GUARD_FREE_REMOVALS 19

/* What planning needs beside the plan; all malloc'd. */
typedef struct Planner
{
	SpotifySavedPlan *plan;
	const SpotifySavedItem *stored;
	int stored_count;
	const SpotifyListEntry *list;
	int list_count;
	struct lh_table *rows;				/* from ids to stored items */
	const SpotifySavedItem **list_rows; /* by position, NULL: none */
	bool *is_listed;					/* by stored item */
	int64_t *old_ranks;					/* by position */
	int64_t *ranks;
} Planner;

static void
release_planner(Planner *planner)
{
	if (planner->rows != NULL)
		lh_table_free(planner->rows);
	free(planner->list_rows);
	free(planner->is_listed);
	free(planner->old_ranks);
	free(planner->ranks);
}

static bool
allocate(Planner *planner)
{
	int places = planner->list_count + 1;
	int items = planner->stored_count + 1;
	SpotifySavedPlan *plan = planner->plan;

	planner->rows = lh_kchar_table_new(planner->stored_count * 2 + 16, NULL);
	planner->list_rows = calloc(places, sizeof(*planner->list_rows));
	planner->is_listed = calloc(items, sizeof(*planner->is_listed));
	planner->old_ranks = calloc(places, sizeof(*planner->old_ranks));
	planner->ranks = calloc(places, sizeof(*planner->ranks));
	plan->changes = calloc(places, sizeof(*plan->changes));
	plan->missing = calloc(items, sizeof(*plan->missing));
	plan->null_places = calloc(places, sizeof(*plan->null_places));
	return planner->rows != NULL && planner->list_rows != NULL &&
		   planner->is_listed != NULL && planner->old_ranks != NULL &&
		   planner->ranks != NULL && plan->changes != NULL &&
		   plan->missing != NULL && plan->null_places != NULL;
}

static bool
index_rows(Planner *planner)
{
	for (int i = 0; i < planner->stored_count; i++)
	{
		const SpotifySavedItem *item = &planner->stored[i];

		if (item->id != NULL &&
			lh_table_insert(planner->rows, item->id, item) != 0)
			return false;
	}
	return true;
}

/* Whether an entry stands for an item, and is the first to do so. */
static bool
is_item(const SpotifyListEntry *entry)
{
	return entry->is_received && entry->id != NULL && !entry->is_repeated;
}

static void
match_items(Planner *planner)
{
	for (int i = 0; i < planner->list_count; i++)
	{
		void *row = NULL;

		if (!is_item(&planner->list[i]) ||
			!lh_table_lookup_ex(planner->rows, planner->list[i].id, &row))
			continue;
		planner->list_rows[i] = row;
		planner->is_listed[planner->list_rows[i] - planner->stored] = true;
		if (planner->list_rows[i]->is_active)
			planner->old_ranks[i] = planner->list_rows[i]->rank;
	}
}

/* Whether a stored item is a place that a null of the list may stand for. */
static bool
is_place_of(const SpotifySavedItem *item, const SpotifyListEntry *null,
			int64_t last_rank)
{
	return item->id == NULL && item->rank < last_rank &&
		   spotify_timestamp_equals(item->added_at, null->added_at);
}

/*
 * Gives each place without identity the rank of one that was stored, if it
 * lies further down than the items before it.
 */
static void
match_nulls(Planner *planner)
{
	int64_t last_rank = INT64_MAX;
	int next = 0;

	for (int i = 0; i < planner->list_count; i++)
	{
		if (planner->old_ranks[i] != SPOTIFY_NO_RANK)
			last_rank = planner->old_ranks[i];
		if (planner->list[i].id != NULL)
			continue;
		while (
			next < planner->stored_count &&
			!is_place_of(&planner->stored[next], &planner->list[i], last_rank))
			next++;
		if (next < planner->stored_count)
			planner->old_ranks[i] = planner->stored[next++].rank;
	}
}

/* What an entry of the list does to its row. */
static void
plan_item(Planner *planner, int position, bool is_complete)
{
	const SpotifyListEntry *entry = &planner->list[position];
	const SpotifySavedItem *row = planner->list_rows[position];
	SpotifySavedPlan *plan = planner->plan;
	SpotifySavedChange *change = &plan->changes[plan->change_count];

	change->id = entry->id;
	change->added_at = entry->added_at;
	change->rank = planner->ranks[position];
	if (row == NULL)
		change->kind = SPOTIFY_SAVED_ADDED;
	else
	{
		if (!entry->added_at.is_known)
			change->added_at = row->added_at;
		if (!is_complete)
			change->rank = row->rank;
		if (!row->is_active)
			change->kind = SPOTIFY_SAVED_READDED;
		else if (!spotify_timestamp_equals(change->added_at, row->added_at))
			change->kind = SPOTIFY_SAVED_REDATED;
		else if (change->rank != row->rank)
			change->kind = SPOTIFY_SAVED_MOVED;
		else
			return;
	}
	plan->change_count++;
}

static void
plan_items(Planner *planner, bool is_complete)
{
	for (int i = 0; i < planner->list_count; i++)
	{
		if (is_item(&planner->list[i]))
			plan_item(planner, i, is_complete);
	}
}

static void
plan_missing(Planner *planner)
{
	SpotifySavedPlan *plan = planner->plan;

	for (int i = 0; i < planner->stored_count; i++)
	{
		const SpotifySavedItem *row = &planner->stored[i];
		SpotifySavedChange *change = &plan->missing[plan->missing_count];

		if (row->id == NULL || !row->is_active)
			continue;
		plan->active_count++;
		if (planner->is_listed[i])
			continue;
		change->kind = SPOTIFY_SAVED_REMOVED;
		change->id = row->id;
		change->added_at = row->added_at;
		change->rank = row->rank;
		plan->missing_count++;
	}
}

/* The largest there is, if nothing kept its place. */
static void
find_last_rank(Planner *planner)
{
	planner->plan->last_rank = INT64_MAX;
	for (int i = 0; i < planner->list_count; i++)
	{
		if (planner->list_rows[i] != NULL &&
			planner->old_ranks[i] != SPOTIFY_NO_RANK &&
			planner->ranks[i] == planner->old_ranks[i])
			planner->plan->last_rank = planner->ranks[i];
	}
}

static int
count_stored_nulls(const Planner *planner)
{
	int count = 0;

	for (int i = 0; i < planner->stored_count; i++)
	{
		if (planner->stored[i].id == NULL)
			count++;
	}
	return count;
}

static void
plan_null_places(Planner *planner)
{
	SpotifySavedPlan *plan = planner->plan;
	int kept = 0;

	for (int i = 0; i < planner->list_count; i++)
	{
		SpotifyNullPlace *place = &plan->null_places[plan->null_place_count];

		if (planner->list[i].id != NULL)
			continue;
		place->rank = planner->ranks[i];
		place->added_at = planner->list[i].added_at;
		plan->null_place_count++;
		if (planner->ranks[i] == planner->old_ranks[i])
			kept++;
	}
	plan->has_null_places_changed =
		kept < plan->null_place_count || kept < count_stored_nulls(planner);
}

static bool
make_plan(Planner *planner, bool is_complete)
{
	if (!allocate(planner) || !index_rows(planner))
		return false;
	match_items(planner);
	if (is_complete)
	{
		match_nulls(planner);
		if (!spotify_list_ranks_assign(planner->old_ranks, planner->ranks,
									   planner->list_count))
			return false;
		plan_null_places(planner);
		find_last_rank(planner);
	}
	plan_items(planner, is_complete);
	plan_missing(planner);
	return true;
}

bool
spotify_saved_plan_make(SpotifySavedPlan *plan, const SpotifySavedItem *stored,
						int stored_count, const SpotifyListEntry *list,
						int list_count, bool is_complete)
{
	Planner planner = { .plan = plan,
						.stored = stored,
						.stored_count = stored_count,
						.list = list,
						.list_count = list_count };
	bool has_memory;

	memset(plan, 0, sizeof(*plan));
	has_memory = make_plan(&planner, is_complete);
	release_planner(&planner);
	return has_memory;
}

void
spotify_saved_plan_release(SpotifySavedPlan *plan)
{
	free(plan->changes);
	free(plan->missing);
	free(plan->null_places);
	memset(plan, 0, sizeof(*plan));
}

bool
spotify_saved_plan_exceeds(const SpotifySavedPlan *plan, int removed,
						   int max_removal_percent)
{
	return removed > GUARD_FREE_REMOVALS &&
		   (int64_t) removed * 100 >
			   (int64_t) plan->active_count * max_removal_percent;
}
