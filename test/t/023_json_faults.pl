# Bodies that are not the JSON that the API promises: refused as a whole, and
# nothing of them is kept.

use strict;
use warnings;

use Encode qw(encode);
use JSON::PP;
use MIME::Base64;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use SpotifyMock;
use SpotifyTest;

my $mock = SpotifyMock->start('--library', 120);
my $node = start_node($mock);
create_account($node);

my $session = open_session($node, 'SET spotify_etl.max_removal_percent = 100');
heals($session, $node, $mock, 'the first sync');

my %PAGES = map { $_ => { path => '/me/tracks$', offset => $_ } } (0, 50, 100);
my %CONTAINS = (path => '/contains$');
my %TOKEN = (path => '/api/token$');

# Clears what the last case left, and gives the next one something to write.
sub prepare
{
	my (@rules) = @_;
	$mock->no_faults;
	change_library($mock);
	$mock->forget_log;
	$mock->fault(@rules);
	return;
}

# The bytes of a page as it is now.
sub page_bytes
{
	my ($offset) = @_;
	my $token = $mock->post('access_token')->{access_token};
	my $answer = $mock->{http}->get($mock->base_url . "/v1/me/tracks?offset=$offset&limit=50",
		{ headers => { Authorization => "Bearer $token" } });
	return $answer->{content};
}

# An action that answers with these bytes.
sub bytes { return { body_base64 => encode_base64($_[0], '') }; }

sub nested
{
	my ($depth) = @_;
	return '{"items":[],"offset":0,"total":0,"x":' . '[' x $depth . ']' x $depth . '}';
}

# An envelope with its total written so.
sub with_total { return bytes(qq({"items":[],"limit":50,"offset":0,"total":$_[0]})); }

# 1. Pages that are refused.  Each as the first, a middle and the last one.
my @refused = (
	[ 'a NUL', bytes("\0") ],
	[ 'binary garbage', bytes(join '', map { chr($_ * 37 % 256) } 1 .. 1000) ],
	[ 'a word', bytes('garbage') ],
	[ 'a close brace', bytes('}') ],
	[ 'a list', { body => [] } ],
	[ 'a list of pages', { body => [ { items => [], total => 0, offset => 0 } ] } ],
	[ 'a string', { body => '"items"' } ],
	[ 'null', { body => 'null' } ],
	[ 'true', { body => 'true' } ],
	[ 'a number', { body => '17' } ],
	[ 'an object without anything', { body => {} } ],
	[ 'UTF-16', bytes(encode('UTF-16', '{"items":[],"offset":0,"total":0}')) ],
	[ 'two pages', bytes('{"items":[],"offset":0,"total":0}' x 2) ],
	[ 'a page and a comma', bytes('{"items":[],"offset":0,"total":0},') ],
	[ 'a NUL after the page', bytes(qq({"items":[],"offset":0,"total":0}\0)) ],
	[ 'trailing garbage', { trailing => 'garbage' } ],
	[ 'a trailing brace', { trailing => ' }' } ],
	[ 'a comment', bytes('{"items":[],"offset":0,/* none */"total":0}') ],
	[ 'a comment behind the page', { trailing => ' // the end' } ],
	[ 'a comma behind the last member', bytes('{"items":[],"offset":0,"total":0,}') ],
	[ 'a comma behind the last entry', bytes('{"items":[null,],"offset":0,"total":1}') ],
	[ 'single quotes', bytes(q({'items':[],'offset':0,'total':0})) ],
	[ 'a raw line end in a text', bytes(qq({"items":[],"offset":0,"total":0,"x":"\n"})) ],
	[ 'a total after U+0000', bytes('{"items":[],"offset":0,"total\u0000":0}') ],
	[ 'lists 33 deep in an unknown field', bytes(nested(33)) ],
	[ 'lists 10,000 deep', { depth_bomb => 10_000 } ],
	[ 'lists 1,000,000 deep', { depth_bomb => 1_000_000 } ],
	[ 'objects 10,000 deep', bytes('{"items":' x 10_000 . '[]' . '}' x 10_000) ],
	[ '10,001 entries', bytes('{"offset":0,"total":0,"items":[' . 'null,' x 10_000 . 'null]}') ],
	[ 'items missing', { remove => ['items'] } ],
	[ 'items null', { set => { items => undef } } ],
	[ 'items an object', { set => { items => {} } } ],
	[ 'items a string', { set => { items => '[]' } } ],
	[ 'items a number', { set => { items => 0 } } ],
	[ 'items false', { set => { items => JSON::PP::false } } ],
	[ 'total missing', { remove => ['total'] } ],
	[ 'total null', { set => { total => undef } } ],
	[ 'total a string', { set => { total => '120' } } ],
	[ 'total a list', { set => { total => [120] } } ],
	[ 'total an object', { set => { total => {} } } ],
	[ 'total true', { set => { total => JSON::PP::true } } ],
	[ 'total 1.5', with_total('1.5') ],
	[ 'total -1', with_total('-1') ],
	[ 'total 2^31', with_total('2147483648') ],
	[ 'total 2^63', with_total('9223372036854775808') ],
	[ 'total -2^63 - 1', with_total('-9223372036854775809') ],
	[ 'total 2^64 + 120', with_total('18446744073709551736') ],
	[ 'total 1e400', with_total('1e400') ],
	[ 'total -1e400', with_total('-1e400') ],
	[ 'total NaN', with_total('NaN') ],
	[ 'total Infinity', with_total('Infinity') ],
	[ 'total 0x78', with_total('0x78') ],
	[ 'total 0120', with_total('0120') ],
	[ 'total +120', with_total('+120') ],
	[ 'total 120.', with_total('120.') ],
	[ 'total of 10,000 digits', with_total('1' x 10_000) ],
);

