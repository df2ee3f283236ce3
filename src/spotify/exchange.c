/*
 * exchange.c
 *		Runs HTTP exchanges inside a backend.
 *
 * An exchange is in one of three lists: waiting (not sent yet, or to be sent
 * again later), running (given to the transport), finished.
 *
 * Ownership: the pool and its exchanges live in a memory context of their
 * own.  What is malloc'd below, the transport and the bodies of answers, is
 * released by that context's reset callback, which is registered before
 * anything is acquired.  When the process exits by FATAL, nothing is released:
 * libcurl could wait for a name lookup, and the kernel closes all anyway.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/procsignal.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#if PG_VERSION_NUM >= 150000
#include "common/pg_prng.h"
#endif
#if PG_VERSION_NUM >= 140000
#include "utils/wait_event.h"
#else
#include "pgstat.h"
#endif
#if PG_VERSION_NUM >= 170000
#include "utils/resowner.h"
#endif
#if PG_VERSION_NUM >= 180000
#include "storage/waiteventset.h"
#endif

#include "settings.h"
#include "spotify/cleanup.h"
#include "spotify/decode.h"
#include "spotify/exchange.h"
#include "spotify/json.h"

/* Header lines of one answer: Spotify's have some 2 kB together. */
#define MAX_HEADER_BYTES (64 * 1024)

/* Descriptors of a transport that are no connection: a name lookup's pipe. */
#define EXTRA_DESCRIPTORS 2

struct SpotifyExchangePool
{
	MemoryContext context;
	SpotifyHttp *http; /* NULL until opened */
	int max_in_flight;
	int external_fds; /* reserved with the server */
	int in_flight;	  /* length of running */
	dlist_head waiting;
	dlist_head running;
	dlist_head finished;
	SpotifyExchange *handed_out; /* released at the next call */
	bool is_uncompressed;		 /* gzip of the peer could not be decoded */
	bool is_limited;			 /* a 429 stands: nothing is sent any more */
	SpotifyRetryDecision limit;	 /* the decision about that 429 */
	const char *refused_bearer;	 /* the one that a 401 refused last, or NULL */
	TimestampTz paused_until;	 /* after a 429 nothing is sent before */
	SpotifyTraffic *traffic;
};

static void
release_list(dlist_head *list)
{
	dlist_iter iter;

	dlist_foreach(iter, list)
	{
		SpotifyExchange *exchange =
			dlist_container(SpotifyExchange, node, iter.cur);

		spotify_http_answer_release(&exchange->answer);
	}
	dlist_init(list);
}

static void
release_descriptors(SpotifyExchangePool *pool)
{
	while (pool->external_fds > 0)
	{
		ReleaseExternalFD();
		pool->external_fds--;
	}
}

/* Reset callback of the pool's memory context. */
static void
release_pool(void *arg)
{
	SpotifyExchangePool *pool = arg;

	if (proc_exit_inprogress)
		return;

	if (pool->handed_out != NULL)
		spotify_http_answer_release(&pool->handed_out->answer);
	release_list(&pool->waiting);
	release_list(&pool->running);
	release_list(&pool->finished);
	if (pool->http != NULL)
		spotify_http_close(pool->http);
	release_descriptors(pool);
}

/* If it fails it leaves room for what the end of the run takes. */
static void
reserve_descriptors(SpotifyExchangePool *pool)
{
	int needed = pool->max_in_flight + EXTRA_DESCRIPTORS;

	while (pool->external_fds < needed)
	{
		if (AcquireExternalFD())
		{
			pool->external_fds++;
			continue;
		}
		release_descriptors(pool);
		ereport(
			ERROR,
			(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
			 errmsg(
				 "could not reserve %d file descriptors for connections to Spotify",
				 needed),
			 errhint(
				 "Raise \"max_files_per_process\" or lower \"spotify_etl.max_concurrency\".")));
	}
}

