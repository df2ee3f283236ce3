# Transactions that keep their first snapshot, and an account that is forgotten
# while others sync: what would fail or be wrong for it is refused before a
# request, and nobody has to wait for a session that is idle.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

use SpotifyMock;
use SpotifyPlays;
use SpotifySession;
use SpotifyTest;

my @NAMES = qw(anna ben carla dora);
my @LEVELS = ('repeatable read', 'serializable');
my $ALL = 'CALL spotify_sync_all()';

my $mock = SpotifyMock->start;
my $node = start_node($mock, name => 'snapshots');
my $admin = open_session($node);

sub create
{
	my ($name) = @_;
	$mock->post('user', { id => $name });
	$mock->post('library', { user => $name, size => 60 });
	$mock->post('refresh_token',
		{ refresh_token => "mock-refresh-token-$name", client_id => 'mock-client', user => $name });
	value($admin, "SELECT spotify_set_account('mock-client', 'mock-secret', 'mock-refresh-token-$name', account => '$name')");
	return;
}

sub sync
{
	my ($name) = @_;
	return "SELECT status FROM spotify_sync_liked('$name', full_scan => true)";
}

# That a statement is refused for its isolation level.  Returns the error.
sub refused_for_level
{
	my ($session, $name, $sql, $level) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $error = refused($session, '25000', "$name: the error", $sql);
	like($error->{message}, qr/isolation level $level/, "$name: the level is named");
	like($error->{hint}, qr/READ COMMITTED/i, "$name: the hint");
	return $error;
}

create($_) for @NAMES;

# Accounts that load what they share, at once

for my $level (@LEVELS)
{
	my %sessions = map { $_ => open_session($node, "SET default_transaction_isolation = '$level'") } @NAMES;
	my @calls = (
		"SELECT spotify_sync_liked('anna')",
		"SELECT spotify_sync_recently_played('anna')",
		q{SELECT spotify_forget_account('anna')},
		"BEGIN; $ALL",
		"DO \$\$ BEGIN $ALL; EXCEPTION WHEN division_by_zero THEN NULL; END \$\$");

	start_over($node, $mock, user => 'anna', size => 60);
	for my $sql (@calls)
	{
		my $error = refused_for_level($sessions{anna}, "$level by default: $sql", $sql, $level);
		like($error->{hint}, qr/default_transaction_isolation/, "$level by default: $sql: the hint names the setting");
		value($sessions{anna}, 'ROLLBACK');
	}
	is($mock->count->{total}, 0, "$level by default: nothing is asked");
	is(value($admin, 'SELECT count(*) FROM spotify.accounts'), 4, "$level by default: nobody is forgotten");
	value($sessions{ben}, q{SET default_transaction_isolation = 'read committed'});
	refused_for_level($sessions{ben}, "$level for once", "BEGIN ISOLATION LEVEL $level; " . sync('ben'), $level);
	value($sessions{ben}, "ROLLBACK; SET default_transaction_isolation = '$level'");

	# All accounts in one call does without, and so does who asks for it.
	is(ask($sessions{anna}, $ALL)->{text}, '', "$level by default: all accounts in one call");
	is_deeply(
		[ map { liked_differences($admin, $mock, account => $_, user => $_) } @NAMES ],
		[], "$level by default: the tables are true");
	start_over($node, $mock, user => 'anna', size => 60);
	value($_, 'BEGIN ISOLATION LEVEL READ COMMITTED') for values %sessions;
	begin($sessions{$_}, sync($_) . '; COMMIT') for @NAMES;
	is_deeply(
		{ map { $_ => answer_of($sessions{$_})->{output} } @NAMES },
		{ map { $_ => 'succeeded' } @NAMES },
		"$level by default: four that load shared tracks at once, in READ COMMITTED");
	$_->quit for values %sessions;
}

