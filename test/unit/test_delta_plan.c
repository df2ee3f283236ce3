/*
 * test_delta_plan.c
 *		Random libraries over several runs: what a delta run believes, what it
 *		costs, and how soon the audit finds what it could not see.
 *
 * A library here is what Spotify holds; a store is what the tables hold.  A
 * run is made of the planning code and nothing else, with the pages taken
 * from the library.  SPOTIFY_TEST_SEED chooses other sequences, and
 * SPOTIFY_TEST_SEQUENCES how many there are.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "spotify/endpoint.h"
#include "sync/delta_plan.h"
#include "sync/list_ranks.h"
#include "sync/saved_plan.h"
#include "tap.h"

#define MAX_ITEMS	 12000
#define ID_SIZE		 24
#define RUNS		 5
#define CONTAINS_MAX 40

typedef struct Place
{
	int item;	  /* its number, -1: never had one */
	bool is_null; /* shown without identity */
	int64_t added_at;
} Place;

typedef struct Library
{
	Place places[MAX_ITEMS];
	int positions[MAX_ITEMS]; /* by item; -1: not liked.  See index_items */
	int count;
	int next_item;
	int64_t clock;
	bool has_new_null;	  /* amid the list, since the last full scan */
	int page_size;		  /* of the pages that the server sends */
	bool has_other_sizes; /* some are smaller or larger, by chance */
} Library;

typedef struct Row
{
	char id[ID_SIZE];
	int64_t added_at;
	bool is_active;
	int64_t rank;
} Row;

typedef struct Store
{
	Row rows[MAX_ITEMS]; /* by item; unused ones have no id */
	SpotifyNullPlace nulls[MAX_ITEMS];
	int null_count;
	int audit_offset;
	int audit_pages; /* the setting */
	int total;		 /* as the last run saw it */
} Store;

/* One run. */
typedef struct Run
{
	Library *library;
	Store *store;
	SpotifySavedItem items[2 * MAX_ITEMS];
	int item_count;
	int known_count;
	SpotifyKnownList known;
	SpotifyScan scan;
	int requests;
	bool is_full;
	int changes; /* rows written */
	int wrongly_removed;
} Run;

static Library library;
static Store store;
static Run run;

/* What must be true of every run; counted, and told at the end. */
static int wrong_removals;
static int wrong_tables;
static int late_audits;
static int costly_runs;
static int busy_quiet_runs;
static int inexact_runs;
static int wrong_orders;
static int delta_runs;
static int full_runs;

static uint64_t random_state;

static uint32_t
random_below(uint32_t limit)
{
	random_state = random_state * UINT64_C(6364136223846793005) +
				   UINT64_C(1442695040888963407);
	return (uint32_t) (random_state >> 33) % limit;
}

static SpotifyTimestamp
time_of(int64_t seconds)
{
	SpotifyTimestamp time = { true, seconds * 1000000 };

	return time;
}

/* ------------------------------------------------------------------ */
/* The library and how it changes                                     */
/* ------------------------------------------------------------------ */

static void
insert_place(int position, int item, int64_t added_at)
{
	memmove(&library.places[position + 1], &library.places[position],
			(library.count - position) * sizeof(Place));
	library.places[position].item = item;
	library.places[position].is_null = item < 0;
	library.places[position].added_at = added_at;
	library.count++;
}

static void
remove_place(int position)
{
	library.count--;
	memmove(&library.places[position], &library.places[position + 1],
			(library.count - position) * sizeof(Place));
}

static void
like(int item)
{
	/* Several in the same second now and then. */
	if (random_below(3) > 0)
		library.clock += 1 + random_below(100);
	insert_place(0, item, library.clock);
}

static void
like_new(int count)
{
	for (int i = 0; i < count && library.next_item < MAX_ITEMS - 1; i++)
		like(library.next_item++);
}

static void
unlike(int count)
{
	for (int i = 0; i < count && library.count > 0; i++)
		remove_place(random_below(library.count));
}

static void
unlike_block(int count)
{
	int first = library.count > 0 ? (int) random_below(library.count) : 0;

	while (count-- > 0 && first < library.count)
		remove_place(first);
}

