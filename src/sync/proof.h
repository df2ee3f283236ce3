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
	int contradicted_count; /* those that Spotify says are still saved */
	int unproven_count;		/* those that may be gone, and stay active */
	bool is_cut;			/* by a rate limit */
} SpotifyProof;

/*
 * Proves the missing items of a plan, made from a complete scan.  is_scan_proof
 * tells whether that scan is proof enough where Spotify cannot be asked: it
 * held no entry without identity, and was made in one run.  Stops as
 * soon as more are proven than the removal guard lets through.
 */
extern void spotify_proof_find(SpotifyProof *proof,
							   const SpotifySavedPlan *plan, bool is_scan_proof,
							   SpotifyClient *client, bool allow_mass_removal);

#endif /* SPOTIFY_PROOF_H */
