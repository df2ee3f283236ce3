# SpotifyMock.pm
#   The stand-in for Spotify (test/mock_spotify), as an object.
#
# It ends with the test, whatever happens: it watches its standard input.
package SpotifyMock;

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use HTTP::Tiny;
use IPC::Open2;
use JSON::PP;

my $program = abs_path(dirname(__FILE__) . '/../../mock_spotify');
my $json = JSON::PP->new->utf8->canonical->allow_nonref;

# SpotifyMock->start('--library', 100, ...): options as on its command line.
sub start
{
	my ($class, @options) = @_;
	my $python = $ENV{PYTHON} || 'python3';

	my $pid = open2(my $from, my $to,
		$python, $program, '--exit-with-stdin', @options);
	my $line = <$from>;
	die "mock_spotify did not start\n"
	  unless defined $line && $line =~ /^port (\d+)$/;
	my $self = {
		pid => $pid,
		port => $1,
		stdin => $to,
		stdout => $from,
		scheme => (grep { $_ eq '--tls' } @options) ? 'https' : 'http',
	};
	$self->{http} = HTTP::Tiny->new(timeout => 60, verify_SSL => 0);
	return bless $self, $class;
}

sub stop
{
	my ($self) = @_;
	return unless $self->{pid};
	close $self->{stdin};
	kill 'TERM', $self->{pid};
	waitpid $self->{pid}, 0;
	$self->{pid} = 0;
	return;
}

sub DESTROY
{
	my ($self) = @_;
	local ($?, $!, $@);
	$self->stop;
	return;
}

sub port { return $_[0]->{port}; }
sub base_url { return "$_[0]->{scheme}://127.0.0.1:$_[0]->{port}"; }

# The settings with which a server talks to this mock, as SQL.
sub settings
{
	my ($self) = @_;
	my $base = $self->base_url;
	return "SET spotify_etl.api_url = '$base/v1';\n"
	  . "SET spotify_etl.accounts_url = '$base';\n";
}

# The same for every session of a node, as lines of postgresql.conf.
sub configuration
{
	my ($self) = @_;
	my $base = $self->base_url;
	return "spotify_etl.api_url = '$base/v1'\n"
	  . "spotify_etl.accounts_url = '$base'\n";
}

sub _request
{
	my ($self, $method, $path, $body) = @_;
	my %options;

	%options = (
		content => $json->encode($body),
		headers => { 'Content-Type' => 'application/json' })
	  if defined $body;
	my $answer =
	  $self->{http}->request($method, $self->base_url . $path, \%options);
	die "mock_spotify: $method $path: $answer->{status} $answer->{content}\n"
	  unless $answer->{success};
	return length $answer->{content} ? $json->decode($answer->{content}) : undef;
}

# The control interface: see test/mock_spotify/README.md.
sub get { return $_[0]->_request('GET', "/mock/$_[1]"); }
sub post { return $_[0]->_request('POST', "/mock/$_[1]", $_[2] // {}); }
sub delete { return $_[0]->_request('DELETE', "/mock/$_[1]"); }

# What tests do most.
sub count { return $_[0]->get('count'); }
sub log { return $_[0]->get('log'); }
sub forget_log { return $_[0]->delete('log'); }
sub fault { my ($self, @rules) = @_; $self->post('fault', $_) for @rules; return; }
sub no_faults { return $_[0]->delete('fault'); }

1;
