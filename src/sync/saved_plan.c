/*
 * saved_plan.c
 *		Reconciling a saved list: what was read, whether it is believable, and
 *		which changes follow.
 */
#include "sync/saved_plan.h"

#include <json-c/linkhash.h>
#include <stdlib.h>
#include <string.h>

#include "spotify/endpoint.h"

/* So many removals are believed whatever the percentage. */
#define GUARD_FREE_REMOVALS 19

#define INITIAL_CAPACITY 256

bool
spotify_scan_begin(SpotifyScan *scan, int32_t total)
{
	memset(scan, 0, sizeof(*scan));
	scan->total = total;
	scan->is_unbroken = true;
	scan->ids = lh_kchar_table_new(INITIAL_CAPACITY, NULL);
	return scan->ids != NULL;
}

void
spotify_scan_release(SpotifyScan *scan)
{
	if (scan->ids != NULL)
		lh_table_free(scan->ids);
	free(scan->entries);
	spotify_arena_release(&scan->arena);
	memset(scan, 0, sizeof(*scan));
}

static int
expected_count(const SpotifyScan *scan, int offset)
{
	int left = scan->total - offset;

	if (left < 0)
		return 0;
	return left < SPOTIFY_PAGE_SIZE ? left : SPOTIFY_PAGE_SIZE;
}

bool
spotify_scan_page_fits(const SpotifyScan *scan, const SpotifySavedPage *page,
					   int offset)
{
	return page->offset.is_known && page->offset.value == offset &&
		   page->total == scan->total &&
		   page->count == expected_count(scan, offset);
}

static char *
copy_id(SpotifyScan *scan, const char *id)
{
	size_t size = strlen(id) + 1;
	char *copy = spotify_arena_alloc(&scan->arena, size);

	return copy == NULL ? NULL : memcpy(copy, id, size);
}

static bool
make_room(SpotifyScan *scan)
{
	int capacity = scan->capacity == 0 ? INITIAL_CAPACITY : scan->capacity * 2;
	SpotifyScanEntry *entries;

	if (scan->count < scan->capacity)
		return true;
	entries = realloc(scan->entries, capacity * sizeof(*entries));
	if (entries == NULL)
		return false;
	scan->entries = entries;
	scan->capacity = capacity;
	return true;
}

/* An id that was seen before is left out: the list moved, or repeats it. */
static bool
add_entry(SpotifyScan *scan, const SpotifySavedTrack *saved)
{
	SpotifyScanEntry *entry;

	scan->received++;
	if (!saved->is_identified)
	{
		scan->unidentified++;
		return true;
	}
	if (lh_table_lookup_ex(scan->ids, saved->track.id, NULL))
		return true;
	if (!make_room(scan))
		return false;
	entry = &scan->entries[scan->count];
	entry->id = copy_id(scan, saved->track.id);
	entry->added_at = saved->added_at;
	if (entry->id == NULL || lh_table_insert(scan->ids, entry->id, NULL) != 0)
		return false;
	scan->count++;
	return true;
}

/* The first page is kept by position, to be compared at the end. */
static bool
keep_first_page(SpotifyScan *scan, const SpotifySavedPage *page)
{
	scan->first_page = spotify_arena_alloc(
		&scan->arena, (page->count + 1) * sizeof(SpotifyScanEntry));
	if (scan->first_page == NULL)
		return false;
	scan->first_page_count = page->count;
	for (int i = 0; i < page->count; i++)
	{
		const SpotifySavedTrack *saved = &page->entries[i];

		scan->first_page[i].added_at = saved->added_at;
		if (!saved->is_identified)
			continue;
		scan->first_page[i].id = copy_id(scan, saved->track.id);
		if (scan->first_page[i].id == NULL)
			return false;
	}
	return true;
}

bool
spotify_scan_add_page(SpotifyScan *scan, const SpotifySavedPage *page,
					  int offset)
{
	if (!spotify_scan_page_fits(scan, page, offset))
		scan->is_unbroken = false;
	if (offset == 0 && !keep_first_page(scan, page))
		return false;
	for (int i = 0; i < page->count; i++)
	{
		if (!add_entry(scan, &page->entries[i]))
			return false;
	}
	return true;
}

static bool
same_time(SpotifyTimestamp one, SpotifyTimestamp other)
{
	return one.is_known == other.is_known &&
		   (!one.is_known || one.value == other.value);
}

