/*
 * test_decode_track.c
 *		Who a track is, and what is read of it, its album and its artists.
 */
#include "spotify/decode_track.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "spotify/json.h"
#include "tap.h"

/* Reads a track, whose texts last as long as the arena. */
static SpotifyTrack
read_track(const char *body, SpotifyArena *arena)
{
	SpotifyTrack track = { 0 };
	SpotifyDecodeProblem problem;
	struct json_object *root;

	if (spotify_json_parse(body, strlen(body), &root, &problem) !=
		SPOTIFY_DECODE_OK)
	{
		tap_ok(false, "%s: %s", body, problem.text);
		return track;
	}
	if (root != NULL && !spotify_decode_track(root, arena, &track))
		tap_ok(false, "memory is out");
	json_object_put(root);
	return track;
}

/* A NULL id means that the track has no identity. */
static void
identity_is(const char *body, const char *id, const char *uri, const char *name)
{
	SpotifyArena arena = { 0 };
	SpotifyTrack track = read_track(body, &arena);

	tap_is_str(track.id, id, "%s: id", name);
	tap_is_str(track.uri, uri, "%s: URI", name);
	spotify_arena_release(&arena);
}

static void
test_identity(void)
{
	identity_is("{\"id\": \"A\", \"uri\": \"spotify:track:A\"}", "A",
				"spotify:track:A", "id and URI");
	identity_is("{\"id\": \"A\"}", "A", "spotify:track:A", "no URI");
	identity_is("{\"id\": \"A\", \"uri\": null}", "A", "spotify:track:A",
				"a null URI");
	identity_is("{\"id\": \"A\", \"uri\": \"\"}", "A", "spotify:track:A",
				"an empty URI");
	identity_is("{\"id\": null, \"uri\": \"spotify:track:A\"}", "A",
				"spotify:track:A", "a null id");
	identity_is("{\"id\": \"\", \"uri\": \"spotify:track:A\"}", "A",
				"spotify:track:A", "an empty id");
	identity_is("{\"id\": 5, \"uri\": \"spotify:track:A\"}", "A",
				"spotify:track:A", "a number as id");
	identity_is("{\"id\": \"A\", \"type\": \"track\"}", "A", "spotify:track:A",
				"type track");
	identity_is("{\"id\": \"A\", \"type\": null}", "A", "spotify:track:A",
				"type null");
	identity_is("{\"id\": \"A\", \"type\": \"Track\"}", "A", "spotify:track:A",
				"a type in other letters");
	identity_is("{\"id\": \"A\", \"type\": 1}", "A", "spotify:track:A",
				"a type that is a number");
	identity_is("{\"id\": \"A\", \"type\": [\"episode\"]}", "A",
				"spotify:track:A", "a type that is an array");
	identity_is("{\"id\": \"A\", \"type\": \"track\","
				" \"uri\": \"spotify:episode:A\"}",
				"A", "spotify:episode:A", "a type that the URI contradicts");
}

static void
test_no_identity(void)
{
	identity_is("{}", NULL, NULL, "nothing");
	identity_is("[]", NULL, NULL, "an array");
	identity_is("\"A\"", NULL, NULL, "a string");
	identity_is("{\"name\": \"Gone\", \"id\": null, \"uri\": null}", NULL, NULL,
				"nulls");
	identity_is("{\"uri\": \"spotify:track:\"}", NULL, NULL, "an empty URI");
	identity_is("{\"uri\": \"spotify:episode:A\"}", NULL, NULL,
				"the URI of something else");
	identity_is("{\"id\": \"A\", \"type\": \"episode\"}", NULL, NULL,
				"an episode");
	identity_is("{\"id\": \"A\", \"type\": \"Episode\"}", NULL, NULL,
				"an episode in other letters");
	identity_is("{\"id\": \"A\", \"type\": \"tracks\"}", NULL, NULL,
				"a longer type");
	identity_is("{\"id\": \"A\", \"uri\": \"spotify:episode:A\"}", NULL, NULL,
				"a missing type, and the URI of an episode");
	identity_is("{\"id\": \"A\", \"type\": 1, \"uri\": \"spotify:episode:A\"}",
				NULL, NULL, "a type that is a number, and that URI");
}

static void
test_nothing_is_left_without_identity(void)
{
	static const SpotifyTrack zeroed;
	SpotifyArena arena = { 0 };
	SpotifyTrack track = read_track(
		"{\"name\": \"Gone\", \"album\": {\"id\": \"B\"}, \"duration_ms\": 1}",
		&arena);

	tap_ok(memcmp(&track, &zeroed, sizeof(track)) == 0,
		   "a track without identity says nothing");
	spotify_arena_release(&arena);
}

