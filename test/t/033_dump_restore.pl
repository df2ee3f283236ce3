# Dump and restore: all data comes back, no secret does, and the next sync
# goes on from there.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use SpotifyMock;
use SpotifyPlays;
use SpotifyTest;

my $ACCOUNT = q{'mock-client', 'mock-secret', 'mock-refresh-token'};
my $folder = PostgreSQL::Test::Utils::tempdir;
my $mock = SpotifyMock->start('--library', 120);
my $node = start_node($mock, name => 'dump');

# Sorted text of all rows of each table that users may read.
sub contents
{
	my ($database) = @_;
	my @tables = map { $_->{name} } query_rows($node, <<~SQL, $database);
		SELECT oid::regclass AS name
		  FROM pg_class
		 WHERE relnamespace = 'spotify'::regnamespace
		   AND relkind IN ('r', 'v')
		SQL
	return {
		map {
			$_ => $node->safe_psql($database,
				"SELECT r::text COLLATE \"C\" FROM $_ AS r ORDER BY 1")
		} @tables
	};
}

sub value
{
	my ($database, $sql) = @_;
	return $node->safe_psql($database, $sql);
}

# Runs SQL that must fail in a database; returns the code of the error.
sub error_code
{
	my ($database, $sql) = @_;
	my (undef, undef, $stderr) =
	  $node->psql($database, "\\set VERBOSITY sqlstate\n$sql");
	return $stderr =~ /ERROR:\s+(\w{5})/ ? $1 : $stderr;
}

# Data of every kind: likes that came, went and came back, of two accounts, plays
# with a gap, and rows in the tables that these syncs do not fill.
create_account($node);
sync_liked($node);
my $gone = $mock->post('unlike', { positions => [ 5, 50, 100 ] })->{ids};
$mock->post('like', { count => 2 });
$mock->post('insert', { position => 3, kind => 'local' });
sync_liked($node);
$mock->post('like', { ids => [ $gone->[0] ] });
sync_liked($node);
play($mock, time - 7200, index => 3, context => 'album');
sync_plays($node);
play($mock, time - 3600 + $_, index => $_) for 1 .. 51;
sync_plays($node);
$mock->post('user', { id => 'other-user', size => 10 });
$mock->post('refresh_token', { refresh_token => 'other-token', user => 'other-user' });
value('postgres', <<~'SQL');
	SELECT spotify_set_account('mock-client', 'mock-secret', 'other-token',
	                           'https://example.org/callback', E'A\tB\\N "é"');
	SELECT spotify_sync_liked(E'A\tB\\N "é"');
	UPDATE spotify.accounts
	   SET spotify_user_id = 'user', display_name = E'tab\tname', is_enabled = false
	 WHERE account <> 'default';
	INSERT INTO spotify.plays (account, played_at, track_id, context_type, run_id)
	SELECT account, added_at, track_id, 'album', 1
	  FROM spotify.liked_tracks;
	INSERT INTO spotify.quality_checks (run_id, check_name, passed, failing, detail)
	SELECT run_id, E'a\tcheck', false, 1, E'a line\nand another'
	  FROM spotify.sync_runs;
	INSERT INTO spotify.scan_progress (account, collection, total, item_ids, added_at)
	SELECT account, 'liked', 1000, ARRAY['a"', NULL], ARRAY[now(), NULL]
	  FROM spotify.accounts
	 WHERE account <> 'default';
	INSERT INTO spotify.liked_null_places (account, list_rank, added_at)
	SELECT account, 7, NULL FROM spotify.accounts WHERE account <> 'default';
	CREATE ROLE syncer;
	GRANT EXECUTE ON FUNCTION spotify_sync_liked(text, boolean, boolean) TO syncer;
	GRANT EXECUTE ON FUNCTION spotify_sync_recently_played(text, interval) TO syncer;
	GRANT SELECT ON ALL TABLES IN SCHEMA spotify TO syncer
	SQL
my $before = contents('postgres');
is_deeply([ grep { $before->{$_} eq '' } sort keys %$before ],
	[], 'there are rows in every table');
my $last_run = value('postgres', 'SELECT max(run_id) FROM spotify.sync_runs');

# Without the secrets, but for the account that is disabled, the alarm rings.
my $restored = {%$before};
$restored->{'spotify.account_status'} =~ s/"gap:/"not authorized: there is no refresh token; gap:/;

