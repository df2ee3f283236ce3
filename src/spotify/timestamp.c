/*
 * timestamp.c
 *		Points in time as Spotify writes them.
 *
 * Plain C.  The shape is checked here, because strptime takes much more than
 * the shape that is wanted; the calendar is libc's.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* strptime, timegm */
#endif

#include "spotify/timestamp.h"

#include <ctype.h>
#include <string.h>
#include <time.h>

/* In a shape, 0 stands for any digit. */
#define DATE_TIME_SHAPE "0000-00-00T00:00:00"
#define OFFSET_SHAPE	"00:00"

#define MICROSECONDS 1000000

/* What is left to read of a text that need not end in a NUL. */
typedef struct Cursor
{
	const char *text;
	size_t length;
} Cursor;

static void
advance(Cursor *cursor, size_t count)
{
	cursor->text += count;
	cursor->length -= count;
}

static bool
take_char(Cursor *cursor, char wanted)
{
	if (cursor->length == 0 || *cursor->text != wanted)
		return false;
	advance(cursor, 1);
	return true;
}

static bool
is_at_digit(const Cursor *cursor)
{
	return cursor->length > 0 && isdigit((unsigned char) *cursor->text);
}

static bool
has_shape(const Cursor *cursor, const char *shape)
{
	size_t i;

	if (cursor->length < strlen(shape))
		return false;
	for (i = 0; shape[i] != '\0'; i++)
	{
		if (shape[i] == '0' ? !isdigit((unsigned char) cursor->text[i])
							: cursor->text[i] != shape[i])
			return false;
	}
	return true;
}

/* Seconds since 1970 of a date and time of day in UTC. */
static bool
take_date_time(Cursor *cursor, int64_t *seconds)
{
	char text[sizeof(DATE_TIME_SHAPE)];
	struct tm told = { 0 };
	struct tm real;

	if (!has_shape(cursor, DATE_TIME_SHAPE))
		return false;
	memcpy(text, cursor->text, strlen(DATE_TIME_SHAPE));
	text[strlen(DATE_TIME_SHAPE)] = '\0';
	advance(cursor, strlen(DATE_TIME_SHAPE));

	if (strptime(text, "%Y-%m-%dT%H:%M:%S", &told) == NULL)
		return false;
	if (told.tm_year <= -1900 || told.tm_sec > 60)
		return false;

	/* timegm turns February 30 into March 1 or 2, which gives it away. */
	real = told;
	real.tm_sec = 0;
	*seconds = (int64_t) timegm(&real) + told.tm_sec;
	return real.tm_mday == told.tm_mday;
}

/* A fraction of a second, if there is one. */
static bool
take_fraction(Cursor *cursor, int64_t *microseconds)
{
	int unit = MICROSECONDS;

	*microseconds = 0;
	if (!take_char(cursor, '.'))
		return true;
	if (!is_at_digit(cursor))
		return false;
	while (is_at_digit(cursor))
	{
		unit /= 10;
		*microseconds += (*cursor->text - '0') * unit;
		advance(cursor, 1);
	}
	return true;
}

/* How many seconds the clock of the text is ahead of UTC. */
static bool
take_zone(Cursor *cursor, int64_t *seconds)
{
	const char *digits;
	bool is_behind;
	int hours;
	int minutes;

	*seconds = 0;
	if (take_char(cursor, 'Z'))
		return true;

	is_behind = take_char(cursor, '-');
	if (!is_behind && !take_char(cursor, '+'))
		return false;
	if (!has_shape(cursor, OFFSET_SHAPE))
		return false;

	digits = cursor->text;
	hours = (digits[0] - '0') * 10 + (digits[1] - '0');
	minutes = (digits[3] - '0') * 10 + (digits[4] - '0');
	advance(cursor, strlen(OFFSET_SHAPE));
	if (hours > 23 || minutes > 59)
		return false;
	*seconds = (hours * 60 + minutes) * 60;
	if (is_behind)
		*seconds = -*seconds;
	return true;
}

SpotifyTimestamp
spotify_timestamp_parse(const char *text, size_t length)
{
	SpotifyTimestamp timestamp = { 0 };
	Cursor cursor = { text, length };
	int64_t seconds;
	int64_t microseconds;
	int64_t ahead;

	if (!take_date_time(&cursor, &seconds) ||
		!take_fraction(&cursor, &microseconds) || !take_zone(&cursor, &ahead) ||
		cursor.length > 0)
		return timestamp;

	timestamp.is_known = true;
	timestamp.value = (seconds - ahead) * MICROSECONDS + microseconds;
	return timestamp;
}

SpotifyTimestamp
spotify_timestamp_cut_to_second(SpotifyTimestamp timestamp)
{
	int64_t fraction = timestamp.value % MICROSECONDS;

	/* Before 1970 the remainder is negative. */
	timestamp.value -= fraction < 0 ? fraction + MICROSECONDS : fraction;
	return timestamp;
}
