# How a list is read: a full scan that is asked for begins at the first page,
# whatever an earlier run has read, and a run counts what it received itself.
# Pages are as large as the answer says, which may change from run to run and
# within one; what cannot be is refused, and a run that is partial says why.

use strict;
use warnings;

use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use SpotifyMock;
use SpotifyTest;

my $mock = SpotifyMock->start;
my $node = start_node($mock);

create_account($node);

# Offsets of the pages that were asked for since the last call, sorted.
sub offsets_read
{
	my @offsets =
	  map { $_->{query}{offset} // 0 } grep { $_->{path} =~ m{/me/tracks$} } @{ $mock->log };

	$mock->forget_log;
	return [ sort { $a <=> $b } @offsets ];
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
is_deeply(offsets_read(), [ 0, 0, 150, 200, 250, 300 ],
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
is_deeply(offsets_read(), [ 0, map { $_ * 50 } 0 .. 6 ],
	'a full scan that is asked for reads all pages');
check_succeeded(sync_liked($node), 'the run after that', mode => 'delta', inserted => 0);

# One that is cut itself leaves to the next run what it has read, not more.
start_over($node, $mock, size => 330);
cut_scan(200);
is(cut_scan(100, 'full_scan => true')->{fetched}, 100, 'cut again: what it received is counted');
check_succeeded(sync_liked($node), 'after being cut again', fetched => 50 + 230);
is_deeply(offsets_read(), [ 0, 0, 50, 100, 150, 200, 250, 300 ],
	'after being cut again: it goes on from there');

# ---------------------------------------------------------- smaller pages

# The server sends pages of so many from now on, and says so.
sub send_pages_of
{
	my ($size) = @_;
	$mock->post('config', { max_page => $size });
	return;
}

# A run over a library that is stored already, which must be a delta.
sub delta
{
	my ($name, %expected) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $run = sync_liked($node);

	check_succeeded($run, $name, mode => 'delta', %expected);
	return $run;
}

# A library of so many, stored with pages of so many.
sub store_library
{
	my ($size, $page_size) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	start_over($node, $mock, size => $size);
	send_pages_of($page_size);
	check_succeeded(sync_liked($node), "$size in pages of $page_size",
		mode => 'full', total => $size, fetched => $size, inserted => $size);
	return;
}

store_library(60, 20);
is_deeply(offsets_read(), [ 0, 0, 20, 40 ], '60 in pages of 20: each page is read');
for my $offset (20, 40, 20)
{
	delta("60 in pages of 20, unchanged", inserted => 0, fetched => 40);
	is_deeply(offsets_read(), [ 0, $offset ], "60 in pages of 20, unchanged: and $offset is its turn");
}

# Whatever changes, whatever the size.
for my $size (1, 3, 7, 20, 49)
{
	store_library(130, $size);
	$mock->forget_log;
	delta("pages of $size", inserted => 0);
	is($mock->count->{tracks}, 2, "pages of $size: two requests");
	for my $position (0, $size - 1, $size, 64, 128, 129)
	{
		$mock->post('unlike', { positions => [$position] });
		$mock->post('like', { count => 1 });
		$mock->post('unlike', { positions => [90] });
		$mock->post('like', { count => 1 });
		delta("pages of $size: position $position", inserted => 2, deactivated => 2);
	}
	$mock->post('like', { count => 3 * $size });
	delta("pages of $size: many likes", inserted => 3 * $size);
}

# What a removal costs.
store_library(2_000, 20);
$mock->post('unlike', { positions => [1_234] });
$mock->forget_log;
delta('2,000 in pages of 20, a removal', deactivated => 1);
cmp_ok($mock->count->{total}, '<=', 12, '2,000 in pages of 20, a removal: few requests');

# The audit goes round: a like that is dated back is found.
store_library(300, 20);
$mock->post('like', { count => 1, added_at => $mock->get('library')->[250]{added_at} });
$mock->post('unlike', { positions => [170] });
my $runs = 0;
while (liked_differences($node, $mock) && $runs < 20)
{
	sync_liked($node);
	$runs++;
}
cmp_ok($runs, '<=', 300 / 20, 'pages of 20: a like that is dated back is found within N/20 runs');
is_deeply([ liked_differences($node, $mock) ], [], 'pages of 20: and the table is true then');

# --------------------------------------------- a size that changes between runs

store_library(330, 50);
for my $size (50, 20, 50, 20, 7, 50, 49, 20)
{
	delta("then pages of $size", inserted => 0);
	$mock->post('like', { count => 2 });
	$mock->post('unlike', { positions => [ 100, 200, 300 ] });
	delta("then pages of $size, and changes", inserted => 2, deactivated => 3);
	check_succeeded(sync_liked($node, 'full_scan => true'), "then pages of $size, all of it",
		deactivated => 0, inserted => 0);
}

# The turn of the audit is kept: it reads on, some of it again, and all of it.
store_library(330, 50);
$mock->forget_log;
my @turns;
for my $size (50, 50, 20, 20, 50, 20, 50, 20, 50, 50, 50)
{
	send_pages_of($size);
	delta("the audit with pages of $size", inserted => 0);
	push @turns, offsets_read()->[1];
}
is_deeply(\@turns, [ 50, 100, 140, 160, 150, 200, 200, 240, 250, 300, 50 ],
	'the audit goes on where it was, whatever the size');

# ------------------------------------------------- a size that changes in a run

for my $concurrency (1, 8)
{
	for my $sizes ([ 50, 20 ], [ 20, 50 ], [ 50, 1 ], [ 7, 49 ])
	{
		for my $page (1 .. 5)
		{
			my ($before, $after) = @$sizes;
			my $name = "pages of $before, of $after from the one after $page, $concurrency at once";

			start_over($node, $mock, size => 230);
			send_pages_of($before);
			$mock->fault({ match => { path => '/me/tracks$', nth => $page },
				action => { mutate_after => [ { op => 'config', max_page => $after } ] } });
			check_succeeded(sync_liked($node, undef, "SET spotify_etl.max_concurrency = $concurrency"),
				$name, mode => 'full', total => 230, fetched => 230, inserted => 230);
			$mock->no_faults;
			send_pages_of($before);
			$mock->post('unlike', { positions => [ 30, 120 ] });
			$mock->fault({ match => { path => '/me/tracks$', nth => $page },
				action => { mutate_after => [ { op => 'config', max_page => $after } ] } });
			delta("$name, in a delta", deactivated => 2);
		}
	}
}

# Each page of another size, in each order, and the list moves meanwhile.
start_over($node, $mock, size => 230);
send_pages_of(undef);
$mock->fault(map { { match => { path => '/me/tracks$', every => 3, from => $_ },
	action => { serve => { limit => (20, 50, 33)[ $_ - 1 ] } } } } 1 .. 3);
$mock->fault({ match => { path => '/me/tracks$', nth => 4 }, continue => JSON::PP::true,
	action => { mutate_before => [ { op => 'unlike', positions => [3] } ] } });
check_succeeded(sync_liked($node), 'pages of 20, 50 and 33 in turn', total => 229);
$mock->no_faults;

# ----------------------------------------------------------- and a cut scan

for my $sizes ([ 50, 20 ], [ 20, 50 ], [ 20, 20 ], [ 7, 50 ])
{
	my ($before, $after) = @$sizes;
	my $read = 5 * $before;
	my $name = "cut with pages of $before, then pages of $after";

	start_over($node, $mock, size => 330);
	send_pages_of($before);
	is(cut_scan($read)->{fetched}, $read, "$name: what it received is counted");
	$mock->post('like', { count => 2 });
	send_pages_of($after);
	my $run = sync_liked($node);
	check_succeeded($run, $name, total => 332, inserted => 332 - $read);
	cmp_ok($run->{fetched}, '<=', 332 - $read + $after, "$name: what was read is not read again")
	  if $read > $after;
}
send_pages_of(undef);

# ------------------------------------------------------------- what cannot be

# A list with changes, of which a run believes additions alone.
sub check_refused
{
	my ($name, $action, $message, %library) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	start_over($node, $mock, size => 130);
	sync_liked($node);
	$mock->post('unlike', { positions => [60] });
	my ($new) = @{ $mock->post('like', { count => 1 })->{ids} };
	$mock->fault({ match => { path => '/me/tracks$' }, action => $action });
	for my $arguments ('full_scan => true', '')
	{
		my $run = sync_liked($node, $arguments);

		check_partial($run, "$name, $arguments");
		like($run->{error_message}, $message, "$name, $arguments: with the reason");
		is_deeply([ grep { /^\Q$new\E/ } liked_differences($node, $mock) ],
			[], "$name, $arguments: the new like is kept");
		is_deeply([ wrongly_inactive($node, $mock) ], [], "$name, $arguments: no liked track is inactive");
	}
	cmp_ok($mock->count->{tracks}, '<=', 60, "$name: requests are bounded");
	$mock->no_faults;
	check_succeeded(sync_liked($node, 'full_scan => true'), "$name, then in order");
	return;
}

for my $limit (0, -1, -50, 51, 49, 1, 2_147_483_647, -2_147_483_648)
{
	check_refused("limit $limit with 50 entries", { echo_limit => $limit },
		qr/50 entries, of 50 asked for, and "limit": $limit: additions were kept.*\(130 of 130 entries were received\)/);
}
check_refused('short pages that claim to be whole',
	{ serve => { limit => 20 }, echo_limit => 50 },
	qr/^the list changed .* \(60 of 130 entries were received\)$/);
check_refused('short pages without a limit',
	{ serve => { limit => 20 }, remove => ['limit'] },
	qr/^the list changed .* \(60 of 130 entries were received\)$/);

# What is no number says nothing, and the pages are what was asked for.
for my $odd (undef, '20', 20.5, JSON::PP::false, [20], { limit => 20 }, { '$raw' => '1e400' },
	2_147_483_648)
{
	my $name = 'limit ' . encode_json([$odd]);

	start_over($node, $mock, size => 130);
	$mock->fault({ match => { path => '/me/tracks$' }, action => { set => { limit => $odd } } });
	check_succeeded(sync_liked($node), $name, total => 130, inserted => 130);
	$mock->no_faults;
}
start_over($node, $mock, size => 130);
$mock->fault({ match => { path => '/me/tracks$' }, action => { remove => ['limit'] } });
check_succeeded(sync_liked($node), 'no limit', total => 130, inserted => 130);
$mock->no_faults;

# ------------------------------------------------- the same page at each offset

for my $size (20, 50)
{
	for my $disguise ({}, { echo_offset => 'asked' })
	{
		my $name = "the same page of $size" . (%$disguise ? ', in disguise' : '');

		start_over($node, $mock, size => 130);
		send_pages_of($size);
		$mock->fault({ match => { path => '/me/tracks$' },
			action => { serve => { offset => 0 }, %$disguise } });
		my $run = sync_liked($node);
		check_partial($run, $name);
		like($run->{error_message},
			qr/^Spotify gave the same $size entries at each offset: .*\(\d+ of 130 entries were received\)$/,
			"$name: it is named");
		is($run->{inserted}, $size, "$name: it is kept");
		$mock->no_faults;
		check_succeeded(sync_liked($node), "$name, then in order");
	}
}
send_pages_of(undef);

# A run that a rate limit cuts says how far it came.
start_over($node, $mock, size => 330);
like(cut_scan(200)->{error_message}, qr/^a rate limit .* \(200 of 330 entries were received\)$/,
	'a cut scan says how far it came');

$node->stop;
done_testing();
