/*
 * surroundings.c
 *		Settings of a database or role that must not stand in the way.
 */
#include "postgres.h"

#include "utils/guc.h"

#include "sync/surroundings.h"

/*
 * The defaults of the server, but for three: names are looked up safely, nothing
 * waits for a standby server that is not said to (transaction.h), and row
 * security that would hide rows is an error.
 */
static const struct
{
	const char *name;
	const char *value;
} PLAIN[] = {
	{ "default_transaction_deferrable", "off" },
	{ "default_transaction_isolation", "read committed" },
	{ "default_transaction_read_only", "off" },
	{ "exit_on_error", "off" },
	{ "idle_in_transaction_session_timeout", "0" },
	{ "idle_session_timeout", "0" },
	{ "lock_timeout", "0" },
	{ "row_security", "off" },
	{ "search_path", "pg_catalog, pg_temp" },
	{ "session_replication_role", "origin" },
	{ "statement_timeout", "0" },
	{ "synchronous_commit", "local" },
	{ "transaction_timeout", "0" },
};

void
spotify_surroundings_make_plain(void)
{
	for (int i = 0; i < (int) lengthof(PLAIN); i++)
	{
		/* Older servers do not have all of them. */
		if (GetConfigOption(PLAIN[i].name, true, false) != NULL)
			SetConfigOption(PLAIN[i].name, PLAIN[i].value, PGC_SUSET,
							PGC_S_SESSION);
	}
}
