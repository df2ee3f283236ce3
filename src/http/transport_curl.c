/*
 * transport_curl.c
 *		The exchanges of http.h, run by libcurl's multi interface.
 *
 * Plain C, and the only file that knows libcurl (7.74 or later).  libcurl
 * names the sockets to watch through a callback; they are kept in an array,
 * and what to wait for and how is left to the caller.  So is every decision
 * about an answer: retrying, reading the body, telling the user.
 *
 * Hard rules:
 *
 * - A libcurl callback leaves by returning.  A jump out of it would leave the
 *   multi handle unusable, even for its cleanup.  Hence no postgres.h here.
 * - What a callback finds wrong is noted in the exchange (refuse) or in the
 *   transport (failure), and dealt with after libcurl has returned.
 * - A transport owns its exchanges, an exchange its easy handle.  Release in
 *   the order remove from multi, easy, header list, multi.
 * - Signals are blocked whenever libcurl may start a thread, as it does for a
 *   name lookup.  The thread inherits the mask; the signal handlers of the
 *   process must not run there.
 * - SIGPIPE is ignored by the process: CURLOPT_NOSIGNAL leaves it alone.
 * - Nothing is traced and no request is quoted in a message.  What may be
 *   secret is overwritten before it is freed, in memory of our own and in
 *   libcurl's; that of the libraries below it is out of reach.
 */
#include "http/http.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <curl/curl.h>
#include <malloc.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/byte_buffer.h"
#include "http/secret.h"

/*
 * Idle connections to keep.  There are two hosts, and HTTP/1.1 needs a
 * connection for each request in flight, of which there are four by default.
 */
#define MAX_IDLE_CONNECTIONS 8

/* 68 years in seconds: added to the time of day, it cannot overflow. */
#define MAX_RETRY_AFTER INT32_MAX

/* One request and what has come back so far. */
typedef struct Exchange
{
	struct Exchange *next; /* in the transport's running or finished list */
	void *tag;			   /* the caller's */
	CURL *easy;			   /* NULL once finished */
	SpotifyByteBuffer body;
	size_t header_length; /* of the header lines received */
	size_t max_header_bytes;
	int sendings;				 /* as far as libcurl tells */
	int64_t retry_after;		 /* seconds; 0: no number of them was told */
	bool in_header;				 /* the header has not ended yet */
	char error[CURL_ERROR_SIZE]; /* libcurl's words, or empty */
	SpotifyHttpAnswer answer;	 /* Complete once finished.  Before that only
								  * outcome and message are used, by refuse */
} Exchange;

static void
exchange_release(Exchange *exchange)
{
	if (exchange->easy != NULL)
		curl_easy_cleanup(exchange->easy);
	spotify_byte_buffer_release(&exchange->body);
	spotify_http_answer_release(&exchange->answer);
	free(exchange);
}

typedef struct SocketList
{
	SpotifyHttpSocket *sockets; /* malloc'd; NULL while capacity is 0 */
	int count;
	int capacity;
} SocketList;

struct SpotifyHttp
{
	CURLM *multi;
	CURLMcode failure; /* other than CURLM_OK: multi can only be released */
	struct curl_slist *headers; /* sent with every request */
	char *ca_file;				/* "" if none, as the two below */
	char *proxy;
	char *user_agent;
	Exchange *running;
	Exchange *finished;		 /* in the order in which they finished */
	Exchange **finished_end; /* where to append to that list */
	SocketList sockets;		 /* what libcurl wants watched now */
	SocketList watched;		 /* what spotify_http_watch gave out; a copy, so
							  * that it stays while libcurl changes sockets */
};

static void
transport_release(SpotifyHttp *http)
{
	Exchange *exchange;

	while ((exchange = http->running) != NULL)
	{
		http->running = exchange->next;
		/* Fails only for handles that were never added. */
		(void) curl_multi_remove_handle(http->multi, exchange->easy);
		exchange_release(exchange);
	}
	while ((exchange = http->finished) != NULL)
	{
		http->finished = exchange->next;
		exchange_release(exchange);
	}
	curl_slist_free_all(http->headers);
	/* Nothing is left to try if this fails. */
	if (http->multi != NULL)
		(void) curl_multi_cleanup(http->multi);
	free(http->sockets.sockets);
	free(http->watched.sockets);
	free(http->ca_file);
	spotify_secret_free(http->proxy); /* may hold a password */
	free(http->user_agent);
	free(http);
}

/*
 * Blocks all signals but those that the program raises itself by a fault.
 * Gives the mask to restore.
 */
static sigset_t
block_signals(void)
{
	static const int faults[] = { SIGABRT, SIGBUS,	SIGFPE, SIGILL,
								  SIGSEGV, SIGTRAP, SIGSYS };
	sigset_t blocked;
	sigset_t saved;

	sigfillset(&blocked);
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		sigdelset(&blocked, faults[i]);
	/* As PostgreSQL does, not by pthread_sigmask: it needs no library. */
	sigprocmask(SIG_SETMASK, &blocked, &saved);
	return saved;
}

