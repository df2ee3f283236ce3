/*
 * test_decode_plays.c
 *		The listening history: whole, odd, empty, cut and refused.
 */
#include "spotify/decode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"
#include "tap.h"

/* The page of a fixture; false, and a failed test, if it is refused. */
static bool
read_fixture(const char *name, SpotifyPlaysPage *page)
{
	SpotifyDecodeProblem problem = { "" };
	size_t length;
	char *body = fixture_read(name, &length);
	SpotifyDecodeResult result;

	result = spotify_decode_plays(body, length, page, &problem);
	free(body);
	if (!tap_is_int(result, SPOTIFY_DECODE_OK, "%s is accepted", name))
		tap_note("%s", problem.text);
	return result == SPOTIFY_DECODE_OK;
}

static void
test_page(void)
{
	SpotifyPlaysPage page;

	if (!read_fixture("recently_played.json", &page))
		return;
	if (tap_is_int(page.count, 4, "every play counts"))
	{
		const SpotifyPlay *plays = page.plays;

		tap_ok(plays[0].played_at.is_known, "played_at is known");
		tap_is_int(plays[0].played_at.value, INT64_C(1788293720497000),
				   "played_at to the millisecond");
		tap_is_int(plays[2].played_at.value, INT64_C(1788293317000000),
				   "played_at without a fraction");
		tap_is_str(plays[1].track.id, "2NordlichtTrackBBBBBB2", "track id");
		tap_is_str(plays[1].track.album.name, "Letters to a Lighthouse",
				   "album of the track");
		tap_is_int(plays[1].track.artists.count, 2, "artists of the track");
		tap_is_str(plays[0].context.type, "album", "type of a context");
		tap_is_str(plays[0].context.uri, "spotify:album:1LettersLighthouseAAA1",
				   "URI of a context");
		tap_is_str(plays[1].context.type, NULL, "no context");
		tap_is_str(plays[2].context.uri,
				   "spotify:user:mora:playlist:7EveningsAAAAAAAAAAAA7",
				   "the old form of a playlist's URI");
		tap_is_str(plays[3].context.type, "collectionyourepisodes",
				   "a context of a type of its own");
	}
	spotify_plays_page_release(&page);
	tap_ok(page.arena.blocks == NULL && page.plays == NULL,
		   "a released page is empty");
	spotify_plays_page_release(&page);
}

/* Which entries of the odd fixture have an identity, and which. */
static const char *const odd_ids[] = {
	NULL, /* a null item */
	NULL, /* a null track */
	NULL, /* an episode */
	"8BareTrackHHHHHHHHHHH8",
	"8BareTrackHHHHHHHHHHH8",
	"8BareTrackHHHHHHHHHHH8",
	"spotify:local:Uncle+Bertram:Attic+Tapes:Side+B:154",
	NULL, /* a string */
};

#define ODD_COUNT ((int) (sizeof(odd_ids) / sizeof(odd_ids[0])))

static void
test_odd_entries(void)
{
	SpotifyPlaysPage page;
	int i;

	if (!read_fixture("recently_played_odd_entries.json", &page))
		return;
	if (tap_is_int(page.count, ODD_COUNT, "every entry counts"))
	{
		for (i = 0; i < ODD_COUNT; i++)
			tap_is_str(page.plays[i].track.id, odd_ids[i], "entry %d: id", i);
		tap_ok(!page.plays[0].played_at.is_known, "a null item has no time");
		tap_ok(page.plays[1].played_at.is_known,
			   "the time of a null track is kept");
		tap_is_str(page.plays[2].context.type, "show",
				   "the context of an episode is kept");
		tap_ok(!page.plays[3].played_at.is_known, "a missing time is unknown");
		tap_ok(!page.plays[4].played_at.is_known, "so is one as a number");
		tap_ok(!page.plays[5].played_at.is_known, "and one that is none");
		tap_is_str(page.plays[4].context.type, NULL,
				   "a context that is no object is none");
		tap_is_str(page.plays[5].context.type, NULL,
				   "a type that is a number is unknown");
		tap_is_str(page.plays[5].context.uri, NULL,
				   "a URI that is an array is unknown");
	}
	spotify_plays_page_release(&page);
}

static void
test_empty(void)
{
	SpotifyPlaysPage page;

	if (!read_fixture("recently_played_empty.json", &page))
		return;
	tap_is_int(page.count, 0, "no plays, and cursors null");
	spotify_plays_page_release(&page);
}

