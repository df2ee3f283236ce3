/*
 * stored_play.h
 *		What is stored of a play.
 *
 * Plain C.  Shared by the store, which loads them, and the planning above it,
 * which finds those that Spotify tells again.
 */
#ifndef SPOTIFY_STORED_PLAY_H
#define SPOTIFY_STORED_PLAY_H

#include "spotify/model.h"

typedef struct SpotifyStoredPlay
{
	const char *track_id;
	SpotifyTimestamp played_at; /* known */
} SpotifyStoredPlay;

#endif /* SPOTIFY_STORED_PLAY_H */
