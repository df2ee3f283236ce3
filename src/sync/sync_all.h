/*
 * sync_all.h
 *		Every collection of every enabled account, one after another.
 */
#ifndef SPOTIFY_SYNC_ALL_H
#define SPOTIFY_SYNC_ALL_H

#include "nodes/pg_list.h"

#include "sync/steps.h"

/* What became of it, in the memory context that was current. */
typedef struct SpotifySyncAll
{
	int tried;		/* runs, failed ones included */
	List *failures; /* of the failed ones: see sync_all.c */
} SpotifySyncAll;

/*
 * Runs every collection of those of the accounts (List of char *) that are
 * enabled, each in a step of its own.  One that fails is noted and does not
 * stop the others; a cancel does.
 */
extern void spotify_sync_all_run(SpotifySyncAll *all, List *accounts,
								 SpotifySteps *steps);

/*
 * Makes sure that no collection of the account is synced until the end of the
 * transaction; reports it if one is.
 */
extern void spotify_sync_all_lock(const char *account);

/*
 * Reports the failures as one error, which has the SQLSTATE and the message of
 * the first one, and all of them, with their hints, in its detail.  is_undone: what succeeded ends
 * with the transaction.
 */
extern void spotify_sync_all_report(const SpotifySyncAll *all, bool is_undone);

#endif /* SPOTIFY_SYNC_ALL_H */
