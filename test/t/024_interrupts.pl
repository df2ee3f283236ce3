# Interrupts: wherever a call waits, a cancel, statement_timeout or termination
# ends it at once; nobody else is disturbed, and no signal disturbs it.

use strict;
use warnings;

use IO::Socket::INET;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

use SpotifyMock;
use SpotifyTest;

my $directory = PostgreSQL::Test::Utils::tempdir_short();
my $SLOTS = 3;        # for background workers
my $LONGEST = 1.0;    # seconds that the end of a call may take; 0.01 is usual

# A name lookup that takes its time, for the server alone.
my $shim = <<'C';
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>

typedef int Lookup(const char *, const char *, const struct addrinfo *, struct addrinfo **);

int
getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
			struct addrinfo **addresses)
{
	const char *slow = ".slow.invalid";
	size_t length = name == NULL ? 0 : strlen(name);

	if (length > strlen(slow) && strcmp(name + length - strlen(slow), slow) == 0)
	{
		sleep(8);
		return EAI_NONAME;
	}
	return ((Lookup *) dlsym(RTLD_NEXT, "getaddrinfo"))(name, service, hints, addresses);
}
C
append_to_file("$directory/shim.c", $shim);
system_or_bail($ENV{CC} || 'cc', '-shared', '-fPIC', '-o', "$directory/shim.so",
	"$directory/shim.c", '-ldl');

my $mock = SpotifyMock->start('--library', 120);
my $node = do
{
	local $ENV{LD_PRELOAD} = join ' ', grep { defined } $ENV{LD_PRELOAD}, "$directory/shim.so";
	start_node($mock, configuration => <<~CONF);
		max_worker_processes = $SLOTS
		max_logical_replication_workers = 0
		CONF
};
create_account($node);

# Interrupts a backend; gives the milliseconds until it has nothing to do.
$node->safe_psql('postgres', <<'SQL');
CREATE FUNCTION interrupt(victim integer, is_termination boolean) RETURNS double precision
LANGUAGE plpgsql AS $$
DECLARE
	start timestamptz := clock_timestamp();
BEGIN
	IF is_termination THEN
		PERFORM pg_terminate_backend(victim);
	ELSE
		PERFORM pg_cancel_backend(victim);
	END IF;
	LOOP
		PERFORM pg_stat_clear_snapshot();
		EXIT WHEN NOT EXISTS (SELECT FROM pg_stat_activity
		                       WHERE pid = victim AND state = 'active')
		       OR clock_timestamp() > start + interval '15 s';
		PERFORM pg_sleep(0.001);
	END LOOP;
	RETURN extract(epoch FROM clock_timestamp() - start) * 1000;
END $$;
SQL

my $WORKERS = "backend_type = 'spotify_etl worker'";
my $watcher = open_session($node);

# What a query of the watcher gives.
sub watch { return ask($watcher, $_[0])->{output}; }

sub pid_of { return ask($_[0], 'SELECT pg_backend_pid()')->{output}; }

sub state_of { return watch("SELECT state FROM pg_stat_activity WHERE pid = $_[0]"); }

# Cancels what a backend does; gives the milliseconds that it took.
sub cancel { return watch("SELECT interrupt($_[0], false)"); }

# The same for the backend itself.
sub terminate { return watch("SELECT interrupt($_[0], true)"); }

# Starts a statement and returns while it runs.
sub send_statement
{
	my ($session, $sql) = @_;
	$session->{stderr} = '';
	$session->query_until(qr/sent\n/, "\\echo sent\n$sql;\n");
	return;
}

# Returns once a backend waits for the network, and goes on doing so; where a
# worker asks for a token, once that does.
sub await_waiting
{
	my ($pid, $is_token) = @_;
	my $who = $is_token ? $WORKERS : "pid = $pid AND state = 'active'";
	my $times = 0;

	for (1 .. 500)
	{
		my $type = watch("SELECT wait_event_type FROM pg_stat_activity WHERE $who");
		$times = $type eq 'Extension' ? $times + 1 : 0;
		return 1 if $times == 3;
		sleep 0.01;
	}
	return 0;
}

