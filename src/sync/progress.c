/*
 * progress.c
 *		Telling the caller how far a long run has come.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "sync/progress.h"

#define QUIET_MS	2000
#define INTERVAL_MS 1000

void
spotify_progress_begin(SpotifyProgress *progress, const char *collection)
{
	progress->collection = collection;
	progress->started_at = GetCurrentTimestamp();
	progress->told_at = 0;
	progress->entries = 0;
}

static void
tell(const SpotifyProgress *progress, double seconds, int done, int total)
{
	double rate = progress->entries / seconds;

	if (total < 0)
		ereport(NOTICE,
				(errmsg("collection \"%s\": %d entries read, %.0f per second",
						progress->collection, progress->entries, rate)));
	else
		ereport(
			NOTICE,
			(errmsg(
				"collection \"%s\": %d of %d entries read, %.0f per second, about %.0f s left",
				progress->collection, done, total, rate,
				(total - done) / Max(rate, 1))));
}

void
spotify_progress_add(SpotifyProgress *progress, int entries, int done,
					 int total)
{
	TimestampTz now = GetCurrentTimestamp();

	progress->entries += entries;
	if (!TimestampDifferenceExceeds(progress->started_at, now, QUIET_MS) ||
		!TimestampDifferenceExceeds(progress->told_at, now, INTERVAL_MS))
		return;
	progress->told_at = now;
	tell(progress, (now - progress->started_at) / (double) USECS_PER_SEC,
		 Min(done, total), total);
}