SpotifyExchangePool *
spotify_exchange_open(int max_in_flight, SpotifyTraffic *traffic)
{
	MemoryContext context = AllocSetContextCreate(
		CurrentMemoryContext, "spotify exchanges", ALLOCSET_SMALL_SIZES);
	SpotifyExchangePool *pool =
		MemoryContextAllocZero(context, sizeof(SpotifyExchangePool));
	MemoryContext old;
	SpotifyHttpOptions options = { .ca_file = spotify_setting_ca_file,
								   .proxy = spotify_setting_proxy,
								   .user_agent =
									   "spotify_etl/" SPOTIFY_ETL_VERSION };

	pool->context = context;
	pool->max_in_flight = max_in_flight;
	pool->traffic = traffic;
	dlist_init(&pool->waiting);
	dlist_init(&pool->running);
	dlist_init(&pool->finished);

	old = MemoryContextSwitchTo(context);
	spotify_release_later(release_pool, pool);
	MemoryContextSwitchTo(old);

	reserve_descriptors(pool);
	pool->http = spotify_http_open(&options);
	if (pool->http == NULL)
		spotify_report_out_of_memory();
	return pool;
}

void
spotify_exchange_submit(SpotifyExchangePool *pool,
						const SpotifyExchangeRequest *request)
{
	SpotifyExchange *exchange =
		MemoryContextAllocZero(pool->context, sizeof(SpotifyExchange));

	exchange->request = *request;
	dlist_push_tail(&pool->waiting, &exchange->node);
}

static void
send_exchange(SpotifyExchangePool *pool, SpotifyExchange *exchange)
{
	SpotifyHttpRequest request;

	/*
	 * What a form brings must not be lost over its compression: a new refresh
	 * token is told once.
	 */
	exchange->is_uncompressed =
		pool->is_uncompressed || exchange->request.form != NULL;
	request = (SpotifyHttpRequest){
		.url = exchange->request.url,
		.form = exchange->request.form,
		.bearer = exchange->request.bearer,
		.username = exchange->request.username,
		.password = exchange->request.password,
		.is_uncompressed = exchange->is_uncompressed,
		.connect_timeout_ms = spotify_setting_connect_timeout,
		.timeout_ms = spotify_setting_request_timeout,
		.max_body_bytes = spotify_setting_max_response_size,
		.max_header_bytes = MAX_HEADER_BYTES
	};

	if (!spotify_http_start(pool->http, &request, exchange))
		spotify_report_out_of_memory();

	dlist_delete(&exchange->node);
	dlist_push_tail(&pool->running, &exchange->node);
	pool->in_flight++;
	pool->traffic->requests++;
	if (exchange->attempts > 0)
		pool->traffic->retries++;
	exchange->attempts++;
}

/* From here on every exchange that is not under way ends as limited. */
static void
note_limit(SpotifyExchangePool *pool, const SpotifyRetryDecision *decision)
{
	TimestampTz until =
		GetCurrentTimestamp() + decision->limited_seconds * USECS_PER_SEC;

	pool->traffic->limited_until = Max(pool->traffic->limited_until, until);
	pool->is_limited = true;
	pool->limit = *decision;
}

/* A request would meet the same 429, and make the limit last longer. */
static void
refuse_by_limit(const SpotifyExchangePool *pool, SpotifyExchange *exchange)
{
	exchange->answer.outcome = SPOTIFY_HTTP_ANSWERED;
	exchange->answer.status = 429;
	exchange->decision = pool->limit;
}

/* A request would meet the same 401, and count against the quota. */
static void
refuse_by_bearer(SpotifyExchange *exchange)
{
	exchange->answer.outcome = SPOTIFY_HTTP_ANSWERED;
	exchange->answer.status = 401;
	exchange->decision.verdict = SPOTIFY_RETRY_DONE;
}

/*
 * The postmaster is gone, which was noticed while interrupts were held off: the
 * process ends as soon as they are not.
 */
static bool is_orphan = false;

/*
 * A process that is to end, but may not be interrupted yet, must not begin
 * another attempt: it would hold up the shutdown of the server.
 */
static void
give_up(SpotifyExchange *exchange)
{
	exchange->answer.outcome = SPOTIFY_HTTP_UNREACHABLE;
	strlcpy(exchange->answer.message, "the process is ending",
			sizeof(exchange->answer.message));
	exchange->decision.verdict = SPOTIFY_RETRY_EXHAUSTED;
}