# A worker that asks for a token goes on when its caller is gone, so that no
# token is lost.  Once told to end it does not ask again.  Returns when there is
# none.
sub await_no_worker
{
	watch("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE $WORKERS");
	for (1 .. 2000)
	{
		return 1 if watch("SELECT count(*) FROM pg_stat_activity WHERE $WORKERS") eq '0';
		sleep 0.01;
	}
	return 0;
}

# Whether a process is running.  One that nobody has waited for yet is not.
sub is_running
{
	my ($pid) = @_;
	open my $file, '<', "/proc/$pid/stat" or return 0;
	my $line = <$file> // return 0;
	return $line !~ /^\d+ \(.*\) Z/;
}

sub is_gone
{
	my ($pid, $seconds) = @_;
	my $end = time + $seconds;
	while (is_running($pid))
	{
		return 0 if time > $end;
		sleep 0.005;
	}
	return 1;
}

# A connection that nobody accepts, and an address that drops everything.
my $deaf = IO::Socket::INET->new(Listen => 64, LocalAddr => '127.0.0.1:0') or die "listen: $!";
my $full = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1:0') or die "listen: $!";
my @fillers = map
{
	IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $full->sockport, Blocking => 0)
} 1 .. 4;

my $SYNC = "SELECT spotify_sync_liked('default', full_scan => true)";
my $REFRESH = "SELECT spotify_refresh_token('default')";
my %TRACKS = (path => '/me/tracks$');
my %TOKEN = (path => '/api/token$');

# SQL that sets settings of the extension.
sub set
{
	my (%settings) = @_;
	return join '; ', map { "SET spotify_etl.$_ = '$settings{$_}'" } sort keys %settings;
}

# A rule of the mock: what requests like these suffer.
sub strike
{
	my ($match, %action) = @_;
	return { match => $match, action => \%action };
}

my $late = strike(\%TOKEN, delay => 1);
my $deaf_port = $deaf->sockport;
my $full_port = $full->sockport;

# Where a call can wait: name, settings, fault, statement, how many requests the
# mock has seen by then, and what is special.
my @phases = (
	[ 'connecting', set(api_url => "http://127.0.0.1:$full_port"), undef, $SYNC, 0 ],
	[ 'connected to the deaf', set(api_url => "http://127.0.0.1:$deaf_port"), undef, $SYNC, 0 ],
	[ 'in a TLS handshake', set(api_url => "https://127.0.0.1:$deaf_port"), undef, $SYNC, 0 ],
	[ 'waiting for an answer', '', strike(\%TRACKS, silent => 'start'), $SYNC, 1 ],
	[ 'in the head of an answer', '', strike(\%TRACKS, silent => 'status_line'), $SYNC, 1 ],
	[ 'in a trickling body', '', strike(\%TRACKS, trickle => { bytes => 1, ms => 5 }), $SYNC, 1 ],
	[ 'in the middle of a scan', '',
		strike({ %TRACKS, offset => [ 50, 100 ] }, silent => 'body'), $SYNC, 3 ],
	[ 'in a pause after 503', set(max_retry_wait => '10s'),
		strike(\%TRACKS, status => 503, retry_after => 9), $SYNC, 1 ],
	[ 'in a pause after 429', set(max_retry_wait => '10s'),
		strike(\%TRACKS, status => 429, retry_after => 9), $SYNC, 1 ],
	[ 'waiting for a token', '', $late, $REFRESH, 1, 'token' ],
	[ 'in the body of a token', '', strike(\%TOKEN, delay => { seconds => 1, at => 'body' }),
		$REFRESH, 1, 'token, cancel only' ],
	[ 'waiting for a token in a sync', '', $late, $SYNC, 2, 'token, cancel only' ],
	[ 'looking up a name', set(api_url => 'https://api.slow.invalid/v1'),
		undef, $SYNC, 0, 'lookup' ],
	[ 'looking up a name, for a token', set(accounts_url => 'https://accounts.slow.invalid'),
		undef, $REFRESH, 0, 'token, lookup, cancel only' ],
);

my ($major, $minor) = qx(curl-config --version) =~ /(\d+)\.(\d+)/;
my $can_leave_lookup = defined $major && $major * 1000 + $minor >= 7087;
is(sync_liked($node)->{status}, 'succeeded', 'the first sync');

