/*
 * token_keeper.h
 *		The tokens of an account, kept by a worker in transactions of its own.
 */
#ifndef SPOTIFY_TOKEN_KEEPER_H
#define SPOTIFY_TOKEN_KEEPER_H

#include "sync/durable.h"

/*
 * See spotify_durable_token; called_at is when that was called.  Must not be
 * called inside a transaction: it makes its own.
 */
extern SpotifyAccessToken spotify_token_keeper_get(const char *account,
												   SpotifyTokenNeed need,
												   TimestampTz called_at,
												   const char *refused,
												   SpotifyTraffic *traffic);

/* Reports that a worker does not see the account yet. */
extern void spotify_token_keeper_report_not_visible(const char *account);

#endif /* SPOTIFY_TOKEN_KEEPER_H */
