# What a change at Spotify does to the tables: likes that are new, gone, back
# or liked anew, tracks described anew, and nothing at all, at every size of
# library.

use strict;
use warnings;

use JSON::PP;
use POSIX qw(ceil);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use SpotifyMock;
use SpotifyTest;

my $mock = SpotifyMock->start;
my $node = start_node($mock);

create_account($node);

# That a run succeeded and counted what is expected, nothing else, and that
# the row it returned is the row that is stored.
sub check_run
{
	my ($run, $name, %expected) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my %row = (
		account => 'default',
		collection => 'liked',
		status => 'succeeded',
		inserted => 0,
		deactivated => 0,
		reactivated => 0,
		updated => 0,
		skipped => 0,
		error_code => undef,
		error_message => undef,
		%expected);
	my $stored = query_row($node,
		"SELECT * FROM spotify.sync_runs WHERE run_id = $run->{run_id}");

	is_deeply({ map { $_ => $run->{$_} } keys %row },
		\%row, "$name: the run counts it");
	is_deeply($run, $stored, "$name: the row returned is the row stored");
	return;
}

sub liked_row
{
	my ($id) = @_;
	return query_row($node,
		"SELECT * FROM spotify.liked_tracks WHERE track_id = '$id'");
}

# The events of a track, oldest first, as "event of run".
sub events_of
{
	my ($id) = @_;
	return [ map { "$_->{event} of $_->{run_id}" } query_rows($node, <<~SQL) ];
		SELECT event, run_id FROM spotify.liked_events
		 WHERE account = 'default' AND track_id = '$id' ORDER BY run_id
		SQL
}

# The rows of a table, key to place and writer: see rows_written.
sub versions
{
	my ($table, $key) = @_;
	return { map { $_->{key} => $_->{version} } query_rows($node, <<~SQL) };
		SELECT $key AS key, format('%s %s', ctid, xmin) AS version
		  FROM spotify.$table
		SQL
}

