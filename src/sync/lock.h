/*
 * lock.h
 *		Locks of our own, which no user's advisory lock can collide with.
 *
 * Heavyweight locks: pg_locks shows them, they end with their owner, and
 * waiting for one can be cancelled.
 */
#ifndef SPOTIFY_LOCK_H
#define SPOTIFY_LOCK_H

/* What a name locks is a matter of convention: these, or a collection. */
#define SPOTIFY_LOCK_TOKEN		 "token"
#define SPOTIFY_LOCK_TOKEN_QUEUE "token queue"

/* The account of a lock that is of none. */
#define SPOTIFY_LOCK_OF_ALL ""

/* Of all accounts: drawing the number of a run. */
#define SPOTIFY_LOCK_RUN_NUMBER "run number"

/*
 * Takes the lock until the end of the transaction, if nobody else has it.
 * Returns false if somebody does.
 */
extern bool spotify_lock_try(const char *account, const char *name);

/* Waits for the lock, until the end of the transaction or its release. */
extern void spotify_lock_wait(const char *account, const char *name);

extern void spotify_lock_release(const char *account, const char *name);

/*
 * Waits for the lock, until the end of the process; some minutes at most.  For
 * workers, whose errors end them.
 */
extern void spotify_lock_wait_session(const char *account, const char *name);

/*
 * Until the end of the transaction: shared by all who write to the catalogue,
 * so that nothing is deleted that somebody is about to refer to.
 */
extern void spotify_lock_catalog(void);

/* Tries of spotify_lock_catalog_alone, in all. */
#define SPOTIFY_LOCK_CATALOG_ALONE_SECONDS 5

/*
 * The same for who deletes what nobody uses, alone.  It does not queue, since
 * all who write to the catalogue would wait behind it, but tries for some
 * seconds.  Returns false if there was somebody else all the time.
 */
extern bool spotify_lock_catalog_alone(void);

#endif /* SPOTIFY_LOCK_H */
