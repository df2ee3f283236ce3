/*
 * authorization_worker.c
 *		The user's authorization: what a background worker does of it.
 *
 * A code is good once, so what it buys must not depend on what becomes of the
 * caller: the worker exchanges it and stores what it got in transactions of
 * its own.  Whether it will be able to is found out before the code is spent.
 *
 * In between it asks whose tokens these are, because those of another user
 * must not replace the ones that are stored.  If that cannot be found out, they
 * are stored all the same where the account has been nobody's so far.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"

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
#include "sync/user.h"

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
	ErrorData *problem;		 /* why not */
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
			 "A code works once, and only for a few minutes. " SPOTIFY_HINT_AUTHORIZE,
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

/*
 * Finds out whose tokens these are.  Where the account holds somebody's data,
 * that must be shown: the tokens that are stored are not given up for others.
 */
static void
ask_user(Authorization *authorization)
{
	const SpotifyAccount *account = authorization->account;

	authorization->profile = spotify_user_ask(
		&authorization->grant, authorization->traffic, &authorization->problem);
	if (authorization->profile != NULL)
	{
		if (!spotify_user_is_expected(account, authorization->profile))
			spotify_user_report_other(account, authorization->profile);
	}
	else if (account->spotify_user_id != NULL)
		spotify_user_report_unknown(
			account, authorization->problem,
			psprintf(
				"The code is used up. The new tokens were not stored, and what was stored before is unchanged. When Spotify answers again: " SPOTIFY_HINT_AUTHORIZE,
				quote_literal_cstr(account->name),
				quote_literal_cstr(account->name)));
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
		spotify_login_keep_user(name, profile,
								authorization->grant.refresh_token);
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
	ask_user(&authorization);

	SetConfigOption("lock_timeout", STORE_LOCK_TIMEOUT, PGC_SUSET,
					PGC_S_SESSION);
	store(&authorization);
	spotify_spool_remove(account);
	authorized->user_id =
		authorization.profile != NULL ? authorization.profile->user_id : NULL;
	authorized->problem = authorization.problem;
	authorized->scope = authorization.grant.scope;
}