sub rows_written
{
	my ($before, $after) = @_;
	my %all = (%$before, %$after);
	return [ sort grep { ($before->{$_} // '') ne ($after->{$_} // '') }
		  keys %all ];
}

# The ids of the library, newest first.
sub ids
{
	return map { $_->{id} } @{ $mock->get('library') };
}

# Lets the first page show other values at some paths of one of its entries.
sub show_entry
{
	my ($position, %values) = @_;
	$mock->no_faults;
	$mock->fault({
		match => { path => '^/v1/me/tracks$', offset => 0 },
		action =>
		  { set => { map { ("items.$position.$_" => $values{$_}) } keys %values } },
	});
	return;
}

# Counters of written tuples by table, as the statistics of the server know
# them: they arrive a little after the session that wrote has ended.
sub tuples_written
{
	my %tuples;

	$node->poll_query_until('postgres', <<~SQL)
		SELECT n_tup_ins = (SELECT count(*) FROM spotify.sync_runs)
		  FROM pg_stat_user_tables
		 WHERE relid = 'spotify.sync_runs'::regclass
		SQL
	  or die 'the statistics do not tell of all runs';
	$tuples{ $_->{relname} } = "$_->{n_tup_ins} $_->{n_tup_upd} $_->{n_tup_del}"
	  for query_rows($node,
		'SELECT relname, n_tup_ins, n_tup_upd, n_tup_del FROM pg_stat_user_tables');
	delete @tuples{qw(sync_runs quality_checks)};
	return \%tuples;
}

# Runs when nothing has changed: the run writes its own row and its checks, and
# nothing else.
sub check_unchanged_run
{
	my ($name, %expected) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $tuples = tuples_written();
	my $digests = table_digests($node);
	my $run = sync_liked($node, 'full_scan => true');

	check_run($run, $name, %expected);
	is_deeply(table_digests($node), $digests,
		"$name: no row is written or locked");
	is_deeply(tuples_written(), $tuples,
		"$name: the statistics tell of no written tuple");
	return;
}

# ------------------------------------------------------------ the first run

start_over($node, $mock, size => 60);
my $run = sync_liked($node);
my @runs = ($run->{run_id});
check_run($run, 'the first run', mode => 'full', inserted => 60, total => 60,
	fetched => 60);
is_deeply([ liked_differences($node, $mock) ], [],
	'the first run: the table is true');
is($node->safe_psql('postgres', <<~SQL), 60, 'the first run: rows are active');
	SELECT count(*)
	  FROM spotify.liked_tracks AS liked
	  JOIN spotify.sync_runs AS run USING (account)
	 WHERE run_id = $run->{run_id}
	   AND liked.is_active
	   AND liked.first_seen_at BETWEEN run.started_at AND run.finished_at
	   AND liked.last_modified BETWEEN run.started_at AND run.finished_at
	SQL
is($node->safe_psql('postgres', <<~SQL), '60|60', 'the first run: events');
	SELECT count(*), count(DISTINCT track_id)
	  FROM spotify.liked_events
	 WHERE account = 'default' AND event = 'added' AND run_id = $run->{run_id}
	SQL

# ---------------------------------------------------- new, gone, and back

my ($gone, $other_gone, $kept) = (ids())[ 3, 57, 20 ];
my %before = map { $_ => liked_row($_) } $gone, $other_gone, $kept;
my $versions = versions('liked_tracks', 'track_id');
my ($new) = @{ $mock->post('like', { count => 1 })->{ids} };

$mock->post('unlike', { ids => [ $gone, $other_gone ] });
$run = sync_liked($node);
push @runs, $run->{run_id};
check_run($run, 'new and gone', inserted => 1, deactivated => 2, total => 59);
is_deeply([ liked_differences($node, $mock) ], [],
	'new and gone: the table is true');
is_deeply(
	rows_written($versions, versions('liked_tracks', 'track_id')),
	[ sort $new, $gone, $other_gone ],
	'new and gone: no other row is touched');
my $row = liked_row($gone);
cmp_ok($row->{last_modified}, 'gt', $before{$gone}{last_modified},
	'gone: last_modified is newer');
is_deeply(
	{ %$row, last_modified => undef },
	{
		%{ $before{$gone} },
		is_active => JSON::PP::false,
		last_modified => undef,
		list_rank => undef
	},
	'gone: the row stays, inactive, without a place in the list');
is_deeply(
	events_of($gone),
	[ "added of $runs[0]", "removed of $runs[1]" ],
	'gone: an event');
is_deeply(events_of($new), ["added of $runs[1]"], 'new: an event');
is(liked_row($new)->{last_modified},
	liked_row($new)->{first_seen_at},
	'new: modified when first seen');
check_unchanged_run('after new and gone', total => 59, fetched => 59);

%before = map { $_ => liked_row($_) } $gone, $other_gone, $kept;
$versions = versions('liked_tracks', 'track_id');
$mock->post('like', { ids => [$gone] });
$run = sync_liked($node);
push @runs, $run->{run_id};
check_run($run, 'back', reactivated => 1, total => 60);
is_deeply([ liked_differences($node, $mock) ], [], 'back: the table is true');
is_deeply(rows_written($versions, versions('liked_tracks', 'track_id')),
	[$gone], 'back: no other row is touched, neither active nor inactive');
$row = liked_row($gone);
cmp_ok($row->{last_modified}, 'gt', $before{$gone}{last_modified},
	'back: last_modified is newer');
cmp_ok($row->{added_at}, 'gt', $before{$gone}{added_at},
	'back: added_at is the new one');
is_deeply(
	{ %$row, map { $_ => undef } qw(added_at last_modified list_rank) },
	{
		%{ $before{$gone} },
		is_active => JSON::PP::true,
		map { $_ => undef } qw(added_at last_modified list_rank)
	},
	'back: active, and first seen when it was first seen');
is_deeply(
	events_of($gone),
	[ "added of $runs[0]", "removed of $runs[1]", "readded of $runs[2]" ],
	'back: an event');

# ------------------------------------------- liked anew between two runs

%before = map { $_ => liked_row($_) } $kept;
$versions = versions('liked_tracks', 'track_id');
$mock->post('unlike', { ids => [$kept] });
$mock->post('like', { ids => [$kept] });
$run = sync_liked($node);
check_run($run, 'liked anew', updated => 1, total => 60);
is_deeply([ liked_differences($node, $mock) ], [],
	'liked anew: the table is true, with the new added_at');
is_deeply(rows_written($versions, versions('liked_tracks', 'track_id')),
	[$kept], 'liked anew: no other row is touched');
$row = liked_row($kept);
is_deeply(
	[ @$row{qw(is_active first_seen_at)} ],
	[ JSON::PP::true, $before{$kept}{first_seen_at} ],
	'liked anew: still active, first seen when it was first seen');
is_deeply(events_of($kept), ["added of $runs[0]"], 'liked anew: no event');
check_unchanged_run('after liked anew', total => 60, fetched => 60);

# ---------------------------------------------------- all of it in one run

$mock->post('unlike', { ids => [ $gone, $new, $kept ] });
$mock->post('like', { ids => [ $other_gone, $kept ] });
$mock->post('like', { count => 2 });
$run = sync_liked($node);
check_run($run, 'all at once', inserted => 2, deactivated => 2,
	reactivated => 1, updated => 1, total => 61);
is_deeply([ liked_differences($node, $mock) ], [],
	'all at once: the table is true');
is_deeply(
	events_of($gone),
	[
		"added of $runs[0]", "removed of $runs[1]",
		"readded of $runs[2]", "removed of $run->{run_id}"
	],
	'all at once: a track may come and go again');
is( $node->safe_psql(
		'postgres',
		"SELECT count(*) FROM spotify.liked_events WHERE run_id = $run->{run_id}"
	),
	5,
	'all at once: one event for each transition');

# A like with a date in the past stands in the middle of the list.
my ($old) =
  @{ $mock->post('like', { count => 1, added_at => '2026-10-31T23:30:30Z' })->{ids} };
$run = sync_liked($node, 'full_scan => true');
check_run($run, 'liked in the past', inserted => 1, total => 62);
is_deeply([ liked_differences($node, $mock) ], [],
	'liked in the past: the table is true');
isnt($old, (ids())[0], 'liked in the past: it is not the newest');

# ------------------------------------------------- the track and its album

start_over($node, $mock, size => 60);
sync_liked($node);
# Every sixth track has three artists.
my $position = 5;
my ($entry) = api_items($mock, $position, 1);
my $track = $entry->{track};
my $album = $track->{album};
my $id = $track->{id};
my @artist_ids = map { $_->{id} } @{ $track->{artists} };

sub stored_track
{
	return query_row($node, "SELECT * FROM spotify.tracks WHERE track_id = '$id'");
}

sub stored_album
{
	return query_row($node,
		"SELECT * FROM spotify.albums WHERE album_id = '$album->{id}'");
}

sub stored_artists
{
	return [
		map { [ @$_{qw(position artist_id name)} ] } query_rows($node, <<~SQL) ];
		SELECT position, artist_id, name
		  FROM spotify.track_artists JOIN spotify.artists USING (artist_id)
		 WHERE track_id = '$id' ORDER BY position
		SQL
}

sub placed
{
	my @artists = @_;
	return [
		map { [ $_ + 1, @{ $artists[$_] }{qw(id name)} ] } 0 .. $#artists ];
}

is(scalar @artist_ids, 3, 'the track that is looked at has three artists');
my $stored_track = {
	track_id => $id,
	name => $track->{name},
	album_id => $album->{id},
	duration_ms => $track->{duration_ms},
	explicit => $track->{explicit},
	disc_number => $track->{disc_number},
	track_number => $track->{track_number},
	isrc => $track->{external_ids}{isrc},
	popularity => undef,
	is_local => JSON::PP::false,
	uri => "spotify:track:$id",
};
is_deeply(stored_track(), $stored_track, 'tracks holds what the API answers');
my $stored_album = {
	album_id => $album->{id},
	image_url => $album->{images}[0]{url},
	map { $_ => $album->{$_} }
	  qw(name album_type release_date release_date_precision total_tracks)
};
is_deeply(stored_album(), $stored_album, 'albums holds what the API answers');
is_deeply(
	[
		map { [ @$_{qw(position artist_id name)} ] } query_rows($node, <<~SQL) ],
		SELECT position, artist_id, name
		  FROM spotify.album_artists JOIN spotify.artists USING (artist_id)
		 WHERE album_id = '$album->{id}' ORDER BY position
		SQL
	placed(@{ $album->{artists} }),
	'album_artists and artists hold what the API answers');
is_deeply(stored_artists(), placed(@{ $track->{artists} }),
	'track_artists and artists hold what the API answers');
is_deeply(
	query_row(
		$node, <<~SQL),
		SELECT name, artists, spotify_uri, is_active, account,
		       added_at = '$entry->{added_at}' AS is_added_then,
		       last_modified = (SELECT last_modified FROM spotify.liked_tracks
		                         WHERE track_id = '$id') AS is_modified_then
		  FROM spotify.liked_songs WHERE spotify_uri = '$id'
		SQL
	{
		name => $track->{name},
		artists => join(', ', map { $_->{name} } @{ $track->{artists} }),
		spotify_uri => $id,
		is_active => 1,
		account => 'default',
		is_added_then => JSON::PP::true,
		is_modified_then => JSON::PP::true,
	},
	'liked_songs shows the track as the Python pipelines did');

# ----------------------------------------------------- described anew

# Runs after something was described anew: no like changed, and in a table of
# the catalogue just the rows with these keys.
sub check_described
{
	my ($name, $table, $key, @keys) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $liked_before = versions('liked_tracks', 'track_id');
	my $before = versions($table, $key);
	my $described = sync_liked($node, 'full_scan => true');

	check_run($described, $name, total => 60, fetched => 60);
	is_deeply(rows_written($liked_before, versions('liked_tracks', 'track_id')),
		[], "$name: no like is touched");
	is_deeply(rows_written($before, versions($table, $key)),
		[ sort @keys ], "$name: in $table, only what differs is written");
	return;
}

$mock->post('rename', { id => $id, name => "Renamed: \x{266b}" });
check_described('a renamed track', 'tracks', 'track_id', $id);
$stored_track->{name} = "Renamed: \x{266b}";
is_deeply(stored_track(), $stored_track, 'a renamed track: the name is new');
is(query_row($node,
		"SELECT name FROM spotify.liked_songs WHERE spotify_uri = '$id'")->{name},
	"Renamed: \x{266b}", 'a renamed track: liked_songs shows it');

$mock->post('rename', { id => $artist_ids[1], name => 'Renamed Artist' });
$track->{artists}[1]{name} = 'Renamed Artist';
check_described('a renamed artist', 'artists', 'artist_id', $artist_ids[1]);
is_deeply(stored_artists(), placed(@{ $track->{artists} }),
	'a renamed artist: the name is new');

$mock->post('rename', { id => $album->{id}, name => 'Renamed Album' });
check_described('a renamed album', 'albums', 'album_id', $album->{id});
is( $node->safe_psql(
		'postgres', "SELECT name FROM spotify.albums WHERE album_id = '$album->{id}'"),
	'Renamed Album',
	'a renamed album: the name is new');

# ------------------------------------------- artists that come and go

my @artists = @{ $track->{artists} };
my @credits = map { "$id $_" } 1 .. 5;
my $credit_key = q{track_id || ' ' || position};

show_entry($position, 'track.artists' => [ $artists[0] ]);
check_described('one artist instead of three', 'track_artists', $credit_key,
	@credits[ 1, 2 ]);
is_deeply(stored_artists(), placed($artists[0]),
	'one artist instead of three: it is so');

show_entry($position, 'track.artists' => [ @artists[ 2, 0 ] ]);
check_described('other artists', 'track_artists', $credit_key,
	@credits[ 0, 1 ]);
is_deeply(stored_artists(), placed(@artists[ 2, 0 ]),
	'other artists: it is so');
is( $node->safe_psql(
		'postgres',
		"SELECT artists FROM spotify.liked_songs WHERE spotify_uri = '$id'"),
	$node->safe_psql(
		'postgres',
		"SELECT name FROM spotify.artists WHERE artist_id = '$artists[2]{id}'")
	  . ', '
	  . $node->safe_psql(
		'postgres',
		"SELECT name FROM spotify.artists WHERE artist_id = '$artists[0]{id}'"),
	'other artists: liked_songs joins them in their order');

my @five =
  (@artists, map { { id => "guest$_", name => "Guest $_" } } 1 .. 2);
show_entry($position, 'track.artists' => \@five);
check_described('five artists', 'track_artists', $credit_key, @credits);
is_deeply(stored_artists(), placed(@five), 'five artists: it is so');

show_entry($position, 'track.artists' => [ @artists, @artists ]);
check_described('an artist named twice', 'track_artists', $credit_key,
	@credits[ 3, 4 ], "$id 6");
is_deeply(stored_artists(), placed(@artists, @artists),
	'an artist named twice: it is so');

show_entry($position, 'track.artists' => []);
check_described('no artist', 'track_artists', $credit_key, @credits, "$id 6");
is_deeply(stored_artists(), [], 'no artist: it is so');
is( $node->safe_psql(
		'postgres',
		"SELECT artists FROM spotify.liked_songs WHERE spotify_uri = '$id'"),
	'',
	'no artist: liked_songs shows an empty text');

$mock->no_faults;
check_described('artists are back', 'track_artists', $credit_key,
	@credits[ 0 .. 2 ]);
is_deeply(stored_artists(), placed(@artists), 'artists are back: it is so');

my @album_artists = ($album->{artists}[0], $artists[2]);
show_entry($position, 'track.album.artists' => \@album_artists);
check_described('a second artist of the album',
	'album_artists', q{album_id || ' ' || position}, "$album->{id} 2");

my $other_album = (api_items($mock, 30, 1))[0]{track}{album};
show_entry($position, 'track.album' => $other_album);
check_described('another album', 'tracks', 'track_id', $id);
is(stored_track()->{album_id}, $other_album->{id}, 'another album: it is so');

$mock->no_faults;
sync_liked($node, 'full_scan => true');
is_deeply(stored_track(), $stored_track, 'all is back as it was');

# ------------------------------------------ fields that are missing later

my $digests = table_digests($node);

# Runs with the first page changed, which must change nothing here.
sub check_known_stays
{
	my ($name, %action) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	$mock->fault({
		match => { path => '^/v1/me/tracks$', offset => 0 },
		action => \%action,
	});
	check_run(sync_liked($node, 'full_scan => true'),
		$name, total => 60, fetched => 60);
	$mock->no_faults;
	is_deeply(table_digests($node), $digests, "$name: what is known stays");
	return;
}

# Each field in another entry.
my @track_fields =
  qw(name album artists duration_ms explicit disc_number track_number
  external_ids external_ids.isrc is_local uri type artists.0.name
  album.name album.artists album.album_type album.release_date
  album.release_date_precision album.total_tracks album.images album.id
  album.artists.0.name);
my @entry_fields = ('added_at', map { "track.$_" } @track_fields);

sub in_entries
{
	return map { "items.$_.$entry_fields[$_]" } 0 .. $#entry_fields;
}

check_known_stays('without a field', remove => [ in_entries() ]);
check_known_stays('with a field that is null',
	set => { map { $_ => undef } in_entries() });
check_known_stays('with a field of another type',
	set => { map { $_ => { odd => [1] } } grep { !/track\.type$/ } in_entries() });
check_known_stays('with a number in place of a text, and the other way round',
	set => {
		map { $_ => /_ms|_number|total|explicit|is_local/ ? '1' : 1 }
		  grep { !/track\.type$/ } in_entries()
	});
# One that is known by its URI alone.
check_known_stays('without an id', remove => ["items.$position.track.id"]);

# The fields that apps in development mode do not get.
$mock->post('config', { legacy_fields => JSON::PP::true });
is($node->safe_psql('postgres', 'SELECT count(popularity) FROM spotify.tracks'),
	0, 'without the legacy fields, no popularity is known');
check_described('legacy fields appear', 'tracks', 'track_id', ids());
my $popularity = (api_items($mock, $position, 1))[0]{track}{popularity};
is(stored_track()->{popularity},
	$popularity, 'legacy fields appear: popularity is known');
$mock->post('config', { legacy_fields => JSON::PP::false });
check_described('legacy fields vanish', 'tracks', 'track_id');
is($node->safe_psql('postgres', 'SELECT count(popularity) FROM spotify.tracks'),
	60, 'legacy fields vanish: popularity stays');

# A new name beside fields that are missing, popularity among them.
$mock->fault({
	match => { path => '^/v1/me/tracks$', offset => 0 },
	action => {
		set => {
			"items.$position.track.name" => 'New Name',
			"items.$position.track.album.name" => 'New Album Name',
		},
		remove => [
			map { "items.$position.track.$_" }
			  qw(artists duration_ms explicit disc_number track_number
			  external_ids is_local uri album.artists album.album_type
			  album.release_date album.release_date_precision
			  album.total_tracks album.images)
		],
	},
});
check_described('a new name and nothing else', 'tracks', 'track_id', $id);
is_deeply(
	stored_track(),
	{ %$stored_track, name => 'New Name', popularity => $popularity },
	'a new name and nothing else: what was known of the track stays');
is_deeply(
	stored_album(),
	{ %$stored_album, name => 'New Album Name' },
	'a new name and nothing else: what was known of the album stays');
is_deeply(stored_artists(), placed(@artists),
	'a new name and nothing else: its artists stay');

# --------------------------------------------------- sizes of libraries

for my $size (0, 1, 49, 50, 51, 100, 10_000)
{
	my $pages = ceil($size / 50) || 1;
	my %counts = (total => $size, fetched => $size);
	my $count;

	start_over($node, $mock, size => $size);
	# Each size asks for a token of its own.
	create_account($node);
	$run = sync_liked($node, 'full_scan => true');
	$count = $mock->count;
	check_run($run, "$size tracks", %counts, mode => 'full', inserted => $size);
	is_deeply([ liked_differences($node, $mock) ], [],
		"$size tracks: the table is true");
	is_deeply(
		{ %$count, in_flight_max => undef },
		{
			(map { $_ => 0 } keys %$count),
			tracks => $pages + 1,
			token => 1,
			total => $pages + 2,
			in_flight_max => undef,
		},
		"$size tracks: each page is asked for once, the first one twice");
	is($run->{requests}, $pages + 2, "$size tracks: the run counts its requests");
	is($run->{retries}, 0, "$size tracks: no request is repeated");
	cmp_ok($run->{bytes_received}, '>', 0, "$size tracks: bytes are counted");

	$mock->forget_log;
	check_unchanged_run("$size tracks again", %counts, inserted => 0);
	is($mock->count->{total}, $pages + 1,
		"$size tracks again: no more requests than needed");
}

$node->stop;
done_testing();
