/*
 * run.c
 *		One run of a sync: its lock, its counters and its row in the log.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/pmsignal.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "spotify/cleanup.h"
#include "store/tables.h"
#include "sync/lock.h"
#include "sync/run.h"

static void
close_record(SpotifyRun *run, const char *status, const char *message)
{
	run->record.status = status;
	run->record.error_message = message;
	run->record.finished_at = GetCurrentTimestamp();
	run->record.requests = run->traffic.requests;
	run->record.retries = run->traffic.retries;
	run->record.bytes_received = run->traffic.bytes_received;
}

/* What a failed run did not write does not count. */
static void
clear_changes(SpotifyRunRecord *record)
{
	record->inserted = 0;
	record->deactivated = 0;
	record->reactivated = 0;
	record->updated = 0;
}

/* The innermost run of this session, which triggers may have nested. */
static SpotifyRun *innermost = NULL;

/* Reset callback of the memory context that a run lives in. */
static void
end_run(void *arg)
{
	SpotifyRun **link = &innermost;

	while (*link != arg)
		link = &(*link)->outer;
	*link = (*link)->outer;
}

/* The row of a run that failed. */
static void
close_failed(SpotifyRun *run, int sqlstate, const char *message)
{
	close_record(run, "failed", message);
	clear_changes(&run->record);
	run->record.error_code = pstrdup(unpack_sql_state(sqlstate));
	run->has_failed = true;
}

/*
 * What a process that is ending leaves of its runs: a FATAL error does not come
 * by where others are recorded.  Without a postmaster there is nobody to leave
 * it to.
 */
static void
record_at_exit(int code, Datum arg)
{
	List *recordings = NIL;

	if (innermost == NULL || !PostmasterIsAlive())
		return;
	MemoryContextSwitchTo(TopMemoryContext);
	for (SpotifyRun *run = innermost; run != NULL; run = run->outer)
	{
		if (!run->has_failed)
			close_failed(run,
						 ClientConnectionLost ? ERRCODE_CONNECTION_FAILURE
											  : ERRCODE_ADMIN_SHUTDOWN,
						 "the session ended before the run did");
		if (run->recording == NULL)
			run->recording = spotify_recording_begin_at_exit(
				&run->record, run->traffic.limited_until, run->user);
		recordings = lappend(recordings, run->recording);
	}
	spotify_recordings_end(recordings);
}

/* From here on the run cannot end without a trace, but by a crash. */
static void
enter_run(SpotifyRun *run)
{
	static bool is_registered = false;

	if (!is_registered)
		before_shmem_exit(record_at_exit, (Datum) 0);
	is_registered = true;
	spotify_release_later(end_run, run);
	run->outer = innermost;
	innermost = run;
}

static void
check_not_nested(const char *account, const char *collection)
{
	for (const SpotifyRun *run = innermost; run != NULL; run = run->outer)
	{
		if (strcmp(run->record.account, account) == 0 &&
			strcmp(run->record.collection, collection) == 0)
			ereport(
				ERROR,
				(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
				 errmsg("a sync of account \"%s\" cannot call itself", account),
				 errdetail("The run of collection \"%s\" has not ended.",
						   collection),
				 errhint(
					 "Look for a trigger that calls the function on a table to which it writes.")));
	}
}

/*
 * The lock belongs to the transaction, so that it outlasts the run until its
 * changes can be seen, and no crash leaves it behind.  A run in the same
 * transaction may follow.
 */
void
spotify_run_lock(const char *account, const char *collection)
{
	if (spotify_lock_try(account, collection))
		return;
	ereport(
		ERROR,
		(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
		 errmsg("another sync of account \"%s\" is under way", account),
		 errdetail(
			 "Its collection is \"%s\"; only one run at a time may work on it.",
			 collection),
		 errhint(
			 "Wait until the other run has ended, and its transaction too.")));
}

void
spotify_run_begin(SpotifyRun *run, const char *account, const char *collection,
				  const char *mode)
{
	memset(run, 0, sizeof(*run));
	spotify_tables_check();
	check_not_nested(account, collection);
	spotify_run_lock(account, collection);
	run->record.account = account;
	run->record.collection = collection;
	run->record.mode = mode;
	run->record.started_at = GetCurrentTimestamp();
	run->user = GetUserId();
	enter_run(run);
}

void
spotify_run_number(SpotifyRunRecord *record)
{
	if (record->run_id != 0)
		return;
	spotify_lock_wait(SPOTIFY_LOCK_OF_ALL, SPOTIFY_LOCK_RUN_NUMBER);
	record->run_id = spotify_run_log_draw_number();
	spotify_lock_release(SPOTIFY_LOCK_OF_ALL, SPOTIFY_LOCK_RUN_NUMBER);
}

Datum
spotify_run_finish(SpotifyRun *run, const char *partial_because)
{
	close_record(run, partial_because == NULL ? "succeeded" : "partial",
				 partial_because);
	spotify_run_number(&run->record);
	return spotify_run_log_write(&run->record);
}

/* That a run failed must not be lost without a word. */
static void
warn_not_recorded(const ErrorData *failure)
{
	ereport(WARNING,
			(errcode(failure->sqlerrcode),
			 errmsg("could not record the failed run: %s", failure->message),
			 errdetail("It leaves no row in spotify.sync_runs.")));
}

static void
warn_not_yet_recorded(void)
{
	ereport(
		WARNING,
		(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
		 errmsg("the failed run is not recorded yet"),
		 errdetail(
			 "A background worker is about to write its row in spotify.sync_runs; if it cannot, the server log says why.")));
}

/* From the request on the recording is the run's, and no exit begins another. */
static void
record(SpotifyRun *run, bool is_hurried)
{
	run->recording = spotify_recording_begin(
		&run->record, run->traffic.limited_until, run->user, is_hurried);
	if (!spotify_recording_await(run->recording))
		warn_not_yet_recorded();
}

/* Takes the error that is being caught; raises it if it is a cancel. */
static void
take_problem(MemoryContext context)
{
	ErrorData *failure;

	/* Nothing was done that an abort would have to undo. */
	MemoryContextSwitchTo(context);
	failure = CopyErrorData();
	if (failure->sqlerrcode == ERRCODE_QUERY_CANCELED)
		PG_RE_THROW();
	FlushErrorState();
	warn_not_recorded(failure);
}

void
spotify_run_fail(SpotifyRun *run, const ErrorData *error)
{
	MemoryContext context = CurrentMemoryContext;
	bool is_cancelled = error->sqlerrcode == ERRCODE_QUERY_CANCELED;
	/* Most likely of worker slots, for which the run has waited before. */
	bool is_hurried =
		is_cancelled || error->sqlerrcode == ERRCODE_INSUFFICIENT_RESOURCES;

	close_failed(run, error->sqlerrcode,
				 error->detail != NULL
					 ? psprintf("%s: %s", error->message, error->detail)
					 : error->message);
	PG_TRY();
	{
		/*
		 * One cancel is enough: the row of what it ended is worth a moment.  An
		 * error ends the holding off by itself.
		 */
		if (is_cancelled)
			HOLD_INTERRUPTS();
		record(run, is_hurried);
		if (is_cancelled)
			RESUME_INTERRUPTS();
	}
	PG_CATCH();
	{
		take_problem(context);
	}
	PG_END_TRY();
}
