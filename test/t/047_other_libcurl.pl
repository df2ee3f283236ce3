# Another library that uses libcurl in the same backend, as pgsql-http does:
# PL/Python calls the libcurl that the extension is linked with, initialises it
# and cleans it up, before, between and after syncs.

# needs: postgresql-plpython3-NN

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use SpotifyMock;
use SpotifyTest;

skip_test('PL/Python is not installed') if !has_extension('plpython3u');

my $certificates = PostgreSQL::Test::Utils::tempdir_short() . '/certificates';
my $authorities = "$certificates/ca.pem";

# A mock that makes the certificates for the one with TLS.
my $mock = SpotifyMock->start('--library', 120, '--cert-dir', $certificates);
my $tls_mock = SpotifyMock->start('--tls', '--cert-dir', $certificates, '--library', 120);

my $node = start_node($mock, name => 'other_libcurl');
create_account($node);
$node->safe_psql('postgres', <<~'SQL');
	CREATE EXTENSION plpython3u;

	-- Returns the status of the answer.  See curl/curl.h for the numbers.
	CREATE FUNCTION other_get(url text, ca_file text) RETURNS integer
	LANGUAGE plpython3u AS $$
	from ctypes import CDLL, CFUNCTYPE, byref, c_char_p, c_int, c_long, c_size_t, c_void_p

	CURL_GLOBAL_ALL = 3
	CURLOPT_URL, CURLOPT_CAINFO, CURLOPT_WRITEFUNCTION = 10002, 10065, 20011
	CURLINFO_RESPONSE_CODE = 0x200002

	@CFUNCTYPE(c_size_t, c_void_p, c_size_t, c_size_t, c_void_p)
	def throw_away(data, size, count, arg):
	    return size * count

	libcurl = CDLL("libcurl.so.4")
	libcurl.curl_easy_init.restype = c_void_p
	libcurl.curl_global_init(c_long(CURL_GLOBAL_ALL))
	handle = c_void_p(libcurl.curl_easy_init())
	for option, value in (
	    (CURLOPT_URL, c_char_p(url.encode())),
	    (CURLOPT_CAINFO, c_char_p(ca_file.encode())),
	    (CURLOPT_WRITEFUNCTION, throw_away),
	):
	    libcurl.curl_easy_setopt(handle, c_int(option), value)
	result = libcurl.curl_easy_perform(handle)
	status = c_long()
	libcurl.curl_easy_getinfo(handle, c_int(CURLINFO_RESPONSE_CODE), byref(status))
	libcurl.curl_easy_cleanup(handle)
	libcurl.curl_global_cleanup()
	if result != 0:
	    plpy.error("curl_easy_perform failed: %d" % result)
	return status.value
	$$;
	SQL

for my $peer ([ 'http', $mock, '' ], [ 'https', $tls_mock, "SET spotify_etl.ca_file = '$authorities'" ])
{
	my ($scheme, $spotify, $setting) = @$peer;
	my $url = $spotify->base_url . '/v1/me';
	my %steps = (
		sync => [
			'SELECT status, fetched FROM spotify_sync_liked(full_scan => true)', 'succeeded|120' ],
		refresh => [ 'SELECT spotify_refresh_token() > now()', 't' ],
		# Without a token.
		other => [ "SELECT other_get('$url', '$authorities')", '401' ]);

	for my $order (
		[qw(sync other sync)],
		[qw(other sync other refresh sync other)],
		[qw(other other sync sync)])
	{
		my $name = join(', ', $scheme, @$order);
		my $session = open_session($node, $spotify->settings . $setting);

		for my $step (@$order)
		{
			my ($sql, $expected) = @{ $steps{$step} };
			my $answer = ask($session, $sql);
			is($answer->{output}, $expected, "$name: $step") or diag($answer->{text});
		}
		$session->quit;
	}
}

unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC/,
	'no process ended otherwise than it should');

$node->stop;
done_testing();
