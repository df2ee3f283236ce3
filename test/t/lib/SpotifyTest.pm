# SpotifyTest.pm
#   What the TAP tests share: a node with the extension, runs as hashes, and
#   the comparison of tables with what the mock knows to be true.
package SpotifyTest;

use strict;
use warnings;

use Exporter 'import';
use HTTP::Tiny;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Socket qw(IPPROTO_TCP TCP_NODELAY);
use Test::More;

use SpotifyMock;

our @EXPORT = qw(
  start_node create_account start_over query_row query_rows sync_liked
  sync_liked_fails liked_differences wrongly_inactive check_partial
  table_digests api_items skip_test has_extension
  open_session ask library_state change_library fails_cleanly heals browse
);

# Secrets of the mock: none may ever be seen outside spotify_private.
our @SECRETS = qw(mock-secret mock-refresh-token);

my $json = JSON::PP->new->utf8;

# PostgreSQL's modules keep what a test says when it dies in a log file, which
# goes with the workplace.
$SIG{__DIE__} = sub {
	my ($message) = @_;
	# Not in an eval, nor while a file is compiled.
	diag("died: $message") if defined $^S && !$^S;
	die $message;
};

# HTTP::Tiny sends the head and the body of a request apart.  TCP would hold
# the body back for 40 ms, until the head is acknowledged.
sub _hasten
{
	my ($mock) = @_;
	$mock->count;
	my $handle = $mock->{http}{handle} or return;
	setsockopt $handle->{fh}, IPPROTO_TCP, TCP_NODELAY, 1;
	return;
}

# Ends the test, loudly, because something is not there that it needs: where
# nothing may be skipped that is a failure.
sub skip_test
{
	my ($why) = @_;
	die "$why\n" if $ENV{SPOTIFY_ETL_NO_SKIP};
	diag("SKIPPED: $why");
	plan(skip_all => $why);
	return;
}

# Whether the server has the files of another extension.
sub has_extension
{
	my ($name) = @_;
	my ($sharedir) = run_command([ $ENV{PG_CONFIG}, '--sharedir' ]);
	return -e "$sharedir/extension/$name.control";
}

