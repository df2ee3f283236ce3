/*
 * delta_plan.h
 *		Finding out what changed in a saved list without reading all of it.
 *
 * Plain C: knows neither network nor database.  Given the list as it was after
 * the last run and the pages that were read so far, the plan tells which pages
 * to read next, or what the list is now.
 *
 * It assumes what Spotify shows, but does not promise: new items come in front,
 * and the others keep their order.  Then the pages that were read tie their
 * positions to places of the known list, and between two pages as many places
 * are gone as the one stretch is longer than the other.  Such a stretch is
 * halved until the places are found; stretches of equal length are left unread.
 * Pages that do not fit the assumption break it, and the whole list must be
 * read.  What the assumption hides (something came and something else went in
 * the same stretch) is found by the audit, which reads some more pages in turn.
 */
#ifndef SPOTIFY_DELTA_PLAN_H
#define SPOTIFY_DELTA_PLAN_H

#include <stdbool.h>

#include "sync/scan.h"

/* The list as it was after the last run. */
typedef struct SpotifyKnownList
{
	int count;
	SpotifyListEntry *entries; /* malloc'd, by position; received: loaded */
	struct lh_table *places;   /* from ids to entries; NULL: not all loaded */
} SpotifyKnownList;

/* A list of so many places, of which none is loaded.  False: no memory. */
extern bool spotify_known_begin(SpotifyKnownList *known, int count);

/* Loads a place.  The id, which is not copied, is NULL for none. */
extern void spotify_known_put(SpotifyKnownList *known, int position,
							  const char *id, SpotifyTimestamp added_at);

/* To be called when all places are loaded.  False: no memory. */
extern bool spotify_known_complete(SpotifyKnownList *known);

extern void spotify_known_release(SpotifyKnownList *known);

/*
 * The pages that a run reads in turn, beside the newest.  Positions are what a
 * turn is kept by, since pages may have another size in the next run.
 */
typedef struct SpotifyAudit
{
	int offset; /* up to which the audit has come, 0: it begins */
	int pages;	/* to be read */
} SpotifyAudit;

/* How many pages there are to read, and the offset of each, in a list. */
extern int spotify_audit_count(const SpotifyAudit *audit,
							   const SpotifyScan *scan);
extern int spotify_audit_offset(const SpotifyAudit *audit,
								const SpotifyScan *scan, int page);

typedef enum SpotifyDeltaVerdict
{
	SPOTIFY_DELTA_READ,		 /* read these pages, then ask again */
	SPOTIFY_DELTA_LOAD,		 /* load the whole known list, then ask again */
	SPOTIFY_DELTA_UNCHANGED, /* the list is as it was */
	SPOTIFY_DELTA_CHANGED,	 /* it is what the plan says */
	SPOTIFY_DELTA_BROKEN	 /* read the whole list */
} SpotifyDeltaVerdict;

typedef struct SpotifyDeltaPlan
{
	SpotifyDeltaVerdict verdict;
	int *offsets; /* malloc'd: pages to read, all at once if that can be */
	int offset_count;
	SpotifyListEntry *list; /* malloc'd: the list of scan->length places */
	bool has_audit;			/* what is next in the audit is among those read */
	bool has_losses;		/* places of the known list are gone */
} SpotifyDeltaPlan;

/*
 * Plans from a scan that is unbroken and has its first page.  The list of the
 * plan refers to the ids of known and scan.  A run in which new items fill
 * more than a page reads on instead of the audit.  False: no memory.
 */
extern bool spotify_delta_plan_make(SpotifyDeltaPlan *plan,
									const SpotifyKnownList *known,
									const SpotifyScan *scan,
									const SpotifyAudit *audit);

/* Up to which position the audit has come, once the pages asked for are read. */
extern int spotify_delta_plan_audit_end(const SpotifyDeltaPlan *plan,
										const SpotifyScan *scan,
										const SpotifyAudit *audit);

extern void spotify_delta_plan_release(SpotifyDeltaPlan *plan);

#endif /* SPOTIFY_DELTA_PLAN_H */
