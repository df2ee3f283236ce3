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
#include "spotify/decode.h"
#include "spotify/redirect.h"
#include "spotify/text.h"
#include "store/accounts.h"
#include "store/credentials.h"
#include "store/tables.h"
#include "sync/authorization.h"
#include "sync/durable.h"
#include "sync/lock.h"
#include "sync/spool.h"
#include "sync/sync_all.h"

PG_FUNCTION_INFO_V1(spotify_set_account);
PG_FUNCTION_INFO_V1(spotify_forget_account);
PG_FUNCTION_INFO_V1(spotify_refresh_token);
PG_FUNCTION_INFO_V1(spotify_authorize_url);
PG_FUNCTION_INFO_V1(spotify_authorize);

/* The arguments of spotify_set_account; NULL leaves what is stored. */
typedef struct AccountArguments
{
	char *client_id;
	char *client_secret;
	char *refresh_token;
	char *redirect_uri;
	char *name;
} AccountArguments;

static void
check_not_empty(const char *value, const char *argument)
{
	if (value == NULL || value[0] != '\0')
		return;
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("argument \"%s\" must not be empty", argument),
					errhint("NULL leaves what is stored.")));
}

static bool
is_sendable(const char *value)
{
	return strlen(value) <= SPOTIFY_MAX_TOKEN_LENGTH &&
		   spotify_text_is_visible_ascii(value, strlen(value));
}

/* What Spotify gives out goes into a header or a form: it is plain ASCII. */
static void
check_secret(const char *value, const char *argument)
{
	if (value == NULL || is_sendable(value))
		return;
	ereport(
		ERROR,
		(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		 errmsg("argument \"%s\" is not what Spotify gives out", argument),
		 errdetail(
			 "It must consist of printable ASCII characters without spaces, at most %d of them.",
			 SPOTIFY_MAX_TOKEN_LENGTH),
		 errhint("Copy it again, without line breaks or quotes.")));
}

static void
check_redirect_uri(const char *uri)
{
	const char *problem =
		uri != NULL ? spotify_redirect_uri_problem(uri) : NULL;

	if (problem == NULL)
		return;
	ereport(
		ERROR,
		(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		 errmsg("Spotify does not accept the redirect URI"),
		 errdetail("The redirect URI %s.", problem),
		 errhint(
			 "Use the one that is registered for the app, such as http://127.0.0.1:8888/callback.")));
}

static void
check_account_arguments(const AccountArguments *arguments)
{
	check_not_empty(arguments->client_id, "client_id");
	check_not_empty(arguments->refresh_token, "refresh_token");
	check_not_empty(arguments->redirect_uri, "redirect_uri");
	check_secret(arguments->client_id, "client_id");
	check_secret(arguments->client_secret, "client_secret");
	check_secret(arguments->refresh_token, "refresh_token");
	check_redirect_uri(arguments->redirect_uri);
	if (arguments->name == NULL || arguments->name[0] == '\0')
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("argument \"account\" must name an account"),
						errhint("Leave it out to use the name \"default\".")));
	if (strlen(arguments->name) > 200)
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg(
				 "the name of an account must not be longer than 200 bytes")));
}

static void
create_account(const AccountArguments *arguments)
{
	if (arguments->client_id == NULL)
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("a new account needs a client id"),
			 errhint(
				 "Find it in the app's settings at https://developer.spotify.com/dashboard.")));
	if (arguments->redirect_uri == NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("a new account needs a redirect URI"),
						errhint("Leave the argument out to get the default.")));
	spotify_accounts_insert(arguments->name, arguments->client_id,
							arguments->redirect_uri);
}

/* A token that is stored already says nothing about a new authorization. */
static bool
is_new_refresh_token(const AccountArguments *arguments)
{
	SpotifyCredentials *stored;
	bool is_new;

	if (arguments->refresh_token == NULL)
		return false;
	stored = spotify_credentials_load(arguments->name);
	is_new = stored->refresh_token == NULL ||
			 strcmp(stored->refresh_token, arguments->refresh_token) != 0;
	spotify_credentials_wipe(stored);
	return is_new;
}

Datum
spotify_set_account(PG_FUNCTION_ARGS)
{
	AccountArguments arguments = {
		.client_id = spotify_argument_text(fcinfo, 0),
		.client_secret = spotify_argument_text(fcinfo, 1),
		.refresh_token = spotify_argument_text(fcinfo, 2),
		.redirect_uri = spotify_argument_text(fcinfo, 3),
		.name = spotify_argument_text(fcinfo, 4)
	};
	bool is_authorized_anew;

	spotify_check_server("spotify_set_account()");
	spotify_tables_check();
	check_account_arguments(&arguments);

	if (spotify_accounts_find(arguments.name) == NULL)
		create_account(&arguments);
	else
		spotify_accounts_update(arguments.name, arguments.client_id,
								arguments.redirect_uri);
	is_authorized_anew = is_new_refresh_token(&arguments);
	spotify_credentials_set(arguments.name, arguments.client_secret,
							arguments.refresh_token);
	if (is_authorized_anew)
		spotify_accounts_set_authorized(arguments.name);
	PG_RETURN_VOID();
}

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

Datum
spotify_forget_account(PG_FUNCTION_ARGS)
{
	char *account;

	spotify_check_server("spotify_forget_account()");
	spotify_check_isolation("spotify_forget_account()");
	spotify_tables_check();
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"account\" must not be null"),
				 errhint("Name the account whose data is to be deleted.")));
	account = spotify_argument_account(fcinfo, 0);
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
