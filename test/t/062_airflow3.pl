# The example for Airflow in Airflow 3, with current providers: see
# AirflowScenario.pm.

# needs: python3-venv

use strict;
use warnings;

use AirflowScenario;

check_airflow(3, [ '3.10', '3.14' ], 'sql_execute_query');
