# SpotifyCalls.pm
#   Calls of SQL functions that end in any way: rolled back, cancelled,
#   terminated, killed.
#
# SpotifyCalls->of($node, $mock, $settings); its members are session, in which
# the settings hold and which is another one after a crash; server, a
# SpotifyCrash; and kills, which counts the processes that were killed.
package SpotifyCalls;

use strict;
use warnings;

use IO::Select;
use JSON::PP ();
use Time::HiRes qw(sleep time);

use SpotifyChance;
use SpotifyCrash;
use SpotifyTest;

my $LONGEST_TIMEOUT = 40;  # ms: a call takes less
my $LONGEST_PAUSE = 0.08;  # seconds until a process is killed, or until its end
my $REQUEST_DELAY = 0.3;   # seconds
my $LONGEST_REQUEST = 2;   # seconds until a request is sent, or never is
my $LONGEST_END = 20;      # seconds until the server's processes have ended

sub of
{
	my ($class, $node, $mock, $settings) = @_;
	my $self = bless {
		node => $node,
		mock => $mock,
		settings => $settings,
		server => SpotifyCrash->of($node),
		kills => 0,
	}, $class;

	$self->renew_session;
	return $self;
}

sub renew_session
{
	my ($self) = @_;
	eval { $self->{session}->quit } if $self->{session};
	$self->{session} = open_session($self->{node}, $self->{settings});
	$self->{session}->set_query_timer_restart;
	return;
}

# ----------------------------------------------------------------- in the session

# The SQLSTATE of what a session complained of; "lost" if the server went away,
# '' if all is well.
sub _code_in
{
	my ($text) = @_;
	return $1 if $text =~ /(?:ERROR|FATAL):\s+(\w{5}):/;
	return $1 if $text =~ /NOTICE:.*caught (\w{5})/;
	return $text =~ /server closed the connection|connection to server was lost/ ? 'lost' : '';
}

# How a call ended: its code and what the session was told.
sub _ask
{
	my ($self, $sql) = @_;
	my $answer = ask($self->{session}, $sql);
	return (code => _code_in($answer->{text}), text => $answer->{text});
}

sub _in_savepoint
{
	my ($self, $sql) = @_;
	ask($self->{session}, 'BEGIN; SAVEPOINT s');
	my %first = $self->_ask($sql);
	ask($self->{session}, 'ROLLBACK TO s');
	my %second = $self->_ask($sql);
	ask($self->{session}, 'COMMIT');
	return ({ %first, kept => 'no' }, { %second, kept => 'yes' });
}

# In a transaction that is rolled back.
sub _in_rollback
{
	my ($self, $sql) = @_;
	ask($self->{session}, 'BEGIN');
	my %outcome = $self->_ask($sql);
	ask($self->{session}, 'ROLLBACK');
	return { %outcome, kept => 'no' };
}

# In a block of PL/pgSQL that catches errors; no procedure can commit in one.
sub _in_block
{
	my ($self, $sql) = @_;
	my $statement = $sql =~ s/^SELECT/PERFORM/r;
	return +{ $self->_ask($sql), kept => 'yes' } if $sql =~ /^CALL/;
	return +{ $self->_ask(<<~SQL), kept => 'yes' };
		DO \$\$
		BEGIN
			$statement;
		EXCEPTION WHEN OTHERS THEN
			RAISE NOTICE 'caught %', SQLSTATE;
		END \$\$
		SQL
}

sub _with_timeout
{
	my ($self, $sql) = @_;
	ask($self->{session}, 'SET statement_timeout = ' . (1 + random($LONGEST_TIMEOUT)));
	my %outcome = $self->_ask($sql);
	ask($self->{session}, 'RESET statement_timeout');
	return { %outcome, kept => 'yes' };
}

# ----------------------------------------------------------- in one of its own

# Waits until a rule of the mock has struck, or the session has ended.
sub _await_strike
{
	my ($self, $rule, $output) = @_;
	my $is_readable = IO::Select->new($output);
	my $end = time + $LONGEST_REQUEST;

	sleep 0.002
	  until $is_readable->can_read(0)
	  || time > $end
	  || (grep { $_->{id} == $rule && $_->{hits} } @{ $self->{mock}->get('fault') });
	return;
}

