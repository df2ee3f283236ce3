# Writes that survive the caller: new tokens, limits, needs_authorization and
# failed runs, whatever becomes of the transaction and of the processes.
#
# The mock rotates refresh tokens at every use and revokes all of them when an
# old one is used: a token that is lost, or sent twice, ends the login.

use strict;
use warnings;

use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

use SpotifyMock;
use SpotifyTest;

my $SESSIONS = 20;
my $LONGEST = 10;    # seconds until a call that meets a lock must have ended
my %TOKEN = (path => '/api/token$');
my $SYNC = 'SELECT status FROM spotify_sync_liked()';
my $REFRESH = 'SELECT spotify_refresh_token() > now()';

my $mock = SpotifyMock->start('--library', 60);
my $node = start_node($mock, name => 'durable');
my $watcher = open_session($node);

# Runs SQL that must work, apart from what is tested; returns what it gives.
sub value
{
	my ($sql) = @_;
	my $answer = ask($watcher, $sql);
	die "$sql: $answer->{text}\n" if defined $answer->{code};
	return $answer->{output};
}

# A mock that forgives nothing and one account as on the first day, whose access
# token is still to be asked for.
sub renew
{
	$mock->post('reset');
	$mock->post('config',
		{ rotate => JSON::PP::true, reuse_revokes_family => JSON::PP::true });
	$mock->post('library', { size => 60 });
	value('SELECT spotify_forget_account(account) FROM spotify.accounts');
	value(q{SELECT spotify_set_account('mock-client', 'mock-secret', 'mock-refresh-token')});
	$mock->forget_log;
	return;
}

# So that the next call needs another access token.
sub forget_access_token
{
	value('UPDATE spotify_private.credentials SET access_token = NULL');
	return;
}

sub requests
{
	my ($name, %expected) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $count = $mock->count;
	is_deeply({ map { $_ => $count->{$_} } keys %expected }, \%expected, "$name: requests");
	$mock->forget_log;
	return;
}

# The mock's word on the stored refresh token.
sub token_state
{
	my $token = value(q{SELECT refresh_token FROM spotify_private.credentials WHERE account = 'default'});
	return $mock->post('token_state', { refresh_token => $token });
}

