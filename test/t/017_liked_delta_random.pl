# Delta runs by chance: libraries over several runs each, changed between the
# runs and while they read, with ties, nulls, other orders, limits, rollbacks
# and rows changed by hand.  No liked track becomes inactive; a run that says
# "succeeded" has left the table true, but for what only the audit can find;
# the audit finds that within N/50 further runs; and no run sends more requests
# than a full scan of the same list.
#
# SPOTIFY_TEST_SEED takes another seed, SPOTIFY_TEST_SCENARIOS another number
# of libraries.  The same with the planning alone, without a server, and many
# more sequences: test/unit/test_delta_plan.c.

use strict;
use warnings;

use JSON::PP;
use List::Util qw(max min);
use POSIX qw(ceil);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use SpotifyChance;
use SpotifyLibrary;
use SpotifyMock;
use SpotifyTest;

my $seed = $ENV{SPOTIFY_TEST_SEED} // 20261121;
my $scenarios = $ENV{SPOTIFY_TEST_SCENARIOS} // 80;
note("SPOTIFY_TEST_SEED=$seed SPOTIFY_TEST_SCENARIOS=$scenarios");
srand $seed;

my $PAGES = '^/v1/me/tracks$';
my $CONTAINS = '^/v1/me/library/contains$';
my $PER_TEST = 20;
my $RUNS = 6;

my $json = JSON::PP->new->utf8->canonical;
my $true = JSON::PP::true;
my $mock = SpotifyMock->start;
my $node = start_node($mock);
my $session;

create_account($node);
$mock->post('config', { gzip => JSON::PP::false });
$session = open_session($node, <<~SQL);
	SET statement_timeout = '30s';
	SET spotify_etl.max_retry_wait = '2ms';
	SQL
$session->set_query_timer_restart;

# -------------------------------------------------------------- the library

my $library = SpotifyLibrary->of($mock);

# What the table said after the last run: id to added_at.
my %active;

sub replace_library
{
	$library->start_over(
		size => one_of(random(400), random(160), one_of(0, 1, 49, 50, 51, 99, 100, 101, 150)),
		spacing => one_of(60, 60, 0));
	return;
}

# ------------------------------------------------------------ while it reads

# The order in which likes of one moment are shown, as a rule; undef: the true.
my $order;

sub end_faults
{
	$mock->no_faults;
	$mock->fault($order) if $order;
	return;
}

sub set_order
{
	$order = {
		match => { path => $PAGES },
		action => { serve => { shuffle_ties => random(1_000_000) } },
		continue => $true,
	};
	$library->{is_hidden} = 1;
	end_faults();
	return;
}

# A change before or after some page, or before Spotify is asked about tracks.
sub mutation_rule
{
	my %is_liked = map { $_ => 1 } @{ $library->{liked} };
	my @missing = grep { /^\w{22}$/ && !$is_liked{$_} } sort keys %active;
	my $is_question = @missing && one_in(2);
	my @moves =
	  $is_question && one_in(2)
	  ? { op => 'like', ids => [ one_of(@missing) ] }
	  : $library->random_move;

	return {
		match => $is_question
		? { path => $CONTAINS, nth => 1 }
		: { path => $PAGES, nth => 1 + random(4) },
		action => { one_of(qw(mutate_before mutate_after)) => \@moves },
		continue => $true,
	};
}

sub limit_rule
{
	return {
		match => { path => one_of($PAGES, $PAGES, $CONTAINS), nth => 1 + random(3) },
		action => { status => 429, retry_after => 3600 },
	};
}

sub refusal_rule
{
	return { match => { path => $CONTAINS }, action => { status => one_of(403, 404) } };
}

sub zeros_rule
{
	return { match => { path => $PAGES, nth => 1 + random(1) }, action => { zeroed => $true } };
}

# --------------------------------------------------------------------- a run

my $SYNC = 'SELECT run_id FROM spotify_sync_liked(allow_mass_removal => true)';

my $OUTCOME = <<~SQL;
	SELECT json_build_object(
	    'active', (
	        SELECT COALESCE(json_object_agg(
	                   track_id,
	                   to_char(added_at AT TIME ZONE 'UTC',
	                           'YYYY-MM-DD"T"HH24:MI:SS"Z"')), '{}')
	          FROM spotify.liked_tracks
	         WHERE is_active),
	    'run', (
	        SELECT row_to_json(r)
	          FROM spotify.sync_runs AS r
	         ORDER BY run_id DESC
	         LIMIT 1))
	SQL

