/*
 * proof.h
 *		Asking Spotify whether items that a list no longer shows are gone.
 */
#ifndef SPOTIFY_PROOF_H
#define SPOTIFY_PROOF_H

#include "spotify/client.h"
#include "sync/saved_plan.h"

typedef struct SpotifyProof
{
	SpotifySavedChange *removed; /* those that are proven to be gone */
	int removed_count;
	int unproven_count; /* those that may be gone, and stay active */
	bool is_cut;		/* by a rate limit */
} SpotifyProof;

/*
 * Proves the missing items of a plan, made from a complete scan.  Stops as
 * soon as more are proven than the removal guard lets through.
 */
extern void spotify_proof_find(SpotifyProof *proof,
							   const SpotifySavedPlan *plan,
							   const SpotifyScan *scan, SpotifyClient *client,
							   bool allow_mass_removal);

#endif /* SPOTIFY_PROOF_H */
