/*
 * plays_plan.c
 *		What the last plays, as they were received, mean for what is stored.
 */
#include "sync/plays_plan.h"

#include <stdlib.h>
#include <string.h>

#include "spotify/endpoint.h"

/* A play is one of a track at a time: nothing else tells it from others. */
static bool
is_same_play(const SpotifyPlay *one, const SpotifyPlay *other)
{
	return one->played_at.value == other->played_at.value &&
		   strcmp(one->track.id, other->track.id) == 0;
}

static bool
is_same_text(const char *one, const char *other)
{
	if (one == NULL || other == NULL)
		return one == other;
	return strcmp(one, other) == 0;
}

static bool
is_same_context(const SpotifyPlay *one, const SpotifyPlay *other)
{
	return is_same_text(one->context.type, other->context.type) &&
		   is_same_text(one->context.uri, other->context.uri);
}

/*
 * Adds a play.  One that came before with the same content is no contradiction:
 * Spotify has been seen to repeat entries of lists.
 */
static void
add_play(SpotifyPlaysPlan *plan, const SpotifyPlay *play)
{
	for (int i = 0; i < plan->count; i++)
	{
		if (!is_same_play(plan->plays[i], play))
			continue;
		if (!is_same_context(plan->plays[i], play))
			plan->contradicting++;
		return;
	}
	plan->plays[plan->count++] = play;
}

static void
plan_play(SpotifyPlaysPlan *plan, const SpotifyPlay *play,
		  const SpotifyPlaysAim *aim)
{
	if (play->track.id == NULL)
	{
		plan->skipped++;
		return;
	}
	if (!play->played_at.is_known)
	{
		plan->undated++;
		return;
	}
	if (aim->since.is_known && play->played_at.value < aim->since.value)
		return;
	if (play->played_at.value > aim->until.value)
		plan->in_future++;
	add_play(plan, play);
}

/* Of all entries: one whose track is null tells how far back they reach. */
static SpotifyTimestamp
oldest_of(const SpotifyPlaysPage *page)
{
	SpotifyTimestamp oldest = { 0 };

	for (int i = 0; i < page->count; i++)
	{
		SpotifyTimestamp played_at = page->plays[i].played_at;

		if (played_at.is_known &&
			(!oldest.is_known || played_at.value < oldest.value))
			oldest = played_at;
	}
	return oldest;
}

/*
 * Spotify keeps the last 50 plays.  Fewer are all that there are; so many that
 * do not reach back to what is stored may have pushed others out.
 * https://github.com/pixelg/replay-crate/issues/50
 */
static SpotifyTimestamp
find_gap_end(const SpotifyPlaysPage *page, SpotifyTimestamp newest)
{
	SpotifyTimestamp oldest = oldest_of(page);

	if (page->count < SPOTIFY_PAGE_SIZE || !newest.is_known ||
		!oldest.is_known || oldest.value <= newest.value)
		oldest.is_known = false;
	return oldest;
}

bool
spotify_plays_plan_make(SpotifyPlaysPlan *plan, const SpotifyPlaysPage *page,
						const SpotifyPlaysAim *aim)
{
	memset(plan, 0, sizeof(*plan));
	plan->plays = calloc((size_t) page->count + 1, sizeof(SpotifyPlay *));
	if (plan->plays == NULL)
		return false;
	for (int i = 0; i < page->count; i++)
		plan_play(plan, &page->plays[i], aim);
	plan->gap_end = find_gap_end(page, aim->newest);
	return true;
}

void
spotify_plays_plan_release(SpotifyPlaysPlan *plan)
{
	free(plan->plays);
	memset(plan, 0, sizeof(*plan));
}