for my $i (0 .. $#refused)
{
	my ($name, $action) = @{ $refused[$i] };
	my $offset = (0, 50, 100)[ $i % 3 ];
	$name .= ", at $offset";

	prepare({ match => $PAGES{$offset}, action => $action });
	my $error = fails_cleanly($session, '08P01', $name);
	is($error->{message}, 'the answer of Spotify is not what its API promises',
		"$name: the message");
	like($error->{detail}, qr/^Refused: [^{}\[\]]+\.$/, "$name: the detail, which quotes nothing");
	is(scalar(grep { ($_->{query}{offset} // '') eq $offset } @{ $mock->log }),
		1, "$name: it is not asked for again");
}

# 2. Pages that end too early: asked for again, as any answer that was cut.
my $size = length page_bytes(100);
my @cut = (
	[ 'nothing', bytes('') ],
	[ 'blanks', bytes(" \r\n\t ") ],
	[ 'a byte order mark alone', bytes("\xef\xbb\xbf") ],
	[ 'an open brace', bytes('{') ],
	map { [ "cut after $_ bytes", { truncate => $_ } ] }
	  (1, 2, 9, 10, 11, 100, 1000, map { $size - $_ } 1 .. 3, 10, 30, 100)
);
for my $case (@cut)
{
	my ($name, $action) = @$case;

	ask($session, 'SET spotify_etl.max_retries = 1');
	prepare({ match => $PAGES{100}, action => $action });
	my $error = fails_cleanly($session, '08006', $name);
	like($error->{detail}, qr/^The body ends too early\. It was tried 2 times/, "$name: the detail");
	prepare({ match => { %{ $PAGES{100} }, times => 1 }, action => $action });
	heals($session, $node, $mock, "$name, once", 1);
	ask($session, 'RESET spotify_etl.max_retries');
}

# 3. Pages that are odd and right.
my @accepted = (
	[ 'a byte order mark', sub { { bom => JSON::PP::true } } ],
	[ 'a line end after the page', sub { { trailing => "\r\n\r\n" } } ],
	[ 'blanks before the page', sub { bytes(" \n\t\r" . page_bytes($_[0])) } ],
	[ 'whole numbers as 5.0', sub { { numbers => 'float' } } ],
	[ 'whole numbers as 5.0E0', sub { { numbers => 'exponent' } } ],
	[ 'a key twice', sub { bytes(page_bytes($_[0]) =~ s/"id":("\w+")/"id":$1,"id":$1/gr) } ],
	[ 'unknown fields',
		sub { { set => { new => { deep => [ 1, { a => undef } ] }, 'items.0.new' => 'x' } } } ],
	[ 'lists 20 deep in an unknown field',
		sub { bytes(page_bytes($_[0]) =~ s/^\{/'{"x":' . '[' x 20 . ']' x 20 . ','/er) } ],
	[ 'a total and ids that go on after U+0000',
		sub { bytes(page_bytes($_[0]) =~ s/"(id|total)":/"$1\\u0000x":7,"$1":/gr
				  =~ s/\}\s*$/,"total\\u0000":7}/r) } ],
	[ 'escaped slashes', sub { bytes(page_bytes($_[0]) =~ s{/}{\\/}gr) } ],
);
for my $case (@accepted)
{
	my ($name, $action) = @$case;

	for my $offset (0, 100)
	{
		prepare();
		$mock->fault({ match => $PAGES{$offset}, action => $action->($offset) });
		heals($session, $node, $mock, "$name, at $offset");
	}
}

# 4. The question whether a track is still liked.
my @unanswered = (
	[ 'null', 'null' ], [ 'an object', {} ], [ 'a boolean', 'false' ],
	[ 'an empty list', [] ], [ 'two answers for one', [ JSON::PP::false, JSON::PP::false ] ],
	[ 'null for an answer', [undef] ], [ 'a string for an answer', ['false'] ],
	[ 'a number for an answer', [0] ], [ 'a list for an answer', [ [] ] ],
	[ 'an answer and garbage', '[false]x' ],
);
for my $case (@unanswered)
{
	my ($name, $body) = @$case;

	prepare({ match => {%CONTAINS}, action => { body => $body } });
	fails_cleanly($session, '08P01', "contains answers $name");
	is($mock->count->{contains}, 1, "contains answers $name: it is not asked again");
}

for my $body ('', '[false')
{
	prepare({ match => { %CONTAINS, times => 1 }, action => { body => $body } });
	heals($session, $node, $mock, "contains answers '$body', once", 1);
}

# 5. Tokens.
my @ungranted = (
	[ 'null', { body => 'null' } ],
	[ 'a string', { body => '"mock-access-x"' } ],
	[ 'a list', { body => [ { access_token => 'mock-access-x' } ] } ],
	[ 'lists 10,000 deep', { depth_bomb => 10_000 } ],
	[ 'trailing garbage', { trailing => 'garbage' } ],
	[ 'garbage that repeats the token', bytes('access_token=mock-access-x') ],
);
for my $case (@ungranted)
{
	my ($name, $action) = @$case;

	prepare({ match => {%TOKEN}, action => $action });
	fails_cleanly($session, '08P01', "token: $name", 'SELECT spotify_refresh_token()');
	is($mock->count->{token}, 1, "token: $name: it is not asked for again");
}
for my $case ([ 'nothing', bytes('') ],
	map { [ "cut after $_ bytes", { truncate => $_ } ] } (1, 16, 17, 50, 100, 200, -1))
{
	my ($name, $action) = @$case;

	prepare({ match => {%TOKEN}, action => $action });
	fails_cleanly($session, '08006', "token: $name", 'SELECT spotify_refresh_token()');
	is($mock->count->{token}, 2, "token: $name: it is asked for once more");
}
for my $case ([ 'a byte order mark', { bom => JSON::PP::true } ],
	[ 'a line end', { trailing => "\n" } ],
	[ 'unknown fields', { set => { new => { x => [1] } } } ])
{
	my ($name, $action) = @$case;

	prepare({ match => {%TOKEN}, action => $action });
	is(ask($session, 'SELECT spotify_refresh_token() > now()')->{output}, 't', "token: $name");
}

$mock->no_faults;
heals($session, $node, $mock, 'after all that');
$session->quit;
$node->stop;
done_testing();
