/*
 * failure.h
 *		The one place that turns a failed exchange into an error.
 */
#ifndef SPOTIFY_FAILURE_H
#define SPOTIFY_FAILURE_H

#include "spotify/decode.h"
#include "spotify/exchange.h"

/*
 * The way out of a login that ended, as a hint that names the account twice,
 * each time as a literal.
 */
#define SPOTIFY_HINT_AUTHORIZE                                                 \
	"Open the URL that spotify_authorize_url(%s) gives in a browser, and pass the address where it ends to spotify_authorize('...', %s)."

/* Reports an exchange that is no success, with the SQLSTATE that fits it. */
extern void spotify_failure_report(const SpotifyExchange *exchange)
	__attribute__((noreturn));

/* Reports an answer of status 200 whose body was refused. */
extern void spotify_failure_report_body(SpotifyDecodeResult result,
										const SpotifyDecodeProblem *problem)
	__attribute__((noreturn));

/* Reports that no request may be sent before a point in time. */
extern void spotify_failure_report_limit(TimestampTz retry_after, bool is_quota)
	__attribute__((noreturn));

#endif /* SPOTIFY_FAILURE_H */