static bool
same_entry(const SpotifyScanEntry *entry, const SpotifySavedTrack *saved)
{
	if (!same_time(entry->added_at, saved->added_at))
		return false;
	if (entry->id == NULL || !saved->is_identified)
		return entry->id == NULL && !saved->is_identified;
	return strcmp(entry->id, saved->track.id) == 0;
}

bool
spotify_scan_first_page_is(const SpotifyScan *scan,
						   const SpotifySavedPage *page)
{
	if (!spotify_scan_page_fits(scan, page, 0) ||
		page->count != scan->first_page_count)
		return false;
	for (int i = 0; i < page->count; i++)
	{
		if (!same_entry(&scan->first_page[i], &page->entries[i]))
			return false;
	}
	return true;
}

bool
spotify_scan_adds_up(const SpotifyScan *scan)
{
	return scan->is_unbroken && scan->count + scan->unidentified == scan->total;
}

void
spotify_saved_plan_release(SpotifySavedPlan *plan)
{
	free(plan->changes);
	free(plan->missing);
	memset(plan, 0, sizeof(*plan));
}

/* What an entry of the list does to its row, which is NULL if there is none. */
static void
plan_entry(SpotifySavedPlan *plan, const SpotifyScanEntry *entry,
		   const SpotifySavedItem *row)
{
	SpotifySavedChange *change = &plan->changes[plan->change_count];

	change->id = entry->id;
	change->added_at = entry->added_at;
	if (row == NULL)
		change->kind = SPOTIFY_SAVED_ADDED;
	else if (!row->is_active)
	{
		change->kind = SPOTIFY_SAVED_READDED;
		if (!entry->added_at.is_known)
			change->added_at = row->added_at;
	}
	else if (entry->added_at.is_known &&
			 !same_time(entry->added_at, row->added_at))
		change->kind = SPOTIFY_SAVED_REDATED;
	else
		return;
	plan->change_count++;
}

static void
plan_missing(SpotifySavedPlan *plan, const SpotifySavedItem *row)
{
	SpotifySavedChange *change = &plan->missing[plan->missing_count++];

	change->kind = SPOTIFY_SAVED_REMOVED;
	change->id = row->id;
	change->added_at = row->added_at;
}

/* Table from id to its row among the stored ones; NULL when memory is out. */
static struct lh_table *
index_rows(const SpotifySavedItem *stored, int count)
{
	struct lh_table *rows = lh_kchar_table_new(count * 2 + 16, NULL);

	for (int i = 0; rows != NULL && i < count; i++)
	{
		if (lh_table_insert(rows, stored[i].id, &stored[i]) != 0)
		{
			lh_table_free(rows);
			rows = NULL;
		}
	}
	return rows;
}

bool
spotify_saved_plan_make(SpotifySavedPlan *plan, const SpotifySavedItem *stored,
						int stored_count, const SpotifyScan *scan)
{
	struct lh_table *rows = index_rows(stored, stored_count);

	memset(plan, 0, sizeof(*plan));
	plan->changes = calloc(scan->count + 1, sizeof(SpotifySavedChange));
	plan->missing = calloc(stored_count + 1, sizeof(SpotifySavedChange));
	if (rows == NULL || plan->changes == NULL || plan->missing == NULL)
	{
		if (rows != NULL)
			lh_table_free(rows);
		spotify_saved_plan_release(plan);
		return false;
	}

	for (int i = 0; i < scan->count; i++)
	{
		void *row = NULL;

		lh_table_lookup_ex(rows, scan->entries[i].id, &row);
		plan_entry(plan, &scan->entries[i], row);
	}
	for (int i = 0; i < stored_count; i++)
	{
		if (!stored[i].is_active)
			continue;
		plan->active_count++;
		if (!lh_table_lookup_ex(scan->ids, stored[i].id, NULL))
			plan_missing(plan, &stored[i]);
	}
	lh_table_free(rows);
	return true;
}

bool
spotify_saved_plan_exceeds(const SpotifySavedPlan *plan, int removed,
						   int max_removal_percent)
{
	return removed > GUARD_FREE_REMOVALS &&
		   (int64_t) removed * 100 >
			   (int64_t) plan->active_count * max_removal_percent;
}
