/*
 * decode_track.h
 *		Tracks, with their albums and artists, out of JSON.
 *
 * Plain C.  For every collection whose entries hold a track.
 */
#ifndef SPOTIFY_DECODE_TRACK_H
#define SPOTIFY_DECODE_TRACK_H

#include "spotify/fields.h"
#include "spotify/model.h"

/*
 * SpotifyTrack: left zeroed, so that its id is NULL, when the value is not a
 * track (null, an episode) or nothing in it identifies it.
 *
 * A relinked track, which stands in for one that is not licensed in the
 * user's market, has the id and URI of the one it stands for, because that
 * is the one the user saved:
 * developer.spotify.com/documentation/web-api/concepts/track-relinking
 */
extern SpotifyFieldReader spotify_decode_track;

#endif /* SPOTIFY_DECODE_TRACK_H */
