/*
 * plays_plan.c
 *		What the last plays, as they were received, mean for what is stored.
 */
#include "sync/plays_plan.h"

#include <stdlib.h>
#include <string.h>

#include "spotify/endpoint.h"
#include "sync/play_matching.h"

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
 * Whether an entry tells of the same track at the same time as an earlier one,
 * and yet differs.  A mere repetition is no contradiction: Spotify has been
 * seen to repeat entries of lists.
 */
static bool
is_contradicting(const SpotifyPlaysPage *page, int position)
{
	const SpotifyPlay *play = &page->plays[position];

	for (int i = 0; i < position; i++)
	{
		const SpotifyPlay *earlier = &page->plays[i];

		if (earlier->track.id != NULL && earlier->played_at.is_known &&
			is_same_play(earlier, play))
			return !is_same_context(earlier, play);
	}
	return false;
}

static void
plan_play(SpotifyPlaysPlan *plan, const SpotifyPlaysPage *page, int position,
		  SpotifyPlayMeaning meaning, const SpotifyPlaysAim *aim)
{
	const SpotifyPlay *play = &page->plays[position];

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
	if (is_contradicting(page, position))
		plan->contradicting++;
	if (meaning == SPOTIFY_PLAY_REPEATED)
		return;
	plan->told[plan->told_count++] = play;
	if (meaning == SPOTIFY_PLAY_NEW)
		plan->plays[plan->count++] = play;
}

SpotifyTimestamp
spotify_plays_oldest(const SpotifyPlaysPage *page)
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
 * The oldest moment that the list can show.  Spotify keeps the last 50 plays,
 * and since May 2026 none that is older than seven days; but what it shows, it
 * can show.
 */
static SpotifyTimestamp
find_oldest_shown(const SpotifyPlaysPage *page, bool is_full,
				  const SpotifyPlaysAim *aim)
{
	SpotifyTimestamp oldest = spotify_plays_oldest(page);
	SpotifyTimestamp limit = aim->now;

	limit.value -= SPOTIFY_PLAYS_DAYS * INT64_C(86400) * 1000000;
	if (is_full || (oldest.is_known && oldest.value < limit.value))
		return oldest;
	return limit;
}

/* Whether the last run is so long ago that plays since can be forgotten. */
static bool
is_last_run_too_old(const SpotifyPlaysAim *aim)
{
	return !aim->last_run.is_known ||
		   aim->now.value - aim->last_run.value >
			   SPOTIFY_PLAYS_DAYS * INT64_C(86400) * 1000000;
}

static bool
tells_stored(const SpotifyPlaysPage *page, const SpotifyPlayMeaning *meanings)
{
	for (int i = 0; i < page->count; i++)
	{
		if (meanings[i] == SPOTIFY_PLAY_STORED)
			return true;
	}
	return false;
}

/*
 * A list that does not reach back to what is stored may have lost plays before
 * its oldest one: when it is full, or when more time has passed than it covers.
 * https://github.com/pixelg/replay-crate/issues/50
 */
static SpotifyTimestamp
find_gap_end(const SpotifyPlaysPage *page, const SpotifyPlayMeaning *meanings,
			 bool is_full, const SpotifyPlaysAim *aim)
{
	SpotifyTimestamp end = find_oldest_shown(page, is_full, aim);

	if (!(is_full || is_last_run_too_old(aim)) || !aim->newest.is_known ||
		!end.is_known || end.value <= aim->newest.value ||
		tells_stored(page, meanings))
		end.is_known = false;
	return end;
}

static bool
make_plan(SpotifyPlaysPlan *plan, const SpotifyPlaysPage *page,
		  const SpotifyPlaysAim *aim, const SpotifyStoredPlay *stored,
		  int stored_count, SpotifyPlayMeaning *meanings)
{
	size_t size = ((size_t) page->count + 1) * sizeof(SpotifyPlay *);

	plan->told = malloc(size);
	plan->plays = malloc(size);
	if (plan->told == NULL || plan->plays == NULL || meanings == NULL ||
		!spotify_plays_match(page, stored, stored_count, meanings))
		return false;
	for (int i = 0; i < page->count; i++)
		plan_play(plan, page, i, meanings[i], aim);
	plan->is_full = page->is_full || page->count >= SPOTIFY_PAGE_SIZE;
	plan->gap_end = find_gap_end(page, meanings, plan->is_full, aim);
	return true;
}

bool
spotify_plays_plan_make(SpotifyPlaysPlan *plan, const SpotifyPlaysPage *page,
						const SpotifyPlaysAim *aim,
						const SpotifyStoredPlay *stored, int stored_count)
{
	SpotifyPlayMeaning *meanings =
		calloc((size_t) page->count + 1, sizeof(SpotifyPlayMeaning));
	bool is_made;

	memset(plan, 0, sizeof(*plan));
	is_made = make_plan(plan, page, aim, stored, stored_count, meanings);
	free(meanings);
	return is_made;
}

void
spotify_plays_plan_release(SpotifyPlaysPlan *plan)
{
	free(plan->told);
	free(plan->plays);
	memset(plan, 0, sizeof(*plan));
}
