/*
 * saved_list.c
 *		Loading and writing a saved list, by the statements of its tables.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/memutils.h"

#include "store/columns.h"
#include "store/saved_list.h"

static const Oid CHANGE_TYPES[] = { TEXTOID, TIMESTAMPTZOID, BOOLOID, INT8OID };
static const Oid MOVE_TYPES[] = { TEXTOID, INT8OID };
static const Oid RANK_TYPES[] = { INT8OID };
static const Oid DATE_TYPES[] = { TIMESTAMPTZOID };
static const Oid EVENT_TYPES[] = { TEXTOID, TEXTOID };

/* An item that was saved anew between two runs never looked gone: no event. */
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
spotify_saved_list_load(const SpotifySavedTable *table, const char *account,
						int *count)
{
	SpotifyParameters parameters = { 0 };

	spotify_parameter_text(&parameters, account);
	return fetch_items(table->load, &parameters, count);
}

SpotifySavedItem *
spotify_saved_list_load_places(const SpotifySavedTable *table,
							   const char *account, bool has_nulls, int first,
							   int limit, int *count)
{
	SpotifyParameters parameters = { 0 };

	spotify_parameter_text(&parameters, account);
	spotify_parameter_int8(&parameters, first);
	spotify_parameter_int8(&parameters, limit);
	return fetch_items(has_nulls ? table->load_places_and_nulls
								 : table->load_places,
					   &parameters, count);
}

void
spotify_saved_list_count_places(const SpotifySavedTable *table,
								const char *account, SpotifyPlaceCounts *counts)
{
	SpotifyParameters parameters = { 0 };

	spotify_parameter_text(&parameters, account);
	spotify_spi_execute(table->count_places, &parameters);
	counts->items = spotify_spi_int4(0, 1);
	counts->nulls = spotify_spi_int4(0, 2);
	counts->unplaced = spotify_spi_int4(0, 3);
	spotify_spi_finish();
}

/* Which of the statements writes a change; move writes the others. */
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

/*
 * Runs a statement that writes the rows, if there are any, and returns how many
 * it wrote.
 */
static void
write_all(const char *statement, const SpotifyParameters *parameters,
		  const char *table_name, const SpotifyColumns *columns)
{
	uint64 expected = (uint64) spotify_columns_count(columns);

	if (expected > 0)
		spotify_spi_check_written(
			table_name, (uint64) spotify_spi_number(statement, parameters),
			expected);
}

/* Runs a statement with the changes that it writes. */
static void
write_rows(const char *statement, const char *table_name,
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
	spotify_parameter_text(&parameters, account);
	spotify_parameter_timestamp(&parameters,
								spotify_time_from_server(changed_at));
	spotify_columns_to_parameters(columns, &parameters);
	write_all(statement, &parameters, table_name, columns);
}

static void
move_rows(const SpotifySavedTable *table, const char *account,
		  const SpotifySavedChange *changes, int count)
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
	spotify_parameter_text(&parameters, account);
	spotify_columns_to_parameters(columns, &parameters);
	write_all(table->move, &parameters, table->items_name, columns);
}

static void
write_events(const SpotifySavedTable *table, const char *account, int64 run_id,
			 TimestampTz changed_at, const SpotifySavedChange *changes,
			 int count)
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
	write_all(table->write_events, &parameters, table->events_name, columns);
}

void
spotify_saved_list_write(const SpotifySavedTable *table, const char *account,
						 int64 run_id, TimestampTz changed_at,
						 const SpotifySavedChange *changes, int count)
{
	MemoryContext context;
	MemoryContext old;

	if (count == 0)
		return;
	context =
		AllocSetContextCreate(CurrentMemoryContext, "spotify saved list write",
							  ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	write_rows(table->insert, table->items_name, is_insert, account, changed_at,
			   changes, count);
	write_rows(table->update, table->items_name, is_update, account, changed_at,
			   changes, count);
	move_rows(table, account, changes, count);
	write_events(table, account, run_id, changed_at, changes, count);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

void
spotify_saved_list_write_null_places(const SpotifySavedTable *table,
									 const char *account,
									 const SpotifyNullPlace *places, int count)
{
	SpotifyColumns *ranks = spotify_columns_create(
		CurrentMemoryContext, RANK_TYPES, lengthof(RANK_TYPES));
	SpotifyColumns *dates = spotify_columns_create(
		CurrentMemoryContext, DATE_TYPES, lengthof(DATE_TYPES));
	SpotifyParameters parameters = { 0 };
	SpotifyPlaceCounts written;

	for (int i = 0; i < count; i++)
	{
		spotify_columns_rank(ranks, places[i].rank);
		spotify_columns_timestamp(dates, places[i].added_at);
	}
	spotify_parameter_text(&parameters, account);
	spotify_columns_to_parameters(ranks, &parameters);
	spotify_spi_run(table->delete_null_places, &parameters);
	spotify_columns_to_parameters(dates, &parameters);
	spotify_spi_run(table->insert_null_places, &parameters);
	spotify_saved_list_count_places(table, account, &written);
	spotify_spi_check_written(table->null_places_name, (uint64) written.nulls,
							  (uint64) count);
}