# Into a new database each, in every way that users go
my @connection = ('-h', $node->host, '-p', $node->port);
my %restores = (
	plain => sub {
		my ($database) = @_;
		$node->command_ok([ 'pg_dump', @connection, '-f', "$folder/plain", 'postgres' ],
			'plain: the dump');
		$node->command_ok(
			[
				'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', @connection,
				'-f', "$folder/plain", $database
			],
			'plain: the restore');
	},
	custom => sub {
		my ($database) = @_;
		$node->command_ok(
			[ 'pg_dump', @connection, '-Fc', '-f', "$folder/custom", 'postgres' ],
			'custom: the dump');
		$node->command_ok(
			[
				'pg_restore', '--exit-on-error', @connection,
				'-d', $database, "$folder/custom"
			],
			'custom: the restore');
	},
	directory => sub {
		my ($database) = @_;
		$node->command_ok(
			[
				'pg_dump', @connection, '-Fd', '-j', '2', '-f', "$folder/directory",
				'postgres'
			],
			'directory: the dump');
		# One job: where tables of an extension refer to each other, pg_dump
		# tells the order by where they are in the archive only.
		$node->command_ok(
			[
				'pg_restore', '--exit-on-error', @connection,
				'-d', $database, "$folder/directory"
			],
			'directory: the restore');
	},
	data_only => sub {
		my ($database) = @_;
		value($database, 'CREATE EXTENSION spotify_etl');
		$node->command_ok(
			[ 'pg_dump', @connection, '--data-only', '-f', "$folder/data_only", 'postgres' ],
			'data_only: the dump');
		$node->command_ok(
			[
				'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', @connection,
				'-f', "$folder/data_only", $database
			],
			'data_only: the restore');
	});

for my $name (qw(plain custom directory data_only))
{
	value('postgres', "CREATE DATABASE $name TEMPLATE template0");
	$restores{$name}->($name);
	is_deeply(contents($name), $restored, "$name: all rows came back as they were");
	is(value($name, 'SELECT count(*) FROM spotify_private.credentials'),
		0, "$name: no secret did");
	next if $name eq 'data_only';
	is( value($name, <<~'SQL'), 't|t|t|f|f', "$name: so did the grants, and no other");
		SELECT has_function_privilege('syncer', 'spotify_sync_liked(text,boolean,boolean)', 'EXECUTE'),
		       has_function_privilege('syncer', 'spotify_sync_recently_played(text,interval)', 'EXECUTE'),
		       has_table_privilege('syncer', 'spotify.liked_songs', 'SELECT'),
		       has_function_privilege('syncer', 'spotify_refresh_token(text)', 'EXECUTE'),
		       has_table_privilege('syncer', 'spotify_private.credentials', 'SELECT')
		SQL
}
unlike(slurp_file("$folder/plain"),
	qr/credentials|mock-secret|mock-refresh-|mock-access-|other-token/,
	'the dump does not even name the credentials');

# Going on from there
for my $name (qw(plain custom directory data_only))
{
	$mock->forget_log;
	is(error_code($name, q{SELECT spotify_sync_liked('default')}),
		'28000', "$name: a sync needs the secrets first");
	is($mock->count->{total}, 0, "$name: no request without them");
	my $without = contents($name);
	is_deeply(
		[ grep { $without->{$_} ne $before->{$_} } sort keys %$before ],
		[ 'spotify.account_status', 'spotify.sync_runs' ],
		"$name: only the failed run is written without them");

	value($name, "SELECT spotify_set_account($ACCOUNT)");
	value($name, q{SELECT spotify_refresh_token('default')});
	my $accounts = value($name, 'SELECT a::text FROM spotify.accounts AS a ORDER BY account');
	my $digests = table_digests($node, $name);
	my $run = query_row($node, q{SELECT * FROM spotify_sync_liked('default')}, $name);
	is_deeply(
		[ @$run{qw(status inserted deactivated reactivated updated)} ],
		[ 'succeeded', 0, 0, 0, 0 ],
		"$name: an unchanged library is nothing new");
	cmp_ok($run->{run_id}, '>', $last_run, "$name: the numbers of runs go on");

	is_deeply(table_digests($node, $name), $digests, "$name: nothing but the run is written");
	is(value($name, 'SELECT a::text FROM spotify.accounts AS a ORDER BY account'),
		$accounts, "$name: the accounts are not");
	is(value($name, q{SELECT inserted FROM spotify_sync_recently_played('default')}),
		0, "$name: no play is new");
}

# What changed meanwhile is found out, as if nothing had happened.
$mock->post('unlike', { ids => [ $gone->[0] ] });
$mock->post('like', { ids => [ $gone->[1] ] });
$mock->post('like', { count => 3 });
my $run = query_row($node, q{SELECT * FROM spotify_sync_liked('default')}, 'custom');
is_deeply(
	[ @$run{qw(status inserted deactivated reactivated)} ],
	[ 'succeeded', 3, 1, 1 ],
	'changes since the dump are found');
is( value('custom', <<~SQL), 'added removed readded removed', 'the history of a like goes on');
	SELECT string_agg(event, ' ' ORDER BY run_id)
	  FROM spotify.liked_events
	 WHERE track_id = '$gone->[0]'
	   AND account = 'default'
	SQL

$node->stop;
done_testing();
