/*
 * model.h
 *		What the Spotify Web API delivers, as plain structs.
 *
 * Plain C.  Shared by the Web API client, which fills the structs, and the
 * store, which writes them to tables.  Each string is NUL-terminated valid
 * UTF-8 without U+0000, or NULL when Spotify did not say.  All memory belongs
 * to the arena of the page that holds the struct.
 */
#ifndef SPOTIFY_MODEL_H
#define SPOTIFY_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "spotify/arena.h"

/*
 * Longest identifier that is kept, in bytes.  Catalogue ids have 22, but the
 * URI of a local file spells out artist, album and title.  The bound keeps a
 * primary key below the 2,704 bytes that a B-tree entry may have.
 */
#define SPOTIFY_MAX_ID_LENGTH 2000

/*
 * Longest token or client secret that can be sent, in bytes.  Tokens have a
 * few hundred; Spotify states no maximum, but servers commonly refuse a header
 * line of more than 8 kB.
 */
#define SPOTIFY_MAX_TOKEN_LENGTH 4096

typedef struct SpotifyInteger
{
	bool is_known;
	int32_t value;
} SpotifyInteger;

typedef struct SpotifyBoolean
{
	bool is_known;
	bool value;
} SpotifyBoolean;

/* A point in time, in microseconds since 1970-01-01 00:00 UTC. */
typedef struct SpotifyTimestamp
{
	bool is_known;
	int64_t value;
} SpotifyTimestamp;

/* Whether two points in time are the same one, or both unknown. */
static inline bool
spotify_timestamp_equals(SpotifyTimestamp one, SpotifyTimestamp other)
{
	return one.is_known == other.is_known &&
		   (!one.is_known || one.value == other.value);
}

typedef struct SpotifyArtist
{
	const char *id; /* NULL: has no identity and is not stored */
	const char *name;
} SpotifyArtist;

/* Artists in the order of Spotify; entries without identity are kept. */
typedef struct SpotifyArtistList
{
	bool is_known; /* false: the field was missing, which says nothing */
	int count;
	SpotifyArtist *artists;
} SpotifyArtistList;

typedef struct SpotifyAlbum
{
	const char *id; /* NULL: has no identity and is not stored */
	const char *name;
	const char *album_type;
	const char *release_date; /* YYYY, YYYY-MM or YYYY-MM-DD */
	const char *release_date_precision;
	SpotifyInteger total_tracks;
	const char *image_url; /* of the widest image */
	SpotifyArtistList artists;
} SpotifyAlbum;

typedef struct SpotifyTrack
{
	const char *id; /* NULL: has no identity and is not stored */
	const char *name;
	SpotifyAlbum album;
	SpotifyArtistList artists;
	SpotifyInteger duration_ms;
	SpotifyBoolean is_explicit;
	SpotifyInteger disc_number;
	SpotifyInteger track_number;
	const char *isrc;
	SpotifyInteger popularity;
	SpotifyBoolean is_local;
	const char *uri;
} SpotifyTrack;

/*
 * One entry of a saved list.  An entry without identity (a null item, a null
 * track, a type other than track) takes up a position, but says nothing else.
 */
typedef struct SpotifySavedEntry
{
	const char *id; /* of the item; NULL: without identity */
	SpotifyTimestamp added_at;
	SpotifyTrack track; /* the item, in a list of tracks */
} SpotifySavedEntry;

/* One page of a saved list, such as GET /me/tracks. */
typedef struct SpotifySavedPage
{
	SpotifyArena arena;
	int32_t total;		   /* of the whole list, never negative */
	SpotifyInteger offset; /* as echoed */
	SpotifyInteger limit;  /* how many entries a page holds, as told */
	int count;			   /* entries received, null ones included */
	SpotifySavedEntry *entries;
} SpotifySavedPage;

/* What a play was started from; type is one of an open set. */
typedef struct SpotifyPlayContext
{
	const char *type;
	const char *uri;
} SpotifyPlayContext;

/*
 * One entry of the listening history.  A track without an id says that the
 * entry has no identity: a null item, a null track, an episode.
 */
typedef struct SpotifyPlay
{
	SpotifyTimestamp played_at; /* when the play ended */
	SpotifyTrack track;
	SpotifyPlayContext context;
} SpotifyPlay;

/* The answer of GET /me/player/recently-played, newest first. */
typedef struct SpotifyPlaysPage
{
	SpotifyArena arena;
	int count; /* entries received, null ones included */
	SpotifyPlay *plays;
	bool is_full; /* by its own limit: there may be older plays */
} SpotifyPlaysPage;

/* An answer of the token endpoint. */
typedef struct SpotifyToken
{
	SpotifyArena arena;
	const char *access_token;  /* printable ASCII; NULL when it is refused */
	const char *refresh_token; /* NULL when none or an empty one was sent */
	const char *scope;		   /* space separated, NULL when not told */
	int32_t expires_in;		   /* seconds, 0 to 86,400 */
} SpotifyToken;

/* GET /me: whose tokens they are. */
typedef struct SpotifyProfile
{
	SpotifyArena arena;
	const char *user_id; /* account_id, or id where that is not told */
	const char *id;		 /* NULL: not told; one of the two is */
	const char *display_name;
} SpotifyProfile;

/* The body of an answer that is no success, as far as it can be read. */
typedef struct SpotifyErrorBody
{
	char code[64];	   /* error of the token endpoint, reason of the API */
	char message[200]; /* for people: printable UTF-8 on one line, shortened */
} SpotifyErrorBody;

extern void spotify_saved_page_release(SpotifySavedPage *page);

extern void spotify_plays_page_release(SpotifyPlaysPage *page);

/*
 * Adds the plays of a page of older ones, which is empty then.  Returns false
 * when memory is out.
 */
extern bool spotify_plays_page_append(SpotifyPlaysPage *page,
									  SpotifyPlaysPage *older);

/* Overwrites the tokens before giving the memory back. */
extern void spotify_token_release(SpotifyToken *token);

extern void spotify_profile_release(SpotifyProfile *profile);

#endif /* SPOTIFY_MODEL_H */
