/*
 * liked.c
 *		Liked Songs: the tables spotify.liked_tracks, spotify.liked_events and
 *		spotify.liked_null_places.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/memutils.h"

#include "store/columns.h"
#include "store/liked.h"

/*
 * Places without identity are among the rows; those in the list come first.  A
 * row made inactive by hand may have kept its rank.
 */
static const char LOAD[] =
	"SELECT track_id, added_at, is_active,\n"
	"       CASE WHEN is_active THEN list_rank END AS list_rank\n"
	"  FROM spotify.liked_tracks\n"
	" WHERE account = $1\n"
	"UNION ALL\n"
	"SELECT NULL, added_at, false, list_rank\n"
	"  FROM spotify.liked_null_places\n"
	" WHERE account = $1\n"
	" ORDER BY list_rank DESC NULLS LAST";

/* What makes a row one of the list is the predicate of its index, too. */
static const char LOAD_PLACES[] = "SELECT track_id, added_at, true, list_rank\n"
								  "  FROM spotify.liked_tracks\n"
								  " WHERE account = $1\n"
								  "   AND is_active\n"
								  "   AND list_rank IS NOT NULL\n"
								  " ORDER BY list_rank DESC\n"
								  "OFFSET $2\n"
								  " LIMIT $3";

/* The same where there are nulls; it has to sort the whole list. */
static const char LOAD_PLACES_AND_NULLS[] =
	"SELECT track_id, added_at, true, list_rank\n"
	"  FROM spotify.liked_tracks\n"
	" WHERE account = $1\n"
	"   AND is_active\n"
	"   AND list_rank IS NOT NULL\n"
	"UNION ALL\n"
	"SELECT NULL, added_at, false, list_rank\n"
	"  FROM spotify.liked_null_places\n"
	" WHERE account = $1\n"
	" ORDER BY list_rank DESC\n"
	"OFFSET $2\n"
	" LIMIT $3";

/* Only an active row that hides behind a null may be without a place. */
static const char COUNT_PLACES[] =
	"SELECT placed.count::integer, nulls.count::integer,\n"
	"       unplaced.count <= nulls.count\n"
	"  FROM (SELECT count(*)\n"
	"          FROM spotify.liked_tracks\n"
	"         WHERE account = $1\n"
	"           AND is_active\n"
	"           AND list_rank IS NOT NULL) AS placed,\n"
	"       (SELECT count(*)\n"
	"          FROM spotify.liked_tracks\n"
	"         WHERE account = $1\n"
	"           AND is_active\n"
	"           AND list_rank IS NULL) AS unplaced,\n"
	"       (SELECT count(*)\n"
	"          FROM spotify.liked_null_places\n"
	"         WHERE account = $1) AS nulls";

/* Nobody else inserts: the run has locked the account's collection. */
static const char INSERT[] =
	"INSERT INTO spotify.liked_tracks\n"
	"       (account, track_id, added_at, is_active, list_rank,\n"
	"        first_seen_at, last_modified)\n"
	"SELECT $1, change.track_id, change.added_at, change.is_active,\n"
	"       change.list_rank, $2, $2\n"
	"  FROM unnest($3, $4, $5, $6)\n"
	"       AS change (track_id, added_at, is_active, list_rank)\n"
	" ORDER BY change.track_id COLLATE \"C\"";

static const char UPDATE[] =
	"UPDATE spotify.liked_tracks AS liked\n"
	"   SET added_at = change.added_at,\n"
	"       is_active = change.is_active,\n"
	"       list_rank = change.list_rank,\n"
	"       last_modified = $2\n"
	"  FROM unnest($3, $4, $5, $6)\n"
	"       AS change (track_id, added_at, is_active, list_rank)\n"
	" WHERE liked.account = $1\n"
	"   AND liked.track_id = change.track_id";

