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

struct SpotifyCatalog
{
	MemoryContext context;
	HTAB *seen_artists; /* what is in the batch already */
	HTAB *seen_albums;
	HTAB *seen_tracks;
	SpotifyColumns *artists;
	SpotifyColumns *albums;
	SpotifyColumns *tracks;
	Credits album_credits;
	Credits track_credits;
};

/*
 * Ids vary in length, so the key of the tables is a pointer to one.  Some
 * mentions say less than others.  A statement takes each row once, so what is
 * not known whole waits until the batch is written.
 */
typedef struct Seen
{
	const char *id;
	SpotifyAlbum *album; /* what several mentions told of an album */
	SpotifyTrack *track; /* or of a track */
	bool is_added;		 /* to the columns */
	bool has_credits;	 /* its artists were told */
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

/* The entry of an id; a new one is all zero. */
static Seen *
look_up(const SpotifyCatalog *catalog, HTAB *set, const char *id)
{
	bool found;
	Seen *seen = hash_search(set, &id, HASH_ENTER, &found);

	if (!found)
		*seen = (Seen){ .id = MemoryContextStrdup(catalog->context, id) };
	return seen;
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
	catalog->seen_artists = create_id_set(context);
	catalog->seen_albums = create_id_set(context);
	catalog->seen_tracks = create_id_set(context);
	catalog->artists =
		spotify_columns_create(context, ARTIST_TYPES, lengthof(ARTIST_TYPES));
	catalog->albums =
		spotify_columns_create(context, ALBUM_TYPES, lengthof(ALBUM_TYPES));
	catalog->tracks =
		spotify_columns_create(context, TRACK_TYPES, lengthof(TRACK_TYPES));
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
add_artist_row(SpotifyCatalog *catalog, Seen *seen, const char *name)
{
	spotify_columns_text(catalog->artists, seen->id);
	spotify_columns_text(catalog->artists, name);
	seen->is_added = true;
}

/* One without a name may get it from another mention. */
static void
add_artist(SpotifyCatalog *catalog, const SpotifyArtist *artist)
{
	Seen *seen = look_up(catalog, catalog->seen_artists, artist->id);

	if (!seen->is_added && artist->name != NULL)
		add_artist_row(catalog, seen, artist->name);
}

/*
 * The first mention that tells the artists of an album or a track counts.
 * Artists without identity are left out, but keep their position.
 */
static void
add_credits(SpotifyCatalog *catalog, Credits *credits, Seen *owner,
			const SpotifyArtistList *artists)
{
	if (owner->has_credits || !artists->is_known)
		return;
	owner->has_credits = true;
	spotify_columns_text(credits->owners, owner->id);
	for (int i = 0; i < artists->count; i++)
	{
		SpotifyInteger position = { true, i + 1 };

		if (artists->artists[i].id == NULL)
			continue;
		add_artist(catalog, &artists->artists[i]);
		spotify_columns_text(credits->credits, owner->id);
		spotify_columns_integer(credits->credits, position);
		spotify_columns_text(credits->credits, artists->artists[i].id);
	}
}

static bool
is_whole_album(const SpotifyAlbum *album)
{
	return album->name != NULL && album->album_type != NULL &&
		   album->release_date != NULL &&
		   album->release_date_precision != NULL &&
		   album->total_tracks.is_known && album->image_url != NULL;
}

static void
add_album_row(SpotifyCatalog *catalog, Seen *seen, const SpotifyAlbum *album)
{
	spotify_columns_text(catalog->albums, seen->id);
	spotify_columns_text(catalog->albums, album->name);
	spotify_columns_text(catalog->albums, album->album_type);
	spotify_columns_text(catalog->albums, album->release_date);
	spotify_columns_text(catalog->albums, album->release_date_precision);
	spotify_columns_integer(catalog->albums, album->total_tracks);
	spotify_columns_text(catalog->albums, album->image_url);
	seen->is_added = true;
}

static void
complete_text(SpotifyCatalog *catalog, const char **known, const char *told)
{
	if (*known == NULL && told != NULL)
		*known = MemoryContextStrdup(catalog->context, told);
}

static void
complete_integer(SpotifyInteger *known, SpotifyInteger told)
{
	if (!known->is_known)
		*known = told;
}

static void
complete_boolean(SpotifyBoolean *known, SpotifyBoolean told)
{
	if (!known->is_known)
		*known = told;
}

/* Of two mentions that differ the first one counts. */
static void
complete_album(SpotifyCatalog *catalog, Seen *seen, const SpotifyAlbum *album)
{
	SpotifyAlbum *known = seen->album;

	if (known == NULL)
		known = seen->album =
			MemoryContextAllocZero(catalog->context, sizeof(SpotifyAlbum));
	complete_text(catalog, &known->name, album->name);
	complete_text(catalog, &known->album_type, album->album_type);
	complete_text(catalog, &known->release_date, album->release_date);
	complete_text(catalog, &known->release_date_precision,
				  album->release_date_precision);
	complete_integer(&known->total_tracks, album->total_tracks);
	complete_text(catalog, &known->image_url, album->image_url);
}

static void
add_album(SpotifyCatalog *catalog, const SpotifyAlbum *album)
{
	Seen *seen = look_up(catalog, catalog->seen_albums, album->id);

	if (!seen->is_added && seen->album == NULL && is_whole_album(album))
		add_album_row(catalog, seen, album);
	else if (!seen->is_added)
		complete_album(catalog, seen, album);
	add_credits(catalog, &catalog->album_credits, seen, &album->artists);
}

static bool
is_whole_track(const SpotifyTrack *track)
{
	return track->name != NULL && track->album.id != NULL &&
		   track->duration_ms.is_known && track->is_explicit.is_known &&
		   track->disc_number.is_known && track->track_number.is_known &&
		   track->isrc != NULL && track->popularity.is_known &&
		   track->is_local.is_known && track->uri != NULL;
}

static void
add_track_row(SpotifyCatalog *catalog, Seen *seen, const SpotifyTrack *track)
{
	spotify_columns_text(catalog->tracks, seen->id);
	spotify_columns_text(catalog->tracks, track->name);
	spotify_columns_text(catalog->tracks, track->album.id);
	spotify_columns_integer(catalog->tracks, track->duration_ms);
	spotify_columns_boolean(catalog->tracks, track->is_explicit);
	spotify_columns_integer(catalog->tracks, track->disc_number);
	spotify_columns_integer(catalog->tracks, track->track_number);
	spotify_columns_text(catalog->tracks, track->isrc);
	spotify_columns_integer(catalog->tracks, track->popularity);
	spotify_columns_boolean(catalog->tracks, track->is_local);
	spotify_columns_text(catalog->tracks, track->uri);
	seen->is_added = true;
}

static void
complete_track(SpotifyCatalog *catalog, Seen *seen, const SpotifyTrack *track)
{
	SpotifyTrack *known = seen->track;

	if (known == NULL)
		known = seen->track =
			MemoryContextAllocZero(catalog->context, sizeof(SpotifyTrack));
	complete_text(catalog, &known->name, track->name);
	complete_text(catalog, &known->album.id, track->album.id);
	complete_integer(&known->duration_ms, track->duration_ms);
	complete_boolean(&known->is_explicit, track->is_explicit);
	complete_integer(&known->disc_number, track->disc_number);
	complete_integer(&known->track_number, track->track_number);
	complete_text(catalog, &known->isrc, track->isrc);
	complete_integer(&known->popularity, track->popularity);
	complete_boolean(&known->is_local, track->is_local);
	complete_text(catalog, &known->uri, track->uri);
}

void
spotify_catalog_add_track(SpotifyCatalog *catalog, const SpotifyTrack *track)
{
	Seen *seen = look_up(catalog, catalog->seen_tracks, track->id);

	if (!seen->is_added && seen->track == NULL && is_whole_track(track))
		add_track_row(catalog, seen, track);
	else if (!seen->is_added)
		complete_track(catalog, seen, track);
	if (track->album.id != NULL)
		add_album(catalog, &track->album);
	add_credits(catalog, &catalog->track_credits, seen, &track->artists);
}

/* Adds what no mention told more of. */
static void
add_partial_rows(SpotifyCatalog *catalog)
{
	HASH_SEQ_STATUS scan;
	Seen *seen;

	hash_seq_init(&scan, catalog->seen_artists);
	while ((seen = hash_seq_search(&scan)) != NULL)
		if (!seen->is_added)
			add_artist_row(catalog, seen, NULL);
	hash_seq_init(&scan, catalog->seen_albums);
	while ((seen = hash_seq_search(&scan)) != NULL)
		if (!seen->is_added)
			add_album_row(catalog, seen, seen->album);
	hash_seq_init(&scan, catalog->seen_tracks);
	while ((seen = hash_seq_search(&scan)) != NULL)
		if (!seen->is_added)
			add_track_row(catalog, seen, seen->track);
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

void
spotify_catalog_write(SpotifyCatalog *catalog)
{
	add_partial_rows(catalog);
	write_columns(WRITE_ARTISTS, catalog->artists, NULL);
	write_columns(WRITE_ALBUMS, catalog->albums, NULL);
	write_columns(WRITE_ALBUM_ARTISTS, catalog->album_credits.owners,
				  catalog->album_credits.credits);
	write_columns(WRITE_TRACKS, catalog->tracks, NULL);
	write_columns(WRITE_TRACK_ARTISTS, catalog->track_credits.owners,
				  catalog->track_credits.credits);
}
