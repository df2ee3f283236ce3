/*
 * columns.c
 *		Rows kept by column, to be given to one statement as arrays.
 *
 * A column is kept as the array that it will be, so that a hundred thousand
 * rows cost what their values need and are not copied once more: a header,
 * filled in at the end, and behind it the elements, each padded to its
 * alignment.  See utils/array.h.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "store/columns.h"

#define INITIAL_CAPACITY 1024

/* Where the elements of an array without nulls begin. */
#define ELEMENTS ARR_OVERHEAD_NONULLS(1)

typedef struct Column
{
	Oid type;
	char *array;   /* room for a header, then elements */
	Size used;	   /* bytes of it, the header included */
	Size capacity; /* in bytes */
	uint8 *known;  /* a bit for each row, 0: null.  NULL while all are known */
	int known_capacity; /* in rows */
} Column;

struct SpotifyColumns
{
	MemoryContext context;
	int column_count;
	Column *columns;
	int row_count; /* complete rows */
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
	columns->columns = palloc0(column_count * sizeof(Column));
	for (int i = 0; i < column_count; i++)
	{
		Column *column = &columns->columns[i];

		column->type = types[i];
		column->array = palloc(INITIAL_CAPACITY);
		column->used = ELEMENTS;
		column->capacity = INITIAL_CAPACITY;
	}
	MemoryContextSwitchTo(old);
	return columns;
}

/* Makes room for so many bytes more; returns where they begin. */
static char *
extend(Column *column, Size size)
{
	char *place;

	if (column->used + size > MaxAllocSize)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("array size exceeds the maximum allowed (%zu)",
							   (Size) MaxAllocSize)));
	while (column->used + size > column->capacity)
	{
		column->capacity = Min(column->capacity * 2, MaxAllocSize);
		column->array = repalloc(column->array, column->capacity);
	}
	place = column->array + column->used;
	column->used += size;
	return place;
}

/* Notes for a row whether its value is known. */
static void
mark(SpotifyColumns *columns, Column *column, bool is_known)
{
	int row = columns->row_count;

	if (column->known == NULL && is_known)
		return;
	if (column->known == NULL)
	{
		column->known_capacity = TYPEALIGN(BITS_PER_BYTE, 2 * (row + 1));
		column->known = MemoryContextAllocZero(
			columns->context, column->known_capacity / BITS_PER_BYTE);
		for (int i = 0; i < row; i++)
			column->known[i / BITS_PER_BYTE] |= 1 << (i % BITS_PER_BYTE);
	}
	if (row == column->known_capacity)
	{
		column->known = repalloc(column->known, 2 * row / BITS_PER_BYTE);
		memset(column->known + row / BITS_PER_BYTE, 0, row / BITS_PER_BYTE);
		column->known_capacity = 2 * row;
	}
	if (is_known)
		column->known[row / BITS_PER_BYTE] |= 1 << (row % BITS_PER_BYTE);
}

/* The column that the next value is for; every value asks once. */
static Column *
next_column(SpotifyColumns *columns, Oid type, bool is_known)
{
	Column *column = &columns->columns[columns->next];

	Assert(column->type == type);
	mark(columns, column, is_known);
	if (++columns->next == columns->column_count)
	{
		columns->next = 0;
		columns->row_count++;
	}
	return column;
}

/* Adds a value that is stored as it is in memory, or a null. */
static void
add_value(SpotifyColumns *columns, Oid type, const void *value, Size size,
		  bool is_known)
{
	Column *column = next_column(columns, type, is_known);

	Assert(get_typlen(type) == (int) size);
	if (is_known)
		memcpy(extend(column, size), value, size);
}

void
spotify_columns_text(SpotifyColumns *columns, const char *value)
{
	Column *column = next_column(columns, TEXTOID, value != NULL);
	Size length;
	Size padded;
	char *element;

	if (value == NULL)
		return;
	length = VARHDRSZ + strlen(value);
	padded = INTALIGN(length);
	element = extend(column, padded);
	SET_VARSIZE(element, length);
	memcpy(VARDATA(element), value, length - VARHDRSZ);
	memset(element + length, 0, padded - length);
}

void
spotify_columns_integer(SpotifyColumns *columns, SpotifyInteger value)
{
	int32 number = value.value;

	add_value(columns, INT4OID, &number, sizeof(number), value.is_known);
}

void
spotify_columns_boolean(SpotifyColumns *columns, SpotifyBoolean value)
{
	bool truth = value.value;

	add_value(columns, BOOLOID, &truth, sizeof(truth), value.is_known);
}

void
spotify_columns_timestamp(SpotifyColumns *columns, SpotifyTimestamp value)
{
	TimestampTz time = value.is_known ? spotify_time_to_server(value) : 0;

	add_value(columns, TIMESTAMPTZOID, &time, sizeof(time), value.is_known);
}

void
spotify_columns_rank(SpotifyColumns *columns, int64 rank)
{
	add_value(columns, INT8OID, &rank, sizeof(rank), rank != 0);
}

int
spotify_columns_count(const SpotifyColumns *columns)
{
	return columns->row_count;
}

/* Fills in the header, in front of so many bytes. */
static void
fill_header(const Column *column, ArrayType *array, Size size, int row_count)
{
	SET_VARSIZE(array, size);
	array->ndim = 1;
	array->dataoffset = 0;
	array->elemtype = column->type;
	ARR_DIMS(array)[0] = row_count;
	ARR_LBOUND(array)[0] = 1;
}

/* The elements once more, behind a header that ends with the bitmap. */
static ArrayType *
make_array_with_nulls(const Column *column, int row_count)
{
	Size offset = ARR_OVERHEAD_WITHNULLS(1, row_count);
	Size size = column->used - ELEMENTS;
	ArrayType *array = palloc0(offset + size);

	fill_header(column, array, offset + size, row_count);
	array->dataoffset = offset;
	memcpy(ARR_LBOUND(array) + 1, column->known,
		   (row_count + BITS_PER_BYTE - 1) / BITS_PER_BYTE);
	memcpy((char *) array + offset, column->array + ELEMENTS, size);
	return array;
}

/* Without nulls the array is the column's own. */
static ArrayType *
make_array(const Column *column, int row_count)
{
	ArrayType *array = (ArrayType *) column->array;

	if (row_count == 0)
		return construct_empty_array(column->type);
	if (column->known != NULL)
		return make_array_with_nulls(column, row_count);
	fill_header(column, array, column->used, row_count);
	return array;
}

void
spotify_columns_to_parameters(const SpotifyColumns *columns,
							  SpotifyParameters *parameters)
{
	for (int i = 0; i < columns->column_count; i++)
	{
		const Column *column = &columns->columns[i];

		spotify_parameter_array(
			parameters, get_array_type(column->type),
			PointerGetDatum(make_array(column, columns->row_count)));
	}
}