static void
test_local_file(void)
{
	const char *uri = "spotify:local:Uncle+Bertram:Attic+Tapes:Side+B:154";

	identity_is("{\"id\": null, \"is_local\": true, \"uri\": "
				"\"spotify:local:Uncle+Bertram:Attic+Tapes:Side+B:154\"}",
				uri, uri, "a local file");
	identity_is("{\"uri\": "
				"\"spotify:local:Uncle+Bertram:Attic+Tapes:Side+B:154\"}",
				uri, uri, "a local file that does not say so");
	identity_is("{\"id\": null, \"is_local\": true}", NULL, NULL,
				"a local file without URI");
}

static void
test_local_file_with_long_uri(void)
{
	SpotifyArena arena = { 0 };
	char body[SPOTIFY_MAX_ID_LENGTH + 100];

	snprintf(body, sizeof(body), "{\"uri\": \"spotify:local:%0*d\"}",
			 SPOTIFY_MAX_ID_LENGTH - (int) strlen("spotify:local:"), 0);
	tap_ok(read_track(body, &arena).id != NULL, "the longest URI is an id");
	snprintf(body, sizeof(body), "{\"uri\": \"spotify:local:%0*d\"}",
			 SPOTIFY_MAX_ID_LENGTH - (int) strlen("spotify:local:") + 1, 0);
	tap_ok(read_track(body, &arena).id == NULL, "a longer one is none");
	spotify_arena_release(&arena);
}

static void
test_relinking(void)
{
	identity_is("{\"id\": \"B\", \"uri\": \"spotify:track:B\", \"linked_from\":"
				" {\"id\": \"A\", \"uri\": \"spotify:track:A\"}}",
				"A", "spotify:track:A", "relinked");
	identity_is("{\"id\": \"B\", \"uri\": \"spotify:track:B\", \"linked_from\":"
				" {\"id\": \"A\"}}",
				"A", "spotify:track:A", "relinked without URI");
	identity_is("{\"id\": \"B\", \"uri\": \"spotify:track:B\", \"linked_from\":"
				" {\"id\": \"A\", \"uri\": \"\"}}",
				"A", "spotify:track:A", "relinked with an empty URI");
	identity_is("{\"id\": \"B\", \"uri\": \"spotify:track:B\", \"linked_from\":"
				" {\"id\": null, \"uri\": \"spotify:track:A\"}}",
				"A", "spotify:track:A", "relinked without id");
	identity_is("{\"id\": \"B\", \"uri\": \"spotify:track:B\", \"linked_from\":"
				" {\"id\": \"\", \"uri\": \"spotify:track:\"}}",
				"B", "spotify:track:B", "linked_from with empty texts");
	identity_is("{\"id\": \"B\", \"uri\": \"spotify:track:B\", \"linked_from\":"
				" {}}",
				"B", "spotify:track:B", "linked_from without anything");
	identity_is("{\"id\": \"B\", \"uri\": \"spotify:track:B\", \"linked_from\":"
				" null}",
				"B", "spotify:track:B", "linked_from null");
	identity_is("{\"id\": \"B\", \"uri\": \"spotify:track:B\", \"linked_from\":"
				" \"A\"}",
				"B", "spotify:track:B", "linked_from of another type");
	identity_is("{\"id\": null, \"linked_from\": {\"id\": \"A\"}}", "A",
				"spotify:track:A", "relinked, itself without id");
}

static void
test_track(void)
{
	SpotifyArena arena = { 0 };
	SpotifyTrack track = read_track(
		"{\"id\": \"A\", \"name\": \"Fog Signal\", \"duration_ms\": 215400,"
		" \"explicit\": true, \"disc_number\": 1, \"track_number\": 3,"
		" \"external_ids\": {\"isrc\": \"XXTST2400001\", \"ean\": \"1\"},"
		" \"popularity\": 41, \"is_local\": false, \"brand_new\": [1]}",
		&arena);

	tap_is_str(track.name, "Fog Signal", "name");
	tap_is_int(track.duration_ms.value, 215400, "duration_ms");
	tap_ok(track.is_explicit.is_known && track.is_explicit.value, "explicit");
	tap_is_int(track.disc_number.value, 1, "disc_number");
	tap_is_int(track.track_number.value, 3, "track_number");
	tap_is_str(track.isrc, "XXTST2400001", "isrc");
	tap_is_int(track.popularity.value, 41, "popularity");
	tap_ok(track.is_local.is_known && !track.is_local.value, "is_local");
	spotify_arena_release(&arena);
}

