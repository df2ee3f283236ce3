/*
 * test_transport_curl.c
 *		The transport against a server that answers, or misbehaves, as the
 *		path asks.
 *
 * The server is a child process with one poll loop, so that its descriptors
 * and memory are not counted as ours.  It writes raw bytes: most of what it
 * says no HTTP library would.  The TLS part needs the openssl program and is
 * skipped without it.
 */
#include "http/http.h"

#include <arpa/inet.h>
#include <curl/curlver.h>
#include <dirent.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tap.h"

/* Far more than the tests take.  Ends this program and its children. */
#define MAX_SECONDS 120

#define MAX_PEERS	64
#define TOGETHER	4 /* requests that /together waits for */
#define MAX_BODY	(64 * 1024)
#define MAX_HEADER	(16 * 1024)
#define BOMB_SIZE	(16 * 1024 * 1024)
#define LARGE_SIZE	(1024 * 1024)
#define HUGE_LINE	(300 * 1024)
#define USER_AGENT	"transport-test/1.0"
#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

/* The server */

/* One connection to the server. */
typedef struct Peer
{
	int fd;		  /* -1 while unused */
	int number;	  /* of the connection, from 1 */
	int requests; /* complete ones so far */
	bool waits;	  /* for the others of /together */
	size_t length;
	char input[16 * 1024]; /* of the current request */
} Peer;

static Peer peers[MAX_PEERS];

static void
close_peer(Peer *peer)
{
	close(peer->fd);
	peer->fd = -1;
}

/* Ends the connection by RST. */
static void
reset_peer(Peer *peer)
{
	struct linger at_once = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close_peer(peer);
}

/* A client that is gone is no concern of the server. */
static void
send_bytes(const Peer *peer, const void *bytes, size_t length)
{
	const char *next = bytes;

	while (length > 0)
	{
		ssize_t sent = send(peer->fd, next, length, MSG_NOSIGNAL);

		if (sent <= 0)
			return;
		next += sent;
		length -= (size_t) sent;
	}
}

static void
send_text(const Peer *peer, const char *text)
{
	send_bytes(peer, text, strlen(text));
}

/* An answer with a status line, further header lines and a body. */
static void
answer_bytes(const Peer *peer, const char *status, const char *headers,
			 const void *body, size_t length)
{
	char head[1024];

	snprintf(head, sizeof(head), "HTTP/1.1 %s\r\n%sContent-Length: %zu\r\n\r\n",
			 status, headers, length);
	send_text(peer, head);
	send_bytes(peer, body, length);
}

static void
answer_text(const Peer *peer, const char *status, const char *headers,
			const char *body)
{
	answer_bytes(peer, status, headers, body, strlen(body));
}

static void
do_echo(Peer *peer, const char *rest)
{
	(void) rest;
	answer_bytes(peer, "200 OK", "", peer->input, peer->length);
}

static void
do_connection(Peer *peer, const char *rest)
{
	char text[64];

	(void) rest;
	snprintf(text, sizeof(text), "connection %d request %d", peer->number,
			 peer->requests);
	answer_text(peer, "200 OK", "", text);
}

static void
do_together(Peer *peer, const char *rest)
{
	int waiting = 0;

	(void) rest;
	peer->waits = true;
	for (size_t i = 0; i < COUNT_OF(peers); i++)
		waiting += peers[i].fd >= 0 && peers[i].waits;
	if (waiting < TOGETHER)
		return;
	for (size_t i = 0; i < COUNT_OF(peers); i++)
	{
		if (peers[i].fd >= 0 && peers[i].waits)
			answer_text(&peers[i], "200 OK", "", "together");
		peers[i].waits = false;
	}
}

static void
do_empty(Peer *peer, const char *rest)
{
	(void) rest;
	send_text(peer, "HTTP/1.1 204 No Content\r\n\r\n");
}

static void
do_status(Peer *peer, const char *rest)
{
	char status[64];

	snprintf(status, sizeof(status), "%.3s Whatever", rest);
	answer_text(peer, status, "", "{\"error\":{}}");
}

static void
do_cookie(Peer *peer, const char *rest)
{
	(void) rest;
	answer_text(peer, "200 OK", "Set-Cookie: crumb=1; Path=/\r\n", "");
}

static void
do_continue(Peer *peer, const char *rest)
{
	(void) rest;
	for (int i = 0; i < 5; i++)
		send_text(peer, "HTTP/1.1 100 Continue\r\n\r\n");
	answer_text(peer, "200 OK", "", "at last");
}

static void
do_chunked(Peer *peer, const char *rest)
{
	(void) rest;
	send_text(peer, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
					"3\r\none\r\n4\r\n-two\r\n0\r\n\r\n");
}

/* 1000 times the letter a. */
static const unsigned char gzipped[] = { 0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00,
										 0x00, 0x00, 0x02, 0x03, 0x4b, 0x4c,
										 0x1c, 0x05, 0xa3, 0x60, 0x14, 0x0c,
										 0x77, 0x00, 0x00, 0x03, 0xda, 0x38,
										 0x9a, 0xe8, 0x03, 0x00, 0x00 };

static void
do_gzip(Peer *peer, const char *rest)
{
	(void) rest;
	answer_bytes(peer, "200 OK", "Content-Encoding: gzip\r\n", gzipped,
				 sizeof(gzipped));
}

static void
do_bad_gzip(Peer *peer, const char *rest)
{
	(void) rest;
	answer_text(peer, "200 OK", "Content-Encoding: gzip\r\n", "not gzip");
}

static void
do_encoding(Peer *peer, const char *rest)
{
	char header[128];

	snprintf(header, sizeof(header), "content-encoding:  %s \r\n", rest);
	answer_text(peer, "200 OK", header, "body");
}

