# AirflowScenario.pm
#   What examples/airflow/spotify_etl.py must do, in any version of Airflow.
package AirflowScenario;

use strict;
use warnings;

use Exporter 'import';
use Test::More;

use SpotifyAirflow;
use SpotifyMock;
use SpotifyTest;

our @EXPORT = qw(check_airflow);

my $LIKED = 'spotify_liked';
my $PLAYS = 'spotify_recently_played';

# A role that may do what the DAG file asks for, and nothing else.
sub _create_role
{
	my ($node) = @_;
	$node->safe_psql('postgres', <<~'SQL');
		CREATE ROLE airflow LOGIN;
		GRANT EXECUTE ON FUNCTION spotify_refresh_token, spotify_sync_liked,
		                          spotify_sync_recently_played TO airflow;
		GRANT SELECT ON spotify.account_status TO airflow;
		SQL
	return;
}

# The second time, what it imports has said what it had to say: any warning
# is one of the file's own.
sub _check_import
{
	my ($airflow) = @_;
	my ($status, $output) = $airflow->python('-c', <<~'PYTHON', "$airflow->{home}/dags/spotify_etl.py");
		import runpy, sys, warnings
		with warnings.catch_warnings(record=True) as caught:
		    warnings.simplefilter("always")
		    runpy.run_path(sys.argv[1])
		assert not [warning for warning in caught if warning.filename == sys.argv[1]], caught
		warnings.simplefilter("error")
		runpy.run_path(sys.argv[1])
		PYTHON
	is($status, 0, 'the DAG file is imported without a warning') or diag($output);
	($status, $output) = $airflow->airflow('dags', 'list-import-errors');
	is($status, 0, 'no import fails') or diag($output);
	return;
}

# The first answer is a rate limit of some seconds: the task waits for it.
sub _check_rate_limit
{
	my ($airflow, $node, $mock) = @_;
	my $wait = 4;

	$mock->fault({ match => { path => '/me/tracks$', times => 1 },
			action => { status => 429, retry_after => $wait } });
	my $output = $airflow->test_dag($LIKED);
	is_deeply($airflow->tasks($LIKED),
		{ refresh_token => [ 'success', 1 ], sync => [ 'success', 1 ] },
		'likes, with a rate limit: both tasks succeed, without a retry')
	  or diag($output);
	like($output, qr/Waiting until .*rate limit is exceeded/, 'it says that it waits, and why');
	unlike($output, qr/cannot be called outside/, 'Airflow has nothing to say of the operator');
	my @times = map { $_->{time} } grep { $_->{path} =~ m{/me/tracks$} } @{ $mock->log };
	cmp_ok($times[1] - $times[0], '>=', $wait, 'nothing is asked before the time that Spotify named');

	my $run = $airflow->xcom($LIKED, 'sync');
	is_deeply(
		[ @$run{qw(collection status total inserted deactivated error_code)} ],
		[ 'liked', 'succeeded', 120, 120, 0, undef ],
		'the counts of the run are in XCom');
	is_deeply([ liked_differences($node, $mock) ], [], 'and the table is true');
	return;
}

# A sync that fails every time: the task does too.
sub _check_failure
{
	my ($airflow, $mock) = @_;

	$mock->fault({ match => { path => '/me/tracks$' }, action => { status => 503 } });
	my $output = $airflow->test_dag($LIKED);
	is_deeply($airflow->tasks($LIKED),
		{ refresh_token => [ 'success', 1 ], sync => [ 'failed', 4 ] },
		'an outage: the sync fails, after three retries')
	  or diag($output);
	like($output, qr/Spotify could not answer the request/, 'with the message of the extension');
	like($output, qr/DETAIL:.*Spotify answered with status 503/, 'and its detail');
	is($airflow->xcom($LIKED, 'sync'), undef, 'it leaves nothing in XCom');
	$mock->no_faults;
	return;
}

sub _check_plays
{
	my ($airflow, $node, $mock) = @_;

	$mock->post('play', { count => 3 });
	my $output = $airflow->test_dag($PLAYS);
	is_deeply($airflow->tasks($PLAYS),
		{ refresh_token => [ 'success', 1 ], sync => [ 'success', 1 ] },
		'plays: both tasks succeed')
	  or diag($output);
	my $run = $airflow->xcom($PLAYS, 'sync');
	is_deeply([ @$run{qw(collection status inserted)} ],
		[ 'recently_played', 'succeeded', 3 ], 'the counts are in XCom');
	is($node->safe_psql('postgres', 'SELECT count(*) FROM spotify.plays'), 3, 'and the plays are stored');
	return;
}

sub _check_plain_operators
{
	my ($airflow, $mock, @operators) = @_;

	$mock->post('like', { count => 2 });
	my $output = $airflow->test_dag('plain_operators');
	is_deeply($airflow->tasks('plain_operators'),
		{ map { $_ => [ 'success', 1 ] } @operators }, "plain operators, @operators: they succeed")
	  or diag($output);
	is_deeply($airflow->xcom('plain_operators', $operators[0]),
		[ [ 'succeeded', 2, 0 ] ], 'the counts are in XCom');
	return unless $operators[1];
	is_deeply($airflow->xcom('plain_operators', $operators[1]),
		[ [ 'succeeded', 0, 0 ] ], 'those of the second too');
	return;
}

# check_airflow(3, [ '3.10', '3.14' ], 'sql_execute_query'): all that it must
# do in Airflow 3, which runs in Python 3.10 to 3.14, and with these operators
# of test/airflow/plain_operators.py.
sub check_airflow
{
	my ($major, $pythons, @operators) = @_;
	my $airflow = SpotifyAirflow->install($major, @$pythons);
	my $mock = SpotifyMock->start('--library', 120);
	my $node = start_node($mock, name => "airflow$major");

	create_account($node);
	_create_role($node);
	$airflow->connect_to($node, 'airflow');
	_check_import($airflow);
	_check_rate_limit($airflow, $node, $mock);
	_check_failure($airflow, $mock);
	_check_plays($airflow, $node, $mock);
	_check_plain_operators($airflow, $mock, @operators);
	is_deeply([ $airflow->tells_secrets ], [], 'no secret is in its metadata, its logs, or printed');
	$node->stop;
	done_testing();
	return;
}

1;