/* Every field of another type than promised; the id alone is right. */
static void
test_odd_track(void)
{
	SpotifyArena arena = { 0 };
	SpotifyTrack track = read_track(
		"{\"id\": \"A\", \"name\": 5, \"album\": [], \"artists\": {},"
		" \"duration_ms\": {\"totalMilliseconds\": 188000},"
		" \"explicit\": \"no\", \"disc_number\": \"1\", \"track_number\": 1.5,"
		" \"external_ids\": \"XXTST2400001\", \"popularity\": 1e300,"
		" \"is_local\": 0, \"uri\": {}}",
		&arena);

	tap_is_str(track.id, "A", "odd fields leave the identity alone");
	tap_is_str(track.name, NULL, "odd name");
	tap_is_str(track.album.id, NULL, "odd album");
	tap_ok(!track.artists.is_known, "odd artists");
	tap_ok(!track.duration_ms.is_known, "odd duration_ms");
	tap_ok(!track.is_explicit.is_known, "odd explicit");
	tap_ok(!track.disc_number.is_known, "odd disc_number");
	tap_ok(!track.track_number.is_known, "odd track_number");
	tap_is_str(track.isrc, NULL, "odd external_ids");
	tap_ok(!track.popularity.is_known, "odd popularity");
	tap_ok(!track.is_local.is_known, "odd is_local");
	tap_is_str(track.uri, "spotify:track:A", "odd uri");
	spotify_arena_release(&arena);
}

/* The number of a field that has this text; -1 if it is unknown. */
static int32_t
read_number(const char *field, const char *text)
{
	SpotifyArena arena = { 0 };
	char body[200];
	SpotifyTrack track;
	int32_t value = -1;

	snprintf(body, sizeof(body),
			 "{\"id\": \"A\", \"%s\": %s, \"album\": {\"%s\": %s}}", field,
			 text, field, text);
	track = read_track(body, &arena);
	if (track.duration_ms.is_known)
		value = track.duration_ms.value;
	if (track.disc_number.is_known)
		value = track.disc_number.value;
	if (track.track_number.is_known)
		value = track.track_number.value;
	if (track.popularity.is_known)
		value = track.popularity.value;
	if (track.album.total_tracks.is_known)
		value = track.album.total_tracks.value;
	spotify_arena_release(&arena);
	return value;
}

static void
test_ranges(void)
{
	static const struct
	{
		const char *field;
		int32_t maximum;
	} ranges[] = {
		{ "duration_ms", 604800000 }, { "popularity", 100 },
		{ "disc_number", 100000 },	  { "track_number", 100000 },
		{ "total_tracks", 100000 },
	};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
	{
		const char *field = ranges[i].field;
		int32_t maximum = ranges[i].maximum;
		char text[20];

		tap_is_int(read_number(field, "0"), 0, "%s 0", field);
		snprintf(text, sizeof(text), "%d", maximum);
		tap_is_int(read_number(field, text), maximum, "%s %d", field, maximum);
		snprintf(text, sizeof(text), "%d", maximum + 1);
		tap_is_int(read_number(field, text), -1, "%s %s is unknown", field,
				   text);
		tap_is_int(read_number(field, "-1"), -1, "%s -1 is unknown", field);
		tap_is_int(read_number(field, "-98115887"), -1,
				   "%s -98115887 is unknown", field);
	}
}

static void
test_album(void)
{
	SpotifyArena arena = { 0 };
	SpotifyTrack track = read_track(
		"{\"id\": \"A\", \"album\": {\"id\": \"B\", \"name\": \"Nordlicht\","
		" \"album_type\": \"single\", \"release_date\": \"2019-11\","
		" \"release_date_precision\": \"month\", \"total_tracks\": 2,"
		" \"images\": [{\"url\": \"https://i/640\", \"width\": 640},"
		" {\"url\": \"https://i/64\", \"width\": 64}],"
		" \"artists\": [{\"id\": \"M\", \"name\": \"Mora\"}]}}",
		&arena);

	tap_is_str(track.album.id, "B", "album id");
	tap_is_str(track.album.name, "Nordlicht", "album name");
	tap_is_str(track.album.album_type, "single", "album_type");
	tap_is_str(track.album.release_date, "2019-11", "release_date");
	tap_is_str(track.album.release_date_precision, "month",
			   "release_date_precision");
	tap_is_int(track.album.total_tracks.value, 2, "total_tracks");
	tap_is_str(track.album.image_url, "https://i/640", "the widest image");
	tap_is_int(track.album.artists.count, 1, "artists of the album");
	tap_is_str(track.album.artists.artists[0].id, "M", "id of the artist");
	tap_ok(!track.artists.is_known,
		   "the artists of the album are not the track's");
	spotify_arena_release(&arena);
}

