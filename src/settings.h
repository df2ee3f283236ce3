/*
 * settings.h
 *		The settings of the extension, spotify_etl.*.
 *
 * Read-only for everyone but settings.c.
 */
#ifndef SPOTIFY_SETTINGS_H
#define SPOTIFY_SETTINGS_H

extern char *spotify_setting_api_url;
extern char *spotify_setting_accounts_url;
extern char *spotify_setting_ca_file;
extern char *spotify_setting_proxy;
extern int spotify_setting_connect_timeout; /* milliseconds */
extern int spotify_setting_request_timeout; /* milliseconds */
extern int spotify_setting_max_retries;
extern int spotify_setting_max_retry_wait; /* milliseconds */
extern int spotify_setting_max_concurrency;
extern int spotify_setting_max_response_size; /* bytes */
extern int spotify_setting_audit_pages;
extern int spotify_setting_max_removal_percent;

extern void spotify_settings_define(void);

#define SPOTIFY_SETTING_COUNT 12

/* What the settings are in one process, to be the same in another. */
typedef struct SpotifySettingsImage
{
	char values[SPOTIFY_SETTING_COUNT][1024];
} SpotifySettingsImage;

extern void spotify_settings_save(SpotifySettingsImage *image);
extern void spotify_settings_restore(const SpotifySettingsImage *image);

/*
 * Lets requests take as long, and be repeated as often, as by default.  A token
 * may be spent by a request whose answer is not waited for.
 */
extern void spotify_settings_set_default_patience(void);

#endif /* SPOTIFY_SETTINGS_H */
