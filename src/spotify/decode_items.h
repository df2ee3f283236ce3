/*
 * decode_items.h
 *		The entries of a page, which all pages have in the same place.
 *
 * Plain C.
 */
#ifndef SPOTIFY_DECODE_ITEMS_H
#define SPOTIFY_DECODE_ITEMS_H

#include "spotify/decode.h"

struct json_object;

/*
 * Finds "items", an array of count entries that is valid as long as the root.
 * A body without it, or with more than 10,000 entries, is refused.
 */
extern SpotifyDecodeResult spotify_decode_items(struct json_object *root,
												struct json_object **items,
												int *count,
												SpotifyDecodeProblem *problem);

#endif /* SPOTIFY_DECODE_ITEMS_H */