/* A deflate stream being written. */
typedef struct BitWriter
{
	unsigned char *bytes;
	size_t bit;
} BitWriter;

/* Huffman codes start with their highest bit. */
static void
put_code(BitWriter *writer, unsigned int code, int length)
{
	while (length-- > 0)
	{
		if (code >> length & 1)
			writer->bytes[writer->bit / 8] |=
				(unsigned char) (1 << writer->bit % 8);
		writer->bit++;
	}
}

/* BOMB_SIZE zero bytes in a thousandth of that size. */
static void
do_bomb(Peer *peer, const char *rest)
{
	static const unsigned char gzip_header[10] = { 0x1f, 0x8b, 8 };
	static unsigned char bytes[BOMB_SIZE / 128];
	BitWriter writer = { bytes, sizeof(gzip_header) * 8 };

	(void) rest;
	memset(bytes, 0, sizeof(bytes));
	memcpy(bytes, gzip_header, sizeof(gzip_header));
	put_code(&writer, 1, 1);	/* the last block */
	put_code(&writer, 2, 2);	/* with the fixed codes */
	put_code(&writer, 0x30, 8); /* a zero byte */
	for (int i = 0; i < BOMB_SIZE / 258; i++)
	{
		put_code(&writer, 0xc5, 8); /* 258 bytes as they stand */
		put_code(&writer, 0, 5);	/* one byte before */
	}
	put_code(&writer, 0, 7); /* end of block */
	answer_bytes(peer, "200 OK", "Content-Encoding: gzip\r\n", bytes,
				 (writer.bit + 7) / 8);
}

/* A body of as many letters as the path says. */
static void
do_body(Peer *peer, const char *rest)
{
	size_t length = strtoul(rest, NULL, 10);
	char *body = malloc(length + 1);

	if (body == NULL)
		return;
	memset(body, 'x', length);
	answer_bytes(peer, "200 OK", "", body, length);
	free(body);
}

