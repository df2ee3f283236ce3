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

$node->stop;
done_testing();
