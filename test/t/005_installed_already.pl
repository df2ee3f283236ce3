# The private installation of the tests and the demo, made where the extension
# is installed already: it is installed anew, and the installed copy is left
# alone.

use strict;
use warnings;

use Digest::SHA;
use File::Basename;
use File::Find;
use PostgreSQL::Test::Utils;
use Test::More;

my $source = dirname(dirname(dirname(__FILE__)));
my $folder = PostgreSQL::Test::Utils::tempdir();

# Makes a private installation from another; returns its pg_config.
sub installation
{
	my ($name, $original) = @_;
	my $output = qx{. '$source/test/lib/private_postgres.sh' &&
		PG_CONFIG='$original' make_private_postgres '$folder/$name'};

	is($?, 0, "$name: the installation is made");
	chomp $output;
	return $output;
}

# Installs the extension as it was built.
sub installs
{
	my ($name, $pg_config) = @_;
	my ($output, $errors) = ('', '');

	ok( IPC::Run::run(
			[ 'make', '-s', '-C', $source, "PG_CONFIG=$pg_config", 'install' ],
			'>', \$output, '2>', \$errors),
		"$name: the extension is installed") or diag($errors);
	return;
}

sub folder_of
{
	my ($pg_config, $which) = @_;
	my $path = qx{$pg_config --$which};

	chomp $path;
	return $path;
}

# The digests of the extension's files, by their paths in the installation.
sub installed_files
{
	my ($pg_config) = @_;
	my %digests;

	for my $which (qw(sharedir pkglibdir))
	{
		my $top = folder_of($pg_config, $which);
		my $keep = sub {
			my $path = substr($_, length $top);

			$digests{"$which$path"} = Digest::SHA->new(256)->addfile($_)->hexdigest
			  if -f $_ && $path =~ m{/spotify_etl};
		};

		find({ no_chdir => 1, follow => 1, follow_skip => 2, wanted => $keep }, $top);
	}
	return \%digests;
}

my $machine = installation('machine', $ENV{PG_CONFIG});
installs('machine', $machine);
my $before = installed_files($machine);
ok(exists $before->{'sharedir/extension/spotify_etl.control'}, 'the machine has the extension');
ok(exists $before->{'pkglibdir/spotify_etl.so'}, 'the machine has its library');

# On a real machine these are root's.  Without LLVM there are none.
my @folders;
find(sub { push @folders, $File::Find::name if -d }, $_)
  for glob(folder_of($machine, 'pkglibdir') . '/bitcode/spotify_etl');
chmod 0555, @folders;

my $private = installation('private', $machine);
is_deeply(installed_files($private), {}, 'nothing of the installed copy is linked to');
installs('private', $private);
is_deeply([ sort keys %{ installed_files($private) } ],
	[ sort keys %$before ], 'the private installation has the same files');
is_deeply(installed_files($machine), $before, 'the installed copy is as it was');

chmod 0755, @folders;
done_testing();
