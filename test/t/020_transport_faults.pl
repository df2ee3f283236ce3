# Faults of the network and of HTTP: each is one clean error, or is healed by
# repeating the request; nothing is written and the session goes on.

use strict;
use warnings;

use Compress::Zlib qw(compress);
use IO::Socket::INET;
use IPC::Open2;
use MIME::Base64;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Socket qw(SOCK_STREAM pack_sockaddr_in inet_aton);
use Test::More;
use Time::HiRes qw(time);

use SpotifyMock;
use SpotifyTest;

# What the environment of the server says about networks must not count: the
# proxies named there do not exist, and the .netrc has another login.
my $home = PostgreSQL::Test::Utils::tempdir_short();
append_to_file("$home/.netrc", "machine 127.0.0.1 login netrc password netrc\n");
append_to_file("$home/.curlrc", "proxy = http://127.0.0.1:9\n");
chmod 0600, "$home/.netrc" or die "chmod: $!";
$ENV{$_} = 'http://127.0.0.1:9'
  for qw(http_proxy https_proxy HTTPS_PROXY all_proxy ALL_PROXY);
$ENV{SSLKEYLOGFILE} = "$home/keys";
$ENV{$_} = $home for qw(HOME CURL_HOME);

my $mock = do
{
	local @ENV{qw(http_proxy https_proxy HTTPS_PROXY all_proxy ALL_PROXY)};
	SpotifyMock->start('--library', 120);
};
my $other = SpotifyMock->start;
$_->{http} = HTTP::Tiny->new(timeout => 60, proxy => undef, http_proxy => undef)
  for $mock, $other;

my $node = start_node($mock);
create_account($node);

my $session = open_session($node,
	'SET spotify_etl.max_retries = 0; SET spotify_etl.max_removal_percent = 100');
my $run = heals($session, $node, $mock, 'an environment full of proxies');
is($run->{retries}, 0, 'an environment full of proxies: nothing failed');
is_deeply(
	[ map { $_->{headers}{authorization} } @{ $mock->log } ],
	[ 'Basic', ('Bearer') x 4 ],
	'every request is authorized');

# A client without a secret sends no Authorization: here the .netrc would show.
ask($session, <<'SQL');
SELECT spotify_set_account('mock-pkce-client', NULL, 'mock-pkce-refresh-token',
                           account => 'pkce')
SQL
is(ask($session, "SELECT spotify_refresh_token('pkce') > now()")->{output},
	't', 'a PKCE client gets a token');
is($mock->log->[-1]{headers}{authorization}, '', 'and .netrc is not used for it');
ask($session, "SELECT spotify_forget_account('pkce')");

# Mostly the second page suffers: by then some of the list has been read.
my %FIRST_PAGE = (path => '/me/tracks$', offset => 0);
my %SECOND_PAGE = (path => '/me/tracks$', offset => 50);

sub requests_of
{
	my ($page) = @_;
	return scalar grep { $_->{path} =~ /tracks$/ && $_->{query}{offset} eq $page->{offset} }
	  @{ $mock->log };
}

# Clears what the last case left, and gives the next one something to write.
sub prepare
{
	my (@rules) = @_;
	$mock->no_faults;
	change_library($mock);
	$mock->forget_log;
	$mock->fault(@rules);
	return;
}

# The bytes of the second page as it is now.
sub page_bytes
{
	my $token = $mock->post('access_token')->{access_token};
	return $mock->{http}->get($mock->base_url . '/v1/me/tracks?offset=50&limit=50',
		{ headers => { Authorization => "Bearer $token" } })->{content};
}

