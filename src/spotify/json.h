/*
 * json.h
 *		A body as one JSON document of json-c.
 *
 * Plain C.
 */
#ifndef SPOTIFY_JSON_H
#define SPOTIFY_JSON_H

#include <stdbool.h>
#include <stddef.h>

#include "spotify/decode.h"

struct json_object;

/*
 * Parses a body that must be one document, strictly by RFC 8259, and nothing
 * else.  A member whose name has U+0000 gets an empty name.  The caller gives
 * the root to json_object_put if and only if the result is SPOTIFY_DECODE_OK.
 * A root of NULL is json-c's null.
 */
extern SpotifyDecodeResult spotify_json_parse(const char *body, size_t length,
											  struct json_object **root,
											  SpotifyDecodeProblem *problem);

/*
 * Tells whether the body could be the beginning of a document, of which the
 * rest did not arrive.  That holds for an empty one, and a NULL one is empty.
 */
extern bool spotify_json_is_cut(const char *body, size_t length);

/* Reads what a document says into what is decoded from it. */
typedef SpotifyDecodeResult SpotifyJsonReader(struct json_object *root,
											  void *target,
											  SpotifyDecodeProblem *problem);

/* Parses a body, and reads it into the target if it is a document. */
extern SpotifyDecodeResult spotify_json_decode(const char *body, size_t length,
											   SpotifyJsonReader *reader,
											   void *target,
											   SpotifyDecodeProblem *problem);

/* The member of that name; NULL if it is missing, null, or object is none. */
extern struct json_object *spotify_json_member(struct json_object *object,
											   const char *name);

/*
 * Tells whether the value is a string, and if so gives its bytes, which are
 * the value's and may be malformed or hold NULs.
 */
extern bool spotify_json_string(struct json_object *value, const char **text,
								size_t *length);

/* Tells whether the value is a number, infinite ones and NaN too. */
extern bool spotify_json_number(struct json_object *value, double *number);

#endif /* SPOTIFY_JSON_H */
