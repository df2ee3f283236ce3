/*
 * plays.h
 *		The listening history: the tables spotify.plays and spotify.play_gaps.
 */
#ifndef SPOTIFY_PLAYS_STORE_H
#define SPOTIFY_PLAYS_STORE_H

#include "spotify/model.h"
#include "store/stored_play.h"

/* When the newest stored play of an account ended; unknown if there is none. */
extern SpotifyTimestamp spotify_plays_newest(const char *account);

/*
 * Loads the stored plays of an account that are of the same track as one that
 * was received, and at most so many microseconds away from it.  Plays without a
 * track or a time are left out.
 */
extern SpotifyStoredPlay *spotify_plays_load_near(const char *account,
												  const SpotifyPlaysPage *page,
												  int64 distance, int *count);

/*
 * Stores the plays that are not stored yet; each has a track with an id, which
 * is in the catalogue, and a time.  Returns how many were new.
 */
extern int spotify_plays_write(const char *account, int64 run_id,
							   const SpotifyPlay *const *plays, int count);

/* Notes that plays between two points in time may be missing. */
extern void spotify_plays_write_gap(const char *account, int64 run_id,
									SpotifyTimestamp start,
									SpotifyTimestamp end);

#endif /* SPOTIFY_PLAYS_STORE_H */
