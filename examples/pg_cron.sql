-- pg_cron.sql
--   Spotify by pg_cron: likes and plays of all accounts, once an hour.
--
--   psql -d music -f pg_cron.sql
--   psql -d music -v accounts=anna,carla -f pg_cron.sql
--   psql -d postgres -v database=music -v role=etl -f pg_cron.sql
--
-- Run it as a superuser, in the database where CREATE EXTENSION pg_cron was
-- done; it needs pg_cron 1.4.  Variables:
--
--   database   where CREATE EXTENSION spotify_etl was done, if that is another
--   role       owns the jobs; it is created if it is not there (music)
--   accounts   gets jobs for these accounts, in place of one for all that are
--              enabled; written as the elements of an array
--
-- It can be run again, also with other variables: what the role's jobs were
-- that sync, they become what it says here.
--
-- Without cron.use_background_workers, pg_cron connects as the role, and
-- pg_hba.conf must allow that: the line that it needs is shown at the end.

\set ON_ERROR_STOP on
\set QUIET on
\if :{?database}
\else
\set database :DBNAME
\endif
\if :{?role}
\else
\set role music
\endif
\if :{?accounts}
\else
\set accounts ''
\endif
\set cron_database :DBNAME

-- The role is no superuser.  It can sync and read, but see no secret and write
-- no table.

\connect :"database"
SELECT set_config('example.accounts', '{' || :'accounts' || '}', false) \g /dev/null
DO $$
DECLARE
    missing text;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'spotify_etl') THEN
        RAISE EXCEPTION 'extension "spotify_etl" is not in database "%"', current_database()
            USING ERRCODE = 'undefined_object',
                  HINT = 'Say where it is: psql -v database=...';
    END IF;
    SELECT string_agg(quote_ident(name), ', ')
      INTO missing
      FROM unnest(current_setting('example.accounts')::text[]) AS name
     WHERE name NOT IN (SELECT account FROM spotify.accounts);
    IF missing IS NOT NULL THEN
        RAISE EXCEPTION 'there is no Spotify account %', missing
            USING ERRCODE = 'undefined_object',
                  DETAIL = 'Nothing was changed.',
                  HINT = 'SELECT account FROM spotify.accounts shows those that there are.';
    END IF;
END
$$;

BEGIN;
SELECT format('CREATE ROLE %I LOGIN', :'role')
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'role')
\gexec
SELECT nspname AS schema
  FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace
 WHERE extname = 'spotify_etl'
\gset
SET LOCAL search_path = :"schema";
GRANT USAGE ON SCHEMA :"schema" TO :"role";
GRANT EXECUTE ON PROCEDURE spotify_sync_all TO :"role";
GRANT EXECUTE ON FUNCTION spotify_sync_liked, spotify_sync_recently_played TO :"role";
GRANT SELECT ON ALL TABLES IN SCHEMA spotify TO :"role";
COMMIT;

\connect :"cron_database"
BEGIN;
GRANT USAGE ON SCHEMA cron TO :"role";

CREATE TEMPORARY TABLE wanted_jobs (
    name name PRIMARY KEY,
    schedule text,
    command text,
    database text
) ON COMMIT DROP;

-- All accounts by one job.  It commits after each run, and one that fails does
-- not stop the others.
INSERT INTO wanted_jobs
    SELECT 'spotify everything',
           '7 * * * *',
           format('CALL %I.spotify_sync_all()', :'schema'),
           :'database'
     WHERE :'accounts' = '';

-- Or two jobs for each account, at different minutes.  Of a job that succeeds,
-- cron.job_run_details.return_message shows the number of rows and nothing else.
-- So these return a row for each change.
INSERT INTO wanted_jobs
    SELECT 'spotify liked of ' || account,
           format('%s * * * *', (3 + 4 * number) % 60),
           format($$
               SELECT change
                 FROM %I.spotify_sync_liked(%L) AS run,
                      generate_series(1, run.inserted + run.deactivated
                                         + run.reactivated + run.updated) AS change
           $$, :'schema', account),
           :'database'
      FROM unnest(('{' || :'accounts' || '}')::text[]) WITH ORDINALITY AS named (account, number);

-- Spotify keeps the last 50 plays only, which are about three hours.
INSERT INTO wanted_jobs
    SELECT 'spotify recently played of ' || account,
           format('%s * * * *', (5 + 4 * number) % 60),
           format($$
               SELECT play
                 FROM %I.spotify_sync_recently_played(%L) AS run,
                      generate_series(1, run.inserted) AS play
           $$, :'schema', account),
           :'database'
      FROM unnest(('{' || :'accounts' || '}')::text[]) WITH ORDINALITY AS named (account, number);

-- pg_cron keeps the details of each run until somebody deletes them.  Runs come
-- one after another by their ids; those that could not connect have no times.
INSERT INTO wanted_jobs VALUES (
    'forget old job runs',
    '17 4 * * *',
    $$
        DELETE FROM cron.job_run_details
         WHERE username = current_user
           AND runid <= (SELECT max(runid)
                           FROM cron.job_run_details
                          WHERE end_time < now() - interval '30 days')
    $$,
    :'cron_database');

-- Scheduling a job anew leaves it in its database.
SELECT cron.unschedule(jobid)
  FROM cron.job
 WHERE username = :'role'
   AND (jobname LIKE 'spotify %' AND command LIKE '%spotify\_sync\_%'
        OR jobname IN (SELECT name FROM wanted_jobs))
   AND (jobname, database) NOT IN (SELECT name, database FROM wanted_jobs)
\g /dev/null
SELECT cron.schedule_in_database(name, schedule, command, database, :'role')
  FROM wanted_jobs
\g /dev/null
COMMIT;

SELECT jobname, schedule, database, username
  FROM cron.job
 WHERE username = :'role'
 ORDER BY jobname;

-- A host of libpq that is a folder, or none, means a socket.
SELECT current_setting('cron.use_background_workers')::boolean AS has_workers,
       CASE
           WHEN current_setting('cron.host') ~ '^([/@]|$)' THEN
               format('local  %s  %I  trust', databases, :'role')
           ELSE format('host  %s  %I  samehost  trust', databases, :'role')
       END AS hba_line
  FROM (SELECT string_agg(DISTINCT quote_ident(database), ',') AS databases
          FROM cron.job
         WHERE username = :'role') AS used
\gset
\if :has_workers
\else
\echo 'pg_cron connects as this role. Above all others pg_hba.conf needs this line:'
\echo
\echo :hba_line
\echo
\echo 'Then whoever has an account on this machine may connect as this role, too.'
\echo 'The other way is a password, in the .pgpass of the user that PostgreSQL runs as.'
\endif
