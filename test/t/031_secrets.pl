# Secrets: wherever else one could look, no secret is there.
#
# The secrets come to the server in files, so that not even the SQL text of a
# caller holds one, and the server writes all into its log that it can.

use strict;
use warnings;

use Digest::MD5 qw(md5_hex);
use JSON::PP;
use MIME::Base64 qw(encode_base64);
use Time::HiRes qw(sleep time);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use SpotifyMock;
use SpotifyTest;

my $TOKEN_URL = { path => '/api/token$' };
my $PAGE_URL = { path => '/me/tracks$' };

# Characters that are encoded differently in a URL, so that both forms differ.
my $id = 'canary-id';
my $secret = 'canary/' . md5_hex('secret') . '+%:&';
my $token = 'canary/' . md5_hex('token') . '+%:&';

my $mock = SpotifyMock->start('--library', 120);
my $node = start_node(
	$mock,
	name => 'secrets',
	configuration => <<~CONF);
	shared_preload_libraries = 'pg_stat_statements, auto_explain'
	pg_stat_statements.track = all
	pg_stat_statements.track_utility = on
	log_min_messages = debug5
	log_error_verbosity = verbose
	log_statement = all
	log_duration = on
	log_min_duration_statement = 0
	log_parameter_max_length = -1
	log_parameter_max_length_on_error = -1
	CONF
$node->safe_psql('postgres', 'CREATE EXTENSION pg_stat_statements');
my $session = open_session($node, 'SET client_min_messages = debug5;');

# What must not be seen: its name and its form.
my %canaries = (
	'the secret' => $secret,
	'the refresh token' => $token,
	'a part of the secret' => substr(md5_hex('secret'), 0, 16),
	'a part of the refresh token' => substr(md5_hex('token'), 0, 16),
	'the Basic header' => encode_base64("$id:" . url_encode($secret), ''),
	'the Basic header without encoding' => encode_base64("$id:$secret", ''),
);

sub url_encode
{
	my ($text) = @_;
	return $text =~ s/([^A-Za-z0-9._~-])/sprintf '%%%02X', ord $1/ger;
}

# A text, and what the trees of plans in it have as constants, byte by byte.
sub with_constants
{
	my ($text) = @_;
	my @constants = $text =~ /\[\s((?:-?\d+\s+)+)\]/g;
	return join "\n", $text, map { pack 'C*', map { $_ & 255 } split } @constants;
}

# Names of the secrets that are in a text.  All that the mock issues shows by
# its prefix, and so does what was cut short.
sub leaks
{
	my $text = with_constants(@_);
	my @found = grep { index($text, $canaries{$_}) >= 0 } sort keys %canaries;
	push @found, "$1..." if $text =~ /(mock-(?:access|refresh|code)-\S)/;
	push @found, 'an Authorization header'
	  if $text =~ /(?:Bearer|Basic) [A-Za-z0-9+\/_-]{8}/;
	return \@found;
}

