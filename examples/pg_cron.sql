-- pg_cron.sql
--   Spotify by pg_cron: likes and plays, each once an hour.
--
--   psql -d music -f pg_cron.sql
--
-- Run it as a superuser, in the database where CREATE EXTENSION spotify_etl and
-- CREATE EXTENSION pg_cron were done.

-- The role that owns the jobs is no superuser.  It can sync and read, but see
-- no secret and write no table.
CREATE ROLE music LOGIN;
GRANT EXECUTE ON FUNCTION spotify_sync_liked, spotify_sync_recently_played TO music;
GRANT SELECT ON ALL TABLES IN SCHEMA spotify TO music;
GRANT USAGE ON SCHEMA cron TO music;

-- Jobs belong to the role that creates them.
SET ROLE music;

-- Of a job that succeeds, cron.job_run_details.return_message shows the number
-- of rows and nothing else.  So a job returns a row for each change.
SELECT cron.schedule('spotify liked', '7 * * * *', $$
    SELECT change
      FROM spotify_sync_liked() AS run,
           generate_series(1, run.inserted + run.deactivated
                              + run.reactivated + run.updated) AS change
$$);

-- Spotify keeps the last 50 plays only, which are about three hours.
SELECT cron.schedule('spotify recently played', '9 * * * *', $$
    SELECT play
      FROM spotify_sync_recently_played() AS run,
           generate_series(1, run.inserted) AS play
$$);

-- pg_cron keeps the details of each run until somebody deletes them.
SELECT cron.schedule('forget old job runs', '17 4 * * *', $$
    DELETE FROM cron.job_run_details
     WHERE end_time < now() - interval '30 days'
$$);

RESET ROLE;
