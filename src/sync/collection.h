/*
 * collection.h
 *		The saved lists that can be synced, as a table.
 *
 * A row says where a list is read and written; reading, believing and
 * reconciling it is the same for all (sync/saved.c).
 */
#ifndef SPOTIFY_COLLECTION_H
#define SPOTIFY_COLLECTION_H

#include "spotify/decode.h"
#include "store/catalog.h"
#include "store/saved_list.h"

typedef struct SpotifyCollection
{
	const char *name; /* in sync_runs */

	/* The URL of the page at an offset: malloc'd, NULL when memory is out. */
	char *(*page_url)(const char *api_url, int offset);

	SpotifyDecodeResult (*decode_page)(const char *body, size_t length,
									   SpotifySavedPage *page,
									   SpotifyDecodeProblem *problem);

	/* Adds what an entry with identity is to the catalogue. */
	void (*keep)(SpotifyCatalog *catalog, const SpotifySavedEntry *entry);

	const char *item_type; /* of an item, as in spotify:TYPE:ID */

	const SpotifySavedTable *table; /* where the list is stored */
} SpotifyCollection;

extern const SpotifyCollection spotify_collection_liked;

#endif /* SPOTIFY_COLLECTION_H */
