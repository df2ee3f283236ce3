/*
 * list_reader.c
 *		Reading a saved list, page by page, until it holds still.
 *
 * A pass reads the first page.  If it is known how the list was, it goes on
 * with what shows the changes (sync/delta_plan.c); otherwise, or if that breaks
 * its assumption, with all pages by offset (never by "next"), several at once.
 * At its end it reads the first page again.  Spotify promises no consistent
 * view of a list that changes while it is read, and has been seen to send
 * short, empty and zeroed pages, so:
 *
 * - an odd page is asked for again, a few times;
 * - pages are as large as the first one says, and where one turns out to be
 *   smaller than that, what it left is asked for too;
 * - a list that ends a little before its total, each time, ends there;
 * - a pass in which the list moved is given up and done again, unless the last
 *   run has done so in vain and the list is as long as it was then;
 * - a pass that a rate limit cuts is kept, and a later run goes on from there;
 * - the last pass is read to its end in any case, for what it adds.
 *
 * https://github.com/spotify/web-api/issues/1327 (total changes),
 * https://github.com/spotify/ios-streaming-sdk/issues/701 (empty pages).
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "settings.h"
#include "spotify/cleanup.h"
#include "spotify/endpoint.h"
#include "spotify/failure.h"
#include "sync/list_reader.h"
#include "sync/progress.h"

#define MAX_PASSES 3

/* How often an odd page is asked for again, in one pass. */
#define MAX_REREADS 2

/*
 * A pass ends after pages for so many entries in a row that brought no new id:
 * otherwise a total of two billion would keep it going for ever.
 */
#define MAX_BARREN_ENTRIES (20 * SPOTIFY_PAGE_SIZE)

typedef enum PagePurpose
{
	PAGE_OF_PASS, /* to be added to the scan */
	PAGE_CHECK	  /* one that is in it, to be compared */
} PagePurpose;

/* A page that is asked for: the tag of its request. */
typedef struct PageRequest
{
	PagePurpose purpose;
	int offset;
	int length; /* entries that are wanted from there on */
	int rereads;
} PageRequest;

struct SpotifyListReader
{
	const SpotifyCollection *collection;
	SpotifyClient *client;
	SpotifyListReading *reading;
	SpotifyStoredList *stored;
	const SpotifyScanProgress *progress; /* NULL once it was used */
	bool wants_delta;
	SpotifyProgress told;
	int stuck_total; /* of a list that one pass is enough for; -1: none */
	int pass;		 /* its number, from 1 on */
	bool is_last_pass;

	/* of the page at hand: malloc'd, released with the memory context */
	SpotifySavedPage page;

	/* of the pass under way */
	MemoryContext context; /* of its page requests */
	int under_way;
	int next_offset;
	int barren_entries; /* of pages in a row */
	bool is_given_up;
	bool is_check_passed;
};

typedef SpotifyListReader ListReader;

static void
release_page(void *arg)
{
	ListReader *reader = arg;

	spotify_saved_page_release(&reader->page);
	memset(&reader->page, 0, sizeof(reader->page));
}

static void
release_scan(void *arg)
{
	SpotifyListReading *reading = arg;

	spotify_scan_release(&reading->scan);
}

static void
release_delta(void *arg)
{
	SpotifyListReading *reading = arg;

	spotify_delta_plan_release(&reading->delta);
}

static void
send_request(ListReader *reader, const PageRequest *wanted)
{
	PageRequest *request =
		MemoryContextAlloc(reader->context, sizeof(PageRequest));

	*request = *wanted;
	spotify_client_get(
		reader->client,
		reader->collection->page_url(spotify_setting_api_url, request->offset),
		request);
	reader->under_way++;
}

/* Asks for entries of the list, which is one page or the rest of one. */
static void
ask_for_entries(ListReader *reader, PagePurpose purpose, int offset, int length)
{
	PageRequest request = { .purpose = purpose,
							.offset = offset,
							.length = length };

	send_request(reader, &request);
}

static void
ask_for_page(ListReader *reader, PagePurpose purpose, int offset)
{
	const SpotifyScan *scan = &reader->reading->scan;

	ask_for_entries(reader, purpose, offset,
					Min(scan->page_size, scan->total - offset));
}

static void
ask_again(ListReader *reader, const PageRequest *request)
{
	PageRequest again = *request;

	again.rereads++;
	send_request(reader, &again);
}

/*
 * Asks for what a page left of the entries that were wanted, because pages
 * became smaller.  A delta counts on having all of them.
 */
static void
ask_for_rest(ListReader *reader, const PageRequest *request)
{
	int offset = request->offset + reader->page.count;
	int left =
		Min(request->offset + request->length, reader->reading->scan.length) -
		offset;

	if (left > 0 && (reader->wants_delta || !reader->is_given_up))
		ask_for_entries(reader, request->purpose, offset, left);
}

