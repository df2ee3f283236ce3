# The views over plays and likes: what their columns say, each worked out by
# hand, in the time zone of the session; and that an index finds the rows of one
# account among many.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use SpotifyMock;
use SpotifyPlays;
use SpotifyTest;

my $mock = SpotifyMock->start;
my $node = start_node($mock, name => 'views');
my $session = open_session($node, "SET TimeZone = 'UTC'; SET DateStyle = 'ISO';");

sub value { return $node->safe_psql('postgres', $_[0]); }

# That a query in the session gives these lines, columns separated by "|".
sub gives
{
	my ($name, $query, $expected) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $answer = ask($session, $query);
	chomp $expected;
	is($answer->{output}, $expected, $name) or diag($answer->{text});
	return;
}

# A history that can be worked out by hand.  Track "one" lasts 3 minutes and is
# by Ada and Bea, "two" 90 seconds and by Bea, named twice; "none" is a file
# without length or artists; "last" is by an artist who has no name.

value(<<~'SQL');
	SELECT spotify_set_account('id', account => 'anna');
	SELECT spotify_set_account('id', account => 'berta');
	INSERT INTO spotify.artists VALUES ('ada', 'Ada'), ('bea', 'Bea'), ('nameless', NULL);
	INSERT INTO spotify.tracks (track_id, name, duration_ms)
	VALUES ('one', 'One', 180000), ('two', 'Two', 90000), ('none', 'None', NULL), ('last', 'Last', 60000);
	INSERT INTO spotify.track_artists
	VALUES ('one', 1, 'ada'), ('one', 2, 'bea'), ('two', 1, 'bea'), ('two', 2, 'bea'), ('last', 1, 'nameless');
	INSERT INTO spotify.plays (account, played_at, track_id)
	VALUES ('anna', '2026-03-28 23:30:00Z', 'one'),
	       ('anna', '2026-03-29 00:59:59.999Z', 'two'),
	       ('anna', '2026-03-29 01:00:00Z', 'one'),
	       ('anna', '2026-03-29 01:30:00Z', 'two'),
	       ('anna', '2026-03-30 12:00:00Z', 'two'),
	       ('anna', '2026-03-30 12:10:00Z', 'none'),
	       ('anna', '2026-03-30 12:20:00Z', 'last'),
	       ('anna', '2026-10-25 00:15:00Z', 'one'),
	       ('anna', '2026-10-25 01:15:00Z', 'one'),
	       ('berta', '2026-03-30 12:00:00Z', 'two')
	SQL

# By day

my $by_day = q{SELECT day, plays, minutes FROM spotify.listening_by_day WHERE account = 'anna' ORDER BY day};
gives('listening_by_day in UTC', $by_day, <<~'EXPECTED');
	2026-03-28|1|3.0
	2026-03-29|3|6.0
	2026-03-30|3|2.5
	2026-10-25|2|6.0
	EXPECTED
ask($session, q{SET TimeZone = 'Europe/Berlin'});
gives('listening_by_day in another time zone', $by_day, <<~'EXPECTED');
	2026-03-29|4|9.0
	2026-03-30|3|2.5
	2026-10-25|2|6.0
	EXPECTED

# By hour: in Berlin the clock goes from 2 to 3 in March, back in October

my $by_hour =
  q{SELECT weekday, hour, plays, minutes FROM spotify.listening_by_hour WHERE account = 'anna' ORDER BY 1, 2};
gives('listening_by_hour where the clock is changed', $by_hour, <<~'EXPECTED');
	1|14|3|2.5
	7|0|1|3.0
	7|1|1|1.5
	7|2|2|6.0
	7|3|2|4.5
	EXPECTED
ask($session, q{SET TimeZone = 'Asia/Kolkata'});
gives('listening_by_hour half an hour off', $by_hour, <<~'EXPECTED');
	1|17|3|2.5
	7|5|2|6.0
	7|6|3|7.5
	7|7|1|1.5
	EXPECTED
ask($session, q{SET TimeZone = 'UTC'});
gives('listening_by_hour in UTC', $by_hour, <<~'EXPECTED');
	1|12|3|2.5
	6|23|1|3.0
	7|0|2|4.5
	7|1|3|7.5
	EXPECTED

# Tracks

gives('top_tracks', <<~'SQL', <<~'EXPECTED');
	SELECT rank, name, artists, plays, minutes, track_id
	  FROM spotify.top_tracks WHERE account = 'anna' ORDER BY rank, track_id
	SQL
	1|One|Ada, Bea|4|12.0|one
	2|Two|Bea, Bea|3|4.5|two
	3|Last||1|1.0|last
	3|None||1||none
	EXPECTED

# Artists: a track of two counts for both, one named twice counts once

