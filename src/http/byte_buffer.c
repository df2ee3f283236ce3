/*
 * byte_buffer.c
 *		Bytes that arrive piece by piece, up to a maximum given beforehand.
 *
 * The content may be secret, so it is never left behind in freed memory:
 * growing copies and overwrites instead of calling realloc.
 */
#include "http/byte_buffer.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* One write of libcurl (CURL_MAX_WRITE_SIZE, 16 kB) fits without growing. */
#define INITIAL_CAPACITY (16 * 1024 + 1)

static void
forget_content(SpotifyByteBuffer *buffer)
{
	buffer->bytes = NULL;
	buffer->length = 0;
	buffer->capacity = 0;
}

static void
overwrite_and_free(char *bytes, size_t length)
{
	if (bytes == NULL)
		return;
	explicit_bzero(bytes, length);
	free(bytes);
}

void
spotify_byte_buffer_init(SpotifyByteBuffer *buffer, size_t maximum)
{
	forget_content(buffer);
	/* Leaves room for the final NUL whatever the caller's maximum is. */
	buffer->maximum = maximum < SIZE_MAX ? maximum : SIZE_MAX - 1;
}

/* The next capacity that holds length bytes and the final NUL. */
static size_t
grown_capacity(const SpotifyByteBuffer *buffer, size_t length)
{
	size_t capacity = buffer->capacity;

	if (capacity == 0)
		capacity = INITIAL_CAPACITY;
	while (capacity <= length && capacity <= SIZE_MAX / 2)
		capacity *= 2;
	if (capacity <= length || capacity > buffer->maximum + 1)
		capacity = buffer->maximum + 1;
	return capacity;
}

/* Makes room for length bytes in all; length is at most the maximum. */
static bool
reserve(SpotifyByteBuffer *buffer, size_t length)
{
	size_t capacity;
	char *bytes;

	if (length < buffer->capacity)
		return true;

	capacity = grown_capacity(buffer, length);
	bytes = malloc(capacity);
	if (bytes == NULL)
		return false;
	if (buffer->bytes != NULL)
		memcpy(bytes, buffer->bytes, buffer->length);
	overwrite_and_free(buffer->bytes, buffer->length);
	buffer->bytes = bytes;
	buffer->capacity = capacity;
	return true;
}

SpotifyByteBufferResult
spotify_byte_buffer_append(SpotifyByteBuffer *buffer, const char *bytes,
						   size_t length)
{
	if (length > buffer->maximum - buffer->length)
		return SPOTIFY_BYTE_BUFFER_FULL;
	if (length == 0)
		return SPOTIFY_BYTE_BUFFER_OK;
	if (!reserve(buffer, buffer->length + length))
		return SPOTIFY_BYTE_BUFFER_OUT_OF_MEMORY;

	memcpy(buffer->bytes + buffer->length, bytes, length);
	buffer->length += length;
	buffer->bytes[buffer->length] = '\0';
	return SPOTIFY_BYTE_BUFFER_OK;
}

char *
spotify_byte_buffer_detach(SpotifyByteBuffer *buffer)
{
	char *bytes = buffer->bytes;

	forget_content(buffer);
	return bytes;
}

void
spotify_byte_buffer_release(SpotifyByteBuffer *buffer)
{
	overwrite_and_free(buffer->bytes, buffer->length);
	forget_content(buffer);
}
