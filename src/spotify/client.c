/*
 * client.c
 *		Authorised requests to the Web API, several at once.
 *
 * A 401 in the middle of a run is answered by one new access token and one
 * repetition of the request.  Of several requests in flight that are refused
 * together only the first asks for a new token: the others were sent with the
 * old one, which their bearer pointer tells.  Those that the pool has not sent
 * yet it gives back as refused.
 */
#include "postgres.h"

#include "spotify/cleanup.h"
#include "spotify/client.h"

struct SpotifyClient
{
	MemoryContext context;
	SpotifyExchangePool *pool;
	SpotifyTokenSource token_source;
	void *token_source_arg;
	const char *bearer; /* the access token in use; NULL before the first */
};

SpotifyClient *
spotify_client_open(int max_in_flight, SpotifyTokenSource token_source,
					void *token_source_arg, SpotifyTraffic *traffic)
{
	SpotifyClient *client = palloc0(sizeof(SpotifyClient));

	client->context = CurrentMemoryContext;
	client->pool = spotify_exchange_open(max_in_flight, traffic);
	client->token_source = token_source;
	client->token_source_arg = token_source_arg;
	return client;
}

void
spotify_client_get(SpotifyClient *client, char *url, void *tag)
{
	SpotifyExchangeRequest request = { .url = spotify_take_string(
										   client->context, url),
									   .is_idempotent = true,
									   .tag = tag };

	if (client->bearer == NULL)
		client->bearer = client->token_source(client->token_source_arg, false);
	request.bearer = client->bearer;
	spotify_exchange_submit(client->pool, &request);
}

/* Asks again with a newer token; false if this one was the newer already. */
static bool
repeat_with_new_token(SpotifyClient *client, const SpotifyExchange *exchange)
{
	SpotifyExchangeRequest request = exchange->request;

	if (request.is_reauthorized)
		return false;
	if (request.bearer == client->bearer)
		client->bearer = client->token_source(client->token_source_arg, true);
	request.bearer = client->bearer;
	request.is_reauthorized = true;
	spotify_exchange_submit(client->pool, &request);
	return true;
}

const SpotifyExchange *
spotify_client_next(SpotifyClient *client)
{
	for (;;)
	{
		const SpotifyExchange *exchange = spotify_exchange_next(client->pool);

		if (exchange == NULL)
			elog(ERROR, "no request to Spotify is under way");
		if (exchange->answer.status == 401 &&
			repeat_with_new_token(client, exchange))
			continue;
		return exchange;
	}
}

bool
spotify_client_succeeded(const SpotifyExchange *exchange)
{
	return exchange->answer.outcome == SPOTIFY_HTTP_ANSWERED &&
		   exchange->answer.status == 200;
}
