/*
 * quality_checks.h
 *		The table spotify.quality_checks.
 */
#ifndef SPOTIFY_QUALITY_CHECKS_H
#define SPOTIFY_QUALITY_CHECKS_H

/* Each check is made once in a run, so this is as many as there are kinds. */
#define SPOTIFY_MAX_CHECKS 6

/* A row of the table, but for the run. */
typedef struct SpotifyQualityCheck
{
	const char *name;
	bool passed;
	int32 failing;		/* entries that did not pass */
	const char *detail; /* NULL: there is nothing to say */
} SpotifyQualityCheck;

/* Writes the checks of a run, whose row must be there. */
extern void spotify_quality_checks_write(int64 run_id,
										 const SpotifyQualityCheck *checks,
										 int count);

#endif /* SPOTIFY_QUALITY_CHECKS_H */
