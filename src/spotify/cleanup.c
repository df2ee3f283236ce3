/*
 * cleanup.c
 *		Giving back what plain C allocated, whatever is thrown.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "spotify/cleanup.h"

void
spotify_release_later(void (*release)(void *arg), void *arg)
{
	MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));

	callback->func = release;
	callback->arg = arg;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
}

static void
wipe(void *secret)
{
	explicit_bzero(secret, strlen(secret));
}

void
spotify_wipe_later(char *secret)
{
	spotify_release_later(wipe, secret);
}

char *
spotify_take_string(MemoryContext context, char *string)
{
	char *copy;

	spotify_check_memory(string);
	copy = MemoryContextAllocExtended(context, strlen(string) + 1,
									  MCXT_ALLOC_NO_OOM);
	if (copy != NULL)
		strcpy(copy, string);
	free(string);
	return spotify_check_memory(copy);
}

char *
spotify_check_memory(char *string)
{
	if (string == NULL)
		spotify_report_out_of_memory();
	return string;
}

void
spotify_report_out_of_memory(void)
{
	ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	pg_unreachable();
}