my $session = open_session($node);
my $pid = pid_of($session);
my $slowest = 0;

sub prepare
{
	my ($settings, $fault) = @_;
	await_no_worker();
	$mock->no_faults;
	$mock->post('expire', { access_tokens => 'all' })
	  if $fault && $fault->{match}{path} eq $TOKEN{path};
	$mock->forget_log;
	$mock->fault($fault) if $fault;
	return join '; ', 'SET statement_timeout = 0',
	  (map { "RESET spotify_etl.$_" }
		  qw(api_url accounts_url max_retry_wait request_timeout max_retries)), $settings;
}

# The time in milliseconds that an interrupt took, checked.
sub check_time
{
	my ($milliseconds, $name) = @_;
	$slowest = $milliseconds if $milliseconds > $slowest;
	note sprintf '%s: %.1f ms', $name, $milliseconds;
	return cmp_ok($milliseconds, '<', $LONGEST * 1000, "$name: it ends at once");
}

for my $phase (@phases)
{
	my ($where, $settings, $fault, $sql, $requests, $special) = @$phase;
	$special //= '';
	my $is_token = $special =~ /token/;

  SKIP:
	{
		skip "$where: libcurl before 7.87 waits for the lookup", 1
		  if $special =~ /lookup/ && !$can_leave_lookup;

		# A cancel.
		ask($session, prepare($settings, $fault));
		my $before = library_state($session);
		send_statement($session, $sql);
		ok(await_waiting($pid, $is_token), "cancel $where: it waits");
		cmp_ok($mock->count->{total}, '>=', $requests, "cancel $where: after so many requests");
		check_time(cancel($pid), "cancel $where");
		$session->{stderr} = '';
		my $answer = $session->query('SELECT 17');
		like($session->{stderr}, qr/ERROR:  57014: canceling statement due to user request/,
			"cancel $where: the error");
		is($answer, 17, "cancel $where: the session goes on");
		is(library_state($session), $before, "cancel $where: nothing is written");

		next if $special =~ /cancel only/;

		# statement_timeout, which the backend does to itself.
		ask($session, prepare($settings, $fault));
		my $start = time;
		ask($session, "SET statement_timeout = '150ms'");
		$answer = ask($session, $sql);
		my $elapsed = time - $start;
		ask($session, 'RESET statement_timeout');
		is($answer->{code}, '57014', "timeout $where: the error is 57014")
		  or diag($answer->{text}, $answer->{output});
		like($answer->{message}, qr/statement timeout/, "timeout $where: the message");
		cmp_ok($elapsed, '>=', 0.15, "timeout $where: it had its time");
		check_time(($elapsed - 0.15) * 1000, "timeout $where");
		is(library_state($session), $before, "timeout $where: nothing is written");

		# The end of the backend.
		my $victim = open_session($node, prepare($settings, $fault));
		my $victim_pid = pid_of($victim);
		send_statement($victim, $sql);
		ok(await_waiting($victim_pid, $is_token), "termination $where: it waits");
		check_time(terminate($victim_pid), "termination $where");
		ok(is_gone($victim_pid, $LONGEST), "termination $where: the process is gone");
		eval { $victim->{run}->finish };
		like($victim->{stderr}, qr/FATAL:  57P01: terminating connection/,
			"termination $where: the error");
		is(ask($session, 'SELECT 18')->{output}, 18, "termination $where: other sessions go on");
	}
}
note sprintf 'the slowest: %.1f ms', $slowest;
ask($session, prepare(''));
change_library($mock);
heals($session, $node, $mock, 'after all that');

# A signal that is no interrupt does not disturb a call, and a call does not
# hold up the others.
ask($session, prepare('', strike(\%TRACKS, trickle => { bytes => 700, ms => 50 })));
change_library($mock);
send_statement($session, "SELECT status, retries FROM spotify_sync_liked('default')");
ok(await_waiting($pid), 'a storm of signals: the call waits');
my $signals = 0;
for (1 .. 300)
{
	$signals += kill 'HUP', $pid;
	$signals += kill 'USR1', $pid;
	$node->reload if $_ % 100 == 0;
	sleep 0.001;
}
is($signals, 600, 'a storm of signals: they are sent');
is(state_of($pid), 'active', 'a storm of signals: the call goes on');
$mock->no_faults;
like($session->query(''), qr/^succeeded\|0$/,
	'a storm of signals: and succeeds at the first attempt');
