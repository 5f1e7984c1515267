"""Imports the DAG with Airflow, reads the crontab, and has the program take the words of every example; see check.sh."""

import os
import pathlib
import re
import shlex
import subprocess
import sys

os.environ.update(AIRFLOW__CORE__LOAD_EXAMPLES="False", AIRFLOW__LOGGING__LOGGING_LEVEL="ERROR")

import pendulum  # noqa: E402
from airflow.dag_processing.dagbag import DagBag  # noqa: E402
from airflow.providers.standard.operators.bash import BashOperator  # noqa: E402
from airflow.sdk.definitions.retry_policy import RetryAction  # noqa: E402
from airflow.serialization.serialized_objects import DagSerialization  # noqa: E402
from croniter import croniter  # noqa: E402

HERE = pathlib.Path(__file__).parent
# A run of a night in spring, and what of its failures is tried again.
BEGAN = pendulum.datetime(2026, 4, 3, 1, 30, tz="UTC")
RETRIED = {"exit 1": False, "exit 2": False, "exit 3": True, "exit 4": False, "exit 5": True, "exit 6": True, "exit 143": True, "kill -9 $$": True}


def dag():
    """The command of the DAG's one task; the DAG must import, serialize, and retry what its policy says."""
    bag = DagBag(dag_folder=str(HERE / "attributary_dag.py"))
    assert not bag.import_errors, bag.import_errors
    [dag] = bag.dags.values()
    DagSerialization.to_dict(dag)
    task = dag.get_task("run")
    for command, retried in RETRIED.items():
        try:
            BashOperator(task_id="failing", bash_command=command, skip_on_exit_code=None).execute({})
        except Exception as failure:
            action = task.retry_policy.evaluate(failure, 1, task.retries).action
            assert action == (RetryAction.RETRY if retried else RetryAction.FAIL), (command, action)
        else:
            raise AssertionError(f"{command} did not fail")
    command = task.render_template(task.bash_command, {"data_interval_start": BEGAN})
    assert command.endswith("--date 2026-04-03"), command
    return command.removeprefix("exec ")


def crontab():
    """The commands of the crontab, of which every line must be one that cron reads."""
    text = (HERE / "attributary.cron").read_text()
    assert text.endswith("\n"), "cron passes over a last line without an end"
    commands = []
    for line in text.splitlines():
        if not line.strip() or line.startswith("#") or re.match(r"[A-Z]+=", line):
            continue
        *times, user, command = line.split(None, 6)
        assert croniter.is_valid(" ".join(times)), line
        assert re.fullmatch(r"[a-z_][a-z0-9_-]*", user) and "%" not in command, line
        commands.append(command)
    return commands


def unit():
    """The command of the service."""
    return re.search(r"^ExecStart=(.*)$", (HERE / "attributary.service").read_text(), re.MULTILINE).group(1)


def takes(binary, command):
    """Whether the program knows every word: it then fails on files that are not there, and not on its usage."""
    lexer = shlex.shlex(command.replace("\\\n", " "), posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words = list(lexer)
    first = next(place for place, word in enumerate(words) if word.endswith("attributary"))
    words = words[first + 1 :]
    ends = [place for place, word in enumerate(words) if word in {">", "&&", "|", ";"}]
    words = words[: ends[0]] if ends else words
    ended = subprocess.run([binary, *words], capture_output=True, text=True, check=False)
    assert ended.returncode in {2, 3} and not re.search("Usage:|invalid value|--help", ended.stderr), (words, ended)
    assert "attributary" in ended.stderr, ended


def main():
    """Everything, with the program that is named."""
    commands = [dag(), *crontab(), unit()]
    for command in commands:
        takes(sys.argv[1], command)
    print(f"deploy: {len(commands)} commands are known to the program")


main()
