/*
 * steps.h
 *		The work of a procedure, in steps, with a commit after each.
 *
 * A procedure that commits can neither be SECURITY DEFINER nor carry SET.  So
 * the steps take what these would give: the rights of the procedure's owner
 * and a safe search_path.
 */
#ifndef SPOTIFY_STEPS_H
#define SPOTIFY_STEPS_H

#include "fmgr.h"

typedef struct SpotifySteps
{
	/*
	 * Nothing is committed: the procedure was called in a transaction block,
	 * by a function or in a block with EXCEPTION.
	 */
	bool is_atomic;
	Oid owner;			/* whose rights are taken */
	Oid caller;			/* these three are what to go back to */
	int caller_context; /* the security context */
	int nest_level;		/* of settings */
} SpotifySteps;

/*
 * Begins the first step of the procedure that was called so.  The current
 * memory context must outlive the procedure's transactions, as that of a CALL
 * does.
 */
extern void spotify_steps_begin(SpotifySteps *steps, FunctionCallInfo fcinfo);

/*
 * Commits what was done and begins the next step, in a transaction without a
 * snapshot.  Must not be called in a subtransaction of the procedure's.
 */
extern void spotify_steps_next(SpotifySteps *steps);

/*
 * Commits what was done and gives everything back.  After an error it need not
 * be called: the end of the transaction, or of the caller's subtransaction,
 * does the same.
 */
extern void spotify_steps_end(SpotifySteps *steps);

#endif /* SPOTIFY_STEPS_H */