/*
 * Whether a rate limit refused a page that the reading can do without.  What a
 * delta has read is not worth keeping.
 */
static bool
is_cut(ListReader *reader, const SpotifyExchange *exchange)
{
	if (exchange->decision.verdict != SPOTIFY_RETRY_LIMITED ||
		reader->wants_delta || reader->reading->scan.received == 0)
		return false;
	reader->reading->is_cut = true;
	reader->is_given_up = true;
	return true;
}

/*
 * Waits for a page and decodes it into reader->page.  NULL if there is none,
 * because a rate limit cut the reading.
 */
static PageRequest *
receive_page(ListReader *reader)
{
	const SpotifyExchange *exchange = spotify_client_next(reader->client);
	SpotifySavedPage page;
	SpotifyDecodeProblem problem;
	SpotifyDecodeResult result;

	reader->under_way--;
	if (is_cut(reader, exchange))
		return NULL;
	if (!spotify_client_succeeded(exchange))
		spotify_failure_report(exchange);
	result = reader->collection->decode_page(
		exchange->answer.body, exchange->answer.body_length, &page, &problem);
	if (result != SPOTIFY_DECODE_OK)
		spotify_failure_report_body(result, &problem);
	reader->page = page;
	return exchange->request.tag;
}

/*
 * Adds the page at hand.  The pass ends if pages bring nothing new any more, or
 * if it can be done again and the list has moved.
 */
static void
keep_page(ListReader *reader, int offset)
{
	SpotifyListReading *reading = reader->reading;
	SpotifyScan *scan = &reading->scan;
	int distinct_before = scan->distinct;

	if (!spotify_scan_add_page(scan, &reader->page, offset))
		spotify_report_out_of_memory();
	for (int i = 0; i < reader->page.count; i++)
	{
		if (reader->page.entries[i].id != NULL)
			reader->collection->keep(reading->catalog,
									 &reader->page.entries[i]);
	}

	if (scan->distinct > distinct_before)
		reader->barren_entries = 0;
	else
		reader->barren_entries += scan->page_size;
	if (reader->barren_entries >= MAX_BARREN_ENTRIES ||
		(!scan->is_unbroken && !reader->is_last_pass))
		reader->is_given_up = true;
}

/* A page that is not what was asked for: again, or for what it is worth. */
static void
handle_odd_page(ListReader *reader, const PageRequest *request)
{
	if (request->rereads < MAX_REREADS)
		ask_again(reader, request);
	else
	{
		(void) spotify_scan_take_end(&reader->reading->scan, &reader->page,
									 request->offset);
		keep_page(reader, request->offset);
	}
}

/*
 * A page that the scan has already, to be compared with that.  An odd one is
 * asked for again, unless it shows that a list said to be empty is not.
 */
static void
handle_check(ListReader *reader, const PageRequest *request)
{
	const SpotifyScan *scan = &reader->reading->scan;

	if (spotify_scan_has_page(scan, &reader->page, request->offset))
		ask_for_rest(reader, request);
	else if (scan->total > 0 && request->rereads < MAX_REREADS &&
			 !spotify_scan_page_fits(scan, &reader->page, request->offset))
		ask_again(reader, request);
	else
		reader->is_check_passed = false;
}

static void
handle_page(ListReader *reader, const PageRequest *request)
{
	if (request->purpose == PAGE_CHECK)
		handle_check(reader, request);
	else if (spotify_scan_page_fits(&reader->reading->scan, &reader->page,
									request->offset))
	{
		keep_page(reader, request->offset);
		ask_for_rest(reader, request);
	}
	else
		handle_odd_page(reader, request);
}

/* Tells how far this pass is, if it will have read the whole list. */
static void
tell_progress(ListReader *reader)
{
	const SpotifyScan *scan = &reader->reading->scan;

	spotify_progress_add(&reader->told, reader->page.count, scan->received,
						 reader->wants_delta ? -1 : scan->total);
}

/* Handles the page at hand, and gives it back. */
static void
finish_page(ListReader *reader, const PageRequest *request)
{
	handle_page(reader, request);
	tell_progress(reader);
	release_page(reader);
}

/* Handles one page that is under way. */
static void
handle_next_page(ListReader *reader)
{
	PageRequest *request = receive_page(reader);

	if (request != NULL)
		finish_page(reader, request);
}

/* Asks for a page that the scan has already: whether it is still the same. */
static bool
check_page(ListReader *reader, int offset)
{
	reader->is_check_passed = true;
	ask_for_page(reader, PAGE_CHECK, offset);
	while (reader->under_way > 0)
		handle_next_page(reader);
	return reader->is_check_passed && !reader->reading->is_cut;
}

