# What else may happen to a backend, a database and a server around a call: a
# call within a call, an end while rows are written, DROP DATABASE, a fast
# shutdown, few descriptors, publications.

use strict;
use warnings;

use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

use SpotifyMock;
use SpotifyTest;

my $SYNC = 'SELECT status FROM spotify_sync_liked()';
my $REFRESH = 'SELECT spotify_refresh_token() > now()';
my %TOKEN = (path => '/api/token$');
my %TRACKS = (path => '/me/tracks$');

my $mock = SpotifyMock->start('--library', 60);
my $node = start_node($mock, name => 'life');
create_account($node);
my $session = open_session($node);
my $watcher = open_session($node);
my $version = $node->safe_psql('postgres', 'SHOW server_version_num');

# What SQL gives that must work.
sub value
{
	my ($sql, $where) = @_;
	my $answer = ask($where // $watcher, $sql);
	die "$sql: $answer->{text}\n" if defined $answer->{code};
	return $answer->{output};
}

sub becomes_true
{
	my ($sql) = @_;
	my $end = time + 15;
	until (value($sql) eq 't')
	{
		return 0 if time > $end;
		sleep 0.01;
	}
	return 1;
}

sub failures { return value(q{SELECT count(*) FROM spotify.sync_runs WHERE status = 'failed'}); }

# Starts a statement; returns the backend.
sub send_statement
{
	my ($session, $sql) = @_;
	my $pid = value('SELECT pg_backend_pid()', $session);
	$session->{stderr} = '';
	$session->query_until(qr/sent\n/, "\\echo sent\n$sql;\n");
	return $pid;
}

sub last_failure
{
	return value(q{SELECT error_code FROM spotify.sync_runs WHERE status = 'failed' ORDER BY run_id DESC LIMIT 1});
}

is(value($SYNC), 'succeeded', 'the first sync');

# A call within a call: a trigger on what a sync writes calls the sync

value(<<~'SQL');
	CREATE FUNCTION nest() RETURNS trigger LANGUAGE plpgsql
	AS $$ BEGIN PERFORM public.spotify_sync_liked(); RETURN NULL; END $$;
	CREATE FUNCTION catch() RETURNS trigger LANGUAGE plpgsql
	AS $$
	DECLARE
		run spotify.sync_runs;
	BEGIN
		run := public.spotify_sync_liked();
		RETURN NULL;
	EXCEPTION WHEN lock_not_available THEN
		RETURN NULL;
	END $$
	SQL
for my $table (qw(tracks liked_tracks liked_events))
{
	my $trigger = "TRIGGER nest AFTER INSERT OR UPDATE ON spotify.$table";
	change_library($mock);
	value("CREATE $trigger FOR EACH STATEMENT EXECUTE FUNCTION nest()");
	$mock->forget_log;
	my $error = fails_cleanly($session, '55P03', "a trigger on $table that calls the sync");
	like($error->{hint}, qr/trigger/, "a trigger on $table that calls the sync: the hint");
	is($mock->count->{token}, 0, "a trigger on $table that calls the sync: no token is asked for");
	value("DROP TRIGGER nest ON spotify.$table");

	value("CREATE $trigger FOR EACH STATEMENT EXECUTE FUNCTION catch()");
	heals($session, $node, $mock, "a trigger on $table that catches the error");
	value("DROP TRIGGER nest ON spotify.$table");
	change_library($mock);
	heals($session, $node, $mock, "$table without the trigger");
}

# A refresh may be called there: it writes nothing that the sync writes.
value(<<~'SQL');
	CREATE FUNCTION renew() RETURNS trigger LANGUAGE plpgsql
	AS $$ BEGIN PERFORM public.spotify_refresh_token(); RETURN NULL; END $$;
	CREATE TRIGGER renew AFTER INSERT ON spotify.tracks
		FOR EACH STATEMENT EXECUTE FUNCTION renew()
	SQL
change_library($mock);
heals($session, $node, $mock, 'a trigger that refreshes the token');
value('DROP TRIGGER renew ON spotify.tracks');

# In a CHECK, which is asked in mid-statement
value('CREATE TABLE checked (number integer CHECK (spotify_refresh_token() > now()))');
value('INSERT INTO checked VALUES (1), (2)');
is(value('SELECT count(*) FROM checked'), 2, 'in a CHECK');

# A trigger of the owner that changes the role: the server does not allow it
value(<<~'SQL');
	CREATE ROLE somebody;
	CREATE FUNCTION change_role() RETURNS trigger LANGUAGE plpgsql
	AS $$ BEGIN SET LOCAL ROLE somebody; RETURN NULL; END $$;
	CREATE TRIGGER change_role AFTER INSERT ON spotify.tracks
		FOR EACH STATEMENT EXECUTE FUNCTION change_role()
	SQL
change_library($mock);
fails_cleanly($session, '42501', 'a trigger that changes the role');
value('DROP TRIGGER change_role ON spotify.tracks');
heals($session, $node, $mock, 'without the trigger');

# The end comes while rows are written: somebody else has locked one of them
my $holder = open_session($node);
for my $end ('cancel', 'timeout', 'termination')
{
	my $name = "$end while rows are written";
	my ($function, $code) = $end eq 'termination' ? qw(pg_terminate_backend 57P01) : qw(pg_cancel_backend 57014);
	my $victim = open_session($node, $end eq 'timeout' ? "SET statement_timeout = '500ms'" : undef);
	change_library($mock);
	my $before = library_state($watcher);
	my $failures = failures();
	value('BEGIN; LOCK TABLE spotify.liked_tracks IN SHARE MODE', $holder);
	my $pid = send_statement($victim, $SYNC);
	ok(becomes_true("SELECT EXISTS (SELECT FROM pg_locks WHERE pid = $pid AND NOT granted)"), "$name: it waits");
	my $start = time;
	value("SELECT $function($pid)") if $end ne 'timeout';
	ok(becomes_true("SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $pid AND state = 'active')"),
		"$name: it ends");
	cmp_ok(time - $start, '<', 3, "$name: at once");
	eval { $end eq 'termination' ? $victim->{run}->finish : $victim->query('') };
	like($victim->{stderr}, qr/(?:ERROR|FATAL):  $code:/, "$name: the error");
	value('COMMIT', $holder);
	is(library_state($watcher), $before, "$name: nothing is written");
	ok(becomes_true("SELECT count(*) = $failures + 1 FROM spotify.sync_runs WHERE status = 'failed'"),
		"$name: a run is recorded");
	is(last_failure(), $code, "$name: with its error");
	$victim->quit if $end ne 'termination';
	heals($session, $node, $mock, "after $name");
}
$holder->quit;

# A termination while the run waits for Spotify, or for its worker; and a client
# that is gone, of which the server hears when it looks.
for my $case (
	[ 'termination while a page is awaited', \%TRACKS, '57P01' ],
	[ 'termination while a token is awaited', \%TOKEN, '57P01' ],
	[ 'a client that is gone', \%TRACKS, '08006' ])
{
	my ($name, $match, $code) = @$case;
  SKIP:
	{
		skip 'before PostgreSQL 14 nobody looks for a client that is gone', 1
		  if $code eq '08006' && $version < 140000;
		my $victim = open_session($node, $code eq '08006' ? "SET client_connection_check_interval = '50ms'" : undef);
		my $failures = failures();
		value('UPDATE spotify_private.credentials SET access_token = NULL') if $match == \%TOKEN;
		$mock->forget_log;
		$mock->fault({ match => $match, action => { delay => 2 } });
		my $pid = send_statement($victim, $SYNC);
		ok( becomes_true(
				"SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $pid AND wait_event_type IN ('Extension', 'IPC'))"),
			"$name: it waits");
		sleep 0.1;
		if ($code eq '57P01') { value("SELECT pg_terminate_backend($pid)"); }
		else { $victim->{run}->signal('KILL'); }
		eval { $victim->{run}->finish };
		ok(becomes_true("SELECT count(*) = $failures + 1 FROM spotify.sync_runs WHERE status = 'failed'"),
			"$name: a run is recorded");
		is(last_failure(), $code, "$name: with its error");
		is( value(q{SELECT error_message FROM spotify.sync_runs ORDER BY run_id DESC LIMIT 1}),
			'the session ended before the run did', "$name: and a message");
		$mock->no_faults;
		ok(becomes_true(q{SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'spotify_etl worker')}),
			"$name: no worker is left");
		change_library($mock);
		heals($session, $node, $mock, "after $name");
	}
}

