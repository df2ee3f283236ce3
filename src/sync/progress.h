/*
 * progress.h
 *		Telling the caller how far a long run has come.
 */
#ifndef SPOTIFY_PROGRESS_H
#define SPOTIFY_PROGRESS_H

#include "datatype/timestamp.h"

typedef struct SpotifyProgress
{
	const char *collection;
	TimestampTz started_at;
	TimestampTz told_at;
	int entries; /* received so far */
} SpotifyProgress;

extern void spotify_progress_begin(SpotifyProgress *progress,
								   const char *collection);

/*
 * Counts entries that were received; left is how many are still to come, or
 * negative if that is not known.  Raises a NOTICE from two seconds on, at most
 * once a second.
 */
extern void spotify_progress_add(SpotifyProgress *progress, int entries,
								 int left);

#endif /* SPOTIFY_PROGRESS_H */
