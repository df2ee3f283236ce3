/*
 * collection.c
 *		The saved lists that can be synced, as a table.
 */
#include "postgres.h"

#include "spotify/endpoint.h"
#include "store/liked.h"
#include "sync/collection.h"

const SpotifyCollection spotify_collection_liked = {
	.name = "liked",
	.page_url = spotify_endpoint_saved_tracks,
	.decode_page = spotify_decode_saved_tracks,
	.load = spotify_liked_load,
	.write = spotify_liked_write,
};
