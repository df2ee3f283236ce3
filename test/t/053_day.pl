# A whole day: 26 hourly runs of both collections, while music is played, tracks
# are liked and unliked, Spotify is out of order for two hours, tells nonsense
# twice, and the quota is used up for five.
#
# The day lies in the past and ends now.  Plays, likes and tokens follow the
# mock's clock, which is set to each hour in turn.  The server's clock cannot be
# set, so that for each hour that passes, what the server wrote by its own clock
# (the end of its access token, retry_after, the log of runs) moves an hour into
# the past instead.  The two frames meet in the last hour.

use strict;
use warnings;

use List::Util qw(sum0);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use SpotifyMock;
use SpotifyPlays;
use SpotifyTest;

my $HOURS = 26;
my $HOUR = 3600;
my $WINDOW = 50;            # plays that Spotify tells
my $API = { path => '/v1/' };
my $PLAYS = { path => '/me/player/recently-played$', times => 1 };

# What happens in an hour before its runs, beside music and likes.
my %EVENTS = (
	5 => \&late_play,
	6 => \&null_track,
	9 => sub { out_of_order() },
	11 => sub { in_order() },
	12 => \&late_play,
	13 => \&empty_answer,
	15 => \&use_up_quota,
	21 => \&renew_quota,
	23 => \&tomorrow);

# SQLSTATEs with which the runs of an hour fail: of likes, then of plays.
my %FAILURES = (
	(map { $_ => [ '08006', '08006' ] } 9, 10),
	(map { $_ => [ '53400', '53400' ] } 15 .. 20),
	23 => [ undef, '22000' ]);

# Numbers of plays in some hours: none, and more than Spotify keeps.  In all
# others there are 8 to 15.
my %PLAYED = (2 => 0, 3 => 0, 18 => 14, 25 => 70);

my $mock = SpotifyMock->start;
my $node = start_node($mock, name => 'day');
create_account($node);
my $session = open_session($node);
my $begin = int(time) - $HOURS * $HOUR;
my $hour = 0;

$mock->post('library', { size => 120, start => time_text($begin - 86400) });
srand 20261121;

sub value { return $node->safe_psql('postgres', $_[0]); }

# A moment of the hour before the runs, in seconds since 1970: part is 0 to 1.
sub moment { return $begin + ($hour - 1 + $_[0]) * $HOUR; }

sub late_play { play($mock, moment(-2) + 7.5, index => 500 + $hour); return; }
sub null_track { play($mock, moment(0.55), track => undef); return; }
sub out_of_order { $mock->fault({ match => $API, action => { status => 503 } }); return; }
sub in_order { $mock->no_faults; return; }
sub empty_answer { $mock->fault({ match => $PLAYS, action => { empty => 1 } }); return; }
sub use_up_quota { $mock->post('config', { quota => 0, quota_retry_after => 5.5 * $HOUR }); return; }
sub renew_quota { $mock->post('config', { quota => undef }); return; }

sub tomorrow
{
	$mock->fault({ match => $PLAYS,
			action => { set => { 'items.0.played_at' => time_text(time + 86400) } } });
	return;
}

# Both clocks go on by an hour: see above.
sub pass_hour
{
	$hour++;
	$mock->post('clock', { now => time_text($begin + $hour * $HOUR) });
	value(<<~'SQL');
		UPDATE spotify.accounts SET retry_after = retry_after - interval '1 hour';
		UPDATE spotify_private.credentials
		   SET access_token_expires_at = access_token_expires_at - interval '1 hour';
		UPDATE spotify.sync_runs
		   SET started_at = started_at - interval '1 hour',
		       finished_at = finished_at - interval '1 hour'
		SQL
	return;
}

# What the user does in an hour.
sub live
{
	my $count = $PLAYED{$hour} // 8 + int rand 8;

	play($mock, moment($_ / ($count + 1)), index => int rand 40, context => 'playlist') for 1 .. $count;
	$mock->post('like', { count => int rand 3 });
	$mock->post('unlike', { positions => [ int rand 100 ] }) if rand() < 0.5;
	return;
}

# One run in the session, by its function; returns what ask does, with the row
# of the run as it is stored.
sub run_sync
{
	my ($function) = @_;
	my $answer = ask($session, "SELECT spotify_sync_$function()");
	my ($run) = query_rows($session, 'SELECT * FROM spotify.sync_runs ORDER BY run_id DESC LIMIT 1');
	return { %$answer, run => $run };
}

# That a run ended as it must in this hour; returns whether it succeeded.
sub ends_as_expected
{
	my ($answer, $collection, $code) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $run = $answer->{run};
	is_deeply(
		[ $answer->{code}, @$run{qw(collection status error_code)} ],
		[ $code, $collection, defined $code ? 'failed' : 'succeeded', $code ],
		"hour $hour: $collection " . (defined $code ? "fails with $code" : 'succeeds'))
	  or diag($answer->{text});
	return !defined $code;
}

# The day.  Told is what a run that succeeded could see of the plays.

