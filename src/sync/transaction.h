/*
 * transaction.h
 *		The transactions of a background worker.
 *
 * Between two of them a worker keeps what it knows, and waits for Spotify: so
 * they leave memory context and resource owner as they found them.
 */
#ifndef SPOTIFY_TRANSACTION_H
#define SPOTIFY_TRANSACTION_H

#include "utils/resowner.h"

/* What to go back to. */
typedef struct SpotifyTransaction
{
	MemoryContext context;
	ResourceOwner owner;
} SpotifyTransaction;

/*
 * Begins a transaction with an active snapshot, in which SQL can be run.  The
 * memory context stays the caller's.  After an error the caller aborts it.
 */
extern void spotify_transaction_begin(SpotifyTransaction *transaction);

extern void spotify_transaction_commit(const SpotifyTransaction *transaction);

#endif /* SPOTIFY_TRANSACTION_H */
