# Many accounts: side by side, on the same catalogue, without deadlocks and
# without waiting for each other's HTTP.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

use SpotifyMock;
use SpotifyTest;

my $ACCOUNTS = 8;
my $ROUNDS = 10;
my $SIZE = 200;
my $STEP = 10;    # by so many tracks the libraries differ

my $mock = SpotifyMock->start;
my $node = start_node($mock, name => 'accounts');
my @names = map { "account-$_" } 1 .. $ACCOUNTS;

# Half of them belong to one client id, half to another.
$mock->post('client', { id => 'other-client', secret => 'other-secret' });
for my $number (1 .. $ACCOUNTS)
{
	my ($client, $secret) = $number % 2 ? qw(mock-client mock-secret) : qw(other-client other-secret);
	my ($user, $token) = ("user-$number", "mock-refresh-token-$number");
	$mock->post('user', { id => $user });
	$mock->post('library', { user => $user, size => $SIZE, first_index => $STEP * $number });
	$mock->post('refresh_token', { refresh_token => $token, client_id => $client, user => $user });
	$node->safe_psql('postgres',
		"SELECT spotify_set_account('$client', '$secret', '$token', account => 'account-$number')");
}

# None may wait for long, whatever another one has locked.
my %sessions = map { $_ => open_session($node, "SET lock_timeout = '20s'") } @names;

# Starts a sync of each of these accounts, then waits for all.  Returns the
# seconds that took; each must succeed.
sub sync_all
{
	my ($name, @accounts) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $start = time;
	for my $account (@accounts)
	{
		my $session = $sessions{$account};
		$session->{stderr} = '';
		$session->query_until(qr/sent\n/,
			"\\echo sent\nSELECT status FROM spotify_sync_liked('$account', full_scan => true);\n");
	}
	my %results = map { $_ => $sessions{$_}->query('') . $sessions{$_}{stderr} } @accounts;
	my $elapsed = time - $start;
	is_deeply(\%results, { map { $_ => 'succeeded' } @accounts }, "$name: all succeed");
	return $elapsed;
}

sub check_tables
{
	my ($name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my @wrong;
	for my $number (1 .. $ACCOUNTS)
	{
		my %options = (account => "account-$number", user => "user-$number");
		push @wrong, map { "account-$number: $_" }
		  liked_differences($sessions{"account-$number"}, $mock, %options),
		  wrongly_inactive($sessions{"account-$number"}, $mock, %options);
	}
	is_deeply(\@wrong, [], "$name: all tables are true");
	return;
}

# A rule that makes these the artists of all but the oldest tracks and albums.
sub artists
{
	my @artists = @_;
	my %set = map { ("items.$_.track.artists" => \@artists, "items.$_.track.album.artists" => \@artists) } 0 .. 49;
	return { match => { path => '/me/tracks$', offset => [ 0, 50, 100 ] }, action => { set => \%set } };
}

sync_all('the first time', @names);
check_tables('the first time');

# Changes to what they share and to what they do not, in another order for each.
my @shared = map { $_->{id} } @{ $mock->get('library?user=user-1') }[ 80 .. 119 ];
for my $round (1 .. $ROUNDS)
{
	$mock->post('rename', { id => $_, name => "name $round of $_" }) for @shared;
	for my $number (1 .. $ACCOUNTS)
	{
		my $user = "user-$number";
		$mock->post('unlike', { user => $user, count => 5, seed => $round * 100 + $number });

		# The same new tracks for all, the other way round for every second one.
		my @new = map { 5000 + $round * 20 + $_ } 1 .. 10;
		@new = reverse @new if $number % 2;
		$mock->post('like', { user => $user, indexes => \@new });
	}

	# Many have a second artist in every other round.
	$mock->no_faults;
	$mock->fault(artists(map { { id => "artist-$_", name => "Artist $_" } } 1 .. 1 + $round % 2));
	sync_all("round $round", @names);
	check_tables("round $round");
}
is( $node->safe_psql('postgres',
		"SELECT count(*) FROM spotify.sync_runs WHERE status <> 'succeeded'"),
	0, 'no run failed');
is( $node->safe_psql('postgres', 'SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()'),
	0, 'there was no deadlock');
unlike(slurp_file($node->logfile), qr/deadlock detected/, 'nor does the log tell of one');

$mock->no_faults;

# A run deletes no row that somebody else has locked: it would have to wait.  A
# later one does.
my ($first, $second) = map { { id => "artist-$_", name => "Artist $_" } } 3 .. 4;
my $SECOND = q{FROM spotify.track_artists WHERE artist_id = 'artist-4'};
$mock->fault(artists($first, $second));
sync_all('two artists', 'account-1');
$mock->no_faults;
$mock->fault(artists($first));
my $holder = open_session($node);
ask($holder, "BEGIN; SELECT $SECOND ORDER BY track_id LIMIT 1 FOR UPDATE");
sync_all('an artist is gone, and the row is locked', 'account-1');
is(ask($holder, "SELECT count(*) $SECOND")->{output}, 1, 'an artist is gone: the locked row stays');
ask($holder, 'COMMIT');
sync_all('the row is not locked any more', 'account-1');
is(ask($holder, "SELECT count(*) $SECOND")->{output}, 0, 'an artist is gone: and goes later');
$holder->quit;
$mock->no_faults;

# Nobody waits for another one's HTTP: with slow answers all together take
# little longer than one alone.
$mock->post('config', { latency_ms => 100 });
for my $count (2, $ACCOUNTS)
{
	my @some = @names[ 0 .. $count - 1 ];
	my $sum = 0;
	$sum += sync_all("$_ alone", $_) for @some;
	my $together = sync_all("$count together", @some);
	note sprintf '%d accounts: %.2f s together, %.2f s one after another', $count, $together, $sum;
	cmp_ok($together, '<', $sum * ($count == 2 ? 0.75 : 0.5),
		"$count accounts do not wait for each other's HTTP");
}

# One that gets no answer at all holds up nobody.
$mock->post('config', { latency_ms => 0 });
$mock->fault({ match => { path => '/me/tracks$', user => 'user-1' }, action => { delay => 3 } });
$mock->post('like', { user => 'user-2', count => 1 });
my $session = $sessions{'account-1'};
$session->{stderr} = '';
$session->query_until(qr/sent\n/, "\\echo sent\nSELECT status FROM spotify_sync_liked('account-1');\n");
my $elapsed = sync_all('beside one that waits', @names[ 1 .. $ACCOUNTS - 1 ]);
cmp_ok($elapsed, '<', 2.5, 'one that waits holds up nobody');
$mock->no_faults;
is($session->query(''), 'succeeded', 'and succeeds in the end');
check_tables('in the end');

$_->quit for values %sessions;
$node->stop;
done_testing();
