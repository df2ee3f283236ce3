/*
 * scan.c
 *		What one pass over a saved list brought, and whether it is believable.
 */
#include "sync/scan.h"

#include <json-c/linkhash.h>
#include <stdlib.h>
#include <string.h>

#include "spotify/endpoint.h"

#define INITIAL_CAPACITY 256

/* Whether a page says how many entries it can hold, and that can be true. */
static bool
tells_size(const SpotifySavedPage *page)
{
	return page->limit.is_known && page->limit.value >= 1 &&
		   page->limit.value <= SPOTIFY_PAGE_SIZE &&
		   page->limit.value >= page->count;
}

/* A page of zeros says nothing but that the list is empty. */
static bool
is_size_possible(const SpotifySavedPage *page)
{
	return !page->limit.is_known || tells_size(page) ||
		   (page->total == 0 && page->count == 0);
}

bool
spotify_scan_begin(SpotifyScan *scan, const SpotifySavedPage *first_page)
{
	memset(scan, 0, sizeof(*scan));
	scan->total = first_page->total;
	scan->length = first_page->total;
	scan->page_size =
		tells_size(first_page) ? first_page->limit.value : SPOTIFY_PAGE_SIZE;
	scan->is_unbroken = true;
	scan->ids = lh_kchar_table_new(INITIAL_CAPACITY, NULL);
	return scan->ids != NULL;
}

void
spotify_scan_release(SpotifyScan *scan)
{
	if (scan->ids != NULL)
		lh_table_free(scan->ids);
	free(scan->entries);
	spotify_arena_release(&scan->arena);
	memset(scan, 0, sizeof(*scan));
}

void
spotify_scan_expect_excess(SpotifyScan *scan, int excess)
{
	if (excess < scan->total)
		scan->length = scan->total - excess;
}

int
spotify_scan_excess(const SpotifyScan *scan)
{
	return scan->total - scan->length;
}

static int
size_of(const SpotifyScan *scan, const SpotifySavedPage *page)
{
	return tells_size(page) ? page->limit.value : scan->page_size;
}

/* How many entries a page has in a list of such a length. */
static int
expected_count(const SpotifyScan *scan, const SpotifySavedPage *page,
			   int offset, int length)
{
	int size = size_of(scan, page);
	int left = length - offset;

	if (left < 0)
		return 0;
	return left < size ? left : size;
}

/* Whether a page is one of this list, whatever it has of it. */
static bool
is_of_list(const SpotifyScan *scan, const SpotifySavedPage *page, int offset)
{
	return page->offset.is_known && page->offset.value == offset &&
		   page->total == scan->total && is_size_possible(page);
}

/* That total is too high is only believed again when it is seen again. */
bool
spotify_scan_page_fits(const SpotifyScan *scan, const SpotifySavedPage *page,
					   int offset)
{
	return is_of_list(scan, page, offset) &&
		   (page->count == expected_count(scan, page, offset, scan->length) ||
			(!scan->is_end_seen &&
			 page->count == expected_count(scan, page, offset, scan->total)));
}

bool
spotify_scan_take_end(SpotifyScan *scan, const SpotifySavedPage *page,
					  int offset)
{
	int end = offset + page->count;
	int excess = scan->total - end;

	if (!is_of_list(scan, page, offset) || scan->count > end ||
		page->count >= expected_count(scan, page, offset, scan->total) ||
		excess > SPOTIFY_MAX_EXCESS || excess > end ||
		(scan->is_end_seen && end > scan->length))
		return false;
	scan->length = end;
	scan->is_end_seen = true;
	return true;
}

/* What a page that fits tells of the end of the list. */
static void
note_end(SpotifyScan *scan, const SpotifySavedPage *page, int offset)
{
	if (offset + size_of(scan, page) >= scan->total)
		scan->is_last_read = true;
	if (page->count > expected_count(scan, page, offset, scan->length))
		scan->length = scan->total;
	else if (offset <= scan->length &&
			 page->count < expected_count(scan, page, offset, scan->total))
		scan->is_end_seen = true;
}

