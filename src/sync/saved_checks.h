/*
 * saved_checks.h
 *		The quality checks of a run over a saved list.
 */
#ifndef SPOTIFY_SAVED_CHECKS_H
#define SPOTIFY_SAVED_CHECKS_H

#include "sync/list_reader.h"
#include "sync/proof.h"
#include "sync/run.h"

/*
 * Adds the results to the run, and raises an error (22000) if a check failed
 * that must pass.  The proof is all zero if nothing was to be proven.
 */
extern void spotify_saved_check(SpotifyRun *run,
								const SpotifyListReading *reading,
								const SpotifySavedPlan *plan,
								const SpotifyProof *proof);

#endif /* SPOTIFY_SAVED_CHECKS_H */
