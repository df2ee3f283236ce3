# What a user may put on the tables: triggers that keep rows out or change
# their keys, rules, and row security.  None may crash the server or spoil the
# data without a word.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use JSON::PP;
use Test::More;

use SpotifyMock;
use SpotifyPlays;
use SpotifySession;
use SpotifyTest;

my $PLAYS = 'SELECT status FROM spotify_sync_recently_played()';

my $mock = SpotifyMock->start('--library', 120);
my $node = start_node($mock, name => 'meddled');
create_account($node);
my $session = open_session($node);
my $pid = value($session, 'SELECT pg_backend_pid()');

value($session, <<~'SQL');
	CREATE FUNCTION keep_out() RETURNS trigger LANGUAGE plpgsql
		AS $$ BEGIN RETURN NULL; END $$;
	CREATE FUNCTION change_key() RETURNS trigger LANGUAGE plpgsql
		AS $$ BEGIN NEW.track_id := NEW.track_id || '!'; RETURN NEW; END $$;
	CREATE FUNCTION change_run() RETURNS trigger LANGUAGE plpgsql
		AS $$ BEGIN NEW.run_id := NEW.run_id + 1000; RETURN NEW; END $$
	SQL

# Puts a trigger on a table, for each row before an event.
sub put_trigger
{
	my ($table, $event, $function) = @_;
	value($session, "CREATE TRIGGER meddle BEFORE $event ON $table FOR EACH ROW EXECUTE FUNCTION $function()");
	return;
}

sub drop_trigger
{
	my ($table) = @_;
	value($session, "DROP TRIGGER meddle ON $table");
	return;
}

