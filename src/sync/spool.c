/*
 * spool.c
 *		A new refresh token on its way from Spotify's answer to the table.
 *
 * The file is one of the data directory, with the mode of the cluster's others,
 * like the table that its content goes to.  Its name has the database and a
 * hash of the account, so that any account name makes a file name.
 */
#include "postgres.h"

#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include "access/xact.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "spotify/model.h"
#include "sync/spool.h"

#define SPOOL_FOLDER "pg_spotify_etl"

/* Three texts with a line end each, and a number. */
#define MAX_FILE_SIZE (2 * SPOTIFY_MAX_TOKEN_LENGTH + 256)

/* A removal that waits for the end of the transaction, in whose context it is. */
typedef struct PendingRemoval
{
	struct PendingRemoval *next;
	SubTransactionId subtransaction;
	const char *account;
} PendingRemoval;

static PendingRemoval *pending_removals = NULL;

static char *
file_path(const char *account)
{
	uint64 hash = hash_bytes_extended((const unsigned char *) account,
									  strlen(account), 0);

	return psprintf(SPOOL_FOLDER "/%u_" UINT64_FORMAT, MyDatabaseId, hash);
}

static char *
temporary_path(const char *account)
{
	return psprintf("%s.tmp", file_path(account));
}

/* Writes from the start of the temporary file; false with errno set. */
static bool
write_temporary(const char *path, const char *content, size_t length)
{
	int fd = BasicOpenFile(path, O_CREAT | O_WRONLY | PG_BINARY);
	ssize_t written;
	bool is_written;

	if (fd < 0)
		return false;
	errno = 0;
	written = write(fd, content, length);
	if (written >= 0 && written != (ssize_t) length)
		errno = ENOSPC;
	is_written = written == (ssize_t) length && ftruncate(fd, length) == 0 &&
				 pg_fsync(fd) == 0;
	if (close(fd) != 0)
		is_written = false;
	return is_written;
}

void
spotify_spool_prepare(const char *account)
{
	char *path = temporary_path(account);

	if ((MakePGDirectory(SPOOL_FOLDER) != 0 && errno != EEXIST) ||
		!write_temporary(path, palloc0(MAX_FILE_SIZE), MAX_FILE_SIZE))
		ereport(
			ERROR,
			(errcode_for_file_access(),
			 errmsg("could not write file \"%s\": %m", path),
			 errdetail(
				 "A new refresh token is kept there until it is committed; nothing was sent to Spotify."),
			 errhint(
				 "Make room, or give the server's user the right to write in the data directory.")));
}

void
spotify_spool_write(const char *account, const SpotifySpooledGrant *grant)
{
	char *path = temporary_path(account);
	char *content =
		psprintf("%s\n%s\n%s\n" INT64_FORMAT "\n",
				 grant->old_refresh_token_hash, grant->refresh_token,
				 grant->access_token != NULL ? grant->access_token : "",
				 (int64) grant->access_token_expires_at);

	if (!write_temporary(path, content, strlen(content)))
		ereport(LOG, (errcode_for_file_access(),
					  errmsg("could not write file \"%s\": %m", path)));
	else
		(void) durable_rename(path, file_path(account), LOG);
	explicit_bzero(content, strlen(content));
}

/* The next line, without its end; NULL if there is none. */
static char *
take_line(char **rest)
{
	char *line = *rest;
	char *end = strchr(line, '\n');

	if (end == NULL)
		return NULL;
	*end = '\0';
	*rest = end + 1;
	return line;
}

static SpotifySpooledGrant *
parse_content(char *content)
{
	SpotifySpooledGrant *grant = palloc0(sizeof(SpotifySpooledGrant));
	char *expires_at;

	grant->old_refresh_token_hash = take_line(&content);
	if (grant->old_refresh_token_hash == NULL)
		return NULL;
	grant->refresh_token = take_line(&content);
	if (grant->refresh_token == NULL)
		return NULL;
	grant->access_token = take_line(&content);
	if (grant->access_token == NULL)
		return NULL;
	if (grant->access_token[0] == '\0')
		grant->access_token = NULL;
	expires_at = take_line(&content);
	if (expires_at == NULL)
		return NULL;
	grant->access_token_expires_at = strtoll(expires_at, NULL, 10);
	return grant;
}

