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
#include "sync/token_keeper.h"
#include "sync/transaction.h"

extern PGDLLEXPORT void spotify_durable_worker_main(Datum handle);

static void
set_option(const char *name, const char *value)
{
	SetConfigOption(name, value, PGC_SUSET, PGC_S_SESSION);
}

/*
 * What a role or the database has set must not stand in the way.  A caller may
 * neither make the worker give up before Spotify's answer, which may hold the
 * only refresh token that is still good, nor have it hold up the server.
 */
static void
set_options(const SpotifyDurableMessage *message)
{
	set_option("search_path", "pg_catalog, pg_temp");
	set_option("row_security", "off");
	set_option("default_transaction_read_only", "off");
	set_option("default_transaction_isolation", "read committed");
	set_option("default_transaction_deferrable", "off");
	set_option("synchronous_commit", "on");
	set_option("lock_timeout", psprintf("%d", message->lock_timeout_ms));
	set_option("statement_timeout", "0");
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

static const char *
text_or_null(const char *text)
{
	return text[0] != '\0' ? text : NULL;
}

/* The record's strings are in the message: a pointer means nothing here. */
static void
write_record(SpotifyDurableMessage *message)
{
	SpotifyRunRecord *record = &message->record;

	record->account = message->account;
	record->collection = message->collection;
	record->mode = message->mode;
	record->status = message->status;
	record->error_code = text_or_null(message->error_code);
	record->error_message = text_or_null(message->error_message);
	for (int i = 0; i < SPOTIFY_CHECK_KINDS; i++)
	{
		record->checks[i].name = text_or_null(message->checks[i].name);
		record->checks[i].detail = text_or_null(message->checks[i].detail);
	}
	(void) spotify_run_log_write(record);
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
		write_record(message);
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

/* Leaves the error to the caller; the log has it from there, if at all. */
static void
keep_error(SpotifyDurableMessage *message, MemoryContext context)
{
	ErrorData *error;

	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	FlushErrorState();
	copy_error(&message->error, error);
	AbortCurrentTransaction();
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

/* Entered by name: see start_worker in durable.c. */
void
spotify_durable_worker_main(Datum handle)
{
	ResourceOwner owner;
	dsm_segment *segment;
	SpotifyDurableMessage *message;
	ErrorContextCallback error_context = { .callback = note_termination };
	MemoryContext context;

	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();

	owner = ResourceOwnerCreate(NULL, "spotify_etl worker");
	CurrentResourceOwner = owner;
	segment = dsm_attach(DatumGetUInt32(handle));
	if (segment == NULL)
		proc_exit(0); /* the caller is gone; nothing was begun */
	dsm_pin_mapping(segment);
	message = dsm_segment_address(segment);
	if (message->is_left)
		dsm_unpin_segment(DatumGetUInt32(handle));
	error_context.arg = message;
	error_context_stack = &error_context;

	BackgroundWorkerInitializeConnectionByOid(message->database_id, InvalidOid,
											  0);
	SetUserIdAndSecContext(message->user_id, 0);
	set_options(message);

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
