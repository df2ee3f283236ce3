/*
 * spi.c
 *		Running SQL: connect, parameters, checked results.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "store/spi.h"

PG_FUNCTION_INFO_V1(spotify_secret);

#define EPOCH_DIFFERENCE                                                       \
	((POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY)

TimestampTz
spotify_time_to_server(SpotifyTimestamp time)
{
	Assert(time.is_known);
	return time.value - EPOCH_DIFFERENCE;
}

SpotifyTimestamp
spotify_time_from_server(TimestampTz time)
{
	SpotifyTimestamp result = { true, time + EPOCH_DIFFERENCE };

	return result;
}

static void
add_parameter(SpotifyParameters *parameters, Oid type, Datum value,
			  bool is_null)
{
	Assert(parameters->count < SPOTIFY_MAX_PARAMETERS);
	parameters->types[parameters->count] = type;
	parameters->values[parameters->count] = value;
	parameters->nulls[parameters->count] = is_null ? 'n' : ' ';
	parameters->count++;
}

static void
add_null(SpotifyParameters *parameters, Oid type)
{
	add_parameter(parameters, type, (Datum) 0, true);
}

void
spotify_parameter_text(SpotifyParameters *parameters, const char *value)
{
	if (value == NULL)
		add_null(parameters, TEXTOID);
	else
		add_parameter(parameters, TEXTOID, CStringGetTextDatum(value), false);
}

void
spotify_parameter_int4(SpotifyParameters *parameters, int32 value)
{
	add_parameter(parameters, INT4OID, Int32GetDatum(value), false);
}

void
spotify_parameter_int8(SpotifyParameters *parameters, int64 value)
{
	add_parameter(parameters, INT8OID, Int64GetDatum(value), false);
}

void
spotify_parameter_integer(SpotifyParameters *parameters, SpotifyInteger value)
{
	if (value.is_known)
		spotify_parameter_int4(parameters, value.value);
	else
		add_null(parameters, INT4OID);
}

void
spotify_parameter_boolean(SpotifyParameters *parameters, bool value)
{
	add_parameter(parameters, BOOLOID, BoolGetDatum(value), false);
}

void
spotify_parameter_timestamp(SpotifyParameters *parameters,
							SpotifyTimestamp value)
{
	if (value.is_known)
		add_parameter(parameters, TIMESTAMPTZOID,
					  TimestampTzGetDatum(spotify_time_to_server(value)),
					  false);
	else
		add_null(parameters, TIMESTAMPTZOID);
}

void
spotify_parameter_array(SpotifyParameters *parameters, Oid array_type,
						Datum value)
{
	add_parameter(parameters, array_type, value, false);
}

void
spotify_parameter_secret(SpotifyParameters *parameters, const char *value)
{
	Assert(parameters->secret_count < SPOTIFY_MAX_SECRETS);
	parameters->secrets[parameters->secret_count++] = value;
}

/* Those of the statement that is running; NULL if none is. */
static const SpotifyParameters *running = NULL;

/* spotify_private.secret(): NULL for a secret that is NULL. */
Datum
spotify_secret(PG_FUNCTION_ARGS)
{
	int32 number = PG_GETARG_INT32(0);
	const char *secret;

	if (running == NULL || number < 1 || number > running->secret_count)
		ereport(
			ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("only statements of spotify_etl can call this function")));
	secret = running->secrets[number - 1];
	if (secret == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(secret));
}

/*
 * The detail of an error quotes a row that a constraint refuses: a constraint
 * of somebody else's, since ours cannot be violated.
 */
static void
hide_refused_row(void *arg)
{
	const SpotifyParameters *parameters = arg;

	if (parameters->secret_count > 0 &&
		ERRCODE_TO_CATEGORY(geterrcode()) ==
			ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION)
		errdetail("The row is not shown, for it holds secrets.");
}

