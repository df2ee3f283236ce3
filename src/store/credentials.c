/*
 * credentials.c
 *		The table spotify_private.credentials.
 *
 * Secrets are passed as parameters, never in the text of a statement.
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
	"VALUES ($1, NULLIF($2, ''), $3)\n"
	"ON CONFLICT (account) DO UPDATE\n"
	"   SET client_secret = CASE WHEN $2 IS NULL THEN stored.client_secret\n"
	"                            ELSE EXCLUDED.client_secret END,\n"
	"       refresh_token = COALESCE($3, stored.refresh_token),\n"
	"       is_user_confirmed = stored.is_user_confirmed\n"
	"           AND COALESCE($3 = stored.refresh_token, $3 IS NULL),\n"
	"       access_token = NULL,\n"
	"       access_token_expires_at = NULL,\n"
	"       access_token_obtained_at = NULL";

static const char SET_TOKENS[] =
	"UPDATE spotify_private.credentials\n"
	"   SET access_token = $2,\n"
	"       access_token_expires_at = CASE WHEN $2 IS NOT NULL THEN $3 END,\n"
	"       access_token_obtained_at = CASE WHEN $2 IS NOT NULL\n"
	"                                       THEN clock_timestamp() END,\n"
	"       refresh_token = COALESCE($4, refresh_token),\n"
	"       is_user_confirmed = is_user_confirmed AND $5 IS NOT NULL\n"
	" WHERE account = $1\n"
	"   AND ($5 IS NULL OR refresh_token = $5)";

static const char CONFIRM_USER[] = "UPDATE spotify_private.credentials\n"
								   "   SET is_user_confirmed = true\n"
								   " WHERE account = $1\n"
								   "   AND refresh_token = $2";

static const char DROP_TOKENS[] = "UPDATE spotify_private.credentials\n"
								  "   SET refresh_token = NULL,\n"
								  "       access_token = NULL,\n"
								  "       access_token_expires_at = NULL,\n"
								  "       access_token_obtained_at = NULL\n"
								  " WHERE account = $1\n"
								  "   AND refresh_token = $2";

static const char LOAD_PENDING[] = "SELECT authorization_state, code_verifier\n"
								   "  FROM spotify_private.credentials\n"
								   " WHERE account = $1";

static const char SET_PENDING[] =
	"INSERT INTO spotify_private.credentials AS stored\n"
	"       (account, authorization_state, code_verifier)\n"
	"VALUES ($1, $2, $3)\n"
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
	SpotifyParameters parameters = { .is_secret = true };

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
	spotify_spi_finish();
	return credentials;
}

void
spotify_credentials_set(const char *account, const char *client_secret,
						const char *refresh_token)
{
	SpotifyParameters parameters = { .is_secret = true };

	spotify_parameter_text(&parameters, account);
	spotify_parameter_text(&parameters, client_secret);
	spotify_parameter_text(&parameters, refresh_token);
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
	SpotifyParameters parameters = { .is_secret = true };

	spotify_parameter_text(&parameters, account);
	spotify_parameter_text(&parameters, access_token);
	spotify_parameter_timestamp(&parameters, access_token_expires_at);
	spotify_parameter_text(&parameters, refresh_token);
	spotify_parameter_text(&parameters, old_refresh_token);
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
	SpotifyParameters parameters = { .is_secret = true };

	spotify_parameter_text(&parameters, account);
	spotify_parameter_text(&parameters, refresh_token);
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
	SpotifyParameters parameters = { .is_secret = true };

	spotify_parameter_text(&parameters, account);
	spotify_spi_execute(LOAD_PENDING, &parameters);
	if (SPI_processed > 0)
	{
		pending->state = spotify_spi_text(0, 1, context);
		pending->code_verifier = spotify_spi_text(0, 2, context);
	}
	spotify_spi_finish();
	return pending;
}

void
spotify_credentials_set_pending(const char *account, const char *state,
								const char *code_verifier)
{
	SpotifyParameters parameters = { .is_secret = true };

	spotify_parameter_text(&parameters, account);
	spotify_parameter_text(&parameters, state);
	spotify_parameter_text(&parameters, code_verifier);
	spotify_spi_check_written(TABLE, spotify_spi_run(SET_PENDING, &parameters),
							  1);
}

void
spotify_credentials_end_pending(const char *account)
{
	SpotifyParameters parameters = { .is_secret = true };

	spotify_parameter_text(&parameters, account);
	spotify_spi_run(END_PENDING, &parameters);
}
