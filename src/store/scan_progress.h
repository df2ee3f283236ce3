/*
 * scan_progress.h
 *		The table spotify.scan_progress: how far a scan got that was cut.
 */
#ifndef SPOTIFY_SCAN_PROGRESS_H
#define SPOTIFY_SCAN_PROGRESS_H

#include "store/saved_item.h"

/* The list as far as it was read, by position. */
typedef struct SpotifyScanProgress
{
	int32_t total; /* as Spotify said when the scan began */
	SpotifyListEntry *entries;
	int count;
} SpotifyScanProgress;

/* In the current memory context; NULL if no scan was cut. */
extern SpotifyScanProgress *spotify_scan_progress_load(const char *account,
													   const char *collection);

/* Replaces what is stored. */
extern void spotify_scan_progress_save(const char *account,
									   const char *collection,
									   const SpotifyScanProgress *progress);

/* The scan was brought to its end. */
extern void spotify_scan_progress_clear(const char *account,
										const char *collection);

#endif /* SPOTIFY_SCAN_PROGRESS_H */
