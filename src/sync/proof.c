/*
 * proof.c
 *		Asking Spotify whether items that a list no longer shows are gone.
 *
 * GET /me/library/contains answers for 40 items of the catalogue at a time.
 * Where it is refused (403, 404), or for a local file, which it does not know,
 * the whole list is proof enough, unless entries without identity were in it:
 * any missing item could be behind one of them.  Nor is a list proof any more
 * of which an answer has shown that it lacks something, and one that is said to
 * be empty is not by itself.
 */
#include "postgres.h"

#include "settings.h"
#include "spotify/endpoint.h"
#include "spotify/failure.h"
#include "sync/list_ranks.h"
#include "sync/proof.h"

#define CATALOGUE_ID_LENGTH 22
#define BASE_62				"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

/* Missing items that are asked about together: the tag of their request. */
typedef struct Batch
{
	const SpotifySavedChange *items[SPOTIFY_CONTAINS_SIZE];
	int count;
} Batch;

typedef struct Prover
{
	SpotifyProof *proof;
	const SpotifyProofTask *task;
	const SpotifySavedChange **due; /* the missing items to be asked about */
	int due_count;
	int next; /* of those */
	int under_way;
	const SpotifySavedChange **unanswered; /* those left to the list */
	int unanswered_count;
} Prover;

static void
take_removed(Prover *prover, const SpotifySavedChange *item)
{
	SpotifySavedChange *removed =
		&prover->proof->removed[prover->proof->removed_count++];

	*removed = *item;
	removed->rank = 0;
}

/* The item stays active, but the list has no place for it. */
static void
keep(Prover *prover, const SpotifySavedChange *item)
{
	SpotifySavedChange *kept;

	if (item->rank == 0)
		return;
	kept = &prover->proof->unlisted[prover->proof->unlisted_count++];
	*kept = *item;
	kept->kind = SPOTIFY_SAVED_MOVED;
	kept->rank = 0;
}

static void
leave_unproven(Prover *prover, const SpotifySavedChange *item)
{
	prover->proof->unproven_count++;
	keep(prover, item);
}

/*
 * Leaves it to the list what becomes of an item that Spotify does not answer
 * about.  A delta is not enough for that.
 */
static void
leave_to_list(Prover *prover, const SpotifySavedChange *item)
{
	prover->unanswered[prover->unanswered_count++] = item;
	if (prover->task->basis == SPOTIFY_PROOF_BY_DELTA)
		prover->proof->wants_whole_list = true;
}

/* Whether the list proves that what it lacks is gone. */
static bool
is_list_proof(const Prover *prover)
{
	return prover->task->basis == SPOTIFY_PROOF_BY_LIST &&
		   !prover->proof->is_contradicted;
}

/* The list is proof of nothing more, but it is the item that stays. */
static void
contradict(Prover *prover, const SpotifySavedChange *item)
{
	prover->proof->contradicted_count++;
	prover->proof->is_contradicted = true;
	keep(prover, item);
}

/* Ids of the catalogue have 22 characters of base 62; all else is a 400. */
static bool
is_of_catalogue(const SpotifySavedChange *item)
{
	return strlen(item->id) == CATALOGUE_ID_LENGTH &&
		   strspn(item->id, BASE_62) == CATALOGUE_ID_LENGTH;
}

static void
ask(Prover *prover, Batch *batch)
{
	const char *ids[SPOTIFY_CONTAINS_SIZE];

	for (int i = 0; i < batch->count; i++)
		ids[i] = batch->items[i]->id;
	spotify_client_get(prover->task->client,
					   spotify_endpoint_contains(spotify_setting_api_url,
												 prover->task->item_type, ids,
												 batch->count),
					   batch);
	prover->under_way++;
}

/*
 * Whether the list shows that the item left its place.  Behind the end of one
 * whose total is too high, it may be what is not shown.
 */
static bool
is_shown(const Prover *prover, const SpotifySavedChange *item)
{
	return !prover->task->has_excess ||
		   item->rank > prover->task->plan->last_rank;
}

