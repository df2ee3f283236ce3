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
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

use SpotifyMock;
use SpotifyTest;

my $seed = $ENV{SPOTIFY_TEST_SEED} // 20261121;
my $kills = $ENV{SPOTIFY_TEST_KILLS} // 200;
note("SPOTIFY_TEST_SEED=$seed SPOTIFY_TEST_KILLS=$kills");
srand $seed;

my $LONGEST_RESTART = 60;    # seconds; 0.2 is usual
my $SYNC = 'SELECT status FROM spotify_sync_liked()';
my $SLEEP = 'SELECT pg_sleep(600)';

my $json = JSON::PP->new->utf8;
my $mock = SpotifyMock->start('--library', 60);

# The kernel outlives these crashes: what is written need not be synced.
my $node = start_node($mock, name => 'kill', configuration => <<~CONF);
	restart_after_crash = on
	fsync = off
	CONF
create_account($node);

# An access token that lasts 30 seconds is too short for another run.
$mock->post('config',
	{ rotate => JSON::PP::true, reuse_revokes_family => JSON::PP::true, expires_in => 30 });

my $error_file = "${PostgreSQL::Test::Utils::tmp_check}/041_error";
my @psql = ('psql', '-XAtq', '-v', 'VERBOSITY=verbose', '-d', $node->connstr('postgres'));

# A session of its own for these statements; returns where its output comes
# from.  What it complains of goes to the error file.
sub start_session
{
	my @statements = @_;
	my $pid = open my $output, '-|';
	die "fork: $!\n" unless defined $pid;
	return $output if $pid > 0;
	open STDERR, '>', $error_file or exit 1;
	exec @psql, map { ('-c', $_) } @statements or exit 1;
}

# What one query gives, in a session of its own; undef if it fails.
sub attempt
{
	my ($sql) = @_;
	my $output = start_session($sql);
	my $answer = join '', <$output>;
	close $output or return;
	chomp $answer;
	return $answer;
}

# The same for a query that must work.
sub value
{
	my ($sql) = @_;
	return attempt($sql) // die "$sql: " . slurp_file($error_file);
}

sub next_line
{
	my ($output) = @_;
	my $line = <$output> // die 'no line: ' . slurp_file($error_file);
	chomp $line;
	return $line;
}

# All that is still to come, and whether the session ended well.
sub rest_of
{
	my ($output) = @_;
	my $rest = join '', <$output>;
	my $is_good = close $output;
	return ($rest, $is_good);
}

# Crashes show in the log.  A connection says nothing: until the server sees
# that somebody was killed, it goes on as before.
my $log_position = 0;

sub forget_server_log
{
	$log_position = -s $node->logfile;
	return;
}

sub await_restart
{
	my $end = time + $LONGEST_RESTART;
	until (slurp_file($node->logfile, $log_position) =~ /database system is ready to accept connections/)
	{
		die "the server is not up again\n" if time > $end;
		sleep 0.005;
	}
	return;
}

