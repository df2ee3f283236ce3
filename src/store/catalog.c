/*
 * catalog.c
 *		The catalogue: artists, albums, tracks and who made them.
 *
 * Each statement joins what was received with what is stored and passes on
 * only what is new or differs, so that an unchanged row is neither written
 * nor locked.  Rows go in by order of their keys (byte by byte, which is also
 * the fastest way to sort), and tables always in the same order, so that two
 * accounts that share tracks cannot deadlock.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "store/catalog.h"
#include "store/columns.h"

static const char WRITE_ARTISTS[] =
	"INSERT INTO spotify.artists AS stored (artist_id, name)\n"
	"SELECT artist_id, received.name\n"
	"  FROM unnest($1, $2) AS received (artist_id, name)\n"
	"       LEFT JOIN spotify.artists AS known USING (artist_id)\n"
	" WHERE known.artist_id IS NULL\n"
	"    OR COALESCE(received.name, known.name)\n"
	"       IS DISTINCT FROM known.name\n"
	" ORDER BY artist_id COLLATE \"C\"\n"
	"ON CONFLICT (artist_id) DO UPDATE\n"
	"   SET name = COALESCE(EXCLUDED.name, stored.name)";

static const char WRITE_ALBUMS[] =
	"INSERT INTO spotify.albums AS stored\n"
	"       (album_id, name, album_type, release_date,\n"
	"        release_date_precision, total_tracks, image_url)\n"
	"SELECT album_id, received.name, received.album_type,\n"
	"       received.release_date, received.release_date_precision,\n"
	"       received.total_tracks, received.image_url\n"
	"  FROM unnest($1, $2, $3, $4, $5, $6, $7)\n"
	"       AS received (album_id, name, album_type, release_date,\n"
	"                    release_date_precision, total_tracks, image_url)\n"
	"       LEFT JOIN spotify.albums AS known USING (album_id)\n"
	" WHERE known.album_id IS NULL\n"
	"    OR (COALESCE(received.name, known.name),\n"
	"        COALESCE(received.album_type, known.album_type),\n"
	"        COALESCE(received.release_date, known.release_date),\n"
	"        COALESCE(received.release_date_precision,\n"
	"                 known.release_date_precision),\n"
	"        COALESCE(received.total_tracks, known.total_tracks),\n"
	"        COALESCE(received.image_url, known.image_url))\n"
	"       IS DISTINCT FROM\n"
	"       (known.name, known.album_type, known.release_date,\n"
	"        known.release_date_precision, known.total_tracks,\n"
	"        known.image_url)\n"
	" ORDER BY album_id COLLATE \"C\"\n"
	"ON CONFLICT (album_id) DO UPDATE\n"
	"   SET name = COALESCE(EXCLUDED.name, stored.name),\n"
	"       album_type = COALESCE(EXCLUDED.album_type, stored.album_type),\n"
	"       release_date = COALESCE(EXCLUDED.release_date,\n"
	"                               stored.release_date),\n"
	"       release_date_precision = COALESCE(EXCLUDED.release_date_precision,\n"
	"                                         stored.release_date_precision),\n"
	"       total_tracks = COALESCE(EXCLUDED.total_tracks,\n"
	"                               stored.total_tracks),\n"
	"       image_url = COALESCE(EXCLUDED.image_url, stored.image_url)";

static const char WRITE_TRACKS[] =
	"INSERT INTO spotify.tracks AS stored\n"
	"       (track_id, name, album_id, duration_ms, explicit, disc_number,\n"
	"        track_number, isrc, popularity, is_local, uri)\n"
	"SELECT track_id, received.name, received.album_id,\n"
	"       received.duration_ms, received.explicit, received.disc_number,\n"
	"       received.track_number, received.isrc, received.popularity,\n"
	"       received.is_local, received.uri\n"
	"  FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)\n"
	"       AS received (track_id, name, album_id, duration_ms, explicit,\n"
	"                    disc_number, track_number, isrc, popularity,\n"
	"                    is_local, uri)\n"
	"       LEFT JOIN spotify.tracks AS known USING (track_id)\n"
	" WHERE known.track_id IS NULL\n"
	"    OR (COALESCE(received.name, known.name),\n"
	"        COALESCE(received.album_id, known.album_id),\n"
	"        COALESCE(received.duration_ms, known.duration_ms),\n"
	"        COALESCE(received.explicit, known.explicit),\n"
	"        COALESCE(received.disc_number, known.disc_number),\n"
	"        COALESCE(received.track_number, known.track_number),\n"
	"        COALESCE(received.isrc, known.isrc),\n"
	"        COALESCE(received.popularity, known.popularity),\n"
	"        COALESCE(received.is_local, known.is_local),\n"
	"        COALESCE(received.uri, known.uri))\n"
	"       IS DISTINCT FROM\n"
	"       (known.name, known.album_id, known.duration_ms, known.explicit,\n"
	"        known.disc_number, known.track_number, known.isrc,\n"
	"        known.popularity, known.is_local, known.uri)\n"
	" ORDER BY track_id COLLATE \"C\"\n"
	"ON CONFLICT (track_id) DO UPDATE\n"
	"   SET name = COALESCE(EXCLUDED.name, stored.name),\n"
	"       album_id = COALESCE(EXCLUDED.album_id, stored.album_id),\n"
	"       duration_ms = COALESCE(EXCLUDED.duration_ms, stored.duration_ms),\n"
	"       explicit = COALESCE(EXCLUDED.explicit, stored.explicit),\n"
	"       disc_number = COALESCE(EXCLUDED.disc_number, stored.disc_number),\n"
	"       track_number = COALESCE(EXCLUDED.track_number,\n"
	"                               stored.track_number),\n"
	"       isrc = COALESCE(EXCLUDED.isrc, stored.isrc),\n"
	"       popularity = COALESCE(EXCLUDED.popularity, stored.popularity),\n"
	"       is_local = COALESCE(EXCLUDED.is_local, stored.is_local),\n"
	"       uri = COALESCE(EXCLUDED.uri, stored.uri)";

/*
 * $1 are the albums whose artists were told, $2 to $4 those artists: what
 * else is stored for such an album is gone.  Who waits for rows only while it
 * inserts them in order can be in no deadlock; so what another run has locked
 * is not deleted, but left to that or a later one.
 */