# 1. Failures that may pass: an error when they stay, healed when they do not.
# A deadline ends what would take for ever.  What ends before the first byte of
# an answer must strike the first page, on a new connection: on one that was
# used before, libcurl takes it for a stale one and asks again by itself.
my $short = "SET spotify_etl.request_timeout = '250ms'";
my $long = "SET spotify_etl.request_timeout = '400ms'";
my $none = 'RESET spotify_etl.request_timeout';
my @passing = (
	[ 'no answer', { silent => 'start' }, \%SECOND_PAGE, $short, $long ],
	[ 'half a status line', { silent => 'status_line' }, \%SECOND_PAGE, $short, $long ],
	[ 'a head without a body', { silent => 'headers' }, \%SECOND_PAGE, $short, $long ],
	[ 'half a body', { silent => 'body' }, \%SECOND_PAGE, $short, $long ],
	[ 'a trickling body', { trickle => { bytes => 100, ms => 50 } },
		\%SECOND_PAGE, $short, $long ],
	[ 'a late answer', { delay => 5 }, \%SECOND_PAGE, $short, $long ],
	[ 'a late end', { delay => { seconds => 5, at => 'body' } }, \%SECOND_PAGE, $short, $long ],
	[ 'Content-Length too small', { content_length => { add => -100 } }, \%SECOND_PAGE ],
	[ 'Content-Length too large', { content_length => { add => 100 } },
		\%SECOND_PAGE, $short, $long ],
	[ 'reset before the answer', { reset => 'start' }, \%FIRST_PAGE ],
	[ 'reset in the status line', { reset => 'status_line' }, \%FIRST_PAGE ],
	[ 'reset after the head', { reset => 'headers' }, \%SECOND_PAGE ],
	[ 'reset in the body', { reset => 'body' }, \%SECOND_PAGE ],
	[ 'end before the answer', { close => 'start' }, \%FIRST_PAGE ],
	[ 'end in the status line', { close => 'status_line' }, \%FIRST_PAGE ],
	[ 'end after the head', { close => 'headers' }, \%SECOND_PAGE ],
	[ 'end in the body', { close => 'body' }, \%SECOND_PAGE ],
	[ 'end before the last byte', { content_length => { add => 1 }, close => 'end' },
		\%SECOND_PAGE ],
	[ 'a bad chunk', { chunked => 'bad_size' }, \%SECOND_PAGE ],
	[ 'no last chunk', { chunked => 'no_terminator' }, \%SECOND_PAGE ],
	# HTTP does not show that these were cut, but the JSON does.
	[ 'gzip cut short', { gzip_truncated => JSON::PP::true }, \%SECOND_PAGE ],
	[ 'gzip cut in its head', { gzip_truncated => 5 }, \%SECOND_PAGE ],
	[ 'gzip of nothing', { gzip_truncated => 0 }, \%SECOND_PAGE ],
	[ 'no length, and half a body', { no_length => JSON::PP::true, close => 'body' },
		\%SECOND_PAGE ],
	[ 'no length, and no body', { no_length => JSON::PP::true, close => 'headers' },
		\%SECOND_PAGE ],
	[ 'no length, and all but a byte',
		{ no_length => JSON::PP::true, truncate => -1 }, \%SECOND_PAGE ],
	[ 'an empty body', { body => '' }, \%SECOND_PAGE ],
);

