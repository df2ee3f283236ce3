/*
 * proof.c
 *		Asking Spotify whether items that a list no longer shows are gone.
 *
 * GET /me/library/contains answers for 40 items of the catalogue at a time.
 * Where it is refused (403, 404), or for a local file, which it does not know,
 * the whole list is proof enough, unless entries without identity were in it:
 * any missing item could be behind one of them.
 */
#include "postgres.h"

#include "settings.h"
#include "spotify/endpoint.h"
#include "spotify/failure.h"
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
	int next; /* of the missing items, to be asked about */
	int under_way;
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

/* What cannot be asked about is proven by the list, or not at all. */
static void
settle_by_list(Prover *prover, const SpotifySavedChange *item)
{
	switch (prover->task->basis)
	{
		case SPOTIFY_PROOF_BY_LIST:
			take_removed(prover, item);
			break;
		case SPOTIFY_PROOF_NONE:
			leave_unproven(prover, item);
			break;
		case SPOTIFY_PROOF_BY_DELTA:
			prover->proof->wants_whole_list = true;
			break;
	}
}

/*
 * As many as there are entries without identity may well stand behind those;
 * more than that show that a delta went wrong.
 */
static void
contradict(Prover *prover, const SpotifySavedChange *item)
{
	SpotifyProof *proof = prover->proof;

	proof->contradicted_count++;
	if (prover->task->basis == SPOTIFY_PROOF_BY_DELTA &&
		proof->contradicted_count > prover->task->unidentified)
		proof->wants_whole_list = true;
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

/* Settles what cannot be asked about. */
static void
settle_unaskable(Prover *prover)
{
	const SpotifySavedPlan *plan = prover->task->plan;

	for (int i = 0; i < plan->missing_count; i++)
	{
		if (!is_of_catalogue(&plan->missing[i]))
			settle_by_list(prover, &plan->missing[i]);
	}
}

/* Settles those that it is of no use to ask about any more. */
static void
settle_rest(Prover *prover)
{
	const SpotifySavedPlan *plan = prover->task->plan;

	while (prover->next < plan->missing_count)
	{
		const SpotifySavedChange *item = &plan->missing[prover->next++];

		if (!is_of_catalogue(item))
			continue;
		if (prover->proof->is_cut)
			leave_unproven(prover, item);
		else
			settle_by_list(prover, item);
	}
}

/* Asks about the next items together; false if there are none left. */
static bool
ask_about_next(Prover *prover)
{
	const SpotifySavedPlan *plan = prover->task->plan;
	Batch *batch = palloc0(sizeof(Batch));

	while (prover->next < plan->missing_count &&
		   batch->count < SPOTIFY_CONTAINS_SIZE)
	{
		const SpotifySavedChange *item = &plan->missing[prover->next++];

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
		   prover->task->basis != SPOTIFY_PROOF_BY_DELTA;
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
			settle_by_list(prover, batch->items[i]);
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
	if (!prover->task->allow_mass_removal &&
		spotify_saved_plan_exceeds(prover->task->plan,
								   prover->proof->removed_count,
								   spotify_setting_max_removal_percent))
		prover->proof->exceeds_guard = true;
}

/* Whether nothing more that Spotify answers can change what becomes of it. */
static bool
is_settled(const Prover *prover)
{
	return prover->proof->wants_whole_list || prover->proof->exceeds_guard;
}

/* Of an earlier attempt only stays that Spotify does not answer. */
static void
begin(SpotifyProof *proof, const SpotifySavedPlan *plan)
{
	bool is_refused = proof->is_refused;
	Size size = (plan->missing_count + 1) * sizeof(SpotifySavedChange);

	memset(proof, 0, sizeof(*proof));
	proof->is_refused = is_refused;
	proof->removed = MemoryContextAllocHuge(CurrentMemoryContext, size);
	proof->unlisted = MemoryContextAllocHuge(CurrentMemoryContext, size);
}

void
spotify_proof_find(SpotifyProof *proof, const SpotifyProofTask *task)
{
	Prover prover = { .proof = proof, .task = task };

	begin(proof, task->plan);
	settle_unaskable(&prover);
	for (;;)
	{
		if (proof->is_refused || proof->is_cut)
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
}