static void
restore_signals(const sigset_t *saved)
{
	sigprocmask(SIG_SETMASK, saved, NULL);
}

/*
 * Memory for libcurl, which copies tokens and headers and frees them as they
 * are: what it gives back is overwritten, so that it does not stay in a backend
 * for as long as that lives.  The block may come from the plain malloc: if
 * another extension has initialized libcurl before, all of this is not used.
 */
static void
free_wiped(void *block)
{
	if (block != NULL)
		explicit_bzero(block, malloc_usable_size(block));
	free(block);
}

static void *
realloc_wiped(void *block, size_t size)
{
	size_t old_size = block != NULL ? malloc_usable_size(block) : 0;
	void *grown = malloc(size);

	if (grown == NULL || block == NULL)
		return grown;
	memcpy(grown, block, old_size < size ? old_size : size);
	free_wiped(block);
	return grown;
}

/*
 * Once per process, at first use: libcurl does not promise to survive a fork
 * after it, so the postmaster must not do it.  Never undone: other extensions
 * may use libcurl too.
 *
 * With OpenSSL libcurl opens the key log file here, with GnuTLS at every
 * connect, when lookup threads may be reading the environment.  So the
 * variable is taken away for good rather than put back.
 */
static bool
initialize_libcurl(void)
{
	static bool is_initialized = false;

	if (!is_initialized)
		is_initialized =
			unsetenv("SSLKEYLOGFILE") == 0 &&
			curl_global_init_mem(CURL_GLOBAL_DEFAULT, malloc, free_wiped,
								 realloc_wiped, strdup, calloc) == CURLE_OK;
	return is_initialized;
}

/* Sockets */

static bool
socket_list_reserve(SocketList *list, int count)
{
	SpotifyHttpSocket *sockets;

	if (count <= list->capacity)
		return true;
	sockets = realloc(list->sockets, 2 * (size_t) count * sizeof(*sockets));
	if (sockets == NULL)
		return false;
	list->sockets = sockets;
	list->capacity = 2 * count;
	return true;
}

static SpotifyHttpSocket *
find_socket(const SocketList *list, int fd)
{
	for (int i = 0; i < list->count; i++)
		if (list->sockets[i].fd == fd)
			return &list->sockets[i];
	return NULL;
}

static void
remove_socket(SocketList *list, int fd)
{
	SpotifyHttpSocket *found = find_socket(list, fd);

	if (found != NULL)
		*found = list->sockets[--list->count];
}

/* False when memory is out. */
static bool
add_socket(SocketList *list, const SpotifyHttpSocket *socket)
{
	if (!socket_list_reserve(list, list->count + 1))
		return false;
	list->sockets[list->count++] = *socket;
	return true;
}

/* libcurl tells what it wants of a socket from now on. */
static int
note_socket(CURL *easy, curl_socket_t fd, int what, void *transport,
			void *unused)
{
	SpotifyHttp *http = transport;
	SpotifyHttpSocket socket = { .fd = fd };

	(void) easy;
	(void) unused;

	remove_socket(&http->sockets, fd);
	socket.want_read = what == CURL_POLL_IN || what == CURL_POLL_INOUT;
	socket.want_write = what == CURL_POLL_OUT || what == CURL_POLL_INOUT;
	if (!socket.want_read && !socket.want_write)
		return 0;
	if (!add_socket(&http->sockets, &socket))
	{
		http->failure = CURLM_OUT_OF_MEMORY;
		return -1;
	}
	return 0;
}

/*
 * curl_multi_timeout tells the same whenever it is asked.  Set because
 * libcurl's manual wants it set with curl_multi_socket_action.
 */
static int
ignore_timer(CURLM *multi, long timeout_ms, void *unused)
{
	(void) multi;
	(void) timeout_ms;
	(void) unused;
	return 0;
}

/* Receiving */