SpotifySpooledGrant *
spotify_spool_read(const char *account)
{
	char *path = file_path(account);
	char *content = palloc0(MAX_FILE_SIZE + 1);
	int fd = OpenTransientFile(path, O_RDONLY | PG_BINARY);
	ssize_t length;

	if (fd < 0)
	{
		if (errno == ENOENT)
			return NULL;
		ereport(ERROR, (errcode_for_file_access(),
						errmsg("could not open file \"%s\": %m", path)));
	}
	length = read(fd, content, MAX_FILE_SIZE);
	if (length < 0)
		ereport(ERROR, (errcode_for_file_access(),
						errmsg("could not read file \"%s\": %m", path)));
	CloseTransientFile(fd);
	return parse_content(content);
}

static void
remove_file(const char *path)
{
	if (access(path, F_OK) == 0)
		(void) durable_unlink(path, LOG);
}

void
spotify_spool_remove(const char *account)
{
	remove_file(file_path(account));
	remove_file(temporary_path(account));
}

/* The database that the file of this name belongs to; invalid if it is not ours. */
static Oid
database_of_file(const char *name)
{
	char *end;
	unsigned long number = strtoul(name, &end, 10);

	return *end == '_' && number <= UINT_MAX ? (Oid) number : InvalidOid;
}

/*
 * Looks at what is committed now: a database whose file was seen before that,
 * and which is not there, is gone for good.
 */
static bool
is_database_gone(Oid database)
{
	AcceptInvalidationMessages();
	InvalidateCatalogSnapshot();
	return !SearchSysCacheExists1(DATABASEOID, ObjectIdGetDatum(database));
}

void
spotify_spool_remove_orphans(void)
{
	DIR *folder = AllocateDir(SPOOL_FOLDER);
	struct dirent *entry;

	if (folder == NULL && errno == ENOENT)
		return;
	while ((entry = ReadDirExtended(folder, SPOOL_FOLDER, LOG)) != NULL)
	{
		Oid database = database_of_file(entry->d_name);

		if (OidIsValid(database) && database != MyDatabaseId &&
			is_database_gone(database))
			remove_file(psprintf(SPOOL_FOLDER "/%s", entry->d_name));
	}
	FreeDir(folder);
}

static void
remove_pending(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_PREPARE:
			for (PendingRemoval *removal = pending_removals; removal != NULL;
				 removal = removal->next)
				spotify_spool_remove(removal->account);
			pending_removals = NULL;
			break;
		case XACT_EVENT_ABORT:
			pending_removals = NULL;
			break;
		default:
			break;
	}
}

/* What a subtransaction began is its parent's, or not to be done. */
static void
pass_on_pending(SubXactEvent event, SubTransactionId subtransaction,
				SubTransactionId parent, void *arg)
{
	PendingRemoval **link = &pending_removals;

	if (event != SUBXACT_EVENT_COMMIT_SUB && event != SUBXACT_EVENT_ABORT_SUB)
		return;
	while (*link != NULL && (*link)->subtransaction == subtransaction)
	{
		if (event == SUBXACT_EVENT_ABORT_SUB)
		{
			*link = (*link)->next;
			continue;
		}
		(*link)->subtransaction = parent;
		link = &(*link)->next;
	}
}

void
spotify_spool_remove_at_commit(const char *account)
{
	static bool is_registered = false;
	PendingRemoval *removal =
		MemoryContextAlloc(TopTransactionContext, sizeof(PendingRemoval));

	if (!is_registered)
	{
		RegisterXactCallback(remove_pending, NULL);
		RegisterSubXactCallback(pass_on_pending, NULL);
		is_registered = true;
	}
	removal->subtransaction = GetCurrentSubTransactionId();
	removal->account = MemoryContextStrdup(TopTransactionContext, account);
	removal->next = pending_removals;
	pending_removals = removal;
}

char *
spotify_spool_hash(const char *refresh_token)
{
	Datum digest = DirectFunctionCall1(
		sha256_bytea, PointerGetDatum(cstring_to_text(refresh_token)));
	Datum encoded =
		DirectFunctionCall2(binary_encode, digest, CStringGetTextDatum("hex"));

	return TextDatumGetCString(encoded);
}
