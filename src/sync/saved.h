/*
 * saved.h
 *		Reconciling a saved list at Spotify with its table.
 */
#ifndef SPOTIFY_SAVED_H
#define SPOTIFY_SAVED_H

#include "sync/collection.h"

typedef struct SpotifySyncOptions
{
	bool full_scan;			 /* read the whole list, whatever is known */
	bool allow_mass_removal; /* lift the removal guard */
} SpotifySyncOptions;

/*
 * One run: reads the list, believes what is proven, writes what changed.
 * Returns the row of the run.
 */
extern Datum spotify_saved_sync(const SpotifyCollection *collection,
								const char *account,
								const SpotifySyncOptions *options);

#endif /* SPOTIFY_SAVED_H */