/* Whether a play at a time that is written so has a time. */
static bool
is_dated(const char *text)
{
	SpotifyPlaysPage page;
	SpotifyDecodeProblem problem;
	char body[200];
	bool is_known;

	snprintf(body, sizeof(body), "{\"items\": [{\"played_at\": \"%s\"}]}",
			 text);
	if (!tap_is_int(spotify_decode_plays(body, strlen(body), &page, &problem),
					SPOTIFY_DECODE_OK, "%s is accepted", body))
		return false;
	is_known = page.plays[0].played_at.is_known;
	spotify_plays_page_release(&page);
	return is_known;
}

static void
test_before_spotify(void)
{
	tap_ok(!is_dated("1891-05-01T00:00:00Z"), "a play of 1891 has no time");
	tap_ok(!is_dated("1970-01-01T00:00:00Z"), "nor has one of 1970");
	tap_ok(!is_dated("2005-12-31T23:59:59.999999Z"), "nor one of 2005");
	tap_ok(is_dated("2006-01-01T00:00:00Z"), "one of 2006 has");
	tap_ok(is_dated("9999-12-31T23:59:59Z"), "the future is not judged here");
}

static bool
is_full(const char *limit)
{
	char body[100];
	SpotifyPlaysPage page;
	SpotifyDecodeProblem problem;
	bool is_full;

	snprintf(body, sizeof(body), "{\"items\": [null, null]%s}", limit);
	if (spotify_decode_plays(body, strlen(body), &page, &problem) !=
		SPOTIFY_DECODE_OK)
		return false;
	is_full = page.is_full;
	spotify_plays_page_release(&page);
	return is_full;
}

static void
test_limit(void)
{
	tap_ok(is_full(", \"limit\": 2"), "two plays are as many as two");
	tap_ok(is_full(", \"limit\": 1"), "and more than one");
	tap_ok(!is_full(", \"limit\": 3"), "but fewer than three");
	tap_ok(!is_full(", \"limit\": 50.0"), "or fifty");
	tap_ok(!is_full(""), "or as many as are asked for");
	tap_ok(!is_full(", \"limit\": 0"), "a limit of 0 says nothing");
	tap_ok(!is_full(", \"limit\": -1"), "nor does one below 0");
	tap_ok(!is_full(", \"limit\": \"2\""), "nor a text");
}

static SpotifyDecodeResult
read_body(const char *body, size_t length, SpotifyDecodeProblem *problem)
{
	SpotifyPlaysPage page;
	SpotifyDecodeResult result;

	result = spotify_decode_plays(body, length, &page, problem);
	if (result == SPOTIFY_DECODE_OK)
		spotify_plays_page_release(&page);
	return result;
}

static void
body_is_refused(const char *body, SpotifyDecodeResult expected,
				const char *expected_problem)
{
	SpotifyDecodeProblem problem = { "" };

	tap_is_int(read_body(body, strlen(body), &problem), expected,
			   "%s is refused", body);
	tap_is_str(problem.text, expected_problem, "%s: why", body);
}

static void
test_refused(void)
{
	const SpotifyDecodeResult wrong = SPOTIFY_DECODE_WRONG_SHAPE;
	const char *no_items = "\"items\" is not an array";

	body_is_refused("", SPOTIFY_DECODE_NOT_JSON, "the body is empty");
	body_is_refused("[]", wrong, "the body is not an object");
	body_is_refused("null", wrong, "the body is not an object");
	body_is_refused("{}", wrong, no_items);
	body_is_refused("{\"items\": null, \"cursors\": null}", wrong, no_items);
	body_is_refused("{\"items\": {\"0\": null}}", wrong, no_items);
	body_is_refused("{\"error\": {\"status\": 500}}", wrong, no_items);
}

/*
 * Each cut body is copied to memory of its own, so that a tool like ASan sees
 * a byte that is read behind it.
 */
static void
test_cut(const char *name)
{
	SpotifyDecodeProblem problem;
	size_t length;
	char *body = fixture_read(name, &length);
	int accepted = 0;

	for (size_t cut = 0; cut < length; cut++)
	{
		char *copy = malloc(cut == 0 ? 1 : cut);

		if (copy == NULL)
			abort();
		memcpy(copy, body, cut);
		if (read_body(copy, cut, &problem) != SPOTIFY_DECODE_NOT_JSON)
			accepted++;
		free(copy);
	}
	tap_is_int(accepted, 0, "%s is refused wherever it is cut", name);
	free(body);
}

int
main(int argc, char **argv)
{
	fixture_init(argc, argv);
	test_page();
	test_odd_entries();
	test_empty();
	test_before_spotify();
	test_limit();
	test_refused();
	test_cut("recently_played.json");
	test_cut("recently_played_odd_entries.json");
	return tap_done();
}
