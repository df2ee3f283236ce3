/*
 * saved.c
 *		Reconciling a saved list at Spotify with its table.
 *
 * The phases of a run: login; read the list, or as much of it as shows what
 * changed; plan the changes of what is stored; prove removals; check; write.
 * Nothing is written while the run waits for Spotify, except for new tokens.
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "settings.h"
#include "spotify/cleanup.h"
#include "spotify/endpoint.h"
#include "sync/list_reader.h"
#include "sync/lock.h"
#include "sync/login.h"
#include "sync/proof.h"
#include "sync/recorded.h"
#include "sync/saved.h"
#include "sync/saved_checks.h"

/* Why a run is partial, for its row. */
#define LIST_MOVED	 "the list changed while it was read, or did not add up"
#define LIST_UNKNOWN ": additions were kept, removals were not looked for"
#define LIST_CUT                                                               \
	"a rate limit ended the run: what was read is kept, and the next run goes on from there"
#define PROOF_CUT                                                              \
	"a rate limit ended the run before it was known which of the missing items are gone: those stay active"
#define LIST_ENDS_EARLY                                                        \
	"the list has fewer entries than its total says: what it lacks stays active, unless Spotify says that it is gone from its place"
#define LIST_CONTRADICTED                                                      \
	"the list lacks items of which Spotify says that they are saved: they stay active"
#define REMOVALS_UNPROVEN                                                      \
	"entries without identity leave it open whether missing items are gone: they stay active"
#define STILL_OPEN                                                             \
	"it is still open whether items that the list lacks are gone: they stay active until Spotify is asked again"

typedef struct SavedSync
{
	SpotifyRun run;
	const SpotifyCollection *collection;
	SpotifySyncOptions options;
	SpotifyClient *client;
	SpotifyScanProgress *progress; /* of an earlier run; NULL: none */
	SpotifyStoredList *stored;
	SpotifyListReader *reader;
	SpotifyListReading *reading;
	SpotifySavedPlan plan; /* malloc'd inside */
	SpotifyProof proof;
} SavedSync;

static void
release_plan(void *arg)
{
	SavedSync *sync = arg;

	spotify_saved_plan_release(&sync->plan);
}

static void
make_plan(SavedSync *sync)
{
	const SpotifyListReading *reading = sync->reading;

	spotify_stored_list_load(sync->stored);
	spotify_saved_plan_release(&sync->plan);
	if (!spotify_saved_plan_make(&sync->plan, sync->stored->items,
								 sync->stored->item_count, reading->entries,
								 reading->count, reading->is_complete))
		spotify_report_out_of_memory();
}

/*
 * How many items stay active although it is open whether they are gone.  As
 * many as there are entries without identity may well stand behind those, if
 * Spotify says that they are saved.
 */
static int
count_unsettled(const SavedSync *sync)
{
	const SpotifyProof *proof = &sync->proof;
	int saved = proof->contradicted_count + proof->unasked_count;

	if (sync->reading->is_unchanged)
		return sync->stored->unsettled;
	if (proof->unproven_count > 0 || saved > sync->reading->unidentified ||
		(proof->unasked_count > 0 && sync->stored->unsettled > 0))
		return proof->unproven_count + saved;
	return 0;
}

/* Why a reading is not the whole list as it is now. */
static const char *
why_incomplete(const SpotifyScan *scan)
{
	int echo_count = spotify_scan_echo_count(scan);

	if (scan->odd_limit.is_known)
		return psprintf(
			"a page is impossible: %d entries, of %d asked for, and \"limit\": %d",
			scan->odd_limit_count, SPOTIFY_PAGE_SIZE, scan->odd_limit.value);
	if (echo_count > 0)
		return psprintf("Spotify gave the same %d entries at each offset",
						echo_count);
	return LIST_MOVED;
}

static const char *
find_reason(const SavedSync *sync)
{
	if (sync->reading->is_cut)
		return LIST_CUT;
	if (sync->proof.is_cut)
		return PROOF_CUT;
	if (!sync->reading->is_complete)
		return psprintf("%s" LIST_UNKNOWN,
						why_incomplete(&sync->reading->scan));
	if (sync->reading->excess > 0)
		return LIST_ENDS_EARLY;
	if (sync->proof.unproven_count > 0)
		return REMOVALS_UNPROVEN;
	if (sync->proof.contradicted_count > sync->reading->unidentified)
		return LIST_CONTRADICTED;
	return count_unsettled(sync) > 0 ? STILL_OPEN : NULL;
}