sub is_clean
{
	my ($text, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	cmp_ok(length $text, '>', 0, "$name: there is something to look at");
	is_deeply(leaks($text), [], "$name: no secret");
	return;
}

# Writes a file that the server can read; returns SQL that gives its content.
my $folder = PostgreSQL::Test::Utils::tempdir;

sub file
{
	my ($name, $content) = @_;
	PostgreSQL::Test::Utils::append_to_file("$folder/$name", $content);
	return "pg_read_file('$folder/$name')";
}

my $account = join ', ', file('id', $id), file('secret', $secret), file('token', $token);
my $broken = join ', ', file('broken-id', $id), file('broken-secret', "$secret\n"),
  file('broken-token', "$token\n");

# The mock and the account as on the first day.
sub renew
{
	my ($switches) = @_;
	$mock->post('reset');
	$mock->post('client', { id => $id, secret => $secret });
	$mock->post('refresh_token', { refresh_token => $token, client_id => $id });
	$mock->post('config', $switches) if $switches;
	ask($session, 'SELECT spotify_forget_account(account) FROM spotify.accounts');
	return ask($session, "SELECT spotify_set_account($account)");
}

# The part of the server's log that was not looked at yet.
my $log_position = 0;

sub new_log
{
	open my $file, '<', $node->logfile or die "$!\n";
	seek $file, $log_position, 0;
	local $/;
	my $text = <$file> // '';
	$log_position = tell $file;
	close $file;
	return $text;
}

# Runs SQL that must fail with this code, or succeed without one; nothing that
# the caller gets and the server logs may hold a secret.  Returns the log.
sub shows_nothing
{
	my ($name, $code, $sql) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $answer = ask($session, $sql // 'SELECT spotify_sync_liked()');

	is($answer->{code}, $code, "$name: the outcome")
	  or diag($answer->{text});
	is_deeply(leaks($answer->{text} . $answer->{output}),
		[], "$name, to the caller: no secret");
	my $log = new_log();
	is_clean($log, "$name, in the log");
	return $log;
}

# A call that was cancelled leaves a worker behind, which ends what it began.
sub wait_for_workers
{
	$node->poll_query_until('postgres',
		q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type LIKE 'spotify%'})
	  or die "a worker does not end\n";
	return;
}

# Successes

is_clean(renew()->{text}, 'spotify_set_account');
shows_nothing('a first sync', undef);
shows_nothing('a second one', undef);
shows_nothing('a sync of plays', undef, 'SELECT spotify_sync_recently_played()');
shows_nothing('a new token', undef, 'SELECT spotify_refresh_token()');
renew({ rotate => $JSON::PP::true });
shows_nothing('a sync whose refresh token rotates', undef);
shows_nothing('another rotation', undef, 'SELECT spotify_refresh_token()');
renew();
$mock->fault({ match => { %$PAGE_URL, nth => 2 }, action => { status => 401 } });
shows_nothing('a new token in mid-scan', undef);
renew();
$mock->fault({ match => { %$TOKEN_URL, nth => 1 }, action => { status => 503 } });
shows_nothing('a token request that is repeated', undef);
shows_nothing('the same arguments again', undef, "SELECT spotify_set_account($account)");

# An authorization: the address that it ends with holds a code and a state.
renew({ auto_approve => $JSON::PP::true });
my $address = browse(ask($session, 'SELECT spotify_authorize_url()')->{output});
($canaries{'the code'}) = $address =~ /[?&]code=([^&]+)/;
($canaries{'the state'}) = $address =~ /[?&]state=([^&]+)/;
$canaries{'the verifier'} =
  $node->safe_psql('postgres', 'SELECT code_verifier FROM spotify_private.credentials');
is(scalar(grep { length $canaries{$_} > 10 } 'the code', 'the state', 'the verifier'),
	3, 'there is an authorization to end');
is_clean(new_log(), 'spotify_authorize_url, in the log');
$address = file('address', $address);
$mock->fault({ match => $TOKEN_URL,
		action => { status => 400, body => { error => 'invalid_grant' } } });
shows_nothing('an authorization that is refused',
	'28000', "SELECT spotify_authorize($address)");
$mock->no_faults;
shows_nothing('an authorization', undef, "SELECT spotify_authorize($address)");
shows_nothing('the same address again', '22023', "SELECT spotify_authorize($address)");

# Failures

shows_nothing('arguments with line breaks', '22023',
	"SELECT spotify_set_account($broken)");
shows_nothing(
	'an error of the caller around it', '22012',
	"SELECT spotify_set_account($account), 1 / (random() < 0)::int");
for my $case (
	[ 'a wrong client', '28000', {}, { id => $id, secret => 'other' } ],
	[ 'an unknown account', '42704', undef, undef, q{SELECT spotify_sync_liked('x')} ],
	[ 'a refusal', '28000', { status => 400, body => { error => 'invalid_grant' } } ],
	[ 'a server error', '08006', { status => 500 } ],
	[ 'a rate limit', '53400', { status => 429, retry_after => 100 } ],
	[ 'no JSON', '08P01', { trailing => '}' } ],
	[ 'half an answer', '08006', { truncate => 80 } ],
	[ 'an answer cut in the middle', '08006', { close => 'body' } ],
	[ 'a token with a line break', '08P01', { set => { access_token => "mock-access-x\r\n" } } ],
	[ 'a token with a space', '08P01', { set => { access_token => 'mock-access-x y' } } ],
	[ 'a refresh token with a space', '08P01', { set => { refresh_token => "$token x" } } ],
	[ 'a token of 5 kB', '08P01', { set => { access_token => 'mock-access-' . 'x' x 5000 } } ],
	[ 'a wrong type', '08P01', { set => { token_type => "Basic $token" } } ],
	[ 'a redirect', '08P01',
		{ status => 302, headers => { Location => "http://127.0.0.1/?t=$token" } } ])
{
	my ($name, $code, $action, $client, $sql) = @$case;
	renew();
	$mock->post('client', $client) if $client;
	$mock->fault({ match => $TOKEN_URL, action => $action }) if $action && %$action;
	shows_nothing($name, $code, $sql);
	shows_nothing("$name, again", $code, $sql);
}
for my $case (
	[ 'a page that is refused', '28000', { status => 403 } ],
	[ 'a token that is not accepted', '28000', { status => 401 } ],
	[ 'a page that is no JSON', '08P01', { trailing => ']' } ],
	[ 'a page that redirects', '08P01',
		{ status => 307, headers => { Location => 'http://localhost/' } } ])
{
	my ($name, $code, $action) = @$case;
	renew();
	$mock->fault({ match => $PAGE_URL, action => $action });
	shows_nothing($name, $code);
}
# Plays that are refused, and plays that fail a check and are recorded.
for my $case (
	[ 'plays that are refused', '28000', { status => 403 } ],
	[ 'plays that are no JSON', '08P01', { trailing => ']' } ],
	[ 'plays that fail a check', '22000',
		{ set => { items => [ { track => { id => 'x' }, played_at => $token } ] } } ])
{
	my ($name, $code, $action) = @$case;
	renew();
	$mock->fault({ match => { path => '/recently-played$' }, action => $action });
	shows_nothing($name, $code, 'SELECT spotify_sync_recently_played()');
}
is_clean($node->safe_psql('postgres', 'SELECT c FROM spotify.quality_checks AS c'), 'quality_checks');
renew();
ask($session, q{SET spotify_etl.connect_timeout = '200ms'});
for my $case (
	[ 'a port where nobody listens', 'http://127.0.0.1:1' ],
	[ 'TLS where there is none', $mock->base_url =~ s/http/https/r ])
{
	my ($name, $url) = @$case;
	ask($session, "SET spotify_etl.accounts_url = '$url'");
	shows_nothing($name, '08006');
}
ask($session, 'RESET spotify_etl.accounts_url; RESET spotify_etl.connect_timeout');
renew();
ask($session, q{SET spotify_etl.request_timeout = '200ms'; SET spotify_etl.max_retries = 0});
$mock->fault({ match => $PAGE_URL, action => { silent => 'start' } });
shows_nothing('a timeout', '08006');
renew();
$mock->fault({ match => $TOKEN_URL, action => { delay => 1 } });
ask($session, q{SET statement_timeout = '300ms'});
shows_nothing('a cancelled request', '57014');
ask($session, 'RESET statement_timeout');
ask($session, 'RESET spotify_etl.request_timeout; RESET spotify_etl.max_retries');
wait_for_workers();
renew();
$mock->post('revoke', { refresh_token => $token });
shows_nothing('an error that is caught', undef, <<~'SQL');
	DO $$
	DECLARE
		message text; detail text; hint text; context text;
	BEGIN
		PERFORM spotify_sync_liked();
		RAISE 'it did not fail';
	EXCEPTION WHEN invalid_authorization_specification THEN
		GET STACKED DIAGNOSTICS message = MESSAGE_TEXT,
			detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT,
			context = PG_EXCEPTION_CONTEXT;
		RAISE NOTICE '% % % %', message, detail, hint, context;
	END
	$$;
	SQL

# While a call runs

renew();
# Nobody reads what the session says meanwhile: it must not have much to say.
ask($session, 'SET client_min_messages = warning');
$mock->fault({ match => $TOKEN_URL, action => { delay => 1 } });
$mock->fault({ match => { %$PAGE_URL, times => 1 },
		action => { delay => { seconds => 1, at => 'body' } } });
$session->query_until(qr/started/, "\\echo started\nSELECT spotify_sync_liked();\n");
for my $kind (qw(token tracks))
{
	my $name = "while a request is under way ($kind)";
	my $end = time + 30;
	sleep 0.02 until $mock->count->{$kind} > 0 || time > $end;
	is_clean($node->safe_psql('postgres', 'SELECT a FROM pg_stat_activity AS a'),
		"$name, pg_stat_activity");
	my @pids = split /\n/, $node->safe_psql('postgres', <<~'SQL');
		SELECT pid
		  FROM pg_stat_activity
		 WHERE datname = 'postgres'
		   AND pid <> pg_backend_pid()
		SQL
	cmp_ok(scalar @pids, '>', 0, "$name: there are processes to look at");
	is_clean(join("\n", map { slurp_file("/proc/$_/cmdline") } @pids), "$name, command lines");
	is_clean(join("\n", map { slurp_file("/proc/$_/environ") } @pids), "$name, environments");
}
is(ask($session, 'SELECT 1')->{code}, undef, 'the call ends well');
ask($session, 'SET client_min_messages = debug5');

# Afterwards

is_clean($node->safe_psql('postgres', 'SELECT s FROM pg_stat_statements AS s'),
	'pg_stat_statements');
is_clean($node->safe_psql('postgres', 'SELECT s FROM pg_settings AS s'), 'pg_settings');
cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM spotify.sync_runs'),
	'>', 0, 'there are runs to dump');
