/*
 * proof.h
 *		Asking Spotify whether items that a list no longer shows are gone.
 */
#ifndef SPOTIFY_PROOF_H
#define SPOTIFY_PROOF_H

#include "spotify/client.h"
#include "sync/saved_plan.h"

/* What a list proves by itself, where Spotify cannot be asked. */
typedef enum SpotifyProofBasis
{
	SPOTIFY_PROOF_BY_LIST,	/* what it lacks is gone */
	SPOTIFY_PROOF_NONE,		/* anything may be behind what has no identity */
	SPOTIFY_PROOF_BY_DELTA, /* nothing, but it can be read whole */
	SPOTIFY_PROOF_NEVER		/* it lacks what it counts: no answer helps */
} SpotifyProofBasis;

typedef struct SpotifyProof
{
	SpotifySavedChange *removed; /* those that are proven to be gone */
	int removed_count;
	SpotifySavedChange *unlisted; /* those that stay, and lose their place */
	int unlisted_count;
	int contradicted_count; /* those that Spotify says are still saved */
	int unproven_count;		/* those that may be gone, and stay active */
	int unasked_count;		/* those whose turn to be asked about is not yet */
	bool is_contradicted;	/* by an answer in this attempt or an earlier one */
	bool is_refused;		/* Spotify does not answer this question */
	bool is_cut;			/* by a rate limit */
	int guarded_count;		/* those that the guard holds back; 0: none */
	bool wants_whole_list;	/* the delta is not enough */
} SpotifyProof;

/* What is to be proven, and how. */
typedef struct SpotifyProofTask
{
	const SpotifySavedPlan *plan; /* made from a complete list */
	SpotifyProofBasis basis;
	bool is_empty; /* the list has no entry at all */
	bool is_delta;
	bool has_losses;	   /* places of the list are gone */
	bool has_excess;	   /* its total is too high */
	bool asks_again;	   /* about items that had no place before, too */
	const char *item_type; /* see SpotifyCollection */
	SpotifyClient *client;
	bool allow_mass_removal; /* lifts the removal guard */
} SpotifyProofTask;

/*
 * Proves that the missing items of a plan are gone.  Stops as soon as more are
 * proven than the removal guard lets through, or when a delta must be read
 * whole.  The guard also holds back removals that nothing but an empty list
 * shows.  Where total is too high, what may be hidden behind the end stays.  To prove again by another list, call it with the same proof; a new
 * one is all zero.
 */
extern void spotify_proof_find(SpotifyProof *proof,
							   const SpotifyProofTask *task);

#endif /* SPOTIFY_PROOF_H */
