# The pg_regress tests: every test/sql/*.sql gives its answer in expected/.
#
# pg_regress looks for answers beside its output or its input, or, from 16 on,
# in a folder of their own; ours are at the top, the input is in test/.  Two
# links in one folder suit every version.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(basename dirname);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $source = abs_path(dirname(__FILE__) . '/../..');
my $input = PostgreSQL::Test::Utils::tempdir;
my $output = PostgreSQL::Test::Utils::tempdir;
my @topics = map { basename($_, '.sql') } sort glob "$source/test/sql/*.sql";

die "PG_REGRESS is not set\n" unless $ENV{PG_REGRESS};
symlink "$source/test/sql", "$input/sql" or die "symlink: $!\n";
symlink "$source/expected", "$input/expected" or die "symlink: $!\n";

my $node = PostgreSQL::Test::Cluster->new('regress');
$node->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
$node->start;

chdir $output or die "chdir: $!\n";
my $printed = '';
my $has_passed = run_log(
	[
		$ENV{PG_REGRESS}, "--inputdir=$input",
		"--outputdir=$output", '--bindir=',
		'--encoding=UTF8', '--no-locale',
		'--host=' . $node->host, '--port=' . $node->port,
		'--dbname=contrib_regression', @topics
	],
	'>', \$printed, '2>&1');

ok($has_passed, "pg_regress: @topics")
  or diag($printed,
	-e "$output/regression.diffs" ? slurp_file("$output/regression.diffs") : ());

chdir $source or die "chdir: $!\n";
$node->stop;
done_testing();
