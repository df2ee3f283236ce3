# The quality checks: each one fails here, is stored with its run, and stops
# the run or informs; nothing is loaded of what did not pass.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use SpotifyMock;
use SpotifyPlays;
use SpotifyTest;

my $PATH = '/me/player/recently-played$';
my @CHECKS = qw(no_nulls not_empty unique_key within_period);

my $mock = SpotifyMock->start;
my $node = start_node($mock, name => 'checks');
create_account($node);
my $session = open_session($node);

sub value { return $node->safe_psql('postgres', $_[0]); }

# Four plays that nothing is wrong with, and nothing stored.
sub renew
{
	start_over($node, $mock, size => 0);
	$mock->post('clear_plays');
	play($mock, time - 600 + 60 * $_, index => $_, context => 'album') for 1 .. 4;
	return;
}

# That the last run's checks are those of plays, and that these failed, with
# so many entries each, and no others.
sub check_results
{
	my ($name, %failing) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $run_id = value('SELECT max(run_id) FROM spotify.sync_runs');
	my $checks = checks_of($session, $run_id);
	is_deeply([ sort keys %$checks ], \@CHECKS, "$name: every check was made");
	is_deeply(
		{ map { $_ => $checks->{$_}{failing} } grep { !$checks->{$_}{passed} } keys %$checks },
		\%failing, "$name: those that failed, with so many entries");
	for my $check (sort keys %$checks)
	{
		if (exists $failing{$check})
		{
			like($checks->{$check}{detail}, qr/^\S.*\.$/, "$name: $check says what was found");
		}
		else
		{
			is_deeply([ @{ $checks->{$check} }{qw(failing detail)} ], [ 0, undef ],
				"$name: $check has nothing to say");
		}
	}
	return;
}

# That a fault in the answer ends the run with an error of its own, that
# nothing is loaded, and that the run and its checks are stored all the same.
sub stops
{
	my ($name, $check, $detail, $action, %failing) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $runs = value('SELECT count(*) FROM spotify.sync_runs');

	$mock->fault({ match => { path => $PATH, times => 1 }, action => $action }) if defined $action;
	ask($session, 'BEGIN');
	my $error = sync_plays_fails($session);
	ask($session, 'ROLLBACK');
	is($error->{code}, '22000', "$name: the error is 22000");
	is($error->{message}, qq{quality check "$check" failed}, "$name: it names the check");
	like($error->{detail}, $detail, "$name: the detail");
	my $run = query_row($node, 'SELECT * FROM spotify.sync_runs ORDER BY run_id DESC LIMIT 1');
	like($error->{hint}, qr/spotify\.quality_checks\./, "$name: the hint says where the checks are");
	is(value('SELECT count(*) FROM spotify.sync_runs'), $runs + 1, "$name: the run is recorded, once");
	is_deeply(
		[ @$run{qw(collection status error_code inserted)} ],
		[ 'recently_played', 'failed', '22000', 0 ],
		"$name: as a failed one");
	is($run->{error_message}, "$error->{message}: $error->{detail}", "$name: with its message");
	check_results($name, %failing);
	is(value('SELECT count(*) FROM spotify.plays'), 0, "$name: no play is loaded");
	is(value('SELECT count(*) FROM spotify.tracks'), 0, "$name: no track either");
	return;
}

# All is well

renew();
my $run = sync_plays($node);
is($run->{inserted}, 4, 'four plays are loaded');
check_results('all is well');

# not_empty informs

renew();
$mock->fault({ match => { path => $PATH, times => 1 }, action => { empty => 1 } });
$run = sync_plays($node);
is($run->{status}, 'succeeded', 'an empty answer: the run succeeds');
check_results('an empty answer', not_empty => 1);

# unique_key: the same track at the same time, but not the same play

renew();
my $when = time - 30;
play($mock, $when, index => 9, context => $_) for 'album', 'playlist';
stops('a contradiction', 'unique_key', qr/^1 play differs from another/, undef, unique_key => 1);
play($mock, $when, index => 9);
stops('two contradictions', 'unique_key', qr/^2 plays differ from another/, undef, unique_key => 2);

# An exact repetition contradicts nothing: it is stored once.
renew();
$mock->fault({ match => { path => $PATH, times => 1 }, action => { duplicate => 1 } });
$run = sync_plays($node);
is_deeply([ @$run{qw(status fetched inserted)} ], [ 'succeeded', 4, 3 ], 'an exact repetition is stored once');
check_results('an exact repetition');
is(sync_plays($node)->{inserted}, 1, 'and what it hid is stored later');

