/*
 * test_transport_curl_faults.c
 *		The transport when the peer misbehaves, is out of reach or is too slow.
 */
#include "http/http.h"

#include <curl/curlver.h>
#include <string.h>
#include <unistd.h>

#include "http_client.h"
#include "http_server.h"
#include "tap.h"

static void
test_maximum(void)
{
	SpotifyHttpAnswer answer = http_get_once(http_server_url("/body/65536"));

	tap_is_int((long long) answer.body_length, HTTP_MAX_BODY,
			   "a body of just the maximum");
	spotify_http_answer_release(&answer);
	http_check_get_fails("/body/65537", SPOTIFY_HTTP_TOO_LARGE,
						 "one byte more");
	http_check_get_fails("/endless", SPOTIFY_HTTP_TOO_LARGE,
						 "a large body without a length");
	answer = http_get_once(http_server_url("/bomb"));
	tap_ok(answer.bytes_received < HTTP_BOMB_SIZE / 100,
		   "little is received of a gzip bomb");
	tap_ok(strstr(answer.message, "larger") != NULL,
		   "the message tells the reason");
	http_check_failure(&answer, SPOTIFY_HTTP_TOO_LARGE, true,
					   "which is too large");
	http_check_get_fails("/many-headers", SPOTIFY_HTTP_HEADER_TOO_LARGE,
						 "a header over the maximum");
	http_check_get_fails("/huge-line", SPOTIFY_HTTP_HEADER_TOO_LARGE,
						 "a header line over libcurl's maximum");
}

static void
test_cut(void)
{
	http_check_get_fails("/truncated", SPOTIFY_HTTP_CUT, "a body cut short");
	http_check_get_fails("/truncated-chunk", SPOTIFY_HTTP_CUT,
						 "a chunk cut short");
	http_check_get_fails("/nothing", SPOTIFY_HTTP_CUT,
						 "closed without an answer");
	http_check_get_fails("/reset", SPOTIFY_HTTP_CUT, "reset without an answer");
	http_check_get_fails("/reset-in-body", SPOTIFY_HTTP_CUT,
						 "reset in the body");
	/* libcurl does not tell it from a connection that breaks. */
	http_check_get_fails("/bad-chunk", SPOTIFY_HTTP_CUT,
						 "a chunk without a size");
}

static void
test_malformed(void)
{
	http_check_get_fails("/garbage", SPOTIFY_HTTP_MALFORMED, "no HTTP at all");
#if LIBCURL_VERSION_NUM < 0x075800
	tap_skip("an older libcurl may take HTTP of another kind for its own");
#else
	http_check_get_fails("/bad-version", SPOTIFY_HTTP_MALFORMED,
						 "HTTP of another kind");
#endif
}

static void
test_gzip_members(void)
{
	SpotifyHttpRequest request =
		http_request_for(http_server_url("/gzip-members"));
	SpotifyHttp *http = http_open_plainly();
	SpotifyHttpAnswer answer = http_run(http, &request);

	tap_is_str(answer.message, "the body has more than one member of gzip",
			   "the message tells the reason");
	http_check_failure(&answer, SPOTIFY_HTTP_UNDECODED, true,
					   "gzip of two members");
	request.is_uncompressed = true;
	answer = http_run(http, &request);
	tap_is_str(answer.body, "plain", "no compression can be asked for");
	spotify_http_answer_release(&answer);
	spotify_http_close(http);
}

static void
test_time_out(void)
{
	static const char *const paths[] = { "/silence", "/half-status",
										 "/half-body" };
	SpotifyHttpRequest request;
	double taken;

	for (size_t i = 0; i < COUNT_OF(paths); i++)
	{
		request = http_request_for(http_server_url(paths[i]));
		request.timeout_ms = 200;
		taken = http_time_out(&request, SPOTIFY_HTTP_TIMED_OUT, true, paths[i]);
		tap_ok(taken >= 0.19 && taken < 5, "ends when its time is over");
	}

	/* The server waits for a request, the client for a TLS handshake. */
	request = http_request_for(
		http_url("https://127.0.0.1", http_server_port, "/echo"));
	request.connect_timeout_ms = 200;
	taken = http_time_out(&request, SPOTIFY_HTTP_UNREACHABLE, false,
						  "a TLS handshake that stalls was not sent");
	tap_ok(taken >= 0.19 && taken < 5, "and has a time of its own");
}

static void
test_unreachable(void)
{
	SpotifyHttpAnswer answer;
	int port;

	close(http_server_listen(&port));
	answer = http_get_once(http_url("http://127.0.0.1", port, "/"));
	http_check_failure(&answer, SPOTIFY_HTTP_UNREACHABLE, false,
					   "a refused port");
	answer = http_get_once(http_url("http://localhost", port, "/"));
	http_check_failure(&answer, SPOTIFY_HTTP_UNREACHABLE, false,
					   "a refused port of all addresses of a host");
	answer = http_get_once("https://no-such-host.invalid/");
	http_check_failure(&answer, SPOTIFY_HTTP_UNREACHABLE, false,
					   "an unknown host");
}

static void
test_unusable(void)
{
	static const struct
	{
		const char *url;
		const char *name;
	} cases[] = {
		{ "http://192.0.2.1/", "http to another machine" },
		{ "ftp://127.0.0.1/", "another protocol" },
		{ "file:///etc/passwd", "a file" },
		{ "https://", "no host" },
		{ "https://127.0.0.1:99999/", "a port that does not exist" },
		{ "", "an empty URL" },
	};
	SpotifyHttp *http;
	SpotifyHttpAnswer answer;

	for (size_t i = 0; i < COUNT_OF(cases); i++)
	{
		answer = http_get_once(cases[i].url);
		http_check_failure(&answer, SPOTIFY_HTTP_UNUSABLE, false,
						   cases[i].name);
	}

	http = http_open("/nonexistent/ca.pem", NULL);
	answer = http_get(http,
					  http_url("https://127.0.0.1", http_server_port, "/echo"));
	http_check_failure(&answer, SPOTIFY_HTTP_NO_AUTHORITIES, false,
					   "a missing CA file");
	spotify_http_close(http);
}

int
main(void)
{
	http_begin();

	test_maximum();
	test_cut();
	test_malformed();
	test_gzip_members();
	test_time_out();
	test_unreachable();
	test_unusable();

	return tap_done();
}
