# TLS and HTTP/2: whom the server trusts, and what it does when the peer does
# not keep to the protocol.

# needs: nghttp2-proxy

use strict;
use warnings;

use IO::Socket::INET;
use IPC::Open2;
use JSON::PP;
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

use SpotifyMock;
use SpotifyTest;

my $directory = PostgreSQL::Test::Utils::tempdir_short();
my $certificates = "$directory/certificates";
my $authorities = "$certificates/ca.pem";

# Would make libcurl write down the keys of every connection.
$ENV{SSLKEYLOGFILE} = "$directory/keys";

# A mock without TLS, which makes the certificates and gives the tokens.
my $mock = SpotifyMock->start('--library', 1000, '--cert-dir', $certificates);
my $node = start_node($mock);
create_account($node);
my $session = open_session($node, 'SET spotify_etl.max_retries = 0');
heals($session, $node, $mock, 'without TLS');

sub start_tls_mock
{
	my ($kind) = @_;
	my $log = "$directory/$kind.log";
	append_to_file($log, '');
	return (
		SpotifyMock->start(
			'--tls', '--cert-dir', $certificates, '--cert-kind', $kind,
			'--library', 120, '--log', $log),
		$log);
}

# What curl does for a test, since HTTP::Tiny knows TLS only with more modules.
sub set_tls_fault
{
	my ($tls_mock, $rule) = @_;
	run_log([ 'curl', '-sSf', '--cacert', $authorities, '-d', encode_json($rule),
			$tls_mock->base_url . '/mock/fault' ])
	  or die 'curl failed';
	return;
}

# 1. A good certificate, with its authority.
my ($good, $good_log) = start_tls_mock('good');
my $database = 'tls';
$node->safe_psql('postgres', "CREATE DATABASE $database");
$node->safe_psql($database, 'CREATE EXTENSION spotify_etl');
create_account($node, $database);
my $run = query_row($node, <<~SQL, $database);
	SELECT status, inserted, retries FROM spotify_sync_liked()
	SQL
is($run->{inserted}, 1000, 'a second database syncs without TLS');

my $tls_session =
  $node->background_psql($database, on_error_stop => 0);
ask($tls_session, "\\set VERBOSITY verbose\n" . $good->settings . <<~SQL);
	SET spotify_etl.max_retries = 0;
	SET spotify_etl.ca_file = '$authorities';
	SELECT spotify_forget_account('default');
	SELECT spotify_set_account('mock-client', 'mock-secret', 'mock-refresh-token');
	SQL
is(ask($tls_session, 'SELECT status, inserted FROM spotify_sync_liked()')->{output},
	'succeeded|120', 'with its authority a good certificate is trusted');
is(ask($tls_session, 'SELECT count(*) FROM spotify.liked_songs WHERE is_active = 1')->{output},
	120, 'and the whole list arrives');
my @requests = split /\n/, slurp_file($good_log);
is(scalar(grep { /"token"|api\/token/ } @requests), 1, 'the token came over TLS too');
ok(!-e "$directory/keys", 'SSLKEYLOGFILE is ignored');

# 2. A connection that ends without TLS's goodbye has not told everything.  When
# only the end of the connection tells that of the body, it depends on libcurl
# whether that is noticed; if not, the JSON shows it.
for my $case ([ 'in the body', { close => 'body' } ],
	[ 'after the head', { close => 'headers' } ],
	[ 'in a body without a length',
		{ raw => "HTTP/1.1 200 OK\r\n\r\n{\"items\":[" } ])
{
	my ($name, $action) = @$case;

	set_tls_fault($good,
		{ match => { path => '/me/tracks$', offset => 50, times => 1 }, action => $action });
	fails_cleanly($tls_session, '08006', "TLS cut $name");
}
is(ask($tls_session, 'SELECT status FROM spotify_sync_liked()')->{output},
	'succeeded', 'afterwards all is well again');
$tls_session->quit;

