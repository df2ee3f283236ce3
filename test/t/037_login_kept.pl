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

# An access token that cannot be used beside a refresh token that can

for my $case (
	[ 'with a line end', { set => { access_token => "mock-access-\r\n" } } ],
	[ 'of 5 kB', { set => { access_token => 'mock-access-' . 'x' x 5000 } } ],
	[ 'that is null', { set => { access_token => undef } } ],
	[ 'that is missing', { remove => ['access_token'] } ],
	[ 'of another type', { set => { token_type => 'mac' } } ])
{
	my ($what, $action) = @$case;
	my $name = "an access token $what";
	renew($PKCE);
	$mock->fault({ match => { %$TOKEN_URL, times => 1 }, action => $action });
	fails_cleanly($session, '08P01', $name);
	login_works("$name, after a refresh");

	renew(q{'mock-pkce-client'});
	$mock->fault({ match => { %$TOKEN_URL, times => 1 }, action => $action });
	my $answer = ask($session, authorize());
	is($answer->{code}, undef, "$name, of an authorization: it is no error");
	like($answer->{text}, qr/WARNING:.*is authorized, but/, "$name, of an authorization: a warning");
	login_works("$name, of an authorization");
}
is(value('SELECT status FROM spotify_sync_liked()'), 'succeeded', 'a sync after all that');

# A refresh token that is set by hand: it is asked at its first use whose it is

sub requests
{
	my ($name, %expected) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $count = $mock->count;
	is_deeply({ map { $_ => $count->{$_} } keys %expected }, \%expected, "$name: requests");
	$mock->forget_log;
	return;
}

# An account that holds the data of mock-user; somebody else has tokens too.
sub renew_known
{
	renew(q{'mock-client', 'mock-secret'});
	value(authorize());
	$mock->post('user', { id => 'somebody', account_id => 'somebodysAccount', size => 90 });
	$mock->post('refresh_token', { refresh_token => 'somebodys-token', user => 'somebody' });
	$mock->post('refresh_token', { refresh_token => 'another-token' });
	value('SELECT status FROM spotify_sync_liked()');
	$mock->forget_log;
	return;
}

sub set_token { return value("SELECT spotify_set_account(NULL, refresh_token => '$_[0]')"); }

renew_known();
set_token('another-token');
is(value('SELECT status FROM spotify_sync_liked()'), 'succeeded', q{the user's own token: a sync works});
requests(q{the user's own token}, token => 1, me => 1);
value('SELECT spotify_refresh_token()');
value('SELECT status FROM spotify_sync_liked()');
requests('the second use', token => 1, me => 0);
set_token('another-token');
value('SELECT status FROM spotify_sync_liked()');
requests('the same token set again', token => 1, me => 0);

for my $sql (
	'SELECT spotify_sync_liked()',
	'SELECT spotify_sync_recently_played()',
	'SELECT spotify_refresh_token()')
{
	my $name = "another user's token, $sql";
	renew_known();
	set_token('somebodys-token');
	my $error = fails_cleanly($session, '28000', $name, $sql);
	like($error->{detail}, qr/of user "mockAccount1", not "somebodysAccount"/, "$name: the detail");
	like($error->{hint}, qr/as the right user/, "$name: the hint");
	requests($name, token => 1, me => 1, total => 2);
	is(value('SELECT num_nonnulls(refresh_token, access_token) FROM spotify_private.credentials'),
		0, "$name: it is not kept");
	is(value('SELECT needs_authorization FROM spotify.account_status'), 't', "$name: the status shows it");
	$error = fails_cleanly($session, '28000', "$name, again", $sql);
	like($error->{hint}, qr/spotify_authorize_url/, "$name, again: the hint");
	requests("$name, again", total => 0);
	is(value(authorize()), 'mockAccount1', "$name: the user authorizes again");
	is(value('SELECT status FROM spotify_sync_liked()'), 'succeeded', "$name: and all is well");
}

for my $case (
	[ 'a user who is not registered', { status => 403 }, '28000' ],
	[ 'a server error', { status => 503 }, '08006' ],
	[ 'no JSON', { body => '<html>' }, '08P01' ],
	[ 'a rate limit', { status => 429, retry_after => 100 }, '53400' ])
{
	my ($what, $action, $code) = @$case;
	for my $token ('another-token', 'somebodys-token')
	{
		my $name = "$token, GET /me: $what";
		renew_known();
		$mock->post('config', { rotate => JSON::PP::true });
		set_token($token);
		$mock->fault({ match => { path => '/v1/me$' }, action => $action });
		my $error = fails_cleanly($session, $code, $name);
		like($error->{message}, qr/that of user "mockAccount1"/, "$name: the message");
		like($error->{hint}, qr/is kept, and the next call asks again/, "$name: the hint");
		is($mock->count->{tracks}, 0, "$name: nothing else is asked for");
		value('UPDATE spotify.accounts SET retry_after = NULL');
		$mock->no_faults;
		if ($token eq 'another-token')
		{
			login_works($name);
			is(value('SELECT status FROM spotify_sync_liked()'), 'succeeded', "$name: then a sync works");
		}
		else
		{
			fails_cleanly($session, '28000', "$name, then");
		}
	}
}

# Ids of a user: an account may know the one that Spotify told before account_id.

renew_known();
value(q{UPDATE spotify.accounts SET spotify_user_id = 'mock-user'});
set_token('another-token');
value('SELECT spotify_refresh_token()');
is(value('SELECT spotify_user_id FROM spotify.accounts'), 'mockAccount1', 'an older id: the new one is kept');

renew_known();
$mock->fault({ match => { path => '/v1/me$' }, action => { remove => ['account_id'] } });
my $error = fails_cleanly($session, '28000', 'an id that Spotify does not tell any more', authorize());
like($error->{hint}, qr/set spotify_user_id in spotify.accounts to null/,
	'an id that Spotify does not tell any more: the hint');
value('UPDATE spotify.accounts SET spotify_user_id = NULL');
is(value(authorize()), 'mock-user', 'an id that Spotify does not tell any more: the way out');

$session->quit;
$node->stop;
done_testing();
