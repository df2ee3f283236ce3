# A run that fails leaves one row, whatever ends the call, the session or the
# server while that row is written; and a cancel meanwhile ends the call.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

use SpotifyMock;
use SpotifySession;
use SpotifyTest;

my $SYNC = 'SELECT status FROM spotify_sync_liked()';
my $ALL = 'CALL spotify_sync_all()';
my $PROMPT = 'SET spotify_etl.max_retries = 0';
my %TRACKS = (path => '/me/tracks$');
my $LOCK = 'BEGIN; LOCK TABLE spotify.sync_runs IN EXCLUSIVE MODE';
my $LONGEST_STOP = 15;    # seconds

my $mock = SpotifyMock->start('--library', 60);
my $node = start_node($mock, name => 'recorded', configuration => <<~CONF);
	max_worker_processes = 2
	max_logical_replication_workers = 0
	max_prepared_transactions = 1
	CONF
create_account($node);
my $watcher = open_session($node);
my $locker = open_session($node);
syncs($watcher, 'the first sync', $SYNC);

# From here on the log is empty, and so is what the mock has seen.
sub forget
{
	value($watcher, 'DELETE FROM spotify.sync_runs');
	$mock->no_faults;
	$mock->forget_log;
	return;
}

# The rows of the run log, and that no worker is left which could add one.
sub rows
{
	becomes_true($watcher,
		q{SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'spotify_etl worker')});
	return value($watcher,
		q{SELECT string_agg(collection || ' ' || status || ' ' || error_code, ', ' ORDER BY run_id) FROM spotify.sync_runs});
}

# A session whose failure is being recorded, which waits for a lock.
sub recording
{
	my ($name, $sql) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $session = open_session($node, $PROMPT);
	forget();
	value($locker, $LOCK);
	$mock->fault({ match => {%TRACKS}, action => { status => 500 } });
	my $pid = pid_of($session);
	begin($session, $sql);
	ok( becomes_true($watcher, <<~'SQL'), "$name: the failure is being recorded");
		SELECT EXISTS (SELECT FROM pg_locks
		                WHERE NOT granted AND relation = 'spotify.sync_runs'::regclass)
		SQL
	return ($session, $pid);
}

# A session that waits for a page.
sub reading
{
	my ($name, $sql, $settings) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $session = open_session($node, $settings);
	forget();
	$mock->fault({ match => {%TRACKS}, action => { silent => 'start' } });
	my $pid = pid_of($session);
	begin($session, $sql);
	my $end = time + 20;
	sleep 0.01 until $mock->count->{tracks} || time > $end;
	is($mock->count->{tracks}, 1, "$name: a page is awaited");
	return ($session, $pid);
}

sub restart
{
	$node->start;
	$watcher = open_session($node);
	$locker = open_session($node);
	return;
}

# Stops the server while these sessions are open; gives the seconds.
sub stop
{
	my @sessions = @_;
	my $start = time;
	$node->stop('fast');
	eval { $_->{run}->finish } for @sessions, $watcher, $locker;
	return time - $start;
}

# A cancel ends the call, and not only the recording

for my $sql ($SYNC, $ALL)
{
	my $name = "a cancel while a failure is recorded, $sql";
	my ($session, $pid) = recording($name, $sql);
	value($watcher, "SELECT pg_cancel_backend($pid)");
	my $answer = answer_of($session);
	is($answer->{code}, '57014', "$name: is the error") or diag($answer->{text});
	value($locker, 'ROLLBACK');
	is(rows(), 'liked failed 08006', "$name: the failure is in the log");
	is($mock->count->{recently_played}, 0, "$name: nothing else is begun");
	is(value($session, 'SELECT 1'), 1, "$name: the session goes on");
	$session->quit;
}

{
	my $name = 'statement_timeout while a failure is recorded';
	my $session = open_session($node, "$PROMPT; SET statement_timeout = '1s'");
	forget();
	value($locker, $LOCK);
	$mock->fault({ match => {%TRACKS}, action => { status => 500 } });
	my $answer = ask($session, $ALL);
	is($answer->{code}, '57014', "$name: is the error of spotify_sync_all") or diag($answer->{text});
	is($mock->count->{recently_played}, 0, "$name: nothing else is begun");
	value($locker, 'ROLLBACK');
	rows();
	$session->quit;
}

# A run whose session ends leaves one row

