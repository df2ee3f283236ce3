/*
 * token_keeper.c
 *		The tokens of an account, kept by a worker in transactions of its own.
 *
 * The order of things, so that no refresh token is ever lost:
 *
 *	1. Take the account's token lock: one refresh at a time.
 *	2. Read the tokens.  If one is there that will do, this is the end.
 *	3. Lock their rows for a moment, which shows that they can be written, and
 *	   bring in what an earlier worker left in the spool when it was stopped.
 *	4. Send the refresh token and spool the answer, with the signals held off
 *	   that would end the process; then store it, commit, and empty the spool.
 *	5. If somebody set the refresh token of an account whose user is known, ask
 *	   whose it is, before anybody gets the access token.
 *
 * What is stored is compared before it is replaced: a new authorization that
 * came in between is never overwritten.
 */
#include "postgres.h"

#include <signal.h>

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "spotify/failure.h"
#include "spotify/token.h"
#include "store/accounts.h"
#include "store/credentials.h"
#include "store/spi.h"
#include "sync/lock.h"
#include "sync/login.h"
#include "sync/spool.h"
#include "sync/token_keeper.h"
#include "sync/transaction.h"
#include "sync/user.h"

/* An access token that ends sooner is not used any more. */
#define REMAINING_LIFE (60 * USECS_PER_SEC)

/* How often a refusal may be answered by a token that came in between. */
#define MAX_ATTEMPTS 3

typedef struct TokenKeeper
{
	const char *name;
	SpotifyTokenNeed need;
	TimestampTz called_at;
	const char *refused;
	SpotifyTraffic *traffic;
	SpotifyAccount *account;
	SpotifyCredentials *credentials;
	char *refresh_token_hash; /* of the stored one; NULL if there is none */
} TokenKeeper;

void
spotify_token_keeper_report_not_visible(const char *account)
{
	ereport(
		ERROR,
		(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		 errmsg("account \"%s\" is not committed yet", account),
		 errdetail(
			 "New tokens are stored by a transaction of their own, which does not see the account; nothing was sent to Spotify."),
		 errhint("Commit the transaction that created the account first.")));
}

static void
report_not_authorized(const char *account)
{
	ereport(
		ERROR,
		(errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
		 errmsg("account \"%s\" is not authorized at Spotify", account),
		 errdetail(
			 "No refresh token is stored for it. A dump does not hold any."),
		 errhint(SPOTIFY_HINT_AUTHORIZE, quote_literal_cstr(account),
				 quote_literal_cstr(account))));
}

static void
report_needs_authorization(const char *account, const SpotifyErrorBody *refusal)
{
	ereport(
		ERROR,
		(errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
		 errmsg("the authorization of account \"%s\" has ended", account),
		 refusal != NULL
			 ? errdetail("Spotify refused the refresh token: %s.",
						 refusal->message[0] != '\0' ? refusal->message
													 : refusal->code)
			 : errdetail(
				   "Spotify refused the refresh token before; it was not sent again."),
		 errhint(
			 SPOTIFY_HINT_AUTHORIZE
			 " If Spotify refused the token by mistake, try it again with spotify_refresh_token(%s).",
			 quote_literal_cstr(account), quote_literal_cstr(account),
			 quote_literal_cstr(account))));
}

static void
load_credentials(TokenKeeper *keeper)
{
	keeper->credentials = spotify_credentials_load(keeper->name);
	keeper->refresh_token_hash =
		keeper->credentials->refresh_token != NULL
			? spotify_spool_hash(keeper->credentials->refresh_token)
			: NULL;
}

/*
 * Brings in what an earlier worker could not store any more, unless the
 * account was authorized anew since.
 */
static void
bring_in(TokenKeeper *keeper, const SpotifySpooledGrant *spooled)
{
	if (keeper->refresh_token_hash != NULL &&
		strcmp(keeper->refresh_token_hash, spooled->old_refresh_token_hash) ==
			0)
	{
		if (spotify_credentials_set_tokens(
				keeper->name, spooled->access_token,
				spotify_time_from_server(spooled->access_token_expires_at),
				spooled->refresh_token, keeper->credentials->refresh_token))
			spotify_accounts_confirm(keeper->name, NULL);
		keeper->account = spotify_accounts_find(keeper->name);
		load_credentials(keeper);
	}
}

/* Loads what is stored, in the transaction that is under way. */
static void
load_account(TokenKeeper *keeper)
{
	keeper->account = spotify_accounts_find(keeper->name);
	if (keeper->account == NULL)
		spotify_token_keeper_report_not_visible(keeper->name);
	load_credentials(keeper);
}

