/*
 * secret.c
 *		Strings that must not be left behind in freed memory.
 *
 * Plain C.
 */
#include "http/secret.h"

#include <stdlib.h>
#include <string.h>

void
spotify_secret_free(char *secret)
{
	if (secret == NULL)
		return;
	explicit_bzero(secret, strlen(secret));
	free(secret);
}