static bool
make_room(SpotifyScan *scan, int count)
{
	int capacity = scan->capacity == 0 ? INITIAL_CAPACITY : scan->capacity;
	SpotifyListEntry *entries;

	while (capacity < count)
		capacity *= 2;
	if (capacity == scan->capacity)
		return true;
	entries = realloc(scan->entries, capacity * sizeof(*entries));
	if (entries == NULL)
		return false;
	memset(entries + scan->capacity, 0,
		   (capacity - scan->capacity) * sizeof(*entries));
	scan->entries = entries;
	scan->capacity = capacity;
	return true;
}

static const char *
copy_id(SpotifyScan *scan, const char *id)
{
	size_t size = strlen(id) + 1;
	char *copy = spotify_arena_alloc(&scan->arena, size);

	return copy == NULL ? NULL : memcpy(copy, id, size);
}

/*
 * Puts an entry at a position, unless one is there already: another one there
 * tells that the list moved.  An id that stands elsewhere too tells that too,
 * or repeats it.
 */
static bool
put_entry(SpotifyScan *scan, int position, const char *id,
		  SpotifyTimestamp added_at)
{
	SpotifyListEntry *entry;

	if (!make_room(scan, position + 1))
		return false;
	entry = &scan->entries[position];
	if (entry->is_received)
	{
		if (!spotify_list_entry_equals(entry, id, added_at))
			scan->is_unbroken = false;
		return true;
	}
	if (position >= scan->count)
		scan->count = position + 1;
	scan->received++;
	entry->is_received = true;
	entry->added_at = added_at;
	if (id == NULL)
	{
		scan->unidentified++;
		return true;
	}
	entry->id = copy_id(scan, id);
	if (entry->id == NULL)
		return false;
	entry->is_repeated = lh_table_lookup_ex(scan->ids, id, NULL);
	if (entry->is_repeated)
		return true;
	scan->distinct++;
	return lh_table_insert(scan->ids, entry->id, NULL) == 0;
}

/* Whether the page says of the same item that it was saved at another time. */
static bool
is_contradicted(const SpotifySavedPage *page, int entry)
{
	const SpotifySavedEntry *saved = &page->entries[entry];

	for (int i = 0; i < entry; i++)
	{
		const SpotifySavedEntry *other = &page->entries[i];

		if (other->id != NULL && strcmp(other->id, saved->id) == 0 &&
			!spotify_timestamp_equals(other->added_at, saved->added_at))
			return true;
	}
	return false;
}

static void
count_entry(SpotifyScan *scan, const SpotifySavedPage *page, int entry)
{
	if (page->entries[entry].id == NULL)
		return;
	if (page->entries[entry].added_at.is_known)
		scan->dated++;
	if (is_contradicted(page, entry))
		scan->contradictory++;
}

/* Whether the scan has no other entries where those of the page would be. */
static bool
is_page_at(const SpotifyScan *scan, const SpotifySavedPage *page, int offset)
{
	for (int i = 0; i < page->count; i++)
	{
		if (spotify_scan_is_received(scan, offset + i) &&
			!spotify_list_entry_equals(&scan->entries[offset + i],
									   page->entries[i].id,
									   page->entries[i].added_at))
			return false;
	}
	return true;
}

/* Notes what tells why a list that does not add up is as it is. */
static void
note_oddities(SpotifyScan *scan, const SpotifySavedPage *page, int offset)
{
	if (!is_size_possible(page) && !scan->odd_limit.is_known)
	{
		scan->odd_limit = page->limit;
		scan->odd_limit_count = page->count;
	}
	if (offset == 0 || page->count == 0)
		return;
	if (!spotify_scan_is_received(scan, 0) || !is_page_at(scan, page, 0))
		scan->has_other_pages = true;
	else if (page->count > scan->echo_count)
		scan->echo_count = page->count;
}

