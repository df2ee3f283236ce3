/*
 * transaction.c
 *		Transactions of a process that makes its own, as a background worker.
 *
 * A worker is connected as a superuser.  Triggers on the tables that it writes
 * are their owner's, who need not be one: so it takes the rights of the owner
 * in a way in which they cannot be given up for others.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

#include "sync/transaction.h"

/* Longest wait for a standby server. */
#define STANDBY_LIMIT_MS 5000

static Oid transaction_user = InvalidOid;
static int transaction_limit_ms = 0;  /* 0: none */
static TimestampTz limited_until = 0; /* by that limit; 0: not at all */

void
spotify_transaction_set_user(Oid user)
{
	transaction_user = user;
}

void
spotify_transaction_set_limit(int limit_ms)
{
	transaction_limit_ms = limit_ms;
}

/* A limit that was reached cancels as pg_cancel_backend does. */
static void
begin_limit(int limit_ms)
{
	if (limit_ms <= 0)
		return;
	limited_until =
		TimestampTzPlusMilliseconds(GetCurrentTimestamp(), limit_ms);
	enable_timeout_after(STATEMENT_TIMEOUT, limit_ms);
}

/* A cancel that came too late is forgotten. */
static void
end_limit(void)
{
	if (get_timeout_indicator(STATEMENT_TIMEOUT, false))
		QueryCancelPending = false;
	disable_timeout(STATEMENT_TIMEOUT, false);
	limited_until = 0;
}

/* The server forgets that it was the timeout as soon as it has cancelled. */
bool
spotify_transaction_was_late(void)
{
	bool was_late =
		limited_until != 0 && GetCurrentTimestamp() >= limited_until;

	end_limit();
	return was_late;
}

void
spotify_transaction_begin(SpotifyTransaction *transaction)
{
	transaction->context = CurrentMemoryContext;
	transaction->owner = CurrentResourceOwner;
	StartTransactionCommand();
	GetUserIdAndSecContext(&transaction->user, &transaction->user_context);
	SetUserIdAndSecContext(transaction_user, transaction->user_context |
												 SECURITY_LOCAL_USERID_CHANGE |
												 SECURITY_RESTRICTED_OPERATION);
	begin_limit(transaction_limit_ms);
	PushActiveSnapshot(GetTransactionSnapshot());
	MemoryContextSwitchTo(transaction->context);
}

static void
leave(const SpotifyTransaction *transaction)
{
	SetUserIdAndSecContext(transaction->user, transaction->user_context);
	MemoryContextSwitchTo(transaction->context);
	CurrentResourceOwner = transaction->owner;
}

void
spotify_transaction_commit(const SpotifyTransaction *transaction)
{
	PopActiveSnapshot();
	CommitTransactionCommand();
	end_limit();
	leave(transaction);
}

/*
 * A cancel does not undo a commit that waits for a standby: it ends the wait,
 * and the server logs that.
 */
void
spotify_transaction_commit_replicated(const SpotifyTransaction *transaction)
{
	end_limit();
	SetConfigOption("synchronous_commit", "on", PGC_USERSET, PGC_S_SESSION);
	begin_limit(STANDBY_LIMIT_MS);
	spotify_transaction_commit(transaction);
	SetConfigOption("synchronous_commit", "local", PGC_USERSET, PGC_S_SESSION);
}
