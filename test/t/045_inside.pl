# A sync inside other things: functions, triggers, views, procedures,
# transactions and blocks with EXCEPTION.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use SpotifyMock;
use SpotifySession;
use SpotifyTest;

my $SYNC = 'SELECT status FROM public.spotify_sync_liked()';

my $mock = SpotifyMock->start('--library', 60);
my $node = start_node($mock, name => 'inside');
create_account($node);
my $admin = open_session($node);

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

$_->quit for $admin;
$node->stop;
done_testing();
