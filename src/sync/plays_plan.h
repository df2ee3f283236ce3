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

/* What a run asks for, and what it knows. */
typedef struct SpotifyPlaysAim
{
	SpotifyTimestamp since;	 /* only plays from then on; unknown: all */
	SpotifyTimestamp until;	 /* later than any play can be; known */
	SpotifyTimestamp newest; /* of the stored plays; unknown: there are none */
} SpotifyPlaysAim;

typedef struct SpotifyPlaysPlan
{
	const SpotifyPlay **plays; /* to be stored if they are not yet, each once */
	int count;
	int skipped; /* entries without a track that can be identified */

	/* what must not be: see quality checks in the contract */
	int contradicting; /* same time and track as another, but not the same */
	int undated;	   /* a track, but no time */
	int in_future;

	/*
	 * Plays may be missing between the newest stored one and this point in
	 * time, the oldest play that was received; unknown: none is.
	 */
	SpotifyTimestamp gap_end;
} SpotifyPlaysPlan;

/*
 * Makes the plan; it refers to the page.  Plays before the time that is aimed
 * at are left out.  Returns false when memory is out.
 */
extern bool spotify_plays_plan_make(SpotifyPlaysPlan *plan,
									const SpotifyPlaysPage *page,
									const SpotifyPlaysAim *aim);

extern void spotify_plays_plan_release(SpotifyPlaysPlan *plan);

#endif /* SPOTIFY_PLAYS_PLAN_H */
