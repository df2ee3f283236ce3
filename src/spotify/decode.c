/*
 * decode.c
 *		What the Web API answers about a library: pages, and whether it contains.
 *
 * Plain C.
 */
#include "spotify/decode.h"

#include <json-c/json.h>
#include <string.h>

#include "spotify/decode_items.h"
#include "spotify/decode_track.h"
#include "spotify/fields.h"
#include "spotify/json.h"
#include "spotify/refusal.h"
#include "spotify/timestamp.h"

/* What each page of a list says, whichever collection it is of. */
typedef struct Envelope
{
	SpotifyInteger total;
	SpotifyInteger offset;
	SpotifyInteger limit;
	struct json_object *items; /* an array of count entries */
	int count;
} Envelope;

static const SpotifyFieldRule envelope_rules[] = {
	{ "total", spotify_field_integer, offsetof(Envelope, total) },
	{ "offset", spotify_field_integer, offsetof(Envelope, offset) },
	{ "limit", spotify_field_integer, offsetof(Envelope, limit) },
	{ .name = NULL },
};

/*
 * SpotifyTimestamp: of whole seconds, which is all that Spotify tells.  An
 * answer that told a fraction must not make a song look liked anew.
 */
static bool
read_added_at(struct json_object *value, SpotifyArena *arena, void *member)
{
	SpotifyTimestamp *added_at = member;
	bool is_read = spotify_field_timestamp(value, arena, added_at);

	*added_at = spotify_timestamp_cut_to_second(*added_at);
	return is_read;
}

static const SpotifyFieldRule saved_track_rules[] = {
	{ "added_at", read_added_at, offsetof(SpotifySavedEntry, added_at) },
	{ "track", spotify_decode_track, offsetof(SpotifySavedEntry, track) },
	{ .name = NULL },
};

/* The envelope is valid as long as the root. */
static SpotifyDecodeResult
read_envelope(struct json_object *root, SpotifyArena *arena, Envelope *envelope,
			  SpotifyDecodeProblem *problem)
{
	SpotifyDecodeResult result;

	memset(envelope, 0, sizeof(*envelope));
	result =
		spotify_decode_items(root, &envelope->items, &envelope->count, problem);
	if (result != SPOTIFY_DECODE_OK)
		return result;
	if (!spotify_fields_read(envelope_rules, root, arena, envelope))
		return spotify_refuse_out_of_memory(problem);
	if (!envelope->total.is_known || envelope->total.value < 0)
		return spotify_refuse_wrong_shape(
			problem, "\"total\" is not a whole number from 0 to %d", INT32_MAX);
	return SPOTIFY_DECODE_OK;
}

/* A SpotifyJsonReader. */
static SpotifyDecodeResult
read_saved_page(struct json_object *root, void *target,
				SpotifyDecodeProblem *problem)
{
	SpotifySavedPage *page = target;
	Envelope envelope;
	SpotifyDecodeResult result;
	int i;

	result = read_envelope(root, &page->arena, &envelope, problem);
	if (result != SPOTIFY_DECODE_OK)
		return result;

	page->total = envelope.total.value;
	page->offset = envelope.offset;
	page->limit = envelope.limit;
	page->count = envelope.count;
	page->entries = spotify_arena_alloc(
		&page->arena, (size_t) page->count * sizeof(SpotifySavedEntry));
	if (page->entries == NULL)
		return spotify_refuse_out_of_memory(problem);

	for (i = 0; i < page->count; i++)
	{
		SpotifySavedEntry *entry = &page->entries[i];

		if (!spotify_fields_read(saved_track_rules,
								 json_object_array_get_idx(envelope.items, i),
								 &page->arena, entry))
			return spotify_refuse_out_of_memory(problem);
		entry->id = entry->track.id;
	}
	return SPOTIFY_DECODE_OK;
}

SpotifyDecodeResult
spotify_decode_saved_tracks(const char *body, size_t length,
							SpotifySavedPage *page,
							SpotifyDecodeProblem *problem)
{
	SpotifyDecodeResult result;

	memset(page, 0, sizeof(*page));
	result = spotify_json_decode(body, length, read_saved_page, page, problem);
	if (result != SPOTIFY_DECODE_OK)
		spotify_saved_page_release(page);
	return result;
}

/* What GET /me/library/contains answers, in the order of the question. */
typedef struct Answers
{
	bool *values;
	int count;
} Answers;

/* A SpotifyJsonReader. */
static SpotifyDecodeResult
read_answers(struct json_object *root, void *target,
			 SpotifyDecodeProblem *problem)
{
	Answers *answers = target;

	if (!json_object_is_type(root, json_type_array))
		return spotify_refuse_wrong_shape(problem, "the body is not an array");
	if (json_object_array_length(root) != (size_t) answers->count)
		return spotify_refuse_wrong_shape(
			problem, "the array has length %zu instead of %d",
			json_object_array_length(root), answers->count);
	for (int i = 0; i < answers->count; i++)
	{
		struct json_object *answer = json_object_array_get_idx(root, i);

		if (!json_object_is_type(answer, json_type_boolean))
			return spotify_refuse_wrong_shape(
				problem, "entry %d of the array is not a boolean", i + 1);
		answers->values[i] = json_object_get_boolean(answer);
	}
	return SPOTIFY_DECODE_OK;
}

SpotifyDecodeResult
spotify_decode_contains(const char *body, size_t length, bool *answers,
						int count, SpotifyDecodeProblem *problem)
{
	Answers target = { .values = answers, .count = count };

	return spotify_json_decode(body, length, read_answers, &target, problem);
}
