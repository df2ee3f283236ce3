/*
 * plays.h
 *		Adding the last plays that Spotify knows to the listening history.
 */
#ifndef SPOTIFY_PLAYS_H
#define SPOTIFY_PLAYS_H

#include "spotify/model.h"

/* The collection, in sync_runs. */
#define SPOTIFY_PLAYS_COLLECTION "recently_played"

/*
 * One run: one request, and what is new of its answer is stored.  Plays before
 * since, if that is known, are left out.  Returns the row of the run.
 */
extern Datum spotify_plays_sync(const char *account, SpotifyTimestamp since);

#endif /* SPOTIFY_PLAYS_H */
