# What becomes of plays: new ones, late ones, odd ones, those that were stored
# before, gaps where Spotify kept too few, periods, and failing requests.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use SpotifyMock;
use SpotifyPlays;
use SpotifyTest;

my $PATH = '/me/player/recently-played$';
my $HOUR = 3600;

my $mock = SpotifyMock->start;
my $node = start_node($mock, name => 'plays');
create_account($node);
my $session = open_session($node);
my $now = int time;

sub value { return $node->safe_psql('postgres', $_[0]); }

# No plays, neither there nor here.
sub renew
{
	forget_plays($node, $mock);
	$now = int time;
	return;
}

# That a run succeeded and counted what is expected, nothing else, and that
# the row it returned is the one that is stored.
sub check_run
{
	my ($run, $name, %expected) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my %row = (
		account => 'default', collection => 'recently_played', mode => 'full',
		status => 'succeeded', total => undef, fetched => 0, inserted => 0,
		deactivated => 0, reactivated => 0, updated => 0, skipped => 0,
		error_code => undef, error_message => undef, %expected);
	my $stored = query_row($node,
		"SELECT * FROM spotify.sync_runs WHERE run_id = $run->{run_id}");

	is_deeply({ map { $_ => $run->{$_} } keys %row }, \%row, "$name: the row of the run");
	is_deeply([ @$run{ sort keys %$stored } ], [ @$stored{ sort keys %$stored } ],
		"$name: it is stored");
	return;
}

# That what is stored is what the mock knows.
sub is_true
{
	my ($name, @expected) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my @stored = stored_plays($session);
	@expected = true_plays($mock) unless @expected;
	is_deeply([ play_differences(\@stored, \@expected) ], [], "$name: the table is true");
	return;
}

# Nothing played: an empty answer, whose cursors are null, is no error

my $run = sync_plays($node);
check_run($run, 'no plays', requests => 2);
is($run->{warnings}, '', 'no plays: no warning');

# One request, as it must be

play($mock, $now - $HOUR + 60 * $_, index => $_, context => 'album') for 1 .. 3;
$mock->forget_log;
$run = sync_plays($node);
check_run($run, 'three plays', fetched => 3, inserted => 3, requests => 1);
is_true('three plays');
my @log = @{ $mock->log };
is(scalar @log, 1, 'one request');
like($log[0]{path}, qr/$PATH/, 'of the last plays');
is_deeply($log[0]{query}, { limit => '50' }, 'with limit 50 and nothing else');
is($run->{warnings}, '', 'three plays: no warning');
is(value(<<~'SQL'), 3, 'each play names its run, and what it was played from');
	SELECT count(*)
	  FROM spotify.plays AS play
	  JOIN spotify.tracks AS track USING (track_id)
	 WHERE run_id = (SELECT max(run_id) FROM spotify.sync_runs)
	   AND context_type = 'album'
	   AND context_uri = 'spotify:album:' || track.album_id
	SQL

# A run without a change writes its own rows and nothing else

my $before = table_digests($node);
check_run(sync_plays($node), 'nothing new', fetched => 3, requests => 1);
is_deeply(table_digests($node), $before, 'nothing new: nothing is written');

# What is played is kept as for likes

my $name = value('SELECT name FROM spotify.tracks ORDER BY track_id LIMIT 1');
my $track = value('SELECT track_id FROM spotify.tracks ORDER BY track_id LIMIT 1');
isnt($name, '', 'a track has its name');
is(value('SELECT count(*) FROM spotify.tracks WHERE duration_ms > 0 AND album_id IS NOT NULL'),
	3, 'tracks have their lengths and albums');
is(value('SELECT count(DISTINCT track_id) FROM spotify.track_artists'), 3, 'and their artists');
$mock->post('rename', { id => $track, name => 'Another name' });
check_run(sync_plays($node), 'a renamed track', fetched => 3, requests => 1);
is(value("SELECT name FROM spotify.tracks WHERE track_id = '$track'"),
	'Another name', 'a renamed track has its new name');

# The time is kept to the millisecond, and a track may be played again

renew();
play($mock, $now - 100.001, index => 1);
play($mock, $now - 131.002, index => 1);
play($mock, $now - 100.002, index => 2);
check_run(sync_plays($node), 'plays a millisecond apart', fetched => 3, inserted => 3, requests => 1);
is_true('plays a millisecond apart');

# Late plays, older than the newest that is stored

play($mock, $now - 3 * $HOUR, index => 5);
play($mock, $now - 50, index => 6);
check_run(sync_plays($node), 'a late play', fetched => 5, inserted => 2, requests => 1);
is_true('a late play');
check_gaps($session, 'no gaps so far');

# Contexts of any type, or none

