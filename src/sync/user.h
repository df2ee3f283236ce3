/*
 * user.h
 *		Whose login it is, by what Spotify says.
 *
 * An account holds the data of one Spotify user.  Where it is known who that
 * is, the tokens of another one must not be used: their library would replace
 * what is stored, and their plays would be mixed with it.
 */
#ifndef SPOTIFY_USER_H
#define SPOTIFY_USER_H

#include "spotify/exchange.h"
#include "spotify/token.h"
#include "store/accounts.h"

/*
 * Asks whose access token a grant has.  The profile lives in the current memory
 * context.  Returns NULL, with the error in *problem, if it could not be found
 * out.  No transaction may be under way.
 */
extern SpotifyProfile *spotify_user_ask(const SpotifyGrant *grant,
										SpotifyTraffic *traffic,
										ErrorData **problem);

/* Whether the account may have this user's data: nobody else's is known. */
extern bool spotify_user_is_expected(const SpotifyAccount *account,
									 const SpotifyProfile *profile);

/* Reports that it is another user, whose tokens were not kept. */
extern void spotify_user_report_other(const SpotifyAccount *account,
									  const SpotifyProfile *profile)
	__attribute__((noreturn));

/*
 * Reports that it could not be found out whether it is the account's user, and
 * what follows from that, as sentences.
 */
extern void spotify_user_report_unknown(const SpotifyAccount *account,
										const ErrorData *problem,
										const char *consequence)
	__attribute__((noreturn));

#endif /* SPOTIFY_USER_H */
