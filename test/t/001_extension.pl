# The extension as it is installed: versions, objects, comments.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use SpotifyMock;
use SpotifyTest;

my $mock = SpotifyMock->start('--library', 60);
my $node = start_node($mock);

create_account($node);
my $run = sync_liked($node);
is($run->{status}, 'succeeded', 'a first sync succeeds');
is($run->{inserted}, 60, 'it inserts every track');
is_deeply([ liked_differences($node, $mock) ], [], 'the table is true');

# Each statement below has a session of its own: what a run returns can be kept
# in a table, and read where the run is not known.
for my $function (qw(spotify_sync_liked spotify_sync_recently_played))
{
	$node->safe_psql('postgres', "CREATE TABLE kept_$function AS SELECT $function() AS run");
	is($node->safe_psql('postgres', "SELECT (run).status FROM kept_$function"),
		'succeeded', "$function: a row that was kept can be read");
}

$node->stop;
done_testing();
