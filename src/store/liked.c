/*
 * liked.c
 *		Liked Songs: the tables spotify.liked_tracks and spotify.liked_events.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/memutils.h"

#include "store/columns.h"
#include "store/liked.h"

static const char LOAD[] = "SELECT track_id, added_at, is_active\n"
						   "  FROM spotify.liked_tracks\n"
						   " WHERE account = $1";

/* One statement for all kinds of change: only changed rows come here. */
static const char WRITE[] =
	"INSERT INTO spotify.liked_tracks\n"
	"       (account, track_id, added_at, is_active, first_seen_at,\n"
	"        last_modified)\n"
	"SELECT $1, change.track_id, change.added_at, change.is_active, $2, $2\n"
	"  FROM unnest($3, $4, $5) AS change (track_id, added_at, is_active)\n"
	" ORDER BY change.track_id COLLATE \"C\"\n"
	"ON CONFLICT (account, track_id) DO UPDATE\n"
	"   SET added_at = EXCLUDED.added_at,\n"
	"       is_active = EXCLUDED.is_active,\n"
	"       last_modified = EXCLUDED.last_modified";

static const char WRITE_EVENTS[] =
	"INSERT INTO spotify.liked_events\n"
	"       (account, track_id, event, occurred_at, run_id)\n"
	"SELECT $1, change.track_id, change.event, $2, $3\n"
	"  FROM unnest($4, $5) AS change (track_id, event)\n"
	" ORDER BY change.track_id COLLATE \"C\"";

static const Oid CHANGE_TYPES[] = { TEXTOID, TIMESTAMPTZOID, BOOLOID };
static const Oid EVENT_TYPES[] = { TEXTOID, TEXTOID };

/* A track that was liked anew between two runs never looked gone: no event. */
static const char *const EVENTS[SPOTIFY_SAVED_CHANGE_KINDS] = {
	[SPOTIFY_SAVED_ADDED] = "added",
	[SPOTIFY_SAVED_READDED] = "readded",
	[SPOTIFY_SAVED_REDATED] = NULL,
	[SPOTIFY_SAVED_REMOVED] = "removed",
};

SpotifySavedItem *
spotify_liked_load(const char *account, int *count)
{
	MemoryContext context = CurrentMemoryContext;
	SpotifyParameters parameters = { 0 };
	SpotifySavedItem *items;

	spotify_parameter_text(&parameters, account);
	spotify_spi_execute(LOAD, &parameters);
	*count = (int) SPI_processed;
	items = MemoryContextAllocHuge(context, (SPI_processed + 1) *
												sizeof(SpotifySavedItem));
	for (int row = 0; row < *count; row++)
	{
		items[row].id = spotify_spi_text(row, 1, context);
		items[row].added_at = spotify_spi_timestamp(row, 2);
		items[row].is_active = spotify_spi_bool(row, 3);
	}
	spotify_spi_finish();
	return items;
}

static void
write_rows(const char *account, TimestampTz changed_at,
		   const SpotifySavedChange *changes, int count)
{
	SpotifyColumns *columns = spotify_columns_create(
		CurrentMemoryContext, CHANGE_TYPES, lengthof(CHANGE_TYPES));
	SpotifyParameters parameters = { 0 };

	for (int i = 0; i < count; i++)
	{
		SpotifyBoolean is_active = { true,
									 changes[i].kind != SPOTIFY_SAVED_REMOVED };

		spotify_columns_text(columns, changes[i].id);
		spotify_columns_timestamp(columns, changes[i].added_at);
		spotify_columns_boolean(columns, is_active);
	}
	spotify_parameter_text(&parameters, account);
	spotify_parameter_timestamp(&parameters,
								spotify_time_from_server(changed_at));
	spotify_columns_to_parameters(columns, &parameters);
	spotify_spi_run(WRITE, &parameters);
}

static void
write_events(const char *account, int64 run_id, TimestampTz changed_at,
			 const SpotifySavedChange *changes, int count)
{
	SpotifyColumns *columns = spotify_columns_create(
		CurrentMemoryContext, EVENT_TYPES, lengthof(EVENT_TYPES));
	SpotifyParameters parameters = { 0 };

	for (int i = 0; i < count; i++)
	{
		if (EVENTS[changes[i].kind] == NULL)
			continue;
		spotify_columns_text(columns, changes[i].id);
		spotify_columns_text(columns, EVENTS[changes[i].kind]);
	}
	spotify_parameter_text(&parameters, account);
	spotify_parameter_timestamp(&parameters,
								spotify_time_from_server(changed_at));
	spotify_parameter_int8(&parameters, run_id);
	spotify_columns_to_parameters(columns, &parameters);
	spotify_spi_run(WRITE_EVENTS, &parameters);
}

void
spotify_liked_write(const char *account, int64 run_id, TimestampTz changed_at,
					const SpotifySavedChange *changes, int count)
{
	MemoryContext context;
	MemoryContext old;

	if (count == 0)
		return;
	context = AllocSetContextCreate(CurrentMemoryContext, "spotify liked write",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	write_rows(account, changed_at, changes, count);
	write_events(account, run_id, changed_at, changes, count);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}
