/*
 * steps.c
 *		The work of a procedure, in steps, with a commit after each.
 *
 * A transaction must end with the user that it began with, so the rights are
 * given back before each commit and taken again after it.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_proc.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "replication/syncrep.h"
#include "utils/guc.h"
#include "utils/syscache.h"

#include "sync/steps.h"

/* Whether the procedure was called in a way that does not let it commit. */
static bool
is_atomic(FunctionCallInfo fcinfo)
{
	return fcinfo->context == NULL || !IsA(fcinfo->context, CallContext) ||
		   castNode(CallContext, fcinfo->context)->atomic || IsSubTransaction();
}

static Oid
find_owner(Oid procedure)
{
	HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(procedure));
	Oid owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", procedure);
	owner = ((Form_pg_proc) GETSTRUCT(tuple))->proowner;
	ReleaseSysCache(tuple);
	return owner;
}

static void
set_option(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
}

/*
 * The commit of a step has the rights of the caller again, who may be a
 * superuser: so an owner who is none must leave nothing for it, such as a
 * deferred trigger.
 */
static int
context_of_owner(Oid owner)
{
	int context = SECURITY_LOCAL_USERID_CHANGE;

	if (!superuser_arg(owner))
		context |= SECURITY_RESTRICTED_OPERATION;
	return context;
}

static void
take_rights(SpotifySteps *steps)
{
	GetUserIdAndSecContext(&steps->caller, &steps->caller_context);
	SetUserIdAndSecContext(steps->owner, steps->caller_context |
											 context_of_owner(steps->owner));
	steps->nest_level = NewGUCNestLevel();
	set_option("search_path", "pg_catalog, pg_temp");
	set_option("row_security", "off");
}

static void
give_rights_back(SpotifySteps *steps)
{
	AtEOXact_GUC(true, steps->nest_level);
	SetUserIdAndSecContext(steps->caller, steps->caller_context);
}

/*
 * While a commit waits for a standby server, a cancel ends the wait and is
 * forgotten: the next step would begin all the same.  So no step waits there,
 * and the end waits for all of them.
 */
static void
commit(void)
{
	if (synchronous_commit > SYNCHRONOUS_COMMIT_LOCAL_FLUSH)
		(void) set_config_option("synchronous_commit", "local", PGC_USERSET,
								 PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0,
								 false);
	SPI_commit();
	SPI_start_transaction();
}

/* As the commit of a transaction does, if the server is configured so. */
static void
wait_for_standby(void)
{
	HOLD_INTERRUPTS();
	if (synchronous_commit > SYNCHRONOUS_COMMIT_LOCAL_FLUSH)
		SyncRepWaitForLSN(XactLastCommitEnd, true);
	RESUME_INTERRUPTS();
}

/* Any other level would keep the first snapshot until the commit. */
static void
use_read_committed(void)
{
	(void) set_config_option("transaction_isolation", "read committed",
							 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true,
							 0, false);
}

void
spotify_steps_begin(SpotifySteps *steps, FunctionCallInfo fcinfo)
{
	MemoryContext context = CurrentMemoryContext;

	steps->is_atomic = is_atomic(fcinfo);
	steps->owner = find_owner(fcinfo->flinfo->fn_oid);
	SPI_connect_ext(steps->is_atomic ? 0 : SPI_OPT_NONATOMIC);
	MemoryContextSwitchTo(context);
	take_rights(steps);
}

void
spotify_steps_next(SpotifySteps *steps)
{
	if (steps->is_atomic)
		return;
	give_rights_back(steps);
	commit();
	use_read_committed();
	take_rights(steps);
}

void
spotify_steps_end(SpotifySteps *steps)
{
	give_rights_back(steps);
	if (!steps->is_atomic)
	{
		commit();
		wait_for_standby();
	}
	SPI_finish();
}
