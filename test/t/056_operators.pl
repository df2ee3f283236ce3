# What the README tells operators, tried: standby servers, copies that run
# beside the original, subscribers of logical replication, dumps of a schema,
# and foreign keys of users.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use SpotifyMock;
use SpotifyTest;

my $REFRESH = 'SELECT spotify_refresh_token() IS NOT NULL';
my $TABLES = q{pg_class WHERE relnamespace = 'spotify'::regnamespace AND relkind = 'r'};

# Each refresh token can be used once, and one that is used again takes those
# after it along.
my $mock = SpotifyMock->start('--library', 60);
$mock->post('config', { rotate => JSON::PP::true, reuse_revokes_family => JSON::PP::true });
my $node = start_node($mock,
	name => 'original',
	allows_streaming => 1,
	configuration => "wal_level = logical\nmax_replication_slots = 10\nmax_wal_senders = 10");
create_account($node);
sync_liked($node);

# What a statement gives: its output, or "ERROR" with the SQLSTATE.
sub gives
{
	my ($where, $sql) = @_;
	my ($status, $stdout, $stderr) = $where->psql('postgres', "\\set VERBOSITY sqlstate\n$sql");
	return $status == 0 && $stderr eq '' ? $stdout : $stderr =~ /(ERROR):\s+(\w{5})/ ? "$1 $2" : $stderr;
}

# A login of its own for the account, since the last one may be dead.
my $logins = 0;

sub log_in
{
	my ($where) = @_;
	$logins++;
	$mock->post('refresh_token', { refresh_token => "mock-refresh-login-$logins" });
	$where->safe_psql('postgres', "SELECT spotify_set_account('mock-client', 'mock-secret', 'mock-refresh-login-$logins')");
	return;
}

# A copy of the data directory that knows the original's login.
sub copy_of
{
	my ($name) = @_;
	my $copy = PostgreSQL::Test::Cluster->new($name);
	$node->backup($name);
	$copy->init_from_backup($node, $name);
	return $copy;
}

# A copy that is started as it is kills the login of both

my $copy = copy_of('copy');
$copy->start;
is(gives($copy, $REFRESH), 't', 'a copy: its refresh takes the login');
is(gives($node, $REFRESH), 'ERROR 28000', 'a copy: the login of the original is gone');
is(gives($copy, $REFRESH), 'ERROR 28000', 'a copy: and so is its own');
$copy->stop;

# With the credentials cleared before anything else can run it does not

log_in($node);
is(gives($node, $REFRESH), 't', 'the original is logged in again');
$copy = copy_of('cleared');
my $clear = 'DELETE FROM spotify_private.credentials';
is(system("echo '$clear' | postgres --single -D '@{[ $copy->data_dir ]}' postgres > '@{[ $copy->logfile ]}.single' 2>&1"),
	0, 'a cleared copy: the credentials are deleted in single-user mode');
$copy->start;
$mock->forget_log;
is(gives($copy, 'SELECT spotify_sync_liked()'), 'ERROR 28000', 'a cleared copy: it cannot sync');
is($mock->count->{total}, 0, 'a cleared copy: nothing was sent');
is(gives($copy, 'SELECT count(*) FROM spotify.liked_tracks'), 60, 'a cleared copy: the data is there');
is(gives($node, $REFRESH), 't', 'a cleared copy: the login of the original goes on');
$copy->stop;

# A subscriber shows the data, and must not sync

$node->safe_psql('postgres', <<~SQL);
	DO \$\$
	BEGIN
	    EXECUTE (SELECT 'CREATE PUBLICATION music FOR TABLE ' || string_agg(oid::regclass::text, ', ')
	               FROM $TABLES);
	END
	\$\$
	SQL
my $subscriber = start_node($mock, name => 'subscriber');
my $publisher = $node->connstr('postgres') =~ s/'/''/gr;
$subscriber->safe_psql('postgres', "CREATE SUBSCRIPTION music CONNECTION '$publisher' PUBLICATION music");
$subscriber->poll_query_until('postgres', q{SELECT bool_and(srsubstate = 'r') FROM pg_subscription_rel})
  or die 'the tables were not copied';

my $end_of_log = 0;

# That the subscriber's log has something new.
sub wait_for_log
{
	my ($pattern) = @_;
	for (1 .. 1800)
	{
		return 1 if substr(slurp_file($subscriber->logfile), $end_of_log) =~ $pattern;
		select undef, undef, undef, 0.1;
	}
	return 0;
}

