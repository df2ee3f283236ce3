# A life by chance: hundreds of runs of one account, in whose library likes come
# and go while Spotify fails, cuts, lies and refuses; of runs that are cancelled,
# terminated, rolled back and killed, by a server that is stopped and crashes;
# with a refresh token that rotates, of which any is good once.
#
# After each run no track that was liked all the time is inactive, the login
# lives, the runs are recorded as they ended, and no play is there twice.  Every
# so often all is quiet, and the tables must become true within a bounded number
# of cheap runs.
#
# SPOTIFY_TEST_SEED takes another seed, SPOTIFY_TEST_RUNS another number of
# steps.  What is wrong is told with the seed and the step.  What is read when
# depends on the time where several requests are under way, and so does what a
# kill meets; what must hold does not.

use strict;
use warnings;

use JSON::PP;
use List::Util qw(max min);
use POSIX qw(ceil);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

use SpotifyCalls;
use SpotifyChance;
use SpotifyCrash;
use SpotifyFaults;
use SpotifyLibrary;
use SpotifyMock;
use SpotifyPlays;
use SpotifySession;
use SpotifyTest;

my $seed = $ENV{SPOTIFY_TEST_SEED} // 20261121;
my $steps = $ENV{SPOTIFY_TEST_RUNS} // 500;
note("SPOTIFY_TEST_SEED=$seed SPOTIFY_TEST_RUNS=$steps");
srand $seed;

my $STEPS_PER_LIBRARY = 25;
my $AUDIT_PAGES = 1;
my $LONGEST = 30;        # seconds until a call must have ended
my $LONGEST_WORKER = 20; # and until no worker is left
my $WINDOW = 50;         # plays that Spotify tells,
my $SURE = 35;           # of which so many are different ones
my $MOST_ASKED = 40;     # tracks in a question
my $NO_RUN = 1e9;        # number that no run reaches

my $json = JSON::PP->new->utf8->canonical;

my $mock = SpotifyMock->start;
my $node = start_node($mock, name => 'life', configuration => <<~CONF);
	restart_after_crash = on
	fsync = off
	jit = off
	log_min_messages = debug1
	log_statement = all
	log_duration = on
	log_error_verbosity = verbose
	spotify_etl.max_retry_wait = '5ms'
	spotify_etl.audit_pages = $AUDIT_PAGES
	CONF

# The secret of this statement is not the extension's, and must not be logged.
sub authorize
{
	my ($token) = @_;
	$node->safe_psql('postgres', <<~SQL);
		SET log_statement = none;
		SET log_duration = off;
		SET log_min_messages = panic;
		SELECT spotify_set_account('mock-pkce-client', NULL, '$token');
		SQL
	return;
}

$mock->post('config', { gzip => JSON::PP::false, reuse_revokes_family => JSON::PP::true });
authorize('mock-pkce-refresh-token');

my $library = SpotifyLibrary->of($mock);
my $faults = SpotifyFaults->of($mock, $library);
my $calls = SpotifyCalls->of($node, $mock, 'SET spotify_etl.max_concurrency = 1');
my $server = $calls->{server};

# ------------------------------------------------------------------- the user

# Music is played in a time of its own, which has passed when the test begins.
my $clock = int(time) - 4 * 86400;
my (%told, %may_be); # plays that a run which succeeded could see, for sure or perhaps

sub play_music
{
	for (1 .. one_in(40) ? 60 : random(3))
	{
		$clock += 60 + random(300);
		play($mock, $clock, index => random(40), context => one_of(undef, 'album', 'playlist'));
	}
	return;
}

# The newest plays, of which so many are told for sure: some are told twice.
sub newest_plays
{
	my ($count) = @_;
	my @plays = true_plays($mock);
	return @plays[ 0 .. min($count, scalar @plays) - 1 ];
}

# That a run was told what there is of them now.
sub hear_plays
{
	$told{$_} = 1 for newest_plays($SURE);
	$may_be{$_} = 1 for newest_plays($WINDOW);
	return;
}

# What is stored already is told with other times, or twice.
sub tell_anew
{
	return if grep { !$told{$_} } newest_plays($WINDOW);
	$mock->post('retell', { least => -31_000, most => -800, seed => random(1000) }) if one_in(10);
	$mock->post('echo', { positions => [0], milliseconds => random(3200) }) if one_in(10);
	return;
}

