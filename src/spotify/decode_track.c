/*
 * decode_track.c
 *		Tracks, with their albums and artists, out of JSON.
 *
 * Plain C.  What is read of each object stands in its table; what a table
 * cannot say (which image, whose identity) is in the reader below it.
 */
#include "spotify/decode_track.h"

#include <json-c/json.h>
#include <string.h>

#include "spotify/json.h"

/*
 * Most artists that are kept of one track or album; the rest is dropped.
 * Compilations credit a few hundred.  At 1,000, a page of 50 tracks writes
 * no more than 100,000 rows of artists, whatever it claims.
 */
#define MAX_ARTISTS 1000

#define TRACK_URI_PREFIX "spotify:track:"
#define LOCAL_URI_PREFIX "spotify:local:"

static const SpotifyFieldRule artist_rules[] = {
	{ "id", spotify_field_id, offsetof(SpotifyArtist, id) },
	{ "name", spotify_field_text, offsetof(SpotifyArtist, name) },
	{ .name = NULL },
};

/* SpotifyArtistList: keeps the place of an entry that is no artist. */
static bool
read_artists(struct json_object *value, SpotifyArena *arena, void *member)
{
	SpotifyArtistList *list = member;
	size_t count;
	size_t i;

	if (!json_object_is_type(value, json_type_array))
		return true;
	count = json_object_array_length(value);
	if (count > MAX_ARTISTS)
		count = MAX_ARTISTS;

	list->artists = spotify_arena_alloc(arena, count * sizeof(SpotifyArtist));
	if (list->artists == NULL)
		return false;
	list->is_known = true;
	list->count = (int) count;
	for (i = 0; i < count; i++)
	{
		if (!spotify_fields_read(artist_rules,
								 json_object_array_get_idx(value, i), arena,
								 &list->artists[i]))
			return false;
	}
	return true;
}

static const SpotifyFieldRule image_rules[] = {
	{ "url", spotify_field_text, 0 },
	{ .name = NULL },
};

/* const char *: the URL. */
static bool
read_first_image(struct json_object *value, SpotifyArena *arena, void *member)
{
	if (!json_object_is_type(value, json_type_array))
		return true;
	return spotify_fields_read(image_rules, json_object_array_get_idx(value, 0),
							   arena, member);
}

static const SpotifyFieldRule album_rules[] = {
	{ "id", spotify_field_id, offsetof(SpotifyAlbum, id) },
	{ "name", spotify_field_text, offsetof(SpotifyAlbum, name) },
	{ "album_type", spotify_field_text, offsetof(SpotifyAlbum, album_type) },
	{ "release_date", spotify_field_text,
	  offsetof(SpotifyAlbum, release_date) },
	{ "release_date_precision", spotify_field_text,
	  offsetof(SpotifyAlbum, release_date_precision) },
	{ "total_tracks", spotify_field_integer,
	  offsetof(SpotifyAlbum, total_tracks) },
	{ "images", read_first_image, offsetof(SpotifyAlbum, image_url) },
	{ "artists", read_artists, offsetof(SpotifyAlbum, artists) },
	{ .name = NULL },
};

static bool
read_album(struct json_object *value, SpotifyArena *arena, void *member)
{
	return spotify_fields_read(album_rules, value, arena, member);
}

static const SpotifyFieldRule external_id_rules[] = {
	{ "isrc", spotify_field_text, 0 },
	{ .name = NULL },
};

/* const char * */
static bool
read_isrc(struct json_object *value, SpotifyArena *arena, void *member)
{
	return spotify_fields_read(external_id_rules, value, arena, member);
}

