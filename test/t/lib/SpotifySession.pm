# SpotifySession.pm
#   SQL in a session that must work, or must not: what the tests with several
#   sessions share.
package SpotifySession;

use strict;
use warnings;

use Exporter 'import';
use Test::More;
use Time::HiRes qw(sleep time);

use SpotifyTest;

our @EXPORT = qw(value refused syncs function_calls give_to pid_of begin answer_of becomes_true);

# Runs SQL that must work in a session; returns what it gives.
sub value
{
	my ($session, $sql) = @_;
	my $answer = ask($session, $sql);
	die "$sql: $answer->{text}\n" if defined $answer->{code};
	return $answer->{output};
}

# That SQL fails in a session with this code.
sub refused
{
	my ($session, $code, $name, $sql) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $answer = ask($session, $sql);
	is($answer->{code}, $code, $name) or diag($answer->{text}, $answer->{output});
	return $answer;
}

# That a sync in a session succeeds: of Liked Songs, or what is given as SQL.
sub syncs
{
	my ($session, $name, $sql) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $answer = ask($session, $sql // 'SELECT status FROM public.spotify_sync_liked()');
	is($answer->{output}, 'succeeded', $name) or diag($answer->{text});
	return;
}

# Makes a role the owner of all that the extension has.
sub give_to
{
	my ($session, $role) = @_;
	return value($session, <<~SQL);
		GRANT USAGE ON SCHEMA spotify_private TO $role;
		DO \$do\$
		DECLARE
			name text;
		BEGIN
			FOR name IN SELECT oid::regclass FROM pg_class
			             WHERE relnamespace IN ('spotify'::regnamespace, 'spotify_private'::regnamespace)
			               AND relkind = 'r'
			LOOP
				EXECUTE format('ALTER TABLE %s OWNER TO $role', name);
			END LOOP;
			FOR name IN SELECT oid::regprocedure FROM pg_proc
			             WHERE proname LIKE 'spotify\\_%' AND pronamespace = 'public'::regnamespace
			                OR pronamespace = 'spotify_private'::regnamespace
			LOOP
				EXECUTE format('ALTER ROUTINE %s OWNER TO $role', name);
			END LOOP;
		END
		\$do\$
		SQL
}

# The server process of a session.
sub pid_of { return value($_[0], 'SELECT pg_backend_pid()'); }

# Starts SQL in a session without waiting for its end.
sub begin
{
	my ($session, $sql) = @_;
	$session->{stderr} = '';
	$session->query_until(qr/begun\n/, "\\echo begun\n$sql;\n");
	return;
}

# What became of it, as ask returns it: also of a session that was terminated.
sub answer_of
{
	my ($session) = @_;
	my $output = eval { $session->query('') };
	my %answer = (output => $output, text => $session->{stderr});
	($answer{code}, $answer{message}) = ($1, $2) if $answer{text} =~ /(?:ERROR|FATAL):\s+(\w{5}): (.*)/;
	$answer{hint} = $1 if $answer{text} =~ /HINT:\s+(.*)/;
	return \%answer;
}

# Whether SQL gives "t" in a session, now or before the seconds are over.
sub becomes_true
{
	my ($session, $sql, $seconds) = @_;
	my $end = time + ($seconds // 20);
	until (value($session, $sql) eq 't')
	{
		return 0 if time > $end;
		sleep 0.01;
	}
	return 1;
}

# A call of each function of the extension that is for users, by its name.  All arguments are
# NULL: for what is refused before any of them is looked at.
sub function_calls
{
	my ($node) = @_;
	return map { split /\|/ } split /\n/, $node->safe_psql('postgres', <<~'SQL');
		SELECT proname,
		       format('SELECT %s(%s)', proname,
		              array_to_string(array_fill('NULL'::text, ARRAY[pronargs::integer]), ', '))
		  FROM pg_proc
		  JOIN pg_depend
		    ON objid = pg_proc.oid AND classid = 'pg_proc'::regclass AND deptype = 'e'
		  JOIN pg_extension ON pg_extension.oid = refobjid AND extname = 'spotify_etl'
		 WHERE prokind = 'f' AND pronamespace <> 'spotify_private'::regnamespace
		SQL
}

1;
