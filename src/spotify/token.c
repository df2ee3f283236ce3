/*
 * token.c
 *		The grants of Spotify's token endpoint.
 *
 * https://developer.spotify.com/documentation/web-api/tutorials/refreshing-tokens
 *
 * A grant is a side effect that no rollback undoes: Spotify may have replaced
 * the refresh token by the time the answer is read.  So a request whose
 * answer was lost is repeated once at most, and the caller stores what it got
 * before it does anything that can fail.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "http/secret.h"
#include "settings.h"
#include "spotify/cleanup.h"
#include "spotify/decode.h"
#include "spotify/endpoint.h"
#include "spotify/failure.h"
#include "spotify/token.h"

/*
 * What plain C gave to a request: malloc'd, secret, and given back with the
 * memory context.
 */
typedef struct RequestStrings
{
	const char *client_secret; /* these two are the caller's */
	const char *spent;		   /* the refresh token or code in the form */
	char *basic;			   /* palloc'd: what Basic authentication sends */
	char *url;
	char *form;
	char *spent_escaped;
	char *username;
	char *password;
	SpotifyToken token;
} RequestStrings;

static void
release_strings(void *arg)
{
	RequestStrings *strings = arg;

	free(strings->url);
	spotify_secret_free(strings->form);
	spotify_secret_free(strings->spent_escaped);
	spotify_secret_free(strings->username);
	spotify_secret_free(strings->password);
	spotify_token_release(&strings->token);
}

/* The strings hang on the current memory context from here on. */
static RequestStrings *
make_strings(void)
{
	RequestStrings *strings = palloc0(sizeof(RequestStrings));

	spotify_release_later(release_strings, strings);
	return strings;
}

/* What the form is about, as it is and as it stands there. */
static void
take_spent(RequestStrings *strings, const char *spent)
{
	strings->spent = spent;
	strings->spent_escaped = spotify_check_memory(spotify_url_escape(spent));
}

/* What Basic authentication makes of user and password. */
static char *
encode_base64(const char *string)
{
	Datum encoded = DirectFunctionCall2(
		binary_encode, PointerGetDatum(cstring_to_text(string)),
		CStringGetTextDatum("base64"));
	char *result = TextDatumGetCString(encoded);
	char *end = result;

	/* encode() breaks lines, HTTP does not. */
	for (const char *c = result; *c != '\0'; c++)
	{
		if (*c != '\n')
			*end++ = *c;
	}
	*end = '\0';
	return result;
}

/*
 * RFC 6749, section 2.3.1: id and secret are form-url-encoded before they go
 * into Basic authentication.
 */
static void
add_client(RequestStrings *strings, const SpotifyTokenClient *client)
{
	if (client->client_secret == NULL)
		return;
	strings->username =
		spotify_check_memory(spotify_url_escape(client->client_id));
	strings->password =
		spotify_check_memory(spotify_url_escape(client->client_secret));
	strings->client_secret = client->client_secret;
	strings->basic =
		encode_base64(psprintf("%s:%s", strings->username, strings->password));
}

static const SpotifyExchange *
exchange_form(const RequestStrings *strings, SpotifyTraffic *traffic)
{
	SpotifyExchangePool *pool = spotify_exchange_open(1, traffic);
	SpotifyExchangeRequest request = {
		.url = strings->url,
		.form = strings->form,
		.username = strings->username,
		.password = strings->password,
		.secrets = { strings->client_secret, strings->basic, strings->spent,
					 strings->spent_escaped },
		.is_idempotent = false
	};

	spotify_exchange_submit(pool, &request);
	return spotify_exchange_next(pool);
}

static char *
copy_or_null(const char *text)
{
	return text != NULL ? pstrdup(text) : NULL;
}

