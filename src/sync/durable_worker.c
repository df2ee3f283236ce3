/*
 * durable_worker.c
 *		Work in a transaction of its own: the background worker's side.
 *
 * Connects to the caller's database, takes the rights of the tables' owner and
 * the caller's settings, does the task, and leaves the result, or the error,
 * in the message.  Nobody may be waiting for it any more.
 */
#include "postgres.h"

#include "access/xact.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/dsm.h"
#include "storage/ipc.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "store/accounts.h"
#include "sync/authorization.h"
#include "sync/durable_message.h"
#include "sync/record_message.h"
#include "sync/surroundings.h"
#include "sync/token_keeper.h"
#include "sync/transaction.h"

extern PGDLLEXPORT void spotify_durable_worker_main(Datum handle);

/* What a transaction of a worker may take, with all that it waits for. */
#define RECORD_LIMIT_MS (10 * 1000)
#define TASK_LIMIT_MS	(2 * 60 * 1000)

/*
 * A caller may neither make the worker give up before Spotify's answer, which
 * may hold the only refresh token that is still good, nor have it hold up the
 * server.
 */
static void
set_options(const SpotifyDurableMessage *message)
{
	spotify_surroundings_make_plain();
	SetConfigOption("lock_timeout", psprintf("%d", message->lock_timeout_ms),
					PGC_SUSET, PGC_S_SESSION);
	spotify_settings_restore(&message->settings);
	spotify_settings_set_default_patience();
}

static void
do_token_task(SpotifyDurableMessage *message)
{
	SpotifyAccessToken token = spotify_token_keeper_get(
		message->account, message->need, message->called_at, message->refused,
		&message->traffic);

	strlcpy(message->token, token.token, sizeof(message->token));
	message->expires_at = token.expires_at;
}

static void
do_record_task(SpotifyDurableMessage *message)
{
	SpotifyTransaction transaction;

	spotify_transaction_begin(&transaction);
	if (message->retry_after != 0)
		spotify_accounts_set_retry_after(message->account,
										 message->retry_after);
	if (message->has_record)
		spotify_record_message_write(message);
	spotify_transaction_commit(&transaction);
}

static void
copy_error(SpotifyDurableError *copy, const ErrorData *error)
{
	copy->sqlstate = error->sqlerrcode;
	spotify_durable_copy_text(copy->message, error->message,
							  sizeof(copy->message));
	spotify_durable_copy_text(copy->detail, error->detail,
							  sizeof(copy->detail));
	spotify_durable_copy_text(copy->hint, error->hint, sizeof(copy->hint));
}

static void
do_authorize_task(SpotifyDurableMessage *message)
{
	SpotifyAuthorized authorized = { 0 };

	spotify_authorization_finish(message->account, message->code,
								 message->code_verifier, &message->traffic,
								 &authorized);
	spotify_durable_copy_text(message->spotify_user_id, authorized.user_id,
							  sizeof(message->spotify_user_id));
	spotify_durable_copy_text(message->scope, authorized.scope,
							  sizeof(message->scope));
	if (authorized.problem != NULL)
		copy_error(&message->user_problem, authorized.problem);
}

static void
do_task(SpotifyDurableMessage *message)
{
	switch (message->task)
	{
		case SPOTIFY_DURABLE_TOKEN:
			do_token_task(message);
			break;
		case SPOTIFY_DURABLE_RECORD:
			do_record_task(message);
			break;
		case SPOTIFY_DURABLE_AUTHORIZE:
			do_authorize_task(message);
			break;
	}
}

/*
 * Leaves the error to the caller; the log has it from there, if at all.  Who
 * waits for a record may give up, so that the log has its error in any case.
 */
static void
keep_error(SpotifyDurableMessage *message, MemoryContext context)
{
	ErrorData *error;

	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	FlushErrorState();
	copy_error(&message->error, error);
	message->is_late = spotify_transaction_was_late() &&
					   error->sqlerrcode == ERRCODE_QUERY_CANCELED;
	AbortCurrentTransaction();
	if (message->task == SPOTIFY_DURABLE_RECORD)
		ereport(LOG, (errcode(error->sqlerrcode),
					  errmsg("could not record a run of account \"%s\": %s",
							 message->account, error->message)));
}

