/*
 * http.h
 *		HTTP exchanges without waiting: the small interface before libcurl.
 *
 * Plain C.  A transport runs any number of exchanges at once over reused
 * connections.  It never blocks, throws, logs, or reads the clock: the caller
 * asks which sockets to watch and for how long, waits in its own way, and
 * tells what became ready.
 *
 *		transport = spotify_http_open(&options);
 *		spotify_http_start(transport, &request, tag);
 *		for (;;)
 *		{
 *			while (spotify_http_take(transport, &tag, &answer))
 *				... use it, then spotify_http_answer_release(&answer);
 *			watched = spotify_http_watch(transport, &count, &timeout_ms);
 *			... wait, set .ready of each ...
 *			spotify_http_advance(transport, watched, count);
 *		}
 *		spotify_http_close(transport);
 *
 * Redirects are not followed.  Proxy, netrc, cookies and key log files of the
 * environment are ignored.  Only gzip is asked for, if anything, and accepted.
 */
#ifndef SPOTIFY_HTTP_H
#define SPOTIFY_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct SpotifyHttp SpotifyHttp;

typedef struct SpotifyHttpOptions
{
	const char *ca_file;	/* PEM file of authorities; "" or NULL: system's */
	const char *proxy;		/* proxy URL; "" or NULL: none */
	const char *user_agent; /* never NULL */
} SpotifyHttpOptions;

/* What is asked.  spotify_http_start copies all that it needs. */
typedef struct SpotifyHttpRequest
{
	const char *url;
	const char *form;	  /* body of a form POST; NULL makes it a GET */
	const char *bearer;	  /* access token to authorise with, or NULL */
	const char *username; /* for Basic authorisation, or NULL */
	const char *password;
	bool is_uncompressed; /* asks for a body that is not compressed */
	long connect_timeout_ms;
	long timeout_ms;		 /* from start to last byte */
	size_t max_body_bytes;	 /* decoded; a larger body ends the exchange */
	size_t max_header_bytes; /* all header lines together */
} SpotifyHttpRequest;

typedef enum SpotifyHttpOutcome
{
	SPOTIFY_HTTP_ANSWERED,	  /* the whole answer arrived; see status */
	SPOTIFY_HTTP_UNREACHABLE, /* DNS, connect or TLS failed: nothing was sent */
	SPOTIFY_HTTP_REFUSED,	  /* the proxy does not let us through */
	SPOTIFY_HTTP_UNTRUSTED,	  /* the certificate was not accepted */
	SPOTIFY_HTTP_NO_AUTHORITIES, /* there are no authorities to check it by */
	SPOTIFY_HTTP_TIMED_OUT,		 /* the answer took longer than allowed */
	SPOTIFY_HTTP_CUT,		/* the connection ended before the answer did */
	SPOTIFY_HTTP_MALFORMED, /* the peer does not keep to HTTP */
	SPOTIFY_HTTP_UNDECODED, /* gzip that libcurl does not decode, such as that
							   * of several members, which is legal */
	SPOTIFY_HTTP_TOO_LARGE, /* body over the given maximum */
	SPOTIFY_HTTP_HEADER_TOO_LARGE, /* header lines over theirs, or libcurl's */
	SPOTIFY_HTTP_UNUSABLE,		   /* the request itself: URL, proxy, CA file */
	SPOTIFY_HTTP_OUT_OF_MEMORY
} SpotifyHttpOutcome;

/* What came back.  Owned by the caller from spotify_http_take on. */
typedef struct SpotifyHttpAnswer
{
	SpotifyHttpOutcome outcome;
	bool was_sent;			/* some of the request may have reached the peer */
	int resent;				/* how often it was sent again by itself, on another
							 * connection, because one that was reused had died;
							 * 0 with libcurl before 7.80 */
	int status;				/* HTTP status, 0 if none arrived */
	int64_t retry_after;	/* seconds of the Retry-After header; 0 if there is
							 * none, or one that says nothing */
	char *body;				/* malloc'd and NUL-terminated; NULL if empty
							 * or if the answer is not whole */
	size_t body_length;		/* without the final NUL */
	int64_t bytes_received; /* on the wire: headers and encoded body */
	char message[256];		/* libcurl's words for a failure; holds no secret */
} SpotifyHttpAnswer;

extern void spotify_http_answer_release(SpotifyHttpAnswer *answer);

/* One socket to watch, and what the watcher saw. */
typedef struct SpotifyHttpSocket
{
	int fd;
	bool want_read;
	bool want_write;
	bool ready_read;
	bool ready_write;
} SpotifyHttpSocket;

/* Makes a transport without connections.  NULL when memory is out. */
extern SpotifyHttp *spotify_http_open(const SpotifyHttpOptions *options);

/*
 * Starts an exchange.  The tag comes back with its answer.  Returns false when
 * memory is out; every other failure is told by the answer.
 */
extern bool spotify_http_start(SpotifyHttp *http,
							   const SpotifyHttpRequest *request, void *tag);

/*
 * The sockets to watch now, and after how many milliseconds to call
 * spotify_http_advance although none became ready (-1: no limit).  The array
 * belongs to the transport and is valid until its next call.
 */
extern SpotifyHttpSocket *spotify_http_watch(SpotifyHttp *http, int *count,
											 long *timeout_ms);

/*
 * Does what can be done without waiting.  The sockets are those of the last
 * spotify_http_watch with their ready flags set; without any, what was started
 * is sent and what is due by time is done.
 */
extern void spotify_http_advance(SpotifyHttp *http,
								 const SpotifyHttpSocket *sockets, int count);

/* Takes the next finished exchange; false when none has finished. */
extern bool spotify_http_take(SpotifyHttp *http, void **tag,
							  SpotifyHttpAnswer *answer);

/*
 * Ends everything at once, running exchanges too.  Does not wait, except for
 * a name lookup under way with libcurl older than 7.87.
 */
extern void spotify_http_close(SpotifyHttp *http);

/* Percent-encodes for a URL or a form.  malloc'd; NULL when memory is out. */
extern char *spotify_url_escape(const char *text);

/* Undoes it.  malloc'd; NULL when memory is out. */
extern char *spotify_url_unescape(const char *text);

/*
 * Tells whether a URL can be the base of requests that carry secrets: https,
 * or http to a loopback address, with a host and without user, password,
 * query or fragment.  NULL if so, else what is wrong with it, to be put after
 * "the URL ".
 */
extern const char *spotify_url_problem(const char *url);

#endif /* SPOTIFY_HTTP_H */
