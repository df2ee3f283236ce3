/*
 * pkce.c
 *		Random secrets of an authorization: RFC 7636, Proof Key for Code
 *		Exchange, and the state that RFC 6749 wants.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "spotify/pkce.h"

#define RANDOM_BYTES 32

/* Base64 with the URL-safe alphabet and without padding, as RFC 7636 has it. */
static char *
encode_base64url(Datum bytes)
{
	Datum encoded = DirectFunctionCall2(binary_encode, bytes,
										CStringGetTextDatum("base64"));
	char *string = TextDatumGetCString(encoded);

	for (char *c = string; *c != '\0'; c++)
	{
		if (*c == '+')
			*c = '-';
		else if (*c == '/')
			*c = '_';
	}
	string[strcspn(string, "=")] = '\0';
	return string;
}

static Datum
make_bytea(const char *bytes, size_t length)
{
	return PointerGetDatum(cstring_to_text_with_len(bytes, length));
}

char *
spotify_pkce_random(void)
{
	char bytes[RANDOM_BYTES];

	if (!pg_strong_random(bytes, sizeof(bytes)))
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR),
						errmsg("could not generate random bytes")));
	return encode_base64url(make_bytea(bytes, sizeof(bytes)));
}

char *
spotify_pkce_challenge(const char *verifier)
{
	Datum digest = DirectFunctionCall1(sha256_bytea,
									   make_bytea(verifier, strlen(verifier)));

	return encode_base64url(digest);
}
