# Moving over from the tables of a Python pipeline by examples/migrate.sql.

use strict;
use warnings;

use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use SpotifyMock;
use SpotifyTest;

my $mock = SpotifyMock->start('--library', 50);
my $node = start_node($mock);
my @songs = map { { %{ $_->{track} }, added_at => $_->{added_at} } } api_items($mock, 0, 50);

# A song that was liked since the pipeline ran last, one that was unliked, one
# that was liked again, and one that nothing happened to.
my ($new, $gone, $relike, $stays) = @songs;

# Songs that were unliked long ago: nobody knows the artist of one, and those of
# the other two, who have names that are theirs alone.
my %ids;
$ids{ $_->{name} }{ $_->{id} } = 1 for map { @{ $_->{artists} }, @{ $_->{album}{artists} } } @songs;
my @artists = map { { name => $_ } } grep { keys %{ $ids{$_} } == 1 && !/, / } sort keys %ids;
my ($long_gone, $by_known) = map { {
	name => "It's $_->[0]", id => "$_->[0]000000000000000000", artists => $_->[1],
	added_at => '2020-05-01T10:00:00Z' } }
  [ 'gone', [ { name => 'Somebody' }, $artists[0] ] ], [ 'well', [ @artists[ 0, 1 ] ] ];

# A literal of SQL.
sub literal
{
	my ($text) = @_;
	return q{'} . $text =~ s/'/''/gr . q{'};
}

# The artists of a song as liked_songs has them.
sub names
{
	my ($song) = @_;
	return join ', ', map { $_->{name} } @{ $song->{artists} };
}

# A row of liked_songs, of my_played_tracks, as SQL.
sub like_row
{
	my ($song, $active) = @_;
	my $artists = literal(names($song));
	return "('$song->{added_at}', " . literal($song->{name}) . ", $artists, "
	  . "'$song->{id}', '2021-06-01 12:00:00', $active)";
}

sub play_row
{
	my ($song, $time) = @_;
	return '(' . join(', ', literal($song->{name}), literal($song->{artists}[0]{name}), "'$time'",
		"'" . substr($time, 0, 10) . "'") . ')';
}

# Runs the recipe; returns what it printed, and of errors.
sub run_recipe
{
	my (@variables) = @_;

	return run_command([
		'psql', '-X', '-q', '-A', '-t', '-d', $node->connstr('postgres'),
		(map { ('-v', $_) } @variables), '-f', 'examples/migrate.sql' ]);
}

# The same where it must succeed; returns what it printed.
sub migrate
{
	my ($stdout, $stderr) = run_recipe(@_);

	is($stderr, '', 'the recipe says nothing of errors');
	return $stdout;
}

# The row of liked_songs of a song, of an account.
sub liked
{
	my ($id, $account) = @_;
	return query_row($node, <<~SQL);
		SELECT name, artists, is_active, last_modified AT TIME ZONE 'UTC' AS last_modified
		  FROM spotify.liked_songs WHERE spotify_uri = '$id' AND account = '$account'
		SQL
}

# The tables as tutorials make them: all text, and of proper types elsewhere.
my $likes = join ', ', (map { like_row($_, 1) } @songs[ 1, 3 .. 49 ]),
  map { like_row($_, 0) } $relike, $long_gone, $by_known;
my $unknown = { name => 'Unknown', artists => [ { name => 'Nobody' } ] };
my $plays = join ', ',
  play_row($stays, '2021-06-01T10:00:00.123Z'),
  play_row($stays, '2021-06-01T10:00:03.324Z'),
  play_row($stays, '2021-06-02T10:00:00.123Z'),
  play_row($new, '2021-06-03T10:00:00Z'),
  play_row($by_known, '2021-06-03T11:00:00Z'),
  play_row($stays, '2026-01-01T10:00:00.500Z'),
  play_row($stays, '2026-01-02T09:59:58.200Z'),
  play_row($unknown, '2021-06-04T10:00:00Z'),
  play_row($unknown, '2021-06-05T10:00:00Z');
$node->safe_psql('postgres', <<~SQL);
	CREATE TABLE liked_songs (added_at text, name text, artists text,
	                          spotify_uri text PRIMARY KEY, last_modified text, is_active text);
	INSERT INTO liked_songs VALUES $likes;
	CREATE TABLE my_played_tracks (song_name varchar(200), artist_name varchar(200),
	                               played_at varchar(200) PRIMARY KEY, timestamp varchar(200));
	INSERT INTO my_played_tracks VALUES $plays;
	CREATE SCHEMA typed;
	CREATE TABLE typed.likes (added_at timestamptz, name text, artists text,
	                          spotify_uri text, last_modified timestamp, is_active integer);
	INSERT INTO typed.likes VALUES $likes;
	UPDATE typed.likes SET spotify_uri = 'spotify:track:' || spotify_uri;
	CREATE TABLE typed.plays (song_name text, artist_name text, played_at timestamp, timestamp date);
	INSERT INTO typed.plays VALUES $plays;
	SQL

# What happened at Spotify since the pipeline ran last.  Two of the plays are
# told by both, one of them with another time; and one was told twice to the
# pipeline.
$mock->post('config', { plays_days => undef });
$mock->post('unlike', { ids => [ $gone->{id} ] });
$mock->post('play', { id => $stays->{id}, played_at => $_ })
  for '2026-01-01T10:00:00.500Z', '2026-01-02T10:00:00Z';

# That an account has everything that its old tables had, and what is new.
sub check_account
{
	my ($account) = @_;
	is_deeply([ liked_differences($node, $mock, account => $account) ], [],
		"$account: the likes are true");
	is_deeply(liked($_->[0]{id}, $account),
		{ name => $_->[0]{name}, artists => $_->[1], is_active => $_->[2],
			last_modified => '2021-06-01T12:00:00' },
		"$account: $_->[3] keeps its history")
	  for [ $stays, names($stays), 1, 'a like that stayed' ],
	  [ $long_gone, '', 0, 'one that was gone before' ],
	  [ $by_known, names($by_known), 0, 'another, by known artists,' ];
	is(liked($gone->{id}, $account)->{is_active}, 0, "$account: one that is gone since is inactive");
	is(liked($relike->{id}, $account)->{is_active}, 1, "$account: one that is back is active");
	is($node->safe_psql('postgres', <<~SQL), "added|t|51\nadded|f|1\nreadded|f|1\nremoved|t|3\nremoved|f|1",
		SELECT event, run_id < 1 AS old, count(*) FROM spotify.liked_events
		 WHERE account = '$account' GROUP BY event, old ORDER BY event, old DESC
		SQL
		"$account: the events are those of the pipeline and those since");
	is($node->safe_psql('postgres', <<~SQL), "added 2020-05\nremoved 2021-06", "$account: each at its time");
		SELECT event || to_char(occurred_at, ' YYYY-MM') FROM spotify.liked_events
		 WHERE account = '$account' AND track_id = '$long_gone->{id}' ORDER BY occurred_at
		SQL
	return;
}

# What stops the recipe leaves nothing behind.
my $nothing = table_digests($node);
my (undef, $stderr) = run_recipe('account=nobody');
like($stderr, qr/ERROR:  account "nobody" does not exist/, 'an account that does not exist: it says so');
like($stderr, qr/HINT: .*spotify_set_account/, 'an account that does not exist: it says what to do');
is_deeply(table_digests($node), $nothing, 'an account that does not exist: nothing is loaded');

create_account($node);
$nothing = table_digests($node);
$mock->fault({ match => { path => '/me/tracks$' }, action => { status => 404 } });
(undef, $stderr) = run_recipe();
like($stderr, qr/ERROR:  /, 'the sync fails: it says so');
my $left = table_digests($node);
delete $_->{'spotify.sync_runs'} for $nothing, $left;
is_deeply($left, $nothing, 'the sync fails: nothing is loaded');
$mock->no_faults;

my $printed = migrate();
check_account('default');
like($printed, qr/^Unknown\|Nobody\|2$/m, 'plays that could not be loaded are reported');
is_deeply([ query_rows($node, <<~'SQL') ],
	SELECT song_name, artist_name, played_at AT TIME ZONE 'UTC' AS played_at, run_id IS NULL AS old
	  FROM spotify.my_played_tracks JOIN spotify.plays USING (account, played_at)
	 ORDER BY played_at
	SQL
	[ map { { song_name => $_->[0]{name}, artist_name => $_->[0]{artists}[0]{name},
				played_at => $_->[1], old => $_->[2] ? JSON::PP::true : JSON::PP::false } }
		[ $stays, '2021-06-01T10:00:00.123', 1 ],
		[ $stays, '2021-06-02T10:00:00.123', 1 ],
		[ $new, '2021-06-03T10:00:00', 1 ],
		[ $by_known, '2021-06-03T11:00:00', 1 ],
		[ $stays, '2026-01-01T10:00:00.5', 0 ],
		[ $stays, '2026-01-02T10:00:00', 0 ] ],
	'those of known songs are loaded, none twice');

# Two more runs, and their checks, are all that is new.
my $before = table_digests($node);
migrate();
my $after = table_digests($node);
delete $_->{'spotify.quality_checks'} for $before, $after;
is_deeply($after, $before, 'a second time it changes nothing');

$node->safe_psql('postgres',
	q{SELECT spotify_set_account('mock-client', 'mock-secret', 'mock-refresh-token', account => 'typed')});
migrate('account=typed', 'liked_songs=typed.likes', 'my_played_tracks=typed.plays');
check_account('typed');
is($node->safe_psql('postgres', q{SELECT count(*) FROM spotify.plays WHERE account = 'typed'}),
	6, 'columns of proper types: the plays are loaded too');

$node->stop;

done_testing();
