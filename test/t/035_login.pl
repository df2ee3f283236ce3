# The login from psql: the URL to open, what the browser ends on, what is stored
# of it, and everything that can go wrong in between.

use strict;
use warnings;

use JSON::PP;
use Time::HiRes qw(sleep time);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use SpotifyMock;
use SpotifyTest;

my $TOKEN_URL = { path => '/api/token$' };
my $ME_URL = { path => '/v1/me$' };
my $SYNC = 'SELECT status FROM spotify_sync_liked()';
my $CALLBACK = 'http://127.0.0.1:8888/callback';

my $mock = SpotifyMock->start('--library', 60);
my $node = start_node($mock, name => 'login', configuration => 'spotify_etl.max_retries = 1');
my $session = open_session($node);
my $other = open_session($node);

# Runs SQL that must work; returns what it gives.
sub value
{
	my ($sql) = @_;
	my $answer = ask($session, $sql);
	die "$sql: $answer->{text}\n" if defined $answer->{code};
	return $answer->{output};
}

# A mock on which the user agrees at once, and an account that was never
# authorized: of a client with a secret, or what is given as arguments in SQL.
sub renew
{
	my ($arguments) = @_;
	$mock->post('reset');
	$mock->post('library', { size => 60 });
	$mock->post('config', { auto_approve => JSON::PP::true });
	value('SELECT spotify_forget_account(account) FROM spotify.accounts');
	value('SELECT spotify_set_account(' . ($arguments // q{'mock-client', 'mock-secret'}) . ')');
	return;
}

sub open_url { return browse(value('SELECT spotify_authorize_url()')); }
sub authorize { my ($response) = @_; return "SELECT spotify_authorize(\$r\$$response\$r\$)"; }

# Starts an authorization without waiting for its end: GET /me is under way.
sub begin
{
	my ($sql) = @_;
	my $end = time + 60;
	$mock->forget_log;
	$session->{stderr} = '';
	$session->query_until(qr/started/, "\\echo started\n$sql;\n");
	sleep 0.02 until $mock->count->{me} > 0 || time > $end;
	return;
}

# That a response is taken, with this answer and without a warning.
sub accepted
{
	my ($name, $response, $user) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $answer = ask($session, authorize($response));
	is($answer->{output}, $user // 'mockAccount1', "$name: the answer is the user");
	is($answer->{text}, '', "$name: without a warning");
	return;
}

# That it is refused with this code and hint; returns the error.
sub refused
{
	my ($code, $hint, $name, $response) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $error = fails_cleanly($session, $code, $name, authorize($response));
	like($error->{hint}, $hint, "$name: the hint");
	unlike($error->{text}, qr/mock-code-/, "$name: it tells no code");
	return $error;
}

# That a condition on the account and its credentials holds.
sub stored
{
	my ($condition, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(value(<<~SQL), 't', $name);
		SELECT $condition
		  FROM spotify.accounts AS account
		  LEFT JOIN spotify_private.credentials USING (account)
		SQL
	return;
}

my $IS_AUTHORIZED = 'refresh_token IS NOT NULL AND access_token IS NOT NULL AND code_verifier IS NULL'
  . ' AND authorized_at IS NOT NULL AND NOT needs_authorization';
my $IS_NOT_AUTHORIZED = 'refresh_token IS NULL AND access_token IS NULL AND authorized_at IS NULL';

sub syncs
{
	my ($name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $answer = ask($session, $SYNC);
	is($answer->{output}, 'succeeded', "$name: a sync works") or diag($answer->{text});
	return;
}

# The URL to open

for my $case (
	[ 'a client with a secret', q{'mock-client', 'mock-secret'}, 'mock-client' ],
	[ 'a PKCE client', q{'mock-pkce-client'}, 'mock-pkce-client' ])
{
	my ($name, $arguments, $client) = @$case;
	renew($arguments);
	my $url = value('SELECT spotify_authorize_url()');
	my $base = $mock->base_url;
	like($url, qr{^\Q$base\E/authorize\?}, "$name: the URL is of the accounts service");
	my %parameter = map { split /=/ } split /&/, $url =~ s/^[^?]*\?//r;
	is($parameter{response_type}, 'code', "$name: it asks for a code");
	is($parameter{client_id}, $client, "$name: for this client");
	is($parameter{redirect_uri}, 'http%3A%2F%2F127.0.0.1%3A8888%2Fcallback', "$name: to be sent here");
	is($parameter{code_challenge_method}, 'S256', "$name: with PKCE");
	like($parameter{code_challenge}, qr/^[\w-]{43}$/, "$name: a challenge");
	like($parameter{state}, qr/^[\w-]{43}$/, "$name: a random state");
	like($parameter{scope}, qr/(?:^|%20)user-library-read(?:%20|$)/, "$name: the scope of Liked Songs");
	isnt(value('SELECT spotify_authorize_url()'), $url, "$name: each URL is another one");
	stored($IS_NOT_AUTHORIZED, "$name: nothing is authorized by that");

	accepted($name, open_url());
	stored($IS_AUTHORIZED, "$name: the tokens are stored");
	stored(
		"spotify_user_id = 'mockAccount1' AND display_name IS NOT NULL AND 'user-library-read' = ANY (scopes)",
		"$name: and whose they are, and what they allow");
	syncs($name);
	is($mock->count->{token}, 1, "$name: with the token of the authorization");
}

# What the browser ends on, in each form in which people copy it

for my $case (
	[ 'the whole address', sub { $_[0] } ],
	[ 'with blanks and line ends around', sub { " \n$_[0]\r\n" } ],
	[ 'with a fragment', sub { "$_[0]#_=_" } ],
	[ 'with its parameters in another order', sub { $_[0] =~ s/\?(.*)&(.*)/?$2&$1/r } ],
	[ 'with other parameters', sub { $_[0] =~ s/\?/?a=b&c&/r } ],
	[ 'the query string', sub { $_[0] =~ s/^[^?]*\?//r } ],
	[ 'the query string with its question mark', sub { $_[0] =~ s/^[^?]*//r } ],
	[ 'the query string without the state', sub { $_[0] =~ s/.*(code=[^&]*).*/$1/r } ],
	[ 'the bare code', sub { $_[0] =~ s/.*code=([^&]*).*/$1/r } ],
	[ 'the bare code with blanks', sub { $_[0] =~ s/.*code=([^&]*).*/ $1 \n/r } ])
{
	my ($name, $form) = @$case;
	renew();
	accepted($name, $form->(open_url()));
	stored($IS_AUTHORIZED, "$name: the tokens are stored");
}

# What it may end on instead

renew();
my $first = open_url();
my $second = open_url();
$mock->forget_log;
refused('22023', qr/gave last/, 'an older address', $first);
refused('22023', qr/gave last/, 'a forged state', "$CALLBACK?code=mock-code-x&state=x");
refused('22023', qr/has "code="/, "no code: $_->[0]", $_->[1])
  for [ 'nothing', '' ], [ 'blanks', "  \n" ], [ 'the redirect URI', $CALLBACK ],
  [ 'an empty code', "$CALLBACK?code=&state=x" ], [ 'another page', 'https://example.org/?a=b' ],
  [ 'the URL to open', value('SELECT spotify_authorize_url()') ];
refused('22023', qr/as it is/, "a code $_->[0]", "$CALLBACK?code=$_->[1]")
  for [ 'with a blank', 'mock-code%20x' ], [ 'with a line end', 'mock-code%0D%0Ax' ],
  [ 'beyond ASCII', 'mock-code-%C3%BC' ], [ 'of 5 kB', 'x' x 5000 ];
for my $case (
	[ 'access_denied', qr/The user did not agree/ ],
	[ 'invalid_scope', qr/reported "invalid_scope"/ ],
	[ 'x%0Ay', qr/reported an error/ ],
	[ 'x' x 100, qr/reported an error/ ])
{
	my ($told, $detail) = @$case;
	my $error = refused('28000', qr/spotify_authorize_url\(/, "error=$told",
		"$CALLBACK?error=$told&state=x");
	like($error->{detail}, $detail, "error=$told: the detail");
}
is($mock->count->{total}, 0, 'none of these costs a request');
accepted('after all of these the last address', open_url());
refused('22023', qr/spotify_authorize_url\(/, 'the same address again', $second);
stored($IS_AUTHORIZED, 'the same address again: what is stored stays');

for my $case (
	[ 'a code that is unknown', sub { $_[0] =~ s/code=[^&]*/code=mock-code-x/r } ],
	[ 'a code that is too old', sub { $mock->post('clock', { advance => 601 }); $_[0] } ])
{
	my ($name, $spoil) = @$case;
	renew();
	my $address = open_url();
	refused('28000', qr/works once.*spotify_authorize_url\(/, $name, $spoil->($address));
	stored($IS_NOT_AUTHORIZED, "$name: nothing is stored");
	stored('code_verifier IS NOT NULL', "$name: the authorization is still under way");
	$mock->post('clock', { now => undef });
	accepted("$name, then the right one", $address) if $name =~ /unknown/;
}

renew();
value(q{SELECT spotify_set_account(NULL, 'wrong', redirect_uri => NULL)});
refused('28000', qr/spotify_set_account\(\)/, 'a wrong client secret', open_url());
stored($IS_NOT_AUTHORIZED, 'a wrong client secret: nothing is stored');

# Redirect URIs: https, or the literal address of this machine

for my $uri ('https://example.org/callback', 'http://127.0.0.1/callback', 'http://[::1]:8888/callback')
{
	renew("'mock-client', 'mock-secret', redirect_uri => '$uri'");
	accepted("redirect URI $uri", open_url());
}
for my $uri (
	'http://localhost:8888/callback', 'http://LocalHost/callback', 'https://localhost/callback',
	'http://example.org/callback', 'callback', 'spotify://callback')
{
	my $error = fails_cleanly($session, '22023', "redirect URI $uri",
		"SELECT spotify_set_account(NULL, redirect_uri => '$uri')");
	like($error->{hint}, qr{http://127\.0\.0\.1:8888/callback}, "redirect URI $uri: the hint");
	like($error->{detail}, qr/127\.0\.0\.1.*instead of localhost/, "redirect URI $uri: the detail")
	  if $uri =~ /localhost/i;
}

# Whose tokens these are cannot be found out: an account that has been nobody's
# takes them all the same, one whose user is known keeps what it has.

for my $case (
	[ 'a server error', { status => 503 }, qr/could not answer/, '08006' ],
	[ 'a user who is not registered for the app', { status => 403, body => 'not registered' }, qr/does not allow/, '28000' ],
	[ 'a token that is refused', { status => 401 }, qr/does not accept/, '28000' ],
	[ 'no JSON', { status => 200, body => '<html>' }, qr/not what its API promises/, '08P01' ],
	[ 'nobody', { set => { id => undef, account_id => undef } }, qr/not what its API promises/, '08P01' ],
	[ 'a cut connection', { close => 'body' }, qr/could not reach/, '08006' ],
	[ 'a rate limit', { status => 429, retry_after => 3600 }, qr/rate limit/, '53400' ])
{
	my ($what, $action, $message, $code) = @$case;
	my $is_limited = $what eq 'a rate limit' ? 'IS NOT NULL' : 'IS NULL';
	my $name = "GET /me: $what";
	renew();
	$mock->fault({ match => $ME_URL, action => $action });
	value('UPDATE spotify.accounts SET needs_authorization = true');
	my $answer = ask($session, authorize(open_url()));
	is($answer->{code}, undef, "$name: it is no error");
	is($answer->{output}, '', "$name: the answer is null");
	like($answer->{text}, qr/WARNING:.*account "default" is authorized/, "$name: a warning");
	like($answer->{text}, $message, "$name: it says what happened");
	like($answer->{hint}, qr/nothing has to be done again/, "$name: the hint");
	stored($IS_AUTHORIZED, "$name: the tokens are stored");
	stored('spotify_user_id IS NULL', "$name: the user is not known");
	stored("retry_after $is_limited", "$name: retry_after $is_limited");
	$mock->no_faults;
	value('UPDATE spotify.accounts SET retry_after = NULL');
	syncs($name);

	$name = "$name, a user who is known";
	renew();
	accepted("$name, at first", open_url());
	$mock->fault({ match => $ME_URL, action => $action });
	my $address = open_url();
	my $before = value('SELECT md5(c::text) FROM spotify_private.credentials AS c');
	my $error = refused($code, qr/used up.*unchanged.*spotify_authorize_url\(/, $name, $address);
	like($error->{message}, qr/that of user "mockAccount1": /, "$name: the message names the user");
	like($error->{text}, $message, "$name: it says what happened");
	stored("md5(credentials::text) = '$before'", "$name: what was stored stays");
	stored("retry_after $is_limited", "$name: retry_after $is_limited");
	$mock->no_faults;
	value('UPDATE spotify.accounts SET retry_after = NULL');
	syncs($name);
	accepted("$name, authorized again", open_url());
}

# Another user than before

renew();
accepted('the first user', open_url());
my $before = value('SELECT md5(refresh_token || access_token) FROM spotify_private.credentials');
$mock->post('user', { id => 'somebody', account_id => 'somebodysAccount' });
$mock->post('config', { login_as => 'somebody' });
my $error = refused('28000', qr/right user.*another account/, 'another user', open_url());
like($error->{detail}, qr/"mockAccount1", not "somebodysAccount"/, 'another user: the detail');
stored("md5(refresh_token || access_token) = '$before'", 'another user: nothing is stored');
$mock->post('config', { login_as => 'mock-user' });
accepted('the first user again', open_url());

# Spotify did not always tell account_id: then the id is the user.
renew();
$mock->fault({ match => $ME_URL, action => { remove => ['account_id'] } });
accepted('without account_id', open_url(), 'mock-user');
$mock->no_faults;
accepted('the same user with account_id', open_url());
stored(q{spotify_user_id = 'mockAccount1'}, 'it is kept from then on');
$mock->fault({ match => $ME_URL, action => { remove => ['id'] } });
accepted('without id', open_url());

# Scopes

renew();
$mock->post('config', { scopes => [ 'user-follow-read', 'playlist-read-private' ] });
my $answer = ask($session, authorize(open_url()));
is($answer->{output}, 'mockAccount1', 'too few scopes: the answer is the user');
like($answer->{text}, qr/WARNING:.*not all scopes/, 'too few scopes: a warning');
like($answer->{detail}, qr/Missing: .*user-library-read/, 'too few scopes: which are missing');
unlike($answer->{detail}, qr/user-follow-read/, 'too few scopes: and no others');
like($answer->{hint}, qr/spotify_authorize_url\(/, 'too few scopes: the hint');
stored(q{scopes = '{user-follow-read,playlist-read-private}'}, 'too few scopes: they are stored');
$error = fails_cleanly($session, '28000', 'a sync with too few scopes');
like($error->{hint}, qr/scope.*spotify_authorize_url\(/, 'a sync with too few scopes: the hint');
$mock->post('config', { scopes => undef });
accepted('authorized again', open_url());
syncs('authorized again');

# A rate limit

renew();
my $address = open_url();
$mock->fault({ match => { %$TOKEN_URL, times => 1 }, action => { status => 429, retry_after => 3600 } });
refused('53400', qr/Wait/, 'a rate limit of the token endpoint', $address);
stored('retry_after > now()', 'a rate limit of the token endpoint is stored');
$mock->forget_log;
refused('53400', qr/Wait/, 'before retry_after', $address);
is($mock->count->{total}, 0, 'before retry_after: no request');
value('UPDATE spotify.accounts SET retry_after = NULL');
accepted('after it, the same address', $address);

# The tokens are safe, whatever becomes of the caller

for my $case (
	[ 'ROLLBACK', sub { my ($sql) = @_; ask($session, "BEGIN; $sql; ROLLBACK") } ],
	[ 'an error of the statement', sub { my ($sql) = @_; ask($session, "$sql, 1 / (random() < 0)::int") } ],
	[
		'a cancel',
		sub {
			my ($sql) = @_;
			my $pid = value('SELECT pg_backend_pid()');
			$mock->fault({ match => $ME_URL, action => { delay => 4 } });
			begin($sql);
			ask($other, "SELECT pg_cancel_backend($pid)");
			is(ask($session, 'SELECT 1')->{code}, '57014', 'a cancel: the error');
		}
	])
{
	my ($name, $run) = @$case;
	renew();
	$run->(authorize(open_url()));
	$node->poll_query_until('postgres', 'SELECT refresh_token IS NOT NULL FROM spotify_private.credentials');
	stored($IS_AUTHORIZED, "$name: the tokens are stored");
	stored("spotify_user_id = 'mockAccount1'", "$name: and whose they are");
	$mock->no_faults;
	syncs($name);
}

# What could not be stored is found out before the code is spent.
renew();
value('BEGIN');
$address = open_url();
$mock->forget_log;
refused('55P03', qr/Commit or roll back/, 'an URL of the same transaction', $address);
value('ROLLBACK');
$address = open_url();
ask($other, 'BEGIN; SELECT FROM spotify.accounts FOR UPDATE');
$mock->forget_log;
refused('55P03', qr/Commit or roll back/, 'an account that somebody has locked', $address);
is($mock->count->{total}, 0, 'an account that somebody has locked: no request');
ask($other, 'ROLLBACK');
accepted('an account that nobody has locked', $address);

# A lock that comes in between is waited for, since the code is spent.
renew();
$mock->fault({ match => $ME_URL, action => { delay => 3 } });
begin(authorize(open_url()));
ask($other, 'BEGIN; SELECT FROM spotify.accounts FOR UPDATE');
sleep 6;
ask($other, 'ROLLBACK');
is($session->query(''), 'mockAccount1', 'a lock that comes in between: the answer is the user');
stored($IS_AUTHORIZED, 'a lock that comes in between: the tokens are stored');

renew();
value(q{SELECT spotify_forget_account('default')});
value(q{BEGIN; SELECT spotify_set_account('mock-client', 'mock-secret')});
$address = open_url();
$mock->forget_log;
refused('55000', qr/Commit/, 'an account of the same transaction', $address);
is($mock->count->{total}, 0, 'an account of the same transaction: no request');
value('ROLLBACK');

$_->quit for $session, $other;
$node->stop;
done_testing();
