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
 * Months are counted in UTC, as in spotify.account_status.
 *
 * No limit lasts longer than a day.  A later retry_after comes of a clock that
 * was ahead, and is not believed.
 */
static const char FIND[] =
	"SELECT account, client_id, redirect_uri, spotify_user_id,\n"
	"       needs_authorization,\n"
	"       CASE WHEN retry_after <= now() + interval '2 days'\n"
	"            THEN retry_after END,\n"
	"       (authorized_at AT TIME ZONE 'UTC' + interval '6 months')\n"
	"       AT TIME ZONE 'UTC', is_enabled\n"
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
	"   SET retry_after = CASE WHEN stored.retry_after > $2\n"
	"                           AND stored.retry_after\n"
	"                               <= now() + interval '2 days'\n"
	"                          THEN stored.retry_after\n"
	"                          ELSE $2 END\n"
	"  FROM limited\n"
	" WHERE limited.account = stored.account";

/* A table that has rows of an account. */
typedef struct Forgotten
{
	const char *table;
	const char *delete; /* the account's rows */
	const char *count;	/* those that are left */
} Forgotten;

/* For tables with a column account. */
#define FORGET_ACCOUNT(table)                                                  \
	{                                                                          \
		table, "DELETE FROM " table " WHERE account = $1",                     \
			"SELECT count(*) FROM " table " WHERE account = $1"                \
	}

/* In this order, because of the foreign keys. */
static const Forgotten FORGET[] = {
	FORGET_ACCOUNT("spotify.scan_progress"),
	FORGET_ACCOUNT("spotify.liked_events"),
	FORGET_ACCOUNT("spotify.liked_tracks"),
	FORGET_ACCOUNT("spotify.liked_null_places"),
	FORGET_ACCOUNT("spotify.plays"),
	FORGET_ACCOUNT("spotify.play_gaps"),
	{ "spotify.quality_checks",
	  "DELETE FROM spotify.quality_checks AS quality_check\n"
	  " USING spotify.sync_runs AS run\n"
	  " WHERE run.run_id = quality_check.run_id\n"
	  "   AND run.account = $1",
	  "SELECT count(*)\n"
	  "  FROM spotify.quality_checks\n"
	  "       JOIN spotify.sync_runs AS run USING (run_id)\n"
	  " WHERE run.account = $1" },
	FORGET_ACCOUNT("spotify.sync_runs"),
	FORGET_ACCOUNT("spotify_private.credentials"),
	FORGET_ACCOUNT("spotify.accounts"),
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

static const char TABLE[] = "spotify.accounts";

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

/* Runs a statement that updates an account, if it is there. */
static void
update(const char *statement, const SpotifyParameters *parameters,
	   const char *name)
{
	if (spotify_spi_run(statement, parameters) == 0 &&
		spotify_accounts_find(name) != NULL)
		spotify_spi_check_written(TABLE, 0, 1);
}

/* The parameters of such a statement: the account and two texts. */
static SpotifyParameters
make_parameters(const char *name, const char *second, const char *third)
{
	SpotifyParameters parameters = { 0 };

	spotify_parameter_text(&parameters, name);
	spotify_parameter_text(&parameters, second);
	spotify_parameter_text(&parameters, third);
	return parameters;
}

void
spotify_accounts_insert(const char *name, const char *client_id,
						const char *redirect_uri)
{
	SpotifyParameters parameters =
		make_parameters(name, client_id, redirect_uri);

	spotify_spi_check_written(TABLE, spotify_spi_run(INSERT, &parameters), 1);
}

void
spotify_accounts_update(const char *name, const char *client_id,
						const char *redirect_uri)
{
	SpotifyParameters parameters =
		make_parameters(name, client_id, redirect_uri);

	update(UPDATE, &parameters, name);
}

void
spotify_accounts_set_authorized(const char *name)
{
	SpotifyParameters parameters = { 0 };

	spotify_parameter_text(&parameters, name);
	update(SET_AUTHORIZED, &parameters, name);
}

void
spotify_accounts_set_user(const char *name, const char *spotify_user_id,
						  const char *display_name)
{
	SpotifyParameters parameters =
		make_parameters(name, spotify_user_id, display_name);

	update(SET_USER, &parameters, name);
}

/* What is so already is not written. */
static void
check_needs_authorization(const char *name, bool needs_authorization)
{
	const SpotifyAccount *account = spotify_accounts_find(name);

	if (account != NULL && account->needs_authorization != needs_authorization)
		spotify_spi_check_written(TABLE, 0, 1);
}

void
spotify_accounts_confirm(const char *name, const char *scope)
{
	SpotifyParameters parameters = { 0 };

	spotify_parameter_text(&parameters, name);
	spotify_parameter_text(&parameters, scope);
	spotify_spi_run(CONFIRM, &parameters);
	check_needs_authorization(name, false);
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
	check_needs_authorization(name, true);
}

void
spotify_accounts_set_retry_after(const char *name, TimestampTz retry_after)
{
	SpotifyParameters parameters = { 0 };

	spotify_parameter_text(&parameters, name);
	spotify_parameter_timestamp(&parameters,
								spotify_time_from_server(retry_after));
	update(SET_RETRY_AFTER, &parameters, name);
}

/* Nothing may stay, whatever a trigger thinks of it. */
static void
forget(const Forgotten *forgotten, const SpotifyParameters *parameters)
{
	uint64 deleted = spotify_spi_run(forgotten->delete, parameters);
	uint64 left = (uint64) spotify_spi_number(forgotten->count, parameters);

	spotify_spi_check_written(forgotten->table, deleted, deleted + left);
}

/* The account itself comes last, and mostly answers the question. */
bool
spotify_accounts_has_rows(const char *name)
{
	SpotifyParameters parameters = { 0 };

	spotify_parameter_text(&parameters, name);
	for (int i = (int) lengthof(FORGET) - 1; i >= 0; i--)
	{
		if (spotify_spi_number(FORGET[i].count, &parameters) > 0)
			return true;
	}
	return false;
}

void
spotify_accounts_forget(const char *name)
{
	SpotifyParameters parameters = { 0 };

	spotify_parameter_text(&parameters, name);
	for (int i = 0; i < (int) lengthof(FORGET); i++)
		forget(&FORGET[i], &parameters);
}

void
spotify_accounts_forget_unused(void)
{
	SpotifyParameters none = { 0 };

	for (int i = 0; i < (int) lengthof(FORGET_UNUSED); i++)
		spotify_spi_run(FORGET_UNUSED[i], &none);
}
