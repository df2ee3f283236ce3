/*
 * delta_plan.c
 *		Finding out what changed in a saved list without reading all of it.
 */
#include "sync/delta_plan.h"

#include <json-c/linkhash.h>
#include <stdlib.h>
#include <string.h>

/*
 * A list with so many places more than twice the known ones is read whole:
 * most of it is new, or its total is not to be believed.
 */
#define MUCH_LONGER 1000

/* Not a place of the known list. */
#define NOWHERE (-1)

/*
 * The list as it is now is laid along the places that are left of the known
 * one, when those are taken out whose items came to the front anew.
 */
typedef struct Alignment
{
	const SpotifyKnownList *known;
	const SpotifyScan *scan;
	SpotifyDeltaPlan *plan;
	int head;					   /* how many entries in front are new */
	const SpotifyListEntry **left; /* malloc'd */
	int left_count;
	int *left_index; /* malloc'd: by known position, NOWHERE if taken out */
	int position;	 /* the last one that is tied to a place */
	int index;		 /* that place, in left */
} Alignment;

bool
spotify_known_begin(SpotifyKnownList *known, int count)
{
	known->count = count;
	known->places = NULL;
	known->entries = calloc(count + 1, sizeof(*known->entries));
	return known->entries != NULL;
}

void
spotify_known_put(SpotifyKnownList *known, int position, const char *id,
				  SpotifyTimestamp added_at)
{
	SpotifyListEntry *entry = &known->entries[position];

	entry->is_received = true;
	entry->id = id;
	entry->added_at = added_at;
}

bool
spotify_known_complete(SpotifyKnownList *known)
{
	known->places = lh_kchar_table_new(known->count * 2 + 16, NULL);
	if (known->places == NULL)
		return false;
	for (int i = 0; i < known->count; i++)
	{
		SpotifyListEntry *entry = &known->entries[i];

		if (entry->id != NULL &&
			lh_table_insert(known->places, entry->id, entry) != 0)
			return false;
	}
	return true;
}

void
spotify_known_release(SpotifyKnownList *known)
{
	if (known->places != NULL)
		lh_table_free(known->places);
	free(known->entries);
	memset(known, 0, sizeof(*known));
}

/* The offset of the page on which a position is. */
static int
page_of(const SpotifyScan *scan, int position)
{
	return position / scan->page_size * scan->page_size;
}

/* How many pages so many entries take. */
static int
page_count(const SpotifyScan *scan, int entries)
{
	return (int) (((int64_t) entries + scan->page_size - 1) / scan->page_size);
}

/* The first page is read in any case. */
int
spotify_audit_count(const SpotifyAudit *audit, const SpotifyScan *scan)
{
	int others = page_count(scan, scan->length) - 1;

	if (others < 0)
		others = 0;
	return audit->pages < others ? audit->pages : others;
}

/* If pages had another size before, some positions are read once more. */
int
spotify_audit_offset(const SpotifyAudit *audit, const SpotifyScan *scan,
					 int page)
{
	int others = page_count(scan, scan->length) - 1;
	int first = audit->offset / scan->page_size - 1;

	if (first < 0)
		first = 0;
	return (1 + (first + page) % others) * scan->page_size;
}

int
spotify_delta_plan_audit_end(const SpotifyDeltaPlan *plan,
							 const SpotifyScan *scan, const SpotifyAudit *audit)
{
	int count = spotify_audit_count(audit, scan);

	if (!plan->has_audit)
		return audit->offset;
	if (count == 0)
		return scan->length;
	return spotify_audit_offset(audit, scan, count - 1) + scan->page_size;
}

static bool
is_page_received(const SpotifyScan *scan, int offset)
{
	for (int i = 0; i < scan->page_size && offset + i < scan->length; i++)
	{
		if (!spotify_scan_is_received(scan, offset + i))
			return false;
	}
	return offset < scan->length;
}

static void
ask_for_page(SpotifyDeltaPlan *plan, const SpotifyScan *scan, int offset)
{
	if (is_page_received(scan, offset))
		return;
	for (int i = 0; i < plan->offset_count; i++)
	{
		if (plan->offsets[i] == offset)
			return;
	}
	plan->offsets[plan->offset_count++] = offset;
}

static void
ask_for_audit(SpotifyDeltaPlan *plan, const SpotifyScan *scan,
			  const SpotifyAudit *audit)
{
	int count = spotify_audit_count(audit, scan);

	plan->has_audit = audit->pages > 0;
	for (int page = 0; page < count; page++)
		ask_for_page(plan, scan, spotify_audit_offset(audit, scan, page));
}

/* Where total is too high, whether the list still ends where it did. */
static void
ask_for_end(SpotifyDeltaPlan *plan, const SpotifyScan *scan)
{
	if (spotify_scan_excess(scan) > 0 && !scan->is_end_seen)
		ask_for_page(plan, scan, page_of(scan, scan->length));
}

