# SpotifyChance.pm
#   What the tests that go by chance share.  srand makes it the same chance
#   again.
package SpotifyChance;

use strict;
use warnings;

use Exporter 'import';

our @EXPORT = qw(random one_of one_in);

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

1;
