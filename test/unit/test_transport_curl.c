/*
 * test_transport_curl.c
 *		The transport: what is sent, and what is made of an answer.
 */
#include "http/http.h"

#include <curl/curlver.h>
#include <stdio.h>
#include <string.h>

#include "http_client.h"
#include "http_server.h"
#include "tap.h"

static void
test_get(void)
{
	SpotifyHttpAnswer answer = http_get_once(http_server_url("/echo"));
	int64_t expected_bytes =
		(int64_t) (strlen("HTTP/1.1 200 OK\r\nContent-Length: 123\r\n\r\n") +
				   answer.body_length);

	tap_is_int(answer.outcome, SPOTIFY_HTTP_ANSWERED, "a GET is answered");
	tap_is_int(answer.status, 200, "with its status");
	tap_ok(answer.was_sent, "it was sent");
	tap_is_str(answer.message, "", "there is no message");
	tap_is_int(answer.retry_after, 0, "and nothing to wait for");
	tap_ok(http_body_contains(&answer, "GET /echo HTTP/1.1\r\n"),
		   "the body arrives");
	tap_ok(answer.body != NULL && strlen(answer.body) == answer.body_length,
		   "followed by a NUL");
	tap_is_int(answer.bytes_received, expected_bytes,
			   "the bytes received are header and body");
	tap_ok(http_body_contains(&answer, "User-Agent: " HTTP_USER_AGENT "\r\n"),
		   "the user agent is sent");
	tap_ok(http_body_contains(&answer, "Accept-Encoding: gzip\r\n"),
		   "only gzip is asked for");
	tap_ok(!http_body_contains(&answer, "Authorization"),
		   "without authorisation");
	spotify_http_answer_release(&answer);
	tap_ok(answer.body == NULL, "a released answer has no body");
	spotify_http_answer_release(&answer);

	answer =
		http_get_once(http_url("http://localhost", http_server_port, "/echo"));
	tap_is_int(answer.status, 200, "localhost is found by name");
	spotify_http_answer_release(&answer);
	answer = http_get_once(http_server_url("/empty"));
	tap_is_int(answer.status, 204, "an answer may have no body");
	tap_ok(answer.body == NULL && answer.body_length == 0, "then it is NULL");
	answer = http_get_once(http_server_url("/status/503"));
	tap_is_int(answer.outcome, SPOTIFY_HTTP_ANSWERED, "a 503 is an answer");
	tap_is_int(answer.status, 503, "with its status");
	tap_is_str(answer.body, "{\"error\":{}}", "and its body");
	spotify_http_answer_release(&answer);
	answer = http_get_once(http_server_url("/continue"));
	tap_is_str(answer.body, "at last", "interim answers are passed over");
	tap_is_int(answer.status, 200, "and their status too");
	spotify_http_answer_release(&answer);
	answer = http_get_once(http_server_url("/chunked"));
	tap_is_str(answer.body, "one-two", "chunks are put together");
	spotify_http_answer_release(&answer);
}

