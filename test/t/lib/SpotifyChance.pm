# SpotifyChance.pm
#   What the tests that go by chance share.  srand makes it the same chance
#   again.
package SpotifyChance;

use strict;
use warnings;

use Exporter 'import';
use List::Util qw(min);
use Test::More;

our @EXPORT = qw(random one_of one_in play_all);

my $MOST_TOLD = 20;    # violations of a test

# Up to the highest, which is included.
sub random
{
	my ($highest) = @_;
	return int rand($highest + 1);
}

sub one_of
{
	return $_[ random($#_) ];
}

# True in one case of so many.
sub one_in
{
	my ($cases) = @_;
	return random($cases - 1) == 0;
}

# Plays scenarios 1 to $count, so many in a test.  $play gets the number of one
# and returns what it violated, in words.
sub play_all
{
	my ($what, $count, $per_test, $play) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	for (my $first = 1; $first <= $count; $first += $per_test)
	{
		my $last = min($first + $per_test - 1, $count);
		my @violations = map { $play->($_) } $first .. $last;

		is(scalar @violations, 0, "$what $first to $last")
		  or diag(join "\n", @violations[ 0 .. min($MOST_TOLD, scalar @violations) - 1 ]);
	}
	return;
}

1;
