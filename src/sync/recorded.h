/*
 * recorded.h
 *		What a run does, done so that its failure can be recorded.
 */
#ifndef SPOTIFY_RECORDED_H
#define SPOTIFY_RECORDED_H

#include "sync/run.h"

/*
 * What a run does, from the login to its row, which it makes in
 * result_context and returns.  The argument is its own.
 */
typedef Datum SpotifyRunPhases(void *arg, MemoryContext result_context);

/*
 * Does the phases of a run that was begun, in a subtransaction, and returns
 * the row.  An error undoes what they wrote, is recorded with the run, names
 * it in its context and goes on to the caller.
 */
extern Datum spotify_recorded_run(SpotifyRun *run, SpotifyRunPhases *phases,
								  void *arg, MemoryContext result_context);

#endif /* SPOTIFY_RECORDED_H */
