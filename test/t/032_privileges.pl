# Who may do what, in which surroundings: roles, hostile names and settings,
# schemas, read-only servers, nested calls, and sessions side by side.

use strict;
use warnings;

use Time::HiRes qw(sleep time);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use SpotifyMock;
use SpotifyPlays;
use SpotifyTest;

my $SYNC = 'SELECT status FROM public.spotify_sync_liked()';
my $SYNC_PLAYS = q{SELECT status FROM public.spotify_sync_recently_played(period => '1 day')};

my $mock = SpotifyMock->start('--library', 60);
my $node = start_node($mock, name => 'privileges', allows_streaming => 1);
create_account($node);
my $admin = open_session($node);

# A call of each function of the extension, by its name: what is tried with
# them is refused before any argument is looked at.
my %CALLS = map { split /\|/ } split /\n/, $node->safe_psql('postgres', <<~'SQL');
	SELECT proname,
	       format('SELECT %s(%s)', proname,
	              array_to_string(array_fill('NULL'::text, ARRAY[pronargs::integer]), ', '))
	  FROM pg_proc
	  JOIN pg_depend
	    ON objid = pg_proc.oid AND classid = 'pg_proc'::regclass AND deptype = 'e'
	  JOIN pg_extension ON pg_extension.oid = refobjid AND extname = 'spotify_etl'
	 WHERE prokind = 'f'
	SQL
cmp_ok(scalar keys %CALLS, '>=', 4, 'there are functions to try');

# Runs SQL that must work in a session; returns what it gives.
sub value
{
	my ($session, $sql) = @_;
	my $answer = ask($session, $sql);
	die "$sql: $answer->{text}\n" if defined $answer->{code};
	return $answer->{output};
}

# That SQL fails in a session with this code.
sub refused
{
	my ($session, $code, $name, $sql) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $answer = ask($session, $sql);
	is($answer->{code}, $code, $name) or diag($answer->{text}, $answer->{output});
	return $answer;
}

