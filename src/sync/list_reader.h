/*
 * list_reader.h
 *		Reading a saved list, page by page, until it holds still.
 */
#ifndef SPOTIFY_LIST_READER_H
#define SPOTIFY_LIST_READER_H

#include "spotify/client.h"
#include "store/catalog.h"
#include "store/scan_progress.h"
#include "sync/collection.h"
#include "sync/stored_list.h"

typedef struct SpotifyListReader SpotifyListReader;

/* What the last pass over the list brought.  Lives in a memory context. */
typedef struct SpotifyListReading
{
	SpotifyScan scan;
	SpotifyCatalog *catalog; /* what the entries that were read are */
	bool is_complete;		 /* proven to be the list as it is, to its end */
	bool is_resumed;		 /* some of it was read by an earlier run */
	bool is_cut;			 /* by a rate limit, after something was read */

	/* what a pass concluded that read only what shows the changes */
	bool is_delta;
	bool is_unchanged; /* all is as it was, and no entries are needed */
	SpotifyDeltaPlan delta;

	/* the list: what was read, or what a delta concluded from it */
	const SpotifyListEntry *entries;
	int count;
	int unidentified; /* entries without identity in it */
	int excess;		  /* by how much its total is too high */
} SpotifyListReading;

/*
 * Prepares to read a list: by a delta, which needs to be exact what is stored
 * of it, or whole.  Then the reading goes on with a scan that a rate limit cut
 * in an earlier run, if progress is not NULL and the list allows it.  A list of
 * stuck_total entries is read once only, because the last run found that it
 * does not add up however often it is read; -1: no such list is known.
 *
 * The reader belongs to the current memory context, and so do its reading and
 * what is malloc'd in that.
 */
extern SpotifyListReader *
spotify_list_reader_open(const SpotifyCollection *collection,
						 SpotifyClient *client, SpotifyStoredList *stored,
						 bool wants_delta, int stuck_total,
						 const SpotifyScanProgress *progress);

/*
 * Reads the list, again if it moved meanwhile or does not add up, three times
 * at most.
 */
extern SpotifyListReading *spotify_list_read(SpotifyListReader *reader);

/*
 * After a delta: reads what it left unread, for more proof.  The reading is
 * no delta any more.
 */
extern void spotify_list_read_whole(SpotifyListReader *reader);

/*
 * After a delta: whether the list did not move until now.  If it did, it was
 * read again, if there was a pass left, and the reading is another one.
 */
extern bool spotify_list_confirm(SpotifyListReader *reader);

#endif /* SPOTIFY_LIST_READER_H */
