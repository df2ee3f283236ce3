# Plays that Spotify tells twice or tells with other times than before, as it
# did on 2026-05-26: each is there once, with its first time, and no other play
# is taken for one of them.  And what a list that reaches seven days back leaves
# open after a longer pause.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use SpotifyMock;
use SpotifyPlays;
use SpotifyTest;

my $HOUR = 3600;
my $DAY = 86400;

my $mock = SpotifyMock->start;
my $node = start_node($mock, name => 'anew');
create_account($node);
my $session = open_session($node);
my $now = int time;

sub value { return $node->safe_psql('postgres', $_[0]); }

# No plays, neither there nor here.
sub renew
{
	forget_plays($node, $mock);
	$now = int time;
	return;
}

# That a run inserts so many plays, and warns of nothing.
sub inserts
{
	my ($count, $name, $arguments) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $run = sync_plays($node, $arguments);
	is_deeply([ @$run{qw(status inserted updated skipped)} ], [ 'succeeded', $count, 0, 0 ],
		"$name: $count inserted");
	is($run->{warnings}, '', "$name: no warning");
	return $run;
}

# That what is stored is each play once, with its first time.
sub is_true
{
	my ($name, @expected) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my @stored = stored_plays($session);
	@expected = true_plays($mock) unless @expected;
	is_deeply([ play_differences(\@stored, \@expected) ], [], "$name: the table is true");
	return;
}

# The times of 2026-05-26: most plays a bit earlier, some more than that

renew();
play($mock, $now - 6 * $HOUR + 400 * $_, index => $_ % 13) for 0 .. 39;
inserts(40, 'forty plays');
my @shifts = ((map { -760 - 65 * $_ } 0 .. 28), (map { -3000 - 2800 * $_ } 0 .. 10));
$mock->post('retell', { milliseconds => \@shifts });
my $before = table_digests($node);
is(inserts(0, 'all told anew')->{fetched}, 40, 'all told anew: all were received');
is_deeply(table_digests($node), $before, 'all told anew: nothing is written');
play($mock, $now - 60, index => 20);
inserts(1, 'and one played since');
is_true('and one played since');
$mock->post('retell');
inserts(0, 'told as at first');
$mock->post('retell', { least => -2700, most => 2700, seed => 5 });
inserts(0, 'told anew once more');
play($mock, $now - 30, index => 21);
inserts(1, 'and one more played');
is_true('told anew three times');
check_gaps($session, 'no gap comes of it');

# Told twice in one answer

renew();
play($mock, $now - $HOUR + 300 * $_, index => $_) for 0 .. 4;
$mock->post('echo', { positions => [ 0, 2 ], milliseconds => 150 });
$mock->post('echo', { positions => [4], milliseconds => 3201 });
is(inserts(5, 'told twice')->{fetched}, 8, 'told twice: eight entries');
is_true('told twice');
inserts(0, 'told twice again');
$mock->post('retell', { milliseconds => -1500 });
inserts(0, 'told twice and anew');

# Heard on repeat, which is no reason to lose a play

renew();
play($mock, $now - $HOUR + 31 * $_, index => 3) for 0 .. 19;
inserts(20, 'every 31 seconds');
is_true('every 31 seconds');
$mock->post('retell', { milliseconds => -700 });
inserts(0, 'every 31 seconds, told anew');
play($mock, $now - 1200 + 120 * $_, index => 4) for 0 .. 5;
inserts(6, 'every two minutes');
$mock->post('retell', { milliseconds => -20000 });
play($mock, $now - 10, index => 4);
inserts(1, 'every two minutes, told anew, and once more');
is_true('every two minutes, told anew, and once more');

# Told up to two minutes off, within what the answer covers

renew();
play($mock, $now - 2 * $HOUR + 1200 * $_, index => $_) for 0 .. 5;
inserts(6, 'six plays');
$mock->post('retell', { milliseconds => [ 0, 0, 119_000, -90_000 ] });
inserts(0, 'told two minutes off');
$mock->post('retell', { milliseconds => [ 0, 0, 121_000 ] });
inserts(1, 'told further off: another play');

# What is stored by hand, as from a pipeline, is a play like any other