my ($dump) = run_command([ 'pg_dump', '-h', $node->host, '-p', $node->port, 'postgres' ]);
like($dump, qr/COPY spotify\.sync_runs/, 'the dump holds the runs');
is_clean($dump, 'pg_dump');
is($node->safe_psql('postgres', 'SELECT count(refresh_token) FROM spotify_private.credentials'),
	1, 'all the while there were secrets stored');

# What ANALYZE keeps of a table outlives its rows.
$node->safe_psql('postgres', <<~"SQL");
	SELECT spotify_set_account($account, account => 'account ' || n) FROM generate_series(1, 9) AS n;
	CREATE STATISTICS common_secrets (mcv) ON client_secret, refresh_token FROM spotify_private.credentials;
	ANALYZE spotify_private.credentials;
	SELECT spotify_forget_account('account ' || n) FROM generate_series(1, 9) AS n;
	SQL
is($node->safe_psql('postgres', <<~'SQL'), 0, 'ANALYZE keeps no statistics on secrets');
	SELECT count(*)
	  FROM pg_statistic
	 WHERE starelid = 'spotify_private.credentials'::regclass
	SQL
is($node->safe_psql('postgres', 'SELECT count(*) FROM pg_statistic_ext_data'),
	0, 'nor extended statistics that somebody wants');