/* A large body whose length is not known beforehand. */
static void
do_endless(Peer *peer, const char *rest)
{
	char piece[1024];

	(void) rest;
	memset(piece, 'x', sizeof(piece));
	send_text(peer, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
	for (size_t i = 0; i < LARGE_SIZE / sizeof(piece); i++)
		send_bytes(peer, piece, sizeof(piece));
	close_peer(peer);
}

static void
do_many_headers(Peer *peer, const char *rest)
{
	char line[1024];

	(void) rest;
	memset(line, 'x', sizeof(line));
	memcpy(line, "X-Filler: ", 10);
	memcpy(line + sizeof(line) - 2, "\r\n", 2);
	send_text(peer, "HTTP/1.1 200 OK\r\n");
	for (int i = 0; i < 40; i++)
		send_bytes(peer, line, sizeof(line));
	send_text(peer, "Content-Length: 0\r\n\r\n");
}

static void
do_huge_line(Peer *peer, const char *rest)
{
	static char line[HUGE_LINE];

	(void) rest;
	memset(line, 'x', sizeof(line));
	send_text(peer, "HTTP/1.1 200 OK\r\nX-Filler: ");
	send_bytes(peer, line, sizeof(line));
	send_text(peer, "\r\nContent-Length: 0\r\n\r\n");
}

static void
do_truncated(Peer *peer, const char *rest)
{
	(void) rest;
	send_text(peer, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort");
	close_peer(peer);
}

static void
do_truncated_chunk(Peer *peer, const char *rest)
{
	(void) rest;
	send_text(peer, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
					"64\r\nshort");
	close_peer(peer);
}

static void
do_bad_chunk(Peer *peer, const char *rest)
{
	(void) rest;
	send_text(peer, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
					"nonsense\r\n");
}

static void
do_nothing(Peer *peer, const char *rest)
{
	(void) rest;
	close_peer(peer);
}

static void
do_reset(Peer *peer, const char *rest)
{
	(void) rest;
	reset_peer(peer);
}

static void
do_reset_in_body(Peer *peer, const char *rest)
{
	(void) rest;
	send_text(peer, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort");
	/* The client must have read that before the reset throws it away. */
	poll(NULL, 0, 100);
	reset_peer(peer);
}

static void
do_silence(Peer *peer, const char *rest)
{
	(void) peer;
	(void) rest;
}

static void
do_half_status(Peer *peer, const char *rest)
{
	(void) rest;
	send_text(peer, "HTTP/1.1 2");
}

static void
do_half_body(Peer *peer, const char *rest)
{
	(void) rest;
	send_text(peer, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort");
}

static void
do_redirect(Peer *peer, const char *rest)
{
	(void) rest;
	answer_text(peer, "302 Found", "Location: /echo\r\n", "elsewhere");
}

static void
do_retry_after(Peer *peer, const char *rest)
{
	char header[128];

	snprintf(header, sizeof(header), "Retry-After: %s\r\n", rest);
	answer_text(peer, "429 Too Many Requests", header, "");
}

/* As a date that is so many seconds away. */
static void
do_retry_at(Peer *peer, const char *rest)
{
	time_t then = time(NULL) + atol(rest);
	struct tm parts;
	char date[64];

	gmtime_r(&then, &parts);
	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &parts);
	do_retry_after(peer, date);
}

static void
do_garbage(Peer *peer, const char *rest)
{
	(void) rest;
	send_text(peer, "SSH-2.0-OpenSSH_9.2\r\n");
	close_peer(peer);
}

static void
do_bad_version(Peer *peer, const char *rest)
{
	(void) rest;
	send_text(peer, "HTTP/7.7 200 OK\r\nContent-Length: 0\r\n\r\n");
	close_peer(peer);
}

/* Lets the client think that it may use the connection again. */
static void
do_close_after(Peer *peer, const char *rest)
{
	(void) rest;
	answer_text(peer, "200 OK", "", "");
	close_peer(peer);
}

/* A proxy that refuses. */
static void
do_connect(Peer *peer, const char *rest)
{
	(void) rest;
	answer_text(peer, "403 Forbidden", "", "");
}

static const struct
{
	const char *path; /* a request for it or below it */
	void (*act)(Peer *peer, const char *rest);
} behaviours[] = {
	{ "/echo", do_echo },
	{ "/connection", do_connection },
	{ "/together", do_together },
	{ "/empty", do_empty },
	{ "/status/", do_status },
	{ "/cookie", do_cookie },
	{ "/continue", do_continue },
	{ "/chunked", do_chunked },
	{ "/gzip", do_gzip },
	{ "/bad-gzip", do_bad_gzip },
	{ "/encoding/", do_encoding },
	{ "/bomb", do_bomb },
	{ "/body/", do_body },
	{ "/endless", do_endless },
	{ "/many-headers", do_many_headers },
	{ "/huge-line", do_huge_line },
	{ "/truncated-chunk", do_truncated_chunk },
	{ "/truncated", do_truncated },
	{ "/bad-chunk", do_bad_chunk },
	{ "/nothing", do_nothing },
	{ "/reset-in-body", do_reset_in_body },
	{ "/reset", do_reset },
	{ "/silence", do_silence },
	{ "/half-status", do_half_status },
	{ "/half-body", do_half_body },
	{ "/redirect", do_redirect },
	{ "/retry-after/", do_retry_after },
	{ "/retry-at/", do_retry_at },
	{ "/garbage", do_garbage },
	{ "/bad-version", do_bad_version },
	{ "/close-after", do_close_after },
	{ "refused.invalid", do_connect },
};

/* The target of a request line, without the origin that a proxy is given. */
static void
read_target(const char *input, char *target, size_t size)
{
	const char *start = strchr(input, ' ') + 1;
	size_t length = strcspn(start, " \r\n");

	if (strncmp(start, "http://", 7) == 0)
	{
		size_t origin = 7 + strcspn(start + 7, "/");

		start += origin;
		length -= origin;
	}
	snprintf(target, size, "%.*s", (int) length, start);
}

static void
answer_request(Peer *peer)
{
	char target[256];

	peer->requests++;
	read_target(peer->input, target, sizeof(target));
	for (size_t i = 0; i < COUNT_OF(behaviours); i++)
	{
		size_t length = strlen(behaviours[i].path);

		if (strncmp(target, behaviours[i].path, length) == 0)
		{
			behaviours[i].act(peer, target + length);
			return;
		}
	}
	answer_text(peer, "404 Not Found", "", "");
}

static bool
has_whole_request(const Peer *peer)
{
	const char *end = strstr(peer->input, "\r\n\r\n");
	const char *length = strstr(peer->input, "Content-Length: ");
	size_t body = 0;

	if (end == NULL)
		return false;
	if (length != NULL && length < end)
		body = strtoul(length + strlen("Content-Length: "), NULL, 10);
	return peer->length >= (size_t) (end + 4 - peer->input) + body;
}

static void
read_request(Peer *peer)
{
	size_t room = sizeof(peer->input) - 1 - peer->length;
	ssize_t received = recv(peer->fd, peer->input + peer->length, room, 0);

	if (received <= 0)
	{
		close_peer(peer);
		return;
	}
	peer->length += (size_t) received;
	peer->input[peer->length] = '\0';
	if (has_whole_request(peer))
	{
		answer_request(peer);
		peer->length = 0;
	}
}

static void
accept_peer(int listener)
{
	static int last_number = 0;
	int fd = accept(listener, NULL, NULL);

	for (size_t i = 0; i < COUNT_OF(peers); i++)
		if (peers[i].fd < 0)
		{
			peers[i] = (Peer){ .fd = fd, .number = ++last_number };
			return;
		}
	close(fd);
}

static void
serve(int listener)
{
	for (size_t i = 0; i < COUNT_OF(peers); i++)
		peers[i].fd = -1;
	for (;;)
	{
		struct pollfd polled[MAX_PEERS + 1];

		for (size_t i = 0; i < COUNT_OF(peers); i++)
			polled[i] = (struct pollfd){ .fd = peers[i].fd, .events = POLLIN };
		polled[MAX_PEERS] = (struct pollfd){ .fd = listener, .events = POLLIN };
		if (poll(polled, COUNT_OF(polled), -1) < 0)
			_exit(1);
		for (size_t i = 0; i < COUNT_OF(peers); i++)
			if (peers[i].fd >= 0 && polled[i].revents != 0)
				read_request(&peers[i]);
		if (polled[MAX_PEERS].revents != 0)
			accept_peer(listener);
	}
}

/* A listening socket on a free port of 127.0.0.1. */
static int
listen_anywhere(int *port)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t length = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *) &address, length) != 0 ||
		listen(fd, MAX_PEERS) != 0 ||
		getsockname(fd, (struct sockaddr *) &address, &length) != 0)
	{
		perror("cannot listen");
		exit(1);
	}
	*port = ntohs(address.sin_port);
	return fd;
}

static int server_port;
static pid_t server_pid;

static void
stop_child(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void
stop_server(void)
{
	stop_child(server_pid);
}

static void
start_server(void)
{
	int listener = listen_anywhere(&server_port);

	server_pid = fork();
	if (server_pid == 0)
	{
		alarm(MAX_SECONDS);
		serve(listener);
	}
	close(listener);
	atexit(stop_server);
}

/* The name lookup */

static atomic_int lookups_started;
static atomic_int lookups_ended;
static sigset_t lookup_mask; /* of the last one's thread */

/*
 * Takes the place of the C library's for libcurl too.  No name is found, so
 * that no test asks a name server; slow.invalid takes its time.
 */
int
getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
			struct addrinfo **result)
{
	(void) service;
	(void) hints;
	(void) result;

