/*
 * transaction.c
 *		The transactions of a background worker.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "sync/transaction.h"

void
spotify_transaction_begin(SpotifyTransaction *transaction)
{
	transaction->context = CurrentMemoryContext;
	transaction->owner = CurrentResourceOwner;
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	MemoryContextSwitchTo(transaction->context);
}

void
spotify_transaction_commit(const SpotifyTransaction *transaction)
{
	PopActiveSnapshot();
	CommitTransactionCommand();
	MemoryContextSwitchTo(transaction->context);
	CurrentResourceOwner = transaction->owner;
}