static void
image_is(const char *images, const char *expected)
{
	SpotifyArena arena = { 0 };
	char body[200];

	snprintf(body, sizeof(body), "{\"id\": \"A\", \"album\": {\"images\": %s}}",
			 images);
	tap_is_str(read_track(body, &arena).album.image_url, expected, "images %s",
			   images);
	spotify_arena_release(&arena);
}

static void
test_images(void)
{
	image_is("[]", NULL);
	image_is("null", NULL);
	image_is("{}", NULL);
	image_is("[null, {}, 5, {\"url\": \"\"}, {\"url\": \"fifth\"}]", "fifth");
	image_is("[{}]", NULL);
	image_is("[{\"url\": null}]", NULL);
	image_is("[{\"url\": 1}]", NULL);
	image_is("[{\"url\": \"first\", \"height\": null}]", "first");
	image_is("[{\"url\": \"first\"}, {\"url\": \"second\"}]", "first");
	image_is("[{\"url\": \"64\", \"width\": 64}, {\"url\": \"640\", \"width\": "
			 "640}, {\"url\": \"300\", \"width\": 300}]",
			 "640");
	image_is("[{\"url\": \"a\", \"width\": 640}, {\"url\": \"b\", \"width\": "
			 "640}]",
			 "a");
	image_is("[{\"url\": \"a\", \"width\": null}, {\"url\": \"b\", \"width\": "
			 "1}]",
			 "b");
	image_is("[{\"width\": 640}, {\"url\": \"b\", \"width\": 64}]", "b");
	image_is("[{\"url\": \"a\", \"width\": 64}, {\"url\": \"b\", \"width\": "
			 "2000000000}, {\"url\": \"c\", \"width\": \"640\"}]",
			 "a");
}

static void
test_artists(void)
{
	SpotifyArena arena = { 0 };
	SpotifyArtistList list =
		read_track("{\"id\": \"A\", \"artists\": [{\"id\": \"M\", \"name\":"
				   " \"Mora\"}, null, {\"id\": null, \"name\": \"Bertram\"},"
				   " {\"id\": \"K\", \"name\": null}, \"odd\"]}",
				   &arena)
			.artists;

	tap_ok(list.is_known, "artists are known");
	if (!tap_is_int(list.count, 5, "each entry keeps its place"))
		return;
	tap_is_str(list.artists[0].id, "M", "an artist's id");
	tap_is_str(list.artists[0].name, "Mora", "an artist's name");
	tap_is_str(list.artists[1].id, NULL, "a null entry has no id");
	tap_is_str(list.artists[2].id, NULL, "a null id is none");
	tap_is_str(list.artists[2].name, "Bertram", "but the name is kept");
	tap_is_str(list.artists[3].id, "K", "an artist without name has an id");
	tap_is_str(list.artists[3].name, NULL, "and no name");
	tap_is_str(list.artists[4].id, NULL, "a text is no artist");

	list = read_track("{\"id\": \"A\", \"artists\": []}", &arena).artists;
	tap_ok(list.is_known && list.count == 0, "an empty list is known");
	list = read_track("{\"id\": \"A\"}", &arena).artists;
	tap_ok(!list.is_known && list.count == 0, "a missing list is not");
	list = read_track("{\"id\": \"A\", \"artists\": null}", &arena).artists;
	tap_ok(!list.is_known, "nor is null");
	spotify_arena_release(&arena);
}

/* A track with that many artists, each with the same id. */
static char *
make_crowded(int count)
{
	static const char artist[] = "{\"id\": \"M\"},";
	char *body = malloc((size_t) count * strlen(artist) + 100);
	char *end = body;
	int i;

	if (body == NULL)
		abort();
	end += sprintf(end, "{\"id\": \"A\", \"artists\": [");
	for (i = 0; i < count; i++)
		end += sprintf(end, "%s", artist);
	strcpy(end - 1, "]}");
	return body;
}

static void
test_many_artists(void)
{
	SpotifyArena arena = { 0 };
	char *body;

	body = make_crowded(200);
	tap_is_int(read_track(body, &arena).artists.count, 200, "200 artists");
	free(body);
	body = make_crowded(1000);
	tap_is_int(read_track(body, &arena).artists.count, 1000, "1,000 artists");
	free(body);
	body = make_crowded(1001);
	tap_is_int(read_track(body, &arena).artists.count, 1000,
			   "what is over 1,000 is dropped");
	free(body);
	spotify_arena_release(&arena);
}

int
main(void)
{
	test_identity();
	test_no_identity();
	test_nothing_is_left_without_identity();
	test_local_file();
	test_local_file_with_long_uri();
	test_relinking();
	test_track();
	test_odd_track();
	test_ranges();
	test_album();
	test_images();
	test_artists();
	test_many_artists();
	return tap_done();
}
