/*
 * list_reader.c
 *		Reading a whole saved list, page by page, until it holds still.
 *
 * A pass reads the first page, then the others by offset (never by "next"),
 * several at once, then the first page again.  Spotify promises no consistent
 * view of a list that changes while it is read, and has been seen to send
 * short, empty and zeroed pages, so:
 *
 * - an odd page is asked for again, a few times;
 * - a pass in which the list moved is given up and done again;
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

#define MAX_PASSES 3

/* How often an odd page is asked for again, in one pass. */
#define MAX_REREADS 2

/*
 * A pass ends after so many odd pages in a row that brought nothing new:
 * otherwise a total of two billion would keep it going for ever.
 */
#define MAX_BARREN_PAGES 20

typedef enum PagePurpose
{
	PAGE_OF_PASS, /* to be added to the scan */
	PAGE_CHECK	  /* the first page again, to be compared */
} PagePurpose;

/* A page that is asked for: the tag of its request. */
typedef struct PageRequest
{
	PagePurpose purpose;
	int offset;
	int rereads;
} PageRequest;

typedef struct ListReader
{
	const SpotifyCollection *collection;
	SpotifyClient *client;
	SpotifyListReading *reading;
	bool is_last_pass;

	/* of the page at hand: malloc'd, released with the memory context */
	SpotifySavedPage page;

	/* of the pass under way */
	MemoryContext context; /* of its page requests */
	int under_way;
	int next_offset;
	int barren_pages; /* in a row */
	bool is_given_up;
	bool is_same_first_page;
} ListReader;

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
ask_for_page(ListReader *reader, PagePurpose purpose, int offset, int rereads)
{
	PageRequest *request =
		MemoryContextAlloc(reader->context, sizeof(PageRequest));

	request->purpose = purpose;
	request->offset = offset;
	request->rereads = rereads;
	spotify_client_get(
		reader->client,
		reader->collection->page_url(spotify_setting_api_url, offset), request);
	reader->under_way++;
}

/* Waits for a page and decodes it into reader->page. */
static PageRequest *
receive_page(ListReader *reader)
{
	const SpotifyExchange *exchange = spotify_client_next(reader->client);
	SpotifySavedPage page;
	SpotifyDecodeProblem problem;
	SpotifyDecodeResult result;

	reader->under_way--;
	if (!spotify_client_succeeded(exchange))
		spotify_failure_report(exchange);
	result = reader->collection->decode_page(
		exchange->answer.body, exchange->answer.body_length, &page, &problem);
	if (result != SPOTIFY_DECODE_OK)
		spotify_failure_report_body(result, &problem);
	reader->page = page;
	return exchange->request.tag;
}

static void
keep_page(ListReader *reader, int offset)
{
	SpotifyListReading *reading = reader->reading;
	bool fits = spotify_scan_page_fits(&reading->scan, &reader->page, offset);
	int count_before = reading->scan.count;

	if (!spotify_scan_add_page(&reading->scan, &reader->page, offset))
		spotify_report_out_of_memory();
	for (int i = 0; i < reader->page.count; i++)
	{
		if (reader->page.entries[i].is_identified)
			spotify_catalog_add_track(reading->catalog,
									  &reader->page.entries[i].track);
	}

	if (fits || reading->scan.count > count_before)
		reader->barren_pages = 0;
	else
		reader->barren_pages++;
}

/* A page that is not what was asked for: again, or for what it is worth. */
static void
handle_odd_page(ListReader *reader, const PageRequest *request)
{
	if (request->rereads < MAX_REREADS)
	{
		ask_for_page(reader, request->purpose, request->offset,
					 request->rereads + 1);
		return;
	}
	keep_page(reader, request->offset);
	if (!reader->is_last_pass || reader->barren_pages >= MAX_BARREN_PAGES)
		reader->is_given_up = true;
}

static void
handle_page(ListReader *reader, const PageRequest *request)
{
	SpotifyScan *scan = &reader->reading->scan;

	if (request->purpose == PAGE_CHECK)
		reader->is_same_first_page =
			spotify_scan_first_page_is(scan, &reader->page);
	else if (spotify_scan_page_fits(scan, &reader->page, request->offset))
		keep_page(reader, request->offset);
	else
		handle_odd_page(reader, request);
}

/* Receives the first page of a pass: its total is that of the pass. */
static void
begin_pass(ListReader *reader)
{
	SpotifyListReading *reading = reader->reading;
	PageRequest *request;

	reader->next_offset = SPOTIFY_PAGE_SIZE;
	reader->barren_pages = 0;
	reader->is_given_up = false;
	reader->is_same_first_page = false;
	spotify_scan_release(&reading->scan);
	if (reading->catalog != NULL)
		spotify_catalog_release(reading->catalog);
	reading->catalog = spotify_catalog_create();

	ask_for_page(reader, PAGE_OF_PASS, 0, 0);
	request = receive_page(reader);
	if (!spotify_scan_begin(&reading->scan, reader->page.total))
		spotify_report_out_of_memory();
	handle_page(reader, request);
	release_page(reader);
}

/* Keeps as many requests under way as may be, until the list is read. */
static void
read_pages(ListReader *reader)
{
	const SpotifyScan *scan = &reader->reading->scan;

	for (;;)
	{
		while (!reader->is_given_up && reader->next_offset < scan->total &&
			   reader->under_way < spotify_setting_max_concurrency)
		{
			ask_for_page(reader, PAGE_OF_PASS, reader->next_offset, 0);
			reader->next_offset += SPOTIFY_PAGE_SIZE;
		}
		if (reader->under_way == 0)
			break;
		handle_page(reader, receive_page(reader));
		release_page(reader);
	}
}

/* Whether the pass proves to be the whole list as it is now. */
static bool
check_pass(ListReader *reader)
{
	if (reader->is_given_up || !spotify_scan_adds_up(&reader->reading->scan))
		return false;
	ask_for_page(reader, PAGE_CHECK, 0, 0);
	handle_page(reader, receive_page(reader));
	release_page(reader);
	return reader->is_same_first_page;
}

SpotifyListReading *
spotify_list_read(const SpotifyCollection *collection, SpotifyClient *client)
{
	ListReader *reader = palloc0(sizeof(ListReader));

	reader->collection = collection;
	reader->client = client;
	reader->context = CurrentMemoryContext;
	reader->reading = palloc0(sizeof(SpotifyListReading));
	spotify_release_later(release_page, reader);
	spotify_release_later(release_scan, reader->reading);

	for (int pass = 1; pass <= MAX_PASSES && !reader->reading->is_complete;
		 pass++)
	{
		reader->is_last_pass = pass == MAX_PASSES;
		begin_pass(reader);
		read_pages(reader);
		reader->reading->is_complete = check_pass(reader);
	}
	return reader->reading;
}