$node->safe_psql('postgres', 'DROP STATISTICS common_secrets');

# A server that repeats what it was sent, in whatever form: Spotify's words
# must not be trusted.

new_log();
for my $case (
	[ 'the refresh token', 'invalid_grant', "Invalid refresh token $token" ],
	[ 'the refresh token in brackets', 'invalid_grant', "Invalid refresh token <$token>" ],
	[ 'the refresh token as it was sent', 'invalid_grant', 'refresh_token=' . url_encode($token) ],
	[ 'the refresh token, cut short', 'invalid_grant', 'x ' x 85 . $token ],
	[ 'the refresh token as a code', $token, '' ],
	[ 'the secret', 'invalid_client', "Invalid client secret $secret" ],
	[ 'the secret as it was sent', 'invalid_client', 'Invalid secret ' . url_encode($secret) ],
	[ 'the Basic header', 'invalid_client', "Invalid $canaries{'the Basic header'}" ])
{
	my ($what, $code, $description) = @$case;
	my $name = "a refusal that repeats $what";
	renew();
	$mock->fault({ match => $TOKEN_URL,
			action => { status => 400,
				body => { error => $code, error_description => $description } } });
	shows_nothing($name, $code =~ /^invalid/ ? '28000' : '08P01');
}
renew();
shows_nothing('a token to repeat', undef, 'SELECT spotify_refresh_token()');
my $access_token =
  $node->safe_psql('postgres', 'SELECT access_token FROM spotify_private.credentials');
for my $case (
	[ 'the access token', { message => "Bad token: Bearer $access_token" } ],
	[ 'the access token in brackets', { message => "Bad token ($access_token)" } ],
	[ 'the access token as a reason', { message => '', reason => $access_token } ])
{
	my ($what, $error) = @$case;
	$mock->no_faults;
	$mock->fault({ match => $PAGE_URL,
			action => { status => 403, body => { error => { status => 403, %$error } } } });
	shows_nothing("a refusal that repeats $what", '28000');
}

# In the memory of a session that is idle, where a core dump would have it

