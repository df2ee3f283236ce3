# What cannot be settled costs no full scan at every run: Spotify says that a
# track is liked which its list lacks, or does not answer where a null could hide
# it, or counts more entries than there are.  A day of hourly runs over 10,000
# likes takes 150 requests at most, no liked track becomes inactive, what is new
# is stored, and once Spotify tells the truth again the removal is found.

use strict;
use warnings;

use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use SpotifyMock;
use SpotifyTest;

my $SIZE = 10_000;
my $DAY = 24;
my $MAX_REQUESTS = 150;

my $mock = SpotifyMock->start;
my $node = start_node($mock);

create_account($node);

# One who likes all that is liked here at the start: their answers to the
# question what is liked are untrue here.
$mock->post('user', { id => 'liar', size => $SIZE });

# Requests to the API since the last call, those for tokens apart.
sub api_requests
{
	my $count = $mock->count;

	$mock->forget_log;
	return $count->{total} - $count->{token};
}

# A library of so many tracks, with what else is done to it, stored as it is.
sub store_library
{
	my ($size, @operations) = @_;

	start_over($node, $mock, size => $size);
	$mock->post(@$_) for @operations;
	my $run = sync_liked($node, 'full_scan => true', 'SET spotify_etl.max_concurrency = 8');
	is($run->{status}, 'succeeded', "$size tracks are stored");
	$mock->forget_log;
	return;
}

# A run, which must neither lie nor do harm.
sub run
{
	my ($name, $arguments, $before) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $run = sync_liked($node, $arguments, $before);

	is_deeply([ wrongly_inactive($node, $mock) ], [], "$name: no liked track is inactive");
	is_deeply([ liked_differences($node, $mock) ], [], "$name: the table is true")
	  if $run->{status} eq 'succeeded';
	return $run;
}

# Hourly runs, with changes of the library at some hours: each run is a partial
# delta, and all of them together are cheap.
sub day
{
	my ($name, %changes) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my (%kinds, $requests);

	$mock->forget_log;
	for my $hour (1 .. $DAY)
	{
		$changes{$hour}->() if $changes{$hour};
		my $run = sync_liked($node);
		$kinds{"$run->{mode} $run->{status}"}++;
	}
	is_deeply([ wrongly_inactive($node, $mock) ], [], "$name: no liked track is inactive");
	is_deeply(\%kinds, { 'delta partial' => $DAY }, "$name: all runs are deltas");
	$requests = api_requests();
	cmp_ok($requests, '<=', $MAX_REQUESTS, "$name: a day takes $requests requests");
	return;
}

