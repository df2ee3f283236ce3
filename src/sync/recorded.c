/*
 * recorded.c
 *		What a run does, done so that its failure can be recorded.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "sync/recorded.h"

/* Says in an error's context which run it was. */
static void
add_error_context(void *arg)
{
	const SpotifyRun *run = arg;

	errcontext("sync of collection \"%s\" of account \"%s\"",
			   run->record.collection, run->record.account);
}

/*
 * The subtransaction is there because after an error the run can be recorded
 * only when its locks are gone and SQL can be run again.
 */
static Datum
run_in_subtransaction(SpotifyRun *run, SpotifyRunPhases *phases, void *arg,
					  MemoryContext result_context)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	Datum row = (Datum) 0;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		row = phases(arg, result_context);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
	}
	PG_CATCH();
	{
		ErrorData *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		spotify_run_fail(run, error);
		ReThrowError(error);
	}
	PG_END_TRY();
	return row;
}

Datum
spotify_recorded_run(SpotifyRun *run, SpotifyRunPhases *phases, void *arg,
					 MemoryContext result_context)
{
	ErrorContextCallback error_context = { .previous = error_context_stack,
										   .callback = add_error_context,
										   .arg = run };
	Datum row;

	error_context_stack = &error_context;
	row = run_in_subtransaction(run, phases, arg, result_context);
	error_context_stack = error_context.previous;
	return row;
}
