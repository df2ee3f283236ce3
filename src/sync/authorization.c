/*
 * authorization.c
 *		The user's authorization: from a URL to open to tokens that are stored.
 *
 * Authorization code flow, always with PKCE and a state:
 * https://developer.spotify.com/documentation/web-api/tutorials/code-pkce-flow
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/builtins.h"

#include "settings.h"
#include "spotify/cleanup.h"
#include "spotify/endpoint.h"
#include "spotify/failure.h"
#include "spotify/pkce.h"
#include "spotify/redirect.h"
#include "spotify/text.h"
#include "store/accounts.h"
#include "store/credentials.h"
#include "sync/authorization.h"
#include "sync/login.h"

/*
 * What the functions need, beside GET /me, which needs nothing: Liked Songs,
 * the three that GET /me/library/contains asks for, and the last plays.
 */
static const char *const SCOPES[] = {
	"user-library-read",
	"user-follow-read",
	"playlist-read-private",
	"user-read-recently-played",
};

/* A longer error code is not Spotify's. */
#define MAX_SHOWN_ERROR 64

static char *
join_scopes(void)
{
	StringInfoData scopes;

	initStringInfo(&scopes);
	for (int i = 0; i < (int) lengthof(SCOPES); i++)
		appendStringInfo(&scopes, "%s%s", i > 0 ? " " : "", SCOPES[i]);
	return scopes.data;
}

char *
spotify_authorization_begin(const char *account_name)
{
	SpotifyAccount *account = spotify_login_find_account(account_name);
	char *state = spotify_pkce_random();
	char *verifier = spotify_pkce_random();
	SpotifyAuthorizeParameters parameters = {
		.client_id = account->client_id,
		.redirect_uri = account->redirect_uri,
		.scope = join_scopes(),
		.state = state,
		.code_challenge = spotify_pkce_challenge(verifier)
	};

	spotify_credentials_set_pending(account_name, state, verifier);
	return spotify_take_string(
		CurrentMemoryContext,
		spotify_endpoint_authorize(spotify_setting_accounts_url, &parameters));
}

static void
release_redirect(void *arg)
{
	spotify_redirect_release(arg);
}

/* Parses the response; the result lives in the current memory context. */
static SpotifyRedirect *
parse_response(const char *response)
{
	SpotifyRedirect *redirect = palloc0(sizeof(SpotifyRedirect));

	spotify_release_later(release_redirect, redirect);
	if (!spotify_redirect_parse(response, redirect))
		spotify_report_out_of_memory();
	return redirect;
}

/* Why there is no code.  The word is of RFC 6749, unless somebody made it up. */
static int
detail_of_refusal(const char *error)
{
	size_t length = strlen(error);

	if (strcmp(error, "access_denied") == 0)
		return errdetail("The user did not agree.");
	if (length <= MAX_SHOWN_ERROR &&
		spotify_text_is_visible_ascii(error, length))
		return errdetail("Spotify reported \"%s\" instead of a code.", error);
	return errdetail("Spotify reported an error instead of a code.");
}

static void
report_refused(const SpotifyRedirect *redirect, const char *account)
{
	ereport(ERROR, (errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
					errmsg("the authorization was not given"),
					detail_of_refusal(redirect->error),
					errhint(SPOTIFY_HINT_AUTHORIZE, quote_literal_cstr(account),
							quote_literal_cstr(account))));
}

/* A code goes into a form: what cannot be one is not sent. */
static void
check_code(const char *code)
{
	if (strlen(code) <= SPOTIFY_MAX_TOKEN_LENGTH &&
		spotify_text_is_visible_ascii(code, strlen(code)))
		return;
	ereport(
		ERROR,
		(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		 errmsg("the code in the response is not what Spotify gives out"),
		 errdetail(
			 "It must consist of printable ASCII characters without spaces, at most %d of them.",
			 SPOTIFY_MAX_TOKEN_LENGTH),
		 errhint(
			 "Pass the whole address on which the browser ended, as it is.")));
}

static void
check_redirect(const SpotifyRedirect *redirect,
			   const SpotifyPendingAuthorization *pending, const char *account)
{
	if (redirect->error != NULL)
		report_refused(redirect, account);
	if (redirect->code == NULL)
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("there is no code in the response"),
			 errhint(
				 "Pass the whole address on which the browser ended: it has \"code=\" in it.")));
	check_code(redirect->code);
	if (pending->code_verifier == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("no authorization of this account is under way"),
				 errhint(SPOTIFY_HINT_AUTHORIZE, quote_literal_cstr(account),
						 quote_literal_cstr(account))));
	if (redirect->state != NULL && strcmp(redirect->state, pending->state) != 0)
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg(
				 "the response does not belong to the authorization that is under way"),
			 errdetail(
				 "Its state is not the one that the last spotify_authorize_url() gave out."),
			 errhint(
				 "Open the URL that spotify_authorize_url() gave last, or ask for a new one.")));
}

/* A warning is enough: what is allowed goes on, the rest says why not. */
static void
warn_of_missing_scopes(const char *granted, const char *account)
{
	StringInfoData missing;
	char *padded;

	if (granted == NULL)
		return;
	initStringInfo(&missing);
	padded = psprintf(" %s ", granted);
	for (int i = 0; i < (int) lengthof(SCOPES); i++)
	{
		if (strstr(padded, psprintf(" %s ", SCOPES[i])) == NULL)
			appendStringInfo(&missing, "%s%s", missing.len > 0 ? ", " : "",
							 SCOPES[i]);
	}
	if (missing.len > 0)
		ereport(WARNING,
				(errmsg("not all scopes that are needed were granted"),
				 errdetail("Missing: %s.", missing.data),
				 errhint(SPOTIFY_HINT_AUTHORIZE, quote_literal_cstr(account),
						 quote_literal_cstr(account))));
}

/* The tokens are stored; that nobody knows whose they are is worth a warning. */
static void
warn_of_unknown_user(const ErrorData *problem, const SpotifyAccount *account)
{
	ereport(
		WARNING,
		(errcode(problem->sqlerrcode),
		 errmsg(
			 "account \"%s\" is authorized, but by which Spotify user could not be found out: %s",
			 account->name, problem->message),
		 problem->detail != NULL ? errdetail_internal("%s", problem->detail)
								 : 0,
		 account->spotify_user_id != NULL
			 ? errhint(
				   "Make sure that it was user \"%s\" who logged in at Spotify, whose data the account holds.",
				   account->spotify_user_id)
			 : errhint(
				   "The tokens are stored; nothing has to be done again.")));
}

const char *
spotify_authorization_complete(const char *account_name, const char *response)
{
	SpotifyAccount *account = spotify_login_find_account(account_name);
	SpotifyPendingAuthorization *pending =
		spotify_credentials_load_pending(account_name);
	SpotifyRedirect *redirect = parse_response(response);
	SpotifyAuthorized authorized;

	check_redirect(redirect, pending, account_name);
	authorized = spotify_durable_authorize(account_name, redirect->code,
										   pending->code_verifier);
	warn_of_missing_scopes(authorized.scope, account_name);
	if (authorized.problem != NULL)
		warn_of_unknown_user(authorized.problem, account);
	return authorized.user_id;
}
