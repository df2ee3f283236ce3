/*
 * failure.c
 *		Failed exchanges as errors: SQLSTATE, detail and hint.
 *
 * No secret can get into a message here: the texts come from libcurl (which
 * names hosts, not headers) and from the message fields of Spotify's error
 * bodies, which spotify_decode_error cleans and shortens.  Never match on
 * Spotify's wording: it has changed many times.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "spotify/cleanup.h"
#include "spotify/failure.h"

/* How often it was tried, as a sentence; empty if it was once. */
static char *
describe_attempts(const SpotifyExchange *exchange)
{
	if (exchange->attempts <= 1)
		return "";
	return psprintf(" It was tried %d times; the first time: %s.",
					exchange->attempts, exchange->first_problem);
}

/* What somebody, mostly Spotify, answered. */
static int
detail_of_answer(const char *somebody, const SpotifyExchange *exchange)
{
	const SpotifyErrorBody *body = &exchange->error_body;
	const char *text = body->message[0] != '\0' ? body->message : body->code;

	if (text[0] == '\0')
		return errdetail("%s answered with status %d.%s", somebody,
						 exchange->answer.status, describe_attempts(exchange));
	return errdetail("%s answered with status %d: \"%s\".%s", somebody,
					 exchange->answer.status, text,
					 describe_attempts(exchange));
}

static int
detail_of_status(const SpotifyExchange *exchange)
{
	return detail_of_answer("Spotify", exchange);
}

/* The transport's words, which are no sentence yet. */
static int
detail_of_outcome(const SpotifyExchange *exchange)
{
	const char *text = exchange->answer.message;

	return errdetail("%c%s.%s", pg_toupper((unsigned char) text[0]), text + 1,
					 describe_attempts(exchange));
}

static void
report_unreachable(const SpotifyExchange *exchange)
{
	ereport(
		ERROR,
		(errcode(ERRCODE_CONNECTION_FAILURE), errmsg("could not reach Spotify"),
		 detail_of_outcome(exchange),
		 errhint(
			 "Nothing was changed. Try again later; if it stays so, check the network of the database server and the setting \"spotify_etl.proxy\".")));
}

/* Spotify saw nothing of the request. */
static void
report_proxy(const SpotifyExchange *exchange)
{
	bool is_answer = exchange->answer.outcome == SPOTIFY_HTTP_ANSWERED;

	ereport(
		ERROR,
		(errcode(ERRCODE_CONNECTION_FAILURE),
		 errmsg("could not reach Spotify: the proxy refuses the connection"),
		 is_answer ? detail_of_answer("The proxy", exchange)
				   : detail_of_outcome(exchange),
		 errhint(
			 "Check the setting \"spotify_etl.proxy\" with its user and password, and whether the proxy allows connections to api.spotify.com and accounts.spotify.com.")));
}

/* A login page of the network, or the page of a filter that stops us. */
static void
report_portal(const SpotifyExchange *exchange)
{
	ereport(
		ERROR,
		(errcode(ERRCODE_CONNECTION_FAILURE),
		 errmsg(
			 "could not reach Spotify: a portal or proxy of the network answers in its place"),
		 detail_of_answer("It", exchange),
		 errhint(
			 "Have the network let the database server through to api.spotify.com and accounts.spotify.com: by a login at its portal, a rule of its filter, or the setting \"spotify_etl.proxy\".")));
}

#define HINT_AUTHORITIES                                                       \
	"Install the package ca-certificates on the database server, or name a file of authorities in \"spotify_etl.ca_file\"."

static void
report_untrusted(const SpotifyExchange *exchange)
{
	ereport(ERROR,
			(errcode(ERRCODE_CONNECTION_FAILURE),
			 errmsg("could not reach Spotify: its certificate is not trusted"),
			 detail_of_outcome(exchange), errhint(HINT_AUTHORITIES)));
}

