# The example for Airflow in Airflow 2, with the last provider that has the
# PostgresOperator: see AirflowScenario.pm.

# needs: python3-venv

use strict;
use warnings;

use AirflowScenario;

check_airflow(2, [ '3.10', '3.12' ], 'sql_execute_query', 'postgres');
