/*
 * durable_call.h
 *		One call of a background worker: its message, its slot, its end.
 */
#ifndef SPOTIFY_DURABLE_CALL_H
#define SPOTIFY_DURABLE_CALL_H

#include "postmaster/bgworker.h"
#include "storage/dsm.h"

#include "sync/durable_message.h"

/*
 * Longest waits, in milliseconds.  Whoever waits for the worker may be the one
 * who holds the lock that the worker waits for, which the server's deadlock
 * detector cannot see.
 */
typedef struct SpotifyPatience
{
	int slot_ms; /* for a worker slot */
	int lock_ms; /* for a row that somebody has locked */
	int end_ms;	 /* for the end of the worker; 0: as long as that takes */
} SpotifyPatience;

typedef struct SpotifyDurableCall
{
	dsm_segment *segment;			/* NULL: the server has none left */
	SpotifyDurableMessage *message; /* lies in it */
	BackgroundWorkerHandle *handle; /* NULL: no worker was asked for */
} SpotifyDurableCall;

/*
 * A call with a message that lacks what is of the task alone.  It lives as long
 * as the current memory context.  user is whose rights the worker takes.
 */
extern SpotifyDurableCall *spotify_durable_call_open(SpotifyDurableTask task,
													 const char *account,
													 Oid user);

/*
 * Asks for a worker.  Returns false if no slot becomes free in the time that
 * patience has.  If the message is to outlive the caller, is_pinned must be
 * set in its header before.
 */
extern bool spotify_durable_call_start(SpotifyDurableCall *call,
									   const SpotifyPatience *patience);

/* Raises the error that there is no slot. */
extern void
spotify_durable_call_report_no_slot(const SpotifyPatience *patience);

/*
 * Waits for the end of the worker.  Returns false if that has not come in the
 * time that patience has, or if this process is to end while interrupts are
 * held off.
 */
extern bool spotify_durable_call_await(const SpotifyDurableCall *call,
									   const SpotifyPatience *patience);

/*
 * Whether the worker will never begin, as when the server is being stopped:
 * waits a second at most until that is known.  For a process that is ending.
 */
extern bool spotify_durable_call_is_hopeless(SpotifyDurableCall *call);

/* Raises the error with which the worker has ended, if there is one. */
extern void spotify_durable_call_check(SpotifyDurableCall *call);

/* Wipes the message of a call that has ended, and gives it back. */
extern void spotify_durable_call_close(SpotifyDurableCall *call);

#endif /* SPOTIFY_DURABLE_CALL_H */
