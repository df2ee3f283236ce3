/*
 * sync_all.c
 *		Every collection of every enabled account, one after another.
 */
#include "postgres.h"

#include "access/xact.h"
#include "lib/stringinfo.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "store/accounts.h"
#include "sync/plays.h"
#include "sync/run.h"
#include "sync/saved.h"
#include "sync/sync_all.h"

/* As many failures are listed in a message, and one of each other kind. */
#define MAX_LISTED_FAILURES 20

/* One thing to sync of an account: a name, and a run of it. */
typedef struct Sync
{
	const char *collection;
	void (*run)(const char *account);
} Sync;

typedef struct Failure
{
	const char *account;
	const char *collection;
	ErrorData *error;
} Failure;

static void
sync_liked(const char *account)
{
	const SpotifySyncOptions options = { 0 };

	(void) spotify_saved_sync(&spotify_collection_liked, account, &options);
}

static void
sync_recently_played(const char *account)
{
	const SpotifyTimestamp any_time = { 0 };

	(void) spotify_plays_sync(account, any_time);
}

/* In this order for each account. */
static const Sync SYNCS[] = {
	{ "liked", sync_liked },
	{ SPOTIFY_PLAYS_COLLECTION, sync_recently_played },
};

/* Somebody wants the whole to end, not this run. */
static bool
is_cancel(const ErrorData *error)
{
	return error->sqlerrcode == ERRCODE_QUERY_CANCELED;
}

/*
 * One run, in a subtransaction, so that after an error the others can go on.
 * Returns the error, in the current memory context; NULL if there was none.
 */
static ErrorData *
try_sync(const Sync *sync, const char *account)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	MemoryContext run_context = AllocSetContextCreate(
		context, "spotify sync of all", ALLOCSET_DEFAULT_SIZES);
	ErrorData *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(run_context);
	PG_TRY();
	{
		sync->run(account);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	MemoryContextDelete(run_context);
	if (error != NULL && is_cancel(error))
		ReThrowError(error);
	return error;
}

static void
add_failure(SpotifySyncAll *all, const char *account, const Sync *sync,
			ErrorData *error)
{
	Failure *failure = palloc(sizeof(Failure));

	failure->account = account;
	failure->collection = sync->collection;
	failure->error = error;
	all->failures = lappend(all->failures, failure);
}

/* An account may be forgotten or disabled while others are synced. */
static bool
is_enabled(const char *name)
{
	const SpotifyAccount *account = spotify_accounts_find(name);

	return account != NULL && account->is_enabled;
}

void
spotify_sync_all_lock(const char *account)
{
	for (int i = 0; i < (int) lengthof(SYNCS); i++)
		spotify_run_lock(account, SYNCS[i].collection);
}

void
spotify_sync_all_run(SpotifySyncAll *all, List *accounts, SpotifySteps *steps)
{
	ListCell *cell;

	memset(all, 0, sizeof(*all));
	foreach (cell, accounts)
	{
		const char *account = lfirst(cell);

		for (int i = 0; i < (int) lengthof(SYNCS); i++)
		{
			ErrorData *error;

			spotify_steps_next(steps);
			if (!is_enabled(account))
				break;
			all->tried++;
			error = try_sync(&SYNCS[i], account);
			if (error != NULL)
				add_failure(all, account, &SYNCS[i], error);
		}
	}
}

/* What is listed of the failures so far. */
typedef struct Listing
{
	StringInfoData lines;
	int count;
	List *codes; /* SQLSTATEs (int) */
	List *hints; /* char *, each told once */
} Listing;

/* Beyond the maximum a failure is listed if none of its kind is. */
static bool
is_to_be_listed(const Listing *listing, const Failure *failure)
{
	return listing->count < MAX_LISTED_FAILURES ||
		   !list_member_int(listing->codes, failure->error->sqlerrcode);
}

static void
list_hint(Listing *listing, char *hint)
{
	ListCell *cell;

	foreach (cell, listing->hints)
	{
		if (strcmp(lfirst(cell), hint) == 0)
			return;
	}
	listing->hints = lappend(listing->hints, hint);
	appendStringInfo(&listing->lines, " Hint: %s", hint);
}

static void
list_failure(Listing *listing, const Failure *failure)
{
	const ErrorData *error = failure->error;

	appendStringInfo(
		&listing->lines, "%sCollection \"%s\" of account \"%s\": %s: %s.",
		listing->count > 0 ? "\n" : "", failure->collection, failure->account,
		unpack_sql_state(error->sqlerrcode), error->message);
	if (error->detail != NULL)
		appendStringInfo(&listing->lines, " %s", error->detail);
	if (error->hint != NULL)
		list_hint(listing, error->hint);
	listing->codes = list_append_unique_int(listing->codes, error->sqlerrcode);
	listing->count++;
}

/* The failures, a line each. */
static char *
list_failures(const SpotifySyncAll *all)
{
	Listing listing = { .count = 0 };
	ListCell *cell;

	initStringInfo(&listing.lines);
	foreach (cell, all->failures)
	{
		if (is_to_be_listed(&listing, lfirst(cell)))
			list_failure(&listing, lfirst(cell));
	}
	if (listing.count < list_length(all->failures))
		appendStringInfo(&listing.lines, "\nAnd %d more.",
						 list_length(all->failures) - listing.count);
	return listing.lines.data;
}

static char *
make_hint(const char *hint, bool is_undone)
{
	static const char undone[] =
		"What succeeded ends with the transaction; outside of a transaction block it is kept.";

	if (!is_undone)
		return pstrdup(hint);
	return psprintf("%s%s%s", hint, hint[0] != '\0' ? " " : "", undone);
}

static void
report_one(const Failure *failure, bool is_undone)
{
	const ErrorData *error = failure->error;
	char *hint = make_hint(error->hint != NULL ? error->hint : "", is_undone);

	ereport(
		ERROR,
		(errcode(error->sqlerrcode),
		 errmsg("sync of collection \"%s\" of account \"%s\" failed: %s",
				failure->collection, failure->account, error->message),
		 error->detail != NULL ? errdetail_internal("%s", error->detail) : 0,
		 hint[0] != '\0' ? errhint("%s", hint) : 0));
}

void
spotify_sync_all_report(const SpotifySyncAll *all, bool is_undone)
{
	const Failure *first = linitial(all->failures);
	int count = list_length(all->failures);

	if (count == 1)
		report_one(first, is_undone);
	ereport(
		ERROR,
		(errcode(first->error->sqlerrcode),
		 errmsg(
			 "%d of %d syncs failed, first that of collection \"%s\" of account \"%s\": %s",
			 count, all->tried, first->collection, first->account,
			 first->error->message),
		 errdetail_internal("%s", list_failures(all)),
		 errhint(
			 "%s",
			 make_hint(
				 "The detail has the hint of each failure. A run that began has a row in spotify.sync_runs, unless a warning says that it could not be recorded.",
				 is_undone))));
}
