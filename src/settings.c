/*
 * settings.c
 *		Definition and checks of the settings.
 *
 * Who may change one follows from what it could give away: with the URLs, the
 * proxy or the authorities somebody could have secrets sent to a place of
 * their own, so only a superuser may.
 */
#include "postgres.h"

#include <limits.h>

#include "utils/guc.h"

#include "http/http.h"
#include "settings.h"

char *spotify_setting_api_url;
char *spotify_setting_accounts_url;
char *spotify_setting_ca_file;
char *spotify_setting_proxy;
int spotify_setting_connect_timeout;
int spotify_setting_request_timeout;
int spotify_setting_max_retries;
int spotify_setting_max_retry_wait;
int spotify_setting_max_concurrency;
int spotify_setting_max_response_size;
int spotify_setting_audit_pages;
int spotify_setting_max_removal_percent;

static bool
check_base_url(char **newval, void **extra, GucSource source)
{
	const char *problem = spotify_url_problem(*newval);

	if (problem == NULL)
		return true;
	GUC_check_errdetail("The URL %s.", problem);
	return false;
}

static bool
check_ca_file(char **newval, void **extra, GucSource source)
{
	if (**newval == '\0' || is_absolute_path(*newval))
		return true;
	GUC_check_errdetail("The path of a file must be absolute.");
	return false;
}

/* Every setting of spotify_settings_define: a worker gets them all. */
static const char *const NAMES[] = {
	"spotify_etl.api_url",		   "spotify_etl.accounts_url",
	"spotify_etl.ca_file",		   "spotify_etl.proxy",
	"spotify_etl.connect_timeout", "spotify_etl.request_timeout",
	"spotify_etl.max_retries",	   "spotify_etl.max_retry_wait",
	"spotify_etl.max_concurrency", "spotify_etl.max_response_size",
	"spotify_etl.audit_pages",	   "spotify_etl.max_removal_percent",
};

StaticAssertDecl(lengthof(NAMES) == SPOTIFY_SETTING_COUNT,
				 "every setting must be saved");

/* How long and how often a request is tried, unless somebody sets it. */
#define CONNECT_TIMEOUT_MS (10 * 1000)
#define REQUEST_TIMEOUT_MS (30 * 1000)
#define MAX_RETRIES		   4
#define MAX_RETRY_WAIT_MS  (10 * 1000)

void
spotify_settings_save(SpotifySettingsImage *image)
{
	for (int i = 0; i < SPOTIFY_SETTING_COUNT; i++)
	{
		const char *value = GetConfigOption(NAMES[i], false, false);

		if (strlcpy(image->values[i], value, sizeof(image->values[i])) >=
			sizeof(image->values[i]))
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("setting \"%s\" is too long", NAMES[i])));
	}
}

void
spotify_settings_restore(const SpotifySettingsImage *image)
{
	for (int i = 0; i < SPOTIFY_SETTING_COUNT; i++)
		SetConfigOption(NAMES[i], image->values[i], PGC_SUSET, PGC_S_SESSION);
}

static void
set_number(const char *name, int value)
{
	SetConfigOption(name, psprintf("%d", value), PGC_SUSET, PGC_S_SESSION);
}

void
spotify_settings_set_default_patience(void)
{
	set_number("spotify_etl.connect_timeout", CONNECT_TIMEOUT_MS);
	set_number("spotify_etl.request_timeout", REQUEST_TIMEOUT_MS);
	set_number("spotify_etl.max_retries", MAX_RETRIES);
	set_number("spotify_etl.max_retry_wait", MAX_RETRY_WAIT_MS);
}

void
spotify_settings_define(void)
{
	DefineCustomStringVariable(
		"spotify_etl.api_url", "Base of every request to the Spotify Web API.",
		"http:// is possible only for a loopback address.",
		&spotify_setting_api_url, "https://api.spotify.com/v1", PGC_SUSET, 0,
		check_base_url, NULL, NULL);

	DefineCustomStringVariable(
		"spotify_etl.accounts_url",
		"Base of Spotify's authorization and token endpoints.",
		"http:// is possible only for a loopback address.",
		&spotify_setting_accounts_url, "https://accounts.spotify.com",
		PGC_SUSET, 0, check_base_url, NULL, NULL);

	DefineCustomStringVariable(
		"spotify_etl.ca_file",
		"PEM file of the certificate authorities to trust.",
		"Empty: those that the system trusts.", &spotify_setting_ca_file, "",
		PGC_SUSET, 0, check_ca_file, NULL, NULL);

	/* A proxy URL may hold a password, so not everybody may see it. */
	DefineCustomStringVariable(
		"spotify_etl.proxy", "Proxy through which Spotify is reached.",
		"Empty: none. Proxies named by the server's environment are ignored.",
		&spotify_setting_proxy, "", PGC_SUSET, GUC_SUPERUSER_ONLY, NULL, NULL,
		NULL);

	DefineCustomIntVariable(
		"spotify_etl.connect_timeout", "Longest time to connect to Spotify.",
		NULL, &spotify_setting_connect_timeout, CONNECT_TIMEOUT_MS, 1, INT_MAX,
		PGC_USERSET, GUC_UNIT_MS, NULL, NULL, NULL);

	DefineCustomIntVariable(
		"spotify_etl.request_timeout",
		"Longest time for one request, from its start to the last byte of the answer.",
		NULL, &spotify_setting_request_timeout, REQUEST_TIMEOUT_MS, 1, INT_MAX,
		PGC_USERSET, GUC_UNIT_MS, NULL, NULL, NULL);

	DefineCustomIntVariable(
		"spotify_etl.max_retries",
		"How often a request is repeated after a rate limit, a server error or a network failure.",
		NULL, &spotify_setting_max_retries, MAX_RETRIES, 0, 20, PGC_USERSET, 0,
		NULL, NULL, NULL);

	DefineCustomIntVariable(
		"spotify_etl.max_retry_wait",
		"Longest time to wait before a request is repeated.",
		"A rate limit that lasts longer ends the run instead.",
		&spotify_setting_max_retry_wait, MAX_RETRY_WAIT_MS, 0, 10 * 60 * 1000,
		PGC_USERSET, GUC_UNIT_MS, NULL, NULL, NULL);

	DefineCustomIntVariable(
		"spotify_etl.max_concurrency",
		"How many requests of a full scan may be under way at once.", NULL,
		&spotify_setting_max_concurrency, 4, 1, 32, PGC_USERSET, 0, NULL, NULL,
		NULL);

	DefineCustomIntVariable(
		"spotify_etl.max_response_size",
		"Largest answer that is accepted, after decompression.", NULL,
		&spotify_setting_max_response_size, 16 * 1024 * 1024, 64 * 1024,
		INT_MAX, PGC_SUSET, GUC_UNIT_BYTE, NULL, NULL, NULL);

	DefineCustomIntVariable(
		"spotify_etl.audit_pages",
		"How many pages each delta run checks in turn, beside the newest.",
		"0: none. A full scan reads every page anyway.",
		&spotify_setting_audit_pages, 1, 0, 1000, PGC_USERSET, 0, NULL, NULL,
		NULL);

	DefineCustomIntVariable(
		"spotify_etl.max_removal_percent",
		"Largest share of the active rows, in percent, that one run may deactivate.",
		"Up to 19 rows may be deactivated in any case.",
		&spotify_setting_max_removal_percent, 30, 0, 100, PGC_USERSET, 0, NULL,
		NULL, NULL);

#if PG_VERSION_NUM >= 150000
	MarkGUCPrefixReserved("spotify_etl");
#else
	EmitWarningsOnPlaceholders("spotify_etl");
#endif
}
