/*
 * login.c
 *		An account's way into Spotify: whether it is open, and its access token.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "spotify/failure.h"
#include "store/accounts.h"
#include "store/credentials.h"
#include "store/spi.h"
#include "sync/login.h"

/* Days before the end of an authorization from which on a run warns. */
#define WARNING_DAYS 30

struct SpotifyLogin
{
	MemoryContext context;
	const char *account;
	SpotifyAccessToken access_token;
	SpotifyTraffic *traffic;
};

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
		 errhint(SPOTIFY_HINT_AUTHORIZE, quote_literal_cstr(account->name),
				 quote_literal_cstr(account->name))));
}

void
spotify_login_check_limit(const SpotifyAccount *account)
{
	TimestampTz retry_after;

	if (!account->retry_after.is_known)
		return;
	retry_after = spotify_time_to_server(account->retry_after);
	if (retry_after > GetCurrentTimestamp())
		spotify_failure_report_limit(retry_after, false);
}

SpotifyAccount *
spotify_login_find_account(const char *name)
{
	SpotifyAccount *account = spotify_accounts_find(name);

	if (account == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("there is no Spotify account \"%s\" any more", name)));
	return account;
}

SpotifyLogin *
spotify_login_open(const char *account, SpotifyTraffic *traffic)
{
	SpotifyLogin *login = palloc0(sizeof(SpotifyLogin));
	SpotifyAccount *stored = spotify_login_find_account(account);

	login->context = CurrentMemoryContext;
	login->account = account;
	login->traffic = traffic;
	login->access_token =
		spotify_durable_token(account, SPOTIFY_TOKEN_THAT_LASTS, NULL, traffic);
	warn_before_end(stored);
	return login;
}

const char *
spotify_login_access_token(void *arg, bool is_refused)
{
	SpotifyLogin *login = arg;

	if (is_refused)
	{
		MemoryContext old = MemoryContextSwitchTo(login->context);

		login->access_token =
			spotify_durable_token(login->account, SPOTIFY_TOKEN_OTHER_THAN,
								  login->access_token.token, login->traffic);
		MemoryContextSwitchTo(old);
	}
	return login->access_token.token;
}

void
spotify_login_keep_new(const char *account, const SpotifyGrant *grant)
{
	spotify_credentials_set_tokens(
		account, grant->access_token,
		spotify_time_from_server(grant->access_token_expires_at),
		grant->refresh_token, NULL);
	spotify_credentials_end_pending(account);
	spotify_accounts_set_authorized(account);
	spotify_accounts_confirm(account, grant->scope);
}

void
spotify_login_keep_user(const char *account, const SpotifyProfile *profile,
						const char *refresh_token)
{
	if (refresh_token != NULL)
		spotify_credentials_confirm_user(account, refresh_token);
	spotify_accounts_set_user(account, profile->user_id, profile->display_name);
}
