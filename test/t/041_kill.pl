# kill -9 at random moments: of the backend that syncs, of the worker that has
# its token renewed, and in the place of a ROLLBACK.  The login lives on, and the
# tables are consistent before and true after the next sync.
#
# The server answers each kill by ending all its processes and recovering.  The
# mock rotates refresh tokens at every use and revokes all of them when an old
# one is used: a token that is lost, or sent twice, ends the login.
#
# SPOTIFY_TEST_SEED chooses the moments, SPOTIFY_TEST_KILLS how many backends are
# killed (200); of workers it is a fifth of that.

use strict;
use warnings;

use IO::Select;
use JSON::PP ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

use SpotifyCrash;
use SpotifyMock;
use SpotifyTest;

my $seed = $ENV{SPOTIFY_TEST_SEED} // 20261121;
my $kills = $ENV{SPOTIFY_TEST_KILLS} // 200;
note("SPOTIFY_TEST_SEED=$seed SPOTIFY_TEST_KILLS=$kills");
srand $seed;

my $SYNC = 'SELECT status FROM spotify_sync_liked()';
my $TOKEN = 'SELECT refresh_token FROM spotify_private.credentials';
my $SLEEP = 'SELECT pg_sleep(600)';

my $mock = SpotifyMock->start('--library', 60);

# The kernel outlives these crashes: what is written need not be synced.
my $node = start_node($mock, name => 'kill', configuration => <<~CONF);
	restart_after_crash = on
	fsync = off
	CONF
create_account($node);
my $server = SpotifyCrash->of($node);

# An access token that lasts 30 seconds is too short for another run.
$mock->post('config',
	{ rotate => JSON::PP::true, reuse_revokes_family => JSON::PP::true, expires_in => 30 });

sub truth { return map { $_->{id} => $_->{added_at} } @{ $mock->get('library') }; }

