/*
 * sync_all.c
 *		The procedure that syncs everything there is.
 */
#include "postgres.h"

#include "fmgr.h"

#include "api/arguments.h"
#include "store/accounts.h"
#include "sync/steps.h"
#include "sync/sync_all.h"

PG_FUNCTION_INFO_V1(spotify_sync_all);

static void
report_none_enabled(void)
{
	ereport(
		ERROR,
		(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		 errmsg("no Spotify account is enabled"),
		 errhint(
			 "Enable one by UPDATE spotify.accounts SET is_enabled = true.")));
}

/*
 * CALL spotify_sync_all(): runs with the rights of its caller, until it takes
 * those of its owner by itself.
 */
Datum
spotify_sync_all(PG_FUNCTION_ARGS)
{
	SpotifySteps steps;
	SpotifySyncAll all;
	List *accounts;

	spotify_check_server("spotify_sync_all()");
	spotify_steps_begin(&steps, fcinfo);
	if (steps.is_atomic)
		spotify_check_isolation("spotify_sync_all()");
	accounts = spotify_accounts_names();
	if (accounts == NIL)
		spotify_report_no_account();
	spotify_sync_all_run(&all, accounts, &steps);
	spotify_steps_end(&steps);

	if (all.tried == 0)
		report_none_enabled();
	if (all.failures != NIL)
		spotify_sync_all_report(&all, steps.is_atomic);
	PG_RETURN_VOID();
}
