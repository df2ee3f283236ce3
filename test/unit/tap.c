/*
 * tap.c
 *		Test results in the Test Anything Protocol, for the unit tests.
 */
#include "tap.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int tests_run = 0;
static int tests_failed = 0;

static void
report(bool passed, const char *name, va_list arguments)
{
	tests_run++;
	if (!passed)
		tests_failed++;
	printf("%sok %d - ", passed ? "" : "not ", tests_run);
	vprintf(name, arguments);
	putchar('\n');
	/* What was printed must be seen even if the next test crashes. */
	fflush(stdout);
}

bool
tap_ok(bool condition, const char *name, ...)
{
	va_list arguments;

	va_start(arguments, name);
	report(condition, name, arguments);
	va_end(arguments);
	return condition;
}

bool
tap_is_int(long long actual, long long expected, const char *name, ...)
{
	bool passed = actual == expected;
	va_list arguments;

	va_start(arguments, name);
	report(passed, name, arguments);
	va_end(arguments);
	if (!passed)
		tap_note("got %lld, expected %lld", actual, expected);
	return passed;
}

bool
tap_is_str(const char *actual, const char *expected, const char *name, ...)
{
	bool passed = actual == expected || (actual != NULL && expected != NULL &&
										 strcmp(actual, expected) == 0);
	va_list arguments;

	va_start(arguments, name);
	report(passed, name, arguments);
	va_end(arguments);
	if (!passed)
	{
		tap_note("got      \"%s\"", actual != NULL ? actual : "(null)");
		tap_note("expected \"%s\"", expected != NULL ? expected : "(null)");
	}
	return passed;
}

void
tap_skip(const char *reason, ...)
{
	va_list arguments;

	tests_run++;
	printf("ok %d # SKIP ", tests_run);
	va_start(arguments, reason);
	vprintf(reason, arguments);
	va_end(arguments);
	putchar('\n');
	fflush(stdout);
}

void
tap_note(const char *text, ...)
{
	va_list arguments;

	printf("# ");
	va_start(arguments, text);
	vprintf(text, arguments);
	va_end(arguments);
	putchar('\n');
	fflush(stdout);
}

int
tap_done(void)
{
	printf("1..%d\n", tests_run);
	if (tests_failed > 0)
		printf("# %d of %d tests failed\n", tests_failed, tests_run);
	fflush(stdout);
	return tests_failed > 0 ? 1 : 0;
}
