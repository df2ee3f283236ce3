# The files in which a new refresh token waits between Spotify's answer and the
# commit: their mode, and what becomes of those that nobody will fetch.

use strict;
use warnings;

use Fcntl ':mode';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

use SpotifyMock;
use SpotifyTest;

my $mock = SpotifyMock->start('--library', 60);

sub mode { my ($path) = @_; return sprintf '%04o', S_IMODE((stat $path)[2]); }

# What is in the folder of a node.
sub files
{
	my ($node) = @_;
	my @files = glob $node->data_dir . '/pg_spotify_etl/*';
	return @files;
}

# The mode of what is there while a token is asked for.
sub mode_while_asked
{
	my ($node) = @_;
	my $end = time + 60;
	my $session = open_session($node);
	$mock->fault({ match => { path => '/api/token$' }, action => { delay => 2 } });
	$session->query_until(qr/started/, "\\echo started\nSELECT spotify_refresh_token();\n");
	sleep 0.02 until files($node) > 0 || time > $end;
	my ($file) = files($node);
	my $mode = mode($file);
	$mock->no_faults;
	$session->query('');
	$session->quit;
	return $mode;
}

for my $case ([ 'of its owner', 0, '0600', '0700' ], [ 'of its group too', 1, '0640', '0750' ])
{
	my ($whose, $is_of_group, $file_mode, $folder_mode) = @$case;
	my $name = "a cluster $whose";
	my $node = start_node($mock, name => "spool_$is_of_group",
		initdb => $is_of_group ? ['--allow-group-access'] : []);
	create_account($node);
	is(mode_while_asked($node), $file_mode, "$name: the mode of the file");
	is(mode($node->data_dir . '/pg_spotify_etl'), $folder_mode, "$name: the mode of the folder");
	is_deeply([ files($node) ], [], "$name: nothing is left");
	$node->stop;
}

# Databases that are gone

my $node = start_node($mock, name => 'spool');
my $folder = $node->data_dir . '/pg_spotify_etl';
create_account($node);
$node->safe_psql('postgres', 'SELECT spotify_refresh_token()');
$node->safe_psql('postgres', "CREATE DATABASE $_") for qw(dropped other);
my %files = map {
	$_ => "$folder/" . $node->safe_psql('postgres', "SELECT oid FROM pg_database WHERE datname = '$_'") . '_17'
} qw(dropped other postgres);
my %odd = map { $_ => "$folder/$_" } 'README', '17', '_17', '99999999999999999999_17';
append_to_file($_, "a hash\na refresh token\nan access token\n0\n") for map { $_, "$_.tmp" } values %files;
append_to_file($_, 'x') for values %odd;

$node->safe_psql('postgres', 'SELECT spotify_refresh_token()');
ok(-e $files{$_} && -e "$files{$_}.tmp", "the files of $_ stay") for sort keys %files;
$node->safe_psql('postgres', 'DROP DATABASE dropped');
$node->safe_psql('postgres', 'SELECT spotify_refresh_token()');
ok(!-e $files{dropped} && !-e "$files{dropped}.tmp", 'those of a database that is gone go');
ok(-e $files{$_} && -e "$files{$_}.tmp", "the files of $_ stay then") for qw(other postgres);
ok(-e $odd{$_}, "and so does a file with another name: $_") for sort keys %odd;

$node->stop;
done_testing();
