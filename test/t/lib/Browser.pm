# Browser.pm
#   A headless Chromium, driven through ChromeDriver by the W3C WebDriver
#   protocol: https://www.w3.org/TR/webdriver2/
package Browser;

use strict;
use warnings;

use HTTP::Tiny;
use IPC::Open2;
use JSON::PP;
use Time::HiRes qw(sleep time);

# The member of an element reference, which the protocol fixes.
my $ELEMENT = 'element-6066-11e4-a52e-4f735466cecf';

# Longest wait for anything, on a machine that has a lot else to do.
my $PATIENCE = 120;

my $json = JSON::PP->new->utf8->allow_nonref;

# Whether this machine has both.
sub is_installed
{
	return !grep { system("command -v $_ >/dev/null 2>&1") != 0 } qw(chromium chromedriver);
}

# Browser->start($folder): with a profile of its own in that folder.  Dies if
# it cannot be started; ends with the object.
sub start
{
	my ($class, $folder) = @_;
	my $pid = open2(my $from, my $to, 'chromedriver', '--port=0', "--log-path=$folder/chromedriver.log");
	my $self = bless { pid => $pid, stdin => $to, stdout => $from }, $class;

	while (defined(my $line = <$from>))
	{
		next unless $line =~ /on port ([1-9]\d*)/;
		$self->{url} = "http://127.0.0.1:$1";
		last;
	}
	die "chromedriver did not start\n" unless defined $self->{url};
	$self->{http} = HTTP::Tiny->new(timeout => $PATIENCE);

	# What comes from the mock is as good as what is here, so the sandbox, which
	# needs rights that containers lack, may be left out.
	my $session = $self->_ask('POST', '/session',
		{
			capabilities => {
				alwaysMatch => {
					browserName => 'chrome',
					pageLoadStrategy => 'none',
					'goog:chromeOptions' => {
						args => [
							'--headless=new', '--no-sandbox', '--disable-gpu',
							'--disable-dev-shm-usage', '--no-first-run',
							'--disable-background-networking', '--disable-component-update',
							'--disable-sync', "--user-data-dir=$folder/profile"
						] } } } });
	$self->{url} .= "/session/$session->{sessionId}";
	$self->{is_open} = 1;
	return $self;
}

sub DESTROY
{
	my ($self) = @_;
	local ($?, $!, $@);
	eval { $self->_ask('DELETE', '') } if $self->{is_open};
	kill 'TERM', $self->{pid};
	waitpid $self->{pid}, 0;
	return;
}

sub _ask
{
	my ($self, $method, $path, $body) = @_;
	my %options;

	%options = (content => $json->encode($body),
		headers => { 'Content-Type' => 'application/json' })
	  if $method eq 'POST';
	my $answer = $self->{http}->request($method, $self->{url} . $path, \%options);
	die "chromedriver: $method $path: $answer->{status} $answer->{content}\n"
	  unless $answer->{success};
	return $json->decode($answer->{content})->{value};
}

# Goes to a URL, without waiting for what is there, and away from where the
# browser was.
sub open
{
	my ($self, $url) = @_;
	my $nowhere = 'about:blank';
	$self->_ask('POST', '/url', { url => $nowhere });
	$self->wait_for_address($nowhere);
	$self->_ask('POST', '/url', { url => $url });
	return;
}

# What the address bar shows.
sub address { return $_[0]->_ask('GET', '/url'); }

# Waits until the address begins like this; returns the whole of it.
sub wait_for_address
{
	my ($self, $beginning) = @_;
	my $end = time + $PATIENCE;
	my $address = '';

	while (time < $end)
	{
		# While a page goes and another one comes there may be none to ask.
		$address = eval { $self->address } // $address;
		return $address if index($address, $beginning) == 0;
		sleep 0.05;
	}
	die "the browser is at $address\n";
}

# Waits for the element that a CSS selector finds; returns its reference.
sub _find
{
	my ($self, $selector) = @_;
	my $end = time + $PATIENCE;

	while (time < $end)
	{
		my $element = eval {
			$self->_ask('POST', '/element', { using => 'css selector', value => $selector });
		};
		return $element->{$ELEMENT} if $element;
		sleep 0.05;
	}
	die "the browser finds no $selector\n";
}

# The text of an element, as a reader of the page sees it.
sub text
{
	my ($self, $selector) = @_;
	return $self->_ask('GET', '/element/' . $self->_find($selector) . '/text');
}

# Clicks on an element.
sub click
{
	my ($self, $selector) = @_;
	$self->_ask('POST', '/element/' . $self->_find($selector) . '/click', {});
	return;
}

1;