/* Whether an exchange has a bearer that is refused, and can get another one. */
static bool
is_bearer_refused(const SpotifyExchangePool *pool,
				  const SpotifyExchangeRequest *request)
{
	return request->bearer != NULL && request->bearer == pool->refused_bearer &&
		   !request->is_reauthorized;
}

/* Ends unsent what waits, where it is known what would become of it. */
static void
end_unsent(SpotifyExchangePool *pool)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &pool->waiting)
	{
		SpotifyExchange *exchange =
			dlist_container(SpotifyExchange, node, iter.cur);

		if (pool->is_limited)
			refuse_by_limit(pool, exchange);
		else if (ProcDiePending || is_orphan)
			give_up(exchange);
		else if (is_bearer_refused(pool, &exchange->request))
			refuse_by_bearer(exchange);
		else
			continue;
		dlist_delete(&exchange->node);
		dlist_push_tail(&pool->finished, &exchange->node);
	}
}

/*
 * Sends what may be sent now.  Returns the time at which there will be more
 * to send, or 0 if that depends on answers alone.
 */
static TimestampTz
send_due(SpotifyExchangePool *pool)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz next = 0;
	dlist_mutable_iter iter;

	end_unsent(pool);
	dlist_foreach_modify(iter, &pool->waiting)
	{
		SpotifyExchange *exchange =
			dlist_container(SpotifyExchange, node, iter.cur);
		TimestampTz due = Max(exchange->not_before, pool->paused_until);

		if (pool->in_flight >= pool->max_in_flight)
			return 0;
		if (due <= now)
			send_exchange(pool, exchange);
		else if (next == 0 || due < next)
			next = due;
	}
	return next;
}

static double
draw_random(void)
{
#if PG_VERSION_NUM >= 150000
	return pg_prng_double(&pg_global_prng_state);
#else
	return random() / ((double) MAX_RANDOM_VALUE + 1);
#endif
}

static void
note_first_problem(SpotifyExchange *exchange)
{
	const SpotifyHttpAnswer *answer = &exchange->answer;

	if (exchange->first_problem[0] != '\0')
		return;
	if (answer->outcome == SPOTIFY_HTTP_ANSWERED)
		snprintf(exchange->first_problem, sizeof(exchange->first_problem),
				 "HTTP status %d", answer->status);
	else
		strlcpy(exchange->first_problem, answer->message,
				sizeof(exchange->first_problem));
}

/*
 * So many bytes of a secret tell something of it.  Shorter ones could be a
 * word of Spotify's.
 */
#define TELLING_LENGTH 8

/* Whether text has a telling part of a secret. */
static bool
repeats(const char *text, const char *secret)
{
	size_t length = strlen(text);

	for (size_t i = 0; secret != NULL && i + TELLING_LENGTH <= length; i++)
	{
		char part[TELLING_LENGTH + 1];

		strlcpy(part, text + i, sizeof(part));
		if (strstr(secret, part) != NULL)
			return true;
	}
	return false;
}

static bool
repeats_secret(const SpotifyExchangeRequest *request, const char *text)
{
	for (int i = 0; i < (int) lengthof(request->secrets); i++)
	{
		if (repeats(text, request->secrets[i]))
			return true;
	}
	return repeats(text, request->bearer) || repeats(text, request->password);
}

/*
 * An answer that repeats what it was sent must not bring a secret into an
 * error message.
 */
static void
withhold_secrets(const SpotifyExchangeRequest *request, SpotifyErrorBody *body)
{
	static const char withheld[] = "(withheld, for it repeats a secret)";

	if (repeats_secret(request, body->code))
		body->code[0] = '\0';
	if (repeats_secret(request, body->message))
		strlcpy(body->message, withheld, sizeof(body->message));
}

static void
read_error_body(SpotifyExchange *exchange)
{
	const SpotifyHttpAnswer *answer = &exchange->answer;

	memset(&exchange->error_body, 0, sizeof(exchange->error_body));
	if (answer->status < 400)
		return;
	spotify_decode_error(answer->body, answer->body_length,
						 &exchange->error_body);
	withhold_secrets(&exchange->request, &exchange->error_body);
}