gives('top_artists', <<~'SQL', <<~'EXPECTED');
	SELECT rank, name, plays, minutes, tracks, artist_id
	  FROM spotify.top_artists WHERE account = 'anna' ORDER BY rank
	SQL
	1|Bea|7|16.5|2|bea
	2|Ada|4|12.0|1|ada
	3||1|1.0|1|nameless
	EXPECTED

# Each account has its own ranks

gives('top_tracks and top_artists of each account', <<~'SQL', <<~'EXPECTED');
	SELECT account, name, plays FROM spotify.top_tracks WHERE rank = 1
	UNION ALL
	SELECT account, name, plays FROM spotify.top_artists WHERE rank = 1
	ORDER BY 1, 2
	SQL
	anna|Bea|7
	anna|One|4
	berta|Bea|1
	berta|Two|1
	EXPECTED

# The views of the Python pipelines

gives('my_played_tracks', <<~'SQL', <<~'EXPECTED');
	SELECT song_name, artist_name, played_at, "timestamp", account
	  FROM spotify.my_played_tracks WHERE played_at BETWEEN '2026-03-30' AND '2026-03-31'
	 ORDER BY played_at, account
	SQL
	Two|Bea|2026-03-30 12:00:00+00|2026-03-30|anna
	Two|Bea|2026-03-30 12:00:00+00|2026-03-30|berta
	None||2026-03-30 12:10:00+00|2026-03-30|anna
	Last||2026-03-30 12:20:00+00|2026-03-30|anna
	EXPECTED
ask($session, q{SET TimeZone = 'Europe/Berlin'});
gives('fav_artist, by the date in UTC', <<~'SQL', <<~'EXPECTED');
	SELECT "timestamp", id, artist_name, count, account
	  FROM spotify.fav_artist WHERE account = 'anna' AND artist_name IS NOT NULL ORDER BY 1, 3
	SQL
	2026-03-28|2026-03-28-Ada|Ada|1|anna
	2026-03-29|2026-03-29-Ada|Ada|1|anna
	2026-03-29|2026-03-29-Bea|Bea|2|anna
	2026-03-30|2026-03-30-Bea|Bea|1|anna
	2026-10-25|2026-10-25-Ada|Ada|2|anna
	EXPECTED

# By month: likes count when they were given, those of a first load too; one
# that came back has its new time only.

value(<<~'SQL');
	INSERT INTO spotify.liked_tracks (account, track_id, added_at)
	VALUES ('anna', 'one', '2019-05-31 23:00:00Z'), ('anna', 'two', '2026-08-15 12:00:00Z'),
	       ('anna', 'none', NULL), ('berta', 'one', '2020-01-01 00:00:00Z');
	INSERT INTO spotify.liked_events
	VALUES ('anna', 'one', 'added', '2026-06-10 08:00:00Z', 1),
	       ('anna', 'two', 'added', '2026-06-10 08:00:00Z', 1),
	       ('anna', 'none', 'added', '2026-06-10 08:00:00Z', 1),
	       ('anna', 'two', 'removed', '2026-07-31 23:00:00Z', 2),
	       ('anna', 'two', 'readded', '2026-08-15 12:30:00Z', 3),
	       ('anna', 'none', 'removed', '2026-08-20 12:00:00Z', 4),
	       ('berta', 'one', 'added', '2026-06-10 08:00:00Z', 5)
	SQL
my $by_month = 'SELECT account, month, likes, unlikes FROM spotify.liked_by_month ORDER BY account, month';
gives('liked_by_month in another time zone', $by_month, <<~'EXPECTED');
	anna|2019-06-01|1|0
	anna|2026-06-01|2|0
	anna|2026-08-01|1|2
	berta|2020-01-01|1|0
	EXPECTED
ask($session, q{SET TimeZone = 'UTC'});
gives('liked_by_month in UTC', $by_month, <<~'EXPECTED');
	anna|2019-05-01|1|0
	anna|2026-06-01|2|0
	anna|2026-07-01|0|1
	anna|2026-08-01|1|1
	berta|2020-01-01|1|0
	EXPECTED

# Who may read tables may read views; nobody else

my @views = split /\n/, value(<<~'SQL');
	SELECT oid::regclass FROM pg_class
	 WHERE relnamespace = 'spotify'::regnamespace AND relkind = 'v' ORDER BY 1
	SQL
cmp_ok(scalar @views, '>=', 9, 'there are views');
value('CREATE ROLE reader LOGIN; CREATE ROLE stranger LOGIN;'
	  . 'GRANT SELECT ON ALL TABLES IN SCHEMA spotify TO reader');
