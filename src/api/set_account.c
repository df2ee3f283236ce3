/*
 * set_account.c
 *		spotify_set_account: checks its arguments, stores them, and says what
 *		became of that.
 *
 * They may be secrets: no message repeats one.
 */
#include "postgres.h"

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"

#include "api/arguments.h"
#include "spotify/decode.h"
#include "spotify/failure.h"
#include "spotify/redirect.h"
#include "spotify/text.h"
#include "store/accounts.h"
#include "store/credentials.h"
#include "store/tables.h"

PG_FUNCTION_INFO_V1(spotify_set_account);

/* Of a new account.  Nothing listens there, and nothing has to. */
#define DEFAULT_REDIRECT_URI "http://127.0.0.1:8888/callback"

/* The arguments; NULL leaves what is stored. */
typedef struct AccountArguments
{
	char *client_id;
	char *client_secret; /* empty: removes the stored one */
	char *refresh_token;
	char *redirect_uri;
	char *name;
} AccountArguments;

/* Which of them differ from what is stored. */
typedef struct AccountChanges
{
	bool client_id;
	bool client_secret;
	bool refresh_token;
	bool redirect_uri;
} AccountChanges;

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
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("Spotify does not accept the redirect URI"),
			 errdetail("The redirect URI %s.", problem),
			 errhint("Use the one that is registered for the app, such as %s.",
					 DEFAULT_REDIRECT_URI)));
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
			 errdetail("There is no account \"%s\" yet.", arguments->name),
			 errhint(
				 "Find it in the app's settings at https://developer.spotify.com/dashboard.")));
	spotify_accounts_insert(arguments->name, arguments->client_id,
							arguments->redirect_uri != NULL
								? arguments->redirect_uri
								: DEFAULT_REDIRECT_URI);
}

/* Whether a value was given that is not the stored one; empty counts as none. */
static bool
is_change(const char *given, const char *stored)
{
	if (given == NULL)
		return false;
	return strcmp(given, stored != NULL ? stored : "") != 0;
}

/* account: what is stored, NULL of a new one. */
static AccountChanges
find_changes(const AccountArguments *arguments, const SpotifyAccount *account)
{
	SpotifyCredentials *stored = spotify_credentials_load(arguments->name);
	AccountChanges changes = {
		.client_id = account != NULL &&
					 is_change(arguments->client_id, account->client_id),
		.client_secret =
			is_change(arguments->client_secret, stored->client_secret),
		.refresh_token =
			is_change(arguments->refresh_token, stored->refresh_token),
		.redirect_uri = account != NULL && is_change(arguments->redirect_uri,
													 account->redirect_uri),
	};

	spotify_credentials_wipe(stored);
	return changes;
}

static void
append_if(StringInfo names, bool is_changed, const char *name)
{
	if (is_changed)
		appendStringInfo(names, "%s%s", names->len > 0 ? ", " : "", name);
}

static void
tell_updated(const char *account, const AccountChanges *changes)
{
	StringInfoData names;

	initStringInfo(&names);
	append_if(&names, changes->client_id, "client_id");
	append_if(&names, changes->client_secret, "client_secret");
	append_if(&names, changes->refresh_token, "refresh_token");
	append_if(&names, changes->redirect_uri, "redirect_uri");
	if (names.len == 0)
		ereport(NOTICE,
				(errmsg("Spotify account \"%s\" stays as it is", account),
				 errdetail("All that was given is stored already.")));
	else
		ereport(NOTICE, (errmsg("updated Spotify account \"%s\"", account),
						 errdetail("What changed: %s.", names.data)));
}

/* A typing error in the name makes another account. */
static void
tell_created(const AccountArguments *arguments)
{
	const char *account = arguments->name;
	int count = list_length(spotify_accounts_names());

	if (count > 1)
		ereport(
			NOTICE,
			(errmsg("created Spotify account \"%s\"", account),
			 errdetail("There are %d accounts now.", count),
			 errhint(
				 "If the name is a typing error, remove it: spotify_forget_account(%s).",
				 quote_literal_cstr(account))));
	else if (arguments->refresh_token != NULL)
		ereport(NOTICE, (errmsg("created Spotify account \"%s\"", account)));
	else
		ereport(NOTICE,
				(errmsg("created Spotify account \"%s\"", account),
				 errhint(SPOTIFY_HINT_AUTHORIZE, quote_literal_cstr(account),
						 quote_literal_cstr(account))));
}

/* Of an account that is new, or had a secret until now. */
static bool
is_made_pkce_client(const AccountArguments *arguments,
					const SpotifyAccount *account,
					const AccountChanges *changes)
{
	return arguments->client_secret != NULL &&
		   arguments->client_secret[0] == '\0' &&
		   (account == NULL || changes->client_secret);
}

/* The secret may be empty because a variable was. */
static void
tell_pkce_client(const char *account)
{
	ereport(
		NOTICE,
		(errmsg("Spotify account \"%s\" is a PKCE client now", account),
		 errdetail(
			 "The client secret that was given is empty, so none is stored."),
		 errhint(
			 "If the app has a secret, set it again: NULL would have left the stored one.")));
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
	SpotifyAccount *account;
	AccountChanges changes;

	spotify_check_server("spotify_set_account()");
	spotify_tables_check();
	check_account_arguments(&arguments);

	account = spotify_accounts_find(arguments.name);
	if (account == NULL)
		create_account(&arguments);
	else
		spotify_accounts_update(arguments.name, arguments.client_id,
								arguments.redirect_uri);
	changes = find_changes(&arguments, account);
	spotify_credentials_set(arguments.name, arguments.client_secret,
							arguments.refresh_token);
	/* A token that is stored already says nothing about an authorization. */
	if (changes.refresh_token)
		spotify_accounts_set_authorized(arguments.name);

	if (account == NULL)
		tell_created(&arguments);
	else
		tell_updated(arguments.name, &changes);
	if (is_made_pkce_client(&arguments, account, &changes))
		tell_pkce_client(arguments.name);
	PG_RETURN_VOID();
}