static int
find_item(int item)
{
	for (int i = 0; i < library.count; i++)
	{
		if (library.places[i].item == item)
			return i;
	}
	return -1;
}

static void
like_again(void)
{
	int item =
		library.next_item > 0 ? (int) random_below(library.next_item) : 0;
	int position = find_item(item);

	if (library.next_item == 0)
		return;
	if (position >= 0)
		remove_place(position);
	library.clock += 1;
	like(item);
}

/* With a date in the past; returns whether it is hidden from the head. */
static bool
like_back_dated(void)
{
	int position = 1 + random_below(library.count + 1);

	if (position >= library.count || library.next_item >= MAX_ITEMS - 1)
		return false;
	insert_place(position, library.next_item++,
				 library.places[position].added_at);
	return true;
}

static void
become_null(void)
{
	if (library.count > 0)
		library.places[random_below(library.count)].is_null = true;
	library.has_new_null = true;
}

/* Swaps neighbours of the same second. */
static void
reorder_ties(void)
{
	for (int i = 0; i + 1 < library.count; i++)
	{
		Place place = library.places[i];

		if (place.added_at != library.places[i + 1].added_at ||
			random_below(2) == 0)
			continue;
		library.places[i] = library.places[i + 1];
		library.places[i + 1] = place;
	}
}

/* Returns whether the change may be one that only the audit finds. */
static bool
change_library(void)
{
	switch (random_below(14))
	{
		case 0:
		case 1:
			break;
		case 2:
			like_new(1);
			break;
		case 3:
			like_new(1 + random_below(120));
			break;
		case 4:
			unlike(1);
			break;
		case 5:
			unlike(1 + random_below(40));
			break;
		case 6:
			unlike_block(1 + random_below(200));
			break;
		case 7:
			like_again();
			break;
		case 8:
			like_new(random_below(10));
			unlike(random_below(10));
			break;
		case 9:
			become_null();
			break;
		case 10:
			insert_place(0, -1, ++library.clock);
			break;
		case 11:
			reorder_ties();
			return true;
		case 12:
			unlike(random_below(2));
			return like_back_dated();
		case 13:
			library.clock++;
			for (int i = 1 + random_below(500); i > 0; i--)
			{
				if (library.next_item < MAX_ITEMS - 1)
					insert_place(0, library.next_item++, library.clock);
			}
			break;
	}
	return false;
}

/* ------------------------------------------------------------------ */
/* A run                                                              */
/* ------------------------------------------------------------------ */

static int
by_rank(const void *one, const void *other)
{
	const SpotifySavedItem *a = one;
	const SpotifySavedItem *b = other;

	return a->rank < b->rank ? 1 : a->rank > b->rank ? -1 : 0;
}

static void
load_store(void)
{
	run.item_count = 0;
	run.known_count = 0;
	for (int i = 0; i < MAX_ITEMS; i++)
	{
		SpotifySavedItem *item = &run.items[run.item_count];

		if (store.rows[i].id[0] == '\0')
			continue;
		item->id = store.rows[i].id;
		item->added_at = time_of(store.rows[i].added_at);
		item->is_active = store.rows[i].is_active;
		item->rank = store.rows[i].rank;
		run.item_count++;
	}
	for (int i = 0; i < store.null_count; i++)
	{
		SpotifySavedItem *item = &run.items[run.item_count++];

		memset(item, 0, sizeof(*item));
		item->added_at = store.nulls[i].added_at;
		item->rank = store.nulls[i].rank;
	}
	qsort(run.items, run.item_count, sizeof(*run.items), by_rank);
	while (run.known_count < run.item_count &&
		   run.items[run.known_count].rank != SPOTIFY_NO_RANK)
		run.known_count++;
}

static void
load_known(int first, int count)
{
	for (int i = first; i < first + count && i < run.known_count; i++)
		spotify_known_put(&run.known, i, run.items[i].id,
						  run.items[i].added_at);
}

static int
choose_page_size(void)
{
	static const int sizes[] = { SPOTIFY_PAGE_SIZE, 20, 7, 33 };

	if (library.has_other_sizes && random_below(3) == 0)
		return sizes[random_below(4)];
	return library.page_size;
}

