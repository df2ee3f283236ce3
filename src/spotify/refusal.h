/*
 * refusal.h
 *		Saying why a body is refused.
 *
 * Plain C.  Each function writes the reason, in printf's terms, and returns
 * the result that goes with it, for the caller to return.
 */
#ifndef SPOTIFY_REFUSAL_H
#define SPOTIFY_REFUSAL_H

#include "spotify/decode.h"

extern SpotifyDecodeResult
spotify_refuse_not_json(SpotifyDecodeProblem *problem, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

extern SpotifyDecodeResult
spotify_refuse_wrong_shape(SpotifyDecodeProblem *problem, const char *format,
						   ...) __attribute__((format(printf, 2, 3)));

extern SpotifyDecodeResult
spotify_refuse_out_of_memory(SpotifyDecodeProblem *problem);

#endif /* SPOTIFY_REFUSAL_H */
