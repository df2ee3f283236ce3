/*
 * plays.c
 *		Adding the last plays that Spotify knows to the listening history.
 *
 * The phases of a run: login; ask; plan what to store; check; write.  Nothing
 * is written and no table is locked while the run waits for Spotify, except
 * for new tokens.
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "settings.h"
#include "spotify/cleanup.h"
#include "spotify/client.h"
#include "spotify/decode.h"
#include "spotify/endpoint.h"
#include "spotify/failure.h"
#include "store/catalog.h"
#include "store/plays.h"
#include "store/spi.h"
#include "sync/checks.h"
#include "sync/lock.h"
#include "sync/login.h"
#include "sync/play_matching.h"
#include "sync/plays.h"
#include "sync/plays_plan.h"
#include "sync/recorded.h"

/* The clocks of Spotify and of this server may differ by so much. */
#define CLOCK_TOLERANCE USECS_PER_MINUTE

typedef struct PlaysSync
{
	SpotifyRun run;
	SpotifyPlaysAim aim;
	SpotifyPlaysPage page; /* malloc'd inside */
	SpotifyPlaysPlan plan; /* malloc'd inside */
} PlaysSync;

static void
release_sync(void *arg)
{
	PlaysSync *sync = arg;

	spotify_plays_plan_release(&sync->plan);
	spotify_plays_page_release(&sync->page);
}

/* Receives the last plays, or those before a point in time: see endpoint.h. */
static SpotifyPlaysPage
receive_page(SpotifyClient *client, int64 before)
{
	const SpotifyExchange *exchange;
	SpotifyPlaysPage page;
	SpotifyDecodeProblem problem;
	SpotifyDecodeResult result;

	spotify_client_get(
		client,
		spotify_endpoint_recently_played(spotify_setting_api_url, before),
		NULL);
	exchange = spotify_client_next(client);
	if (!spotify_client_succeeded(exchange))
		spotify_failure_report(exchange);
	result = spotify_decode_plays(
		exchange->answer.body, exchange->answer.body_length, &page, &problem);
	if (result != SPOTIFY_DECODE_OK)
		spotify_failure_report_body(result, &problem);
	return page;
}

/*
 * Receives the plays before those that are there.  Returns false if Spotify
 * tells others than was asked for.
 */
static bool
receive_older(PlaysSync *sync, SpotifyClient *client)
{
	SpotifyTimestamp oldest = spotify_plays_oldest(&sync->page);
	SpotifyTimestamp next;
	SpotifyPlaysPage older;
	bool is_older;

	if (!oldest.is_known || oldest.value <= 0)
		return false;
	/* Up to the whole millisecond, so that none is left out. */
	older = receive_page(client, (oldest.value + 999) / 1000);
	next = spotify_plays_oldest(&older);
	is_older = older.count == 0 || (next.is_known && next.value < oldest.value);
	if (is_older && !spotify_plays_page_append(&sync->page, &older))
	{
		spotify_plays_page_release(&older);
		spotify_report_out_of_memory();
	}
	spotify_plays_page_release(&older);
	return is_older;
}

/* One answer has all, unless Spotify allows fewer than asked for in one. */
static void
receive_plays(PlaysSync *sync)
{
	SpotifyTraffic *traffic = &sync->run.traffic;
	SpotifyLogin *login = spotify_login_open(sync->run.record.account, traffic);
	SpotifyClient *client =
		spotify_client_open(1, spotify_login_access_token, login, traffic);

	sync->page = receive_page(client, 0);
	while (sync->page.is_full && sync->page.count < SPOTIFY_PAGE_SIZE &&
		   receive_older(sync, client))
		continue;
}

/* No run of this collection is partial: what did not fail has succeeded. */
static SpotifyTimestamp
end_of_last_run(const char *account)
{
	SpotifyLastRun last = { 0 };

	spotify_run_log_find_last(account, SPOTIFY_PLAYS_COLLECTION, &last);
	return last.finished_at;
}

static void
make_plan(PlaysSync *sync)
{
	SpotifyRunRecord *record = &sync->run.record;
	SpotifyPlaysAim *aim = &sync->aim;
	TimestampTz now = GetCurrentTimestamp();
	SpotifyStoredPlay *stored;
	int stored_count;

	aim->now = spotify_time_from_server(now);
	aim->until = spotify_time_from_server(now + CLOCK_TOLERANCE);
	aim->newest = spotify_plays_newest(record->account);
	aim->last_run = end_of_last_run(record->account);
	stored = spotify_plays_load_near(record->account, &sync->page,
									 SPOTIFY_PLAY_DRIFT, &stored_count);
	if (!spotify_plays_plan_make(&sync->plan, &sync->page, aim, stored,
								 stored_count))
		spotify_report_out_of_memory();
	record->fetched = sync->page.count;
	record->skipped = sync->plan.skipped;
}

