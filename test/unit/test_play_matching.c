/*
 * test_play_matching.c
 *		Which plays are one, by example.
 *
 * In the examples letters are tracks, and numbers are seconds.
 */
#include "sync/play_matching.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tap.h"

static SpotifyTimestamp
seconds(double value)
{
	SpotifyTimestamp time = { true, (int64_t) (value * 1e6) };

	return time;
}

static SpotifyPlay
play_of(const char *track_id, double time)
{
	SpotifyPlay play = { .played_at = seconds(time),
						 .track = { .id = track_id } };

	return play;
}

typedef struct Example
{
	const char *told;	/* "a10 b20.5", "?" for an entry without a track */
	const char *stored; /* the same */
	const char *expected;
	const char *name;
} Example;

static const Example examples[] = {
	/* clang-format off */
	{ "", "", "", "nothing" },
	{ "", "a10", "", "an empty answer" },
	{ "b20 a10", "", "new new", "nothing is stored" },
	{ "a10", "a10", "stored", "the same time" },
	{ "a10", "b10", "new", "another track" },

	{ "a39.9", "a10", "stored", "less than 30 s later" },
	{ "a10", "a39.9", "stored", "less than 30 s earlier" },
	{ "a40", "a10", "new", "30 s later" },
	{ "a10", "a40", "new", "30 s earlier, and newer than all entries" },
	{ "a10.15 a10", "", "repeated new", "told twice" },
	{ "a10 a10.15", "", "new repeated", "whatever their order" },
	{ "a10 a10", "", "new repeated", "at the same time too" },
	{ "a10.15 a10", "a10", "repeated stored", "told twice, and stored" },
	{ "a13 a10", "a13", "repeated stored", "the younger one is stored" },
	{ "a33 a10", "a62", "repeated stored", "the younger one is close to it" },
	{ "a13 b10", "", "new new", "two tracks at a time" },
	{ "a50 a30 a10", "", "new repeated new", "a row of three" },
	{ "a72 a41 a10", "", "new new new", "on repeat" },
	{ "a71 a40 a9", "a10 a41 a72", "stored stored stored", "on repeat, told anew" },
	{ "a102 a71 a40 a9", "a10 a41 a72", "new stored stored stored", "and played once more" },

	{ "z500 a69 z1", "z500 a100 z1", "stored stored stored", "31 s earlier" },
	{ "z500 a220 z1", "z500 a100 z1", "stored stored stored", "two minutes later" },
	{ "z500 a220.1 z1", "z500 a100 z1", "stored new stored", "more than that" },
	{ "z500 b150 z1", "z500 a100 z1", "stored new stored", "another track instead" },
	{ "z500 a200 a100 z1", "z500 a100 z1", "stored new stored stored", "a play beside the stored one" },
	{ "a150 z100", "a90", "new new", "a stored play before the oldest entry" },
	{ "a150 z90", "a90", "stored new", "one at its time" },
	{ "z200 a100", "a210", "new new", "a stored play after the newest entry" },
	{ "z210 a100", "a210", "new stored", "one at its time" },
	{ "z900 a260 a200 z1", "a140", "new new stored new", "the closest of two" },
	{ "z900 a260 a200 z1", "a140 a300", "new stored stored new", "one to one" },
	{ "z900 a200 a150 z1", "a100 a320", "new stored stored new", "closest first" },
	{ "z900 a300 a100 z1", "a200", "new new stored new", "the older of two that are as close" },
	{ "z900 a241 a121 z1", "a1 a121 a241", "new stored stored new", "every two minutes" },
	{ "z900 a361 a241 a121 z1", "a1 a121 a241", "new new stored stored new", "and once more" },
	{ "z500 ?110 a60 z1", "a100", "new none new new", "an entry without a track hides it" },
	{ "z500 ?140 a60 z1", "a100", "new none stored new", "one elsewhere does not" },
	{ "z500 a100.1 a100 a40 z1", "a100 a100.1", "new repeated stored new new", "stored twice before" },
	/* clang-format on */
};

/* Reads plays; returns how many there are. */
static int
read_plays(const char *text, SpotifyPlay *plays)
{
	static char ids[] = "a\0b\0z";
	int count = 0;
	char track;
	double time;
	int length;

	while (sscanf(text, " %c%lf%n", &track, &time, &length) == 2)
	{
		const char *id = track == 'a'	? &ids[0]
						 : track == 'b' ? &ids[2]
						 : track == 'z' ? &ids[4]
										: NULL;

		plays[count++] = play_of(id, time);
		text += length;
	}
	return count;
}

static void
test_examples(void)
{
	static const char *const names[] = {
		[SPOTIFY_PLAY_UNIDENTIFIED] = "none",
		[SPOTIFY_PLAY_REPEATED] = "repeated",
		[SPOTIFY_PLAY_STORED] = "stored",
		[SPOTIFY_PLAY_NEW] = "new",
	};

	for (size_t i = 0; i < COUNT_OF(examples); i++)
	{
		SpotifyPlay told[10];
		SpotifyPlay known[10];
		SpotifyStoredPlay stored[10];
		SpotifyPlaysPage page = { .plays = told };
		SpotifyPlayMeaning meanings[10];
		char result[200] = "";
		int count = read_plays(examples[i].stored, known);

		page.count = read_plays(examples[i].told, told);
		for (int j = 0; j < count; j++)
			stored[j] =
				(SpotifyStoredPlay){ known[j].track.id, known[j].played_at };
		if (!spotify_plays_match(&page, stored, count, meanings))
			abort();
		for (int j = 0; j < page.count; j++)
		{
			if (j > 0)
				strcat(result, " ");
			strcat(result, names[meanings[j]]);
		}
		tap_is_str(result, examples[i].expected, "%s", examples[i].name);
	}
}

static void
test_undated(void)
{
	SpotifyPlay told[] = { play_of("a", 10), play_of(NULL, 0) };
	SpotifyStoredPlay stored = { "a", seconds(10) };
	SpotifyPlaysPage page = { .count = 2, .plays = told };
	SpotifyPlayMeaning meanings[2];

	told[0].played_at.is_known = false;
	told[1].played_at.is_known = false;
	if (!spotify_plays_match(&page, &stored, 1, meanings))
		abort();
	tap_ok(meanings[0] == SPOTIFY_PLAY_UNIDENTIFIED &&
			   meanings[1] == SPOTIFY_PLAY_UNIDENTIFIED,
		   "what has no time is no play");
}

int
main(void)
{
	test_examples();
	test_undated();
	return tap_done();
}
