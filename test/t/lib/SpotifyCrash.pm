# SpotifyCrash.pm
#   A server whose processes are killed: sessions of which each is a process of
#   its own, the server's return, and what no crash may leave behind.
package SpotifyCrash;

use strict;
use warnings;

use Exporter 'import';
use JSON::PP;
use PostgreSQL::Test::Utils;
use Time::HiRes qw(sleep time);

our @EXPORT = qw(next_line rest_of damage $STORED);

my $LONGEST_RESTART = 60;    # seconds; 0.2 is usual

my $json = JSON::PP->new->utf8;

# What the tables hold, and what must not be in them, as JSON.
our $STORED = <<'SQL';
SELECT json_build_object(
         'active', (SELECT COALESCE(json_object_agg(track_id, to_char(added_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')), '{}')
                      FROM spotify.liked_tracks WHERE is_active),
         'inactive', (SELECT COALESCE(json_agg(track_id), '[]')
                        FROM spotify.liked_tracks WHERE NOT is_active),
         'tracks without an entry', (SELECT count(*) FROM spotify.liked_tracks AS liked
                      WHERE NOT EXISTS (SELECT FROM spotify.tracks AS track WHERE track.track_id = liked.track_id)),
         'tracks that are not as their last event says',
                    (SELECT count(*) FROM spotify.liked_tracks
                       LEFT JOIN (SELECT DISTINCT ON (track_id) track_id, event
                                    FROM spotify.liked_events ORDER BY track_id, run_id DESC) AS last USING (track_id)
                      WHERE is_active IS DISTINCT FROM (event <> 'removed')),
         'runs that say something else than their events',
                    (SELECT count(*) FROM spotify.sync_runs AS run
                       LEFT JOIN (SELECT run_id, count(*) AS events
                                    FROM spotify.liked_events GROUP BY run_id) AS event USING (run_id)
                      WHERE collection = 'liked'
                        AND inserted + reactivated + deactivated <> COALESCE(events, 0)))
SQL

# What must never be in what $STORED gave, not even before the next sync, given
# what is liked: empty if all is well.
sub damage
{
	my ($stored, %truth) = @_;
	return (
		(map { "$_ is inactive though liked" } grep { exists $truth{$_} } @{ $stored->{inactive} }),
		map { "$stored->{$_} $_" } grep { !ref $stored->{$_} && $stored->{$_} } sort keys %$stored);
}

# The next line that a session prints.
sub next_line
{
	my ($output) = @_;
	my $line = <$output> // die "no line of a session\n";
	chomp $line;
	return $line;
}

# All that is still to come, and whether the session ended well.
sub rest_of
{
	my ($output) = @_;
	my $rest = join '', <$output>;
	my $is_good = close $output;
	return ($rest, $is_good);
}

# SpotifyCrash->of($node)
sub of
{
	my ($class, $node) = @_;
	return bless {
		node => $node,
		error_file => "${PostgreSQL::Test::Utils::tmp_check}/" . $node->name . '_error',
		psql => [ 'psql', '-XAtq', '-v', 'VERBOSITY=verbose', '-d', $node->connstr('postgres') ],
		log_position => 0,
	}, $class;
}

# A session of its own for these statements; returns where its output comes
# from.
sub start_session
{
	my ($self, @statements) = @_;
	my $pid = open my $output, '-|';
	die "fork: $!\n" unless defined $pid;
	return $output if $pid > 0;
	open STDERR, '>', $self->{error_file} or exit 1;
	exec @{ $self->{psql} }, map { ('-c', $_) } @statements or exit 1;
}

# What the last session complained of.
sub complaint { return slurp_file($_[0]->{error_file}); }

# What one query gives, in a session of its own; undef if it fails.
sub attempt
{
	my ($self, $sql) = @_;
	my $output = $self->start_session($sql);
	my $answer = join '', <$output>;
	close $output or return;
	chomp $answer;
	return $answer;
}

# The same for a query that must work.
sub value
{
	my ($self, $sql) = @_;
	return $self->attempt($sql) // die "$sql: " . $self->complaint;
}

# What $STORED gives.
sub stored { return $json->decode($_[0]->value($STORED)); }

# Crashes show in the log.  A connection says nothing: until the server sees
# that somebody was killed, it goes on as before.
sub forget_log
{
	my ($self) = @_;
	$self->{log_position} = -s $self->{node}->logfile;
	return;
}

sub log_since
{
	my ($self) = @_;
	return slurp_file($self->{node}->logfile, $self->{log_position});
}

sub await_restart
{
	my ($self) = @_;
	my $end = time + $LONGEST_RESTART;
	until ($self->log_since =~ /database system is ready to accept connections/)
	{
		die "the server is not up again\n" if time > $end;
		sleep 0.005;
	}
	return;
}

# The postmaster's process, and those of all others.
sub processes
{
	my ($self) = @_;
	my ($postmaster) = slurp_file($self->{node}->data_dir . '/postmaster.pid') =~ /^(\d+)/;
	return ($postmaster, split ' ', slurp_file("/proc/$postmaster/task/$postmaster/children"));
}

# The process of a worker of the extension; undef if there is none.
sub find_worker
{
	my ($self) = @_;
	my (undef, @children) = $self->processes;
	for my $pid (@children)
	{
		open my $file, '<', "/proc/$pid/cmdline" or next;
		return $pid if (readline($file) // '') =~ /spotify_etl worker/;
	}
	return;
}

# The files in which new refresh tokens wait for the next call.
sub spooled { return glob $_[0]->{node}->data_dir . '/pg_spotify_etl/*'; }

# Whether a refresh token, which is the stored one, is good at the mock, or a
# good one is spooled.
sub is_token_kept
{
	my ($self, $mock, $token) = @_;
	return 1 if $mock->post('token_state', { refresh_token => $token })->{state} eq 'active';
	return grep { !/\.tmp$/ } $self->spooled;
}

1;
