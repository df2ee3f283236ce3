# Delta runs: what each change costs in requests, in a table; that the audit
# goes round and finds what the newest page and total cannot show; and what
# turns a delta into a full scan.

use strict;
use warnings;

use JSON::PP;
use POSIX qw(ceil);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use SpotifyMock;
use SpotifyTest;

my $mock = SpotifyMock->start;
my $node = start_node($mock);

create_account($node);

# Requests to the API since the last call, those for tokens apart.
sub api_requests
{
	my $count = $mock->count;

	$mock->forget_log;
	return $count->{total} - $count->{token};
}

# Offsets of the pages that were asked for since the last call.
sub offsets_read
{
	my @offsets =
	  map { $_->{query}{offset} // 0 } grep { $_->{path} =~ m{/me/tracks$} } @{ $mock->log };

	$mock->forget_log;
	return sort { $a <=> $b } @offsets;
}

# A library of so many tracks, stored by a full scan.
sub store_library
{
	my ($size) = @_;

	start_over($node, $mock, size => $size);
	my $run = sync_liked($node, undef, 'SET spotify_etl.max_concurrency = 8');
	is("$run->{mode} $run->{status}", 'full succeeded',
		"$size tracks: the first run is a full scan");
	$mock->forget_log;
	return;
}

# A run that must be a delta, succeed and leave the tables true.
sub delta
{
	my ($name, %expected) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $run = sync_liked($node);
	my %got = map { $_ => $run->{$_} } keys %expected;

	is("$run->{mode} $run->{status}", 'delta succeeded', "$name: a delta succeeds")
	  or diag($run->{error_message} // '');
	is_deeply(\%got, \%expected, "$name: the run counts it");
	is_deeply([ liked_differences($node, $mock) ], [], "$name: the table is true");
	return $run;
}

# A run that must have become a full scan, and leave the tables true.
sub full
{
	my ($name, %expected) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $run = sync_liked($node);
	my %got = map { $_ => $run->{$_} } keys %expected;

	is("$run->{mode} $run->{status}", 'full succeeded', "$name: it becomes a full scan")
	  or diag($run->{error_message} // '');
	is_deeply(\%got, \%expected, "$name: the run counts it");
	is_deeply([ liked_differences($node, $mock) ], [], "$name: the table is true");
	return $run;
}

# ------------------------------------------------------ what a change costs

my @costs;

# A change, the run that finds it, and the requests it may take.
sub costs
{
	my ($name, $limit, $change, %expected) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	$change->();
	$mock->forget_log;
	delta($name, %expected);
	my $requests = api_requests();
	cmp_ok($requests, '<=', $limit, "$name: at most $limit requests");
	push @costs, sprintf('%-44s %8d %8d', $name, $requests, $limit);
	return;
}

sub likes { my ($count) = @_; return sub { $mock->post('like', { count => $count }) }; }
sub unlikes { my (@positions) = @_; return sub { $mock->post('unlike', { positions => \@positions }) }; }

store_library(10_000);
costs('10,000: nothing', 2, sub { }, inserted => 0, deactivated => 0);
costs('10,000: a new like', 2, likes(1), inserted => 1);
costs('10,000: 49 new likes', 2, likes(49), inserted => 49);
costs('10,000: 50 new likes', 2, likes(50), inserted => 50);
costs('10,000: 200 new likes', 6, likes(200), inserted => 200);
costs("10,000: removal at position $_", 12, unlikes($_), deactivated => 1)
  for 0, 49, 50, 99, 100, 4999, 5025, 7777, 10_248, 10_249;
costs('10,000: 5 removals', 40, unlikes(3, 1200, 4500, 4501, 9000), deactivated => 5);
costs('10,000: a block of 500 removed', 30, unlikes(4321 .. 4820), deactivated => 500);
costs('10,000: 100 scattered removals', 200,
	sub { $mock->post('unlike', { count => 100, seed => 7 }) },
	deactivated => 100);
costs('10,000: 60 new likes and a removal', 14,
	sub { likes(60)->(); unlikes(5000)->() },
	inserted => 60, deactivated => 1);
my $again = $mock->get('library')->[3000]{id};
costs('10,000: unliked and liked again', 2,
	sub { $mock->post('unlike', { ids => [$again] }); $mock->post('like', { ids => [$again] }); },
	updated => 1, deactivated => 0);

my $digests = table_digests($node);
costs('10,000: nothing once more', 2, sub { }, inserted => 0);
is_deeply(table_digests($node), $digests, 'nothing once more: no row is written');

store_library(100_000);
costs('100,000: nothing', 2, sub { }, inserted => 0);
costs('100,000: 20 new likes', 2, likes(20), inserted => 20);
costs('100,000: removal at position 66,666', 16, unlikes(66_666), deactivated => 1);

diag(sprintf('%-44s %8s %8s', 'what changed', 'requests', 'at most'));
diag($_) for @costs;

# ------------------------------------------------------------------ the audit

store_library(500);
is_deeply(
	[ map { delta('audit'); [ offsets_read() ] } 1 .. 11 ],
	[ map { [ 0, $_ ] } 50, 100, 150, 200, 250, 300, 350, 400, 450, 50, 100 ],
	'the audit reads page after page, and begins anew');
sync_liked($node, undef, 'SET spotify_etl.audit_pages = 3');
is_deeply([ offsets_read() ], [ 0, 150, 200, 250 ], 'audit_pages: so many at a time');
sync_liked($node, undef, 'SET spotify_etl.audit_pages = 0');
is_deeply([ offsets_read() ], [0], 'audit_pages 0: none');
delta('after none');
is_deeply([ offsets_read() ], [ 0, 300 ], 'the audit goes on where it was');
sync_liked($node, undef, 'SET spotify_etl.audit_pages = 1000');
is_deeply([ offsets_read() ], [ map { $_ * 50 } 0 .. 9 ],
	'more pages than there are: each once');

# A like with a date in the past, and another gone: total shows nothing.
store_library(500);
$mock->post('like', { count => 1, added_at => $mock->get('library')->[420]{added_at} });
$mock->post('unlike', { positions => [300] });
my $runs = 0;
while ((my @differences = liked_differences($node, $mock)) && $runs < 11)
{
	is(scalar @differences, 2, "after $runs runs: only what is hidden is unknown")
	  if $runs == 1;
	sync_liked($node);
	$runs++;
}
cmp_ok($runs, '<=', ceil(500 / 50), 'a like that is dated back is found within N/50 runs');
is_deeply([ liked_differences($node, $mock) ], [], 'and the table is true then');

# ------------------------------------------------- what makes it a full scan

store_library(330);
$mock->post('like', { count => 1, added_at => $mock->get('library')->[222]{added_at} });
full('a like that is dated back', inserted => 1);
delta('after it', inserted => 0);

sync_liked($node, 'full_scan => true');
is(query_row($node, 'SELECT mode FROM spotify.sync_runs ORDER BY run_id DESC LIMIT 1')->{mode},
	'full', 'full_scan: asked for');

$node->safe_psql('postgres',
	"UPDATE spotify.liked_tracks SET is_active = false WHERE track_id = '"
	  . $mock->get('library')->[200]{id} . "'");
full('a row changed by hand', reactivated => 1);

my $by_hand = $mock->get('library')->[100]{id};
$node->safe_psql('postgres',
	"UPDATE spotify.liked_tracks SET is_active = false WHERE track_id = '$by_hand'");
$mock->post('unlike', { ids => [$by_hand] });
full('a row changed by hand, and rightly');
$mock->post('like', { count => 1 });
delta('a row changed by hand, and rightly: after that', inserted => 1, reactivated => 0);

$node->safe_psql('postgres', 'DELETE FROM spotify.sync_runs');
full('no log of runs');

for my $status (403, 404)
{
	$mock->post('config', { contains_status => $status });
	$mock->post('unlike', { positions => [ 100, 200 ] });
	$mock->forget_log;
	full("contains answers $status", deactivated => 2);
	my $count = $mock->count;
	is($count->{contains} + $count->{library}, 1, "contains answers $status: it is asked once");
	cmp_ok($count->{tracks}, '<=', ceil(330 / 50) + 1,
		"contains answers $status: no more pages than a full scan");
}
$mock->post('config', { contains_status => undef });

# Spotify says that what the list lost is liked.
$mock->post('unlike', { positions => [170] });
my ($before) = map { $_->{track_id} } query_rows($node, <<~SQL);
	SELECT track_id FROM spotify.liked_tracks WHERE is_active ORDER BY list_rank LIMIT 1
	SQL
$mock->fault({ match => { path => 'contains' }, action => { body => '[true]' } });
my $run = sync_liked($node);
is("$run->{mode} $run->{status}", 'delta partial', 'a contradiction: partial, and no full scan');
is($run->{deactivated}, 0, 'a contradiction: nothing is removed');
$mock->no_faults;
delta('after the contradiction', deactivated => 1);
delta('after that', deactivated => 0);

# A local file cannot be asked about.
$mock->post('insert', { position => 50, kind => 'local' });
full('a local file amid the list', inserted => 1);
$mock->post('unlike', { positions => [50] });
full('a local file is gone', deactivated => 1);

# ------------------------------------------------------- nulls and their places

store_library(220);
$mock->post('insert', { position => $_, kind => 'null_track' }) for 10, 60, 61, 199;
full('nulls amid the list', inserted => 0, skipped => 4);
is(scalar(query_rows($node, 'SELECT FROM spotify.liked_null_places')),
	4, 'the places of nulls are kept');
delta('nulls', inserted => 0) for 1 .. 4;
$mock->post('like', { count => 3 });
$mock->post('unlike', { positions => [ 120, 150 ] });
delta('nulls and changes', inserted => 3, deactivated => 2);
$mock->post('unlike', { positions => [63] });
delta('a null is gone', deactivated => 0);
is(scalar(query_rows($node, 'SELECT FROM spotify.liked_null_places')),
	3, 'a null is gone: so is its place');
$mock->post('insert', { position => 0, kind => 'null' });
delta('a null in front', inserted => 0);
delta('after it', inserted => 0);

# A track that Spotify shows as a null from one day on is liked nevertheless.
store_library(220);
my $hidden = $mock->get('library')->[100];
$mock->post('unlike', { ids => [ $hidden->{id} ] });
$mock->post('insert',
	{ position => 100, kind => 'null_track', added_at => $hidden->{added_at} });
$mock->post('like', { count => 1 });
$mock->fault({ match => { path => 'contains' }, action => { body => '[true]' } });
sync_liked($node) for 1 .. 3;
is(query_row($node, "SELECT is_active FROM spotify.liked_tracks WHERE track_id = '$hidden->{id}'")
	  ->{is_active},
	JSON::PP::true, 'a track that became a null: it stays active');
$mock->forget_log;
is(sync_liked($node)->{mode}, 'delta', 'a track that became a null: later runs are deltas');
is(api_requests(), 2, 'a track that became a null: they take two requests');
$mock->no_faults;
$mock->post('unlike', { positions => [101] });
delta('a track that became a null is gone', deactivated => 1);

# A track that was gone already when Spotify still said that it is liked: where
# there are nulls it could stand behind one of them, so it is asked about again
# when the audit has come round, and no run takes more than two requests.
for my $size (30, 80, 220)
{
	my $deactivated = 0;

	store_library($size);
	$mock->post('insert', { position => 3, kind => 'null_track' });
	sync_liked($node, 'full_scan => true');
	$mock->fault({ match => { path => 'contains' }, action => { body => '[true]' } });
	$mock->post('unlike', { positions => [20] });
	is(sync_liked($node)->{deactivated}, 0, "$size, liked, they say: it stays active");
	$mock->forget_log;
	for my $round (1 .. 2 + $size / 50)
	{
		sync_liked($node);
		cmp_ok(api_requests(), '<=', 2, "$size, liked, they say: run $round takes two requests");
	}
	$mock->no_faults;
	$deactivated += sync_liked($node)->{deactivated} for 1 .. 2 + $size / 50;
	is($deactivated, 1, "$size, not liked after all: it becomes inactive");
	delta("$size, not liked after all", deactivated => 0);
}

# One null in front gives way to another, which gets its place.
store_library(120);
for my $day (2, 3)
{
	$mock->post('unlike', { positions => [0] }) if $day == 3;
	$mock->post('insert',
		{ position => 0, kind => 'null_track', added_at => "2026-11-0${day}T00:00:00Z" });
	delta('a null in front with another date', inserted => 0);
}
$digests = table_digests($node);
$mock->forget_log;
delta('the null in front is known', inserted => 0);
is(api_requests(), 2, 'the null in front is known: two requests');
is_deeply(table_digests($node), $digests, 'the null in front is known: no row is written');

# ------------------------------------------------------------ a page of zeros

store_library(1000);
$mock->post('like', { count => 1 });
$mock->fault({ match => { path => '/me/tracks$', nth => 1 },
	action => { zeroed => JSON::PP::true } });
delta('a page of zeros', inserted => 1, deactivated => 0);
my $count = $mock->count;
is($count->{contains} + $count->{library}, 0, 'a page of zeros: Spotify is not asked about tracks');
is($count->{tracks}, 4, 'a page of zeros: it is read again, and then what a delta needs');
$mock->no_faults;
$mock->post('library', { size => 0 });
$mock->forget_log;
is(sync_liked($node, 'allow_mass_removal => true')->{deactivated},
	1001, 'a library without any like left');
is($mock->count->{tracks}, 2, 'a library without any like left: the page is read twice');
delta('no like at all', deactivated => 0);
$mock->post('like', { count => 1 });
delta('the first like', reactivated => 1);

# A like that is gone for a moment: by the time that the list is read again, to
# see whether it held still, it is back where it was.
store_library(500);
my ($moved) = api_items($mock, 2, 1);
$mock->post('unlike', { positions => [2] });
$mock->fault({ match => { path => '/me/tracks$', offset => 0, nth => 2 },
		action => { mutate_before => [
				{ op => 'like', ids => [ $moved->{track}{id} ], added_at => $moved->{added_at} } ] } });
delta('a like that is gone for a moment', deactivated => 0, updated => 0);
$count = $mock->count;
is($count->{contains}, 1, 'a like that is gone for a moment: Spotify is asked about that one');
cmp_ok($count->{tracks}, '<=', 10, 'a like that is gone for a moment: the list is not read whole');
$mock->no_faults;

# A like is gone, and from then on the first page says nothing of worth: what the
# delta planned before tells nothing of that list.
store_library(300);
$mock->post('unlike', { positions => [100] });
$mock->fault({ match => { path => '/me/tracks$', offset => 0, from => 2 },
		action => { set => { total => 30, items => [] } } });
my $odd = sync_liked($node);
is("$odd->{status} $odd->{deactivated}", 'partial 0',
	'a first page that turns into an empty one: the run is partial');
$mock->no_faults;
full('after the first page that turned into an empty one', deactivated => 1);

# ------------------------------------------------ a list that never adds up

# Entries that are too many in total, more than a list can end too early: three
# passes do not find them, and reading three times as much at every run would
# use up the quota.
store_library(1000);
$mock->post('total', { add => 60 });
$mock->post('like', { count => 1 });
$mock->forget_log;
is(sync_liked($node)->{status}, 'partial', 'a list that does not add up: the run is partial');
cmp_ok(api_requests(), '>', 3 * 20, 'a list that does not add up: it is read three times');
for my $round (1 .. 3)
{
	is(sync_liked($node)->{status}, 'partial', 'still as long: the run is partial');
	cmp_ok(api_requests(), '<=', 20 + 2 * 3, 'still as long: it is read once');
}
$mock->post('like', { count => 1 });
is(sync_liked($node)->{inserted}, 1, 'another length: the new like is kept');
cmp_ok(api_requests(), '>', 3 * 20, 'another length: it is read three times');
sync_liked($node, 'full_scan => true');
cmp_ok(api_requests(), '>', 3 * 20, 'full_scan: it is read three times');

# Now one that is as long as it was, and adds up.
$mock->post('unlike', { positions => [500] });
$mock->post('total', { add => 61 });
sync_liked($node);
$mock->post('total');
$mock->post('like', { count => 2 });
full('a list that adds up again', inserted => 2, deactivated => 1);
delta('after a list that adds up again', inserted => 0);
$mock->forget_log;

# ------------------------------------------------------------- rate limits

my $session = open_session($node);
store_library(220);
$mock->post('unlike', { positions => [150] });
$mock->fault({ match => { path => '/me/tracks$', nth => 2 },
	action => { status => 429, retry_after => 3600 } });
fails_cleanly($session, '53400', 'a rate limit in a delta',
	'SELECT spotify_sync_liked()');
is(query_row($node, <<~SQL)->{mode}, 'delta', 'a rate limit in a delta: it was one');
	SELECT mode FROM spotify.sync_runs ORDER BY run_id DESC LIMIT 1
	SQL
$mock->no_faults;
$node->safe_psql('postgres', 'UPDATE spotify.accounts SET retry_after = NULL');
delta('after the rate limit', deactivated => 1);

# ------------------------------------------------------- ties and the order

start_over($node, $mock, size => 500, spacing => 0);
sync_liked($node);
delta('500 likes of one second') for 1 .. 3;
$mock->post('unlike', { positions => [ 77, 333 ] });
delta('500 likes of one second, two of them gone', deactivated => 2);

# ---------------------------------------------------------------- progress

start_over($node, $mock, size => 500);
$session->{stderr} = '';
ask($session, 'SELECT spotify_sync_liked()');
unlike($session->{stderr}, qr/NOTICE/, 'a short run is quiet');
start_over($node, $mock, size => 500);
$mock->post('config', { latency_ms => 400 });
my $answer = ask($session,
	'SET spotify_etl.max_concurrency = 1; SELECT spotify_sync_liked(full_scan => true)');
my @notices = $answer->{text} =~ /NOTICE:.*$/mg;
cmp_ok(scalar @notices, '>=', 1, 'a run of more than two seconds tells how far it is')
  or diag($answer->{text});
cmp_ok(scalar @notices, '<=', 5, 'and that once a second at most');
like($notices[0],
	qr/collection "liked": \d+ of 500 entries read, \d+ per second, about \d+ s left/,
	'it tells the rate and the rest');
$mock->post('config', { latency_ms => 0 });

done_testing();