/* A rate limit that the token endpoint set counts for later calls too. */
static void
keep_limit(SpotifyDurableMessage *message)
{
	SpotifyTransaction transaction;

	spotify_transaction_begin(&transaction);
	spotify_accounts_set_retry_after(message->account,
									 message->traffic.limited_until);
	spotify_transaction_commit(&transaction);
}

/*
 * Called for every message of the worker's.  The one of its termination
 * leaves no time to keep it as the others are.
 */
static void
note_termination(void *arg)
{
	SpotifyDurableMessage *message = arg;

	if (geterrcode() == ERRCODE_ADMIN_SHUTDOWN)
		message->is_terminated = true;
}

/*
 * Attaches the message and gives back what is pinned for this worker.  Returns
 * NULL if the caller is gone, or has loaded another library than this one: no
 * more than the header may be read then.
 */
static SpotifyDurableMessage *
attach_message(dsm_handle handle)
{
	dsm_segment *segment = dsm_attach(handle);
	SpotifyDurableMessage *message;
	SpotifyDurableHeader *header;

	if (segment == NULL)
		return NULL;
	dsm_pin_mapping(segment);
	message = dsm_segment_address(segment);
	header = &message->header;
	if (dsm_segment_map_length(segment) < sizeof(*header) ||
		header->magic != SPOTIFY_DURABLE_MAGIC)
		return NULL;
	if (header->is_pinned)
		dsm_unpin_segment(handle);
	header->is_refused = header->size != sizeof(*message) ||
						 strcmp(header->version, SPOTIFY_ETL_VERSION) != 0;
	header->is_begun = true;
	return header->is_refused ? NULL : message;
}

static void
ignore_signal(SIGNAL_ARGS)
{
}

/*
 * A record is written within seconds, so that the end of the server waits for
 * it: what ends the other tasks would leave a run without a trace.
 */
static void
set_signals(SpotifyDurableTask task)
{
	pqsignal(SIGTERM, task == SPOTIFY_DURABLE_RECORD ? ignore_signal : die);
	BackgroundWorkerUnblockSignals();
}

static void
connect_database(const SpotifyDurableMessage *message)
{
	BackgroundWorkerInitializeConnectionByOid(message->database_id, InvalidOid,
											  0);
	set_options(message);
	spotify_transaction_set_user(message->user_id);
	spotify_transaction_set_limit(message->task == SPOTIFY_DURABLE_RECORD
									  ? RECORD_LIMIT_MS
									  : TASK_LIMIT_MS);
}

/* Entered by name: see describe_worker in durable_call.c. */
void
spotify_durable_worker_main(Datum handle)
{
	ResourceOwner owner;
	SpotifyDurableMessage *message;
	ErrorContextCallback error_context = { .callback = note_termination };
	MemoryContext context;

	owner = ResourceOwnerCreate(NULL, "spotify_etl worker");
	CurrentResourceOwner = owner;
	message = attach_message(DatumGetUInt32(handle));
	if (message == NULL)
		proc_exit(0); /* nothing was begun */
	error_context.arg = message;
	error_context_stack = &error_context;
	set_signals(message->task);
	connect_database(message);

	context = AllocSetContextCreate(TopMemoryContext, "spotify_etl worker",
									ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner; /* connecting ran a transaction */
	PG_TRY();
	{
		do_task(message);
	}
	PG_CATCH();
	{
		keep_error(message, context);
		CurrentResourceOwner = owner;
		if (message->traffic.limited_until != 0)
			keep_limit(message);
		/* The error may be that of a request which had to be given up. */
		CHECK_FOR_INTERRUPTS();
	}
	PG_END_TRY();
	message->is_done = true;
	proc_exit(0);
}
