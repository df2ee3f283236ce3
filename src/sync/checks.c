/*
 * checks.c
 *		The quality checks of a run: what was received, before it is loaded.
 */
#include "postgres.h"

#include "sync/checks.h"

typedef struct CheckKind
{
	const char *name; /* in quality_checks */
	bool informs;	  /* a run goes on without it */
} CheckKind;

static const CheckKind KINDS[SPOTIFY_CHECK_KINDS] = {
	[SPOTIFY_CHECK_NOT_EMPTY] = { "not_empty", true },
	[SPOTIFY_CHECK_COMPLETE] = { "complete", true },
	[SPOTIFY_CHECK_UNIQUE_KEY] = { "unique_key", false },
	[SPOTIFY_CHECK_NO_NULLS] = { "no_nulls", false },
	[SPOTIFY_CHECK_WITHIN_PERIOD] = { "within_period", false },
	[SPOTIFY_CHECK_REMOVAL_GUARD] = { "removal_guard", false },
};

void
spotify_checks_add(SpotifyRun *run, SpotifyCheck check, int failing,
				   const char *detail)
{
	SpotifyQualityCheck *result = &run->record.checks[check];

	result->name = KINDS[check].name;
	result->passed = failing == 0;
	result->failing = failing;
	result->detail = failing > 0 ? detail : NULL;
}

static void
report_failed(const SpotifyQualityCheck *result)
{
	ereport(
		ERROR,
		(errcode(ERRCODE_DATA_EXCEPTION),
		 errmsg("quality check \"%s\" failed", result->name),
		 result->detail != NULL ? errdetail("%s", result->detail) : 0,
		 errhint(
			 "Nothing was loaded. The checks of the run are in spotify.quality_checks.")));
}

void
spotify_checks_enforce(const SpotifyRun *run)
{
	for (int i = 0; i < SPOTIFY_CHECK_KINDS; i++)
	{
		const SpotifyQualityCheck *result = &run->record.checks[i];

		if (result->name != NULL && !result->passed && !KINDS[i].informs)
			report_failed(result);
	}
}
