/*
 * name_lookup.h
 *		The name lookup of the C library, replaced.
 *
 * For libcurl too.  No name is found, so that no test asks a name server;
 * slow.invalid takes its time.
 */
#ifndef NAME_LOOKUP_H
#define NAME_LOOKUP_H

#include <signal.h>
#include <stdatomic.h>

/* Those of slow.invalid. */
extern atomic_int lookups_started;
extern atomic_int lookups_ended;

extern sigset_t lookup_mask; /* signals blocked in the last one's thread */

#endif /* NAME_LOOKUP_H */
