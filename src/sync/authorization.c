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
#include "spotify/client.h"
#include "spotify/decode.h"
#include "spotify/endpoint.h"
#include "spotify/failure.h"
#include "spotify/pkce.h"
#include "spotify/redirect.h"
#include "spotify/token.h"
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

static void
report_refused(const SpotifyRedirect *redirect, const char *account)
{
	bool is_denied = strcmp(redirect->error, "access_denied") == 0;

	ereport(ERROR,
			(errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
			 errmsg("the authorization was not given"),
			 is_denied
				 ? errdetail("The user did not agree.")
				 : errdetail("Spotify reported an error instead of a code."),
			 errhint(SPOTIFY_HINT_AUTHORIZE, quote_literal_cstr(account),
					 quote_literal_cstr(account))));
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

static void
report_code_refused(const SpotifyErrorBody *refusal, const char *account)
{
	ereport(
		ERROR,
		(errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
		 errmsg("Spotify does not accept the code"),
		 errdetail("Spotify answered: %s.", refusal->message[0] != '\0'
												? refusal->message
												: refusal->code),
		 errhint(
			 "A code is good once, and for a few minutes. " SPOTIFY_HINT_AUTHORIZE,
			 quote_literal_cstr(account), quote_literal_cstr(account))));
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

static void
release_profile(void *arg)
{
	spotify_profile_release(arg);
}

/* A SpotifyTokenSource: the token just granted, which nothing can replace. */
static const char *
granted_token(void *arg, bool is_refused)
{
	return ((SpotifyGrant *) arg)->access_token;
}

/* Asks whose tokens these are. */
static SpotifyProfile *
read_profile(SpotifyGrant *grant)
{
	SpotifyTraffic traffic = { 0 };
	SpotifyClient *client =
		spotify_client_open(1, granted_token, grant, &traffic);
	SpotifyProfile *profile = palloc0(sizeof(SpotifyProfile));
	const SpotifyExchange *exchange;
	SpotifyDecodeProblem problem;
	SpotifyDecodeResult result;

	spotify_release_later(release_profile, profile);
	spotify_client_get(client, spotify_endpoint_me(spotify_setting_api_url),
					   NULL);
	exchange = spotify_client_next(client);
	if (!spotify_client_succeeded(exchange))
		spotify_failure_report(exchange);
	result = spotify_decode_profile(
		exchange->answer.body, exchange->answer.body_length, profile, &problem);
	if (result != SPOTIFY_DECODE_OK)
		spotify_failure_report_body(result, &problem);
	return profile;
}

/* Another user's library would replace this account's: better refuse. */
static void
check_same_user(const SpotifyAccount *account, const SpotifyProfile *profile)
{
	if (account->spotify_user_id == NULL ||
		strcmp(account->spotify_user_id, profile->user_id) == 0)
		return;
	ereport(
		ERROR,
		(errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
		 errmsg("the authorization is of another Spotify user than before"),
		 errdetail("Account \"%s\" holds the data of user \"%s\", not \"%s\".",
				   account->name, account->spotify_user_id, profile->user_id),
		 errhint(
			 "Log in at Spotify as the right user, or use another account: spotify_set_account(..., account => 'name').")));
}

char *
spotify_authorization_complete(const char *account_name, const char *response)
{
	SpotifyAccount *account = spotify_login_find_account(account_name);
	SpotifyCredentials *credentials = spotify_credentials_load(account_name);
	SpotifyPendingAuthorization *pending =
		spotify_credentials_load_pending(account_name);
	SpotifyRedirect *redirect = parse_response(response);
	SpotifyTokenClient client = { .client_id = account->client_id,
								  .client_secret = credentials->client_secret };
	SpotifyTraffic traffic = { 0 };
	SpotifyGrant grant = { 0 };
	SpotifyErrorBody refusal;
	SpotifyProfile *profile;

	spotify_login_check_limit(account);
	check_redirect(redirect, pending, account_name);
	if (!spotify_token_exchange_code(
			&client, redirect->code, account->redirect_uri,
			pending->code_verifier, &traffic, &grant, &refusal))
		report_code_refused(&refusal, account_name);
	warn_of_missing_scopes(grant.scope, account_name);

	/* Nothing is stored, and so no row is locked, before Spotify has answered. */
	profile = read_profile(&grant);
	check_same_user(account, profile);
	spotify_login_keep_new(account_name, &grant);
	spotify_accounts_set_user(account_name, profile->user_id,
							  profile->display_name);
	return pstrdup(profile->user_id);
}
