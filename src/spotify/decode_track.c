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
#include <strings.h>

#include "spotify/json.h"

/*
 * Most artists that are kept of one track or album; the rest is dropped.
 * Compilations credit a few hundred.  At 1,000, a page of 50 tracks writes
 * no more than 100,000 rows of artists, whatever it claims.
 */
#define MAX_ARTISTS 1000

/*
 * Numbers that mean something.  Others, of which Spotify has told some, count
 * as left out, so that they replace no number that is known.
 *
 * A local file may last days, but nothing lasts a week.  Popularity is told on
 * a scale.  Releases of thousands of tracks exist; a local file has number 0.
 */
#define MAX_DURATION_MS (7 * 24 * 3600 * 1000)
#define MAX_POPULARITY	100
#define MAX_COUNT		100000

#define URI_PREFIX		 "spotify:"
#define TRACK_URI_PREFIX URI_PREFIX "track:"
#define LOCAL_URI_PREFIX URI_PREFIX "local:"

/* SpotifyInteger: how many, or the number of one of them. */
static bool
read_count(struct json_object *value, SpotifyArena *arena, void *member)
{
	(void) arena;
	spotify_field_integer_up_to(value, MAX_COUNT, member);
	return true;
}

/* SpotifyInteger */
static bool
read_duration(struct json_object *value, SpotifyArena *arena, void *member)
{
	(void) arena;
	spotify_field_integer_up_to(value, MAX_DURATION_MS, member);
	return true;
}

/* SpotifyInteger */
static bool
read_popularity(struct json_object *value, SpotifyArena *arena, void *member)
{
	(void) arena;
	spotify_field_integer_up_to(value, MAX_POPULARITY, member);
	return true;
}

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

typedef struct Image
{
	const char *url;
	SpotifyInteger width;
} Image;

static const SpotifyFieldRule image_rules[] = {
	{ "url", spotify_field_text, offsetof(Image, url) },
	{ "width", read_count, offsetof(Image, width) },
	{ .name = NULL },
};

/* An unknown width counts as none at all. */
static bool
is_wider(const Image *image, const Image *other)
{
	return image->width.is_known &&
		   (!other->width.is_known || image->width.value > other->width.value);
}

/* const char *: the URL.  Of images as wide the first one counts. */
static bool
read_widest_image(struct json_object *value, SpotifyArena *arena, void *member)
{
	const char **url = member;
	Image widest = { 0 };
	size_t count = 0;

	if (json_object_is_type(value, json_type_array))
		count = json_object_array_length(value);
	for (size_t i = 0; i < count; i++)
	{
		Image image = { 0 };

		if (!spotify_fields_read(image_rules,
								 json_object_array_get_idx(value, i), arena,
								 &image))
			return false;
		if (image.url != NULL && image.url[0] != '\0' &&
			(widest.url == NULL || is_wider(&image, &widest)))
			widest = image;
	}
	*url = widest.url;
	return true;
}

static const SpotifyFieldRule album_rules[] = {
	{ "id", spotify_field_id, offsetof(SpotifyAlbum, id) },
	{ "name", spotify_field_text, offsetof(SpotifyAlbum, name) },
	{ "album_type", spotify_field_text, offsetof(SpotifyAlbum, album_type) },
	{ "release_date", spotify_field_text,
	  offsetof(SpotifyAlbum, release_date) },
	{ "release_date_precision", spotify_field_text,
	  offsetof(SpotifyAlbum, release_date_precision) },
	{ "total_tracks", read_count, offsetof(SpotifyAlbum, total_tracks) },
	{ "images", read_widest_image, offsetof(SpotifyAlbum, image_url) },
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
	{ "duration_ms", read_duration, offsetof(SpotifyTrack, duration_ms) },
	{ "explicit", spotify_field_boolean, offsetof(SpotifyTrack, is_explicit) },
	{ "disc_number", read_count, offsetof(SpotifyTrack, disc_number) },
	{ "track_number", read_count, offsetof(SpotifyTrack, track_number) },
	{ "external_ids", read_isrc, offsetof(SpotifyTrack, isrc) },
	{ "popularity", read_popularity, offsetof(SpotifyTrack, popularity) },
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

/* The member of that name if it is a text, else NULL. */
static const char *
text_member(struct json_object *object, const char *name)
{
	struct json_object *value = spotify_json_member(object, name);

	if (!json_object_is_type(value, json_type_string))
		return NULL;
	return json_object_get_string(value);
}

/*
 * Tells whether the value says that it is an episode or the like: by its type,
 * or, if that is no text, by its URI.
 */
static bool
is_of_other_type(struct json_object *value)
{
	const char *type = text_member(value, "type");
	const char *uri = text_member(value, "uri");

	if (type != NULL)
		return strcasecmp(type, "track") != 0;
	return starts_with(uri, URI_PREFIX) &&
		   !starts_with(uri, TRACK_URI_PREFIX) &&
		   !starts_with(uri, LOCAL_URI_PREFIX);
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
