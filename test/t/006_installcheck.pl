# make installcheck, as a packager calls it: against a cluster that runs, of any
# encoding, where a setting may say where the extension is installed.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $source = abs_path(dirname(__FILE__) . '/../..');

# Runs it with one TAP test of those that there are; returns what it printed.
sub installcheck
{
	my ($node, $name) = @_;
	my $output = '';

	local %ENV = (%ENV, PGHOST => $node->host, PGPORT => $node->port);
	# What test/all.sh sets, and a packager does not.
	delete @ENV{qw(PERL5LIB PG_REGRESS TESTDATADIR TESTLOGDIR TESTDIR MAKEFLAGS)};
	ok( IPC::Run::run(
			[
				'make', '-C', $source,
				"PG_CONFIG=$ENV{PG_CONFIG}", 'PROVE_TESTS=test/t/001_extension.pl',
				'installcheck'
			],
			'>', \$output, '2>&1'),
		"$name: it passes") or diag($output);
	return $output;
}

my $ascii = PostgreSQL::Test::Cluster->new('ascii');
$ascii->init(extra => [ '--encoding=SQL_ASCII', '--locale=C' ]);
$ascii->start;
my $output = installcheck($ascii, 'a cluster that is not UTF8');
like($output, qr/All \d+ tests passed/, 'pg_regress has run');
like($output, qr/001_extension\.pl .. ok/, 'a TAP test has run');
$ascii->stop;

# Debian's way to test a package before it is installed.
SKIP:
{
	my $folder = PostgreSQL::Test::Utils::tempdir();

	$ascii->append_conf('postgresql.conf', "extension_destdir = '$folder'");
	skip 'the server has no extension_destdir', 2
	  unless $ascii->start(fail_ok => 1);
	$ascii->stop;
	system_or_bail('make', '-s', '-C', $source, "PG_CONFIG=$ENV{PG_CONFIG}",
		"DESTDIR=$folder", 'install');
	$ascii->start;
	installcheck($ascii, 'an extension that is installed elsewhere');
	like(slurp_file("$source/test/t/installed.conf"),
		qr/^extension_destdir = '\Q$folder\E'$/m, 'the clusters of the TAP tests look there');
	$ascii->stop;
}

done_testing();
