/*
 * test_plays_plan.c
 *		Which plays are to be stored, which contradict, and where a gap is.
 */
#include "sync/plays_plan.h"

#include <stdlib.h>
#include <string.h>

#include "tap.h"

/* What Spotify keeps. */
#define WINDOW 50

#define SECOND INT64_C(1000000)
#define DAY	   (86400 * SECOND)

static SpotifyTimestamp
at(int64_t value)
{
	SpotifyTimestamp timestamp = { true, value };

	return timestamp;
}

static const SpotifyTimestamp unknown = { false, 0 };

static SpotifyPlay
play_of(const char *track_id, SpotifyTimestamp played_at)
{
	SpotifyPlay play = { .played_at = played_at, .track = { .id = track_id } };

	return play;
}

static SpotifyPlaysPlan
plan_of(SpotifyPlay *plays, int count, SpotifyTimestamp since,
		SpotifyTimestamp newest)
{
	SpotifyPlaysPage page = { .count = count, .plays = plays };
	SpotifyPlaysAim aim = { .since = since,
							.now = at(1000000),
							.until = at(1000000),
							.newest = newest,
							.last_run = at(0) };
	SpotifyPlaysPlan plan;

	if (!spotify_plays_plan_make(&plan, &page, &aim, NULL, 0))
		abort();
	return plan;
}

static void
test_nothing(void)
{
	SpotifyPlaysPlan plan = plan_of(NULL, 0, unknown, at(5));

	tap_is_int(plan.count, 0, "no plays: nothing to store");
	tap_ok(!plan.gap_end.is_known, "no plays: no gap");
	spotify_plays_plan_release(&plan);
	tap_ok(plan.plays == NULL, "a released plan is empty");
	spotify_plays_plan_release(&plan);
}

static void
test_identity(void)
{
	SpotifyPlay plays[] = {
		play_of("b", at(30)), play_of(NULL, at(20)), play_of(NULL, unknown),
		play_of("a", at(10)), play_of("a", unknown),
	};
	SpotifyPlaysPlan plan = plan_of(plays, 5, unknown, unknown);

	tap_is_int(plan.count, 2, "plays with a track and a time are stored");
	tap_ok(plan.plays[0] == &plays[0] && plan.plays[1] == &plays[3],
		   "in the order received");
	tap_is_int(plan.skipped, 2, "entries without a track are skipped");
	tap_is_int(plan.undated, 1, "a track without a time is counted");
	spotify_plays_plan_release(&plan);
}

static void
test_repeats(void)
{
	SpotifyPlay plays[] = {
		play_of("a", at(30)), play_of("a", at(30)), play_of("b", at(30)),
		play_of("a", at(29)), play_of("a", at(30)), play_of("b", at(30)),
		play_of("b", at(30)),
	};
	SpotifyPlaysPlan plan;

	plan = plan_of(plays, 5, unknown, unknown);
	tap_is_int(plan.count, 2, "what repeats a play is stored once");
	tap_ok(plan.plays[1] == &plays[3], "the oldest of them");
	tap_is_int(plan.contradicting, 0, "and contradicts nothing");
	spotify_plays_plan_release(&plan);

	plays[2].context.type = "album";
	plays[2].context.uri = "spotify:album:x";
	plays[5].context = plays[2].context;
	plan = plan_of(plays, 7, unknown, unknown);
	tap_is_int(plan.count, 2, "one with another context is not a new play");
	tap_is_int(plan.contradicting, 1, "but contradicts");
	spotify_plays_plan_release(&plan);

	plays[6].context.type = "album";
	plays[6].context.uri = "spotify:album:y";
	plan = plan_of(plays, 7, unknown, unknown);
	tap_is_int(plan.contradicting, 1, "the URI of the context counts too");
	spotify_plays_plan_release(&plan);
}

