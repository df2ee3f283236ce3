# The postmaster dies while a token request is under way: the new refresh token
# is put down before the worker ends, and the login lives on.

use strict;
use warnings;

use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

use SpotifyMock;
use SpotifySession;
use SpotifyTest;

my $SYNC = 'SELECT status FROM spotify_sync_liked()';
my $REFRESH = 'SELECT spotify_refresh_token() > now()';
my %TOKEN = (path => '/api/token$');
my $LONGEST = 60;    # seconds, for what takes a moment

my $mock = SpotifyMock->start('--library', 60);
my $node = start_node($mock, name => 'orphan', configuration => "spotify_etl.max_retry_wait = '10s'");
create_account($node);
$mock->post('config', { rotate => JSON::PP::true, reuse_revokes_family => JSON::PP::true });
my $session = open_session($node);
syncs($session, 'the first sync', $SYNC);

# Whether a process comes to its end.
sub ends
{
	my ($pid) = @_;
	my $end = time + $LONGEST;
	while (kill 0, $pid)
	{
		return 0 if time > $end;
		sleep 0.02;
	}
	return 1;
}

for my $case (
	[ 'an answer that is late', { delay => 2 } ],
	[ 'an answer that comes slowly', { trickle => { bytes => 10, ms => 50 } } ],
	[ 'a pause after 503', { status => 503, retry_after => 9 } ])
{
	my ($what, $action) = @$case;
	my $name = "the postmaster dies during $what";
	my $caller = open_session($node);
	$mock->forget_log;
	$mock->fault({ match => {%TOKEN}, action => $action });
	begin($caller, $REFRESH);
	my $worker = q{FROM pg_stat_activity WHERE backend_type = 'spotify_etl worker' AND wait_event_type = 'Extension'};
	ok(becomes_true($session, "SELECT EXISTS (SELECT $worker)"), "$name: the worker waits");
	my $pid = value($session, "SELECT pid $worker");
	my $end = time + $LONGEST;
	sleep 0.02 until $mock->count->{token} || time > $end;
	my $start = time;
	$node->kill9;
	ok(ends($pid), "$name: the worker ends");
	cmp_ok(time - $start, '<', 8, "$name: after what is under way");
	is($mock->count->{token}, 1, "$name: nothing is sent again");
	eval { $_->{run}->finish } for $caller, $session;
	$mock->no_faults;

	# Until the last orphan is gone no server starts.
	until ($node->start(fail_ok => 1))
	{
		die "the server does not start\n" if time > $start + $LONGEST;
		sleep 0.2;
	}
	$session = open_session($node);
	is(ask($session, $REFRESH)->{output}, 't', "$name: the login lives");
	my $token = value($session, 'SELECT refresh_token FROM spotify_private.credentials');
	is($mock->post('token_state', { refresh_token => $token })->{state}, 'active', "$name: the stored token is good");
	heals($session, $node, $mock, "after $name");
}

$session->quit;
$node->stop;
done_testing();
