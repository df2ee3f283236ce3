/*
 * accounts.h
 *		The table spotify.accounts.
 */
#ifndef SPOTIFY_ACCOUNTS_H
#define SPOTIFY_ACCOUNTS_H

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"

#include "spotify/model.h"

typedef struct SpotifyAccount
{
	char *name;
	char *client_id;
	char *redirect_uri;
	char *spotify_user_id; /* NULL: not asked for yet */
	bool needs_authorization;
	SpotifyTimestamp retry_after;			/* if it is to be believed */
	SpotifyTimestamp authorization_ends_at; /* six months after it was given */
	bool is_enabled;						/* takes part in syncs of all */
} SpotifyAccount;

/* NULL if there is no such account. */
extern SpotifyAccount *spotify_accounts_find(const char *name);

/* Names of all accounts (List of char *), in alphabetical order. */
extern List *spotify_accounts_names(void);

extern void spotify_accounts_insert(const char *name, const char *client_id,
									const char *redirect_uri);

/* A NULL leaves what is stored. */
extern void spotify_accounts_update(const char *name, const char *client_id,
									const char *redirect_uri);

/* The user authorized the app just now: six months begin. */
extern void spotify_accounts_set_authorized(const char *name);

/* Whose account it is at Spotify. */
extern void spotify_accounts_set_user(const char *name,
									  const char *spotify_user_id,
									  const char *display_name);

/*
 * A refresh succeeded: the authorization is good.  scope is space separated;
 * NULL leaves what is stored.
 */
extern void spotify_accounts_confirm(const char *name, const char *scope);

/*
 * Locks the account's rows here and among the credentials until the end of the
 * transaction, against changes by others.
 */
extern void spotify_accounts_lock(const char *name);

/* Spotify refused the refresh token: nothing is asked until that changes. */
extern void spotify_accounts_set_needs_authorization(const char *name);

/* Of all accounts with the client id of this one: Spotify counts by client. */
extern void spotify_accounts_set_retry_after(const char *name,
											 TimestampTz retry_after);

/* Whether any table has rows of that name, with or without an account. */
extern bool spotify_accounts_has_rows(const char *name);

/* Deletes the account, its secrets and its data, or what there is of them. */
extern void spotify_accounts_forget(const char *name);

/*
 * Deletes from the catalogue what no account uses, under
 * spotify_lock_catalog_alone and by snapshots that are newer than that.
 */
extern void spotify_accounts_forget_unused(void);

#endif /* SPOTIFY_ACCOUNTS_H */
