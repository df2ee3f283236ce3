/*
 * tables.c
 *		What others have put on the tables.
 */
#include "postgres.h"

#include "store/spi.h"
#include "store/tables.h"

static const char FIND_RULE[] =
	"SELECT format('%s.%s', schema.nspname, class.relname),\n"
	"       rule.rulename::text\n"
	"  FROM unnest(ARRAY['spotify.accounts',\n"
	"                    'spotify_private.credentials',\n"
	"                    'spotify.artists',\n"
	"                    'spotify.albums',\n"
	"                    'spotify.album_artists',\n"
	"                    'spotify.tracks',\n"
	"                    'spotify.track_artists',\n"
	"                    'spotify.sync_runs',\n"
	"                    'spotify.quality_checks',\n"
	"                    'spotify.liked_tracks',\n"
	"                    'spotify.liked_null_places',\n"
	"                    'spotify.liked_events',\n"
	"                    'spotify.scan_progress',\n"
	"                    'spotify.plays',\n"
	"                    'spotify.play_gaps']::regclass[]) AS written (oid)\n"
	"       JOIN pg_rewrite AS rule ON rule.ev_class = written.oid\n"
	"       JOIN pg_class AS class ON class.oid = written.oid\n"
	"       JOIN pg_namespace AS schema ON schema.oid = class.relnamespace\n"
	" ORDER BY 1, 2\n"
	" LIMIT 1";

void
spotify_tables_check(void)
{
	MemoryContext context = CurrentMemoryContext;
	SpotifyParameters parameters = { 0 };
	char *table = NULL;
	char *rule = NULL;

	spotify_spi_execute(FIND_RULE, &parameters);
	if (SPI_processed > 0)
	{
		table = spotify_spi_text(0, 1, context);
		rule = spotify_spi_text(0, 2, context);
	}
	spotify_spi_finish();
	if (table == NULL)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("table \"%s\" has a rule", table),
			 errdetail("Rule \"%s\" could make something else of what is "
					   "written; nothing was sent to Spotify.",
					   rule),
			 errhint("Drop the rule, and use a trigger instead.")));
}
