/*
 * decode_plays.c
 *		What the Web API answers about the listening history.
 *
 * Plain C.  "cursors" (null where there are no items) and "next" (a page that is
 * never there) say nothing that is needed:
 * https://github.com/spotify/web-api/issues/1405
 */
#include <json-c/json.h>
#include <string.h>

#include "spotify/decode.h"
#include "spotify/decode_items.h"
#include "spotify/decode_track.h"
#include "spotify/endpoint.h"
#include "spotify/fields.h"
#include "spotify/json.h"
#include "spotify/refusal.h"

/* What a play was started from: any type, also one that is new. */
static const SpotifyFieldRule context_rules[] = {
	{ "type", spotify_field_text, offsetof(SpotifyPlayContext, type) },
	{ "uri", spotify_field_text, offsetof(SpotifyPlayContext, uri) },
	{ .name = NULL },
};

static bool
read_context(struct json_object *value, SpotifyArena *arena, void *member)
{
	return spotify_fields_read(context_rules, value, arena, member);
}

/* 2006-01-01, in microseconds since 1970: the year that Spotify began in. */
#define FIRST_PLAYED_AT (INT64_C(1136073600) * 1000000)

/*
 * SpotifyTimestamp: nobody played anything on Spotify before there was one.
 * What lies in the future is known only to whoever knows the time.
 */
static bool
read_played_at(struct json_object *value, SpotifyArena *arena, void *member)
{
	SpotifyTimestamp *played_at = member;
	SpotifyTimestamp told = { 0 };

	if (!spotify_field_timestamp(value, arena, &told))
		return false;
	if (told.is_known && told.value >= FIRST_PLAYED_AT)
		*played_at = told;
	return true;
}

static const SpotifyFieldRule play_rules[] = {
	{ "played_at", read_played_at, offsetof(SpotifyPlay, played_at) },
	{ "track", spotify_decode_track, offsetof(SpotifyPlay, track) },
	{ "context", read_context, offsetof(SpotifyPlay, context) },
	{ .name = NULL },
};

/* How many entries the answer can have, as far as it says so. */
static int
read_limit(struct json_object *root)
{
	SpotifyInteger limit = { 0 };
	struct json_object *value = spotify_json_member(root, "limit");

	if (value != NULL)
		(void) spotify_field_integer(value, NULL, &limit);
	return limit.is_known && limit.value >= 1 &&
				   limit.value <= SPOTIFY_PAGE_SIZE
			   ? limit.value
			   : SPOTIFY_PAGE_SIZE;
}

/* A SpotifyJsonReader. */
static SpotifyDecodeResult
read_plays(struct json_object *root, void *target,
		   SpotifyDecodeProblem *problem)
{
	SpotifyPlaysPage *page = target;
	struct json_object *items;
	SpotifyDecodeResult result;
	int i;

	result = spotify_decode_items(root, &items, &page->count, problem);
	if (result != SPOTIFY_DECODE_OK)
		return result;
	page->is_full = page->count >= read_limit(root);
	page->plays = spotify_arena_alloc(&page->arena, (size_t) page->count *
														sizeof(SpotifyPlay));
	if (page->plays == NULL)
		return spotify_refuse_out_of_memory(problem);

	for (i = 0; i < page->count; i++)
	{
		if (!spotify_fields_read(play_rules,
								 json_object_array_get_idx(items, i),
								 &page->arena, &page->plays[i]))
			return spotify_refuse_out_of_memory(problem);
	}
	return SPOTIFY_DECODE_OK;
}

SpotifyDecodeResult
spotify_decode_plays(const char *body, size_t length, SpotifyPlaysPage *page,
					 SpotifyDecodeProblem *problem)
{
	SpotifyDecodeResult result;

	memset(page, 0, sizeof(*page));
	result = spotify_json_decode(body, length, read_plays, page, problem);
	if (result != SPOTIFY_DECODE_OK)
		spotify_plays_page_release(page);
	return result;
}
