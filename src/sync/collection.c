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
	.load_places = spotify_liked_load_places,
	.count_places = spotify_liked_count_places,
	.write_null_places = spotify_liked_write_null_places,
	.write = spotify_liked_write,
};
