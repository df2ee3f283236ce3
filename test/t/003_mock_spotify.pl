# The stand-in for Spotify by itself, since all other tests believe it.

use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;

my $folder = 'test/mock_spotify';
my ($stdout, $stderr);

IPC::Run::run(
	[ $ENV{PYTHON} || 'python3', '-B', '-m', 'unittest', 'discover', $folder ],
	'>', \$stdout, '2>', \$stderr);
my ($count) = $stderr =~ /^Ran (\d+) tests/m;
cmp_ok($count // 0, '>', 0, 'its tests are found');
like($stderr, qr/^OK$/m, 'its tests pass') or diag($stderr);

done_testing();