/* Forgets the pass before, which the one that begins replaces. */
static void
begin_scan(ListReader *reader)
{
	SpotifyListReading *reading = reader->reading;

	spotify_delta_plan_release(&reading->delta);
	spotify_scan_release(&reading->scan);
	if (reading->catalog != NULL)
		spotify_catalog_release(reading->catalog);
	reading->catalog = spotify_catalog_create();
	if (!spotify_scan_begin(&reading->scan, &reader->page))
		spotify_report_out_of_memory();
	if (reader->wants_delta)
		spotify_scan_expect_excess(&reading->scan, reader->stored->excess);
}

/*
 * Receives the first page of a pass: its total and its size are those of the
 * pass.  Returns false if a rate limit refused it, in which case the pass before
 * stays.
 */
static bool
begin_pass(ListReader *reader)
{
	PageRequest *request;

	reader->barren_entries = 0;
	reader->is_given_up = false;
	ask_for_entries(reader, PAGE_OF_PASS, 0, SPOTIFY_PAGE_SIZE);
	request = receive_page(reader);
	if (request == NULL)
		return false;
	begin_scan(reader);
	reader->next_offset = reader->reading->scan.page_size;
	request->length = Min(reader->next_offset, reader->page.total);
	if (reader->page.total == reader->stuck_total)
		reader->is_last_pass = true;
	finish_page(reader, request);

	/* An odd first page was asked for again. */
	while (reader->under_way > 0)
		handle_next_page(reader);
	return true;
}

/*
 * Takes over what an earlier run read before it was cut, once.  The end of it
 * is read again: if that is not as it was, the list moved in a way that the
 * first page does not show, and this pass serves additions alone.
 */
static void
resume(ListReader *reader)
{
	SpotifyScan *scan = &reader->reading->scan;
	const SpotifyScanProgress *progress = reader->progress;
	int offset;

	if (progress == NULL || !scan->is_unbroken)
		return;
	reader->progress = NULL;
	offset = spotify_scan_resume(scan, progress->entries, progress->count,
								 progress->total);
	if (offset < 0)
		spotify_report_out_of_memory();
	if (offset == 0)
		return;
	reader->reading->is_resumed = true;
	reader->next_offset = offset;
	reader->is_last_pass = true; /* another one would ask for all again */
	if (!scan->is_unbroken)
		return;
	/* A rate limit leaves the question to the next run. */
	if (!check_page(reader, offset - scan->page_size) &&
		!reader->reading->is_cut)
		scan->is_unbroken = false;
}

/*
 * How many pages are asked for at once, for each that may be in flight: the
 * pool sends the next request as soon as an answer is there, and not only when
 * that is decoded.
 */
#define PAGES_AHEAD 2

/* Goes on to an entry that was not received; false if there is none. */
static bool
find_next_offset(ListReader *reader)
{
	const SpotifyScan *scan = &reader->reading->scan;

	while (spotify_scan_is_received(scan, reader->next_offset))
		reader->next_offset++;
	return reader->next_offset < scan->total;
}

/* Keeps as many requests under way as may be, until the list is read. */
static void
read_pages(ListReader *reader)
{
	for (;;)
	{
		while (!reader->is_given_up &&
			   reader->under_way <
				   PAGES_AHEAD * spotify_setting_max_concurrency &&
			   find_next_offset(reader))
		{
			ask_for_page(reader, PAGE_OF_PASS, reader->next_offset);
			reader->next_offset += reader->reading->scan.page_size;
		}
		if (reader->under_way == 0)
			break;
		handle_next_page(reader);
	}
}

/* Reads the pages that a delta asks for, all at once. */
static void
read_asked_pages(ListReader *reader, const SpotifyDeltaPlan *delta)
{
	for (int i = 0; i < delta->offset_count; i++)
	{
		if (reader->stored->known.places == NULL)
			spotify_stored_list_load_page(reader->stored, delta->offsets[i]);
		ask_for_page(reader, PAGE_OF_PASS, delta->offsets[i]);
	}
	while (reader->under_way > 0)
		handle_next_page(reader);
}

static void
plan_delta(ListReader *reader)
{
	SpotifyListReading *reading = reader->reading;

	spotify_delta_plan_release(&reading->delta);
	if (!spotify_delta_plan_make(&reading->delta, &reader->stored->known,
								 &reading->scan, &reader->stored->audit))
		spotify_report_out_of_memory();
}

/*
 * Whether the first page may be planned by: a page of zeros would have Spotify
 * be asked about all that is stored, and the whole list be read.
 */
static bool
is_believable(ListReader *reader)
{
	return reader->reading->scan.total > 0 ||
		   reader->stored->known.count == 0 || check_page(reader, 0);
}