# What must not be after a sync that succeeded.
sub differences
{
	my ($stored, %truth) = @_;
	my $active = $stored->{active};
	return map { "$_ is " . ($active->{$_} // 'none') . ', not ' . ($truth{$_} // 'none') }
	  grep { ($active->{$_} // 'none') ne ($truth{$_} // 'none') }
	  sort keys %{ { %truth, %$active } };
}

# One like goes and one comes, so that a sync has something to write.
sub change
{
	my ($round) = @_;
	$mock->post('like', { count => 1 });
	$mock->post('unlike', { positions => [ 5 + $round % 50 ] });
	return;
}

# What is wrong after a kill: before the next sync, in it, and after it.
sub wrongs
{
	my %truth = truth();
	my @wrong = map { "before: $_" } damage($server->stored, %truth);
	my $status = $server->attempt($SYNC);

	push @wrong, 'the sync fails: ' . $server->complaint
	  unless defined $status && $status eq 'succeeded';
	my $stored = $server->stored;
	return (@wrong, damage($stored, %truth), differences($stored, %truth));
}

# The longest of three times that something takes, as it says itself.
sub longest(&)
{
	my ($measure) = @_;
	my $longest = 0;
	for my $round (1 .. 3)
	{
		change($round);
		my $elapsed = $measure->();
		$longest = $elapsed if $elapsed > $longest;
	}
	return $longest;
}

is($server->attempt($SYNC), 'succeeded', 'the first sync');

# In the place of a ROLLBACK

for my $signal (qw(KILL TERM))
{
	my $name = "SIG$signal in the place of a ROLLBACK";
	change(0);
	my $before = $server->stored;
	$server->forget_log;
	my $output = $server->start_session('SELECT pg_backend_pid()', 'BEGIN', $SYNC, $SLEEP);
	my $backend = next_line($output);
	is(next_line($output), 'succeeded', "$name: the sync before it");
	is(kill($signal, $backend), 1, "$name: the backend is there");
	rest_of($output);
	$server->await_restart if $signal eq 'KILL';
	is_deeply($server->stored, $before, "$name: its changes are gone");
	is_deeply([ wrongs() ], [], "$name: the sync after it");
}

# The backend

my $duration = longest
{
	my $start = time;
	$server->value($SYNC);
	time - $start;
};
note(sprintf 'a sync takes %.0f ms', $duration * 1000);

my %moments;
for my $round (1 .. $kills)
{
	my $pause = rand $duration;
	my $name = sprintf 'kill %d, after %.1f ms', $round, $pause * 1000;

	change($round);
	$mock->forget_log;
	$server->forget_log;
	my $output = $server->start_session('SELECT pg_backend_pid()', $SYNC, $SLEEP);
	my $backend = next_line($output);
	sleep $pause;
	is(kill('KILL', $backend), 1, "$name: the backend is there");
	my ($rest) = rest_of($output);
	my $count = $mock->count;
	$moments{ $rest =~ /succeeded/ ? 'after the end'
		: $count->{tracks} ? 'in the scan or the write'
		: $count->{token} ? 'with a token request' : 'before a token request' }++;
	$server->await_restart;
	is_deeply([ wrongs() ], [], "$name: the login works and the tables are consistent");
}
note("$_: $moments{$_}") for sort keys %moments;
cmp_ok(scalar keys %moments, '>=', 3, 'backends: the kills come at different moments')
  if $kills >= 50;

# The worker.  What it has not written down when it is killed is gone: nobody can
# keep an answer that nobody has seen.  Then the next call has to say so.

# Starts a sync and waits for its worker, which may be over before it is seen.
sub start_worker
{
	my $output = $server->start_session($SYNC);
	my $is_ended = IO::Select->new($output);
	my $worker;
	until ($worker = $server->find_worker)
	{
		last if $is_ended->can_read(0);
	}
	return ($output, $worker);
}

my $LOST = qr/ERROR:  28000: .*HINT: .*spotify_authorize_url\(/s;

$mock->post('config', { latency_ms => 10 });
my $life = longest
{
	my ($output, $worker) = start_worker();
	my $start = time;
	sleep 0.001 while defined $worker && -e "/proc/$worker";
	my $end = time;
	rest_of($output);
	$end - $start;
};
note(sprintf 'a worker lives for %.0f ms', $life * 1000);

%moments = (kept => 0, lost => 0, missed => 0);
for my $round (1 .. $kills / 5)
{
	my $pause = rand $life;
	my $name = sprintf 'worker %d, after %.1f ms', $round, $pause * 1000;

	change($round);
	$server->forget_log;
	my ($output, $worker) = start_worker();
	sleep $pause;
	kill 'KILL', $worker if defined $worker;
	my ($rest, $is_good) = rest_of($output);
	if ($is_good)
	{
		is($rest, "succeeded\n", "$name: it had ended before");
		$moments{missed}++;
		next;
	}
	$server->await_restart;
	if ($server->is_token_kept($mock, $server->value($TOKEN)))
	{
		$moments{kept}++;
	}
	else
	{
		$moments{lost}++;
		is($server->attempt($SYNC), undef, "$name: the token is lost, which is an error");
		like($server->complaint, $LOST, "$name: which tells the way out");
		$mock->post('refresh_token', { refresh_token => "mock-refresh-token-$round" });
		$server->value("SELECT spotify_set_account(NULL, NULL, 'mock-refresh-token-$round')");
	}
	is_deeply([ wrongs() ], [], "$name: the login works and the tables are consistent");
}
note("workers: $_: $moments{$_}") for sort keys %moments;
cmp_ok($moments{kept} + $moments{lost}, '>', 0, 'workers: some are killed')
  if $kills >= 50;

is_deeply([ liked_differences($node, $mock) ], [], 'in the end the table is true');
is($server->value(q{SELECT count(*) FROM spotify.sync_runs WHERE status = 'partial'}),
	0, 'and no run was partial');

$node->stop;
done_testing();