my %counts;

# Runs statements and tells how the table and the log are then, with the error.
sub outcome_of
{
	my ($sql) = @_;
	my $answer = ask($session, $sql);
	my @lines = split /\n/, ask($session, $OUTCOME)->{output};
	my $outcome = $json->decode($lines[-1]);

	@$outcome{qw(code text)} = @$answer{qw(code text)};
	return $outcome;
}

sub are_equal
{
	my ($one, $other) = @_;
	return $json->encode($one) eq $json->encode($other);
}

sub differences
{
	my ($truth, $active) = @_;
	my %ids = (%$truth, %$active);

	return map { "$_ " . ($active->{$_} // 'gone') . ' for ' . ($truth->{$_} // 'gone') }
	  grep { ($active->{$_} // '') ne ($truth->{$_} // '') } sort keys %ids;
}

# Requests that a full scan would take: each page, the first again, and the
# question about each track that is missing.
sub full_scan_requests
{
	my ($truth) = @_;
	my $missing = grep { !exists $truth->{$_} } keys %active;
	return max(1, ceil($library->size / 50)) + 1 + ceil($missing / 40);
}

# A run; options are rules of the mock, whether the list moves or the requests
# do not count, and the SQL.  Returns what was wrong.
sub run_and_check
{
	my ($name, %options) = @_;
	my $before = $library->truth;
	my $limit = full_scan_requests($before);
	my (@violations, $outcome, $after, $run, $count);

	$mock->fault($_) for @{ $options{rules} // [] };
	$mock->forget_log;
	$outcome = outcome_of($options{sql} // $SYNC);
	$count = $mock->count;
	end_faults();
	$library->see;
	$after = $library->truth;
	$run = $outcome->{run};

	push @violations, map { "$_ is liked and became inactive" }
	  grep { exists $active{$_} && exists $before->{$_} && !exists $outcome->{active}{$_} }
	  sort keys %$after;
	push @violations, 'the run failed: ' . ($outcome->{text} // '')
	  if defined $outcome->{code} && !$options{may_fail};
	push @violations, 'the run failed and wrote'
	  if defined $outcome->{code} && !are_equal(\%active, $outcome->{active});
	push @violations, 'the run succeeded, and the table is not true: '
	  . join('; ', differences($after, $outcome->{active}))
	  if !defined $outcome->{code} && $run->{status} eq 'succeeded' && !$library->{is_hidden}
	  && !are_equal($outcome->{active}, $before) && !are_equal($outcome->{active}, $after);
	my $requests = $count->{total} - $count->{token};
	push @violations, "$requests requests, where a full scan takes $limit"
	  if !$options{is_disturbed} && !defined $outcome->{code} && $requests > $limit;

	%active = %{ $outcome->{active} };
	$library->{is_hidden} = 0
	  if $run->{mode} eq 'full' && $run->{status} eq 'succeeded' && !$options{is_disturbed};
	$counts{"$run->{mode} $run->{status}"}++;
	return map { "$name, $run->{mode} $run->{status}: $_" } @violations;
}

# While a limit lasts nothing can be read; then it is gone, as with time.
sub end_limit
{
	ask($session, 'UPDATE spotify.accounts SET retry_after = NULL');
	return;
}

# A row changed by somebody else than a sync.
sub change_by_hand
{
	my $one = 'track_id IN (SELECT track_id FROM spotify.liked_tracks ORDER BY md5(track_id || '
	  . random(1000) . ') LIMIT 1)';

	ask($session,
		one_of(
			"DELETE FROM spotify.liked_tracks WHERE $one",
			"UPDATE spotify.liked_tracks SET is_active = NOT is_active WHERE $one",
			"UPDATE spotify.liked_tracks SET list_rank = list_rank + 1048577 WHERE $one",
			'UPDATE spotify.liked_tracks SET list_rank = NULL',
			'TRUNCATE spotify.liked_null_places'));
	%active = %{ outcome_of('SELECT')->{active} };

	# Of a null place without its row anything may be believed until it is read.
	$library->{is_hidden} = 1;
	return;
}

# What a run may meet, by name: options of run_and_check.
my %meetings = (
	'nothing' => sub { () },
	'a change' => sub {
		(rules => [ mutation_rule() ], is_disturbed => 1);
	},
	'a limit' => sub {
		(rules => [ limit_rule() ], is_disturbed => 1, may_fail => 1);
	},
	'a refusal' => sub { (rules => [ refusal_rule() ]) },
	'zeros' => sub { (rules => [ zeros_rule() ], is_disturbed => 1) },
	'a rollback' => sub { (sql => "BEGIN; $SYNC; ROLLBACK", is_rolled_back => 1) },
	'a savepoint' => sub {
		(sql => "BEGIN; SAVEPOINT s; $SYNC; ROLLBACK TO s; $SYNC; COMMIT", is_disturbed => 1);
	},
	'a row changed by hand' => sub { change_by_hand(); () },
);

my @meetings = (
	('nothing') x 8,
	('a change') x 6,
	('a limit') x 2,
	'a refusal', 'zeros', 'a rollback', 'a savepoint', 'a row changed by hand');

# A run that was rolled back: nothing may be left of it.
sub check_rollback
{
	my ($name, %options) = @_;
	my %before = %active;
	my $outcome = outcome_of($options{sql});

	return are_equal(\%before, $outcome->{active}) ? () : ("$name: it wrote");
}

# ------------------------------------------------------------- one scenario

# The audit finds what is hidden, so many pages at each run, and then a run
# reads no more than it must.
sub check_audit
{
	my ($audit_pages) = @_;
	my $others = max(0, ceil($library->size / 50) - 1);
	my $runs = ceil($others / $audit_pages);
	my @violations;

	# One in which something is at last found may begin with a partial run.
	push @violations, run_and_check("quiet run $_") for 1 .. $runs + 1;
	push @violations, "the audit did not find all within $runs runs and one"
	  unless are_equal(\%active, $library->truth);
	$library->{is_hidden} = 0;
	push @violations, run_and_check('the last run');
	my $count = $mock->count;
	my $requests = $count->{total} - $count->{token};
	push @violations, "an unchanged library takes $requests requests"
	  if $requests > 1 + min($audit_pages, $others);
	return @violations;
}

sub play_scenario
{
	my ($scenario) = @_;
	my $audit_pages = one_of(0, 1, 1, 1, 2, 5);
	my $concurrency = one_of(1, 2, 4);
	my @violations;

	undef $order;
	end_faults();
	replace_library();
	ask($session, <<~SQL);
		TRUNCATE spotify.liked_tracks, spotify.liked_events, spotify.liked_null_places,
		         spotify.scan_progress;
		SET spotify_etl.audit_pages = $audit_pages;
		SET spotify_etl.max_concurrency = $concurrency;
		SQL
	%active = ();
	push @violations,
	  run_and_check('the first run', sql => "$SYNC" =~ s/\(/(full_scan => true, /r);
	for my $run (1 .. $RUNS)
	{
		my $meeting = one_of(@meetings);
		my %options;

		$library->change(2);
		set_order() if one_in(10);
		%options = $meetings{$meeting}->();
		push @violations,
		  $options{is_rolled_back}
		  ? check_rollback("run $run, $meeting", %options)
		  : run_and_check("run $run, $meeting", %options);
		end_limit() if $meeting eq 'a limit';
	}

	ask($session, 'SET spotify_etl.audit_pages = 1') if $audit_pages == 0;
	push @violations, check_audit($audit_pages || 1);
	return
	  map { "seed $seed, scenario $scenario, audit_pages $audit_pages, $concurrency at once: $_" }
	  @violations;
}

# -------------------------------------------------------------------- all

play_all('libraries', $scenarios, $PER_TEST, \&play_scenario);

note(join ', ', map { "$counts{$_} $_" } sort keys %counts);
cmp_ok($counts{'delta succeeded'} // 0, '>', $counts{'full succeeded'} // 0, 'most runs are deltas');
cmp_ok($counts{'full succeeded'} // 0, '>=', $scenarios, 'and many are full scans');

$session->quit;
$node->stop;
done_testing();
