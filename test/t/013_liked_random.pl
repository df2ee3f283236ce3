# Liked Songs by chance: whatever the library, however it changes while it is
# read and whatever goes wrong, no liked track becomes inactive, a run that
# says "succeeded" has left the table true, and one that fails has left it as
# it was and is recorded.
#
# SPOTIFY_TEST_SEED takes another seed, SPOTIFY_TEST_SCENARIOS another number.
# A scenario goes on with the table that the one before it left.  What is read
# when depends on the time where several requests are under way; what must hold
# does not.
#
# Not among the scenarios is what nobody could know: a like with a date in the
# past (or a null that comes in far below) together with another change, a
# change after the last page was read, an item shown twice beside nulls.

use strict;
use warnings;

use Digest::MD5 qw(md5_hex);
use JSON::PP;
use List::Util qw(max shuffle);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use SpotifyChance;
use SpotifyMock;
use SpotifyTest;

my $seed = $ENV{SPOTIFY_TEST_SEED} // 20261121;
my $scenarios = $ENV{SPOTIFY_TEST_SCENARIOS} // 2000;
note("SPOTIFY_TEST_SEED=$seed SPOTIFY_TEST_SCENARIOS=$scenarios");
srand $seed;

my $PAGES = '^/v1/me/tracks$';
my $CONTAINS = '^/v1/me/library/contains$';
my $PER_TEST = 100;

my $json = JSON::PP->new->utf8->canonical;
my $true = JSON::PP::true;
my $mock = SpotifyMock->start;
my $node = start_node($mock);
my $session;

create_account($node);
$mock->post('config', { gzip => JSON::PP::false });
$mock->post('user', { id => 'other', size => 0 });
$mock->post('library',
	{ user => 'other', size => 500, first_index => 90_000 });
$session = open_session($node, <<~SQL);
	SET statement_timeout = '30s';
	SET spotify_etl.max_retry_wait = '2ms';
	SQL
$session->set_query_timer_restart;

# -------------------------------------------------------------- the library

# What is liked, newest first, as the mock tells it; the ids in an order by
# chance of those that are liked and of those that were, of which each is
# changed once in a scenario at most.
my @library;
my (@liked, @gone);
my @just_unliked; # between two runs
my %was_liked;
my $first_index = 0;

sub has_nulls
{
	return grep { !defined $_ || !defined $_->{id} } @library;
}

# Asks for the truth: what is liked now.
sub see_library
{
	@library = @{ $mock->get('library') };
	@liked = shuffle(map { $_->{id} } grep { $_ && defined $_->{id} } @library);
	my %is_liked = map { $_ => 1 } @liked;
	@gone = shuffle(grep { !$is_liked{$_} } sort keys %was_liked);
	$was_liked{$_} = 1 for @liked;
	return;
}

# Another library altogether, with nulls in one of three.
sub replace_library
{
	my $size = one_of(random(300), random(160), random(60),
		one_of(0, 1, 49, 50, 51, 100, 101, 150));

	$first_index = ($first_index + 1000) % 50_000;
	%was_liked = ();
	$mock->post('library', { size => $size, first_index => $first_index });
	if (one_in(3))
	{
		$mock->post('insert',
			{ position => random($size), kind => one_of(qw(null null_track)) })
		  for 0 .. random(2);
	}
	see_library();
	return;
}

# What happens to the library at one moment, as operations of the mock.
my %moves = (
	'like' => sub { { op => 'like', count => 1 + random(2) } },
	'unlike' => sub { { op => 'unlike', ids => [ splice @liked, 0, 1 + random(3) ] } },
	'like and unlike' => sub {
		my @moves = (
			{ op => 'like', count => 1 },
			{ op => 'unlike', ids => [ splice @liked, 0, 1 ] });
		return one_in(2) ? @moves : reverse @moves;
	},
	'unlike and like again' => sub {
		my @ids = splice @liked, 0, 1;
		return { op => 'unlike', ids => \@ids }, { op => 'like', ids => \@ids };
	},
	'like again' => sub { { op => 'like', ids => [ splice @gone, 0, 1 ] } },
	'like and its end' => sub {
		{ op => 'like', count => 1 }, { op => 'unlike', positions => [0] }
	},
	'rename' => sub {
		{ op => 'rename', id => $liked[0], name => 'name ' . random(1000) }
	},
	'null' => sub {
		{ op => 'insert', position => 0, kind => one_of(qw(null null_track)) }
	},
);

