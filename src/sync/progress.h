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
	int entries; /* received so far, some of them more than once */
} SpotifyProgress;

extern void spotify_progress_begin(SpotifyProgress *progress,
								   const char *collection);

/*
 * Counts entries that were received: so many of the total are done by now, which
 * is negative if not all will be read.  Raises a NOTICE from two seconds on, at
 * most once a second.
 */
extern void spotify_progress_add(SpotifyProgress *progress, int entries,
								 int done, int total);

#endif /* SPOTIFY_PROGRESS_H */
