/*
 * run.h
 *		One run of a sync: its lock, its counters and its row in the log.
 */
#ifndef SPOTIFY_RUN_H
#define SPOTIFY_RUN_H

#include "spotify/exchange.h"
#include "store/run_log.h"
#include "sync/recording.h"

typedef struct SpotifyRun
{
	SpotifyRunRecord record;
	SpotifyTraffic traffic;		 /* goes to the record when the run finishes */
	Oid user;					 /* whose rights it has */
	bool has_failed;			 /* the record says how */
	SpotifyRecording *recording; /* of that; NULL: not under way */
	struct SpotifyRun *outer;	 /* within which this one was called */
} SpotifyRun;

/*
 * Makes sure that nobody else works on the account's collection until the
 * end of the transaction; reports it if somebody does.
 */
extern void spotify_run_lock(const char *account, const char *collection);

/*
 * Takes the lock and begins a run, which ends with the current memory context:
 * a trigger that is fired until then cannot begin the same again.
 */
extern void spotify_run_begin(SpotifyRun *run, const char *account,
							  const char *collection, const char *mode);

/*
 * Draws the number of a run, unless it has one.  Not before something is
 * written: it can give the transaction an id, which would hold back VACUUM
 * while Spotify is waited for.
 */
extern void spotify_run_number(SpotifyRunRecord *record);

/*
 * Writes the row of a run that did not fail; message says why it is partial,
 * or is NULL.  Returns the row.
 */
extern Datum spotify_run_finish(SpotifyRun *run, const char *partial_because);

/*
 * Writes the row of a run that failed with an error, and the end of the rate
 * limit if that was the cause, by a transaction of its own.  Warns if it was
 * not possible.  Raises no error but that of a cancel, which must end the call.
 * Must be called in a state in which SQL could be run.
 */
extern void spotify_run_fail(SpotifyRun *run, const ErrorData *error);

#endif /* SPOTIFY_RUN_H */