# What the tables hold, and what must not be in them.
my $TABLES = <<'SQL';
SELECT json_build_object(
         'active', (SELECT COALESCE(json_object_agg(track_id, to_char(added_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')), '{}')
                      FROM spotify.liked_tracks WHERE is_active),
         'inactive', (SELECT COALESCE(json_agg(track_id), '[]')
                        FROM spotify.liked_tracks WHERE NOT is_active),
         'tracks without an entry', (SELECT count(*) FROM spotify.liked_tracks AS liked
                      WHERE NOT EXISTS (SELECT FROM spotify.tracks AS track WHERE track.track_id = liked.track_id)),
         'tracks that are not as their last event says',
                    (SELECT count(*) FROM spotify.liked_tracks AS liked
                      WHERE is_active IS DISTINCT FROM
                            (SELECT event <> 'removed' FROM spotify.liked_events AS event
                              WHERE event.track_id = liked.track_id
                              ORDER BY run_id DESC LIMIT 1)),
         'runs that say something else than their events',
                    (SELECT count(*) FROM spotify.sync_runs AS run
                      WHERE inserted + reactivated + deactivated <>
                            (SELECT count(*) FROM spotify.liked_events AS event
                              WHERE event.run_id = run.run_id)),
         'runs that are partial', (SELECT count(*) FROM spotify.sync_runs WHERE status = 'partial'))
SQL

sub truth { return map { $_->{id} => $_->{added_at} } @{ $mock->get('library') }; }

# What must never be, not even before the next sync: empty if all is well.
sub damage
{
	my ($stored, %truth) = @_;
	return (
		(map { "$_ is inactive though liked" } grep { exists $truth{$_} } @{ $stored->{inactive} }),
		map { "$stored->{$_} $_" } grep { !ref $stored->{$_} && $stored->{$_} } sort keys %$stored);
}

# What must not be after a sync that succeeded.
sub differences
{
	my ($stored, %truth) = @_;
	my $active = $stored->{active};
	return map { "$_ is " . ($active->{$_} // 'none') . ', not ' . ($truth{$_} // 'none') }
	  grep { ($active->{$_} // 'none') ne ($truth{$_} // 'none') }
	  sort keys %{ { %truth, %$active } };
}

sub stored { return $json->decode(value($TABLES)); }

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
	my @wrong = map { "before: $_" } damage(stored(), %truth);
	my $status = attempt($SYNC);

	push @wrong, 'the sync fails: ' . slurp_file($error_file)
	  unless defined $status && $status eq 'succeeded';
	my $stored = stored();
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

is(attempt($SYNC), 'succeeded', 'the first sync');

# In the place of a ROLLBACK

for my $signal (qw(KILL TERM))
{
	my $name = "SIG$signal in the place of a ROLLBACK";
	change(0);
	my $before = stored();
	forget_server_log();
	my $output = start_session('SELECT pg_backend_pid()', 'BEGIN', $SYNC, $SLEEP);
	my $backend = next_line($output);
	is(next_line($output), 'succeeded', "$name: the sync before it");
	is(kill($signal, $backend), 1, "$name: the backend is there");
	rest_of($output);
	await_restart() if $signal eq 'KILL';
	is_deeply(stored(), $before, "$name: its changes are gone");
	is_deeply([ wrongs() ], [], "$name: the sync after it");
}

# The backend

my $duration = longest
{
	my $start = time;
	value($SYNC);
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
	forget_server_log();
	my $output = start_session('SELECT pg_backend_pid()', $SYNC, $SLEEP);
	my $backend = next_line($output);
	sleep $pause;
	is(kill('KILL', $backend), 1, "$name: the backend is there");
	my ($rest) = rest_of($output);
	my $count = $mock->count;
	$moments{ $rest =~ /succeeded/ ? 'after the end'
		: $count->{tracks} ? 'in the scan or the write'
		: $count->{token} ? 'with a token request' : 'before a token request' }++;
	await_restart();
	is_deeply([ wrongs() ], [], "$name: the login works and the tables are consistent");
}
note("$_: $moments{$_}") for sort keys %moments;
cmp_ok(scalar keys %moments, '>=', 3, 'backends: the kills come at different moments')
  if $kills >= 50;

# The worker.  What it has not written down when it is killed is gone: nobody can
# keep an answer that nobody has seen.  Then the next call has to say so.

my ($postmaster) = slurp_file($node->data_dir . '/postmaster.pid') =~ /^(\d+)/;

sub find_worker
{
	for my $pid (split ' ', slurp_file("/proc/$postmaster/task/$postmaster/children"))
	{
		open my $file, '<', "/proc/$pid/cmdline" or next;
		return $pid if (readline($file) // '') =~ /spotify_etl worker/;
	}
	return;
}

# Starts a sync and waits for its worker, which may be over before it is seen.
sub start_worker
{
	my $output = start_session($SYNC);
	my $is_ended = IO::Select->new($output);
	my $worker;
	until ($worker = find_worker())
	{
		last if $is_ended->can_read(0);
	}
	return ($output, $worker);
}

# Whether the stored refresh token is good, or a good one waits in a file for
# the next call.
sub is_token_kept
{
	my $token = value('SELECT refresh_token FROM spotify_private.credentials');
	return 1 if $mock->post('token_state', { refresh_token => $token })->{state} eq 'active';
	return grep { !/\.tmp$/ } glob $node->data_dir . '/pg_spotify_etl/*';
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
	forget_server_log();
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
	await_restart();
	if (is_token_kept())
	{
		$moments{kept}++;
	}
	else
	{
		$moments{lost}++;
		is(attempt($SYNC), undef, "$name: the token is lost, which is an error");
		like(slurp_file($error_file), $LOST, "$name: which tells the way out");
		$mock->post('refresh_token', { refresh_token => "mock-refresh-token-$round" });
		value("SELECT spotify_set_account(NULL, NULL, 'mock-refresh-token-$round')");
	}
	is_deeply([ wrongs() ], [], "$name: the login works and the tables are consistent");
}
note("workers: $_: $moments{$_}") for sort keys %moments;
cmp_ok($moments{kept} + $moments{lost}, '>', 0, 'workers: some are killed')
  if $kills >= 50;

is_deeply([ liked_differences($node, $mock) ], [], 'in the end the table is true');

$node->stop;
done_testing();
