"""Spotify into PostgreSQL: likes every hour, plays every day.

An Airflow DAG file for the PostgreSQL extension spotify_etl.  It needs the
provider apache-airflow-providers-postgres, a connection "spotify" to the
database that has the extension, and for the role of that connection

    GRANT EXECUTE ON FUNCTION spotify_refresh_token, spotify_sync_liked,
                              spotify_sync_recently_played TO the_role;
    GRANT SELECT ON spotify.account_status TO the_role;

The secrets of Spotify stay in the database: Airflow sees none.  What a run did
is the XCom of its task "sync".
"""

from __future__ import annotations

from datetime import datetime, timezone

from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator

try:  # Airflow 3
    from airflow.providers.standard.triggers.temporal import DateTimeTrigger
    from airflow.sdk import DAG
except ImportError:  # Airflow 2
    from airflow import DAG
    from airflow.triggers.temporal import DateTimeTrigger

# The SQLSTATE of a rate limit or a used up quota.
RATE_LIMIT = "53400"


def sqlstate(error):
    """The SQLSTATE of an error of psycopg 2 or 3; None of any other."""
    return getattr(error, "pgcode", None) or getattr(error, "sqlstate", None)


def only_value(cursor):
    """The answer to a query of one row and one column."""
    return cursor.fetchone()[0]


class SpotifyOperator(SQLExecuteQueryOperator):
    """A query of one value that makes the database talk to Spotify.

    At a rate limit the task leaves its worker, and tries again at the time
    that Spotify named: a triggerer has to run, and no retry is used up.  Any
    other error fails the task with the message of the extension.
    """

    def execute(self, context):
        return self.ask_spotify(context)

    def ask_spotify(self, context, event=None):
        """What execute does, and what it does again after waiting."""
        hook = self.get_db_hook()
        try:
            return hook.run(self.sql, autocommit=True, handler=only_value)
        except Exception as error:
            if sqlstate(error) != RATE_LIMIT:
                raise
            (retry_after,) = hook.get_first(
                "SELECT max(retry_after) FROM spotify.account_status"
                " WHERE retry_after BETWEEN now() AND now() + interval '2 days'"
            )
            if retry_after is None:
                raise
            self.log.warning("Waiting until %s: %s", retry_after, error)
        self.defer(trigger=DateTimeTrigger(moment=retry_after), method_name="ask_spotify")


def pipeline(dag_id, schedule, sync):
    """A DAG that gets a new access token and then calls the function sync."""
    with DAG(
        dag_id,
        description=f"SELECT {sync}",
        schedule=schedule,
        start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
        catchup=False,
        max_active_runs=1,
        default_args={"conn_id": "spotify", "retries": 3},
        tags=["spotify"],
    ) as dag:
        refresh_token = SpotifyOperator(
            task_id="refresh_token",
            sql="SELECT spotify_refresh_token()",
        )
        sync_collection = SpotifyOperator(
            task_id="sync",
            sql=f"SELECT row_to_json(run) FROM {sync} AS run",
        )
        refresh_token >> sync_collection
    return dag


liked = pipeline("spotify_liked", "7 * * * *", "spotify_sync_liked()")

# Spotify keeps the last 50 plays only.  Who plays more in a day needs this every hour.
recently_played = pipeline("spotify_recently_played", "37 3 * * *", "spotify_sync_recently_played()")
