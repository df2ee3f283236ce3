# README.md and doc/spotify_etl.md: what they tell the reader to type works, in
# the order of the page, and does what the page shows.
#
# The language of a block says what becomes of it:
#
#   ```       psql: after "=> " a statement, below it what psql prints.  Times
#             and the widths of columns do not matter, "..." is any text
#   ```sql    must work; what it prints does not matter
#   ```sh     must have one of these in the line before:
#                 <!-- run -->           run here, with the top of the source as
#                                        folder and the database music
#                 <!-- walk -->          run by test/walk.sh
#                 <!-- by FILE: TEXT --> run by another test, which has this text
#   ```text   a drawing
#
# Between blocks the reader cannot see, for what has to happen meanwhile:
#
#   <!-- stand-in: OPERATION JSON -->  one of test/mock_spotify, or "no_faults"
#   <!-- database: SQL -->
#   <!-- psql 16 -->                   the next block needs a psql of this version

use strict;
use warnings;

use Cwd qw(getcwd);
use File::Basename qw(dirname);
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use SpotifyMock;
use SpotifyTest;

my $top = dirname(dirname(dirname(__FILE__)));
my %PLACEHOLDERS = (
	'client id' => 'mock-client',
	'client secret' => 'mock-secret',
	'refresh token' => 'mock-refresh-token');
my $ADDRESS = qr{'(?:address|http://127\.0\.0\.1:8888/callback\?code=\.\.\.&state=\.\.\.)'};

my $mock = SpotifyMock->start('--library', 1234);
my $node = start_node($mock);
my ($version) = run_command([ 'psql', '--version' ]) =~ /(\d+)/;
my $url;

$ENV{PGHOST} = $node->host;
$ENV{PGPORT} = $node->port;
$ENV{SPOTIFY_CLIENT_ID} = 'mock-client';
$ENV{SPOTIFY_CLIENT_SECRET} = 'mock-secret';
chdir $top;

