/*
 * liked.h
 *		Liked Songs: the tables spotify.liked_tracks, spotify.liked_events and
 *		spotify.liked_null_places.
 */
#ifndef SPOTIFY_LIKED_H
#define SPOTIFY_LIKED_H

#include "datatype/timestamp.h"

#include "store/saved_item.h"

/*
 * All rows of an account, inactive ones and places without identity too, in
 * the current memory context.  The list comes first, in its order.
 */
extern SpotifySavedItem *spotify_liked_load(const char *account, int *count);

/* Some places of the list as it was after the last run. */
extern SpotifySavedItem *spotify_liked_load_places(const char *account,
												   bool has_nulls, int first,
												   int limit, int *count);

/* How many places the list had after the last run. */
extern void spotify_liked_count_places(const char *account,
									   SpotifyPlaceCounts *counts);

/*
 * Writes changes as of a point in time, and the event of each that is one.
 * The tracks and the run must be stored already.
 */
extern void spotify_liked_write(const char *account, int64 run_id,
								TimestampTz changed_at,
								const SpotifySavedChange *changes, int count);

/* Replaces the places without identity. */
extern void spotify_liked_write_null_places(const char *account,
											const SpotifyNullPlace *places,
											int count);

#endif /* SPOTIFY_LIKED_H */
