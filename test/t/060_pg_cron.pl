# The jobs of examples/pg_cron.sql, run by pg_cron in both of its modes, for a
# role without special rights.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use SpotifyMock;
use SpotifyTest;

my $LIKED = 'spotify liked';
my $AGAIN = 'spotify liked again';
my $PLAYS = 'spotify recently played';
my $EVERYTHING = 'spotify everything';

# How each mode shows the number of rows.
my %ROWS = (
	'background workers' => 'SELECT %d',
	'libpq' => '%d rows');

skip_test('pg_cron is not installed') if !has_extension('pg_cron');

# A server with pg_cron in one of its modes, and the jobs of the example, which
# are due each minute.  Beside them are one that comes in the way of another,
# and two that cannot work.
sub start_mode
{
	my ($mode) = @_;
	my $mock = SpotifyMock->start('--library', 120);
	my $node = start_node($mock, name => $mode =~ s/\W/_/r);
	my $workers = $mode eq 'libpq' ? 'off' : 'on';

	$node->append_conf('postgresql.conf', <<~CONF);
		shared_preload_libraries = 'pg_cron'
		cron.database_name = 'postgres'
		cron.use_background_workers = $workers
		cron.host = '@{[ $node->host ]}'
		max_worker_processes = 20
		CONF
	$node->restart;
	create_account($node);
	$node->safe_psql('postgres', 'CREATE EXTENSION pg_cron');
	$node->safe_psql('postgres', slurp_file('examples/pg_cron.sql'));
	is($node->safe_psql('postgres', <<~'SQL'), 'music|f', "$mode: the jobs belong to a role that is no superuser");
		SELECT DISTINCT username, rolsuper FROM cron.job JOIN pg_roles ON rolname = username
		SQL

	$mock->post('config', { latency_ms => 500 });
	$mock->post('play', { count => 3 });
	$node->safe_psql('postgres', <<~SQL);
		SET ROLE music;
		SELECT cron.schedule('$AGAIN', '* * * * *', command) FROM cron.job WHERE jobname = '$LIKED';
		SELECT cron.schedule('unknown', '* * * * *', 'SELECT spotify_sync_liked(''nobody'')');
		SELECT cron.schedule('forbidden', '* * * * *', 'SELECT spotify_set_account(''someone'')');
		RESET ROLE;
		UPDATE cron.job SET schedule = '* * * * *';
		SQL
	return { name => $mode, mock => $mock, node => $node, rows => $ROWS{$mode} };
}

# The first run of each job, by its name, once all have ended.
sub first_runs
{
	my ($mode) = @_;
	my $node = $mode->{node};

	$node->poll_query_until('postgres', <<~'SQL') or die "the jobs did not run\n";
		SELECT NOT EXISTS (SELECT FROM cron.job
		                    WHERE jobid NOT IN (SELECT jobid FROM cron.job_run_details
		                                         WHERE status IN ('succeeded', 'failed')
		                                           AND end_time IS NOT NULL))
		SQL
	return map { $_->{jobname} => $_ } query_rows($node, <<~'SQL');
		SELECT DISTINCT ON (jobid) jobname, status, return_message
		  FROM cron.job_run_details JOIN cron.job USING (jobid)
		 ORDER BY jobid, runid
		SQL
}

sub check_first_runs
{
	my ($mode) = @_;
	my ($name, $node) = @$mode{qw(name node)};
	my %run = first_runs($mode);
	my ($first, $second) =
	  sort { $b->{status} cmp $a->{status} } @run{ $LIKED, $AGAIN };

	is_deeply([ @$first{qw(status return_message)} ],
		[ 'succeeded', sprintf $mode->{rows}, 120 ],
		"$name: likes: the number of changes is shown");
	is($second->{status}, 'failed', "$name: a run that overlaps fails");
	like($second->{return_message}, qr/another sync of account "default" is under way/,
		"$name: it says why");
	is_deeply([ liked_differences($node, $mode->{mock}) ], [], "$name: the table is true");
	is_deeply([ @{ $run{$PLAYS} }{qw(status return_message)} ],
		[ 'succeeded', sprintf $mode->{rows}, 3 ],
		"$name: plays: the number of new ones is shown");
	is_deeply([ @{ $run{'forget old job runs'} }{qw(status return_message)} ],
		[ 'succeeded', 'DELETE 0' ],
		"$name: the role may forget its old runs");
	is($run{unknown}{status}, 'failed', "$name: an account that is not there is a failed job");
	like($run{unknown}{return_message}, qr/ERROR: +there is no Spotify account "nobody"\n.*HINT:/s,
		"$name: with the message of the extension and the hint");
	is($run{forbidden}{status}, 'failed', "$name: what the role may not is a failed job");
	like($run{forbidden}{return_message}, qr/permission denied for function spotify_set_account/,
		"$name: it says so");
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
	is_deeply([ wrongly_inactive($node, $mode->{mock}) ], [], "$name: and changes nothing");
	return;
}

# From now on Spotify answers again, and one job syncs everything.
sub begin_everything
{
	my ($mode) = @_;
	$mode->{mock}->no_faults;
	$mode->{mock}->post('like', { count => 2 });
	$mode->{node}->safe_psql('postgres', <<~SQL);
		SELECT cron.unschedule(jobid) FROM cron.job;
		GRANT EXECUTE ON PROCEDURE spotify_sync_all TO music;
		SET ROLE music;
		SELECT cron.schedule('$EVERYTHING', '* * * * *', 'CALL spotify_sync_all()');
		SQL
	return;
}

sub check_everything
{
	my ($mode) = @_;
	my ($name, $node) = @$mode{qw(name node)};

	is_deeply([ (first_runs($mode))[1] ],
		[ { jobname => $EVERYTHING, status => 'succeeded', return_message => 'CALL' } ],
		"$name: everything by one job: it succeeds");
	is_deeply([ liked_differences($node, $mode->{mock}) ], [], "$name: everything by one job: the table is true");
	return;
}

# That examples/pg_cron_runs.sql shows the role such rows, not counting plays.
sub check_report
{
	my ($mode, @expected) = @_;
	my $report = slurp_file('examples/pg_cron_runs.sql') =~ s/;\s*$//r;
	my %shown = map { $_ => 1 } split /\n/, $mode->{node}->safe_psql('postgres', <<~SQL);
		SET ROLE music;
		SELECT status, inserted, requests > 0 FROM ($report) AS report
		 WHERE jobname <> '$PLAYS';
		SQL
	is_deeply([ grep { !$shown{$_} } @expected ], [], "$mode->{name}: the report shows @expected");
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

my @modes = map { start_mode($_) } sort keys %ROWS;
for my $mode (@modes)
{
	check_first_runs($mode);
	check_report($mode, 'succeeded|120|t', 'failed||');
	begin_outage($mode);
}
for my $mode (@modes)
{
	check_outage($mode);
	check_report($mode, 'failed|0|t');
	begin_everything($mode);
}
for my $mode (@modes)
{
	check_everything($mode);
	check_report($mode, 'succeeded|2|t');
	check_secrets($mode);
	$mode->{node}->stop;
}

done_testing();
