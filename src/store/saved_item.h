/*
 * saved_item.h
 *		A saved list as it is stored, as it was read, and how it changes.
 *
 * Plain C.  Shared by the store, which loads rows and writes changes, and the
 * planning above it, which finds the changes.
 */
#ifndef SPOTIFY_SAVED_ITEM_H
#define SPOTIFY_SAVED_ITEM_H

#include "spotify/model.h"

/* What is stored of one item of a saved list. */
typedef struct SpotifySavedItem
{
	const char *id; /* NULL: a place in the list without identity */
	SpotifyTimestamp added_at;
	bool is_active;
	int64_t rank; /* its place in the list, 0: none; see sync/list_ranks.h */
} SpotifySavedItem;

/* One position of a list as Spotify shows it. */
typedef struct SpotifyListEntry
{
	bool is_received;
	bool is_repeated; /* its id stands at another position too */
	const char *id;	  /* NULL: without identity */
	SpotifyTimestamp added_at;
} SpotifyListEntry;

typedef enum SpotifySavedChangeKind
{
	SPOTIFY_SAVED_ADDED,   /* not stored yet */
	SPOTIFY_SAVED_READDED, /* stored inactive, and back */
	SPOTIFY_SAVED_REDATED, /* stored active, but saved anew since */
	SPOTIFY_SAVED_MOVED,   /* stored active, and elsewhere in the list */
	SPOTIFY_SAVED_REMOVED  /* stored active, and gone */
} SpotifySavedChangeKind;

#define SPOTIFY_SAVED_CHANGE_KINDS (SPOTIFY_SAVED_REMOVED + 1)

/* A change, with what the row says afterwards. */
typedef struct SpotifySavedChange
{
	SpotifySavedChangeKind kind;
	const char *id;
	SpotifyTimestamp added_at;
	int64_t rank;
} SpotifySavedChange;

/*
 * How many places of a list hold an item, and how many something without
 * identity; and how many active items have no place.
 */
typedef struct SpotifyPlaceCounts
{
	int items;
	int nulls;
	int unplaced;
} SpotifyPlaceCounts;

/* A place in the list that holds something without identity. */
typedef struct SpotifyNullPlace
{
	int64_t rank;
	SpotifyTimestamp added_at;
} SpotifyNullPlace;

#endif /* SPOTIFY_SAVED_ITEM_H */
