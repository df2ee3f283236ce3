/*
 * http_client.h
 *		What the tests of the transport share: exchanges in few words.
 *
 * Whatever keeps a test from going on ends the program as a failure.
 */
#ifndef HTTP_CLIENT_H
#define HTTP_CLIENT_H

#include <stdbool.h>

#include "http/http.h"

#define HTTP_MAX_BODY	(64 * 1024) /* of http_request_for */
#define HTTP_USER_AGENT "transport-test/1.0"

/*
 * To be called first: starts the server, in an environment that holds all that
 * could lead an exchange astray.
 */
extern void http_begin(void);

/* A file in the directory of this run.  Valid until the next call but one. */
extern const char *http_file(const char *name);

extern double http_seconds_now(void);

/* Valid until the eighth next call. */
extern const char *http_url(const char *scheme_and_host, int port,
							const char *path);

extern const char *http_server_url(const char *path);

extern SpotifyHttpRequest http_request_for(const char *url);

extern SpotifyHttp *http_open(const char *ca_file, const char *proxy);

extern SpotifyHttp *http_open_plainly(void);

extern void http_start_or_exit(SpotifyHttp *http,
							   const SpotifyHttpRequest *request, void *tag);

/* Waits as spotify_http_watch says, then advances.  False when idle. */
extern bool http_wait_and_advance(SpotifyHttp *http);

/* The next answer; an exchange must be running. */
extern SpotifyHttpAnswer http_next_answer(SpotifyHttp *http, void **tag);

extern SpotifyHttpAnswer http_run(SpotifyHttp *http,
								  const SpotifyHttpRequest *request);

extern SpotifyHttpAnswer http_get(SpotifyHttp *http, const char *url);

/* A GET by a transport of its own. */
extern SpotifyHttpAnswer http_get_once(const char *url);

extern bool http_body_contains(const SpotifyHttpAnswer *answer,
							   const char *text);

/* Checks what every failure has in common. */
extern void http_check_failure(SpotifyHttpAnswer *answer,
							   SpotifyHttpOutcome outcome, bool was_sent,
							   const char *name);

extern void http_check_get_fails(const char *path, SpotifyHttpOutcome outcome,
								 const char *name);

/* Runs a GET that cannot end by itself, and tells how long it took. */
extern double http_time_out(SpotifyHttpRequest *request,
							SpotifyHttpOutcome outcome, bool was_sent,
							const char *name);

#endif /* HTTP_CLIENT_H */
