/*
 * run_log.h
 *		The table spotify.sync_runs.
 */
#ifndef SPOTIFY_RUN_LOG_H
#define SPOTIFY_RUN_LOG_H

#include "datatype/timestamp.h"

#include "spotify/model.h"
#include "store/quality_checks.h"

/* A row of the table, and the checks of the run. */
typedef struct SpotifyRunRecord
{
	int64 run_id; /* 0: not drawn yet */
	const char *account;
	const char *collection;
	const char *mode;	/* full, delta */
	const char *status; /* succeeded, partial, failed */
	TimestampTz started_at;
	TimestampTz finished_at;
	int32 requests;
	int32 retries;
	int64 bytes_received;
	SpotifyInteger total;
	int32 fetched;
	int32 inserted;
	int32 deactivated;
	int32 reactivated;
	int32 updated;
	int32 skipped;
	const char *error_code; /* NULL unless failed */
	const char *error_message;
	SpotifyInteger audit_offset; /* up to which the audit has come */
	SpotifyInteger listed;		 /* places of a list that was read to its end */
	SpotifyInteger unsettled;	 /* rows of which it is open if they are gone */
	SpotifyQualityCheck checks[SPOTIFY_CHECK_KINDS]; /* by kind */
} SpotifyRunRecord;

/* The last run that did not fail. */
typedef struct SpotifyLastRun
{
	int32 total;
	int32 audit_offset; /* 0: none */
	SpotifyTimestamp finished_at;
	bool is_complete; /* it read the list to its end */
	int32 listed;	  /* the places that this had */
	int32 unsettled;
	bool has_news; /* more is unsettled than the run before had left */
} SpotifyLastRun;

/*
 * Draws the number of a run: above every number that is stored, also where the
 * sequence did not come along with the tables, as to a subscriber of logical
 * replication.  The caller sees to it that nobody else draws at the same time.
 */
extern int64 spotify_run_log_draw_number(void);

/*
 * Writes the row, which has its number, and those of the checks.  Returns the
 * row, as a Datum of the row type.
 */
extern Datum spotify_run_log_write(SpotifyRunRecord *record);

/*
 * Locks what writing a row of the account takes, until the end of the
 * transaction, without waiting for anybody.  Returns false if somebody has
 * locked it, or the account is gone.
 */
extern bool spotify_run_log_try_lock(const char *account);

/* Returns false if there is none. */
extern bool spotify_run_log_find_last(const char *account,
									  const char *collection,
									  SpotifyLastRun *last);

#endif /* SPOTIFY_RUN_LOG_H */
