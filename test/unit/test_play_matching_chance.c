/*
 * test_play_matching_chance.c
 *		Which plays are one, by chance.
 *
 * Somebody plays tracks, Spotify tells the last of these plays with other times
 * and some of them twice, and a store keeps what is new.  SPOTIFY_TEST_SEED
 * chooses other lives, and SPOTIFY_TEST_LIVES how many there are.
 */
#include "sync/play_matching.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tap.h"

#define MAX_PLAYS 400
#define MAX_TOLD  100 /* of a window of 50, each perhaps twice */
#define RUNS	  8
#define WINDOW	  50

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

static uint64_t random_state;

static int
random_below(int limit)
{
	random_state = random_state * UINT64_C(6364136223846793005) +
				   UINT64_C(1442695040888963407);
	return (int) ((random_state >> 33) % (uint64_t) limit);
}

static double
random_between(double least, double most)
{
	return least + (most - least) * random_below(100001) / 100000;
}

/* What kind of life is tried. */
typedef struct Life
{
	const char *name;
	int track_count;
	double least_pause; /* between the ends of two plays, in seconds */
	double most_pause;
	double same_track_pause; /* between two plays of one track, at least */
	double drift;			 /* each run tells times that far off, at most */
	bool is_drift_common;	 /* the same for all plays of a run */
	bool has_firm_ends;		 /* but not for the first and the last one */
	int most_plays;			 /* between two runs */
	double echo;			 /* some plays are told twice, so far apart */
	bool is_disordered;		 /* the runs see windows in any order */
	bool is_exact;			 /* every play told is stored once, no other */
} Life;

static const Life lives[] = {
	/* clang-format off */
	{ "echoes on repeat", 3, 34, 90, 34, 0, false, false, 60, 3.2, false, true },
	{ "answers in any order", 3, 34, 90, 34, 0, false, false, 60, 3.2, true, true },
	{ "small drifts", 30, 34, 300, 70, 13, false, false, 60, 3.2, true, true },
	{ "drifts of a minute", 9, 60, 120, 600, 55, false, true, 6, 3.2, false, true },
	{ "drifts of all plays", 2, 31, 200, 31, 14.9, true, false, 60, 0, false, false },
	{ "drifts on repeat", 2, 31, 100, 31, 13, false, false, 60, 3.2, false, false },
	{ "drifts beyond all rules", 8, 31, 100, 31, 150, false, false, 60, 3.2, false, false },
	/* clang-format on */
};

typedef struct Play
{
	int track;
	double time;
	bool is_told;
	int rows; /* that it has in the store */
} Play;

typedef struct World
{
	const Life *life;
	Play plays[MAX_PLAYS];
	int play_count;
	SpotifyStoredPlay rows[MAX_PLAYS * RUNS];
	int row_count;
} World;

typedef struct Answer
{
	SpotifyPlay told[MAX_TOLD];
	int plays[MAX_TOLD]; /* which they are in truth */
	int count;
} Answer;

static World world;

static const char *const track_names[] = {
	"t0",  "t1",  "t2",	 "t3",	"t4",  "t5",  "t6",	 "t7",	"t8",  "t9",
	"t10", "t11", "t12", "t13", "t14", "t15", "t16", "t17", "t18", "t19",
	"t20", "t21", "t22", "t23", "t24", "t25", "t26", "t27", "t28", "t29",
};

/* Whether the track was played too recently for the kind of life. */
static bool
is_too_soon(int track, double time)
{
	for (int i = world.play_count - 1; i >= 0; i--)
	{
		if (world.plays[i].track == track)
			return time - world.plays[i].time < world.life->same_track_pause;
	}
	return false;
}

static void
live(int count)
{
	const Life *life = world.life;

	while (count-- > 0 && world.play_count < MAX_PLAYS)
	{
		Play *play = &world.plays[world.play_count];
		double last = world.play_count == 0 ? 0 : play[-1].time;

		*play = (Play){ .track = random_below(life->track_count) };
		play->time = last + random_between(life->least_pause, life->most_pause);
		while (is_too_soon(play->track, play->time))
			play->time += life->least_pause;
		world.play_count++;
	}
}

static void
tell(Answer *answer, int number, double time)
{
	Play *play = &world.plays[number];

	play->is_told = true;
	answer->plays[answer->count] = number;
	answer->told[answer->count++] = play_of(track_names[play->track], time);
}

/* What Spotify answers when so many plays are over, in any order. */
static void
answer_of(Answer *answer, int end)
{
	const Life *life = world.life;
	double drift = random_between(-life->drift, life->drift);

	answer->count = 0;
	for (int i = end - 1; i >= 0 && i >= end - WINDOW; i--)
	{
		if (!life->is_drift_common)
			drift = random_between(-life->drift, life->drift);
		if (life->has_firm_ends && (i == 0 || i == end - 1))
			drift = 0;
		tell(answer, i, world.plays[i].time + drift);
		if (life->echo > 0 && random_below(10) == 0)
			tell(answer, i,
				 world.plays[i].time + drift +
					 random_between(-life->echo, life->echo));
	}
}