/* Copies the grant out to the caller's memory context. */
static void
fill_grant(SpotifyGrant *grant, const SpotifyToken *token,
		   TimestampTz requested_at, MemoryContext context)
{
	MemoryContext old = MemoryContextSwitchTo(context);

	grant->access_token = copy_or_null(token->access_token);
	grant->access_token_expires_at =
		requested_at + token->expires_in * USECS_PER_SEC;
	grant->refresh_token = copy_or_null(token->refresh_token);
	grant->scope = copy_or_null(token->scope);
	MemoryContextSwitchTo(old);
}

/* Sends the form and reads the answer; see spotify_token_refresh. */
static bool
ask(RequestStrings *strings, SpotifyTraffic *traffic, MemoryContext context,
	SpotifyGrant *grant, SpotifyErrorBody *refusal)
{
	TimestampTz requested_at = GetCurrentTimestamp();
	const SpotifyExchange *exchange = exchange_form(strings, traffic);
	SpotifyDecodeResult result;

	if (exchange->answer.outcome != SPOTIFY_HTTP_ANSWERED ||
		exchange->answer.status != 200)
	{
		if (strcmp(exchange->error_body.code, "invalid_grant") != 0)
			spotify_failure_report(exchange);
		*refusal = exchange->error_body;
		return false;
	}

	result = spotify_decode_token(exchange->answer.body,
								  exchange->answer.body_length, &strings->token,
								  &grant->problem);
	if (exchange->answer.body != NULL)
		explicit_bzero(exchange->answer.body, exchange->answer.body_length);
	if (result != SPOTIFY_DECODE_OK && strings->token.refresh_token == NULL)
		spotify_failure_report_body(result, &grant->problem);
	fill_grant(grant, &strings->token, requested_at, context);
	return true;
}

/* The client id goes into the form of a client that has no secret. */
static const char *
form_client_id(const SpotifyTokenClient *client)
{
	return client->client_secret == NULL ? client->client_id : NULL;
}

/* Sends a malloc'd form, which is taken over, and cleans up. */
static bool
request_grant(const SpotifyTokenClient *client, char *form,
			  SpotifyTraffic *traffic, SpotifyGrant *grant,
			  SpotifyErrorBody *refusal, RequestStrings *strings,
			  MemoryContext caller_context)
{
	strings->form = spotify_check_memory(form);
	strings->url = spotify_check_memory(
		spotify_endpoint_token(spotify_setting_accounts_url));
	add_client(strings, client);
	return ask(strings, traffic, caller_context, grant, refusal);
}

/* A context for one request, made current; its parent is the caller's. */
static MemoryContext
enter_request_context(void)
{
	return MemoryContextSwitchTo(AllocSetContextCreate(
		CurrentMemoryContext, "spotify token request", ALLOCSET_SMALL_SIZES));
}

static void
leave_request_context(MemoryContext caller_context)
{
	MemoryContext context = MemoryContextSwitchTo(caller_context);

	MemoryContextDelete(context);
}

bool
spotify_token_refresh(const SpotifyTokenClient *client,
					  const char *refresh_token, SpotifyTraffic *traffic,
					  SpotifyGrant *grant, SpotifyErrorBody *refusal)
{
	MemoryContext caller_context = enter_request_context();
	RequestStrings *strings = make_strings();
	bool is_granted;

	take_spent(strings, refresh_token);
	is_granted = request_grant(
		client, spotify_form_refresh(refresh_token, form_client_id(client)),
		traffic, grant, refusal, strings, caller_context);
	leave_request_context(caller_context);
	return is_granted;
}

bool
spotify_token_exchange_code(const SpotifyTokenClient *client, const char *code,
							const char *redirect_uri, const char *code_verifier,
							SpotifyTraffic *traffic, SpotifyGrant *grant,
							SpotifyErrorBody *refusal)
{
	MemoryContext caller_context = enter_request_context();
	RequestStrings *strings = make_strings();
	bool is_granted;

	take_spent(strings, code);
	is_granted =
		request_grant(client,
					  spotify_form_code(code, redirect_uri, code_verifier,
										form_client_id(client)),
					  traffic, grant, refusal, strings, caller_context);
	leave_request_context(caller_context);
	return is_granted;
}
