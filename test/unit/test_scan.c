/*
 * test_scan.c
 *		Which pages fit a scan, what a scan makes of pages of any size, and
 *		where a list ends whose total is too high.
 */
#include <stdio.h>
#include <string.h>

#include "spotify/endpoint.h"
#include "sync/scan.h"
#include "tap.h"

#define MAX_ENTRIES 60
#define ID_SIZE		8
#define NO_LIMIT	(-1000)

static SpotifySavedEntry entries[MAX_ENTRIES];
static char ids[MAX_ENTRIES][ID_SIZE];

/* The items from first on, at an offset of a list of total. */
static SpotifySavedPage
make_page(int first, int offset, int count, int total, int limit)
{
	SpotifySavedPage page = { .total = total,
							  .offset = { true, offset },
							  .limit = { limit != NO_LIMIT, limit },
							  .count = count,
							  .entries = entries };

	memset(entries, 0, sizeof(entries));
	for (int i = 0; i < count; i++)
	{
		snprintf(ids[i], ID_SIZE, "%d", first + i);
		entries[i].id = ids[i];
	}
	return page;
}

static void
begin(SpotifyScan *scan, int count, int total, int limit)
{
	SpotifySavedPage page = make_page(0, 0, count, total, limit);

	tap_ok(spotify_scan_begin(scan, &page) &&
			   spotify_scan_add_page(scan, &page, 0),
		   "%d of %d entries, limit %d: begin", count, total, limit);
}

static void
add(SpotifyScan *scan, int first, int offset, int count, int limit)
{
	SpotifySavedPage page = make_page(first, offset, count, scan->total, limit);

	if (!spotify_scan_add_page(scan, &page, offset))
		tap_ok(false, "out of memory");
}

