/*
 * model.c
 *		Giving back what the decoders filled.
 *
 * Plain C.
 */
#include "spotify/model.h"

#include <string.h>

void
spotify_saved_page_release(SpotifySavedPage *page)
{
	spotify_arena_release(&page->arena);
	memset(page, 0, sizeof(*page));
}

void
spotify_plays_page_release(SpotifyPlaysPage *page)
{
	spotify_arena_release(&page->arena);
	memset(page, 0, sizeof(*page));
}

bool
spotify_plays_page_append(SpotifyPlaysPage *page, SpotifyPlaysPage *older)
{
	int count = page->count + older->count;
	SpotifyPlay *plays =
		spotify_arena_alloc(&page->arena, (size_t) count * sizeof(SpotifyPlay));

	if (plays == NULL)
		return false;
	for (int i = 0; i < count; i++)
		plays[i] =
			i < page->count ? page->plays[i] : older->plays[i - page->count];
	page->plays = plays;
	page->count = count;
	page->is_full = older->is_full;
	spotify_arena_take_over(&page->arena, &older->arena);
	spotify_plays_page_release(older);
	return true;
}

/* The token is memory of our arena, so writing to it is allowed. */
static void
overwrite(const char *secret)
{
	if (secret != NULL)
		explicit_bzero((char *) secret, strlen(secret));
}

void
spotify_token_release(SpotifyToken *token)
{
	overwrite(token->access_token);
	overwrite(token->refresh_token);
	spotify_arena_release(&token->arena);
	memset(token, 0, sizeof(*token));
}

void
spotify_profile_release(SpotifyProfile *profile)
{
	spotify_arena_release(&profile->arena);
	profile->user_id = NULL;
	profile->display_name = NULL;
}