/*
 * How many of the items that had no place before are asked about.  While their
 * turn is not yet, they fill up a request that is sent anyway; and a place that
 * is gone without an item may have been theirs.
 */
static int
count_room(const Prover *prover)
{
	const SpotifyProofTask *task = prover->task;

	if (task->asks_again)
		return task->plan->missing_count;
	if (!task->has_losses || task->has_excess)
		return 0;
	return SPOTIFY_CONTAINS_SIZE - prover->due_count % SPOTIFY_CONTAINS_SIZE;
}

/* What cannot be asked about would have the whole list be read. */
static bool
takes_room(const Prover *prover, const SpotifySavedChange *item, int *room)
{
	if (*room == 0 || (!prover->task->asks_again && !is_of_catalogue(item)))
		return false;
	(*room)--;
	return true;
}

/* Finds what is to be asked about; those that had a place come first. */
static void
find_due(Prover *prover)
{
	const SpotifySavedPlan *plan = prover->task->plan;
	int room = -1;

	for (int i = 0; i < plan->missing_count; i++)
	{
		const SpotifySavedChange *item = &plan->missing[i];
		bool was_placed = item->rank != SPOTIFY_NO_RANK;

		if (!was_placed && room < 0)
			room = count_room(prover);
		if (prover->task->basis == SPOTIFY_PROOF_NEVER ||
			(was_placed && !is_shown(prover, item)))
			leave_unproven(prover, item);
		else if (was_placed || takes_room(prover, item, &room))
			prover->due[prover->due_count++] = item;
		else
			prover->proof->unasked_count++;
	}
}

/* Leaves to the list what cannot be asked about. */
static void
leave_unaskable(Prover *prover)
{
	for (int i = 0; i < prover->due_count; i++)
	{
		if (!is_of_catalogue(prover->due[i]))
			leave_to_list(prover, prover->due[i]);
	}
}

/*
 * Whether an answer has shown that a list is not empty, as it was said to be:
 * then all that is stored would be asked about at every run.
 */
static bool
is_untrue(const Prover *prover)
{
	return prover->task->is_empty && prover->proof->is_contradicted;
}

/* Settles those that it is of no use to ask about any more. */
static void
settle_rest(Prover *prover)
{
	while (prover->next < prover->due_count)
	{
		const SpotifySavedChange *item = prover->due[prover->next++];

		if (!is_of_catalogue(item))
			continue;
		if (prover->proof->is_cut || is_untrue(prover))
			leave_unproven(prover, item);
		else
			leave_to_list(prover, item);
	}
}

/* Asks about the next items together; false if there are none left. */
static bool
ask_about_next(Prover *prover)
{
	Batch *batch = palloc0(sizeof(Batch));

	while (prover->next < prover->due_count &&
		   batch->count < SPOTIFY_CONTAINS_SIZE)
	{
		const SpotifySavedChange *item = prover->due[prover->next++];

		if (is_of_catalogue(item))
			batch->items[batch->count++] = item;
	}
	if (batch->count > 0)
		ask(prover, batch);
	return batch->count > 0;
}

static bool
is_endpoint_refused(const SpotifyExchange *exchange)
{
	return exchange->answer.outcome == SPOTIFY_HTTP_ANSWERED &&
		   (exchange->answer.status == 403 || exchange->answer.status == 404);
}

/* Whether a rate limit refused an answer that the run can do without. */
static bool
is_cut(const Prover *prover, const SpotifyExchange *exchange)
{
	return exchange->decision.verdict == SPOTIFY_RETRY_LIMITED &&
		   !prover->task->is_delta;
}

/* Believes what Spotify answers about a batch. */
static void
settle_by_answer(Prover *prover, const Batch *batch,
				 const SpotifyExchange *exchange)
{
	bool contains[SPOTIFY_CONTAINS_SIZE];
	SpotifyDecodeProblem problem;
	SpotifyDecodeResult result;

	if (!spotify_client_succeeded(exchange))
		spotify_failure_report(exchange);
	result = spotify_decode_contains(exchange->answer.body,
									 exchange->answer.body_length, contains,
									 batch->count, &problem);
	if (result != SPOTIFY_DECODE_OK)
		spotify_failure_report_body(result, &problem);
	for (int i = 0; i < batch->count; i++)
	{
		if (contains[i])
			contradict(prover, batch->items[i]);
		else
			take_removed(prover, batch->items[i]);
	}
}

