/*
 * timestamp.h
 *		Points in time as Spotify writes them.
 *
 * Plain C.
 */
#ifndef SPOTIFY_TIMESTAMP_H
#define SPOTIFY_TIMESTAMP_H

#include <stddef.h>

#include "spotify/model.h"

/*
 * Reads YYYY-MM-DDTHH:MM:SS, a fraction if there is one, and Z or an offset
 * like +01:00; anything else is unknown.  Years are 0001 to 9999.  Second 60
 * is the first of the next minute.  What is finer than a microsecond is cut
 * off.
 */
extern SpotifyTimestamp spotify_timestamp_parse(const char *text,
												size_t length);

/* The beginning of the second that a point in time is in. */
extern SpotifyTimestamp
spotify_timestamp_cut_to_second(SpotifyTimestamp timestamp);

#endif /* SPOTIFY_TIMESTAMP_H */
