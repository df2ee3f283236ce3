# Statuses that are no success, and limits: which are waited for, repeated,
# answered by a new token or told, and how often each request is sent.

use strict;
use warnings;

use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

use SpotifyMock;
use SpotifyTest;

my $mock = SpotifyMock->start('--library', 1000);
my $node = start_node($mock);
create_account($node);

my $session = open_session($node, 'SET spotify_etl.max_removal_percent = 100');
my $whole = heals($session, $node, $mock, 'the first sync');
# A token, 20 pages, and the first one again.
is($whole->{requests}, 22, 'it needs 22 requests');
is($whole->{retries}, 0, 'none of them twice');

my %ALL_PAGES = (path => '/me/tracks$');
my %FIRST_PAGE = (path => '/me/tracks$', offset => 0);
my %SEVENTH_PAGE = (path => '/me/tracks$', offset => 300);
my %TOKEN = (path => '/api/token');
my $REFRESH = 'SELECT spotify_refresh_token()';

# Clears what the last case left, and gives the next one something to write.
sub prepare
{
	my ($settings, @rules) = @_;
	ask($session, 'UPDATE spotify.accounts SET retry_after = NULL, needs_authorization = false');
	ask($session, join '; ',
		(map { "RESET spotify_etl.$_" } qw(max_retries max_retry_wait max_concurrency)), $settings);
	$mock->no_faults;
	change_library($mock);
	$mock->forget_log;
	$mock->fault(@rules);
	return;
}

# Runs a piece of test; returns how many seconds it took and what it returned.
sub timed
{
	my ($test) = @_;
	my $start = time;
	my $result = $test->();
	return (time - $start, $result);
}

