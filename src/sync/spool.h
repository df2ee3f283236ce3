/*
 * spool.h
 *		A new refresh token on its way from Spotify's answer to the table.
 *
 * When a backend is killed, the server ends all its processes at once, and
 * none may write to shared memory any more.  A token that was replaced in that
 * moment would be lost.  So it goes to a file in the data directory first,
 * and the next one who needs a token brings it to the table.
 */
#ifndef SPOTIFY_SPOOL_H
#define SPOTIFY_SPOOL_H

#include "datatype/timestamp.h"

/* The strings are palloc'd when read. */
typedef struct SpotifySpooledGrant
{
	char *old_refresh_token_hash; /* SHA-256, in hexadecimal */
	char *refresh_token;
	char *access_token; /* NULL: it could not be used */
	TimestampTz access_token_expires_at;
} SpotifySpooledGrant;

/*
 * Makes room for the file on disk, so that writing it later cannot fail for
 * lack of space or rights.  Raises an error if that is not possible.
 */
extern void spotify_spool_prepare(const char *account);

/*
 * Writes the file so that it outlasts a crash.  Takes no lock.  Raises no
 * error, since the token can still go to the table: the log says what failed.
 */
extern void spotify_spool_write(const char *account,
								const SpotifySpooledGrant *grant);

/* The file's content in the current memory context; NULL if there is none. */
extern SpotifySpooledGrant *spotify_spool_read(const char *account);

/* Removes the file, and what a crash left of it. */
extern void spotify_spool_remove(const char *account);

/*
 * Removes the files of databases that are gone, in which nobody can call
 * anything any more.  Cheap: the folder is empty but for crashes.  What cannot be
 * removed is logged.  Must be called inside a transaction.
 */
extern void spotify_spool_remove_orphans(void);

/* Removes an account's file if the transaction that is under way commits. */
extern void spotify_spool_remove_at_commit(const char *account);

/* What tells one refresh token from another without giving it away. */
extern char *spotify_spool_hash(const char *refresh_token);

#endif /* SPOTIFY_SPOOL_H */
