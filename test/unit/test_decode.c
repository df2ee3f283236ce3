/*
 * test_decode.c
 *		Pages of saved tracks, whole, odd, cut and refused; and contains.
 */
#include "spotify/decode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"
#include "tap.h"

#define MICROSECONDS INT64_C(1000000)

/* The page of a fixture; false, and a failed test, if it is refused. */
static bool
read_fixture(const char *name, SpotifySavedPage *page)
{
	SpotifyDecodeProblem problem = { "" };
	size_t length;
	char *body = fixture_read(name, &length);
	SpotifyDecodeResult result;

	result = spotify_decode_saved_tracks(body, length, page, &problem);
	free(body);
	if (!tap_is_int(result, SPOTIFY_DECODE_OK, "%s is accepted", name))
		tap_note("%s", problem.text);
	return result == SPOTIFY_DECODE_OK;
}

static void
test_page(void)
{
	SpotifySavedPage page;
	SpotifyTrack *track;

	if (!read_fixture("saved_tracks_devmode.json", &page))
		return;
	tap_is_int(page.total, 3, "total");
	tap_ok(page.offset.is_known && page.offset.value == 0, "offset");
	tap_ok(page.limit.is_known && page.limit.value == 50, "limit");
	tap_is_int(page.count, 3, "count");
	tap_ok(page.entries[0].added_at.is_known, "added_at is known");
	tap_is_int(page.entries[0].added_at.value,
			   INT64_C(1788113051) * MICROSECONDS, "added_at");

	track = &page.entries[1].track;
	tap_is_str(page.entries[1].id, "2NordlichtTrackBBBBBB2",
			   "an entry is identified");
	tap_is_str(track->id, "2NordlichtTrackBBBBBB2", "track id");
	tap_is_str(track->uri, "spotify:track:2NordlichtTrackBBBBBB2", "track uri");
	tap_is_str(track->name, "Nordlicht (feat. The Paper Herons)", "track name");
	tap_is_str(track->isrc, "XXTST1900002", "track isrc");
	tap_is_int(track->duration_ms.value, 187013, "track duration");
	tap_ok(track->is_explicit.value, "track explicit");
	tap_ok(!track->popularity.is_known, "popularity is gone in dev mode");
	tap_is_str(track->album.name, "Nordlicht", "album name");
	tap_is_str(track->album.release_date, "2019-11", "album release date");
	tap_is_int(track->artists.count, 2, "artists of the track");
	tap_is_str(track->artists.artists[0].name, "Mora L\xC3\xA4nk",
			   "artist name");
	tap_is_int(track->album.artists.count, 1, "artists of the album");

	tap_is_str(page.entries[2].track.name,
			   "\xE7\xB5\x82\xE9\x9B\xBB \"Last Train\" \\ 2",
			   "a name with quotes and other scripts");
	spotify_saved_page_release(&page);
	tap_ok(page.arena.blocks == NULL && page.entries == NULL,
		   "a released page is empty");
	spotify_saved_page_release(&page);
}

/* Which entries of the odd fixture have an identity, and which. */
static const char *const odd_ids[] = {
	"1FogSignalAAAAAAAAAAA1",
	NULL, /* a null entry */
	NULL, /* a null track */
	"spotify:local:Uncle+Bertram:Attic+Tapes:Side+B:154",
	NULL,					  /* an episode */
	"1FogSignalAAAAAAAAAAA1", /* relinked */
	"2NordlichtTrackBBBBBB2", /* relinked, linked_from.id null */
	"3LastTrainCCCCCCCCCCC3", /* id null, uri there */
	"8BareTrackHHHHHHHHHHH8", /* nothing but the id */
	NULL,					  /* neither id nor uri */
	NULL,					  /* a string */
	NULL,					  /* no track */
};

#define ODD_COUNT ((int) (sizeof(odd_ids) / sizeof(odd_ids[0])))

