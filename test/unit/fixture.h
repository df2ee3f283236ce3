/*
 * fixture.h
 *		Bodies of the Web API from test/fixtures, for the unit tests.
 */
#ifndef FIXTURE_H
#define FIXTURE_H

#include <stddef.h>

/*
 * Chooses the folder: the program's first argument, else the environment
 * variable SPOTIFY_FIXTURES, else test/fixtures.
 */
extern void fixture_init(int argc, char **argv);

/*
 * The content of a fixture without the white space at its end, malloc'd and
 * NUL-terminated.  Ends the program if the file cannot be read.
 */
extern char *fixture_read(const char *name, size_t *length);

#endif /* FIXTURE_H */