/* A message may quote the peer, so only printable ASCII is kept of it. */
static void
set_message(SpotifyHttpAnswer *answer, const char *text)
{
	snprintf(answer->message, sizeof(answer->message), "%s", text);
	for (char *c = answer->message; *c != '\0'; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
}

/* Notes why an exchange is ended by us and not by libcurl. */
static void
refuse(Exchange *exchange, SpotifyHttpOutcome outcome, const char *message)
{
	exchange->answer.outcome = outcome;
	set_message(&exchange->answer, message);
}

static size_t
receive_body(char *bytes, size_t size, size_t count, void *context)
{
	Exchange *exchange = context;
	size_t length = size * count;

	switch (spotify_byte_buffer_append(&exchange->body, bytes, length))
	{
		case SPOTIFY_BYTE_BUFFER_OK:
			return length;
		case SPOTIFY_BYTE_BUFFER_FULL:
			refuse(exchange, SPOTIFY_HTTP_TOO_LARGE,
				   "the body is larger than allowed");
			break;
		case SPOTIFY_BYTE_BUFFER_OUT_OF_MEMORY:
			refuse(exchange, SPOTIFY_HTTP_OUT_OF_MEMORY, "out of memory");
			break;
	}
	return 0;
}

static bool
is_accepted_encoding(const char *name, size_t length)
{
	static const char *const accepted[] = { "gzip", "x-gzip", "identity", "" };

	for (size_t i = 0; i < sizeof(accepted) / sizeof(accepted[0]); i++)
		if (strlen(accepted[i]) == length &&
			curl_strnequal(accepted[i], name, length))
			return true;
	return false;
}

/*
 * The value of a header line if that has this name, which ends in a colon; and
 * NULL if not.
 */
static const char *
find_value(const char *line, size_t length, const char *name,
		   size_t *value_length)
{
	const size_t name_length = strlen(name);
	const char *start = line + name_length;
	const char *end = line + length;

	if (length < name_length || !curl_strnequal(line, name, name_length))
		return NULL;
	while (start < end && isspace((unsigned char) *start))
		start++;
	while (start < end && isspace((unsigned char) end[-1]))
		end--;
	*value_length = (size_t) (end - start);
	return start;
}

/*
 * Tells whether a header line announces an encoding that was not asked for.
 * libcurl would decode it all the same if it can.
 */
static bool
has_unwanted_encoding(const char *line, size_t length)
{
	size_t value_length;
	const char *value =
		find_value(line, length, "content-encoding:", &value_length);

	return value != NULL && !is_accepted_encoding(value, value_length);
}

/*
 * Notes how many seconds a header line says to wait, if it does so by a number.
 * Newer versions of libcurl, such as 8.14, tell of no more than six hours, and
 * Spotify's limits last longer.  For a date, which Spotify does not send, that
 * has to do.
 */
static void
note_retry_after(Exchange *exchange, const char *line, size_t length)
{
	size_t value_length;
	const char *value = find_value(line, length, "retry-after:", &value_length);
	int64_t seconds = 0;

	if (value == NULL || value_length == 0)
		return;
	for (size_t i = 0; i < value_length; i++)
	{
		if (!isdigit((unsigned char) value[i]))
			return;
		seconds = seconds * 10 + (value[i] - '0');
		if (seconds > MAX_RETRY_AFTER)
			seconds = MAX_RETRY_AFTER;
	}
	exchange->retry_after = seconds;
}

#define HEADER_TOO_LARGE "the header is larger than allowed"

/* Gets whole lines, also the status line and the empty line at the end. */
static size_t
receive_header(char *line, size_t size, size_t count, void *context)
{
	Exchange *exchange = context;
	size_t length = size * count;

	if (length > exchange->max_header_bytes - exchange->header_length)
	{
		refuse(exchange, SPOTIFY_HTTP_HEADER_TOO_LARGE, HEADER_TOO_LARGE);
		return 0;
	}
	if (has_unwanted_encoding(line, length))
	{
		refuse(exchange, SPOTIFY_HTTP_MALFORMED,
			   "the body has an encoding that was not asked for");
		return 0;
	}
	note_retry_after(exchange, line, length);
	exchange->header_length += length;
	exchange->in_header = line[0] != '\r' && line[0] != '\n';
	return length;
}

/* URLs */

static bool
is_visible_ascii(const char *text)
{
	for (; *text != '\0'; text++)
		if (*text <= ' ' || *text > '~')
			return false;
	return true;
}

/* The host of a URL, to be freed with curl_free; NULL if there is none. */
static char *
url_host(const char *url)
{
	CURLU *parts = curl_url();
	char *host = NULL;

	if (parts == NULL)
		return NULL;
	if (curl_url_set(parts, CURLUPART_URL, url, 0) != CURLUE_OK ||
		curl_url_get(parts, CURLUPART_HOST, &host, 0) != CURLUE_OK)
		host = NULL;
	curl_url_cleanup(parts);
	return host;
}

static bool
is_loopback_ipv4(const char *host)
{
	struct in_addr address;

	return inet_pton(AF_INET, host, &address) == 1 &&
		   ntohl(address.s_addr) >> 24 == 127;
}

/* As it stands in a URL, in brackets. */
static bool
is_loopback_ipv6(const char *host)
{
	char digits[INET6_ADDRSTRLEN];
	struct in6_addr address;
	size_t length = strlen(host);

	if (length < 2 || length - 2 >= sizeof(digits) || host[0] != '[')
		return false;
	memcpy(digits, host + 1, length - 2);
	digits[length - 2] = '\0';
	return inet_pton(AF_INET6, digits, &address) == 1 &&
		   IN6_IS_ADDR_LOOPBACK(&address);
}

static bool
is_loopback_host(const char *host)
{
	return curl_strequal(host, "localhost") || is_loopback_ipv4(host) ||
		   is_loopback_ipv6(host);
}

static bool
is_loopback_url(const char *url)
{
	char *host = url_host(url);
	bool is_loopback = host != NULL && is_loopback_host(host);

	curl_free(host);
	return is_loopback;
}

static bool
has_prefix(const char *text, const char *prefix)
{
	return curl_strnequal(text, prefix, strlen(prefix));
}

const char *
spotify_url_problem(const char *url)
{
	bool is_https = has_prefix(url, "https://");
	const char *authority;
	size_t authority_length;
	char *host;

	if (!is_https && !has_prefix(url, "http://"))
		return "must start with https://, or with http:// for a loopback address";
	if (!is_visible_ascii(url))
		return "must consist of visible ASCII characters";
	if (strchr(url, '?') != NULL)
		return "must not contain a query";
	if (strchr(url, '#') != NULL)
		return "must not contain a fragment";

	/*
	 * Looked at before libcurl does, which passes over an empty user and too
	 * many slashes.
	 */
	authority = strstr(url, "://") + 3;
	authority_length = strcspn(authority, "/");
	if (memchr(authority, '@', authority_length) != NULL)
		return "must not contain a user or password";
	if (authority_length == 0 || authority[0] == ':')
		return "must contain a host";

	host = url_host(url);
	if (host == NULL)
		return "is malformed";
	curl_free(host);
	if (!is_https && !is_loopback_url(url))
		return "may use http:// only for a loopback address";
	return NULL;
}

/* A copy for the caller to free, in the place of libcurl's own. */
static char *
take_secret_text(char *text)
{
	char *copy;

	if (text == NULL)
		return NULL;
	copy = strdup(text);
	explicit_bzero(text, strlen(text));
	curl_free(text);
	return copy;
}

char *
spotify_url_escape(const char *text)
{
	/* A length of 0 asks for strlen.  The handle has no use since 7.82. */
	return take_secret_text(curl_easy_escape(NULL, text, 0));
}

char *
spotify_url_unescape(const char *text)
{
	return take_secret_text(curl_easy_unescape(NULL, text, 0, NULL));
}

/* Setting up */

/* Options being set; once one has failed, the later ones are left out. */
typedef struct Setup
{
	CURL *easy;
	CURLcode code; /* of the first that failed */
} Setup;

static void
set_number(Setup *setup, CURLoption option, long value)
{
	if (setup->code == CURLE_OK)
		setup->code = curl_easy_setopt(setup->easy, option, value);
}

/* libcurl copies the text. */
static void
set_text(Setup *setup, CURLoption option, const char *value)
{
	if (setup->code == CURLE_OK)
		setup->code = curl_easy_setopt(setup->easy, option, value);
}

/* libcurl keeps the pointer. */
static void
set_pointer(Setup *setup, CURLoption option, void *value)
{
	if (setup->code == CURLE_OK)
		setup->code = curl_easy_setopt(setup->easy, option, value);
}

static void
set_receiver(Setup *setup, CURLoption option, curl_write_callback receiver)
{
	if (setup->code == CURLE_OK)
		setup->code = curl_easy_setopt(setup->easy, option, receiver);
}

/*
 * The same for every exchange.  Some are libcurl's default; they stand here
 * because secrets depend on them.
 */
static void
set_fixed_options(Setup *setup)
{
	static const struct
	{
		CURLoption option;
		long value;
	} fixed[] = {
		{ CURLOPT_NOSIGNAL, 1 },
		{ CURLOPT_FOLLOWLOCATION, 0 },
		{ CURLOPT_UNRESTRICTED_AUTH, 0 },
		{ CURLOPT_NETRC, CURL_NETRC_IGNORED },
		{ CURLOPT_SSL_VERIFYPEER, 1 },
		{ CURLOPT_SSL_VERIFYHOST, 2 },
		{ CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2 },
		{ CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_2TLS },
		{ CURLOPT_HTTP09_ALLOWED, 0 },
		{ CURLOPT_TRANSFER_ENCODING, 0 },
#if LIBCURL_VERSION_NUM >= 0x075700
		/* Does not wait for a name lookup when the exchange ends. */
		{ CURLOPT_QUICK_EXIT, 1 },
#endif
	};

	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		set_number(setup, fixed[i].option, fixed[i].value);
}

static void
set_protocols(Setup *setup, const char *url)
{
	bool is_loopback = is_loopback_url(url);

#if LIBCURL_VERSION_NUM >= 0x075500
	set_text(setup, CURLOPT_PROTOCOLS_STR,
			 is_loopback ? "https,http" : "https");
	set_text(setup, CURLOPT_REDIR_PROTOCOLS_STR, "https");
#else
	set_number(setup, CURLOPT_PROTOCOLS,
			   is_loopback ? CURLPROTO_HTTPS | CURLPROTO_HTTP
						   : CURLPROTO_HTTPS);
	set_number(setup, CURLOPT_REDIR_PROTOCOLS, CURLPROTO_HTTPS);
#endif

	/*
	 * Waits for the first connection to show whether others can share it.
	 * Without TLS it shows only with the first answer, so that requests would
	 * run one after the other.
	 */
	set_number(setup, CURLOPT_PIPEWAIT, is_loopback ? 0 : 1);
}

static void
set_authorization(Setup *setup, Exchange *exchange,
				  const SpotifyHttpRequest *request)
{
	if (request->bearer != NULL)
	{
		/* libcurl would let a line end in the token start another header. */
		if (!is_visible_ascii(request->bearer))
		{
			refuse(exchange, SPOTIFY_HTTP_UNUSABLE,
				   "the access token has a character that cannot be sent");
			setup->code = CURLE_BAD_FUNCTION_ARGUMENT;
		}
		set_number(setup, CURLOPT_HTTPAUTH, (long) CURLAUTH_BEARER);
		set_text(setup, CURLOPT_XOAUTH2_BEARER, request->bearer);
	}
	else if (request->username != NULL)
	{
		set_number(setup, CURLOPT_HTTPAUTH, (long) CURLAUTH_BASIC);
		set_text(setup, CURLOPT_USERNAME, request->username);
		set_text(setup, CURLOPT_PASSWORD, request->password);
	}
}

static void
set_form(Setup *setup, const char *form)
{
	if (form == NULL)
		return;
	set_text(setup, CURLOPT_COPYPOSTFIELDS, form);

	/*
	 * On a reused connection that turns out dead, libcurl sends the request
	 * again by itself.  A form may spend a token, so it is sent once.
	 */
	set_number(setup, CURLOPT_FRESH_CONNECT, 1);
}

#if LIBCURL_VERSION_NUM >= 0x075000
/* Called each time that a request is about to be sent. */
static int
note_sending(void *context, char *server, char *own, int server_port,
			 int own_port)
{
	Exchange *exchange = context;

	(void) server;
	(void) own;
	(void) server_port;
	(void) own_port;
	exchange->sendings++;
	return CURL_PREREQFUNC_OK;
}
#endif

static void
count_sendings(Setup *setup, Exchange *exchange)
{
#if LIBCURL_VERSION_NUM >= 0x075000
	if (setup->code == CURLE_OK)
		setup->code =
			curl_easy_setopt(setup->easy, CURLOPT_PREREQFUNCTION, note_sending);
	set_pointer(setup, CURLOPT_PREREQDATA, exchange);
#else
	(void) setup;
	(void) exchange;
#endif
}

/* Copies all that is needed of the request. */
static CURLcode
configure_exchange(const SpotifyHttp *http, Exchange *exchange,
				   const SpotifyHttpRequest *request)
{
	Setup setup = { exchange->easy, CURLE_OK };

	set_pointer(&setup, CURLOPT_ERRORBUFFER, exchange->error);
	set_fixed_options(&setup);

	set_text(&setup, CURLOPT_USERAGENT, http->user_agent);
	set_pointer(&setup, CURLOPT_HTTPHEADER, http->headers);
	/* Empty texts here mean none, and not the environment's. */
	set_text(&setup, CURLOPT_PROXY, http->proxy);
	set_text(&setup, CURLOPT_NOPROXY, "");
	if (http->ca_file[0] != '\0')
	{
		set_text(&setup, CURLOPT_CAINFO, http->ca_file);
		/* Else the system's directory would be trusted as well. */
		set_text(&setup, CURLOPT_CAPATH, NULL);
	}

	set_text(&setup, CURLOPT_ACCEPT_ENCODING,
			 request->is_uncompressed ? "identity" : "gzip");
	set_text(&setup, CURLOPT_URL, request->url);
	set_protocols(&setup, request->url);
	set_authorization(&setup, exchange, request);
	set_form(&setup, request->form);
	set_number(&setup, CURLOPT_CONNECTTIMEOUT_MS, request->connect_timeout_ms);
	set_number(&setup, CURLOPT_TIMEOUT_MS, request->timeout_ms);

	set_receiver(&setup, CURLOPT_WRITEFUNCTION, receive_body);
	set_pointer(&setup, CURLOPT_WRITEDATA, exchange);
	set_receiver(&setup, CURLOPT_HEADERFUNCTION, receive_header);
	set_pointer(&setup, CURLOPT_HEADERDATA, exchange);
	count_sendings(&setup, exchange);
	return setup.code;
}

static CURLMcode
configure_multi(SpotifyHttp *http)
{
	static const struct
	{
		CURLMoption option;
		long value;
	} fixed[] = {
		{ CURLMOPT_MAXCONNECTS, MAX_IDLE_CONNECTIONS },
#if LIBCURL_VERSION_NUM >= 0x081400
		{ CURLMOPT_QUICK_EXIT, 1 },
#endif
	};
	CURLM *multi = http->multi;
	CURLMcode code;

	code = curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, note_socket);
	if (code == CURLM_OK)
		code = curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, http);
	if (code == CURLM_OK)
		code = curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, ignore_timer);
	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		if (code == CURLM_OK)
			code = curl_multi_setopt(multi, fixed[i].option, fixed[i].value);
	return code;
}