/* What pages are like may change from run to run, and within one. */
static void
change_pages(void)
{
	library.page_size = SPOTIFY_PAGE_SIZE;
	if (random_below(2) == 0)
		library.page_size = 5 + random_below(SPOTIFY_PAGE_SIZE - 4);
	library.has_other_sizes = random_below(4) == 0;
}

/* Reads one page as large as the server makes it; returns its entries. */
static int
read_page(int offset)
{
	SpotifySavedEntry entries[SPOTIFY_PAGE_SIZE];
	char ids[SPOTIFY_PAGE_SIZE][ID_SIZE];
	SpotifySavedPage page = { .total = library.count,
							  .offset = { true, offset },
							  .limit = { true, choose_page_size() },
							  .entries = entries };

	memset(entries, 0, sizeof(entries));
	for (int i = offset; i < library.count && page.count < page.limit.value;
		 i++)
	{
		SpotifySavedEntry *entry = &entries[page.count];

		entry->added_at = time_of(library.places[i].added_at);
		snprintf(ids[page.count], ID_SIZE, "%022d", library.places[i].item);
		if (!library.places[i].is_null)
			entry->id = ids[page.count];
		page.count++;
	}
	run.requests++;
	if (run.scan.ids == NULL && !spotify_scan_begin(&run.scan, &page))
		abort();
	if (!spotify_scan_add_page(&run.scan, &page, offset))
		abort();
	return page.count;
}

/* Reads a page as large as the first one, in several if they became smaller. */
static void
read_whole_page(int offset)
{
	int first = offset;

	do
	{
		offset += read_page(offset);
	} while (offset < first + run.scan.page_size && offset < library.count);
}

static void
read_all(void)
{
	run.is_full = true;
	for (int offset = 0; offset < library.count;)
	{
		if (spotify_scan_is_received(&run.scan, offset))
			offset++;
		else
			read_page(offset);
	}
	run.requests++; /* the first page again */
}

/* To be called when the library has changed. */
static void
index_items(void)
{
	memset(library.positions, -1, sizeof(library.positions));
	for (int i = 0; i < library.count; i++)
	{
		if (library.places[i].item >= 0)
			library.positions[library.places[i].item] = i;
	}
}

static bool
is_liked(const char *id)
{
	return library.positions[atoi(id)] >= 0;
}

static void
apply(const SpotifySavedChange *change)
{
	Row *row = &store.rows[atoi(change->id)];

	run.changes++;
	if (change->kind == SPOTIFY_SAVED_ADDED)
		memcpy(row->id, change->id, strlen(change->id) + 1);
	if (change->kind == SPOTIFY_SAVED_REMOVED && is_liked(change->id))
		run.wrongly_removed++;
	row->is_active = change->kind != SPOTIFY_SAVED_REMOVED;
	row->added_at = change->added_at.value / 1000000;
	row->rank = change->rank;
}

/* What the proof finds; returns how many of the missing are still liked. */
static int
count_contradicted(const SpotifySavedPlan *plan)
{
	int count = 0;

	for (int i = 0; i < plan->missing_count; i++)
		count += is_liked(plan->missing[i].id);
	run.requests += (plan->missing_count + CONTAINS_MAX - 1) / CONTAINS_MAX;
	return count;
}

static int
count_nulls(void)
{
	int count = 0;

	for (int i = 0; i < library.count; i++)
		count += library.places[i].is_null;
	return count;
}

static void
write_plan(const SpotifySavedPlan *plan)
{
	for (int i = 0; i < plan->change_count; i++)
		apply(&plan->changes[i]);
	for (int i = 0; i < plan->missing_count; i++)
	{
		SpotifySavedChange change = plan->missing[i];
		bool is_placed = change.rank != SPOTIFY_NO_RANK;

		change.rank = SPOTIFY_NO_RANK;
		if (is_liked(change.id))
			change.kind = SPOTIFY_SAVED_MOVED;
		if (change.kind == SPOTIFY_SAVED_REMOVED || is_placed)
			apply(&change);
	}
	if (plan->has_null_places_changed)
	{
		run.changes++;
		memcpy(store.nulls, plan->null_places,
			   plan->null_place_count * sizeof(*store.nulls));
		store.null_count = plan->null_place_count;
	}
}

