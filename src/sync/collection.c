/*
 * collection.c
 *		The saved lists that can be synced, as a table.
 */
#include "postgres.h"

#include "spotify/endpoint.h"
#include "store/liked.h"
#include "sync/collection.h"

static void
keep_track(SpotifyCatalog *catalog, const SpotifySavedEntry *entry)
{
	spotify_catalog_add_track(catalog, &entry->track);
}

const SpotifyCollection spotify_collection_liked = {
	.name = "liked",
	.page_url = spotify_endpoint_saved_tracks,
	.decode_page = spotify_decode_saved_tracks,
	.keep = keep_track,
	.item_type = "track",
	.table = &spotify_liked_table,
};