for my $sql ($SYNC, $ALL)
{
	my $name = "a termination while a failure is recorded, $sql";
	my ($session, $pid) = recording($name, $sql);
	value($watcher, "SELECT pg_terminate_backend($pid)");
	ok(becomes_true($watcher, "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $pid)"),
		"$name: the session ends");
	value($locker, 'ROLLBACK');
	is(rows(), 'liked failed 08006', "$name: one row");
	eval { $session->{run}->finish };
}

# Where no worker is to be had for it, the ending process writes it
{
	my $name = 'a termination without a worker slot';
	my ($session, $pid) = reading($name, $SYNC);
	my @hogs = map
	{
		my $hog = open_session($node, "$PROMPT; SET spotify_etl.request_timeout = '3s'");
		value($hog, "SELECT spotify_set_account('mock-client', 'mock-secret', 'mock-refresh-token', account => 'hog $_')");
		$hog
	} 1 .. 2;
	$mock->fault({ match => { path => '/api/token$' }, action => { silent => 'start' } });
	begin($hogs[ $_ - 1 ], "SELECT spotify_refresh_token('hog $_')") for 1 .. 2;
	ok(becomes_true($watcher,
		q{SELECT count(*) = 2 FROM pg_stat_activity WHERE backend_type = 'spotify_etl worker' AND wait_event_type = 'Extension'}),
		"$name: there is none");
	value($watcher, "SELECT pg_terminate_backend($pid)");
	ok(becomes_true($watcher, "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $pid)"),
		"$name: the session ends");
	is(value($watcher, q{SELECT string_agg(account || ' ' || error_code, ',') FROM spotify.sync_runs}),
		'default 57P01', "$name: the row is there");
	answer_of($_) for @hogs;
	$_->quit for @hogs;
	value($watcher, "SELECT spotify_forget_account('hog $_')") for 1 .. 2;
	eval { $session->{run}->finish };
}

# The server is stopped

for my $case (
	[ 'a sync', $SYNC, '', 'liked failed 57P01' ],
	[ 'a sync in a transaction', "BEGIN; $SYNC", '', 'liked failed 57P01' ],
	[ 'a sync in a subtransaction', <<~SQL, '', 'liked failed 57P01' ],
		DO \$\$ BEGIN PERFORM spotify_sync_liked(); EXCEPTION WHEN others THEN NULL; END \$\$
		SQL
	[ 'a sync of all', $ALL, '', 'liked failed 57P01' ],
	[ 'a sync by a session with odd settings', "BEGIN; SET TRANSACTION READ WRITE; SELECT status FROM public.spotify_sync_liked()",
		'SET default_transaction_read_only = on; SET search_path = nowhere', 'liked failed 57P01' ])
{
	my ($what, $sql, $settings, $expected) = @$case;
	my $name = "$what when the server is stopped";
	my ($session) = reading($name, $sql, $settings);
	cmp_ok(stop($session), '<', $LONGEST_STOP, "$name: it stops");
	restart();
	is(rows(), $expected, "$name: one row");
	is(value($watcher, 'SELECT error_message FROM spotify.sync_runs'),
		'the session ended before the run did', "$name: with a message");
}

# ... while the failure is recorded: its lock goes with the session that has it.
{
	my $name = 'a failed sync when the server is stopped';
	my ($session) = recording($name, $SYNC);
	cmp_ok(stop($session), '<', $LONGEST_STOP, "$name: it stops");
	restart();
	is(rows(), 'liked failed 08006', "$name: one row");
}

# ... and somebody has the run log locked for ever.
for my $lock ('LOCK TABLE spotify.sync_runs IN EXCLUSIVE MODE', 'SELECT FROM spotify.accounts FOR UPDATE')
{
	my $name = "$lock for ever, when the server is stopped";
	my ($session) = reading($name, $SYNC);
	value($locker, "BEGIN; $lock; PREPARE TRANSACTION 'for ever'");
	cmp_ok(stop($session), '<', $LONGEST_STOP, "$name: it stops");
	restart();
	value($watcher, "ROLLBACK PREPARED 'for ever'");
	is(rows(), '', "$name: there is no row");
}

$mock->no_faults;
heals($watcher, $node, $mock, 'after all that');
unlike(slurp_file($node->logfile), qr/PANIC|terminated by signal|TRAP|still referenced/, 'no process crashed');
$_->quit for $watcher, $locker;
$node->stop;
done_testing();
