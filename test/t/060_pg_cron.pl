# The jobs of examples/pg_cron.sql, run by pg_cron in both of its modes, for a
# role without special rights: with background workers where one database has
# all, without them where pg_cron is in another.

# needs: postgresql-NN-cron

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use SpotifyMock;
use SpotifyTest;

my $LIKED = 'spotify liked of default';
my $AGAIN = 'spotify liked again';
my $PLAYS = 'spotify recently played of default';
my $NOWHERE = 'spotify liked nowhere';
my $EVERYTHING = 'spotify everything';
my $FORGET = 'forget old job runs';

# How each mode shows the number of rows; where the extension is, in which
# schema, and the role of the jobs.
my %MODES = (
	'background workers' => {
		workers => 'on',
		rows => 'SELECT %d',
		database => 'postgres',
		schema => 'public',
		role => 'music',
		options => [],
	},
	'libpq' => {
		workers => 'off',
		rows => '%d rows',
		database => 'music',
		schema => 'etl',
		role => 'o"neil',
		options => [ '-v', 'database=music', '-v', 'role=o"neil' ],
	});

skip_test('pg_cron is not installed') if !has_extension('pg_cron');

# Runs a file of examples/ in the database of pg_cron; returns whether it
# succeeded, and what it printed.
sub run_example
{
	my ($mode, $file, @options) = @_;
	my ($output, $errors) = ('', '');
	my $is_done = IPC::Run::run(
		[
			'psql', '-X', '-d', $mode->{node}->connstr('postgres'), @{ $mode->{options} },
			@options, '-f', "examples/$file"
		],
		'>', \$output, '2>', \$errors);

	return ($is_done, $output, $errors);
}

# That the example gives the role these jobs, and no others.
sub gives_jobs
{
	my ($mode, $name, $options, @expected) = @_;
	my ($is_done, $output, $errors) = run_example($mode, 'pg_cron.sql', @$options);

	ok($is_done, "$mode->{name}: $name: it works") or diag($errors);
	is($mode->{node}->safe_psql('postgres', <<~'SQL'), join("\n", sort @expected), "$mode->{name}: $name: the jobs");
		SELECT jobname || ' in ' || database FROM cron.job ORDER BY jobname COLLATE "C"
		SQL
	return $output;
}

# A server with pg_cron in one of its modes, and the extension with two accounts.
sub start_mode
{
	my ($name) = @_;
	my $mode = { name => $name, %{ $MODES{$name} } };
	my $mock = SpotifyMock->start('--library', 120);
	my $node = start_node($mock, name => $name =~ s/\W/_/r, configuration => <<~CONF);
		shared_preload_libraries = 'pg_cron'
		cron.database_name = 'postgres'
		cron.use_background_workers = $mode->{workers}
		cron.max_running_jobs = 10
		max_worker_processes = 20
		CONF

	@$mode{qw(mock node)} = ($mock, $node);
	$node->append_conf('postgresql.conf', "cron.host = '@{[ $node->host ]}'");
	$node->restart;
	$node->safe_psql('postgres', 'CREATE EXTENSION pg_cron');
	if ($mode->{database} ne 'postgres')
	{
		$node->safe_psql('postgres', 'DROP EXTENSION spotify_etl');
		$node->safe_psql('postgres', "CREATE DATABASE $mode->{database}");
		$node->safe_psql($mode->{database},
			"CREATE SCHEMA $mode->{schema}; CREATE EXTENSION spotify_etl SCHEMA $mode->{schema}");
	}
	$mock->post('user', { id => 'anna', size => 30 });
	$mock->post('refresh_token', { refresh_token => 'mock-refresh-anna', user => 'anna' });
	$node->safe_psql($mode->{database}, <<~SQL);
		SELECT $mode->{schema}.spotify_set_account('mock-client', 'mock-secret', 'mock-refresh-token');
		SELECT $mode->{schema}.spotify_set_account('mock-client', 'mock-secret', 'mock-refresh-anna',
		                                           account => 'anna')
		SQL
	return $mode;
}

