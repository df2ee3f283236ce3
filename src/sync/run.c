/*
 * run.c
 *		One run of a sync: its lock, its counters and its row in the log.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/timestamp.h"

#include "sync/run.h"

/*
 * Keeps our locks apart from everybody else's: pg_advisory_lock sets the
 * fourth field of an advisory lock's tag to 1 or 2.
 */
#define LOCK_SPACE 0x5350

/*
 * The lock belongs to the transaction, so that it outlasts the run until its
 * changes can be seen, and no crash leaves it behind.  A run in the same
 * transaction may follow.
 */
void
spotify_run_lock(const char *account, const char *collection)
{
	LOCKTAG tag;
	uint32 account_hash =
		hash_bytes((const unsigned char *) account, strlen(account));
	uint32 collection_hash =
		hash_bytes((const unsigned char *) collection, strlen(collection));

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, account_hash, collection_hash,
						 LOCK_SPACE);
	if (LockAcquire(&tag, ExclusiveLock, false, true) == LOCKACQUIRE_NOT_AVAIL)
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
	spotify_run_lock(account, collection);
	run->record.account = account;
	run->record.collection = collection;
	run->record.mode = mode;
	run->record.started_at = GetCurrentTimestamp();
	run->record.run_id = spotify_run_log_next_id();
}

Datum
spotify_run_finish(SpotifyRun *run, const char *partial_because)
{
	run->record.status = partial_because == NULL ? "succeeded" : "partial";
	run->record.error_message = partial_because;
	run->record.finished_at = GetCurrentTimestamp();
	run->record.requests = run->traffic.requests;
	run->record.retries = run->traffic.retries;
	run->record.bytes_received = run->traffic.bytes_received;
	return spotify_run_log_write(&run->record);
}
