/*
 * test_decode_profile.c
 *		The user of GET /me.
 */
#include "spotify/decode.h"

#include <stddef.h>
#include <string.h>

#include "tap.h"

/* That a body tells this user; NULL: it is refused. */
static void
tells(const char *body, const char *user_id, const char *id,
	  const char *display_name)
{
	SpotifyProfile profile;
	SpotifyDecodeProblem problem;
	SpotifyDecodeResult result =
		spotify_decode_profile(body, strlen(body), &profile, &problem);

	tap_is_int(result == SPOTIFY_DECODE_OK, user_id != NULL, "%s", body);
	if (result != SPOTIFY_DECODE_OK)
	{
		tap_ok(problem.text[0] != '\0', "the reason is told");
		return;
	}
	tap_is_str(profile.user_id, user_id, "the user");
	tap_is_str(profile.id, id, "the id");
	tap_is_str(profile.display_name, display_name, "the name");
	spotify_profile_release(&profile);
}

int
main(void)
{
	tells("{\"id\":\"i\",\"account_id\":\"a\",\"display_name\":\"n\"}", "a",
		  "i", "n");
	tells("{\"account_id\":\"a\",\"id\":\"i\"}", "a", "i", NULL);
	tells("{\"id\":\"i\"}", "i", "i", NULL);
	tells("{\"id\":\"i\",\"account_id\":null}", "i", "i", NULL);
	tells("{\"account_id\":\"a\"}", "a", NULL, NULL);
	tells("{\"id\":\"i\",\"display_name\":null,\"country\":\"SE\"}", "i", "i",
		  NULL);
	tells("{}", NULL, NULL, NULL);
	tells("{\"id\":null,\"account_id\":\"\"}", NULL, NULL, NULL);
	tells("{\"id\":7}", NULL, NULL, NULL);
	tells("[]", NULL, NULL, NULL);
	tells("", NULL, NULL, NULL);
	tells("<html>", NULL, NULL, NULL);
	return tap_done();
}
