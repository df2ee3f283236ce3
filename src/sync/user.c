/*
 * user.c
 *		Whose login it is, by what Spotify says.
 */
#include "postgres.h"

#include "settings.h"
#include "spotify/cleanup.h"
#include "spotify/client.h"
#include "spotify/decode.h"
#include "spotify/endpoint.h"
#include "spotify/failure.h"
#include "sync/user.h"

static void
release_profile(void *arg)
{
	spotify_profile_release(arg);
}

/* A SpotifyTokenSource: the token just granted, which nothing can replace. */
static const char *
granted_token(void *arg, bool is_refused)
{
	return *(const char **) arg;
}

static SpotifyProfile *
read_profile(const SpotifyGrant *grant, SpotifyTraffic *traffic)
{
	const char *access_token = grant->access_token;
	SpotifyClient *client;
	SpotifyProfile *profile = palloc0(sizeof(SpotifyProfile));
	const SpotifyExchange *exchange;
	SpotifyDecodeProblem problem;
	SpotifyDecodeResult result;

	if (access_token == NULL)
		spotify_failure_report_body(SPOTIFY_DECODE_WRONG_SHAPE,
									&grant->problem);
	spotify_release_later(release_profile, profile);
	client = spotify_client_open(1, granted_token, &access_token, traffic);
	spotify_client_get(client, spotify_endpoint_me(spotify_setting_api_url),
					   NULL);
	exchange = spotify_client_next(client);
	if (!spotify_client_succeeded(exchange))
		spotify_failure_report(exchange);
	result = spotify_decode_profile(
		exchange->answer.body, exchange->answer.body_length, profile, &problem);
	if (result != SPOTIFY_DECODE_OK)
		spotify_failure_report_body(result, &problem);
	return profile;
}

/* Nothing is done here that a transaction would have to undo. */
SpotifyProfile *
spotify_user_ask(const SpotifyGrant *grant, SpotifyTraffic *traffic,
				 ErrorData **problem)
{
	MemoryContext context = CurrentMemoryContext;
	SpotifyProfile *volatile profile = NULL;

	PG_TRY();
	{
		profile = read_profile(grant, traffic);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		*problem = CopyErrorData();
		FlushErrorState();
	}
	PG_END_TRY();
	return profile;
}

/* An account from before Spotify told account_id has the id. */
bool
spotify_user_is_expected(const SpotifyAccount *account,
						 const SpotifyProfile *profile)
{
	const char *expected = account->spotify_user_id;

	return expected == NULL || strcmp(expected, profile->user_id) == 0 ||
		   (profile->id != NULL && strcmp(expected, profile->id) == 0);
}

void
spotify_user_report_other(const SpotifyAccount *account,
						  const SpotifyProfile *profile)
{
	ereport(
		ERROR,
		(errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
		 errmsg("the authorization is of another Spotify user than before"),
		 errdetail(
			 "Account \"%s\" holds the data of user \"%s\", not \"%s\", whose tokens were not kept.",
			 account->name, account->spotify_user_id, profile->user_id),
		 errhint(
			 "Log in at Spotify as the right user, or use another account: spotify_set_account(..., account => 'name'). If Spotify has given the same user another id, set spotify_user_id in spotify.accounts to null first.")));
	pg_unreachable();
}

void
spotify_user_report_unknown(const SpotifyAccount *account,
							const ErrorData *problem, const char *consequence)
{
	ereport(
		ERROR,
		(errcode(problem->sqlerrcode),
		 errmsg(
			 "could not find out whether the login of account \"%s\" is that of user \"%s\": %s",
			 account->name, account->spotify_user_id, problem->message),
		 problem->detail != NULL ? errdetail_internal("%s", problem->detail)
								 : 0,
		 errhint("%s%s%s", problem->hint != NULL ? problem->hint : "",
				 problem->hint != NULL ? " " : "", consequence)));
	pg_unreachable();
}