sub random_move
{
	# Nulls stay until the library is replaced.
	my $name = one_of(grep { $_ ne 'null' || one_in(6) } sort keys %moves);

	$name = 'like' if $name =~ /unlike|rename/ && !@liked;
	$name = 'like' if $name eq 'like again' && !@gone;
	return $moves{$name}->();
}

# -------------------------------------------------------- what goes wrong

# The position of a page of the list, or of the one after it.
sub random_offset
{
	return 50 * random(int(@library / 50));
}

# A rule by which the list changes while it is read, never after its last page.
sub random_mutation
{
	my $offset = random_offset();
	my $when = one_of(qw(before after));
	my $nth = $offset > 0 || $when eq 'before' ? 1 + random(1) : 1;

	return {
		match => { path => $PAGES, offset => $offset, nth => $nth },
		action => { "mutate_$when" => [ random_move() ] },
		continue => $true,
	};
}

# A rule that strikes one page, once.
sub once
{
	my ($action) = @_;
	return {
		match => { path => $PAGES, offset => random_offset(), nth => 1 + one_in(3) },
		action => $action,
	};
}

# A rule that strikes all answers about one page.
sub always
{
	my ($action) = @_;
	return {
		match => { path => $PAGES, offset => random_offset() },
		action => $action,
	};
}

# A page that is not true: once, or always if that cannot add up.
sub lie
{
	my $rule = once();
	my $offset = $rule->{match}{offset};
	my %elsewhere = (offset => $offset == 0 ? 50 : $offset - 50);
	my @never_fit = (
		{ echo_offset => { add => 50 } },
		{ remove => ['offset'] },
		{ extra => 1 },
		{ serve => { user => 'other' } },
		{ serve => \%elsewhere },
		{ serve => \%elsewhere, echo_offset => 'asked' });

	if (one_in(4))
	{
		delete $rule->{match}{nth};
		$rule->{action} = one_of(@never_fit);
		return $rule;
	}
	$rule->{action} = one_of(
		@never_fit,
		{ total => { add => 1 } },
		@library > 0 ? { total => { add => -1 } } : (),
		{ drop => [7] },
		{ keep => random(20) },
		{ empty => $true },
		{ zeroed => $true },
		@library - $offset > 20 && !has_nulls() ? { duplicate => 7 } : ());
	return $rule;
}

# What goes wrong, as rules.
my %faults = (
	'nothing' => sub { () },
	'a lie' => \&lie,
	'503' => sub { once({ status => 503 }) },
	'503 with a wait' => sub { once({ status => 503, retry_after => 0 }) },
	'401' => sub { once({ status => 401 }) },
	'an expired token' => sub {
		{
			match => { path => $PAGES, nth => 1 + random(3) },
			action =>
			  { mutate_before => [ { op => 'expire', access_tokens => 'all' } ] },
			continue => $true,
		}
	},
	'a cut connection' => sub {
		once({ one_of(qw(reset close)) => one_of(qw(start headers body end)) });
	},
	'a refused question' => sub {
		{
			match => { path => $CONTAINS },
			action => { status => one_of(403, 404) },
		}
	},
	'a like during the question' => sub {
		return unless @just_unliked;
		return {
			match => { path => $CONTAINS, nth => 1 },
			action => {
				mutate_before => [ { op => 'like', ids => [ $just_unliked[0] ] } ]
			},
		};
	},
	'a long limit' => sub {
		my $rule = once({ status => 429, retry_after => 100 + random(50_000) });
		$rule->{match} = { path => $CONTAINS, nth => 1 } if one_in(6);
		return $rule;
	},
	'another page than JSON' => sub {
		always({ status => 200, body => '<html>' });
	},
	'500 always' => sub { always({ status => 500 }) },
);

