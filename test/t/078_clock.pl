# A server whose clock was ahead, and was set right: the times of what ran then
# lie in the future.  The runs that follow go by the last run all the same, so
# that the changes are found by deltas, the audit goes on, and plays that may be
# lost leave a gap.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use SpotifyMock;
use SpotifyTest;

my $SIZE = 500;

my $mock = SpotifyMock->start('--library', $SIZE);
my $node = start_node($mock);

create_account($node);

# The last run was made while the clock was so far ahead.
sub was_ahead
{
	my ($by) = @_;
	$node->safe_psql('postgres', <<~SQL);
		UPDATE spotify.sync_runs
		   SET started_at = started_at + interval '$by',
		       finished_at = finished_at + interval '$by'
		 WHERE run_id = (SELECT max(run_id) FROM spotify.sync_runs)
		SQL
	return;
}

is(sync_liked($node)->{inserted}, $SIZE, 'all tracks are stored');
was_ahead('30 days');

my @changes = (
	sub { },
	sub { $mock->post('like', { count => 1 }) },
	sub { },
	sub { $mock->post('unlike', { positions => [200] }) },
	sub { });
my @audit_offsets;

for my $change (@changes)
{
	$change->();
	my $run = sync_liked($node);
	is("$run->{mode} $run->{status}", 'delta succeeded', 'a delta finds the changes');
	is_deeply([ liked_differences($node, $mock) ], [], 'the table is true');
	push @audit_offsets, $run->{audit_offset};
}
is_deeply(\@audit_offsets, [ map { 50 * $_ } 2 .. 6 ], 'each run reads the next page of the audit');

# Plays: the run before the last one, not the last one, was in the future.
my $sync_plays = 'SELECT status FROM spotify_sync_recently_played()';

$mock->post('play', { count => 2 });
is($node->safe_psql('postgres', $sync_plays), 'succeeded', 'plays are stored');
was_ahead('30 days');
is($node->safe_psql('postgres', $sync_plays), 'succeeded', 'plays are read again');
$node->safe_psql('postgres', <<~SQL);
	UPDATE spotify.sync_runs
	   SET started_at = now() - interval '9 days',
	       finished_at = now() - interval '9 days'
	 WHERE run_id = (SELECT max(run_id) FROM spotify.sync_runs);
	UPDATE spotify.plays SET played_at = played_at - interval '9 days'
	SQL
$mock->post('clear_plays');
is($node->safe_psql('postgres', $sync_plays), 'succeeded', 'nine days later plays are read again');
is($node->safe_psql('postgres', 'SELECT count(*) FROM spotify.play_gaps'),
	1, 'there is a gap since the last run');

$node->stop;
done_testing();
