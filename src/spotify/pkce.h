/*
 * pkce.h
 *		Random secrets of an authorization: RFC 7636, Proof Key for Code
 *		Exchange, and the state that RFC 6749 wants.
 */
#ifndef SPOTIFY_PKCE_H
#define SPOTIFY_PKCE_H

/* A random text of letters, digits, "-" and "_", of 256 bits: palloc'd. */
extern char *spotify_pkce_random(void);

/* The S256 challenge of a code verifier: palloc'd. */
extern char *spotify_pkce_challenge(const char *verifier);

#endif /* SPOTIFY_PKCE_H */
