/*
 * login.c
 *		An account's way into Spotify: its access token, refreshed when needed.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "spotify/failure.h"
#include "spotify/token.h"
#include "store/accounts.h"
#include "store/credentials.h"
#include "store/spi.h"
#include "sync/login.h"

/* An access token that ends sooner is not used any more. */
#define REMAINING_LIFE (60 * USECS_PER_SEC)

/* Days before the end of an authorization from which on a run warns. */
#define WARNING_DAYS 30

struct SpotifyLogin
{
	MemoryContext context;
	SpotifyAccount *account;
	SpotifyCredentials *credentials;
	SpotifyTraffic *traffic;
};

static void
check_retry_after(const SpotifyAccount *account)
{
	TimestampTz retry_after;

	if (!account->retry_after.is_known)
		return;
	retry_after = spotify_time_to_server(account->retry_after);
	if (retry_after > GetCurrentTimestamp())
		spotify_failure_report_limit(retry_after, false);
}

static void
check_authorized(const SpotifyLogin *login)
{
	if (login->credentials->refresh_token == NULL)
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
			 errmsg("account \"%s\" is not authorized at Spotify",
					login->account->name),
			 errdetail(
				 "No refresh token is stored for it. A dump does not hold any."),
			 errhint("%s", SPOTIFY_HINT_AUTHORIZE)));
}

static void
report_needs_authorization(const SpotifyAccount *account,
						   const SpotifyErrorBody *refusal)
{
	ereport(
		ERROR,
		(errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
		 errmsg("the authorization of account \"%s\" has ended", account->name),
		 refusal != NULL
			 ? errdetail("Spotify refused the refresh token: %s.",
						 refusal->message[0] != '\0' ? refusal->message
													 : refusal->code)
			 : errdetail(
				   "Spotify refused the refresh token before; it was not sent again."),
		 errhint("%s", SPOTIFY_HINT_AUTHORIZE)));
}

static void
warn_before_end(const SpotifyAccount *account)
{
	TimestampTz ends_at;
	int64 days_left;

	if (!account->authorization_ends_at.is_known)
		return;
	ends_at = spotify_time_to_server(account->authorization_ends_at);
	days_left = (ends_at - GetCurrentTimestamp()) / USECS_PER_DAY;
	if (days_left >= WARNING_DAYS)
		return;
	ereport(
		WARNING,
		(errmsg("the authorization of account \"%s\" ends at %s", account->name,
				timestamptz_to_str(ends_at)),
		 errdetail(
			 "Spotify ends an authorization six months after it was given."),
		 errhint("%s", SPOTIFY_HINT_AUTHORIZE)));
}

SpotifyLogin *
spotify_login_open(const char *account, bool is_refresh,
				   SpotifyTraffic *traffic)
{
	SpotifyLogin *login = palloc0(sizeof(SpotifyLogin));

	login->context = CurrentMemoryContext;
	login->traffic = traffic;
	login->account = spotify_accounts_find(account);
	if (login->account == NULL)
		elog(ERROR, "account \"%s\" has vanished", account);
	login->credentials = spotify_credentials_load(account);

	check_retry_after(login->account);
	check_authorized(login);
	if (login->account->needs_authorization && !is_refresh)
		report_needs_authorization(login->account, NULL);
	warn_before_end(login->account);
	return login;
}

/* Stores at once what Spotify granted: it may have replaced the old token. */
static void
keep_grant(SpotifyLogin *login, SpotifyGrant *grant)
{
	SpotifyCredentials *credentials = login->credentials;

	credentials->access_token = grant->access_token;
	credentials->access_token_expires_at =
		spotify_time_from_server(grant->access_token_expires_at);
	if (grant->refresh_token != NULL)
		credentials->refresh_token = grant->refresh_token;
	spotify_credentials_set_tokens(login->account->name, grant->access_token,
								   credentials->access_token_expires_at,
								   grant->refresh_token);
	spotify_accounts_confirm(login->account->name, grant->scope);
}

void
spotify_login_keep_new(const char *account, const SpotifyGrant *grant)
{
	spotify_credentials_set_tokens(
		account, grant->access_token,
		spotify_time_from_server(grant->access_token_expires_at),
		grant->refresh_token);
	spotify_credentials_end_pending(account);
	spotify_accounts_set_authorized(account);
	spotify_accounts_confirm(account, grant->scope);
}

TimestampTz
spotify_login_refresh(SpotifyLogin *login)
{
	SpotifyTokenClient client = { .client_id = login->account->client_id,
								  .client_secret =
									  login->credentials->client_secret };
	SpotifyGrant grant = { 0 };
	SpotifyErrorBody refusal;
	MemoryContext old = MemoryContextSwitchTo(login->context);

	if (!spotify_token_refresh(&client, login->credentials->refresh_token,
							   login->traffic, &grant, &refusal))
		report_needs_authorization(login->account, &refusal);
	keep_grant(login, &grant);
	MemoryContextSwitchTo(old);
	return grant.access_token_expires_at;
}

const char *
spotify_login_access_token(void *arg, bool is_refused)
{
	SpotifyLogin *login = arg;
	SpotifyCredentials *credentials = login->credentials;
	SpotifyTimestamp expires_at = credentials->access_token_expires_at;

	if (is_refused || credentials->access_token == NULL ||
		!expires_at.is_known ||
		spotify_time_to_server(expires_at) <
			GetCurrentTimestamp() + REMAINING_LIFE)
		spotify_login_refresh(login);
	return credentials->access_token;
}