# no_nulls: a play of a track without its time

renew();
stops('no time', 'no_nulls', qr/when 1 of the plays was/, { remove => ['items.1.played_at'] }, no_nulls => 1);
stops('two unusable times', 'no_nulls', qr/when 2 of the plays were/,
	{ set => { 'items.0.played_at' => 'yesterday', 'items.3.played_at' => 5 } }, no_nulls => 2);

# What has no identity is skipped, and stops nothing.
$mock->fault({ match => { path => $PATH, times => 1 },
		action => { set => { 'items.0' => undef, 'items.1' => { track => undef } } } });
$run = sync_plays($node);
is_deeply([ @$run{qw(status inserted skipped)} ], [ 'succeeded', 2, 2 ], 'entries without identity are skipped');
check_results('entries without identity');

# within_period: nothing in the future, beyond a minute for clocks that differ

renew();
play($mock, time + 3600, index => 9);
stops('an hour ahead', 'within_period', qr/^1 of the plays is in the future/, undef, within_period => 1);
play($mock, time + 1800, index => 10);
stops('two ahead', 'within_period', qr/^2 of the plays are in the future/, undef, within_period => 2);

renew();
play($mock, time + 30, index => 9);
$run = sync_plays($node);
is($run->{inserted}, 5, 'half a minute ahead is loaded');
check_results('half a minute ahead');

# What is older than the period is left out before the check.
renew();
play($mock, time - 7200, index => 9);
$run = sync_plays($node, q{period => '1 hour'});
is_deeply([ @$run{qw(status fetched inserted)} ], [ 'succeeded', 5, 4 ], 'older plays are left out');
check_results('older plays');

# Several at once: the first is named, all are stored

renew();
$when = time + 3600;
play($mock, $when, index => 9, context => $_) for 'album', 'playlist';
stops('all three', 'unique_key', qr/^1 play differs /, { remove => ['items.4.played_at'] },
	unique_key => 1, no_nulls => 1, within_period => 2);

# A failing run changes no play that is stored, and the next one heals

renew();
sync_plays($node);
my @before = stored_plays($session);
play($mock, time, index => 20);
$mock->fault({ match => { path => $PATH, times => 1 }, action => { remove => ['items.3.played_at'] } });
is(sync_plays_fails($session)->{code}, '22000', 'with plays stored: the run fails');
is_deeply([ stored_plays($session) ], \@before, 'and they stay as they are');
is(sync_plays($node)->{inserted}, 1, 'the next run loads what it did not');

# No gap is noted by a run that failed: the next one finds it.
renew();
sync_plays($node);
$mock->post('clear_plays');
play($mock, time - 60 + $_, index => $_) for 1 .. 50;
$mock->fault({ match => { path => $PATH, times => 1 }, action => { remove => ['items.3.played_at'] } });
is(sync_plays_fails($session)->{code}, '22000', 'a gap in a failing run: it fails');
is(value('SELECT count(*) FROM spotify.play_gaps'), 0, 'and notes no gap');
like(sync_plays($node)->{warnings}, qr/may be missing/, 'the next run warns');
is(value('SELECT count(*) FROM spotify.play_gaps'), 1, 'and notes it');

# Caught in PL/pgSQL, or in one transaction with other work

renew();
$mock->fault({ match => { path => $PATH, times => 2 }, action => { remove => ['items.0.played_at'] } });
is(ask($session, <<~'SQL')->{text}, '', 'a failing check can be caught');
	DO $$
	BEGIN
		PERFORM spotify_sync_recently_played();
	EXCEPTION WHEN data_exception THEN
		NULL;
	END $$
	SQL
check_results('caught', no_nulls => 1);

# What failed before there was anything to check has no checks.

$mock->no_faults;
$mock->fault({ match => { path => $PATH, times => 1 }, action => { status => 400 } });
is(sync_plays_fails($session)->{code}, '08P01', 'a failing request');
is(value('SELECT count(*) FROM spotify.quality_checks WHERE run_id = (SELECT max(run_id) FROM spotify.sync_runs)'),
	0, 'a failing request has no checks');

# The checks go with the row of their run.

value('DELETE FROM spotify.sync_runs');
is(value('SELECT count(*) FROM spotify.quality_checks'), 0, 'checks go with the log of runs');

$session->quit;
$node->stop;
done_testing();
