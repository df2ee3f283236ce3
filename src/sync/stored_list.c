/*
 * stored_list.c
 *		What is stored of a saved list, loaded as far as a run needs it.
 */
#include "postgres.h"

#include "settings.h"
#include "spotify/cleanup.h"
#include "spotify/endpoint.h"
#include "store/run_log.h"
#include "sync/stored_list.h"

static void
release_known(void *arg)
{
	SpotifyStoredList *stored = arg;

	spotify_known_release(&stored->known);
}

/*
 * What Spotify said to be saved although its list does not show it, it may have
 * said too early after the item had gone: when the audit has come round, it is
 * asked about such items again, instead of for a page.
 */
static void
plan_audit(SpotifyStoredList *stored, int audit_offset, bool has_unplaced)
{
	stored->audit.offset = audit_offset;
	stored->audit.pages = spotify_setting_audit_pages;
	if (!has_unplaced || stored->audit.pages == 0 ||
		stored->audit.offset < stored->known.count)
		return;
	stored->is_turn_of_unplaced = true;
	stored->audit.offset = 0;
	stored->audit.pages = 0;
}

/*
 * Whether the stored places are the list as the last run saw it.  Such a run
 * succeeded; and if somebody changed rows, the numbers do not add up.
 */
static bool
find_known_list(SpotifyStoredList *stored)
{
	SpotifyLastRun last;
	SpotifyPlaceCounts counts;

	if (!spotify_run_log_find_last(stored->account, stored->collection->name,
								   &last))
		return false;
	if (last.is_incomplete)
		stored->stuck_total = last.total;
	if (!last.is_succeeded)
		return false;
	spotify_saved_list_count_places(stored->collection->table, stored->account,
									&counts);
	stored->has_nulls = counts.nulls > 0;
	stored->known.count = counts.items + counts.nulls;
	plan_audit(stored, last.audit_offset, counts.has_unplaced);
	return counts.is_exact && stored->known.count == last.total;
}

SpotifyStoredList *
spotify_stored_list_open(const SpotifyCollection *collection,
						 const char *account)
{
	SpotifyStoredList *stored = palloc0(sizeof(SpotifyStoredList));

	stored->collection = collection;
	stored->account = account;
	stored->stuck_total = -1;
	stored->is_exact = find_known_list(stored);
	spotify_release_later(release_known, stored);
	if (stored->is_exact &&
		!spotify_known_begin(&stored->known, stored->known.count))
		spotify_report_out_of_memory();
	return stored;
}

static void
put_places(SpotifyStoredList *stored, int first, const SpotifySavedItem *items,
		   int count)
{
	for (int i = 0; i < count && first + i < stored->known.count; i++)
		spotify_known_put(&stored->known, first + i, items[i].id,
						  items[i].added_at);
}

void
spotify_stored_list_load_page(SpotifyStoredList *stored, int offset)
{
	SpotifySavedItem *items;
	int count;

	items = spotify_saved_list_load_places(stored->collection->table,
										   stored->account, stored->has_nulls,
										   offset, SPOTIFY_PAGE_SIZE, &count);
	put_places(stored, offset, items, count);
}

void
spotify_stored_list_load(SpotifyStoredList *stored)
{
	if (stored->items != NULL)
		return;
	stored->items = spotify_saved_list_load(
		stored->collection->table, stored->account, &stored->item_count);
	if (!stored->is_exact)
		return;
	put_places(stored, 0, stored->items, stored->item_count);
	if (!spotify_known_complete(&stored->known))
		spotify_report_out_of_memory();
}
