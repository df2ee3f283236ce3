/*
 * columns.h
 *		Rows kept by column, to be given to one statement as arrays.
 *
 * A statement unnests the arrays, so that any number of rows takes one
 * statement and needs no temporary table.
 */
#ifndef SPOTIFY_COLUMNS_H
#define SPOTIFY_COLUMNS_H

#include "spotify/model.h"
#include "store/spi.h"

typedef struct SpotifyColumns SpotifyColumns;

/* Lives in the given context; types has one type for each column. */
extern SpotifyColumns *spotify_columns_create(MemoryContext context,
											  const Oid *types,
											  int column_count);

/*
 * Adds a row.  There must be a value for each column, in order; each call
 * fills the next one.  What is not known becomes a null.
 */
extern void spotify_columns_text(SpotifyColumns *columns, const char *value);
extern void spotify_columns_integer(SpotifyColumns *columns,
									SpotifyInteger value);
extern void spotify_columns_boolean(SpotifyColumns *columns,
									SpotifyBoolean value);
extern void spotify_columns_timestamp(SpotifyColumns *columns,
									  SpotifyTimestamp value);

/* A rank of a list (sync/list_ranks.h); 0 becomes a null. */
extern void spotify_columns_rank(SpotifyColumns *columns, int64 rank);

/* How many rows there are. */
extern int spotify_columns_count(const SpotifyColumns *columns);

/* Adds an array parameter for each column.  The columns must outlive it. */
extern void spotify_columns_to_parameters(const SpotifyColumns *columns,
										  SpotifyParameters *parameters);

#endif /* SPOTIFY_COLUMNS_H */
