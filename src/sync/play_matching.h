/*
 * play_matching.h
 *		Which of the plays that Spotify tells are one with another, or stored.
 *
 * Plain C: knows neither network nor database.
 *
 * Spotify has told the same play with another time than before, and twice in
 * one answer.  Two rules tell such a play from a new one:
 *
 * - Plays of one track that end less than 30 s apart are one: Spotify lists a
 *   track only after 30 s of listening.
 * - Between its oldest and its newest entry an answer is complete.  So if it
 *   lacks a play that is stored there, and has one of the same track that is
 *   not stored, at most two minutes away, then these are one.
 *
 * The second rule takes each play once, those that are closest first.  What is
 * stored keeps its time, and is matched anew by each run.
 */
#ifndef SPOTIFY_PLAY_MATCHING_H
#define SPOTIFY_PLAY_MATCHING_H

#include <stdbool.h>

#include "spotify/model.h"
#include "store/stored_play.h"

/* In microseconds: how far from a play told a stored one can be the same. */
#define SPOTIFY_PLAY_DRIFT (INT64_C(120) * 1000000)

typedef enum SpotifyPlayMeaning
{
	SPOTIFY_PLAY_UNIDENTIFIED, /* a track or a time is missing */
	SPOTIFY_PLAY_REPEATED,	   /* one with an older play of the answer */
	SPOTIFY_PLAY_STORED,	   /* one with a play that is stored */
	SPOTIFY_PLAY_NEW
} SpotifyPlayMeaning;

/*
 * Finds what each entry of the answer means.  What is stored must hold the
 * plays of the tracks told that are at most SPOTIFY_PLAY_DRIFT away from one of
 * them; more does no harm, and the order does not matter.  Returns false when
 * memory is out.
 */
extern bool spotify_plays_match(const SpotifyPlaysPage *page,
								const SpotifyStoredPlay *stored,
								int stored_count, SpotifyPlayMeaning *meanings);

#endif /* SPOTIFY_PLAY_MATCHING_H */
