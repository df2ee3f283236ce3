/*
 * http_server.c
 *		A server that answers, or misbehaves, as the path asks.
 *
 * It writes raw bytes: most of what it says no HTTP library would.
 */
#include "http_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tap.h"

#define MAX_PEERS 64
#define HUGE_LINE (300 * 1024)

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
	if (waiting < HTTP_TOGETHER)
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

/* The same body twice, one gzip behind the other; once if it is not wanted. */
static void
do_gzip_members(Peer *peer, const char *rest)
{
	unsigned char twice[2 * sizeof(gzipped)];

	(void) rest;
	if (strstr(peer->input, "Accept-Encoding: gzip") == NULL)
	{
		answer_text(peer, "200 OK", "", "plain");
		return;
	}
	memcpy(twice, gzipped, sizeof(gzipped));
	memcpy(twice + sizeof(gzipped), gzipped, sizeof(gzipped));
	answer_bytes(peer, "200 OK", "Content-Encoding: gzip\r\n", twice,
				 sizeof(twice));
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

/* HTTP_BOMB_SIZE zero bytes in a thousandth of that size. */
static void
do_bomb(Peer *peer, const char *rest)
{
	static const unsigned char gzip_header[10] = { 0x1f, 0x8b, 8 };
	static unsigned char bytes[HTTP_BOMB_SIZE / 128];
	BitWriter writer = { bytes, sizeof(gzip_header) * 8 };

	(void) rest;
	memset(bytes, 0, sizeof(bytes));
	memcpy(bytes, gzip_header, sizeof(gzip_header));
	put_code(&writer, 1, 1);	/* the last block */
	put_code(&writer, 2, 2);	/* with the fixed codes */
	put_code(&writer, 0x30, 8); /* a zero byte */
	for (int i = 0; i < HTTP_BOMB_SIZE / 258; i++)
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
	for (size_t i = 0; i < HTTP_LARGE_SIZE / sizeof(piece); i++)
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
	{ "/gzip-members", do_gzip_members },
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
int
http_server_listen(int *port)
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

int http_server_port;
static pid_t server_pid;

void
http_server_stop_child(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void
stop_server(void)
{
	http_server_stop_child(server_pid);
}

void
http_server_start(void)
{
	int listener = http_server_listen(&http_server_port);

	server_pid = fork();
	if (server_pid == 0)
	{
		alarm(HTTP_MAX_SECONDS);
		serve(listener);
	}
	close(listener);
	atexit(stop_server);
}