static char *
copy_or_empty(const char *text)
{
	return strdup(text != NULL ? text : "");
}

static SpotifyHttp *
transport_create(const SpotifyHttpOptions *options)
{
	SpotifyHttp *http;

	if (!initialize_libcurl())
		return NULL;
	http = calloc(1, sizeof(*http));
	if (http == NULL)
		return NULL;

	http->finished_end = &http->finished;
	http->ca_file = copy_or_empty(options->ca_file);
	http->proxy = copy_or_empty(options->proxy);
	http->user_agent = copy_or_empty(options->user_agent);
	/* No "Expect: 100-continue", which would cost a round trip. */
	http->headers = curl_slist_append(NULL, "Expect:");
	http->multi = curl_multi_init();
	if (http->ca_file == NULL || http->proxy == NULL ||
		http->user_agent == NULL || http->headers == NULL ||
		http->multi == NULL || configure_multi(http) != CURLM_OK)
	{
		transport_release(http);
		return NULL;
	}
	return http;
}

static Exchange *
exchange_create(const SpotifyHttpRequest *request, void *tag)
{
	Exchange *exchange = calloc(1, sizeof(*exchange));

	if (exchange == NULL)
		return NULL;
	exchange->tag = tag;
	exchange->max_header_bytes = request->max_header_bytes;
	exchange->in_header = true;
	spotify_byte_buffer_init(&exchange->body, request->max_body_bytes);
	exchange->easy = curl_easy_init();
	if (exchange->easy == NULL)
	{
		exchange_release(exchange);
		return NULL;
	}
	return exchange;
}

