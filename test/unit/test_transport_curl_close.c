/*
 * test_transport_curl_close.c
 *		The transport gives everything back: sockets, threads, signals.
 */
#include "http/http.h"

#include <curl/curlver.h>
#include <dirent.h>
#include <poll.h>
#include <signal.h>

#include "http_client.h"
#include "name_lookup.h"
#include "tap.h"

static int
count_descriptors(void)
{
	DIR *opened = opendir("/proc/self/fd");
	int count = 0;

	if (opened == NULL)
		return -1;
	while (readdir(opened) != NULL)
		count++;
	closedir(opened);
	return count;
}

static void
test_close(void)
{
	SpotifyHttp *http = http_open_plainly();
	SpotifyHttpRequest request =
		http_request_for(http_server_url("/half-body"));
	SpotifyHttpRequest finished = http_request_for(http_server_url("/echo"));
	int descriptors = count_descriptors();
	double start;

	http_start_or_exit(http, &finished, NULL);
	http_start_or_exit(http, &finished, NULL);
	while (http_wait_and_advance(http))
		;
	for (int i = 0; i < 3; i++)
		http_start_or_exit(http, &request, NULL);
	for (int i = 0; i < 10; i++)
		http_wait_and_advance(http);
	http_start_or_exit(http, &request, NULL);
	start = http_seconds_now();
	spotify_http_close(http);
	tap_ok(http_seconds_now() - start < 0.5,
		   "closing does not wait for what is running");
	tap_ok(count_descriptors() <= descriptors, "and closes all descriptors");

	http = http_open_plainly();
	spotify_http_close(http);
	spotify_http_close(NULL);
	tap_ok(true, "an unused transport is closed, and none at all");
}

static void
test_descriptors(void)
{
	static const char *const paths[] = {
		"/truncated",	 "/reset", "/garbage", "/bad-gzip",
		"/many-headers", "/bomb",  "/nothing", "/endless",
	};
	SpotifyHttp *http;
	int before = count_descriptors();
	int failures = 0;
	int during;

	if (before < 0)
	{
		tap_skip("descriptors cannot be counted without /proc");
		return;
	}
	http = http_open_plainly();
	for (int i = 0; i < 200; i++)
	{
		SpotifyHttpAnswer answer = http_get(
			http, http_server_url(paths[(size_t) i % COUNT_OF(paths)]));

		failures += answer.outcome != SPOTIFY_HTTP_ANSWERED;
		spotify_http_answer_release(&answer);
	}
	during = count_descriptors();
	spotify_http_close(http);
	tap_is_int(failures, 200, "200 exchanges fail");
	tap_ok(during <= before + 5, "and pile up no descriptors");
	tap_is_int(count_descriptors(), before, "none is left after closing");
}

static void
test_name_lookup(void)
{
	int descriptors = count_descriptors();
	SpotifyHttp *http = http_open_plainly();
	SpotifyHttpRequest request = http_request_for("https://slow.invalid/");
	sigset_t mask;
	double start;

	http_start_or_exit(http, &request, NULL);
	while (lookups_started == 0)
		http_wait_and_advance(http);
	tap_ok(sigismember(&lookup_mask, SIGINT) == 1 &&
			   sigismember(&lookup_mask, SIGUSR1) == 1 &&
			   sigismember(&lookup_mask, SIGURG) == 1,
		   "a lookup thread gets no signals");
	sigprocmask(SIG_SETMASK, NULL, &mask);
	tap_ok(sigismember(&mask, SIGINT) == 0 && sigismember(&mask, SIGURG) == 0,
		   "but the caller does again");

	start = http_seconds_now();
	spotify_http_close(http);
#if LIBCURL_VERSION_NUM >= 0x075700
	tap_ok(http_seconds_now() - start < 0.5,
		   "closing does not wait for a lookup");
#else
	tap_skip("libcurl before 7.87 waits for a lookup");
	(void) start;
#endif

	request.timeout_ms = 200;
	http_time_out(&request, SPOTIFY_HTTP_UNREACHABLE, false,
				  "a lookup that takes too long");

	/* A thread still has to end when its lookup has. */
	while (lookups_ended < lookups_started)
		poll(NULL, 0, 100);
	poll(NULL, 0, 200);
	tap_is_int(count_descriptors(), descriptors,
			   "abandoned lookups leave no descriptors in the end");
}

int
main(void)
{
	http_begin();

	test_close();
	test_descriptors();
	test_name_lookup();

	return tap_done();
}
