/*
 * http_client.c
 *		What the tests of the transport share: exchanges in few words.
 */
#include "http_client.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "http_server.h"
#include "tap.h"

#define MAX_SOCKETS 64
#define MAX_HEADER	(16 * 1024)

double
http_seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

/* Valid until the eighth next call. */
const char *
http_url(const char *scheme_and_host, int port, const char *path)
{
	static char urls[8][256];
	static unsigned int next = 0;
	char *url = urls[next++ % COUNT_OF(urls)];

	snprintf(url, sizeof(urls[0]), "%s:%d%s", scheme_and_host, port, path);
	return url;
}

const char *
http_server_url(const char *path)
{
	return http_url("http://127.0.0.1", http_server_port, path);
}

SpotifyHttpRequest
http_request_for(const char *url)
{
	SpotifyHttpRequest request = { .url = url,
								   .connect_timeout_ms = 5000,
								   .timeout_ms = 10000,
								   .max_body_bytes = HTTP_MAX_BODY,
								   .max_header_bytes = MAX_HEADER };

	return request;
}

SpotifyHttp *
http_open(const char *ca_file, const char *proxy)
{
	SpotifyHttpOptions options = { ca_file, proxy, HTTP_USER_AGENT };
	SpotifyHttp *http = spotify_http_open(&options);

	if (http == NULL)
	{
		tap_ok(false, "a transport opens");
		exit(tap_done());
	}
	return http;
}

SpotifyHttp *
http_open_plainly(void)
{
	return http_open(NULL, NULL);
}

void
http_start_or_exit(SpotifyHttp *http, const SpotifyHttpRequest *request,
				   void *tag)
{
	if (!spotify_http_start(http, request, tag))
	{
		tap_ok(false, "an exchange starts");
		exit(tap_done());
	}
}

/* Waits as spotify_http_watch says, then advances.  False when idle. */
bool
http_wait_and_advance(SpotifyHttp *http)
{
	struct pollfd polled[MAX_SOCKETS];
	int count;
	long timeout_ms;
	SpotifyHttpSocket *sockets = spotify_http_watch(http, &count, &timeout_ms);

	if (count == 0 && timeout_ms < 0)
		return false;
	for (int i = 0; i < count; i++)
		polled[i] = (struct pollfd){
			.fd = sockets[i].fd,
			.events = (short) ((sockets[i].want_read ? POLLIN : 0) |
							   (sockets[i].want_write ? POLLOUT : 0))
		};
	poll(polled, (nfds_t) count, (int) timeout_ms);
	for (int i = 0; i < count; i++)
	{
		bool is_broken = polled[i].revents & (POLLERR | POLLHUP);

		sockets[i].ready_read = polled[i].revents & POLLIN || is_broken;
		sockets[i].ready_write = polled[i].revents & POLLOUT;
	}
	spotify_http_advance(http, sockets, count);
	return true;
}

/* The next answer; an exchange must be running. */
SpotifyHttpAnswer
http_next_answer(SpotifyHttp *http, void **tag)
{
	SpotifyHttpAnswer answer;

	while (!spotify_http_take(http, tag, &answer))
		if (!http_wait_and_advance(http))
		{
			tap_ok(false, "an exchange comes to an end");
			exit(tap_done());
		}
	return answer;
}

SpotifyHttpAnswer
http_run(SpotifyHttp *http, const SpotifyHttpRequest *request)
{
	void *tag;

	http_start_or_exit(http, request, NULL);
	return http_next_answer(http, &tag);
}

SpotifyHttpAnswer
http_get(SpotifyHttp *http, const char *url)
{
	SpotifyHttpRequest request = http_request_for(url);

	return http_run(http, &request);
}

/* A GET by a transport of its own. */
SpotifyHttpAnswer
http_get_once(const char *url)
{
	SpotifyHttp *http = http_open_plainly();
	SpotifyHttpAnswer answer = http_get(http, url);

	spotify_http_close(http);
	return answer;
}

bool
http_body_contains(const SpotifyHttpAnswer *answer, const char *text)
{
	return answer->body != NULL && strstr(answer->body, text) != NULL;
}

/* Checks what every failure has in common. */
void
http_check_failure(SpotifyHttpAnswer *answer, SpotifyHttpOutcome outcome,
				   bool was_sent, const char *name)
{
	bool passed = answer->outcome == outcome && answer->was_sent == was_sent &&
				  answer->message[0] != '\0' && answer->body == NULL;

	tap_ok(passed, "%s", name);
	if (!passed)
		tap_note("outcome %d, was_sent %d, status %d, message \"%s\"",
				 (int) answer->outcome, (int) answer->was_sent, answer->status,
				 answer->message);
	spotify_http_answer_release(answer);
}

void
http_check_get_fails(const char *path, SpotifyHttpOutcome outcome,
					 const char *name)
{
	SpotifyHttpAnswer answer = http_get_once(http_server_url(path));

	http_check_failure(&answer, outcome, true, name);
}

/* Runs a GET that cannot end by itself, and tells how long it took. */
double
http_time_out(SpotifyHttpRequest *request, SpotifyHttpOutcome outcome,
			  bool was_sent, const char *name)
{
	SpotifyHttp *http = http_open_plainly();
	double start = http_seconds_now();
	SpotifyHttpAnswer answer = http_run(http, request);
	double taken = http_seconds_now() - start;

	http_check_failure(&answer, outcome, was_sent, name);
	spotify_http_close(http);
	return taken;
}

/* Where a test runs */

static char directory[] = "/tmp/transport_test_XXXXXX";

/* A file in the directory of this run.  Valid until the next call but one. */
const char *
http_file(const char *name)
{
	static char paths[2][64];
	static unsigned int next = 0;
	char *path = paths[next++ % COUNT_OF(paths)];

	snprintf(path, sizeof(paths[0]), "%s/%s", directory, name);
	return path;
}

static void
write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	if (file == NULL)
		return;
	fputs(text, file);
	fclose(file);
}

/* All that could lead an exchange astray.  Nothing listens on port 9. */
static void
set_hostile_environment(void)
{
	static const char *const proxies[] = { "http_proxy", "https_proxy",
										   "HTTPS_PROXY", "all_proxy",
										   "ALL_PROXY" };

	for (size_t i = 0; i < COUNT_OF(proxies); i++)
		setenv(proxies[i], "http://127.0.0.1:9", 1);
	setenv("no_proxy", "*", 1);
	setenv("NO_PROXY", "*", 1);
	write_file(http_file(".netrc"),
			   "machine 127.0.0.1 login stranger password stranger\n");
	setenv("HOME", directory, 1);
	setenv("SSLKEYLOGFILE", http_file("keys.log"), 1);
}

static void
remove_files(void)
{
	static const char *const names[] = { ".netrc", "key.pem", "certificate.pem",
										 "keys.log" };

	for (size_t i = 0; i < COUNT_OF(names); i++)
		unlink(http_file(names[i]));
	rmdir(directory);
}

void
http_begin(void)
{
	/* As PostgreSQL does; and a hang becomes a failure. */
	signal(SIGPIPE, SIG_IGN);
	alarm(HTTP_MAX_SECONDS);

	if (mkdtemp(directory) == NULL)
		exit(1);
	atexit(remove_files);
	set_hostile_environment();
	http_server_start();
}