/* What the checks found, in words. */
static const char *
describe_contradicting(int count)
{
	return psprintf(
		ngettext(
			"%d play differs from another one of the same track at the same time.",
			"%d plays differ from another one of the same track at the same time.",
			count),
		count);
}

static const char *
describe_undated(int count)
{
	return psprintf(ngettext("Spotify did not say when %d of the plays was.",
							 "Spotify did not say when %d of the plays were.",
							 count),
					count);
}

static const char *
describe_in_future(int count)
{
	return psprintf(
		ngettext("%d of the plays is in the future, more than a minute ahead.",
				 "%d of the plays are in the future, more than a minute ahead.",
				 count),
		count);
}

static void
check_plan(PlaysSync *sync)
{
	const SpotifyPlaysPlan *plan = &sync->plan;
	SpotifyRun *run = &sync->run;

	spotify_checks_add(run, SPOTIFY_CHECK_NOT_EMPTY,
					   sync->page.count == 0 ? 1 : 0,
					   "Spotify's list of plays is empty.");
	spotify_checks_add(run, SPOTIFY_CHECK_UNIQUE_KEY, plan->contradicting,
					   describe_contradicting(plan->contradicting));
	spotify_checks_add(run, SPOTIFY_CHECK_NO_NULLS, plan->undated,
					   describe_undated(plan->undated));
	spotify_checks_add(run, SPOTIFY_CHECK_WITHIN_PERIOD, plan->in_future,
					   describe_in_future(plan->in_future));
	spotify_checks_enforce(run);
}

static void
write_tracks(const SpotifyPlaysPlan *plan)
{
	SpotifyCatalog *catalog = spotify_catalog_create();

	for (int i = 0; i < plan->told_count; i++)
		spotify_catalog_add_track(catalog, &plan->told[i]->track);
	spotify_lock_catalog();
	spotify_catalog_write(catalog);
}

/* A point in time as people of this session write it. */
static const char *
time_text(SpotifyTimestamp time)
{
	return pstrdup(timestamptz_to_str(spotify_time_to_server(time)));
}

/* Why plays may be missing, in words. */
static const char *
describe_gap(const PlaysSync *sync)
{
	if (sync->plan.is_full)
		return psprintf(
			"Spotify lists only the last %d plays, and all of them are newer than the newest stored one.",
			sync->page.count);
	return psprintf(
		"Spotify lists only the plays of the last %d days, and no sync has succeeded for longer than that.",
		SPOTIFY_PLAYS_DAYS);
}

static void
note_gap(const PlaysSync *sync)
{
	const SpotifyRunRecord *record = &sync->run.record;
	SpotifyTimestamp start = sync->aim.newest;
	SpotifyTimestamp end = sync->plan.gap_end;

	if (!end.is_known)
		return;
	spotify_plays_write_gap(record->account, record->run_id, start, end);
	ereport(
		WARNING,
		(errmsg("plays of account \"%s\" may be missing between %s and %s",
				record->account, time_text(start), time_text(end)),
		 errdetail("%s", describe_gap(sync)),
		 errhint("Sync more often. The gap is kept in spotify.play_gaps.")));
}

/* The tracks first, because of the foreign key. */
static void
write_plays(PlaysSync *sync)
{
	SpotifyRunRecord *record = &sync->run.record;
	const SpotifyPlaysPlan *plan = &sync->plan;

	spotify_run_number(record);
	if (plan->told_count > 0)
		write_tracks(plan);
	if (plan->count > 0)
		record->inserted = spotify_plays_write(record->account, record->run_id,
											   plan->plays, plan->count);
	note_gap(sync);
}

/* A SpotifyRunPhases. */
static Datum
run_phases(void *arg, MemoryContext result_context)
{
	PlaysSync *sync = arg;
	MemoryContext old;
	Datum row;

	spotify_release_later(release_sync, sync);
	receive_plays(sync);
	make_plan(sync);
	check_plan(sync);
	write_plays(sync);

	old = MemoryContextSwitchTo(result_context);
	row = spotify_run_finish(&sync->run, NULL);
	MemoryContextSwitchTo(old);
	return row;
}

Datum
spotify_plays_sync(const char *account, SpotifyTimestamp since)
{
	MemoryContext result_context = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(
		result_context, "spotify plays sync", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	PlaysSync *sync = palloc0(sizeof(PlaysSync));
	Datum row;

	sync->aim.since = since;
	spotify_run_begin(&sync->run, account, SPOTIFY_PLAYS_COLLECTION, "full");
	row = spotify_recorded_run(&sync->run, run_phases, sync, result_context);

	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return row;
}
