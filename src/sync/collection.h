/*
 * collection.h
 *		The saved lists that can be synced, as a table.
 *
 * A row says where a list is read and written; reading, believing and
 * reconciling it is the same for all (sync/saved.c).
 */
#ifndef SPOTIFY_COLLECTION_H
#define SPOTIFY_COLLECTION_H

#include "datatype/timestamp.h"

#include "spotify/decode.h"
#include "store/saved_item.h"

typedef struct SpotifyCollection
{
	const char *name; /* in sync_runs */

	/* The URL of the page at an offset: malloc'd, NULL when memory is out. */
	char *(*page_url)(const char *api_url, int offset);

	SpotifyDecodeResult (*decode_page)(const char *body, size_t length,
									   SpotifySavedPage *page,
									   SpotifyDecodeProblem *problem);

	/* What is stored, and writing what changed: see store/liked.h. */
	SpotifySavedItem *(*load)(const char *account, int *count);
	SpotifySavedItem *(*load_places)(const char *account, bool has_nulls,
									 int first, int limit, int *count);
	void (*count_places)(const char *account, SpotifyPlaceCounts *counts);
	void (*write_null_places)(const char *account,
							  const SpotifyNullPlace *places, int count);
	void (*write)(const char *account, int64 run_id, TimestampTz changed_at,
				  const SpotifySavedChange *changes, int count);
} SpotifyCollection;

extern const SpotifyCollection spotify_collection_liked;

#endif /* SPOTIFY_COLLECTION_H */
