/*
 * quality_checks.c
 *		The table spotify.quality_checks.
 */
#include "postgres.h"

#include "store/quality_checks.h"
#include "store/spi.h"

static const char WRITE[] =
	"INSERT INTO spotify.quality_checks\n"
	"       (run_id, check_name, passed, failing, detail)\n"
	"VALUES ($1, $2, $3, $4, $5)";

void
spotify_quality_checks_write(int64 run_id, const SpotifyQualityCheck *checks)
{
	for (int i = 0; i < SPOTIFY_CHECK_KINDS; i++)
	{
		SpotifyParameters parameters = { 0 };

		if (checks[i].name == NULL)
			continue;
		spotify_parameter_int8(&parameters, run_id);
		spotify_parameter_text(&parameters, checks[i].name);
		spotify_parameter_boolean(&parameters, checks[i].passed);
		spotify_parameter_int4(&parameters, checks[i].failing);
		spotify_parameter_text(&parameters, checks[i].detail);
		spotify_spi_check_written("spotify.quality_checks",
								  spotify_spi_run(WRITE, &parameters), 1);
	}
}
