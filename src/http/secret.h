/*
 * secret.h
 *		Strings that must not be left behind in freed memory.
 *
 * Plain C.
 */
#ifndef SPOTIFY_SECRET_H
#define SPOTIFY_SECRET_H

/* Overwrites a malloc'd string and frees it; NULL is none. */
extern void spotify_secret_free(char *secret);

#endif /* SPOTIFY_SECRET_H */