static void
handle_answer(Prover *prover, const SpotifyExchange *exchange)
{
	const Batch *batch = exchange->request.tag;

	if (is_endpoint_refused(exchange))
	{
		prover->proof->is_refused = true;
		for (int i = 0; i < batch->count; i++)
			leave_to_list(prover, batch->items[i]);
	}
	else if (is_cut(prover, exchange))
	{
		prover->proof->is_cut = true;
		for (int i = 0; i < batch->count; i++)
			leave_unproven(prover, batch->items[i]);
	}
	else
		settle_by_answer(prover, batch, exchange);
}

static void
check_removal_guard(Prover *prover)
{
	const SpotifyProofTask *task = prover->task;
	int count = prover->proof->removed_count +
				(is_list_proof(prover) ? prover->unanswered_count : 0);

	if (!task->allow_mass_removal &&
		spotify_saved_plan_exceeds(task->plan, count,
								   spotify_setting_max_removal_percent))
		prover->proof->guarded_count = count;
}

/* Whether nothing but a list that is said to be empty shows removals. */
static bool
is_only_said(const Prover *prover)
{
	return prover->task->is_empty && prover->unanswered_count > 0 &&
		   prover->proof->removed_count == 0;
}

/* Settles what was left to the list. */
static void
settle_by_list(Prover *prover)
{
	bool is_proof = is_list_proof(prover);

	if (is_proof && is_only_said(prover) && !prover->task->allow_mass_removal)
	{
		prover->proof->guarded_count = prover->unanswered_count;
		return;
	}
	for (int i = 0; i < prover->unanswered_count; i++)
	{
		if (is_proof)
			take_removed(prover, prover->unanswered[i]);
		else
			leave_unproven(prover, prover->unanswered[i]);
	}
}

/* Whether nothing more that Spotify answers can change what becomes of it. */
static bool
is_settled(const Prover *prover)
{
	return prover->proof->wants_whole_list || prover->proof->guarded_count > 0;
}

/* Of an earlier attempt stays what Spotify answered, or that it does not. */
static void
begin(Prover *prover)
{
	SpotifyProof *proof = prover->proof;
	bool is_refused = proof->is_refused;
	bool is_contradicted = proof->is_contradicted;
	Size count = prover->task->plan->missing_count + 1;
	Size size = count * sizeof(SpotifySavedChange);

	memset(proof, 0, sizeof(*proof));
	proof->is_refused = is_refused;
	proof->is_contradicted = is_contradicted;
	proof->removed = MemoryContextAllocHuge(CurrentMemoryContext, size);
	proof->unlisted = MemoryContextAllocHuge(CurrentMemoryContext, size);
	size = count * sizeof(SpotifySavedChange *);
	prover->due = MemoryContextAllocHuge(CurrentMemoryContext, size);
	prover->unanswered = MemoryContextAllocHuge(CurrentMemoryContext, size);
}

void
spotify_proof_find(SpotifyProof *proof, const SpotifyProofTask *task)
{
	Prover prover = { .proof = proof, .task = task };

	begin(&prover);
	find_due(&prover);
	leave_unaskable(&prover);
	for (;;)
	{
		if (proof->is_refused || proof->is_cut || is_untrue(&prover))
			settle_rest(&prover);
		check_removal_guard(&prover);
		while (!is_settled(&prover) &&
			   prover.under_way < spotify_setting_max_concurrency &&
			   ask_about_next(&prover))
			continue;
		if (prover.under_way == 0)
			break;
		handle_answer(&prover, spotify_client_next(task->client));
		prover.under_way--;
	}
	if (!is_settled(&prover))
		settle_by_list(&prover);
}
