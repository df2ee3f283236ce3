# The access token: how it is asked for, kept, renewed and refused.

use strict;
use warnings;

use JSON::PP;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use SpotifyMock;
use SpotifyTest;

my $TOKEN_URL = { path => '/api/token$' };
my $AUTHORIZE_HINT = qr/spotify_authorize_url\(/;
my $REFUSED_HINT = qr/spotify_authorize_url\('default'\).* spotify_refresh_token\('default'\)/;

my $json = JSON::PP->new->utf8;
my $mock = SpotifyMock->start('--library', 60);
my $node = start_node($mock, name => 'tokens');
my $session = open_session($node);

# Runs SQL that must work; returns what it gives.
sub value
{
	my ($sql) = @_;
	my $answer = ask($session, $sql);
	die "$sql: $answer->{text}\n" if defined $answer->{code};
	return $answer->{output};
}

# A mock and an account as on the first day.  The account is that of the mock,
# or what is given as arguments in SQL.
sub renew
{
	my ($arguments) = @_;
	$arguments //= q{'mock-client', 'mock-secret', 'mock-refresh-token'};
	$mock->post('reset');
	value('SELECT spotify_forget_account(account) FROM spotify.accounts');
	value("SELECT spotify_set_account($arguments)");
	return;
}

# Changes what is stored behind the extension's back.
sub set_account
{
	my ($assignments) = @_;
	value("UPDATE spotify.accounts SET $assignments");
	return;
}

sub set_credentials
{
	my ($assignments) = @_;
	value("UPDATE spotify_private.credentials SET $assignments");
	return;
}

# That a condition on the account and its credentials holds.
sub stored
{
	my ($condition, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is( value(<<~SQL), 't', $name);
		SELECT $condition
		  FROM spotify.accounts AS account
		  LEFT JOIN spotify_private.credentials USING (account)
		SQL
	return;
}

# That the mock saw so many requests of these kinds since this was asked last.
sub requests
{
	my ($name, %expected) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $count = $mock->count;
	is_deeply({ map { $_ => $count->{$_} } keys %expected },
		\%expected, "$name: requests");
	$mock->forget_log;
	return;
}

# That a sync succeeds; returns its run, with the warnings in {text}.
sub syncs
{
	my ($name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $answer =
	  ask($session, 'SELECT row_to_json(r) FROM spotify_sync_liked() AS r');
	my $run = $answer->{output} ? $json->decode($answer->{output}) : {};
	is($run->{status}, 'succeeded', "$name: the sync succeeds")
	  or diag($answer->{text});
	return { %$run, text => $answer->{text} };
}

# That spotify_refresh_token() gives a time so many seconds ahead.
sub refreshes
{
	my ($name, $seconds) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $answer = ask($session, <<~SQL);
		SELECT expires_at BETWEEN statement_timestamp() + interval '$seconds s'
		                      AND clock_timestamp() + interval '$seconds s'
		  FROM spotify_refresh_token() AS expires_at
		SQL
	is($answer->{output}, 't', "$name: it expires in $seconds seconds")
	  or diag($answer->{text});
	return;
}

# That a sync fails with this code and hint; returns the error.
sub refused
{
	my ($code, $hint, $name, $sql) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $error = fails_cleanly($session, $code, $name, $sql);
	like($error->{hint}, $hint, "$name: the hint");
	return $error;
}

# Asking, as a client with a secret

renew();
my $run = syncs('a first sync');
is($run->{requests}, $mock->count->{total}, 'token requests count');
my ($asked) = grep { $_->{path} eq '/api/token' } @{ $mock->log };
is_deeply(
	[
		@$asked{qw(method client_id grant_type)},
		$asked->{headers}{authorization}
	],
	[qw(POST mock-client refresh_token Basic)],
	'a client with a secret authenticates by Basic');
requests('a first sync', token => 1);

my ($id, $secret, $token) =
  ('i:d/%41+&=;~', q{s:e/c%72+r&e=t~!*'()"\<>}, q{t/o%6B+e&n=t:"'\~});
$mock->post('reset');
$mock->post('client', { id => $id, secret => $secret });
$mock->post('refresh_token', { refresh_token => $token, client_id => $id });
value('SELECT spotify_forget_account(account) FROM spotify.accounts');
value(sprintf 'SELECT spotify_set_account(%s)',
	join ', ', map { '$q$' . $_ . '$q$' } $id, $secret, $token);
syncs('an id, a secret and a token with characters to encode');
($asked) = grep { $_->{path} eq '/api/token' } @{ $mock->log };
is($asked->{client_id}, $id, 'the id arrives as it is');
requests('an id, a secret and a token with characters to encode', token => 1);

# Asking, as a PKCE client, whose refresh tokens rotate

renew(q{'mock-pkce-client', NULL, 'mock-pkce-refresh-token'});
syncs('a PKCE client');
($asked) = grep { $_->{path} eq '/api/token' } @{ $mock->log };
is_deeply(
	[ @$asked{qw(client_id grant_type)}, $asked->{headers}{authorization} ],
	[ 'mock-pkce-client', 'refresh_token', '' ],
	'a PKCE client names itself in the form, without Basic');
stored("refresh_token <> 'mock-pkce-refresh-token'", 'its new token is stored');
is( $mock->post('token_state', { refresh_token => 'mock-pkce-refresh-token' })
	  ->{state},
	'revoked', 'the old one is revoked');
for my $number (1 .. 3)
{
	my $before = value('SELECT md5(refresh_token) FROM spotify_private.credentials');
	refreshes("rotation $number", 3600);
	stored("md5(refresh_token) <> '$before'", "rotation $number: a new token is stored");
}
set_credentials('access_token = NULL');
syncs('after several rotations');
stored('authorized_at < now()', 'rotations are no new authorization');

# The refresh token in the answer

for my $case (
	[ 'none', { refresh_in_answer => 'none' } ],
	[ 'the same', { refresh_in_answer => 'same' } ],
	[ 'an empty one', { refresh_in_answer => 'empty' } ])
{
	my ($kind, $switches) = @$case;
	my $name = "refresh token in the answer: $kind";
	renew();
	$mock->post('config', $switches);
	refreshes("$name, first", 3600);
	refreshes("$name, again", 3600);
	stored("refresh_token = 'mock-refresh-token'", "$name: the old one is kept");
	requests($name, token => 2, total => 2);
}

for my $case ([ 'null', undef ], [ 'a number', 42 ], [ 'an object', {} ])
{
	my ($kind, $value) = @$case;
	my $name = "refresh token in the answer: $kind";
	renew();
	$mock->fault({ match => $TOKEN_URL, action => { set => { refresh_token => $value } } });
	refreshes($name, 3600);
	stored("refresh_token = 'mock-refresh-token'", "$name: the old one is kept");
}

renew();
$mock->post('config', { rotate => $json->decode('true') });
refreshes('a client with a secret whose token rotates', 3600);
stored("refresh_token <> 'mock-refresh-token'", 'its new token is stored');
refreshes('with the new one', 3600);
syncs('after rotations');

# Keeping the access token

renew();
syncs('first');
syncs('second');
requests('two syncs', token => 1);

for my $case ([ 90, 0 ], [ 59, 1 ], [ 0, 1 ], [ -86400, 1 ])
{
	my ($seconds, $refreshes) = @$case;
	my $name = "$seconds seconds left";
	set_credentials("access_token_expires_at = now() + interval '$seconds s'");
	syncs($name);
	requests($name, token => $refreshes);
}
set_credentials('access_token_expires_at = NULL');
syncs('an unknown end');
requests('an unknown end', token => 1);
set_credentials('access_token = NULL');
syncs('no access token');
requests('no access token', token => 1);

# How long it lasts, as the answer says

for my $case (
	[ 7200, 7200 ],
	[ 1, 1 ],
	[ 0, 0 ],
	[ -1, 0 ],
	[ 3599.9, 3599 ],
	[ '1800', 3600 ],
	[ 'soon', 3600 ],
	[ undef, 3600 ],
	[ 2147483648, 86400 ],
	[ 9223372036854775807, 86400 ],
	[ { '$raw' => '1e400' }, 86400 ])
{
	my ($told, $understood) = @$case;
	my $name = 'expires_in ' . $json->canonical->allow_nonref->encode($told);
	renew();
	$mock->fault({ match => $TOKEN_URL, action => { set => { expires_in => $told } } });
	refreshes($name, $understood);
}
renew();
$mock->fault({ match => $TOKEN_URL, action => { remove => ['expires_in'] } });
refreshes('expires_in missing', 3600);

renew();
$mock->fault({ match => $TOKEN_URL, action => { set => { expires_in => 0 } } });
syncs('a token that is not to be kept');
requests('a token that is not to be kept', token => 1);
syncs('another one');
requests('another one', token => 1);

# spotify_refresh_token() asks always, and stores what it returns

renew();
refreshes('a first token', 3600);
refreshes('a second one', 3600);
requests('spotify_refresh_token() asks always', token => 2, total => 2);
my $expires_at = value('SELECT extract(epoch FROM spotify_refresh_token())');
stored("extract(epoch FROM access_token_expires_at) = $expires_at",
	'the stored end is the returned one');
$mock->forget_log;
syncs('with the token of spotify_refresh_token()');
requests('with the token of spotify_refresh_token()', token => 0);

# Expired in the middle of a scan

renew();
$mock->post('library', { size => 500 });
$mock->fault(
	{
		match => { path => '/me/tracks$', offset => 200, times => 1 },
		action =>
		  { mutate_before => [ { op => 'expire', access_tokens => 'all' } ] }
	});
$run = syncs('a token that dies in mid-scan');
is($run->{inserted}, 500, 'all tracks arrive');
is($run->{requests}, $mock->count->{total}, 'refused requests count');
requests('a token that dies in mid-scan', token => 2);
stored('access_token IS NOT NULL', 'the new one is stored');
syncs('afterwards');
requests('afterwards', token => 0);

renew();
syncs('before all are revoked');
$mock->forget_log;
$mock->post('revoke', { access_tokens => 'all' });
syncs('a cached token that was revoked');
requests('a cached token that was revoked', token => 1);

renew();
$mock->fault({ match => { path => '/me/tracks$' }, action => { status => 401 } });
refused('28000', $AUTHORIZE_HINT, 'a token that is refused, and the next one too');
requests('a token that is refused, and the next one too', token => 2, tracks => 2);

# A refresh token that is refused: the user must authorize again

for my $case (
	[ 'unknown', sub { set_credentials("refresh_token = 'no-such-token'") } ],
	[
		'revoked',
		sub { $mock->post('revoke', { refresh_token => 'mock-refresh-token' }) }
	],
	[
		'expired',
		sub { $mock->post('clock', { advance => 185 * 86400 }) }
	])
{
	my ($kind, $spoil) = @$case;
	my $name = "a refresh token that is $kind";
	renew();
	$spoil->();
	my $error = refused('28000', $REFUSED_HINT, $name);
	like($error->{message}, qr/authorization of account "default"/, "$name: the message");
	like($error->{detail}, qr/Refresh token $kind|Invalid refresh token/i,
		"$name: the detail says what Spotify answered");
	requests($name, token => 1, total => 1);
	stored('needs_authorization AND refresh_token IS NOT NULL',
		"$name: that is remembered, and the token is kept");
	refused('28000', $REFUSED_HINT, "$name, from then on");
	requests("$name, from then on", total => 0);
	refused('28000', $AUTHORIZE_HINT, "$name, asked on purpose",
		'SELECT spotify_refresh_token()');
	requests("$name, asked on purpose", token => 1, total => 1);
}
renew();
$mock->fault({ match => $TOKEN_URL,
		action => { status => 401, body => { error => 'invalid_grant' } } });
my $error = refused('28000', $AUTHORIZE_HINT, 'invalid_grant without description');
like($error->{detail}, qr/invalid_grant/, 'the detail has the code then');

$mock->no_faults;
$mock->post('refresh_token', { refresh_token => 'a-newer-token' });
value(q{SELECT spotify_set_account(NULL, NULL, 'a-newer-token')});
syncs('authorized again after invalid_grant');

# A client that is refused: id or secret are wrong, the token may be good

for my $case (
	[ 'a wrong secret', sub { set_credentials("client_secret = 'wrong'") } ],
	[ 'a missing secret', sub { set_credentials('client_secret = NULL') } ],
	[ 'an unknown client', sub { set_account("client_id = 'wrong'") } ],
	[
		'a client refused with status 401',
		sub {
			$mock->fault({ match => $TOKEN_URL,
					action =>
					  { status => 401, body => { error => 'invalid_client' } } });
		}
	])
{
	my ($name, $spoil) = @$case;
	renew();
	$spoil->();
	$error = refused('28000', qr/spotify_set_account\(\)/, $name);
	like($error->{message}, qr/client id and client secret/, "$name: the message");
	requests($name, token => 1, total => 1);
	stored('NOT needs_authorization', "$name: says nothing about the authorization");
}

# Answers that are none

for my $case (
	[ 'no JSON', 'access_token=x' ],
	[ 'a page of a captive portal', '<html>Log in</html>' ],
	[ 'null', undef ],
	[ 'an array', [] ],
	[ 'no access token', { token_type => 'Bearer', expires_in => 3600 } ],
	[ 'an empty access token', { access_token => '' } ],
	[ 'a null access token', { access_token => undef } ],
	[ 'a number as access token', { access_token => 42 } ],
	[ 'an access token with CR LF', { access_token => "mock-access-\r\nX: y" } ],
	[ 'an access token with a space', { access_token => 'mock-access- x' } ],
	[ 'an access token with a null', { access_token => "mock-access-\0" } ],
	[ 'an access token beyond ASCII', { access_token => "mock-access-\x{fc}" } ],
	[ 'an access token of 5 kB', { access_token => 'mock-access-' . 'x' x 5000 } ],
	[
		'a token that is not Bearer',
		{ access_token => 'mock-access-', token_type => 'mac' }
	],
	[ 'a token type that is no text', { access_token => 'mock-access-', token_type => 1 } ],
	[
		'a refresh token with CR LF',
		{ access_token => 'mock-access-', refresh_token => "mock-refresh-\r\n" }
	])
{
	my ($kind, $body) = @$case;
	my $name = "a token answer with $kind";
	renew();
	$mock->fault({ match => $TOKEN_URL, action => { status => 200, body => $body } });
	refused('08P01', qr/\w/, $name);
	requests($name, token => 1, total => 1);
	stored("refresh_token = 'mock-refresh-token' AND access_token IS NULL",
		"$name: nothing of it is kept");
}
for my $body ('', '{"access_token": "mock-access-')
{
	my $name = "a token answer that ends with '$body'";
	renew();
	$mock->fault({ match => $TOKEN_URL, action => { status => 200, body => $body } });
	refused('08006', qr/\w/, $name);
	requests($name, token => 2, total => 2);
	stored("refresh_token = 'mock-refresh-token' AND access_token IS NULL",
		"$name: nothing of it is kept");
}
renew();
value(q{SET spotify_etl.max_response_size = '64kB'});
$mock->fault({ match => $TOKEN_URL, action => { body_size => 65537 } });
refused('08P01', qr/max_response_size/, 'a token answer that is too large');
value('RESET spotify_etl.max_response_size');
requests('a token answer that is too large', token => 1, total => 1);

for my $case (
	[ 'lower case', { token_type => 'bearer' } ],
	[ 'no type', undef ],
	[ 'unknown members', { some => { thing => ['new'] } } ])
{
	my ($kind, $set) = @$case;
	my $name = "a token answer with $kind";
	renew();
	$mock->fault({ match => $TOKEN_URL,
			action => $set ? { set => $set } : { remove => ['token_type'] } });
	syncs($name);
}

# A token endpoint that fails

renew();
$mock->fault({ match => { %$TOKEN_URL, nth => [ 1, 2 ] }, action => { status => 503 } });
$run = syncs('503 twice');
is($run->{retries}, 2, '503 twice: two retries');
requests('503 twice', token => 3);

for my $status (500, 502, 503, 504)
{
	my $name = "always $status";
	renew();
	$mock->fault({ match => $TOKEN_URL, action => { status => $status } });
	$error = refused('08006', qr/again later/, $name);
	like($error->{detail}, qr/$status.*5 times/, "$name: the detail");
	requests($name, token => 5, total => 5);
	stored('NOT needs_authorization', "$name: says nothing about the authorization");
}

renew();
$mock->fault({ match => { %$TOKEN_URL, times => 1 }, action => { reset => 'start' } });
$run = syncs('a connection that breaks once');
is($run->{retries}, 1, 'a connection that breaks once: one retry');

# An answer that got lost may have been a new token: it is not tried on and on.
renew();
$mock->fault({ match => $TOKEN_URL, action => { close => 'start' } });
refused('08006', qr/again later/, 'a connection that always breaks');
requests('a connection that always breaks', token => 2, total => 2);

renew();
value(q{SET spotify_etl.accounts_url = 'http://127.0.0.1:1'});
$error = refused('08006', qr/again later/, 'a port where nobody listens');
like($error->{detail}, qr/5 times/, 'a port where nobody listens: tried again');
value('RESET spotify_etl.accounts_url');
requests('a port where nobody listens', total => 0);

for my $status (400, 403, 404, 302, 204)
{
	my $name = "an unexpected $status";
	renew();
	$mock->fault({ match => $TOKEN_URL, action => { status => $status, body => 'no' } });
	fails_cleanly($session, $status == 403 ? '28000' : '08P01', $name);
	requests($name, token => 1, total => 1);
}

# A token endpoint with a rate limit

renew();
$mock->fault({ match => $TOKEN_URL, action => { status => 429, retry_after => 3600 } });
$error = refused('53400', qr/\w/, 'a rate limit of an hour');
my ($allowed_at) = $error->{detail} =~ /allowed at (.*)\.$/;
is( value(<<~SQL), 't', 'a rate limit of an hour: the detail has its end');
	SELECT '$allowed_at'::timestamptz BETWEEN now() + interval '59 min'
	                                      AND now() + interval '1 hour'
	SQL
requests('a rate limit of an hour', token => 1, total => 1);
stored('NOT needs_authorization', 'a rate limit says nothing about the authorization');
refused('53400', qr/\w/, 'a rate limit of an hour, from then on');
requests('a rate limit of an hour, from then on', total => 0);

renew();
value(q{SET spotify_etl.max_retry_wait = '2s'});
$mock->fault({ match => { %$TOKEN_URL, times => 1 },
		action => { status => 429, retry_after => 1 } });
$run = syncs('a rate limit of a second');
is($run->{retries}, 1, 'a rate limit of a second: waited for');
value('RESET spotify_etl.max_retry_wait');

# What is known already costs no request

renew();
set_account('needs_authorization = true');
$error = refused('28000', $AUTHORIZE_HINT, 'an authorization that ended');
requests('an authorization that ended', total => 0);
stored('needs_authorization', 'an authorization that ended: it is still so');
refreshes('spotify_refresh_token() tries', 3600);
stored('NOT needs_authorization', 'and clears it');
syncs('an authorization that works again');

renew();
syncs('before the authorization ends');
$mock->forget_log;
set_account('needs_authorization = true');
refused('28000', $AUTHORIZE_HINT, 'an ended authorization with a cached token');
requests('an ended authorization with a cached token', total => 0);
$mock->post('revoke', { refresh_token => 'mock-refresh-token' });
refused('28000', $AUTHORIZE_HINT, 'spotify_refresh_token() tries in vain',
	'SELECT spotify_refresh_token()');
stored('needs_authorization', 'and leaves it');
requests('spotify_refresh_token() tries in vain', token => 1, total => 1);

renew();
value(q{SET TimeZone = 'UTC'});
set_account(q{retry_after = date_trunc('day', now()) + interval '1 day 23:59:58'});
my $tomorrow = value('SELECT left(retry_after::text, 19) FROM spotify.accounts');
for my $sql ('SELECT spotify_sync_liked()', 'SELECT spotify_refresh_token()')
{
	my $name = "before retry_after: $sql";
	$error = refused('53400', qr/\w/, $name, $sql);
	like($error->{detail}, qr/\Q$tomorrow\E/, "$name: the detail has the time");
	requests($name, total => 0);
}
value('RESET TimeZone');
set_account(q{retry_after = now() - interval '1 s'});
syncs('after retry_after');

# A clock that was a month ahead: no limit lasts so long.
renew();
syncs('before the clock goes wrong');
is(value('SELECT times_in_future FROM spotify.account_status'), '', 'no time lies in the future');
set_account(q{retry_after = now() + interval '30 days', authorized_at = now() + interval '29 days'});
value(q{UPDATE spotify.sync_runs SET started_at = now() + interval '29 days', finished_at = now() + interval '29 days'});
is( value('SELECT times_in_future FROM spotify.account_status'),
	'{authorized_at,retry_after,last_liked_run}',
	'after a clock that was ahead: the status names the times');
$mock->forget_log;
syncs('after a clock that was ahead');
requests('after a clock that was ahead', tracks => 2);
$mock->fault({ match => { path => '/me/tracks$', times => 1 }, action => { status => 429, retry_after => 3600 } });
refused('53400', qr/\w/, 'a limit that is real, after a clock that was ahead');
stored(q{retry_after BETWEEN now() + interval '59 min' AND now() + interval '61 min'},
	'a limit that is real takes the place of one that cannot be');
$mock->no_faults;
$mock->forget_log;
refused('53400', qr/\w/, 'and counts');
requests('and counts', total => 0);
value(q{UPDATE spotify.sync_runs SET started_at = now(), finished_at = now() WHERE started_at > now()});
set_account('retry_after = NULL, authorized_at = now()');
is(value('SELECT times_in_future FROM spotify.account_status'), '', 'cleared as the documents say');

renew();
value('DELETE FROM spotify_private.credentials');
for my $sql ('SELECT spotify_sync_liked()', 'SELECT spotify_refresh_token()')
{
	my $name = "without credentials: $sql";
	refused('28000', $AUTHORIZE_HINT, $name, $sql);
	requests($name, total => 0);
}
value(q{SELECT spotify_set_account(NULL, 'mock-secret', 'mock-refresh-token')});
syncs('with credentials again');

# The authorization ends six months after it was given

for my $case (
	[ '1 day', 0 ],
	[ '4 months', 0 ],
	[ '6 months -35 days', 0 ],
	[ '6 months -25 days', 1 ],
	[ '5 months 15 days', 1 ],
	[ '7 months', 1 ])
{
	my ($age, $is_warned) = @$case;
	my $name = "authorized $age ago";
	renew();
	set_account("authorized_at = now() - interval '$age'");
	$run = syncs($name);
	is(scalar(() = $run->{text} =~ /WARNING:/g), $is_warned, "$name: warnings");
	next unless $is_warned;
	like(
		$run->{text},
		qr/WARNING:.*authorization of account "default".*HINT:.*spotify_authorize_url/s,
		"$name: the warning");
}
renew();
set_account('authorized_at = NULL');
unlike(syncs('authorized nobody knows when')->{text}, qr/WARNING/, 'no warning then');

# Scopes

renew();
stored('scopes IS NULL', 'scopes are unknown at first');
$mock->post('config', { scopes => [ 'user-library-read', 'user-follow-read' ] });
refreshes('scopes', 3600);
stored("scopes = '{user-library-read,user-follow-read}'", 'scopes of the answer are stored');
my $version = value('SELECT xmin FROM spotify.accounts');
refreshes('the same scopes', 3600);
stored("account.xmin = '$version'", 'the same scopes write nothing');
$mock->fault({ match => $TOKEN_URL, action => { remove => ['scope'] } });
refreshes('an answer without scopes', 3600);
stored("scopes = '{user-library-read,user-follow-read}'",
	'an answer without scopes leaves them');
$mock->no_faults;
$mock->post('config', { scopes => ['user-library-read'] });
refreshes('other scopes', 3600);
stored("scopes = '{user-library-read}'", 'other scopes replace them');

# Another refresh token, and the same one

renew();
syncs('before the token is set again');
set_account(q{authorized_at = '2026-01-01 00:00:00+00'});
value(q{SELECT spotify_set_account(NULL, NULL, 'mock-refresh-token', NULL)});
stored(q{authorized_at = '2026-01-01 00:00:00+00'}, 'the same token is no new authorization');
$mock->post('refresh_token', { refresh_token => 'another-token' });
value(q{SELECT spotify_set_account(NULL, NULL, 'another-token', NULL)});
stored(q{authorized_at > '2026-01-01 00:00:00+00'}, 'another token is a new authorization');
stored('access_token IS NULL AND access_token_expires_at IS NULL',
	'another token drops the access token');
$mock->forget_log;
syncs('with another token');
requests('with another token', token => 1);
is($mock->post('token_state', { refresh_token => 'another-token' })->{state},
	'active', 'another token was used');

$session->quit;
$node->stop;
done_testing();
