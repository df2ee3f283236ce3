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

static const CheckKind KINDS[SPOTIFY_MAX_CHECKS] = {
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
	SpotifyRunRecord *record = &run->record;
	SpotifyQualityCheck *result = &record->checks[record->check_count];

	Assert(record->check_count < SPOTIFY_MAX_CHECKS);
	result->name = KINDS[check].name;
	result->passed = failing == 0;
	result->failing = failing;
	result->detail = failing > 0 ? detail : NULL;
	record->check_count++;
}

static bool
stops_run(const SpotifyQualityCheck *result)
{
	if (result->passed)
		return false;
	for (int i = 0; i < SPOTIFY_MAX_CHECKS; i++)
	{
		if (strcmp(KINDS[i].name, result->name) == 0)
			return !KINDS[i].informs;
	}
	return true;
}

void
spotify_checks_enforce(const SpotifyRun *run)
{
	const SpotifyRunRecord *record = &run->record;

	for (int i = 0; i < record->check_count; i++)
	{
		const SpotifyQualityCheck *result = &record->checks[i];

		if (!stops_run(result))
			continue;
		ereport(
			ERROR,
			(errcode(ERRCODE_DATA_EXCEPTION),
			 errmsg("quality check \"%s\" failed", result->name),
			 result->detail != NULL ? errdetail("%s", result->detail) : 0,
			 errhint(
				 "Nothing was loaded. The checks of the run are in spotify.quality_checks.")));
	}
}
