/*
 * spotify_etl.c
 *		Where the server loads the extension.
 */
#include "postgres.h"

#include "fmgr.h"

#include "settings.h"

PG_MODULE_MAGIC;

void _PG_init(void);

void
_PG_init(void)
{
	spotify_settings_define();
}