# A running server that talks to the mock, with the extension in database
# postgres.
sub start_node
{
	my ($mock, %options) = @_;
	my $node = PostgreSQL::Test::Cluster->new($options{name} // 'spotify');

	_hasten($mock);
	$node->init(
		extra => [ '--encoding=UTF8', '--locale=C', @{ $options{initdb} // [] } ],
		allows_streaming => $options{allows_streaming} // 0);
	$node->append_conf('postgresql.conf', $mock->configuration);
	$node->append_conf('postgresql.conf', "spotify_etl.max_retry_wait = '50ms'");
	$node->append_conf('postgresql.conf', $options{configuration})
	  if defined $options{configuration};
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION spotify_etl');
	return $node;
}

# The account that the mock knows from the start.
sub create_account
{
	my ($node, $database) = @_;
	$node->safe_psql($database // 'postgres',
		q{SELECT spotify_set_account('mock-client', 'mock-secret', 'mock-refresh-token')}
	);
	return;
}

# Gives the mock another library (arguments of its operation "library"), no
# faults and an empty log, and empties all that syncs fill but the run log.
sub start_over
{
	my ($node, $mock, %library) = @_;
	$mock->no_faults;
	$mock->post('library', \%library);
	$mock->forget_log;
	$node->safe_psql('postgres', <<~SQL);
		TRUNCATE spotify.liked_events, spotify.liked_tracks,
		         spotify.liked_null_places, spotify.plays,
		         spotify.tracks, spotify.track_artists, spotify.albums,
		         spotify.album_artists, spotify.artists, spotify.scan_progress
		SQL
	return;
}

# The only row of a query as a hash.
sub query_row
{
	my ($node, $query, $database) = @_;
	my $row = $node->safe_psql($database // 'postgres',
		"SELECT row_to_json(r) FROM ($query) AS r");
	return $json->decode($row);
}

# All rows of a query as hashes: of a node, or in a session, which is faster.
sub query_rows
{
	my ($where, $query, $database) = @_;
	my $rows = "SELECT COALESCE(json_agg(r), '[]') FROM ($query) AS r";

	$rows = $where->isa('PostgreSQL::Test::Cluster')
	  ? $where->safe_psql($database // 'postgres', $rows)
	  : ask($where, $rows)->{output};
	return @{ $json->decode($rows) };
}

# Runs spotify_sync_liked with arguments in SQL; returns the row of the run.
# Settings are SQL to run before.
sub sync_liked
{
	my ($node, $arguments, $settings) = @_;
	$arguments //= '';
	$settings //= '';
	my $row = $node->safe_psql('postgres',
		"$settings; SELECT row_to_json(r) FROM spotify_sync_liked($arguments) AS r"
	);
	return $json->decode($row);
}

# Runs it expecting an error; returns a hash of its parts as psql shows them.
sub sync_liked_fails
{
	my ($node, $arguments, $settings) = @_;
	$arguments //= '';
	$settings //= '';
	my ($status, $stdout, $stderr) = $node->psql('postgres',
		"\\set VERBOSITY verbose\n$settings; SELECT spotify_sync_liked($arguments)");
	my %error = (text => $stderr);

	isnt($status, 0, 'the sync fails') or diag("it returned: $stdout");
	($error{code}, $error{message}) = ($1, $2)
	  if $stderr =~ /ERROR:\s+(\w{5}): (.*)/;
	$error{detail} = $1 if $stderr =~ /DETAIL:\s+(.*)/;
	$error{hint} = $1 if $stderr =~ /HINT:\s+(.*)/;
	return \%error;
}

# What the mock knows to be liked: id (of a local file its URI) to added_at.
sub _truth
{
	my ($mock, %options) = @_;
	my $user = defined $options{user} ? "?user=$options{user}" : '';
	return map { ($_->{id} // $_->{uri}) => $_->{added_at} }
	  grep { defined $_ && defined($_->{id} // $_->{uri}) }
	  @{ $mock->get("library$user") };
}

# What is stored of those that are active, or inactive, in the same form.
sub _stored
{
	my ($where, $condition, %options) = @_;
	my $account = $options{account} // 'default';
	return map { $_->{track_id} => $_->{added_at} } query_rows($where, <<~SQL);
		SELECT track_id,
		       to_char(added_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS added_at
		  FROM spotify.liked_tracks
		 WHERE $condition AND account = '$account'
		SQL
}

# Ids that are active here but not liked at Spotify, or the other way round,
# or whose added_at differs: an empty list when the table is true.
sub liked_differences
{
	my ($where, $mock, %options) = @_;
	my %truth = _truth($mock, %options);
	my %stored = _stored($where, 'is_active', %options);
	my @differences;

	for my $id (sort keys %truth)
	{
		push @differences, "$id is not active" and next
		  unless exists $stored{$id};
		my ($here, $there) = map { $_ // 'null' } $stored{$id}, $truth{$id};
		push @differences, "$id has added_at $here, not $there"
		  if $here ne $there;
	}
	push @differences, "$_ is active"
	  for grep { !exists $truth{$_} } sort keys %stored;
	return @differences;
}

# Ids that are inactive here although they are liked: there must never be any.
sub wrongly_inactive
{
	my ($where, $mock, %options) = @_;
	my %truth = _truth($mock, %options);
	my %inactive = _stored($where, 'NOT is_active', %options);
	return grep { exists $inactive{$_} } sort keys %truth;
}

# That a run did not believe what it saw: it removed nothing and says why.
sub check_partial
{
	my ($run, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is_deeply(
		[ @$run{qw(status deactivated error_code)} ],
		[ 'partial', 0, undef ],
		"$name: the run is partial and removes nothing");
	like($run->{error_message}, qr/\w/, "$name: the run says why");
	return;
}

# For each table one text, which changes when any row is written or locked:
# the place, the writer and the locker of each row.  Without the log of runs and
# their checks, which each run writes, and the account and its secrets, which
# each run locks to see that it could write them.
sub table_digests
{
	my ($node, $database) = @_;
	my @tables = split /\n/, $node->safe_psql($database // 'postgres', <<~SQL);
		SELECT c.oid::regclass
		  FROM pg_class AS c
		 WHERE c.relkind = 'r'
		   AND c.relnamespace = 'spotify'::regnamespace
		   AND c.relname NOT IN ('sync_runs', 'quality_checks', 'accounts')
		SQL
	my $digests = join "\nUNION ALL\n", map { <<~SQL } @tables;
		SELECT '$_' AS name,
		       count(*) || ' rows, ' ||
		       md5(string_agg(format('%s %s %s', ctid, xmin, xmax), ', ' ORDER BY ctid)) AS digest
		  FROM $_
		SQL
	return { map { $_->{name} => $_->{digest} } query_rows($node, $digests, $database) };
}

# What the Web API answers for a part of the list.
sub api_items
{
	my ($mock, $offset, $limit) = @_;
	my $token = $mock->post('access_token')->{access_token};
	my $answer = HTTP::Tiny->new->get(
		$mock->base_url . "/v1/me/tracks?limit=$limit&offset=$offset",
		{ headers => { Authorization => "Bearer $token" } });
	return @{ $json->decode($answer->{content})->{items} };
}

# Where a browser ends that opens a URL of spotify_authorize_url(), if the user
# has agreed before or the mock's switch auto_approve is on.
sub browse
{
	my ($url) = @_;
	my $answer = HTTP::Tiny->new(max_redirect => 0)->get($url);
	return $answer->{headers}{location};
}

# A session that lives on after an error.  Settings are SQL to run first;
# options are the user and the database.
sub open_session
{
	my ($node, $settings, %options) = @_;
	my $user = $options{user};
	my $session = $node->background_psql($options{database} // 'postgres',
		on_error_stop => 0,
		extra_params => defined $user ? [ '-U', $user ] : []);

	# Otherwise its time limit counts from when it was opened.
	$session->set_query_timer_restart;
	$session->query("\\set VERBOSITY verbose\n" . ($settings // ''));
	return $session;
}

# Runs SQL in such a session to its end.  Returns what it printed, as a hash
# with the parts of the error if there was one.
sub ask
{
	my ($session, $sql) = @_;

	$session->{stderr} = '';
	# Before PostgreSQL 15 the module leaves its separator where there is no row.
	my $output = $session->query($sql) =~ s/^background_psql: QUERY_SEPARATOR\n?\z//r;
	my %answer = (output => $output, text => $session->{stderr});

	($answer{code}, $answer{message}) = ($1, $2)
	  if $answer{text} =~ /(?:ERROR|FATAL):\s+(\w{5}): (.*)/;
	$answer{detail} = $1 if $answer{text} =~ /DETAIL:\s+(.*)/;
	$answer{hint} = $1 if $answer{text} =~ /HINT:\s+(.*)/;
	return \%answer;
}

# A text that stays the same only while no tuple of the library is written.
sub library_state
{
	my ($session) = @_;
	my $rows = join "\nUNION ALL ",
	  map { "SELECT '$_ ' || r.xmin || ' ' || r FROM spotify.$_ AS r" }
	  qw(liked_tracks liked_events tracks track_artists albums album_artists artists);

	return ask($session,
		"SELECT md5(string_agg(line, ';' ORDER BY line)) FROM ($rows) AS rows (line)"
	)->{output};
}

# Likes a track and unlikes one, so that a sync has something to write.
sub change_library
{
	my ($mock) = @_;
	$mock->post('like', { count => 1 });
	$mock->post('unlike', { positions => [60] });
	return;
}

# A statement in a session, a full scan by default, must end with one error of this
# SQLSTATE (or one of several: "08006|08P01"), tell no secret, change nothing of
# the library and leave the session usable.  A failed sync is in the run log.
# Returns the error as ask does.
sub fails_cleanly
{
	my ($session, $code, $name, $sql) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $before = library_state($session);
	my $error =
	  ask($session, $sql // 'SELECT spotify_sync_liked(full_scan => true)');
	my @errors = $error->{text} =~ /(?:ERROR|FATAL|PANIC):/g;

	like($error->{code} // 'none', qr/^(?:$code)$/, "$name: the error is $code")
	  or diag($error->{text}, $error->{output});
	is(scalar @errors, 1, "$name: it is one error");
	unlike($error->{text}, qr/mock-secret|mock-refresh-|mock-access-|Bearer \S/,
		"$name: it tells no secret");
	is(library_state($session), $before, "$name: nothing is changed");
	return $error if defined $sql;
	is( ask($session, <<~SQL)->{output},
		SELECT status, error_code, inserted + deactivated + reactivated + updated
		  FROM spotify.sync_runs ORDER BY run_id DESC LIMIT 1
		SQL
		"failed|$error->{code}|0", "$name: the failed run is recorded");
	return $error;
}

# A full scan in a session must succeed, after so many repeated requests at least,
# and the table must be true afterwards.  Returns the row of the run.
sub heals
{
	my ($session, $node, $mock, $name, $min_retries) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $answer =
	  ask($session,
		'SELECT row_to_json(r) FROM spotify_sync_liked(full_scan => true) AS r');
	my $run = $answer->{output} ? $json->decode($answer->{output}) : {};

	is($run->{status}, 'succeeded', "$name: the sync succeeds")
	  or diag($answer->{text}, $answer->{output});
	cmp_ok($run->{retries} // -1, '>=', $min_retries // 0,
		"$name: at least so many requests were repeated");
	is_deeply([ liked_differences($node, $mock) ],
		[], "$name: the table is true");
	return $run;
}

1;
