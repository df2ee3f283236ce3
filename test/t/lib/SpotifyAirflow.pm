# SpotifyAirflow.pm
#   Apache Airflow, installed from PyPI into a virtual environment, with its
#   metadata in SQLite: as an object.
#
# The environment is kept between runs, in the cache folder of the user, under
# a name that changes with the requirements.  Where it cannot be installed, the
# test that wants it is skipped, or fails if SPOTIFY_ETL_NO_SKIP is set.
package SpotifyAirflow;

use strict;
use warnings;

use Cwd qw(abs_path);
use Digest::SHA qw(sha1_hex);
use Fcntl qw(:flock);
use File::Copy qw(copy);
use File::Find qw(find);
use File::Path qw(make_path remove_tree);
use IPC::Run;
use JSON::PP;
use PostgreSQL::Test::Utils ();
use Test::More;

use SpotifyTest qw(skip_test);

my $ATTEMPTS = 3;
my @FILES = qw(examples/airflow/spotify_etl.py test/airflow/plain_operators.py);

# Neither the password of Airflow's connection nor what the mock calls secret
# may get to where Airflow stores or logs things.
my $PASSWORD = 'canary-of-the-connection';
my $SECRETS = qr/mock-secret|mock-refresh-|mock-access-|$PASSWORD/;

# Runs a command; returns its exit status and all it printed.
sub _run
{
	my (@command) = @_;
	my $output = '';
	IPC::Run::run(\@command, '<', \undef, '>&', \$output);
	return ($? >> 8, $output);
}

