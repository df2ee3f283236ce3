# Nothing leaks: whatever fails, and however often, one backend keeps as many
# descriptors and as much memory as before.

use strict;
use warnings;

use IO::Socket::INET;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Socket qw(SOCK_STREAM inet_aton pack_sockaddr_in);
use Test::More;

use SpotifyMock;
use SpotifyPlays;
use SpotifyTest;

my $WARM_UP = 5;           # calls of each kind before anything is measured
my $CALLS = 57;            # calls of each kind
my $SLOW_CALLS = 20;       # of those kinds that take some time
my $GROWTH = 10 * 1024;    # kB that memory may grow by

my $directory = PostgreSQL::Test::Utils::tempdir_short();
my $mock = SpotifyMock->start('--library', 40);
my $tls_mock = SpotifyMock->start('--tls', '--cert-dir', "$directory/certificates");
# Every failure is recorded by a worker, which starts sooner with the library.
my $node = start_node($mock, configuration => q{shared_preload_libraries = '$libdir/spotify_etl'});
create_account($node);

my $session = open_session($node, 'SET spotify_etl.max_retries = 0');
my $pid = ask($session, 'SELECT pg_backend_pid()')->{output};

# Calls a sync so often in one of three ways, each time in a subtransaction;
# tells what came of it: "SQLSTATE: count".
ask($session, <<'SQL');
CREATE FUNCTION attempt(times integer, way text DEFAULT 'perform') RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	outcomes text[] := '{}';
	outcome text;
	run spotify.sync_runs;
BEGIN
	FOR i IN 1 .. times LOOP
		outcome := 'succeeded';
		BEGIN
			CASE way
				WHEN 'perform' THEN PERFORM spotify_sync_liked();
				WHEN 'assign' THEN run := spotify_sync_liked();
				WHEN 'execute' THEN EXECUTE 'SELECT * FROM spotify_sync_liked()' INTO run;
				WHEN 'plays' THEN PERFORM spotify_sync_recently_played();
			END CASE;
		EXCEPTION WHEN OTHERS THEN
			outcome := SQLSTATE;
		END;
		outcomes := outcomes || outcome;
	END LOOP;
	RETURN (SELECT string_agg(o || ': ' || n, ', ' ORDER BY o)
	          FROM (SELECT o, count(*) AS n FROM unnest(outcomes) AS o GROUP BY o) AS counts);
END $$
SQL

