# Failures that are not Spotify's, or no failures at all: the message leads to
# what has to be done, and nothing is repeated that will not get better.

use strict;
use warnings;

use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use SpotifyMock;
use SpotifyTest;

my $directory = PostgreSQL::Test::Utils::tempdir_short();

# Without the authorities of the system, if a file says so.
my $switch = "$directory/no-authorities";
my $library = hide_authorities($directory, $switch);

my $mock = SpotifyMock->start('--library', 120, '--cert-dir', "$directory/certificates");
my $proxy = SpotifyMock->start;
my $node = do
{
	local $ENV{LD_PRELOAD} = $library;
	start_node($mock);
};
create_account($node);
my $session = open_session($node, 'SET spotify_etl.max_removal_percent = 100');
heals($session, $node, $mock, 'the first sync');

my %PAGES = (path => '/me/tracks$');
my %TOKEN = (path => '/api/token$');

# A library to preload: the file of authorities is not there while the switch is.
sub hide_authorities
{
	my ($folder, $if_exists) = @_;

	append_to_file("$folder/hide.c", <<~'C');
		#define _GNU_SOURCE
		#include <dlfcn.h>
		#include <errno.h>
		#include <stdio.h>
		#include <string.h>
		#include <unistd.h>

		static FILE *
		open_unless_hidden(const char *function, const char *path, const char *mode)
		{
			FILE *(*real)(const char *, const char *) =
				(FILE *(*)(const char *, const char *)) dlsym(RTLD_NEXT, function);

			if (access(SWITCH, F_OK) == 0 && strstr(path, "ca-certificates.crt") != NULL)
			{
				errno = ENOENT;
				return NULL;
			}
			return real(path, mode);
		}

		FILE *
		fopen(const char *path, const char *mode)
		{
			return open_unless_hidden("fopen", path, mode);
		}

		FILE *
		fopen64(const char *path, const char *mode)
		{
			return open_unless_hidden("fopen64", path, mode);
		}
		C
	run_log([ 'gcc', '-shared', '-fPIC', "-DSWITCH=\"$if_exists\"", '-o', "$folder/hide.so",
			"$folder/hide.c", '-ldl' ])
	  or die 'gcc failed';
	return "$folder/hide.so";
}

sub prepare
{
	my (@rules) = @_;
	$_->no_faults for $mock, $proxy;
	change_library($mock);
	$_->forget_log for $mock, $proxy;
	$mock->fault(@rules) if @rules;
	return;
}

# 1. Gzip of several members is legal.  libcurl does not decode it, so the same
# is asked for without compression, and so is all else of that run.
ask($session, 'SET spotify_etl.max_retries = 0');
for my $members (2, 3, 100)
{
	my $name = "gzip of $members members";

	prepare({ match => {%PAGES}, action => { gzip_members => $members } });
	my $run = heals($session, $node, $mock, $name, 1);
	cmp_ok($run->{retries}, '<=', 4, "$name: no more requests are repeated than were under way");
}
prepare({ match => {%TOKEN}, action => { gzip_members => 2 } });
is(ask($session, 'SELECT spotify_refresh_token() > now()')->{output}, 't',
	'gzip of several members: a token');
is($mock->count->{token}, 1, 'gzip of several members: it is asked for once');

# From who compresses all the same.
ask($session, 'RESET spotify_etl.max_retries');
prepare({
		match => { %PAGES, offset => 50 },
		action => {
			gzip => JSON::PP::false,
			content_encoding => 'gzip',
			body_base64 => 'H4sIAAAAAAAEA6uuBQBDv6ajAgAAAB+LCAAAAAAABAOrrgUAQ7+mowIAAAA='
		}
	});
my $error = fails_cleanly($session, '08P01', 'gzip that cannot be declined');
is($error->{message}, "the compression of Spotify's answer could not be undone",
	'gzip that cannot be declined: the message');
like($error->{detail}, qr/^The body has more than one member of gzip/,
	'gzip that cannot be declined: the detail');
is(scalar(grep { ($_->{query}{offset} // '') eq 50 } @{ $mock->log }), 2,
	'gzip that cannot be declined: asked for twice');

# 2. A proxy that lets nobody through is not asked again; one that is out of
# order is.
my $url = 'https://127.0.0.1:' . $mock->port;
ask($session, "SET spotify_etl.api_url = '$url/v1'; SET spotify_etl.accounts_url = '$url'; "
	  . "SET spotify_etl.proxy = 'http://user:proxy-word\@127.0.0.1:" . $proxy->port . q(';)
	  . 'SET spotify_etl.max_retries = 4');
for my $sql ('SELECT spotify_sync_liked()', 'SELECT spotify_refresh_token()')
{
	for my $status (400, 403, 405, 407)
	{
		my $name = "a proxy that answers $status: $sql";

		prepare();
		$proxy->fault({ match => { method => 'CONNECT' },
				action => { status => $status, body => '<html>No</html>' } });
		$error = fails_cleanly($session, '08006', $name, $sql);
		is($error->{message}, 'could not reach Spotify: the proxy refuses the connection',
			"$name: the message");
		like($error->{detail}, qr/\b$status\b/, "$name: the detail has the status");
		like($error->{hint}, qr/"spotify_etl\.proxy".*api\.spotify\.com/, "$name: the hint");
		unlike($error->{text}, qr/proxy-word/, "$name: no password");
		is(scalar @{ $proxy->log }, 1, "$name: asked once");
	}
	prepare();
	$proxy->fault({ match => { method => 'CONNECT' }, action => { status => 503 } });
	$error = fails_cleanly($session, '08006', "a proxy that answers 503: $sql", $sql);
	is($error->{message}, 'could not reach Spotify', "a proxy that answers 503: $sql: the message");
	is(scalar @{ $proxy->log }, 5, "a proxy that answers 503: $sql: asked again");
}

# 3. No certificate authorities.
ask($session, 'RESET spotify_etl.proxy');
prepare();
append_to_file($switch, '');
for my $sql ('SELECT spotify_sync_liked()', 'SELECT spotify_refresh_token()')
{
	$error = fails_cleanly($session, '08006', "no authorities: $sql", $sql);
	is($error->{message}, 'could not reach Spotify: no certificate authorities could be read',
		"no authorities: $sql: the message");
	like($error->{hint}, qr/ca-certificates.*spotify_etl\.ca_file/, "no authorities: $sql: the hint");
}
unlink $switch;

$session->quit;
$node->stop;
done_testing();