static void
test_period(void)
{
	SpotifyPlay plays[] = {
		play_of("a", at(1000001)), play_of("b", at(1000000)),
		play_of("c", at(100)),	   play_of("d", at(99)),
		play_of("d", unknown),	   play_of(NULL, at(1)),
	};
	SpotifyPlaysPlan plan = plan_of(plays, 6, at(100), unknown);

	tap_is_int(plan.count, 3, "what is before the period is left out");
	tap_is_str(plan.plays[2]->track.id, "c", "its first moment is not");
	tap_is_int(plan.in_future, 1, "what is later than can be is counted");
	tap_is_int(plan.undated, 1, "a play without a time too");
	tap_is_int(plan.skipped, 1, "entries without a track are skipped");
	spotify_plays_plan_release(&plan);
}

/* Plays of before the period are not stored, but are known to be told. */
static void
test_period_and_stored(void)
{
	SpotifyPlay plays[] = { play_of("z", at(400 * SECOND)),
							play_of("a", at(200 * SECOND)),
							play_of("a", at(100 * SECOND)),
							play_of("b", at(100 * SECOND)),
							play_of("z", at(1 * SECOND)) };
	SpotifyStoredPlay stored[] = { { "a", at(110 * SECOND) },
								   { "z", at(400 * SECOND) } };
	SpotifyPlaysPage page = { .count = 5, .plays = plays };
	SpotifyPlaysAim aim = { .since = at(105 * SECOND),
							.now = at(500 * SECOND),
							.until = at(500 * SECOND) };
	SpotifyPlaysPlan plan;

	if (!spotify_plays_plan_make(&plan, &page, &aim, stored, 2))
		abort();
	tap_ok(
		plan.count == 1 && plan.plays[0] == &plays[1],
		"a stored play that is told as before the period stands for no other");
	tap_is_int(plan.told_count, 2, "what is told in the period: stored or new");
	spotify_plays_plan_release(&plan);
}

/* The end of the gap that so many plays leave; the oldest is at 100. */
static SpotifyTimestamp
gap_of(int count, SpotifyTimestamp newest, SpotifyTimestamp since)
{
	SpotifyPlay plays[WINDOW + 1];
	SpotifyPlaysPlan plan;
	SpotifyTimestamp gap_end;

	for (int i = 0; i < count; i++)
		plays[i] = play_of("a", at(100 + (count - 1 - i) * SECOND));
	plan = plan_of(plays, count, since, newest);
	gap_end = plan.gap_end;
	spotify_plays_plan_release(&plan);
	return gap_end;
}

static void
test_gap(void)
{
	SpotifyTimestamp gap_end = gap_of(WINDOW, at(99), unknown);

	tap_ok(gap_end.is_known && gap_end.value == 100,
		   "a full page that is all new leaves a gap until its oldest play");
	gap_end = gap_of(WINDOW + 1, at(99), unknown);
	tap_ok(gap_end.is_known, "so does one that is more than full");
	gap_end = gap_of(WINDOW, at(99), at(120));
	tap_ok(gap_end.is_known && gap_end.value == 100,
		   "a period changes nothing");
	tap_ok(!gap_of(WINDOW, at(100), unknown).is_known,
		   "a full page that reaches the newest stored play does not");
	tap_ok(!gap_of(WINDOW, at(120), unknown).is_known,
		   "nor one that reaches beyond it");
	tap_ok(!gap_of(WINDOW, unknown, unknown).is_known,
		   "nor one before which nothing was stored");
	tap_ok(!gap_of(WINDOW - 1, at(1), unknown).is_known,
		   "a page that is not full shows all there are");
}

