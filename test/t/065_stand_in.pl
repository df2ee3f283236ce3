# test/demo.sh, also with an account of one's own, for which the stand-in serves
# here, and test/playground.sh: that they work, tell no secret and leave nothing.

use strict;
use warnings;

use HTTP::Tiny;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

use SpotifyMock;
use SpotifyTest;

my $mock = SpotifyMock->start('--library', 70);

# Starts a script of test/ in a folder of its own, as after enter_workplace.  Its
# commands are traced, so that what is in their command lines is seen.
sub start_script
{
	my ($script, %environment) = @_;
	my $run = { folder => PostgreSQL::Test::Utils::tempdir_short(), input => '', output => '', trace => '' };

	local %ENV = (%ENV, %environment, WORKPLACE => $run->{folder});
	$run->{handle} = IPC::Run::start(
		[ 'bash', '-x', "test/$script" ],
		'<', \$run->{input}, '>', \$run->{output}, '2>', \$run->{trace},
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	return $run;
}

# Waits for what a pattern finds in its output, behind what was found before.
sub wait_for
{
	my ($run, $pattern) = @_;

	$run->{handle}->pump until $run->{output} =~ /$pattern/gc || !$run->{handle}->pumpable;
	return $1;
}

# Answers it with a line.
sub paste
{
	my ($run, $line) = @_;

	$run->{input} .= "$line\n";
	return;
}

# Waits for its end; returns whether it succeeded.
sub ends
{
	my ($run) = @_;

	$run->{handle}->finish;
	return $run->{handle}->result == 0;
}

# The command lines of processes that have this folder in it.
sub left_running
{
	my ($folder) = @_;
	my @found;

	for my $file (glob '/proc/[0-9]*/cmdline')
	{
		# It may have ended by now.
		open my $handle, '<', $file or next;
		my $command = <$handle> // '';
		push @found, $command =~ tr/\0/ /r if index($command, $folder) >= 0;
	}
	return @found;
}

sub tells_no_secret
{
	my ($run, $name) = @_;

	unlike("$run->{output}$run->{trace}", qr/mock-secret|mock-refresh-|mock-access-|code=/,
		"$name: no secret is shown or in a command line");
	return;
}

# The demo with an account of one's own.
my %app = (
	SPOTIFY_CLIENT_ID => 'mock-client',
	SPOTIFY_API_URL => $mock->base_url . '/v1',
	SPOTIFY_ACCOUNTS_URL => $mock->base_url);
my $url_to_open = qr{^(http://\S+/authorize\?\S+)$}m;

my $run = start_script('demo.sh', %app,
	SPOTIFY_CLIENT_SECRET => 'mock-secret', SPOTIFY_REFRESH_TOKEN => 'mock-refresh-token');
ok(ends($run), 'with a refresh token: it works') or diag($run->{trace});
like($run->{output}, qr/succeeded \| +70 \| +70 /, 'with a refresh token: the library is synced');
unlike($run->{output}, $url_to_open, 'with a refresh token: no login is asked for');
tells_no_secret($run, 'with a refresh token');

$mock->post('config', { auto_approve => JSON::PP::true });
for my $client ([ 'mock-client', 'mock-secret' ], [ 'mock-pkce-client', undef ])
{
	my ($id, $secret) = @$client;
	my $name = defined $secret ? 'an app with a secret' : 'an app without a secret';

	$mock->post('client', { id => $id, secret => $secret, redirect_uris => ['http://127.0.0.1:8888/callback'] });
	$run = start_script('demo.sh', %app,
		SPOTIFY_CLIENT_ID => $id,
		defined $secret ? (SPOTIFY_CLIENT_SECRET => $secret) : ());
	wait_for($run, $url_to_open);
	paste($run, 'http://127.0.0.1:8888/callback?error=access_denied');
	my $url = wait_for($run, $url_to_open);
	ok($url, "$name: after an address that is of no use there is another login");
	paste($run, browse($url));
	ok(ends($run), "$name: the login works") or diag($run->{trace});
	like($run->{output}, qr/^mockAccount1$/m, "$name: it says whose account it is");
	like($run->{output}, qr/succeeded \| +70 \| +70 /, "$name: the library is synced");
	is_deeply([ left_running($run->{folder}) ], [], "$name: nothing is left running");
	# The address that was pasted holds the code: in a trace it is read, not run.
	$run->{trace} =~ s/^\+* ADDRESS=.*//mg;
	tells_no_secret($run, $name);
}

$run = start_script('demo.sh', %app);
$run->{input} = '';
ok(!ends($run), 'nothing is pasted: it fails');
like($run->{trace}, qr/^No address was given: nobody is logged in\.$/m, 'nothing is pasted: it says so');
is_deeply([ left_running($run->{folder}) ], [], 'nothing is pasted: nothing is left running');

# The demo as everybody has it.
delete local @ENV{qw(SPOTIFY_CLIENT_ID SPOTIFY_CLIENT_SECRET SPOTIFY_REFRESH_TOKEN)};
$run = start_script('demo.sh');
ok(ends($run), 'without an account: everything adds up') or diag($run->{trace});
is_deeply([ left_running($run->{folder}) ], [], 'without an account: nothing is left running');

# The playground.
$run = start_script('playground.sh');
paste($run, $_)
  for 'SELECT status, inserted FROM spotify_sync_liked();',
  q(\! curl -sS -d '{"count": 2}' $STAND_IN/like),
  q(\! curl -sS -d '{"count": 3}' $STAND_IN/play),
  'SELECT status, inserted FROM spotify_sync_liked();',
  'SELECT status, inserted FROM spotify_sync_recently_played();',
  'SELECT nonsense;',
  '\! echo the stand-in is at $STAND_IN';
ok(ends($run), 'playground: it lasts until its input ends') or diag($run->{trace});
is_deeply([ $run->{output} =~ /succeeded \| +(\d+)$/mg ], [ 1234, 2, 3 ],
	'playground: one can sync, change the library and sync again');
my ($stand_in) = $run->{output} =~ m{^the stand-in is at (http://\S+)$}m;
is(HTTP::Tiny->new->get("$stand_in/count")->{status}, 599, 'playground: the stand-in has ended');
is_deeply([ left_running($run->{folder}) ], [], 'playground: nothing is left running');

done_testing();