static const char WRITE_ALBUM_ARTISTS[] =
	"WITH gone AS (\n"
	"    SELECT stored.album_id, stored.position\n"
	"      FROM spotify.album_artists AS stored\n"
	"           JOIN unnest($1) AS told (album_id) USING (album_id)\n"
	"     WHERE NOT EXISTS\n"
	"           (SELECT FROM unnest($2, $3) AS received (album_id, position)\n"
	"             WHERE received.album_id = stored.album_id\n"
	"               AND received.position = stored.position)\n"
	"       FOR UPDATE OF stored SKIP LOCKED\n"
	"), deleted AS (\n"
	"    DELETE FROM spotify.album_artists AS stored\n"
	"     USING gone\n"
	"     WHERE gone.album_id = stored.album_id\n"
	"       AND gone.position = stored.position\n"
	")\n"
	"INSERT INTO spotify.album_artists (album_id, position, artist_id)\n"
	"SELECT album_id, position, received.artist_id\n"
	"  FROM unnest($2, $3, $4) AS received (album_id, position, artist_id)\n"
	"       LEFT JOIN spotify.album_artists AS known\n"
	"       USING (album_id, position)\n"
	" WHERE received.artist_id IS DISTINCT FROM known.artist_id\n"
	" ORDER BY album_id COLLATE \"C\", position\n"
	"ON CONFLICT (album_id, position) DO UPDATE\n"
	"   SET artist_id = EXCLUDED.artist_id";

/* The same for tracks. */
static const char WRITE_TRACK_ARTISTS[] =
	"WITH gone AS (\n"
	"    SELECT stored.track_id, stored.position\n"
	"      FROM spotify.track_artists AS stored\n"
	"           JOIN unnest($1) AS told (track_id) USING (track_id)\n"
	"     WHERE NOT EXISTS\n"
	"           (SELECT FROM unnest($2, $3) AS received (track_id, position)\n"
	"             WHERE received.track_id = stored.track_id\n"
	"               AND received.position = stored.position)\n"
	"       FOR UPDATE OF stored SKIP LOCKED\n"
	"), deleted AS (\n"
	"    DELETE FROM spotify.track_artists AS stored\n"
	"     USING gone\n"
	"     WHERE gone.track_id = stored.track_id\n"
	"       AND gone.position = stored.position\n"
	")\n"
	"INSERT INTO spotify.track_artists (track_id, position, artist_id)\n"
	"SELECT track_id, position, received.artist_id\n"
	"  FROM unnest($2, $3, $4) AS received (track_id, position, artist_id)\n"
	"       LEFT JOIN spotify.track_artists AS known\n"
	"       USING (track_id, position)\n"
	" WHERE received.artist_id IS DISTINCT FROM known.artist_id\n"
	" ORDER BY track_id COLLATE \"C\", position\n"
	"ON CONFLICT (track_id, position) DO UPDATE\n"
	"   SET artist_id = EXCLUDED.artist_id";

