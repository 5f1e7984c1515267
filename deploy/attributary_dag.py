"""A nightly run for Airflow 3.3 and newer: one task for each day of data, of which only the hopeless failures are not tried again.

The pipeline lies on the worker, and so do its sources and its output. One run at a time: attributary locks its output itself.
"""

import re
from datetime import timedelta

import pendulum
from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG, CronDataIntervalTimetable
from airflow.sdk.definitions.retry_policy import RetryDecision, RetryPolicy

PIPELINE = "/etc/attributary/nightly.toml"
# As the pipeline has it.
ZONE = "Europe/Stockholm"

# What an exit code means is in docs/operations.md.
WORTH_RETRYING = {
    -9: "the process was killed, as when memory is short",
    3: "the input is not there yet, or changed while it was read",
    5: "the output cannot be written",
    6: "another run holds the output",
    143: "the worker was told to stop",
}


class ByExitCode(RetryPolicy):
    """Tries again where that can help."""

    def evaluate(self, exception, try_number, max_tries, context=None):
        """The exit code is the last word of what BashOperator raises; what says none is not the program's."""
        code = re.search(r"exit code (-?\d+)\.?$", str(exception))
        if code is None:
            return RetryDecision.default()
        code = int(code.group(1))
        if code in WORTH_RETRYING:
            return RetryDecision.retry(reason=WORTH_RETRYING[code])
        return RetryDecision.fail(reason=f"exit code {code} comes again: someone must look")

    def serialize(self):
        """It has no settings."""
        return {}

    @classmethod
    def deserialize(cls, data):
        """The same again."""
        return cls()


with DAG(
    dag_id="attributary_nightly",
    description="Attributes each day's conversions",
    # From half past three to half past three: the day that the interval begins on is over, and its late rows have come.
    schedule=CronDataIntervalTimetable("30 3 * * *", timezone=ZONE),
    start_date=pendulum.datetime(2026, 1, 1, tz=ZONE),
    # Each day is put beside the one before it, so none may be missed.
    catchup=True,
    max_active_runs=1,
    tags=["attributary"],
):
    BashOperator(
        task_id="run",
        # The day is put into the current run; clearing a task computes its day anew.
        bash_command=f"""exec attributary run {PIPELINE} --merge --wait 10m --quiet --log-format json \\
            --date {{{{ data_interval_start.in_timezone("{ZONE}").to_date_string() }}}}""",
        skip_on_exit_code=None,
        depends_on_past=True,
        retries=3,
        retry_delay=timedelta(minutes=15),
        retry_policy=ByExitCode(),
        execution_timeout=timedelta(hours=8),
    )
