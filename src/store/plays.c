/*
 * plays.c
 *		The listening history: the tables spotify.plays and spotify.play_gaps.
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "store/columns.h"
#include "store/plays.h"

static const char NEWEST[] = "SELECT max(played_at)\n"
							 "  FROM spotify.plays\n"
							 " WHERE account = $1";

/* The whole span is named too, so that an index finds it among many years. */
static const char LOAD_NEAR[] =
	"SELECT DISTINCT play.track_id, play.played_at\n"
	"  FROM unnest($2, $3, $4) AS told (track_id, earliest, latest)\n"
	"       JOIN spotify.plays AS play\n"
	"       ON play.account = $1\n"
	"      AND play.track_id = told.track_id\n"
	"      AND play.played_at BETWEEN told.earliest AND told.latest\n"
	" WHERE play.played_at BETWEEN $5 AND $6";

static const char WRITE[] =
	"INSERT INTO spotify.plays\n"
	"       (account, played_at, track_id, context_type, context_uri,\n"
	"        run_id)\n"
	"SELECT $1, play.played_at, play.track_id, play.context_type,\n"
	"       play.context_uri, $2\n"
	"  FROM unnest($3, $4, $5, $6)\n"
	"       AS play (played_at, track_id, context_type, context_uri)\n"
	" ORDER BY play.played_at, play.track_id COLLATE \"C\"\n"
	"ON CONFLICT (account, played_at, track_id) DO NOTHING";

/* With a period, two runs can find the same gap. */
static const char WRITE_GAP[] =
	"INSERT INTO spotify.play_gaps (account, gap_start, gap_end, run_id)\n"
	"VALUES ($1, $2, $3, $4)\n"
	"ON CONFLICT (account, gap_start, gap_end) DO NOTHING";

static const Oid NEAR_TYPES[] = { TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID };
static const Oid PLAY_TYPES[] = { TIMESTAMPTZOID, TEXTOID, TEXTOID, TEXTOID };

SpotifyTimestamp
spotify_plays_newest(const char *account)
{
	SpotifyParameters parameters = { 0 };
	SpotifyTimestamp newest;

	spotify_parameter_text(&parameters, account);
	spotify_spi_execute(NEWEST, &parameters);
	newest = spotify_spi_timestamp(0, 1);
	spotify_spi_finish();
	return newest;
}

/* The time so many microseconds later. */
static SpotifyTimestamp
move_time(SpotifyTimestamp time, int64 distance)
{
	time.value += distance;
	return time;
}

/*
 * Adds what LOAD_NEAR looks for: tracks with spans of time around their plays,
 * and the span of all of them.
 */
static void
add_spans(SpotifyParameters *parameters, const SpotifyPlaysPage *page,
		  int64 distance)
{
	SpotifyColumns *columns = spotify_columns_create(
		CurrentMemoryContext, NEAR_TYPES, lengthof(NEAR_TYPES));
	SpotifyTimestamp first = { 0 };
	SpotifyTimestamp last = { 0 };

	for (int i = 0; i < page->count; i++)
	{
		const SpotifyPlay *play = &page->plays[i];
		SpotifyTimestamp earliest = move_time(play->played_at, -distance);
		SpotifyTimestamp latest = move_time(play->played_at, distance);

		if (play->track.id == NULL || !play->played_at.is_known)
			continue;
		spotify_columns_text(columns, play->track.id);
		spotify_columns_timestamp(columns, earliest);
		spotify_columns_timestamp(columns, latest);
		if (!first.is_known || earliest.value < first.value)
			first = earliest;
		if (!last.is_known || latest.value > last.value)
			last = latest;
	}
	spotify_columns_to_parameters(columns, parameters);
	spotify_parameter_timestamp(parameters, first);
	spotify_parameter_timestamp(parameters, last);
}

SpotifyStoredPlay *
spotify_plays_load_near(const char *account, const SpotifyPlaysPage *page,
						int64 distance, int *count)
{
	MemoryContext context = CurrentMemoryContext;
	SpotifyParameters parameters = { 0 };
	SpotifyStoredPlay *plays;

	spotify_parameter_text(&parameters, account);
	add_spans(&parameters, page, distance);
	spotify_spi_execute(LOAD_NEAR, &parameters);
	*count = (int) SPI_processed;
	plays = MemoryContextAllocHuge(context, (SPI_processed + 1) *
												sizeof(SpotifyStoredPlay));
	for (int row = 0; row < *count; row++)
	{
		plays[row].track_id = spotify_spi_text(row, 1, context);
		plays[row].played_at = spotify_spi_timestamp(row, 2);
	}
	spotify_spi_finish();
	return plays;
}

int
spotify_plays_write(const char *account, int64 run_id,
					const SpotifyPlay *const *plays, int count)
{
	SpotifyColumns *columns = spotify_columns_create(
		CurrentMemoryContext, PLAY_TYPES, lengthof(PLAY_TYPES));
	SpotifyParameters parameters = { 0 };

	for (int i = 0; i < count; i++)
	{
		spotify_columns_timestamp(columns, plays[i]->played_at);
		spotify_columns_text(columns, plays[i]->track.id);
		spotify_columns_text(columns, plays[i]->context.type);
		spotify_columns_text(columns, plays[i]->context.uri);
	}
	spotify_parameter_text(&parameters, account);
	spotify_parameter_int8(&parameters, run_id);
	spotify_columns_to_parameters(columns, &parameters);
	return (int) spotify_spi_run(WRITE, &parameters);
}

void
spotify_plays_write_gap(const char *account, int64 run_id,
						SpotifyTimestamp start, SpotifyTimestamp end)
{
	SpotifyParameters parameters = { 0 };

	spotify_parameter_text(&parameters, account);
	spotify_parameter_timestamp(&parameters, start);
	spotify_parameter_timestamp(&parameters, end);
	spotify_parameter_int8(&parameters, run_id);
	spotify_spi_run(WRITE_GAP, &parameters);
}