/*
 * A success that brings the beginning of a document is one that was cut,
 * although HTTP does not show it: the head told no length, or the gzip of the
 * body has no end.
 */
static void
note_cut(SpotifyExchange *exchange)
{
	SpotifyHttpAnswer *answer = &exchange->answer;

	if (answer->outcome != SPOTIFY_HTTP_ANSWERED || answer->status != 200 ||
		!spotify_json_is_cut(answer->body, answer->body_length))
		return;
	answer->outcome = SPOTIFY_HTTP_CUT;
	strlcpy(answer->message, "the body ends too early",
			sizeof(answer->message));
}

static SpotifyRetryDecision
decide(const SpotifyExchange *exchange)
{
	SpotifyRetryPolicy policy = { .max_retries = spotify_setting_max_retries,
								  .max_wait_ms = spotify_setting_max_retry_wait,
								  .is_idempotent =
									  exchange->request.is_idempotent };
	/* https://developer.spotify.com/documentation/web-api/references/changes/july-2026 */
	bool is_quota_exceeded =
		strcmp(exchange->error_body.code, "QUOTA_EXCEEDED") == 0;
	SpotifyRetryDecision at_once = { .verdict = SPOTIFY_RETRY_WAIT };

	/* Nothing failed: without compression the same can be read. */
	if (exchange->answer.outcome == SPOTIFY_HTTP_UNDECODED &&
		!exchange->is_uncompressed)
		return at_once;

	return spotify_retry_decide(&policy, &exchange->answer, is_quota_exceeded,
								exchange->attempts - 1, draw_random());
}

/* Has an exchange whose answer is no success sent again, later. */
static void
wait_for_retry(SpotifyExchangePool *pool, SpotifyExchange *exchange)
{
	note_first_problem(exchange);
	exchange->not_before = TimestampTzPlusMilliseconds(
		GetCurrentTimestamp(), exchange->decision.wait_ms);
	if (exchange->answer.status == 429)
		pool->paused_until = Max(pool->paused_until, exchange->not_before);
	spotify_http_answer_release(&exchange->answer);
	dlist_push_tail(&pool->waiting, &exchange->node);
}

/* Decides what follows from the answer that an exchange just got. */
static void
settle(SpotifyExchangePool *pool, SpotifyExchange *exchange)
{
	note_cut(exchange);
	read_error_body(exchange);
	exchange->decision = decide(exchange);
	pool->is_uncompressed |= exchange->answer.outcome == SPOTIFY_HTTP_UNDECODED;
	if (exchange->decision.verdict == SPOTIFY_RETRY_LIMITED)
		note_limit(pool, &exchange->decision);
	if (exchange->answer.status == 401)
		pool->refused_bearer = exchange->request.bearer;

	if (exchange->decision.verdict == SPOTIFY_RETRY_WAIT)
		wait_for_retry(pool, exchange);
	else
		dlist_push_tail(&pool->finished, &exchange->node);
}

static void
take_answers(SpotifyExchangePool *pool)
{
	SpotifyHttpAnswer answer;
	void *tag;

	while (spotify_http_take(pool->http, &tag, &answer))
	{
		SpotifyExchange *exchange = tag;

		exchange->answer = answer;
		dlist_delete(&exchange->node);
		pool->in_flight--;
		pool->traffic->requests += answer.resent;
		pool->traffic->bytes_received += answer.bytes_received;
		settle(pool, exchange);
	}
}

static uint32
wait_event(void)
{
#if PG_VERSION_NUM >= 170000
	/* Needs shared memory, so it cannot be made when the library is loaded. */
	static uint32 event = 0;

	if (event == 0)
		event = WaitEventExtensionNew("SpotifyHttp");
	return event;
#else
	return PG_WAIT_EXTENSION;
#endif
}

/*
 * Whoever holds interrupts off must not be ended by this either: the answer
 * that is awaited may hold a token that has to be put down first.
 */
