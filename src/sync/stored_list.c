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
 * What stays active although the list does not show it may be gone: Spotify may
 * have said too early that it is saved, or not have answered.  It is asked again
 * when the audit has come round, instead of for a page; so this round ends with
 * the last page, however many would be read at once.
 */
static void
plan_audit(SpotifyStoredList *stored, int audit_offset)
{
	SpotifyAudit *audit = &stored->audit;

	audit->offset = audit_offset;
	audit->pages = spotify_setting_audit_pages;
	if (stored->unplaced == 0 || stored->excess > 0 || audit->pages == 0)
		return;
	if (audit->offset < stored->known.count)
	{
		int left = stored->known.count - Max(audit->offset, SPOTIFY_PAGE_SIZE);

		audit->pages =
			Min(audit->pages, 1 + Max(left - 1, 0) / SPOTIFY_PAGE_SIZE);
		return;
	}
	stored->asks_again = true;
	audit->offset = 0;
	audit->pages = 0;
}

/*
 * Whether items without a place are other ones than the last run has left:
 * somebody changed rows.  Those behind entries without identity are settled.
 */
static bool
is_changed_by_hand(const SpotifyStoredList *stored, int nulls)
{
	return stored->unsettled > 0 ? stored->unplaced != stored->unsettled
								 : stored->unplaced > nulls;
}

/*
 * Whether the stored places are the list as the last run saw it.  Such a run
 * read it to its end; and if somebody changed rows, the numbers do not add up.
 * What it left open for the first time, it may have asked too early: that is
 * asked again at once.
 */
static bool
find_known_list(SpotifyStoredList *stored)
{
	SpotifyLastRun last;
	SpotifyPlaceCounts counts;

	if (!spotify_run_log_find_last(stored->account, stored->collection->name,
								   &last))
		return false;
	if (!last.is_complete)
	{
		stored->stuck_total = last.total;
		return false;
	}
	spotify_saved_list_count_places(stored->collection->table, stored->account,
									&counts);
	stored->has_nulls = counts.nulls > 0;
	stored->known.count = counts.items + counts.nulls;
	stored->excess = last.total - last.listed;
	stored->unplaced = counts.unplaced;
	stored->unsettled = last.unsettled;
	plan_audit(stored, last.audit_offset);
	if (last.has_news || is_changed_by_hand(stored, counts.nulls))
		stored->asks_again = true;
	return stored->known.count == last.listed;
}

/* In a list that may hide something no answer would be proof. */
bool
spotify_stored_list_asks_again(const SpotifyStoredList *stored, int excess)
{
	return excess == 0 && stored->unplaced > 0 &&
		   (stored->asks_again || stored->excess > 0);
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
