/*
 * decode_profile.c
 *		GET /me: whose tokens they are.
 *
 * Plain C.
 */
#include "spotify/decode.h"

#include <json-c/json.h>
#include <string.h>

#include "spotify/fields.h"
#include "spotify/json.h"
#include "spotify/refusal.h"

/*
 * account_id is the stable one, but not every app gets it:
 * https://developer.spotify.com/documentation/web-api/reference/get-current-users-profile
 */
static const SpotifyFieldRule profile_rules[] = {
	{ "id", spotify_field_id, offsetof(SpotifyProfile, id) },
	{ "account_id", spotify_field_id, offsetof(SpotifyProfile, user_id) },
	{ "display_name", spotify_field_text,
	  offsetof(SpotifyProfile, display_name) },
	{ .name = NULL },
};

/* A SpotifyJsonReader. */
static SpotifyDecodeResult
read_profile(struct json_object *root, void *target,
			 SpotifyDecodeProblem *problem)
{
	SpotifyProfile *profile = target;

	if (!spotify_fields_read(profile_rules, root, &profile->arena, profile))
		return spotify_refuse_out_of_memory(problem);
	if (profile->user_id == NULL)
		profile->user_id = profile->id;
	if (profile->user_id == NULL)
		return spotify_refuse_wrong_shape(problem, "\"id\" is missing");
	return SPOTIFY_DECODE_OK;
}

SpotifyDecodeResult
spotify_decode_profile(const char *body, size_t length, SpotifyProfile *profile,
					   SpotifyDecodeProblem *problem)
{
	SpotifyDecodeResult result;

	memset(profile, 0, sizeof(*profile));
	result = spotify_json_decode(body, length, read_profile, profile, problem);
	if (result != SPOTIFY_DECODE_OK)
		spotify_profile_release(profile);
	return result;
}
