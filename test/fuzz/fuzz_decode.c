/*
 * fuzz_decode.c
 *		Any bytes through every decoder.
 *
 * The first byte picks the decoder, the others are the body.  Beside what a
 * sanitizer finds, the promises of model.h and decode.h are checked.
 */
#include "spotify/decode.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "spotify/text.h"

/* How many answers the contains decoder is asked for. */
#define ANSWER_COUNT 3

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(bool holds)
{
	if (!holds)
		abort();
}

/* Text is valid UTF-8, so that repairing it changes nothing. */
static void
check_text(const char *text)
{
	SpotifyArena arena = { 0 };
	const char *copy;

	if (text == NULL)
		return;
	copy = spotify_text_copy(&arena, text, strlen(text));
	check(copy != NULL && strcmp(copy, text) == 0);
	spotify_arena_release(&arena);
}

static void
check_id(const char *id)
{
	check(id == NULL || (id[0] != '\0' && strlen(id) <= SPOTIFY_MAX_ID_LENGTH));
	check_text(id);
}

static void
check_artists(const SpotifyArtistList *list)
{
	int i;

	check(list->is_known || list->count == 0);
	for (i = 0; i < list->count; i++)
	{
		check_id(list->artists[i].id);
		check_text(list->artists[i].name);
	}
}

static void
check_track(const SpotifyTrack *track)
{
	check_id(track->id);
	check((track->id != NULL) == (track->uri != NULL));
	check_text(track->uri);
	check_text(track->name);
	check_text(track->isrc);
	check_artists(&track->artists);
	check_id(track->album.id);
	check_text(track->album.name);
	check_text(track->album.album_type);
	check_text(track->album.release_date);
	check_text(track->album.release_date_precision);
	check_text(track->album.image_url);
	check_artists(&track->album.artists);
}

static void
fuzz_saved_tracks(const char *body, size_t length)
{
	SpotifySavedPage page;
	SpotifyDecodeProblem problem;
	int i;

	if (spotify_decode_saved_tracks(body, length, &page, &problem) !=
		SPOTIFY_DECODE_OK)
		return;
	check(page.total >= 0);
	for (i = 0; i < page.count; i++)
	{
		check(page.entries[i].id == page.entries[i].track.id);
		check_track(&page.entries[i].track);
	}
	spotify_saved_page_release(&page);
}

static void
fuzz_plays(const char *body, size_t length)
{
	SpotifyPlaysPage page;
	SpotifyDecodeProblem problem;
	int i;

	if (spotify_decode_plays(body, length, &page, &problem) !=
		SPOTIFY_DECODE_OK)
		return;
	for (i = 0; i < page.count; i++)
	{
		check_track(&page.plays[i].track);
		check_text(page.plays[i].context.type);
		check_text(page.plays[i].context.uri);
	}
	spotify_plays_page_release(&page);
}

static void
fuzz_token(const char *body, size_t length)
{
	SpotifyToken token;
	SpotifyDecodeProblem problem;

	if (spotify_decode_token(body, length, &token, &problem) ==
		SPOTIFY_DECODE_OK)
		check(token.access_token != NULL && token.access_token[0] != '\0');
	else
		check(token.access_token == NULL);
	check(token.refresh_token == NULL || token.refresh_token[0] != '\0');
	check(token.expires_in >= 0 && token.expires_in <= 86400);
	check_text(token.scope);
	spotify_token_release(&token);
}

static void
fuzz_contains(const char *body, size_t length)
{
	bool answers[ANSWER_COUNT];
	SpotifyDecodeProblem problem;

	(void) spotify_decode_contains(body, length, answers, ANSWER_COUNT,
								   &problem);
}

static void
fuzz_error(const char *body, size_t length)
{
	SpotifyErrorBody error;

	spotify_decode_error(body, length, &error);
	check(memchr(error.code, '\0', sizeof(error.code)) != NULL);
	check(memchr(error.message, '\0', sizeof(error.message)) != NULL);
	check_text(error.code);
	check_text(error.message);
}

typedef void Target(const char *body, size_t length);

static Target *const targets[] = { fuzz_saved_tracks, fuzz_token, fuzz_contains,
								   fuzz_error, fuzz_plays };

#define TARGET_COUNT (sizeof(targets) / sizeof(targets[0]))

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > 0)
		targets[data[0] % TARGET_COUNT]((const char *) data + 1, size - 1);
	return 0;
}