/* Why the run is partial, with how much of the list is known; or NULL. */
static const char *
why_partial(const SavedSync *sync)
{
	const SpotifyScan *scan = &sync->reading->scan;
	const char *reason = find_reason(sync);

	if (reason == NULL)
		return NULL;
	if (sync->reading->is_delta && sync->reading->is_complete)
		return psprintf("%s (%d of %d entries are known)", reason, scan->length,
						scan->total);
	return psprintf("%s (%d of %d entries were received)", reason,
					scan->received, scan->total);
}

/*
 * For the row of the run, which has it even if the run fails later.  What an
 * earlier run received counts in its own row.
 */
static void
count_received(SavedSync *sync)
{
	SpotifyRunRecord *record = &sync->run.record;
	const SpotifyScan *scan = &sync->reading->scan;

	record->total.is_known = true;
	record->total.value = scan->total;
	record->fetched = spotify_scan_fetched(scan);
	record->skipped = spotify_scan_skipped(scan);
}

static void
count_changes(SavedSync *sync)
{
	SpotifyRunRecord *record = &sync->run.record;

	record->deactivated = sync->proof.removed_count;
	for (int i = 0; i < sync->plan.change_count; i++)
	{
		switch (sync->plan.changes[i].kind)
		{
			case SPOTIFY_SAVED_ADDED:
				record->inserted++;
				break;
			case SPOTIFY_SAVED_READDED:
				record->reactivated++;
				break;
			case SPOTIFY_SAVED_REDATED:
				record->updated++;
				break;
			case SPOTIFY_SAVED_MOVED:
			case SPOTIFY_SAVED_REMOVED:
				break;
		}
	}
}

/* What the next run needs to know of a list that was read to its end. */
static void
record_list(SavedSync *sync)
{
	SpotifyRunRecord *record = &sync->run.record;

	if (!sync->reading->is_complete)
		return;
	record->listed.is_known = true;
	record->listed.value = sync->reading->scan.length;
	record->unsettled.is_known = true;
	record->unsettled.value = count_unsettled(sync);
}

/* How far the audit has come; it begins anew after a full scan. */
static void
record_audit(SavedSync *sync)
{
	const SpotifyListReading *reading = sync->reading;

	if (!reading->is_delta)
		return;
	sync->run.record.audit_offset.is_known = true;
	sync->run.record.audit_offset.value = spotify_delta_plan_audit_end(
		&reading->delta, &reading->scan, &sync->stored->audit);
}

/* Leaves to the next run where to go on, or that it begins anew. */
static void
keep_progress(const SavedSync *sync)
{
	const SpotifyRunRecord *record = &sync->run.record;
	const SpotifyScan *scan = &sync->reading->scan;
	SpotifyScanProgress progress = { .total = scan->total,
									 .entries = scan->entries,
									 .count =
										 spotify_scan_prefix_length(scan) };

	if (sync->reading->is_cut && scan->is_unbroken)
		spotify_scan_progress_save(record->account, record->collection,
								   &progress);
	else if (sync->progress != NULL)
		spotify_scan_progress_clear(record->account, record->collection);
}

static void
write_items(const SavedSync *sync, const SpotifySavedChange *changes, int count)
{
	const SpotifyRunRecord *record = &sync->run.record;

	spotify_saved_list_write(sync->collection->table, record->account,
							 record->run_id, record->finished_at, changes,
							 count);
}

/*
 * The catalogue first and the changes last, so that no like is without its
 * track.  The row of the run is made in the given context.
 */
static Datum
write_changes(SavedSync *sync, MemoryContext result_context)
{
	const SpotifyRunRecord *record = &sync->run.record;
	const char *partial_because = why_partial(sync);
	MemoryContext old;
	Datum row;

	count_changes(sync);
	record_list(sync);
	record_audit(sync);
	spotify_lock_catalog();
	spotify_catalog_write(sync->reading->catalog);
	keep_progress(sync);

	old = MemoryContextSwitchTo(result_context);
	row = spotify_run_finish(&sync->run, partial_because);
	MemoryContextSwitchTo(old);

	write_items(sync, sync->plan.changes, sync->plan.change_count);
	write_items(sync, sync->proof.removed, sync->proof.removed_count);
	write_items(sync, sync->proof.unlisted, sync->proof.unlisted_count);
	if (sync->plan.has_null_places_changed)
		spotify_saved_list_write_null_places(
			sync->collection->table, record->account, sync->plan.null_places,
			sync->plan.null_place_count);
	return row;
}

