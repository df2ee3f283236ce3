# A server that waits for a synchronous standby which is not there: what the
# extension does by itself does not wait for it, or not for long, and whoever
# waits can be cancelled and terminated.

use strict;
use warnings;

use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

use SpotifyMock;
use SpotifySession;
use SpotifyTest;

my $SYNC = 'SELECT status FROM spotify_sync_liked()';
my $REFRESH = 'SELECT spotify_refresh_token() > now()';
my %TRACKS = (path => '/me/tracks$');
my $AT_ONCE = 4;      # seconds; it takes a fraction of one
my $BOUNDED = 20;     # where the worker waits for the standby: 5 seconds
my $LONG_AGO = 60;    # when a call is given up that waits for ever

my $mock = SpotifyMock->start('--library', 60);
my $node = start_node($mock, name => 'no_standby', allows_streaming => 1);
create_account($node);
$mock->post('config', { rotate => JSON::PP::true, reuse_revokes_family => JSON::PP::true });
syncs(open_session($node), 'the first sync', $SYNC);
$node->safe_psql('postgres', q{ALTER SYSTEM SET synchronous_standby_names = 'absent'});
$node->reload;

# What these sessions commit themselves waits for nobody; what is waited for is
# the worker's alone.
my $OWN = "SET synchronous_commit = local; SET statement_timeout = '${LONG_AGO}s'; SET spotify_etl.max_retries = 0";
my $session = open_session($node, $OWN);
my $watcher = open_session($node, $OWN);
ok(becomes_true($watcher, q{SELECT current_setting('synchronous_standby_names') = 'absent'}), 'the standby is missing');

sub takes_less
{
	my ($name, $seconds, $do) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $start = time;
	my $answer = $do->();
	cmp_ok(time - $start, '<', $seconds, "$name: within bounds");
	note sprintf '%s: %.1f s', $name, time - $start;
	return $answer;
}

sub last_row
{
	return value($watcher, q{SELECT status || ' ' || error_code FROM spotify.sync_runs ORDER BY run_id DESC LIMIT 1});
}

sub await_standby_wait
{
	return becomes_true($watcher, q{SELECT EXISTS (SELECT FROM pg_stat_activity
		WHERE backend_type = 'spotify_etl worker' AND wait_event = 'SyncRep')});
}

# With a token that is valid

my $answer = takes_less('a valid token', $AT_ONCE, sub { ask($session, $SYNC) });
is($answer->{output}, 'succeeded', 'a valid token: the sync succeeds') or diag($answer->{text});
is($mock->count->{token}, 1, 'a valid token: no other is asked for');

# A run that fails, and one that is ended

$mock->fault({ match => {%TRACKS}, action => { status => 500 } });
$answer = takes_less('a failure', $AT_ONCE, sub { ask($session, $SYNC) });
is($answer->{code}, '08006', 'a failure: the error');
is(last_row(), 'failed 08006', 'a failure: it is recorded');
$mock->no_faults;

for my $case ([ 'pg_cancel_backend', '57014' ], [ 'pg_terminate_backend', '57P01' ])
{
	my ($function, $code) = @$case;
	my $victim = open_session($node, $OWN);
	my $pid = pid_of($victim);
	$mock->forget_log;
	$mock->fault({ match => {%TRACKS}, action => { silent => 'start' } });
	begin($victim, $SYNC);
	$node->poll_query_until('postgres',
		"SELECT wait_event_type = 'Extension' FROM pg_stat_activity WHERE pid = $pid AND state = 'active'");
	my $rows = value($watcher, 'SELECT count(*) FROM spotify.sync_runs');
	takes_less($function, $AT_ONCE, sub {
		value($watcher, "SELECT $function($pid)");
		ok(becomes_true($watcher,
			"SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $pid AND state = 'active')"),
			"$function: it ends");
	});
	$mock->no_faults;
	ok(becomes_true($watcher, "SELECT count(*) = $rows + 1 FROM spotify.sync_runs"), "$function: it is recorded");
	is(last_row(), "failed $code", "$function: as what it is");
	eval { $victim->{run}->finish };
}

# A new token is worth a wait, which has an end

$answer = takes_less('a refresh', $BOUNDED, sub { ask($session, $REFRESH) });
is($answer->{output}, 't', 'a refresh: it succeeds') or diag($answer->{text});
$answer = takes_less('the token that a refresh gave', $AT_ONCE, sub { ask($session, $SYNC) });
is($answer->{output}, 'succeeded', 'the token that a refresh gave: is good') or diag($answer->{text});

# ... and whoever waits for that can be cancelled and terminated.
for my $case ([ 'pg_cancel_backend', '57014' ], [ 'pg_terminate_backend', '57P01' ])
{
	my ($function, $code) = @$case;
	my $name = "$function while a token is stored";
	my $victim = open_session($node, $OWN);
	my $pid = pid_of($victim);
	begin($victim, $REFRESH);
	ok(await_standby_wait(), "$name: the worker waits for the standby");
	takes_less($name, $AT_ONCE, sub {
		value($watcher, "SELECT $function($pid)");
		ok(becomes_true($watcher,
			"SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $pid AND state = 'active')"),
			"$name: it ends");
	});
	is(answer_of($victim)->{code}, $code, "$name: the error") if $code eq '57014';
	eval { $victim->{run}->finish };
	$answer = takes_less("after $name", $BOUNDED, sub { ask($session, $SYNC) });
	is($answer->{output}, 'succeeded', "after $name: a sync succeeds") or diag($answer->{text});
}

# A user's authorization is worth it too.
$mock->post('config', { auto_approve => JSON::PP::true });
my $url = value($session, q{SELECT spotify_authorize_url('default')});
my $redirect = browse($url);
$answer = takes_less('an authorization', $BOUNDED,
	sub { ask($session, "SELECT spotify_authorize('$redirect', 'default')") });
is($answer->{code}, undef, 'an authorization: it succeeds') or diag($answer->{text});

# spotify_sync_all waits as its session is told to, but once: a cancel ends a
# commit's wait without a word, and must not end the wait of one step alone.

value($session, 'SET synchronous_commit = on');
value($session, q{SET statement_timeout = '5s'});
my $before = value($watcher, 'SELECT count(*) FROM spotify.sync_runs');
$answer = takes_less('spotify_sync_all', 2 * $BOUNDED, sub { ask($session, 'CALL spotify_sync_all()') });
like($answer->{text}, qr/WARNING:.*canceling wait for synchronous replication/, 'spotify_sync_all: waits for the standby');
is(() = $answer->{text} =~ /WARNING:/g, 1, 'spotify_sync_all: once');
is(value($watcher, 'SELECT count(*) FROM spotify.sync_runs'), $before + 2, 'spotify_sync_all: after all is done');

$node->safe_psql('postgres', q{SET synchronous_commit = local; ALTER SYSTEM RESET synchronous_standby_names});
$node->reload;
ok(becomes_true($watcher, q{SELECT current_setting('synchronous_standby_names') = ''}), 'no standby is waited for');
heals($watcher, $node, $mock, 'in the end');
$_->quit for $session, $watcher;
$node->stop;
done_testing();