# Runs a call in a session of its own, and does something to its backend at a
# moment by chance: in a request, or whenever.
sub _disturb
{
	my ($self, $sql, $settings, $deed) = @_;
	my $request = one_in(2) ? 1 + random(4) : 0;
	my $rule;

	if ($request)
	{
		$self->{mock}->fault({
			match => { path => '^/(?:v1|api)/', nth => $request },
			action => { delay => $REQUEST_DELAY },
			continue => JSON::PP::true });
		$rule = $self->{mock}->get('fault')->[-1]{id};
	}
	$self->{server}->forget_log;
	my $output = $self->{server}->start_session('SELECT pg_backend_pid()', $settings, $sql, q{SELECT 'ended'});
	my $backend = next_line($output);
	$rule ? $self->_await_strike($rule, $output) : sleep rand $LONGEST_PAUSE;
	$deed->($backend);

	my ($rest) = rest_of($output);
	my $text = $self->{server}->complaint;
	my $code = _code_in($text);
	$code = 'lost' if $code eq '' && $rest !~ /ended/;
	return (code => $code, text => $text);
}

# Kills a process, which may be about to end by itself, and sees to it that the
# server is there again.
sub _crash
{
	my ($self, $pid) = @_;
	return if !kill 'KILL', $pid;
	my $end = time + $LONGEST_REQUEST;
	until ($self->{server}->log_since =~ /PID $pid\) was terminated by signal 9/)
	{
		return if time > $end;
		sleep 0.005;
	}
	$self->{kills}++;
	$self->{server}->await_restart;
	$self->renew_session;
	return;
}

sub _crash_worker
{
	my ($self) = @_;
	my $end = time + $LONGEST_PAUSE;
	my $worker;

	until ($worker = $self->{server}->find_worker)
	{
		return if time > $end;
	}
	sleep rand 0.02 if one_in(2);
	$self->_crash($worker);
	return;
}

sub _stop
{
	my ($self, $mode) = @_;
	$self->{node}->stop($mode);
	$self->{node}->start;
	$self->renew_session;
	return;
}

# Until the last orphan is gone no server starts.
sub _kill_postmaster
{
	my ($self) = @_;
	my $end = time + $LONGEST_END;
	my @processes = $self->{server}->processes;

	$self->{node}->kill9;
	while (grep { kill 0, $_ } @processes)
	{
		die "orphans do not end\n" if time > $end;
		sleep 0.01;
	}
	$self->{node}->start;
	$self->renew_session;
	return;
}

sub _signal
{
	my ($self, $function, $backend) = @_;
	ask($self->{session}, "SELECT $function($backend)");
	return;
}

# What is done to a call in a session of its own; the codes with which it may
# end then, as a pattern; and what else is to be known of the outcome.
my %DEEDS = (
	'and cancelled' => [ sub { $_[0]->_signal('pg_cancel_backend', $_[1]) }, '57014', kept => 'yes' ],
	'and terminated' => [ sub { $_[0]->_signal('pg_terminate_backend', $_[1]) }, '57P01|lost', is_recorded => 1 ],
	'and killed' => [ \&_crash, '57P02|lost' ],
	'and its worker killed' => [ \&_crash_worker, '57P0[12]|lost', may_lose => 1 ],
	'and the server stopped' => [ sub { $_[0]->_stop('fast') }, '57P01|lost', is_recorded => 1 ],
	'and the server stopped at once' => [ sub { $_[0]->_stop('immediate') }, '57P0[12]|lost' ],
	'and the postmaster killed' => [ \&_kill_postmaster, '57P0[12]|lost' ]);

my %MANNERS = (
	'plainly' => sub { +{ $_[0]->_ask($_[1]), kept => 'yes' } },
	'in a rollback' => \&_in_rollback,
	'in a savepoint' => \&_in_savepoint,
	'in a block' => \&_in_block,
	'with a timeout' => \&_with_timeout);

# As often as they are worth it: what crashes takes long.
my @NAMES = (
	('plainly') x 30,
	(grep { $_ ne 'plainly' } sort keys %MANNERS) x 3,
	('and cancelled', 'and terminated') x 3,
	grep { !/cancelled|terminated/ } sort keys %DEEDS);

sub random_manner { return one_of(@NAMES); }

# Calls a function in some manner, with settings as SQL.  Returns how it ended,
# which is twice where it was called twice, as hashes: code, the SQLSTATE, ''
# (well) or "lost" (the server went away); text, what the session was told;
# kept, whether what the call did was committed: yes, no, maybe; may_end, the
# codes with which it may end for the manner's sake, as a pattern; is_recorded,
# if its failed run must be; may_lose, if a new token may be lost with it.
sub call
{
	my ($self, $manner, $sql, $settings) = @_;

	ask($self->{session}, $settings);
	return map { +{ may_end => $manner eq 'with a timeout' ? '57014' : '', is_recorded => 0, %$_ } } $MANNERS{$manner}->($self, $sql)
	  if $MANNERS{$manner};
	my ($deed, $may_end, %more) = @{ $DEEDS{$manner} };
	my %outcome = $self->_disturb($sql, $settings, sub { $deed->($self, @_) });
	return { kept => 'maybe', is_recorded => 0, may_end => $may_end, %outcome, %more };
}

1;