/*
 * Any missing item could be behind an entry without identity, or behind what
 * total counts and the list does not show; to read the whole list would not
 * help.  And between two runs more may have moved than the check of a resumed
 * scan can see.
 */
static SpotifyProofBasis
find_basis(const SpotifyListReading *reading)
{
	if (reading->excess > 0 && !reading->is_delta)
		return SPOTIFY_PROOF_NEVER;
	if (reading->excess > 0 || reading->unidentified > 0 || reading->is_resumed)
		return SPOTIFY_PROOF_NONE;
	return reading->is_delta ? SPOTIFY_PROOF_BY_DELTA : SPOTIFY_PROOF_BY_LIST;
}

static void
prove_removals(SavedSync *sync)
{
	const SpotifyListReading *reading = sync->reading;
	SpotifyProofTask task = {
		.plan = &sync->plan,
		.basis = find_basis(reading),
		.is_empty = reading->count == 0,
		.is_delta = reading->is_delta,
		.has_losses = reading->delta.has_losses,
		.has_excess = reading->excess > 0,
		.asks_again = !reading->is_delta || spotify_stored_list_asks_again(
												sync->stored, reading->excess),
		.item_type = sync->collection->item_type,
		.client = sync->client,
		.allow_mass_removal = sync->options.allow_mass_removal
	};

	spotify_proof_find(&sync->proof, &task);
}

/* Nothing is to be changed, whatever was planned of an earlier reading. */
static void
forget_changes(SavedSync *sync)
{
	spotify_saved_plan_release(&sync->plan);
	memset(&sync->proof, 0, sizeof(sync->proof));
}

/*
 * Plans the changes and proves the removals, by the whole list if what a delta
 * read of it is not enough, and again if the list moved meanwhile.
 */
static void
find_changes(SavedSync *sync)
{
	SpotifyListReading *reading = sync->reading;

	while (!reading->is_unchanged)
	{
		count_received(sync);
		make_plan(sync);
		if (!reading->is_complete)
		{
			memset(&sync->proof, 0, sizeof(sync->proof));
			return;
		}
		prove_removals(sync);
		if (sync->proof.guarded_count > 0)
			return;
		if (sync->proof.wants_whole_list)
			spotify_list_read_whole(sync->reader);
		else if (!reading->is_delta || !reading->delta.has_losses ||
				 spotify_list_confirm(sync->reader))
			return;
	}
	forget_changes(sync);
}

static Datum
run_phases(void *arg, MemoryContext result_context)
{
	SavedSync *sync = arg;
	SpotifyRunRecord *record = &sync->run.record;
	SpotifyLogin *login =
		spotify_login_open(record->account, &sync->run.traffic);
	bool is_delta;

	sync->client = spotify_client_open(spotify_setting_max_concurrency,
									   spotify_login_access_token, login,
									   &sync->run.traffic);
	sync->progress =
		spotify_scan_progress_load(record->account, sync->collection->name);
	sync->stored = spotify_stored_list_open(sync->collection, record->account);
	is_delta = sync->stored->is_exact && sync->progress == NULL &&
			   !sync->options.full_scan;
	record->mode = is_delta ? "delta" : "full";
	sync->reader = spotify_list_reader_open(
		sync->collection, sync->client, sync->stored, is_delta,
		sync->options.full_scan ? -1 : sync->stored->stuck_total,
		sync->options.full_scan ? NULL : sync->progress);
	spotify_release_later(release_plan, sync);

	sync->reading = spotify_list_read(sync->reader);
	find_changes(sync);
	count_received(sync);
	record->mode = sync->reading->is_delta ? "delta" : "full";
	spotify_saved_check(&sync->run, sync->reading, &sync->plan, &sync->proof);
	if (sync->reading->is_cut || sync->proof.is_cut)
		spotify_durable_limit(record->account, sync->run.traffic.limited_until);
	return write_changes(sync, result_context);
}

Datum
spotify_saved_sync(const SpotifyCollection *collection, const char *account,
				   const SpotifySyncOptions *options)
{
	MemoryContext result_context = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(
		result_context, "spotify saved sync", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	SavedSync *sync = palloc0(sizeof(SavedSync));
	Datum row;

	sync->collection = collection;
	sync->options = *options;
	spotify_run_begin(&sync->run, account, collection->name, "full");
	row = spotify_recorded_run(&sync->run, run_phases, sync, result_context);

	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return row;
}
