# A login is kept: whatever the caller has set, whoever logged in, and whatever
# else is wrong with the answer that brings it.

use strict;
use warnings;

use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use SpotifyMock;
use SpotifyTest;

my $TOKEN_URL = { path => '/api/token$' };
my $PKCE = q{'mock-pkce-client', NULL, 'mock-pkce-refresh-token'};

my $mock = SpotifyMock->start('--library', 60);
my $node = start_node($mock, name => 'login_kept');
my $session = open_session($node);

# Runs SQL that must work; returns what it gives.
sub value
{
	my ($sql) = @_;
	my $answer = ask($session, $sql);
	die "$sql: $answer->{text}\n" if defined $answer->{code};
	return $answer->{output};
}

# A mock as on the first day, on which the user agrees at once, and an account
# with these arguments.
sub renew
{
	my ($arguments) = @_;
	$mock->post('reset');
	$mock->post('library', { size => 60 });
	$mock->post('config', { auto_approve => JSON::PP::true });
	value('SELECT spotify_forget_account(account) FROM spotify.accounts');
	value("SELECT spotify_set_account($arguments)");
	return;
}

sub authorize { return 'SELECT spotify_authorize($r$' . browse(value('SELECT spotify_authorize_url()')) . '$r$)'; }

# That the refresh token that is stored is one which Spotify takes.
sub login_works
{
	my ($name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $token = value('SELECT refresh_token FROM spotify_private.credentials');
	is($mock->post('token_state', { refresh_token => $token })->{state},
		'active', "$name: the stored refresh token is the one that counts");
	is(ask($session, 'SELECT spotify_refresh_token() > now()')->{output}, 't', "$name: the login works");
	return;
}

# A caller who does not want to wait: Spotify replaces the token and is slow.

my %IMPATIENT = (
	request_timeout => '1ms',
	connect_timeout => '1ms',
	max_retries => 0,
	max_retry_wait => 0);

value("SET spotify_etl.$_ = '$IMPATIENT{$_}'") for sort keys %IMPATIENT;

renew($PKCE);
$mock->fault({ match => $TOKEN_URL, action => { delay => 0.15 } });
is(ask($session, 'SELECT spotify_refresh_token() > now()')->{output}, 't', 'an impatient caller gets a token');
login_works('an impatient caller');

renew($PKCE);
$mock->fault({ match => { %$TOKEN_URL, times => 1 }, action => { reset => 'start' } });
is(ask($session, 'SELECT spotify_refresh_token() > now()')->{output}, 't',
	'an impatient caller, a connection that breaks once: it is asked again');
login_works('an impatient caller, a connection that breaks once');

renew($PKCE);
$mock->fault({ match => { %$TOKEN_URL, times => 1 }, action => { status => 429, retry_after => 1 } });
is(ask($session, 'SELECT spotify_refresh_token() > now()')->{output}, 't',
	'an impatient caller, a rate limit of a second: it is waited for');

renew(q{'mock-pkce-client'});
my $authorize = authorize();
$mock->fault({ match => { path => '/api/token$|/v1/me$' }, action => { delay => 0.15 } });
is(ask($session, $authorize)->{output}, 'mockAccount1', 'an impatient caller can authorize');
login_works('an impatient caller who authorized');

value("RESET spotify_etl.$_") for sort keys %IMPATIENT;

$session->quit;
$node->stop;
done_testing();
