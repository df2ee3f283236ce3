/*
 * client.h
 *		Authorised requests to the Web API, several at once.
 *
 * Keeps one set of connections for all requests of a run.
 */
#ifndef SPOTIFY_CLIENT_H
#define SPOTIFY_CLIENT_H

#include "spotify/exchange.h"

typedef struct SpotifyClient SpotifyClient;

/*
 * Gives the access token to use, which must last for a minute; a new one if
 * Spotify refused the last.  Raises an error if there is none to be had.  The
 * string stays valid until the client is gone.
 */
typedef const char *(*SpotifyTokenSource)(void *arg, bool is_refused);

/*
 * The client lives in the current memory context and gives everything back
 * with it.
 */
extern SpotifyClient *spotify_client_open(int max_in_flight,
										  SpotifyTokenSource token_source,
										  void *token_source_arg,
										  SpotifyTraffic *traffic);

/*
 * Asks for a URL, a malloc'd string that the client takes over; NULL raises
 * out of memory.  The tag comes back with the answer.
 */
extern void spotify_client_get(SpotifyClient *client, char *url, void *tag);

/*
 * Waits for the next answer, in any order: a success, or a failure that
 * neither a retry nor a new access token could mend, which the caller hands
 * to spotify_failure_report unless it knows better.  Valid until the next
 * call.  Must not be called when nothing was asked.
 */
extern const SpotifyExchange *spotify_client_next(SpotifyClient *client);

/* Whether an exchange brought a body to decode. */
extern bool spotify_client_succeeded(const SpotifyExchange *exchange);

#endif /* SPOTIFY_CLIENT_H */