# Those after which a run may fail; others cost a retry or another pass.
my %is_fatal = map { $_ => 1 }
  ('a long limit', 'another page than JSON', '500 always');

# As often as they are worth it.
my @faults = (
	('nothing') x 5,
	('a lie') x 6,
	'503', '503 with a wait', '401', 'an expired token',
	('a cut connection') x 2,
	('a refused question') x 2,
	'a like during the question',
	('a long limit') x 3,
	'another page than JSON',
	'500 always');

# ------------------------------------------------------------ one scenario

my $EMPTY = <<~SQL;
	TRUNCATE spotify.liked_events, spotify.liked_tracks, spotify.tracks,
	         spotify.track_artists, spotify.albums, spotify.album_artists,
	         spotify.artists, spotify.scan_progress, spotify.plays;
	SQL

my $SYNC = <<~SQL;
	SELECT run_id FROM spotify_sync_liked(
	    full_scan => true, allow_mass_removal => true)
	SQL

# A text that changes when any row of the table is written.
my $STATE = <<~SQL;
	SELECT md5(string_agg(format('%s %s', xmin, r), ';' ORDER BY track_id))
	  FROM spotify.liked_tracks AS r
	SQL

# All that is compared afterwards, in one row.
my $OUTCOME = <<~SQL;
	SELECT json_build_object(
	    'state', ($STATE),
	    'active', (
	        SELECT md5(COALESCE(string_agg(
	                   track_id || to_char(added_at AT TIME ZONE 'UTC',
	                                       ' YYYY-MM-DD"T"HH24:MI:SS"Z"'),
	                   ',' ORDER BY track_id), ''))
	          FROM spotify.liked_tracks
	         WHERE is_active),
	    'inactive', (
	        SELECT COALESCE(json_agg(track_id), '[]')
	          FROM spotify.liked_tracks
	         WHERE NOT is_active),
	    'is_limited', (
	        SELECT COALESCE(retry_after > clock_timestamp(), false)
	          FROM spotify.accounts),
	    'run', (
	        SELECT row_to_json(r)
	          FROM spotify.sync_runs AS r
	         ORDER BY run_id DESC
	         LIMIT 1))
	SQL

# What $OUTCOME says to be active, when it is true.
sub true_digest
{
	my %added_at = map { $_->{id} => $_->{added_at} }
	  grep { $_ && defined $_->{id} } @library;
	return md5_hex(join ',', map { "$_ $added_at{$_}" } sort keys %added_at);
}

# The outcome of a run in the session, with "code" and "text" of its error, and
# "before", the state that it found.
sub run_sync
{
	my ($settings) = @_;
	my $answer = ask($session, "$settings; $STATE; $SYNC; $OUTCOME");
	my @lines = split /\n/, $answer->{output};
	my $outcome = $json->decode($lines[-1]);

	@$outcome{qw(before code text)} = ($lines[0], @$answer{qw(code text)});
	$outcome->{state} //= '';
	return $outcome;
}

# While a limit lasts nothing is asked; then it is taken away, as time would.
sub end_limit
{
	my @violations;

	if (one_in(3))
	{
		$mock->forget_log;
		my $outcome = run_sync('RESET spotify_etl.max_concurrency');
		push @violations, 'a run within the limit does not fail as it should'
		  unless defined $outcome->{code} && $outcome->{run}{status} eq 'failed';
		push @violations, 'a run within the limit sends requests'
		  if $mock->count->{total} > 0 || $outcome->{run}{requests} > 0;
		push @violations, 'a run within the limit writes'
		  if $outcome->{before} ne $outcome->{state};
	}
	ask($session, 'UPDATE spotify.accounts SET retry_after = NULL');
	return @violations;
}

my %inactive_before;
my $last_run_id = 0;
my %statuses;

