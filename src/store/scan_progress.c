/*
 * scan_progress.c
 *		The table spotify.scan_progress: how far a scan got that was cut.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/memutils.h"

#include "store/columns.h"
#include "store/scan_progress.h"

static const char LOAD[] =
	"SELECT progress.total, entry.item_id, entry.added_at\n"
	"  FROM spotify.scan_progress AS progress,\n"
	"       unnest(progress.item_ids, progress.added_at)\n"
	"       WITH ORDINALITY AS entry (item_id, added_at, position)\n"
	" WHERE progress.account = $1\n"
	"   AND progress.collection = $2\n"
	" ORDER BY entry.position";

static const char SAVE[] =
	"INSERT INTO spotify.scan_progress\n"
	"       (account, collection, total, item_ids, added_at)\n"
	"VALUES ($1, $2, $3, $4, $5)\n"
	"ON CONFLICT (account, collection) DO UPDATE\n"
	"   SET total = EXCLUDED.total,\n"
	"       item_ids = EXCLUDED.item_ids,\n"
	"       added_at = EXCLUDED.added_at";

static const char CLEAR[] = "DELETE FROM spotify.scan_progress\n"
							" WHERE account = $1\n"
							"   AND collection = $2";

static const char TABLE[] = "spotify.scan_progress";

static const Oid ENTRY_TYPES[] = { TEXTOID, TIMESTAMPTZOID };

SpotifyScanProgress *
spotify_scan_progress_load(const char *account, const char *collection)
{
	MemoryContext context = CurrentMemoryContext;
	SpotifyParameters parameters = { 0 };
	SpotifyScanProgress *progress = NULL;

	spotify_parameter_text(&parameters, account);
	spotify_parameter_text(&parameters, collection);
	spotify_spi_execute(LOAD, &parameters);
	if (SPI_processed > 0)
	{
		progress = MemoryContextAllocZero(context, sizeof(*progress));
		progress->total = (int32) spotify_spi_int4(0, 1);
		progress->count = (int) SPI_processed;
		progress->entries = MemoryContextAllocHuge(
			context, SPI_processed * sizeof(SpotifyListEntry));
	}
	for (int row = 0; progress != NULL && row < progress->count; row++)
	{
		SpotifyListEntry *entry = &progress->entries[row];

		memset(entry, 0, sizeof(*entry));
		entry->is_received = true;
		entry->id = spotify_spi_text(row, 2, context);
		entry->added_at = spotify_spi_timestamp(row, 3);
	}
	spotify_spi_finish();
	return progress;
}

void
spotify_scan_progress_save(const char *account, const char *collection,
						   const SpotifyScanProgress *progress)
{
	SpotifyColumns *columns = spotify_columns_create(
		CurrentMemoryContext, ENTRY_TYPES, lengthof(ENTRY_TYPES));
	SpotifyParameters parameters = { 0 };

	for (int i = 0; i < progress->count; i++)
	{
		spotify_columns_text(columns, progress->entries[i].id);
		spotify_columns_timestamp(columns, progress->entries[i].added_at);
	}
	spotify_parameter_text(&parameters, account);
	spotify_parameter_text(&parameters, collection);
	spotify_parameter_int4(&parameters, progress->total);
	spotify_columns_to_parameters(columns, &parameters);
	spotify_spi_check_written(TABLE, spotify_spi_run(SAVE, &parameters), 1);
}

void
spotify_scan_progress_clear(const char *account, const char *collection)
{
	SpotifyParameters parameters = { 0 };

	spotify_parameter_text(&parameters, account);
	spotify_parameter_text(&parameters, collection);
	if (spotify_spi_run(CLEAR, &parameters) == 0 &&
		spotify_scan_progress_load(account, collection) != NULL)
		spotify_spi_check_written(TABLE, 0, 1);
}
