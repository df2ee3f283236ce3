/*
 * byte_buffer.h
 *		Bytes that arrive piece by piece, up to a maximum given beforehand.
 *
 * Plain C.  The content is always followed by a NUL, so that it can be read
 * as a string.
 */
#ifndef SPOTIFY_BYTE_BUFFER_H
#define SPOTIFY_BYTE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

typedef struct SpotifyByteBuffer
{
	char *bytes;	 /* malloc'd; NULL while nothing was appended */
	size_t length;	 /* without the final NUL */
	size_t capacity; /* allocated, the final NUL included */
	size_t maximum;	 /* of length */
} SpotifyByteBuffer;

typedef enum SpotifyByteBufferResult
{
	SPOTIFY_BYTE_BUFFER_OK,
	SPOTIFY_BYTE_BUFFER_FULL, /* would exceed the maximum; nothing appended */
	SPOTIFY_BYTE_BUFFER_OUT_OF_MEMORY /* nothing appended */
} SpotifyByteBufferResult;

extern void spotify_byte_buffer_init(SpotifyByteBuffer *buffer, size_t maximum);

extern SpotifyByteBufferResult
spotify_byte_buffer_append(SpotifyByteBuffer *buffer, const char *bytes,
						   size_t length);

/* Gives the content to the caller, who frees it, and empties the buffer. */
extern char *spotify_byte_buffer_detach(SpotifyByteBuffer *buffer);

/* Overwrites the content, which may be secret, and frees it. */
extern void spotify_byte_buffer_release(SpotifyByteBuffer *buffer);

#endif /* SPOTIFY_BYTE_BUFFER_H */
