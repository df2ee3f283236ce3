/*
 * decode.h
 *		JSON of the Web API into the model, by field tables.
 *
 * Plain C.  Tolerant where Spotify has been seen to vary: an unknown field is
 * ignored; a missing one, or one of another type, is unknown; an integer may
 * come as a float (2024-01 to 03: github.com/zmb3/spotify/issues/243); null
 * entries keep their place.  Strict where believing would do harm: a body
 * that is not one JSON document, is nested deeper than 32 levels, or lacks
 * the envelope (items, total) is refused as a whole.
 *
 * In text, U+0000 is dropped and what is not UTF-8 becomes U+FFFD: one odd
 * name must not cost the page.
 */
#ifndef SPOTIFY_DECODE_H
#define SPOTIFY_DECODE_H

#include "spotify/model.h"

typedef enum SpotifyDecodeResult
{
	SPOTIFY_DECODE_OK,
	SPOTIFY_DECODE_NOT_JSON,
	SPOTIFY_DECODE_WRONG_SHAPE,
	SPOTIFY_DECODE_OUT_OF_MEMORY
} SpotifyDecodeResult;

/* Why a body was refused, in a few words for an error's detail. */
typedef struct SpotifyDecodeProblem
{
	char text[200];
} SpotifyDecodeProblem;

/*
 * Each decoder fills its struct, which the caller releases if and only if the
 * result is SPOTIFY_DECODE_OK.  A NULL body is an empty one.
 */
extern SpotifyDecodeResult
spotify_decode_saved_tracks(const char *body, size_t length,
							SpotifySavedPage *page,
							SpotifyDecodeProblem *problem);

/*
 * GET /me/player/recently-played.  A play keeps its place whatever is missing
 * of it: its track has no id then, or its played_at is unknown.
 */
extern SpotifyDecodeResult spotify_decode_plays(const char *body, size_t length,
												SpotifyPlaysPage *page,
												SpotifyDecodeProblem *problem);

/*
 * The token endpoint's success.  Tokens with anything but printable ASCII, or
 * longer than 4,096 bytes, are refused: they could not be sent.  An expires_in
 * that is missing or no number counts as 3,600, what Spotify documents; one
 * below 0 as 0, one over a day as a day.
 *
 * A new refresh token is good although the access token beside it is not: then
 * the result is SPOTIFY_DECODE_WRONG_SHAPE, and the token has that without
 * an access token.  So the token is to be released whatever the result is.
 */
extern SpotifyDecodeResult spotify_decode_token(const char *body, size_t length,
												SpotifyToken *token,
												SpotifyDecodeProblem *problem);

/* GET /me/library/contains: exactly count booleans, in the order asked. */
extern SpotifyDecodeResult
spotify_decode_contains(const char *body, size_t length, bool *answers,
						int count, SpotifyDecodeProblem *problem);

/*
 * GET /me.  The user's id is account_id, which Spotify calls the stable one
 * since 2026-05, or id where that is missing:
 * https://developer.spotify.com/documentation/web-api/references/changes/may-2026
 */
extern SpotifyDecodeResult
spotify_decode_profile(const char *body, size_t length, SpotifyProfile *profile,
					   SpotifyDecodeProblem *problem);

/*
 * Reads what it can of an error answer: {"error":"code","error_description":
 * "text"} of the token endpoint, {"error":{"status":n,"message":"text",
 * "reason":"code"}} or {"error":{"type":"code","description":"text"}} of the
 * API, or plain text.  Never fails.
 */
extern void spotify_decode_error(const char *body, size_t length,
								 SpotifyErrorBody *error);

#endif /* SPOTIFY_DECODE_H */