static void
make_saved_plan(SpotifySavedPlan *plan, const SpotifyDeltaPlan *delta)
{
	if (!spotify_saved_plan_make(plan, run.items, run.item_count,
								 run.is_full ? run.scan.entries : delta->list,
								 library.count, true))
		abort();
}

static void
finish(const SpotifyDeltaPlan *delta)
{
	SpotifySavedPlan plan;

	make_saved_plan(&plan, delta);
	if (count_contradicted(&plan) > count_nulls() && !run.is_full)
	{
		spotify_saved_plan_release(&plan);
		read_all();
		make_saved_plan(&plan, delta);
		count_contradicted(&plan);
	}
	write_plan(&plan);
	spotify_saved_plan_release(&plan);
}

static void
read_changes(SpotifyDeltaPlan *delta, const SpotifyAudit *audit)
{
	for (;;)
	{
		if (!spotify_delta_plan_make(delta, &run.known, &run.scan, audit))
			abort();
		if (delta->verdict == SPOTIFY_DELTA_LOAD)
		{
			load_known(0, run.known_count);
			if (!spotify_known_complete(&run.known))
				abort();
		}
		else if (delta->verdict == SPOTIFY_DELTA_READ)
		{
			for (int i = 0; i < delta->offset_count; i++)
			{
				read_whole_page(delta->offsets[i]);
				load_known(delta->offsets[i], SPOTIFY_PAGE_SIZE);
			}
		}
		else
			return;
		spotify_delta_plan_release(delta);
	}
}

/* Whether the places that are stored are those of the list the last run saw. */
static bool
is_store_exact(void)
{
	int unplaced = 0;

	for (int i = 0; i < run.item_count; i++)
		unplaced +=
			run.items[i].is_active && run.items[i].rank == SPOTIFY_NO_RANK;
	return run.known_count == store.total && unplaced <= store.null_count;
}

static void
make_run(bool is_delta)
{
	SpotifyAudit audit = { store.audit_offset, store.audit_pages };
	SpotifyDeltaPlan delta = { 0 };

	memset(&run, 0, sizeof(run));
	load_store();
	if (is_delta && !is_store_exact())
	{
		inexact_runs++;
		is_delta = false;
	}
	if (!spotify_known_begin(&run.known, run.known_count))
		abort();
	load_known(0, SPOTIFY_PAGE_SIZE);
	read_whole_page(0);
	if (is_delta)
		read_changes(&delta, &audit);
	if (!is_delta || delta.verdict == SPOTIFY_DELTA_BROKEN)
		read_all();
	else if (delta.has_losses)
		run.requests++; /* the first page again */
	if (run.is_full || delta.verdict == SPOTIFY_DELTA_CHANGED)
		finish(&delta);
	store.total = library.count;
	store.audit_offset =
		run.is_full ? 0
					: spotify_delta_plan_audit_end(&delta, &run.scan, &audit);
	spotify_delta_plan_release(&delta);
	spotify_known_release(&run.known);
	spotify_scan_release(&run.scan);
	if (run.is_full)
		full_runs++;
	else
		delta_runs++;
}

/* ------------------------------------------------------------------ */
/* What must be true                                                  */
/* ------------------------------------------------------------------ */

/* What is shown without identity may be active, if it was seen before. */
static bool
is_store_true(void)
{
	for (int i = 0; i < library.next_item; i++)
	{
		int position = library.positions[i];
		bool is_shown = position >= 0 && !library.places[position].is_null;

		if (is_shown && !store.rows[i].is_active)
			return false;
		if (position < 0 && store.rows[i].is_active)
			return false;
	}
	return true;
}

/* Whether the ranks, read from the largest on, are the list. */
static bool
is_order_true(void)
{
	load_store();
	if (run.known_count != library.count)
		return false;
	for (int i = 0; i < library.count; i++)
	{
		const SpotifySavedItem *item = &run.items[i];
		const Place *place = &library.places[i];

		if (place->is_null != (item->id == NULL) ||
			item->added_at.value != time_of(place->added_at).value ||
			(item->id != NULL && atoi(item->id) != place->item))
			return false;
	}
	return true;
}

