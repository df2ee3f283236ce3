/*
 * account_functions.c
 *		SQL-callable functions about accounts and their tokens.
 *
 * Their arguments may be secrets: no message repeats one.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "api/arguments.h"
#include "store/accounts.h"
#include "store/tables.h"
#include "sync/authorization.h"
#include "sync/durable.h"
#include "sync/lock.h"
#include "sync/spool.h"
#include "sync/sync_all.h"

PG_FUNCTION_INFO_V1(spotify_forget_account);
PG_FUNCTION_INFO_V1(spotify_refresh_token);
PG_FUNCTION_INFO_V1(spotify_authorize_url);
PG_FUNCTION_INFO_V1(spotify_authorize);

/*
 * What nobody uses any more tells of the account that was forgotten.  The lock
 * comes late, because syncs wait for it until the end of the transaction.
 */
static void
forget_unused(void)
{
	if (!spotify_lock_catalog_alone())
		ereport(
			ERROR,
			(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
			 errmsg(
				 "could not lock the catalogue of tracks, albums and artists"),
			 errdetail(
				 "For %d seconds there was always a transaction that had synced and not ended.",
				 SPOTIFY_LOCK_CATALOG_ALONE_SECONDS),
			 errhint(
				 "Nothing was deleted. Call the function again; if that does not help, pg_stat_activity shows which session is idle in transaction.")));
	spotify_accounts_forget_unused();
}

/*
 * The account to forget, or the name under which somebody loaded rows without
 * one: nothing else removes these.
 */
static char *
get_name_to_forget(FunctionCallInfo fcinfo)
{
	char *name = spotify_argument_text(fcinfo, 0);

	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"account\" must not be null"),
				 errhint("Name the account whose data is to be deleted.")));
	if (spotify_accounts_has_rows(name))
		return name;
	return spotify_argument_account(fcinfo, 0);
}

Datum
spotify_forget_account(PG_FUNCTION_ARGS)
{
	char *account;

	spotify_check_server("spotify_forget_account()");
	spotify_check_isolation("spotify_forget_account()");
	spotify_tables_check();
	account = get_name_to_forget(fcinfo);
	spotify_sync_all_lock(account);
	spotify_accounts_forget(account);
	forget_unused();
	spotify_spool_remove_at_commit(account);
	PG_RETURN_VOID();
}

Datum
spotify_refresh_token(PG_FUNCTION_ARGS)
{
	SpotifyTraffic traffic = { 0 };
	SpotifyAccessToken token;

	spotify_check_server("spotify_refresh_token()");
	spotify_tables_check();
	token = spotify_durable_token(spotify_argument_account(fcinfo, 0),
								  SPOTIFY_TOKEN_NEW, NULL, &traffic);
	PG_RETURN_TIMESTAMPTZ(token.expires_at);
}

Datum
spotify_authorize_url(PG_FUNCTION_ARGS)
{
	char *account;

	spotify_check_server("spotify_authorize_url()");
	spotify_tables_check();
	account = spotify_argument_account(fcinfo, 0);
	PG_RETURN_TEXT_P(cstring_to_text(spotify_authorization_begin(account)));
}

Datum
spotify_authorize(PG_FUNCTION_ARGS)
{
	char *response = spotify_argument_text(fcinfo, 0);
	char *account;
	const char *user_id;

	spotify_check_server("spotify_authorize()");
	spotify_tables_check();
	if (response == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"response\" must not be null"),
				 errhint("Pass the address on which the browser ended.")));
	account = spotify_argument_account(fcinfo, 1);
	user_id = spotify_authorization_complete(account, response);
	if (user_id == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(user_id));
}