static void
test_odd_entries(void)
{
	SpotifySavedPage page;
	int i;

	if (!read_fixture("saved_tracks_odd_entries.json", &page))
		return;
	if (tap_is_int(page.count, ODD_COUNT, "every entry counts"))
	{
		for (i = 0; i < ODD_COUNT; i++)
		{
			tap_is_str(page.entries[i].track.id, odd_ids[i], "entry %d: id", i);
			tap_is_str(page.entries[i].id, odd_ids[i], "entry %d: identity", i);
		}
		tap_ok(!page.entries[1].added_at.is_known, "a null entry has no date");
		tap_ok(page.entries[2].added_at.is_known,
			   "the date of a null track is kept");
		tap_ok(page.entries[4].added_at.is_known,
			   "the date of an episode is kept");
		tap_ok(!page.entries[8].added_at.is_known, "a null date is unknown");
		tap_ok(page.entries[3].track.is_local.value, "a local file says so");
		tap_ok(!page.entries[3].track.duration_ms.is_known,
			   "a duration that is an object is unknown");
		tap_is_str(page.entries[3].track.album.id, NULL,
				   "the album of a local file has no id");
		tap_is_int(page.entries[3].track.artists.count, 1,
				   "the artist of a local file keeps the place");
		tap_is_str(page.entries[8].track.uri,
				   "spotify:track:8BareTrackHHHHHHHHHHH8",
				   "a missing URI is made of the id");
	}
	spotify_saved_page_release(&page);
}

static void
test_numbers_as_floats(void)
{
	SpotifySavedPage page;
	SpotifyTrack *track;

	if (!read_fixture("numbers_as_floats.json", &page))
		return;
	tap_is_int(page.total, 1204, "total as 1.204E3");
	tap_ok(page.offset.is_known && page.offset.value == 150, "offset as 150.0");
	tap_ok(page.limit.is_known && page.limit.value == 50, "limit as 50.0");
	track = &page.entries[0].track;
	tap_is_int(track->duration_ms.value, 215400, "duration_ms as 215400.0");
	tap_is_int(track->popularity.value, 41, "popularity as 4.1E1");
	tap_is_int(track->track_number.value, 3, "track_number as 3.0");
	tap_is_int(track->album.total_tracks.value, 11, "total_tracks as 1.1E1");
	spotify_saved_page_release(&page);
}

static void
test_past_end(void)
{
	SpotifySavedPage page;

	if (!read_fixture("saved_tracks_past_end.json", &page))
		return;
	tap_is_int(page.count, 0, "no entries past the end");
	tap_is_int(page.total, 4120, "but a total");
	spotify_saved_page_release(&page);
}

static void
page_is_refused(const char *body, SpotifyDecodeResult expected,
				const char *expected_problem)
{
	SpotifySavedPage page;
	SpotifyDecodeProblem problem = { "" };
	SpotifyDecodeResult result;

	result = spotify_decode_saved_tracks(body, strlen(body), &page, &problem);
	tap_is_int(result, expected, "%s is refused", body);
	tap_is_str(problem.text, expected_problem, "%s: why", body);
	if (result == SPOTIFY_DECODE_OK)
		spotify_saved_page_release(&page);
}

static void
test_envelope(void)
{
	const char *no_object = "the body is not an object";
	const char *no_items = "\"items\" is not an array";
	const char *no_total =
		"\"total\" is not a whole number from 0 to 2147483647";
	const SpotifyDecodeResult wrong = SPOTIFY_DECODE_WRONG_SHAPE;

	page_is_refused("", SPOTIFY_DECODE_NOT_JSON, "the body is empty");
	page_is_refused("[]", wrong, no_object);
	page_is_refused("null", wrong, no_object);
	page_is_refused("\"page\"", wrong, no_object);
	page_is_refused("5", wrong, no_object);
	page_is_refused("{\"error\": {\"status\": 500}}", wrong, no_items);
	page_is_refused("{\"total\": 1}", wrong, no_items);
	page_is_refused("{\"items\": null, \"total\": 1}", wrong, no_items);
	page_is_refused("{\"items\": {}, \"total\": 1}", wrong, no_items);
	page_is_refused("{\"items\": []}", wrong, no_total);
	page_is_refused("{\"items\": [], \"total\": null}", wrong, no_total);
	page_is_refused("{\"items\": [], \"total\": \"1\"}", wrong, no_total);
	page_is_refused("{\"items\": [], \"total\": 1.5}", wrong, no_total);
	page_is_refused("{\"items\": [], \"total\": -1}", wrong, no_total);
	page_is_refused("{\"items\": [], \"total\": 2147483648}", wrong, no_total);
	page_is_refused("{\"items\": [], \"total\": 9223372036854775808}", wrong,
					no_total);
	page_is_refused("{\"items\": [], \"total\": 1e400}", wrong, no_total);
	page_is_refused("{\"items\": [], \"total\": NaN}", SPOTIFY_DECODE_NOT_JSON,
					"not JSON: unexpected character at byte 24");
	page_is_refused("{\"items\": [], \"total\": true}", wrong, no_total);
}

