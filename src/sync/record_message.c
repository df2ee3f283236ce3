/*
 * record_message.c
 *		A run's record in the message to a background worker.
 */
#include "postgres.h"

#include "sync/record_message.h"
#include "sync/run.h"

static void
fill_check(SpotifyDurableCheck *target, const SpotifyQualityCheck *check)
{
	spotify_durable_copy_text(target->name, check->name, sizeof(target->name));
	spotify_durable_copy_text(target->detail, check->detail,
							  sizeof(target->detail));
}

void
spotify_record_message_fill(SpotifyDurableMessage *message,
							const SpotifyRunRecord *record)
{
	message->has_record = true;
	message->record = *record;
	strlcpy(message->collection, record->collection,
			sizeof(message->collection));
	strlcpy(message->mode, record->mode, sizeof(message->mode));
	strlcpy(message->status, record->status, sizeof(message->status));
	if (record->error_code != NULL)
		strlcpy(message->error_code, record->error_code,
				sizeof(message->error_code));
	spotify_durable_copy_text(message->error_message, record->error_message,
							  sizeof(message->error_message));
	for (int i = 0; i < SPOTIFY_CHECK_KINDS; i++)
		fill_check(&message->checks[i], &record->checks[i]);
}

static const char *
text_or_null(const char *text)
{
	return text[0] != '\0' ? text : NULL;
}

/* The record's strings are in the message: its pointers mean nothing. */
void
spotify_record_message_write(SpotifyDurableMessage *message)
{
	SpotifyRunRecord *record = &message->record;

	record->account = message->account;
	record->collection = message->collection;
	record->mode = message->mode;
	record->status = message->status;
	record->error_code = text_or_null(message->error_code);
	record->error_message = text_or_null(message->error_message);
	for (int i = 0; i < SPOTIFY_CHECK_KINDS; i++)
	{
		record->checks[i].name = text_or_null(message->checks[i].name);
		record->checks[i].detail = text_or_null(message->checks[i].detail);
	}
	spotify_run_number(record);
	(void) spotify_run_log_write(record);
}
