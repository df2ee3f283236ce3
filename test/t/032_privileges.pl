# Who may do what: roles, and sessions with hostile names and settings.

use strict;
use warnings;

use Time::HiRes qw(time);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use SpotifyMock;
use SpotifyPlays;
use SpotifySession;
use SpotifyTest;

my $SYNC_PLAYS = q{SELECT status FROM public.spotify_sync_recently_played(period => '1 day')};

my $mock = SpotifyMock->start('--library', 60);
my $node = start_node($mock, name => 'privileges');
create_account($node);
my $admin = open_session($node);

my %CALLS = function_calls($node);
cmp_ok(scalar keys %CALLS, '>=', 4, 'there are functions to try');

# All that a library consists of, but for times and numbers of runs.
sub library
{
	return $node->safe_psql('postgres', <<~'SQL');
		SELECT md5(string_agg(line, E'\n' ORDER BY line COLLATE "C"))
		  FROM (SELECT r::text FROM spotify.artists AS r
		        UNION ALL SELECT r::text FROM spotify.albums AS r
		        UNION ALL SELECT r::text FROM spotify.album_artists AS r
		        UNION ALL SELECT r::text FROM spotify.tracks AS r
		        UNION ALL SELECT r::text FROM spotify.track_artists AS r
		        UNION ALL SELECT format('%s %s %s %s', account, track_id, added_at, is_active)
		                    FROM spotify.liked_tracks
		        UNION ALL SELECT format('%s %s %s', account, track_id, event)
		                    FROM spotify.liked_events
		        UNION ALL SELECT format('%s %s %s', account, track_id, context_uri)
		                    FROM spotify.plays) AS lines (line)
		SQL
}

