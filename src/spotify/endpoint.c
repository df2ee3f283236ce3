/*
 * endpoint.c
 *		URLs and forms of the Web API.
 *
 * Plain C.
 */
#include "spotify/endpoint.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/http.h"
#include "http/secret.h"

static char *format_text(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

/*
 * The text in printf's terms, malloc'd; NULL when memory is out.  Not
 * vasprintf, which leaves copies of a secret behind where it grows its buffer.
 */
static char *
format_text(const char *format, ...)
{
	va_list arguments;
	char *text = NULL;
	int length;

	va_start(arguments, format);
	length = vsnprintf(NULL, 0, format, arguments);
	va_end(arguments);
	if (length >= 0)
		text = malloc((size_t) length + 1);
	if (text == NULL)
		return NULL;

	va_start(arguments, format);
	vsnprintf(text, (size_t) length + 1, format, arguments);
	va_end(arguments);
	return text;
}

/* Puts a path behind a base, however many slashes the base ends in. */
static char *
join_url(const char *base, const char *path)
{
	size_t base_length = strlen(base);

	while (base_length > 0 && base[base_length - 1] == '/')
		base_length--;
	return format_text("%.*s%s", (int) base_length, base, path);
}

/* The same for a path that was malloc'd, which it frees, or NULL. */
static char *
join_url_free(const char *base, char *path)
{
	char *url = path == NULL ? NULL : join_url(base, path);

	free(path);
	return url;
}

char *
spotify_endpoint_saved_tracks(const char *api_url, int offset)
{
	return join_url_free(api_url, format_text("/me/tracks?limit=%d&offset=%d",
											  SPOTIFY_PAGE_SIZE, offset));
}

char *
spotify_endpoint_recently_played(const char *api_url, int64_t before)
{
	static const char path[] = "/me/player/recently-played?limit=";

	if (before == 0)
		return join_url_free(api_url,
							 format_text("%s%d", path, SPOTIFY_PAGE_SIZE));
	return join_url_free(api_url, format_text("%s%d&before=%" PRId64, path,
											  SPOTIFY_PAGE_SIZE, before));
}

/* The URI of an item, percent-encoded. */
static char *
escape_uri(const char *item_type, const char *id)
{
	static const char scheme[] = "spotify:";
	char *uri;
	char *escaped;

	/* A local file's id is its URI already. */
	if (strncmp(id, scheme, strlen(scheme)) == 0)
		return spotify_url_escape(id);

	uri = format_text("%s%s:%s", scheme, item_type, id);
	if (uri == NULL)
		return NULL;
	escaped = spotify_url_escape(uri);
	free(uri);
	return escaped;
}

/* Frees text and escaped, and returns them joined; NULL if one is. */
static char *
append_escaped(char *text, const char *separator, char *escaped)
{
	char *longer = escaped == NULL
					   ? NULL
					   : format_text("%s%s%s", text, separator, escaped);

	free(escaped);
	free(text);
	return longer;
}

char *
spotify_endpoint_contains(const char *api_url, const char *item_type,
						  const char *const *ids, int count)
{
	char *url = join_url(api_url, "/me/library/contains?uris=");

	for (int i = 0; i < count && url != NULL; i++)
		url = append_escaped(url, i == 0 ? "" : ",",
							 escape_uri(item_type, ids[i]));
	return url;
}

char *
spotify_endpoint_token(const char *accounts_url)
{
	return join_url(accounts_url, "/api/token");
}

char *
spotify_form_refresh(const char *refresh_token, const char *client_id)
{
	char *token = spotify_url_escape(refresh_token);
	char *client = spotify_url_escape(client_id == NULL ? "" : client_id);
	char *form = NULL;

	if (token != NULL && client != NULL)
		form =
			format_text("grant_type=refresh_token&refresh_token=%s%s%s", token,
						client_id == NULL ? "" : "&client_id=", client);
	spotify_secret_free(token);
	free(client);
	return form;
}

char *
spotify_endpoint_me(const char *api_url)
{
	return join_url(api_url, "/me");
}

/* Frees text, which may be NULL, and returns it with one more name=value. */
static char *
append_parameter(char *text, const char *name, const char *value)
{
	char *escaped = spotify_url_escape(value);
	char *longer = NULL;

	if (text != NULL && escaped != NULL)
		longer = format_text("%s&%s=%s", text, name, escaped);
	spotify_secret_free(escaped);
	spotify_secret_free(text);
	return longer;
}

char *
spotify_endpoint_authorize(const char *accounts_url,
						   const SpotifyAuthorizeParameters *parameters)
{
	char *url = join_url(accounts_url, "/authorize?response_type=code");

	url = append_parameter(url, "client_id", parameters->client_id);
	url = append_parameter(url, "scope", parameters->scope);
	url = append_parameter(url, "redirect_uri", parameters->redirect_uri);
	url = append_parameter(url, "state", parameters->state);
	url = append_parameter(url, "code_challenge_method", "S256");
	return append_parameter(url, "code_challenge", parameters->code_challenge);
}

char *
spotify_form_code(const char *code, const char *redirect_uri,
				  const char *code_verifier, const char *client_id)
{
	char *form = format_text("grant_type=authorization_code");

	form = append_parameter(form, "code", code);
	form = append_parameter(form, "redirect_uri", redirect_uri);
	form = append_parameter(form, "code_verifier", code_verifier);
	if (client_id != NULL)
		form = append_parameter(form, "client_id", client_id);
	return form;
}
