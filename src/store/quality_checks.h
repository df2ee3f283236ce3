/*
 * quality_checks.h
 *		The table spotify.quality_checks.
 */
#ifndef SPOTIFY_QUALITY_CHECKS_H
#define SPOTIFY_QUALITY_CHECKS_H

/* How many kinds of check there are: see sync/checks.h. */
#define SPOTIFY_CHECK_KINDS 6

/* A row of the table, but for the run. */
typedef struct SpotifyQualityCheck
{
	const char *name; /* NULL: this check was not made */
	bool passed;
	int32 failing;		/* entries that did not pass */
	const char *detail; /* NULL: there is nothing to say */
} SpotifyQualityCheck;

/*
 * Writes the checks that a run made, out of one for each kind.  The row of the
 * run must be there.
 */
extern void spotify_quality_checks_write(int64 run_id,
										 const SpotifyQualityCheck *checks);

#endif /* SPOTIFY_QUALITY_CHECKS_H */