	if (node != NULL && strcmp(node, "slow.invalid") == 0)
	{
		sigprocmask(SIG_SETMASK, NULL, &lookup_mask);
		lookups_started++;
		poll(NULL, 0, 1500);
		lookups_ended++;
	}
	return EAI_NONAME;
}

/* The client */

static double
seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

/* Valid until the eighth next call. */
static const char *
url_of(const char *scheme_and_host, int port, const char *path)
{
	static char urls[8][256];
	static unsigned int next = 0;
	char *url = urls[next++ % COUNT_OF(urls)];

	snprintf(url, sizeof(urls[0]), "%s:%d%s", scheme_and_host, port, path);
	return url;
}

static const char *
server_url(const char *path)
{
	return url_of("http://127.0.0.1", server_port, path);
}

static SpotifyHttpRequest
request_for(const char *url)
{
	SpotifyHttpRequest request = { .url = url,
								   .connect_timeout_ms = 5000,
								   .timeout_ms = 10000,
								   .max_body_bytes = MAX_BODY,
								   .max_header_bytes = MAX_HEADER };

	return request;
}

static SpotifyHttp *
open_with(const char *ca_file, const char *proxy)
{
	SpotifyHttpOptions options = { ca_file, proxy, USER_AGENT };
	SpotifyHttp *http = spotify_http_open(&options);

	if (http == NULL)
	{
		tap_ok(false, "a transport opens");
		exit(tap_done());
	}
	return http;
}

static SpotifyHttp *
open_plainly(void)
{
	return open_with(NULL, NULL);
}

static void
start_or_exit(SpotifyHttp *http, const SpotifyHttpRequest *request, void *tag)
{
	if (!spotify_http_start(http, request, tag))
	{
		tap_ok(false, "an exchange starts");
		exit(tap_done());
	}
}