static void
report_no_authorities(const SpotifyExchange *exchange)
{
	ereport(
		ERROR,
		(errcode(ERRCODE_CONNECTION_FAILURE),
		 errmsg(
			 "could not reach Spotify: no certificate authorities could be read"),
		 detail_of_outcome(exchange), errhint(HINT_AUTHORITIES)));
}

static void
report_unusable(const SpotifyExchange *exchange)
{
	ereport(
		ERROR,
		(errcode(ERRCODE_CONNECTION_FAILURE),
		 errmsg("could not reach Spotify with the present settings"),
		 detail_of_outcome(exchange),
		 errhint(
			 "Check the settings \"spotify_etl.ca_file\", \"spotify_etl.proxy\", \"spotify_etl.api_url\" and \"spotify_etl.accounts_url\".")));
}

static void
report_too_large(const SpotifyExchange *exchange)
{
	ereport(
		ERROR,
		(errcode(ERRCODE_PROTOCOL_VIOLATION),
		 errmsg("the answer of Spotify is too large"),
		 detail_of_outcome(exchange),
		 errhint(
			 "The largest body that is accepted is the setting \"spotify_etl.max_response_size\".")));
}

#define HINT_CHANGED                                                           \
	"Something between the database server and Spotify may have sent or changed it, such as a proxy or a portal."

static void
report_header_too_large(const SpotifyExchange *exchange)
{
	ereport(ERROR, (errcode(ERRCODE_PROTOCOL_VIOLATION),
					errmsg("the header of Spotify's answer is too large"),
					detail_of_outcome(exchange), errhint(HINT_CHANGED)));
}

static void
report_malformed(const SpotifyExchange *exchange)
{
	ereport(ERROR, (errcode(ERRCODE_PROTOCOL_VIOLATION),
					errmsg("the answer of Spotify does not keep to HTTP"),
					detail_of_outcome(exchange), errhint(HINT_CHANGED)));
}

static void
report_undecoded(const SpotifyExchange *exchange)
{
	ereport(ERROR,
			(errcode(ERRCODE_PROTOCOL_VIOLATION),
			 errmsg("the compression of Spotify's answer could not be undone"),
			 detail_of_outcome(exchange), errhint(HINT_CHANGED)));
}

void
spotify_failure_report_limit(TimestampTz retry_after, bool is_quota)
{
	ereport(
		ERROR,
		(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
		 is_quota ? errmsg("Spotify's daily quota of requests is used up")
				  : errmsg("Spotify's rate limit is exceeded"),
		 errdetail("The next request is allowed at %s.",
				   timestamptz_to_str(retry_after)),
		 errhint(
			 "Wait until then: requests before that time make Spotify wait longer. If Spotify has lifted the limit, set retry_after in spotify.accounts to NULL.")));
	pg_unreachable();
}

/* Nothing can help a 403 from here: the user, the owner or the app must. */
static void
report_forbidden(const SpotifyExchange *exchange)
{
	ereport(
		ERROR,
		(errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
		 errmsg("Spotify does not allow the request"),
		 detail_of_status(exchange),
		 errhint(
			 "A scope may be missing: authorize again with spotify_authorize_url() and spotify_authorize(). Or the user is not registered for the app at https://developer.spotify.com/dashboard, or the app's owner has no Premium.")));
}

static void
report_unauthorized(const SpotifyExchange *exchange)
{
	ereport(
		ERROR,
		(errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
		 errmsg(
			 "Spotify does not accept the access token, nor the one that replaced it"),
		 detail_of_status(exchange),
		 errhint(
			 "Try again later. If it stays so, authorize again with spotify_authorize_url() and spotify_authorize().")));
}

/* Only the token endpoint answers so: id or secret are wrong. */
static void
report_invalid_client(const SpotifyExchange *exchange)
{
	ereport(
		ERROR,
		(errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
		 errmsg("Spotify does not accept the client id and client secret"),
		 detail_of_status(exchange),
		 errhint(
			 "Compare them with those of the app at https://developer.spotify.com/dashboard, and set them with spotify_set_account(). If the authorization ended as well, continue with spotify_authorize_url().")));
}

