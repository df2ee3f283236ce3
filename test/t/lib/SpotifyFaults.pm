# SpotifyFaults.pm
#   What Spotify does wrong, by chance: in one run, and for a time.
#
# SpotifyFaults->of($mock, $library); its members contains, total_error and
# page_size say what is wrong for a time.
package SpotifyFaults;

use strict;
use warnings;

use JSON::PP ();

use SpotifyChance;

my $true = JSON::PP::true;

my $API = '^/v1/me/';
my $PAGES = '^/v1/me/tracks$';
my $CONTAINS = '^/v1/me/library/contains$';
my $TOKEN = '^/api/token$';

my $PAGE_SIZE = 50;
my $SMALL_PAGE_SIZE = 20;

# Whoever is as large likes whatever any library here holds.
my $LIAR_SIZE = 60_000;

# ------------------------------------------------------------------- for a time

# Untrue answers to the question what is liked: all of it, or the first of each
# question.
my %LIES = (
	'lies' => { serve => { user => 'liar' } },
	'lies about one' => { set => { 0 => $true } });

sub of
{
	my ($class, $mock, $library) = @_;
	my $self = bless { mock => $mock, library => $library, moods_end => 0 }, $class;

	$mock->post('user', { id => 'liar' });
	$mock->post('library', { user => 'liar', size => $LIAR_SIZE });
	$self->calm;
	return $self;
}

# What becomes of the question what is liked: Spotify answers, refuses it with
# a status, or lies.
sub set_contains
{
	my ($self, $contains) = @_;
	$self->{contains} = $contains;
	$self->{mock}->post('config', { contains_status => $contains =~ /^\d+$/ ? 0 + $contains : undef });
	return;
}

# By how much total is too high.
sub set_total_error
{
	my ($self, $error) = @_;
	$self->{total_error} = $error;
	$self->{mock}->post('total', $error ? { add => $error } : {});
	return;
}

# Nothing is wrong from now on.
sub calm
{
	my ($self) = @_;
	$self->set_contains('answers');
	$self->set_total_error(0);
	$self->{page_size} = $PAGE_SIZE;
	$self->arm;
	return;
}

# Other things may be wrong from a step on, for some steps.
sub change_moods
{
	my ($self, $step) = @_;
	return if $step < $self->{moods_end};
	$self->{moods_end} = $step + 1 + random(8);
	$self->set_contains(one_of(('answers') x 3, '403', '404', sort keys %LIES));
	$self->set_total_error(one_in(6) ? 3 : 0);
	$self->{page_size} = one_in(6) ? $SMALL_PAGE_SIZE : $PAGE_SIZE;
	return;
}

# One thing is left open from now on: whether what the list lacks is liked.
sub leave_open
{
	my ($self) = @_;
	my $error = one_in(3) ? 3 : 0;
	$self->calm;
	$self->set_total_error($error);
	$self->set_contains(one_of('403', '404', 'lies', 'lies')) if !$error;
	$self->arm;
	return;
}

sub is_lying { my ($self) = @_; return exists $LIES{ $self->{contains} }; }

# What is wrong for a time, in words.
sub mood
{
	my ($self) = @_;
	return "contains $self->{contains}, total +$self->{total_error}, pages of $self->{page_size}";
}

# The rules of the mock from now on: those given, then what is wrong for a time.
sub arm
{
	my ($self, @rules) = @_;
	my $lie = $LIES{ $self->{contains} };

	push @rules, { match => { path => $CONTAINS }, action => $lie, continue => $true } if $lie;
	push @rules,
	  { match => { path => $PAGES }, action => { serve => { limit => $self->{page_size} } }, continue => $true }
	  if $self->{page_size} < $PAGE_SIZE;
	$self->{mock}->no_faults;
	$self->{mock}->post('fault', \@rules) if @rules;
	return;
}

# ------------------------------------------------------------------- in one run

# One request of the run, or all of them from one on.
sub _once { return { match => { path => $API, nth => 1 + random(3) }, action => $_[0] }; }
sub _always { return { match => { path => $API, from => 1 + random(2) }, action => $_[0] }; }

# A page of the list.
sub _page
{
	my ($self, $action) = @_;
	my %which =
	  one_in(2)
	  ? (nth => 1 + random(3))
	  : (offset => $PAGE_SIZE * random(int($self->{library}->size / $PAGE_SIZE)), nth => 1);
	return { match => { path => $PAGES, %which }, action => $action };
}

# One that is full, so that any of its entries can be changed; nothing if there
# is none.
sub _full_page
{
	my ($self, $action) = @_;
	my $pages = int($self->{library}->size / $PAGE_SIZE);
	return if $pages == 0;
	return {
		match => { path => $PAGES, offset => $PAGE_SIZE * random($pages - 1), nth => 1 },
		action => $action };
}

sub _token { return { match => { path => $TOKEN, nth => 1 }, action => $_[0] }; }