# That the login is alive: the stored token is good, a refresh works, and a sync.
sub lives
{
	my ($name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$mock->no_faults;
	my $session = open_session($node);
	is(ask($session, $REFRESH)->{output}, 't', "$name: the login lives");
	my $answer = ask($session, $SYNC);
	is($answer->{output}, 'succeeded', "$name: a sync succeeds") or diag($answer->{text});
	is(token_state()->{state}, 'active', "$name: the stored refresh token is good");
	is_deeply([ liked_differences($session, $mock) ], [], "$name: the table is true");
	$session->quit;
	return;
}

# An error of this SQLSTATE, with a hint if one is given, within a bounded time
# and without a request.
sub fails_unasked
{
	my ($session, $sql, $code, $hint, $name, $longest) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$mock->forget_log;
	my $start = time;
	my $error = ask($session, $sql);
	my $elapsed = time - $start;
	note sprintf '%s: %.1f s', $name, $elapsed;
	is($error->{code}, $code, "$name: the error is $code")
	  or diag($error->{text}, $error->{output});
	like($error->{hint}, $hint, "$name: the hint") if defined $hint;
	cmp_ok($elapsed, '<', $longest // $LONGEST, "$name: it does not take long");
	requests($name, total => 0);
	return $error;
}

sub send_statement
{
	my ($session, $sql) = @_;
	$session->{stderr} = '';
	$session->query_until(qr/sent\n/, "\\echo sent\n$sql;\n");
	return;
}

# What a statement sent so gave in the end.
sub answer_of
{
	my ($session) = @_;
	my $output = $session->query('');
	my %answer = (output => $output, text => $session->{stderr});
	$answer{code} = $1 if $answer{text} =~ /(?:ERROR|FATAL):\s+(\w{5}):/;
	return \%answer;
}

sub becomes_true
{
	my ($sql, $seconds) = @_;
	my $end = time + ($seconds // 15);
	until (value($sql) eq 't')
	{
		return 0 if time > $end;
		sleep 0.01;
	}
	return 1;
}

my $WORKER = "FROM pg_stat_activity WHERE backend_type = 'spotify_etl worker'";

# Once the token request is under way: the mock holds its answer back.
sub await_token_request
{
	return becomes_true("SELECT EXISTS (SELECT $WORKER AND wait_event_type = 'Extension')")
	  && do { sleep 0.1; value("SELECT count(*) $WORKER") eq '1' };
}

sub await_no_worker { return becomes_true("SELECT NOT EXISTS (SELECT $WORKER)"); }

# Rolled back

renew();
my $session = open_session($node);
ask($session, 'BEGIN');
is(ask($session, $SYNC)->{output}, 'succeeded', 'ROLLBACK: the sync before it');
ask($session, 'ROLLBACK');
is(value('SELECT count(*) FROM spotify.liked_tracks'), 0, 'ROLLBACK: its tracks are gone');
is(ask($session, $SYNC)->{output}, 'succeeded', 'ROLLBACK: the sync after it');
requests('ROLLBACK', token => 1);
lives('ROLLBACK');

my $DIVIDE = 'SELECT 1 / (SELECT count(*) * 0 FROM (SELECT status FROM spotify_sync_liked() OFFSET 0) AS run)';
for my $case (
	[ 'an error in the same statement', $DIVIDE, '22012' ],
	[ 'an error in the same transaction', "BEGIN; $SYNC; SELECT 1 / 0; COMMIT", '22012' ],
	[ 'a refresh and an error in the same statement', 'SELECT 1 / (spotify_refresh_token() IS NULL)::integer', '22012' ],
	[ 'a refresh in a rolled-back subtransaction',
		"BEGIN; SAVEPOINT s; $REFRESH; ROLLBACK TO s; $REFRESH; ROLLBACK TO s; COMMIT" ],
	[ 'a sync in a rolled-back subtransaction',
		"BEGIN; SAVEPOINT s; $SYNC; ROLLBACK TO s; $SYNC; COMMIT" ],
	[ 'nested subtransactions',
		"BEGIN; SAVEPOINT a; SAVEPOINT b; $REFRESH; RELEASE b; SAVEPOINT c; $SYNC; ROLLBACK TO a; $SYNC; ROLLBACK" ],
	[ 'a PL/pgSQL EXCEPTION block', <<~SQL ],
		DO \$\$
		BEGIN
			BEGIN
				PERFORM spotify_refresh_token();
				PERFORM spotify_sync_liked();
				PERFORM 1 / 0;
			EXCEPTION WHEN division_by_zero THEN
				NULL;
			END;
			PERFORM spotify_sync_liked();
		END \$\$
		SQL
	[ 'nested PL/pgSQL EXCEPTION blocks', <<~SQL, '22012' ],
		DO \$\$
		BEGIN
			BEGIN
				PERFORM spotify_refresh_token();
				BEGIN
					PERFORM spotify_refresh_token();
					PERFORM 1 / 0;
				EXCEPTION WHEN division_by_zero THEN
					PERFORM spotify_refresh_token();
					RAISE;
				END;
			EXCEPTION WHEN division_by_zero THEN
				PERFORM spotify_sync_liked();
				PERFORM 1 / 0;
			END;
		END \$\$
		SQL
  )
{
	my ($name, $sql, $code) = @$case;
	renew();
	my $answer = ask($session, $sql);
	ask($session, 'ROLLBACK');
	is($answer->{code}, $code, "$name: the error, if any") or diag($answer->{text});
	cmp_ok($mock->count->{token}, '>=', 1, "$name: a token was asked for");
	lives($name);
}

# The caller, or the worker, ends while the token request is under way

for my $case (
	[ 'cancel of the caller', 'pg_cancel_backend', 'caller' ],
	[ 'termination of the caller', 'pg_terminate_backend', 'caller' ],
	[ 'termination of the worker', 'pg_terminate_backend', 'worker' ],
	[ 'termination of both', 'pg_terminate_backend', 'both' ])
{
	my ($what, $function, $who) = @$case;
	for my $sql ($SYNC, $REFRESH)
	{
		my $name = "$what in " . ($sql eq $SYNC ? 'a sync' : 'a refresh');
		renew();
		$mock->fault({ match => {%TOKEN}, action => { delay => 1 } });
		my $victim = open_session($node);
		my $pid = ask($victim, 'SELECT pg_backend_pid()')->{output};
		send_statement($victim, $sql);
		ok(await_token_request(), "$name: the token request is under way");
		value("SELECT $function($pid)") if $who ne 'worker';
		value("SELECT $function(pid) $WORKER") if $who ne 'caller';
		if ($who eq 'caller' && $function eq 'pg_cancel_backend')
		{
			is(answer_of($victim)->{code}, '57014', "$name: it is cancelled");
			$victim->quit;
		}
		elsif ($who eq 'worker')
		{
			my $answer = answer_of($victim);
			is($answer->{code}, '57P01', "$name: the error") or diag($answer->{text}, $answer->{output});
			like($answer->{text}, qr/HINT:.*again/, "$name: the hint");
			is(() = $answer->{text} =~ /(?:ERROR|FATAL|PANIC):/g, 1, "$name: it is one error");
			is(ask($victim, 'SELECT 1')->{output}, 1, "$name: the session goes on");
			is( value(<<~SQL), 'failed|57P01', "$name: the failed run is recorded") if $sql eq $SYNC;
				SELECT status, error_code FROM spotify.sync_runs ORDER BY run_id DESC LIMIT 1
				SQL
			$victim->quit;
		}
		else
		{
			eval { $victim->{run}->finish };
		}
		ok(await_no_worker(), "$name: the worker ends");
		requests("$name", token => 1) if $who eq 'caller';
		lives($name);
	}
}

# Many at once

renew();
value($SYNC);
forget_access_token();
$mock->post('config', { latency_ms => 20 });
$mock->forget_log;
my @sessions = map { open_session($node) } 1 .. $SESSIONS;

# A run locks the others out until it is over: each tries until it has its turn.
send_statement($_, <<~SQL) for @sessions;
	DO \$\$
	DECLARE
		ends_at timestamptz := clock_timestamp() + interval '60 s';
	BEGIN
		LOOP
			BEGIN
				PERFORM spotify_sync_liked();
				EXIT;
			EXCEPTION WHEN lock_not_available THEN
				IF clock_timestamp() > ends_at THEN
					RAISE;
				END IF;
				PERFORM pg_sleep(0.002);
			END;
		END LOOP;
	END \$\$
	SQL
is_deeply([ grep { $_ ne '' } map { answer_of($_)->{text} } @sessions ],
	[], "$SESSIONS sessions that need a token: all succeed");
requests("$SESSIONS sessions that need a token", token => 1);
lives("$SESSIONS sessions that need a token");

# All wait for one answer, whatever snapshot they have.
my $WAITING = q{FROM pg_locks WHERE locktype = 'advisory' AND NOT granted};
for my $level ('READ COMMITTED', 'REPEATABLE READ')
{
	my $name = "$SESSIONS refreshes at once, $level";
	renew();
	$mock->fault({ match => { %TOKEN, times => 1 }, action => { delay => 3 } });
	ask($_, "BEGIN ISOLATION LEVEL $level; SELECT count(*) FROM spotify.accounts") for @sessions;
	send_statement($_, $REFRESH) for @sessions;
	ok(becomes_true('SELECT count(*) = ' . ($SESSIONS - 1) . " $WAITING"), "$name: all but one wait");
	is_deeply(
		[ map { my $answer = answer_of($_); "$answer->{output}$answer->{text}" } @sessions ],
		[ ('t') x $SESSIONS ],
		"$name: all succeed");
	requests($name, token => 1);
	ask($_, 'COMMIT') for @sessions;
	lives($name);
}
$_->quit for @sessions;

# Who asks for a new one alone gets a new one, also from a clock that was ahead.
renew();
is(value($REFRESH), 't', "refresh $_ of one after the other") for 1 .. 3;
value(q{UPDATE spotify_private.credentials SET access_token_obtained_at = now() + interval '1 hour'});
is(value($REFRESH), 't', 'refresh after a clock that was ahead');
requests('refreshes one after the other', token => 4);

# An old snapshot

for my $level ('REPEATABLE READ', 'SERIALIZABLE')
{
	renew();
	ask($session, "BEGIN ISOLATION LEVEL $level");
	ask($session, 'SELECT count(*) FROM spotify.accounts');
	value($REFRESH) for 1 .. 2;
	forget_access_token();
	$mock->forget_log;
	is(ask($session, "SAVEPOINT s; $SYNC")->{code}, '25000', "$level: a sync with an old snapshot");
	ask($session, 'ROLLBACK TO s');
	is(ask($session, $REFRESH)->{output}, 't', "$level: a refresh with an old snapshot");
	ask($session, 'COMMIT');
	is_deeply([ grep { $_->{path} eq '/api/token' && $_->{status} != 200 } @{ $mock->log } ],
		[], "$level: no old token is sent");
	requests($level, token => 1);
	lives($level);
}

# Locks of the caller, or of another session

for my $lock (
	'SELECT FROM spotify.accounts FOR UPDATE',
	'SELECT FROM spotify_private.credentials FOR UPDATE',
	'UPDATE spotify.accounts SET display_name = display_name',
	'UPDATE spotify_private.credentials SET refresh_token = refresh_token',
	'LOCK TABLE spotify_private.credentials')
{
	for my $who ('the caller', 'another session')
	{
		renew();
		my $holder = $who eq 'the caller' ? $session : open_session($node);
		ask($holder, 'BEGIN');
		is(ask($holder, $lock)->{code}, undef, "$lock of $who");
		fails_unasked($session, $who eq 'the caller' ? $SYNC : $REFRESH, '55P03', qr/[Cc]ommit or roll back/,
			"$lock of $who");
		ask($session, 'ROLLBACK') if $who eq 'the caller';
		$holder->quit if $holder != $session;
		lives("$lock of $who") if $lock =~ /FOR UPDATE/;
	}
}

# An account that nobody else can see yet

renew();
value('SELECT spotify_forget_account(account) FROM spotify.accounts');
for my $sql ($SYNC, $REFRESH)
{
	ask($session, 'BEGIN');
	ask($session, q{SELECT spotify_set_account('mock-client', 'mock-secret', 'mock-refresh-token')});
	fails_unasked($session, $sql, '55000', qr/[Cc]ommit/, "an account of the same transaction, $sql");
	ask($session, 'ROLLBACK');
}
value(q{SELECT spotify_set_account('mock-client', 'mock-secret', 'mock-refresh-token')});
lives('an account that is committed');

# What the spool may still hold of an account goes with it, and not before

my $spool_file = value(
	q{SELECT format('%s/pg_spotify_etl/%s_%s', current_setting('data_directory'), oid,
	                mod(hashtextextended('default', 0) + 2 ^ 64::numeric, 2 ^ 64::numeric)::numeric(20))
	    FROM pg_database
	   WHERE datname = current_database()});
my $FORGET = q{SELECT spotify_forget_account('default')};

for my $case (
	[ 1, 'BEGIN', $FORGET, 'ROLLBACK' ],
	[ 1, 'BEGIN', 'SAVEPOINT s', $FORGET, 'ROLLBACK TO s', 'COMMIT' ],
	[ 0, 'BEGIN', 'SAVEPOINT s', $FORGET, 'RELEASE s', 'COMMIT' ],
	[ 0, 'BEGIN', $FORGET, 'SAVEPOINT s', 'SELECT 1', 'ROLLBACK TO s', 'COMMIT' ],
	[ 0, $FORGET ])
{
	my ($is_left, @statements) = @$case;
	my $name = join('; ', @statements);

	renew();
	lives($name);
	append_to_file($spool_file, "a hash\na refresh token\nan access token\n0\n");
	for my $sql (@statements)
	{
		ok(-e $spool_file, "$name: the spool is there before $sql");
		is(ask($session, $sql)->{code}, undef, "$name: $sql");
	}
	is(-e $spool_file ? 1 : 0, $is_left, "$name: the spool afterwards");
	lives($name) if $is_left;
}

# Read-only by default

renew();
$node->safe_psql('postgres', 'ALTER DATABASE postgres SET default_transaction_read_only = on');
my $reader = open_session($node);
fails_unasked($reader, $SYNC, '25006', undef, 'a sync in a read-only transaction');
fails_unasked($reader, $REFRESH, '25006', undef, 'a refresh in a read-only transaction');
ask($reader, 'BEGIN READ WRITE');
is(ask($reader, $SYNC)->{output}, 'succeeded',
	'default_transaction_read_only: a sync in a transaction that writes');
ask($reader, 'ROLLBACK');
requests('default_transaction_read_only', token => 1);
$reader->quit;
$node->safe_psql('postgres',
	'SET default_transaction_read_only = off; ALTER DATABASE postgres RESET default_transaction_read_only');
lives('default_transaction_read_only');

# A failed run is recorded

renew();
value($SYNC);
$mock->fault({ match => { path => '/me/tracks$' }, action => { status => 400 } });
my $before = value('SELECT count(*) FROM spotify.sync_runs');
ask($session, 'BEGIN');
my $error = ask($session, 'SELECT spotify_sync_liked()');
ok(defined $error->{code}, 'a failed run');
ask($session, 'ROLLBACK');
is(value('SELECT count(*) FROM spotify.sync_runs'), $before + 1, 'a failed run is recorded after ROLLBACK');
is( value(<<~SQL), "failed|$error->{code}|t", 'with what happened');
	SELECT status, error_code, error_message <> ''
	  FROM spotify.sync_runs ORDER BY run_id DESC LIMIT 1
	SQL
lives('a failed run');

# A limit is for all accounts of a client id, and for no other

renew();
$mock->post('user', { id => 'sibling', size => 5 });
$mock->post('refresh_token', { refresh_token => 'mock-refresh-token-sibling', user => 'sibling' });
value(q{SELECT spotify_set_account('mock-client', 'mock-secret', 'mock-refresh-token-sibling', account => 'sibling')});
value(q{SELECT spotify_set_account('mock-pkce-client', NULL, 'mock-pkce-refresh-token', account => 'stranger')});
$mock->post('config', { quota => 0 });
ask($session, 'BEGIN');
$error = ask($session, q{SELECT spotify_sync_liked('default')});
ask($session, 'ROLLBACK');
is($error->{code}, '53400', 'a quota that is used up: the error is 53400') or diag($error->{text});
is( value(<<~SQL), "default,sibling", 'retry_after is that of all accounts of the client id');
	SELECT string_agg(account, ',' ORDER BY account)
	  FROM spotify.accounts
	 WHERE retry_after BETWEEN now() + interval '49000 s' AND now() + interval '50000 s'
	SQL
is(value('SELECT string_agg(account, NULL) FROM spotify.accounts WHERE retry_after IS NULL'),
	'stranger', 'and of no other');
for my $account (qw(default sibling))
{
	fails_unasked($session, "SELECT spotify_sync_liked('$account')", '53400', qr/\w/, "$account before retry_after");
	fails_unasked($session, "SELECT spotify_refresh_token('$account')", '53400', qr/\w/, "$account before retry_after");
}
$mock->post('config', { quota => undef });
is(ask($session, q{SELECT status FROM spotify_sync_liked('stranger')})->{output},
	'succeeded', 'the other client id goes on');

# invalid_grant

renew();
$mock->post('revoke', { refresh_token => 'mock-refresh-token' });
ask($session, 'BEGIN');
$error = ask($session, 'SELECT spotify_sync_liked()');
ask($session, 'ROLLBACK');
is($error->{code}, '28000', 'invalid_grant: the error is 28000');
like($error->{hint}, qr/spotify_authorize_url\(/, 'invalid_grant: the hint');
is(value('SELECT needs_authorization FROM spotify.accounts'), 't', 'invalid_grant: it is remembered');
requests('invalid_grant', token => 1);
fails_unasked($session, $SYNC, '28000', qr/spotify_authorize_url\(/, "invalid_grant, sync $_") for 1 .. 3;
$mock->post('refresh_token', { refresh_token => 'mock-refresh-token-2' });
value(q{SELECT spotify_set_account(NULL, NULL, 'mock-refresh-token-2')});
lives('invalid_grant, then a new token');
is(value('SELECT needs_authorization FROM spotify.accounts'), 'f', 'invalid_grant: it is over');

# A new authorization while a refresh is under way

for my $sql ($SYNC, $REFRESH)
{
	my $name = 'a new authorization during ' . ($sql eq $SYNC ? 'a sync' : 'a refresh');
	renew();
	$mock->post('user', { id => 'second', size => 60 });
	$mock->post('refresh_token', { refresh_token => 'mock-refresh-token-3', user => 'second' });
	$mock->fault({ match => { %TOKEN, times => 1 }, action => { delay => 1.5 } });
	send_statement($session, $sql);
	ok(await_token_request(), "$name: the token request is under way");
	my $start = time;
	value(q{SELECT spotify_set_account(NULL, NULL, 'mock-refresh-token-3')});
	cmp_ok(time - $start, '<', 1, "$name: it does not wait");
	my $answer = answer_of($session);
	like($answer->{output}, qr/^(?:t|succeeded)$/, "$name: the call succeeds with it") or diag($answer->{text});
	my $state = token_state();
	is("$state->{state} $state->{user}", 'active second', "$name: it is not overwritten");
	is(ask($session, $REFRESH)->{output}, 't', "$name: its token is good");
	requests($name, token => 3);
}

# The same, and the answer that comes late is a refusal.
renew();
$mock->post('refresh_token', { refresh_token => 'mock-refresh-token-4' });
$mock->post('revoke', { refresh_token => 'mock-refresh-token' });
$mock->fault({ match => { %TOKEN, times => 1 }, action => { delay => 1.5 } });
send_statement($session, $SYNC);
ok(await_token_request(), 'a refusal that comes late: the token request is under way');
value(q{SELECT spotify_set_account(NULL, NULL, 'mock-refresh-token-4')});
is(answer_of($session)->{output}, 'succeeded', 'a refusal that comes late: the call succeeds with the new token');
is(value('SELECT needs_authorization FROM spotify.accounts'), 'f', 'a refusal that comes late marks nothing');
requests('a refusal that comes late', token => 2);
lives('a refusal that comes late');

$session->quit;
$watcher->quit;

# No slot for a worker: the launcher of logical replication has the only one

$node->stop;
$node->append_conf('postgresql.conf',
	"max_worker_processes = 1\nmax_logical_replication_workers = 1");
$node->start;
$watcher = open_session($node);
$session = open_session($node);
renew();
ok( becomes_true(
		q{SELECT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'logical replication launcher')}
	),
	'no worker slot: it is taken');

my $LONGEST_WITHOUT_SLOT = 5;
fails_unasked($session, $REFRESH, '53000', qr/max_worker_processes/, 'no worker slot, a refresh',
	$LONGEST_WITHOUT_SLOT);
my $failure = fails_unasked($session, $SYNC, '53000', qr/max_worker_processes/,
	'no worker slot, a sync', $LONGEST_WITHOUT_SLOT);
like($failure->{text}, qr/WARNING:  53000: could not record the failed run: .*DETAIL:  It leaves no row/s,
	'no worker slot: a warning that the failed run is not recorded');
is(value('SELECT count(*) FROM spotify.sync_runs'), 0, 'no worker slot: it is not');
$failure = ask($session, 'CALL spotify_sync_all()');
like($failure->{text}, qr/DETAIL:  Collection [^\n]*53000: [^\n]* Hint: Raise "max_worker_processes"\./,
	'no worker slot, all syncs: the detail says what to do');
unlike($failure->{hint}, qr/Each run/, 'no worker slot, all syncs: and the hint does not say that there are rows');
is(ask($session, 'SELECT 1')->{output}, 1, 'no worker slot: the session goes on');

$session->quit;
$watcher->quit;

# A slot more, and the login is as good as before.
$node->stop;
$node->append_conf('postgresql.conf', 'max_worker_processes = 2');
$node->start;
$watcher = open_session($node);
lives('one worker slot');

$watcher->quit;
$node->stop;
done_testing();