/* Reads what shows the changes.  Returns false if all must be read. */
static bool
read_changes(ListReader *reader)
{
	SpotifyListReading *reading = reader->reading;

	if (!is_believable(reader))
		return true;
	while (reading->scan.is_unbroken)
	{
		plan_delta(reader);
		switch (reading->delta.verdict)
		{
			case SPOTIFY_DELTA_LOAD:
				spotify_stored_list_load(reader->stored);
				break;
			case SPOTIFY_DELTA_READ:
				read_asked_pages(reader, &reading->delta);
				break;
			case SPOTIFY_DELTA_BROKEN:
				return false;
			case SPOTIFY_DELTA_UNCHANGED:
			case SPOTIFY_DELTA_CHANGED:
				reading->is_complete = true;
				return true;
		}
	}
	return true; /* the list moved: another pass may do better */
}

/* Whether the pass proves to be the whole list as it is now. */
static bool
check_pass(ListReader *reader)
{
	return !reader->is_given_up &&
		   spotify_scan_adds_up(&reader->reading->scan) &&
		   check_page(reader, 0);
}

/* Reads what the pass has not read yet. */
static void
read_rest(ListReader *reader)
{
	SpotifyListReading *reading = reader->reading;

	reader->wants_delta = false;
	reading->is_delta = false;
	read_pages(reader);
	reading->is_complete = check_pass(reader);
}

/* Reads the rest of a pass whose first page is there. */
static void
read_pass(ListReader *reader)
{
	if (reader->wants_delta)
	{
		reader->reading->is_delta = true;
		if (read_changes(reader))
			return;
	}
	resume(reader);
	read_rest(reader);
}

/* Whether another pass can do better than the last one. */
static bool
wants_pass(const ListReader *reader)
{
	return !reader->reading->is_complete && !reader->reading->is_cut &&
		   !reader->is_last_pass;
}

static void
read_passes(ListReader *reader)
{
	while (wants_pass(reader))
	{
		reader->pass++;
		reader->is_last_pass = reader->pass == MAX_PASSES;
		if (!begin_pass(reader))
			break;
		read_pass(reader);
	}
}

/* Says what the list is, by what was read or concluded. */
static void
conclude(ListReader *reader)
{
	SpotifyListReading *reading = reader->reading;
	const SpotifyScan *scan = &reading->scan;
	bool is_concluded = reading->is_delta && reading->is_complete;
	bool is_as_known =
		is_concluded && reading->delta.verdict == SPOTIFY_DELTA_UNCHANGED;

	reading->excess = reading->is_complete ? spotify_scan_excess(scan) : 0;
	reading->is_unchanged = is_as_known && !spotify_stored_list_asks_again(
											   reader->stored, reading->excess);
	reading->entries = is_concluded ? reading->delta.list : scan->entries;
	reading->count = is_concluded ? scan->length : scan->count;
	if (reading->is_unchanged)
		reading->count = 0;
	else if (is_as_known)
	{
		spotify_stored_list_load(reader->stored);
		reading->entries = reader->stored->known.entries;
	}
	reading->unidentified = 0;
	for (int i = 0; i < reading->count; i++)
	{
		if (reading->entries[i].is_received && reading->entries[i].id == NULL)
			reading->unidentified++;
	}
}

SpotifyListReader *
spotify_list_reader_open(const SpotifyCollection *collection,
						 SpotifyClient *client, SpotifyStoredList *stored,
						 bool wants_delta, int stuck_total,
						 const SpotifyScanProgress *progress)
{
	ListReader *reader = palloc0(sizeof(ListReader));

	reader->collection = collection;
	reader->client = client;
	reader->stored = stored;
	reader->wants_delta = wants_delta;
	reader->stuck_total = stuck_total;
	reader->progress = progress;
	reader->context = CurrentMemoryContext;
	spotify_progress_begin(&reader->told, collection->name);
	reader->reading = palloc0(sizeof(SpotifyListReading));
	spotify_release_later(release_page, reader);
	spotify_release_later(release_scan, reader->reading);
	spotify_release_later(release_delta, reader->reading);
	return reader;
}

SpotifyListReading *
spotify_list_read(SpotifyListReader *reader)
{
	if (reader->wants_delta)
		spotify_stored_list_load_page(reader->stored, 0);
	read_passes(reader);
	conclude(reader);
	return reader->reading;
}

void
spotify_list_read_whole(SpotifyListReader *reader)
{
	read_rest(reader);
	read_passes(reader);
	conclude(reader);
}

bool
spotify_list_confirm(SpotifyListReader *reader)
{
	/* That a list is empty was asked twice already. */
	if (reader->reading->scan.total == 0 || check_page(reader, 0))
		return true;
	reader->reading->is_complete = false;
	read_passes(reader);
	conclude(reader);
	return false;
}