static int
execute(const char *statement, const SpotifyParameters *parameters)
{
	const SpotifyParameters *outer = running;
	ErrorContextCallback error_context = {
		.previous = error_context_stack,
		.callback = hide_refused_row,
		.arg = unconstify(SpotifyParameters *, parameters)
	};
	int result;

	error_context_stack = &error_context;
	running = parameters;
	PG_TRY();
	{
		result =
			SPI_execute_with_args(statement, parameters->count,
								  unconstify(Oid *, &parameters->types[0]),
								  unconstify(Datum *, &parameters->values[0]),
								  parameters->nulls, false, 0);
	}
	PG_FINALLY();
	{
		running = outer;
	}
	PG_END_TRY();
	error_context_stack = error_context.previous;
	return result;
}

void
spotify_spi_execute(const char *statement, const SpotifyParameters *parameters)
{
	int result;

	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
	result = execute(statement, parameters);
	if (result < 0)
		elog(ERROR, "SPI_execute_with_args failed: %s",
			 SPI_result_code_string(result));
}

void
spotify_spi_wipe(void)
{
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		HeapTuple tuple = SPI_tuptable->vals[row];

		explicit_bzero(tuple->t_data, tuple->t_len);
	}
}

void
spotify_spi_finish(void)
{
	int result;

	PopActiveSnapshot();
	result = SPI_finish();
	if (result != SPI_OK_FINISH)
		elog(ERROR, "SPI_finish failed: %s", SPI_result_code_string(result));
}

uint64
spotify_spi_run(const char *statement, const SpotifyParameters *parameters)
{
	uint64 processed;

	spotify_spi_execute(statement, parameters);
	processed = SPI_processed;
	spotify_spi_finish();
	return processed;
}

int64
spotify_spi_number(const char *statement, const SpotifyParameters *parameters)
{
	int64 number;

	spotify_spi_execute(statement, parameters);
	number = spotify_spi_int8(0, 1);
	spotify_spi_finish();
	return number;
}

void
spotify_spi_check_written(const char *table, uint64 written, uint64 expected)
{
	if (written == expected)
		return;
	ereport(
		ERROR,
		(errcode(ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION),
		 errmsg("could not write table \"%s\"", table),
		 errdetail(UINT64_FORMAT " of " UINT64_FORMAT
								 " rows were written as they should be.",
				   written, expected),
		 errhint(
			 "Look for a trigger on the table that returns NULL or changes a key, and drop it.")));
}

/* A row that is not there would be read from beyond the result. */
static Datum
get_field(uint64 row, int column, bool *is_null)
{
	if (SPI_tuptable == NULL || row >= SPI_processed)
		elog(ERROR, "row " UINT64_FORMAT " of a result is missing", row + 1);
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column,
						 is_null);
}

char *
spotify_spi_text(uint64 row, int column, MemoryContext context)
{
	bool is_null;
	Datum value = get_field(row, column, &is_null);
	MemoryContext old;
	char *string;

	if (is_null)
		return NULL;
	old = MemoryContextSwitchTo(context);
	string = TextDatumGetCString(value);
	MemoryContextSwitchTo(old);
	return string;
}

SpotifyTimestamp
spotify_spi_timestamp(uint64 row, int column)
{
	SpotifyTimestamp unknown = { false, 0 };
	bool is_null;
	Datum value = get_field(row, column, &is_null);

	if (is_null)
		return unknown;
	return spotify_time_from_server(DatumGetTimestampTz(value));
}

bool
spotify_spi_bool(uint64 row, int column)
{
	bool is_null;
	Datum value = get_field(row, column, &is_null);

	return !is_null && DatumGetBool(value);
}

int32
spotify_spi_int4(uint64 row, int column)
{
	bool is_null;
	Datum value = get_field(row, column, &is_null);

	return is_null ? 0 : DatumGetInt32(value);
}

int64
spotify_spi_int8(uint64 row, int column)
{
	bool is_null;
	Datum value = get_field(row, column, &is_null);

	return is_null ? 0 : DatumGetInt64(value);
}

Datum
spotify_spi_composite(uint64 row, int column, MemoryContext context)
{
	bool is_null;
	Datum value = get_field(row, column, &is_null);
	MemoryContext old;
	Datum copy;

	if (is_null)
		elog(ERROR, "row " UINT64_FORMAT " of a result is null", row + 1);
	old = MemoryContextSwitchTo(context);
	copy = datumCopy(value, false, -1);
	MemoryContextSwitchTo(old);
	return copy;
}