static const Oid ARTIST_TYPES[] = { TEXTOID, TEXTOID };
static const Oid ALBUM_TYPES[] = { TEXTOID, TEXTOID, TEXTOID, TEXTOID,
								   TEXTOID, INT4OID, TEXTOID };
static const Oid TRACK_TYPES[] = { TEXTOID, TEXTOID, TEXTOID, INT4OID,
								   BOOLOID, INT4OID, INT4OID, TEXTOID,
								   INT4OID, BOOLOID, TEXTOID };
static const Oid OWNER_TYPES[] = { TEXTOID };
static const Oid CREDIT_TYPES[] = { TEXTOID, INT4OID, TEXTOID };

/* Who made the albums, or the tracks, of a batch. */
typedef struct Credits
{
	SpotifyColumns *owners;	 /* albums or tracks whose artists were told */
	SpotifyColumns *credits; /* owner, position, artist */
} Credits;

/*
 * A statement takes each row once.  Some mentions of an artist or an album say
 * less than others; if the first was such a one, a better one comes again.
 */
typedef struct Mentions
{
	HTAB *seen; /* what is in the batch already */
	SpotifyColumns *first;
	SpotifyColumns *again;
} Mentions;

struct SpotifyCatalog
{
	MemoryContext context;
	Mentions artists;
	Mentions albums;
	Mentions tracks;
	Credits album_credits;
	Credits track_credits;
};

/* Ids vary in length, so the key of the tables is a pointer to one. */
typedef struct Seen
{
	const char *id;
	int known;		  /* how many fields the first mention knew */
	bool is_again;	  /* a better one followed */
	bool has_credits; /* its artists were told */
} Seen;

static uint32
hash_id(const void *key, Size key_size)
{
	const char *id = *(const char *const *) key;

	return hash_bytes((const unsigned char *) id, strlen(id));
}

static int
compare_ids(const void *one, const void *other, Size key_size)
{
	return strcmp(*(const char *const *) one, *(const char *const *) other);
}

static HTAB *
create_id_set(MemoryContext context)
{
	HASHCTL control = { .keysize = sizeof(char *),
						.entrysize = sizeof(Seen),
						.hash = hash_id,
						.match = compare_ids,
						.hcxt = context };

	return hash_create("spotify ids", 256, &control,
					   HASH_ELEM | HASH_FUNCTION | HASH_COMPARE | HASH_CONTEXT);
}

static void
init_mentions(Mentions *mentions, MemoryContext context, const Oid *types,
			  int column_count)
{
	mentions->seen = create_id_set(context);
	mentions->first = spotify_columns_create(context, types, column_count);
	mentions->again = spotify_columns_create(context, types, column_count);
}

/*
 * Where to add what a mention knows, so many fields; NULL if it is of no use.
 * Seen is set in any case.
 */
static SpotifyColumns *
choose_columns(SpotifyCatalog *catalog, Mentions *mentions, const char *id,
			   int known, Seen **seen)
{
	bool found;

	*seen = hash_search(mentions->seen, &id, HASH_ENTER, &found);
	if (!found)
	{
		**seen = (Seen){ .id = MemoryContextStrdup(catalog->context, id),
						 .known = known };
		return mentions->first;
	}
	if ((*seen)->is_again || known <= (*seen)->known)
		return NULL;
	(*seen)->is_again = true;
	return mentions->again;
}

static void
init_credits(Credits *credits, MemoryContext context)
{
	credits->owners =
		spotify_columns_create(context, OWNER_TYPES, lengthof(OWNER_TYPES));
	credits->credits =
		spotify_columns_create(context, CREDIT_TYPES, lengthof(CREDIT_TYPES));
}

SpotifyCatalog *
spotify_catalog_create(void)
{
	MemoryContext context = AllocSetContextCreate(
		CurrentMemoryContext, "spotify catalog", ALLOCSET_DEFAULT_SIZES);
	SpotifyCatalog *catalog =
		MemoryContextAllocZero(context, sizeof(SpotifyCatalog));

	catalog->context = context;
	init_mentions(&catalog->artists, context, ARTIST_TYPES,
				  lengthof(ARTIST_TYPES));
	init_mentions(&catalog->albums, context, ALBUM_TYPES,
				  lengthof(ALBUM_TYPES));
	init_mentions(&catalog->tracks, context, TRACK_TYPES,
				  lengthof(TRACK_TYPES));
	init_credits(&catalog->album_credits, context);
	init_credits(&catalog->track_credits, context);
	return catalog;
}

void
spotify_catalog_release(SpotifyCatalog *catalog)
{
	MemoryContextDelete(catalog->context);
}

