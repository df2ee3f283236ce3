# The server under valgrind: no process of it uses memory that it must not use,
# whatever way a call takes.

# needs: valgrind

use strict;
use warnings;

use IPC::Run;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

use SpotifyMock;
use SpotifyTest;

skip_test('valgrind is not installed') if system('command -v valgrind >/dev/null') != 0;

my $START_SECONDS = 120;
my $folder = PostgreSQL::Test::Utils::tempdir();

# Made without valgrind, which takes time.
my $mock = SpotifyMock->start('--library', 200);
my $node = start_node($mock,
	name => 'valgrind',
	configuration => "autovacuum = off\nspotify_etl.request_timeout = '60s'\n");
create_account($node);
$node->stop;

my ($bindir) = run_command([ $ENV{PG_CONFIG}, '--bindir' ]);
my $server = IPC::Run::start(
	[
		'valgrind', '--quiet', '--trace-children=yes', '--num-callers=40',
		"--log-file=$folder/%p", "$bindir/postgres", '-D', $node->data_dir
	],
	'<', '/dev/null', '>&', "$folder/output");
my $end = time + $START_SECONDS;
sleep 0.2 until system('pg_isready', '-q', '-h', $node->host, '-p', $node->port) == 0 || time > $end;

my $session = open_session($node);

# Runs SQL that gives what is expected, or fails with such a code.
sub gives
{
	my ($sql, $expected, $name) = @_;
	my $answer = ask($session, $sql);
	is($answer->{code} // $answer->{output}, $expected, $name // $sql) or diag($answer->{text});
	return;
}

my $SYNC = 'SELECT status, mode, inserted, deactivated FROM spotify_sync_liked()';
my $FULL = 'SELECT status, mode FROM spotify_sync_liked(full_scan => true)';

gives($SYNC, 'succeeded|full|200|0', 'a first load');
gives($SYNC, 'succeeded|delta|0|0', 'an unchanged library');
$mock->post('unlike', { positions => [ 0, 60, 120 ] });
$mock->post('like', { count => 2 });
gives($SYNC, 'succeeded|delta|2|3', 'changes');
gives($FULL, 'succeeded|full', 'a full scan');
gives('SELECT status FROM spotify_sync_recently_played()', 'succeeded', 'plays');
gives('CALL spotify_sync_all()', '', 'everything');
gives('SELECT spotify_refresh_token() > now()', 't', 'a refresh');

$mock->fault({ match => { path => '/me/tracks$', times => 2 }, action => { status => 500 } });
gives($FULL, 'succeeded|full', 'a repeated request');
$mock->fault({ match => { path => '/me/tracks$', times => 1 }, action => { status => 401 } });
gives($FULL, 'succeeded|full', 'a new token in the middle');
$mock->fault({ match => { path => '/me/tracks$', times => 1 }, action => { truncate => 1000 } });
gives($FULL, 'succeeded|full', 'half an answer, once');
$mock->fault({ match => { path => '/me/tracks$', times => 1 }, action => { trailing => ']' } });
gives($FULL, '08P01', 'an answer that is no JSON');
$mock->fault({ match => { path => '/me/tracks$', from => 2 }, action => { status => 429, retry_after => 3600 } });
gives($FULL, 'partial|full', 'a rate limit in the middle');
$mock->no_faults;
gives('UPDATE spotify.accounts SET retry_after = NULL', '', 'the end of the limit');
gives($FULL, 'succeeded|full', 'the rest');

$mock->fault({ match => { path => '/me/tracks$' }, action => { silent => 'start' } });
gives("SET statement_timeout = '2s'", '', 'a timeout');
gives($FULL, '57014', 'a timeout that is over');
gives('RESET statement_timeout', '', 'no timeout');
$mock->no_faults;
gives("DO \$\$ BEGIN PERFORM spotify_sync_liked(account => 'nobody'); EXCEPTION WHEN others THEN NULL; END \$\$",
	'', 'an error that is caught');
gives('SELECT count(*) FROM spotify.liked_songs', '202', 'a view');
gives(q{SELECT spotify_authorize_url() LIKE 'http%'}, 't', 'a login begins');
gives(q{SELECT spotify_authorize('?error=access_denied&state=x')}, '28000', 'and is refused');
gives(q{SELECT spotify_forget_account('default')}, '', 'an account is forgotten');
$session->quit;

run_log([ 'pg_ctl', '-D', $node->data_dir, '-m', 'fast', '-w', 'stop' ]);
$server->finish;

# PostgreSQL writes and sends structures whose padding nobody has filled in.
my $padding = qr{Syscall param [\w.]+\(\w+\) points to uninitialised byte};

my %found;
for my $file (glob "$folder/*")
{
	next if $file =~ /output$/;
	for my $block (split /^==\d+== *\n/m, slurp_file($file))
	{
		$found{$block} = $file if $block =~ /^==\d+==    (?:at|by) 0x/m && $block !~ $padding;
	}
}
is(scalar keys %found, 0, 'valgrind finds nothing');
diag("$found{$_}:\n$_") for keys %found;
cmp_ok(scalar(my @files = glob "$folder/[0-9]*"), '>', 10, 'valgrind watched every process');

done_testing();