# The same life of a library, in the surroundings of a session: likes that
# come, go and come back.  Returns what is in the tables then.
sub live
{
	my ($session, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	start_over($node, $mock, size => 60);
	syncs($session, "$name: a first sync");
	my $gone = $mock->post('unlike', { positions => [ 7, 30 ] })->{ids};
	$mock->post('like', { count => 2 });
	syncs($session, "$name: with changes");
	$mock->post('like', { ids => [ $gone->[0] ] });
	syncs($session, "$name: with one that is back");
	$mock->post('clear_plays');
	play($mock, time - 600 + 60 * $_, index => 80 + $_, context => 'album') for 1 .. 3;
	syncs($session, "$name: plays", $SYNC_PLAYS);
	return library();
}

# What roles may do

value($admin, <<~'SQL');
	CREATE ROLE syncer LOGIN;
	CREATE ROLE stranger LOGIN;
	GRANT EXECUTE ON FUNCTION spotify_sync_liked(text, boolean, boolean) TO syncer;
	GRANT EXECUTE ON FUNCTION spotify_sync_recently_played(text, interval) TO syncer;
	GRANT SELECT ON ALL TABLES IN SCHEMA spotify TO syncer
	SQL
my $syncer = open_session($node, undef, user => 'syncer');
my $stranger = open_session($node, undef, user => 'stranger');

syncs($syncer, 'a role with EXECUTE may sync plays', $SYNC_PLAYS);
syncs($syncer, 'a role with EXECUTE may sync');
is($mock->count->{total} > 0, 1, 'it asked Spotify');
is_deeply([ liked_differences($node, $mock) ], [], 'the table is true');
for my $relation (
	split /\n/,
	$node->safe_psql(
		'postgres',
		q{SELECT oid::regclass FROM pg_class
		   WHERE relnamespace = 'spotify'::regnamespace AND relkind IN ('r', 'v')}))
{
	is(ask($syncer, "SELECT count(*) FROM $relation")->{code},
		undef, "a role with SELECT may read $relation");
	refused($stranger, '42501', "a role without may not read $relation",
		"SELECT count(*) FROM $relation");
}
cmp_ok(value($syncer, 'SELECT count(*) FROM spotify.liked_songs'),
	'==', 60, 'it sees the rows');

my %columns = map { split /\|/ } split /\n/, $node->safe_psql('postgres', <<~'SQL');
	SELECT attrelid::regclass, quote_ident(attname)
	  FROM pg_attribute
	  JOIN pg_class ON pg_class.oid = attrelid
	 WHERE relnamespace IN ('spotify'::regnamespace, 'spotify_private'::regnamespace)
	   AND relkind = 'r'
	   AND attnum = 1
	SQL
cmp_ok(scalar keys %columns, '>=', 13, 'there are tables to try');
for my $table (sort keys %columns)
{
	my $column = $columns{$table};
	for my $sql (
		"INSERT INTO $table DEFAULT VALUES",
		"UPDATE $table SET $column = NULL",
		"DELETE FROM $table",
		"TRUNCATE $table CASCADE",
		"DO \$\$ BEGIN LOCK TABLE $table; END \$\$",
		"CREATE TRIGGER mine BEFORE UPDATE ON $table FOR EACH ROW "
		. 'EXECUTE FUNCTION suppress_redundant_updates_trigger()',
		"ALTER TABLE $table ADD COLUMN mine text")
	{
		refused($syncer, '42501', "not for a role that may sync: $sql", $sql);
	}
}
for my $sql (
	'SELECT * FROM spotify_private.credentials',
	'SELECT account FROM spotify_private.credentials',
	'COPY spotify_private.credentials TO STDOUT',
	q{SELECT nextval('spotify.sync_runs_run_id_seq')},
	q{SELECT setval('spotify.sync_runs_run_id_seq', 1)},
	'CREATE TABLE spotify.mine ()',
	'CREATE TABLE spotify_private.mine ()',
	'DROP EXTENSION spotify_etl',
	map { $CALLS{$_} } grep { !/^spotify_sync_/ } sort keys %CALLS)
{
	refused($syncer, '42501', "not for a role that may sync: $sql", $sql);
}
$mock->forget_log;
refused($stranger, '42501', "not for a role without EXECUTE: $_", $CALLS{$_})
  for sort keys %CALLS;
is($mock->count->{total}, 0, 'a role without EXECUTE: no request');

# Where secrets are sent, a role that may sync cannot choose.
for my $assignment (
	q{spotify_etl.api_url = 'http://127.0.0.1:1'},
	q{spotify_etl.accounts_url = 'http://127.0.0.1:1'},
	q{spotify_etl.ca_file = '/tmp/ca.pem'},
	q{spotify_etl.proxy = 'http://127.0.0.1:1'},
	q{spotify_etl.max_response_size = '1GB'})
{
	refused($syncer, '42501', "not for a role that may sync: SET $assignment",
		"SET $assignment");
}
# Tried before the library is loaded, when the server cannot know better yet.
{
	my $thief = SpotifyMock->start('--library', 1);
	my $url = $thief->base_url;
	my $load = q{SELECT spotify_sync_liked('nobody')};

	local $ENV{PGOPTIONS} = "-c spotify_etl.api_url=$url/v1 -c spotify_etl.accounts_url=$url";
	my $session = open_session($node, undef, user => 'syncer');
	my $answer = refused($session, '42704', 'a connection with URLs among its options', $load);
	like($answer->{text},
		qr/WARNING.*permission denied to set parameter "spotify_etl.$_"/,
		"options of a connection: $_ is refused with a warning")
	  for qw(api_url accounts_url);
	unlike(value($session, "SHOW spotify_etl.$_"), qr/\Q$url\E/,
		"options of a connection: $_ has no effect")
	  for qw(api_url accounts_url);
	$session->quit;
	delete $ENV{PGOPTIONS};

	$session = open_session($node, undef, user => 'syncer');
	refused($session, '42501', "not for a role that may sync: ALTER ROLE SET $_",
		"ALTER ROLE syncer SET spotify_etl.$_ = '$url'")
	  for qw(api_url accounts_url);
	value($session, "SET spotify_etl.accounts_url = '$url'; SET spotify_etl.api_url = '$url/v1'");
	ask($session, $load);
	is(value($session, 'SHOW spotify_etl.accounts_url'), $mock->base_url,
		'URLs set before the library is loaded have no effect');
	value($admin, 'UPDATE spotify_private.credentials SET access_token = NULL');
	syncs($session, 'a sync in such a session');
	$session->quit;
	is($thief->count->{total}, 0, 'no secret went there');
}

# Hostile names and settings

my $expected = live($admin, 'as usual');
is(live($syncer, 'as a role that may sync'), $expected, 'as a role that may sync: the same');

value($admin, <<~'SQL');
	CREATE SCHEMA hostile;
	GRANT ALL ON SCHEMA hostile TO syncer;
	SET search_path = hostile, public, pg_catalog;
	DO $do$
	DECLARE
		signature text;
		operator text;
		type text;
	BEGIN
		FOREACH signature IN ARRAY ARRAY[
			'now() RETURNS timestamptz', 'clock_timestamp() RETURNS timestamptz',
			'unnest(anyarray) RETURNS SETOF anyelement',
			'string_to_array(text, text) RETURNS text[]',
			'nextval(regclass) RETURNS bigint', 'nextval(text) RETURNS bigint',
			'count(bigint) RETURNS bigint',
			'current_setting(text) RETURNS text', 'octet_length(text) RETURNS integer',
			'lower(text) RETURNS text', 'length(text) RETURNS integer',
			'array_length(anyarray, integer) RETURNS integer']
		LOOP
			EXECUTE format('CREATE FUNCTION hostile.%s LANGUAGE plpgsql AS '
				'$$ BEGIN RAISE EXCEPTION ''hostile''; END $$', signature);
		END LOOP;
		FOREACH type IN ARRAY ARRAY['text', 'boolean', 'integer', 'bigint', 'timestamptz', 'jsonb']
		LOOP
			EXECUTE format('CREATE FUNCTION hostile.hostile(%1$s, %1$s) RETURNS boolean '
				'LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION ''hostile''; END $$', type);
			FOREACH operator IN ARRAY ARRAY['=', '<>', '<', '>', '<=', '>=', '||', '+', '-',
				'->', '->>', '@>']
			LOOP
				EXECUTE format('CREATE OPERATOR hostile.%1$s (LEFTARG = %2$s, RIGHTARG = %2$s, '
					'FUNCTION = hostile.hostile)', operator, type);
			END LOOP;
		END LOOP;
		CREATE FUNCTION hostile.hostile(timestamptz, interval) RETURNS timestamptz
			LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'hostile'; END $$;
		CREATE OPERATOR hostile.+ (LEFTARG = timestamptz, RIGHTARG = interval,
			FUNCTION = hostile.hostile);
		CREATE DOMAIN hostile.text AS pg_catalog.text CHECK (false);
		CREATE DOMAIN hostile.timestamptz AS pg_catalog.timestamptz CHECK (false);
	END
	$do$;
	CREATE TABLE hostile.accounts (account text);
	CREATE TABLE hostile.liked_tracks (track_id text);
	CREATE TABLE hostile.credentials (account text);
	CREATE TABLE hostile.sync_runs (run_id bigint);
	CREATE TABLE public.accounts (account pg_catalog.text);
	CREATE TABLE public.liked_tracks (track_id pg_catalog.text);
	CREATE TABLE public.credentials (account pg_catalog.text);
	CREATE TABLE public.sync_runs (run_id pg_catalog.int8);
	RESET search_path;
	SQL
refused($admin, 'P0001', 'the hostile functions are found by others',
	'SET search_path = hostile, public, pg_catalog; SELECT now()');
for my $case ([ 'a superuser', $admin ], [ 'a role that may sync', $syncer ])
{
	my ($who, $session) = @$case;
	value($session, $_) for (
		'SET search_path = hostile, public, pg_catalog',
		map { "CREATE TEMP TABLE $_ (account pg_catalog.text)" }
		  qw(accounts credentials liked_tracks liked_events plays sync_runs artists albums tracks text));
	is(live($session, "hostile names, $who"), $expected, "hostile names, $who: the same");
	for my $table (qw(accounts liked_tracks credentials))
	{
		is(value($session, "SET search_path = pg_catalog; SELECT count(*) FROM $_.$table"),
			0, "hostile names, $who: $_.$table stays empty")
		  for $who eq 'a superuser' ? qw(hostile public pg_temp) : 'pg_temp';
	}
	value($session, 'DISCARD TEMP; RESET search_path');
}
value($admin, <<~'SQL');
	DROP SCHEMA hostile CASCADE;
	DROP TABLE public.accounts, public.liked_tracks, public.credentials, public.sync_runs
	SQL

for my $setting (
	q{search_path = ''},
	'standard_conforming_strings = off',
	'backslash_quote = off',
	'escape_string_warning = off',
	q{DateStyle = 'SQL, DMY'},
	q{DateStyle = 'German'},
	'IntervalStyle = sql_standard',
	q{TimeZone = 'Asia/Kathmandu'},
	q{TimeZone = '<+23>-23'},
	q{lc_messages = 'C.utf8'},
	q{lc_time = 'C.utf8'},
	'client_encoding = LATIN1',
	'quote_all_identifiers = on',
	'transform_null_equals = on',
	'array_nulls = off',
	'extra_float_digits = -15',
	'row_security = off',
	'work_mem = 64',
	'enable_hashjoin = off',
	'enable_seqscan = off',
	'plan_cache_mode = force_generic_plan',
	'max_parallel_workers_per_gather = 8',
	'check_function_bodies = off')
{
	my $session = open_session($node, "SET $setting;", user => 'syncer');
	is(value($session, 'SELECT 1'), 1, "SET $setting works");
	is(live($session, "SET $setting"), $expected, "SET $setting: the same");
	$session->quit;
}

# A trigger of the owner's that raises: nothing is half done.
start_over($node, $mock, size => 60);
value($admin, <<~'SQL');
	CREATE FUNCTION raise() RETURNS trigger LANGUAGE plpgsql
	AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;
	CREATE TRIGGER raise AFTER INSERT ON spotify.liked_events EXECUTE FUNCTION raise()
	SQL
fails_cleanly($admin, 'P0001', 'a trigger that raises');
value($admin, 'DROP FUNCTION raise() CASCADE');
syncs($admin, 'without it');

$_->quit for $admin, $syncer, $stranger;
$node->stop;
done_testing();