/* Waits as spotify_http_watch says, then advances.  False when idle. */
static bool
wait_and_advance(SpotifyHttp *http)
{
	struct pollfd polled[MAX_PEERS];
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
static SpotifyHttpAnswer
next_answer(SpotifyHttp *http, void **tag)
{
	SpotifyHttpAnswer answer;

	while (!spotify_http_take(http, tag, &answer))
		if (!wait_and_advance(http))
		{
			tap_ok(false, "an exchange comes to an end");
			exit(tap_done());
		}
	return answer;
}

static SpotifyHttpAnswer
run(SpotifyHttp *http, const SpotifyHttpRequest *request)
{
	void *tag;

	start_or_exit(http, request, NULL);
	return next_answer(http, &tag);
}

static SpotifyHttpAnswer
get(SpotifyHttp *http, const char *url)
{
	SpotifyHttpRequest request = request_for(url);

	return run(http, &request);
}

/* A GET by a transport of its own. */
static SpotifyHttpAnswer
get_once(const char *url)
{
	SpotifyHttp *http = open_plainly();
	SpotifyHttpAnswer answer = get(http, url);

	spotify_http_close(http);
	return answer;
}

static bool
contains(const SpotifyHttpAnswer *answer, const char *text)
{
	return answer->body != NULL && strstr(answer->body, text) != NULL;
}

/* Checks what every failure has in common. */
static void
check_failure(SpotifyHttpAnswer *answer, SpotifyHttpOutcome outcome,
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

static void
check_get_fails(const char *path, SpotifyHttpOutcome outcome, const char *name)
{
	SpotifyHttpAnswer answer = get_once(server_url(path));

	check_failure(&answer, outcome, true, name);
}

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

/* The tests */

static void
test_get(void)
{
	SpotifyHttpAnswer answer = get_once(server_url("/echo"));
	int64_t expected_bytes =
		(int64_t) (strlen("HTTP/1.1 200 OK\r\nContent-Length: 123\r\n\r\n") +
				   answer.body_length);

	tap_is_int(answer.outcome, SPOTIFY_HTTP_ANSWERED, "a GET is answered");
	tap_is_int(answer.status, 200, "with its status");
	tap_ok(answer.was_sent, "it was sent");
	tap_is_str(answer.message, "", "there is no message");
	tap_is_int(answer.retry_after, 0, "and nothing to wait for");
	tap_ok(contains(&answer, "GET /echo HTTP/1.1\r\n"), "the body arrives");
	tap_ok(answer.body != NULL && strlen(answer.body) == answer.body_length,
		   "followed by a NUL");
	tap_is_int(answer.bytes_received, expected_bytes,
			   "the bytes received are header and body");
	tap_ok(contains(&answer, "User-Agent: " USER_AGENT "\r\n"),
		   "the user agent is sent");
	tap_ok(contains(&answer, "Accept-Encoding: gzip\r\n"),
		   "only gzip is asked for");
	tap_ok(!contains(&answer, "Authorization"), "without authorisation");
	spotify_http_answer_release(&answer);
	tap_ok(answer.body == NULL, "a released answer has no body");
	spotify_http_answer_release(&answer);

	answer = get_once(url_of("http://localhost", server_port, "/echo"));
	tap_is_int(answer.status, 200, "localhost is found by name");
	spotify_http_answer_release(&answer);
	answer = get_once(server_url("/empty"));
	tap_is_int(answer.status, 204, "an answer may have no body");
	tap_ok(answer.body == NULL && answer.body_length == 0, "then it is NULL");
	answer = get_once(server_url("/status/503"));
	tap_is_int(answer.outcome, SPOTIFY_HTTP_ANSWERED, "a 503 is an answer");
	tap_is_int(answer.status, 503, "with its status");
	tap_is_str(answer.body, "{\"error\":{}}", "and its body");
	spotify_http_answer_release(&answer);
	answer = get_once(server_url("/continue"));
	tap_is_str(answer.body, "at last", "interim answers are passed over");
	tap_is_int(answer.status, 200, "and their status too");
	spotify_http_answer_release(&answer);
	answer = get_once(server_url("/chunked"));
	tap_is_str(answer.body, "one-two", "chunks are put together");
	spotify_http_answer_release(&answer);
}

static void
test_authorization(void)
{
	SpotifyHttp *http = open_plainly();
	SpotifyHttpRequest request = request_for(server_url("/echo"));
	SpotifyHttpAnswer answer;
	char large_form[8 * 1024];

	request.bearer = "the-access-token";
	answer = run(http, &request);
	tap_ok(contains(&answer, "\r\nAuthorization: Bearer the-access-token\r\n"),
		   "a bearer token is sent");
	spotify_http_answer_release(&answer);

	request.bearer = "token\r\nX-Injected: yes";
	answer = run(http, &request);
	check_failure(&answer, SPOTIFY_HTTP_UNUSABLE, false,
				  "a bearer token with a line end is not");

	request.bearer = NULL;
	request.username = "id";
	request.password = "se%3Acret";
	request.form = "grant_type=refresh_token&refresh_token=r%20t";
	answer = run(http, &request);
	tap_ok(contains(&answer, "POST /echo HTTP/1.1\r\n"), "a form is posted");
	tap_ok(contains(&answer, "\r\nAuthorization: Basic aWQ6c2UlM0FjcmV0\r\n"),
		   "with Basic authorisation");
	tap_ok(contains(&answer, "\r\nContent-Type: "
							 "application/x-www-form-urlencoded\r\n"),
		   "as a form");
	tap_ok(contains(&answer,
					"\r\n\r\ngrant_type=refresh_token&refresh_token=r%20t"),
		   "unchanged");
	spotify_http_answer_release(&answer);

	memset(large_form, 'f', sizeof(large_form) - 1);
	large_form[sizeof(large_form) - 1] = '\0';
	request.form = large_form;
	answer = run(http, &request);
	tap_ok(contains(&answer, large_form), "a large form is posted whole");
	tap_ok(!contains(&answer, "Expect:"), "without asking first");
	spotify_http_answer_release(&answer);

	request = request_for(server_url("/echo"));
	request.form = "";
	answer = run(http, &request);
	tap_ok(contains(&answer, "POST /echo HTTP/1.1\r\n"),
		   "an empty form is still a POST");
	tap_ok(!contains(&answer, "Authorization"),
		   "no authorisation is left from earlier exchanges");
	spotify_http_answer_release(&answer);
	spotify_http_close(http);
}

/* The number of the connection that the server sees. */
static int
connection_used(SpotifyHttp *http, const char *form)
{
	SpotifyHttpRequest request = request_for(server_url("/connection"));
	SpotifyHttpAnswer answer;
	int number = -1;

	request.form = form;
	answer = run(http, &request);
	if (answer.body == NULL ||
		sscanf(answer.body, "connection %d", &number) != 1)
		tap_note("message \"%s\"", answer.message);
	spotify_http_answer_release(&answer);
	return number;
}

static void
test_connections(void)
{
	SpotifyHttp *http = open_plainly();
	SpotifyHttpAnswer answer;
	int first = connection_used(http, NULL);

	tap_is_int(connection_used(http, NULL), first,
			   "the second exchange uses the first one's connection");
	tap_ok(connection_used(http, "form=1") != first,
		   "a form is posted over a connection of its own");
	spotify_http_close(http);

	http = open_plainly();
	answer = get(http, server_url("/close-after"));
	spotify_http_answer_release(&answer);
	tap_ok(connection_used(http, NULL) > 0,
		   "a connection closed meanwhile is replaced");
	spotify_http_close(http);
}

static void
test_several_at_once(void)
{
	SpotifyHttp *http = open_plainly();
	SpotifyHttpRequest request = request_for(server_url("/together"));
	int answered[TOGETHER] = { 0 };
	bool all_answered = true;

	for (int i = 0; i < TOGETHER; i++)
		start_or_exit(http, &request, &answered[i]);
	for (int i = 0; i < TOGETHER; i++)
	{
		void *tag;
		SpotifyHttpAnswer answer = next_answer(http, &tag);

		if (answer.body != NULL && strcmp(answer.body, "together") == 0)
			++*(int *) tag;
		spotify_http_answer_release(&answer);
	}
	for (int i = 0; i < TOGETHER; i++)
		all_answered = all_answered && answered[i] == 1;
	tap_ok(all_answered, "exchanges run at once and bring their tags back");
	tap_ok(!wait_and_advance(http), "then there is nothing to watch");
	spotify_http_close(http);
}

/* Readiness is a hint: all is said to be ready all the time. */
static void
test_false_readiness(void)
{
	SpotifyHttp *http = open_plainly();
	SpotifyHttpRequest request = request_for(server_url("/gzip"));
	SpotifyHttpAnswer answer;
	void *tag;

	start_or_exit(http, &request, NULL);
	start_or_exit(http, &request, NULL);
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
	SpotifyHttpAnswer answer = get_once(server_url("/gzip"));

	tap_is_int((long long) answer.body_length, 1000, "gzip is decoded");
	tap_ok(answer.body != NULL && strspn(answer.body, "a") == 1000,
		   "to what it was");
	tap_ok(answer.bytes_received < 200, "but counted as it was sent");
	spotify_http_answer_release(&answer);

	answer = get_once(server_url("/encoding/Identity"));
	tap_is_str(answer.body, "body", "an encoding that changes nothing is fine");
	spotify_http_answer_release(&answer);
	check_get_fails("/bad-gzip", SPOTIFY_HTTP_MALFORMED, "broken gzip");
	check_get_fails("/encoding/br", SPOTIFY_HTTP_MALFORMED,
					"brotli, which was not asked for");
	check_get_fails("/encoding/gzip,gzip", SPOTIFY_HTTP_MALFORMED,
					"gzip within gzip");
}

static void
test_maximum(void)
{
	SpotifyHttpAnswer answer = get_once(server_url("/body/65536"));

	tap_is_int((long long) answer.body_length, MAX_BODY,
			   "a body of just the maximum");
	spotify_http_answer_release(&answer);
	check_get_fails("/body/65537", SPOTIFY_HTTP_TOO_LARGE, "one byte more");
	check_get_fails("/endless", SPOTIFY_HTTP_TOO_LARGE,
					"a large body without a length");
	answer = get_once(server_url("/bomb"));
	tap_ok(answer.bytes_received < BOMB_SIZE / 100,
		   "little is received of a gzip bomb");
	tap_ok(strstr(answer.message, "larger") != NULL,
		   "the message tells the reason");
	check_failure(&answer, SPOTIFY_HTTP_TOO_LARGE, true, "which is too large");
	check_get_fails("/many-headers", SPOTIFY_HTTP_HEADER_TOO_LARGE,
					"a header over the maximum");
	check_get_fails("/huge-line", SPOTIFY_HTTP_HEADER_TOO_LARGE,
					"a header line over libcurl's maximum");
}

static void
test_cut(void)
{
	check_get_fails("/truncated", SPOTIFY_HTTP_CUT, "a body cut short");
	check_get_fails("/truncated-chunk", SPOTIFY_HTTP_CUT, "a chunk cut short");
	check_get_fails("/nothing", SPOTIFY_HTTP_CUT, "closed without an answer");
	check_get_fails("/reset", SPOTIFY_HTTP_CUT, "reset without an answer");
	check_get_fails("/reset-in-body", SPOTIFY_HTTP_CUT, "reset in the body");
	/* libcurl does not tell it from a connection that breaks. */
	check_get_fails("/bad-chunk", SPOTIFY_HTTP_CUT, "a chunk without a size");
}

static void
test_malformed(void)
{
	check_get_fails("/garbage", SPOTIFY_HTTP_MALFORMED, "no HTTP at all");
	check_get_fails("/bad-version", SPOTIFY_HTTP_MALFORMED,
					"HTTP of another kind");
}

/* Runs a GET that cannot end by itself, and tells how long it took. */
static double
time_out(SpotifyHttpRequest *request, SpotifyHttpOutcome outcome, bool was_sent,
		 const char *name)
{
	SpotifyHttp *http = open_plainly();
	double start = seconds_now();
	SpotifyHttpAnswer answer = run(http, request);
	double taken = seconds_now() - start;

	check_failure(&answer, outcome, was_sent, name);
	spotify_http_close(http);
	return taken;
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
		request = request_for(server_url(paths[i]));
		request.timeout_ms = 200;
		taken = time_out(&request, SPOTIFY_HTTP_TIMED_OUT, true, paths[i]);
		tap_ok(taken >= 0.19 && taken < 5, "ends when its time is over");
	}

	/* The server waits for a request, the client for a TLS handshake. */
	request = request_for(url_of("https://127.0.0.1", server_port, "/echo"));
	request.connect_timeout_ms = 200;
	taken = time_out(&request, SPOTIFY_HTTP_UNREACHABLE, false,
					 "a TLS handshake that stalls was not sent");
	tap_ok(taken >= 0.19 && taken < 5, "and has a time of its own");
}

static void
test_unreachable(void)
{
	SpotifyHttpAnswer answer;
	int port;

	close(listen_anywhere(&port));
	answer = get_once(url_of("http://127.0.0.1", port, "/"));
	check_failure(&answer, SPOTIFY_HTTP_UNREACHABLE, false, "a refused port");
	answer = get_once(url_of("http://localhost", port, "/"));
	check_failure(&answer, SPOTIFY_HTTP_UNREACHABLE, false,
				  "a refused port of all addresses of a host");
	answer = get_once("https://no-such-host.invalid/");
	check_failure(&answer, SPOTIFY_HTTP_UNREACHABLE, false, "an unknown host");
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
		answer = get_once(cases[i].url);
		check_failure(&answer, SPOTIFY_HTTP_UNUSABLE, false, cases[i].name);
	}

	http = open_with("/nonexistent/ca.pem", NULL);
	answer = get(http, url_of("https://127.0.0.1", server_port, "/echo"));
	check_failure(&answer, SPOTIFY_HTTP_UNUSABLE, false, "a missing CA file");
	spotify_http_close(http);
}

