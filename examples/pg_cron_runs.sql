-- pg_cron_runs.sql
--   What the last runs of jobs like those of pg_cron.sql did: a row for each
--   account and collection that a job synced.
--
--   psql -d music -f pg_cron_runs.sql
--   psql -d postgres -v database=music -f pg_cron_runs.sql
--
-- Run it in the database of pg_cron, as the role that owns the jobs or as a
-- superuser; database is that of spotify_etl, if it is another.

\set ON_ERROR_STOP on
\set QUIET on
\if :{?database}
\else
\set database :DBNAME
\endif

-- In the order in which they began: those that could not connect have no times.
SELECT COALESCE(json_agg(last), '[]') AS job_runs
  FROM (SELECT details.runid,
               details.start_time,
               min(details.start_time) OVER (PARTITION BY details.jobid
                                             ORDER BY details.runid
                                             ROWS BETWEEN 1 FOLLOWING
                                                      AND UNBOUNDED FOLLOWING) AS next_start,
               job.jobname,
               details.command,
               details.status,
               split_part(details.return_message, E'\n', 1) AS message
          FROM cron.job_run_details AS details
               LEFT JOIN cron.job USING (jobid)
         WHERE details.command LIKE '%spotify\_sync\_%'
         ORDER BY details.runid DESC
         LIMIT 20) AS last
\gset

\connect :"database"
SELECT job_run.start_time::timestamp(0),
       job_run.jobname,
       run.account,
       run.collection,
       COALESCE(run.status, job_run.status) AS status,
       -- Of a failed job whose runs do not say why, what it says itself.
       COALESCE(run.error_message,
                CASE
                    WHEN job_run.status = 'failed'
                         AND bool_or(run.status = 'failed')
                             OVER (PARTITION BY job_run.runid) IS NOT TRUE THEN
                        job_run.message
                END) AS message,
       run.inserted,
       run.deactivated,
       run.reactivated,
       run.requests
  FROM json_to_recordset(:'job_runs') AS job_run
       (runid bigint, start_time timestamptz, next_start timestamptz, jobname text,
        command text, status text, message text)
       LEFT JOIN LATERAL
       -- What the job synced is what was synced first since it began.  pg_cron may
       -- note that a moment late, and notes the end of some runs far too early.
       (SELECT DISTINCT ON (account, collection) *
          FROM spotify.sync_runs
         WHERE started_at >= job_run.start_time - interval '1 second'
           AND started_at < COALESCE(job_run.next_start, 'infinity') - interval '1 second'
           AND (strpos(job_run.command, 'spotify_sync_all(') > 0
                OR (sync_runs.status = 'failed') = (job_run.status = 'failed')
                   AND (strpos(job_run.command, format('spotify_sync_%s()', collection)) > 0
                        OR strpos(job_run.command, format('spotify_sync_%s(%L', collection,
                                                          account)) > 0))
         ORDER BY account, collection, run_id) AS run ON true
 ORDER BY job_run.runid DESC, run.run_id;
