# The login as README.md tells it, step by step, with a real browser: from
# spotify_authorize_url() over the page on which the user agrees to the address
# where the browser ends, which goes to spotify_authorize().

# needs: chromium chromium-driver

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use Browser;
use SpotifyMock;
use SpotifyTest;

my $CALLBACK = 'http://127.0.0.1:8888/callback';
my $AGREE = 'button[value=agree]';
my $CANCEL = 'button[value=cancel]';

skip_test('chromium and chromedriver are not installed') if !Browser::is_installed();

my $mock = SpotifyMock->start('--library', 60);
my $node = start_node($mock, name => 'browser');
my $session = open_session($node);
my $browser = Browser->start(PostgreSQL::Test::Utils::tempdir_short());

# Runs SQL that must work, without a warning; returns what it gives.
sub value
{
	my ($sql) = @_;
	my $answer = ask($session, $sql);
	die "$sql: $answer->{text}\n" if $answer->{text} =~ /ERROR|WARNING/;
	return $answer->{output};
}

# Opens the URL that the database gives, and lets the user do something there.
# Returns the address on which the browser ends.
sub walk
{
	my ($account, @clicks) = @_;
	$browser->open(value("SELECT spotify_authorize_url('$account')"));
	$browser->click($_) for @clicks;
	return $browser->wait_for_address($CALLBACK);
}

# The user sees what is asked for, and does not agree

value(q{SELECT spotify_set_account('mock-client', 'mock-secret')});
$browser->open(value('SELECT spotify_authorize_url()'));
like($browser->text('h1'), qr/mock-client asks for access/, 'the page tells who asks');
like($browser->text('body'), qr/user-library-read/, 'and what for');
$browser->click($CANCEL);
my $address = $browser->wait_for_address($CALLBACK);
like($address, qr/[?&]error=access_denied(?:&|$)/, 'without consent the address has an error');
my $error = ask($session, "SELECT spotify_authorize('$address')");
is($error->{code}, '28000', 'without consent: the error is 28000');
is($error->{detail}, 'The user did not agree.', 'without consent: the detail');
like($error->{hint}, qr/spotify_authorize_url\('default'\)/, 'without consent: the hint');

# The user agrees

$address = walk('default', $AGREE);
like($address, qr/^\Q$CALLBACK\E\?code=[^&]+&state=[^&]+$/, 'the address has a code and the state');
is(value("SELECT spotify_authorize('$address')"), 'mockAccount1', 'the database knows the user');
is( value('SELECT status, inserted FROM spotify_sync_liked()'),
	'succeeded|60', 'and a sync brings the songs');
is_deeply([ liked_differences($session, $mock) ], [], 'the table is true');

# Half a year later: the user agreed before, and the page does not ask again

$address = walk('default');
is(value("SELECT spotify_authorize('$address')"), 'mockAccount1', 'the second time without a click');
is(value('SELECT status FROM spotify_sync_liked()'), 'succeeded', 'and a sync works');

# Another account, of an app without a secret, as another user

$mock->post('user', { id => 'anna', account_id => 'annasAccount', size => 30 });
value(q{SELECT spotify_set_account('mock-pkce-client', account => 'anna')});
$address = walk('anna', 'option[value=anna]', $AGREE);
$error = ask($session, "SELECT spotify_authorize('$address', 'default')");
is($error->{code}, '22023', 'an address of one account is none of the other');
is(value("SELECT spotify_authorize('$address', 'anna')"), 'annasAccount', 'another user, for another account');
is(value('CALL spotify_sync_all()'), '', 'and both are synced');
is_deeply([ liked_differences($session, $mock, account => 'anna', user => 'anna') ],
	[], 'the table of the other account is true');

undef $browser;
$session->quit;
$node->stop;
done_testing();