static void
test_authorization(void)
{
	SpotifyHttp *http = http_open_plainly();
	SpotifyHttpRequest request = http_request_for(http_server_url("/echo"));
	SpotifyHttpAnswer answer;
	char large_form[8 * 1024];

	request.bearer = "the-access-token";
	answer = http_run(http, &request);
	tap_ok(http_body_contains(&answer,
							  "\r\nAuthorization: Bearer the-access-token\r\n"),
		   "a bearer token is sent");
	spotify_http_answer_release(&answer);

	request.bearer = "token\r\nX-Injected: yes";
	answer = http_run(http, &request);
	http_check_failure(&answer, SPOTIFY_HTTP_UNUSABLE, false,
					   "a bearer token with a line end is not");

	request.bearer = NULL;
	request.username = "id";
	request.password = "se%3Acret";
	request.form = "grant_type=refresh_token&refresh_token=r%20t";
	answer = http_run(http, &request);
	tap_ok(http_body_contains(&answer, "POST /echo HTTP/1.1\r\n"),
		   "a form is posted");
	tap_ok(http_body_contains(&answer,
							  "\r\nAuthorization: Basic aWQ6c2UlM0FjcmV0\r\n"),
		   "with Basic authorisation");
	tap_ok(http_body_contains(&answer, "\r\nContent-Type: "
									   "application/x-www-form-urlencoded\r\n"),
		   "as a form");
	tap_ok(http_body_contains(
			   &answer, "\r\n\r\ngrant_type=refresh_token&refresh_token=r%20t"),
		   "unchanged");
	spotify_http_answer_release(&answer);

	memset(large_form, 'f', sizeof(large_form) - 1);
	large_form[sizeof(large_form) - 1] = '\0';
	request.form = large_form;
	answer = http_run(http, &request);
	tap_ok(http_body_contains(&answer, large_form),
		   "a large form is posted whole");
	tap_ok(!http_body_contains(&answer, "Expect:"), "without asking first");
	spotify_http_answer_release(&answer);

	request = http_request_for(http_server_url("/echo"));
	request.form = "";
	answer = http_run(http, &request);
	tap_ok(http_body_contains(&answer, "POST /echo HTTP/1.1\r\n"),
		   "an empty form is still a POST");
	tap_ok(!http_body_contains(&answer, "Authorization"),
		   "no authorisation is left from earlier exchanges");
	spotify_http_answer_release(&answer);
	spotify_http_close(http);
}

/* The number of the connection that the server sees. */
static int
connection_used(SpotifyHttp *http, const char *form)
{
	SpotifyHttpRequest request =
		http_request_for(http_server_url("/connection"));
	SpotifyHttpAnswer answer;
	int number = -1;

	request.form = form;
	answer = http_run(http, &request);
	if (answer.body == NULL ||
		sscanf(answer.body, "connection %d", &number) != 1)
		tap_note("message \"%s\"", answer.message);
	spotify_http_answer_release(&answer);
	return number;
}

static void
test_connections(void)
{
	SpotifyHttp *http = http_open_plainly();
	SpotifyHttpAnswer answer;
	int first = connection_used(http, NULL);

	tap_is_int(connection_used(http, NULL), first,
			   "the second exchange uses the first one's connection");
	tap_ok(connection_used(http, "form=1") != first,
		   "a form is posted over a connection of its own");
	spotify_http_close(http);

	http = http_open_plainly();
	answer = http_get(http, http_server_url("/close-after"));
	spotify_http_answer_release(&answer);
	tap_ok(connection_used(http, NULL) > 0,
		   "a connection closed meanwhile is replaced");
	spotify_http_close(http);
}

static void
test_several_at_once(void)
{
	SpotifyHttp *http = http_open_plainly();
	SpotifyHttpRequest request = http_request_for(http_server_url("/together"));
	int answered[HTTP_TOGETHER] = { 0 };
	bool all_answered = true;

	for (int i = 0; i < HTTP_TOGETHER; i++)
		http_start_or_exit(http, &request, &answered[i]);
	for (int i = 0; i < HTTP_TOGETHER; i++)
	{
		void *tag;
		SpotifyHttpAnswer answer = http_next_answer(http, &tag);

		if (answer.body != NULL && strcmp(answer.body, "together") == 0)
			++*(int *) tag;
		spotify_http_answer_release(&answer);
	}
	for (int i = 0; i < HTTP_TOGETHER; i++)
		all_answered = all_answered && answered[i] == 1;
	tap_ok(all_answered, "exchanges run at once and bring their tags back");
	tap_ok(!http_wait_and_advance(http), "then there is nothing to watch");
	spotify_http_close(http);
}