static void
test_first_pages(void)
{
	static const struct
	{
		int count;
		int total;
		int limit;
		int page_size;
		bool is_unbroken;
	} cases[] = {
		{ 50, 120, 50, 50, true },		  { 20, 120, 20, 20, true },
		{ 1, 120, 1, 1, true },			  { 50, 120, NO_LIMIT, 50, true },
		{ 20, 120, NO_LIMIT, 50, false }, { 20, 120, 50, 50, false },
		{ 19, 120, 20, 20, false },		  { 21, 120, 20, 50, false },
		{ 50, 120, 0, 50, false },		  { 50, 120, -1, 50, false },
		{ 50, 120, 51, 50, false },		  { 50, 120, INT32_MAX, 50, false },
		{ 7, 7, 50, 50, true },			  { 7, 7, 20, 20, true },
		{ 7, 7, 0, 50, false },			  { 0, 0, 0, 50, true },
		{ 0, 0, -1, 50, true },			  { 0, 0, 20, 20, true },
		{ 0, 7, 20, 20, false },		  { 0, 7, 0, 50, false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		SpotifyScan scan;

		begin(&scan, cases[i].count, cases[i].total, cases[i].limit);
		tap_is_int(scan.page_size, cases[i].page_size, "its page size");
		tap_is_int(scan.is_unbroken, cases[i].is_unbroken, "it fits");
		tap_is_int(scan.odd_limit.is_known,
				   !cases[i].is_unbroken && cases[i].limit != NO_LIMIT &&
					   cases[i].page_size != cases[i].limit,
				   "its limit cannot be");
		spotify_scan_release(&scan);
	}
}

static void
test_changing_sizes(void)
{
	SpotifyScan scan;

	begin(&scan, 20, 120, 20);
	add(&scan, 20, 20, 50, 50);
	add(&scan, 40, 40, 20, NO_LIMIT);
	add(&scan, 60, 60, 7, 7);
	add(&scan, 67, 67, 50, 50);
	add(&scan, 117, 117, 3, 33);
	tap_ok(spotify_scan_adds_up(&scan), "pages of any size add up");
	tap_is_int(scan.received, 120, "each entry counts once");
	tap_is_int(spotify_scan_echo_count(&scan), 0, "no page was told twice");
	spotify_scan_release(&scan);

	begin(&scan, 20, 60, 20);
	add(&scan, 20, 20, 40, 50);
	add(&scan, 41, 40, 20, 20);
	tap_ok(!scan.is_unbroken, "pages that contradict each other");
	tap_is_int(scan.received, 60,
			   "pages that contradict each other: 60 entries");
	spotify_scan_release(&scan);
}

static void
test_echo(void)
{
	SpotifyScan scan;

	begin(&scan, 20, 60, 20);
	add(&scan, 0, 20, 20, 20);
	tap_is_int(spotify_scan_echo_count(&scan), 20, "the first page again");
	add(&scan, 40, 40, 20, 20);
	tap_is_int(spotify_scan_echo_count(&scan), 0, "and then another one");
	spotify_scan_release(&scan);

	begin(&scan, 0, 60, 20);
	add(&scan, 20, 20, 20, 20);
	tap_is_int(spotify_scan_echo_count(&scan), 0, "no first page");
	spotify_scan_release(&scan);
}

static void
test_checks(void)
{
	SpotifyScan scan;
	SpotifySavedPage page;

	begin(&scan, 20, 60, 20);
	page = make_page(0, 0, 50, 60, 50);
	tap_ok(spotify_scan_has_page(&scan, &page, 0),
		   "a larger page, as far as it is known");
	page = make_page(0, 0, 7, 60, 7);
	tap_ok(spotify_scan_has_page(&scan, &page, 0), "a smaller page");
	page = make_page(0, 0, 7, 60, 20);
	tap_ok(!spotify_scan_has_page(&scan, &page, 0), "a short page");
	page = make_page(1, 0, 20, 60, 20);
	tap_ok(!spotify_scan_has_page(&scan, &page, 0), "another page");
	spotify_scan_release(&scan);
}

/* What a scan with pages of one size read, one with another size takes over. */
static void
test_resuming(void)
{
	SpotifyScan saved;
	SpotifyScan scan;

	begin(&saved, 50, 330, 50);
	add(&saved, 50, 50, 50, 50);
	begin(&scan, 20, 330, 20);
	tap_is_int(spotify_scan_resume(&scan, saved.entries, saved.count, 330), 100,
			   "pages of 20 go on where pages of 50 were");
	tap_is_int(spotify_scan_fetched(&scan), 20, "20 entries are its own");
	spotify_scan_release(&scan);
	spotify_scan_release(&saved);

	begin(&saved, 20, 330, 20);
	add(&saved, 20, 20, 20, 20);
	begin(&scan, 50, 330, 50);
	tap_is_int(spotify_scan_resume(&scan, saved.entries, saved.count, 330), 0,
			   "what the first page has need not be taken over");
	tap_ok(scan.is_unbroken, "and breaks nothing");
	spotify_scan_release(&scan);
	spotify_scan_release(&saved);
}

/* Whether the page at 50 of a list of 50 more can be its end. */
static void
test_ends(void)
{
	static const struct
	{
		int count;
		int total;
		bool is_end;
	} cases[] = {
		{ 27, 80, true },	{ 0, 53, true },   { 1, 101, true },
		{ 0, 100, true },	{ 0, 101, false }, { 30, 80, false },
		{ 50, 103, false }, { 31, 80, false }, { 20, 130, false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		int count = cases[i].count;
		int total = cases[i].total;
		SpotifyScan scan;
		SpotifySavedPage page;

		begin(&scan, 50, total, 50);
		page = make_page(50, 50, count, total, 50);
		tap_ok(spotify_scan_take_end(&scan, &page, 50) == cases[i].is_end,
			   "%d entries at 50 of %d: an end", count, total);
		tap_is_int(spotify_scan_excess(&scan),
				   cases[i].is_end ? total - 50 - count : 0, "the excess");
		if (cases[i].is_end)
		{
			add(&scan, 50, 50, count, 50);
			tap_ok(spotify_scan_adds_up(&scan), "the list adds up to its end");
		}
		spotify_scan_release(&scan);
	}
}

/* A first page with so many entries of a total, which was 3 too high before. */
static void
begin_too_high(SpotifyScan *scan, int count, int total)
{
	SpotifySavedPage page = make_page(0, 0, count, total, 50);

	if (!spotify_scan_begin(scan, &page))
		tap_ok(false, "out of memory");
	spotify_scan_expect_excess(scan, 3);
	if (!spotify_scan_add_page(scan, &page, 0))
		tap_ok(false, "out of memory");
}

static void
test_known_excess(void)
{
	SpotifyScan scan;

	begin_too_high(&scan, 30, 33);
	tap_ok(spotify_scan_adds_up(&scan) && scan.is_end_seen,
		   "an end that is known needs no question");
	spotify_scan_release(&scan);

	begin_too_high(&scan, 33, 33);
	tap_ok(spotify_scan_adds_up(&scan) && spotify_scan_excess(&scan) == 0,
		   "nor does a total that is right again");
	spotify_scan_release(&scan);

	begin_too_high(&scan, 32, 33);
	tap_ok(!scan.is_unbroken, "another end does");
	spotify_scan_release(&scan);

	begin_too_high(&scan, 50, 103);
	add(&scan, 0, 100, 0, 50);
	tap_ok(scan.is_end_seen && scan.is_last_read && scan.length == 100,
		   "an empty page shows the end too");
	add(&scan, 50, 50, 50, 50);
	tap_ok(spotify_scan_adds_up(&scan), "and the list adds up to it");
	spotify_scan_release(&scan);

	begin_too_high(&scan, 2, 2);
	tap_is_int(spotify_scan_excess(&scan), 0,
			   "a list cannot be less than empty");
	spotify_scan_release(&scan);
}

int
main(void)
{
	test_first_pages();
	test_changing_sizes();
	test_echo();
	test_checks();
	test_resuming();
	test_ends();
	test_known_excess();
	return tap_done();
}
