/*
 * record_message.h
 *		A run's record in the message to a background worker.
 */
#ifndef SPOTIFY_RECORD_MESSAGE_H
#define SPOTIFY_RECORD_MESSAGE_H

#include "sync/durable_message.h"

/* Puts the record into the message, its strings shortened where they must be. */
extern void spotify_record_message_fill(SpotifyDurableMessage *message,
										const SpotifyRunRecord *record);

/*
 * Writes the record of the message, in the transaction that is under way.  May
 * be called by another process than the one that filled it.
 */
extern void spotify_record_message_write(SpotifyDurableMessage *message);

#endif /* SPOTIFY_RECORD_MESSAGE_H */
