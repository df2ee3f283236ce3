/*
 * accounts.c
 *		The table spotify.accounts.
 */
#include "postgres.h"

#include "store/accounts.h"
#include "store/spi.h"

/*
 * Spotify ends an authorization six months after it was given:
 * https://developer.spotify.com/blog/2026-06-18-refresh-token-expiration
 */
static const char FIND[] =
	"SELECT account, client_id, redirect_uri, spotify_user_id,\n"
	"       needs_authorization, retry_after,\n"
	"       authorized_at + interval '6 months', is_enabled\n"
	"  FROM spotify.accounts\n"
	" WHERE account = $1";

static const char NAMES[] = "SELECT account\n"
							"  FROM spotify.accounts\n"
							" ORDER BY account";

static const char INSERT[] =
	"INSERT INTO spotify.accounts (account, client_id, redirect_uri)\n"
	"VALUES ($1, $2, $3)";

static const char UPDATE[] =
	"UPDATE spotify.accounts\n"
	"   SET client_id = COALESCE($2, client_id),\n"
	"       redirect_uri = COALESCE($3, redirect_uri)\n"
	" WHERE account = $1";

static const char SET_AUTHORIZED[] = "UPDATE spotify.accounts\n"
									 "   SET authorized_at = now(),\n"
									 "       needs_authorization = false\n"
									 " WHERE account = $1";

static const char SET_USER[] = "UPDATE spotify.accounts\n"
							   "   SET spotify_user_id = $2,\n"
							   "       display_name = $3\n"
							   " WHERE account = $1";

static const char CONFIRM[] =
	"UPDATE spotify.accounts\n"
	"   SET needs_authorization = false,\n"
	"       scopes = COALESCE(string_to_array($2, ' '), scopes)\n"
	" WHERE account = $1\n"
	"   AND (needs_authorization\n"
	"        OR scopes IS DISTINCT FROM\n"
	"           COALESCE(string_to_array($2, ' '), scopes))";

static const char LOCK[] =
	"SELECT\n"
	"  FROM spotify.accounts AS account\n"
	"       JOIN spotify_private.credentials USING (account)\n"
	" WHERE account = $1\n"
	"   FOR NO KEY UPDATE";

static const char SET_NEEDS_AUTHORIZATION[] =
	"UPDATE spotify.accounts\n"
	"   SET needs_authorization = true\n"
	" WHERE account = $1\n"
	"   AND NOT needs_authorization";

/* In order, for two accounts of a client id may meet their limit at once. */
static const char SET_RETRY_AFTER[] =
	"WITH limited AS (\n"
	"    SELECT account\n"
	"      FROM spotify.accounts\n"
	"     WHERE client_id = (SELECT client_id\n"
	"                          FROM spotify.accounts\n"
	"                         WHERE account = $1)\n"
	"     ORDER BY account\n"
	"       FOR NO KEY UPDATE\n"
	")\n"
	"UPDATE spotify.accounts AS stored\n"
	"   SET retry_after = GREATEST(stored.retry_after, $2)\n"
	"  FROM limited\n"
	" WHERE limited.account = stored.account";

/* In this order, because of the foreign keys; quality checks go with runs. */
static const char *const FORGET[] = {
	"DELETE FROM spotify.scan_progress WHERE account = $1",
	"DELETE FROM spotify.liked_events WHERE account = $1",
	"DELETE FROM spotify.liked_tracks WHERE account = $1",
	"DELETE FROM spotify.liked_null_places WHERE account = $1",
	"DELETE FROM spotify.plays WHERE account = $1",
	"DELETE FROM spotify.play_gaps WHERE account = $1",
	"DELETE FROM spotify.sync_runs WHERE account = $1",
	"DELETE FROM spotify_private.credentials WHERE account = $1",
	"DELETE FROM spotify.accounts WHERE account = $1",
};

/* What no account likes or played any more tells of the forgotten one. */
static const char *const FORGET_UNUSED[] = {
	"DELETE FROM spotify.track_artists AS unused\n"
	" WHERE NOT EXISTS (SELECT FROM spotify.liked_tracks AS liked\n"
	"                    WHERE liked.track_id = unused.track_id)\n"
	"   AND NOT EXISTS (SELECT FROM spotify.plays AS play\n"
	"                    WHERE play.track_id = unused.track_id)",
	"DELETE FROM spotify.tracks AS unused\n"
	" WHERE NOT EXISTS (SELECT FROM spotify.liked_tracks AS liked\n"
	"                    WHERE liked.track_id = unused.track_id)\n"
	"   AND NOT EXISTS (SELECT FROM spotify.plays AS play\n"
	"                    WHERE play.track_id = unused.track_id)",
	"DELETE FROM spotify.album_artists AS unused\n"
	" WHERE NOT EXISTS (SELECT FROM spotify.tracks AS track\n"
	"                    WHERE track.album_id = unused.album_id)",
	"DELETE FROM spotify.albums AS unused\n"
	" WHERE NOT EXISTS (SELECT FROM spotify.tracks AS track\n"
	"                    WHERE track.album_id = unused.album_id)",
	"DELETE FROM spotify.artists AS unused\n"
	" WHERE NOT EXISTS (SELECT FROM spotify.track_artists AS used\n"
	"                    WHERE used.artist_id = unused.artist_id)\n"
	"   AND NOT EXISTS (SELECT FROM spotify.album_artists AS used\n"
	"                    WHERE used.artist_id = unused.artist_id)",
};