static void
add_artist(SpotifyCatalog *catalog, const SpotifyArtist *artist)
{
	Seen *seen;
	SpotifyColumns *columns = choose_columns(
		catalog, &catalog->artists, artist->id, artist->name != NULL, &seen);

	if (columns == NULL)
		return;
	spotify_columns_text(columns, artist->id);
	spotify_columns_text(columns, artist->name);
}

/* Artists without identity are left out, but keep their position. */
static void
add_credits(SpotifyCatalog *catalog, Credits *credits, const char *owner_id,
			const SpotifyArtistList *artists)
{
	if (!artists->is_known)
		return;
	spotify_columns_text(credits->owners, owner_id);
	for (int i = 0; i < artists->count; i++)
	{
		SpotifyInteger position = { true, i + 1 };

		if (artists->artists[i].id == NULL)
			continue;
		add_artist(catalog, &artists->artists[i]);
		spotify_columns_text(credits->credits, owner_id);
		spotify_columns_integer(credits->credits, position);
		spotify_columns_text(credits->credits, artists->artists[i].id);
	}
}

static int
count_known(const SpotifyAlbum *album)
{
	return (album->name != NULL) + (album->album_type != NULL) +
		   (album->release_date != NULL) +
		   (album->release_date_precision != NULL) +
		   album->total_tracks.is_known + (album->image_url != NULL);
}

static void
add_album_fields(SpotifyColumns *columns, const SpotifyAlbum *album)
{
	spotify_columns_text(columns, album->id);
	spotify_columns_text(columns, album->name);
	spotify_columns_text(columns, album->album_type);
	spotify_columns_text(columns, album->release_date);
	spotify_columns_text(columns, album->release_date_precision);
	spotify_columns_integer(columns, album->total_tracks);
	spotify_columns_text(columns, album->image_url);
}

static void
add_album(SpotifyCatalog *catalog, const SpotifyAlbum *album)
{
	Seen *seen;
	SpotifyColumns *columns = choose_columns(
		catalog, &catalog->albums, album->id, count_known(album), &seen);

	if (columns != NULL)
		add_album_fields(columns, album);
	if (!seen->has_credits)
		add_credits(catalog, &catalog->album_credits, album->id,
					&album->artists);
	seen->has_credits |= album->artists.is_known;
}

/* A track is mentioned as often as it is listed: the first one counts. */
void
spotify_catalog_add_track(SpotifyCatalog *catalog, const SpotifyTrack *track)
{
	Seen *seen;
	SpotifyColumns *columns =
		choose_columns(catalog, &catalog->tracks, track->id, 0, &seen);

	if (columns == NULL)
		return;
	if (track->album.id != NULL)
		add_album(catalog, &track->album);
	spotify_columns_text(columns, track->id);
	spotify_columns_text(columns, track->name);
	spotify_columns_text(columns, track->album.id);
	spotify_columns_integer(columns, track->duration_ms);
	spotify_columns_boolean(columns, track->is_explicit);
	spotify_columns_integer(columns, track->disc_number);
	spotify_columns_integer(columns, track->track_number);
	spotify_columns_text(columns, track->isrc);
	spotify_columns_integer(columns, track->popularity);
	spotify_columns_boolean(columns, track->is_local);
	spotify_columns_text(columns, track->uri);
	add_credits(catalog, &catalog->track_credits, track->id, &track->artists);
}

/* Runs a statement with one or two sets of columns as its parameters. */
static void
write_columns(const char *statement, const SpotifyColumns *columns,
			  const SpotifyColumns *more)
{
	MemoryContext context = AllocSetContextCreate(
		CurrentMemoryContext, "spotify catalog arrays", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	SpotifyParameters parameters = { 0 };

	spotify_columns_to_parameters(columns, &parameters);
	if (more != NULL)
		spotify_columns_to_parameters(more, &parameters);
	spotify_spi_run(statement, &parameters);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

static void
write_mentions(const char *statement, const Mentions *mentions)
{
	write_columns(statement, mentions->first, NULL);
	if (!spotify_columns_are_empty(mentions->again))
		write_columns(statement, mentions->again, NULL);
}

void
spotify_catalog_write(const SpotifyCatalog *catalog)
{
	write_mentions(WRITE_ARTISTS, &catalog->artists);
	write_mentions(WRITE_ALBUMS, &catalog->albums);
	write_columns(WRITE_ALBUM_ARTISTS, catalog->album_credits.owners,
				  catalog->album_credits.credits);
	write_mentions(WRITE_TRACKS, &catalog->tracks);
	write_columns(WRITE_TRACK_ARTISTS, catalog->track_credits.owners,
				  catalog->track_credits.credits);
}