static const SpotifyFieldRule track_rules[] = {
	{ "id", spotify_field_id, offsetof(SpotifyTrack, id) },
	{ "name", spotify_field_text, offsetof(SpotifyTrack, name) },
	{ "album", read_album, offsetof(SpotifyTrack, album) },
	{ "artists", read_artists, offsetof(SpotifyTrack, artists) },
	{ "duration_ms", spotify_field_integer,
	  offsetof(SpotifyTrack, duration_ms) },
	{ "explicit", spotify_field_boolean, offsetof(SpotifyTrack, is_explicit) },
	{ "disc_number", spotify_field_integer,
	  offsetof(SpotifyTrack, disc_number) },
	{ "track_number", spotify_field_integer,
	  offsetof(SpotifyTrack, track_number) },
	{ "external_ids", read_isrc, offsetof(SpotifyTrack, isrc) },
	{ "popularity", spotify_field_integer, offsetof(SpotifyTrack, popularity) },
	{ "is_local", spotify_field_boolean, offsetof(SpotifyTrack, is_local) },
	{ "uri", spotify_field_text, offsetof(SpotifyTrack, uri) },
	{ .name = NULL },
};

/* The track that a relinked one stands in for. */
typedef struct LinkedTrack
{
	const char *id;
	const char *uri;
} LinkedTrack;

static const SpotifyFieldRule linked_track_rules[] = {
	{ "id", spotify_field_id, offsetof(LinkedTrack, id) },
	{ "uri", spotify_field_text, offsetof(LinkedTrack, uri) },
	{ .name = NULL },
};

static bool
starts_with(const char *text, const char *prefix)
{
	return text != NULL && strncmp(text, prefix, strlen(prefix)) == 0;
}

/* The part of a track's URI that is its id.  NULL if there is none. */
static const char *
id_in_uri(const char *uri)
{
	const char *id;

	if (!starts_with(uri, TRACK_URI_PREFIX))
		return NULL;
	id = uri + strlen(TRACK_URI_PREFIX);
	return spotify_field_is_id(id) ? id : NULL;
}

/* A local file is in no catalogue; its URI is all that identifies it. */
static const char *
id_of_local_file(const char *uri)
{
	if (!starts_with(uri, LOCAL_URI_PREFIX) || !spotify_field_is_id(uri))
		return NULL;
	return uri;
}

/* Sets the id and URI of a track as it was read.  The id may stay NULL. */
static void
identify(SpotifyTrack *track, const LinkedTrack *linked)
{
	const char *linked_id = linked->id;

	/* linked_from has been seen with an id of null and a usable URI. */
	if (linked_id == NULL)
		linked_id = id_in_uri(linked->uri);

	if (linked_id != NULL)
	{
		track->id = linked_id;
		track->uri = linked->uri;
	}
	if (track->id == NULL)
		track->id = id_in_uri(track->uri);
	if (track->id == NULL)
		track->id = id_of_local_file(track->uri);
}

/* Gives a track that came without a URI the one of its id. */
static bool
complete_uri(SpotifyTrack *track, SpotifyArena *arena)
{
	const size_t prefix_length = strlen(TRACK_URI_PREFIX);
	char *uri;

	if (track->uri != NULL && track->uri[0] != '\0')
		return true;

	uri = spotify_arena_alloc(arena, prefix_length + strlen(track->id) + 1);
	if (uri == NULL)
		return false;
	memcpy(uri, TRACK_URI_PREFIX, prefix_length);
	memcpy(uri + prefix_length, track->id, strlen(track->id));
	track->uri = uri;
	return true;
}

/* Tells whether the value says itself that it is an episode or the like. */
static bool
is_of_other_type(struct json_object *value)
{
	struct json_object *type = spotify_json_member(value, "type");

	if (type == NULL)
		return false;
	return !json_object_is_type(type, json_type_string) ||
		   strcmp(json_object_get_string(type), "track") != 0;
}

bool
spotify_decode_track(struct json_object *value, SpotifyArena *arena,
					 void *member)
{
	SpotifyTrack *track = member;
	LinkedTrack linked = { 0 };

	if (is_of_other_type(value))
		return true;
	if (!spotify_fields_read(track_rules, value, arena, track) ||
		!spotify_fields_read(linked_track_rules,
							 spotify_json_member(value, "linked_from"), arena,
							 &linked))
		return false;

	identify(track, &linked);
	if (track->id == NULL)
	{
		memset(track, 0, sizeof(*track));
		return true;
	}
	return complete_uri(track, arena);
}