/* A place in the list is no news of the like: last_modified stays. */
static const char MOVE[] =
	"UPDATE spotify.liked_tracks AS liked\n"
	"   SET list_rank = change.list_rank\n"
	"  FROM unnest($2, $3) AS change (track_id, list_rank)\n"
	" WHERE liked.account = $1\n"
	"   AND liked.track_id = change.track_id";

static const char DELETE_NULL_PLACES[] =
	"DELETE FROM spotify.liked_null_places\n"
	" WHERE account = $1\n"
	"   AND list_rank <> ALL ($2)";

/* A place that comes may have the rank of one that goes. */
static const char INSERT_NULL_PLACES[] =
	"INSERT INTO spotify.liked_null_places AS place\n"
	"       (account, list_rank, added_at)\n"
	"SELECT $1, change.list_rank, change.added_at\n"
	"  FROM unnest($2, $3) AS change (list_rank, added_at)\n"
	"ON CONFLICT (account, list_rank) DO UPDATE\n"
	"   SET added_at = EXCLUDED.added_at\n"
	" WHERE place.added_at IS DISTINCT FROM EXCLUDED.added_at";

static const char WRITE_EVENTS[] =
	"INSERT INTO spotify.liked_events\n"
	"       (account, track_id, event, occurred_at, run_id)\n"
	"SELECT $1, change.track_id, change.event, $2, $3\n"
	"  FROM unnest($4, $5) AS change (track_id, event)\n"
	" ORDER BY change.track_id COLLATE \"C\"";

static const Oid CHANGE_TYPES[] = { TEXTOID, TIMESTAMPTZOID, BOOLOID, INT8OID };
static const Oid MOVE_TYPES[] = { TEXTOID, INT8OID };
static const Oid NULL_PLACE_TYPES[] = { INT8OID, TIMESTAMPTZOID };
static const Oid EVENT_TYPES[] = { TEXTOID, TEXTOID };

/* A track that was liked anew between two runs never looked gone: no event. */
static const char *const EVENTS[SPOTIFY_SAVED_CHANGE_KINDS] = {
	[SPOTIFY_SAVED_ADDED] = "added",	 [SPOTIFY_SAVED_READDED] = "readded",
	[SPOTIFY_SAVED_REDATED] = NULL,		 [SPOTIFY_SAVED_MOVED] = NULL,
	[SPOTIFY_SAVED_REMOVED] = "removed",
};

static SpotifySavedItem *
fetch_items(const char *statement, const SpotifyParameters *parameters,
			int *count)
{
	MemoryContext context = CurrentMemoryContext;
	SpotifySavedItem *items;

	spotify_spi_execute(statement, parameters);
	*count = (int) SPI_processed;
	items = MemoryContextAllocHuge(context, (SPI_processed + 1) *
												sizeof(SpotifySavedItem));
	for (int row = 0; row < *count; row++)
	{
		items[row].id = spotify_spi_text(row, 1, context);
		items[row].added_at = spotify_spi_timestamp(row, 2);
		items[row].is_active = spotify_spi_bool(row, 3);
		items[row].rank = spotify_spi_int8(row, 4);
	}
	spotify_spi_finish();
	return items;
}

SpotifySavedItem *
spotify_liked_load(const char *account, int *count)
{
	SpotifyParameters parameters = { 0 };

	spotify_parameter_text(&parameters, account);
	return fetch_items(LOAD, &parameters, count);
}

SpotifySavedItem *
spotify_liked_load_places(const char *account, bool has_nulls, int first,
						  int limit, int *count)
{
	SpotifyParameters parameters = { 0 };

	spotify_parameter_text(&parameters, account);
	spotify_parameter_int8(&parameters, first);
	spotify_parameter_int8(&parameters, limit);
	return fetch_items(has_nulls ? LOAD_PLACES_AND_NULLS : LOAD_PLACES,
					   &parameters, count);
}

