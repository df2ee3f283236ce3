# CALL spotify_sync_all(): every collection of every enabled account, a commit
# after each run, no snapshot and no row lock while Spotify is waited for,
# failures at the end, the rights that it takes and gives back, and where it
# cannot commit.

use strict;
use warnings;

use JSON::PP;
use Time::HiRes qw(sleep time);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use SpotifyMock;
use SpotifyPlays;
use SpotifySession qw(value);
use SpotifyTest;

my $CALL = 'CALL public.spotify_sync_all()';
my $SIZE = 60;
my @NAMES = qw(anna ben carla);

my $mock = SpotifyMock->start;
my $node = start_node($mock, name => 'sync_all',
	configuration => 'track_commit_timestamp = on');
my $admin = open_session($node);
my $other = open_session($node);

# That SQL fails in a session with this code; returns the error.
sub refused
{
	my ($session, $code, $name, $sql) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $answer = ask($session, $sql // $CALL);
	is($answer->{code}, $code, "$name: the error is $code")
	  or diag($answer->{text}, $answer->{output});
	unlike($answer->{text}, qr/mock-secret|mock-refresh-|mock-access-/,
		"$name: it tells no secret");
	return $answer;
}

# That SQL works in a session, without a word.
sub works
{
	my ($session, $name, $sql) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $answer = ask($session, $sql // $CALL);
	is($answer->{text}, '', "$name: it works") or diag($answer->{output});
	return;
}

# Accounts as on the first day, each with songs and plays of its own.
sub renew
{
	$mock->post('reset');
	value($admin, 'SELECT spotify_forget_account(account) FROM spotify.accounts');
	for my $number (1 .. @NAMES)
	{
		my ($name, $token) = ($NAMES[ $number - 1 ], "mock-refresh-token-$number");
		$mock->post('user', { id => $name });
		$mock->post('library', { user => $name, size => $SIZE, first_index => 100 * $number });
		play($mock, time - 600 * $_, index => 100 * $number + $_, user => $name) for 1 .. 3;
		$mock->post('refresh_token', { refresh_token => $token, user => $name });
		value($admin,
			"SELECT spotify_set_account('mock-client', 'mock-secret', '$token', account => '$name')");
	}
	return;
}

# That these runs are in the log and no others, in the order in which they
# ended: account, collection and, if it did not succeed, status and error code.
sub ran
{
	my ($name, @expected) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $runs = value($other, <<~'SQL');
		SELECT concat_ws(' ', account, collection, NULLIF(status, 'succeeded'), error_code)
		  FROM spotify.sync_runs
		 ORDER BY run_id
		SQL
	is_deeply([ split /\n/, $runs ], \@expected, "$name: these runs are in the log")
	  or diag($runs);
	return;
}

# The runs of these accounts if all is well.
sub both { return map { ("$_ liked", "$_ recently_played") } @_; }

# That so many transactions wrote the runs in the log.
sub transactions
{
	my ($count, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is( value($other, 'SELECT count(DISTINCT pg_xact_commit_timestamp(xmin)) FROM spotify.sync_runs'),
		$count, $name);
	return;
}

# What is wrong in the tables of an account.
sub wrong
{
	my ($account) = @_;
	my %names = (account => $account, user => $account);
	return (
		liked_differences($other, $mock, %names),
		play_differences([ stored_plays($other, %names) ], [ true_plays($mock, %names) ]));
}

# That the tables of these accounts, of all by default, are true.
sub true_tables
{
	my ($name, @accounts) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	@accounts = @NAMES unless @accounts;
	is_deeply([ map { wrong($_) } @accounts ], [], "$name: the tables are true");
	return;
}

# Starts SQL in a session without waiting for its end.
sub begin
{
	my ($session, $sql) = @_;
	$mock->forget_log;
	$session->{stderr} = '';
	$session->query_until(qr/started/, "\\echo started\n" . ($sql // $CALL) . ";\n");
	return;
}

# Waits until such a request is under way and its session waits for the answer.
sub wait_for_request
{
	my ($kind, $user, $pid) = @_;
	my $end = time + 60;
	sleep 0.02
	  until $mock->get("count?user=$user")->{$kind} > 0 || time > $end;
	$node->poll_query_until('postgres', <<~SQL);
		SELECT lower(wait_event) IN ('extension', 'spotifyhttp', 'bgworkershutdown')
		  FROM pg_stat_activity
		 WHERE pid = $pid
		SQL
	return;
}

# What a session that waits holds against VACUUM.
sub held
{
	my ($pid) = @_;
	return value($other,
		"SELECT state, backend_xmin, backend_xid FROM pg_stat_activity WHERE pid = $pid");
}

# That every row of every table can be locked by somebody else at once.
sub no_row_is_locked
{
	my ($name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $answer = ask($other, <<~'SQL');
		DO $$
		DECLARE
			relation regclass;
		BEGIN
			FOR relation IN
				SELECT oid FROM pg_class
				 WHERE relkind = 'r'
				   AND relnamespace IN ('spotify'::regnamespace, 'spotify_private'::regnamespace)
			LOOP
				EXECUTE format('SELECT FROM %s FOR UPDATE NOWAIT', relation);
			END LOOP;
		END
		$$
		SQL
	is($answer->{text}, '', "$name: every row can be locked by somebody else");
	return;
}

# Every collection of every enabled account, and a commit after each

renew();
works($admin, 'three accounts');
ran('three accounts', both(@NAMES));
true_tables('three accounts');
transactions(6, 'each run is a transaction of its own');

renew();
value($admin, q{UPDATE spotify.accounts SET is_enabled = false WHERE account = 'ben'});
works($admin, 'one of three is disabled');
ran('one of three is disabled', both(qw(anna carla)));
is($mock->get('count?user=ben')->{total}, 0, 'one of three is disabled: nothing is asked for it');

renew();
value($admin, 'UPDATE spotify.accounts SET is_enabled = false');
my $error = refused($admin, '55000', 'all are disabled');
like($error->{hint}, qr/is_enabled/, 'all are disabled: the hint');
is($mock->count->{total}, 0, 'all are disabled: nothing is asked');
value($admin, 'SELECT spotify_forget_account(account) FROM spotify.accounts');
$error = refused($admin, '55000', 'there is none');
like($error->{hint}, qr/spotify_set_account/, 'there is none: the hint');

# It holds nothing while it waits: nor does a session that has just begun and
# still has to read the catalogs.

my $pid = value($admin, 'SELECT pg_backend_pid()');

sub begin_session
{
	$admin->quit;
	$admin = open_session($node, q{SET spotify_etl.request_timeout = '20min';});
	$pid = value($admin, 'SELECT pg_backend_pid()');
	return;
}

sub delay
{
	my ($path, $user, $seconds) = @_;
	$mock->fault({ match => { path => $path, user => $user, times => 1 },
			action => { delay => $seconds } });
	return;
}

renew();
begin_session();
delay('/api/token$', 'anna', 6);
begin($admin);
wait_for_request('token', 'anna', $pid);
is(held($pid), 'active||', 'waiting for a token: no snapshot and no transaction id');
is(value($admin, 'SELECT 1'), '1', 'and the call comes to its end');
ran('a token that comes late', both(@NAMES));

for my $case (
	[ 'a page', '/me/tracks$', 'tracks', 'liked' ],
	[ 'the proof of a removal', '/me/library/contains$', 'contains', 'liked' ],
	[ 'the plays', '/me/player/recently-played$', 'recently_played', 'recently_played', 'ben liked' ])
{
	my ($what, $path, $kind, $collection, @before) = @$case;
	renew();
	works($admin, "before $what");
	value($admin, 'DELETE FROM spotify.sync_runs');
	$mock->post('unlike', { user => $_, positions => [7] }) for @NAMES;
	delay($path, 'ben', 600);
	begin_session();
	begin($admin);
	wait_for_request($kind, 'ben', $pid);
	is(held($pid), 'active||', "waiting for $what: no snapshot and no transaction id");
	no_row_is_locked("waiting for $what");
	ran("waiting for $what", both('anna'), @before);
	true_tables("waiting for $what, what is committed", 'anna');
	refused($other, '55P03', "waiting for $what: another run of the account",
		"SELECT spotify_sync_$collection('ben')");
	is( ask($other, "SELECT status FROM spotify_sync_$collection('carla')")->{output},
		'succeeded', "waiting for $what: another account may be synced");

	# A cancel ends the whole and leaves what is committed.
	value($other, "SELECT pg_cancel_backend($pid)");
	is(ask($admin, 'SELECT 1')->{code}, '57014', "$what: a cancel is a cancel");
	ran("$what: the run that was cancelled, and none after it",
		both('anna'), @before, "carla $collection", "ben $collection failed 57014");
	is(value($admin, 'SELECT current_user, session_user'),
		value($other, 'SELECT current_user, session_user'), "$what: the user is the same again");
	works($admin, "after $what");
	true_tables("after $what");
}

# So that this shows something: a function does hold a snapshot.
renew();
delay('/me/tracks$', 'ben', 600);
begin($admin, q{SELECT spotify_sync_liked('ben')});
wait_for_request('tracks', 'ben', $pid);
like(held($pid), qr/^active\|\d+\|$/, 'a function holds a snapshot, and no transaction id');
value($other, "SELECT pg_cancel_backend($pid)");
is(ask($admin, 'SELECT 1')->{code}, '57014', 'a function: a cancel');

# Not even where snapshots last as long as transactions.
renew();
value($admin, q{SET default_transaction_isolation = 'repeatable read'});
delay('/me/tracks$', 'ben', 600);
begin($admin);
wait_for_request('tracks', 'ben', $pid);
is(held($pid), 'active||', 'REPEATABLE READ by default: no snapshot either');
value($other, "SELECT pg_cancel_backend($pid)");
is(ask($admin, 'SELECT 1')->{code}, '57014', 'REPEATABLE READ by default: a cancel');
is(value($admin, 'SHOW transaction_isolation'), 'repeatable read', 'the default is as before');
works($admin, 'REPEATABLE READ by default');
works($admin, 'REPEATABLE READ by default, in DO',
	"DO \$\$ BEGIN $CALL; PERFORM 1 FROM spotify.accounts; END \$\$");
true_tables('REPEATABLE READ by default');
value($admin, 'RESET default_transaction_isolation');

renew();
my $victim = open_session($node, q{SET spotify_etl.request_timeout = '20min';});
my $victim_pid = value($victim, 'SELECT pg_backend_pid()');
delay('/me/tracks$', 'ben', 600);
begin($victim);
wait_for_request('tracks', 'ben', $victim_pid);
value($other, "SELECT pg_terminate_backend($victim_pid)");
$node->poll_query_until('postgres',
	"SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $victim_pid");
$node->poll_query_until('postgres',
	"SELECT count(*) = 1 FROM spotify.sync_runs WHERE status = 'failed'");
ran('a termination', both('anna'), 'ben liked failed 57P01');
works($admin, 'after a termination');
true_tables('after a termination');
eval { $victim->quit };

renew();
value($admin, q{SET statement_timeout = '4s'});
delay('/me/tracks$', 'ben', 600);
refused($admin, '57014', 'statement_timeout');
value($admin, 'RESET statement_timeout');
ran('statement_timeout', both('anna'), 'ben liked failed 57014');
value($admin, 'RESET spotify_etl.request_timeout');

# What changes meanwhile: an account is forgotten, disabled, or new

renew();
delay('/me/tracks$', 'anna', 6);
begin($admin);
wait_for_request('tracks', 'anna', $pid);
value($other, q{UPDATE spotify.accounts SET is_enabled = false WHERE account = 'ben'});
value($other, q{SELECT spotify_forget_account('carla')});
is(value($admin, 'SELECT 1'), '1', 'accounts that go meanwhile do no harm');
ran('accounts that go meanwhile', both('anna'));

renew();
delay('/me/tracks$', 'anna', 6);
begin($admin);
wait_for_request('tracks', 'anna', $pid);
value($other, q{UPDATE spotify.accounts SET is_enabled = false WHERE account = 'anna'});
is(value($admin, 'SELECT 1'), '1', 'the account that is synced may be disabled');
ran('an account that is disabled between its runs', 'anna liked', both(qw(ben carla)));

# One that fails does not stop the others

renew();
$mock->fault({ match => { path => '/me/tracks$', user => 'ben' }, action => { status => 503 } });
value($admin, 'SET spotify_etl.max_retries = 0');
$error = refused($admin, '08006', 'one of three fails');
like(
	$error->{message},
	qr/^sync of collection "liked" of account "ben" failed: Spotify could not answer/,
	'one of three fails: the message names it and says why');
like($error->{detail}, qr/status 503/, 'one of three fails: the detail is its own');
like($error->{hint}, qr/try again later\.$/, 'one of three fails: so is the hint');
unlike($error->{text}, qr/WARNING|CONTEXT/, 'one of three fails: nothing else is said');
ran('one of three fails', both('anna'), 'ben liked failed 08006', 'ben recently_played', both('carla'));
true_tables('one of three fails', qw(anna carla));

renew();
$mock->fault({ match => { path => '/me/player/recently-played$', user => 'ben' },
		action => { status => 403 } });
$error = refused($admin, '28000', 'plays that Spotify does not tell');
like($error->{message}, qr/^sync of collection "recently_played" of account "ben" failed: /,
	'plays that Spotify does not tell: the message names them');
ran('plays that Spotify does not tell', both('anna'), 'ben liked', 'ben recently_played failed 28000', both('carla'));
$mock->no_faults;
works($admin, 'plays that Spotify tells again');
true_tables('plays that Spotify tells again');

renew();
$mock->fault({ match => { path => '/me/tracks$', user => 'carla' }, action => { status => 503 } });
$mock->post('revoke', { refresh_token => 'mock-refresh-token-1' });
$error = refused($admin, '28000', 'two of three fail');
like(
	$error->{message},
	qr/^3 of 6 syncs failed, first that of collection "liked" of account "anna": the authorization/,
	'two of three fail: the message has the first one');
like(
	$error->{text},
	qr/"liked"\ of\ account\ "anna":\ 28000:\ .*Refresh\ token\ revoked.*
	   \n.*"recently_played"\ of\ account\ "anna":\ 28000:\ .*
	   \n.*"liked"\ of\ account\ "carla":\ 08006:\ .*status\ 503/x,
	'two of three fail: the detail has all three');
like($error->{text}, qr/"liked" of account "anna": .*Hint: Open the URL that spotify_authorize_url\('anna'\)/,
	'two of three fail: the detail has the hint of the first');
like($error->{text}, qr/"liked" of account "carla": .*Hint: .*try again later\.\n/,
	'two of three fail: and of the other');
is(scalar(() = $error->{text} =~ /Hint: Open/g), 1, 'two of three fail: a hint is told once');
like($error->{hint}, qr/spotify\.sync_runs, unless a warning says/, 'two of three fail: the hint');
ran('two of three fail', 'anna liked failed 28000', 'anna recently_played failed 28000', both('ben'),
	'carla liked failed 08006', 'carla recently_played');
true_tables('two of three fail', 'ben');
$mock->no_faults;
$error = refused($admin, '28000', 'one of them goes on failing');
is($mock->get('count?user=anna')->{$_}, 0, "one of them goes on failing: $_ are not asked for")
  for qw(tracks recently_played);
true_tables('one of them goes on failing', qw(ben carla));

renew();
$mock->fault({ match => { path => '/me/tracks$', user => 'anna' },
		action => { status => 429, retry_after => 3600 } });
$error = refused($admin, '53400', 'a rate limit of the client id that they share');
like($error->{message}, qr/^6 of 6 syncs failed/, 'a rate limit ends all of them');
is($mock->count->{tracks}, 1, 'a rate limit: one request met it, the others are not sent');
is($mock->count->{recently_played}, 0, 'a rate limit: nor for another collection');

renew();
my $third = open_session($node, q{SET spotify_etl.request_timeout = '20min';});
my $third_pid = value($third, 'SELECT pg_backend_pid()');
delay('/me/tracks$', 'ben', 600);
begin($third, q{SELECT spotify_sync_liked('ben')});
wait_for_request('tracks', 'ben', $third_pid);
$error = refused($admin, '55P03', 'a run of somebody else is under way');
like($error->{message}, qr/"liked" of account "ben" failed: another sync/,
	'a run of somebody else is under way: the message');
ran('a run of somebody else is under way', both('anna'), 'ben recently_played', both('carla'));
value($other, "SELECT pg_cancel_backend($third_pid)");
is(ask($third, 'SELECT 1')->{code}, '57014', 'the run of somebody else is cancelled');
$third->quit;

{
	my $count = 25;
	renew();
	value($admin, 'SELECT spotify_forget_account(account) FROM spotify.accounts');
	value($admin, <<~SQL);
		SELECT spotify_set_account('mock-client', 'mock-secret', account => 'account ' || n)
		  FROM generate_series(1, $count) AS n
		SQL
	$error = refused($admin, '28000', "$count that are not authorized");
	like($error->{text}, qr/And 30 more\.\n/, "$count that are not authorized: not all are listed");
	value($admin, <<~'SQL');
		SELECT spotify_set_account('other-client', account => 'zoe');
		UPDATE spotify.accounts SET retry_after = now() + interval '1 hour' WHERE account = 'zoe'
		SQL
	$error = refused($admin, '28000', "$count that are not authorized, and another failure");
	like($error->{text}, qr/"liked" of account "zoe": 53400: .* Hint: Wait until then.*\nAnd 31 more\.\n/,
		"$count that are not authorized, and another failure: it is listed, with its hint");
	is($mock->count->{total}, 0, "$count that are not authorized: nothing is asked");
}
value($admin, 'RESET spotify_etl.max_retries');

# Where it cannot commit, it does the same without

value($admin, <<~SQL);
	CREATE FUNCTION in_function() RETURNS void LANGUAGE plpgsql AS \$\$ BEGIN $CALL; END \$\$;
	CREATE FUNCTION in_sql() RETURNS void LANGUAGE sql AS '$CALL';
	CREATE PROCEDURE in_procedure() LANGUAGE plpgsql AS \$\$ BEGIN $CALL; COMMIT; END \$\$;
	CREATE PROCEDURE in_definer() LANGUAGE plpgsql SECURITY DEFINER AS \$\$ BEGIN $CALL; END \$\$;
	CREATE PROCEDURE with_set() LANGUAGE plpgsql SET work_mem = '1MB' AS \$\$ BEGIN $CALL; END \$\$
	SQL
for my $case (
	[ 'a transaction block', "BEGIN; $CALL; COMMIT", 1 ],
	[ 'a savepoint', "BEGIN; SAVEPOINT s; $CALL; RELEASE s; COMMIT", 1 ],
	[ 'two calls in a transaction block', "BEGIN; $CALL; $CALL; COMMIT", 1, 2 ],
	[ 'a plpgsql function', 'SELECT in_function()', 1 ],
	[ 'an SQL function', 'SELECT in_sql()', 1 ],
	[ 'a block with EXCEPTION',
		"DO \$\$ BEGIN $CALL; EXCEPTION WHEN division_by_zero THEN NULL; END \$\$", 1 ],
	[ 'a procedure of other rights', 'CALL in_definer()', 1 ],
	[ 'a procedure with SET', 'CALL with_set()', 1 ],
	[ 'DO', "DO \$\$ BEGIN $CALL; END \$\$", 6 ],
	[ 'a loop', "DO \$\$ BEGIN FOR i IN 1 .. 2 LOOP $CALL; END LOOP; END \$\$", 12, 2 ],
	[ 'a loop over a query',
		"DO \$\$ DECLARE r record; BEGIN FOR r IN SELECT generate_series(1, 2) LOOP $CALL; END LOOP; END \$\$",
		12, 2 ],
	[ 'a procedure that commits', 'CALL in_procedure()', 6 ])
{
	my ($name, $sql, $transactions, $rounds) = @$case;
	renew();
	works($admin, "in $name", $sql);
	ran("in $name", (both(@NAMES)) x ($rounds // 1));
	transactions($transactions, "in $name: so many transactions");
	true_tables("in $name");
}

renew();
value($admin, 'BEGIN');
works($admin, 'before ROLLBACK');
value($admin, 'ROLLBACK');
is(value($other, 'SELECT count(*) FROM spotify.liked_tracks'), 0, 'ROLLBACK: all is undone');
is(value($other, 'SELECT count(*) FROM spotify_private.credentials WHERE access_token IS NOT NULL'),
	3, 'ROLLBACK: but the tokens');

renew();
$mock->fault({ match => { path => '/me/tracks$', user => 'ben' }, action => { status => 403 } });
$error = refused($admin, '28000', 'a failure in a transaction block', "BEGIN; $CALL");
like($error->{hint}, qr/outside of a transaction block/,
	'a failure in a transaction block: the hint says what becomes of the others');
is($mock->get('count?user=carla')->{tracks} > 0, 1,
	'a failure in a transaction block: the others are synced all the same');
value($admin, 'ROLLBACK');
ran('a failure in a transaction block', 'ben liked failed 28000');
is( value($admin, <<~SQL), '', 'a failure can be caught');
	DO \$\$
	BEGIN
		BEGIN
			$CALL;
			RAISE 'it did not fail';
		EXCEPTION WHEN invalid_authorization_specification THEN
			NULL;
		END;
		PERFORM spotify_sync_liked('anna');
		PERFORM spotify_sync_recently_played('anna');
	END
	\$\$
	SQL
true_tables('a failure that is caught: what follows works', 'anna');
is(value($admin, 'SELECT current_user'), value($other, 'SELECT current_user'),
	'a failure that is caught: the user is the same again');

# Rights: those of its owner while it runs, those of the caller again afterwards

value($admin, <<~'SQL');
	CREATE ROLE caller LOGIN;
	CREATE ROLE stranger LOGIN;
	CREATE ROLE member LOGIN NOINHERIT IN ROLE caller;
	GRANT EXECUTE ON PROCEDURE spotify_sync_all() TO caller;
	GRANT EXECUTE ON FUNCTION in_function() TO caller
	SQL
my %sessions = map { $_ => open_session($node, undef, user => $_) } qw(caller stranger member);
my @FORBIDDEN = (
	'SELECT FROM spotify.accounts',
	'SELECT FROM spotify.liked_tracks',
	'SELECT FROM spotify.sync_runs',
	'SELECT FROM spotify_private.credentials',
	q{SELECT spotify_sync_liked('anna')},
	q{SELECT spotify_sync_recently_played('anna')},
	q{SELECT spotify_forget_account('anna')});

sub has_no_rights
{
	my ($session, $user, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(value($session, 'SELECT current_user'), $user, "$name: the user is $user");
	refused($session, '42501', "$name: not allowed: $_", $_) for @FORBIDDEN;
	return;
}

renew();
works($sessions{caller}, 'a role with EXECUTE');
true_tables('a role with EXECUTE');
has_no_rights($sessions{caller}, 'caller', 'after the call');

$mock->fault({ match => { path => '/me/tracks$', user => 'ben' }, action => { status => 403 } });
refused($sessions{caller}, '28000', 'a role with EXECUTE, a failure');
has_no_rights($sessions{caller}, 'caller', 'after a failure');
value($sessions{caller}, 'BEGIN; SAVEPOINT s');
refused($sessions{caller}, '28000', 'a role with EXECUTE, a failure in a transaction block');
value($sessions{caller}, 'ROLLBACK TO s');
is(value($sessions{caller}, 'SELECT current_user'), 'caller', 'after ROLLBACK TO: the user');
refused($sessions{caller}, '42501', 'after ROLLBACK TO', $FORBIDDEN[3]);
value($sessions{caller}, 'ROLLBACK');
$mock->no_faults;

$mock->forget_log;
refused($sessions{stranger}, '42501', 'a role without EXECUTE');
refused($sessions{member}, '42501', 'a role that inherits nothing');
is($mock->count->{total}, 0, 'without EXECUTE nothing is asked');
value($sessions{member}, 'SET ROLE caller');
works($sessions{member}, 'after SET ROLE');
has_no_rights($sessions{member}, 'caller', 'after SET ROLE and a call');
value($sessions{member}, 'RESET ROLE');
is(value($sessions{member}, 'SELECT current_user'), 'member', 'RESET ROLE goes back');

# A procedure has its owner's rights, whoever that is by then.
value($admin, <<~'SQL');
	CREATE ROLE new_owner;
	ALTER PROCEDURE spotify_sync_all() OWNER TO new_owner
	SQL
refused($sessions{caller}, '42501', 'an owner without rights to the tables');
value($admin, 'ALTER PROCEDURE spotify_sync_all() OWNER TO CURRENT_USER; DROP ROLE new_owner');

# Names and settings of the caller's mean nothing to it

value($admin, <<~'SQL');
	CREATE SCHEMA hostile;
	GRANT ALL ON SCHEMA hostile TO caller;
	CREATE FUNCTION hostile.hostile(text, text) RETURNS boolean LANGUAGE plpgsql
		AS $$ BEGIN RAISE EXCEPTION 'hostile'; END $$;
	CREATE OPERATOR hostile.= (LEFTARG = text, RIGHTARG = text, FUNCTION = hostile.hostile);
	CREATE FUNCTION hostile.now() RETURNS timestamptz LANGUAGE plpgsql
		AS $$ BEGIN RAISE EXCEPTION 'hostile'; END $$
	SQL
for my $case ([ 'a superuser', $admin ], [ 'a role with EXECUTE', $sessions{caller} ])
{
	my ($who, $session) = @$case;
	renew();
	value($session, 'SET search_path = hostile, public, pg_catalog');
	value($session, "CREATE TEMP TABLE $_ (account pg_catalog.text)")
	  for qw(accounts credentials liked_tracks sync_runs text);
	refused($session, 'P0001', "hostile names, $who: others find them", 'SELECT now()');
	works($session, "hostile names, $who");
	is(value($session, 'SHOW search_path'), 'hostile, public, pg_catalog',
		"hostile names, $who: search_path is as before");
	true_tables("hostile names, $who");
	$mock->fault({ match => { path => '/me/tracks$', user => 'ben' }, action => { status => 403 } });
	refused($session, '28000', "hostile names, $who, a failure");
	is(value($session, 'SHOW search_path'), 'hostile, public, pg_catalog',
		"hostile names, $who, a failure: search_path is as before");
	$mock->no_faults;
	works($session, "hostile names, $who, in a transaction block", "BEGIN; $CALL; COMMIT");
	is(value($session, 'SHOW search_path'), 'hostile, public, pg_catalog',
		"hostile names, $who, a transaction block: search_path is as before");
	value($session, 'DISCARD TEMP; RESET search_path');
}

# Read-only

$mock->forget_log;
refused($admin, '25006', 'a read-only transaction', "BEGIN READ ONLY; $CALL");
value($admin, 'ROLLBACK');
value($admin, 'SET default_transaction_read_only = on');
refused($admin, '25006', 'where transactions are read-only');
value($admin, 'RESET default_transaction_read_only');
is($mock->count->{total}, 0, 'read-only: nothing is asked');

# Long values, which lie apart from their rows, are read without a snapshot of
# a statement: a client secret, tokens, and a scan that a rate limit cut.
renew();
my $long = join '', map { chr(33 + ($_ * 7919) % 94) } 1 .. 4000;
$long =~ s/['"\\\$:]/x/g;
$mock->post('client', { id => 'long-client', secret => $long });
$mock->post('config', { access_token_length => 4000 });
$mock->post('refresh_token', { refresh_token => 'long-token', client_id => 'long-client', user => 'ben' });
$mock->post('library', { user => 'ben', size => 5000 });
value($admin, "SELECT spotify_set_account('long-client', '$long', 'long-token', account => 'ben')");
$mock->fault({ match => { path => '/me/tracks$', user => 'ben', nth => 90 },
		action => { status => 429, retry_after => 3600 } });
$error = refused($admin, '53400', 'a scan that a rate limit cuts');
like($error->{message}, qr/^sync of collection "recently_played" of account "ben" failed/,
	'a scan that a rate limit cuts: what is next has to wait');
is(value($other, 'SELECT count(*) FROM spotify.scan_progress'), 1, 'it is kept');
$mock->no_faults;
value($admin, 'UPDATE spotify.accounts SET retry_after = NULL');
works($admin, 'it is continued');
true_tables('it is continued');

# Nothing is left behind: no lock, no memory
is(value($other, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"), 0, 'no lock is left');

$_->quit for $admin, $other, values %sessions;
$node->stop;
done_testing();