# That a statement ends with the error that names the table and says what to do.
sub names_table
{
	my ($table, $name, $sql) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $error = refused($session, '27000', "$name: the error", $sql);
	like($error->{message} // '', qr/\Q"$table"\E/, "$name: it names the table");
	like($error->{hint} // '', qr/trigger/, "$name: the hint");
	is(value($session, 'SELECT pg_backend_pid()'), $pid, "$name: the server lives");
	return $error;
}

# The row of the run itself, and those of its checks

for my $function (qw(keep_out change_run))
{
	start_over($node, $mock, size => 120);
	put_trigger('spotify.sync_runs', 'INSERT', $function);
	my $error = names_table('spotify.sync_runs', "$function on sync_runs",
		'SELECT spotify_sync_liked()');
	like($error->{text}, qr/WARNING.*could not record the failed run/,
		"$function on sync_runs: that it is not recorded is told");
	is(value($session, 'SELECT count(*) FROM spotify.liked_tracks'),
		0, "$function on sync_runs: nothing is loaded");
	names_table('spotify.sync_runs', "$function on sync_runs, of plays", $PLAYS);
	drop_trigger('spotify.sync_runs');
}
put_trigger('spotify.quality_checks', 'INSERT', 'keep_out');
names_table('spotify.quality_checks', 'keep_out on quality_checks', 'SELECT spotify_sync_liked()');
drop_trigger('spotify.quality_checks');

# Likes: new, gone and back, with what is told of them

for my $case (
	[ 'liked_tracks', 'INSERT', 'keep_out' ],
	[ 'liked_tracks', 'INSERT', 'change_key' ],
	[ 'liked_tracks', 'UPDATE', 'keep_out' ],
	[ 'liked_tracks', 'UPDATE', 'change_key' ],
	[ 'liked_events', 'INSERT', 'keep_out' ],
	[ 'liked_events', 'INSERT', 'change_key' ],
	[ 'liked_null_places', 'INSERT', 'keep_out' ],
	[ 'liked_null_places', 'DELETE', 'keep_out' ])
{
	my ($table, $event, $function) = @$case;
	my $name = "$function before $event on $table";

	start_over($node, $mock, size => 120);
	$mock->fault({ match => { path => '/me/tracks$', offset => 0 }, action => { set => { 'items.10' => undef } } })
	  if $table eq 'liked_null_places' && $event eq 'DELETE';
	syncs($session, "$name: before");
	$mock->no_faults;
	change_library($mock);
	$mock->fault({ match => { path => '/me/tracks$', offset => 0 }, action => { set => { 'items.20' => undef } } })
	  if $table eq 'liked_null_places' && $event eq 'INSERT';
	put_trigger("spotify.$table", $event, $function);
	my $before = library_state($session);
	my $error = names_table("spotify.$table", $name, 'SELECT spotify_sync_liked(full_scan => true)');
	is(library_state($session), $before, "$name: nothing is changed");
	is(value($session, 'SELECT error_code FROM spotify.sync_runs ORDER BY run_id DESC LIMIT 1'),
		'27000', "$name: the run is recorded");
	drop_trigger("spotify.$table");
	$mock->no_faults;
	heals($session, $node, $mock, "$name: without it");
}

# The catalogue and the history: what a trigger keeps out is missing, no more.

for my $table (qw(artists albums album_artists track_artists tracks))
{
	start_over($node, $mock, size => 120);
	put_trigger("spotify.$table", 'INSERT', 'keep_out');
	heals($session, $node, $mock, "keep_out on $table");
	is(value($session, "SELECT count(*) FROM spotify.$table"), 0, "keep_out on $table: it stays empty");
	is(value($session, 'SELECT count(*) FROM spotify.liked_songs'),
		120, "keep_out on $table: the likes can be seen");
	drop_trigger("spotify.$table");
	heals($session, $node, $mock, "$table without it");
	cmp_ok(value($session, "SELECT count(*) FROM spotify.$table"), '>', 0, "$table without it: it is filled");
}
start_over($node, $mock, size => 120);
play($mock, time - 600, index => 3);
put_trigger('spotify.tracks', 'INSERT', 'keep_out');
my $error = refused($session, '23503', 'plays whose track is kept out', $PLAYS);
like($error->{message}, qr/"plays"/, 'plays whose track is kept out: the table is named');
drop_trigger('spotify.tracks');
put_trigger('spotify.plays', 'INSERT', 'keep_out');
is(value($session, 'SELECT status, inserted FROM spotify_sync_recently_played()'),
	'succeeded|0', 'a play that is kept out does not count');
drop_trigger('spotify.plays');
is(value($session, 'SELECT status, inserted FROM spotify_sync_recently_played()'),
	'succeeded|1', 'it is stored once the trigger is gone');

# A scan that was cut

start_over($node, $mock, size => 120);
put_trigger('spotify.scan_progress', 'INSERT', 'keep_out');
$mock->fault({ match => { offset => 50 }, action => { status => 429, headers => { 'Retry-After' => '600' } } });
value($session, 'SET spotify_etl.max_concurrency = 1');
names_table('spotify.scan_progress', 'keep_out on scan_progress', 'SELECT spotify_sync_liked()');
drop_trigger('spotify.scan_progress');
value($session, 'UPDATE spotify.accounts SET retry_after = NULL');
is(value($session, 'SELECT status FROM spotify_sync_liked()'), 'partial', 'a scan is cut');
$mock->no_faults;
value($session, 'UPDATE spotify.accounts SET retry_after = NULL');
put_trigger('spotify.scan_progress', 'DELETE', 'keep_out');
names_table('spotify.scan_progress', 'keep_out on scan_progress, at the end', 'SELECT spotify_sync_liked()');
drop_trigger('spotify.scan_progress');
heals($session, $node, $mock, 'a scan that was cut, without it');

# Accounts and their secrets

my $SET = q{SELECT spotify_set_account('mock-client', 'mock-secret', 'mock-refresh-token', account => 'second')};
put_trigger('spotify.accounts', 'INSERT', 'keep_out');
names_table('spotify.accounts', 'keep_out on accounts', $SET);
drop_trigger('spotify.accounts');
put_trigger('spotify_private.credentials', 'INSERT', 'keep_out');
names_table('spotify_private.credentials', 'keep_out on credentials', $SET);
names_table('spotify_private.credentials', 'keep_out on credentials, an authorization',
	'SELECT spotify_authorize_url()');
drop_trigger('spotify_private.credentials');
put_trigger('spotify.accounts', 'UPDATE', 'keep_out');
names_table('spotify.accounts', 'keep_out of updates on accounts',
	q{SELECT spotify_set_account('mock-client', account => 'default')});
$mock->fault({ match => { path => '/me/tracks$' }, action => { status => 429, headers => { 'Retry-After' => '600' } } });
like(ask($session, 'SELECT spotify_sync_liked(full_scan => true)')->{text},
	qr/WARNING.*could not record the failed run: .*"spotify.accounts"/,
	'keep_out of updates on accounts: a rate limit');
$mock->no_faults;
$mock->fault({ match => { path => '/api/token' }, action => { status => 400, body => '{"error":"invalid_grant"}' } });
names_table('spotify.accounts', 'keep_out of updates on accounts, a refusal', 'SELECT spotify_refresh_token()');
$mock->no_faults;
drop_trigger('spotify.accounts');
heals($session, $node, $mock, 'accounts without it');

# A token that cannot be stored waits in the spool.
$mock->post('config', { rotate => JSON::PP::true });
put_trigger('spotify_private.credentials', 'UPDATE', 'keep_out');
names_table('spotify_private.credentials', 'keep_out of tokens', 'SELECT spotify_refresh_token()');
names_table('spotify_private.credentials', 'keep_out of tokens, again', 'SELECT spotify_refresh_token()');
drop_trigger('spotify_private.credentials');
is(ask($session, 'SELECT spotify_refresh_token() > now()')->{output}, 't', 'keep_out of tokens: none is lost');
heals($session, $node, $mock, 'credentials without it');

# Forgetting must leave nothing behind.

play($mock, time - 300, index => 5);
syncs($session, 'plays to forget', $PLAYS);
for my $table (
	qw(spotify.liked_tracks spotify.liked_events spotify.plays spotify.sync_runs
	spotify.quality_checks spotify_private.credentials spotify.accounts))
{
	put_trigger($table, 'DELETE', 'keep_out');
	names_table($table, "keep_out of what is forgotten on $table", q{SELECT spotify_forget_account('default')});
	drop_trigger($table);
}
heals($session, $node, $mock, 'what was not forgotten');

# Rules

for my $table (
	qw(spotify.accounts spotify.sync_runs spotify.quality_checks spotify.liked_tracks spotify.liked_events
	spotify.liked_null_places spotify.scan_progress spotify.plays spotify.play_gaps spotify.artists
	spotify.albums spotify.album_artists spotify.tracks spotify.track_artists spotify_private.credentials))
{
	for my $event (qw(INSERT UPDATE DELETE))
	{
		value($session, "CREATE RULE meddle AS ON $event TO $table DO INSTEAD NOTHING");
		$mock->forget_log;
		for my $sql ('SELECT spotify_sync_liked()', $PLAYS, $SET, 'CALL spotify_sync_all()',
			'SELECT spotify_refresh_token()', q{SELECT spotify_forget_account('default')})
		{
			my $error = refused($session, '55000', "a rule on $event of $table: $sql", $sql);
			like($error->{message} // '', qr/\Q"$table"\E/, "a rule on $event of $table: it is named");
		}
		is($mock->count->{total}, 0, "a rule on $event of $table: nothing is asked");
		value($session, "DROP RULE meddle ON $table");
	}
}
heals($session, $node, $mock, 'without rules');

# Row security, which binds an owner that is no superuser if it is forced

value($session, 'CREATE ROLE owner LOGIN');
give_to($session, 'owner');
heals($session, $node, $mock, 'an owner that is no superuser');
syncs($session, 'an owner that is no superuser: plays', $PLAYS);
for my $table (
	qw(spotify.accounts spotify.sync_runs spotify.quality_checks spotify.liked_tracks spotify.liked_events
	spotify.scan_progress spotify.tracks spotify.track_artists spotify_private.credentials))
{
	my ($bare) = $table =~ /\.(.*)/;
	value($session, "ALTER TABLE $table ENABLE ROW LEVEL SECURITY");
	value($session, 'UPDATE spotify_private.credentials SET access_token = NULL');
	start_over($node, $mock, size => 120);
	heals($session, $node, $mock, "row security on $table");
	value($session, "ALTER TABLE $table FORCE ROW LEVEL SECURITY");
	my $before = library_state($session);
	$mock->post('like', { count => 1 });
	my $error = refused($session, '42501', "forced row security on $table", 'SELECT spotify_sync_liked(full_scan => true)');
	like($error->{message}, qr/"$bare"/, "forced row security on $table: it is named");
	is(library_state($session), $before, "forced row security on $table: nothing is changed");
	value($session, "ALTER TABLE $table DISABLE ROW LEVEL SECURITY; ALTER TABLE $table NO FORCE ROW LEVEL SECURITY");
}
value($session, 'ALTER TABLE spotify.sync_runs ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY');
$error = refused($session, '42501', 'forced row security: all', 'CALL spotify_sync_all()');
like($error->{message}, qr/"sync_runs"/, 'forced row security: all: the table is named');

$session->quit;
$node->stop;
done_testing();
