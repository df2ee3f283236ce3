/*
 * surroundings.h
 *		Settings of a database or role that must not stand in the way.
 */
#ifndef SPOTIFY_SURROUNDINGS_H
#define SPOTIFY_SURROUNDINGS_H

/*
 * Gives this process the settings that writing by itself takes, whatever the
 * database or a role has.  For a process that has no user of its own, or no
 * more.  Locks are waited for without end: who may not, sets lock_timeout.
 */
extern void spotify_surroundings_make_plain(void);

#endif /* SPOTIFY_SURROUNDINGS_H */
