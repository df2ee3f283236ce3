/*
 * durable.c
 *		Work in a transaction of its own: the caller's side.
 *
 * A worker serves one task and ends, so that it takes one of the few worker
 * slots for milliseconds, not for as long as a run lasts.  Callers of one
 * account queue up before they take a slot.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "storage/dsm.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "sync/durable.h"
#include "sync/durable_message.h"
#include "sync/lock.h"

/* How often a free worker slot is looked for. */
#define SLOT_POLL_MS 20

/*
 * Longest waits for a worker slot, and for a row that somebody has locked.
 * Whoever waits for the worker may be the one who holds that lock, which the
 * server's deadlock detector cannot see.
 */
typedef struct Patience
{
	int slot_ms;
	int lock_ms;
} Patience;

static const Patience PATIENT = { 2000, 2000 };

/* Somebody waits for the end, or it is known how the wait would end. */
static const Patience HURRIED = { 100, 100 };

static void
report_no_slot(int waited_ms)
{
	ereport(
		ERROR,
		(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
		 errmsg("could not start a background worker"),
		 errdetail(
			 "No slot became free within %d ms; nothing was sent to Spotify.",
			 waited_ms),
		 errhint("Raise \"max_worker_processes\".")));
}

static BackgroundWorker
describe_worker(dsm_segment *segment)
{
	BackgroundWorker worker = { 0 };

	worker.bgw_flags =
		BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	worker.bgw_main_arg = UInt32GetDatum(dsm_segment_handle(segment));
	worker.bgw_notify_pid = MyProcPid;
	/* As the functions name it: a bare name is not found by extension_destdir. */
	strlcpy(worker.bgw_library_name, "$libdir/spotify_etl", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "spotify_durable_worker_main",
			BGW_MAXLEN);
	strlcpy(worker.bgw_name, "spotify_etl worker", BGW_MAXLEN);
	strlcpy(worker.bgw_type, "spotify_etl worker", BGW_MAXLEN);
	return worker;
}

