/*
 * fields.h
 *		Members of a JSON object into members of a struct, by tables.
 *
 * Plain C.  A table has a rule for each field that is wanted; all others are
 * ignored.  A field that is missing, null, or of another type than its rule
 * reads leaves the struct's member as it is, which is unknown in a zeroed
 * struct.
 */
#ifndef SPOTIFY_FIELDS_H
#define SPOTIFY_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spotify/arena.h"
#include "spotify/model.h"

struct json_object;

/*
 * Reads a value, which is not null, into a struct's member.  Memory comes
 * from the arena.  Returns false when memory is out, and only then.
 */
typedef bool SpotifyFieldReader(struct json_object *value, SpotifyArena *arena,
								void *member);

/* A table ends with a rule without a name. */
typedef struct SpotifyFieldRule
{
	const char *name;		  /* of the field in JSON */
	SpotifyFieldReader *read; /* one of those below, or the table owner's */
	size_t offset;			  /* of the member, whose type the reader sets */
} SpotifyFieldRule;

/*
 * Fills the struct from the object.  What is no object has no fields.
 * Returns false when memory is out.
 */
extern bool spotify_fields_read(const SpotifyFieldRule *rules,
								struct json_object *object, SpotifyArena *arena,
								void *target);

/* const char *: the string, repaired. */
extern SpotifyFieldReader spotify_field_text;

/* const char *: the same if it can be an identifier. */
extern SpotifyFieldReader spotify_field_id;

/* SpotifyInteger: a number that is whole and has 32 bits. */
extern SpotifyFieldReader spotify_field_integer;

/*
 * The same for a reader of its own, whose numbers mean something from 0 to a
 * maximum only.  Any other leaves the member as it is.
 */
extern void spotify_field_integer_up_to(struct json_object *value,
										int32_t maximum,
										SpotifyInteger *integer);

/* SpotifyBoolean */
extern SpotifyFieldReader spotify_field_boolean;

/* SpotifyTimestamp */
extern SpotifyFieldReader spotify_field_timestamp;

/* An identifier is not empty and no longer than SPOTIFY_MAX_ID_LENGTH. */
extern bool spotify_field_is_id(const char *text);

#endif /* SPOTIFY_FIELDS_H */
