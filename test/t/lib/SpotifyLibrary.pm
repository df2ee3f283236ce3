# SpotifyLibrary.pm
#   Liked Songs at the mock that change by chance.
#
# SpotifyLibrary->of($mock); its members may be read: entries, as the mock tells
# them, newest first; is_hidden, which says that something changed that the
# newest page and the length cannot show, and which may be set.
package SpotifyLibrary;

use strict;
use warnings;

use List::Util qw(max min shuffle);

use SpotifyChance;

# So many places may be gone by an earlier move of the same moment.
my $MARGIN = 65;

sub of
{
	my ($class, $mock) = @_;
	return bless {
		mock => $mock,
		entries => [],
		liked => [],        # the ids among them, in an order by chance
		gone => [],         # and those that were liked once
		was_liked => {},
		has => {},          # null, local: there may be one in the list
		first_index => 0,
		is_hidden => 0,
	}, $class;
}

# Asks the mock what is liked now.
sub see
{
	my ($self) = @_;
	$self->{entries} = $self->{mock}->get('library');
	my @liked = map { $_->{id} } grep { $_ && defined $_->{id} } @{ $self->{entries} };
	my %is_liked = map { $_ => 1 } @liked;
	$self->{liked} = [ shuffle(@liked) ];
	$self->{gone} = [ shuffle(grep { !$is_liked{$_} } sort keys %{ $self->{was_liked} }) ];
	$self->{was_liked}{$_} = 1 for @liked;
	return;
}

sub size { return scalar @{ $_[0]->{entries} }; }

# What the tables must say: id (of a local file its URI) to added_at.
sub truth
{
	my ($self) = @_;
	return { map { ($_->{id} // $_->{uri}) => $_->{added_at} }
		  grep { $_ && defined($_->{id} // $_->{uri}) } @{ $self->{entries} } };
}

# Whether there is a local file.
sub _has_local
{
	my ($self) = @_;
	return grep { $_ && !defined $_->{id} && defined $_->{uri} } @{ $self->{entries} };
}

# Other tracks altogether, with a null in one of four; options are arguments of
# the mock's operation "library".  A local file that was there before may still
# be stored.
sub replace
{
	my ($self, %options) = @_;
	$self->{first_index} = ($self->{first_index} + 1000) % 50_000;
	$self->{was_liked} = {};
	$self->{has} = $self->_has_local ? { local => 1 } : {};
	$self->{mock}->post('library', { first_index => $self->{first_index}, %options });
	$self->see;
	if (!$self->{has}{local} && one_in(4))
	{
		$self->{mock}->post('insert',
			{ position => random($self->size), kind => one_of(qw(null null_track)) });
		$self->{has}{null} = 1;
		$self->see;
	}
	$self->{is_hidden} = 0;
	return;
}

# The same where nothing is stored any more.
sub start_over
{
	my ($self, %options) = @_;
	$self->{entries} = [];
	return $self->replace(%options);
}

# A place of the list with a date in it.
sub _random_date
{
	my ($self) = @_;
	my @dates = map { $_->{added_at} // () } grep { $_ } @{ $self->{entries} };
	return @dates ? one_of(@dates) : undef;
}

sub _take_liked { my ($self, $count) = @_; return splice @{ $self->{liked} }, 0, $count; }

# What happens to the library at one moment, as operations of the mock.
my %MOVES = (
	'likes' => sub { { op => 'like', count => 1 + random(3) } },
	'many likes' => sub { { op => 'like', count => 1 + random(120) } },
	'unlikes' => sub { { op => 'unlike', ids => [ $_[0]->_take_liked(1 + random(3)) ] } },
	'many unlikes' => sub { { op => 'unlike', ids => [ $_[0]->_take_liked(1 + random(60)) ] } },
	'a block' => sub {
		my ($self) = @_;
		my $last_place = $self->size - 1 - $MARGIN;
		my $first = random($last_place);
		my $last = min($first + random(80), $last_place);
		$self->{liked} = []; # some of them are gone
		return { op => 'unlike', positions => [ $first .. $last ] };
	},
	'like again' => sub { { op => 'like', ids => [ splice @{ $_[0]->{gone} }, 0, 1 ] } },
	'unlike and like again' => sub {
		my @ids = $_[0]->_take_liked(1);
		return { op => 'unlike', ids => \@ids }, { op => 'like', ids => \@ids };
	},
	'like and unlike' => sub {
		my @moves = (
			{ op => 'like', count => 1 },
			{ op => 'unlike', ids => [ $_[0]->_take_liked(1) ] });
		return one_in(2) ? @moves : reverse @moves;
	},
	'like with a date in the past' => sub {
		my ($self) = @_;
		$self->{is_hidden} = 1;
		return { op => 'like', count => 1, added_at => $self->_random_date };
	},
	'unlike and like in the past' => sub {
		my ($self) = @_;
		$self->{is_hidden} = 1;
		return { op => 'unlike', ids => [ $self->_take_liked(1) ] },
		  { op => 'like', count => 1, added_at => $self->_random_date };
	},
	'a null in front' => sub { { op => 'insert', position => 0, kind => 'null_track' } },
	'a null amid' => sub {
		my ($self) = @_;
		$self->{is_hidden} = 1;
		return { op => 'insert', position => random(max(0, $self->size - $MARGIN)), kind => 'null' };
	},
	'a local file' => sub { { op => 'insert', position => 0, kind => 'local' } },
);

# As often as they are worth it.
my @NAMES = (
	(sort grep { !/null|local|past|block|many/ } keys %MOVES) x 3,
	'many likes', 'many unlikes', 'a block', 'like with a date in the past',
	'unlike and like in the past', 'a null in front', 'a null amid', 'a local file');

# A move that is possible, as operations of the mock; of those whose names fit,
# or of all.
sub random_move
{
	my ($self, $fitting) = @_;
	my ($liked, $gone, $has) = @$self{qw(liked gone has)};
	my $name = one_of(defined $fitting ? grep { /$fitting/ } @NAMES : @NAMES);

	$name = 'likes' if $name =~ /unlike|past/ && @$liked < 65;
	$name = 'likes' if $name eq 'a block' && $self->size < 100;
	$name = 'likes' if $name eq 'like again' && !@$gone;
	$name = 'likes' if $name =~ /null|local/ && !one_in(3);
	# Local files are all the same one, which no list has twice; and beside a
	# null nothing could prove that it is gone.
	$name = 'likes' if $name eq 'a local file' && ($has->{null} || $has->{local});
	$name = 'likes' if $name =~ /null/ && $has->{local};
	$has->{local} = 1 if $name eq 'a local file';
	$has->{null} = 1 if $name =~ /null/;
	return $MOVES{$name}->($self);
}

# Up to so many moves, now.
sub change
{
	my ($self, $most) = @_;
	for my $move (map { $self->random_move } 1 .. random($most))
	{
		my %arguments = %$move;
		$self->{mock}->post(delete $arguments{op}, \%arguments);
	}
	$self->see;
	return;
}

1;
