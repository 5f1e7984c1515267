"""One day a run, put into the current result: the day is that of the data interval, so that a run that is cleared and started again
computes the same day. Days that come late are computed by the nightly run without --date, or by `attributary backfill`."""

from datetime import datetime, timedelta

from airflow import DAG

try:
    from airflow.providers.standard.operators.bash import BashOperator
except ImportError:  # Airflow 2
    from airflow.operators.bash import BashOperator

PIPELINE = "/etc/attributary/nightly.toml"

with DAG(
    dag_id="attributary_nightly",
    schedule="10 3 * * *",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    # One output has one writer.
    max_active_runs=1,
    default_args={
        # Helps where a file is late or a disk was full for a while; what is wrong with the pipeline fails again at once.
        "retries": 1,
        "retry_delay": timedelta(minutes=30),
        "execution_timeout": timedelta(hours=6),
    },
) as dag:
    run = BashOperator(
        task_id="run",
        bash_command=(
            f"attributary run {PIPELINE} --date {{{{ data_interval_start | ds }}}} --merge"
            " --run-id {{ run_id | replace(':', '') | replace('+', '-') }}-{{ ti.try_number }}"
            " --quiet --log-format json --wait 30m"
        ),
    )
    verify = BashOperator(task_id="verify_files", bash_command="attributary verify /var/lib/attributary/out/nightly/current --files-only --quiet")
    run >> verify