/* The added_at that is read of the text; -1 if it is unknown. */
static int64_t
read_added_at(const char *text)
{
	SpotifySavedPage page;
	SpotifyDecodeProblem problem;
	char body[200];
	int64_t value = -1;

	snprintf(body, sizeof(body),
			 "{\"total\": 1, \"items\": [{\"added_at\": \"%s\"}]}", text);
	if (spotify_decode_saved_tracks(body, strlen(body), &page, &problem) !=
		SPOTIFY_DECODE_OK)
	{
		tap_ok(false, "%s: %s", body, problem.text);
		return value;
	}
	if (page.entries[0].added_at.is_known)
		value = page.entries[0].added_at.value;
	spotify_saved_page_release(&page);
	return value;
}

static void
test_added_at(void)
{
	const int64_t second = INT64_C(1788113051) * MICROSECONDS;

	tap_is_int(read_added_at("2026-08-30T18:04:11Z"), second,
			   "added_at of a second");
	tap_is_int(read_added_at("2026-08-30T18:04:11.000001Z"), second,
			   "added_at a little later");
	tap_is_int(read_added_at("2026-08-30T18:04:11.999Z"), second,
			   "added_at at its end");
	tap_is_int(read_added_at("1969-12-31T23:59:58.5Z"), -2 * MICROSECONDS,
			   "added_at before 1970");
	tap_is_int(read_added_at("soon"), -1, "added_at that is none");
}

/* The offset that is read of a page that says so; -1 if it is unknown. */
static int32_t
read_offset(const char *offset)
{
	SpotifySavedPage page;
	SpotifyDecodeProblem problem;
	char body[100];
	int32_t value = -1;

	snprintf(body, sizeof(body), "{\"items\": [], \"total\": 0%s}", offset);
	if (spotify_decode_saved_tracks(body, strlen(body), &page, &problem) !=
		SPOTIFY_DECODE_OK)
	{
		tap_ok(false, "%s: %s", body, problem.text);
		return value;
	}
	if (page.offset.is_known)
		value = page.offset.value;
	spotify_saved_page_release(&page);
	return value;
}

static void
test_offset(void)
{
	tap_is_int(read_offset(", \"offset\": 50"), 50, "offset 50");
	tap_is_int(read_offset(", \"offset\": 5e1"), 50, "offset 5e1");
	tap_is_int(read_offset(""), -1, "a missing offset");
	tap_is_int(read_offset(", \"offset\": \"50\""), -1, "offset \"50\"");
	tap_is_int(read_offset(", \"offset\": 0.5"), -1, "offset 0.5");
}

/* A page of null entries. */
static char *
make_page(int count)
{
	char *body = malloc((size_t) count * strlen("null,") + 100);
	char *end = body;
	int i;

	if (body == NULL)
		abort();
	end += sprintf(end, "{\"total\": %d, \"items\": [", count);
	for (i = 0; i < count; i++)
		end += sprintf(end, "%snull", i == 0 ? "" : ",");
	strcpy(end, "]}");
	return body;
}