renew();
play($mock, $now - 3000 + 600 * $_, index => $_) for 0 .. 2;
inserts(3, 'three plays');
value(<<~'SQL');
	UPDATE spotify.plays
	   SET played_at = date_trunc('second', played_at) - interval '17 seconds',
	       run_id = NULL
	SQL
inserts(0, 'stored by hand with other times');
is(value('SELECT count(*) FROM spotify.plays WHERE run_id IS NULL'), 3, 'these stay as they are');

# A period: a play told as before it is still the one that is stored

renew();
play($mock, $now - 7200, index => 9);
play($mock, $now - 3560, index => 1);
inserts(2, 'two plays');
play($mock, $now - 3490, index => 1);
play($mock, $now - 60, index => 9);
$mock->post('retell', { milliseconds => [ 0, 0, -50_000 ] });
inserts(2, 'a stored play that moved out of the period', q{period => '1 hour'});
is_true('a stored play that moved out of the period');

# Each account for itself

renew();
$mock->post('user', { id => 'second' });
$mock->post('refresh_token', { refresh_token => 'mock-refresh-token-2', user => 'second' });
value(q{SELECT spotify_set_account('mock-client', 'mock-secret', 'mock-refresh-token-2', account => 'second')});
play($mock, $now - 100, index => 1);
play($mock, $now - 105, index => 1, user => 'second');
inserts(1, 'one account', q{'default'});
inserts(1, 'another that heard the same', q{'second'});
value(q{SELECT spotify_forget_account('second')});

# A gap is none where the oldest play of a full list is stored, told anew

renew();
play($mock, $now - 9 * $HOUR, index => 99);
inserts(1, 'one play');
play($mock, $now - 8 * $HOUR + 60 * $_, index => $_) for 0 .. 48;
$mock->post('retell', { milliseconds => 2000 });
inserts(49, 'a full list whose oldest play is stored');
check_gaps($session, 'a full list whose oldest play is stored: no gap');

# Seven days: a pause that is longer leaves a gap, whatever the list shows

# Makes the last run of plays a day of so many before now.
sub rest
{
	my ($days) = @_;
	value(<<~SQL);
		UPDATE spotify.sync_runs
		   SET started_at = now() - interval '$days days' - interval '1 minute',
		       finished_at = now() - interval '$days days'
		SQL
	return;
}

for my $case ([ 'some plays', 3 ], [ 'no plays', 0 ])
{
	my ($name, $count) = @$case;
	renew();
	play($mock, $now - 9 * $DAY, index => 50);
	$mock->post('config', { plays_days => undef });
	sync_plays($node);
	value('TRUNCATE spotify.play_gaps');
	$mock->post('config', { plays_days => 7 });

	rest(6.9);
	inserts(0, "$name: after less than seven days");
	rest(8);
	play($mock, $now - $DAY + 60 * $_, index => $_) for 1 .. $count;
	my $run = sync_plays($node);
	is($run->{inserted}, $count, "$name: after eight days");
	like($run->{warnings}, qr/WARNING:  plays of account "default" may be missing/, "$name: the run warns");
	like($run->{warnings}, qr/DETAIL:  Spotify lists only the plays of the last 7 days, and no sync/, "$name: and says why");
	is(value(<<~"SQL"), 't', "$name: the gap is that before the last seven days");
		SELECT gap_start = to_timestamp($now - 9 * $DAY)
		       AND gap_end BETWEEN run.started_at - interval '7 days' AND run.finished_at - interval '7 days'
		  FROM spotify.play_gaps
		  JOIN spotify.sync_runs AS run USING (run_id)
		SQL
	inserts(0, "$name: the run after that");
	is(value('SELECT count(*) FROM spotify.play_gaps'), 1, "$name: one gap is one row");
}

# A failed run is no reason to think that all was seen

renew();
play($mock, $now - 6 * $DAY, index => 1);
sync_plays($node);
value(q{UPDATE spotify.plays SET played_at = now() - interval '9 days'});
rest(8);
$mock->fault({ match => { path => 'recently-played', times => 1 }, action => { body => '<html>' } });
sync_plays_fails($session);
$mock->post('clear_plays');
like(sync_plays($node)->{warnings}, qr/ may be missing /, 'a failed run in between does not count');

$session->quit;
$node->stop;
done_testing();
