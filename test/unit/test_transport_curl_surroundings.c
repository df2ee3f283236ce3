/*
 * test_transport_curl_surroundings.c
 *		The transport and what lies around it: cookies, the environment, proxies,
 *		TLS.
 *
 * The TLS part needs the openssl program and is skipped without it.
 */
#include "http/http.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "http_client.h"
#include "http_server.h"
#include "tap.h"

static void
test_cookies(void)
{
	SpotifyHttp *http = http_open_plainly();
	SpotifyHttpAnswer answer = http_get(http, http_server_url("/cookie"));

	spotify_http_answer_release(&answer);
	answer = http_get(http, http_server_url("/echo"));
	tap_ok(!http_body_contains(&answer, "Cookie"), "cookies are not kept");
	spotify_http_answer_release(&answer);
	spotify_http_close(http);
}

/* What set_hostile_environment has set must have no effect. */
static void
test_environment(void)
{
	SpotifyHttpAnswer answer = http_get_once(http_server_url("/echo"));

	tap_is_int(answer.status, 200, "the environment's proxies are ignored");
	tap_ok(!http_body_contains(&answer, "Authorization"),
		   "and so is its netrc file");
	spotify_http_answer_release(&answer);
	tap_ok(getenv("SSLKEYLOGFILE") == NULL,
		   "no key log file is left to later connections");
}

static void
test_proxy(void)
{
	const char *proxy = http_server_url("");
	SpotifyHttp *http = http_open("", proxy);
	SpotifyHttpAnswer answer = http_get(http, "http://127.0.0.1:1/echo");

	tap_ok(
		http_body_contains(&answer, "GET http://127.0.0.1:1/echo HTTP/1.1\r\n"),
		"a proxy is used, whatever no_proxy says");
	spotify_http_answer_release(&answer);
	answer = http_get(http, "https://refused.invalid/");
	http_check_failure(&answer, SPOTIFY_HTTP_REFUSED, false,
					   "what a proxy refuses was not sent");
	spotify_http_close(http);

	http = http_open("", "http://no-such-proxy.invalid:3128");
	answer = http_get(http, "https://spotify.invalid/");
	http_check_failure(&answer, SPOTIFY_HTTP_UNUSABLE, false,
					   "an unknown proxy");
	spotify_http_close(http);
}

/* A key and a certificate that signs itself, for 127.0.0.1 only. */
static bool
make_certificate(void)
{
	char command[512];

	snprintf(command, sizeof(command),
			 "openssl req -x509 -newkey rsa:2048 -nodes -days 2 "
			 "-subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 "
			 "-keyout %s -out %s 2>/dev/null",
			 http_file("key.pem"), http_file("certificate.pem"));
	return system(command) == 0;
}

/* Runs "openssl s_server" and reads its port from what it prints. */
static pid_t
start_tls_server(int *port)
{
	int output[2];
	char text[256] = "";
	const char *found = NULL;
	size_t length = 0;
	pid_t pid;

	if (pipe(output) != 0)
		return -1;
	pid = fork();
	if (pid == 0)
	{
		alarm(HTTP_MAX_SECONDS);
		dup2(output[1], STDOUT_FILENO);
		dup2(output[1], STDERR_FILENO);
		close(output[0]);
		execlp("openssl", "openssl", "s_server", "-accept", "127.0.0.1:0",
			   "-cert", http_file("certificate.pem"), "-key",
			   http_file("key.pem"), "-www", (char *) NULL);
		_exit(1);
	}
	close(output[1]);
	while (found == NULL && length < sizeof(text) - 1)
	{
		ssize_t received =
			read(output[0], text + length, sizeof(text) - 1 - length);

		if (received <= 0)
			break;
		length += (size_t) received;
		text[length] = '\0';
		found = strstr(text, "ACCEPT 127.0.0.1:");
	}
	/* The pipe stays open: the server must be able to print. */
	*port = found != NULL ? atoi(found + strlen("ACCEPT 127.0.0.1:")) : 0;
	if (*port == 0)
		http_server_stop_child(pid);
	return *port != 0 ? pid : -1;
}

static void
check_tls(int port)
{
	const char *url = http_url("https://127.0.0.1", port, "/");
	SpotifyHttp *http;
	SpotifyHttpAnswer answer = http_get_once(url);

	http_check_failure(&answer, SPOTIFY_HTTP_UNTRUSTED, false,
					   "a certificate of an unknown authority");

	http = http_open(http_file("certificate.pem"), NULL);
	answer = http_get(http, url);
	tap_is_int(answer.outcome, SPOTIFY_HTTP_ANSWERED,
			   "an authority of the given file is trusted");
	tap_is_int(answer.status, 200, "and answered");
	spotify_http_answer_release(&answer);
	answer = http_get(http, http_url("https://localhost", port, "/"));
	http_check_failure(&answer, SPOTIFY_HTTP_UNTRUSTED, false,
					   "a certificate of another host");
	spotify_http_close(http);
	tap_ok(access(http_file("keys.log"), F_OK) != 0,
		   "the environment's key log file is not written");
}

static void
test_tls(void)
{
	int port;
	pid_t pid;

	if (!make_certificate() || (pid = start_tls_server(&port)) < 0)
	{
		tap_skip("TLS needs the openssl program");
		return;
	}
	check_tls(port);
	http_server_stop_child(pid);
}

int
main(void)
{
	http_begin();

	test_cookies();
	test_environment();
	test_proxy();
	test_tls();

	return tap_done();
}
