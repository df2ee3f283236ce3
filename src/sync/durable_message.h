/*
 * durable_message.h
 *		What a caller and its background worker tell each other.
 *
 * Lies in shared memory, so that it holds no pointers.  The caller fills the
 * task before it starts the worker, and reads the result when the worker has
 * ended.  A caller that is gone leaves the worker undisturbed.
 *
 * A session keeps the library that it has loaded, while a worker loads the one
 * that is installed: so the two may be of different versions, with messages of
 * different form.  The header tells, and its own form never changes.
 */
#ifndef SPOTIFY_DURABLE_MESSAGE_H
#define SPOTIFY_DURABLE_MESSAGE_H

#include "settings.h"
#include "spotify/model.h"
#include "store/run_log.h"
#include "sync/durable.h"

#define SPOTIFY_DURABLE_MAGIC	   0x53504f54 /* SPOT */
#define SPOTIFY_MAX_ACCOUNT_LENGTH 200

typedef struct SpotifyDurableHeader
{
	uint32 magic;
	uint32 size;	  /* of the whole message */
	char version[32]; /* of the caller's library */
	bool is_pinned;	  /* outlives the caller: the worker gives it back */
	bool is_begun;	  /* the worker has read the header */
	bool is_refused;  /* and it does not understand the rest */
} SpotifyDurableHeader;

typedef enum SpotifyDurableTask
{
	SPOTIFY_DURABLE_TOKEN,
	SPOTIFY_DURABLE_RECORD, /* a run, a rate limit or both */
	SPOTIFY_DURABLE_AUTHORIZE
} SpotifyDurableTask;

/* The strings of a quality check; empty: NULL. */
typedef struct SpotifyDurableCheck
{
	char name[32];
	char detail[512];
} SpotifyDurableCheck;

/* An error, shortened where it must be. */
typedef struct SpotifyDurableError
{
	int sqlstate; /* 0: there was none */
	char message[512];
	char detail[1024];
	char hint[1024];
} SpotifyDurableError;

typedef struct SpotifyDurableMessage
{
	SpotifyDurableHeader header;

	/* the task */
	SpotifyDurableTask task;
	Oid database_id;
	Oid user_id; /* whose rights the worker takes */
	SpotifySettingsImage settings;
	int lock_timeout_ms; /* longest wait for a row that somebody has locked */
	char account[SPOTIFY_MAX_ACCOUNT_LENGTH + 1];
	SpotifyTokenNeed need;
	TimestampTz called_at; /* before the caller queued up */
	char refused[SPOTIFY_MAX_TOKEN_LENGTH + 1];
	char code[SPOTIFY_MAX_TOKEN_LENGTH + 1];
	char code_verifier[129]; /* RFC 7636 allows 128 characters */
	bool has_record;
	SpotifyRunRecord record; /* its strings are those below */
	char collection[64];
	char mode[16];
	char status[16];
	char error_code[6];
	char error_message[2048];
	SpotifyDurableCheck checks[SPOTIFY_CHECK_KINDS];
	TimestampTz retry_after;

	/* the result */
	bool is_done;		/* the worker came to an end by itself */
	bool is_terminated; /* or somebody has ended it */
	bool is_late;		/* the error is that a transaction took too long */
	SpotifyDurableError error;
	char token[SPOTIFY_MAX_TOKEN_LENGTH + 1];
	TimestampTz expires_at;
	char spotify_user_id
		[2048]; /* empty: could not be found out; why is the next */
	SpotifyDurableError user_problem;
	char scope[2048]; /* empty: not told */
	SpotifyTraffic traffic;
} SpotifyDurableMessage;

/* Copies what fits, and no half of a character; NULL copies nothing. */
extern void spotify_durable_copy_text(char *target, const char *text,
									  size_t size);

#endif /* SPOTIFY_DURABLE_MESSAGE_H */
