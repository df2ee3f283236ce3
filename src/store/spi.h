/*
 * spi.h
 *		Running SQL: connect, parameters, checked results.
 *
 * Statements are constants with parameters, and every object in them is
 * qualified.  Operators and functions of pg_catalog need no qualification:
 * the search_path is fixed to pg_catalog, pg_temp by the definition of each
 * SQL-callable function, which also gives the rights of the tables' owner, or
 * by sync/steps.c for a procedure that commits.
 */
#ifndef SPOTIFY_SPI_H
#define SPOTIFY_SPI_H

#include "datatype/timestamp.h"
#include "executor/spi.h"

#include "spotify/model.h"

#define SPOTIFY_MAX_PARAMETERS 24
#define SPOTIFY_MAX_SECRETS	   3

typedef struct SpotifyParameters
{
	int secret_count;
	const char *secrets[SPOTIFY_MAX_SECRETS]; /* the caller's, or NULL */
	int count;
	Oid types[SPOTIFY_MAX_PARAMETERS];
	Datum values[SPOTIFY_MAX_PARAMETERS];
	char nulls[SPOTIFY_MAX_PARAMETERS];
} SpotifyParameters;

/* The server counts from 2000-01-01, the model from 1970-01-01. */
extern TimestampTz spotify_time_to_server(SpotifyTimestamp time);
extern SpotifyTimestamp spotify_time_from_server(TimestampTz time);

/*
 * Adds the next secret, which must stay until the statement was run.  The
 * statement gets it by calling spotify_private.secret with its number, from 1,
 * while it runs: the log, plans, auto_explain, pgaudit and whatever else looks at
 * statements and their parameters see no more than the call.
 */
extern void spotify_parameter_secret(SpotifyParameters *parameters,
									 const char *value);

/* Each adds the next parameter; a NULL string is a NULL parameter. */
extern void spotify_parameter_text(SpotifyParameters *parameters,
								   const char *value);
extern void spotify_parameter_integer(SpotifyParameters *parameters,
									  SpotifyInteger value);
extern void spotify_parameter_int4(SpotifyParameters *parameters, int32 value);
extern void spotify_parameter_int8(SpotifyParameters *parameters, int64 value);
extern void spotify_parameter_boolean(SpotifyParameters *parameters,
									  bool value);
extern void spotify_parameter_timestamp(SpotifyParameters *parameters,
										SpotifyTimestamp value);
extern void spotify_parameter_array(SpotifyParameters *parameters,
									Oid array_type, Datum value);

/*
 * Connects and runs one statement.  The rows are in SPI_tuptable and
 * SPI_processed until spotify_spi_finish.  Results that outlive it are
 * allocated in the context that was current before.  A snapshot is active in
 * between, since a procedure that committed has none, and long values are
 * read from where they lie when they are asked for.
 */
extern void spotify_spi_execute(const char *statement,
								const SpotifyParameters *parameters);
extern void spotify_spi_finish(void);

/* Overwrites the rows, which hold secrets, when all is read of them. */
extern void spotify_spi_wipe(void);

/* Runs one statement whose rows do not matter; returns how many there were. */
extern uint64 spotify_spi_run(const char *statement,
							  const SpotifyParameters *parameters);

/* Runs one statement whose result is one number, and returns that. */
extern int64 spotify_spi_number(const char *statement,
								const SpotifyParameters *parameters);

/*
 * Reports it if other rows of a table were written than should be: a trigger
 * of the user's kept some out, or changed their keys.  table is its qualified
 * name.
 */
extern void spotify_spi_check_written(const char *table, uint64 written,
									  uint64 expected);

/*
 * Fields of a result row, copied to the given context; NULL if null.  It is an
 * error if there is no such row.
 */
extern char *spotify_spi_text(uint64 row, int column, MemoryContext context);
extern SpotifyTimestamp spotify_spi_timestamp(uint64 row, int column);
extern bool spotify_spi_bool(uint64 row, int column);
extern int32 spotify_spi_int4(uint64 row, int column);
extern int64 spotify_spi_int8(uint64 row, int column);

/*
 * A composite field, copied to the given context; an error if it is null.  Its
 * type is that of the column: a row made with SPI_returntuple would be an
 * anonymous record, which only this session can read.
 */
extern Datum spotify_spi_composite(uint64 row, int column,
								   MemoryContext context);

#endif /* SPOTIFY_SPI_H */