static void
test_redirect(void)
{
	SpotifyHttp *http = open_plainly();
	SpotifyHttpRequest request = request_for(server_url("/redirect"));
	SpotifyHttpAnswer answer;

	request.bearer = "token";
	answer = run(http, &request);
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
		SpotifyHttpAnswer answer = get_once(server_url(cases[i].path));

		tap_is_int(answer.status, 429, "%s is answered", cases[i].path);
		tap_ok(answer.retry_after >= cases[i].at_least &&
				   answer.retry_after <= cases[i].at_most,
			   "and means %lld seconds", (long long) answer.retry_after);
		spotify_http_answer_release(&answer);
	}
}

static void
test_cookies(void)
{
	SpotifyHttp *http = open_plainly();
	SpotifyHttpAnswer answer = get(http, server_url("/cookie"));

	spotify_http_answer_release(&answer);
	answer = get(http, server_url("/echo"));
	tap_ok(!contains(&answer, "Cookie"), "cookies are not kept");
	spotify_http_answer_release(&answer);
	spotify_http_close(http);
}

/* What set_hostile_environment has set must have no effect. */
static void
test_environment(void)
{
	SpotifyHttpAnswer answer = get_once(server_url("/echo"));

	tap_is_int(answer.status, 200, "the environment's proxies are ignored");
	tap_ok(!contains(&answer, "Authorization"), "and so is its netrc file");
	spotify_http_answer_release(&answer);
	tap_ok(getenv("SSLKEYLOGFILE") == NULL,
		   "no key log file is left to later connections");
}

