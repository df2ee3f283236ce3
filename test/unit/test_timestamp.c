/*
 * test_timestamp.c
 *		Which texts are points in time, and which point.
 */
#include "spotify/timestamp.h"

#include <string.h>

#include "tap.h"

#define MICROSECONDS INT64_C(1000000)

static void
is_known(const char *text, int64_t expected)
{
	SpotifyTimestamp timestamp = spotify_timestamp_parse(text, strlen(text));

	tap_ok(timestamp.is_known, "\"%s\" is known", text);
	tap_is_int(timestamp.value, expected, "\"%s\"", text);
}

static void
is_unknown(const char *text)
{
	tap_ok(!spotify_timestamp_parse(text, strlen(text)).is_known,
		   "\"%s\" is unknown", text);
}

static void
test_known(void)
{
	is_known("1970-01-01T00:00:00Z", 0);
	is_known("2026-08-30T18:04:11Z", INT64_C(1788113051) * MICROSECONDS);
	is_known("1969-12-31T23:59:59Z", -1 * MICROSECONDS);
	is_known("0001-01-01T00:00:00Z", INT64_C(-62135596800) * MICROSECONDS);
	is_known("9999-12-31T23:59:59Z", INT64_C(253402300799) * MICROSECONDS);
	is_known("2024-02-29T00:00:00Z", INT64_C(1709164800) * MICROSECONDS);
	is_known("2000-02-29T00:00:00Z", INT64_C(951782400) * MICROSECONDS);
}

static void
test_fraction(void)
{
	is_known("1970-01-01T00:00:00.5Z", 500000);
	is_known("1970-01-01T00:00:01.123Z", 1123000);
	is_known("1970-01-01T00:00:00.000001Z", 1);
	is_known("1970-01-01T00:00:00.1234567890123456789Z", 123456);
	is_known("1969-12-31T23:59:59.25Z", -750000);
	is_unknown("1970-01-01T00:00:00.Z");
	is_unknown("1970-01-01T00:00:00,5Z");
	is_unknown("1970-01-01T00:00:00.5.5Z");
}

static void
test_zone(void)
{
	is_known("1970-01-01T02:00:00+02:00", 0);
	is_known("1969-12-31T18:30:00-05:30", 0);
	is_known("1970-01-01T00:00:00-00:00", 0);
	is_known("1970-01-01T23:59:00.25+23:59", 250000);
	is_unknown("1970-01-01T00:00:00");
	is_unknown("1970-01-01T00:00:00z");
	is_unknown("1970-01-01T00:00:00+2:00");
	is_unknown("1970-01-01T00:00:00+0200");
	is_unknown("1970-01-01T00:00:00+02");
	is_unknown("1970-01-01T00:00:00+24:00");
	is_unknown("1970-01-01T00:00:00+02:60");
	is_unknown("1970-01-01T00:00:00ZZ");
	is_unknown("1970-01-01T00:00:00Z+02:00");
	is_unknown("1970-01-01T00:00:00+");
}

static void
test_calendar(void)
{
	is_unknown("2026-02-29T00:00:00Z");
	is_unknown("2024-02-30T00:00:00Z");
	is_unknown("1900-02-29T00:00:00Z");
	is_unknown("2026-04-31T00:00:00Z");
	is_unknown("2026-00-10T00:00:00Z");
	is_unknown("2026-13-10T00:00:00Z");
	is_unknown("2026-01-00T00:00:00Z");
	is_unknown("2026-01-32T00:00:00Z");
	is_unknown("0000-01-01T00:00:00Z");
	is_unknown("10000-01-01T00:00:00Z");
	is_unknown("-2026-01-01T00:00:00Z");
}

static void
test_clock(void)
{
	is_known("2016-12-31T23:59:60Z", INT64_C(1483228800) * MICROSECONDS);
	is_known("2026-05-05T12:00:60Z", INT64_C(1777982460) * MICROSECONDS);
	is_unknown("2026-05-05T12:00:61Z");
	is_unknown("2026-05-05T24:00:00Z");
	is_unknown("2026-05-05T12:60:00Z");
}

static void
test_shape(void)
{
	is_unknown("");
	is_unknown("Z");
	is_unknown("2026");
	is_unknown("2026-05-05");
	is_unknown("2026-05-05 12:00:00Z");
	is_unknown("2026-05-05t12:00:00Z");
	is_unknown(" 2026-05-05T12:00:00Z");
	is_unknown("2026-05-05T12:00:00Z ");
	is_unknown("2026-5-05T12:00:00Z");
	is_unknown("2026-05-05T12:00Z");
	is_unknown("2026- 5-05T12:00:00Z");
	is_unknown("+026-05-05T12:00:00Z");
	is_unknown("20260505T120000Z");
	is_unknown("null");
}

/* The text is known by its length, not by a NUL behind it. */
static void
test_length(void)
{
	static const char text[] = "1970-01-01T00:00:00.5+00:00";
	size_t length;

	for (length = 0; length < strlen(text); length++)
		if (spotify_timestamp_parse(text, length).is_known)
			tap_ok(false, "cut after %zu bytes", length);
	tap_ok(true, "a text that is cut is unknown");
	tap_ok(!spotify_timestamp_parse("1970-01-01T00:00:00Z\0", 21).is_known,
		   "a NUL at the end makes it unknown");
}

static void
cut_is(int64_t value, int64_t expected)
{
	SpotifyTimestamp timestamp = { true, value };
	SpotifyTimestamp cut = spotify_timestamp_cut_to_second(timestamp);

	tap_ok(cut.is_known, "%lld, cut, is known", (long long) value);
	tap_is_int(cut.value, expected, "%lld, cut", (long long) value);
}

static void
test_cut(void)
{
	SpotifyTimestamp unknown = { 0 };

	cut_is(0, 0);
	cut_is(MICROSECONDS - 1, 0);
	cut_is(MICROSECONDS, MICROSECONDS);
	cut_is(-1, -MICROSECONDS);
	cut_is(-MICROSECONDS, -MICROSECONDS);
	tap_ok(!spotify_timestamp_cut_to_second(unknown).is_known,
		   "what is unknown stays so");
}

int
main(void)
{
	test_known();
	test_fraction();
	test_zone();
	test_calendar();
	test_clock();
	test_shape();
	test_length();
	test_cut();
	return tap_done();
}
