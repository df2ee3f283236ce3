# The quality checks of likes: each is stored for each run, and each can fail.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use SpotifyMock;
use SpotifyTest;

my @CHECKS = qw(complete no_nulls removal_guard unique_key);

my $mock = SpotifyMock->start;
my $node = start_node($mock);
my $session;

create_account($node);
$session = open_session($node);

# The checks of the last run, those that failed as "name: how many".
sub failed_checks
{
	my ($name) = @_;
	my @checks = query_rows($node, <<~SQL);
		SELECT check_name, passed, failing, detail
		  FROM spotify.quality_checks
		 WHERE run_id = (SELECT max(run_id) FROM spotify.sync_runs)
		 ORDER BY check_name
		SQL

	is_deeply([ map { $_->{check_name} } @checks ], \@CHECKS, "$name: all checks are stored");
	is(scalar(grep { $_->{passed} xor !defined $_->{detail} } @checks),
		0, "$name: what failed says why, and nothing else");
	return [ map { "$_->{check_name}: $_->{failing}" } grep { !$_->{passed} } @checks ];
}

# A run that must fail by this check.
sub fails_by
{
	my ($name, $message, @expected) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $error = fails_cleanly($session, '22000', $name);

	like($error->{message}, $message, "$name: the message");
	like($error->{hint} // '', qr/^Nothing was /, "$name: the hint says that nothing was loaded");
	is_deeply(failed_checks($name), \@expected, "$name: the check failed, and no other");
	$mock->no_faults;
	return;
}

# That the row of the last run, which changed nothing, tells of so many entries.
sub received_all
{
	my ($name, $total) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	is_deeply(
		query_row($node, <<~SQL),
			SELECT total, fetched, deactivated
			  FROM spotify.sync_runs
			 ORDER BY run_id DESC
			 LIMIT 1
			SQL
		{ total => $total, fetched => $total, deactivated => 0 },
		"$name: the row of the run says what was received");
	return;
}

start_over($node, $mock, size => 120);
sync_liked($node);
is_deeply(failed_checks('a full scan'), [], 'a full scan: all pass');
sync_liked($node);
is_deeply(failed_checks('a delta'), [], 'a delta: all pass');

$mock->fault({ match => { path => '/me/tracks$', offset => 50 }, action => { set => { total => 119 } } });
is(sync_liked($node, 'full_scan => true')->{status}, 'partial', 'complete: the run is partial');
is_deeply(failed_checks('complete'), ['complete: 1'], 'complete: it informs');
$mock->no_faults;

my $id = $mock->get('library')->[60]{id};
$mock->fault({ match => { path => '/me/tracks$', offset => 50 },
	action => { set => { 'items.11.track.id' => $id } } });
fails_by('unique_key', qr/^quality check "unique_key" failed$/, 'complete: 1', 'unique_key: 1');

$mock->fault({ match => { path => '/me/tracks$' },
	action => { set => { map { ("items.$_.added_at" => undef) } 0 .. 19 } } },
);
is(sync_liked($node, 'full_scan => true')->{status}, 'succeeded', 'a few without a date: no matter');
is_deeply(failed_checks('a few without a date'), [], 'a few without a date: all pass');
$mock->no_faults;
start_over($node, $mock, size => 100);
$mock->fault({ match => { path => '/me/tracks$' },
	action => { set => { map { ("items.$_.added_at" => undef) } 0 .. 49 } } },
);
fails_by('no_nulls', qr/^quality check "no_nulls" failed$/, 'no_nulls: 100');
sync_liked($node);

$mock->post('unlike', { positions => [ 0 .. 39 ] });
fails_by('removal_guard', qr/^the run would deactivate more than 30 percent/, 'removal_guard: 40');
received_all('removal_guard', 60);
$mock->fault({ match => { path => '/me/library/contains$' }, action => { status => 400 } });
fails_cleanly($session, '08P01', 'no answer about what is missing');
received_all('no answer about what is missing', 60);
$mock->no_faults;
is(sync_liked($node, 'allow_mass_removal => true')->{deactivated}, 40, 'the guard lifted');
is_deeply(failed_checks('the guard lifted'), [], 'the guard lifted: all pass');

done_testing();
