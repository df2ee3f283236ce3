# SpotifySession.pm
#   SQL in a session that must work, or must not: what the tests with several
#   sessions share.
package SpotifySession;

use strict;
use warnings;

use Exporter 'import';
use Test::More;

use SpotifyTest;

our @EXPORT = qw(value refused syncs function_calls);

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

# A call of each function of the extension, by its name.  All arguments are
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
		 WHERE prokind = 'f'
		SQL
}

1;
