/*
 * recording.h
 *		The record of a failed run, on its way into the log.
 *
 * A background worker writes it, whatever becomes of the one who asked: once it
 * is asked for, the record comes once.  Where no worker is to be had any more,
 * because the server is being stopped, the ending process writes it itself.
 */
#ifndef SPOTIFY_RECORDING_H
#define SPOTIFY_RECORDING_H

#include "nodes/pg_list.h"

#include "store/run_log.h"

typedef struct SpotifyRecording SpotifyRecording;

/*
 * Asks a worker with the rights of the user to write the row of a run with its
 * checks, and that no account of this one's client id may send a request before
 * retry_after, unless that is 0.  If hurried, waits for nothing longer than a
 * tenth of a second.  Raises an error if there is no slot for a worker.  The
 * recording lives as long as the current memory context.
 */
extern SpotifyRecording *spotify_recording_begin(const SpotifyRunRecord *record,
												 TimestampTz retry_after,
												 Oid user, bool is_hurried);

/*
 * Waits until it is written, some seconds at most, or half of one if hurried.
 * Returns false if the worker needs longer, which goes on with it.  Raises an
 * error if it cannot be written.
 */
extern bool spotify_recording_await(SpotifyRecording *recording);

/*
 * The same as spotify_recording_begin for a process that is ending.  Raises
 * nothing, since spotify_recordings_end sees to what has no worker.
 */
extern SpotifyRecording *
spotify_recording_begin_at_exit(const SpotifyRunRecord *record,
								TimestampTz retry_after, Oid user);

/*
 * For a process that is ending: sees to it that each of these comes (List of
 * SpotifyRecording *).  Ends the transaction that is under way if it has to
 * write one itself.
 */
extern void spotify_recordings_end(List *recordings);

#endif /* SPOTIFY_RECORDING_H */
