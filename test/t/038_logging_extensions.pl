# Secrets and what else looks into a server: pgaudit, which logs the parameters
# of every statement, and extensions that keep what plans and statements hold.

# needs: postgresql-NN-pgaudit

use strict;
use warnings;

use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use SpotifyMock;
use SpotifyTest;

my $PKCE = q{'mock-pkce-client', NULL, 'mock-pkce-refresh-token'};

skip_test('there is no pgaudit for this server') unless has_extension('pgaudit');
my %keeps = map { $_ => has_extension($_) } qw(pg_stat_kcache pg_qualstats);
my $libraries = join ', ', 'pg_stat_statements', 'auto_explain', 'pgaudit', grep { $keeps{$_} } sort keys %keeps;

my $mock = SpotifyMock->start('--library', 60);
my $node = start_node(
	$mock,
	name => 'logging_extensions',
	configuration => <<~CONF);
	shared_preload_libraries = '$libraries'
	pg_stat_statements.track = all
	pgaudit.log = 'all'
	pgaudit.log_parameter = on
	pgaudit.log_relation = on
	pgaudit.log_rows = on
	pg_qualstats.sample_rate = 1
	pg_qualstats.track_constants = on
	auto_explain.log_min_duration = 0
	auto_explain.log_nested_statements = on
	auto_explain.log_analyze = on
	auto_explain.log_verbose = on
	log_parameter_max_length = -1
	log_parameter_max_length_on_error = -1
	log_min_duration_statement = 0
	log_statement = 'all'
	debug_print_plan = on
	debug_print_parse = on
	debug_print_rewritten = on
	CONF
$node->safe_psql('postgres', 'CREATE EXTENSION pg_stat_statements; CREATE EXTENSION pgaudit');
$node->safe_psql('postgres', "CREATE EXTENSION $_") for grep { $keeps{$_} } sort keys %keeps;

# The secrets come in a file, so that the caller's statement holds none.
my $folder = PostgreSQL::Test::Utils::tempdir;
append_to_file("$folder/token", 'mock-pkce-refresh-token');
append_to_file("$folder/secret", 'mock-secret');

my $session = open_session($node);

sub value
{
	my ($sql) = @_;
	my $answer = ask($session, $sql);
	die "$sql: $answer->{text}\n" if defined $answer->{code};
	return $answer->{output};
}

# A text, and what the trees of plans in it have as constants, byte by byte.
sub with_constants
{
	my ($text) = @_;
	my @constants = $text =~ /\[\s((?:-?\d+\s+)+)\]/g;
	return join "\n", $text, map { pack 'C*', map { $_ & 255 } split } @constants;
}

# That a text has something, and no secret: what the mock gives out shows by its
# beginning.
sub is_clean
{
	my ($name, $text, $proof) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$text = with_constants($text);
	like($text, $proof, "$name: there is something to look at");
	my @found = $text =~ /(mock-(?:access|refresh|code)-\w|mock-pkce-refresh|mock-secret)/g;
	is_deeply(\@found, [], "$name: no secret");
	my $stored = $node->safe_psql('postgres', <<~'SQL');
		SELECT concat_ws(E'\n', authorization_state, code_verifier) FROM spotify_private.credentials
		SQL
	is_deeply([ grep { index($text, $_) >= 0 } split /\n/, $stored ], [], "$name: no state, no verifier");
	return;
}

value("SELECT spotify_set_account('mock-pkce-client', NULL, pg_read_file('$folder/token'))");
value('SELECT spotify_refresh_token()');
value('SELECT status FROM spotify_sync_liked()');
$mock->post('config', { auto_approve => JSON::PP::true });
my $address = browse(value('SELECT spotify_authorize_url()'));
append_to_file("$folder/address", $address);
is(value("SELECT spotify_authorize(pg_read_file('$folder/address'))"), 'mockAccount1', 'an authorization');
value('SELECT spotify_authorize_url()');
value("SELECT spotify_set_account(NULL, pg_read_file('$folder/secret'), redirect_uri => NULL)");
value("SELECT spotify_set_account(NULL, '', pg_read_file('$folder/token'), redirect_uri => NULL)");
ask($session, 'SELECT spotify_refresh_token()');    # by a token that was replaced

# A constraint of the administrator's, which refuses a row
value('ALTER TABLE spotify_private.credentials ADD CHECK (length(refresh_token) < 10) NOT VALID');
for my $sql (
	"SELECT spotify_set_account(NULL, pg_read_file('$folder/secret'), pg_read_file('$folder/token'), redirect_uri => NULL)",
	'SELECT spotify_authorize_url()')
{
	my $answer = ask($session, $sql);
	is($answer->{code}, '23514', "a row that is refused: $sql");
	is($answer->{detail}, 'The row is not shown, for it holds secrets.', "a row that is refused, the detail: $sql");
}
is(ask($session, 'SELECT spotify_private.secret(1)')->{code},
	'55000', 'nobody else can call the function that gives a secret to a statement');

is_clean('the log', slurp_file($node->logfile), qr/AUDIT: SESSION,.*spotify_private\.credentials.*,default/s);
is_clean('pg_stat_statements', $node->safe_psql('postgres', 'SELECT s FROM pg_stat_statements AS s'),
	qr/spotify_private\.credentials/);
SKIP:
{
	skip 'there is no pg_qualstats', 1 unless $keeps{pg_qualstats};
	is_clean('pg_qualstats', $node->safe_psql('postgres', 'SELECT q FROM pg_qualstats AS q'), qr/./);
}

$session->quit;
$node->stop;
done_testing();
