/*
 * redirect.c
 *		What a browser ends on after Spotify's authorize page.
 *
 * Plain C.
 */
#include "spotify/redirect.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "http/http.h"
#include "http/secret.h"

/* A copy without the white space that pasting brings. */
static char *
copy_trimmed(SpotifyArena *arena, const char *text)
{
	size_t length;
	char *copy;

	while (isspace((unsigned char) *text))
		text++;
	length = strlen(text);
	while (length > 0 && isspace((unsigned char) text[length - 1]))
		length--;
	copy = spotify_arena_alloc(arena, length + 1);
	if (copy != NULL)
		memcpy(copy, text, length);
	return copy;
}

/* Where the query begins; NULL if the text is no URL and no query. */
static char *
find_query(char *text)
{
	char *question_mark = strchr(text, '?');

	if (question_mark != NULL)
		return question_mark + 1;
	return strchr(text, '=') != NULL ? text : NULL;
}

/* The member that a parameter is kept in; NULL for all others. */
static const char **
member_for(SpotifyRedirect *redirect, const char *name)
{
	if (strcmp(name, "code") == 0)
		return &redirect->code;
	if (strcmp(name, "state") == 0)
		return &redirect->state;
	if (strcmp(name, "error") == 0)
		return &redirect->error;
	return NULL;
}

/* Takes one name=value; returns false when memory is out. */
static bool
take_parameter(SpotifyRedirect *redirect, char *parameter)
{
	char *value = strchr(parameter, '=');
	const char **member;
	char *decoded;

	if (value == NULL)
		return true;
	*value++ = '\0';
	member = member_for(redirect, parameter);
	if (member == NULL)
		return true;
	decoded = spotify_url_unescape(value);
	if (decoded == NULL)
		return false;
	*member = copy_trimmed(&redirect->arena, decoded);
	spotify_secret_free(decoded);
	return *member != NULL;
}

bool
spotify_redirect_parse(const char *response, SpotifyRedirect *redirect)
{
	char *text;
	char *query;
	char *rest;
	char *parameter;

	memset(redirect, 0, sizeof(*redirect));
	text = copy_trimmed(&redirect->arena, response);
	if (text == NULL)
		return false;
	query = find_query(text);
	if (query == NULL)
	{
		if (strstr(text, "://") == NULL && text[0] != '\0')
			redirect->code = text;
		return true;
	}

	/* A fragment, such as the "#_=_" of some browsers, is no part of it. */
	query[strcspn(query, "#")] = '\0';
	for (parameter = strtok_r(query, "&", &rest); parameter != NULL;
		 parameter = strtok_r(NULL, "&", &rest))
	{
		if (!take_parameter(redirect, parameter))
			return false;
	}
	if (redirect->code != NULL && redirect->code[0] == '\0')
		redirect->code = NULL;
	return true;
}

static bool
has_host(const char *uri, const char *host)
{
	const char *authority = strstr(uri, "://") + 3;
	size_t length = strcspn(authority, ":/");

	return length == strlen(host) && strncasecmp(authority, host, length) == 0;
}

const char *
spotify_redirect_uri_problem(const char *uri)
{
	const char *problem = spotify_url_problem(uri);

	if (problem != NULL)
		return problem;
	if (has_host(uri, "localhost"))
		return "must name the address 127.0.0.1 or [::1] instead of localhost, which Spotify refuses";
	return NULL;
}

void
spotify_redirect_release(SpotifyRedirect *redirect)
{
	spotify_arena_release(&redirect->arena);
	memset(redirect, 0, sizeof(*redirect));
}