SpotifyAccount *
spotify_accounts_find(const char *name)
{
	MemoryContext context = CurrentMemoryContext;
	SpotifyParameters parameters = { 0 };
	SpotifyAccount *account = NULL;

	spotify_parameter_text(&parameters, name);
	spotify_spi_execute(FIND, &parameters);
	if (SPI_processed > 0)
	{
		account = MemoryContextAllocZero(context, sizeof(SpotifyAccount));
		account->name = spotify_spi_text(0, 1, context);
		account->client_id = spotify_spi_text(0, 2, context);
		account->redirect_uri = spotify_spi_text(0, 3, context);
		account->spotify_user_id = spotify_spi_text(0, 4, context);
		account->needs_authorization = spotify_spi_bool(0, 5);
		account->retry_after = spotify_spi_timestamp(0, 6);
		account->authorization_ends_at = spotify_spi_timestamp(0, 7);
		account->is_enabled = spotify_spi_bool(0, 8);
	}
	spotify_spi_finish();
	return account;
}

List *
spotify_accounts_names(void)
{
	MemoryContext context = CurrentMemoryContext;
	SpotifyParameters parameters = { 0 };
	List *names = NIL;

	spotify_spi_execute(NAMES, &parameters);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		char *name = spotify_spi_text(row, 1, context);
		MemoryContext old = MemoryContextSwitchTo(context);

		names = lappend(names, name);
		MemoryContextSwitchTo(old);
	}
	spotify_spi_finish();
	return names;
}

/* Runs a statement whose parameters are the account and two texts. */
static void
write_account(const char *statement, const char *name, const char *second,
			  const char *third)
{
	SpotifyParameters parameters = { 0 };

	spotify_parameter_text(&parameters, name);
	spotify_parameter_text(&parameters, second);
	spotify_parameter_text(&parameters, third);
	spotify_spi_run(statement, &parameters);
}

void
spotify_accounts_insert(const char *name, const char *client_id,
						const char *redirect_uri)
{
	write_account(INSERT, name, client_id, redirect_uri);
}

void
spotify_accounts_update(const char *name, const char *client_id,
						const char *redirect_uri)
{
	write_account(UPDATE, name, client_id, redirect_uri);
}

void
spotify_accounts_set_authorized(const char *name)
{
	SpotifyParameters parameters = { 0 };

	spotify_parameter_text(&parameters, name);
	spotify_spi_run(SET_AUTHORIZED, &parameters);
}

void
spotify_accounts_set_user(const char *name, const char *spotify_user_id,
						  const char *display_name)
{
	write_account(SET_USER, name, spotify_user_id, display_name);
}

void
spotify_accounts_confirm(const char *name, const char *scope)
{
	SpotifyParameters parameters = { 0 };

	spotify_parameter_text(&parameters, name);
	spotify_parameter_text(&parameters, scope);
	spotify_spi_run(CONFIRM, &parameters);
}

void
spotify_accounts_lock(const char *name)
{
	SpotifyParameters parameters = { 0 };

	spotify_parameter_text(&parameters, name);
	spotify_spi_run(LOCK, &parameters);
}

void
spotify_accounts_set_needs_authorization(const char *name)
{
	SpotifyParameters parameters = { 0 };

	spotify_parameter_text(&parameters, name);
	spotify_spi_run(SET_NEEDS_AUTHORIZATION, &parameters);
}

void
spotify_accounts_set_retry_after(const char *name, TimestampTz retry_after)
{
	SpotifyParameters parameters = { 0 };

	spotify_parameter_text(&parameters, name);
	spotify_parameter_timestamp(&parameters,
								spotify_time_from_server(retry_after));
	spotify_spi_run(SET_RETRY_AFTER, &parameters);
}

void
spotify_accounts_forget(const char *name)
{
	SpotifyParameters of_account = { 0 };
	SpotifyParameters none = { 0 };

	spotify_parameter_text(&of_account, name);
	for (int i = 0; i < (int) lengthof(FORGET); i++)
		spotify_spi_run(FORGET[i], &of_account);
	for (int i = 0; i < (int) lengthof(FORGET_UNUSED); i++)
		spotify_spi_run(FORGET_UNUSED[i], &none);
}
