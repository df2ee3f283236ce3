/*
 * liked.c
 *		Liked Songs: the tables spotify.liked_tracks, spotify.liked_events and
 *		spotify.liked_null_places.
 */
#include "postgres.h"

#include "store/liked.h"

/*
 * Places without identity are among the rows; those in the list come first.  A
 * row made inactive by hand may have kept its rank.
 */
static const char LOAD[] =
	"SELECT track_id, added_at, is_active,\n"
	"       CASE WHEN is_active THEN list_rank END AS list_rank\n"
	"  FROM spotify.liked_tracks\n"
	" WHERE account = $1\n"
	"UNION ALL\n"
	"SELECT NULL, added_at, false, list_rank\n"
	"  FROM spotify.liked_null_places\n"
	" WHERE account = $1\n"
	" ORDER BY list_rank DESC NULLS LAST";

/* What makes a row one of the list is the predicate of its index, too. */
static const char LOAD_PLACES[] = "SELECT track_id, added_at, true, list_rank\n"
								  "  FROM spotify.liked_tracks\n"
								  " WHERE account = $1\n"
								  "   AND is_active\n"
								  "   AND list_rank IS NOT NULL\n"
								  " ORDER BY list_rank DESC\n"
								  "OFFSET $2\n"
								  " LIMIT $3";

/* The same where there are nulls; it has to sort the whole list. */
static const char LOAD_PLACES_AND_NULLS[] =
	"SELECT track_id, added_at, true, list_rank\n"
	"  FROM spotify.liked_tracks\n"
	" WHERE account = $1\n"
	"   AND is_active\n"
	"   AND list_rank IS NOT NULL\n"
	"UNION ALL\n"
	"SELECT NULL, added_at, false, list_rank\n"
	"  FROM spotify.liked_null_places\n"
	" WHERE account = $1\n"
	" ORDER BY list_rank DESC\n"
	"OFFSET $2\n"
	" LIMIT $3";

static const char COUNT_PLACES[] =
	"SELECT placed.count::integer, nulls.count::integer,\n"
	"       unplaced.count::integer\n"
	"  FROM (SELECT count(*)\n"
	"          FROM spotify.liked_tracks\n"
	"         WHERE account = $1\n"
	"           AND is_active\n"
	"           AND list_rank IS NOT NULL) AS placed,\n"
	"       (SELECT count(*)\n"
	"          FROM spotify.liked_tracks\n"
	"         WHERE account = $1\n"
	"           AND is_active\n"
	"           AND list_rank IS NULL) AS unplaced,\n"
	"       (SELECT count(*)\n"
	"          FROM spotify.liked_null_places\n"
	"         WHERE account = $1) AS nulls";

/* How many rows were written under the keys that they should have. */
#define COUNT_WRITTEN(ids)                                                     \
	"SELECT count(*)\n"                                                        \
	"  FROM written\n"                                                         \
	"       JOIN unnest(" ids ") AS change (track_id) USING (track_id)\n"      \
	" WHERE written.account = $1"

/* Nobody else inserts: the run has locked the account's collection. */
static const char INSERT[] =
	"WITH written AS (\n"
	"    INSERT INTO spotify.liked_tracks\n"
	"           (account, track_id, added_at, is_active, list_rank,\n"
	"            first_seen_at, last_modified)\n"
	"    SELECT $1, change.track_id, change.added_at, change.is_active,\n"
	"           change.list_rank, $2, $2\n"
	"      FROM unnest($3, $4, $5, $6)\n"
	"           AS change (track_id, added_at, is_active, list_rank)\n"
	"     ORDER BY change.track_id COLLATE \"C\"\n"
	"    RETURNING account, track_id\n"
	")\n" COUNT_WRITTEN("$3");

static const char UPDATE[] =
	"WITH written AS (\n"
	"    UPDATE spotify.liked_tracks AS liked\n"
	"       SET added_at = change.added_at,\n"
	"           is_active = change.is_active,\n"
	"           list_rank = change.list_rank,\n"
	"           last_modified = $2\n"
	"      FROM unnest($3, $4, $5, $6)\n"
	"           AS change (track_id, added_at, is_active, list_rank)\n"
	"     WHERE liked.account = $1\n"
	"       AND liked.track_id = change.track_id\n"
	"    RETURNING liked.account, liked.track_id\n"
	")\n" COUNT_WRITTEN("$3");

/* A place in the list is no news of the like: last_modified stays. */
static const char MOVE[] =
	"WITH written AS (\n"
	"    UPDATE spotify.liked_tracks AS liked\n"
	"       SET list_rank = change.list_rank\n"
	"      FROM unnest($2, $3) AS change (track_id, list_rank)\n"
	"     WHERE liked.account = $1\n"
	"       AND liked.track_id = change.track_id\n"
	"    RETURNING liked.account, liked.track_id\n"
	")\n" COUNT_WRITTEN("$2");

static const char DELETE_NULL_PLACES[] =
	"DELETE FROM spotify.liked_null_places\n"
	" WHERE account = $1\n"
	"   AND list_rank <> ALL ($2)";

/* A place that comes may have the rank of one that goes. */
static const char INSERT_NULL_PLACES[] =
	"INSERT INTO spotify.liked_null_places AS place\n"
	"       (account, list_rank, added_at)\n"
	"SELECT $1, change.list_rank, change.added_at\n"
	"  FROM unnest($2, $3) AS change (list_rank, added_at)\n"
	"ON CONFLICT (account, list_rank) DO UPDATE\n"
	"   SET added_at = EXCLUDED.added_at\n"
	" WHERE place.added_at IS DISTINCT FROM EXCLUDED.added_at";

static const char WRITE_EVENTS[] =
	"WITH written AS (\n"
	"    INSERT INTO spotify.liked_events\n"
	"           (account, track_id, event, occurred_at, run_id)\n"
	"    SELECT $1, change.track_id, change.event, $2, $3\n"
	"      FROM unnest($4, $5) AS change (track_id, event)\n"
	"     ORDER BY change.track_id COLLATE \"C\"\n"
	"    RETURNING account, track_id\n"
	")\n" COUNT_WRITTEN("$4");

const SpotifySavedTable spotify_liked_table = {
	.items_name = "spotify.liked_tracks",
	.null_places_name = "spotify.liked_null_places",
	.events_name = "spotify.liked_events",
	.load = LOAD,
	.load_places = LOAD_PLACES,
	.load_places_and_nulls = LOAD_PLACES_AND_NULLS,
	.count_places = COUNT_PLACES,
	.insert = INSERT,
	.update = UPDATE,
	.move = MOVE,
	.delete_null_places = DELETE_NULL_PLACES,
	.insert_null_places = INSERT_NULL_PLACES,
	.write_events = WRITE_EVENTS,
};
