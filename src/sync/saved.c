/*
 * saved.c
 *		Reconciling a saved list at Spotify with its table.
 *
 * The phases of a run: login; read the list; load what is stored and plan the
 * changes; prove removals; write.  Nothing is written and no table is locked
 * while the run waits for Spotify, except for new tokens.
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "settings.h"
#include "spotify/cleanup.h"
#include "sync/list_reader.h"
#include "sync/lock.h"
#include "sync/login.h"
#include "sync/proof.h"
#include "sync/recorded.h"
#include "sync/saved.h"

/* Why a run is partial, for its row. */
#define LIST_MOVED                                                             \
	"the list changed while it was read, or did not add up: additions were kept, removals were not looked for"
#define LIST_CUT                                                               \
	"a rate limit ended the run: what was read is kept, and the next run goes on from there"
#define PROOF_CUT                                                              \
	"a rate limit ended the run before it was known which of the missing tracks are gone: those stay active"
#define LIST_CONTRADICTED                                                      \
	"the list lacks tracks of which Spotify says that they are liked: they stay active"
#define REMOVALS_UNPROVEN                                                      \
	"entries without identity leave it open whether missing tracks are gone: they stay active"

typedef struct SavedSync
{
	SpotifyRun run;
	const SpotifyCollection *collection;
	bool allow_mass_removal;
	SpotifyClient *client;
	SpotifyScanProgress *progress; /* of an earlier run; NULL: none */
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
	SpotifySavedItem *stored;
	int count;

	spotify_release_later(release_plan, sync);
	stored = sync->collection->load(sync->run.record.account, &count);
	if (!spotify_saved_plan_make(&sync->plan, stored, count,
								 &sync->reading->scan))
		spotify_report_out_of_memory();
}

static const char *
why_partial(const SavedSync *sync)
{
	if (sync->reading->is_cut)
		return LIST_CUT;
	if (sync->proof.is_cut)
		return PROOF_CUT;
	if (!sync->reading->is_complete)
		return LIST_MOVED;
	if (sync->proof.unproven_count > 0)
		return REMOVALS_UNPROVEN;
	/* Entries without identity may well be tracks that are missing. */
	if (sync->proof.contradicted_count > sync->reading->scan.unidentified)
		return LIST_CONTRADICTED;
	return NULL;
}

static void
count_changes(SavedSync *sync)
{
	SpotifyRunRecord *record = &sync->run.record;
	const SpotifyScan *scan = &sync->reading->scan;

	record->total.is_known = true;
	record->total.value = scan->total;
	record->fetched = scan->received;
	record->skipped = scan->unidentified;
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
			case SPOTIFY_SAVED_REMOVED:
				break;
		}
	}
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

/*
 * The catalogue first and the changes last, because of the foreign keys.  The
 * row of the run is made in the given context.
 */
static Datum
write_changes(SavedSync *sync, MemoryContext result_context)
{
	const SpotifyRunRecord *record = &sync->run.record;
	MemoryContext old;
	Datum row;

	count_changes(sync);
	spotify_lock_catalog(false);
	spotify_catalog_write(sync->reading->catalog);
	keep_progress(sync);

	old = MemoryContextSwitchTo(result_context);
	row = spotify_run_finish(&sync->run, why_partial(sync));
	MemoryContextSwitchTo(old);

	sync->collection->write(record->account, record->run_id,
							record->finished_at, sync->plan.changes,
							sync->plan.change_count);
	sync->collection->write(record->account, record->run_id,
							record->finished_at, sync->proof.removed,
							sync->proof.removed_count);
	return row;
}

/*
 * Whether the list shows by itself that what it lacks is gone.  Any missing
 * item could be behind an entry without identity; and between two runs more
 * may have moved than the check of a resumed scan can see.
 */
static bool
is_scan_proof(const SpotifyListReading *reading)
{
	return reading->scan.unidentified == 0 && !reading->is_resumed;
}

/* A SpotifyRunPhases. */
static Datum
run_phases(void *arg, MemoryContext result_context)
{
	SavedSync *sync = arg;
	SpotifyLogin *login =
		spotify_login_open(sync->run.record.account, &sync->run.traffic);

	sync->client = spotify_client_open(spotify_setting_max_concurrency,
									   spotify_login_access_token, login,
									   &sync->run.traffic);
	sync->progress = spotify_scan_progress_load(sync->run.record.account,
												sync->collection->name);
	sync->reading =
		spotify_list_read(sync->collection, sync->client, sync->progress);
	make_plan(sync);
	if (sync->reading->is_complete)
		spotify_proof_find(&sync->proof, &sync->plan,
						   is_scan_proof(sync->reading), sync->client,
						   sync->allow_mass_removal);
	if (sync->reading->is_cut || sync->proof.is_cut)
		spotify_durable_record(sync->run.record.account, NULL,
							   sync->run.traffic.limited_until, false);
	return write_changes(sync, result_context);
}

Datum
spotify_saved_sync(const SpotifyCollection *collection, const char *account,
				   bool allow_mass_removal)
{
	MemoryContext result_context = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(
		result_context, "spotify saved sync", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	SavedSync *sync = palloc0(sizeof(SavedSync));
	Datum row;

	sync->collection = collection;
	sync->allow_mass_removal = allow_mass_removal;
	spotify_run_begin(&sync->run, account, collection->name, "full");
	row = spotify_recorded_run(&sync->run, run_phases, sync, result_context);

	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return row;
}