# What is not settled is asked about when the audit has come round, which these
# settings hasten; returns the number of rows that became inactive until then.
sub round_of_audit
{
	my ($name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $deactivated = 0;
	my $run;

	for (1 .. 2 + $SIZE / 50 / 100)
	{
		$run = sync_liked($node, undef, 'SET spotify_etl.audit_pages = 100');
		$deactivated += $run->{deactivated};
	}
	is_deeply([ liked_differences($node, $mock) ], [], "$name: the table is true");
	is("$run->{mode} $run->{status}", 'delta succeeded', "$name: all is settled")
	  or diag($run->{error_message} // '');
	return $deactivated;
}

sub likes { my ($count) = @_; return sub { $mock->post('like', { count => $count }) }; }
sub unlikes { my (@positions) = @_; return sub { $mock->post('unlike', { positions => \@positions }) }; }

sub stored
{
	my ($column) = @_;
	return query_row($node, "SELECT $column AS value FROM spotify.sync_runs ORDER BY run_id DESC LIMIT 1")
	  ->{value};
}

my @changes = (5 => likes(2), 9 => unlikes(7000), 14 => likes(60), 20 => unlikes(0));

# ------------------------------------------- Spotify says that it is liked

store_library($SIZE);
$mock->fault({ match => { path => 'contains' }, action => { serve => { user => 'liar' } } });
day('liked, they say', 1 => unlikes(5000), @changes);
is(stored('unsettled'), 2, 'liked, they say: the row of the run tells how much is open');
$mock->no_faults;
is(round_of_audit('not liked after all'), 2, 'not liked after all: both become inactive');
is(stored('unsettled'), 0, 'not liked after all: nothing is open');

# A list that is said to be empty, while Spotify says that the tracks are liked.
store_library(1000);
$mock->fault({ match => { path => '/me/tracks$' }, action => { zeroed => JSON::PP::true } });
for my $round (1 .. 4)
{
	is(run("an empty list, run $round")->{deactivated}, 0, "an empty list, run $round: nothing is removed");
	cmp_ok(api_requests(), '<=', 15, "an empty list, run $round: not all tracks are asked about");
}
$mock->no_faults;
run('no empty list any more') for 1 .. 2;
is(stored('status'), 'succeeded', 'no empty list any more: all is settled');

# One that is not liked any more a moment later is found by the next run.
store_library(500);
$mock->post('unlike', { positions => [300] });
$mock->fault({ match => { path => 'contains', times => 1 }, action => { body => '[true]' } });
is(run('an answer too early')->{status}, 'partial', 'an answer too early: the run is partial');
$mock->forget_log;
is(run('an answer too early, next run')->{deactivated}, 1, 'an answer too early: the next run asks again');
cmp_ok(api_requests(), '<=', 3, 'an answer too early: and that is all it asks');
$mock->no_faults;

# ----------------------------------- Spotify does not answer, and a null is there

my @null = ([ insert => { position => 300, kind => 'null_track' } ]);

store_library($SIZE, @null);
$mock->post('config', { contains_status => 403 });
day('no answer', 1 => unlikes(5000), @changes);
$mock->post('config', { contains_status => undef });
is(round_of_audit('an answer at last'), 3, 'an answer at last: all become inactive');

store_library($SIZE, @null);
$mock->post('config', { contains_status => 404 });
day('no answer, and the null goes', 1 => unlikes(5000), @changes);
my $library = $mock->get('library');
$mock->post('unlike', { positions => [ grep { !defined $library->[$_]{id} } 0 .. 400 ] });
$mock->forget_log;
my $run = run('the null is gone');
is("$run->{mode} $run->{status} $run->{deactivated}",
	'full succeeded 3', 'the null is gone: the whole list is proof, once');
is(run('after the null')->{mode}, 'delta', 'after the null: a delta again');
$mock->post('config', { contains_status => undef });

# --------------------------------------------------- total is always too high

store_library($SIZE);
$mock->post('total', { add => 3 });
day('3 too many', 1 => unlikes(5000), @changes);
is(scalar(liked_differences($node, $mock)), 0, '3 too many: removals are found all the same');
is(stored('total - listed'), 3, '3 too many: the row of the run tells how many');
$mock->post('total');
$run = run('total is right again');
is("$run->{mode} $run->{status}", 'delta succeeded', 'total is right again: the run succeeds');

# From the first scan on, and with no answer where something is missing.
start_over($node, $mock, size => $SIZE);
$mock->post('total', { add => 3 });
$mock->post('config', { contains_status => 403 });
$mock->forget_log;
$run = run('3 too many from the start');
is("$run->{mode} $run->{status} $run->{inserted}",
	"full partial $SIZE", '3 too many from the start: all is stored');
cmp_ok(api_requests(), '<=', $SIZE / 50 + 10, '3 too many from the start: the list is read once');
day('3 too many from the start', 1 => unlikes(5000), @changes);
is(stored('unsettled'), 3, '3 too many from the start: what is missing is open');
$mock->post('total');
$run = run('total is right at last');
is("$run->{status} $run->{deactivated}", 'succeeded 3', 'total is right at last: all become inactive');
$mock->post('config', { contains_status => undef });

# Wherever the end of the list is on its page, and whatever happens there.
for my $size (48, 50, 51, 97, 100, 130)
{
	my $name = "3 too many, $size tracks";

	store_library($size);
	$mock->post('total', { add => 3 });
	is(run("$name, first")->{mode}, 'delta', "$name: a delta");
	for my $change (
		sub { },
		likes(1),
		unlikes($size - 1),
		sub { likes(3)->(); unlikes(1)->() },
		unlikes(0),
		sub { $mock->post('total', { add => 5 }) },
		likes(49),
		sub { $mock->post('total', { add => 1 }) },
		sub { unlikes(20)->(); likes(1)->() })
	{
		$change->();
		$run = run($name);
		is($run->{status}, 'partial', "$name: partial");
	}
	$mock->post('total');
	run("$name, right again") for 1 .. 3;
	$run = run("$name, settled");
	is("$run->{mode} $run->{status}", 'delta succeeded', "$name: settled at last");
}

# A page at the end that comes short for a while is no end for ever.
store_library(500);
$mock->fault({ match => { path => '/me/tracks$', offset => 450 }, action => { keep => 20 } });
$run = run('cut short', 'full_scan => true');
is("$run->{status} $run->{deactivated}", 'partial 0', 'cut short: partial');
is(run('still cut short')->{status}, 'partial', 'still cut short: partial');
$mock->no_faults;
run('whole again') for 1 .. 2;
is(scalar(liked_differences($node, $mock)), 0, 'whole again: the table is true');
is(stored('status'), 'succeeded', 'whole again: the run succeeds');

done_testing();