# In how many seconds the next request is allowed, as the error says.
sub seconds_told
{
	my ($error) = @_;
	my ($next) = ($error->{detail} // '') =~ /^The next request is allowed at (.+)\.$/;
	return -1 unless defined $next;
	return ask($session, "SELECT extract(epoch FROM '$next'::timestamptz - now())::int")->{output};
}

# In English, whatever the locale.
sub http_date
{
	my ($second, $minute, $hour, $day, $month, $year, $weekday) = gmtime $_[0];
	return sprintf '%s, %02d %s %d %02d:%02d:%02d GMT', (qw(Sun Mon Tue Wed Thu Fri Sat))[$weekday],
	  $day, (qw(Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec))[$month], $year + 1900,
	  $hour, $minute, $second;
}

# Compares seconds, of which some pass meanwhile.
sub around
{
	my ($got, $expected, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return cmp_ok(abs($got - $expected), '<=', 5, $name);
}

# 1. A short rate limit is waited for, and meanwhile nothing is sent.
prepare("SET spotify_etl.max_retry_wait = '1500ms'",
	{ match => { %SEVENTH_PAGE, times => 1 }, action => { status => 429, retry_after => 1 } });
# Slow answers, so that much is still to be asked when this one comes.
$mock->post('config', { latency_ms => 60 });
my ($elapsed, $run) = timed(sub { heals($session, $node, $mock, '429 for a second', 1) });
$mock->post('config', { latency_ms => 0 });
cmp_ok($elapsed, '>=', 1, '429 for a second: it waits that long');
cmp_ok($elapsed, '<', 4, '429 for a second: and not much longer');
is($run->{retries}, 1, '429 for a second: one request was repeated');
my @log = @{ $mock->log };
my ($limited) = grep { ($_->{status} // 0) == 429 } @log;
is(scalar(grep { $_->{time} > $limited->{time} + 0.15 && $_->{time} < $limited->{time} + 1 } @log),
	0, '429 for a second: meanwhile nothing is sent');
cmp_ok(scalar(grep { $_->{time} >= $limited->{time} + 1 } @log),
	'>', 8, '429 for a second: but the rest afterwards');

# 2. An access token that ends on the way is replaced once, by one request.  The
# requests that wait to be sent by then are not sent with it any more: with some
# latency, several are refused at once.
$mock->post('config', { latency_ms => 20 });
for my $concurrency (1, 4, 16)
{
	prepare("SET spotify_etl.max_concurrency = $concurrency",
		{
			match => { %SEVENTH_PAGE, times => 1 },
			action => { mutate_before => [ { op => 'expire', access_tokens => 'all' } ] }
		});
	$run = heals($session, $node, $mock, "a token that ends, concurrency $concurrency");
	is($mock->count->{token}, 1, "a token that ends, concurrency $concurrency: one token request");
	cmp_ok($run->{requests}, '<=', 23 + $concurrency + 1,
		"a token that ends, concurrency $concurrency: only what was refused is repeated");
}
$mock->post('config', { latency_ms => 0 });
prepare('', { match => { path => '/me/tracks$', nth => 1 }, action => { status => 401 } });
heals($session, $node, $mock, '401 for the first request');
is($mock->count->{token}, 1, '401 for the first request: one token request');

prepare('', { match => {%FIRST_PAGE}, action => { status => 401 } });
my $error = fails_cleanly($session, '28000', 'always 401');
is_deeply([ map { $_->{path} } @{ $mock->log } ],
	[ '/v1/me/tracks', '/api/token', '/v1/me/tracks' ],
	'always 401: one new token, one more request');
like($error->{hint}, qr/spotify_authorize_url/, 'always 401: the hint says what to do');

prepare('SET spotify_etl.max_concurrency = 8',
	{ match => { path => '/me/tracks$', from => 2 }, action => { status => 401 } });
fails_cleanly($session, '28000', '401 for all pages but the first');
is($mock->count->{token}, 1, '401 for all pages but the first: one token request');

# The rest is quicker with a shorter list.
prepare('');
$mock->post('library', { size => 350 });
heals($session, $node, $mock, 'a list of 350 tracks');

# 3. A long one is not: the error comes at once and tells the time.
my $hour = http_date(time + 3600);
for my $case (
	[ 'a day', { retry_after => 86400 }, 86400 ],
	[ 'a minute', { retry_after => 60 }, 60 ],
	[ 'a date in an hour', { retry_after => $hour }, 3600 ],
	[ 'a year', { retry_after => 31_536_000 }, 86400 ],
	[ 'no body', { retry_after => 86400, body => '' }, 86400 ])
{
	my ($name, $action, $seconds) = @$case;

	prepare("SET spotify_etl.max_retry_wait = '10s'",
		{ match => {%FIRST_PAGE}, action => { status => 429, %$action } });
	(my $took, $error) = timed(sub { fails_cleanly($session, '53400', "429 for $name") });
	cmp_ok($took, '<', 1, "429 for $name: no waiting");
	is($mock->count->{total}, 1, "429 for $name: one request");
	around(seconds_told($error), $seconds, "429 for $name: the detail has the time");
	like($error->{message}, qr/rate limit/, "429 for $name: the message");
	like($error->{hint}, qr/retry_after in spotify\.accounts/, "429 for $name: the hint");

	$mock->no_faults;
	for my $sql (undef, $REFRESH)
	{
		my $call = "429 for $name, and then " . ($sql // 'another run');
		$error = fails_cleanly($session, '53400', $call, $sql);
		around(seconds_told($error), $seconds, "$call: the detail has the time");
	}
	is($mock->count->{total}, 1, "429 for $name: no further request");
	ask($session, 'UPDATE spotify.accounts SET retry_after = NULL');
	heals($session, $node, $mock, "429 for $name, lifted early");
}

# 4. One that says nothing usable is waited for a little.
for my $case (
	[ 'no time', {} ],
	[ 'zero', { retry_after => 0 } ],
	[ 'a negative time', { retry_after => -5 } ],
	[ 'a word', { retry_after => 'abc' } ],
	[ 'an empty time', { retry_after => '' } ],
	[ 'a date in the past', { retry_after => 'Wed, 21 Oct 2015 07:28:00 GMT' } ])
{
	my ($name, $action) = @$case;

	prepare('', { match => { %SEVENTH_PAGE, times => 1 }, action => { status => 429, %$action } });
	$run = heals($session, $node, $mock, "429 with $name, once", 1);
	is($run->{retries}, 1, "429 with $name, once: one request was repeated");

	prepare('SET spotify_etl.max_retries = 2',
		{ match => {%FIRST_PAGE}, action => { status => 429, %$action } });
	$error = fails_cleanly($session, '53400', "429 with $name");
	is($mock->count->{total}, 3, "429 with $name: max_retries + 1 requests");
	around(seconds_told($error), 30, "429 with $name: the detail has the time");
}

# What is made of these depends on libcurl; it must be one of two things, soon.
for my $case ([ '1e99', { retry_after => '1e99' } ],
	[ 'two times', { headers => { 'Retry-After' => [ 1, 86400 ] } } ],
	[ 'two times, the other way round', { headers => { 'Retry-After' => [ 86400, 1 ] } } ],
	[ '2^63 seconds', { retry_after => '9223372036854775808' } ],
	[ 'a fraction', { retry_after => '1.5' } ])
{
	my ($name, $action) = @$case;

	prepare('', { match => { %FIRST_PAGE, times => 1 }, action => { status => 429, %$action } });
	my ($took, $answer) = timed(sub { ask($session, 'SELECT status FROM spotify_sync_liked(full_scan => true)') });
	cmp_ok($took, '<', 1, "429 with $name: no long wait");
	is($answer->{code} // $answer->{output}, $answer->{code} ? '53400' : 'succeeded',
		"429 with $name: an error or a success");
}

# 5. The daily quota is never waited for.
for my $case ([ 'an hour', { retry_after => 3600 }, 3600 ],
	[ 'a second', { retry_after => 1 }, 1 ],
	[ 'a time it does not tell', {}, 3600 ])
{
	my ($name, $action, $seconds) = @$case;

	prepare("SET spotify_etl.max_retry_wait = '10s'",
		{
			match => {%FIRST_PAGE},
			action => {
				status => 429,
				body => { error => { status => 429, message => 'x', reason => 'QUOTA_EXCEEDED' } },
				%$action
			}
		});
	$error = fails_cleanly($session, '53400', "quota exceeded for $name");
	is($mock->count->{total}, 1, "quota exceeded for $name: one request");
	around(seconds_told($error), $seconds, "quota exceeded for $name: the detail has the time");
	like($error->{message}, qr/quota/, "quota exceeded for $name: the message");
}

# A limit in the middle of a scan keeps what was read; the next run, once that
# is allowed, goes on from there.
for my $case (
	[ '429', { match => {%SEVENTH_PAGE}, action => { status => 429, retry_after => 100 } }, 100 ],
	[ 'the quota', undef, 49861 ])
{
	my ($name, $rule, $seconds) = @$case;

	prepare('');
	heals($session, $node, $mock, "$name in the seventh page, before");
	prepare('SET spotify_etl.max_concurrency = 1', $rule // ());
	$mock->post('config', { quota => 6 }) unless $rule;
	my $cut = ask($session,
		'SELECT row_to_json(r) FROM spotify_sync_liked(full_scan => true) AS r');
	$run = $cut->{output} ? decode_json($cut->{output}) : {};
	is($run->{status}, 'partial', "$name in the seventh page: the run is partial")
	  or diag($cut->{text});
	is($run->{fetched}, 300, "$name in the seventh page: six were read");
	is($run->{inserted} + $run->{reactivated}, 1, "$name in the seventh page: what is new is kept");
	is($run->{deactivated}, 0, "$name in the seventh page: nothing is removed");
	is_deeply([ wrongly_inactive($node, $mock) ], [], "$name in the seventh page: nor was before");
	my $stored = ask($session, <<~SQL)->{output};
		SELECT extract(epoch FROM retry_after - now())::int FROM spotify.accounts
		SQL
	around($stored, $seconds, "$name in the seventh page: the time is stored");

	$mock->forget_log;
	fails_cleanly($session, '53400', "$name in the seventh page, and another run");
	is($mock->count->{total}, 0, "$name in the seventh page, and another run: no request");

	# The next run is limited as well, where it looks whether that still stands.
	$mock->no_faults;
	$mock->post('config', { quota => undef });
	ask($session, 'UPDATE spotify.accounts SET retry_after = NULL');
	$mock->fault({ match => { offset => 250 }, action => { status => 429, retry_after => 100 } });
	$run = decode_json(
		ask($session, 'SELECT row_to_json(r) FROM spotify_sync_liked() AS r')->{output});
	is($run->{status}, 'partial', "$name in the seventh page, and once more: partial");
	is($run->{requests}, 2, "$name in the seventh page, and once more: in the second page read");

	$mock->no_faults;
	ask($session, 'UPDATE spotify.accounts SET retry_after = NULL');
	$run = decode_json(
		ask($session, 'SELECT row_to_json(r) FROM spotify_sync_liked() AS r')->{output});
	is($run->{status}, 'succeeded', "$name in the seventh page, and later: the sync succeeds");
	is_deeply([ liked_differences($node, $mock) ],
		[], "$name in the seventh page, and later: the table is true");
	is($run->{deactivated}, 1, "$name in the seventh page, and later: what is gone is removed");
	# The first page, the end of what was read, the last page, the first one
	# again, and the question about what is missing.
	is($run->{requests}, 5, "$name in the seventh page, and later: it goes on from there");
}

# 6. Errors of the server: repeated max_retries times, and no more.
for my $status (500, 502, 503, 504, 599)
{
	prepare('', { match => { %SEVENTH_PAGE, times => 1 }, action => { status => $status } });
	$run = heals($session, $node, $mock, "$status once", 1);
	is($run->{retries}, 1, "$status once: it counts as a retry");
	is($run->{requests}, $mock->count->{total}, "$status once: every request is counted");

	prepare('SET spotify_etl.max_retries = 1',
		{ match => {%SEVENTH_PAGE}, action => { status => $status, body => '<html>x</html>' } });
	$error = fails_cleanly($session, '08006', "always $status");
	is(scalar(grep { $_->{status} == $status } @{ $mock->log }), 2, "always $status: two attempts");
	like($error->{detail}, qr/\b$status\b/, "always $status: the detail has the status");
}
for my $retries (0, 1, 3, 20)
{
	prepare("SET spotify_etl.max_retries = $retries; SET spotify_etl.max_retry_wait = '2ms'",
		{ match => {%FIRST_PAGE}, action => { status => 503 } });
	fails_cleanly($session, '08006', "always 503 with $retries retries");
	is($mock->count->{total},
		$retries + 1, "always 503 with $retries retries: so many requests and one");
}
# A worker asks for tokens, by the defaults: no setting keeps it alive for long,
# or has it give up a login too soon.
for my $retries (0, 20)
{
	prepare("SET spotify_etl.max_retries = $retries", { match => {%TOKEN}, action => { status => 503 } });
	fails_cleanly($session, '08006', "always 503 with $retries retries, for tokens", $REFRESH);
	is($mock->count->{token}, 5, "always 503 with $retries retries, for tokens: 5 requests");
}
prepare("SET spotify_etl.max_retries = 2; SET spotify_etl.max_retry_wait = '1500ms'",
	{ match => { %SEVENTH_PAGE, times => 1 }, action => { status => 503, retry_after => 1 } });
($elapsed) = timed(sub { heals($session, $node, $mock, '503 for a second', 1) });
cmp_ok($elapsed, '>=', 1, '503 for a second: it waits that long');
prepare("SET spotify_etl.max_retries = 2",
	{ match => { %SEVENTH_PAGE, times => 1 }, action => { status => 503, retry_after => 86400 } });
($elapsed) = timed(sub { heals($session, $node, $mock, '503 for a day', 1) });
cmp_ok($elapsed, '<', 2, '503 for a day: no such wait');
prepare('', { match => { path => '/me/tracks$', every => 3 }, action => { status => 500 } });
$run = heals($session, $node, $mock, 'every third request fails', 3);
is($run->{requests} - $run->{retries},
	$mock->count->{contains} + 8, 'every third request fails: the retries are counted apart');

# 7. Refusals, which a repetition cannot change.
my @refusals = (
	[ 403, 'Insufficient client scope', '28000' ],
	[ 403, 'plain', '28000' ],
	[ 403, 'page', '08006' ],
	[ 407, 'page', '08006' ],
	[ 511, 'page', '08006' ],
	[ 511, 'plain', '08006' ],
	[ 404, 'Service not found', '08P01' ],
	[ 400, 'Invalid limit', '08P01' ],
	[ 400, 'described', '08P01' ],
	[ 405, 'Method not allowed', '08P01' ],
	[ 410, 'plain', '08P01' ],
	[ 451, 'plain', '08P01' ],
	[ 600, 'plain', '08P01' ],
	[ 999, 'plain', '08P01' ],
	[ 201, '', '08P01' ],
	[ 202, '', '08P01' ],
	[ 204, '', '08P01' ],
	[ 206, '', '08P01' ],
	[ 300, '', '08P01' ],
	[ 304, '', '08P01' ],
);
for my $page (\%FIRST_PAGE, \%SEVENTH_PAGE)
{
	for my $case (@refusals)
	{
		my ($status, $text, $code) = @$case;
		next if $page == \%SEVENTH_PAGE && $status !~ /^(?:403|404|511|204)$/;
		my $name = "status $status ('$text') at $page->{offset}";
		my %body =
		    $text eq '' ? ()
		  : $text eq 'plain' ? (body => 'The app is not known here.')
		  : $text eq 'page' ? (body => '<!DOCTYPE html><p>It is not known here.')
		  : $text eq 'described'
		  ? (body => { error => { type => 'some_type', description => 'It is not known here.' } })
		  : (body => { error => { status => $status, message => $text } });

		prepare('', { match => {%$page}, action => { status => $status, %body } });
		my $refusal = fails_cleanly($session, $code, $name);
		is(scalar(grep { ($_->{status} // 0) == $status } @{ $mock->log }), 1, "$name: asked once");
		is($mock->count->{token}, 0, "$name: no new token");
		like($refusal->{detail}, qr/\b$status\b/, "$name: the detail has the status");
		like($refusal->{detail}, $text =~ /^(?:plain|page|described)$/ ? qr/not known here/ : qr/\Q$text\E/,
			"$name: and the words");
		isnt($refusal->{hint} // '', '', "$name: there is a hint");
		unlike($refusal->{detail}, qr/Spotify/, "$name: the detail does not say that it was Spotify")
		  if $code eq '08006';
		like($refusal->{hint}, qr/\bspotify_etl\.proxy\b/, "$name: the hint names the proxy")
		  if $code eq '08006';
	}
}

# 8. The token endpoint.
my @token_answers = (
	[ 'invalid_grant', 400,
		{ error => 'invalid_grant', error_description => 'Refresh token revoked' },
		'28000', qr/Refresh token revoked/ ],
	[ 'invalid_client', 400,
		{ error => 'invalid_client', error_description => 'Invalid client' },
		'28000', qr/Invalid client/ ],
	[ 'invalid_client as 401', 401, { error => 'invalid_client' }, '28000', qr/invalid_client/ ],
	[ 'invalid_request', 400,
		{ error => 'invalid_request', error_description => 'bad form' },
		'08P01', qr/bad form/ ],
	[ 'unsupported_grant_type', 400,
		{ error => 'unsupported_grant_type' }, '08P01', qr/unsupported_grant_type/ ],
	[ '403 of a firewall', 403, 'Access denied', '28000', qr/Access denied/ ],
	[ '404', 404, 'Not found', '08P01', qr/404/ ],
	[ 'HTML', 200, '<html>Log in to the hotel</html>', '08P01', qr/not JSON/ ],
	[ 'an error with status 200', 200, { error => 'invalid_grant' }, '08P01', qr/access_token/ ],
	[ 'no token', 200, { token_type => 'Bearer', expires_in => 3600 }, '08P01', qr/access_token/ ],
	[ 'null for a token', 200, { access_token => undef }, '08P01', qr/access_token/ ],
	[ 'another kind of token', 200,
		{ access_token => 'x', token_type => 'MAC' }, '08P01', qr/token_type/ ],
	[ 'a token with a line end', 200,
		{ access_token => "a\r\nX-Evil: 1" }, '08P01', qr/access_token/ ],
	[ 'a token of 5 kB', 200, { access_token => 'x' x 5000 }, '08P01', qr/access_token/ ],
	[ 'a list', 200, [], '08P01', qr/not an object/ ],
);
for my $case (@token_answers)
{
	my ($name, $status, $body, $code, $detail) = @$case;

	prepare('', { match => {%TOKEN}, action => { status => $status, body => $body } });
	my $refusal = fails_cleanly($session, $code, "tokens: $name", $REFRESH);
	like($refusal->{detail}, $detail, "tokens: $name: the detail");
	is($mock->count->{total}, 1, "tokens: $name: asked once");
}
prepare("SET spotify_etl.max_retry_wait = '10s'",
	{ match => {%TOKEN}, action => { status => 429, retry_after => 86400 } });
$error = fails_cleanly($session, '53400', 'tokens: 429 for a day', $REFRESH);
around(seconds_told($error), 86400, 'tokens: 429 for a day: the detail has the time');
is($mock->count->{total}, 1, 'tokens: 429 for a day: asked once');

# A token that did not arrive: it is asked for once more, as after any lost answer.
prepare('', { match => {%TOKEN}, action => { status => 200, body => '' } });
fails_cleanly($session, '08006', 'tokens: no body', $REFRESH);
is($mock->count->{total}, 2, 'tokens: no body: asked twice');

# 9. A success that is none, and Content-Type, which does not matter.
my %HTML = ('Content-Type' => 'text/html');
for my $case (
	[ 'HTML', { body => '<!DOCTYPE html><title>Log in</title>', headers => \%HTML }, qr/not JSON/ ],
	[ 'HTML that says it is JSON', { body => '<html></html>' }, qr/not JSON/ ],
	[ 'an error', { body => { error => { status => 500, message => 'x' } } }, qr/items/ ],
	[ 'an error of OAuth', { body => { error => 'server_error' } }, qr/items/ ])
{
	my ($name, $action, $detail) = @$case;

	prepare('', { match => {%SEVENTH_PAGE}, action => $action });
	my $refusal = fails_cleanly($session, '08P01', "$name with status 200");
	like($refusal->{detail}, $detail, "$name with status 200: the detail");
}
for my $type ('text/html', 'APPLICATION/JSON', 'application/json; charset=ISO-8859-1; a="b"',
	undef, '', 'x' x 1000)
{
	my $name = 'Content-Type ' . (defined $type ? substr($type, 0, 50) : 'missing');

	prepare('',
		{ match => {%ALL_PAGES}, action => { headers => { 'Content-Type' => $type } } });
	heals($session, $node, $mock, $name);
}

# 10. What is shown of an error's text: one printable line, shortened, and
# nothing that was secret in the request.
for my $case (
	[ 'control characters', "one\r\ntwo\tthree\0\e[31mred\a\b", qr/one two three \[31mred/ ],
	[ 'text that changes direction', "abc \x{202e}def\x{2066}", qr/abc def/ ],
	[ 'long text', 'word ' x 1000, qr/word word/ ],
	[ 'a format', '%s%n%d%m', qr/%s%n%d%m/ ])
{
	my ($name, $text, $expected) = @$case;
	for my $form ('API', 'plain')
	{
		my $body = $form eq 'API' ? { error => { status => 403, message => $text } } : $text;
		prepare('', { match => {%FIRST_PAGE}, action => { status => 403, body => $body } });
		my $refusal = fails_cleanly($session, '28000', "$name, $form");
		like($refusal->{detail}, $expected, "$name, $form: it is shown");
		unlike($refusal->{text} =~ s/\n//gr, qr/[^\x20-\x7e]/, "$name, $form: cleaned");
		cmp_ok(length $refusal->{detail}, '<', 300, "$name, $form: and shortened");
	}
}
# A proxy on the way may show the request in its error page.
my $token = ask($session, 'SELECT access_token FROM spotify_private.credentials')->{output};
prepare('',
	{
		match => {%FIRST_PAGE},
		action => { status => 502, body => "You sent: Authorization: Bearer $token" }
	});
fails_cleanly($session, '08006', 'an error page that quotes the access token');
prepare('',
	{
		match => {%TOKEN},
		action => { status => 400, body => 'You sent: refresh_token=mock-refresh-token' }
	});
fails_cleanly($session, '08P01', 'an error page that quotes the refresh token', $REFRESH);
prepare('',
	{
		match => {%TOKEN},
		action => {
			status => 400,
			body => {
				error => 'invalid_request',
				error_description => 'unknown mock-refresh-token'
			}
		}
	});
fails_cleanly($session, '08P01', 'an error that quotes the refresh token', $REFRESH);

# "abc ", three bytes that are no character, "def".
prepare('',
	{ match => {%FIRST_PAGE}, action => { status => 400, body_base64 => 'YWJjIP/+gGRlZg==' } });
$error = fails_cleanly($session, '08P01', 'bytes that are not UTF-8');
like($error->{detail}, qr/abc /, 'bytes that are not UTF-8: the rest is shown');

$session->quit;
$node->stop;
done_testing();
