# account_status as an alarm: every way in which an account needs somebody makes
# it unhealthy and is told in words, and nothing else does; who may read it; and
# that it is fast however long the log of runs is.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use SpotifyMock;
use SpotifyPlays;
use SpotifySession qw(refused);
use SpotifyTest;

my $RUNS = 1_000_000;
my $SYNC = 'SELECT status FROM spotify_sync_liked(); SELECT status FROM spotify_sync_recently_played()';
my $UTC = qr/\d{4}-\d\d-\d\d \d\d:\d\d UTC/;

my $mock = SpotifyMock->start('--library', 60);
my $node = start_node($mock, name => 'account_health');
my $session = open_session($node);

sub value { return SpotifySession::value($session, @_); }

sub set_account { return value("UPDATE spotify.accounts SET $_[0]"); }

# The account as on the first day, authorized, and without a run.
sub renew
{
	value('SELECT spotify_forget_account(account) FROM spotify.accounts');
	$mock->post('reset');
	$mock->post('library', { size => 60 });
	value(q{SELECT spotify_set_account('mock-client', 'mock-secret', 'mock-refresh-token')});
	return;
}

# Runs in the log, each "collection status age", with SQL for more columns.
sub log_runs
{
	my ($listed, @runs) = @_;
	value('DELETE FROM spotify.sync_runs');
	for (@runs)
	{
		my ($collection, $status, $age) = split / /, $_, 3;
		value(<<~SQL);
			INSERT INTO spotify.sync_runs
			       (account, collection, mode, status, started_at, finished_at, error_message, listed)
			SELECT 'default', '$collection', 'full', '$status', moment, moment,
			       CASE '$status' WHEN 'failed' THEN 'failed $age ago' END, $listed
			  FROM (SELECT now() - interval '$age') AS run (moment)
			SQL
	}
	return;
}

sub is_healthy
{
	my ($name, $account) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$account //= 'default';
	is(value("SELECT is_healthy, problem IS NULL, problem FROM spotify.account_status WHERE account = '$account'"),
		't|t|', "$name: healthy");
	return;
}

# That the alarm rings, and in these words and no others.
sub is_unhealthy
{
	my ($name, $words) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	like(value('SELECT problem FROM spotify.account_status WHERE NOT is_healthy'), qr/^$words$/, "$name: not healthy");
	return;
}

# The login

value(q{SELECT spotify_set_account('mock-client', 'mock-secret')});
is_unhealthy('never authorized', 'not authorized: there is no refresh token');
value('DELETE FROM spotify_private.credentials');
is_unhealthy('restored without secrets', 'not authorized: there is no refresh token');

renew();
is_healthy('authorized just now');
value($SYNC);
is_healthy('after its first runs');
is( value(<<~'SQL'), 't|t|t|', 'the last successes are the last runs');
	SELECT last_liked_success = last_liked_run,
	       last_recently_played_success = last_recently_played_run,
	       requests_last_24_hours > 2,
	       last_error
	  FROM spotify.account_status
	SQL
is( value(<<~'SQL'), '', 'a run in the statement that looks has no time in the future');
	DO $$
	BEGIN
		PERFORM spotify_sync_liked();
		IF NOT (SELECT is_healthy FROM spotify.account_status) THEN
			RAISE '%', (SELECT problem FROM spotify.account_status);
		END IF;
	END
	$$
	SQL

$mock->post('revoke', { refresh_token => 'mock-refresh-token' });
value('UPDATE spotify_private.credentials SET access_token = NULL, access_token_expires_at = NULL');
refused($session, '28000', 'a token that was revoked', 'SELECT spotify_sync_liked()');
is_unhealthy('a token that was revoked',
	qr/refused: Spotify does not accept the refresh token; liked: failing since $UTC/);
like(value('SELECT last_error FROM spotify.account_status WHERE last_error_at > last_liked_success'),
	qr/Refresh token revoked/, 'a token that was revoked: the last error');

# Months differ in length: half a day after the other, until all is over.
renew();
log_runs('NULL', 'liked succeeded 1 hour');
is( ask($session, <<~'SQL')->{text} =~ s/^.*?INFO:  \w+: (.*?)\n.*/$1/sr, 't t t t', 'it tells when the authorization ends');
	DO $$
	DECLARE
		half_days integer;
		status record;
		words text;
		far boolean := false;
		soon boolean := false;
		tomorrow boolean := false;
		past boolean := false;
	BEGIN
		FOR half_days IN 280 .. 400 LOOP
			UPDATE spotify.accounts SET authorized_at = now() - interval '12 hours' * half_days;
			SELECT * INTO STRICT status FROM spotify.account_status;
			words := CASE WHEN status.days_left < 0
			              THEN to_char(status.authorization_ends_at AT TIME ZONE 'UTC',
			                           '"authorization ended "YYYY-MM-DD HH24:MI "UTC"')
			              WHEN status.days_left = 1 THEN 'authorization ends in 1 day'
			              WHEN status.days_left < 30
			              THEN format('authorization ends in %s days', status.days_left) END;
			IF status.problem IS DISTINCT FROM words OR status.is_healthy <> (words IS NULL) THEN
				RAISE '% days left: %', status.days_left, status.problem;
			END IF;
			far := far OR words IS NULL;
			soon := soon OR status.days_left BETWEEN 2 AND 29;
			tomorrow := tomorrow OR status.days_left BETWEEN 0 AND 3;
			past := past OR status.days_left < 0;
		END LOOP;
		RAISE INFO '% % % %', far, soon, tomorrow, past;
	END
	$$
	SQL