/* Reports what makes asking Spotify for a token futile. */
static void
check_account(const TokenKeeper *keeper)
{
	spotify_login_check_limit(keeper->account);
	if (keeper->credentials->refresh_token == NULL)
		report_not_authorized(keeper->name);
	if (keeper->account->needs_authorization &&
		keeper->need != SPOTIFY_TOKEN_NEW)
		report_needs_authorization(keeper->name, NULL);
}

/*
 * Reads what is stored and writes nothing, not even a lock: so it waits for no
 * standby server, and leaves no transaction to be replicated.
 */
static void
look_at_account(TokenKeeper *keeper)
{
	SpotifyTransaction transaction;

	spotify_transaction_begin(&transaction);
	load_account(keeper);
	spotify_transaction_commit(&transaction);
}

/*
 * Reads what is stored, with locks on the rows that will be written: a short
 * lock_timeout makes somebody else's lock an error here, where it is harmless.
 */
static void
lock_account(TokenKeeper *keeper)
{
	SpotifySpooledGrant *spooled;
	SpotifyTransaction transaction;

	spotify_transaction_begin(&transaction);
	spotify_accounts_lock(keeper->name);
	load_account(keeper);
	spooled = spotify_spool_read(keeper->name);
	if (spooled != NULL)
		bring_in(keeper, spooled);
	spotify_spool_remove_orphans();
	spotify_transaction_commit(&transaction);
	if (spooled != NULL)
		spotify_spool_remove(keeper->name);
}

/*
 * Whether the stored access token came while the caller waited for its turn.
 * A clock that was set back must not make an old one look new.
 */
static bool
is_token_new(const TokenKeeper *keeper)
{
	const SpotifyCredentials *stored = keeper->credentials;
	TimestampTz obtained_at;

	if (!stored->access_token_obtained_at.is_known)
		return false;
	obtained_at = spotify_time_to_server(stored->access_token_obtained_at);
	return obtained_at >= keeper->called_at &&
		   obtained_at <= GetCurrentTimestamp();
}

/* Whether it must be asked whose tokens these are: somebody has set them. */
static bool
is_user_open(const TokenKeeper *keeper)
{
	return keeper->account->spotify_user_id != NULL &&
		   !keeper->credentials->is_user_confirmed;
}

/* Whether the stored access token will do. */
static bool
is_token_good(const TokenKeeper *keeper)
{
	const SpotifyCredentials *stored = keeper->credentials;

	if (is_user_open(keeper) || stored->access_token == NULL ||
		!stored->access_token_expires_at.is_known ||
		spotify_time_to_server(stored->access_token_expires_at) <
			GetCurrentTimestamp() + REMAINING_LIFE)
		return false;
	switch (keeper->need)
	{
		case SPOTIFY_TOKEN_THAT_LASTS:
			return true;
		case SPOTIFY_TOKEN_OTHER_THAN:
			return strcmp(stored->access_token, keeper->refused) != 0;
		case SPOTIFY_TOKEN_NEW:
			return is_token_new(keeper);
	}
	return false;
}

/* The same, unless what an earlier worker left must be brought in first. */
static bool
has_good_token(TokenKeeper *keeper)
{
	if (spotify_spool_read(keeper->name) != NULL)
		return false;
	look_at_account(keeper);
	check_account(keeper);
	return is_token_good(keeper);
}

/* Only a token that replaces the old one could be lost. */
static void
spool_grant(const TokenKeeper *keeper, const SpotifyGrant *grant)
{
	SpotifySpooledGrant spooled = { .old_refresh_token_hash =
										keeper->refresh_token_hash,
									.refresh_token = grant->refresh_token,
									.access_token = grant->access_token,
									.access_token_expires_at =
										grant->access_token_expires_at };

	if (grant->refresh_token != NULL)
		spotify_spool_write(keeper->name, &spooled);
}

/* Stores a grant, unless a new authorization came in between. */
static void
store_grant(TokenKeeper *keeper, const SpotifyGrant *grant)
{
	SpotifyTransaction transaction;

	spotify_transaction_begin(&transaction);
	if (spotify_credentials_set_tokens(
			keeper->name, grant->access_token,
			spotify_time_from_server(grant->access_token_expires_at),
			grant->refresh_token, keeper->credentials->refresh_token))
		spotify_accounts_confirm(keeper->name, grant->scope);
	if (grant->refresh_token != NULL)
		spotify_transaction_commit_replicated(&transaction);
	else
		spotify_transaction_commit(&transaction);
	spotify_spool_remove(keeper->name);
}

/*
 * Sends the refresh token and stores what comes back.  Returns false if it was
 * refused.  An access token that cannot be used is reported when the refresh
 * token beside it is stored.  Whatever would end the process, the server's quick
 * end (SIGQUIT) and the postmaster's death included, is held off from before the
 * token is spent until the answer is in the spool.  Not longer: the wait for a
 * row must be able to end.
 */