sub _cut { return { one_of(qw(reset close)) => one_of(qw(start headers body end)) }; }

# Rules of the mock, with what else belongs to the fault: see "fault".
my %FAULTS = (
	'nothing' => sub { rules => [] },
	'5xx' => sub { rules => [ _once({ status => one_of(500, 502, 503, 504) }) ] },
	'5xx with a wait' => sub { rules => [ _once({ status => 503, retry_after => 0 }) ] },
	'5xx always' => sub { rules => [ _always({ status => 500 }) ], codes => '08006' },
	'a cut' => sub { rules => [ _once(_cut()) ] },
	'cuts always' => sub { rules => [ _always(_cut()) ], codes => '08006' },
	'garbage' => sub { rules => [ _once({ status => 200, body => '<html>' }) ], codes => '08P01' },
	'a short limit' => sub { rules => [ _once({ status => 429, retry_after => 0 }) ] },
	'a limit of a second' => sub {
		rules => [ _once({ status => 429, retry_after => 1 }) ],
		settings => q{SET spotify_etl.max_retry_wait = '3s'};
	},
	'a long limit' => sub {
		rules => [ _once({ status => 429, retry_after => 100 + random(50_000) }) ],
		codes => '53400';
	},
	'401' => sub { rules => [ _once({ status => 401 }) ], keeps_tokens => 1 },
	'401 always' => sub { rules => [ _always({ status => 401 }) ], codes => '28000' },
	'tokens that expire' => sub {
		rules => [ {
			match => { path => $API, nth => 1 + random(3) },
			action => { mutate_before => [ { op => 'expire', access_tokens => 'all' } ] },
			continue => $true } ],
		keeps_tokens => 1;
	},
	'a short page' => sub {
		rules => [ $_[0]->_page(one_of({ drop => [7] }, { keep => random(20) }, { empty => $true })) ];
	},
	'zeros' => sub { rules => [ $_[0]->_page({ zeroed => $true }) ] },
	'zeros always' => sub {
		rules => [ { match => { path => $PAGES }, action => { zeroed => $true } } ],
		codes => '22000',
		allow_mass_removal => 'false';
	},
	'nulls' => sub {
		rules => [ $_[0]->_full_page({ set => { 'items.' . random(49) . one_of('', '.track') => undef } }) ];
	},
	'a wrong total' => sub { rules => [ $_[0]->_page({ total => { add => one_of(-1, 1, 3, 50) } }) ] },
	'a wrong offset' => sub { rules => [ $_[0]->_page({ echo_offset => { add => 50 } }) ] },
	'another page' => sub { rules => [ $_[0]->_page({ serve => { offset => 50 * random(3) } }) ] },
	'an entry twice' => sub { rules => [ $_[0]->_full_page({ duplicate => 7 }) ] },
	'a question in vain' => sub {
		rules => [ {
			match => { path => $CONTAINS },
			action => one_of({ status => 500 }, { status => 200, body => '[1]' }) } ],
		codes => '08006|08P01';
	},
	'a change' => sub {
		rules => [ {
			match => { path => $PAGES, nth => 1 + random(4) },
			action => {
				one_of(qw(mutate_before mutate_after)) =>
				  [ $_[0]{library}->random_move('^(?:likes|unlikes|like .*|unlike .*)$') ] },
			continue => $true } ];
	},
	'a token in vain' => sub {
		rules => [ _token(one_of({ status => 503 }, { reset => 'start' }, { close => 'start' })) ],
		needs_token => 1;
	},
	'a token of garbage' => sub {
		rules => [ _token({ status => 200, body => '<html>' }) ],
		codes => '08P01',
		needs_token => 1;
	},
	'a refusal of the token' => sub {
		rules => [ _token({ status => 400, body => { error => 'invalid_grant' } }) ],
		codes => '28000',
		needs_token => 1,
		is_refusal => 1;
	},
	'an impatient caller' => sub {
		rules => [ _token({ delay => 0.15 }) ],
		settings => q{SET spotify_etl.request_timeout = '50ms'; SET spotify_etl.max_retries = 0},
		codes => '08006',
		needs_token => 1;
	},
);

# As often as they are worth it.
my @NAMES = (
	('nothing') x 24,
	('a change') x 6,
	grep { $_ ne 'nothing' && $_ ne 'a change' } sort keys %FAULTS);

# A fault of a run, with its name; "rules", for arm; "codes", the SQLSTATEs with
# which the run may fail for it, as a pattern; "settings" of the session, as SQL;
# "allow_mass_removal", if the call must have it so; needs_token, if it strikes
# none but who asks for a token; keeps_tokens, if none may expire beside it;
# is_refusal, if the account is marked by it.
sub random_fault
{
	my ($self) = @_;
	my $name = one_of(@NAMES);
	return { codes => '', name => $name, $FAULTS{$name}->($self) };
}

1;