# What is asked of one account only, and stored by a worker, works as ever.
for my $level (@LEVELS)
{
	my $session = open_session($node, "SET default_transaction_isolation = '$level'");
	is(value($session, q{SELECT spotify_refresh_token('anna') > now()}), 't', "$level: a token");
	like(value($session, q{SELECT spotify_authorize_url('anna')}), qr/^http/, "$level: an authorization");
	is(value($session, q{SELECT spotify_set_account('mock-client', account => 'anna')}), '', "$level: an account");
	value($session, 'BEGIN; SELECT 1');
	value($admin, q{SELECT spotify_refresh_token('anna'); UPDATE spotify.accounts SET display_name = 'Anna'});
	refused($session, '40001', "$level: an account that has changed since",
		q{SELECT spotify_set_account('mock-client', account => 'anna')});
	value($session, 'ROLLBACK');
	$session->quit;
}

# An account is forgotten on an old snapshot, while another one syncs.

my $other = open_session($node);
syncs($other, 'anna syncs', sync('anna'));
value($admin, 'BEGIN ISOLATION LEVEL REPEATABLE READ');
value($admin, 'SELECT count(*) FROM spotify.liked_tracks');
$mock->post('like', { user => 'ben', count => 3 });
syncs($other, 'ben syncs what is new', sync('ben'));
refused_for_level($admin, 'an account is forgotten on an old snapshot', q{SELECT spotify_forget_account('anna')}, 'repeatable read');
value($admin, 'ROLLBACK');
is(value($admin, <<~'SQL'), 0, 'no track of another account is gone');
	SELECT count(*)
	  FROM spotify.liked_tracks AS liked
	 WHERE NOT EXISTS (SELECT FROM spotify.tracks AS track WHERE track.track_id = liked.track_id)
	SQL

# An account is forgotten behind a session that has synced and is idle.

my $third = open_session($node);
value($other, 'BEGIN');
syncs($other, 'a sync in a transaction that stays open', sync('ben'));
my $before = value($admin, 'SELECT count(*) FROM spotify.liked_tracks');
begin($admin, q{SELECT spotify_forget_account('anna')});
my $start = time;
syncs($third, 'another sync meanwhile', sync('carla'));
syncs($third, 'plays meanwhile', q{SELECT status FROM spotify_sync_recently_played('dora')});
my $answer = answer_of($admin);
cmp_ok(time - $start, '<', 60, 'forgetting does not wait for the idle one');
is($answer->{code}, '55P03', 'it fails');
like($answer->{message}, qr/catalogue/, 'it says why');
like($answer->{hint}, qr/pg_stat_activity/, 'and what to do');
is(value($admin, 'SELECT count(*) FROM spotify.liked_tracks'), $before, 'nothing is deleted');
value($other, 'COMMIT');
is(value($admin, q{SELECT spotify_forget_account('anna')}), '', 'it works when the other one has committed');
is( value($admin, q{SELECT count(*) FROM spotify.liked_tracks WHERE account = 'anna'}),
	0, 'and leaves nothing');

# A sync that only just ends is waited for.
value($other, 'BEGIN');
syncs($other, 'a sync in a transaction that ends soon', sync('ben'));
begin($admin, q{SELECT spotify_forget_account('dora')});
ok( $node->poll_query_until('postgres',
		q{SELECT count(*) = 1 FROM pg_stat_activity
		   WHERE query LIKE '%forget_account%dora%' AND state = 'active' AND pid <> pg_backend_pid()
		     AND wait_event_type = 'Extension'}),
	'forgetting waits a little');
value($other, 'COMMIT');
is(answer_of($admin)->{text}, '', 'and goes on when that has committed');
is(value($admin, q{SELECT string_agg(account, ' ' ORDER BY account) FROM spotify.accounts}),
	'ben carla', 'the account is gone');
is(value($admin, <<~'SQL'), 0, 'and what nobody else uses with it');
	SELECT count(*)
	  FROM spotify.tracks AS track
	 WHERE NOT EXISTS (SELECT FROM spotify.liked_tracks AS liked WHERE liked.track_id = track.track_id)
	   AND NOT EXISTS (SELECT FROM spotify.plays AS play WHERE play.track_id = track.track_id)
	SQL

$_->quit for $admin, $other, $third;
$node->stop;
done_testing();
