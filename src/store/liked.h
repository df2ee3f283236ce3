/*
 * liked.h
 *		Liked Songs: the tables spotify.liked_tracks and spotify.liked_events.
 */
#ifndef SPOTIFY_LIKED_H
#define SPOTIFY_LIKED_H

#include "datatype/timestamp.h"

#include "store/saved_item.h"

/* All rows of an account, inactive ones too, in the current memory context. */
extern SpotifySavedItem *spotify_liked_load(const char *account, int *count);

/*
 * Writes changes as of a point in time, and the event of each that is one.
 * The tracks and the run must be stored already.
 */
extern void spotify_liked_write(const char *account, int64 run_id,
								TimestampTz changed_at,
								const SpotifySavedChange *changes, int count);

#endif /* SPOTIFY_LIKED_H */
