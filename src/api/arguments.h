/*
 * arguments.h
 *		Arguments of SQL-callable functions.
 */
#ifndef SPOTIFY_ARGUMENTS_H
#define SPOTIFY_ARGUMENTS_H

#include "fmgr.h"

/*
 * What every SQL-callable function needs before it does anything: a UTF8
 * database, and one that can be written to.
 */
extern void spotify_check_server(const char *function_name);

/*
 * Refuses a transaction that keeps its first snapshot.  It would not see what
 * others commit meanwhile, and could not write where they did: a run would find
 * that out when its requests are spent, and what is unused could be used.
 */
extern void spotify_check_isolation(const char *function_name);

/* A text argument; NULL if it is null. */
extern char *spotify_argument_text(FunctionCallInfo fcinfo, int number);

/* A boolean argument; false if it is null. */
extern bool spotify_argument_flag(FunctionCallInfo fcinfo, int number);

/* An account that exists; the only one there is if the argument is null. */
extern char *spotify_argument_account(FunctionCallInfo fcinfo, int number);

/* Reports that nothing can be meant, since no account exists. */
extern void spotify_report_no_account(void);

#endif /* SPOTIFY_ARGUMENTS_H */