/* The same of a list that changed: all around the end is read. */
static void
ask_for_all_of_end(SpotifyDeltaPlan *plan, const SpotifyScan *scan)
{
	ask_for_end(plan, scan);
	if (spotify_scan_excess(scan) == 0)
		return;
	if (!scan->is_last_read)
		ask_for_page(plan, scan, page_of(scan, scan->total - 1));
	if (scan->length > 0)
		ask_for_page(plan, scan, page_of(scan, scan->length - 1));
}

/*
 * A list that has grown by more than what is new in front may have had its
 * total grown alone: asks for the page on which it ends then.  False if that
 * is read already, or would be too far from total.
 */
static bool
look_for_end(Alignment *alignment)
{
	const SpotifyScan *scan = alignment->scan;
	int end = alignment->head + alignment->left_count;

	alignment->plan->offset_count = 0;
	if (end >= scan->length || scan->length - end > SPOTIFY_MAX_EXCESS)
		return false;
	ask_for_page(alignment->plan, scan, page_of(scan, end));
	return alignment->plan->offset_count > 0;
}

/* Whether everything read stands where it stood. */
static bool
is_unmoved(const SpotifyKnownList *known, const SpotifyScan *scan)
{
	if (known->count != scan->length)
		return false;
	for (int i = 0; i < scan->count; i++)
	{
		const SpotifyListEntry *entry = &scan->entries[i];

		if (entry->is_received &&
			!spotify_list_entry_equals(&known->entries[i], entry->id,
									   entry->added_at))
			return false;
	}
	return true;
}

/* The known place of an entry; NULL if its item is new, or saved anew. */
static const SpotifyListEntry *
find_place(const SpotifyKnownList *known, const SpotifyListEntry *entry)
{
	void *place = NULL;

	if (entry->id == NULL || entry->is_repeated ||
		!lh_table_lookup_ex(known->places, entry->id, &place))
		return NULL;
	if (entry->added_at.is_known &&
		!spotify_list_entry_equals(place, entry->id, entry->added_at))
		return NULL;
	return place;
}

/*
 * Counts the new entries in front.  If they go beyond what was read, asks for
 * the pages up to where they should end, or for as many again, and returns
 * false.
 */
static bool
find_head(Alignment *alignment)
{
	const SpotifyScan *scan = alignment->scan;
	int grown_by = scan->length - alignment->known->count;
	int position = 0;
	int end;

	while (position < scan->length &&
		   spotify_scan_is_received(scan, position) &&
		   find_place(alignment->known, &scan->entries[position]) == NULL)
		position++;
	alignment->head = position;
	if (position == scan->length || spotify_scan_is_received(scan, position))
		return true;

	end = grown_by < position ? 2 * position : grown_by + 1;
	for (int offset = position; offset < end && offset < scan->length;
		 offset += scan->page_size)
		ask_for_page(alignment->plan, scan, offset);
	return false;
}

/* Takes the items of the head out of the known list. */
static void
find_left(Alignment *alignment)
{
	const SpotifyKnownList *known = alignment->known;

	for (int i = 0; i < alignment->head; i++)
	{
		const char *id = alignment->scan->entries[i].id;
		void *place = NULL;

		if (id != NULL && lh_table_lookup_ex(known->places, id, &place))
			alignment->left_index[(SpotifyListEntry *) place - known->entries] =
				NOWHERE;
	}
	for (int i = 0; i < known->count; i++)
	{
		if (alignment->left_index[i] == NOWHERE)
			continue;
		alignment->left_index[i] = alignment->left_count;
		alignment->left[alignment->left_count++] = &known->entries[i];
	}
}

/*
 * The stretch between the last position that is tied and the one given, which
 * nobody read: takes it from the known list if the lengths agree, and asks for
 * its middle if places are gone.  False if it has become longer.
 */
static bool
close_stretch(Alignment *alignment, int position, int index)
{
	const SpotifyScan *scan = alignment->scan;
	int first = alignment->position + 1;
	int length = position - first;
	int known_length = index - alignment->index - 1;

	if (known_length < length)
		return false;
	if (known_length == length)
	{
		for (int i = 0; i < length; i++)
			alignment->plan->list[first + i] =
				*alignment->left[alignment->index + 1 + i];
	}
	else if (length > 0)
		ask_for_page(alignment->plan, scan,
					 first + page_count(scan, length) / 2 * scan->page_size);
	return true;
}

/* The index in left of a received entry; NOWHERE if it must not be here. */
static int
find_index(const Alignment *alignment, int position)
{
	const SpotifyListEntry *place =
		find_place(alignment->known, &alignment->scan->entries[position]);

	return place == NULL
			   ? NOWHERE
			   : alignment->left_index[place - alignment->known->entries];
}

/* The next place without identity, in steps of 1 or -1; or NOWHERE. */
static int
find_null(const Alignment *alignment, int index, int step)
{
	for (index += step; index >= 0 && index < alignment->left_count;
		 index += step)
	{
		if (alignment->left[index]->id == NULL)
			return index;
	}
	return NOWHERE;
}

/*
 * Where a run of received entries begins in left.  Entries without identity
 * are told by the next one that has some.
 */