static void
check_costs(int proof)
{
	int pages = (library.count + library.page_size - 1) / library.page_size;

	if (library.has_other_sizes)
		return;
	/* A full scan: its pages, the first one again, and the same proof. */
	if (pages == 0)
		pages = 1;
	if (run.requests > pages + 1 + proof)
		costly_runs++;
}

/* Requests of contains that the same changes cost in a full scan. */
static int
count_proof_requests(void)
{
	int missing = 0;

	for (int i = 0; i < library.next_item; i++)
	{
		int position = library.positions[i];

		missing += store.rows[i].is_active &&
				   (position < 0 || library.places[position].is_null);
	}
	return (missing + CONTAINS_MAX - 1) / CONTAINS_MAX;
}

static void
make_library(void)
{
	memset(&library, 0, sizeof(library));
	memset(&store, 0, sizeof(store));
	store.audit_pages = random_below(2) == 0 ? 1 : (int) random_below(6);
	library.clock = 1000000;
	library.page_size = SPOTIFY_PAGE_SIZE;
	if (random_below(100) == 0)
		like_new(random_below(8000));
	else
		like_new(random_below(4) == 0 ? random_below(900) : random_below(300));
	if (random_below(3) == 0)
		become_null();
	index_items();
}

/* What only the audit finds is found within so many runs; then all is quiet. */
static void
run_quietly(void)
{
	int pages = library.count / library.page_size;
	int audit_pages;

	library.has_other_sizes = false;
	if (store.audit_pages == 0)
		store.audit_pages = 1;
	audit_pages = store.audit_pages;
	for (int i = 0; i < pages; i += audit_pages)
		make_run(true);
	if (!is_store_true() || !is_order_true())
		late_audits++;
	make_run(true);
	if (run.changes != 0 || run.is_full || run.requests > 1 + audit_pages)
		busy_quiet_runs++;
}

static void
run_sequence(void)
{
	bool is_blind = false;
	bool has_changing_pages = random_below(2) == 0;

	make_library();
	make_run(false);
	library.has_new_null = false;
	if (!is_store_true() || !is_order_true())
		wrong_tables++;
	for (int i = 0; i < RUNS; i++)
	{
		int proof;

		is_blind |= change_library();
		if (has_changing_pages)
			change_pages();
		index_items();
		proof = count_proof_requests();
		make_run(true);
		wrong_removals += run.wrongly_removed;
		check_costs(proof);
		if (run.is_full)
			is_blind = library.has_new_null = false;
		if (!is_blind && !is_store_true())
			wrong_tables++;
		if (!is_blind && !library.has_new_null && !is_order_true())
			wrong_orders++;
	}
	run_quietly();
}

/* ------------------------------------------------------------------ */
/* What the issue asks for, by number                                 */
/* ------------------------------------------------------------------ */

static int
count_from_environment(const char *name, int fallback)
{
	const char *value = getenv(name);

	return value != NULL && *value != '\0' ? atoi(value) : fallback;
}

int
main(void)
{
	int sequences = count_from_environment("SPOTIFY_TEST_SEQUENCES", 5000);
	int seed = count_from_environment("SPOTIFY_TEST_SEED", 20261121);

	random_state = (uint64_t) seed;
	printf("# %d sequences of %d runs, SPOTIFY_TEST_SEED=%d\n", sequences, RUNS,
		   seed);
	for (int i = 0; i < sequences; i++)
		run_sequence();
	printf("# %d delta runs, %d full ones\n", delta_runs, full_runs);
	tap_is_int(wrong_removals, 0, "no active track is made inactive wrongly");
	tap_is_int(
		wrong_tables, 0,
		"the tables are the truth, but for what is dated back or reordered");
	tap_is_int(wrong_orders, 0, "and so is the order that the ranks give");
	tap_is_int(inexact_runs, 0, "each run knows how the list was");
	tap_is_int(late_audits, 0,
			   "the audit finds the rest within N/page size runs");
	tap_is_int(costly_runs, 0, "no run needs more requests than a full scan");
	tap_is_int(busy_quiet_runs, 0,
			   "an unchanged library takes its audit, and writes nothing");
	tap_ok(delta_runs > full_runs, "most runs are deltas");
	return tap_done();
}
