# What a background worker finds around it: triggers of an owner that is no
# superuser, settings of the database and of roles, a library that was replaced.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use SpotifyMock;
use SpotifySession;
use SpotifyTest;

my $SYNC = 'SELECT status FROM public.spotify_sync_liked()';
my $REFRESH = 'SELECT public.spotify_refresh_token() > now()';
my $FAILURE = { match => { path => '/me/tracks$' }, action => { status => 400 } };

my $mock = SpotifyMock->start('--library', 60);
my $node = start_node($mock, name => 'surroundings');
create_account($node);
my $session = open_session($node);
syncs($session, 'the first sync', $SYNC);

# That a worker does its tasks: a token, and the record of a failed run.
sub works
{
	my ($name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $answer = ask($session, $REFRESH);
	is($answer->{output}, 't', "$name: a refresh") or diag($answer->{text});
	$mock->fault($FAILURE);
	fails_cleanly($session, '08P01|22000|XX000|08006', "$name: a failure");
	$mock->no_faults;
	return;
}

# The library of another build, in a folder of its own: from the objects of this
# one, but that which tells the version.
sub build_other
{
	my $folder = PostgreSQL::Test::Utils::tempdir();
	my ($flags, $include) = map { (run_command([ $ENV{PG_CONFIG}, $_ ]))[0] } '--cflags', '--includedir-server';
	my $compiler = $ENV{CC} || 'cc';
	my @objects = grep { !m{/durable_call\.o$} } glob 'src/*.o src/*/*.o';
	system_or_bail("$compiler $flags -fPIC -D_GNU_SOURCE -DSPOTIFY_ETL_VERSION='\"0.9\"' -Isrc -I$include "
		  . "-c src/sync/durable_call.c -o $folder/durable_call.o");
	system_or_bail($compiler, '-shared', '-o', "$folder/spotify_etl.so", @objects, "$folder/durable_call.o",
		'-lcurl', '-ljson-c');
	return $folder;
}

# Settings: one that a database or role may have, and a value that would do harm

my $version = $node->safe_psql('postgres', 'SHOW server_version_num');
my %SETTINGS = (
	default_transaction_deferrable => 'on',
	default_transaction_isolation => 'serializable',
	default_transaction_read_only => 'on',
	exit_on_error => 'on',
	idle_in_transaction_session_timeout => '1ms',
	lock_timeout => '1ms',
	role => 'stranger',
	row_security => 'off',
	search_path => 'nowhere',
	session_replication_role => 'replica',
	statement_timeout => '1ms',
	synchronous_commit => 'off');
$SETTINGS{idle_session_timeout} = '1ms' if $version >= 140000;
$SETTINGS{transaction_timeout} = '20ms' if $version >= 170000;

# Both were opened before, so that they do not have the settings.
my $admin = open_session($node);
value($admin, 'CREATE ROLE stranger');
for my $whose ('DATABASE postgres', 'ROLE ALL', 'ROLE postgres')
{
	value($admin, "ALTER $whose SET $_ = '$SETTINGS{$_}'") for sort keys %SETTINGS;
	works("settings of $whose");
	value($admin, "ALTER $whose RESET ALL");
}
value($admin, q{ALTER DATABASE postgres SET exit_on_error = 'on'});
value($admin, 'UPDATE spotify_private.credentials SET refresh_token = NULL');
refused($session, '28000', 'an error of a worker with exit_on_error', $REFRESH);
value($admin, q{UPDATE spotify_private.credentials SET refresh_token = 'mock-refresh-token'});
value($admin, 'ALTER DATABASE postgres RESET ALL');
works('without such settings');

# A library that was replaced while the session was open

my $other = build_other();
my $installed = value($admin, q{SELECT probin FROM pg_proc WHERE proname = 'spotify_sync_liked'});
value($admin, "UPDATE pg_proc SET probin = '$other/spotify_etl' WHERE probin = '$installed'");
my $old = open_session($node);
$mock->forget_log;
my $ALL = q{CALL spotify_sync_all()};
for my $sql ($SYNC, $REFRESH, $ALL)
{
	my $error = refused($old, '55000', "a library that was replaced, $sql", $sql);
	like($error->{message}, qr/replaced/, "a library that was replaced, $sql: the message");
	like($error->{hint}, qr/^Reconnect/, "a library that was replaced, $sql: the hint") if $sql ne $ALL;
}
is($mock->count->{total}, 0, 'a library that was replaced: nothing is asked');
is(value($old, 'SELECT 1'), 1, 'a library that was replaced: the session goes on');
value($admin, "UPDATE pg_proc SET probin = '$installed' WHERE probin = '$other/spotify_etl'");
my $new = open_session($node);
syncs($new, 'a library that was replaced: after connecting anew', $SYNC);
$_->quit for $old, $new;

# Deferred triggers of a superuser's are fired as ever.
value($admin, <<~'SQL');
	CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
	CREATE CONSTRAINT TRIGGER nothing AFTER INSERT OR UPDATE ON spotify.liked_tracks
		DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION nothing()
	SQL
change_library($mock);
is(ask($session, $ALL)->{code}, undef, 'a deferred trigger where the owner is a superuser');
value($admin, 'DROP FUNCTION nothing CASCADE');

# The owner is no superuser, and its triggers try to become one

value($admin, 'CREATE ROLE owner LOGIN');
give_to($admin, 'owner');
value($admin, <<~'SQL');
	CREATE TABLE seen (table_name text, user_name text);
	ALTER TABLE seen OWNER TO owner;
	CREATE FUNCTION climb() RETURNS trigger LANGUAGE plpgsql AS $$
	DECLARE
		command text;
	BEGIN
		FOREACH command IN ARRAY ARRAY['RESET ROLE', 'SET ROLE NONE', 'SET ROLE postgres',
		                               'RESET SESSION AUTHORIZATION', 'SET SESSION AUTHORIZATION DEFAULT',
		                               'SET SESSION AUTHORIZATION postgres']
		LOOP
			BEGIN
				EXECUTE command;
			EXCEPTION WHEN others THEN
				NULL;
			END;
		END LOOP;
		INSERT INTO public.seen VALUES (TG_TABLE_NAME, current_user);
		RETURN NULL;
	END $$;
	ALTER FUNCTION climb OWNER TO owner
	SQL
my @TABLES = qw(spotify_private.credentials spotify.accounts spotify.sync_runs);
for my $table (@TABLES)
{
	value($admin, "CREATE TRIGGER climb AFTER INSERT OR UPDATE ON $table FOR EACH ROW EXECUTE FUNCTION climb()");
}
works('triggers that try to become a superuser');
is(value($admin, q{SELECT string_agg(DISTINCT user_name, ' ') FROM seen}), 'owner', 'a trigger has the rights of the owner');
is(value($admin, q{SELECT string_agg(DISTINCT table_name, ' ') FROM seen}), 'credentials sync_runs', 'and was fired');

# A deferred trigger would be fired by the commit.
for my $table (@TABLES)
{
	value($admin, "DROP TRIGGER climb ON $table");
}
value($admin, 'TRUNCATE seen');
for my $case ([ 'spotify_private.credentials', $REFRESH ], [ 'spotify.liked_tracks', 'CALL spotify_sync_all()' ])
{
	my ($table, $sql) = @$case;
	value($admin, <<~SQL);
		CREATE CONSTRAINT TRIGGER climb AFTER INSERT OR UPDATE ON $table
			DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION climb()
		SQL
	change_library($mock);
	refused($session, '42501', "a deferred trigger on $table", $sql);
	value($admin, "DROP TRIGGER climb ON $table");
	is(value($admin, 'SELECT count(*) FROM seen'), 0, "a deferred trigger on $table: is not fired");
}
heals($session, $node, $mock, 'without triggers');

# A trigger that does not end: the worker has a limit of its own, and says that
# it was reached.
value($admin, <<~'SQL');
	CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM pg_sleep(600);
		RETURN NULL;
	END $$;
	CREATE TRIGGER dawdle AFTER UPDATE ON spotify.accounts FOR EACH STATEMENT EXECUTE FUNCTION dawdle()
	SQL
$mock->fault({ match => { path => '/me/tracks$', from => 2 }, action => { status => 429, retry_after => 3600 } });
my $late = ask($session, 'SELECT status FROM public.spotify_sync_liked(full_scan => true)');
is($late->{code}, '55P03', 'a trigger that does not end: the code');
is($late->{message}, 'the background worker took too long', 'a trigger that does not end: the message');
like($late->{hint}, qr/triggers/, 'a trigger that does not end: the hint');
$mock->no_faults;
value($admin, 'DROP TRIGGER dawdle ON spotify.accounts');
heals($session, $node, $mock, 'without that trigger');

$_->quit for $session, $admin;
$node->stop;
done_testing();
