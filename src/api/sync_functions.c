/*
 * sync_functions.c
 *		SQL-callable functions that sync a collection.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "api/arguments.h"
#include "store/spi.h"
#include "sync/plays.h"
#include "sync/saved.h"

PG_FUNCTION_INFO_V1(spotify_sync_liked);
PG_FUNCTION_INFO_V1(spotify_sync_recently_played);

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
	spotify_check_isolation("spotify_sync_liked()");
	account = spotify_argument_account(fcinfo, 0);
	return spotify_saved_sync(&spotify_collection_liked, account, &options);
}

/* When a period that ends now began; unknown if the argument is null. */
static SpotifyTimestamp
begin_of_period(FunctionCallInfo fcinfo, int number)
{
	SpotifyTimestamp unknown = { false, 0 };
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz begin;

	if (PG_ARGISNULL(number))
		return unknown;
	begin = DatumGetTimestampTz(DirectFunctionCall2(timestamptz_mi_interval,
													TimestampTzGetDatum(now),
													PG_GETARG_DATUM(number)));
	if (begin >= now)
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("argument \"period\" must be longer than nothing"),
			 errdetail("It would not begin in the past."),
			 errhint(
				 "It counts back from now, such as '24 hours'; NULL stores all plays in Spotify's list.")));
	return spotify_time_from_server(begin);
}

/* spotify_sync_recently_played(account, period) */
Datum
spotify_sync_recently_played(PG_FUNCTION_ARGS)
{
	char *account;
	SpotifyTimestamp since;

	spotify_check_server("spotify_sync_recently_played()");
	spotify_check_isolation("spotify_sync_recently_played()");
	account = spotify_argument_account(fcinfo, 0);
	since = begin_of_period(fcinfo, 1);
	return spotify_plays_sync(account, since);
}