set_account('authorized_at = NULL');
is_healthy('authorized nobody knows when');

# Quota

renew();
value($SYNC);
value(q{SELECT spotify_set_account('mock-client', 'mock-secret', 'mock-refresh-token-2', account => 'second')});
$mock->fault({ match => { path => '/me/tracks$', times => 1 }, action => { status => 429, retry_after => 3600 } });
refused($session, '53400', 'a rate limit', q{SELECT spotify_sync_liked('default')});
is( value('SELECT count(*) FROM spotify.account_status WHERE problem ~ $$^quota until \d{4}-\d\d-\d\d \d\d:\d\d UTC$$'),
	2, 'a rate limit: both accounts of the client id have to wait');
value(q{SELECT spotify_forget_account('second')});
log_runs('NULL', 'liked succeeded 1 hour');
is_unhealthy('a rate limit, and no failure', qr/quota until $UTC/);
set_account(q{retry_after = now() - interval '1 s'});
is_healthy('a rate limit that is over');

# Runs that fail, are partial, or do not come

for my $case (
	[ 'a success', undef, undef, 'liked succeeded 23:59:00' ],
	[ 'a success that is old', qr/liked: nothing scheduled since $UTC/, undef, 'liked succeeded 24:01:00' ],
	[ 'an old success beside a new one', qr/recently_played: nothing scheduled since $UTC/,
		undef, 'liked succeeded 01:00:00', 'recently_played succeeded 24:01:00' ],
	[ 'a failure', qr/liked: failing since $UTC/, undef, 'liked failed 01:00:00' ],
	[ 'a failure after successes', qr/liked: failing since $UTC/,
		undef, 'liked succeeded 03:00:00', 'liked failed 01:00:00', 'recently_played succeeded 01:00:00' ],
	[ 'a failure that is old', qr/liked: failing since $UTC; liked: nothing scheduled since $UTC/,
		undef, 'liked failed 3 days' ],
	[ 'a success after failures', undef,
		undef, 'liked failed 03:00:00', 'liked succeeded 01:00:00' ],
	[ 'both fail', qr/liked: failing since $UTC; recently_played: failing since $UTC/,
		undef, 'liked failed 03:00:00', 'recently_played failed 01:00:00' ],
	[ 'a partial run', undef, undef, 'liked succeeded 23:00:00', 'liked partial 01:00:00' ],
	[ 'partial runs only, for some hours', undef, undef, 'liked partial 23:00:00', 'liked partial 01:00:00' ],
	[ 'partial runs only, for more than a day', qr/liked: incomplete since $UTC/,
		undef, 'liked partial 25:00:00', 'liked partial 01:00:00' ],
	[ 'partial runs after a success that is old', qr/liked: incomplete since $UTC/,
		undef, 'liked succeeded 25:00:00', 'liked partial 02:00:00', 'liked partial 01:00:00' ],
	[ 'partial runs that read the list to its end', undef,
		60, 'liked succeeded 25:00:00', 'liked partial 25:00:00', 'liked partial 01:00:00' ])
{
	my ($name, $words, $listed, @runs) = @$case;
	renew();
	log_runs($listed // 'NULL', @runs);
	defined $words ? is_unhealthy($name, $words) : is_healthy($name);
}

renew();
log_runs('NULL', 'liked failed 9 hours', 'liked succeeded 8 hours', 'liked failed 7 hours', 'liked partial 6 hours',
	'liked failed 5 hours', 'liked failed 4 hours', 'recently_played failed 3 hours', 'recently_played succeeded 2 hours');
is( value(<<~'SQL'), 't|8|2|3|failed 3 hours ago', 'failing since the first failure after what did not fail');
	SELECT problem = to_char((now() - interval '5 hours') AT TIME ZONE 'UTC',
	                         '"liked: failing since "YYYY-MM-DD HH24:MI "UTC"'),
	       round(extract(epoch FROM now() - last_liked_success) / 3600),
	       round(extract(epoch FROM now() - last_recently_played_success) / 3600),
	       round(extract(epoch FROM now() - last_error_at) / 3600),
	       last_error
	  FROM spotify.account_status
	SQL

renew();
set_account(q{created_at = now() - interval '3 days'});
is_healthy('authorized just now, created long ago');
set_account(q{authorized_at = now() - interval '2 days'});
is_unhealthy('authorized long ago and never synced', qr/nothing scheduled since $UTC/);

# A gap

renew();
log_runs('NULL', 'liked succeeded 1 hour', 'recently_played succeeded 1 hour');
value(<<~'SQL');
	INSERT INTO spotify.play_gaps (account, gap_start, gap_end, run_id)
	SELECT account, started_at - interval '9 days', started_at - interval '1 hour', run_id
	  FROM spotify.sync_runs
	 WHERE collection = 'recently_played'
	SQL
is_unhealthy('a gap', qr/gap: plays may be missing between $UTC and $UTC/);
log_runs('NULL', 'recently_played succeeded 25 hours', 'liked succeeded 1 hour', 'recently_played succeeded 1 hour');
value('UPDATE spotify.play_gaps SET run_id = (SELECT min(run_id) FROM spotify.sync_runs)');
is_healthy('a gap that a run of yesterday found');

# A clock that was ahead; several problems at once; an account that is not used

renew();
log_runs('NULL', 'liked succeeded -1 hour');
set_account(q{retry_after = now() + interval '3 days', authorized_at = now() + interval '1 hour'});
is_unhealthy('a clock that was ahead', 'times in the future: authorized_at, retry_after, last_liked_run');

renew();
value('DELETE FROM spotify_private.credentials');
log_runs('NULL', 'liked failed 1 hour');
set_account(q{needs_authorization = true, authorized_at = now() - interval '7 months', retry_after = now() + interval '1 hour'});
my $all = qr/not authorized: [^;]*; refused: [^;]*; authorization ended $UTC; quota until $UTC; liked: failing since $UTC/;
is_unhealthy('several problems', $all);
my $problem = value('SELECT problem FROM spotify.account_status');
is(value(<<~'SQL'), $problem, 'the words are the same in each session');
	SET DateStyle = 'German'; SET TimeZone = 'Asia/Tokyo'; SET IntervalStyle = 'iso_8601';
	SELECT problem FROM spotify.account_status
	SQL
value('RESET DateStyle; RESET TimeZone; RESET IntervalStyle');
set_account('is_enabled = false');
is_healthy('a disabled account');

# Who may read the view sees no secret

value(<<~'SQL');
	CREATE ROLE reader LOGIN;
	GRANT SELECT ON spotify.account_status TO reader;
	GRANT CREATE ON SCHEMA public TO reader
	SQL
renew();
my $reader = open_session($node, undef, user => 'reader');
is(SpotifySession::value($reader, 'SELECT is_healthy FROM spotify.account_status'), 't', 'a role with SELECT on the view');
refused($reader, '42501', "a role with SELECT on the view: $_", "SELECT FROM $_")
  for 'spotify_private.credentials', 'spotify.sync_runs';
my $seen = ask($reader, <<~'SQL');
	CREATE FUNCTION peeps(anyelement) RETURNS boolean LANGUAGE plpgsql COST 0.0001
		AS $$ BEGIN RAISE NOTICE 'saw %', $1; RETURN true; END $$;
	SELECT is_healthy FROM spotify.account_status AS status WHERE peeps(status)
	SQL
is($seen->{output}, 't', 'a function of the reader is called');
unlike($seen->{text}, qr/mock-(?:secret|refresh|access)/, 'and is shown no secret');
$reader->quit;

# A million runs, most of which failed: an index finds what counts, with and
# without statistics.

renew();
value(<<~SQL);
	ALTER TABLE spotify.sync_runs DISABLE TRIGGER ALL;
	INSERT INTO spotify.sync_runs (account, collection, mode, status, started_at, finished_at, requests)
	SELECT 'default', CASE n % 2 WHEN 0 THEN 'liked' ELSE 'recently_played' END, 'delta',
	       CASE WHEN n IN (1, 2) THEN 'succeeded' ELSE 'failed' END, moment, moment, 2
	  FROM generate_series(1, $RUNS) AS n,
	       LATERAL (SELECT now() - interval '1 minute' * ($RUNS - n)) AS run (moment);
	ALTER TABLE spotify.sync_runs ENABLE TRIGGER ALL
	SQL
for my $statistics ('without', 'with')
{
	value('ANALYZE spotify.sync_runs') if $statistics eq 'with';
	my $plan = value('EXPLAIN (ANALYZE, BUFFERS, TIMING off) SELECT * FROM spotify.account_status');
	unlike($plan, qr/Seq Scan on sync_runs/, "a million runs, $statistics statistics: no scan of the log");
	my ($hit, $read) = (0, 0);
	($hit, $read) = ($1 // 0, $2 // 0) if $plan =~ /Buffers: shared(?: hit=(\d+))?(?: read=(\d+))?/;
	cmp_ok($hit + $read, '<', 2000, "a million runs, $statistics statistics: few pages are read") or diag($plan);
}
is_unhealthy('a million runs', qr/liked: failing since $UTC; recently_played: failing since $UTC/);
is( value("SELECT requests_last_24_hours BETWEEN 2 * 23 * 60 AND 2 * 24 * 60 FROM spotify.account_status"),
	't', 'a million runs: the requests of a day');

$session->quit;
$node->stop;
done_testing();
