-- pg_cron_runs.sql
--   What the last runs of jobs like those of pg_cron.sql did.
--
--   psql -d music -f pg_cron_runs.sql

SELECT details.start_time::timestamp(0),
       job.jobname,
       details.status,
       split_part(details.return_message, E'\n', 1) AS message,
       run.inserted,
       run.deactivated,
       run.reactivated,
       run.requests
  FROM cron.job_run_details AS details
       JOIN cron.job USING (jobid)
       LEFT JOIN spotify.sync_runs AS run
       -- pg_cron may note the start a moment after the job has begun.
       ON run.started_at BETWEEN details.start_time - interval '1 second'
                             AND details.end_time
          AND (details.command LIKE '%spotify_sync_all(%'
               OR details.command LIKE '%spotify_sync_' || run.collection || '(%'
                  AND (run.status = 'failed') = (details.status = 'failed'))
 WHERE job.jobname LIKE 'spotify %'
 ORDER BY details.start_time DESC
 LIMIT 20;