# Few descriptors: a third of them is for connections

$session->quit;
$watcher->quit;
$node->append_conf('postgresql.conf', 'max_files_per_process = 64');
$node->restart;
$session = open_session($node);
$watcher = open_session($node);
heals($session, $node, $mock, '64 descriptors');
value('SET spotify_etl.max_concurrency = 32', $session);
my $error = fails_cleanly($session, '53000', '64 descriptors, 32 requests at once');
like($error->{hint}, qr/max_files_per_process.*max_concurrency/, '64 descriptors, 32 requests at once: the hint');
value('RESET spotify_etl.max_concurrency', $session);
heals($session, $node, $mock, '64 descriptors, 4 requests at once');

# A publication of all tables publishes the secrets too: README.md says so.  It
# does not stand in the way of a sync, or of forgetting.

value('SET client_min_messages = error; CREATE PUBLICATION everything FOR ALL TABLES');
is(value(q{SELECT count(*) FROM pg_publication_tables WHERE pubname = 'everything' AND schemaname = 'spotify_private'}),
	1, 'a publication FOR ALL TABLES: the secrets are in it');
SKIP:
{
	skip 'before PostgreSQL 15 a publication has no schemas', 1 if $version < 150000;
	value('CREATE PUBLICATION data FOR TABLES IN SCHEMA spotify');
	is(value(q{SELECT count(*) FROM pg_publication_tables WHERE pubname = 'data' AND schemaname <> 'spotify'}),
		0, 'a publication of the schema: no secret is in it');
}
change_library($mock);
heals($session, $node, $mock, 'a publication FOR ALL TABLES');
is(value(q{SELECT spotify_forget_account('default')}), '', 'a publication FOR ALL TABLES: an account is forgotten');
value('DROP PUBLICATION everything');
create_account($node);