# How often a text is in the memory of a process that is its own; undef where
# the system does not let us look.
sub times_in_memory
{
	my ($pid, $text) = @_;
	my $times = 0;
	open my $memory, '<:raw', "/proc/$pid/mem" or return;
	for my $line (split /\n/, slurp_file("/proc/$pid/maps"))
	{
		my ($start, $end) = map { hex } $line =~ /^(\w+)-(\w+) rw.p/ or next;
		sysseek $memory, $start, 0;
		sysread $memory, my $content, $end - $start or next;
		$times += () = $content =~ /\Q$text\E/g;
	}
	return $times;
}

my $idle = open_session($node);
my $idle_pid = ask($idle, 'SELECT pg_backend_pid()')->{output};
SKIP:
{
	skip 'the memory of another process cannot be read', 1
	  unless defined times_in_memory($idle_pid, 'x');
	ask($idle, "SELECT 'something that is ' || 'there' AS it");
	cmp_ok(times_in_memory($idle_pid, 'something that is '), '>', 0, 'memory can be looked through');
	for my $case (
		[ 'spotify_refresh_token', 'SELECT spotify_refresh_token()' ],
		[ 'spotify_sync_liked', 'SELECT spotify_sync_liked(full_scan => true)' ],
		[ 'spotify_sync_recently_played', 'SELECT spotify_sync_recently_played()' ],
		[ 'spotify_sync_all', 'CALL spotify_sync_all()' ],
		[ 'a sync that fails', 'SELECT spotify_sync_liked()', { status => 403 } ],
		[ 'a sync whose token is refused', 'SELECT spotify_sync_liked()', { status => 401 } ],
		[ 'a sync that is cancelled',
			q{SET statement_timeout = '500ms'; SELECT spotify_sync_liked()}, { silent => 'headers' } ])
	{
		my ($name, $sql, $action) = @$case;
		renew();
		ask($session, 'SELECT spotify_refresh_token()');
		my @parts = map { $node->safe_psql('postgres', "SELECT substr(access_token, $_, 60) FROM spotify_private.credentials") } 60, 120;
		$mock->fault({ match => $PAGE_URL, action => $action }) if $action;
		ask($idle, $sql);
		push @parts, $node->safe_psql('postgres', 'SELECT substr(access_token, 100, 60) FROM spotify_private.credentials');
		is_deeply([ map { times_in_memory($idle_pid, $_) } @parts ],
			[ (0) x @parts ], "after $name: no access token in memory");
	}
}
$mock->no_faults;
$idle->quit;
new_log();

# With auto_explain, which shows the plans of statements inside functions

renew();
$node->append_conf(
	'postgresql.conf', <<~'CONF');
	auto_explain.log_min_duration = 0
	auto_explain.log_nested_statements = on
	auto_explain.log_analyze = on
	auto_explain.log_verbose = on
	CONF
$node->reload;
$session->quit;
$session = open_session($node);
new_log();
is(ask($session, 'SHOW auto_explain.log_min_duration')->{output}, '0', 'auto_explain is on');
shows_nothing('auto_explain: spotify_set_account',
	undef, "SELECT spotify_set_account($account)");
shows_nothing('auto_explain: spotify_refresh_token', undef, 'SELECT spotify_refresh_token()');
like(shows_nothing('auto_explain: spotify_sync_liked', undef),
	qr/plan:\n.*spotify\.liked_tracks/s, 'auto_explain: there are plans in the log');
like(
	shows_nothing('auto_explain: spotify_sync_recently_played',
		undef, 'SELECT spotify_sync_recently_played()'),
	qr/plan:\n.*spotify\.plays/s, 'auto_explain: there are plans of plays in the log');

# With the trees of all plans in the log, which any user may have

renew();
ask($session, 'SET debug_print_plan = on');
new_log();
like(with_constants(shows_nothing('debug_print_plan: spotify_sync_liked', undef)),
	qr/PLANNEDSTMT.*\0liked\n/s, 'debug_print_plan: there are constants in the log');
shows_nothing('debug_print_plan: spotify_set_account',
	undef, "SELECT spotify_set_account($account)");
shows_nothing('debug_print_plan: spotify_refresh_token', undef,
	'SELECT spotify_refresh_token()');
my $log = shows_nothing('debug_print_plan: spotify_authorize_url',
	undef, 'SELECT spotify_authorize_url()');
$canaries{'the verifier'} =
  $node->safe_psql('postgres', 'SELECT code_verifier FROM spotify_private.credentials');
is_clean($log, 'debug_print_plan: the verifier of spotify_authorize_url');

$session->quit;
$node->stop;
done_testing();