sub check_example
{
	my ($mode) = @_;
	my ($name, $node, $database) = @$mode{qw(name node database)};
	my $forget = "$FORGET in postgres";

	# As in the part about the rights of a role that syncs.
	$node->safe_psql('postgres', <<~'SQL') if $mode->{role} eq 'music';
		CREATE ROLE music LOGIN;
		GRANT EXECUTE ON FUNCTION spotify_sync_liked, spotify_sync_recently_played, spotify_refresh_token TO music;
		GRANT SELECT ON ALL TABLES IN SCHEMA spotify TO music
		SQL
	my @everything = ("$EVERYTHING in $database", $forget);
	gives_jobs($mode, 'all accounts', [], @everything);
	gives_jobs($mode, 'once more', [], @everything);

	my ($is_done, undef, $errors) = run_example($mode, 'pg_cron.sql', '-v', 'accounts=default,nobody');
	ok(!$is_done, "$name: an account that is not there: it fails");
	like($errors, qr/there is no Spotify account nobody\n/, "$name: an account that is not there: it says which");

	gives_jobs($mode, 'two accounts', [ '-v', 'accounts=anna,default' ],
		(map { ("spotify liked of $_ in $database", "spotify recently played of $_ in $database") } qw(anna default)),
		$forget);
	my $output = gives_jobs($mode, 'one account', [ '-v', 'accounts=default' ],
		"$LIKED in $database", "$PLAYS in $database", $forget);
	is($node->safe_psql('postgres', <<~'SQL'), "$mode->{role}|f", "$name: the jobs belong to a role that is no superuser");
		SELECT DISTINCT username, rolsuper FROM cron.job JOIN pg_roles ON rolname = username
		SQL
	check_hba_line($mode, $output);
	return;
}

# Without background workers nobody but the superuser and the jobs gets in.
sub check_hba_line
{
	my ($mode, $output) = @_;
	my ($line) = $output =~ /^((?:local|host) .*)$/m;
	my ($name, $node) = @$mode{qw(name node)};

	if ($mode->{workers} eq 'on')
	{
		is($line, undef, "$name: pg_hba.conf needs no line");
		return;
	}
	is($line, 'local  music,postgres  "o""neil"  trust', "$name: the line that pg_hba.conf needs");
	unlink $node->data_dir . '/pg_hba.conf';
	$node->append_conf('pg_hba.conf', "$line\nlocal  all  " . $node->safe_psql('postgres', 'SELECT current_user') . "  trust\n");
	$node->reload;
	return;
}

# Makes the jobs due each minute.  Beside them are one that comes in the way of
# another, two that cannot work, and one that cannot even connect.
sub begin_first_runs
{
	my ($mode) = @_;
	my ($mock, $node, $schema) = @$mode{qw(mock node schema)};
	my $schedule = sub {
		my ($job, $command) = @_;
		return "PERFORM cron.schedule_in_database('$job', '* * * * *', $command, '$mode->{database}', '$mode->{role}');\n";
	};

	$mock->post('config', { latency_ms => 500 });
	$mock->post('play', { count => 3 });
	$node->safe_psql('postgres', "DO \$do\$\nBEGIN\n"
		. $schedule->($AGAIN, "(SELECT command FROM cron.job WHERE jobname = '$LIKED')")
		. $schedule->('unknown', "'SELECT $schema.spotify_sync_liked(''nobody'')'")
		. $schedule->('forbidden', "'SELECT $schema.spotify_set_account(''someone'')'")
		. $schedule->($NOWHERE, "'SELECT $schema.spotify_sync_liked(''default'')'")
		. "UPDATE cron.job SET database = 'nowhere' WHERE jobname = '$NOWHERE';\n"
		. "UPDATE cron.job SET schedule = '* * * * *';\nEND\n\$do\$");
	# Runs of long ago, one of which could not connect; and one that could not since.
	$node->safe_psql('postgres', <<~SQL);
		INSERT INTO cron.job_run_details (runid, username, command, status, start_time, end_time)
		SELECT nextval('cron.runid_seq'), job.username, 'old', 'failed', ended, ended
		  FROM (VALUES (1, NULL), (2, now() - interval '31 days'), (3, NULL)) AS old (number, ended),
		       (SELECT DISTINCT username FROM cron.job) AS job
		 ORDER BY number
		SQL
	return;
}

