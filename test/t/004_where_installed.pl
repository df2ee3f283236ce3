# Where it is installed: schemas, what is there already, encodings.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use SpotifyMock;
use SpotifySession;
use SpotifyTest;

my $mock = SpotifyMock->start('--library', 60);
my $node = start_node($mock, name => 'where');
my $admin = open_session($node);

value($admin, 'CREATE ROLE stranger LOGIN');

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

$_->quit for $admin;
$node->stop;
done_testing();
