# What one answer tells of the same track several times, and plays at times
# that cannot be.

use strict;
use warnings;

use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

use SpotifyMock;
use SpotifyPlays;
use SpotifyTest;

my $mock = SpotifyMock->start('--library', 10);
my $node = start_node($mock);
create_account($node);

my %PLAYS = (path => '/recently-played$');
my $start = int(time) - 3600;

# What is stored of the only track, and who made it.
my $TRACK = <<'SQL';
SELECT track.name, album_id IS NOT NULL AS has_album, duration_ms, explicit, disc_number,
       track_number, isrc, popularity, is_local,
       (SELECT count(*) FROM spotify.track_artists AS credit
         WHERE credit.track_id = track.track_id) AS artists,
       (SELECT count(*) FROM spotify.album_artists AS credit
         WHERE credit.album_id = track.album_id) AS album_artists,
       (SELECT total_tracks FROM spotify.albums AS album
         WHERE album.album_id = track.album_id) AS total_tracks
  FROM spotify.tracks AS track
SQL

sub start_with_plays
{
	my (@seconds) = @_;
	start_over($node, $mock, size => 10);
	$mock->post('clear_plays');
	play($mock, $start + $_, index => 0) for @seconds;
	return;
}

# 1. What is known of a track.
$mock->post('config', { legacy_fields => JSON::PP::true });
start_with_plays(0);
sync_plays($node);
my $whole = query_row($node, $TRACK);
is($whole->{artists} > 0 && $whole->{album_artists} > 0 && defined $whole->{popularity},
	1, 'a track that is told whole');

# 2. The same of several mentions, of which each leaves something out.
my @halves = (
	[ map { "track.$_" } qw(album duration_ms disc_number external_ids artists) ],
	[ map { "track.$_" } qw(name explicit track_number popularity is_local) ]);
for my $order ([ 0, 1 ], [ 1, 0 ])
{
	my $name = "half $order->[0] before half $order->[1]";

	start_with_plays(0, 200);
	$mock->fault({
			match => {%PLAYS},
			action => {
				remove => [ map { my $item = $_; map { "items.$item.$_" } @{ $halves[ $order->[$item] ] } } 0, 1 ]
			}
		});
	is(sync_plays($node)->{inserted}, 2, "$name: two plays");
	is_deeply(query_row($node, $TRACK), $whole, "$name: the track is whole");
}

# 3. What is absurd is left out too: it replaces nothing that is known.
my %absurd = (
	duration_ms => -98115887,
	popularity => 1000,
	disc_number => -1,
	track_number => 2_000_000_000,
	'album.total_tracks' => -5);
start_with_plays(0, 200);
$mock->fault({
		match => {%PLAYS},
		action => { set => { map { ("items.0.track.$_" => $absurd{$_}) } keys %absurd } }
	});
is(sync_plays($node)->{inserted}, 2, 'absurd numbers: two plays');
is_deeply(query_row($node, $TRACK), $whole, 'absurd numbers beside sensible ones');
$mock->no_faults;
play($mock, $start + 400, index => 0);
$mock->fault({
		match => {%PLAYS},
		action => {
			set => { map { my $item = $_; map { ("items.$item.track.$_" => $absurd{$_}) } keys %absurd } 0 .. 2 }
		}
	});
is(sync_plays($node)->{inserted}, 1, 'absurd numbers later: one play');
is_deeply(query_row($node, $TRACK), $whole, 'absurd numbers later: nothing that is stored goes');

# 4. A play at a time when there was no Spotify counts as one without a time.
my $session = open_session($node);
start_with_plays(0, 200);
$mock->fault({
		match => { %PLAYS, times => 1 },
		action => { set => { 'items.1.played_at' => '1891-05-01T00:00:00.000Z' } }
	});
my $error = sync_plays_fails($session);
is($error->{code}, '22000', 'a play of 1891: the run fails');
is(join(' ', stored_plays($node)), '', 'a play of 1891: nothing is stored');
is(query_row($node, <<~SQL)->{failing}, 1, 'a play of 1891: it counts as one without a time');
	SELECT failing FROM spotify.quality_checks
	 WHERE check_name = 'no_nulls' AND NOT passed ORDER BY run_id DESC LIMIT 1
	SQL
is(sync_plays($node)->{inserted}, 2, 'a play of 1891: the next run stores what there is');

$session->quit;
$node->stop;
done_testing();