for my $view (@views)
{
	is(ask($session, "SET ROLE reader; SELECT count(*) FROM $view")->{code}, undef, "a reader may read $view");
	is(ask($session, "SET ROLE stranger; SELECT count(*) FROM $view")->{code}, '42501', "a stranger may not read $view");
	ask($session, 'RESET ROLE');
	is(value(<<~SQL), 'account', "$view ends in the account, or begins with it") unless $view =~ /account_status/;
		SELECT attname FROM pg_attribute WHERE attrelid = '$view'::regclass AND attnum > 0
		 ORDER BY attnum DESC LIMIT 1
		SQL
}

# Among many accounts an index finds the rows of one, by the account

value(<<~'SQL');
	INSERT INTO spotify.accounts (account, client_id, redirect_uri)
	SELECT 'account ' || i, 'id', 'uri' FROM generate_series(1, 40) AS i;
	INSERT INTO spotify.tracks (track_id, name, duration_ms)
	SELECT 'track ' || i, 'Track ' || i, 1000 * i FROM generate_series(1, 500) AS i;
	INSERT INTO spotify.plays (account, played_at, track_id)
	SELECT 'account ' || a, timestamptz '2026-01-01' + i * interval '5 minutes', 'track ' || (1 + i * a % 500)
	  FROM generate_series(1, 40) AS a, generate_series(1, 2500) AS i;
	INSERT INTO spotify.liked_tracks (account, track_id, added_at)
	SELECT 'account ' || a, 'track ' || i, timestamptz '2026-01-01' + i * interval '1 hour'
	  FROM generate_series(1, 40) AS a, generate_series(1, 500) AS i;
	INSERT INTO spotify.liked_events
	SELECT account, track_id, 'added', added_at, 1 FROM spotify.liked_tracks
	 WHERE account LIKE 'account %';
	SQL
value('VACUUM ANALYZE');

# The lines of a plan that scan a table of rows for each account.
sub scans
{
	my ($query) = @_;
	my @plan = split /\n/, value("EXPLAIN (VERBOSE, COSTS OFF) $query");
	my @scans;
	for my $i (0 .. $#plan)
	{
		next unless $plan[$i] =~ /Scan.* on (?:spotify\.)?(?:plays|liked)/;
		next if $plan[$i] =~ /Bitmap Heap Scan/;    # the index is in the next line
		my ($condition) = grep { /(?:Index Cond|Filter|Recheck Cond):/ } @plan[ $i + 1 .. $i + 3 ];
		push @scans, "$plan[$i] $condition";
	}
	return @scans;
}

for my $case (
	[ 'listening_by_day', qr/plays_(?:pkey|account\w*)/ ],
	[ 'listening_by_hour', qr/plays_(?:pkey|account\w*)/ ],
	[ 'top_tracks', qr/plays_account_track_id_idx/ ],
	[ 'top_artists', qr/plays_account_track_id_idx/ ],
	[ 'liked_by_month', qr/liked_(?:events|tracks)_pkey/ ],
	[ 'my_played_tracks', qr/plays_(?:pkey|account\w*)/ ],
	[ 'fav_artist', qr/plays_(?:pkey|account\w*)/ ],
	[ 'liked_songs', qr/liked_tracks_pkey/ ])
{
	my ($view, $index) = @$case;
	my @scans = scans("SELECT * FROM spotify.$view WHERE account = 'account 7'");
	ok(@scans > 0, "$view: it scans rows of accounts");
	is_deeply([ grep { !/$index.*Cond:.*account = 'account 7'/ } @scans ],
		[], "$view: only by an index, with the account as its condition");
}
my @scans = scans(<<~'SQL');
	SELECT * FROM spotify.my_played_tracks
	 WHERE account = 'account 7' AND played_at > '2026-01-08'
	SQL
like("@scans", qr/plays_pkey.*Index Cond:.*account.*played_at >/, 'the last plays are found by account and time');

# What a sync loads is in the views

start_over($node, $mock, size => 3, start => '2026-10-10T00:00:00Z');
value('DELETE FROM spotify.accounts WHERE account LIKE \'account %\'');
value(q{SELECT spotify_forget_account(account) FROM spotify.accounts});
create_account($node);
play($mock, time - 600 + 60 * $_, index => $_ % 2) for 1 .. 5;
sync_plays($node);
sync_liked($node);
gives('top_tracks after a sync', 'SELECT rank, plays, minutes > 0, artists <> $$$$ FROM spotify.top_tracks ORDER BY 1', <<~'EXPECTED');
	1|3|t|t
	2|2|t|t
	EXPECTED
gives('listening_by_day after a sync', 'SELECT sum(plays) FROM spotify.listening_by_day', '5');
gives('listening_by_hour after a sync', 'SELECT sum(plays) FROM spotify.listening_by_hour', '5');
gives('liked_by_month after a sync', 'SELECT month, likes, unlikes FROM spotify.liked_by_month ORDER BY 1 DESC LIMIT 1',
	'2026-10-01|3|0');

$session->quit;
$node->stop;
done_testing();
