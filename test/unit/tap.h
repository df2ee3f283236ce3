/*
 * tap.h
 *		Test results in the Test Anything Protocol, for the unit tests.
 *
 * Each check prints one line.  A main function ends with
 * "return tap_done();", which prints the plan.
 */
#ifndef TAP_H
#define TAP_H

#include <stdbool.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#define TAP_PRINTF(format_index, first_argument)                               \
	__attribute__((format(printf, format_index, first_argument)))

/* Each returns whether the check held. */
extern bool tap_ok(bool condition, const char *name, ...) TAP_PRINTF(2, 3);
extern bool tap_is_int(long long actual, long long expected, const char *name,
					   ...) TAP_PRINTF(3, 4);

/* NULL equals only NULL. */
extern bool tap_is_str(const char *actual, const char *expected,
					   const char *name, ...) TAP_PRINTF(3, 4);

/* Counts as a test that holds, and tells why it did not run. */
extern void tap_skip(const char *reason, ...) TAP_PRINTF(1, 2);

/* A remark for the reader of the output. */
extern void tap_note(const char *text, ...) TAP_PRINTF(1, 2);

/* Prints the plan and gives the program's exit code: 1 if a test failed. */
extern int tap_done(void);

#endif /* TAP_H */
