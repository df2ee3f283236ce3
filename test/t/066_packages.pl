# The packages that test/all.sh installs: what the tests need that are to run,
# and no others.

use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;

my @BASE = qw(libipc-run-perl openssl perl);

# What would be installed for these files on a machine that has nothing, with a
# server of version 17, where apt knows no package of this name.
sub packages
{
	my ($unknown, @files) = @_;
	my ($output, $errors) = ('', '');

	ok( IPC::Run::run(
			[ 'bash', '-euo', 'pipefail', '-c', <<~'SH', 'bash', $unknown, @files ],
				. test/lib/packages.sh
				unknown=$1
				shift
				server_version() { echo 17; }
				has_package() { [ "$1" != "$unknown" ]; }
				install_packages() { printf '%s\n' "$@"; }
				install_test_packages "$@"
				SH
			'>', \$output, '2>', \$errors),
		"packages for @files") or diag($errors);
	return [ sort split /\n/, $output ];
}

sub installs
{
	my ($name, $files, @expected) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	return is_deeply(packages('nothing', @$files), [ sort @BASE, @expected ], $name);
}

installs('a test that needs nothing', ['test/t/001_extension.pl']);
installs('a test that needs a package', ['test/t/048_valgrind.pl'], 'valgrind');
installs('a package of the server, in the middle of its name', ['test/t/060_pg_cron.pl'], 'postgresql-17-cron');
installs('at its end', ['test/t/047_other_libcurl.pl'], 'postgresql-plpython3-17');
installs('two tests that need the same', [ 'test/t/061_airflow2.pl', 'test/t/062_airflow3.pl' ], 'python3-venv');
installs('an option, and a test that is not built yet', [ '-v', 'test/unit/build/test_none' ]);
is_deeply(packages('chromium-driver', 'test/t/034_browser.pl'), [ sort @BASE, 'chromium' ],
	'what apt does not know is left out');

# A test can be skipped where something is not there: it must say what.
for my $file (glob 'test/t/*.pl')
{
	my $text = slurp_file($file);
	ok($text =~ /^# needs: /m, "$file says what it needs") if $text =~ /^skip_test\(|^use AirflowScenario;/m;
}

done_testing();
