/*
 * replay.c
 *		Runs a fuzz target over files, for a compiler without libFuzzer.
 *
 * Each file is run as it is, which is how libFuzzer saves what it found, and
 * behind each of the first bytes that can pick a decoder, which is how a
 * fixture reaches all of them.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* At least as many as any target picks from. */
#define PICK_COUNT 8

/* Files are small; a longer one is cut. */
#define MAX_LENGTH ((size_t) 1024 * 1024)

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/*
 * The content behind one free byte, in memory that ends with it, so that a
 * sanitizer sees a byte that is read behind it.
 */
static uint8_t *
read_file(const char *path, size_t *length)
{
	uint8_t *content = malloc(MAX_LENGTH + 1);
	FILE *file = fopen(path, "rb");
	uint8_t *fitting = NULL;

	if (content != NULL && file != NULL)
	{
		*length = fread(content + 1, 1, MAX_LENGTH, file);
		fitting = realloc(content, *length + 1);
	}
	if (file != NULL)
		fclose(file);
	if (fitting == NULL)
		free(content);
	return fitting;
}

int
main(int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++)
	{
		size_t length = 0;
		uint8_t *content = read_file(argv[i], &length);
		uint8_t pick;

		if (content == NULL)
		{
			fprintf(stderr, "could not read %s\n", argv[i]);
			return 1;
		}
		LLVMFuzzerTestOneInput(content + 1, length);
		for (pick = 0; pick < PICK_COUNT; pick++)
		{
			content[0] = pick;
			LLVMFuzzerTestOneInput(content, length + 1);
		}
		free(content);
	}
	printf("replayed %d files\n", argc - 1);
	return 0;
}
