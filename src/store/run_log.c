/*
 * run_log.c
 *		The table spotify.sync_runs.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"

#include "store/run_log.h"
#include "store/spi.h"

static const char DRAW[] = "SELECT nextval('spotify.sync_runs_run_id_seq')";

/* An index finds each of them.  Numbers below 1 are not those of runs. */
static const char FIND_LARGEST[] =
	"SELECT GREATEST(0,\n"
	"                (SELECT max(run_id) FROM spotify.sync_runs),\n"
	"                (SELECT max(run_id) FROM spotify.quality_checks),\n"
	"                (SELECT max(run_id) FROM spotify.liked_events),\n"
	"                (SELECT max(run_id) FROM spotify.plays),\n"
	"                (SELECT max(run_id) FROM spotify.play_gaps))";

static const char ADVANCE[] = "SELECT setval('spotify.sync_runs_run_id_seq',\n"
							  "              GREATEST(last_value, $1))\n"
							  "  FROM spotify.sync_runs_run_id_seq";

static const char WRITE[] =
	"INSERT INTO spotify.sync_runs AS run\n"
	"       (run_id, account, collection, mode, status, started_at,\n"
	"        finished_at, requests, retries, bytes_received, total, fetched,\n"
	"        inserted, deactivated, reactivated, updated, skipped,\n"
	"        error_code, error_message, audit_offset, listed, unsettled)\n"
	"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14,\n"
	"        $15, $16, $17, $18, $19, $20, $21, $22)\n"
	"RETURNING run, run_id = $1 AND account = $2 AND collection = $3";

/* The key that the row refers to. */
static const char TRY_LOCK_ACCOUNT[] = "SELECT\n"
									   "  FROM spotify.accounts\n"
									   " WHERE account = $1\n"
									   "   FOR KEY SHARE SKIP LOCKED";

/* By their numbers: a clock that was ahead once leaves times in the future. */
static const char FIND_LAST[] =
	"SELECT run.total, run.audit_offset, run.finished_at,\n"
	"       run.listed IS NOT NULL, run.listed, run.unsettled,\n"
	"       run.unsettled >\n"
	"       COALESCE((SELECT before.unsettled\n"
	"                   FROM spotify.sync_runs AS before\n"
	"                  WHERE before.account = run.account\n"
	"                    AND before.collection = run.collection\n"
	"                    AND before.status <> 'failed'\n"
	"                    AND before.run_id < run.run_id\n"
	"                  ORDER BY before.run_id DESC\n"
	"                  LIMIT 1), 0)\n"
	"  FROM spotify.sync_runs AS run\n"
	" WHERE run.account = $1\n"
	"   AND run.collection = $2\n"
	"   AND run.status <> 'failed'\n"
	" ORDER BY run.run_id DESC\n"
	" LIMIT 1";

int64
spotify_run_log_draw_number(void)
{
	SpotifyParameters none = { 0 };
	SpotifyParameters parameters = { 0 };
	int64 number = spotify_spi_number(DRAW, &none);
	int64 largest = spotify_spi_number(FIND_LARGEST, &none);

	if (number > largest)
		return number;
	spotify_parameter_int8(&parameters, largest);
	spotify_spi_run(ADVANCE, &parameters);
	return spotify_spi_number(DRAW, &none);
}

Datum
spotify_run_log_write(SpotifyRunRecord *record)
{
	MemoryContext context = CurrentMemoryContext;
	SpotifyParameters parameters = { 0 };
	bool is_written;
	Datum row;

	spotify_parameter_int8(&parameters, record->run_id);
	spotify_parameter_text(&parameters, record->account);
	spotify_parameter_text(&parameters, record->collection);
	spotify_parameter_text(&parameters, record->mode);
	spotify_parameter_text(&parameters, record->status);
	spotify_parameter_timestamp(&parameters,
								spotify_time_from_server(record->started_at));
	spotify_parameter_timestamp(&parameters,
								spotify_time_from_server(record->finished_at));
	spotify_parameter_int4(&parameters, record->requests);
	spotify_parameter_int4(&parameters, record->retries);
	spotify_parameter_int8(&parameters, record->bytes_received);
	spotify_parameter_integer(&parameters, record->total);
	spotify_parameter_int4(&parameters, record->fetched);
	spotify_parameter_int4(&parameters, record->inserted);
	spotify_parameter_int4(&parameters, record->deactivated);
	spotify_parameter_int4(&parameters, record->reactivated);
	spotify_parameter_int4(&parameters, record->updated);
	spotify_parameter_int4(&parameters, record->skipped);
	spotify_parameter_text(&parameters, record->error_code);
	spotify_parameter_text(&parameters, record->error_message);
	spotify_parameter_integer(&parameters, record->audit_offset);
	spotify_parameter_integer(&parameters, record->listed);
	spotify_parameter_integer(&parameters, record->unsettled);

	spotify_spi_execute(WRITE, &parameters);
	is_written = SPI_processed > 0 && spotify_spi_bool(0, 2);
	spotify_spi_check_written("spotify.sync_runs", is_written ? 1 : 0, 1);
	row = spotify_spi_composite(0, 1, context);
	spotify_spi_finish();
	spotify_quality_checks_write(record->run_id, record->checks);
	return row;
}

static bool
try_lock_relation(const char *name, LOCKMODE mode)
{
	Oid relation = get_relname_relid(name, get_namespace_oid("spotify", true));

	return OidIsValid(relation) && ConditionalLockRelationOid(relation, mode);
}

bool
spotify_run_log_try_lock(const char *account)
{
	SpotifyParameters parameters = { 0 };

	if (!try_lock_relation("sync_runs", RowExclusiveLock) ||
		!try_lock_relation("sync_runs_run_id_seq", RowExclusiveLock) ||
		!try_lock_relation("quality_checks", RowExclusiveLock) ||
		!try_lock_relation("accounts", RowShareLock))
		return false;
	spotify_parameter_text(&parameters, account);
	return spotify_spi_run(TRY_LOCK_ACCOUNT, &parameters) > 0;
}

bool
spotify_run_log_find_last(const char *account, const char *collection,
						  SpotifyLastRun *last)
{
	SpotifyParameters parameters = { 0 };
	bool is_found;

	spotify_parameter_text(&parameters, account);
	spotify_parameter_text(&parameters, collection);
	spotify_spi_execute(FIND_LAST, &parameters);
	is_found = SPI_processed > 0;
	if (is_found)
	{
		last->total = spotify_spi_int4(0, 1);
		last->audit_offset = spotify_spi_int4(0, 2);
		last->finished_at = spotify_spi_timestamp(0, 3);
		last->is_complete = spotify_spi_bool(0, 4);
		last->listed = spotify_spi_int4(0, 5);
		last->unsettled = spotify_spi_int4(0, 6);
		last->has_news = spotify_spi_bool(0, 7);
	}
	spotify_spi_finish();
	return is_found;
}