static int
find_start(const Alignment *alignment, int first, int end)
{
	int position = first;
	int index;

	while (position < end && alignment->scan->entries[position].id == NULL)
		position++;
	if (position == end)
		return NOWHERE;
	index = find_index(alignment, position);
	while (position > first && index != NOWHERE)
	{
		index = find_null(alignment, index, -1);
		position--;
	}
	return index;
}

/* Ties the entries from first to end - 1, all received, to their places. */
static bool
align_run(Alignment *alignment, int first, int end)
{
	int start = find_start(alignment, first, end);

	if (start == NOWHERE || !close_stretch(alignment, first, start))
		return false;
	for (int i = first; i < end; i++)
	{
		const SpotifyListEntry *entry = &alignment->scan->entries[i];
		int index = entry->id == NULL
						? find_null(alignment, alignment->index, 1)
						: find_index(alignment, i);

		if (index <= alignment->index)
			return false;
		alignment->plan->list[i] = *entry;
		alignment->position = i;
		alignment->index = index;
	}
	return true;
}

/* Ties everything that was read behind the head; false if it does not fit. */
static bool
align(Alignment *alignment)
{
	const SpotifyScan *scan = alignment->scan;
	int position = alignment->head;

	for (int i = 0; i < alignment->head; i++)
		alignment->plan->list[i] = scan->entries[i];
	alignment->position = alignment->head - 1;
	alignment->index = NOWHERE;
	while (position < scan->length)
	{
		int first = position;

		while (spotify_scan_is_received(scan, position))
			position++;
		if (position > first && !align_run(alignment, first, position))
			return false;
		while (position < scan->length &&
			   !spotify_scan_is_received(scan, position))
			position++;
	}
	return close_stretch(alignment, scan->length, alignment->left_count);
}

/* Whether an item stands twice in what was read. */
static bool
has_repeated(const SpotifyScan *scan)
{
	return scan->received > scan->distinct + scan->unidentified;
}

static SpotifyDeltaVerdict
find_changes(Alignment *alignment, const SpotifyAudit *audit)
{
	SpotifyDeltaPlan *plan = alignment->plan;
	const SpotifyScan *scan = alignment->scan;

	if (has_repeated(scan))
		return SPOTIFY_DELTA_BROKEN;
	if (!find_head(alignment))
		return SPOTIFY_DELTA_READ;
	find_left(alignment);
	plan->has_losses = alignment->head + alignment->left_count > scan->length;
	if (!align(alignment))
		return look_for_end(alignment) ? SPOTIFY_DELTA_READ
									   : SPOTIFY_DELTA_BROKEN;
	ask_for_all_of_end(plan, scan);
	if (alignment->head < scan->page_size)
		ask_for_audit(plan, scan, audit);
	return plan->offset_count > 0 ? SPOTIFY_DELTA_READ : SPOTIFY_DELTA_CHANGED;
}

static bool
plan_changes(SpotifyDeltaPlan *plan, const SpotifyKnownList *known,
			 const SpotifyScan *scan, const SpotifyAudit *audit)
{
	Alignment alignment = {
		.known = known,
		.scan = scan,
		.plan = plan,
		.left = calloc(known->count + 1, sizeof(*alignment.left)),
		.left_index = calloc(known->count + 1, sizeof(*alignment.left_index))
	};
	bool has_memory = alignment.left != NULL && alignment.left_index != NULL;

	if (has_memory)
		plan->verdict = find_changes(&alignment, audit);
	free(alignment.left);
	free(alignment.left_index);
	return has_memory;
}

bool
spotify_delta_plan_make(SpotifyDeltaPlan *plan, const SpotifyKnownList *known,
						const SpotifyScan *scan, const SpotifyAudit *audit)
{
	memset(plan, 0, sizeof(*plan));
	plan->verdict = SPOTIFY_DELTA_BROKEN;
	if (scan->length > 2 * (int64_t) known->count + MUCH_LONGER)
		return true;
	/* Each page once, and once more where pages of other sizes came between. */
	plan->offsets = calloc(2 * ((size_t) page_count(scan, scan->total) + 1),
						   sizeof(*plan->offsets));
	plan->list = calloc(scan->length + 1, sizeof(*plan->list));
	if (plan->offsets == NULL || plan->list == NULL)
		return false;

	if (is_unmoved(known, scan))
	{
		ask_for_end(plan, scan);
		ask_for_audit(plan, scan, audit);
		plan->verdict = plan->offset_count > 0 ? SPOTIFY_DELTA_READ
											   : SPOTIFY_DELTA_UNCHANGED;
		return true;
	}
	if (known->places == NULL)
	{
		plan->verdict = SPOTIFY_DELTA_LOAD;
		return true;
	}
	return plan_changes(plan, known, scan, audit);
}

void
spotify_delta_plan_release(SpotifyDeltaPlan *plan)
{
	free(plan->offsets);
	free(plan->list);
	memset(plan, 0, sizeof(*plan));
}
