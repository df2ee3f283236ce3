/*
 * lock.c
 *		Locks of our own, which no user's advisory lock can collide with.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "storage/proc.h"

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

void
spotify_lock_catalog(bool is_exclusive)
{
	LOCKTAG tag = make_tag(SPOTIFY_LOCK_OF_ALL, CATALOG_NAME);

	(void) LockAcquire(&tag, is_exclusive ? ExclusiveLock : ShareLock, false,
					   false);
}
