/*
 * checks.h
 *		The quality checks of a run: what was received, before it is loaded.
 *
 * A run adds the result of each check it makes, and then enforces them all.
 * The results belong to the run's record: they are stored with it, whether the
 * run succeeds or fails.
 */
#ifndef SPOTIFY_CHECKS_H
#define SPOTIFY_CHECKS_H

#include "sync/run.h"

typedef enum SpotifyCheck
{
	/* these inform: a run goes on without them */
	SPOTIFY_CHECK_NOT_EMPTY, /* Spotify told something */
	SPOTIFY_CHECK_COMPLETE,	 /* all that there is was received */

	/* these must pass */
	SPOTIFY_CHECK_UNIQUE_KEY,	 /* no two entries for one row */
	SPOTIFY_CHECK_NO_NULLS,		 /* nothing is missing that a row must have */
	SPOTIFY_CHECK_WITHIN_PERIOD, /* nothing outside of the time asked for */
	SPOTIFY_CHECK_REMOVAL_GUARD	 /* not more removals than are believed */
} SpotifyCheck;

/*
 * Adds the result of a check: how many entries did not pass (where only the
 * answer as a whole can fail, 1), and if any did, what was found, as a sentence
 * for people.  The detail must live as long as the run, and is kept for a
 * check that failed only.
 */
extern void spotify_checks_add(SpotifyRun *run, SpotifyCheck check, int failing,
							   const char *detail);

/*
 * Raises an error (22000) if a check failed that must pass.  To be called when
 * all are added, before anything is written.  Who knows a better way out than
 * this error tells raises one of their own instead.
 */
extern void spotify_checks_enforce(const SpotifyRun *run);

#endif /* SPOTIFY_CHECKS_H */
