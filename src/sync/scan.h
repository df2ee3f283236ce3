/*
 * scan.h
 *		What one pass over a saved list brought, and whether it is believable.
 *
 * Plain C: knows neither network nor database.  A scan collects the pages of
 * one pass over the list, by position.  Only a scan that adds up may show
 * that an item is gone: see "When a song becomes inactive" in
 * doc/spotify_etl.md.
 */
#ifndef SPOTIFY_SCAN_H
#define SPOTIFY_SCAN_H

#include <stdbool.h>

#include "spotify/model.h"
#include "store/saved_item.h"

struct lh_table;

/*
 * A list that ends earlier than this before its total, or before its middle,
 * was cut.
 */
#define SPOTIFY_MAX_EXCESS 50

/* What one pass over a list brought. */
typedef struct SpotifyScan
{
	SpotifyArena arena;
	int32_t total;			   /* as the first page said */
	int32_t length;			   /* places that there are: mostly total */
	bool is_end_seen;		   /* a page has shown that length is less */
	bool is_last_read;		   /* the last page that total promises */
	int page_size;			   /* entries of a page: 1 to those asked for */
	bool is_unbroken;		   /* every page so far was what was asked for */
	int received;			   /* entries, those without identity included */
	int unidentified;		   /* entries without identity */
	int taken_over;			   /* of those received: by an earlier scan */
	int taken_unidentified;	   /* of those without identity: the same */
	int distinct;			   /* ids */
	int dated;				   /* entries with identity that have a date */
	int contradictory;		   /* entries whose page has another date too */
	SpotifyInteger odd_limit;  /* that a page said and that cannot be */
	int odd_limit_count;	   /* entries of that page */
	int echo_count;			   /* entries of a page that is the first again */
	bool has_other_pages;	   /* than the first one, and such */
	SpotifyListEntry *entries; /* malloc'd, by position */
	int count;				   /* up to the last position received */
	int capacity;
	struct lh_table *ids; /* set of the ids in entries */
} SpotifyScan;

extern bool spotify_scan_is_received(const SpotifyScan *scan, int position);

/* Entries that this scan received itself, and those without identity. */
extern int spotify_scan_fetched(const SpotifyScan *scan);
extern int spotify_scan_skipped(const SpotifyScan *scan);

/* Whether a position was received, and holds this. */
extern bool spotify_list_entry_equals(const SpotifyListEntry *entry,
									  const char *id,
									  SpotifyTimestamp added_at);

/*
 * Begins a pass.  Its first page, which is still to be added, says how many
 * entries there are, and how many a page holds.  Returns false when memory is
 * out.
 */
extern bool spotify_scan_begin(SpotifyScan *scan,
							   const SpotifySavedPage *first_page);

extern void spotify_scan_release(SpotifyScan *scan);

/*
 * Before the first page: total is said to be too high by so much, as it was
 * the last time.
 */
extern void spotify_scan_expect_excess(SpotifyScan *scan, int excess);

/* By how much total is higher than there are places, as far as is known. */
extern int spotify_scan_excess(const SpotifyScan *scan);

/*
 * Whether a page is what was asked for: the offset echoed is the one asked,
 * total is that of the first page, its size is possible, and it has as many
 * entries as it must by that size.  It need not be the size of other pages.
 */
extern bool spotify_scan_page_fits(const SpotifyScan *scan,
								   const SpotifySavedPage *page, int offset);

/*
 * Takes a page that does not fit for the one on which the list ends, if it
 * can be that: total is too high, by little, and nothing was received from
 * further down.  Then the page fits.  Returns whether it does.
 */
extern bool spotify_scan_take_end(SpotifyScan *scan,
								  const SpotifySavedPage *page, int offset);

/*
 * Adds a page that was asked for at an offset.  A page that does not fit, or
 * differs from what was received of its positions before, leaves the scan
 * broken, but what it holds is kept.  Returns false when memory is out.
 */
extern bool spotify_scan_add_page(SpotifyScan *scan,
								  const SpotifySavedPage *page, int offset);

/* Whether a page is what the scan has of it; some of it must be there. */
extern bool spotify_scan_has_page(const SpotifyScan *scan,
								  const SpotifySavedPage *page, int offset);

/*
 * Whether every place was received once: no page was odd, and distinct ids
 * and entries without identity add up to the length of the list.
 */
extern bool spotify_scan_adds_up(const SpotifyScan *scan);

/*
 * How many entries were told again and again, whatever the offset; 0 if some
 * page was another one.
 */
extern int spotify_scan_echo_count(const SpotifyScan *scan);

/* How many positions from the first on were received without a hole. */
extern int spotify_scan_prefix_length(const SpotifyScan *scan);

/*
 * Goes on with an earlier scan that was cut, of which positions 0 to
 * saved_count - 1 are known, when it began with saved_total entries.  The new
 * scan has its first page only.  New likes may have come in front since.
 * Returns the offset from which to go on, or 0 if the list is another by now.
 * If something was removed since, the scan is broken from the start and
 * serves additions alone.  Returns -1 when memory is out.
 */
extern int spotify_scan_resume(SpotifyScan *scan, const SpotifyListEntry *saved,
							   int saved_count, int32_t saved_total);

#endif /* SPOTIFY_SCAN_H */