static void
shuffle(Answer *answer)
{
	for (int i = answer->count - 1; i > 0; i--)
	{
		int other = random_below(i + 1);
		SpotifyPlay told = answer->told[i];
		int play = answer->plays[i];

		answer->told[i] = answer->told[other];
		answer->plays[i] = answer->plays[other];
		answer->told[other] = told;
		answer->plays[other] = play;
	}
}

static bool
is_track(const SpotifyPlay *told, const SpotifyStoredPlay *row)
{
	return strcmp(told->track.id, row->track_id) == 0;
}

static int64_t
distance_of(const SpotifyPlay *told, const SpotifyStoredPlay *row)
{
	return llabs(told->played_at.value - row->played_at.value);
}

/* The second rule, step by step: the closest pair, then the next. */
static void
pair_lacking(const Answer *answer, const bool *lacking,
			 SpotifyPlayMeaning *meanings)
{
	static bool is_taken[MAX_PLAYS * RUNS];

	memset(is_taken, 0, sizeof(is_taken));
	for (;;)
	{
		int64_t least = SPOTIFY_PLAY_DRIFT + 1;
		int best = -1;
		int best_row = -1;

		for (int i = 0; i < answer->count; i++)
		{
			for (int row = 0; row < world.row_count; row++)
			{
				int64_t distance =
					distance_of(&answer->told[i], &world.rows[row]);

				if (meanings[i] != SPOTIFY_PLAY_NEW || !lacking[row] ||
					is_taken[row] || distance >= least ||
					!is_track(&answer->told[i], &world.rows[row]))
					continue;
				least = distance;
				best = i;
				best_row = row;
			}
		}
		if (best < 0)
			return;
		meanings[best] = SPOTIFY_PLAY_STORED;
		is_taken[best_row] = true;
	}
}

/* The older play that one repeats, or itself. */
static int
repeated_by(const Answer *answer, int number,
			const SpotifyPlayMeaning *meanings)
{
	const SpotifyPlay *play = &answer->told[number];

	for (int i = 0; i < answer->count; i++)
	{
		const SpotifyPlay *other = &answer->told[i];
		int64_t later = play->played_at.value - other->played_at.value;

		if (i != number && meanings[i] == SPOTIFY_PLAY_NEW &&
			strcmp(play->track.id, other->track.id) == 0 && later >= 0 &&
			later < 30000000)
			return i;
	}
	return number;
}

/* What the plays mean, found in the simplest way. */
static void
expected_meanings(const Answer *answer, SpotifyPlayMeaning *meanings)
{
	static bool lacking[MAX_PLAYS * RUNS];
	int64_t oldest = INT64_MAX;
	int64_t newest = INT64_MIN;
	int kept[MAX_TOLD];

	for (int i = 0; i < answer->count; i++)
		meanings[i] = SPOTIFY_PLAY_UNIDENTIFIED;
	for (int rest = answer->count; rest > 0; rest--)
	{
		int next = -1;

		for (int i = 0; i < answer->count; i++)
		{
			if (meanings[i] == SPOTIFY_PLAY_UNIDENTIFIED &&
				(next < 0 || answer->told[i].played_at.value <
								 answer->told[next].played_at.value))
				next = i;
		}
		if (oldest == INT64_MAX)
			oldest = answer->told[next].played_at.value;
		newest = answer->told[next].played_at.value;
		kept[next] = repeated_by(answer, next, meanings);
		meanings[next] =
			kept[next] == next ? SPOTIFY_PLAY_NEW : SPOTIFY_PLAY_REPEATED;
	}
	for (int row = 0; row < world.row_count; row++)
	{
		const SpotifyStoredPlay *stored = &world.rows[row];

		lacking[row] = stored->played_at.value >= oldest &&
					   stored->played_at.value <= newest;
		for (int i = 0; i < answer->count; i++)
		{
			if (!is_track(&answer->told[i], stored) ||
				distance_of(&answer->told[i], stored) >= 30000000)
				continue;
			lacking[row] = false;
			meanings[kept[i]] = SPOTIFY_PLAY_STORED;
		}
	}
	pair_lacking(answer, lacking, meanings);
}

/* How often something was wrong in the lives of a kind. */
typedef struct Faults
{
	int unexpected; /* meanings that the simplest way does not find */
	int unordered;	/* or that depend on the order of the answer */
	int close;		/* rows of one track that are less than 30 s apart */
	int twice;		/* plays with two rows */
	int lost;		/* plays without a row, and nothing that accounts for it */
	int growing;	/* the same answer again gave new rows */
} Faults;

