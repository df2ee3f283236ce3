/*
 * saved.h
 *		Reconciling a saved list at Spotify with its table.
 */
#ifndef SPOTIFY_SAVED_H
#define SPOTIFY_SAVED_H

#include "sync/collection.h"

/*
 * One run: reads the list, believes what is proven, writes what changed.
 * Returns the row of the run.  allow_mass_removal lifts the removal guard.
 */
extern Datum spotify_saved_sync(const SpotifyCollection *collection,
								const char *account, bool allow_mass_removal);

#endif /* SPOTIFY_SAVED_H */
