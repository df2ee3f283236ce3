"""Both of Airflow's own operators, without what examples/airflow adds to them."""

from datetime import datetime, timezone

from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator

try:  # Airflow 3
    from airflow.sdk import DAG
except ImportError:  # Airflow 2
    from airflow import DAG

try:  # apache-airflow-providers-postgres up to 5.14
    from airflow.providers.postgres.operators.postgres import PostgresOperator
except ImportError:
    PostgresOperator = None

SYNC = "SELECT status, inserted, deactivated FROM spotify_sync_liked()"

with DAG("plain_operators", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc)):
    last = SQLExecuteQueryOperator(task_id="sql_execute_query", conn_id="spotify", sql=SYNC)
    if PostgresOperator:
        last >> PostgresOperator(task_id="postgres", postgres_conn_id="spotify", sql=SYNC)