renew();
my @contexts = (
	undef,
	'playlist',
	'artist',
	{ type => 'collection', uri => 'spotify:user:x:collection', href => undef, external_urls => {} },
	{ type => 'collectionyourepisodes', uri => undef },
	{ type => 'something new', uri => 'spotify:something:new' },
	{},
	{ type => 7, uri => [] },
	'not an object');
pop @contexts;
play($mock, $now - 1000 + $_, index => $_, context => $contexts[$_]) for 0 .. $#contexts;
$mock->fault({ match => { path => $PATH, times => 1 }, action => { set => { 'items.0.context' => 'text' } } });
check_run(sync_plays($node), 'contexts', fetched => 8, inserted => 8, requests => 1);
is(value(<<~'SQL'), <<~'EXPECTED' =~ s/\n\z//r, 'contexts of any type are kept as they are');
	SELECT COALESCE(context_type, '-') || ' ' || COALESCE(left(context_uri, 15), '-')
	  FROM spotify.plays ORDER BY played_at
	SQL
	- -
	playlist spotify:playlis
	artist spotify:artist:
	collection spotify:user:x:
	collectionyourepisodes -
	something new spotify:somethi
	- -
	- -
	EXPECTED

# Entries without identity

renew();
play($mock, $now - 100 - $_, index => $_) for 1 .. 5;
play($mock, $now - 50, track => undef);
play($mock, $now - 60, track => { type => 'episode', id => 'x' x 22, uri => 'spotify:episode:' . 'x' x 22 });
play($mock, $now - 70, track => { name => 'nobody knows' });
play($mock, $now - 80,
	track => { id => undef, is_local => JSON::PP::true, name => 'Side B', uri => 'spotify:local:a:b:c:1' });
$mock->fault({ match => { path => $PATH, times => 1 }, action => { set => { 'items.8' => undef } } });
$run = sync_plays($node);
check_run($run, 'odd entries', fetched => 9, inserted => 5, skipped => 4, requests => 1);
is(value(q{SELECT count(*) FROM spotify.plays WHERE track_id = 'spotify:local:a:b:c:1'}),
	1, 'a local file is stored by its URI');

# Gaps

renew();
play($mock, $now - 10 * $HOUR + $_, index => $_) for 1 .. 3;
$run = sync_plays($node);
my @first = true_plays($mock);
play($mock, $now - 5 * $HOUR + $_, index => $_) for 1 .. 49;
$run = sync_plays($node);
check_run($run, 'a full window that reaches back', fetched => 50, inserted => 49, requests => 1);
check_gaps($session, 'a full window that reaches back is no gap');
is_true('a full window that reaches back');

my $newest = time_text($now - 5 * $HOUR + 49);
play($mock, $now - 3 * $HOUR + $_, index => $_) for 1 .. 60;
$run = sync_plays($node);
check_run($run, 'sixty plays', fetched => 50, inserted => 50, requests => 1);
check_gaps($session, 'sixty plays leave a gap', [ $newest, time_text($now - 3 * $HOUR + 11) ]);
my $between = value(q{SELECT gap_start || ' and ' || gap_end FROM spotify.play_gaps});
like($run->{warnings}, qr/WARNING:  plays of account "default" may be missing between \Q$between\E$/m, 'and a warning');
like($run->{warnings}, qr/HINT:.*Sync more often/, 'with a hint');
is(value('SELECT run_id FROM spotify.play_gaps'), $run->{run_id}, 'the gap names its run');

$run = sync_plays($node);
check_run($run, 'the same window again', fetched => 50, requests => 1);
is($run->{warnings}, '', 'the same window again: no warning');
is(value('SELECT count(*) FROM spotify.play_gaps'), 1, 'and no other gap');

# A first run shows no gap: nothing was stored before.

renew();
play($mock, $now - $HOUR + $_, index => $_) for 1 .. 70;
$run = sync_plays($node);
check_run($run, 'a first run with a full window', fetched => 50, inserted => 50, requests => 1);
check_gaps($session, 'a first run shows no gap');

# Another account's plays do not count.

$mock->post('user', { id => 'second' });
$mock->post('refresh_token', { refresh_token => 'mock-refresh-token-2', user => 'second' });
value(q{SELECT spotify_set_account('mock-client', 'mock-secret', 'mock-refresh-token-2', account => 'second')});
play($mock, $now - 20 * $HOUR + $_, index => $_, user => 'second') for 1 .. 60;
check_run(sync_plays($node, q{'second'}), 'another account',
	account => 'second', fetched => 50, inserted => 50, requests => 2);
check_gaps($session, 'the plays of another account are no reason for a gap');
is_deeply(
	[ play_differences([ stored_plays($session, account => 'second') ],
			[ (true_plays($mock, user => 'second'))[0 .. 49] ]) ],
	[], 'each account has its own plays');
like(sync_plays_fails($session)->{detail}, qr/"default", "second"/, 'with several accounts one must be named');
value(q{SELECT spotify_forget_account('second')});
is(value(q{SELECT count(*) FROM spotify.plays WHERE account = 'second'}), 0, 'a forgotten account has none');

# Periods

renew();
play($mock, $now - $_ * $HOUR + 600, index => $_) for 1 .. 6;
$run = sync_plays($node, q{period => '3 hours'});
check_run($run, 'a period', fetched => 6, inserted => 3, requests => 1);
is_true('a period', (true_plays($mock))[0 .. 2]);
is(value('SELECT count(*) FROM spotify.tracks'), 3, 'tracks of other plays are not stored');
check_run(sync_plays($node, q{period => '1 minute'}), 'a period without plays', fetched => 6, requests => 1);
check_run(sync_plays($node, q{NULL, '1 month'}), 'a long period', fetched => 6, inserted => 3, requests => 1);
is_true('a long period');

for my $period ('0', '-1 hour', '1 day -25 hours')
{
	$mock->forget_log;
	my $error = sync_plays_fails($session, "period => '$period'");
	is($error->{code}, '22023', "period $period: the error is 22023");
	like($error->{hint}, qr/24 hours/, "period $period: the hint");
	is($mock->count->{total}, 0, "period $period: nothing is asked");
}

# A period keeps a gap from nobody, and one gap is one row.

renew();
play($mock, $now - 9 * $HOUR, index => 1);
sync_plays($node);
play($mock, $now - 2 * $HOUR + $_, index => $_) for 1 .. 50;
for (1 .. 2)
{
	$run = sync_plays($node, q{period => '1 hour'});
	check_run($run, 'a gap before the period', fetched => 50, requests => 1);
	check_gaps($session, 'a gap before the period is recorded once',
		[ time_text($now - 9 * $HOUR), time_text($now - 2 * $HOUR + 1) ]);
}

# Spotify sends more or less than asked

renew();
play($mock, $now - $HOUR + $_, index => $_) for 1 .. 30;
$mock->fault({ match => { path => $PATH, times => 1 },
		action => { serve => { limit => 20 }, echo_limit => 'asked' } });
check_run(sync_plays($node), 'a server that ignores the limit', fetched => 20, inserted => 20, requests => 1);
$mock->fault({ match => { path => $PATH, times => 1 }, action => { empty => 1 } });
check_run(sync_plays($node), 'an answer that is empty by mistake', fetched => 0, requests => 1);
check_run(sync_plays($node), 'and then a right one', fetched => 30, inserted => 10, requests => 1);
is_true('and then a right one');
$mock->fault({ match => { path => $PATH, times => 1 }, action => { numbers => 'float' } });
check_run(sync_plays($node), 'integers as floats', fetched => 30, requests => 1);
$mock->fault({ match => { path => $PATH, times => 1 },
		action => { remove => [ 'next', 'cursors', 'limit', 'href' ] } });
check_run(sync_plays($node), 'nothing but items', fetched => 30, requests => 1);

# Failures: one error, nothing changed, and the run is recorded

play($mock, $now - 5, index => 99);
for my $case (
	[ 'a body that is no JSON', { status => 200, body => '<html>' }, '08P01' ],
	[ 'no items', { remove => ['items'] }, '08P01' ],
	[ 'an error with status 200', { body => { error => { status => 500 } } }, '08P01' ],
	[ 'always 503', { status => 503 }, '08006' ],
	[ 'a scope that is missing', { status => 403 }, '28000' ],
	[ 'a quota that is used up', { status => 429, retry_after => 7200 }, '53400' ])
{
	my ($what, $action, $code) = @$case;
	my @stored = stored_plays($session);
	$mock->fault({ match => { path => $PATH }, action => $action });
	my $error = sync_plays_fails($session);
	is($error->{code}, $code, "$what: the error is $code") or diag($error->{text});
	like($error->{text}, qr/CONTEXT:  sync of collection "recently_played" of account "default"/, "$what: the context");
	unlike($error->{text}, qr/mock-secret|mock-refresh-|mock-access-/, "$what: no secret");
	is_deeply([ stored_plays($session) ], \@stored, "$what: no play is stored");
	is(value(<<~'SQL'), "recently_played|failed|$code|0|0", "$what: the run is recorded");
		SELECT collection, status, error_code, inserted, fetched
		  FROM spotify.sync_runs ORDER BY run_id DESC LIMIT 1
		SQL
	$mock->no_faults;
}

# The quota holds for all collections until it is over.

$mock->forget_log;
is(sync_plays_fails($session)->{code}, '53400', 'before retry_after: the error is 53400');
is(ask($session, 'SELECT spotify_sync_liked()')->{code}, '53400', 'likes too');
is($mock->count->{total}, 0, 'before retry_after: nothing is asked');
value('UPDATE spotify.accounts SET retry_after = NULL');
check_run(sync_plays($node), 'after it', fetched => 31, inserted => 1, requests => 1);
is_true('after it');

# An error once is mended by a repetition, a 401 by a new token

play($mock, $now - 4, index => 98);
$mock->fault({ match => { path => $PATH, times => 1 }, action => { status => 502 } });
check_run(sync_plays($node), '502 once', fetched => 32, inserted => 1, requests => 2, retries => 1);
$mock->post('expire', { access_tokens => 'all' });
check_run(sync_plays($node), 'an access token that ended', fetched => 32, requests => 3);

# One run at a time; likes are another collection

my $other = open_session($node);
ask($other, 'BEGIN');
ask($other, 'SELECT spotify_sync_recently_played()');
$mock->forget_log;
is(sync_plays_fails($session)->{code}, '55P03', 'a second run at a time: the error is 55P03');
is($mock->count->{total}, 0, 'a second run at a time asks nothing');
is(ask($session, 'SELECT status FROM spotify_sync_liked()')->{output}, 'succeeded', 'likes can be synced meanwhile');
is(ask($session, q{SELECT spotify_forget_account('default')})->{code},
	'55P03', 'the account cannot be forgotten meanwhile');
ask($other, 'ROLLBACK');
$other->quit;

# Answers that hold fewer plays than asked for, and say so: the older ones are
# asked for too

for my $case ([ 20, 70, 50, 3 ], [ 20, 40, 40, 3 ], [ 20, 39, 39, 2 ], [ 49, 50, 50, 2 ], [ 1, 3, 3, 4 ])
{
	my ($size, $played, $told, $requests) = @$case;
	my $name = "$played plays, $size in an answer";

	renew();
	play($mock, $now - $HOUR + $_ / 4, index => $_) for 1 .. $played;
	$mock->post('config', { max_page => $size });
	check_run(sync_plays($node), $name, fetched => $told, inserted => $told, requests => $requests);
	is_true($name, (true_plays($mock))[ 0 .. $told - 1 ]);
	check_run(sync_plays($node), "$name, again", fetched => $told, requests => $requests);

	# What was played since is all told, if it is not more than 50.
	play($mock, $now + $_ / 100, index => 500 + $_) for 1 .. 45;
	$run = sync_plays($node);
	is($run->{inserted}, 45, "$name, and 45 more: all are there") if $size == 20;
	is($run->{warnings}, '', "$name, and 45 more: no gap") if $size == 20 && $played >= 50;
	$mock->post('config', { max_page => undef });
}

# One that tells the same plays whatever it is asked for may hide others.
renew();
play($mock, $now - $HOUR, index => 1);
sync_plays($node);
play($mock, $now - $HOUR + 40 * $_, index => $_) for 2 .. 31;
$mock->post('config', { max_page => 20 });
$mock->fault({ match => { path => $PATH, nth => 2 }, action => { set => { items => [ reverse 1 .. 20 ] } } });
$run = sync_plays($node);
is($run->{inserted}, 20, 'plays hidden by their answer: the others are kept');
like($run->{warnings}, qr/only the last 20 plays/, 'plays hidden by their answer: a warning says so');
is(value('SELECT count(*) FROM spotify.play_gaps'), 1, 'plays hidden by their answer: the gap is kept');
$mock->no_faults;
is(sync_plays($node)->{inserted}, 10, 'plays hidden by their answer: the next run has them');
$mock->post('config', { max_page => undef });
renew();

# A cancel ends it at once

$mock->fault({ match => { path => $PATH }, action => { silent => 'start' } });
is(ask($session, q{SET statement_timeout = '300ms'; SELECT spotify_sync_recently_played()})->{code},
	'57014', 'statement_timeout ends it');
ask($session, 'RESET statement_timeout');
$mock->no_faults;

# account_status tells of the last run

is(value(q{SELECT last_recently_played_status, last_recently_played_run IS NOT NULL FROM spotify.account_status}),
	'failed|t', 'account_status shows the last run');
sync_plays($node);
is(value(q{SELECT last_recently_played_status FROM spotify.account_status}), 'succeeded', 'and the next');

# The scope is asked for

like(value('SELECT spotify_authorize_url()'), qr/user-read-recently-played/, 'the scope is one of those asked for');

# Forgetting the account

value(q{SELECT spotify_forget_account('default')});
is(value('SELECT count(*) FROM spotify.plays'), 0, 'no plays are left of a forgotten account');
is(value('SELECT count(*) FROM spotify.play_gaps'), 0, 'no gaps either');
is(value('SELECT count(*) FROM spotify.quality_checks'), 0, 'nor checks');
is(value('SELECT count(*) FROM spotify.tracks'), 0, 'nor tracks');

$session->quit;
$node->stop;
done_testing();