static void
test_proxy(void)
{
	const char *proxy = server_url("");
	SpotifyHttp *http = open_with("", proxy);
	SpotifyHttpAnswer answer = get(http, "http://127.0.0.1:1/echo");

	tap_ok(contains(&answer, "GET http://127.0.0.1:1/echo HTTP/1.1\r\n"),
		   "a proxy is used, whatever no_proxy says");
	spotify_http_answer_release(&answer);
	answer = get(http, "https://refused.invalid/");
	check_failure(&answer, SPOTIFY_HTTP_UNREACHABLE, false,
				  "what a proxy refuses was not sent");
	spotify_http_close(http);

	http = open_with("", "http://no-such-proxy.invalid:3128");
	answer = get(http, "https://spotify.invalid/");
	check_failure(&answer, SPOTIFY_HTTP_UNUSABLE, false, "an unknown proxy");
	spotify_http_close(http);
}

static void
test_close(void)
{
	SpotifyHttp *http = open_plainly();
	SpotifyHttpRequest request = request_for(server_url("/half-body"));
	SpotifyHttpRequest finished = request_for(server_url("/echo"));
	int descriptors = count_descriptors();
	double start;

	start_or_exit(http, &finished, NULL);
	start_or_exit(http, &finished, NULL);
	while (wait_and_advance(http))
		;
	for (int i = 0; i < 3; i++)
		start_or_exit(http, &request, NULL);
	for (int i = 0; i < 10; i++)
		wait_and_advance(http);
	start_or_exit(http, &request, NULL);
	start = seconds_now();
	spotify_http_close(http);
	tap_ok(seconds_now() - start < 0.5,
		   "closing does not wait for what is running");
	tap_ok(count_descriptors() <= descriptors, "and closes all descriptors");

	http = open_plainly();
	spotify_http_close(http);
	spotify_http_close(NULL);
	tap_ok(true, "an unused transport is closed, and none at all");
}