# How many there are, apart from the files of the cluster, which the server
# opens and closes as it likes.
sub descriptors
{
	my $data = $node->data_dir;
	return scalar grep { !m{^\Q$data\E/} }
	  map { readlink($_) // '' } glob "/proc/$pid/fd/*";
}

# Shared memory through which it has talked to workers.
sub segments { return scalar grep { m{/PostgreSQL\.} } split /\n/, slurp_file("/proc/$pid/maps"); }

sub memory
{
	my ($kilobytes) = slurp_file("/proc/$pid/status") =~ /^VmRSS:\s+(\d+) kB/m;
	return $kilobytes;
}

# Nobody listens to a socket that is only bound.
my $closed = IO::Socket::INET->new(Proto => 'tcp', Type => SOCK_STREAM);
bind $closed, pack_sockaddr_in(0, inet_aton('127.0.0.1')) or die "bind: $!";
my $nobody = 'http://127.0.0.1:' . $closed->sockport;

my $deaf = IO::Socket::INET->new(Listen => 512, LocalAddr => '127.0.0.1:0') or die "listen: $!";
my $tls_url = $tls_mock->base_url;
my %TRACKS = (path => '/me/tracks$');
my $short = "SET spotify_etl.request_timeout = '20ms'";

# Name, settings, what requests for tracks suffer, the error, and whether it is slow.
my @kinds = (
	[ 'refused', "SET spotify_etl.api_url = '$nobody'", undef, '08006' ],
	[ 'refused by a proxy', "SET spotify_etl.proxy = '$nobody'", undef, '08006' ],
	# A label this long is no name, which needs no server to be found out.
	[ 'no such name',
		"SET spotify_etl.api_url = 'https://" . 'x' x 70 . ".invalid'", undef, '08006' ],
	[ 'not trusted', "SET spotify_etl.api_url = '$tls_url'", undef, '08006', 'slow' ],
	[ 'no such authorities',
		"SET spotify_etl.api_url = '$tls_url'; SET spotify_etl.ca_file = '/missing'",
		undef, '08006', 'slow' ],
	[ 'a stalling handshake',
		"SET spotify_etl.connect_timeout = '20ms'; SET spotify_etl.api_url = 'https://127.0.0.1:"
		  . $deaf->sockport . "'", undef, '08006', 'slow' ],
	[ 'silent', $short, { silent => 'start' }, '08006', 'slow' ],
	[ 'silent in the body', $short, { silent => 'body' }, '08006', 'slow' ],
	[ 'cut', '', { close => 'body' }, '08006' ],
	[ 'reset', '', { reset => 'body' }, '08006', 'slow' ],
	[ '500', '', { status => 500 }, '08006' ],
	[ '429', '', { status => 429, retry_after => 100 }, '53400' ],
	[ '403', '', { status => 403 }, '28000' ],
	[ '401', '', { status => 401 }, '28000' ],
	[ 'cut JSON', '', { truncate => 10_000 }, '08006' ],
	[ 'bad JSON', '', { trailing => ']' }, '08P01' ],
	[ 'bad JSON after an entry', '', { set => { total => '40' } }, '08P01' ],
	[ 'too deep', '', { depth_bomb => 100_000 }, '08P01' ],
	[ 'garbage', '', { raw => 'garbage' }, '08P01' ],
	[ 'a header too large', '', { header_size => 200_000 }, '08P01' ],
	[ 'a body too large', "SET spotify_etl.max_response_size = '256kB'",
		{ body_size => 300_000, gzip => JSON::PP::false }, '08P01' ],
	[ 'a gzip bomb', "SET spotify_etl.max_response_size = '256kB'",
		{ gzip_bomb => 10_000_000 }, '08P01', 'slow' ],
);
my $RESET = 'SET statement_timeout = 0; '
  . join '; ', map { "RESET spotify_etl.$_" }
  qw(api_url proxy ca_file connect_timeout request_timeout max_response_size);

sub prepare
{
	my ($settings, $action) = @_;
	$mock->no_faults;
	$mock->fault({ match => {%TRACKS}, action => $action }) if $action;
	# A limit or a lost authorization that is remembered would end the next call.
	ask($session, 'UPDATE spotify.accounts SET retry_after = NULL, needs_authorization = false');
	ask($session, "$RESET; $settings");
	return;
}

sub attempt
{
	my ($times, $way) = @_;
	return ask($session, "SELECT attempt($times, '" . ($way // 'perform') . "')")->{output};
}

# What was measured before must still hold.
sub nothing_leaks
{
	my ($before, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($descriptors, $memory) = (descriptors(), memory());
	note "$name: memory grew by " . ($memory - $before->{memory}) . ' kB';
	is($descriptors, $before->{descriptors}, "$name: as many descriptors");
	cmp_ok($memory - $before->{memory}, '<', $GROWTH, "$name: as much memory");
	is(segments(), $before->{segments}, "$name: as much shared memory");
	return;
}

sub measure
{
	return { descriptors => descriptors(), memory => memory(), segments => segments() };
}

# 1. Successes, so that the failures have something to lose.
prepare('');
is(attempt($WARM_UP), "succeeded: $WARM_UP", 'warming up with successes');
my $before = measure();
is(ask($session, <<'SQL')->{output}, 'succeeded', '100 successes in one statement');
SELECT string_agg(DISTINCT (spotify_sync_liked()).status, ',') FROM generate_series(1, 100)
SQL
nothing_leaks($before, '100 successes in one statement');
is(attempt(100), 'succeeded: 100', '100 successes in subtransactions');
nothing_leaks($before, '100 successes in subtransactions');
for (1 .. 20) { ask($session, 'SELECT status FROM spotify_sync_liked()'); }
nothing_leaks($before, '20 successes in transactions');
is(ask($session, <<'SQL')->{text}, '', '100 calls of a procedure that commits');
DO $$ BEGIN FOR i IN 1 .. 100 LOOP CALL spotify_sync_all(); END LOOP; END $$
SQL
nothing_leaks($before, '100 calls of a procedure that commits');

# 2. Failures of every kind.
for my $kind (@kinds)
{
	my ($name, $settings, $action, $code) = @$kind;
	prepare($settings, $action);
	is(attempt($WARM_UP), "$code: $WARM_UP", "warming up: $name");
}
$before = measure();
my @ways = qw(perform assign execute);
my $failures = 0;
for my $i (0 .. $#kinds)
{
	my ($name, $settings, $action, $code, $is_slow) = @{ $kinds[$i] };
	my $way = $ways[ $i % 3 ];
	my $calls = $is_slow ? $SLOW_CALLS : $CALLS;

	prepare($settings, $action);
	is(attempt($calls, $way), "$code: $calls", "$calls calls by $way: $name");
	is(descriptors(), $before->{descriptors}, "$calls calls by $way: $name: as many descriptors");
	$failures += $calls;
}
nothing_leaks($before, "$failures failures");
prepare('', { status => 403 });
is(scalar(grep { ask($session, 'CALL spotify_sync_all()')->{code} eq '28000' } 1 .. 30),
	30, '30 failures of a procedure that commits');
nothing_leaks($before, '30 failures of a procedure that commits');

# 3. Cancelled in the middle, again and again.
prepare("SET statement_timeout = '15ms'", { silent => 'body' });
my @codes = map { ask($session, 'SELECT spotify_sync_liked()')->{code} } 1 .. 30;
is(scalar(grep { $_ eq '57014' } @codes), 30, '30 timeouts');
$failures += 30;
nothing_leaks($before, '30 timeouts');

# 4. In one transaction, while it is open.
prepare('', { close => 'body' });
ask($session, 'BEGIN');
is(attempt(50), '08006: 50', '50 failures in a transaction');
$failures += 50;
nothing_leaks($before, '50 failures in a transaction, which is still open');
ask($session, 'COMMIT');

# 5. Savepoints: what is rolled back takes its connections along, and its lock.
ask($session, 'BEGIN; SAVEPOINT outside');
for my $depth (1 .. 20)
{
	ask($session, "SAVEPOINT s$depth");
	my $answer = ask($session, 'SELECT spotify_sync_liked()');
	is($answer->{code}, '08006', "savepoint $depth: the call fails") or diag $answer->{text};
	ask($session, "ROLLBACK TO SAVEPOINT s$depth");
	is(descriptors(), $before->{descriptors}, "savepoint $depth: as many descriptors");
	$failures++;
}
cmp_ok($failures, '>=', 1000, "$failures calls have failed");
$mock->post('like', { count => 1 });
$mock->no_faults;
is(ask($session, 'SELECT status FROM spotify_sync_liked()')->{output},
	'succeeded', 'within 20 savepoints a call succeeds');
ask($session, 'ROLLBACK TO SAVEPOINT outside');
is(ask($session, 'SELECT status, inserted FROM spotify_sync_liked()')->{output},
	'succeeded|1', 'and after the rollback it has to be done again');
ask($session, 'COMMIT');
nothing_leaks($before, 'savepoints');
is_deeply([ liked_differences($node, $mock) ], [], 'the table is true');

# 6. An error that is raised again through several blocks.
prepare('', { trailing => ']' });
is(ask($session, <<'SQL')->{code}, '08P01', 'an error through nested blocks stays what it is');
DO $$
BEGIN
	BEGIN
		BEGIN
			PERFORM spotify_sync_liked();
		EXCEPTION WHEN protocol_violation THEN
			RAISE;
		END;
	EXCEPTION WHEN connection_failure THEN
		NULL;
	END;
END $$
SQL
ask($session, "BEGIN; DECLARE c CURSOR FOR SELECT spotify_sync_liked()");
is(ask($session, 'FETCH c')->{code}, '08P01', 'a call in a cursor fails');
ask($session, 'ROLLBACK');
is(descriptors(), $before->{descriptors}, 'nested blocks and cursors: as many descriptors');
is(ask($session, 'SELECT 1')->{output}, 1, 'the session goes on');

# 7. Plays: successes, refused bodies, and checks that fail.
play($mock, time - 3600 + $_, index => $_) for 1 .. 60;
for my $case (
	[ 'plays', undef, 'succeeded' ],
	[ 'plays that are refused', { remove => ['items'] }, '08P01' ],
	[ 'plays that end in the middle', { close => 'body' }, '08006' ],
	[ 'plays that fail a check', { remove => ['items.7.played_at'] }, '22000' ])
{
	my ($name, $action, $outcome) = @$case;
	prepare('');
	$mock->fault({ match => { path => '/recently-played$' }, action => $action }) if $action;
	is(attempt($WARM_UP, 'plays'), "$outcome: $WARM_UP", "warming up: $name");
	my $start = measure();
	is(attempt($CALLS, 'plays'), "$outcome: $CALLS", "$CALLS calls: $name");
	nothing_leaks($start, "$CALLS calls: $name");
}

$session->quit;
$node->stop;
done_testing();