static void
report_server_error(const SpotifyExchange *exchange)
{
	ereport(
		ERROR,
		(errcode(ERRCODE_CONNECTION_FAILURE),
		 errmsg("Spotify could not answer the request"),
		 detail_of_status(exchange),
		 errhint(
			 "Nothing was changed. This is mostly over within minutes: try again later.")));
}

static void
report_unexpected_status(const SpotifyExchange *exchange)
{
	ereport(
		ERROR,
		(errcode(ERRCODE_PROTOCOL_VIOLATION),
		 errmsg("unexpected answer of Spotify"), detail_of_status(exchange),
		 errhint(
			 "Check the settings \"spotify_etl.api_url\" and \"spotify_etl.accounts_url\".")));
}

static void
report_limited(const SpotifyExchange *exchange)
{
	TimestampTz retry_after =
		GetCurrentTimestamp() +
		exchange->decision.limited_seconds * USECS_PER_SEC;

	spotify_failure_report_limit(
		retry_after, strcmp(exchange->error_body.code, "QUOTA_EXCEEDED") == 0);
}

/* The API answers JSON or plain text: a page is somebody else's. */
static bool
is_page(const SpotifyExchange *exchange)
{
	return exchange->error_body.message[0] == '<';
}

static void
report_status(const SpotifyExchange *exchange)
{
	int status = exchange->answer.status;

	if (exchange->decision.verdict == SPOTIFY_RETRY_LIMITED)
		report_limited(exchange);
	if (strcmp(exchange->error_body.code, "invalid_client") == 0)
		report_invalid_client(exchange);
	if (status == 401)
		report_unauthorized(exchange);
	if (status == 407)
		report_proxy(exchange);
	if (status == 511 || (status == 403 && is_page(exchange)))
		report_portal(exchange);
	if (status == 403)
		report_forbidden(exchange);
	if (status >= 500 && status <= 599)
		report_server_error(exchange);
	report_unexpected_status(exchange);
}

void
spotify_failure_report(const SpotifyExchange *exchange)
{
	switch (exchange->answer.outcome)
	{
		case SPOTIFY_HTTP_ANSWERED:
			report_status(exchange);
			break;
		case SPOTIFY_HTTP_UNREACHABLE:
		case SPOTIFY_HTTP_TIMED_OUT:
		case SPOTIFY_HTTP_CUT:
			report_unreachable(exchange);
			break;
		case SPOTIFY_HTTP_REFUSED:
			report_proxy(exchange);
			break;
		case SPOTIFY_HTTP_UNTRUSTED:
			report_untrusted(exchange);
			break;
		case SPOTIFY_HTTP_NO_AUTHORITIES:
			report_no_authorities(exchange);
			break;
		case SPOTIFY_HTTP_MALFORMED:
			report_malformed(exchange);
			break;
		case SPOTIFY_HTTP_UNDECODED:
			report_undecoded(exchange);
			break;
		case SPOTIFY_HTTP_TOO_LARGE:
			report_too_large(exchange);
			break;
		case SPOTIFY_HTTP_HEADER_TOO_LARGE:
			report_header_too_large(exchange);
			break;
		case SPOTIFY_HTTP_UNUSABLE:
			report_unusable(exchange);
			break;
		case SPOTIFY_HTTP_OUT_OF_MEMORY:
			spotify_report_out_of_memory();
			break;
	}
	pg_unreachable();
}

void
spotify_failure_report_body(SpotifyDecodeResult result,
							const SpotifyDecodeProblem *problem)
{
	if (result == SPOTIFY_DECODE_OUT_OF_MEMORY)
		spotify_report_out_of_memory();
	ereport(
		ERROR,
		(errcode(ERRCODE_PROTOCOL_VIOLATION),
		 errmsg("the answer of Spotify is not what its API promises"),
		 errdetail("Refused: %s.", problem->text),
		 result == SPOTIFY_DECODE_NOT_JSON
			 ? errhint("Nothing was changed. Try again later. " HINT_CHANGED)
			 : errhint("Nothing was changed. Try again later.")));
	pg_unreachable();
}