my (%told, @gap_runs, @hours);
for (1 .. $HOURS)
{
	pass_hour();
	live();
	$EVENTS{$hour}->() if $EVENTS{$hour};
	$mock->forget_log;
	my ($liked_code, $plays_code) = @{ $FAILURES{$hour} // [] };

	my $liked = run_sync('liked');
	is_deeply([ liked_differences($session, $mock) ], [], "hour $hour: likes are true")
	  if ends_as_expected($liked, 'liked', $liked_code);
	my $plays = run_sync('recently_played');
	if (ends_as_expected($plays, 'recently_played', $plays_code) && $hour != 13)
	{
		my @window = @{ $mock->get('plays') };
		splice @window, $WINDOW if @window > $WINDOW;
		$told{"$_->{played_at} $_->{id}"} = 1 for grep { defined $_->{id} } @window;
	}
	push @gap_runs, $hour if $plays->{text} =~ /WARNING:.* may be missing between /;
	is($mock->count->{total}, 0, "hour $hour: nothing is asked") if $hour > 15 && $hour < 21;
	push @hours, { liked => $liked->{run}, plays => $plays->{run} };
}

# Every play that the window allowed is there once

my @stored = stored_plays($session);
is_deeply([ play_differences(\@stored, [ keys %told ]) ], [], 'every play that was told is stored, and no other');
is(scalar @stored, scalar keys %told, 'and once');
cmp_ok(scalar @stored, '>', 250, 'there were many');

# Gaps are where plays were lost, and nowhere else

my @lost = map { (split / /)[0] } grep { !$told{$_} } true_plays($mock);
my @gaps = query_rows($session, <<~'SQL');
	SELECT to_char(gap_start AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS begins,
	       to_char(gap_end AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS ends,
	       run_id
	  FROM spotify.play_gaps ORDER BY gap_start
	SQL
cmp_ok(scalar @lost, '>', 20, 'plays were lost');
is(scalar @gaps, 2, 'there are two gaps: the lockout, and the hour of many plays');
is_deeply([ map { $_->{run_id} } @gaps ], [ map { $hours[ $_ - 1 ]{plays}{run_id} } 21, 25 ],
	'the runs that found them are those after');
is_deeply(\@gap_runs, [ 21, 25 ], 'these runs warned, and no others');
for my $gap (@gaps)
{
	my @inside = grep { $_ gt $gap->{begins} && $_ lt $gap->{ends} } @lost;
	cmp_ok(scalar @inside, '>', 0, "between $gap->{begins} and $gap->{ends} plays were lost");
}
is_deeply(
	[ grep { my $time = $_; !grep { $time gt $_->{begins} && $time lt $_->{ends} } @gaps } @lost ],
	[], 'no play was lost elsewhere');

# The log of runs tells the story

is(value('SELECT count(*) FROM spotify.sync_runs'), 2 * $HOURS, 'each run has its row');
is(value(<<~'SQL'), scalar @stored, 'the runs counted what they inserted');
	SELECT sum(inserted) FROM spotify.sync_runs WHERE collection = 'recently_played'
	SQL
is(value(<<~'SQL'), 0, 'each play names the run that stored it');
	SELECT count(*)
	  FROM spotify.plays AS play
	  LEFT JOIN spotify.sync_runs AS run
	         ON run.run_id = play.run_id
	        AND run.collection = 'recently_played'
	        AND run.status = 'succeeded'
	 WHERE run.run_id IS NULL
	SQL
is_deeply([ map { $hours[ $_ - 1 ]{plays}{inserted} } 2, 3, 13 ], [ 0, 0, 0 ], 'hours without plays inserted none');
is($hours[5]{plays}{skipped}, 1, 'the track that was null was skipped');
is_deeply([ map { $hours[ $_ - 1 ]{plays}{requests} } 16 .. 20 ], [ (0) x 5 ], 'the lockout cost no request');
cmp_ok($_->{plays}{requests}, '<=', 2, "a run of plays in good order is one request, and one for a token at most")
  for grep { $_->{plays}{status} eq 'succeeded' } @hours;
is(value('SELECT requests_last_24_hours FROM spotify.account_status'),
	sum0(map { $_->{liked}{requests} + $_->{plays}{requests} } @hours[ 2 .. $HOURS - 1 ]),
	'account_status counts the requests of the last 24 hours');
is(value('SELECT last_recently_played_status FROM spotify.account_status'), 'succeeded', 'and shows the last run');

# So do the checks

my %checks;
push @{ $checks{ $_->{run_id} } }, $_
  for query_rows($session, 'SELECT * FROM spotify.quality_checks ORDER BY run_id, check_name');
my @failed;
for my $i (1 .. $HOURS)
{
	my $run = $hours[ $i - 1 ]{plays};
	my @made = @{ $checks{ $run->{run_id} } // [] };
	my $expected =
	  $run->{status} eq 'succeeded' || ($run->{error_code} // '') eq '22000'
	  ? 'no_nulls not_empty unique_key within_period'
	  : '';
	is(join(' ', map { $_->{check_name} } @made), $expected, "hour $i: the checks that were made");
	push @failed, map { "$i $_->{check_name}" } grep { !$_->{passed} } @made;
}
is_deeply(\@failed, [ '13 not_empty', '23 within_period' ], 'those that failed');

# And the views

is(value('SELECT sum(plays) FROM spotify.listening_by_day'), scalar @stored, 'listening_by_day has every play');
is(value('SELECT sum(plays) FROM spotify.listening_by_hour'), scalar @stored, 'listening_by_hour too');
is(value('SELECT sum(plays) FROM spotify.top_tracks'), scalar @stored, 'top_tracks too');
is(value('SELECT sum(count) FROM spotify.fav_artist'), scalar @stored, 'fav_artist too');

# Nothing is left to do.

is(sync_plays($node, q{period => '24 hours'})->{inserted}, 0, 'a run for the last 24 hours finds nothing new');

$session->quit;
$node->stop;
done_testing();
