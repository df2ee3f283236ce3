/*
 * arguments.c
 *		Arguments of SQL-callable functions.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#include "api/arguments.h"
#include "store/accounts.h"

/* As many names are listed in a message. */
#define MAX_LISTED_NAMES 20

/* What makes the transaction read-only, and so what would help. */
static int
hint_of_read_only(void)
{
	if (RecoveryInProgress())
		return errhint(
			"This server is a standby: call the function on the primary server.");
	if (DefaultXactReadOnly)
		return errhint(
			"Set \"default_transaction_read_only\" to off, or begin a transaction with BEGIN READ WRITE.");
	return errhint("Call the function in a transaction that may write.");
}

/* PreventCommandIfReadOnly, with a hint. */
static void
check_writable(const char *function_name)
{
	if (XactReadOnly)
		ereport(ERROR, (errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
						errmsg("cannot execute %s in a read-only transaction",
							   function_name),
						hint_of_read_only()));
}

void
spotify_check_server(const char *function_name)
{
	if (GetDatabaseEncoding() != PG_UTF8)
		ereport(
			ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("spotify_etl cannot be used in a database with encoding %s",
					GetDatabaseEncodingName()),
			 errhint("Create a database with ENCODING 'UTF8'.")));
	check_writable(function_name);
}

void
spotify_check_isolation(const char *function_name)
{
	if (!IsolationUsesXactSnapshot())
		return;
	ereport(
		ERROR,
		(errcode(ERRCODE_INVALID_TRANSACTION_STATE),
		 errmsg("cannot execute %s in a transaction with isolation level %s",
				function_name,
				GetConfigOption("transaction_isolation", false, false)),
		 errdetail(
			 "It must see what other sessions commit meanwhile; nothing was sent to Spotify."),
		 DefaultXactIsoLevel == XACT_READ_COMMITTED
			 ? errhint("Begin the transaction with READ COMMITTED.")
			 : errhint(
				   "Set \"default_transaction_isolation\" to read committed, for the role by ALTER ROLE, or BEGIN ISOLATION LEVEL READ COMMITTED. Outside of a transaction block CALL spotify_sync_all() does so by itself.")));
}

char *
spotify_argument_text(FunctionCallInfo fcinfo, int number)
{
	if (PG_ARGISNULL(number))
		return NULL;
	return text_to_cstring(PG_GETARG_TEXT_PP(number));
}

bool
spotify_argument_flag(FunctionCallInfo fcinfo, int number)
{
	return !PG_ARGISNULL(number) && PG_GETARG_BOOL(number);
}

static char *
join_names(List *names)
{
	StringInfoData joined;
	ListCell *cell;
	int listed = 0;

	initStringInfo(&joined);
	foreach (cell, names)
	{
		if (listed == MAX_LISTED_NAMES)
		{
			appendStringInfo(&joined, " and %d more",
							 list_length(names) - listed);
			break;
		}
		appendStringInfo(&joined, "%s\"%s\"", listed > 0 ? ", " : "",
						 (char *) lfirst(cell));
		listed++;
	}
	return joined.data;
}

void
spotify_report_no_account(void)
{
	ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					errmsg("no Spotify account is configured yet"),
					errhint("Create one with spotify_set_account().")));
}

static char *
get_only_account(void)
{
	List *names = spotify_accounts_names();

	if (names == NIL)
		spotify_report_no_account();
	if (list_length(names) > 1)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("there are several Spotify accounts"),
						errdetail("The accounts are %s.", join_names(names)),
						errhint("Name one with account => 'name'.")));
	return linitial(names);
}

char *
spotify_argument_account(FunctionCallInfo fcinfo, int number)
{
	char *name = spotify_argument_text(fcinfo, number);
	List *names;

	if (name == NULL)
		return get_only_account();
	if (spotify_accounts_find(name) != NULL)
		return name;

	names = spotify_accounts_names();
	if (names == NIL)
		spotify_report_no_account();
	ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
					errmsg("there is no Spotify account \"%s\"", name),
					errhint("The accounts are %s.", join_names(names))));
	return NULL; /* keep compiler quiet */
}
