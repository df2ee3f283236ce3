/*
 * fixture.c
 *		Bodies of the Web API from test/fixtures, for the unit tests.
 */
#include "fixture.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

/* More than any fixture has. */
#define MAX_FIXTURE_LENGTH ((size_t) 1024 * 1024)

static const char *folder = "test/fixtures";

void
fixture_init(int argc, char **argv)
{
	const char *from_environment = getenv("SPOTIFY_FIXTURES");

	if (argc > 1)
		folder = argv[1];
	else if (from_environment != NULL)
		folder = from_environment;
}

static void
give_up(const char *path)
{
	printf("Bail out! could not read %s\n", path);
	exit(1);
}

char *
fixture_read(const char *name, size_t *length)
{
	char path[1000];
	FILE *file;
	char *content;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "rb");
	content = malloc(MAX_FIXTURE_LENGTH + 1);
	if (file == NULL || content == NULL)
		give_up(path);

	*length = fread(content, 1, MAX_FIXTURE_LENGTH, file);
	if (ferror(file) || *length == 0)
		give_up(path);
	fclose(file);

	while (*length > 0 && isspace((unsigned char) content[*length - 1]))
		(*length)--;
	content[*length] = '\0';
	return content;
}
