# The same text whatever the styles of a session are: in views, and in messages.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use SpotifyMock;
use SpotifyPlays;
use SpotifySession;
use SpotifyTest;

my @STYLES = (
	q{DateStyle = 'SQL, DMY'},
	q{DateStyle = 'SQL, MDY'},
	q{DateStyle = 'German'},
	q{DateStyle = 'Postgres, MDY'},
	'IntervalStyle = sql_standard',
	'IntervalStyle = postgres_verbose',
	'IntervalStyle = iso_8601',
	'standard_conforming_strings = off',
	'bytea_output = escape',
	'extra_float_digits = -15',
	(map { "$_ = 'C.utf8'" } qw(lc_messages lc_monetary lc_numeric lc_time)));
my @ZONES = ('Asia/Kathmandu', 'America/Sao_Paulo', 'Pacific/Kiritimati', '<+23>-23');

my $mock = SpotifyMock->start('--library', 60);
my $node = start_node($mock, name => 'styles');
create_account($node);
my $admin = open_session($node);

value($admin, 'SELECT spotify_sync_liked()');
play($mock, time - 3600 * $_, index => $_, context => 'album') for 1 .. 20;
value($admin, 'SELECT spotify_sync_recently_played()');

# The end of August is another day, and February another month, in other zones.
my $AUGUST = q{UPDATE spotify.accounts SET authorized_at = '2026-08-31 23:30:00+00'};
value($admin, $AUGUST);

# Soon over, which each call warns of.
my $SOON = value($admin, q{SELECT date_trunc('day', now()) - interval '170 days'});

# A limit that is to be believed.
my $LIMIT = value($admin, <<~'SQL');
	SELECT to_char((date_trunc('hour', now()) + interval '20 hours') AT TIME ZONE 'UTC',
	               'YYYY-MM-DD HH24:MI:SS"+00"')
	SQL

# What views show as text, each once: how many rows a view has may be a matter of
# the time zone.
my $TEXTS = join "\nUNION ", split /\n/, value($admin, <<~'SQL');
	SELECT format('SELECT %L || %I FROM spotify.%I', relname || '.' || attname || ': ', attname, relname)
	  FROM pg_attribute
	  JOIN pg_class ON pg_class.oid = attrelid
	 WHERE relnamespace = 'spotify'::regnamespace
	   AND relkind = 'v'
	   AND attnum > 0
	   AND atttypid = 'text'::regtype
	 ORDER BY relname, attnum
	SQL
like($TEXTS, qr/fav_artist\.id/, 'there are texts to compare');

# When an authorization ends is no matter of the session.
my $ENDS = q{SELECT EXTRACT(epoch FROM authorization_ends_at), days_left FROM spotify.account_status};

sub texts
{
	my ($session) = @_;
	return value($session, qq{SELECT string_agg(line, E'\\n' ORDER BY line COLLATE "C") FROM ($TEXTS) AS texts (line)});
}

# What messages say, but for numbers of lines and for what is only a moment ago.
sub messages
{
	my ($session) = @_;
	my @messages;

	value($admin, qq{UPDATE spotify.accounts SET retry_after = '$LIMIT', authorized_at = '$SOON'});
	push @messages, ask($session, $_)->{text}
	  for (
		q{SELECT spotify_sync_recently_played(period => '-1 year -2 mons -3 days -04:05:06')},
		q{SELECT spotify_sync_recently_played(period => '0')},
		q{SELECT spotify_sync_liked(E'no\\\\body')},
		'SELECT spotify_sync_liked()',
		'CALL spotify_sync_all()',
		q{SELECT spotify_authorize(E'code=1&state=\\\\')});
	value($admin, 'UPDATE spotify.accounts SET retry_after = NULL');
	push @messages, ask($session, 'SELECT spotify_sync_liked()')->{text};
	value($admin, $AUGUST);
	return join '', map { s/^psql:<stdin>:\d+: //mgr } @messages;
}

my $zone = q{SET TimeZone = 'UTC'};
my $usual = open_session($node, $zone);
my $messages = messages($usual);
my ($texts, $ends) = (texts($usual), value($usual, $ENDS));
like($texts, qr/^fav_artist\.id: \d{4}-\d\d-\d\d-\w/m, 'the date of fav_artist.id is ISO');
like($messages, qr/\Q$LIMIT\E/, 'times in messages are ISO');
like($messages, qr/WARNING: .* ends at /, 'an end that is near is told');
$usual->quit;

for my $style (@STYLES)
{
	my $session = open_session($node, "$zone; SET $style");
	is(texts($session), $texts, "$style: the texts of views");
	is(value($session, $ENDS), $ends, "$style: when the authorization ends");
	is(messages($session), $messages, "$style: messages");
	$session->quit;
}
for my $name (@ZONES)
{
	my $session = open_session($node, "SET TimeZone = '$name'");
	is(texts($session), $texts, "$name: the texts of views");
	is(value($session, $ENDS), $ends, "$name: when the authorization ends");
	$session->quit;
}

$admin->quit;
$node->stop;
done_testing();