/* Finishing */

static long
info_number(CURL *easy, CURLINFO info)
{
	long value = 0;

	if (curl_easy_getinfo(easy, info, &value) != CURLE_OK)
		return 0;
	return value;
}

static curl_off_t
info_size(CURL *easy, CURLINFO info)
{
	curl_off_t value = 0;

	if (curl_easy_getinfo(easy, info, &value) != CURLE_OK)
		return 0;
	return value;
}

/*
 * Tells whether the peer may have seen some of the request.  The size counts
 * what was asked of a proxy too; if the proxy refused, it is only that.
 */
static bool
was_request_sent(CURL *easy)
{
	long proxy_status = info_number(easy, CURLINFO_HTTP_CONNECTCODE);

	if (info_number(easy, CURLINFO_RESPONSE_CODE) > 0)
		return true;
	if (proxy_status >= 300)
		return false;
	return info_number(easy, CURLINFO_REQUEST_SIZE) > 0;
}

/*
 * Tells whether a proxy refused to connect us, which it will do again.  One
 * that could not connect (5xx) may do better the next time.
 */
static bool
is_refused_by_proxy(CURL *easy)
{
	long status = info_number(easy, CURLINFO_HTTP_CONNECTCODE);

	return status >= 400 && status < 500;
}

/*
 * What the header's lines said, or libcurl made of a date: 0 if that is over,
 * or if it is neither a number nor a date.
 */
