/*
 * columns.c
 *		Rows kept by column, to be given to one statement as arrays.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "store/columns.h"

#define INITIAL_CAPACITY 64

typedef struct Column
{
	Oid type;
	Datum *values;
	bool *nulls;
} Column;

struct SpotifyColumns
{
	MemoryContext context;
	int column_count;
	Column *columns;
	int row_count; /* complete rows */
	int capacity;  /* of each column, in rows */
	int row;	   /* row that the next value is for */
	int next;	   /* column that the next value is for */
};

SpotifyColumns *
spotify_columns_create(MemoryContext context, const Oid *types,
					   int column_count)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	SpotifyColumns *columns = palloc0(sizeof(SpotifyColumns));

	columns->context = context;
	columns->column_count = column_count;
	columns->capacity = INITIAL_CAPACITY;
	columns->columns = palloc0(column_count * sizeof(Column));
	for (int i = 0; i < column_count; i++)
	{
		columns->columns[i].type = types[i];
		columns->columns[i].values = palloc(INITIAL_CAPACITY * sizeof(Datum));
		columns->columns[i].nulls = palloc(INITIAL_CAPACITY * sizeof(bool));
	}
	MemoryContextSwitchTo(old);
	return columns;
}

static void
grow(SpotifyColumns *columns)
{
	columns->capacity *= 2;
	for (int i = 0; i < columns->column_count; i++)
	{
		Column *column = &columns->columns[i];

		column->values =
			repalloc_huge(column->values, columns->capacity * sizeof(Datum));
		column->nulls =
			repalloc_huge(column->nulls, columns->capacity * sizeof(bool));
	}
}

static void
end_row(SpotifyColumns *columns)
{
	columns->next = 0;
	if (columns->row == columns->row_count)
		columns->row_count++;
	columns->row = columns->row_count;
}

static void
add_value(SpotifyColumns *columns, Oid type, Datum value, bool is_null)
{
	Column *column = &columns->columns[columns->next];

	Assert(column->type == type);
	if (columns->row == columns->capacity)
		grow(columns);
	if (columns->row == columns->row_count || column->nulls[columns->row])
	{
		column->values[columns->row] = value;
		column->nulls[columns->row] = is_null;
	}
	if (++columns->next == columns->column_count)
		end_row(columns);
}

int
spotify_columns_count(const SpotifyColumns *columns)
{
	return columns->row_count;
}

void
spotify_columns_complete(SpotifyColumns *columns, int row)
{
	Assert(columns->next == 0 && row < columns->row_count);
	columns->row = row;
}

void
spotify_columns_text(SpotifyColumns *columns, const char *value)
{
	MemoryContext old = MemoryContextSwitchTo(columns->context);
	Datum datum = value != NULL ? CStringGetTextDatum(value) : (Datum) 0;

	MemoryContextSwitchTo(old);
	add_value(columns, TEXTOID, datum, value == NULL);
}

void
spotify_columns_integer(SpotifyColumns *columns, SpotifyInteger value)
{
	add_value(columns, INT4OID, Int32GetDatum(value.value), !value.is_known);
}

void
spotify_columns_boolean(SpotifyColumns *columns, SpotifyBoolean value)
{
	add_value(columns, BOOLOID, BoolGetDatum(value.value), !value.is_known);
}

void
spotify_columns_timestamp(SpotifyColumns *columns, SpotifyTimestamp value)
{
	TimestampTz time = value.is_known ? spotify_time_to_server(value) : 0;

	add_value(columns, TIMESTAMPTZOID, TimestampTzGetDatum(time),
			  !value.is_known);
}

void
spotify_columns_rank(SpotifyColumns *columns, int64 rank)
{
	add_value(columns, INT8OID, Int64GetDatum(rank), rank == 0);
}

static Datum
make_array(const Column *column, int row_count)
{
	int dimensions[1] = { row_count };
	int lower_bounds[1] = { 1 };
	int16 length;
	bool is_by_value;
	char alignment;

	if (row_count == 0)
		return PointerGetDatum(construct_empty_array(column->type));
	get_typlenbyvalalign(column->type, &length, &is_by_value, &alignment);
	return PointerGetDatum(construct_md_array(
		column->values, column->nulls, 1, dimensions, lower_bounds,
		column->type, length, is_by_value, alignment));
}

void
spotify_columns_to_parameters(const SpotifyColumns *columns,
							  SpotifyParameters *parameters)
{
	for (int i = 0; i < columns->column_count; i++)
	{
		const Column *column = &columns->columns[i];

		spotify_parameter_array(parameters, get_array_type(column->type),
								make_array(column, columns->row_count));
	}
}
