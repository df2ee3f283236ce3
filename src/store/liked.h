/*
 * liked.h
 *		Liked Songs: the tables spotify.liked_tracks, spotify.liked_events and
 *		spotify.liked_null_places.
 */
#ifndef SPOTIFY_LIKED_H
#define SPOTIFY_LIKED_H

#include "store/saved_list.h"

extern const SpotifySavedTable spotify_liked_table;

#endif /* SPOTIFY_LIKED_H */