# That a sync in a session succeeds.
sub syncs
{
	my ($session, $name, $sql) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $answer = ask($session, $sql // $SYNC);
	is($answer->{output}, 'succeeded', $name) or diag($answer->{text});
	return;
}

# That nothing was asked since the log was forgotten.
sub asked_nothing
{
	my ($name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($mock->count->{total}, 0, "$name: no request");
	return;
}

# Waits until a session has a request for a page under way, which a fault
# delays.
sub wait_for_page
{
	my $end = time + 60;
	sleep 0.02 until $mock->count->{tracks} > 0 || time > $end;
	return;
}

sub delay_pages
{
	my ($seconds, %match) = @_;
	$mock->forget_log;
	$mock->fault({ match => { path => '/me/tracks$', times => 1, %match },
			action => { delay => $seconds } });
	return;
}

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
asked_nothing('a role without EXECUTE');

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
	'default_transaction_isolation = serializable',
	q{default_transaction_isolation = 'repeatable read'},
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

# Where it is installed

value($admin, 'CREATE DATABASE installed TEMPLATE template0');
my $installed = open_session($node, undef, database => 'installed');
for my $schema (qw(spotify spotify_private))
{
	value($installed, "CREATE SCHEMA $schema; CREATE TABLE $schema.mine ()");
	refused($installed, '42P06', "a schema $schema that is there already",
		'CREATE EXTENSION spotify_etl');
	is( value(
			$installed,
			q{SELECT string_agg(oid::regclass::text, ' ') FROM pg_class
			   WHERE relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname LIKE 'spotify%')}),
		"$schema.mine", "a schema $schema that is there already: nothing is left, nothing is taken");
	value($installed, "DROP SCHEMA $schema CASCADE");
}

my $account = q{'mock-client', 'mock-secret', 'mock-refresh-token'};
for my $schema ('public', 'etl', '"E T L"')
{
	value($installed, "CREATE SCHEMA IF NOT EXISTS $schema");
	value($installed, "CREATE EXTENSION spotify_etl SCHEMA $schema");
	is( value(
			$installed,
			q{SELECT string_agg(DISTINCT pronamespace::regnamespace::text, ' ')
			    FROM pg_proc WHERE proname LIKE 'spotify%'}),
		$schema, "in schema $schema: there are the functions");
	value($installed, "SELECT $schema.spotify_set_account($account)");
	syncs($installed, "in schema $schema: a sync",
		"SELECT status FROM $schema.spotify_sync_liked()");
	is(value($installed, 'SELECT count(*) FROM spotify.liked_songs'),
		60, "in schema $schema: the tables are in spotify");
	value($installed, 'DROP EXTENSION spotify_etl');
	is( value($installed, <<~'SQL'), 0, "in schema $schema: dropping it removes all");
		SELECT (SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'spotify%')
		       + (SELECT count(*) FROM pg_proc WHERE proname LIKE 'spotify%')
		       + (SELECT count(*) FROM pg_class WHERE relname LIKE '%liked%')
		SQL
}
refused($installed, '3F000', 'a schema that is not there',
	'CREATE EXTENSION spotify_etl SCHEMA nowhere');

# Whoever may create objects in the schema of the functions must not be able
# to put an operator of his into our views: an exact match beats a better known
# one that needs a cast.
value($installed, <<~'SQL');
	CREATE SCHEMA shared;
	GRANT ALL ON SCHEMA shared TO stranger;
	SET ROLE stranger;
	DO $do$
	DECLARE
		types text[] := ARRAY['smallint', 'integer', 'bigint', 'numeric', 'double precision', 'text',
			'name', 'boolean', 'date', 'timestamp', 'timestamptz', 'interval'];
		operator text;
		l text;
		r text;
	BEGIN
		FOREACH l IN ARRAY types LOOP
			FOREACH r IN ARRAY types LOOP
				EXECUTE format('CREATE FUNCTION shared.mine(%1$s, %2$s) RETURNS %1$s '
					'LANGUAGE sql AS $$ SELECT NULL::%1$s $$', l, r);
				EXECUTE format('CREATE FUNCTION shared.mine_too(%1$s, %2$s) RETURNS boolean '
					'LANGUAGE sql AS $$ SELECT true $$', l, r);
				FOREACH operator IN ARRAY ARRAY['+', '-', '*', '/', '||'] LOOP
					EXECUTE format('CREATE OPERATOR shared.%s (LEFTARG = %s, RIGHTARG = %s, '
						'FUNCTION = shared.mine)', operator, l, r);
				END LOOP;
				FOREACH operator IN ARRAY ARRAY['=', '<>', '<', '>', '<=', '>='] LOOP
					EXECUTE format('CREATE OPERATOR shared.%s (LEFTARG = %s, RIGHTARG = %s, '
						'FUNCTION = shared.mine_too)', operator, l, r);
				END LOOP;
			END LOOP;
		END LOOP;
	END
	$do$;
	RESET ROLE
	SQL
refused($installed, '42501', 'only a superuser may create it',
	'SET ROLE stranger; CREATE EXTENSION spotify_etl SCHEMA shared');
value($installed, 'RESET ROLE');
is(ask($installed, 'CREATE EXTENSION spotify_etl SCHEMA shared')->{code},
	undef, 'in a schema with operators of a stranger');
is( value($installed, <<~'SQL'), '', 'no view uses an operator or function of a stranger');
	SELECT string_agg(DISTINCT pg_describe_object(classid, objid, objsubid) || ' uses '
	                  || pg_describe_object(refclassid, refobjid, refobjsubid), ', ')
	  FROM pg_depend
	 WHERE (refclassid = 'pg_operator'::regclass
	        AND refobjid IN (SELECT oid FROM pg_operator WHERE oprowner = 'stranger'::regrole)
	        AND classid <> 'pg_operator'::regclass)
	    OR (refclassid = 'pg_proc'::regclass
	        AND refobjid IN (SELECT oid FROM pg_proc WHERE proowner = 'stranger'::regrole)
	        AND classid <> 'pg_operator'::regclass)
	SQL
$installed->quit;

# Encodings

for my $encoding (qw(LATIN1 SQL_ASCII))
{
	value($admin, "CREATE DATABASE encoded TEMPLATE template0 ENCODING '$encoding'");
	my $session = open_session($node, undef, database => 'encoded');
	my $error = refused($session, '0A000', "a database with $encoding",
		'CREATE EXTENSION spotify_etl');
	like($error->{hint}, qr/UTF8/, "a database with $encoding: the hint");
	is(value($session, q{SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'spotify%'}),
		0, "a database with $encoding: nothing is left");
	$session->quit;
	value($admin, 'DROP DATABASE encoded');
}

# Servers and transactions that are read-only

$mock->forget_log;
for my $name (sort keys %CALLS)
{
	my $error = refused($admin, '25006', "$name in a read-only transaction",
		"BEGIN READ ONLY; $CALLS{$name}");
	like($error->{hint}, qr/transaction that may write/, "$name in a read-only transaction: the hint");
	value($admin, 'ROLLBACK');
}
value($admin, 'SET default_transaction_read_only = on');
for (sort keys %CALLS)
{
	my $error = refused($admin, '25006', "$_ where transactions are read-only", $CALLS{$_});
	like($error->{hint}, qr/"default_transaction_read_only"/,
		"$_ where transactions are read-only: the hint");
}
value($admin, 'RESET default_transaction_read_only');

$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
my $reader = open_session($standby);
is(value($reader, 'SELECT count(*) FROM spotify.liked_songs'), 60, 'a standby has the data');
for (sort keys %CALLS)
{
	my $error = refused($reader, '25006', "$_ on a standby", $CALLS{$_});
	like($error->{hint}, qr/primary/, "$_ on a standby: the hint");
}
$reader->quit;
$standby->stop;
asked_nothing('read-only');

# Inside other things

value($admin, <<~'SQL');
	CREATE FUNCTION in_plpgsql() RETURNS text LANGUAGE plpgsql
	AS $$ BEGIN RETURN (spotify_sync_liked()).status; END $$;
	CREATE FUNCTION in_sql() RETURNS text LANGUAGE sql
	AS $$ SELECT status FROM spotify_sync_liked() $$;
	CREATE FUNCTION in_trigger() RETURNS trigger LANGUAGE plpgsql
	AS $$ BEGIN NEW.status := (spotify_sync_liked()).status; RETURN NEW; END $$;
	CREATE TABLE triggered (status text);
	CREATE TRIGGER in_trigger BEFORE INSERT ON triggered
		FOR EACH ROW EXECUTE FUNCTION in_trigger();
	CREATE VIEW in_view AS SELECT status FROM spotify_sync_liked();
	CREATE PROCEDURE in_procedure(INOUT status text DEFAULT NULL) LANGUAGE plpgsql
	AS $$ BEGIN
		PERFORM spotify_sync_liked();
		COMMIT;
		SELECT run.status INTO status FROM spotify_sync_liked() AS run;
	END $$;
	PREPARE prepared AS SELECT status FROM spotify_sync_liked()
	SQL
for my $case (
	[ 'in a plpgsql function', 'SELECT in_plpgsql()' ],
	[ 'in an SQL function', 'SELECT in_sql()' ],
	[ 'in a trigger', 'INSERT INTO triggered DEFAULT VALUES RETURNING status' ],
	[ 'in a view', 'SELECT * FROM in_view' ],
	[ 'in a procedure that commits', 'CALL in_procedure()' ],
	[ 'prepared', 'EXECUTE prepared' ],
	[ 'prepared, again', 'EXECUTE prepared' ],
	[ 'in COPY', 'COPY (SELECT status FROM spotify_sync_liked()) TO STDOUT' ],
	[ 'in a cursor', "BEGIN; DECLARE c CURSOR FOR $SYNC; FETCH c; COMMIT" ],
	[ 'in a CTE', "WITH run AS MATERIALIZED ($SYNC) SELECT status FROM run" ])
{
	my ($name, $sql) = @$case;
	start_over($node, $mock, size => 60);
	syncs($admin, $name, $sql);
	is(value($admin, 'SELECT count(*) FROM spotify.liked_songs'), 60, "$name: it is done");
}
refused($admin, '42P17', 'not in an index',
	'CREATE INDEX ON spotify.accounts (spotify_refresh_token(account))');

my $run_count = value($admin, 'SELECT count(*) FROM spotify.sync_runs');
start_over($node, $mock, size => 60);
value($admin, 'BEGIN');
syncs($admin, 'in a transaction');
$mock->post('unlike', { positions => [3] });
$mock->post('like', { count => 1 });
syncs($admin, 'in the same transaction');
value($admin, 'COMMIT');
is(value($admin, 'SELECT count(*) FROM spotify.sync_runs'),
	$run_count + 2, 'two runs in one transaction');
is_deeply([ liked_differences($node, $mock) ],
	[], 'two runs in one transaction: the table is true');

# In a block with EXCEPTION, a failed run is undone and the next one works.
start_over($node, $mock, size => 120);
$mock->fault({ match => { path => '/me/tracks$', offset => 50, times => 1 },
		action => { status => 403 } });
is( value($admin, <<~'SQL'), '', 'an error is caught in a block');
	DO $$
	BEGIN
		BEGIN
			PERFORM spotify_sync_liked();
			RAISE EXCEPTION 'it did not fail';
		EXCEPTION WHEN invalid_authorization_specification THEN
			NULL;
		END;
		PERFORM spotify_sync_liked();
	END
	$$
	SQL
is_deeply([ liked_differences($node, $mock) ], [], 'the next sync in its transaction works');
value($admin, 'BEGIN; SAVEPOINT s');
$mock->fault({ match => { path => '/me/tracks$', offset => 50, times => 1 },
		action => { status => 403 } });
refused($admin, '28000', 'an error after a savepoint', $SYNC);
syncs($admin, 'a sync after going back to it', "ROLLBACK TO s; $SYNC; COMMIT");

# One run at a time

my $sync_default = q{SELECT status FROM spotify_sync_liked('default')};
my $other = open_session($node);
start_over($node, $mock, size => 60);
$mock->post('user', { id => 'other-user', size => 30 });
$mock->post('refresh_token', { refresh_token => 'other-token', user => 'other-user' });
value($admin, <<~'SQL');
	SELECT spotify_set_account('mock-client', 'mock-secret', 'other-token', account => 'other')
	SQL
value($admin, q{SELECT spotify_refresh_token('default')});

# The first run waits for Spotify until it is cancelled below.
delay_pages(600, user => 'mock-user');
my $runs = value($other, 'SELECT count(*) FROM spotify.sync_runs');
my $pid = value($admin, 'SELECT pg_backend_pid()');
value($admin, q{SET spotify_etl.request_timeout = '20min'});
$admin->query_until(qr/started/, "\\echo started\n$sync_default;\n");
wait_for_page();
my $started_at = time;
my $error = refused($other, '55P03', 'a second run of the account fails', $sync_default);
cmp_ok(time - $started_at, '<', 5, 'it does so at once');
like($error->{message}, qr/"default"/, 'the message names the account');
is($mock->count->{total}, 1, 'it sends no request');
is(value($other, 'SELECT count(*) FROM spotify.sync_runs'), $runs, 'it writes no row');
refused($other, '55P03', 'forgetting the account fails meanwhile',
	q{SELECT spotify_forget_account('default')});
syncs($other, 'another account is synced meanwhile',
	q{SELECT status FROM spotify_sync_liked('other')});
refused($other, '55P03', 'the extension cannot be dropped meanwhile',
	q{SET lock_timeout = '100ms'; DROP EXTENSION spotify_etl});
value($other, 'RESET lock_timeout');
is( value($other, qq{SELECT state FROM pg_stat_activity WHERE pid = $pid}),
	'active', 'all that while the first run was under way');
value($other, "SELECT pg_cancel_backend($pid)");
is(ask($admin, 'SELECT 1')->{code}, '57014', 'the first run is cancelled');
value($admin, 'RESET spotify_etl.request_timeout');
syncs($other, 'afterwards the second may', $sync_default);
syncs($admin, 'and the first again', $sync_default);
is_deeply([ liked_differences($node, $mock, account => 'default') ],
	[], 'the table of the one is true');
is_deeply([ liked_differences($node, $mock, account => 'other', user => 'other-user') ],
	[], 'the table of the other is true');

# The lock lasts as long as the transaction, or the part of it that is kept.
for my $end ('COMMIT', 'ROLLBACK')
{
	value($admin, 'BEGIN');
	syncs($admin, "before $end", $sync_default);
	refused($other, '55P03', "before $end: a second run fails", $sync_default);
	value($admin, $end);
	syncs($other, "after $end: it works", $sync_default);
}
value($admin, 'BEGIN; SAVEPOINT s');
syncs($admin, 'after a savepoint', $sync_default);
refused($other, '55P03', 'after a savepoint: a second run fails', $sync_default);
value($admin, 'ROLLBACK TO s');
syncs($other, 'after ROLLBACK TO: it works', $sync_default);
value($admin, 'ROLLBACK');

delay_pages(600);
my $victim = open_session($node);
$pid = value($victim, 'SELECT pg_backend_pid()');
$victim->query_until(qr/started/, "\\echo started\n$sync_default;\n");
wait_for_page();
refused($other, '55P03', 'while a session syncs', $sync_default);
value($other, "SELECT pg_terminate_backend($pid)");
$node->poll_query_until('postgres',
	"SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $pid");
syncs($other, 'after it was terminated', $sync_default);
eval { $victim->quit };

# Advisory locks of users are others, whatever their keys.
value($admin, 'BEGIN');
syncs($admin, 'to see its lock', $sync_default);
my ($class, $object, $sub) = split /\|/,
  value($admin, q{SELECT classid, objid, objsubid FROM pg_locks
                   WHERE locktype = 'advisory' AND pid = pg_backend_pid()});
value($admin, 'ROLLBACK');
ok($class && $object, 'it has a lock with keys');
unlike($sub, qr/^[12]$/, 'it is no lock of pg_advisory_lock');
value($other, <<~SQL);
	SELECT pg_advisory_lock($class\::bigint::bit(32)::integer, $object\::bigint::bit(32)::integer),
	       pg_advisory_lock(($class\::bigint << 32) | $object\::bigint)
	SQL
is( value($other, <<~SQL), 2, 'another session holds locks with these keys');
	SELECT count(*)
	  FROM pg_locks
	 WHERE (classid, objid) = ($class, $object)
	   AND locktype = 'advisory'
	   AND pid = pg_backend_pid()
	SQL
syncs($admin, 'a sync does not mind', $sync_default);
value($other, 'SELECT pg_advisory_unlock_all()');

# A snapshot from before another session's run: the server's own error.
start_over($node, $mock, size => 60);
value($admin, 'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
syncs($other, 'another session syncs meanwhile', $sync_default);
refused($admin, '40001', 'a run on an old snapshot cannot be serialized', $sync_default);
value($admin, 'ROLLBACK');
syncs($admin, 'it works on a new one', $sync_default);
is_deeply([ liked_differences($node, $mock) ], [], 'and the table is true');

$_->quit for $admin, $syncer, $stranger, $other;
$node->stop;
done_testing();
