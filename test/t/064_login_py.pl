# examples/login.py: the login with a browser beside psql.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use SpotifyMock;
use SpotifyTest;

my $program = abs_path(dirname(__FILE__) . '/../../examples/login.py');
my $mock = SpotifyMock->start('--library', 60);
my $node = start_node($mock, name => 'login_py');
my $port = PostgreSQL::Test::Cluster::get_free_port();
my $callback = "http://127.0.0.1:$port/callback";

# A browser that follows where it is sent, and asks for an icon first.
my $browser = PostgreSQL::Test::Utils::tempdir() . '/browser';
append_to_file($browser, <<~"BROWSER");
	curl -s -o /dev/null http://127.0.0.1:$port/favicon.ico
	curl -sSL -o /dev/null "\$1"
	BROWSER
local $ENV{BROWSER} = "sh $browser %s";

sub create
{
	my ($account, $redirect_uri) = @_;

	$node->safe_psql('postgres',
		"SELECT spotify_set_account('mock-client', 'mock-secret', account => '$account', redirect_uri => '$redirect_uri')");
	return;
}

# Runs the program; returns whether it succeeded, and all that it printed.
sub login
{
	my ($input, @arguments) = @_;
	my $output = '';
	my $is_done = IPC::Run::run(
		[ 'python3', '-B', $program, '-d', $node->connstr('postgres'), @arguments ],
		'<', \$input, '>', \$output, '2>&1',
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));

	return ($is_done, $output);
}

sub is_authorized
{
	my ($account) = @_;

	return $node->safe_psql('postgres',
		"SELECT authorized_at IS NOT NULL FROM spotify.accounts WHERE account = '$account'");
}

my ($is_done, $output) = login('');
ok(!$is_done, 'no account: it fails');
like($output, qr/spotify_set_account/, 'no account: it says what to do');

$mock->post('config', { auto_approve => JSON::PP::true });
create('default', $callback);
($is_done, $output) = login('');
ok($is_done, 'the login works') or diag($output);
like($output, qr/Spotify user mockAccount1\.$/m, 'it says whose account it is');
is(is_authorized('default'), 't', 'the tokens are stored');
is($node->safe_psql('postgres', 'SELECT status FROM spotify_sync_liked()'),
	'succeeded', 'a sync works');
unlike($output, qr/mock-(?!user|client)/, 'no secret is shown');

# Any name is one of an account.
create(q{o''neil \\ anna}, $callback);
($is_done, $output) = login('', '--account', q{o'neil \\ anna});
ok($is_done, 'of several accounts one is named') or diag($output);
is(is_authorized(q{o''neil \\ anna}), 't', 'the tokens are stored for that one');
($is_done, $output) = login('');
ok(!$is_done, 'of several accounts none is named: it fails');
like($output, qr/o'neil/, 'of several accounts none is named: it says which there are');

# The browser is somewhere else, or nothing can listen.
create('elsewhere', 'https://example.org/callback');
($is_done, $output) = login("http://127.0.0.1/?error=access_denied\n", '--account', 'elsewhere');
ok(!$is_done, 'the user does not agree: it fails');
like($output, qr/not on this machine/, 'it says why the address has to be pasted');
like($output, qr/did not agree/, 'it says what Spotify answered');
is(is_authorized('elsewhere'), 'f', 'nothing is stored');
($is_done, $output) = login('', '--account', 'elsewhere');
ok(!$is_done, 'nothing is pasted: it fails');

$node->stop;
done_testing();
