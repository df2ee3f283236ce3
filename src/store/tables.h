/*
 * tables.h
 *		What others have put on the tables.
 */
#ifndef SPOTIFY_TABLES_H
#define SPOTIFY_TABLES_H

/*
 * Reports a rule on a table that is written.  It could make something else of
 * a statement, or of its result, and the server allows none where a statement
 * has ON CONFLICT or WITH.  Triggers do no such thing: they are found out about
 * by what was written (spotify_spi_check_written).
 */
extern void spotify_tables_check(void);

#endif /* SPOTIFY_TABLES_H */