static void
test_name_lookup(void)
{
	int descriptors = count_descriptors();
	SpotifyHttp *http = open_plainly();
	SpotifyHttpRequest request = request_for("https://slow.invalid/");
	sigset_t mask;
	double start;

	start_or_exit(http, &request, NULL);
	while (lookups_started == 0)
		wait_and_advance(http);
	tap_ok(sigismember(&lookup_mask, SIGINT) == 1 &&
			   sigismember(&lookup_mask, SIGUSR1) == 1 &&
			   sigismember(&lookup_mask, SIGURG) == 1,
		   "a lookup thread gets no signals");
	sigprocmask(SIG_SETMASK, NULL, &mask);
	tap_ok(sigismember(&mask, SIGINT) == 0 && sigismember(&mask, SIGURG) == 0,
		   "but the caller does again");

	start = seconds_now();
	spotify_http_close(http);
#if LIBCURL_VERSION_NUM >= 0x075700
	tap_ok(seconds_now() - start < 0.5, "closing does not wait for a lookup");
#else
	tap_skip("libcurl before 7.87 waits for a lookup");
	(void) start;
#endif

	request.timeout_ms = 200;
	time_out(&request, SPOTIFY_HTTP_UNREACHABLE, false,
			 "a lookup that takes too long");

	/* A thread still has to end when its lookup has. */
	while (lookups_ended < lookups_started)
		poll(NULL, 0, 100);
	poll(NULL, 0, 200);
	tap_is_int(count_descriptors(), descriptors,
			   "abandoned lookups leave no descriptors in the end");
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
	http = open_plainly();
	for (int i = 0; i < 200; i++)
	{
		SpotifyHttpAnswer answer =
			get(http, server_url(paths[(size_t) i % COUNT_OF(paths)]));

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
test_url_problem(void)
{
	static const char *const scheme = "must start with https://";
	static const char *const loopback =
		"may use http:// only for a loopback address";
	static const char *const user = "must not contain a user or password";
	static const char *const query = "must not contain a query";
	static const char *const fragment = "must not contain a fragment";
	static const char *const host = "must contain a host";
	static const char *const ascii = "must consist of visible ASCII characters";
	static const char *const malformed = "is malformed";
	const struct
	{
		const char *url;
		const char *problem;
	} cases[] = {
		{ "https://api.spotify.com/v1", NULL },
		{ "https://accounts.spotify.com", NULL },
		{ "HTTPS://accounts.spotify.com/", NULL },
		{ "https://accounts.spotify.com:8443/x@y", NULL },
		{ "https://[2001:db8::1]/", NULL },
		{ "http://127.0.0.1:8080/v1", NULL },
		{ "http://127.1.2.3/", NULL },
		{ "http://localhost", NULL },
		{ "http://LocalHost:1/", NULL },
		{ "http://[::1]:8080/", NULL },
		{ "", scheme },
		{ "api.spotify.com/v1", scheme },
		{ "ftp://api.spotify.com/", scheme },
		{ "file:///etc/passwd", scheme },
		{ "https:/api.spotify.com/", scheme },
		{ " https://api.spotify.com/", scheme },
		{ "http://api.spotify.com/", loopback },
		{ "http://128.0.0.1/", loopback },
		{ "http://127.0.0.1.example.com/", loopback },
		{ "http://localhost.example.com/", loopback },
		{ "http://[::2]/", loopback },
		{ "http://[::ffff:127.0.0.1]/", loopback },
		{ "http://0.0.0.0/", loopback },
		{ "https://user@api.spotify.com/", user },
		{ "https://user:password@api.spotify.com/", user },
		{ "https://@api.spotify.com/", user },
		{ "http://127.0.0.1@example.com/", user },
		{ "http://127.0.0.1\\@example.com/", user },
		{ "https://api.spotify.com/?a=b", query },
		{ "https://api.spotify.com/?", query },
		{ "https://api.spotify.com?@x", query },
		{ "https://api.spotify.com/#a", fragment },
		{ "https://api.spotify.com/#", fragment },
		{ "https://", host },
		{ "https:///v1", host },
		{ "https://:443/v1", host },
		{ "https://api.spotify.com/a b", ascii },
		{ "https://api.spotify.com/\r\nX: y", ascii },
		{ "https://api.spotify.com/\xc3\xa4", ascii },
		{ "https://api.spotify.com:port/", malformed },
		{ "https://api.spotify.com:70000/", malformed },
		{ "https://[::1/", malformed },
		{ "https://api spotify.com/", ascii },
	};

	for (size_t i = 0; i < COUNT_OF(cases); i++)
		tap_is_str(spotify_url_problem(cases[i].url), cases[i].problem,
				   "the URL in case %zu %s", i + 1,
				   cases[i].problem != NULL ? cases[i].problem : "is fine");
}

static void
test_url_escape(void)
{
	static const struct
	{
		const char *text;
		const char *escaped;
	} cases[] = {
		{ "", "" },
		{ "AZaz09-._~", "AZaz09-._~" },
		{ "a b+c", "a%20b%2Bc" },
		{ "spotify:track:1,2", "spotify%3Atrack%3A1%2C2" },
		{ "100%&=?/#", "100%25%26%3D%3F%2F%23" },
		{ "\xc3\xa4\x01", "%C3%A4%01" },
	};

	for (size_t i = 0; i < COUNT_OF(cases); i++)
	{
		char *escaped = spotify_url_escape(cases[i].text);

		tap_is_str(escaped, cases[i].escaped, "\"%s\" is the escaped text",
				   cases[i].escaped);
		free(escaped);
	}
}

/* The tests of TLS */

static char directory[] = "/tmp/transport_test_XXXXXX";

/* A file in the directory of this run.  Valid until the next call but one. */
static const char *
file_of(const char *name)
{
	static char paths[2][64];
	static unsigned int next = 0;
	char *path = paths[next++ % COUNT_OF(paths)];

	snprintf(path, sizeof(paths[0]), "%s/%s", directory, name);
	return path;
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
			 file_of("key.pem"), file_of("certificate.pem"));
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
		alarm(MAX_SECONDS);
		dup2(output[1], STDOUT_FILENO);
		dup2(output[1], STDERR_FILENO);
		close(output[0]);
		execlp("openssl", "openssl", "s_server", "-accept", "127.0.0.1:0",
			   "-cert", file_of("certificate.pem"), "-key", file_of("key.pem"),
			   "-www", (char *) NULL);
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
		stop_child(pid);
	return *port != 0 ? pid : -1;
}

static void
check_tls(int port)
{
	const char *url = url_of("https://127.0.0.1", port, "/");
	SpotifyHttp *http;
	SpotifyHttpAnswer answer = get_once(url);

	check_failure(&answer, SPOTIFY_HTTP_UNTRUSTED, false,
				  "a certificate of an unknown authority");

	http = open_with(file_of("certificate.pem"), NULL);
	answer = get(http, url);
	tap_is_int(answer.outcome, SPOTIFY_HTTP_ANSWERED,
			   "an authority of the given file is trusted");
	tap_is_int(answer.status, 200, "and answered");
	spotify_http_answer_release(&answer);
	answer = get(http, url_of("https://localhost", port, "/"));
	check_failure(&answer, SPOTIFY_HTTP_UNTRUSTED, false,
				  "a certificate of another host");
	spotify_http_close(http);
	tap_ok(access(file_of("keys.log"), F_OK) != 0,
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
	stop_child(pid);
}

/* Running them */

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
	write_file(file_of(".netrc"),
			   "machine 127.0.0.1 login stranger password stranger\n");
	setenv("HOME", directory, 1);
	setenv("SSLKEYLOGFILE", file_of("keys.log"), 1);
}

static void
remove_files(void)
{
	static const char *const names[] = { ".netrc", "key.pem", "certificate.pem",
										 "keys.log" };

	for (size_t i = 0; i < COUNT_OF(names); i++)
		unlink(file_of(names[i]));
	rmdir(directory);
}

int
main(void)
{
	/* As PostgreSQL does; and a hang becomes a failure. */
	signal(SIGPIPE, SIG_IGN);
	alarm(MAX_SECONDS);

	if (mkdtemp(directory) == NULL)
		return 1;
	atexit(remove_files);
	set_hostile_environment();
	start_server();

	test_get();
	test_authorization();
	test_connections();
	test_several_at_once();
	test_false_readiness();
	test_gzip();
	test_maximum();
	test_cut();
	test_malformed();
	test_time_out();
	test_unreachable();
	test_unusable();
	test_redirect();
	test_retry_after();
	test_cookies();
	test_environment();
	test_proxy();
	test_close();
	test_descriptors();
	test_url_problem();
	test_url_escape();
	test_tls();
	test_name_lookup();

	return tap_done();
}