# Ids that are liked and became inactive, and what else must not be.
sub violations
{
	my ($fault, $outcome) = @_;
	my $run = $outcome->{run};
	my $status = $run->{status};
	my %became_inactive = map { $_ => 1 }
	  grep { !$inactive_before{$_} } @{ $outcome->{inactive} };
	my @violations;

	# Spotify tells that the track is liked, but not since when.
	my $is_knowable = $fault ne 'a like during the question';

	push @violations, map { "$_ is liked and became inactive" }
	  sort grep { $became_inactive{$_} } @liked;
	push @violations, 'the run succeeded, and the table is not true'
	  if $status eq 'succeeded' && $is_knowable
	  && $outcome->{active} ne true_digest();
	push @violations, 'the run is not recorded' if $run->{run_id} <= $last_run_id;

	if (defined $outcome->{code})
	{
		push @violations, "the run fails: $outcome->{text}"
		  unless $is_fatal{$fault};
		push @violations, 'the run failed and wrote'
		  if $outcome->{before} ne $outcome->{state};
		push @violations, 'the failed run is not recorded as such'
		  if $status ne 'failed' || $run->{error_code} ne $outcome->{code};
	}
	elsif ($status eq 'failed')
	{
		push @violations, 'the run did not fail, but is recorded so';
	}
	return @violations;
}

# The same for a limit: whether the mock told it, and the account knows it.
sub limit_violations
{
	my ($fault, $outcome) = @_;
	my ($rule) = $fault eq 'a long limit' ? @{ $mock->get('fault') }[-1] : ();
	my @violations;

	if (!$rule || $rule->{hits} == 0)
	{
		return $outcome->{is_limited} ? ('a limit without a reason') : ();
	}
	push @violations, 'the limit is not kept' unless $outcome->{is_limited};
	push @violations, 'the run succeeded in spite of a limit'
	  if $outcome->{run}{status} eq 'succeeded';
	return @violations, end_limit();
}

# Changes the library while nobody reads it.
sub change_between_runs
{
	my @moves = map { random_move() } 1 .. random(2);
	my %is_liked_again = map { $_ => 1 }
	  map { @{ $_->{ids} // [] } } grep { $_->{op} eq 'like' } @moves;

	@just_unliked = grep { !$is_liked_again{$_} }
	  map { @{ $_->{ids} // [] } } grep { $_->{op} eq 'unlike' } @moves;
	for my $move (@moves)
	{
		my %arguments = %$move;
		$mock->post(delete $arguments{op}, \%arguments);
	}
	return;
}

# One scenario; returns what was wrong, for diag.
sub play_scenario
{
	my ($scenario) = @_;
	my $concurrency = one_of(1, 2, 4);
	my $settings = "SET spotify_etl.max_concurrency = $concurrency";
	my $fault = one_of(@faults);
	my (@rules, @violations, $outcome, $told);

	if ($scenario == 1 || one_in(8))
	{
		replace_library();
		if (one_in(2))
		{
			$settings .= "; $EMPTY";
			%inactive_before = ();
		}
	}
	change_between_runs();
	push @rules, random_mutation() for 1 .. random(2);
	push @rules, $faults{$fault}->();
	$told = $json->encode(\@rules);
	$mock->post('fault', \@rules);

	my $size = @library;
	$outcome = run_sync($settings);
	see_library();
	@violations = (violations($fault, $outcome), limit_violations($fault, $outcome));
	$mock->no_faults;

	$statuses{ $outcome->{run}{status} }++;
	$last_run_id = $outcome->{run}{run_id};
	%inactive_before = map { $_ => 1 } @{ $outcome->{inactive} };
	return map {
		"seed $seed, scenario $scenario, about $size tracks, $concurrency at once, "
		  . "$fault, $outcome->{run}{status}: $_\n  $told"
	} @violations;
}

# -------------------------------------------------------------------- all

play_all('scenarios', $scenarios, $PER_TEST, \&play_scenario);

note(join ', ', map { "$statuses{$_} $_" } sort keys %statuses);
cmp_ok($statuses{$_} // 0, '>=', max(1, int($scenarios / 50)),
	"many scenarios end as $_")
  for qw(succeeded partial failed);

# And then, without faults, all is well.
my $last_outcome = run_sync('RESET spotify_etl.max_concurrency');
is($last_outcome->{run}{status}, 'succeeded', 'a run in order succeeds');
is($last_outcome->{active}, true_digest(), 'the table is true at the end');

$session->quit;
$node->stop;
done_testing();