static int64_t
retry_after_seconds(const Exchange *exchange)
{
	curl_off_t seconds = info_size(exchange->easy, CURLINFO_RETRY_AFTER);

	if (exchange->retry_after > 0)
		return exchange->retry_after;
	if (seconds < 0)
		return 0;
	return seconds < MAX_RETRY_AFTER ? seconds : MAX_RETRY_AFTER;
}

/* Which outcome a result of libcurl is. */
static SpotifyHttpOutcome
outcome_of(CURLcode code, bool was_sent, bool in_header)
{
	switch (code)
	{
		case CURLE_OK:
			return SPOTIFY_HTTP_ANSWERED;

		case CURLE_COULDNT_RESOLVE_HOST:
		case CURLE_COULDNT_CONNECT:
		case CURLE_SSL_CONNECT_ERROR:
		case CURLE_SSL_CIPHER:
		case CURLE_PROXY:
			return SPOTIFY_HTTP_UNREACHABLE;

		case CURLE_PEER_FAILED_VERIFICATION:
		case CURLE_SSL_ISSUER_ERROR:
		case CURLE_SSL_INVALIDCERTSTATUS:
		case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
			return SPOTIFY_HTTP_UNTRUSTED;

		case CURLE_SSL_CACERT_BADFILE:
			return SPOTIFY_HTTP_NO_AUTHORITIES;

		case CURLE_OPERATION_TIMEDOUT:
			return was_sent ? SPOTIFY_HTTP_TIMED_OUT : SPOTIFY_HTTP_UNREACHABLE;

		/* libcurl says CURLE_RECV_ERROR for a bad chunk too. */
		case CURLE_RECV_ERROR:
		case CURLE_SEND_ERROR:
		case CURLE_PARTIAL_FILE:
		case CURLE_GOT_NOTHING:
		case CURLE_HTTP2:
		case CURLE_HTTP2_STREAM:
			return was_sent ? SPOTIFY_HTTP_CUT : SPOTIFY_HTTP_UNREACHABLE;

		/* Of the URL, or of an answer without a status line. */
		case CURLE_UNSUPPORTED_PROTOCOL:
			return was_sent ? SPOTIFY_HTTP_MALFORMED : SPOTIFY_HTTP_UNUSABLE;

		case CURLE_WEIRD_SERVER_REPLY:
		case CURLE_BAD_CONTENT_ENCODING:
			return SPOTIFY_HTTP_MALFORMED;

		/* Not of our receivers, who say what is wrong. */
		case CURLE_WRITE_ERROR:
			return SPOTIFY_HTTP_UNDECODED;

#if LIBCURL_VERSION_NUM >= 0x080600
		case CURLE_TOO_LARGE:
			return SPOTIFY_HTTP_HEADER_TOO_LARGE;
#endif

		/* Before 8.6 also for a header line over libcurl's own 100 kB. */
		case CURLE_OUT_OF_MEMORY:
			return was_sent && in_header ? SPOTIFY_HTTP_HEADER_TOO_LARGE
										 : SPOTIFY_HTTP_OUT_OF_MEMORY;

		/* A bad URL, proxy or CA file, or an option libcurl was built without
		 * leave nothing sent. */
		default:
			return was_sent ? SPOTIFY_HTTP_CUT : SPOTIFY_HTTP_UNUSABLE;
	}
}