for my $case (@passing)
{
	my ($name, $action, $page, $failing_timeout, $healing_timeout) = @$case;

	prepare({ match => $page, action => $action });
	ask($session, $failing_timeout // $none);
	fails_cleanly($session, '08006', $name);
	is(requests_of($page), 1, "$name: asked once with max_retries = 0");

	prepare({ match => { %$page, times => 1 }, action => $action });
	ask($session, ($healing_timeout // $none) . '; SET spotify_etl.max_retries = 3');
	heals($session, $node, $mock, "$name, once", 1);
	ask($session, "$none; SET spotify_etl.max_retries = 0");
}

# 2. The same to connections, from the first one on.
for my $case ([ 'a silent connection', { silent => 'start' }, $short ],
	[ 'a connection reset at once', { reset => 'start' }, $none ],
	[ 'a connection closed at once', { close => 'start' }, $none ])
{
	my ($name, $action, $timeout) = @$case;

	prepare({ match => { phase => 'connect' }, action => $action });
	ask($session, $timeout);
	fails_cleanly($session, '08006', $name);
	ask($session, $none);
}

# 3. Answers that are none: refused, and not asked for again, for they would
# come again.
my @refused = (
	[ 'garbage', { raw => "garbage\r\n\r\ngarbage" } ],
	[ 'the greeting of another protocol', { raw => "SSH-2.0-OpenSSH_9.2p1\r\n" } ],
	[ 'HTTP of another version', { raw => "HTTP/7.3 200 OK\r\n\r\n{}" } ],
	[ 'a status that is no number', { raw => "HTTP/1.1 abc OK\r\n\r\n{}" } ],
	[ 'binary garbage', { raw_base64 => 'AAECA4CB//4AAQID' } ],
	[ 'a header line of 300 kB', { header_size => 300_000 } ],
	[ 'a header line of 90 kB', { header_size => 90_000 } ],
	[ '3,000 header lines',
		{ extra_headers => [ map { [ "X-Filler-$_", 'x' x 20 ] } 1 .. 3000 ] } ],
	[ '100,000 interim answers', { continues => 100_000 } ],
	[ 'gzip that is none', { gzip => JSON::PP::false, content_encoding => 'gzip' } ],
	[ 'brotli', { gzip => JSON::PP::false, content_encoding => 'br' } ],
	[ 'zstd', { gzip => JSON::PP::false, content_encoding => 'zstd' } ],
	[ 'deflate', { gzip => JSON::PP::false, content_encoding => 'deflate' } ],
	[ 'a list of encodings', { gzip => JSON::PP::false, content_encoding => 'gzip, br' } ],
	[ 'a gzip bomb of 1 GB', { gzip_bomb => 1_000_000_000 } ],
	[ 'a body of 17 MB', { body_size => 17 * 1024 * 1024, gzip => JSON::PP::false } ],
	[ 'a body of 17 MB, compressed', { body_size => 17 * 1024 * 1024 } ],
);

# The setting is about bodies alone.
my $HEADER = qr/^the header .*The header is larger than allowed.* proxy/;
my $BODY = qr/^the answer .*The body is larger than allowed.* "spotify_etl\.max_response_size"/;
my %WHAT_IS_TOO_LARGE = (
	(map { $_ => $HEADER } 'a header line of 300 kB', 'a header line of 90 kB', '3,000 header lines'),
	(map { $_ => $BODY } 'a gzip bomb of 1 GB', 'a body of 17 MB'));

ask($session, 'SET spotify_etl.max_retries = 3');
for my $case (@refused)
{
	my ($name, $action) = @$case;

	prepare({ match => {%SECOND_PAGE}, action => $action });
	my $error = fails_cleanly($session, '08P01', $name);
	is(requests_of(\%SECOND_PAGE), 1, "$name: asked once");
	like("$error->{message} $error->{detail} $error->{hint}", $WHAT_IS_TOO_LARGE{$name},
		"$name: what is too large, and what to do")
	  if exists $WHAT_IS_TOO_LARGE{$name};
}

# Right, but not asked for: libcurl could decode it, and much else.
prepare();
my $page = page_bytes();
$mock->fault(
	{
		match => {%SECOND_PAGE},
		action => {
			body_base64 => encode_base64(compress($page), ''),
			gzip => JSON::PP::false,
			content_encoding => 'deflate'
		}
	});
fails_cleanly($session, '08P01', 'a body that is really deflated');

# 4. What looks odd and is right.
my @accepted = (
	[ 'chunks', { chunked => 'good' } ],
	[ 'chunks, not compressed', { chunked => 'good', gzip => JSON::PP::false } ],
	[ 'no compression', { gzip => JSON::PP::false } ],
	[ 'gzip of one member', { gzip_members => 1 } ],
	[ 'no length', { no_length => JSON::PP::true } ],
	[ 'the encoding identity', { gzip => JSON::PP::false, content_encoding => 'identity' } ],
	[ '100 interim answers', { continues => 100 } ],
	[ 'a header line of 40 kB', { header_size => 40_000 } ],
	[ '500 header lines', { header_count => 500 } ],
	[ 'headers twice',
		{ extra_headers => [ [ 'Content-Type', 'text/html' ], [ 'Date', 'now' ] ] } ],
	[ 'connections that end after every answer', { close => 'end' } ],
	[ 'a body of 15 MB', { body_size => 15 * 1024 * 1024 } ],
	[ 'a cookie', { headers => { 'Set-Cookie' => 'a=b' } } ],
);

ask($session, 'SET spotify_etl.max_retries = 0');
for my $case (@accepted)
{
	my ($name, $action) = @$case;

	prepare({ match => { path => '/me/tracks$' }, action => $action });
	heals($session, $node, $mock, $name);
}

# Two lengths that contradict each other: all or nothing.
for my $length (5, 1_000_000)
{
	prepare({ match => {%SECOND_PAGE}, action => { extra_headers => [ [ 'Content-Length', $length ] ] } });
	my $answer = ask($session, 'SET spotify_etl.request_timeout = \'400ms\'; SELECT status FROM spotify_sync_liked()');
	like($answer->{code} // $answer->{output}, qr/^(?:08006|08P01|succeeded)$/,
		"Content-Length twice, the other one $length: all or nothing");
	ask($session, $none);
	$mock->no_faults;
	heals($session, $node, $mock, "after Content-Length twice, $length");
}

# An answer whose end is that of the connection.
for my $version ('1.0', '1.1')
{
	prepare();
	my $answer = "HTTP/$version 200 OK\r\n\r\n" . page_bytes();
	$mock->fault(
		{ match => {%SECOND_PAGE}, action => { raw_base64 => encode_base64($answer, '') } });
	heals($session, $node, $mock, "HTTP/$version without a length");
}

# A connection that died since it was last used is replaced in silence, which
# is no retry.
my ($major, $minor) = qx(curl-config --version) =~ /(\d+)\.(\d+)/;
my $tells_resending = defined $major && $major * 1000 + $minor >= 7080;
for my $point (qw(start status_line))
{
	for my $end (qw(close reset))
	{
		prepare({ match => { %SECOND_PAGE, times => 1 }, action => { $end => $point } });
		my $run = heals($session, $node, $mock, "a stale connection, $end at $point");
		is($run->{retries}, 0, "a stale connection, $end at $point: it is no retry");
	  SKIP:
		{
			skip 'libcurl before 7.80 does not tell', 1 unless $tells_resending;
			is($run->{requests}, $mock->count->{total}, "a stale connection, $end at $point: each request counts");
		}
	}
}

# 5. The size of a body, to the byte.
for my $case ([ 1024 * 1024, 1 ], [ 1024 * 1024 + 1, 0 ])
{
	my ($size, $fits) = @$case;
	my $name = "a body of $size bytes where 1 MB is allowed";

	prepare({ match => {%SECOND_PAGE}, action => { body_size => $size } });
	ask($session, "SET spotify_etl.max_response_size = '1MB'");
	if ($fits) { heals($session, $node, $mock, $name); }
	else
	{
		my $error = fails_cleanly($session, '08P01', $name);
		like($error->{hint}, qr/spotify_etl\.max_response_size/,
			"$name: the hint names the setting");
	}
	ask($session, 'RESET spotify_etl.max_response_size');
}

# 6. An answer about when the time is over comes in time or does not.
for my $delay (0.19, 0.195, 0.199, 0.2, 0.201, 0.205)
{
	prepare({ match => {%SECOND_PAGE}, action => { delay => $delay } });
	ask($session, "SET spotify_etl.request_timeout = '200ms'");
	my $before = library_state($session);
	my $answer = ask($session,
		'SELECT status FROM spotify_sync_liked(full_scan => true)');
	ask($session, $none);
	my $is_clean = ($answer->{code} // '') eq '08006'
	  ? library_state($session) eq $before
	  : $answer->{output} eq 'succeeded' && !liked_differences($node, $mock);
	ok($is_clean, "an answer after $delay of 0.2 seconds: all or nothing")
	  or diag($answer->{text}, $answer->{output});
}

# 7. Redirects are never followed.
my $elsewhere = $other->base_url . '/v1/me/tracks?offset=50&limit=50';
for my $status (301, 302, 303, 307, 308)
{
	for my $location ($elsewhere, $mock->base_url . '/v1/me', '/v1/me',
		'file:///etc/passwd', 'https://spotify.invalid/')
	{
		my $name = "status $status to $location";
		$name =~ s/:\d+/:port/;
		prepare(
			{
				match => {%SECOND_PAGE},
				action => { status => $status, headers => { Location => $location } }
			});
		my $error = fails_cleanly($session, '08P01', $name);
		like($error->{detail}, qr/\b$status\b/, "$name: the detail has the status");
	}
	prepare(
		{
			match => { path => '/api/token' },
			action => {
				status => $status,
				headers => { Location => $other->base_url . '/api/token' }
			}
		});
	fails_cleanly($session, '08P01', "status $status of the token endpoint",
		'SELECT spotify_refresh_token()');
	is($mock->count->{token}, 1, "status $status of the token endpoint: asked once");
}
is_deeply($other->log, [], 'nobody followed a redirect to the other server');
$mock->no_faults;
is($mock->count->{me}, 0, 'nor within the server');

# 8. A token request may spend the token: when its answer is lost, it is sent
# once more at most.
ask($session, 'SET spotify_etl.max_retries = 4');
for my $case ([ 'reset', { reset => 'start' } ], [ 'cut', { close => 'body' } ],
	[ 'silent', { silent => 'start' } ],
	[ 'cut without a length', { no_length => JSON::PP::true, close => 'body' } ])
{
	my ($name, $action) = @$case;

	prepare({ match => { path => '/api/token' }, action => $action });
	ask($session, $short);
	fails_cleanly($session, '08006', "a token request, $name",
		'SELECT spotify_refresh_token()');
	is($mock->count->{token}, 2, "a token request, $name: sent twice");
	ask($session, $none);
}
$mock->no_faults;
ask($session, 'SET spotify_etl.max_retries = 0');

# 9. Addresses where nobody is.
my $closed = IO::Socket::INET->new(Proto => 'tcp', Type => SOCK_STREAM);
bind $closed, pack_sockaddr_in(0, inet_aton('127.0.0.1')) or die "bind: $!";
my $closed_port = $closed->sockport;

# A listener whose queue is full does not take part in further handshakes.
my $full = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1:0')
  or die "listen: $!";
my @fillers = map
{
	IO::Socket::INET->new(
		PeerAddr => '127.0.0.1',
		PeerPort => $full->sockport,
		Blocking => 0)
} 1 .. 4;

for my $case ([ 'a closed port', "http://127.0.0.1:$closed_port" ],
	[ 'a closed port, with TLS', "https://127.0.0.1:$closed_port" ],
	[ 'a closed port of IPv6', "http://[::1]:$closed_port" ],
	[ 'a closed port of a name', "http://localhost:$closed_port" ],
	[ 'a name that does not exist', 'https://spotify.invalid' ],
	[ 'an address that drops everything', 'http://127.0.0.1:' . $full->sockport ])
{
	my ($name, $url) = @$case;
	my $start = time;

	ask($session, "SET spotify_etl.connect_timeout = '300ms'; SET spotify_etl.api_url = '$url'");
	my $error = fails_cleanly($session, '08006', $name);
	cmp_ok(time - $start, '<', 3, "$name: connect_timeout ends it");
	is($error->{message}, 'could not reach Spotify', "$name: the message");
	ask($session, "RESET spotify_etl.api_url; SET spotify_etl.accounts_url = '$url'");
	fails_cleanly($session, '08006', "$name, for tokens", 'SELECT spotify_refresh_token()');
	ask($session, 'RESET spotify_etl.accounts_url; RESET spotify_etl.connect_timeout');
}

# 10. Proxies: only the one of the setting is used, and its password not told.
my $proxy_program = <<'PERL';
use strict; use warnings;
use IO::Select; use IO::Socket::INET;
my $log = shift @ARGV;
my $listener = IO::Socket::INET->new(Listen => 16, LocalAddr => '127.0.0.1:0') or die;
$SIG{CHLD} = 'IGNORE';
$| = 1;
print $listener->sockport, "\n";
my $waiting = IO::Select->new($listener, \*STDIN);
while (my @ready = $waiting->can_read)
{
	# Whoever started this is gone.
	exit if grep { $_ == \*STDIN } @ready;
	my $client = $listener->accept or next;
	next if fork;
	my $head = '';
	while ($head !~ /\r\n\r\n/) { sysread $client, $head, 4096, length $head or exit; }
	my ($method, $target) = $head =~ /^(\S+) (\S+)/;
	my ($credentials) = $head =~ /^Proxy-Authorization: Basic (\S+)/mi;
	open my $file, '>>', $log or die;
	print $file join(' ', $method, $target =~ s/\?.*//r, $credentials // '-'), "\n";
	close $file;
	my ($host, $rest) = $method eq 'CONNECT' ? ($target, '') : $target =~ m{^http://([^/]+)(.*)};
	my $server = IO::Socket::INET->new(PeerAddr => $host) or exit;
	if ($method eq 'CONNECT') { syswrite $client, "HTTP/1.1 200 OK\r\n\r\n"; }
	else
	{
		# One request a connection, so that none passes by unseen.
		$head =~ s/^\S+ \S+/$method $rest/;
		$head =~ s/^Proxy-\S+ [^\r]*\r\n//mg;
		$head =~ s/\r\n/\r\nConnection: close\r\n/;
		syswrite $server, $head;
	}
	my $both = IO::Select->new($client, $server);
	while (my @from = $both->can_read)
	{
		for my $from (@from)
		{
			sysread $from, my $bytes, 65536 or exit;
			syswrite $from == $client ? $server : $client, $bytes;
		}
	}
}
PERL

my $proxy_log = "$home/proxy.log";
append_to_file($proxy_log, '');
my $proxy_pid = open2(my $from_proxy, my $to_proxy, $^X, '-e', $proxy_program, $proxy_log);
chomp(my $proxy_port = <$from_proxy>);

# What went through the proxy since it was asked last.
sub proxied
{
	my @lines = split /\n/, slurp_file($proxy_log);
	truncate $proxy_log, 0;
	return @lines;
}

prepare();
is_deeply([ proxied() ], [], 'no proxy was used so far');
ask($session, "SET spotify_etl.proxy = 'http://127.0.0.1:$proxy_port'");
heals($session, $node, $mock, 'a proxy');
my @seen = proxied();
cmp_ok(scalar @seen, '>=', 4, 'every request goes through the proxy');
is_deeply([ grep { !m{^GET http://127\.0\.0\.1:\d+/v1/me/\S+ -$} } @seen ],
	[], 'in the form that is for proxies');

prepare();
ask($session, "SET spotify_etl.proxy = 'http://user:proxy-word\@127.0.0.1:$proxy_port'");
heals($session, $node, $mock, 'a proxy with a password');
# printf 'user:proxy-word' | base64
like((proxied())[0], qr/ dXNlcjpwcm94eS13b3Jk$/, 'it gets the password');
ask($session, "SET spotify_etl.proxy = 'http://user:proxy-word\@127.0.0.1:$closed_port'");
for my $sql ('SELECT spotify_sync_liked()', 'SELECT spotify_refresh_token()')
{
	my $error = fails_cleanly($session, '08006', "a proxy that is not there: $sql", $sql);
	unlike($error->{text}, qr/proxy-word/, "a proxy that is not there: $sql: no password");
	like($error->{hint}, qr/spotify_etl\.proxy/, "a proxy that is not there: $sql: the hint");
}

my $tls_mock = SpotifyMock->start('--tls', '--cert-dir', "$home/cert");
my $tls_session = open_session($node, <<~SQL . $tls_mock->settings);
	SET spotify_etl.proxy = 'http://127.0.0.1:$proxy_port';
	SET spotify_etl.ca_file = '$home/cert/ca.pem';
	SET spotify_etl.max_retries = 0;
	SQL
is(ask($tls_session, 'SELECT spotify_refresh_token() > now()')->{output},
	't', 'a token comes through a tunnel of the proxy');
is((proxied())[0], 'CONNECT 127.0.0.1:' . $tls_mock->port . ' -',
	'of which the proxy sees the address only');
$tls_session->quit;

ok(!-e "$home/keys", 'no TLS keys are written to SSLKEYLOGFILE');

close $to_proxy;
waitpid $proxy_pid, 0;
$session->quit;
$node->stop;
done_testing();