static BackgroundWorkerHandle *
start_worker(dsm_segment *segment, const Patience *patience)
{
	BackgroundWorker worker = describe_worker(segment);
	BackgroundWorkerHandle *handle;
	TimestampTz deadline =
		TimestampTzPlusMilliseconds(GetCurrentTimestamp(), patience->slot_ms);

	while (!RegisterDynamicBackgroundWorker(&worker, &handle))
	{
		if (GetCurrentTimestamp() >= deadline)
			report_no_slot(patience->slot_ms);
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 SLOT_POLL_MS, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
	return handle;
}

void
spotify_durable_copy_text(char *target, const char *text, size_t size)
{
	int length;

	if (text == NULL)
		return;
	length = pg_mbcliplen(text, strlen(text), size - 1);
	memcpy(target, text, length);
	target[length] = '\0';
}

/*
 * What the worker met was most likely a lock of its own caller, unless
 * Spotify had answered by then.
 */
static void
report_locked(const SpotifyDurableMessage *message)
{
	const char *consequence = message->traffic.requests == 0
								  ? "nothing was sent to Spotify"
								  : "what Spotify answered could not be stored";

	ereport(
		ERROR,
		(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
		 errmsg("could not lock account \"%s\"", message->account),
		 errdetail(
			 "This transaction or another one has changed or locked it and has not ended; %s.",
			 consequence),
		 errhint("Commit or roll back that transaction first.")));
}

/* Raises the worker's error as one of the caller's. */
static void
raise_error(const SpotifyDurableError *error)
{
	ereport(
		ERROR,
		(errcode(error->sqlstate), errmsg_internal("%s", error->message),
		 error->detail[0] != '\0' ? errdetail_internal("%s", error->detail) : 0,
		 error->hint[0] != '\0' ? errhint("%s", error->hint) : 0));
}

/*
 * The worker ended without a result.  Whatever it got of Spotify by then is
 * stored or spooled.
 */
static void
report_ended(const SpotifyDurableMessage *message)
{
	if (message->is_terminated)
		ereport(
			ERROR,
			(errcode(ERRCODE_ADMIN_SHUTDOWN),
			 errmsg("the background worker was terminated"),
			 errdetail("It worked for account \"%s\" and was not done.",
					   message->account),
			 errhint(
				 "Call the function again: no token that Spotify gave is lost.")));
	ereport(ERROR,
			(errcode(ERRCODE_INTERNAL_ERROR),
			 errmsg("the background worker ended before its work was done"),
			 errhint("The server log tells why.")));
}

static void
check_result(const SpotifyDurableMessage *message)
{
	if (!message->is_done)
		report_ended(message);
	if (message->error.sqlstate == ERRCODE_LOCK_NOT_AVAILABLE)
		report_locked(message);
	if (message->error.sqlstate != 0)
		raise_error(&message->error);
}

static void
init_message(dsm_segment *segment, SpotifyDurableTask task, const char *account)
{
	SpotifyDurableMessage *message = dsm_segment_address(segment);

	memset(message, 0, sizeof(*message));
	message->task = task;
	message->database_id = MyDatabaseId;
	message->user_id = GetUserId();
	spotify_settings_save(&message->settings);
	strlcpy(message->account, account, sizeof(message->account));
}

static dsm_segment *
create_message(SpotifyDurableTask task, const char *account)
{
	dsm_segment *segment = dsm_create(sizeof(SpotifyDurableMessage), 0);

	init_message(segment, task, account);
	return segment;
}

/* Has a worker do the task; raises its error if there was one. */
static void
run_worker(dsm_segment *segment, const Patience *patience)
{
	SpotifyDurableMessage *message = dsm_segment_address(segment);
	BackgroundWorkerHandle *handle;

	message->lock_timeout_ms = patience->lock_ms;
	handle = start_worker(segment, patience);
	InvalidateCatalogSnapshotConditionally(); /* as in exchange.c */
	if (WaitForBackgroundWorkerShutdown(handle) == BGWH_POSTMASTER_DIED)
		proc_exit(1);
	check_result(message);
}

/* What the worker sent counts, whether it succeeded or not. */
static void
add_traffic(SpotifyTraffic *sum, const SpotifyTraffic *traffic)
{
	sum->requests += traffic->requests;
	sum->retries += traffic->retries;
	sum->bytes_received += traffic->bytes_received;
	sum->limited_until = Max(sum->limited_until, traffic->limited_until);
}

SpotifyAccessToken
spotify_durable_token(const char *account, SpotifyTokenNeed need,
					  const char *refused, SpotifyTraffic *traffic)
{
	SpotifyAccessToken result;
	dsm_segment *segment = create_message(SPOTIFY_DURABLE_TOKEN, account);
	SpotifyDurableMessage *message = dsm_segment_address(segment);

	message->need = need;
	message->called_at = GetCurrentTimestamp();
	if (refused != NULL)
		strlcpy(message->refused, refused, sizeof(message->refused));

	InvalidateCatalogSnapshotConditionally();
	spotify_lock_wait(account, SPOTIFY_LOCK_TOKEN_QUEUE);
	PG_TRY();
	{
		run_worker(segment, &PATIENT);
	}
	PG_FINALLY();
	{
		add_traffic(traffic, &message->traffic);
	}
	PG_END_TRY();
	spotify_lock_release(account, SPOTIFY_LOCK_TOKEN_QUEUE);

	result.token = pstrdup(message->token);
	result.expires_at = message->expires_at;
	explicit_bzero(message, sizeof(*message));
	dsm_detach(segment);
	return result;
}

/* NULL if empty. */
static char *
copy_result(const char *text)
{
	return text[0] != '\0' ? pstrdup(text) : NULL;
}

/* An error of the worker's that is not raised; NULL if there was none. */
static ErrorData *
copy_error(const SpotifyDurableError *error)
{
	ErrorData *copy;

	if (error->sqlstate == 0)
		return NULL;
	copy = palloc0(sizeof(ErrorData));
	copy->sqlerrcode = error->sqlstate;
	copy->message = pstrdup(error->message);
	copy->detail = copy_result(error->detail);
	copy->hint = copy_result(error->hint);
	return copy;
}

SpotifyAuthorized
spotify_durable_authorize(const char *account, const char *code,
						  const char *code_verifier)
{
	SpotifyAuthorized result;
	dsm_segment *segment = create_message(SPOTIFY_DURABLE_AUTHORIZE, account);
	SpotifyDurableMessage *message = dsm_segment_address(segment);

	strlcpy(message->code, code, sizeof(message->code));
	strlcpy(message->code_verifier, code_verifier,
			sizeof(message->code_verifier));
	spotify_lock_wait(account, SPOTIFY_LOCK_TOKEN_QUEUE);
	run_worker(segment, &PATIENT);
	spotify_lock_release(account, SPOTIFY_LOCK_TOKEN_QUEUE);

	result.user_id = copy_result(message->spotify_user_id);
	result.problem = copy_error(&message->user_problem);
	result.scope = copy_result(message->scope);
	explicit_bzero(message, sizeof(*message));
	dsm_detach(segment);
	return result;
}

static void
copy_check(SpotifyDurableCheck *target, const SpotifyQualityCheck *check)
{
	spotify_durable_copy_text(target->name, check->name, sizeof(target->name));
	spotify_durable_copy_text(target->detail, check->detail,
							  sizeof(target->detail));
}

static void
copy_record(SpotifyDurableMessage *message, const SpotifyRunRecord *record)
{
	message->has_record = true;
	message->record = *record;
	strlcpy(message->collection, record->collection,
			sizeof(message->collection));
	strlcpy(message->mode, record->mode, sizeof(message->mode));
	strlcpy(message->status, record->status, sizeof(message->status));
	if (record->error_code != NULL)
		strlcpy(message->error_code, record->error_code,
				sizeof(message->error_code));
	if (record->error_message != NULL)
		spotify_durable_copy_text(message->error_message, record->error_message,
								  sizeof(message->error_message));
	for (int i = 0; i < SPOTIFY_CHECK_KINDS; i++)
		copy_check(&message->checks[i], &record->checks[i]);
}

void
spotify_durable_record(const char *account, const SpotifyRunRecord *record,
					   TimestampTz retry_after, bool is_hurried)
{
	dsm_segment *segment = create_message(SPOTIFY_DURABLE_RECORD, account);
	SpotifyDurableMessage *message = dsm_segment_address(segment);

	if (record != NULL)
		copy_record(message, record);
	message->retry_after = retry_after;
	run_worker(segment, is_hurried ? &HURRIED : &PATIENT);
	dsm_detach(segment);
}

void
spotify_durable_record_at_exit(const char *account,
							   const SpotifyRunRecord *record,
							   TimestampTz retry_after)
{
	dsm_segment *segment = dsm_create(sizeof(SpotifyDurableMessage),
									  DSM_CREATE_NULL_IF_MAXSEGMENTS);
	SpotifyDurableMessage *message;
	BackgroundWorker worker;

	if (segment == NULL)
		return;
	init_message(segment, SPOTIFY_DURABLE_RECORD, account);
	message = dsm_segment_address(segment);
	message->is_left = true;
	message->lock_timeout_ms = PATIENT.lock_ms;
	copy_record(message, record);
	message->retry_after = retry_after;

	worker = describe_worker(segment);
	worker.bgw_notify_pid = 0;
	dsm_pin_segment(segment);
	if (!RegisterDynamicBackgroundWorker(&worker, NULL))
		dsm_unpin_segment(dsm_segment_handle(segment));
}