/* What a result of the multi interface means for one of its exchanges. */
static CURLcode
easy_code(CURLMcode code)
{
	switch (code)
	{
		case CURLM_OK:
			return CURLE_OK;
		case CURLM_OUT_OF_MEMORY:
			return CURLE_OUT_OF_MEMORY;
		default:
			return CURLE_FAILED_INIT;
	}
}

/* Why there is no answer. */
static const char *
failure_message(const Exchange *exchange, CURLcode code)
{
	/* libcurl's words for it may be "out of memory". */
	if (exchange->answer.outcome == SPOTIFY_HTTP_HEADER_TOO_LARGE)
		return HEADER_TOO_LARGE;
	/* Or that it could not write to a disk. */
	if (exchange->answer.outcome == SPOTIFY_HTTP_UNDECODED)
		return "the body has more than one member of gzip";
	return exchange->error[0] != '\0' ? exchange->error
									  : curl_easy_strerror(code);
}

/* Fills the answer, but for what refuse has filled already. */
static void
complete_answer(Exchange *exchange, CURLcode code)
{
	SpotifyHttpAnswer *answer = &exchange->answer;
	CURL *easy = exchange->easy;

	answer->status = (int) info_number(easy, CURLINFO_RESPONSE_CODE);
	answer->was_sent = was_request_sent(easy);
	answer->resent = exchange->sendings > 1 ? exchange->sendings - 1 : 0;
	answer->retry_after = retry_after_seconds(exchange);
	answer->bytes_received = info_number(easy, CURLINFO_HEADER_SIZE) +
							 info_size(easy, CURLINFO_SIZE_DOWNLOAD_T);
	if (answer->outcome == SPOTIFY_HTTP_ANSWERED)
	{
		answer->outcome =
			is_refused_by_proxy(easy)
				? SPOTIFY_HTTP_REFUSED
				: outcome_of(code, answer->was_sent, exchange->in_header);
		if (answer->outcome != SPOTIFY_HTTP_ANSWERED)
			set_message(answer, failure_message(exchange, code));
	}
	if (answer->outcome == SPOTIFY_HTTP_ANSWERED)
	{
		answer->body_length = exchange->body.length;
		answer->body = spotify_byte_buffer_detach(&exchange->body);
	}
}

/* Turns an exchange that is in no list into a finished one. */
static void
finish_exchange(SpotifyHttp *http, Exchange *exchange, CURLcode code)
{
	CURLMcode removed;

	complete_answer(exchange, code);
	removed = curl_multi_remove_handle(http->multi, exchange->easy);
	if (removed != CURLM_OK && http->failure == CURLM_OK)
		http->failure = removed;
	curl_easy_cleanup(exchange->easy);
	exchange->easy = NULL;

	exchange->next = NULL;
	*http->finished_end = exchange;
	http->finished_end = &exchange->next;
}

/* Takes the exchange of an easy handle off the running ones. */
static Exchange *
unlink_running(SpotifyHttp *http, const CURL *easy)
{
	for (Exchange **link = &http->running; *link != NULL; link = &(*link)->next)
		if ((*link)->easy == easy)
		{
			Exchange *exchange = *link;

			*link = exchange->next;
			return exchange;
		}
	return NULL;
}

