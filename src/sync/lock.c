/*
 * lock.c
 *		Locks of our own, which no user's advisory lock can collide with.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "utils/timestamp.h"

#include "sync/lock.h"

/*
 * Keeps our locks apart from everybody else's: pg_advisory_lock sets the
 * fourth field of an advisory lock's tag to 1 or 2.
 */
#define LOCK_SPACE 0x5350

static uint32
hash_text(const char *text)
{
	return hash_bytes((const unsigned char *) text, strlen(text));
}

static LOCKTAG
make_tag(const char *account, const char *name)
{
	LOCKTAG tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, hash_text(account), hash_text(name),
						 LOCK_SPACE);
	return tag;
}

bool
spotify_lock_try(const char *account, const char *name)
{
	LOCKTAG tag = make_tag(account, name);

	return LockAcquire(&tag, ExclusiveLock, false, true) !=
		   LOCKACQUIRE_NOT_AVAIL;
}

void
spotify_lock_wait(const char *account, const char *name)
{
	LOCKTAG tag = make_tag(account, name);

	(void) LockAcquire(&tag, ExclusiveLock, false, false);
}

void
spotify_lock_release(const char *account, const char *name)
{
	LOCKTAG tag = make_tag(account, name);

	(void) LockRelease(&tag, ExclusiveLock, false);
}

/* Longest time that a worker may have to wait for another one to end. */
#define SESSION_LOCK_TIMEOUT_MS (5 * 60 * 1000)

void
spotify_lock_wait_session(const char *account, const char *name)
{
	LOCKTAG tag = make_tag(account, name);
	int lock_timeout = LockTimeout;

	LockTimeout = SESSION_LOCK_TIMEOUT_MS;
	(void) LockAcquire(&tag, ExclusiveLock, true, false);
	LockTimeout = lock_timeout;
}

/* Of all accounts: the catalogue is shared. */
#define CATALOG_NAME "catalog"

/* How long to wait for a lock that is tried again and again. */
#define TRY_AGAIN_MS 20

void
spotify_lock_catalog(void)
{
	LOCKTAG tag = make_tag(SPOTIFY_LOCK_OF_ALL, CATALOG_NAME);

	(void) LockAcquire(&tag, ShareLock, false, false);
}

bool
spotify_lock_catalog_alone(void)
{
	TimestampTz deadline = TimestampTzPlusMilliseconds(
		GetCurrentTimestamp(), SPOTIFY_LOCK_CATALOG_ALONE_SECONDS * 1000);

	while (!spotify_lock_try(SPOTIFY_LOCK_OF_ALL, CATALOG_NAME))
	{
		if (GetCurrentTimestamp() >= deadline)
			return false;
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 TRY_AGAIN_MS, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
	return true;
}
