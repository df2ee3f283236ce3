/*
 * sync_functions.c
 *		SQL-callable functions that sync a collection.
 */
#include "postgres.h"

#include "fmgr.h"

#include "api/arguments.h"
#include "sync/saved.h"

PG_FUNCTION_INFO_V1(spotify_sync_liked);

/* spotify_sync_liked(account, full_scan, allow_mass_removal) */
Datum
spotify_sync_liked(PG_FUNCTION_ARGS)
{
	SpotifySyncOptions options = { .full_scan =
									   spotify_argument_flag(fcinfo, 1),
								   .allow_mass_removal =
									   spotify_argument_flag(fcinfo, 2) };
	char *account;

	spotify_check_server("spotify_sync_liked()");
	account = spotify_argument_account(fcinfo, 0);
	return spotify_saved_sync(&spotify_collection_liked, account, &options);
}
