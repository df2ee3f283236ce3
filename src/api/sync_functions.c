/*
 * sync_functions.c
 *		SQL-callable functions that sync a collection.
 */
#include "postgres.h"

#include "fmgr.h"

#include "api/arguments.h"
#include "sync/saved.h"

PG_FUNCTION_INFO_V1(spotify_sync_liked);

/*
 * spotify_sync_liked(account, full_scan, allow_mass_removal): every run is a
 * full scan, so full_scan makes no difference.
 */
Datum
spotify_sync_liked(PG_FUNCTION_ARGS)
{
	char *account;

	spotify_check_server("spotify_sync_liked()");
	account = spotify_argument_account(fcinfo, 0);
	return spotify_saved_sync(&spotify_collection_liked, account,
							  spotify_argument_flag(fcinfo, 2));
}
