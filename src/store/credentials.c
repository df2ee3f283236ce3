/*
 * credentials.c
 *		The table spotify_private.credentials.
 *
 * Secrets get into a statement by a call of spotify_private.secret, never in its
 * text or as a parameter: see spi.h.
 */
#include "postgres.h"

#include "store/credentials.h"
#include "store/spi.h"

static const char LOAD[] =
	"SELECT client_secret, refresh_token, access_token,\n"
	"       access_token_expires_at, access_token_obtained_at,\n"
	"       is_user_confirmed\n"
	"  FROM spotify_private.credentials\n"
	" WHERE account = $1";

static const char SET[] =
	"INSERT INTO spotify_private.credentials AS stored\n"
	"       (account, client_secret, refresh_token)\n"
	"VALUES ($1, NULLIF(spotify_private.secret(1), ''),\n"
	"        spotify_private.secret(2))\n"
	"ON CONFLICT (account) DO UPDATE\n"
	"   SET client_secret = CASE WHEN spotify_private.secret(1) IS NULL\n"
	"                            THEN stored.client_secret\n"
	"                            ELSE EXCLUDED.client_secret END,\n"
	"       refresh_token = COALESCE(EXCLUDED.refresh_token,\n"
	"                                stored.refresh_token),\n"
	"       is_user_confirmed = stored.is_user_confirmed\n"
	"           AND COALESCE(EXCLUDED.refresh_token = stored.refresh_token,\n"
	"                        EXCLUDED.refresh_token IS NULL),\n"
	"       access_token = NULL,\n"
	"       access_token_expires_at = NULL,\n"
	"       access_token_obtained_at = NULL";

/* The secrets: access token, new and old refresh token. */
static const char SET_TOKENS[] =
	"UPDATE spotify_private.credentials\n"
	"   SET access_token = spotify_private.secret(1),\n"
	"       access_token_expires_at =\n"
	"           CASE WHEN spotify_private.secret(1) IS NOT NULL THEN $2 END,\n"
	"       access_token_obtained_at =\n"
	"           CASE WHEN spotify_private.secret(1) IS NOT NULL\n"
	"                THEN clock_timestamp() END,\n"
	"       refresh_token = COALESCE(spotify_private.secret(2),\n"
	"                                refresh_token),\n"
	"       is_user_confirmed = is_user_confirmed\n"
	"           AND spotify_private.secret(3) IS NOT NULL\n"
	" WHERE account = $1\n"
	"   AND (spotify_private.secret(3) IS NULL\n"
	"        OR refresh_token = spotify_private.secret(3))";

static const char CONFIRM_USER[] =
	"UPDATE spotify_private.credentials\n"
	"   SET is_user_confirmed = true\n"
	" WHERE account = $1\n"
	"   AND refresh_token = spotify_private.secret(1)";

static const char DROP_TOKENS[] =
	"UPDATE spotify_private.credentials\n"
	"   SET refresh_token = NULL,\n"
	"       access_token = NULL,\n"
	"       access_token_expires_at = NULL,\n"
	"       access_token_obtained_at = NULL\n"
	" WHERE account = $1\n"
	"   AND refresh_token = spotify_private.secret(1)";

static const char LOAD_PENDING[] = "SELECT authorization_state, code_verifier\n"
								   "  FROM spotify_private.credentials\n"
								   " WHERE account = $1";

static const char SET_PENDING[] =
	"INSERT INTO spotify_private.credentials AS stored\n"
	"       (account, authorization_state, code_verifier)\n"
	"VALUES ($1, spotify_private.secret(1), spotify_private.secret(2))\n"
	"ON CONFLICT (account) DO UPDATE\n"
	"   SET authorization_state = EXCLUDED.authorization_state,\n"
	"       code_verifier = EXCLUDED.code_verifier";

static const char END_PENDING[] = "UPDATE spotify_private.credentials\n"
								  "   SET authorization_state = NULL,\n"
								  "       code_verifier = NULL\n"
								  " WHERE account = $1";

static const char TABLE[] = "spotify_private.credentials";