is_deeply([ liked_differences($node, $mock) ], [], 'a storm of signals: the table is true');

# Another database can be dropped, for which every backend must take part.
$node->safe_psql('postgres', 'CREATE DATABASE unwanted');
ask($session, prepare('', strike(\%TRACKS, silent => 'start')));
send_statement($session, $SYNC);
ok(await_waiting($pid), 'DROP DATABASE: a call waits');
my $start = time;
is(ask($watcher, 'DROP DATABASE unwanted')->{text}, '', 'DROP DATABASE: another database goes');
cmp_ok(time - $start, '<', 2, 'DROP DATABASE: and is not held up');
is(state_of($pid),
	'active', 'DROP DATABASE: meanwhile the call goes on');

# The same while a worker waits for a token.
cancel($pid);
$session->query('');
$node->safe_psql('postgres', 'CREATE DATABASE unwanted');
ask($session, prepare('', strike(\%TOKEN, delay => 3)));
send_statement($session, $REFRESH);
ok(await_waiting($pid, 'token'), 'DROP DATABASE: a worker waits for a token');
$start = time;
is(ask($watcher, 'DROP DATABASE unwanted')->{text}, '', 'DROP DATABASE: another database goes');
cmp_ok(time - $start, '<', 1.5, 'DROP DATABASE: and is not held up by the worker');
cancel($pid);
$session->query('');

ask($session, prepare('', strike(\%TRACKS, silent => 'start')));
send_statement($session, $SYNC);
ok(await_waiting($pid), 'locks: a call waits');

# Nor are tables locked against others.
is( ask($watcher, <<~SQL)->{text}, '', 'a waiting call has locked no table for writing');
	BEGIN;
	SET LOCAL lock_timeout = '500ms';
	LOCK TABLE spotify.liked_tracks, spotify.tracks, spotify.albums, spotify.artists,
		spotify.accounts, spotify.sync_runs IN SHARE MODE;
	COMMIT;
	SQL
cancel($pid);
$session->query('');

# A cancel of one call leaves another one alone.
$mock->no_faults;
$mock->post('user', { id => 'other', size => 90 });
$mock->post('refresh_token', { refresh_token => 'mock-refresh-other', user => 'other' });
my $bystander = open_session($node, <<~SQL);
	SELECT spotify_set_account('mock-client', 'mock-secret', 'mock-refresh-other',
	                           account => 'other');
	SQL
$mock->fault(
	strike({ %TRACKS, user => 'other' }, trickle => { bytes => 700, ms => 20 }),
	strike({ %TRACKS, user => 'mock-user' }, silent => 'body'));
send_statement($bystander, "SELECT status, inserted FROM spotify_sync_liked('other')");
send_statement($session, $SYNC);
ok(await_waiting($pid), 'two calls: the first waits');
check_time(cancel($pid), 'two calls: a cancel of one');
$session->query('');
like($bystander->query(''), qr/^succeeded\|90$/, 'two calls: the other one succeeds');
$mock->no_faults;

# A token request that hangs on after its caller was cancelled does not keep the
# account from its work.
ask($session, prepare('', strike(\%TOKEN, delay => 3)));
send_statement($session, $REFRESH);
ok(await_waiting($pid, 'token'), 'after a cancelled token request: it waits');
check_time(cancel($pid), 'after a cancelled token request');
$session->query('');
$mock->no_faults;
is(ask($session, "SELECT status FROM spotify_sync_liked('default')")->{output},
	'succeeded', 'after a cancelled token request: a sync, for which a token is there');

# What stands in the way of the record of a failed run does not hold up the
# cancel: somebody who has locked the run log, or no slot for a worker.
my $bounded = set(request_timeout => '6s', max_retries => 0);
my $second = open_session($node, prepare($bounded, strike(\%TRACKS, silent => 'start')));
my $second_pid = pid_of($second);
send_statement($second, $SYNC);
ok(await_waiting($second_pid), 'a locked run log: the call waits');
my $locker = open_session($node);
ask($locker, 'BEGIN; LOCK TABLE spotify.sync_runs IN EXCLUSIVE MODE');
check_time(cancel($second_pid), 'a locked run log: a cancel');
$second->{stderr} = '';
$second->query('');
like($second->{stderr}, qr/ERROR:  57014/, 'a locked run log: the error');
unlike($second->{stderr}, qr/\(null\)/, 'a locked run log: the warning has a text');
ask($locker, 'ROLLBACK');

