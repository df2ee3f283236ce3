/*
 * plays_plan.h
 *		What the last plays, as they were received, mean for what is stored.
 *
 * Plain C: knows neither network nor database.
 */
#ifndef SPOTIFY_PLAYS_PLAN_H
#define SPOTIFY_PLAYS_PLAN_H

#include <stdbool.h>

#include "spotify/model.h"
#include "store/stored_play.h"

/* When the oldest entry was played, also one without a track; or unknown. */
extern SpotifyTimestamp spotify_plays_oldest(const SpotifyPlaysPage *page);

/* How far back Spotify tells plays, at most. */
#define SPOTIFY_PLAYS_DAYS 7

/* What a run asks for, and what it knows. */
typedef struct SpotifyPlaysAim
{
	SpotifyTimestamp since;	 /* only plays from then on; unknown: all */
	SpotifyTimestamp now;	 /* when the answer was received; known */
	SpotifyTimestamp until;	 /* later than any play can be; known */
	SpotifyTimestamp newest; /* of the stored plays; unknown: there are none */

	/* when the last run that succeeded ended; unknown: there is none */
	SpotifyTimestamp last_run;
} SpotifyPlaysAim;

typedef struct SpotifyPlaysPlan
{
	/* what the answer tells, each play once and in its order */
	const SpotifyPlay **told;
	int told_count;

	const SpotifyPlay **plays; /* those of them that are not stored yet */
	int count;
	int skipped; /* entries without a track that can be identified */

	/* what must not be: each fails a quality check of the run */
	int contradicting; /* same time and track as another, but not the same */
	int undated;	   /* a track, but no time */
	int in_future;

	/*
	 * Plays may be missing between the newest stored one and this point in
	 * time, the oldest that the list can show; unknown: none is.
	 */
	SpotifyTimestamp gap_end;
	bool is_full; /* the list may have had older plays that it does not tell */
} SpotifyPlaysPlan;

/*
 * Makes the plan; it refers to the page.  What is stored must hold the plays of
 * the tracks told that are at most SPOTIFY_PLAY_DRIFT away from one of them.
 * Plays before the time that is aimed at are left out.  Returns false when
 * memory is out.
 */
extern bool spotify_plays_plan_make(SpotifyPlaysPlan *plan,
									const SpotifyPlaysPage *page,
									const SpotifyPlaysAim *aim,
									const SpotifyStoredPlay *stored,
									int stored_count);

extern void spotify_plays_plan_release(SpotifyPlaysPlan *plan);

#endif /* SPOTIFY_PLAYS_PLAN_H */
