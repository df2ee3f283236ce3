/*
 * stored_list.h
 *		What is stored of a saved list, loaded as far as a run needs it.
 *
 * A run over an unchanged list needs the places of two pages only.
 */
#ifndef SPOTIFY_STORED_LIST_H
#define SPOTIFY_STORED_LIST_H

#include "sync/collection.h"
#include "sync/delta_plan.h"

typedef struct SpotifyStoredList
{
	const SpotifyCollection *collection;
	const char *account;

	/* The list as it was after the last run, if that is known exactly. */
	bool is_exact;
	bool has_nulls;
	SpotifyKnownList known; /* malloc'd inside */
	SpotifyAudit audit;		/* the pages that are next in turn */

	int excess;		 /* by how much total was higher than known.count */
	int unplaced;	 /* active items without a place in the list */
	int unsettled;	 /* those of which it was left open if they are gone */
	bool asks_again; /* it is time to ask about those without a place */

	/* total of a list that did not add up in the last run; -1: it did */
	int stuck_total;

	/* All that is stored, once it is loaded. */
	SpotifySavedItem *items;
	int item_count;
} SpotifyStoredList;

/*
 * Opens what is stored, with no place loaded yet.  It is exact if the last
 * run that did not fail read the list to its end and no row was changed by hand
 * since.  Lives in the current memory context, what is loaded too.
 */
extern SpotifyStoredList *
spotify_stored_list_open(const SpotifyCollection *collection,
						 const char *account);

/*
 * Whether Spotify is to be asked again about items without a place, in a list
 * whose total is too high by excess.
 */
extern bool spotify_stored_list_asks_again(const SpotifyStoredList *stored,
										   int excess);

/* Loads the places of the page at an offset. */
extern void spotify_stored_list_load_page(SpotifyStoredList *stored,
										  int offset);

/* Loads everything, unless that was done. */
extern void spotify_stored_list_load(SpotifyStoredList *stored);

#endif /* SPOTIFY_STORED_LIST_H */
