/*
 * name_lookup.c
 *		The name lookup of the C library, replaced.
 */
#include "name_lookup.h"

#include <netdb.h>
#include <poll.h>
#include <string.h>

atomic_int lookups_started;
atomic_int lookups_ended;
sigset_t lookup_mask;

int
getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
			struct addrinfo **result)
{
	(void) service;
	(void) hints;
	(void) result;

	if (node != NULL && strcmp(node, "slow.invalid") == 0)
	{
		sigprocmask(SIG_SETMASK, NULL, &lookup_mask);
		lookups_started++;
		poll(NULL, 0, 1500);
		lookups_ended++;
	}
	return EAI_NONAME;
}
