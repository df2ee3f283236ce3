# SpotifyPlays.pm
#   What the tests of the listening history share: plays at points in time, runs
#   as hashes, and the comparison of the table with what the mock knows.
package SpotifyPlays;

use strict;
use warnings;

use Exporter 'import';
use JSON::PP;
use POSIX qw(strftime);
use Test::More;
use Time::HiRes ();

use SpotifyTest;

our @EXPORT = qw(
  time_text forget_plays play sync_plays sync_plays_fails true_plays stored_plays
  play_differences check_gaps checks_of
);

my $json = JSON::PP->new->utf8;

# A point in time, in seconds since 1970, as Spotify writes it.
sub time_text
{
	my ($seconds) = @_;
	my $milliseconds = int($seconds * 1000 + 0.5);
	return strftime('%Y-%m-%dT%H:%M:%S', gmtime(int($milliseconds / 1000)))
	  . sprintf('.%03dZ', $milliseconds % 1000);
}

# No plays, neither at Spotify nor in the tables, nor likes.
sub forget_plays
{
	my ($node, $mock) = @_;
	start_over($node, $mock, size => 0);
	$mock->post('clear_plays');
	$node->safe_psql('postgres', 'TRUNCATE spotify.play_gaps');
	return;
}

# Plays a track at a point in time; options are arguments of the mock's
# operation "play".
sub play
{
	my ($mock, $seconds, %options) = @_;
	$mock->post('play', { played_at => time_text($seconds), %options });
	return;
}

# Runs spotify_sync_recently_played with arguments in SQL; returns the row of
# the run, with the warnings as a text beside.
sub sync_plays
{
	my ($node, $arguments) = @_;
	$arguments //= '';
	my ($status, $stdout, $stderr) = $node->psql('postgres',
		"SELECT row_to_json(r) FROM spotify_sync_recently_played($arguments) AS r");
	is($status, 0, "spotify_sync_recently_played($arguments) succeeds") or diag($stderr);
	return { %{ $status == 0 ? $json->decode($stdout) : {} }, warnings => $stderr };
}

# Runs it expecting an error; returns a hash of its parts as psql shows them.
sub sync_plays_fails
{
	my ($session, $arguments) = @_;
	$arguments //= '';
	my $error = ask($session, "SELECT spotify_sync_recently_played($arguments)");
	isnt($error->{code}, undef, "spotify_sync_recently_played($arguments) fails")
	  or diag($error->{output});
	return $error;
}

# What the mock knows to be played, newest first: "time id".
sub true_plays
{
	my ($mock, %options) = @_;
	my $user = defined $options{user} ? "?user=$options{user}" : '';
	return map { "$_->{played_at} $_->{id}" }
	  grep { defined $_->{id} } @{ $mock->get("plays$user") };
}

# What is stored, in the same form.
sub stored_plays
{
	my ($where, %options) = @_;
	my $account = $options{account} // 'default';
	return map { "$_->{played_at} $_->{track_id}" } query_rows($where, <<~SQL);
		SELECT to_char(played_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS played_at,
		       track_id
		  FROM spotify.plays
		 WHERE account = '$account'
		 ORDER BY spotify.plays.played_at DESC, track_id
		SQL
}

# Plays that are stored but should not be, or the other way round.
sub play_differences
{
	my ($stored, $expected) = @_;
	my (%stored, %expected);

	$stored{$_}++ for @$stored;
	$expected{$_}++ for @$expected;
	return (
		(map { "$_ is missing" } grep { !$stored{$_} } sort keys %expected),
		(map { "$_ is not expected" } grep { !$expected{$_} } sort keys %stored));
}

# That these gaps are recorded and no others: pairs of start and end.
sub check_gaps
{
	my ($where, $name, @gaps) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my @stored = map { [ @$_{qw(gap_start gap_end)} ] } query_rows($where, <<~'SQL');
		SELECT to_char(gap_start AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS gap_start,
		       to_char(gap_end AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS gap_end
		  FROM spotify.play_gaps
		 ORDER BY spotify.play_gaps.gap_start
		SQL
	is_deeply(\@stored, \@gaps, $name);
	return;
}

# The checks of a run: "name passed failing", by name.
sub checks_of
{
	my ($where, $run_id) = @_;
	return { map { $_->{check_name} => $_ } query_rows($where,
			"SELECT check_name, passed, failing, detail FROM spotify.quality_checks WHERE run_id = $run_id"
		) };
}

1;