static void
test_many_entries(void)
{
	static const int counts[] = { 1, 51, 10000 };
	SpotifySavedPage page;
	SpotifyDecodeProblem problem = { "" };
	char *body;
	size_t i;

	for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
	{
		body = make_page(counts[i]);
		if (tap_is_int(spotify_decode_saved_tracks(body, strlen(body), &page,
												   &problem),
					   SPOTIFY_DECODE_OK, "%d entries are accepted", counts[i]))
		{
			tap_is_int(page.count, counts[i], "%d entries count", counts[i]);
			spotify_saved_page_release(&page);
		}
		free(body);
	}

	body = make_page(10001);
	tap_is_int(spotify_decode_saved_tracks(body, strlen(body), &page, &problem),
			   SPOTIFY_DECODE_WRONG_SHAPE, "more are refused");
	tap_is_str(problem.text, "\"items\" has more than 10000 entries", "why");
	free(body);
}

/*
 * Each cut body is copied to memory of its own, so that a tool like ASan sees
 * a byte that is read behind it.
 */
static SpotifyDecodeResult
read_cut(const char *body, size_t length)
{
	SpotifySavedPage page;
	SpotifyDecodeProblem problem;
	SpotifyDecodeResult result;
	char *cut = malloc(length == 0 ? 1 : length);

	if (cut == NULL)
		abort();
	memcpy(cut, body, length);
	result = spotify_decode_saved_tracks(cut, length, &page, &problem);
	free(cut);
	if (result == SPOTIFY_DECODE_OK)
		spotify_saved_page_release(&page);
	return result;
}

static void
test_cut(const char *name)
{
	size_t length;
	char *body = fixture_read(name, &length);
	size_t cut;
	int wrong = 0;

	for (cut = 0; cut < length; cut++)
	{
		if (read_cut(body, cut) != SPOTIFY_DECODE_NOT_JSON)
		{
			tap_note("cut after %zu bytes", cut);
			wrong++;
		}
	}
	tap_is_int(wrong, 0, "%s is refused wherever it is cut", name);
	tap_is_int(read_cut(body, length), SPOTIFY_DECODE_OK, "and accepted whole");
	free(body);
}

static void
contains_is(const char *body, int count, SpotifyDecodeResult expected,
			const char *expected_problem)
{
	bool answers[3];
	SpotifyDecodeProblem problem = { "" };

	tap_is_int(
		spotify_decode_contains(body, strlen(body), answers, count, &problem),
		expected, "%d answers in %s", count, body);
	tap_is_str(problem.text, expected_problem, "%d answers in %s: why", count,
			   body);
}

static void
test_contains(void)
{
	SpotifyDecodeProblem problem;
	bool answers[3] = { false, true, false };
	size_t length;
	char *body = fixture_read("library_contains.json", &length);

	tap_is_int(spotify_decode_contains(body, length, answers, 3, &problem),
			   SPOTIFY_DECODE_OK, "three answers");
	tap_ok(answers[0] && !answers[1] && answers[2], "in the order asked");
	free(body);

	contains_is("[]", 0, SPOTIFY_DECODE_OK, "");
	contains_is("[true]", 2, SPOTIFY_DECODE_WRONG_SHAPE,
				"the array has length 1 instead of 2");
	contains_is("[true, false, true]", 2, SPOTIFY_DECODE_WRONG_SHAPE,
				"the array has length 3 instead of 2");
	contains_is("[true, null]", 2, SPOTIFY_DECODE_WRONG_SHAPE,
				"entry 2 of the array is not a boolean");
	contains_is("[1]", 1, SPOTIFY_DECODE_WRONG_SHAPE,
				"entry 1 of the array is not a boolean");
	contains_is("{\"0\": true}", 1, SPOTIFY_DECODE_WRONG_SHAPE,
				"the body is not an array");
	contains_is("null", 1, SPOTIFY_DECODE_WRONG_SHAPE,
				"the body is not an array");
	contains_is("[true", 1, SPOTIFY_DECODE_NOT_JSON,
				"not JSON: the body ends too early");
}

int
main(int argc, char **argv)
{
	fixture_init(argc, argv);
	test_page();
	test_odd_entries();
	test_numbers_as_floats();
	test_past_end();
	test_envelope();
	test_added_at();
	test_offset();
	test_many_entries();
	test_cut("saved_tracks_odd_entries.json");
	test_cut("numbers_as_floats.json");
	test_contains();
	return tap_done();
}