# ------------------------------------------------------------------- the calls

# SQL, the collections whose runs it makes, and the codes with which they may
# fail whatever else happens.
sub liked_call
{
	my ($fault) = @_;
	my $full_scan = one_in(6) ? 'true' : 'false';
	my $removal = $fault->{allow_mass_removal} // (one_in(4) ? 'false' : 'true');
	return {
		sql => "SELECT status FROM spotify_sync_liked(full_scan => $full_scan, allow_mass_removal => $removal)",
		collections => ['liked'],
		codes => $removal eq 'true' ? '' : '22000',
	};
}

my %plays_call = (
	sql => 'SELECT status FROM spotify_sync_recently_played()',
	collections => ['recently_played'],
	codes => '');
my %all_call = (
	sql => 'CALL spotify_sync_all()',
	collections => [ 'liked', 'recently_played' ],
	codes => '22000');
my %refresh_call = (
	sql => 'SELECT spotify_refresh_token() > now()',
	collections => [],
	codes => '');

sub random_call
{
	my ($fault) = @_;
	return one_of(
		(liked_call($fault)) x 12, (\%plays_call) x 3, (\%all_call) x 3, \%refresh_call);
}

# ------------------------------------------------------------ what is there now

my $before; # what was there before a run
my %counts;

my $OBSERVE = <<~SQL;
	SELECT json_build_object(
	    'stored', ($STORED),
	    'plays', (
	        SELECT COALESCE(json_agg(to_char(played_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z "') || track_id),
	                        '[]')
	          FROM spotify.plays),
	    'rows', (SELECT count(*) FROM spotify.sync_runs),
	    'last', (SELECT COALESCE(max(run_id), 0) FROM spotify.sync_runs),
	    'new', (SELECT COALESCE(json_agg(r ORDER BY run_id), '[]') FROM spotify.sync_runs AS r WHERE run_id > %s),
	    'is_limited', retry_after IS NOT NULL AND retry_after > clock_timestamp(),
	    'needs_authorization', needs_authorization)
	  FROM spotify.accounts
	SQL

my $TELLS_SECRETS = q{SELECT count(*) FROM spotify.sync_runs AS r WHERE r::text ~ 'mock-(?!pkce-client)'};

my $WORKERS = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'spotify_etl worker'";

sub is_without_worker
{
	my $end = time + $LONGEST_WORKER;
	until (value($calls->{session}, $WORKERS) eq '0')
	{
		return 0 if time > $end;
		sleep 0.01;
	}
	return 1;
}

# Also the rows of the runs since one.
sub observe_since
{
	my ($run_id) = @_;
	return $json->decode(value($calls->{session}, sprintf $OBSERVE, $run_id));
}

# A worker that a session left behind need not have begun: so many rows are to
# come.
sub await_failures
{
	my ($count) = @_;
	my $are_there =
	  "SELECT count(*) >= $count FROM spotify.sync_runs WHERE status = 'failed' AND run_id > $before->{last}";
	my $end = time + $LONGEST_WORKER;

	sleep 0.01 until time > $end || value($calls->{session}, $are_there) eq 't';
	return;
}

# ------------------------------------------------------------ what must be true

# Of a call: whether it ended as it may.
sub wrong_ends
{
	my ($outcome, $may_fail) = @_;
	my @wrong;

	my $may = join '|', grep { $_ ne '' } $may_fail, $outcome->{may_end} // '';
	push @wrong, "it fails with $outcome->{code}: $outcome->{text}"
	  if $outcome->{code} ne '' && $outcome->{code} !~ /^(?:$may)$/;
	push @wrong, "it could not be recorded: $outcome->{text}"
	  if $outcome->{text} =~ /could not record/ && $outcome->{code} ne '57014';
	push @wrong, "a secret: $outcome->{text}" if $outcome->{text} =~ /mock-(?!pkce-client)/;
	return @wrong;
}

# Whether an error came while a run was under way.
sub is_in_run { my ($outcome) = @_; return $outcome->{text} =~ /CONTEXT:.*sync of collection/s ? 1 : 0; }

# How many rows the calls must have left: [least, most] of those that failed, and
# of the others.  A cancelled run is recorded in a hurry, or says that it is not.
sub expected_rows
{
	my ($call, @outcomes) = @_;
	my ($failed, $others) = ([ 0, 0 ], [ 0, 0 ]);
	my $runs = @{ $call->{collections} };

	for my $outcome (@outcomes)
	{
		my $is_failed = $outcome->{code} ne '';
		my $is_ended = $is_failed && $outcome->{code} =~ /^(?:57|lost)/;
		if ($is_failed && $outcome->{kept} eq 'maybe')
		{
			$failed->[0] += $outcome->{is_recorded} && is_in_run($outcome);
			$failed->[1] += $runs;
			$others->[1] += $runs;
		}
		elsif ($is_failed)
		{
			$failed->[0] += $runs > 0 && (!$is_ended || is_in_run($outcome))
			  && $outcome->{text} !~ /could not record/;
			$failed->[1] += $runs;
			$others->[1] += $runs - 1 if $runs > 1 && $outcome->{kept} eq 'yes';
		}
		elsif ($outcome->{kept} ne 'no')
		{
			$others->[0] += $runs;
			$others->[1] += $runs;
		}
	}
	return ($failed, $others);
}

# Of the log of runs: each call left the rows that it must.
sub wrong_rows
{
	my ($call, $after, @outcomes) = @_;
	my @new = @{ $after->{new} };
	my @failed = grep { $_->{status} eq 'failed' } @new;
	my $others = @new - @failed;
	my ($may_fail, $may_not) = expected_rows($call, @outcomes);
	my $runs = @{ $call->{collections} } * @outcomes;
	my @wrong;

	push @wrong, 'a row of an earlier run is gone'
	  if $after->{rows} != $before->{rows} + @new;
	push @wrong, sprintf '%d failed runs are recorded, not %d to %d', scalar @failed, @$may_fail
	  if @failed < $may_fail->[0] || @failed > $may_fail->[1];
	push @wrong, sprintf '%d other runs are recorded, not %d to %d', $others, @$may_not
	  if $others < $may_not->[0] || $others > $may_not->[1];
	push @wrong, @new . " rows for $runs runs" if @new > $runs;
	push @wrong, map { "the wrong code is recorded: $_->{error_code}: $_->{error_message}" }
	  grep { my $row = $_; !grep { $_->{code} eq $row->{error_code} || $_->{code} =~ /^(?:57|lost)/ } @outcomes }
	  @failed
	  if $runs == @outcomes;
	$counts{"$_->{collection} $_->{mode} $_->{status}"}++ for @new;
	return @wrong;
}

# Of the likes: what was liked all the time and active still is, and nothing is
# written but by a run that did not fail.
sub wrong_likes
{
	my ($after, $truth_before) = @_;
	my @runs = grep { $_->{collection} eq 'liked' && $_->{status} ne 'failed' } @{ $after->{new} };
	my ($was, $is) = map { $_->{stored}{active} } $before, $after;
	my $truth = $library->truth;
	my @wrong;

	push @wrong, map { "$_ is liked and became inactive" }
	  grep { exists $truth->{$_} && $truth->{$_} eq $truth_before->{$_} && exists $was->{$_} && !exists $is->{$_} }
	  sort keys %$truth_before;
	push @wrong, damage({ %{ $after->{stored} }, inactive => [] });
	push @wrong, 'likes changed without a run'
	  if !@runs && $json->encode($was) ne $json->encode($is);
	return @wrong;
}

# Of a run that was told the truth, the whole list, and says that it succeeded.
sub wrong_truth
{
	my ($fault, @new) = @_;
	return () if $fault->{name} ne 'nothing' || $faults->is_lying;
	return () unless @new && $new[-1]{collection} eq 'liked' && "$new[-1]{mode} $new[-1]{status}" eq 'full succeeded';
	return map { "after a full scan: $_" } liked_differences($calls->{session}, $mock);
}

# Of the plays: each is there once, none is invented, and none is missing that a
# run could see.
sub wrong_plays
{
	my ($after) = @_;
	my @stored = @{ $after->{plays} };
	my %stored = map { $_ => 1 } @stored;
	my %true = map { $_ => 1 } true_plays($mock);

	hear_plays()
	  if grep { $_->{collection} eq 'recently_played' && $_->{status} ne 'failed' } @{ $after->{new} };
	return (
		(@stored != keys %stored ? 'a play is there twice' : ()),
		(map { "play $_ is invented" } grep { !$true{$_} } sort keys %stored),
		(map { "play $_ is missing" } grep { !$stored{$_} } sort keys %told),
		(map { "play $_ is there without a run" } grep { !$may_be{$_} } sort keys %stored));
}

# Of the login: the stored refresh token is good.  What nobody has written down
# when the worker is killed is gone, and then the login is given anew.
sub wrong_login
{
	my ($after, $fault, @outcomes) = @_;
	my $token = $server->value('SELECT refresh_token FROM spotify_private.credentials');

	if ($fault->{is_refusal} && $after->{needs_authorization})
	{
		my $answer = ask($calls->{session}, 'SELECT spotify_refresh_token() > now()');
		return "the login does not work again at once: $answer->{text}" if $answer->{output} ne 't';
		$counts{'login refused and back'}++;
		return;
	}
	if (!$server->is_token_kept($mock, $token))
	{
		my $may_lose = $outcomes[0]{may_lose} && $mock->count->{token};
		my $new = 'mock-refresh-token-' . random(1_000_000);
		$mock->post('refresh_token', { refresh_token => $new, client_id => 'mock-pkce-client' });
		authorize($new);
		$counts{'login lost with its worker'}++ if $may_lose;
		return $may_lose ? () : 'the login is lost';
	}
	return $after->{needs_authorization} ? 'the account needs an authorization' : ();
}

# ------------------------------------------------------------------- one step

sub forget_access_token
{
	value($calls->{session}, 'UPDATE spotify_private.credentials SET access_token = NULL');
	return;
}

sub end_limit
{
	value($calls->{session}, 'UPDATE spotify.accounts SET retry_after = NULL');
	return;
}

# What must be so before a run for its fault to strike, and what else by chance.
sub prepare
{
	my ($fault) = @_;

	$faults->arm(@{ $fault->{rules} });
	end_limit() if one_in(2);
	forget_access_token() if $fault->{needs_token} || one_in(4);
	$mock->post('expire', { access_tokens => 'all' }) if one_in(6) && !$fault->{keeps_tokens};
	$before = observe_since($NO_RUN);
	$mock->forget_log;
	return;
}

# What a run leaves behind, once nothing is under way any more.
sub observe_end
{
	my ($call, @outcomes) = @_;
	my ($failures) = expected_rows($call, @outcomes);
	my @wrong;

	await_failures($failures->[0]) if $failures->[0] > 0;
	push @wrong, 'a worker is left' unless is_without_worker();
	ask($calls->{session}, "RESET spotify_etl.$_") for qw(max_retry_wait request_timeout max_retries);
	$library->see;
	return (observe_since($before->{last}), @wrong);
}

# One call, or two of the same; returns what is wrong.
sub play_step
{
	my ($step) = @_;
	my $fault = $faults->random_fault;
	my $call = random_call($fault);
	my $manner = $calls->random_manner;
	my $settings = join ';', 'SET spotify_etl.max_concurrency = ' . one_of(1, 1, 2, 4), $fault->{settings} // ();
	my $truth = $library->truth;

	$faults->change_moods($step);
	prepare($fault);
	my $start = time;
	my @outcomes = $calls->call($manner, $call->{sql}, $settings);
	my $elapsed = time - $start;
	my $requests = $mock->count->{total};
	my ($after, @wrong) = observe_end($call, @outcomes);
	my $may_fail = join '|', grep { $_ ne '' } $call->{codes}, $fault->{codes}, $before->{is_limited} ? '53400' : ();

	push @wrong,
	  (map { wrong_ends($_, $may_fail) } @outcomes),
	  wrong_rows($call, $after, @outcomes),
	  wrong_likes($after, $truth),
	  wrong_truth($fault, @{ $after->{new} }),
	  wrong_plays($after);
	push @wrong, sprintf 'it took %.1f s', $elapsed if $elapsed > $LONGEST;
	push @wrong, "$requests requests within a limit" if $requests && $before->{is_limited};
	$faults->arm;
	push @wrong, wrong_login($after, $fault, @outcomes);
	$counts{"call $manner"} += @outcomes;
	my $told = sprintf "step %d, %s %s, %s, %s, ended %s", $step, $call->{sql}, $manner, $fault->{name},
	  $faults->mood, join ' ', map { $_->{code} || 'well' } @outcomes;
	note($told);
	return map { "seed $seed, $told: $_" } @wrong;
}

# -------------------------------------------------------------------- all quiet

# A run without any fault; returns its row.
sub quiet_run
{
	my $arguments = join ', ', 'allow_mass_removal => true', @_;
	my $answer = ask($calls->{session}, "SELECT row_to_json(r) FROM spotify_sync_liked($arguments) AS r");
	$counts{runs}++;
	return defined $answer->{code}
	  ? { status => "failed: $answer->{text}", requests => 0 }
	  : $json->decode($answer->{output});
}

# While Spotify leaves something open, and nothing changes, a run is a delta that
# costs what it does when all is settled, and now and then the questions.
sub wrong_while_open
{
	my ($library_number) = @_;
	my (@wrong, @told);

	$faults->leave_open;
	end_limit();
	$library->change(2);
	quiet_run() for 1 .. 3;
	my $active = value($calls->{session}, 'SELECT count(*) FROM spotify.liked_tracks WHERE is_active');
	my $questions = ceil(max(0, $active - scalar keys %{ $library->truth }) / $MOST_ASKED);
	for (1 .. 4)
	{
		my $run = quiet_run();
		push @told, "$run->{mode} $run->{status} $run->{requests}";
		push @wrong, 'an open question' if $run->{mode} ne 'delta'
		  || $run->{requests} > 3 + $AUDIT_PAGES + $questions;
	}
	return map { "seed $seed, library $library_number, while " . $faults->mood . ": $_ (@told)" } @wrong;
}

# Nothing is to be seen of what went wrong within a turn of the audit.
sub wrong_in_the_end
{
	my ($library_number) = @_;
	my $pages = max(1, ceil($library->size / 50));
	my $longest = ceil(($pages - 1) / $AUDIT_PAGES) + 3;
	my $runs = 0;
	my (@wrong, @told, $run, @differences);

	$faults->calm;
	end_limit();
	do
	{
		$run = quiet_run($runs == 0 && one_in(3) ? 'full_scan => true' : ());
		$runs++;
		push @told, "$run->{mode} $run->{status} $run->{requests}";
		push @wrong, "a run in quiet: $run->{status}" if $run->{status} =~ /^failed/;
		@differences = liked_differences($calls->{session}, $mock);
	} until $runs >= $longest || (!@differences && $run->{status} eq 'succeeded' && $runs > 1);
	push @wrong, map { "after $runs quiet runs (@told): $_" } @differences;

	my $count = 2 + min($AUDIT_PAGES, $pages - 1);
	$run = quiet_run();
	push @wrong, "an unchanged list: $run->{mode}, $run->{status}, $run->{requests} requests"
	  if $run->{status} ne 'succeeded' || $run->{mode} ne 'delta' || $run->{requests} > $count;
	value($calls->{session}, 'SELECT spotify_sync_recently_played()');
	hear_plays();
	push @wrong, wrong_plays(observe_since($NO_RUN));
	push @wrong, map { "file $_ is left" } $server->spooled;
	push @wrong, 'a secret is in the log of runs' if value($calls->{session}, $TELLS_SECRETS) ne '0';
	return map { "seed $seed, library $library_number, in quiet: $_" } @wrong;
}

# ------------------------------------------------------------------------- all

my $libraries = ceil($steps / $STEPS_PER_LIBRARY);
my $step = 0;

play_all('libraries', $libraries, 1, sub {
	my ($number) = @_;
	my @wrong;

	$faults->calm;
	$library->replace(size => one_of(30 + random(370), 30 + random(120)), spacing => one_of(60, 60, 0));
	for (1 .. $STEPS_PER_LIBRARY)
	{
		# What a run met by the server's chance does not change the next one.
		srand $seed * 1_000_003 + ++$step;
		$library->see;
		$library->change(2);
		play_music();
		tell_anew();
		push @wrong, play_step($step);
	}
	return (@wrong, wrong_while_open($number), wrong_in_the_end($number));
});

note("$_: $counts{$_}") for sort keys %counts;
my $log = slurp_file($node->logfile);
unlike($log, qr/mock-(?:secret|access-|refresh-|code-|pkce-refresh)/, 'no secret is in the server log');
is(scalar(() = $log =~ /was terminated by signal/g), $calls->{kills}, 'no process crashed but those that were killed');
unlike($log, qr/PANIC:|TRAP:/, 'and none panicked');
is_deeply([ $server->spooled ], [], 'no spool file is left');
is(value($calls->{session}, $WORKERS), 0, 'no worker is left');

$calls->{session}->quit;
$node->stop;
done_testing();