static void
match(const Answer *answer, SpotifyPlayMeaning *meanings)
{
	SpotifyPlaysPage page = { .count = answer->count,
							  .plays = (SpotifyPlay *) answer->told };

	if (!spotify_plays_match(&page, world.rows, world.row_count, meanings))
		abort();
}

/* The meanings of plays, whatever the order in which these stand. */
static void
check_order(const Answer *answer, const SpotifyPlayMeaning *meanings,
			Faults *faults)
{
	Answer other = *answer;
	SpotifyPlayMeaning others[MAX_TOLD];

	shuffle(&other);
	match(&other, others);
	for (int i = 0; i < answer->count; i++)
	{
		for (int j = 0; j < other.count; j++)
		{
			if (answer->plays[i] == other.plays[j] &&
				answer->told[i].played_at.value ==
					other.told[j].played_at.value &&
				meanings[i] != others[j])
				faults->unordered++;
		}
	}
}

static void
store(const Answer *answer, const SpotifyPlayMeaning *meanings)
{
	for (int i = 0; i < answer->count; i++)
	{
		if (meanings[i] != SPOTIFY_PLAY_NEW)
			continue;
		world.rows[world.row_count++] =
			(SpotifyStoredPlay){ answer->told[i].track.id,
								 answer->told[i].played_at };
		world.plays[answer->plays[i]].rows++;
	}
}

static void
run(int end, Faults *faults)
{
	Answer answer;
	SpotifyPlayMeaning meanings[MAX_TOLD];
	SpotifyPlayMeaning expected[MAX_TOLD];

	answer_of(&answer, end);
	match(&answer, meanings);
	expected_meanings(&answer, expected);
	for (int i = 0; i < answer.count; i++)
		faults->unexpected += meanings[i] != expected[i];
	check_order(&answer, meanings, faults);
	store(&answer, meanings);
	match(&answer, meanings);
	for (int i = 0; i < answer.count; i++)
		faults->growing += meanings[i] == SPOTIFY_PLAY_NEW;
}

static void
check_rows(Faults *faults)
{
	for (int i = 0; i < world.row_count; i++)
	{
		for (int j = 0; j < i; j++)
		{
			if (strcmp(world.rows[i].track_id, world.rows[j].track_id) == 0 &&
				llabs(world.rows[i].played_at.value -
					  world.rows[j].played_at.value) < 30000000)
				faults->close++;
		}
	}
}

/* A play may go without a row of its own where another row accounts for it. */
static bool
is_accounted_for(const Play *play)
{
	SpotifyPlay told = play_of(track_names[play->track], play->time);

	for (int i = 0; i < world.row_count; i++)
	{
		if (is_track(&told, &world.rows[i]) &&
			distance_of(&told, &world.rows[i]) <
				60000000 + (int64_t) (world.life->drift * 1e6))
			return true;
	}
	return false;
}

static void
check_plays(Faults *faults)
{
	for (int i = 0; i < world.play_count; i++)
	{
		const Play *play = &world.plays[i];

		if (!play->is_told)
			continue;
		if (play->rows > 1 && (world.life->is_exact || world.life->drift < 15))
			faults->twice++;
		if (play->rows == 0 &&
			(world.life->is_exact ||
			 (world.life->drift < 15 && !is_accounted_for(play))))
			faults->lost++;
	}
}

static void
try_life(const Life *life, Faults *faults)
{
	memset(&world, 0, sizeof(world));
	world.life = life;
	for (int i = 0; i < RUNS; i++)
	{
		live(random_below(life->most_plays));
		run(life->is_disordered ? random_below(world.play_count + 1)
								: world.play_count,
			faults);
	}
	check_rows(faults);
	check_plays(faults);
}

static int
number_of(const char *variable, int otherwise)
{
	const char *text = getenv(variable);

	return text != NULL ? atoi(text) : otherwise;
}

static void
test_by_chance(void)
{
	int count = number_of("SPOTIFY_TEST_LIVES", 100);

	random_state = (uint64_t) number_of("SPOTIFY_TEST_SEED", 1);
	for (size_t i = 0; i < COUNT_OF(lives); i++)
	{
		const char *name = lives[i].name;
		Faults faults = { 0 };

		for (int j = 0; j < count; j++)
			try_life(&lives[i], &faults);
		tap_is_int(faults.unexpected, 0, "%s: what the rules say", name);
		tap_is_int(faults.unordered, 0, "%s: in any order", name);
		tap_is_int(faults.close, 0, "%s: no rows within 30 s", name);
		tap_is_int(faults.growing, 0, "%s: told again, nothing is new", name);
		tap_is_int(faults.twice, 0, "%s: no play is stored twice", name);
		tap_is_int(faults.lost, 0, "%s: no play is lost", name);
	}
}

int
main(void)
{
	test_by_chance();
	return tap_done();
}