send_statement($second, 'SELECT pg_sleep(3)');
check_time(cancel($second_pid),
	'a locked run log: the session can be cancelled afterwards');
$second->query('');
$second->quit;

# Not only the record of a cancel can be cancelled.
my $fresh = open_session($node, prepare($bounded, strike(\%TRACKS, status => 500)));
my $fresh_pid = pid_of($fresh);
ask($locker, 'BEGIN; LOCK TABLE spotify.sync_runs IN EXCLUSIVE MODE');
send_statement($fresh, $SYNC);
for (1 .. 200)
{
	last if watch(<<~SQL);
		SELECT 'it waits' FROM pg_locks
		 WHERE NOT granted AND relation = 'spotify.sync_runs'::regclass
		SQL
	sleep 0.01;
}
check_time(cancel($fresh_pid),
	'a locked run log: a cancel while a failure is recorded');
$fresh->query('');
$_->quit for $fresh, $locker;

my $third = open_session($node, prepare($bounded, strike(\%TRACKS, silent => 'start')));
my $third_pid = pid_of($third);
send_statement($third, $SYNC);
ok(await_waiting($third_pid), 'no free slot: the call waits');
$mock->fault(strike(\%TOKEN, delay => 3));
my @hogs;
for my $number (1 .. $SLOTS)
{
	my $hog = open_session($node, <<~SQL);
		SELECT spotify_set_account('mock-client', 'mock-secret', 'mock-refresh-token',
		                           account => 'hog $number');
		SQL
	send_statement($hog, "SELECT spotify_refresh_token('hog $number')");
	push @hogs, $hog;
}
for (1 .. 200)
{
	last if $mock->count->{token} == $SLOTS;
	sleep 0.01;
}
is($mock->count->{token}, $SLOTS, 'no free slot: every slot is taken');
check_time(cancel($third_pid), 'no free slot: a cancel');
$third->{stderr} = '';
$third->query('');
like($third->{stderr}, qr/ERROR:  57014/, 'no free slot: the error');
$_->quit for $third, @hogs;
$mock->no_faults;

# A client that goes away, where the server looks for that.
SKIP:
{
	skip 'client_connection_check_interval is of PostgreSQL 14', 3
	  unless watch("SELECT current_setting('server_version_num')::int >= 140000") eq 't';
	my $leaving = open_session($node,
		prepare("SET client_connection_check_interval = '50ms'",
			strike(\%TRACKS, silent => 'start')));
	my $leaving_pid = pid_of($leaving);
	send_statement($leaving, $SYNC);
	ok(await_waiting($leaving_pid), 'a client goes away: its call waits');
	$leaving->{run}->kill_kill;
	ok(is_gone($leaving_pid, 2), 'a client goes away: its backend ends');
	is(ask($session, 'SELECT 19')->{output}, 19, 'a client goes away: other sessions go on');
}

unlike(slurp_file($node->logfile), qr/PANIC|terminated by signal|TRAP|stack smashing|corrupt/,
	'no process crashed');

# The end of the server is the end of the call.
for my $end ('immediate', 'the death of the postmaster')
{
	my $last = open_session($node, prepare('', strike(\%TRACKS, silent => 'start')));
	my $last_pid = pid_of($last);
	$watcher = open_session($node);
	send_statement($last, $SYNC);
	ok(await_waiting($last_pid), "$end: a call waits");
	$start = time;
	if ($end =~ /death/) { $node->kill9; }
	else { $node->stop($end); }
	ok(is_gone($last_pid, 2), "$end: the backend ends");
	note sprintf '%s: %.0f ms', $end, (time - $start) * 1000;
	eval { $_->{run}->finish } for $last, $watcher;
	$node->start unless $end =~ /death/;
}
eval { $_->{run}->finish } for $session, $bystander;
done_testing();