# The database is dropped during a call: while it waits for a page, and while
# its worker waits for a token

for my $case ([ 'a page', \%TRACKS, 600 ], [ 'a token', \%TOKEN, 2 ])
{
	my ($what, $match, $seconds) = @$case;
	my $name = "DROP DATABASE during a wait for $what";
	value('CREATE DATABASE doomed');
	my $victim = open_session($node, undef, database => 'doomed');
	value('CREATE EXTENSION spotify_etl', $victim);
	create_account($node, 'doomed');
	$mock->forget_log;
	$mock->fault({ match => $match, action => { delay => $seconds } });
	send_statement($victim, $SYNC);
	my $end = time + 15;
	sleep 0.01
	  until value(q{SELECT count(*) FROM pg_stat_activity WHERE datname = 'doomed' AND wait_event_type = 'Extension'})
	  || time > $end;
	my $start = time;
	is(ask($watcher, 'DROP DATABASE doomed WITH (FORCE)')->{code}, undef, "$name: it is dropped");
	cmp_ok(time - $start, '<', 5, "$name: within bounds");
	eval { $victim->{run}->finish };
	like($victim->{stderr}, qr/FATAL:  57P01:/, "$name: the error");
	ok(becomes_true(q{SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'spotify_etl worker')}),
		"$name: no worker is left");
	$mock->no_faults;
}
heals($session, $node, $mock, 'another database');

# A shutdown waits for a token request that is under way, since its answer may
# hold the only good token; but not until it has been repeated.

$mock->post('config', { rotate => JSON::PP::true, reuse_revokes_family => JSON::PP::true });
my $PATIENT = "SET spotify_etl.max_retry_wait = '10s'";
for my $case (
	[ 'an answer that is late', { delay => 3 }, 2, 8 ],
	[ 'a pause after 503', { status => 503, retry_after => 9 }, 0, 5 ])
{
	my ($what, $action, $shortest, $longest) = @$case;
	my $name = "a fast shutdown during $what";
	my $victim = open_session($node, $PATIENT);
	value('UPDATE spotify_private.credentials SET access_token = NULL');
	$mock->forget_log;
	$mock->fault({ match => \%TOKEN, action => $action });
	send_statement($victim, $SYNC);
	ok(becomes_true(q{SELECT EXISTS (SELECT FROM pg_stat_activity
		WHERE backend_type = 'spotify_etl worker' AND wait_event_type = 'Extension')}), "$name: it waits");
	sleep 0.2;
	$watcher->quit;
	$session->quit;
	my $start = time;
	$node->stop('fast');
	my $elapsed = time - $start;
	note sprintf '%s: %.1f s', $name, $elapsed;
	cmp_ok($elapsed, '>=', $shortest, "$name: it waits for what is under way");
	cmp_ok($elapsed, '<', $longest, "$name: and for no more");
	is($mock->count->{token}, 1, "$name: nothing is sent again");
	eval { $victim->{run}->finish };
	$mock->no_faults;
	$node->start;
	$session = open_session($node);
	$watcher = open_session($node);
	heals($session, $node, $mock, "after $name");
}

# The same for a worker that somebody terminates.
my $victim = open_session($node, $PATIENT);
value('UPDATE spotify_private.credentials SET access_token = NULL');
$mock->fault({ match => \%TOKEN, action => { status => 503, retry_after => 9 } });
send_statement($victim, $SYNC);
ok(becomes_true(q{SELECT bool_or(pg_terminate_backend(pid)) FROM pg_stat_activity
	WHERE backend_type = 'spotify_etl worker' AND wait_event_type = 'Extension'}),
	'a worker is terminated in a pause');
$victim->query('');
like($victim->{stderr}, qr/ERROR:  57P01:/, 'a worker is terminated in a pause: the error');
is(last_failure(), '57P01', 'a worker is terminated in a pause: the run is recorded');
$victim->quit;
$mock->no_faults;
heals($session, $node, $mock, 'after a worker that was terminated');

$session->quit;
$watcher->quit;
$node->stop;
done_testing();
