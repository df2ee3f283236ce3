/*
 * cleanup.h
 *		Giving back what plain C allocated, whatever is thrown.
 *
 * Backend C.  The rule: register first, with the pointers NULL, and acquire
 * afterwards.
 */
#ifndef SPOTIFY_CLEANUP_H
#define SPOTIFY_CLEANUP_H

/*
 * Calls release(arg) when the current memory context is reset or deleted.
 * Last registered, first called.
 */
extern void spotify_release_later(void (*release)(void *arg), void *arg);

/*
 * Overwrites a secret, which lives in the current memory context, when that is
 * reset or deleted.
 */
extern void spotify_wipe_later(char *secret);

/*
 * Takes over a malloc'd string of plain C: copies it to a memory context and
 * frees it.  Reports out of memory if it is NULL.
 */
extern char *spotify_take_string(MemoryContext context, char *string);

/* A malloc'd string of plain C; reports out of memory if it is NULL. */
extern char *spotify_check_memory(char *string);

/* Reports out of memory, in the name of a malloc that failed. */
extern void spotify_report_out_of_memory(void) __attribute__((noreturn));

#endif /* SPOTIFY_CLEANUP_H */
