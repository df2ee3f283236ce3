/*
 * saved_checks.c
 *		The quality checks of a run over a saved list.
 */
#include "postgres.h"

#include "settings.h"
#include "spotify/endpoint.h"
#include "sync/checks.h"
#include "sync/saved_checks.h"

/* So many entries without a date are no coincidence any more. */
#define MANY_ENTRIES SPOTIFY_PAGE_SIZE

/*
 * Spotify may leave a field out now and then; a list in which no entry has a
 * date is not what the API promises, and its order says nothing.
 */
static int
count_undated(const SpotifyScan *scan)
{
	int identified = spotify_scan_fetched(scan) - spotify_scan_skipped(scan);

	return scan->dated == 0 && identified >= MANY_ENTRIES ? identified : 0;
}

static void
report_empty(const SpotifyProof *proof)
{
	ereport(
		ERROR,
		(errcode(ERRCODE_DATA_EXCEPTION),
		 errmsg("the list is said to be empty while rows are active"),
		 errdetail("Spotify does not answer whether %d of them are gone.",
				   proof->guarded_count),
		 errhint(
			 "Nothing was changed. If these likes are really gone, call the function with allow_mass_removal => true.")));
}

static void
report_percentage(const SpotifySavedPlan *plan, const SpotifyProof *proof)
{
	ereport(
		ERROR,
		(errcode(ERRCODE_DATA_EXCEPTION),
		 errmsg(
			 "the run would deactivate more than %d percent of the active rows",
			 spotify_setting_max_removal_percent),
		 errdetail(
			 "Of %d active rows, %d are missing at Spotify; so far it is certain that %d of them are gone.",
			 plan->active_count, plan->missing_count, proof->guarded_count),
		 errhint(
			 "Nothing was changed. If these likes are really gone, call the function with allow_mass_removal => true, or raise \"spotify_etl.max_removal_percent\".")));
}

/* Why the removal guard ends the run. */
static void
report_guard(const SpotifyListReading *reading, const SpotifySavedPlan *plan,
			 const SpotifyProof *proof)
{
	if (reading->count == 0 && proof->removed_count == 0)
		report_empty(proof);
	else
		report_percentage(plan, proof);
}

void
spotify_saved_check(SpotifyRun *run, const SpotifyListReading *reading,
					const SpotifySavedPlan *plan, const SpotifyProof *proof)
{
	const SpotifyScan *scan = &reading->scan;

	spotify_checks_add(
		run, SPOTIFY_CHECK_COMPLETE,
		reading->is_complete && reading->excess == 0 ? 0 : 1,
		reading->is_complete
			? psprintf("The list ends after %d entries, where its total is %d.",
					   scan->length, scan->total)
			: psprintf(
				  "%d of %d entries were received, and they do not add up to the list.",
				  scan->received, scan->total));
	spotify_checks_add(
		run, SPOTIFY_CHECK_UNIQUE_KEY, scan->contradictory,
		"A page says of the same item that it was saved at different times.");
	spotify_checks_add(run, SPOTIFY_CHECK_NO_NULLS, count_undated(scan),
					   "No entry says when it was saved.");
	spotify_checks_add(
		run, SPOTIFY_CHECK_REMOVAL_GUARD, proof->guarded_count,
		psprintf("Of %d active rows, at least %d would become inactive.",
				 plan->active_count, proof->guarded_count));
	if (proof->guarded_count > 0)
		report_guard(reading, plan, proof);
	spotify_checks_enforce(run);
}
