# Transactions and servers that are read-only: every function says so, with the
# way out, and asks Spotify nothing.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use SpotifyMock;
use SpotifySession;
use SpotifyTest;

my $mock = SpotifyMock->start('--library', 60);
my $node = start_node($mock, name => 'read_only', allows_streaming => 1);
create_account($node);
my $admin = open_session($node);

my %CALLS = function_calls($node);
cmp_ok(scalar keys %CALLS, '>=', 4, 'there are functions to try');

syncs($admin, 'a first sync');

$mock->forget_log;
for my $name (sort keys %CALLS)
{
	my $error = refused($admin, '25006', "$name in a read-only transaction",
		"BEGIN READ ONLY; $CALLS{$name}");
	like($error->{hint}, qr/transaction that may write/, "$name in a read-only transaction: the hint");
	value($admin, 'ROLLBACK');
}
value($admin, 'SET default_transaction_read_only = on');
for (sort keys %CALLS)
{
	my $error = refused($admin, '25006', "$_ where transactions are read-only", $CALLS{$_});
	like($error->{hint}, qr/"default_transaction_read_only"/,
		"$_ where transactions are read-only: the hint");
}
value($admin, 'RESET default_transaction_read_only');

$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
my $reader = open_session($standby);
is(value($reader, 'SELECT count(*) FROM spotify.liked_songs'), 60, 'a standby has the data');
for (sort keys %CALLS)
{
	my $error = refused($reader, '25006', "$_ on a standby", $CALLS{$_});
	like($error->{hint}, qr/primary/, "$_ on a standby: the hint");
}
$reader->quit;
$standby->stop;
is($mock->count->{total}, 0, 'read-only: no request');

$_->quit for $admin;
$node->stop;
done_testing();