SpotifyCredentials *
spotify_credentials_load(const char *account)
{
	MemoryContext context = CurrentMemoryContext;
	SpotifyCredentials *credentials = palloc0(sizeof(SpotifyCredentials));
	SpotifyParameters parameters = { 0 };

	spotify_parameter_text(&parameters, account);
	spotify_spi_execute(LOAD, &parameters);
	if (SPI_processed > 0)
	{
		credentials->client_secret = spotify_spi_text(0, 1, context);
		credentials->refresh_token = spotify_spi_text(0, 2, context);
		credentials->access_token = spotify_spi_text(0, 3, context);
		credentials->access_token_expires_at = spotify_spi_timestamp(0, 4);
		credentials->access_token_obtained_at = spotify_spi_timestamp(0, 5);
		credentials->is_user_confirmed = spotify_spi_bool(0, 6);
	}
	spotify_spi_wipe();
	spotify_spi_finish();
	return credentials;
}

static void
wipe(char *secret)
{
	if (secret != NULL)
		explicit_bzero(secret, strlen(secret));
}

void
spotify_credentials_wipe(SpotifyCredentials *credentials)
{
	wipe(credentials->client_secret);
	wipe(credentials->refresh_token);
	wipe(credentials->access_token);
	memset(credentials, 0, sizeof(*credentials));
}

void
spotify_credentials_set(const char *account, const char *client_secret,
						const char *refresh_token)
{
	SpotifyParameters parameters = { 0 };

	spotify_parameter_text(&parameters, account);
	spotify_parameter_secret(&parameters, client_secret);
	spotify_parameter_secret(&parameters, refresh_token);
	spotify_spi_check_written(TABLE, spotify_spi_run(SET, &parameters), 1);
}

/* Nothing was stored: that is well if another token is there by now. */
static void
check_replaced(const char *account, const char *old_refresh_token)
{
	const char *stored = spotify_credentials_load(account)->refresh_token;

	if (old_refresh_token == NULL ||
		(stored != NULL && strcmp(stored, old_refresh_token) == 0))
		spotify_spi_check_written(TABLE, 0, 1);
}

bool
spotify_credentials_set_tokens(const char *account, const char *access_token,
							   SpotifyTimestamp access_token_expires_at,
							   const char *refresh_token,
							   const char *old_refresh_token)
{
	SpotifyParameters parameters = { 0 };

	spotify_parameter_text(&parameters, account);
	spotify_parameter_secret(&parameters, access_token);
	spotify_parameter_timestamp(&parameters, access_token_expires_at);
	spotify_parameter_secret(&parameters, refresh_token);
	spotify_parameter_secret(&parameters, old_refresh_token);
	if (spotify_spi_run(SET_TOKENS, &parameters) > 0)
		return true;
	check_replaced(account, old_refresh_token);
	return false;
}

/* Runs a statement about an account with a refresh token. */
static bool
update_login(const char *statement, const char *account,
			 const char *refresh_token)
{
	SpotifyParameters parameters = { 0 };

	spotify_parameter_text(&parameters, account);
	spotify_parameter_secret(&parameters, refresh_token);
	return spotify_spi_run(statement, &parameters) > 0;
}

void
spotify_credentials_confirm_user(const char *account, const char *refresh_token)
{
	(void) update_login(CONFIRM_USER, account, refresh_token);
}

bool
spotify_credentials_drop_tokens(const char *account, const char *refresh_token)
{
	return update_login(DROP_TOKENS, account, refresh_token);
}

SpotifyPendingAuthorization *
spotify_credentials_load_pending(const char *account)
{
	MemoryContext context = CurrentMemoryContext;
	SpotifyPendingAuthorization *pending =
		palloc0(sizeof(SpotifyPendingAuthorization));
	SpotifyParameters parameters = { 0 };

	spotify_parameter_text(&parameters, account);
	spotify_spi_execute(LOAD_PENDING, &parameters);
	if (SPI_processed > 0)
	{
		pending->state = spotify_spi_text(0, 1, context);
		pending->code_verifier = spotify_spi_text(0, 2, context);
	}
	spotify_spi_wipe();
	spotify_spi_finish();
	return pending;
}

void
spotify_credentials_set_pending(const char *account, const char *state,
								const char *code_verifier)
{
	SpotifyParameters parameters = { 0 };

	spotify_parameter_text(&parameters, account);
	spotify_parameter_secret(&parameters, state);
	spotify_parameter_secret(&parameters, code_verifier);
	spotify_spi_check_written(TABLE, spotify_spi_run(SET_PENDING, &parameters),
							  1);
}

void
spotify_credentials_end_pending(const char *account)
{
	SpotifyParameters parameters = { 0 };

	spotify_parameter_text(&parameters, account);
	spotify_spi_run(END_PENDING, &parameters);
}
