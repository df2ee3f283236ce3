/*
 * authorization_worker.c
 *		The user's authorization: what a background worker does of it.
 *
 * A code is good once, so what it buys must not depend on what becomes of the
 * caller: the worker exchanges it and stores what it got in transactions of
 * its own.  Whether it will be able to is found out before the code is spent.
 *
 * In between it asks whose tokens these are, because those of another user
 * must not replace the ones that are stored.  If that cannot be found out, the
 * tokens are good all the same, and are stored.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "settings.h"
#include "spotify/cleanup.h"
#include "spotify/client.h"
#include "spotify/decode.h"
#include "spotify/endpoint.h"
#include "spotify/failure.h"
#include "spotify/token.h"
#include "store/accounts.h"
#include "store/credentials.h"
#include "sync/authorization.h"
#include "sync/lock.h"
#include "sync/login.h"
#include "sync/spool.h"
#include "sync/token_keeper.h"
#include "sync/transaction.h"

/* Once the code is spent, a row that somebody has locked is waited for. */
#define STORE_LOCK_TIMEOUT "60s"

typedef struct Authorization
{
	const char *name; /* of the account */
	const char *code;
	const char *code_verifier;
	SpotifyTraffic *traffic;
	SpotifyAccount *account;
	SpotifyCredentials *credentials;
	SpotifyGrant grant;
	SpotifyProfile *profile; /* NULL: could not be found out */
} Authorization;

/* The lock shows, where it is harmless, that the rows can be written. */
static void
read_account(Authorization *authorization)
{
	const char *name = authorization->name;
	SpotifyTransaction transaction;

	spotify_transaction_begin(&transaction);
	spotify_accounts_lock(name);
	authorization->account = spotify_accounts_find(name);
	if (authorization->account == NULL)
		spotify_token_keeper_report_not_visible(name);
	authorization->credentials = spotify_credentials_load(name);
	spotify_transaction_commit(&transaction);
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

static void
exchange_code(Authorization *authorization)
{
	SpotifyTokenClient client = {
		.client_id = authorization->account->client_id,
		.client_secret = authorization->credentials->client_secret
	};
	SpotifyErrorBody refusal;

	if (!spotify_token_exchange_code(
			&client, authorization->code, authorization->account->redirect_uri,
			authorization->code_verifier, authorization->traffic,
			&authorization->grant, &refusal))
		report_code_refused(&refusal, authorization->name);
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

static SpotifyProfile *
read_profile(Authorization *authorization)
{
	SpotifyClient *client = spotify_client_open(
		1, granted_token, &authorization->grant, authorization->traffic);
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

/*
 * Asks whose tokens these are.  Returns the error if that failed.  Nothing is
 * done here that a transaction would have to undo, and none is under way.
 */
static ErrorData *
try_profile(Authorization *authorization)
{
	MemoryContext context = CurrentMemoryContext;
	ErrorData *volatile error = NULL;

	PG_TRY();
	{
		authorization->profile = read_profile(authorization);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
	}
	PG_END_TRY();
	return error;
}

/* An account from before Spotify told account_id has the id. */
static bool
is_same_user(const char *user_id, const SpotifyProfile *profile)
{
	return strcmp(user_id, profile->user_id) == 0 ||
		   (profile->id != NULL && strcmp(user_id, profile->id) == 0);
}

/* Another user's library would replace this account's: better refuse. */
static void
check_same_user(const SpotifyAccount *account, const SpotifyProfile *profile)
{
	if (account->spotify_user_id == NULL ||
		is_same_user(account->spotify_user_id, profile))
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

static void
store(Authorization *authorization)
{
	const char *name = authorization->name;
	const SpotifyProfile *profile = authorization->profile;
	SpotifyTransaction transaction;

	spotify_transaction_begin(&transaction);
	(void) spotify_login_find_account(name);
	spotify_login_keep_new(name, &authorization->grant);
	if (profile != NULL)
		spotify_accounts_set_user(name, profile->user_id,
								  profile->display_name);
	if (authorization->traffic->limited_until != 0)
		spotify_accounts_set_retry_after(name,
										 authorization->traffic->limited_until);
	spotify_transaction_commit_replicated(&transaction);
}

void
spotify_authorization_finish(const char *account, const char *code,
							 const char *code_verifier, SpotifyTraffic *traffic,
							 SpotifyAuthorized *authorized)
{
	Authorization authorization = { .name = account,
									.code = code,
									.code_verifier = code_verifier,
									.traffic = traffic };

	/* As in token_keeper.c: no refresh comes in between. */
	spotify_lock_wait_session(account, SPOTIFY_LOCK_TOKEN);
	read_account(&authorization);
	spotify_login_check_limit(authorization.account);

	exchange_code(&authorization);
	authorized->problem = try_profile(&authorization);
	if (authorization.profile != NULL)
		check_same_user(authorization.account, authorization.profile);

	SetConfigOption("lock_timeout", STORE_LOCK_TIMEOUT, PGC_SUSET,
					PGC_S_SESSION);
	store(&authorization);
	spotify_spool_remove(account);
	authorized->user_id =
		authorization.profile != NULL ? authorization.profile->user_id : NULL;
	authorized->scope = authorization.grant.scope;
}