void
spotify_liked_count_places(const char *account, SpotifyPlaceCounts *counts)
{
	SpotifyParameters parameters = { 0 };

	spotify_parameter_text(&parameters, account);
	spotify_spi_execute(COUNT_PLACES, &parameters);
	counts->items = spotify_spi_int4(0, 1);
	counts->nulls = spotify_spi_int4(0, 2);
	counts->is_exact = spotify_spi_bool(0, 3);
	spotify_spi_finish();
}

/* Which of the statements writes a change; MOVE writes the others. */
static bool
is_insert(const SpotifySavedChange *change)
{
	return change->kind == SPOTIFY_SAVED_ADDED;
}

static bool
is_update(const SpotifySavedChange *change)
{
	return change->kind != SPOTIFY_SAVED_ADDED &&
		   change->kind != SPOTIFY_SAVED_MOVED;
}

/* Runs a statement with the changes that it writes. */
static void
write_rows(const char *statement,
		   bool (*is_of_kind)(const SpotifySavedChange *), const char *account,
		   TimestampTz changed_at, const SpotifySavedChange *changes, int count)
{
	SpotifyColumns *columns = spotify_columns_create(
		CurrentMemoryContext, CHANGE_TYPES, lengthof(CHANGE_TYPES));
	SpotifyParameters parameters = { 0 };

	for (int i = 0; i < count; i++)
	{
		SpotifyBoolean is_active = { true,
									 changes[i].kind != SPOTIFY_SAVED_REMOVED };

		if (!is_of_kind(&changes[i]))
			continue;
		spotify_columns_text(columns, changes[i].id);
		spotify_columns_timestamp(columns, changes[i].added_at);
		spotify_columns_boolean(columns, is_active);
		spotify_columns_rank(columns, changes[i].rank);
	}
	if (spotify_columns_are_empty(columns))
		return;
	spotify_parameter_text(&parameters, account);
	spotify_parameter_timestamp(&parameters,
								spotify_time_from_server(changed_at));
	spotify_columns_to_parameters(columns, &parameters);
	spotify_spi_run(statement, &parameters);
}

static void
move_rows(const char *account, const SpotifySavedChange *changes, int count)
{
	SpotifyColumns *columns = spotify_columns_create(
		CurrentMemoryContext, MOVE_TYPES, lengthof(MOVE_TYPES));
	SpotifyParameters parameters = { 0 };

	for (int i = 0; i < count; i++)
	{
		if (changes[i].kind != SPOTIFY_SAVED_MOVED)
			continue;
		spotify_columns_text(columns, changes[i].id);
		spotify_columns_rank(columns, changes[i].rank);
	}
	if (spotify_columns_are_empty(columns))
		return;
	spotify_parameter_text(&parameters, account);
	spotify_columns_to_parameters(columns, &parameters);
	spotify_spi_run(MOVE, &parameters);
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
	if (spotify_columns_are_empty(columns))
		return;
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
	write_rows(INSERT, is_insert, account, changed_at, changes, count);
	write_rows(UPDATE, is_update, account, changed_at, changes, count);
	move_rows(account, changes, count);
	write_events(account, run_id, changed_at, changes, count);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

void
spotify_liked_write_null_places(const char *account,
								const SpotifyNullPlace *places, int count)
{
	SpotifyColumns *columns = spotify_columns_create(
		CurrentMemoryContext, NULL_PLACE_TYPES, lengthof(NULL_PLACE_TYPES));
	SpotifyParameters parameters = { 0 };

	for (int i = 0; i < count; i++)
	{
		spotify_columns_rank(columns, places[i].rank);
		spotify_columns_timestamp(columns, places[i].added_at);
	}
	spotify_parameter_text(&parameters, account);
	spotify_columns_to_parameters(columns, &parameters);
	spotify_spi_run(INSERT_NULL_PLACES, &parameters);
	parameters.count--; /* the dates */
	spotify_spi_run(DELETE_NULL_PLACES, &parameters);
}