# The first Python whose version is in the range, such as "3.10" to "3.12".
sub _find_python
{
	my ($least, $most) = @_;
	my $question = 'import ensurepip, sys, venv; print(sys.version_info[1])';
	my ($from, $to) = map { s/^3\.//r } $least, $most;
	for my $python ($ENV{PYTHON} // (), 'python3', map { "python3.$_" } reverse $from .. $to)
	{
		my ($status, $minor) = eval { _run($python, '-c', $question) };
		next unless defined $status && $status == 0 && $minor =~ /^\d+$/;
		return $python if $minor >= $from && $minor <= $to;
	}
	return;
}

# A folder that outlives the test, if there can be one.
sub _cache_folder
{
	my $home = (getpwuid $<)[7] // '';
	for my $cache ($ENV{XDG_CACHE_HOME} // (), "$home/.cache")
	{
		my $folder = "$cache/spotify_etl";
		eval { make_path($folder) };
		return $folder if -d $folder && -w $folder;
	}
	return PostgreSQL::Test::Utils::tempdir('airflow');
}

# Installs what the file requires into a virtual environment, unless that was
# done before; returns the environment's folder.
sub _install
{
	my ($python, $requirements) = @_;
	my (undef, $version) = _run($python, '--version');
	my $name = substr sha1_hex($version . PostgreSQL::Test::Utils::slurp_file($requirements)), 0, 12;
	my $folder = _cache_folder() . "/airflow-$name";

	open my $lock, '>', "$folder.lock" or die "$folder.lock: $!\n";
	flock $lock, LOCK_EX or die "$folder.lock: $!\n";
	return $folder if -e "$folder/complete";

	my ($status, $output);
	for my $attempt (1 .. $ATTEMPTS)
	{
		remove_tree($folder);
		($status, $output) = _run($python, '-m', 'venv', $folder);
		($status, $output) = _run("$folder/bin/python", '-m', 'pip', 'install', '--quiet',
			'--no-compile', '--disable-pip-version-check', '--retries', 2, '--timeout', 30,
			'--requirement', $requirements)
		  if $status == 0;
		last if $status == 0;
		diag("installing Airflow, attempt $attempt of $ATTEMPTS:\n$output");
	}
	return if $status != 0;
	open my $mark, '>', "$folder/complete" or die "$folder/complete: $!\n";
	close $mark;
	return $folder;
}

# SpotifyAirflow->install(2, '3.10', '3.12'): Airflow of this major version,
# which runs in these versions of Python.
sub install
{
	my ($class, $major, @pythons) = @_;
	my $python = _find_python(@pythons)
	  or skip_test("Airflow $major needs Python $pythons[0] to $pythons[1] with its module venv");
	my $folder = _install($python, "test/airflow/requirements-airflow$major.txt")
	  or skip_test("Airflow $major could not be installed from PyPI");
	my $home = PostgreSQL::Test::Utils::tempdir("airflow$major");

	make_path("$home/dags");
	copy($_, "$home/dags") or die "$_: $!\n" for @FILES;
	my %environment = (
		PATH => "$folder/bin:$ENV{PATH}",
		AIRFLOW_HOME => $home,
		AIRFLOW__CORE__DAGS_FOLDER => "$home/dags",
		AIRFLOW__CORE__LOAD_EXAMPLES => 'False',
		AIRFLOW__CORE__DEFAULT_TASK_RETRY_DELAY => 1);
	my $self = bless { home => $home, environment => \%environment, printed => '' }, $class;
	my ($status, $output) = $self->airflow('db', 'migrate');
	die $output if $status != 0;
	return $self;
}

# Where the connection of the DAGs leads, and as whom.
sub connect_to
{
	my ($self, $node, $role) = @_;
	$self->{environment}{AIRFLOW_CONN_SPOTIFY} = encode_json({
		conn_type => 'postgres',
		host => $node->host,
		port => 0 + $node->port,
		login => $role,
		password => $PASSWORD,
		schema => 'postgres',
	});
	return;
}

# A program of the environment; returns its exit status and all it printed,
# which is also kept for tells_secrets.
sub _command
{
	my ($self, @command) = @_;
	local %ENV = (%ENV, %{ $self->{environment} });
	my ($status, $output) = _run(@command);
	$self->{printed} .= $output;
	return ($status, $output);
}

sub airflow { my ($self, @arguments) = @_; return $self->_command('airflow', @arguments); }
sub python { my ($self, @arguments) = @_; return $self->_command('python', @arguments); }

# Runs a DAG from its first task to its last.  Returns all that was printed.
sub test_dag
{
	my ($self, $dag) = @_;
	my ($status, $output) = $self->airflow('dags', 'test', $dag);
	return $output;
}

# Rows of the metadata database, as a list of lists.
sub metadata
{
	my ($self, $query) = @_;
	my (undef, $rows) = $self->python('-c', <<~'PYTHON', "$self->{home}/airflow.db", $query);
		import json, sqlite3, sys
		rows = sqlite3.connect(sys.argv[1]).execute(sys.argv[2]).fetchall()
		text = lambda value: value.decode() if isinstance(value, bytes) else value
		print(json.dumps([[text(value) for value in row] for row in rows]))
		PYTHON
	return @{ decode_json($rows) };
}

# The state and the number of tries of each task in the last run of a DAG.
sub tasks
{
	my ($self, $dag) = @_;
	return { map { $_->[0] => [ @$_[ 1, 2 ] ] } $self->metadata(<<~SQL) };
		SELECT task_id, state, try_number FROM task_instance
		 WHERE run_id = (SELECT run_id FROM dag_run WHERE dag_id = '$dag' ORDER BY id DESC LIMIT 1)
		SQL
}

# Airflow 3 says of a list in JSON that it is a tuple.
sub _plain
{
	my ($value) = @_;
	return [ map { _plain($_) } @$value ] if ref $value eq 'ARRAY';
	return $value if ref $value ne 'HASH';
	return _plain($value->{__data__}) if exists $value->{__data__};
	return { map { $_ => _plain($value->{$_}) } keys %$value };
}

# What a task of the last run of a DAG left for others.
sub xcom
{
	my ($self, $dag, $task) = @_;
	my ($row) = $self->metadata(<<~SQL);
		SELECT value FROM xcom
		 WHERE task_id = '$task' AND key = 'return_value'
		   AND run_id = (SELECT run_id FROM dag_run WHERE dag_id = '$dag' ORDER BY id DESC LIMIT 1)
		SQL
	return defined $row ? _plain(JSON::PP->new->decode($row->[0])) : undef;
}

# The names of files that hold a secret, in the folder with the metadata and
# the logs, and "output" if any command printed one.
sub tells_secrets
{
	my ($self) = @_;
	my @names;
	find({
		no_chdir => 1,
		wanted => sub { push @names, $_ if -f $_ && PostgreSQL::Test::Utils::slurp_file($_) =~ $SECRETS },
	}, $self->{home});
	push @names, 'output' if $self->{printed} =~ $SECRETS;
	return @names;
}

1;