# That what the original has comes to the subscriber.
sub arrives
{
	my ($name) = @_;
	my $count = 'SELECT count(*) FROM spotify.sync_runs';
	my $expected = $node->safe_psql('postgres', $count);
	ok($subscriber->poll_query_until('postgres', $count, $expected), $name)
	  or diag(join '', grep { !/statement: SELECT count/ } split /^/, slurp_file($subscriber->logfile));
	return;
}

$mock->post('like', { count => 1 });
sync_liked($node);
arrives('a subscriber: runs arrive');
is(gives($subscriber, 'SELECT count(*) FROM spotify.liked_songs'), 61, 'a subscriber: so do likes');
is(gives($subscriber, 'SELECT count(*) FROM spotify_private.credentials'), 0, 'a subscriber: secrets do not');
my $failed = q{SELECT max(run_id) FROM spotify.sync_runs WHERE status = 'failed'};
my $own;
for (1 .. 3)
{
	is(gives($subscriber, 'SELECT spotify_sync_liked()'), 'ERROR 28000', 'a subscriber that syncs: it is not logged in');
	$own = $subscriber->safe_psql('postgres', $failed);
	last if $own ne '';
}
$end_of_log = -s $subscriber->logfile;
my $last;
do { $last = sync_liked($node)->{run_id} } while $last < $own;
ok(wait_for_log(qr/ERROR:  duplicate key value violates unique constraint "sync_runs_pkey"/),
	'a subscriber that syncs: its run is in the way of another');
$subscriber->safe_psql('postgres', "DELETE FROM spotify.sync_runs WHERE status = 'failed'");
arrives('a subscriber: without that run it goes on');
$subscriber->safe_psql('postgres', 'DROP SUBSCRIPTION music');
$subscriber->stop;

# A dump of the schema alone is empty, and pg_dump is content

my $dump = PostgreSQL::Test::Utils::tempdir . '/schema.sql';
my @connection = ('-h', $node->host, '-p', $node->port);
$node->command_ok([ 'pg_dump', @connection, '-n', 'spotify', '-f', $dump, 'postgres' ], 'pg_dump -n spotify succeeds');
unlike(slurp_file($dump), qr/COPY|INSERT|CREATE TABLE/, 'and dumps neither data nor tables');

# A foreign key of a user

$node->safe_psql('postgres', <<~'SQL');
	CREATE TABLE notes (track_id text COLLATE "C" REFERENCES spotify.tracks, note text);
	INSERT INTO notes SELECT track_id, 'mine' FROM spotify.tracks
	SQL
is(gives($node, q{SELECT spotify_forget_account('default')}), 'ERROR 23503', 'a foreign key: it keeps the account');
is(gives($node, 'SELECT count(*) FROM spotify.liked_tracks'), 61, 'a foreign key: nothing is deleted');
sync_liked($node);
$node->safe_psql('postgres', <<~'SQL');
	ALTER TABLE notes DROP CONSTRAINT notes_track_id_fkey,
	                  ADD FOREIGN KEY (track_id) REFERENCES spotify.tracks ON DELETE CASCADE
	SQL

# A synchronous standby has every login

sub standby_of
{
	my ($primary, $name) = @_;
	my $standby = PostgreSQL::Test::Cluster->new($name);
	$primary->backup($name);
	$standby->init_from_backup($primary, $name, has_streaming => 1);
	$standby->start;
	$primary->wait_for_catchup($standby, 'replay');
	return $standby;
}

my $second = standby_of($node, 'second');
$node->safe_psql('postgres', q{ALTER SYSTEM SET synchronous_standby_names = '*'});
$node->reload;
$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_replication WHERE sync_state = 'sync'})
  or die 'the standby is not synchronous';
is(gives($node, $REFRESH), 't', 'a synchronous standby: the primary refreshes');
$node->stop('immediate');
$second->promote;
is(gives($second, $REFRESH), 't', 'a synchronous standby: after the failover the login goes on');

# One that lags behind does not know the last one

my $third = standby_of($second, 'third');
$third->stop;
is(gives($second, $REFRESH), 't', 'an asynchronous standby: a refresh that it does not see');
$second->stop('immediate');
$third->start;
$third->promote;
is(gives($third, $REFRESH), 'ERROR 28000', 'an asynchronous standby: after the failover the login is gone');
is(gives($third, 'SELECT needs_authorization FROM spotify.account_status'), 't', 'and account_status says so');
log_in($third);
is(gives($third, $REFRESH), 't', 'an asynchronous standby: a new login helps');
is(gives($third, q{SELECT spotify_forget_account('default')}), '', 'a foreign key that cascades: the account is forgotten');
is(gives($third, 'SELECT count(*) FROM notes'), 0, 'with what referred to it');

$third->stop;
done_testing();
