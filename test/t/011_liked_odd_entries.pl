# Entries of Liked Songs that are odd: without identity, with an unusual one,
# with fields that are missing or of another shape, listed twice, too many or
# too few on a page.  None is fatal, none costs another entry, none removes.

use strict;
use warnings;

use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use SpotifyMock;
use SpotifyTest;

my $mock = SpotifyMock->start;
my $node = start_node($mock);
my $json = JSON::PP->new->canonical->allow_nonref;
my $true = JSON::PP::true;
my $false = JSON::PP::false;

create_account($node);

# An entry that no library holds, to be made odd.
$mock->post('library', { size => 1, first_index => 5000 });
my ($model) = api_items($mock, 0, 1);

# A copy of the model with an id of its own, and changed at some paths;
# "absent" removes what is there.
sub entry
{
	my ($id, %changes) = @_;
	my $entry = $json->decode($json->encode($model));

	$entry->{track}{id} = $id;
	$entry->{track}{uri} = "spotify:track:$id";
	for my $path (sort keys %changes)
	{
		my @keys = split /\./, $path;
		my $last = pop @keys;
		my $holder = $entry;
		$holder = ref $holder eq 'ARRAY' ? $holder->[$_] : $holder->{$_}
		  for @keys;
		my $is_absent =
		  !ref $changes{$path} && ($changes{$path} // '') eq 'absent';
		delete $holder->{$last} if $is_absent;
		$holder->{$last} = $changes{$path} unless $is_absent;
	}
	return $entry;
}

# JSON text that is sent as it stands.
sub raw
{
	return { '$raw' => $_[0] };
}

sub insert
{
	my ($position, @entries) = @_;
	$mock->post('insert', { position => $position, entry => $_ })
	  for reverse @entries;
	return;
}

sub ids
{
	return sort map { $_->{id} } @{ $mock->get('library') };
}

sub active_ids
{
	return [
		map { $_->{track_id} } query_rows(
			$node,
			'SELECT track_id FROM spotify.liked_tracks WHERE is_active ORDER BY track_id'
		)
	];
}

sub check_counts
{
	my ($run, $name, %expected) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is_deeply({ map { $_ => $run->{$_} } keys %expected },
		\%expected, "$name: the run counts it");
	return;
}

# Digests of all tables; of likes that lose or get a place in the list, without
# that place.
sub digests
{
	my ($is_moved) = @_;
	my $digests = table_digests($node);

	$digests->{'spotify.liked_tracks'} = query_row($node, <<~SQL)->{rows} if $is_moved;
		SELECT md5(string_agg((to_jsonb(r) - 'list_rank')::text, ',' ORDER BY track_id)) AS rows
		  FROM spotify.liked_tracks AS r
		SQL
	return $digests;
}

# A run after which no row of any table but the log of runs is another.
sub check_nothing_written
{
	my ($name, %expected) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $is_moved = delete $expected{is_moved};
	my $digests = digests($is_moved);
	my $run = sync_liked($node, 'full_scan => true');
	my $digests_after = digests($is_moved);

	check_counts($run, $name, status => 'succeeded', inserted => 0,
		deactivated => 0, reactivated => 0, updated => 0, %expected);

	# The places of entries without identity come and go with these.
	delete $_->{'spotify.liked_null_places'} for $digests, $digests_after;
	is_deeply($digests_after, $digests, "$name: nothing is written");
	return;
}

# ------------------------------------------------------- without identity

my $megabyte = 'x' x 1_000_000;
my %no_uri = ('track.uri' => undef);
my %unidentified = (
	'a null item' => undef,
	'a text' => 'odd',
	'a number' => 7,
	'a truth value' => $true,
	'an array' => [ 1, [ 2, {} ] ],
	'an empty object' => {},
	'a null track' => entry('x1', track => undef),
	'no track' => entry('x2', track => 'absent'),
	'a text as track' => entry('x3', track => 'odd'),
	'a number as track' => entry('x4', track => -1.5),
	'an array as track' => entry('x5', track => [ entry('x6') ]),
	'an empty track' => entry('x7', track => {}),
	'a local file without URI' =>
	  entry('x8', 'track.id' => undef, 'track.is_local' => $true, %no_uri),
	'an episode' => entry('x9', 'track.type' => 'episode'),
	'an episode by its URI alone' => entry(
		'x10', 'track.id' => undef, 'track.type' => 'absent',
		'track.uri' => 'spotify:episode:512ojhOuo1ktJprKbVcKyQ'),
	'an unknown type' => entry('x11', 'track.type' => 'chapter'),
	'a number as type, and the URI of an episode' => entry(
		'x12', 'track.type' => 5,
		'track.uri' => 'spotify:episode:512ojhOuo1ktJprKbVcKyQ'),
	'an episode in other letters' => entry('x20', 'track.type' => 'EPISODE'),
	'no id and no URI' =>
	  entry('x13', 'track.id' => 'absent', 'track.uri' => 'absent'),
	'an empty id' => entry('x14', 'track.id' => '', %no_uri),
	'an id of NUL' => entry('x15', 'track.id' => raw('"\u0000"'), %no_uri),
	'an id of a megabyte' => entry('x16', 'track.id' => $megabyte, %no_uri),
	'a number as id' => entry('x17', 'track.id' => 12345, %no_uri),
	'an object as id' => entry('x18', 'track.id' => { a => 1 }, %no_uri),
	'an empty URI' =>
	  entry('x19', 'track.id' => undef, 'track.uri' => 'spotify:track:'),
);
my @kinds = sort keys %unidentified;
my $odd_count = @kinds;

start_over($node, $mock, size => 45);
my @liked = ids();
insert(20, @unidentified{@kinds});
my $run = sync_liked($node, 'full_scan => true');
check_counts(
	$run, 'entries without identity',
	status => 'succeeded',
	skipped => $odd_count,
	total => 45 + $odd_count,
	fetched => 45 + $odd_count,
	inserted => 45);
is_deeply(active_ids(), \@liked,
	'entries without identity: all others are active, and nothing else');
check_nothing_written('entries without identity again',
	skipped => $odd_count);

# What is gone is seen to be gone in spite of them: Spotify is asked.
my $gone = $mock->post('unlike', { positions => [2] })->{ids}[0];
$run = sync_liked($node, 'full_scan => true');
check_counts($run, 'gone beside entries without identity',
	status => 'succeeded', skipped => $odd_count, deactivated => 1);
is_deeply(active_ids(), [ grep { $_ ne $gone } @liked ],
	'gone beside entries without identity: just that one is inactive');

# Liked tracks that are shown like that for a while.
start_over($node, $mock, size => 45);
sync_liked($node);
$mock->fault({
	match => { path => '^/v1/me/tracks$' },
	action => {
		set => { map { ("items.$_" => $unidentified{ $kinds[$_] }) } 0 .. $#kinds }
	},
});
check_nothing_written('liked tracks that lost their identity',
	skipped => $odd_count, total => 45, fetched => 45, is_moved => 1);
is($mock->count->{contains}, 1,
	'liked tracks that lost their identity: Spotify was asked');
$mock->no_faults;
check_nothing_written('liked tracks that have it again', skipped => 0, is_moved => 1);

# A whole library of them.
start_over($node, $mock);
insert(0, (undef) x 120);
$run = sync_liked($node, 'full_scan => true');
check_counts($run, 'nothing but null items',
	status => 'succeeded', skipped => 120, inserted => 0, total => 120);

# -------------------------------------------------- an unusual identity

# What looks like an id of the catalogue, so that Spotify can be asked for it.
sub catalogue_id
{
	return substr $_[0] . '0' x 22, 0, 22;
}

# Id => an entry of that identity.
sub identified_entries
{
	my %shown_as = (
		byNullId => { 'track.id' => undef },
		byNoId => { 'track.id' => 'absent' },
		byEmptyId => { 'track.id' => '' },
		byHugeId => { 'track.id' => $megabyte },
		byOddId => { 'track.id' => [7] },
		withNul => { 'track.id' => raw('"\u0000' . catalogue_id('withNul') . '"') },
		noType => { 'track.type' => 'absent' },
		nullType => { 'track.type' => undef },
		noUri => { 'track.uri' => 'absent' },
		nothingElse => { track => { id => catalogue_id('nothingElse') } },
		linkedById => {
			'track.id' => 'substitute1',
			'track.linked_from' => { id => catalogue_id('linkedById') },
		},
		linkedByUri => {
			'track.id' => 'substitute2',
			'track.linked_from' => {
				id => undef,
				uri => 'spotify:track:' . catalogue_id('linkedByUri'),
			},
		},
		notLinkedNull => { 'track.linked_from' => undef },
		notLinkedEmpty => { 'track.linked_from' => {} },
		notLinkedOdd => { 'track.linked_from' => 'odd' },
	);
	return map { catalogue_id($_) => entry(catalogue_id($_), %{ $shown_as{$_} }) }
	  keys %shown_as;
}

my %identified = identified_entries();
my $local_uri = 'spotify:local:Me+%26+Myself:Home:Kitchen+Song:187';
$identified{$local_uri} = entry(
	'local',
	'track.id' => undef,
	'track.uri' => $local_uri,
	'track.is_local' => $true,
	'track.album.id' => undef,
	'track.artists' => [ { id => undef, name => 'Me & Myself' } ]);
my @odd_ids = (
	q{quote'd}, q{"double"}, "line\nbreak\ttab\r", 'back\\slash', 'a,b', 'a b',
	q{'); DROP TABLE spotify.tracks; --}, '%s%n$1', '{}', 'NULL',
	"\x{1f3a7}\x{e9}", '0', ' ', '../../me');

start_over($node, $mock, size => 100);
@liked = ids();
insert(3, map { $identified{$_} } sort keys %identified);
insert(3, map { entry($_) } @odd_ids);
$run = sync_liked($node, 'full_scan => true');
check_counts(
	$run, 'unusual identities',
	status => 'succeeded',
	skipped => 0,
	inserted => 100 + keys(%identified) + @odd_ids);
is_deeply(
	active_ids(),
	[ sort @liked, keys %identified, @odd_ids ],
	'unusual identities: each is active under its own');
is_deeply(query_row($node, <<~SQL),
	SELECT track.name, is_local, uri, album_id, artists
	  FROM spotify.tracks AS track
	  JOIN spotify.liked_songs ON spotify_uri = track_id
	 WHERE track_id = '$local_uri'
	SQL
	{
		name => $model->{track}{name},
		is_local => $true,
		uri => $local_uri,
		album_id => undef,
		artists => '',
	},
	'a local file has its URI as id');
is($node->safe_psql('postgres', <<~SQL), 2,
	SELECT count(*) FROM spotify.tracks
	 WHERE track_id LIKE 'linked%' AND uri = 'spotify:track:' || track_id
	SQL
	'a relinked track has the URI of the one that is liked');
check_nothing_written('unusual identities again', skipped => 0);

# A liked track that is shown as the one that plays in its stead.
my ($shown) = api_items($mock, 0, 1);
my $substitute = catalogue_id('substitute');
$mock->fault({
	match => { path => '^/v1/me/tracks$', offset => 0 },
	action => {
		set => {
			'items.0.track.id' => $substitute,
			'items.0.track.uri' => "spotify:track:$substitute",
			'items.0.track.linked_from' => {
				map { $_ => $shown->{track}{$_} } qw(id uri type href)
			},
		}
	},
});
check_nothing_written('a track that is relinked later', skipped => 0);
$mock->no_faults;
check_nothing_written('a track that is not relinked any more', skipped => 0);

# They go like any other.
my $first_identified = 3 + @odd_ids;
$mock->post('unlike',
	{ positions => [ map { $first_identified + $_ } 0 .. keys(%identified) - 1 ] });
$run = sync_liked($node, 'full_scan => true');
check_counts($run, 'unusual identities are gone',
	status => 'succeeded', deactivated => scalar keys %identified);
is_deeply(active_ids(), [ sort @liked, @odd_ids ],
	'unusual identities are gone: just these are inactive');

# Spotify cannot be asked about what is no id: that must not stop the others.
$gone = $mock->post('unlike', { positions => [ 2 .. 2 + @odd_ids ] })->{ids}[0];
ok( eval { $run = sync_liked($node, 'full_scan => true'); 1 },
	'ids that are none are gone: the run does not fail')
  or diag($@);
ok(!grep({ $_ eq $gone } @{ active_ids() }),
	'ids that are none are gone: a track that is gone too is inactive');

# ------------------------------------------------------------ odd fields

# Where to look for a column of the entry with id %s.
my %column = (
	map({ $_ => "SELECT $_ FROM spotify.tracks WHERE track_id = %s" }
		qw(name album_id duration_ms explicit disc_number track_number isrc
		  popularity is_local)),
	map({ ("album.$_" =>
			  "SELECT $_ FROM spotify.albums WHERE album_id = 'album of ' || %s") }
		qw(name album_type release_date total_tracks image_url)),
	added_at => <<~SQL,
		SELECT added_at AT TIME ZONE 'UTC'
		  FROM spotify.liked_tracks WHERE track_id = %s
		SQL
	artists => <<~SQL,
		SELECT string_agg(position || ' ' || artist_id, ', ' ORDER BY position)
		  FROM spotify.track_artists WHERE track_id = %s
		SQL
);

my @two_artists = map { { id => $_, name => uc $_ } } qw(a b);
my @many_artists = map { { id => "of200-$_", name => "Artist $_" } } 1 .. 200;
my $scripts = "\x{1f3a7} \x{1f469}\x{200d}\x{1f4bb} \x{5d0}\x{202e}ab e\x{301}";
my $long_name = "\x{e4}" x 50_000;

# Path in the entry, column, then pairs of a value there and what is expected
# in the column.
my @cases = (
	[ 'track.duration_ms', 'duration_ms',
		raw('204053.0') => 204053,
		raw('2.04053E5') => 204053,
		0 => 0,
		604800000 => 604800000,
		604800001 => undef,
		2147483647 => undef,
		-1 => undef,
		raw('-98115887') => undef,
		raw('204053.5') => undef,
		'204053' => undef,
		{ totalMilliseconds => 188000 } => undef,
		undef() => undef,
		absent => undef,
		$true => undef,
		[204053] => undef,
		raw('2147483648') => undef,
		raw('9223372036854775808') => undef,
		raw('1e400') => undef,
		raw('-1e400') => undef,
	],
	[ 'track.explicit', 'explicit',
		$true => $true,
		'true' => undef,
		raw('1') => undef,
		undef() => undef,
		absent => undef,
	],
	[ 'track.is_local', 'is_local', undef() => undef, absent => undef ],
	[ 'track.disc_number', 'disc_number', raw('2.0') => 2, 0 => 0, -1 => undef, 100001 => undef ],
	[ 'track.track_number', 'track_number', raw('1.1E1') => 11, -1 => undef, 100001 => undef ],
	[ 'track.popularity', 'popularity',
		raw('55.0') => 55, 0 => 0, 100 => 100, 101 => undef, 1000 => undef, -1 => undef ],
	[ 'track.type', 'name',
		map { $_ => $model->{track}{name} } 'Track', 'TRACK', undef(), raw('1'), $true, {} ],
	[ 'track.external_ids', 'isrc',
		undef() => undef,
		absent => undef,
		'odd' => undef,
		{} => undef,
		{ isrc => 5 } => undef,
		{ ean => 'x', isrc => 'y' } => 'y',
	],
	[ 'track.name', 'name',
		undef() => undef,
		absent => undef,
		raw('5') => undef,
		{ text => 'x' } => undef,
		'' => '',
		raw('"\u0000"') => '',
		raw('"a\u0000b\u0000"') => 'ab',
		raw('"a\ud83d"') => "a\x{fffd}",
		raw('"\udfa7b"') => "\x{fffd}b",
		raw('"a\ud83db"') => "a\x{fffd}b",
		raw('"\ud83c\udfa7"') => "\x{1f3a7}",
		{ '$base64' => 'ImH/YiI=' } => "a\x{fffd}b",	# a, FF, b
		$scripts => $scripts,
		'Tom &amp; "Jerry" \\N' => 'Tom &amp; "Jerry" \\N',
		"two\nlines\tand\x{1}" => "two\nlines\tand\x{1}",
		"\x{10fffd}\x{fffd}" => "\x{10fffd}\x{fffd}",
		$long_name => $long_name,
	],
	[ 'added_at', 'added_at',
		undef() => undef,
		absent => undef,
		'' => undef,
		'yesterday' => undef,
		raw('1762000000') => undef,
		['2026-01-01T00:00:00Z'] => undef,
		'2026-13-01T00:00:00Z' => undef,
		'2026-02-30T00:00:00Z' => undef,
		'2026-01-01T24:30:00Z' => undef,
		'0000-01-01T00:00:00Z' => undef,
		'10000-01-01T00:00:00Z' => undef,
		'2026-01-01T00:00:00Z or so' => undef,
		'1970-01-01T00:00:00Z' => '1970-01-01T00:00:00',
		'2026-01-02T03:04:05.678Z' => '2026-01-02T03:04:05',
		'2026-01-02T03:04:05+02:00' => '2026-01-02T01:04:05',
		'2016-12-31T23:59:60Z' => '2017-01-01T00:00:00',
	],
	[ 'track.album', 'album_id',
		undef() => undef,
		absent => undef,
		'odd' => undef,
		[] => undef,
		{} => undef,
		{ id => undef, name => 'x' } => undef,
		{ id => '', name => 'x' } => undef,
	],
	[ 'track.album.name', 'album.name',
		undef() => undef,
		raw('"a\u0000\ud800"') => "a\x{fffd}",
	],
	[ 'track.album.album_type', 'album.album_type',
		undef() => undef,
		'cassette' => 'cassette',
	],
	[ 'track.album.release_date', 'album.release_date',
		undef() => undef,
		'0000' => '0000',
		'1977-11' => '1977-11',
	],
	[ 'track.album.total_tracks', 'album.total_tracks',
		raw('8.0') => 8,
		'8' => undef,
		-8 => undef,
		100001 => undef,
	],
	[ 'track.album.images', 'album.image_url',
		undef() => undef,
		absent => undef,
		'odd' => undef,
		[] => undef,
		[undef] => undef,
		['odd'] => undef,
		[ {} ] => undef,
		{} => undef,
		[ { url => undef, width => 640 }, { width => 640 }, { url => '' } ] => undef,
		[ undef, {}, 'odd', { width => 640 }, { url => 'x' } ] => 'x',
		[ { url => 'a', width => 64 }, { url => 'b', width => 640 }, { url => 'c', width => 300 } ] => 'b',
		[ { url => 'a', width => undef }, { url => 'b', width => 64 } ] => 'b',
		[ { url => 'a', width => undef }, { url => 'b', width => undef } ] => 'a',
	],
	[ 'track.artists', 'artists',
		undef() => undef,
		absent => undef,
		'odd' => undef,
		[] => undef,
		[undef] => undef,
		[ { id => undef, name => 'Nobody' } ] => undef,
		[ { id => '', name => 'Nobody' } ] => undef,
		[ undef, @two_artists ] => '2 a, 3 b',
		[ $two_artists[0], { name => 'Nobody' }, $two_artists[1] ] => '1 a, 3 b',
		[ @two_artists, $two_artists[0] ] => '1 a, 2 b, 3 a',
		\@many_artists => join(', ', map { "$_ of200-$_" } 1 .. 200),
		[ { id => 'nameless' }, { id => 'unnamed', name => undef } ] =>
		  '1 nameless, 2 unnamed',
	],
);

# The same one by one, each with an entry that has an album of its own.
my @fields;
for my $case (@cases)
{
	my ($path, $column, @pairs) = @$case;

	while (my ($value, $expected) = splice @pairs, 0, 2)
	{
		my $id = sprintf 'field %03d', scalar @fields;
		my $text = ref $value || !defined $value ? $json->encode($value) : $value;

		$text =~ s/[^ -~]/?/g;
		push @fields,
		  {
			id => $id,
			name => "odd fields: $path of " . substr($text, 0, 60),
			entry => entry($id, $path => $value),
			column => sprintf($column{$column}, "'$id'"),
			expected => $expected,
		  };
		$fields[-1]{entry}{track}{album}{id} = "album of $id"
		  if $path ne 'track.album';
	}
}

start_over($node, $mock, size => 30);
@liked = ids();
insert(10, map { $_->{entry} } @fields);
$run = sync_liked($node, 'full_scan => true');
check_counts($run, 'odd fields',
	status => 'succeeded', skipped => 0, inserted => 30 + @fields);
is_deeply(active_ids(), [ sort @liked, map { $_->{id} } @fields ],
	'odd fields: every track is active');
my $stored = query_row($node,
	'SELECT ' . join ', ', map { "($_->{column}) AS \"$_->{id}\"" } @fields);
is_deeply($stored->{ $_->{id} }, $_->{expected}, $_->{name}) for @fields;
is($node->safe_psql('postgres', <<~SQL), 2,
	SELECT count(*) FROM spotify.artists
	 WHERE artist_id IN ('nameless', 'unnamed') AND name IS NULL
	SQL
	'odd fields: artists without a name are stored');
check_nothing_written('odd fields again', skipped => 0);

# What one mention of an album or artist leaves out, another one tells.
my $ABOUT_ALBUM = <<'SQL';
SELECT album.name AS album, release_date, total_tracks, image_url IS NOT NULL AS has_image,
       string_agg(position || ' ' || artist.name, ', ') AS artists
  FROM spotify.albums AS album
  LEFT JOIN spotify.album_artists USING (album_id)
  LEFT JOIN spotify.artists AS artist USING (artist_id)
 GROUP BY album_id
SQL
my %album = (
	album => $model->{track}{album}{name},
	release_date => $model->{track}{album}{release_date},
	total_tracks => $model->{track}{album}{total_tracks},
	has_image => $true,
	artists => "1 $model->{track}{album}{artists}[0]{name}");
my %first_half = map { $_ => 'absent' }
  qw(track.album.name track.album.artists track.artists.0.name);
my %second_half = map { $_ => 'absent' }
  qw(track.album.release_date track.album.total_tracks track.album.images);
for my $entries (
	[ entry('half', %first_half), entry('other half', %second_half) ],
	[ entry('other half', %second_half), entry('half', %first_half) ],
	[ entry('nothing', %first_half, %second_half), entry('half', %first_half),
		entry('other half', %second_half) ],
	[ entry('nothing', %first_half, %second_half), entry('whole') ],
	[ entry('whole'), entry('nothing', %first_half, %second_half) ])
{
	my $name = join ' and ', map { $_->{track}{id} } @$entries;
	start_over($node, $mock);
	insert(0, @$entries);
	sync_liked($node);
	is_deeply(query_row($node, $ABOUT_ALBUM), \%album, "an album told of by $name: all is known");
	check_nothing_written("an album told of by $name");
}

# Text is repaired wherever it stands: here a, FF, \u0000, \ud800, b.
my $mixed = { '$base64' => 'ImH/XHUwMDAwXHVkODAwYiI=' };
start_over($node, $mock);
insert(
	0,
	entry(
		'mixed',
		map { $_ => $mixed } qw(track.album.artists.0.name track.album.name
		  track.album.images.0.url track.external_ids.isrc)));
sync_liked($node);
is_deeply(query_row($node, <<~SQL),
	SELECT artist.name AS artist, album.name AS album, image_url, isrc
	  FROM spotify.tracks
	  JOIN spotify.albums AS album USING (album_id)
	  JOIN spotify.album_artists USING (album_id)
	  JOIN spotify.artists AS artist USING (artist_id)
	SQL
	{ map { $_ => "a\x{fffd}\x{fffd}b" } qw(artist album image_url isrc) },
	'text is repaired wherever it stands');

# ------------------------------------------------- a date that is not known

sub show_added_at
{
	my ($value) = @_;
	$mock->no_faults;
	$mock->fault({
		match => { path => '^/v1/me/tracks$' },
		action => { set => { 'items.1.added_at' => $value } },
	});
	return;
}

start_over($node, $mock, size => 3);
show_added_at(undef);
sync_liked($node);
is($node->safe_psql('postgres', <<~SQL), 1,
	SELECT count(*) FROM spotify.liked_tracks WHERE is_active AND added_at IS NULL
	SQL
	'without added_at, a track is active');
check_nothing_written('without added_at again');
show_added_at('odd');
check_nothing_written('added_at is odd instead');
$mock->no_faults;
$run = sync_liked($node, 'full_scan => true');
check_counts($run, 'added_at becomes known',
	status => 'succeeded', updated => 1);
is_deeply([ liked_differences($node, $mock) ],
	[], 'added_at becomes known: the table is true');
show_added_at('odd');
check_nothing_written('added_at is not known any more');

# ------------------------------------------------------------ whole pages

start_over($node, $mock, size => 120);
sync_liked($node);
for my $notation (qw(float exponent))
{
	$mock->fault({
		match => { path => '^/v1/me/tracks$' },
		action => { numbers => $notation },
	});
	check_nothing_written("numbers as $notation", total => 120, fetched => 120);
	$mock->no_faults;
}

my $unknown = { deeper => [ { a => 1 }, 'text', undef, $true ] };
$mock->fault({
	match => { path => '^/v1/me/tracks$', offset => 0 },
	action => {
		set => {
			map { $_ => $unknown } qw(new items.0.new items.1.track.new
			  items.2.track.album.new items.3.track.artists.0.new
			  items.4.track.external_ids.new items.5.track.album.images.0.new)
		},
	},
});
check_nothing_written('unknown fields', total => 120, fetched => 120);

start_over($node, $mock, size => 120);
$mock->fault({
	match => { path => '^/v1/me/tracks$' },
	action => { numbers => 'exponent' },
});
$run = sync_liked($node, 'full_scan => true');
check_counts($run, 'a first run with numbers as exponent',
	status => 'succeeded', inserted => 120);
$mock->no_faults;
check_nothing_written('numbers as they should be');
is_deeply([ liked_differences($node, $mock) ],
	[], 'numbers as they should be: the table is true');

# ---------------------------------------- listed twice, too many, too few

# Stores a library of 120, then one track is unliked and one is liked: its id.
sub store_and_change
{
	start_over($node, $mock, size => 120);
	sync_liked($node);
	$mock->post('unlike', { positions => [70] });
	return $mock->post('like', { count => 1 })->{ids}[0];
}

# A run that cannot believe what it sees, but keeps what is new.
sub check_not_believed
{
	my ($name, $new) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $disbelieving = sync_liked($node, 'full_scan => true');

	check_partial($disbelieving, $name);
	is($node->safe_psql('postgres',
			'SELECT count(*) FROM spotify.liked_tracks WHERE NOT is_active'),
		0, "$name: nothing is inactive");
	is($node->safe_psql('postgres',
			"SELECT is_active FROM spotify.liked_tracks WHERE track_id = '$new'"),
		't', "$name: what is new is active");
	return $disbelieving;
}

# The next run, with all in order again.
sub check_repaired
{
	my ($name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $after;

	$mock->no_faults;
	$after = sync_liked($node, 'full_scan => true');
	is($after->{status}, 'succeeded', "$name: the next run succeeds");
	is_deeply([ liked_differences($node, $mock) ],
		[], "$name: then the table is true");
	return;
}

my $new = store_and_change();
my ($again) = api_items($mock, 100, 1);
insert(10, $again);
$run = check_not_believed('a track that is listed twice', $new);
check_counts($run, 'a track that is listed twice',
	skipped => 0, inserted => 1, reactivated => 0, total => 121);
$mock->post('unlike', { positions => [10] });
check_repaired('a track that is listed twice');

store_and_change();
$mock->fault({
	match => { path => '^/v1/me/tracks$', offset => 50, nth => 1 },
	action => { duplicate => 7 },
});
$run = sync_liked($node, 'full_scan => true');
check_counts($run, 'a track that is listed twice for once',
	status => 'succeeded', inserted => 1, deactivated => 1);
is_deeply([ liked_differences($node, $mock) ],
	[], 'a track that is listed twice for once: the table is true');

for my $offset (0, 50, 100)
{
	my %match = (path => '^/v1/me/tracks$', offset => $offset);
	my $name = "an entry too many from position $offset on";

	store_and_change();
	$mock->fault({ match => { %match, nth => 1 }, action => { extra => 1 } });
	$run = sync_liked($node, 'full_scan => true');
	check_counts($run, "$name, once", status => 'succeeded', deactivated => 1);
	is_deeply([ liked_differences($node, $mock) ],
		[], "$name, once: the table is true");

	$new = store_and_change();
	$mock->fault({ match => \%match, action => { extra => 1 } });
	check_not_believed($name, $new);
	check_repaired($name);
}

$new = store_and_change();
$mock->fault({
	match => { path => '^/v1/me/tracks$' },
	action => { serve => { limit => 20 }, echo_limit => 'asked' },
});
check_not_believed('pages of 20', $new);
cmp_ok($mock->count->{tracks}, '<=', 40, 'pages of 20: requests are bounded');
check_repaired('pages of 20');

start_over($node, $mock, size => 20);
$mock->fault({
	match => { path => '^/v1/me/tracks$' },
	action => { serve => { limit => 20 }, echo_limit => 'asked' },
});
$run = sync_liked($node);
check_counts($run, 'a library that fits a page of 20',
	status => 'succeeded', inserted => 20);

$node->stop;
done_testing();
