/*
 * refusal.c
 *		Saying why a body is refused.
 *
 * Plain C.
 */
#include "spotify/refusal.h"

#include <stdarg.h>
#include <stdio.h>

SpotifyDecodeResult
spotify_refuse_not_json(SpotifyDecodeProblem *problem, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(problem->text, sizeof(problem->text), format, arguments);
	va_end(arguments);
	return SPOTIFY_DECODE_NOT_JSON;
}

SpotifyDecodeResult
spotify_refuse_wrong_shape(SpotifyDecodeProblem *problem, const char *format,
						   ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(problem->text, sizeof(problem->text), format, arguments);
	va_end(arguments);
	return SPOTIFY_DECODE_WRONG_SHAPE;
}

SpotifyDecodeResult
spotify_refuse_out_of_memory(SpotifyDecodeProblem *problem)
{
	snprintf(problem->text, sizeof(problem->text), "out of memory");
	return SPOTIFY_DECODE_OUT_OF_MEMORY;
}
