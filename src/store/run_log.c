/*
 * run_log.c
 *		The table spotify.sync_runs.
 */
#include "postgres.h"

#include "funcapi.h"

#include "store/run_log.h"
#include "store/spi.h"

static const char NEXT_ID[] = "SELECT nextval('spotify.sync_runs_run_id_seq')";

static const char WRITE[] =
	"INSERT INTO spotify.sync_runs\n"
	"       (run_id, account, collection, mode, status, started_at,\n"
	"        finished_at, requests, retries, bytes_received, total, fetched,\n"
	"        inserted, deactivated, reactivated, updated, skipped,\n"
	"        error_code, error_message)\n"
	"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14,\n"
	"        $15, $16, $17, $18, $19)\n"
	"RETURNING *";

int64
spotify_run_log_next_id(void)
{
	SpotifyParameters parameters = { 0 };
	int64 run_id;

	spotify_spi_execute(NEXT_ID, &parameters);
	run_id = spotify_spi_int8(0, 1);
	spotify_spi_finish();
	return run_id;
}

Datum
spotify_run_log_write(const SpotifyRunRecord *record)
{
	SpotifyParameters parameters = { 0 };
	HeapTupleHeader row;

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

	spotify_spi_execute(WRITE, &parameters);
	row = SPI_returntuple(SPI_tuptable->vals[0], SPI_tuptable->tupdesc);
	spotify_spi_finish();
	return HeapTupleHeaderGetDatum(row);
}
