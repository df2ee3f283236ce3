/*
 * saved_list.h
 *		Loading and writing a saved list, by the statements of its tables.
 *
 * What differs from list to list is the text of the statements (store/liked.c).
 */
#ifndef SPOTIFY_SAVED_LIST_H
#define SPOTIFY_SAVED_LIST_H

#include "datatype/timestamp.h"

#include "store/saved_item.h"

/*
 * The statements, with their parameters.  $1 is the account in each.  Those
 * that load give id, added_at, is_active and list_rank of each row, with a NULL
 * id for a place without identity, and the largest rank first.
 */
typedef struct SpotifySavedTable
{
	const char *load;				   /* all rows, those without rank last */
	const char *load_places;		   /* OFFSET $2 LIMIT $3 of the list */
	const char *load_places_and_nulls; /* the same where there are nulls */
	const char *count_places;		   /* one row: see SpotifyPlaceCounts */

	/*
	 * These four return how many rows they wrote under their keys.
	 *
	 * $2: when; $3 to $6: arrays of id, added_at, is_active, list_rank
	 */
	const char *insert;
	const char *update;

	const char *move; /* $2, $3: arrays of id, list_rank */

	/* $2: when; $3: run; $4, $5: arrays of id, event */
	const char *write_events;

	const char *delete_null_places; /* $2: array of the list_ranks that stay */
	const char *insert_null_places; /* $2, $3: arrays of list_rank, added_at */

	/* The tables' names, for messages. */
	const char *items_name;
	const char *events_name;
	const char *null_places_name;
} SpotifySavedTable;

/*
 * All rows of an account, inactive ones and places without identity too, in
 * the current memory context.  The list comes first, in its order.
 */
extern SpotifySavedItem *spotify_saved_list_load(const SpotifySavedTable *table,
												 const char *account,
												 int *count);

/*
 * Up to limit places of the list as it was after the last run, from the place
 * first (0 is the newest) on, in the current memory context.  has_nulls: some
 * place has no identity.
 */
extern SpotifySavedItem *
spotify_saved_list_load_places(const SpotifySavedTable *table,
							   const char *account, bool has_nulls, int first,
							   int limit, int *count);

/* How many places the list had after the last run. */
extern void spotify_saved_list_count_places(const SpotifySavedTable *table,
											const char *account,
											SpotifyPlaceCounts *counts);

/*
 * Writes changes as of a point in time, and the event of each that is one.
 * What the items are and the run must be stored already.
 */
extern void spotify_saved_list_write(const SpotifySavedTable *table,
									 const char *account, int64 run_id,
									 TimestampTz changed_at,
									 const SpotifySavedChange *changes,
									 int count);

/* Replaces the places without identity. */
extern void spotify_saved_list_write_null_places(const SpotifySavedTable *table,
												 const char *account,
												 const SpotifyNullPlace *places,
												 int count);

#endif /* SPOTIFY_SAVED_LIST_H */