/* Entries without identity fill the page, and tell how far back it reaches. */
static void
test_gap_with_nulls(void)
{
	SpotifyPlay plays[WINDOW];
	SpotifyPlaysPlan plan;

	for (int i = 0; i < WINDOW; i++)
		plays[i] = play_of(i % 2 == 0 ? "a" : NULL, at(200 - i));
	plan = plan_of(plays, WINDOW, unknown, at(150));
	tap_ok(plan.gap_end.is_known && plan.gap_end.value == 151,
		   "the oldest entry counts, even without a track");
	spotify_plays_plan_release(&plan);
	plan = plan_of(plays, WINDOW, unknown, at(151));
	tap_ok(!plan.gap_end.is_known, "and closes the gap");
	spotify_plays_plan_release(&plan);

	for (int i = 0; i < WINDOW; i++)
		plays[i] = play_of(NULL, unknown);
	plan = plan_of(plays, WINDOW, unknown, at(150));
	tap_ok(!plan.gap_end.is_known, "a page that tells no time shows no gap");
	spotify_plays_plan_release(&plan);
}

/* The gap at day 100, if the last run was so long ago. */
static SpotifyTimestamp
gap_after(SpotifyPlay *plays, int count, double days, SpotifyTimestamp newest)
{
	SpotifyTimestamp now = at(100 * DAY);
	SpotifyPlaysPage page = { .count = count, .plays = plays };
	SpotifyPlaysAim aim = { .now = now,
							.until = now,
							.newest = newest,
							.last_run = at(now.value - days * DAY) };
	SpotifyStoredPlay stored = { "stored", newest };
	SpotifyPlaysPlan plan;
	SpotifyTimestamp gap_end;

	if (days < 0)
		aim.last_run.is_known = false;
	if (!spotify_plays_plan_make(&plan, &page, &aim, &stored, 1))
		abort();
	gap_end = plan.gap_end;
	spotify_plays_plan_release(&plan);
	return gap_end;
}

/* After a pause of more than seven days a short list shows not all. */
static void
test_gap_of_days(void)
{
	SpotifyTimestamp limit = at(93 * DAY);
	SpotifyPlay plays[WINDOW];
	SpotifyTimestamp gap_end;

	plays[0] = play_of("a", at(99 * DAY));
	gap_end = gap_after(plays, 1, 7.001, at(90 * DAY));
	tap_ok(gap_end.is_known && gap_end.value == limit.value,
		   "seven days later there is a gap, until seven days ago");
	gap_end = gap_after(NULL, 0, 8, at(90 * DAY));
	tap_ok(gap_end.is_known && gap_end.value == limit.value,
		   "an empty answer leaves one too");
	gap_end = gap_after(plays, 1, -1, at(90 * DAY));
	tap_ok(gap_end.is_known, "as where no run is known");
	tap_ok(!gap_after(plays, 1, 7, at(90 * DAY)).is_known,
		   "not before seven days are over");
	tap_ok(!gap_after(plays, 1, 8, limit).is_known,
		   "nor if a play is known of the last seven days");
	tap_ok(!gap_after(plays, 1, 8, unknown).is_known, "nor if none is known");

	plays[0] = play_of("a", at(92 * DAY));
	gap_end = gap_after(plays, 1, 8, at(90 * DAY));
	tap_ok(gap_end.is_known && gap_end.value == 92 * DAY,
		   "a list that shows an older play ends the gap there");
	tap_ok(!gap_after(plays, 1, 8, at(92 * DAY)).is_known,
		   "or shows that there is none");

	for (int i = 0; i < WINDOW; i++)
		plays[i] = play_of("a", at(99 * DAY - i * 60 * SECOND));
	gap_end = gap_after(plays, WINDOW, 8, at(90 * DAY));
	tap_ok(gap_end.is_known && gap_end.value == 99 * DAY - 49 * 60 * SECOND,
		   "a full list ends it with its oldest play");
	plays[WINDOW - 1].track.id = "stored";
	gap_end = gap_after(plays, WINDOW, 8,
						at(plays[WINDOW - 1].played_at.value - 2 * SECOND));
	tap_ok(!gap_end.is_known,
		   "a full list whose oldest play is stored, a bit older, has none");
}

int
main(void)
{
	test_nothing();
	test_identity();
	test_repeats();
	test_period();
	test_period_and_stored();
	test_gap();
	test_gap_with_nulls();
	test_gap_of_days();
	return tap_done();
}
