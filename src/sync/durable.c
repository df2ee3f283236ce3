/*
 * durable.c
 *		Work in a transaction of its own: the caller's side.
 *
 * Callers of one account queue up before they take a worker slot.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "spotify/cleanup.h"
#include "sync/durable.h"
#include "sync/durable_call.h"
#include "sync/lock.h"

/* The worker asks Spotify, which takes what it takes: a cancel ends the wait. */
static const SpotifyPatience PATIENT = { 2000, 2000, 0 };

/* Has a worker do the task; raises its error if there was one. */
static void
run_worker(SpotifyDurableCall *call)
{
	if (!spotify_durable_call_start(call, &PATIENT))
		spotify_durable_call_report_no_slot(&PATIENT);
	(void) spotify_durable_call_await(call, &PATIENT);
	spotify_durable_call_check(call);
}

/* What the worker sent counts, whether it succeeded or not. */
static void
add_traffic(SpotifyTraffic *sum, const SpotifyTraffic *traffic)
{
	sum->requests += traffic->requests;
	sum->retries += traffic->retries;
	sum->bytes_received += traffic->bytes_received;
	sum->limited_until = Max(sum->limited_until, traffic->limited_until);
}

SpotifyAccessToken
spotify_durable_token(const char *account, SpotifyTokenNeed need,
					  const char *refused, SpotifyTraffic *traffic)
{
	SpotifyAccessToken result;
	SpotifyDurableCall *call =
		spotify_durable_call_open(SPOTIFY_DURABLE_TOKEN, account, GetUserId());
	SpotifyDurableMessage *message = call->message;

	message->need = need;
	message->called_at = GetCurrentTimestamp();
	if (refused != NULL)
		strlcpy(message->refused, refused, sizeof(message->refused));

	InvalidateCatalogSnapshotConditionally();
	spotify_lock_wait(account, SPOTIFY_LOCK_TOKEN_QUEUE);
	PG_TRY();
	{
		run_worker(call);
	}
	PG_FINALLY();
	{
		add_traffic(traffic, &message->traffic);
	}
	PG_END_TRY();
	spotify_lock_release(account, SPOTIFY_LOCK_TOKEN_QUEUE);

	result.token = pstrdup(message->token);
	spotify_wipe_later(result.token);
	result.expires_at = message->expires_at;
	spotify_durable_call_close(call);
	return result;
}

/* NULL if empty. */
static char *
copy_result(const char *text)
{
	return text[0] != '\0' ? pstrdup(text) : NULL;
}

/* An error of the worker's that is not raised; NULL if there was none. */
static ErrorData *
copy_error(const SpotifyDurableError *error)
{
	ErrorData *copy;

	if (error->sqlstate == 0)
		return NULL;
	copy = palloc0(sizeof(ErrorData));
	copy->sqlerrcode = error->sqlstate;
	copy->message = pstrdup(error->message);
	copy->detail = copy_result(error->detail);
	copy->hint = copy_result(error->hint);
	return copy;
}

SpotifyAuthorized
spotify_durable_authorize(const char *account, const char *code,
						  const char *code_verifier)
{
	SpotifyAuthorized result;
	SpotifyDurableCall *call = spotify_durable_call_open(
		SPOTIFY_DURABLE_AUTHORIZE, account, GetUserId());
	SpotifyDurableMessage *message = call->message;

	strlcpy(message->code, code, sizeof(message->code));
	strlcpy(message->code_verifier, code_verifier,
			sizeof(message->code_verifier));
	spotify_lock_wait(account, SPOTIFY_LOCK_TOKEN_QUEUE);
	run_worker(call);
	spotify_lock_release(account, SPOTIFY_LOCK_TOKEN_QUEUE);

	result.user_id = copy_result(message->spotify_user_id);
	result.problem = copy_error(&message->user_problem);
	result.scope = copy_result(message->scope);
	spotify_durable_call_close(call);
	return result;
}

void
spotify_durable_limit(const char *account, TimestampTz retry_after)
{
	SpotifyDurableCall *call =
		spotify_durable_call_open(SPOTIFY_DURABLE_RECORD, account, GetUserId());

	call->message->retry_after = retry_after;
	run_worker(call);
	spotify_durable_call_close(call);
}
