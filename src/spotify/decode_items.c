/*
 * decode_items.c
 *		The entries of a page, which all pages have in the same place.
 *
 * Plain C.
 */
#include "spotify/decode_items.h"

#include <json-c/json.h>

#include "spotify/json.h"
#include "spotify/refusal.h"

/*
 * Most entries that one page may have.  Spotify sends 50; the bound keeps the
 * memory for a page of nulls in proportion to its body.
 */
#define MAX_PAGE_ENTRIES 10000

SpotifyDecodeResult
spotify_decode_items(struct json_object *root, struct json_object **items,
					 int *count, SpotifyDecodeProblem *problem)
{
	if (!json_object_is_type(root, json_type_object))
		return spotify_refuse_wrong_shape(problem, "the body is not an object");

	*items = spotify_json_member(root, "items");
	if (!json_object_is_type(*items, json_type_array))
		return spotify_refuse_wrong_shape(problem, "\"items\" is not an array");
	if (json_object_array_length(*items) > MAX_PAGE_ENTRIES)
		return spotify_refuse_wrong_shape(
			problem, "\"items\" has more than %d entries", MAX_PAGE_ENTRIES);
	*count = (int) json_object_array_length(*items);
	return SPOTIFY_DECODE_OK;
}
