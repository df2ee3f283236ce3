/*
 * run.c
 *		One run of a sync: its lock, its counters and its row in the log.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/timestamp.h"

#include "spotify/cleanup.h"
#include "store/tables.h"
#include "sync/durable.h"
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

/*
 * What a process that is ending leaves of its runs: a FATAL error does not come
 * by where others are recorded.
 */
static void
record_at_exit(int code, Datum arg)
{
	for (SpotifyRun *run = innermost; run != NULL; run = run->outer)
	{
		close_record(run, "failed", "the session ended before the run did");
		clear_changes(&run->record);
		run->record.error_code =
			unpack_sql_state(ClientConnectionLost ? ERRCODE_CONNECTION_FAILURE
												  : ERRCODE_ADMIN_SHUTDOWN);
		spotify_durable_record_at_exit(run->record.account, &run->record,
									   run->traffic.limited_until);
	}
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
	enter_run(run);
}

Datum
spotify_run_finish(SpotifyRun *run, const char *partial_because)
{
	close_record(run, partial_because == NULL ? "succeeded" : "partial",
				 partial_because);
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

void
spotify_run_fail(SpotifyRun *run, const ErrorData *error)
{
	MemoryContext context = CurrentMemoryContext;
	bool is_cancelled = error->sqlerrcode == ERRCODE_QUERY_CANCELED;
	/* Most likely of worker slots, for which the run has waited before. */
	bool is_hurried =
		is_cancelled || error->sqlerrcode == ERRCODE_INSUFFICIENT_RESOURCES;

	close_record(run, "failed",
				 error->detail != NULL
					 ? psprintf("%s: %s", error->message, error->detail)
					 : error->message);
	clear_changes(&run->record);
	run->record.error_code = pstrdup(unpack_sql_state(error->sqlerrcode));

	PG_TRY();
	{
		/* One cancel is enough: the row of what it ended is worth a moment. */
		if (is_cancelled)
			HOLD_INTERRUPTS();
		spotify_durable_record(run->record.account, &run->record,
							   run->traffic.limited_until, is_hurried);
		if (is_cancelled)
			RESUME_INTERRUPTS();
	}
	PG_CATCH();
	{
		ErrorData *failure;

		/*
		 * Nothing was done here that an abort would have to undo, and an error
		 * ends the holding off of interrupts by itself.
		 */
		MemoryContextSwitchTo(context);
		failure = CopyErrorData();
		FlushErrorState();
		warn_not_recorded(failure);
	}
	PG_END_TRY();
}
