# How a list is read: a full scan that is asked for begins at the first page,
# whatever an earlier run has read, and a run counts what it received itself.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use SpotifyMock;
use SpotifyTest;

my $mock = SpotifyMock->start;
my $node = start_node($mock);

create_account($node);

# Offsets of the pages that were asked for since the last call, in order.
sub offsets_read
{
	my @offsets =
	  map { $_->{query}{offset} // 0 } grep { $_->{path} =~ m{/me/tracks$} } @{ $mock->log };

	$mock->forget_log;
	return \@offsets;
}

# The end of a rate limit.
sub allow_requests
{
	$mock->no_faults;
	$node->safe_psql('postgres', 'UPDATE spotify.accounts SET retry_after = NULL');
	return;
}

# Stores a library of so many by a full scan that a rate limit cuts at an offset.
sub cut_scan
{
	my ($offset, $arguments) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	$mock->fault({ match => { offset => $offset }, action => { status => 429, retry_after => 3600 } });
	my $run = sync_liked($node, $arguments, 'SET spotify_etl.max_concurrency = 1');
	is($run->{status}, 'partial', "cut at $offset: the run is partial");
	allow_requests();
	$mock->forget_log;
	return $run;
}

sub check_succeeded
{
	my ($run, $name, %expected) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my %got = map { $_ => $run->{$_} } keys %expected;

	is($run->{status}, 'succeeded', "$name: the run succeeds")
	  or diag($run->{error_message} // '');
	is_deeply(\%got, \%expected, "$name: the run counts it");
	is_deeply([ liked_differences($node, $mock) ], [], "$name: the table is true");
	return;
}

# ------------------------------------------------------- after a cut scan

# The next run goes on, and counts what it received itself.
start_over($node, $mock, size => 330);
$mock->post('insert', { position => $_, kind => 'null_track' }) for 120, 310;
my $run = cut_scan(200);
is_deeply([ @$run{qw(total fetched inserted skipped)} ], [ 332, 200, 199, 1 ],
	'a cut scan: what it received is counted');
check_succeeded(sync_liked($node), 'the run after it',
	mode => 'full', total => 332, fetched => 182, inserted => 131, skipped => 1);
is_deeply([ sort { $a <=> $b } @{ offsets_read() } ], [ 0, 0, 150, 200, 250, 300 ],
	'the run after it goes on from there');

# A full scan that is asked for reads all.  Another track stands where the cut
# scan has read: only reading it again shows that.
start_over($node, $mock, size => 330);
cut_scan(200);
my $added_at = $mock->get('library')->[100]{added_at};
$mock->post('unlike', { positions => [100] });
$mock->post('like', { count => 1, added_at => $added_at });
check_succeeded(sync_liked($node, 'full_scan => true'), 'a full scan that is asked for',
	total => 330, fetched => 330, deactivated => 1);
is_deeply([ sort { $a <=> $b } @{ offsets_read() } ], [ 0, map { $_ * 50 } 0 .. 6 ],
	'a full scan that is asked for reads all pages');
check_succeeded(sync_liked($node), 'the run after that', mode => 'delta', inserted => 0);

# One that is cut itself leaves to the next run what it has read, not more.
start_over($node, $mock, size => 330);
cut_scan(200);
is(cut_scan(100, 'full_scan => true')->{fetched}, 100, 'cut again: what it received is counted');
check_succeeded(sync_liked($node), 'after being cut again', fetched => 50 + 230);
is_deeply([ sort { $a <=> $b } @{ offsets_read() } ], [ 0, 0, 50, 100, 150, 200, 250, 300 ],
	'after being cut again: it goes on from there');

$node->stop;
done_testing();