# 3. Who is not trusted gets no request, be it for tokens or for the API.
sub is_refused
{
	my ($name, $tls_mock, $log, $ca_file) = @_;
	my $size = -s $log;

	for my $setting ('accounts_url', 'api_url')
	{
		my $url = $tls_mock->base_url . ($setting eq 'api_url' ? '/v1' : '');
		my $sql = 'SELECT '
		  . ($setting eq 'api_url' ? 'spotify_sync_liked()' : 'spotify_refresh_token()');
		ask($session, "SET spotify_etl.$setting = '$url'; SET spotify_etl.ca_file = '$ca_file'");
		my $error = fails_cleanly($session, '08006', "$name, $setting", $sql);
		like($error->{message}, qr/^could not reach Spotify/, "$name, $setting: the message");
		isnt($error->{detail} // '', '', "$name, $setting: there is a detail");
		ask($session, "RESET spotify_etl.$setting; RESET spotify_etl.ca_file");
	}
	is(-s $log, $size, "$name: no request was made");
	return;
}

is_refused('an unknown authority', $good, $good_log, '');
$good->stop;
for my $kind (qw(self-signed expired wrong-host tls10))
{
	my ($bad, $log) = start_tls_mock($kind);
	is_refused($kind, $bad, $log, $authorities);
	$bad->stop;
}

# 4. Settings that cannot work.
append_to_file("$directory/no.pem", "this is no certificate\n");
for my $case ([ 'a CA file that does not exist', "$directory/missing.pem" ],
	[ 'a CA file without certificates', "$directory/no.pem" ])
{
	my ($name, $file) = @$case;
	ask($session, "SET spotify_etl.api_url = 'https://127.0.0.1:" . $mock->port . "/v1'; "
		  . "SET spotify_etl.ca_file = '$file'");
	my $error = fails_cleanly($session, '08006', $name);
	like($error->{hint}, qr/spotify_etl\.ca_file/, "$name: the hint names the setting");
}
ask($session, 'RESET spotify_etl.ca_file');
is(ask($session, "SET spotify_etl.ca_file = 'relative.pem'")->{code},
	'22023', 'the path of a CA file is absolute');
ask($session, "SET spotify_etl.connect_timeout = '300ms'");
fails_cleanly($session, '08006', 'a server without TLS');

# 5. A handshake that stalls is over after connect_timeout.
my $stalling = IO::Socket::INET->new(Listen => 16, LocalAddr => '127.0.0.1:0') or die "listen: $!";
ask($session, "SET spotify_etl.api_url = 'https://127.0.0.1:" . $stalling->sockport . "/v1'");
my $start = time;
fails_cleanly($session, '08006', 'a stalling handshake');
my $elapsed = time - $start;
cmp_ok($elapsed, '>=', 0.3, 'a stalling handshake: it had its time');
cmp_ok($elapsed, '<', 3, 'a stalling handshake: and no more');
ask($session, 'RESET spotify_etl.connect_timeout; RESET spotify_etl.api_url');

# 6. HTTP/2, by a proxy in front of the mock.
my $nghttpx_port = PostgreSQL::Test::Cluster::get_free_port();
my $access_log = "$directory/access.log";
my $nghttpx = fork // die "fork: $!";
if ($nghttpx == 0)
{
	open STDOUT, '>', "$directory/nghttpx.log" or die;
	open STDERR, '>&', \*STDOUT or die;
	no warnings 'exec';
	exec 'nghttpx', "-f127.0.0.1,$nghttpx_port", '-b127.0.0.1,' . $mock->port,
	  '--workers=1', '--no-ocsp', "--accesslog-file=$access_log",
	  '--accesslog-format=$remote_port $alpn $request',
	  "$certificates/good.key", "$certificates/good.pem";
	POSIX::_exit(1);
}
END
{
	local $?;
	if ($nghttpx) { kill 'TERM', $nghttpx; waitpid $nghttpx, 0; }
}
for (1 .. 100)
{
	last if IO::Socket::INET->new(PeerAddr => "127.0.0.1:$nghttpx_port");
	sleep 0.05;
}

change_library($mock);
$mock->forget_log;
ask($session, <<~SQL);
	SET spotify_etl.ca_file = '$authorities';
	SET spotify_etl.api_url = 'https://127.0.0.1:$nghttpx_port/v1';
	SET spotify_etl.accounts_url = 'https://127.0.0.1:$nghttpx_port';
	SQL
# Slow enough that requests must meet if they are sent at once.
$mock->post('config', { latency_ms => 20 });
heals($session, $node, $mock, 'HTTP/2');
$mock->post('config', { latency_ms => 0 });
my @versions = map { $_->{http_version} } grep { $_->{path} =~ m{^/v1/} } @{ $mock->log };
cmp_ok(scalar @versions, '>=', 21, 'HTTP/2: every page came through the proxy');
is_deeply([ grep { $_ !~ /^2/ } @versions ], [], 'HTTP/2: all of it was HTTP/2');
cmp_ok($mock->count->{in_flight_max}, '>', 1, 'HTTP/2: several requests were under way at once');

my %connections;
for (1 .. 50)
{
	my @lines = grep { m{ /v1/} } split /\n/, slurp_file($access_log);
	%connections = map { /^(\d+) / => 1 } @lines;
	last if @lines == @versions;
	sleep 0.05;
}
is(scalar keys %connections, 1, 'HTTP/2: and one connection was enough');

is(ask($session, 'SELECT spotify_refresh_token() > now()')->{output},
	't', 'HTTP/2: the token endpoint');
$mock->fault({ match => { path => '/me/tracks$', offset => 100 }, action => { close => 'body' } });
fails_cleanly($session, '08006', 'HTTP/2: a stream that breaks off');
$mock->no_faults;

# 7. A server that does as it likes with HTTP/2.
my $hostile_program = <<'PYTHON';
import socket, ssl, struct, sys, threading
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
context.set_alpn_protocols(["h2"])
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
mode, requests = "", 0

def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload

def exactly(sock, count):
    data = b""
    while len(data) < count:
        piece = sock.recv(count - len(data))
        if not piece:
            raise OSError("gone")
        data += piece
    return data

DATA, HEADERS, RST, SETTINGS, GOAWAY = 0, 1, 3, 4, 7

def goaway(error, text=b""):
    return frame(GOAWAY, 0, 0, struct.pack(">II", 0, error) + text)

def rst(stream, error):
    return frame(RST, 0, stream, struct.pack(">I", error))

def head(stream):
    # ":status: 200" from the static table.
    return frame(HEADERS, 4, stream, b"\x88")

ANSWERS = {
    "GOAWAY": lambda s: goaway(0),
    "GOAWAY, enhance your calm": lambda s: goaway(11, b"too_many_pings"),
    "RST_STREAM, enhance your calm": lambda s: rst(s, 11),
    "RST_STREAM, refused": lambda s: rst(s, 7),
    "RST_STREAM after the head": lambda s: head(s) + rst(s, 2),
    "an end of the stream in the body": lambda s: head(s) + frame(DATA, 1, s, b'{"items":['),
    "a frame too large": lambda s: b"\xff\xff\xff\x00\x00" + struct.pack(">I", s) + b"x" * 100000,
    "garbage": lambda s: b"HTTP/1.1 200 OK\r\n\r\n{}",
    "headers that cannot be decoded": lambda s: frame(HEADERS, 5, s, b"\xff" * 7),
    "the end": None,
}

def serve(sock):
    global requests
    try:
        with context.wrap_socket(sock, server_side=True) as tls:
            exactly(tls, 24)
            tls.sendall(frame(SETTINGS, 0, 0))
            while True:
                length, kind, flags, stream = struct.unpack(">IBBI", b"\0" + exactly(tls, 9))
                exactly(tls, length)
                # The end of the request; a form follows in a frame of its own.
                if kind in (DATA, HEADERS) and flags & 1:
                    requests += 1
                    if ANSWERS[mode] is None:
                        return
                    tls.sendall(ANSWERS[mode](stream))
    except (OSError, ssl.SSLError):
        pass

def accept():
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

threading.Thread(target=accept, daemon=True).start()
for line in sys.stdin:
    if line == "count\n":
        print(requests, flush=True)
    else:
        mode, requests = line.rstrip("\n"), 0
PYTHON
my $hostile = open2(my $from_hostile, my $to_hostile, $ENV{PYTHON} || 'python3',
	'-c', $hostile_program, "$certificates/good.pem", "$certificates/good.key");
$to_hostile->autoflush(1);
chomp(my $hostile_port = <$from_hostile>);

ask($session, "SET spotify_etl.api_url = 'https://127.0.0.1:$hostile_port/v1'; "
	  . "SET spotify_etl.accounts_url = 'https://127.0.0.1:$hostile_port'; "
	  . "SET spotify_etl.request_timeout = '2s'");
for my $case (
	[ 'GOAWAY', '08006' ],
	[ 'GOAWAY, enhance your calm', '08006' ],
	[ 'RST_STREAM, enhance your calm', '08006' ],
	[ 'RST_STREAM, refused', '08006' ],
	[ 'RST_STREAM after the head', '08006' ],
	[ 'an end of the stream in the body', '08006' ],
	[ 'a frame too large', '08006' ],
	[ 'garbage', '08006' ],
	[ 'headers that cannot be decoded', '08006' ],
	[ 'the end', '08006' ])
{
	my ($mode, $code) = @$case;
	# For a token it is tried four times more, with pauses of 7.5 seconds at most.
	for my $call ([ 'SELECT spotify_sync_liked()', 1.9, 6 ], [ 'SELECT spotify_refresh_token()', 20, 30 ])
	{
		my ($sql, $longest, $most) = @$call;
		print $to_hostile "$mode\n";
		$start = time;
		fails_cleanly($session, $code, "HTTP/2: $mode, $sql", $sql);
		cmp_ok(time - $start, '<', 1.9, "HTTP/2: $mode, $sql: it is noticed at once");
		print $to_hostile "count\n";
		chomp(my $count = <$from_hostile>);
		note "requests: $count";
		# libcurl repeats by itself what it knows not to have been processed.
		cmp_ok($count, '<=', $most, "HTTP/2: $mode, $sql: it is not repeated for ever");
	}
}
close $to_hostile;
waitpid $hostile, 0;

$session->quit;
$node->stop;
done_testing();