static bool
refresh(TokenKeeper *keeper, SpotifyErrorBody *refusal)
{
	SpotifyTokenClient client = { .client_id = keeper->account->client_id,
								  .client_secret =
									  keeper->credentials->client_secret };
	SpotifyGrant grant = { 0 };
	sigset_t quit;
	bool is_granted;

	sigemptyset(&quit);
	sigaddset(&quit, SIGQUIT);
	spotify_spool_prepare(keeper->name);

	HOLD_INTERRUPTS();
	sigprocmask(SIG_BLOCK, &quit, NULL);
	PG_TRY();
	{
		is_granted =
			spotify_token_refresh(&client, keeper->credentials->refresh_token,
								  keeper->traffic, &grant, refusal);
		if (is_granted)
			spool_grant(keeper, &grant);
	}
	PG_FINALLY();
	{
		sigprocmask(SIG_UNBLOCK, &quit, NULL);
	}
	PG_END_TRY();
	RESUME_INTERRUPTS();
	if (!is_granted)
		return false;
	store_grant(keeper, &grant);
	if (grant.access_token == NULL)
		spotify_failure_report_body(SPOTIFY_DECODE_WRONG_SHAPE, &grant.problem);
	return true;
}

/*
 * After a refusal: whether another refresh token is stored by now, which may
 * be good.  If not, the account is marked.
 */
static bool
accept_refusal(TokenKeeper *keeper)
{
	char *refused = keeper->credentials->refresh_token;
	bool is_other;
	SpotifyTransaction transaction;

	spotify_transaction_begin(&transaction);
	load_credentials(keeper);
	is_other = keeper->credentials->refresh_token != NULL &&
			   strcmp(keeper->credentials->refresh_token, refused) != 0;
	if (!is_other)
		spotify_accounts_set_needs_authorization(keeper->name);
	spotify_transaction_commit(&transaction);
	return !is_other;
}

/* The tokens are another user's: they go, unless others have come since. */
static void
refuse_user(TokenKeeper *keeper, const SpotifyProfile *profile)
{
	SpotifyTransaction transaction;

	spotify_transaction_begin(&transaction);
	if (spotify_credentials_drop_tokens(keeper->name,
										keeper->credentials->refresh_token))
		spotify_accounts_set_needs_authorization(keeper->name);
	spotify_transaction_commit(&transaction);
	spotify_user_report_other(keeper->account, profile);
}

/*
 * Asks whose tokens these are, before anybody gets them.  While Spotify does not
 * say, they stay stored and nobody does.
 */
static void
confirm_user(TokenKeeper *keeper)
{
	SpotifyGrant grant = { .access_token = keeper->credentials->access_token };
	ErrorData *problem = NULL;
	SpotifyProfile *profile;
	SpotifyTransaction transaction;

	profile = spotify_user_ask(&grant, keeper->traffic, &problem);
	if (profile == NULL)
		spotify_user_report_unknown(
			keeper->account, problem,
			"The refresh token that was set is kept, and the next call asks again.");
	if (!spotify_user_is_expected(keeper->account, profile))
		refuse_user(keeper, profile);

	spotify_transaction_begin(&transaction);
	spotify_login_keep_user(keeper->name, profile,
							keeper->credentials->refresh_token);
	spotify_transaction_commit(&transaction);
}

SpotifyAccessToken
spotify_token_keeper_get(const char *account, SpotifyTokenNeed need,
						 TimestampTz called_at, const char *refused,
						 SpotifyTraffic *traffic)
{
	TokenKeeper keeper = { .name = account,
						   .need = need,
						   .called_at = called_at,
						   .refused = refused,
						   .traffic = traffic };
	SpotifyErrorBody refusal;
	SpotifyAccessToken result;

	/* Only a worker can have it, and that ends by itself. */
	spotify_lock_wait_session(account, SPOTIFY_LOCK_TOKEN);
	for (int attempt = 1; !has_good_token(&keeper); attempt++)
	{
		lock_account(&keeper);
		check_account(&keeper);
		if (is_token_good(&keeper))
			break;
		if (refresh(&keeper, &refusal))
		{
			/* None, if a new authorization came in between. */
			look_at_account(&keeper);
			if (keeper.credentials->access_token != NULL)
				break;
		}
		else if (accept_refusal(&keeper) || attempt == MAX_ATTEMPTS)
			report_needs_authorization(account, &refusal);
	}
	if (is_user_open(&keeper))
		confirm_user(&keeper);
	result.token = keeper.credentials->access_token;
	result.expires_at =
		spotify_time_to_server(keeper.credentials->access_token_expires_at);
	return result;
}
