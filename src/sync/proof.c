/*
 * proof.c
 *		Asking Spotify whether items that a list no longer shows are gone.
 *
 * GET /me/library/contains answers for 40 catalogue tracks at a time.  Where
 * it is refused (403, 404), or for a local file, which it does not know, a
 * complete scan is proof enough, unless entries without identity were in it:
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
	const SpotifySavedPlan *plan;
	SpotifyClient *client;
	bool allow_mass_removal;
	bool is_scan_proof; /* the scan alone is proof enough */
	int under_way;
} Prover;

static void
take_removed(Prover *prover, const SpotifySavedChange *item)
{
	prover->proof->removed[prover->proof->removed_count++] = *item;
}

/* What cannot be asked about is proven by the scan, or not at all. */
static void
settle_by_scan(Prover *prover, const SpotifySavedChange *item)
{
	if (prover->is_scan_proof)
		take_removed(prover, item);
	else
		prover->proof->unproven_count++;
}

/* Ids of the catalogue have 22 characters of base 62; all else is a 400. */
static bool
is_catalogue_track(const SpotifySavedChange *item)
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
	spotify_client_get(
		prover->client,
		spotify_endpoint_contains(spotify_setting_api_url, ids, batch->count),
		batch);
	prover->under_way++;
}

static void
ask_for_all(Prover *prover)
{
	const SpotifySavedPlan *plan = prover->plan;
	Batch *batch = palloc0(sizeof(Batch));

	for (int i = 0; i < plan->missing_count; i++)
	{
		const SpotifySavedChange *item = &plan->missing[i];

		if (!is_catalogue_track(item))
		{
			settle_by_scan(prover, item);
			continue;
		}
		batch->items[batch->count++] = item;
		if (batch->count == SPOTIFY_CONTAINS_SIZE)
		{
			ask(prover, batch);
			batch = palloc0(sizeof(Batch));
		}
	}
	if (batch->count > 0)
		ask(prover, batch);
}

static bool
is_endpoint_refused(const SpotifyExchange *exchange)
{
	return exchange->answer.outcome == SPOTIFY_HTTP_ANSWERED &&
		   (exchange->answer.status == 403 || exchange->answer.status == 404);
}

static void
handle_answer(Prover *prover, const SpotifyExchange *exchange)
{
	const Batch *batch = exchange->request.tag;
	bool contains[SPOTIFY_CONTAINS_SIZE];
	SpotifyDecodeProblem problem;
	SpotifyDecodeResult result;

	if (is_endpoint_refused(exchange))
	{
		for (int i = 0; i < batch->count; i++)
			settle_by_scan(prover, batch->items[i]);
		return;
	}
	if (exchange->decision.verdict == SPOTIFY_RETRY_LIMITED)
	{
		prover->proof->unproven_count += batch->count;
		prover->proof->is_cut = true;
		return;
	}
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
			prover->proof->contradicted_count++;
		else
			take_removed(prover, batch->items[i]);
	}
}

static void
check_removal_guard(const Prover *prover)
{
	int removed = prover->proof->removed_count;
	const SpotifySavedPlan *plan = prover->plan;

	if (prover->allow_mass_removal ||
		!spotify_saved_plan_exceeds(plan, removed,
									spotify_setting_max_removal_percent))
		return;
	ereport(
		ERROR,
		(errcode(ERRCODE_DATA_EXCEPTION),
		 errmsg(
			 "the run would deactivate more than %d percent of the active rows",
			 spotify_setting_max_removal_percent),
		 errdetail(
			 "Of %d active rows, %d are missing at Spotify; %d of them are proven to be gone so far.",
			 plan->active_count, plan->missing_count, removed),
		 errhint(
			 "Nothing was changed. If it is right, call the function with allow_mass_removal => true, or raise \"spotify_etl.max_removal_percent\".")));
}

void
spotify_proof_find(SpotifyProof *proof, const SpotifySavedPlan *plan,
				   bool is_scan_proof, SpotifyClient *client,
				   bool allow_mass_removal)
{
	Prover prover = { .proof = proof,
					  .plan = plan,
					  .client = client,
					  .allow_mass_removal = allow_mass_removal,
					  .is_scan_proof = is_scan_proof };

	memset(proof, 0, sizeof(*proof));
	proof->removed =
		palloc((plan->missing_count + 1) * sizeof(SpotifySavedChange));
	ask_for_all(&prover);
	check_removal_guard(&prover);
	while (prover.under_way > 0)
	{
		handle_answer(&prover, spotify_client_next(client));
		prover.under_way--;
		check_removal_guard(&prover);
	}
}