# The first run of each job, by its name, once all have ended.
sub first_runs
{
	my ($mode) = @_;
	my $node = $mode->{node};

	# What could not connect has no times.
	$node->poll_query_until('postgres', <<~'SQL') or die "the jobs did not run\n";
		SELECT NOT EXISTS (SELECT FROM cron.job
		                    WHERE jobid NOT IN (SELECT jobid FROM cron.job_run_details
		                                         WHERE status IN ('succeeded', 'failed')
		                                           AND (end_time IS NOT NULL OR start_time IS NULL)
		                                           AND jobid IS NOT NULL))
		SQL
	return map { $_->{jobname} => $_ } query_rows($node, <<~'SQL');
		SELECT DISTINCT ON (jobid) jobname, status, return_message
		  FROM cron.job_run_details JOIN cron.job USING (jobid)
		 ORDER BY jobid, runid
		SQL
}

# That the rows of the first account are those of Spotify.  The session is a new
# one, since none lasts as long as this test.
sub true_table
{
	my ($mode, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $session = open_session($mode->{node}, undef, database => $mode->{database});

	is_deeply([ liked_differences($session, $mode->{mock}) ], [], "$mode->{name}: $name");
	$session->quit;
	return;
}

sub check_first_runs
{
	my ($mode) = @_;
	my $name = $mode->{name};
	my %run = first_runs($mode);
	my ($first, $second) =
	  sort { $b->{status} cmp $a->{status} } @run{ $LIKED, $AGAIN };

	is_deeply([ @$first{qw(status return_message)} ],
		[ 'succeeded', sprintf $mode->{rows}, 120 ],
		"$name: likes: the number of changes is shown");
	is($second->{status}, 'failed', "$name: a run that overlaps fails");
	like($second->{return_message}, qr/another sync of account "default" is under way/,
		"$name: it says why");
	true_table($mode, 'likes: the table is true');
	is_deeply([ @{ $run{$PLAYS} }{qw(status return_message)} ],
		[ 'succeeded', sprintf $mode->{rows}, 3 ],
		"$name: plays: the number of new ones is shown");
	is_deeply([ @{ $run{$FORGET} }{qw(status return_message)} ],
		[ 'succeeded', 'DELETE 2' ],
		"$name: the role forgets its old runs, also one that could not connect, and no others");
	is($run{unknown}{status}, 'failed', "$name: an account that is not there is a failed job");
	like($run{unknown}{return_message}, qr/ERROR: +there is no Spotify account "nobody"\n.*HINT:/s,
		"$name: with the message of the extension and the hint");
	is($run{forbidden}{status}, 'failed', "$name: what the role may not is a failed job");
	like($run{forbidden}{return_message}, qr/permission denied for function spotify_set_account/,
		"$name: it says so");
	is($run{$NOWHERE}{status}, 'failed', "$name: what cannot connect is a failed job");
	return;
}

# From now on Spotify answers no request, and only likes are synced.
sub begin_outage
{
	my ($mode) = @_;
	$mode->{mock}->fault({ match => {}, action => { status => 503 } });
	$mode->{mock}->post('config', { latency_ms => 0 });
	$mode->{node}->safe_psql('postgres',
		"SELECT cron.unschedule(jobid) FROM cron.job WHERE jobname <> '$LIKED'");
	$mode->{outage} = $mode->{node}->safe_psql('postgres', 'SELECT max(runid) FROM cron.job_run_details');
	return;
}

sub check_outage
{
	my ($mode) = @_;
	my ($name, $node) = @$mode{qw(name node)};
	# pg_cron notes the end of a failed job after its status.
	my $later = "runid > $mode->{outage} AND status = 'failed' AND end_time IS NOT NULL";

	$node->poll_query_until('postgres', "SELECT count(*) > 0 FROM cron.job_run_details WHERE $later")
	  or die "the job did not fail\n";
	my $message = $node->safe_psql('postgres',
		"SELECT return_message FROM cron.job_run_details WHERE $later ORDER BY runid LIMIT 1");
	like($message, qr/Spotify could not answer the request.*DETAIL:.*status 503.*HINT:/s,
		"$name: an outage is a failed job, with the message of the extension");
	true_table($mode, 'an outage changes nothing');
	return;
}

# From now on Spotify answers again, but not for anna, and one job syncs all
# accounts.
sub begin_everything
{
	my ($mode) = @_;
	my ($mock, $node) = @$mode{qw(mock node)};

	$mock->no_faults;
	$mock->post('like', { count => 2 });
	$mock->fault({ match => { path => '/me/tracks$', user => 'anna' }, action => { status => 503 } });
	gives_jobs($mode, 'all accounts again', [], "$EVERYTHING in $mode->{database}", "$FORGET in postgres");
	$node->safe_psql('postgres', "UPDATE cron.job SET schedule = '* * * * *'");
	return;
}

sub check_everything
{
	my ($mode) = @_;
	my $name = $mode->{name};
	my $run = { first_runs($mode) }->{$EVERYTHING};

	is($run->{status}, 'failed', "$name: all accounts: one sync fails, and so does the job");
	like($run->{return_message}, qr/ERROR: .*"liked" of account "anna".*DETAIL:.*HINT:/s,
		"$name: all accounts: the job says which");
	true_table($mode, 'all accounts: the others go on');
	return;
}

# The rows of examples/pg_cron_runs.sql for the role: the job, the account, the
# collection, the status, the number inserted, the beginning of the message.
sub report
{
	my ($mode) = @_;
	my ($is_done, $output, $errors) =
	  run_example($mode, 'pg_cron_runs.sql', '-U', $mode->{role}, '-A', '-t', '-F', "\t");

	ok($is_done, "$mode->{name}: the report works") or diag($errors);
	return map { join '|', (split /\t/, $_, -1)[ 1 .. 4, 6, 5 ] } split /\n/, $output;
}

# That it shows such rows, and first the newest.
sub check_report
{
	my ($mode, $newest, @expected) = @_;
	my @report = report($mode);

	like($report[0], $newest, "$mode->{name}: the report begins with the newest run");
	for my $row (@expected)
	{
		ok((grep { $_ =~ $row } @report), "$mode->{name}: the report shows $row") or diag(join "\n", @report);
	}
	return;
}

sub check_secrets
{
	my ($mode) = @_;
	my $secrets = qr/mock-secret|mock-refresh-|mock-access-/;
	my $details = $mode->{node}->safe_psql('postgres', 'SELECT * FROM cron.job_run_details');
	unlike($details, $secrets, "$mode->{name}: no secret is in what pg_cron keeps");
	unlike(slurp_file($mode->{node}->logfile) =~ s/.*spotify_set_account\('mock.*//gr,
		$secrets, "$mode->{name}: and none in the log");
	return;
}

my @modes = map { start_mode($_) } sort keys %MODES;
check_example($_) for @modes;
begin_first_runs($_) for @modes;
for my $mode (@modes)
{
	check_first_runs($mode);
	check_report($mode, qr/^spotify/,
		qr/^spotify liked (?:again|of default)\|default\|liked\|succeeded\|120\|$/,
		qr/^\Q$PLAYS\E\|default\|recently_played\|succeeded\|3\|$/,
		qr/^unknown\|\|\|failed\|\|ERROR: +there is no Spotify account/,
		qr/^\Q$NOWHERE\E\|\|\|failed\|\|(?:connection failed|FATAL: +database "nowhere" does not exist)/);
	begin_outage($mode);
}
for my $mode (@modes)
{
	check_outage($mode);
	check_report($mode, qr/^\Q$LIKED\E\|default\|liked\|failed\|0\|Spotify could not answer the request/);
	begin_everything($mode);
}
for my $mode (@modes)
{
	check_everything($mode);
	check_report($mode, qr/^spotify everything\|/,
		qr/^spotify everything\|default\|liked\|succeeded\|2\|$/,
		qr/^spotify everything\|anna\|liked\|failed\|0\|Spotify could not answer/,
		qr/^spotify everything\|anna\|recently_played\|succeeded\|/);
	check_secrets($mode);
	$mode->{node}->stop;
}

done_testing();
