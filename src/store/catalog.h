/*
 * catalog.h
 *		The catalogue: artists, albums, tracks and who made them.
 *
 * A batch collects what was received, each artist, album and track once, and
 * writes it by one statement for each table.  Mentions of the same one
 * complete one another; where they differ, the first one counts.  What is
 * stored already and did not change is not touched.  A field that Spotify left
 * out keeps its last known value: apps in development mode see fewer fields
 * than others.
 */
#ifndef SPOTIFY_CATALOG_H
#define SPOTIFY_CATALOG_H

#include "spotify/model.h"

typedef struct SpotifyCatalog SpotifyCatalog;

/* Lives in a memory context of its own below the current one. */
extern SpotifyCatalog *spotify_catalog_create(void);

/* Copies all that it needs.  The track must have an id. */
extern void spotify_catalog_add_track(SpotifyCatalog *catalog,
									  const SpotifyTrack *track);

/* Writes the batch, under spotify_lock_catalog. */
extern void spotify_catalog_write(SpotifyCatalog *catalog);

extern void spotify_catalog_release(SpotifyCatalog *catalog);

#endif /* SPOTIFY_CATALOG_H */
