/*
 * transaction.h
 *		Transactions of a process that makes its own, as a background worker.
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
	Oid user;
	int user_context; /* the security context */
} SpotifyTransaction;

/* The user whose rights the transactions of this process have from here on. */
extern void spotify_transaction_set_user(Oid user);

/*
 * Ends with an error each transaction of this process that takes so long from
 * here on, whatever it waits for.
 */
extern void spotify_transaction_set_limit(int limit_ms);

/* Whether that has happened: to be asked after an error, once. */
extern bool spotify_transaction_was_late(void);

/*
 * Begins a transaction with an active snapshot, in which SQL can be run.  The
 * memory context stays the caller's.  After an error the caller aborts it.
 */
extern void spotify_transaction_begin(SpotifyTransaction *transaction);

/* Waits for no standby server. */
extern void spotify_transaction_commit(const SpotifyTransaction *transaction);

/*
 * The same for what cannot be got again.  Waits for synchronous standby servers
 * too, for a few seconds: then it is committed here all the same.
 */
extern void
spotify_transaction_commit_replicated(const SpotifyTransaction *transaction);

#endif /* SPOTIFY_TRANSACTION_H */