# The blocks and comments of a page, in order.
sub parts_of
{
	my ($page) = @_;
	my ($block, @parts);

	for my $line (split /\n/, slurp_file("$top/$page"))
	{
		if ($line =~ /^```(\w*)$/)
		{
			push @parts, $block if defined $block;
			$block = defined $block ? undef : { language => $1 || 'psql', text => '' };
		}
		elsif (defined $block)
		{
			$block->{text} .= "$line\n";
		}
		elsif ($line =~ /^<!-- (.*) -->$/)
		{
			push @parts, { language => 'comment', text => $1 };
		}
	}
	return @parts;
}

# Runs a command; returns whether it succeeded, and what it printed, errors and
# notices first.
sub run_here
{
	my ($input, @command) = @_;
	my ($output, $errors) = ('', '');
	my $succeeds = IPC::Run::run(\@command, '<', \$input, '>', \$output, '2>', \$errors);
	return ($succeeds, $errors . $output);
}

# The address on which the browser ends, after the user has agreed.
sub address
{
	$mock->post('config', { auto_approve => JSON::PP::true });
	return browse($url);
}

# Statements in one session of psql, with what the reader would put for the
# placeholders.
sub run_psql
{
	my ($sql) = @_;
	my ($state) = ($url // '') =~ /[?&]state=([^&]+)/;

	$sql =~ s/'(client id|client secret|refresh token)'/'$PLACEHOLDERS{$1}'/g;
	$sql =~ s/$ADDRESS/"'" . address() . "'"/ge;
	$sql =~ s/(error=access_denied&state=)\.\.\./$1$state/g;
	my ($succeeds, $output) = run_here($sql, qw(psql -X -d music -v ON_ERROR_STOP=1));
	($url) = $output =~ /^\s*(http\S+authorize\?\S+)/m if $output =~ /authorize\?/;
	return ($succeeds, $output);
}

# The form in which outputs are compared.
sub comparable
{
	my ($text) = @_;

	$text =~ s/\d{4}-\d\d-\d\d \d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:[+-]\d\d)?/<time>/g;
	$text =~ s/(bytes_received\s+\|) \d+/$1 <bytes>/g;
	$text =~ s/-{2,}/-/g;
	$text =~ s/\s+/ /g;
	$text =~ s/^ | $//g;
	return $text;
}

sub prints
{
	my ($output, $shown, $name) = @_;
	my $pattern = quotemeta comparable($shown);

	$pattern =~ s/(?:\\\.){3}/.*/g;
	# The stand-in has another address.
	$pattern =~ s{^https\\:\\/\\/accounts\\\.spotify\\\.com}{http\\S+};
	like(comparable($output), qr/^$pattern$/, $name) or diag($output);
	return;
}

# A session: each statement, and what is shown below it.
sub check_session
{
	my ($text, $where) = @_;

	for my $step (split /^=> /m, $text)
	{
		next if $step !~ /\S/;
		my ($statement, $shown) = $step =~ /\A(.*?(?:;|\\g\w*[^\n]*)\n)(.*)\z/s
		  or die "$where: no statement: $step";
		my ($first) = $statement =~ /(.*)/;
		my (undef, $output) = run_psql($statement);
		prints($output, $shown, "$where: $first");
	}
	return;
}

# Statements, those before an address is needed first, since asking for the URL
# has to be committed before.
sub check_statements
{
	my ($text, $where) = @_;

	for my $statements (split /^(?=.*$ADDRESS)/m, $text)
	{
		my ($first) = $statements =~ /(.*)/;
		my ($succeeds, $output) = run_psql($statements);
		ok($succeeds, "$where: $first") or diag($output);
	}
	return;
}

sub check_shell
{
	my ($text, $who, $where) = @_;
	my ($first) = $text =~ /(.*)/;
	my $name = "$where: $first";

	if ($who eq 'run')
	{
		my ($succeeds, $output) = run_here($text, qw(bash -e));
		ok($succeeds, $name) or diag($output);
	}
	elsif ($who eq 'walk')
	{
		ok(index(slurp_file('test/walk.sh'), '<!-- walk -->') >= 0, "$name: test/walk.sh runs it");
	}
	elsif (my ($file, $sign) = $who =~ /^by (\S+): (.*)$/)
	{
		ok(-e $file && index($text, $sign) >= 0 && index(slurp_file($file), $sign) >= 0,
			"$name: $file runs it");
	}
	else
	{
		fail("$name: somebody runs it");
	}
	return;
}

# What happens between blocks.
sub obey
{
	my ($comment, $where) = @_;

	if ($comment eq 'stand-in: no_faults')
	{
		$mock->no_faults;
	}
	elsif ($comment =~ /^stand-in: (\w+) (.*)$/)
	{
		$mock->post($1, JSON::PP->new->decode($2));
	}
	elsif ($comment =~ /^database: (.*)$/)
	{
		my ($succeeds, $output) = run_psql("$1;\n");
		die "$where: $comment: $output" if !$succeeds;
	}
	return;
}

sub check_page
{
	my ($page) = @_;
	my $before = '';

	for my $part (parts_of($page))
	{
		my ($language, $text) = @$part{qw(language text)};

		if ($language eq 'comment')
		{
			obey($text, $page);
			$before = $text;
			next;
		}
		if ($before =~ /^psql (\d+)$/ && $version < $1)
		{
			note("$page: skipped, since psql is older than $1: $text");
		}
		elsif ($language eq 'psql') { check_session($text, $page) }
		elsif ($language eq 'sql') { check_statements($text, $page) }
		elsif ($language eq 'sh') { check_shell($text, $before, $page) }
		elsif ($language ne 'text') { fail("$page: nothing runs a block of $language") }
		$before = '';
	}
	return;
}

for my $page ('README.md', 'doc/spotify_etl.md')
{
	$mock->post('reset');
	$mock->post('library', { size => 1234 });
	$node->safe_psql('postgres', 'DROP DATABASE IF EXISTS music');
	$node->safe_psql('postgres', 'CREATE DATABASE music');
	$node->safe_psql('music', 'CREATE EXTENSION spotify_etl');
	check_page($page);
}

# A first page that somebody reads

my @lines = split /\n/, slurp_file('README.md');
cmp_ok(scalar @lines, '<=', 400, 'README.md has at most 400 lines');

$node->stop;
done_testing();
