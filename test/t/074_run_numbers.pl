# The number of a run is above every number that is stored, whatever the
# sequence says: after a switchover of logical replication, TRUNCATE ... RESTART
# IDENTITY, or a restore without the log of runs, sequence and tables disagree.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use SpotifyMock;
use SpotifyPlays;
use SpotifySession;
use SpotifyTest;

my $ACCOUNTS = 6;
my $SYNC = 'SELECT run_id FROM spotify_sync_liked(%s, full_scan => true)';
my $PLAYS = 'SELECT run_id FROM spotify_sync_recently_played()';

my $mock = SpotifyMock->start('--library', 120);
my $node = start_node($mock, name => 'numbers');
create_account($node);
my $session = open_session($node);

# Likes, unlikes and a play, so that every table has something to store.
sub change_all
{
	change_library($mock);
	play($mock, time - 60, index => int rand 100);
	return;
}

# That three runs, one of which fails, get the numbers that follow this one.
sub numbered_from
{
	my ($last, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	change_all();
	is(value($session, sprintf $SYNC, 'NULL'), $last + 1, "$name: a run");
	is(value($session, $PLAYS), $last + 2, "$name: a run that stores plays");
	$mock->fault({ match => { path => '/me/tracks$' }, action => { status => 404 } });
	my $error = refused($session, '08P01', "$name: a run that fails", sprintf $SYNC, 'NULL');
	unlike($error->{text}, qr/WARNING/, "$name: it is recorded");
	$mock->no_faults;
	is( value($session, 'SELECT max(run_id) FROM spotify.sync_runs WHERE status = \'failed\''),
		$last + 3,
		"$name: by the next number");
	heals($session, $node, $mock, "$name: at last");
	return;
}

sub largest
{
	return value($session, 'SELECT max(run_id) FROM spotify.sync_runs');
}

change_all();
is(value($session, sprintf $SYNC, 'NULL'), 1, 'the first run');
is(value($session, $PLAYS), 2, 'the second one');

# A subscriber that takes over has the rows, but not the sequence.
value($session, 'ALTER SEQUENCE spotify.sync_runs_run_id_seq RESTART');
numbered_from(2, 'a sequence that begins anew');
value($session, q{SELECT setval('spotify.sync_runs_run_id_seq', 3)});
numbered_from(largest(), 'a sequence that is a little behind');

# The log is emptied; what the runs did is still there.
value($session, 'CREATE TEMP TABLE kept AS SELECT max(run_id) FROM spotify.liked_events');
value($session, 'TRUNCATE spotify.sync_runs RESTART IDENTITY CASCADE');
numbered_from(
	value($session, 'SELECT GREATEST((SELECT max(run_id) FROM spotify.liked_events), (SELECT max(run_id) FROM spotify.plays))'),
	'TRUNCATE RESTART IDENTITY');

# The largest number is in one of the tables only.
my $number = 1000;
for my $insert (
	q{INSERT INTO spotify.liked_events VALUES ('default', 'a', 'added', now(), %d)},
	q{INSERT INTO spotify.plays (account, played_at, track_id, run_id)
	  SELECT 'default', '2020-01-01', min(track_id), %d FROM spotify.tracks},
	q{INSERT INTO spotify.play_gaps VALUES ('default', '2020-01-01', '2020-01-02', %d)},
	q{SET session_replication_role = replica;
	  INSERT INTO spotify.quality_checks VALUES (%d, 'no_nulls', true);
	  RESET session_replication_role},
	q{INSERT INTO spotify.sync_runs (run_id, account, collection, mode, status, started_at, finished_at)
	  VALUES (%d, 'default', 'liked', 'full', 'failed', now(), now())})
{
	my ($table) = $insert =~ /INTO (\S+)/;
	value($session, sprintf $insert, $number);
	numbered_from($number, "a larger number in $table");
	$number += 1000;
}

# Numbers that did not come from a run, as those that migration makes.
value($session, <<~'SQL');
	INSERT INTO spotify.liked_events VALUES ('default', 'b', 'added', now(), -1);
	UPDATE spotify.plays SET run_id = NULL
	SQL
numbered_from(largest(), 'numbers below 1, and none');

# None is left to give.
value($session, q{INSERT INTO spotify.liked_events VALUES ('default', 'c', 'added', now(), 9223372036854775807)});
refused($session, '2200H', 'no larger number', sprintf $SYNC, 'NULL');
value($session, q{DELETE FROM spotify.liked_events WHERE run_id = 9223372036854775807;
	SELECT setval('spotify.sync_runs_run_id_seq', 1)});
heals($session, $node, $mock, 'without it');

# Many at once
for my $account (1 .. $ACCOUNTS)
{
	$mock->post('user', { id => "user-$account" });
	$mock->post('library', { user => "user-$account", size => 60, first_index => 100 * $account });
	$mock->post('refresh_token',
		{ refresh_token => "mock-refresh-token-$account", client_id => 'mock-client', user => "user-$account" });
	value($session,
		"SELECT spotify_set_account('mock-client', 'mock-secret', 'mock-refresh-token-$account', account => 'account-$account')");
}
my @sessions = map { open_session($node) } 1 .. $ACCOUNTS;
my $last = largest();
value($session, 'ALTER SEQUENCE spotify.sync_runs_run_id_seq CACHE 5');
value($session, q{SELECT setval('spotify.sync_runs_run_id_seq', 1)});
value($session, 'SELECT pg_advisory_lock(1)');
for my $account (1 .. $ACCOUNTS)
{
	$sessions[ $account - 1 ]->query_until(qr/sent\n/,
		"\\echo sent\nSELECT pg_advisory_lock_shared(1);\n" . (sprintf $SYNC, "'account-$account'") . ";\n");
}
value($session, 'SELECT pg_advisory_unlock(1)');
my @numbers = map { $_->query('') =~ /(\d+)/ ? $1 : $_->{stderr} } @sessions;
is(scalar(keys %{ { map { $_ => 1 } @numbers } }), $ACCOUNTS, "$ACCOUNTS at once: each has a number of its own");
is(scalar(grep { /^\d+$/ && $_ > $last } @numbers), $ACCOUNTS, "$ACCOUNTS at once: all are above those before")
  or diag("above $last: @numbers");
$_->quit for @sessions;

# Finding it out reads no table from end to end.
value($session, <<~'SQL');
	INSERT INTO spotify.liked_events
		SELECT 'default', 'track ' || i, 'added', now(), -1 FROM generate_series(1, 20000) AS i;
	INSERT INTO spotify.plays (account, played_at, track_id, run_id)
		SELECT 'default', '2020-02-01'::timestamptz + i * interval '1 minute', track_id, 1
		  FROM generate_series(1, 20000) AS i, (SELECT min(track_id) AS track_id FROM spotify.tracks) AS track;
	INSERT INTO spotify.play_gaps
		SELECT 'default', '2020-02-01'::timestamptz + i * interval '1 minute', '2021-01-01', 1
		  FROM generate_series(1, 20000) AS i;
	ANALYZE
	SQL
value($session, 'BEGIN');
value($session, sprintf $SYNC, q{'default'});
is( value($session, <<~'SQL'), '', 'no table is read from end to end for it');
	SELECT string_agg(relname, ', ')
	  FROM pg_stat_xact_user_tables
	 WHERE relname IN ('liked_events', 'plays', 'play_gaps')
	   AND seq_scan > 0
	SQL
value($session, 'COMMIT');

$session->quit;
$node->stop;
done_testing();