/* Readiness is a hint: all is said to be ready all the time. */
static void
test_false_readiness(void)
{
	SpotifyHttp *http = http_open_plainly();
	SpotifyHttpRequest request = http_request_for(http_server_url("/gzip"));
	SpotifyHttpAnswer answer;
	void *tag;

	http_start_or_exit(http, &request, NULL);
	http_start_or_exit(http, &request, NULL);
	for (int taken = 0; taken < 2;)
	{
		int count;
		long timeout_ms;
		SpotifyHttpSocket *sockets =
			spotify_http_watch(http, &count, &timeout_ms);

		for (int i = 0; i < count; i++)
			sockets[i].ready_read = sockets[i].ready_write = true;
		spotify_http_advance(http, sockets, count);
		while (spotify_http_take(http, &tag, &answer))
		{
			tap_is_int((long long) answer.body_length, 1000,
					   "an exchange survives sockets called ready");
			spotify_http_answer_release(&answer);
			taken++;
		}
	}
	spotify_http_close(http);
}

static void
test_gzip(void)
{
	SpotifyHttpAnswer answer = http_get_once(http_server_url("/gzip"));

	tap_is_int((long long) answer.body_length, 1000, "gzip is decoded");
	tap_ok(answer.body != NULL && strspn(answer.body, "a") == 1000,
		   "to what it was");
	tap_ok(answer.bytes_received < 200, "but counted as it was sent");
	spotify_http_answer_release(&answer);

	answer = http_get_once(http_server_url("/encoding/Identity"));
	tap_is_str(answer.body, "body", "an encoding that changes nothing is fine");
	spotify_http_answer_release(&answer);
	http_check_get_fails("/bad-gzip", SPOTIFY_HTTP_MALFORMED, "broken gzip");
	http_check_get_fails("/encoding/br", SPOTIFY_HTTP_MALFORMED,
						 "brotli, which was not asked for");
	http_check_get_fails("/encoding/gzip,gzip", SPOTIFY_HTTP_MALFORMED,
						 "gzip within gzip");
}

static void
test_redirect(void)
{
	SpotifyHttp *http = http_open_plainly();
	SpotifyHttpRequest request = http_request_for(http_server_url("/redirect"));
	SpotifyHttpAnswer answer;

	request.bearer = "token";
	answer = http_run(http, &request);
	tap_is_int(answer.outcome, SPOTIFY_HTTP_ANSWERED, "a redirect is answered");
	tap_is_int(answer.status, 302, "with its own status");
	tap_is_str(answer.body, "elsewhere", "and body: it is not followed");
	spotify_http_answer_release(&answer);
	spotify_http_close(http);
}

static void
test_retry_after(void)
{
	static const struct
	{
		const char *path;
		int64_t at_least;
		int64_t at_most;
	} cases[] = {
		{ "/status/429", 0, 0 },
		{ "/retry-after/0", 0, 0 },
		{ "/retry-after/7", 7, 7 },
		{ "/retry-after/49861", 49861, 49861 },
		{ "/retry-after/86400", 86400, 86400 },
		{ "/retry-after/-5", 0, 0 },
		{ "/retry-after/soon", 0, 0 },
		{ "/retry-after/", 0, 0 },
		{ "/retry-after/99999999999999999999", 0, INT32_MAX },
		{ "/retry-after/9223372036854775807", 0, INT32_MAX },
		{ "/retry-at/120", 110, 120 },
		{ "/retry-at/-120", 0, 0 },
	};

	for (size_t i = 0; i < COUNT_OF(cases); i++)
	{
		SpotifyHttpAnswer answer =
			http_get_once(http_server_url(cases[i].path));

		tap_is_int(answer.status, 429, "%s is answered", cases[i].path);
		tap_ok(answer.retry_after >= cases[i].at_least &&
				   answer.retry_after <= cases[i].at_most,
			   "and means %lld seconds", (long long) answer.retry_after);
		spotify_http_answer_release(&answer);
	}
}

int
main(void)
{
	http_begin();

	test_get();
	test_authorization();
	test_connections();
	test_several_at_once();
	test_false_readiness();
	test_gzip();
	test_redirect();
	test_retry_after();

	return tap_done();
}
