# Likes of one moment, which come in another order with every answer; links that
# lead elsewhere; and that an unchanged library costs no write-ahead log.

use strict;
use warnings;

use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use SpotifyMock;
use SpotifyTest;

my $SIZE = 500;
my $ANSWERS = 300;    # more than any of these runs gets
my $LARGE = 10_000;
my $MAX_WAL = 8192;   # bytes of an unchanged run; some 700 are usual

my $mock = SpotifyMock->start;
my $node = start_node($mock, name => 'ties', configuration => <<~CONF);
	autovacuum = off
	checkpoint_timeout = 1h
	CONF
create_account($node);
my %TRACKS = (path => '/me/tracks$');

# Each answer has an order of its own.
sub shuffle_ties
{
	my ($seed) = @_;
	$mock->fault(map {
		{ match => { %TRACKS, nth => $_ }, action => { serve => { shuffle_ties => $seed + $_ } } }
	} 1 .. $ANSWERS);
	return;
}

sub check_no_harm
{
	my ($run, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is_deeply([ wrongly_inactive($node, $mock) ], [], "$name: nothing that is liked is inactive");
	is($run->{deactivated}, 0, "$name: nothing is removed");
	cmp_ok($run->{requests}, '<', $ANSWERS, "$name: requests are bounded");
	is_deeply([ liked_differences($node, $mock) ], [], "$name: who says that it succeeded tells the truth")
	  if $run->{status} eq 'succeeded';
	return;
}

start_over($node, $mock, size => $SIZE, spacing => 0);
my @first = api_items($mock, 0, 50);
shuffle_ties(1000);
my @other = api_items($mock, 0, 50);
isnt(join(' ', map { $_->{track}{id} } @first), join(' ', map { $_->{track}{id} } @other),
	'the order is another one indeed');
for my $round (1 .. 3)
{
	$mock->no_faults;
	$mock->forget_log;
	shuffle_ties($round * $ANSWERS);
	check_no_harm(sync_liked($node), "$SIZE likes of one moment, shuffled, run $round");
}
$mock->no_faults;
my $run = sync_liked($node, 'full_scan => true');
is($run->{status}, 'succeeded', 'the order rests: the run succeeds');
is_deeply([ liked_differences($node, $mock) ], [], 'the order rests: the table is true');
shuffle_ties(5000);
check_no_harm(sync_liked($node), 'the order moves again');
check_no_harm(sync_liked($node, 'full_scan => true'), 'the order moves again, a full scan');

# Links in an answer are not followed, wherever they lead.
my $stranger = SpotifyMock->start('--library', 10);
for my $next ($stranger->base_url . '/v1/me/tracks?offset=50',
	'http://127.0.0.1:1/', 'file:///etc/passwd', $mock->base_url . '/v1/me/tracks?offset=0', 'no URL', undef)
{
	my $name = 'next is ' . ($next // 'null');
	$name =~ s/:\d{2,}//;
	start_over($node, $mock, size => 120);
	$mock->fault({ match => {%TRACKS}, action => { next => $next } });
	is(sync_liked($node)->{status}, 'succeeded', "$name: the run succeeds");
	is_deeply([ liked_differences($node, $mock) ], [], "$name: the table is true");
}
is($stranger->count->{total}, 0, 'the other host got no request');

# What an unchanged run writes is its row.
start_over($node, $mock, size => $LARGE);
sync_liked($node);
$node->safe_psql('postgres', 'VACUUM ANALYZE');
sync_liked($node);    # sets hints, and writes the first changes after a checkpoint
for my $arguments ('', 'full_scan => true')
{
	my $before = $node->safe_psql('postgres', 'SELECT pg_current_wal_insert_lsn()');
	$run = sync_liked($node, $arguments);
	my $wal = $node->safe_psql('postgres', "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '$before')");
	is_deeply([ @$run{qw(status inserted updated deactivated)} ], [ 'succeeded', 0, 0, 0 ],
		"$LARGE unchanged likes ($arguments): the run");
	cmp_ok($wal, '<', $MAX_WAL, "$LARGE unchanged likes ($arguments): hardly any WAL");
	note("$wal bytes");
}

$node->stop;
done_testing();
