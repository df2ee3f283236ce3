/*
 * list_reader.h
 *		Reading a whole saved list, page by page, until it holds still.
 */
#ifndef SPOTIFY_LIST_READER_H
#define SPOTIFY_LIST_READER_H

#include "spotify/client.h"
#include "store/catalog.h"
#include "store/scan_progress.h"
#include "sync/collection.h"
#include "sync/saved_plan.h"

/* What the last pass over the list brought.  Lives in a memory context. */
typedef struct SpotifyListReading
{
	SpotifyScan scan;
	SpotifyCatalog *catalog; /* what the entries are */
	bool is_complete;		 /* proven to be the whole list as it is now */
	bool is_resumed;		 /* some of it was read by an earlier run */
	bool is_cut;			 /* by a rate limit, after something was read */
} SpotifyListReading;

/*
 * Reads the list, again if it moved meanwhile, three times at most.  Goes on
 * with a scan that a rate limit cut in an earlier run, if it is not NULL and
 * the list allows it.  The result belongs to the current memory context, what
 * is malloc'd in it too.
 */
extern SpotifyListReading *
spotify_list_read(const SpotifyCollection *collection, SpotifyClient *client,
				  const SpotifyScanProgress *progress);

#endif /* SPOTIFY_LIST_READER_H */