static void
watch_postmaster(WaitEventSet *set)
{
	if (InterruptHoldoffCount == 0)
		AddWaitEventToSet(set, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL,
						  NULL);
	else if (!is_orphan)
		AddWaitEventToSet(set, WL_POSTMASTER_DEATH, PGINVALID_SOCKET, NULL,
						  NULL);
}

static WaitEventSet *
create_wait_set(SpotifyHttpSocket *sockets, int count)
{
	WaitEventSet *set;

#if PG_VERSION_NUM >= 170000
	set = CreateWaitEventSet(CurrentResourceOwner, count + 2);
#else
	set = CreateWaitEventSet(CurrentMemoryContext, count + 2);
#endif
	AddWaitEventToSet(set, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
	watch_postmaster(set);
	for (int i = 0; i < count; i++)
	{
		uint32 events = 0;

		if (sockets[i].want_read)
			events |= WL_SOCKET_READABLE;
		if (sockets[i].want_write)
			events |= WL_SOCKET_WRITEABLE;
		if (events != 0)
			AddWaitEventToSet(set, events, sockets[i].fd, NULL, &sockets[i]);
	}
	return set;
}

/* Waits until a socket is ready, an interrupt came, or the time is over. */
static void
wait_for_sockets(SpotifyHttpSocket *sockets, int count, long timeout_ms)
{
	WaitEvent *occurred = palloc((count + 2) * sizeof(WaitEvent));
	WaitEventSet *set = create_wait_set(sockets, count);
	int n;

	/* What is left of reading the catalogs must not hold back VACUUM. */
	InvalidateCatalogSnapshotConditionally();
	n = WaitEventSetWait(set, timeout_ms, occurred, count + 2, wait_event());
	FreeWaitEventSet(set);

	for (int i = 0; i < n; i++)
	{
		SpotifyHttpSocket *socket = occurred[i].user_data;

		if (occurred[i].events & WL_LATCH_SET)
			ResetLatch(MyLatch);
		if (occurred[i].events & WL_POSTMASTER_DEATH)
			is_orphan = true;
		if (socket == NULL)
			continue;
		socket->ready_read = (occurred[i].events & WL_SOCKET_READABLE) != 0;
		socket->ready_write = (occurred[i].events & WL_SOCKET_WRITEABLE) != 0;
	}
	pfree(occurred);
	CHECK_FOR_INTERRUPTS();

	/* While interrupts are held off, the server must not wait for us. */
	if (ProcSignalBarrierPending)
		ProcessProcSignalBarrier();
}

/* One step of waiting, at most until more can be sent. */
static void
wait_for_progress(SpotifyExchangePool *pool, TimestampTz next_send)
{
	SpotifyHttpSocket *sockets;
	int count;
	long timeout_ms;

	sockets = spotify_http_watch(pool->http, &count, &timeout_ms);
	if (next_send != 0)
	{
		long until_send =
			TimestampDifferenceMilliseconds(GetCurrentTimestamp(), next_send);

		if (timeout_ms < 0 || until_send < timeout_ms)
			timeout_ms = until_send;
	}
	wait_for_sockets(sockets, count, timeout_ms);
	spotify_http_advance(pool->http, sockets, count);
}

static void
release_handed_out(SpotifyExchangePool *pool)
{
	if (pool->handed_out == NULL)
		return;
	spotify_http_answer_release(&pool->handed_out->answer);
	pfree(pool->handed_out);
	pool->handed_out = NULL;
}

const SpotifyExchange *
spotify_exchange_next(SpotifyExchangePool *pool)
{
	release_handed_out(pool);

	for (;;)
	{
		TimestampTz next_send;

		CHECK_FOR_INTERRUPTS();
		take_answers(pool);
		next_send = send_due(pool);
		if (!dlist_is_empty(&pool->finished))
		{
			/* What was sent now travels while the caller is at work. */
			spotify_http_advance(pool->http, NULL, 0);
			break;
		}
		if (dlist_is_empty(&pool->running) && dlist_is_empty(&pool->waiting))
			return NULL;
		wait_for_progress(pool, next_send);
	}

	pool->handed_out = dlist_container(SpotifyExchange, node,
									   dlist_pop_head_node(&pool->finished));
	return pool->handed_out;
}