bool
spotify_scan_add_page(SpotifyScan *scan, const SpotifySavedPage *page,
					  int offset)
{
	if (spotify_scan_page_fits(scan, page, offset))
		note_end(scan, page, offset);
	else
		scan->is_unbroken = false;
	note_oddities(scan, page, offset);
	for (int i = 0; i < page->count; i++)
	{
		const SpotifySavedEntry *saved = &page->entries[i];

		count_entry(scan, page, i);
		if (!put_entry(scan, offset + i, saved->id, saved->added_at))
			return false;
	}
	return true;
}

int
spotify_scan_fetched(const SpotifyScan *scan)
{
	return scan->received - scan->taken_over;
}

int
spotify_scan_skipped(const SpotifyScan *scan)
{
	return scan->unidentified - scan->taken_unidentified;
}

bool
spotify_scan_is_received(const SpotifyScan *scan, int position)
{
	return position < scan->count && scan->entries[position].is_received;
}

bool
spotify_list_entry_equals(const SpotifyListEntry *entry, const char *id,
						  SpotifyTimestamp added_at)
{
	if (!entry->is_received ||
		!spotify_timestamp_equals(entry->added_at, added_at))
		return false;
	if (entry->id == NULL || id == NULL)
		return entry->id == id;
	return strcmp(entry->id, id) == 0;
}

bool
spotify_scan_has_page(const SpotifyScan *scan, const SpotifySavedPage *page,
					  int offset)
{
	return spotify_scan_page_fits(scan, page, offset) &&
		   is_page_at(scan, page, offset);
}

bool
spotify_scan_adds_up(const SpotifyScan *scan)
{
	return scan->is_unbroken && scan->count == scan->length &&
		   scan->distinct + scan->unidentified == scan->length;
}

int
spotify_scan_echo_count(const SpotifyScan *scan)
{
	return scan->has_other_pages || scan->distinct == 0 ? 0 : scan->echo_count;
}

int
spotify_scan_prefix_length(const SpotifyScan *scan)
{
	int length = 0;

	while (spotify_scan_is_received(scan, length))
		length++;
	return length;
}

/* Whether what was saved stands in the first page, so many places later. */
static bool
stands_shifted(const SpotifyScan *scan, const SpotifyListEntry *saved,
			   int saved_count, int shift)
{
	for (int i = 0; shift + i < scan->count && i < saved_count; i++)
	{
		if (!spotify_list_entry_equals(&scan->entries[shift + i], saved[i].id,
									   saved[i].added_at))
			return false;
	}
	return true;
}

/* How many new entries came in front; -1 if the first page is all new. */
static int
find_shift(const SpotifyScan *scan, const SpotifyListEntry *saved,
		   int saved_count)
{
	for (int shift = 0; shift < scan->count; shift++)
	{
		if (stands_shifted(scan, saved, saved_count, shift))
			return shift;
	}
	return -1;
}

/* Puts in what was saved, from the position on at which it stands now. */
static bool
take_over(SpotifyScan *scan, const SpotifyListEntry *saved, int saved_count,
		  int shift)
{
	int received = scan->received;
	int unidentified = scan->unidentified;

	for (int i = 0; i < saved_count; i++)
	{
		if (!put_entry(scan, shift + i, saved[i].id, saved[i].added_at))
			return false;
	}
	scan->taken_over = scan->received - received;
	scan->taken_unidentified = scan->unidentified - unidentified;
	return true;
}

int
spotify_scan_resume(SpotifyScan *scan, const SpotifyListEntry *saved,
					int saved_count, int32_t saved_total)
{
	int shift = find_shift(scan, saved, saved_count);
	int removed = shift < 0 ? 0 : saved_total + shift - scan->total;

	if (shift < 0 || removed < 0 ||
		saved_count + shift - removed <= scan->count)
		return 0;
	if (removed > 0)
	{
		scan->is_unbroken = false;
		return saved_count + shift - removed;
	}
	return take_over(scan, saved, saved_count, shift) ? saved_count + shift
													  : -1;
}