static void
collect_finished(SpotifyHttp *http)
{
	CURLMsg *message;
	int messages_left;

	while ((message = curl_multi_info_read(http->multi, &messages_left)) !=
		   NULL)
	{
		/* Removing the handle frees the message. */
		CURLcode code = message->data.result;
		Exchange *exchange = unlink_running(http, message->easy_handle);

		if (exchange != NULL)
			finish_exchange(http, exchange, code);
	}
}

static void
fail_running(SpotifyHttp *http)
{
	Exchange *exchange;

	while ((exchange = http->running) != NULL)
	{
		http->running = exchange->next;
		finish_exchange(http, exchange, easy_code(http->failure));
	}
}

/* Driving */

/* False when memory is out. */
static bool
start_exchange(SpotifyHttp *http, const SpotifyHttpRequest *request, void *tag)
{
	Exchange *exchange = exchange_create(request, tag);
	CURLcode code;

	if (exchange == NULL)
		return false;
	code = configure_exchange(http, exchange, request);
	if (code == CURLE_OK)
		code = easy_code(http->failure);
	if (code == CURLE_OK)
		code = easy_code(curl_multi_add_handle(http->multi, exchange->easy));

	if (code == CURLE_OUT_OF_MEMORY)
	{
		exchange_release(exchange);
		return false;
	}
	if (code != CURLE_OK)
	{
		finish_exchange(http, exchange, code);
		return true;
	}
	exchange->next = http->running;
	http->running = exchange;
	return true;
}

/* Lets libcurl act on one socket, or on what is due. */
static void
act(SpotifyHttp *http, curl_socket_t fd, int events)
{
	CURLMcode code;
	int running_count;

	if (http->failure != CURLM_OK)
		return;
	code = curl_multi_socket_action(http->multi, fd, events, &running_count);
	/* A failure noted by note_socket is the cause of this one. */
	if (http->failure == CURLM_OK)
		http->failure = code;
}

static void
advance_exchanges(SpotifyHttp *http, const SpotifyHttpSocket *sockets,
				  int count)
{
	for (int i = 0; i < count; i++)
	{
		int events = (sockets[i].ready_read ? CURL_CSELECT_IN : 0) |
					 (sockets[i].ready_write ? CURL_CSELECT_OUT : 0);

		/* libcurl passes over a socket that it has closed meanwhile. */
		if (events != 0)
			act(http, sockets[i].fd, events);
	}
	act(http, CURL_SOCKET_TIMEOUT, 0);
	collect_finished(http);
	if (http->failure != CURLM_OK)
		fail_running(http);
}

/* The interface */

SpotifyHttp *
spotify_http_open(const SpotifyHttpOptions *options)
{
	sigset_t saved = block_signals();
	SpotifyHttp *http = transport_create(options);

	restore_signals(&saved);
	return http;
}

bool
spotify_http_start(SpotifyHttp *http, const SpotifyHttpRequest *request,
				   void *tag)
{
	sigset_t saved = block_signals();
	bool is_started = start_exchange(http, request, tag);

	restore_signals(&saved);
	return is_started;
}

SpotifyHttpSocket *
spotify_http_watch(SpotifyHttp *http, int *count, long *timeout_ms)
{
	SocketList *watched = &http->watched;

	*count = 0;
	*timeout_ms = 0;
	if (http->failure == CURLM_OK)
		http->failure = curl_multi_timeout(http->multi, timeout_ms);
	if (http->failure == CURLM_OK &&
		!socket_list_reserve(watched, http->sockets.count))
		http->failure = CURLM_OUT_OF_MEMORY;
	/* Then the next advance, which is due at once, ends all exchanges. */
	if (http->failure != CURLM_OK)
	{
		*timeout_ms = 0;
		return NULL;
	}

	watched->count = http->sockets.count;
	for (int i = 0; i < watched->count; i++)
		watched->sockets[i] = http->sockets.sockets[i];
	*count = watched->count;
	return watched->sockets;
}

void
spotify_http_advance(SpotifyHttp *http, const SpotifyHttpSocket *sockets,
					 int count)
{
	sigset_t saved = block_signals();

	advance_exchanges(http, sockets, count);
	restore_signals(&saved);
}

bool
spotify_http_take(SpotifyHttp *http, void **tag, SpotifyHttpAnswer *answer)
{
	Exchange *exchange = http->finished;

	if (exchange == NULL)
		return false;
	http->finished = exchange->next;
	if (http->finished == NULL)
		http->finished_end = &http->finished;

	*tag = exchange->tag;
	*answer = exchange->answer;
	exchange->answer.body = NULL; /* the caller's now */
	exchange_release(exchange);
	return true;
}

void
spotify_http_close(SpotifyHttp *http)
{
	sigset_t saved;

	if (http == NULL)
		return;
	saved = block_signals();
	transport_release(http);
	restore_signals(&saved);
}

void
spotify_http_answer_release(SpotifyHttpAnswer *answer)
{
	if (answer->body != NULL)
		explicit_bzero(answer->body, answer->body_length);
	free(answer->body);
	answer->body = NULL;
	answer->body_length = 0;
}
