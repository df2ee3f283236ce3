/*
 * recording.c
 *		The record of a failed run, on its way into the log.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "store/accounts.h"
#include "sync/durable_call.h"
#include "sync/record_message.h"
#include "sync/recording.h"
#include "sync/surroundings.h"
#include "sync/transaction.h"

/* Longer than a worker takes that waits for one lock as long as it may. */
static const SpotifyPatience PATIENT = { 2000, 2000, 5000 };

/* Somebody waits for the end, or it is known how the wait would end. */
static const SpotifyPatience HURRIED = { 100, 100, 500 };

/* Nobody waits for the worker, and nothing may wait for a slot. */
static const SpotifyPatience AT_EXIT = { 0, 2000, 0 };

/* For what is locked a process that is ending waits so long, asking so often. */
#define EXIT_LOCK_LIMIT_MS 1000
#define EXIT_LOCK_POLL_MS  10

struct SpotifyRecording
{
	SpotifyDurableCall *call;
	const SpotifyPatience *patience;
};

/* Ready to be sent. */
static SpotifyRecording *
make_recording(const SpotifyRunRecord *record, TimestampTz retry_after,
			   Oid user, const SpotifyPatience *patience)
{
	SpotifyRecording *recording = palloc(sizeof(SpotifyRecording));

	recording->patience = patience;
	recording->call = spotify_durable_call_open(SPOTIFY_DURABLE_RECORD,
												record->account, user);
	recording->call->message->header.is_pinned = true;
	recording->call->message->retry_after = retry_after;
	spotify_record_message_fill(recording->call->message, record);
	return recording;
}

SpotifyRecording *
spotify_recording_begin(const SpotifyRunRecord *record, TimestampTz retry_after,
						Oid user, bool is_hurried)
{
	const SpotifyPatience *patience = is_hurried ? &HURRIED : &PATIENT;
	SpotifyRecording *recording =
		make_recording(record, retry_after, user, patience);

	if (!spotify_durable_call_start(recording->call, patience))
		spotify_durable_call_report_no_slot(patience);
	return recording;
}

bool
spotify_recording_await(SpotifyRecording *recording)
{
	if (!spotify_durable_call_await(recording->call, recording->patience))
		return false;
	spotify_durable_call_check(recording->call);
	return true;
}

SpotifyRecording *
spotify_recording_begin_at_exit(const SpotifyRunRecord *record,
								TimestampTz retry_after, Oid user)
{
	SpotifyRecording *recording =
		make_recording(record, retry_after, user, &AT_EXIT);

	(void) spotify_durable_call_start(recording->call, &AT_EXIT);
	return recording;
}

/* Whether nothing that writing the row takes is locked by anybody. */
static bool
lock_log(const char *account)
{
	for (int waited_ms = 0; waited_ms < EXIT_LOCK_LIMIT_MS;
		 waited_ms += EXIT_LOCK_POLL_MS)
	{
		if (spotify_run_log_try_lock(account))
			return true;
		pg_usleep(EXIT_LOCK_POLL_MS * 1000L);
	}
	return false;
}

/*
 * Writes the row in the process that is ending, where interrupts are held off
 * and no wait can be cut short: so locks are only tried, no trigger is fired but
 * those that are enabled ALWAYS, and the rate limit, for which rows of others
 * would have to be locked, is left to the next run to find out.
 */
static void
write_at_exit(SpotifyDurableMessage *message)
{
	SpotifyTransaction transaction;

	spotify_transaction_set_user(message->user_id);
	spotify_transaction_begin(&transaction);
	if (lock_log(message->account))
		spotify_record_message_write(message);
	else
		ereport(LOG, (errmsg("could not record a run that failed"),
					  errdetail("The run log is locked.")));
	spotify_transaction_commit(&transaction);
}

/*
 * The server does the same when it removes the temporary tables of a session
 * that ends: RemoveTempRelationsCallback in its namespace.c.
 */
static void
write_all_at_exit(List *messages)
{
	ListCell *cell;

	AbortOutOfAnyTransaction();
	MemoryContextSwitchTo(TopMemoryContext);
	spotify_surroundings_make_plain();
	SetConfigOption("session_replication_role", "replica", PGC_SUSET,
					PGC_S_SESSION);
	foreach (cell, messages)
		write_at_exit(lfirst(cell));
}

void
spotify_recordings_end(List *recordings)
{
	List *unwritten = NIL;
	ListCell *cell;

	foreach (cell, recordings)
	{
		SpotifyDurableCall *call = ((SpotifyRecording *) lfirst(cell))->call;

		if (spotify_durable_call_is_hopeless(call))
			unwritten = lappend(unwritten, call->message);
	}
	if (unwritten != NIL)
		write_all_at_exit(unwritten);
}
