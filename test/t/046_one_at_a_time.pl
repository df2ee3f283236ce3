# One run at a time for an account and a collection: a second one fails at once
# and does nothing, however the first one ends.

use strict;
use warnings;

use Time::HiRes qw(sleep time);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use SpotifyMock;
use SpotifySession;
use SpotifyTest;

my $mock = SpotifyMock->start('--library', 60);
my $node = start_node($mock, name => 'one_at_a_time');
create_account($node);
my $admin = open_session($node);

# Waits until a session has a request for a page under way, which a fault
# delays.
sub wait_for_page
{
	my $end = time + 60;
	sleep 0.02 until $mock->count->{tracks} > 0 || time > $end;
	return;
}

sub delay_pages
{
	my ($seconds, %match) = @_;
	$mock->forget_log;
	$mock->fault({ match => { path => '/me/tracks$', times => 1, %match },
			action => { delay => $seconds } });
	return;
}

my $sync_default = q{SELECT status FROM spotify_sync_liked('default')};
my $other = open_session($node);
start_over($node, $mock, size => 60);
$mock->post('user', { id => 'other-user', size => 30 });
$mock->post('refresh_token', { refresh_token => 'other-token', user => 'other-user' });
value($admin, <<~'SQL');
	SELECT spotify_set_account('mock-client', 'mock-secret', 'other-token', account => 'other')
	SQL
value($admin, q{SELECT spotify_refresh_token('default')});

# The first run waits for Spotify until it is cancelled below.
delay_pages(600, user => 'mock-user');
my $runs = value($other, 'SELECT count(*) FROM spotify.sync_runs');
my $pid = value($admin, 'SELECT pg_backend_pid()');
value($admin, q{SET spotify_etl.request_timeout = '20min'});
$admin->query_until(qr/started/, "\\echo started\n$sync_default;\n");
wait_for_page();
my $started_at = time;
my $error = refused($other, '55P03', 'a second run of the account fails', $sync_default);
cmp_ok(time - $started_at, '<', 5, 'it does so at once');
like($error->{message}, qr/"default"/, 'the message names the account');
is($mock->count->{total}, 1, 'it sends no request');
is(value($other, 'SELECT count(*) FROM spotify.sync_runs'), $runs, 'it writes no row');
refused($other, '55P03', 'forgetting the account fails meanwhile',
	q{SELECT spotify_forget_account('default')});
syncs($other, 'another account is synced meanwhile',
	q{SELECT status FROM spotify_sync_liked('other')});
refused($other, '55P03', 'the extension cannot be dropped meanwhile',
	q{SET lock_timeout = '100ms'; DROP EXTENSION spotify_etl});
value($other, 'RESET lock_timeout');
is( value($other, qq{SELECT state FROM pg_stat_activity WHERE pid = $pid}),
	'active', 'all that while the first run was under way');
value($other, "SELECT pg_cancel_backend($pid)");
is(ask($admin, 'SELECT 1')->{code}, '57014', 'the first run is cancelled');
value($admin, 'RESET spotify_etl.request_timeout');
syncs($other, 'afterwards the second may', $sync_default);
syncs($admin, 'and the first again', $sync_default);
is_deeply([ liked_differences($node, $mock, account => 'default') ],
	[], 'the table of the one is true');
is_deeply([ liked_differences($node, $mock, account => 'other', user => 'other-user') ],
	[], 'the table of the other is true');

# The lock lasts as long as the transaction, or the part of it that is kept.
for my $end ('COMMIT', 'ROLLBACK')
{
	value($admin, 'BEGIN');
	syncs($admin, "before $end", $sync_default);
	refused($other, '55P03', "before $end: a second run fails", $sync_default);
	value($admin, $end);
	syncs($other, "after $end: it works", $sync_default);
}
value($admin, 'BEGIN; SAVEPOINT s');
syncs($admin, 'after a savepoint', $sync_default);
refused($other, '55P03', 'after a savepoint: a second run fails', $sync_default);
value($admin, 'ROLLBACK TO s');
syncs($other, 'after ROLLBACK TO: it works', $sync_default);
value($admin, 'ROLLBACK');

delay_pages(600);
my $victim = open_session($node);
$pid = value($victim, 'SELECT pg_backend_pid()');
$victim->query_until(qr/started/, "\\echo started\n$sync_default;\n");
wait_for_page();
refused($other, '55P03', 'while a session syncs', $sync_default);
value($other, "SELECT pg_terminate_backend($pid)");
$node->poll_query_until('postgres',
	"SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $pid");
syncs($other, 'after it was terminated', $sync_default);
eval { $victim->quit };

# Advisory locks of users are others, whatever their keys.
value($admin, 'BEGIN');
syncs($admin, 'to see its lock', $sync_default);
my ($class, $object, $sub) = split /\|/,
  value($admin, q{SELECT classid, objid, objsubid FROM pg_locks
                   WHERE locktype = 'advisory' AND pid = pg_backend_pid()});
value($admin, 'ROLLBACK');
ok($class && $object, 'it has a lock with keys');
unlike($sub, qr/^[12]$/, 'it is no lock of pg_advisory_lock');
value($other, <<~SQL);
	SELECT pg_advisory_lock($class\::bigint::bit(32)::integer, $object\::bigint::bit(32)::integer),
	       pg_advisory_lock(($class\::bigint << 32) | $object\::bigint)
	SQL
is( value($other, <<~SQL), 2, 'another session holds locks with these keys');
	SELECT count(*)
	  FROM pg_locks
	 WHERE (classid, objid) = ($class, $object)
	   AND locktype = 'advisory'
	   AND pid = pg_backend_pid()
	SQL
syncs($admin, 'a sync does not mind', $sync_default);
value($other, 'SELECT pg_advisory_unlock_all()');

$_->quit for $admin, $other;
$node->stop;
done_testing();
