/*
 * Settings: defaults, ranges, checks, and who may set them.
 */
CREATE ROLE regress_spotify_user;
CREATE EXTENSION spotify_etl;
LOAD '$libdir/spotify_etl';

SELECT name,
       boot_val,
       unit,
       min_val,
       max_val,
       context
  FROM pg_settings
 WHERE name LIKE 'spotify\_etl.%'
 ORDER BY name COLLATE "C";

-- as people read them
SHOW spotify_etl.connect_timeout;
SHOW spotify_etl.request_timeout;
SHOW spotify_etl.max_retry_wait;
SHOW spotify_etl.max_response_size;

-- a name that is none is found out
\set VERBOSITY sqlstate
SELECT current_setting('spotify_etl.api_uri');
SET spotify_etl.max_retries = 'some';

-- ranges
SET spotify_etl.connect_timeout = 0;
SET spotify_etl.connect_timeout = '1ms';
SET spotify_etl.request_timeout = 0;
SET spotify_etl.request_timeout = -1;
SET spotify_etl.request_timeout = '2min';
SHOW spotify_etl.request_timeout;
SET spotify_etl.max_retries = -1;
SET spotify_etl.max_retries = 21;
SET spotify_etl.max_retries = 20;
SET spotify_etl.max_retries = 0;
SET spotify_etl.max_retry_wait = -1;
SET spotify_etl.max_retry_wait = '601s';
SET spotify_etl.max_retry_wait = '10min';
SET spotify_etl.max_retry_wait = 0;
SET spotify_etl.max_concurrency = 0;
SET spotify_etl.max_concurrency = 33;
SET spotify_etl.max_concurrency = 32;
SET spotify_etl.max_concurrency = 1;
SET spotify_etl.max_response_size = '63kB';
SET spotify_etl.max_response_size = '3GB';
SET spotify_etl.max_response_size = '64kB';
SET spotify_etl.audit_pages = -1;
SET spotify_etl.audit_pages = 0;
SET spotify_etl.max_removal_percent = -1;
SET spotify_etl.max_removal_percent = 101;
SET spotify_etl.max_removal_percent = 100;
SET spotify_etl.max_removal_percent = 0;
\set VERBOSITY default

-- URLs: https, or http on the machine itself
SET spotify_etl.api_url = 'https://api.spotify.com/v1/';
SET spotify_etl.api_url = 'HTTPS://API.SPOTIFY.COM';
SET spotify_etl.api_url = 'https://proxy.example.org:8443/spotify/v1';
SET spotify_etl.api_url = 'https://[2001:db8::1]/v1';
SET spotify_etl.api_url = 'http://127.0.0.1:8080/v1';
SET spotify_etl.api_url = 'http://127.255.0.1/v1';
SET spotify_etl.api_url = 'http://[::1]:8080/v1';
SHOW spotify_etl.api_url;
SET spotify_etl.api_url = 'http://api.spotify.com/v1';
SET spotify_etl.api_url = 'http://10.0.0.1/v1';
SET spotify_etl.api_url = 'http://127.0.0.1.example.org/v1';
SET spotify_etl.api_url = 'http://127.0.0.1@example.org/v1';
SET spotify_etl.api_url = 'http://127.0.0.1:80@example.org/v1';
SET spotify_etl.api_url = 'http://example.org\@127.0.0.1/v1';
SET spotify_etl.api_url = 'http://[::ffff:10.0.0.1]/v1';
SET spotify_etl.api_url = 'http://0.0.0.0/v1';
SET spotify_etl.api_url = 'https://user@api.spotify.com/v1';
SET spotify_etl.api_url = 'https://user:password@api.spotify.com/v1';
SET spotify_etl.api_url = 'https://:password@api.spotify.com/v1';
SET spotify_etl.api_url = 'https://@api.spotify.com/v1';
SET spotify_etl.api_url = 'https://api.spotify.com/v1?limit=1';
SET spotify_etl.api_url = 'https://api.spotify.com/v1#top';
SET spotify_etl.api_url = 'https://';
SET spotify_etl.api_url = 'https:///v1';
SET spotify_etl.api_url = 'https://:443/v1';
SET spotify_etl.api_url = 'https:/api.spotify.com/v1';
SET spotify_etl.api_url = 'https://api.spotify.com:99999/v1';
SET spotify_etl.api_url = 'https://api.spotify.com:port/v1';
SET spotify_etl.api_url = 'https://[::1/v1';
SET spotify_etl.api_url = 'https://api.spotify.com/v 1';
SET spotify_etl.api_url = E'https://api.spotify.com/v1\n';
SET spotify_etl.api_url = 'api.spotify.com/v1';
SET spotify_etl.api_url = 'ftp://api.spotify.com/v1';
SET spotify_etl.api_url = 'file:///etc/passwd';
SET spotify_etl.api_url = '';
SHOW spotify_etl.api_url;
\echo :LAST_ERROR_SQLSTATE

-- the same checks for the other URL
SET spotify_etl.accounts_url = 'http://[::1]:8080';
SET spotify_etl.accounts_url = 'http://accounts.spotify.com';
SET spotify_etl.accounts_url = 'https://user:password@accounts.spotify.com';
SHOW spotify_etl.accounts_url;

-- files
SET spotify_etl.ca_file = '/etc/ssl/certs/ca-certificates.crt';
SET spotify_etl.ca_file = 'ca-certificates.crt';
SET spotify_etl.ca_file = '../ca-certificates.crt';
SET spotify_etl.ca_file = '';

-- who may set what
SET ROLE regress_spotify_user;
\set VERBOSITY sqlstate
SET spotify_etl.api_url = 'https://example.org';
RESET spotify_etl.api_url;
SET spotify_etl.accounts_url = 'https://example.org';
SET spotify_etl.ca_file = '/tmp/ca.pem';
SET spotify_etl.proxy = 'http://proxy.example.org:3128';
SET spotify_etl.max_response_size = '1GB';
SELECT set_config('spotify_etl.accounts_url', 'https://example.org', false);
ALTER ROLE regress_spotify_user SET spotify_etl.accounts_url = 'https://example.org';
SHOW spotify_etl.proxy;
\set VERBOSITY default
SELECT name
  FROM pg_settings
 WHERE name = 'spotify_etl.proxy';
SET spotify_etl.connect_timeout = '5s';
SET spotify_etl.request_timeout = '5s';
SET spotify_etl.max_retries = 1;
SET spotify_etl.max_retry_wait = '5s';
SET spotify_etl.max_concurrency = 2;
SET spotify_etl.audit_pages = 2;
SET spotify_etl.max_removal_percent = 50;
SHOW spotify_etl.max_removal_percent;
RESET ROLE;

-- what a role sets before the library is loaded counts for no more
\c
SET ROLE regress_spotify_user;
SET spotify_etl.accounts_url = 'https://example.org';
SET spotify_etl.api_url = 'https://example.org';
SET spotify_etl.ca_file = '/tmp/ca.pem';
SET spotify_etl.proxy = 'http://proxy.example.org:3128';
SET spotify_etl.max_response_size = '1GB';
SET spotify_etl.max_retries = 3;
RESET ROLE;
LOAD '$libdir/spotify_etl';
SELECT name,
       setting = reset_val AS is_unchanged
  FROM pg_settings
 WHERE name LIKE 'spotify\_etl.%'
   AND (context = 'superuser' OR source = 'session')
 ORDER BY name COLLATE "C";
SHOW spotify_etl.max_retries;

DROP EXTENSION spotify_etl;
DROP ROLE regress_spotify_user;
