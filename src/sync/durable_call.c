/*
 * durable_call.c
 *		One call of a background worker: its message, its slot, its end.
 *
 * A worker serves one task and ends, so that it takes one of the few worker
 * slots for milliseconds, not for as long as a run lasts.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/procsignal.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#if PG_VERSION_NUM >= 140000
#include "utils/wait_event.h"
#else
#include "pgstat.h"
#endif

#include "spotify/cleanup.h"
#include "sync/durable_call.h"

/* How often a free worker slot is looked for. */
#define SLOT_POLL_MS 20

/* The same for a worker that a process waits for which is ending. */
#define EXIT_POLL_MS 10

/* How long such a process waits for it. */
#define EXIT_LIMIT_MS 1000

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

/* When the process ends, the server detaches what is left. */
static void
release_call(void *arg)
{
	SpotifyDurableCall *call = arg;

	if (call->segment != NULL && !proc_exit_inprogress)
		dsm_detach(call->segment);
}

static void
init_message(SpotifyDurableMessage *message, SpotifyDurableTask task,
			 const char *account, Oid user)
{
	memset(message, 0, sizeof(*message));
	message->header.magic = SPOTIFY_DURABLE_MAGIC;
	message->header.size = sizeof(*message);
	strlcpy(message->header.version, SPOTIFY_ETL_VERSION,
			sizeof(message->header.version));
	message->task = task;
	message->database_id = MyDatabaseId;
	message->user_id = user;
	spotify_settings_save(&message->settings);
	strlcpy(message->account, account, sizeof(message->account));
}

SpotifyDurableCall *
spotify_durable_call_open(SpotifyDurableTask task, const char *account,
						  Oid user)
{
	SpotifyDurableCall *call = palloc0(sizeof(SpotifyDurableCall));

	spotify_release_later(release_call, call);
	call->segment =
		dsm_create(sizeof(SpotifyDurableMessage),
				   proc_exit_inprogress ? DSM_CREATE_NULL_IF_MAXSEGMENTS : 0);
	if (call->segment != NULL)
	{
		dsm_pin_mapping(call->segment);
		call->message = dsm_segment_address(call->segment);
	}
	else
		call->message = palloc(sizeof(SpotifyDurableMessage));
	init_message(call->message, task, account, user);
	return call;
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

/* A worker that does not begin cannot give back what is pinned for it. */
static void
unpin(SpotifyDurableCall *call)
{
	call->handle = NULL;
	if (call->message->header.is_pinned)
		dsm_unpin_segment(dsm_segment_handle(call->segment));
}

/* The segment must be pinned before the worker can unpin it. */
static bool
try_start(SpotifyDurableCall *call)
{
	BackgroundWorker worker;

	if (call->segment == NULL)
		return false;
	worker = describe_worker(call->segment);
	if (call->message->header.is_pinned)
		dsm_pin_segment(call->segment);
	if (RegisterDynamicBackgroundWorker(&worker, &call->handle))
		return true;
	unpin(call);
	return false;
}

/* The server must not wait for a process that holds interrupts off. */
static void
take_interrupts(void)
{
	CHECK_FOR_INTERRUPTS();
	if (ProcSignalBarrierPending)
		ProcessProcSignalBarrier();
}

/* One step of waiting, which a signal of the postmaster ends too. */
static void
wait_for_postmaster(long timeout_ms, uint32 wait_event)
{
	int events = WL_LATCH_SET | WL_EXIT_ON_PM_DEATH;

	if (timeout_ms >= 0)
		events |= WL_TIMEOUT;
	(void) WaitLatch(MyLatch, events, timeout_ms, wait_event);
	ResetLatch(MyLatch);
	take_interrupts();
}

bool
spotify_durable_call_start(SpotifyDurableCall *call,
						   const SpotifyPatience *patience)
{
	TimestampTz deadline =
		TimestampTzPlusMilliseconds(GetCurrentTimestamp(), patience->slot_ms);

	call->message->lock_timeout_ms = patience->lock_ms;
	while (!try_start(call))
	{
		if (GetCurrentTimestamp() >= deadline)
			return false;
		wait_for_postmaster(SLOT_POLL_MS, PG_WAIT_EXTENSION);
	}
	return true;
}

void
spotify_durable_call_report_no_slot(const SpotifyPatience *patience)
{
	ereport(
		ERROR,
		(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
		 errmsg("could not start a background worker"),
		 errdetail(
			 "No slot became free within %d ms; nothing was sent to Spotify.",
			 patience->slot_ms),
		 errhint("Raise \"max_worker_processes\".")));
}

static bool
has_ended(const SpotifyDurableCall *call)
{
	pid_t pid;

	return GetBackgroundWorkerPid(call->handle, &pid) == BGWH_STOPPED;
}

bool
spotify_durable_call_await(const SpotifyDurableCall *call,
						   const SpotifyPatience *patience)
{
	TimestampTz deadline =
		TimestampTzPlusMilliseconds(GetCurrentTimestamp(), patience->end_ms);

	InvalidateCatalogSnapshotConditionally(); /* as in exchange.c */
	while (!has_ended(call))
	{
		long timeout_ms = -1;

		if (patience->end_ms > 0)
			timeout_ms = TimestampDifferenceMilliseconds(GetCurrentTimestamp(),
														 deadline);
		if (timeout_ms == 0 || (InterruptHoldoffCount > 0 && ProcDiePending))
			return false;
		wait_for_postmaster(timeout_ms, WAIT_EVENT_BGWORKER_SHUTDOWN);
	}
	return true;
}

bool
spotify_durable_call_is_hopeless(SpotifyDurableCall *call)
{
	BgwHandleStatus status = BGWH_STOPPED;

	for (int waited_ms = 0; call->handle != NULL; waited_ms += EXIT_POLL_MS)
	{
		pid_t pid;

		status = GetBackgroundWorkerPid(call->handle, &pid);
		if (status != BGWH_NOT_YET_STARTED || waited_ms >= EXIT_LIMIT_MS)
			break;
		pg_usleep(EXIT_POLL_MS * 1000L);
	}
	return status == BGWH_STOPPED && !call->message->header.is_begun;
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

static void
report_late(const SpotifyDurableMessage *message)
{
	ereport(
		ERROR,
		(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
		 errmsg("the background worker took too long"),
		 errdetail("It wrote to the tables of account \"%s\".",
				   message->account),
		 errhint(
			 "Look for triggers on the tables of schemas spotify and spotify_private, and for who has them locked.")));
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

static void
report_replaced(void)
{
	ereport(
		ERROR,
		(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		 errmsg(
			 "the library of extension spotify_etl was replaced during this session"),
		 errdetail(
			 "This session has loaded version %s, and its background worker another build; nothing was sent to Spotify.",
			 SPOTIFY_ETL_VERSION),
		 errhint("Reconnect: a new session loads the new library.")));
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
			 errhint("The server log says why.")));
}

void
spotify_durable_call_check(SpotifyDurableCall *call)
{
	const SpotifyDurableMessage *message = call->message;

	if (!message->header.is_begun)
		unpin(call);
	if (message->header.is_refused)
		report_replaced();
	if (!message->is_done)
		report_ended(message);
	if (message->is_late)
		report_late(message);
	if (message->error.sqlstate == ERRCODE_LOCK_NOT_AVAILABLE)
		report_locked(message);
	if (message->error.sqlstate != 0)
		raise_error(&message->error);
}

void
spotify_durable_call_close(SpotifyDurableCall *call)
{
	explicit_bzero(call->message, sizeof(*call->message));
	dsm_detach(call->segment);
	call->segment = NULL;
}
