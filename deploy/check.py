#!/usr/bin/env python3
"""Checks the files of this folder with their own tools, and their commands against the program. `make deploy-check` runs it.

systemd-analyze verifies the units, and Airflow imports the DAG. Every command is held against the program's --help, so that a flag
that is renamed is found.
"""

import importlib.util
import re
import shlex
import subprocess
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROGRAM = HERE.parent / "target/debug/attributary"


def main():
    if not PROGRAM.exists():
        raise SystemExit(f"no {PROGRAM}; build it first (cargo build --workspace)")
    commands = [*systemd(), *crontab(), *airflow(), *container()]
    for where, words in commands:
        known(where, words)
    print(f"checked: units, crontab, DAG, container file, and {len(commands)} commands")


def systemd():
    """Verifies the units with a program that is there; gives the command of the service."""
    with tempfile.TemporaryDirectory() as folder:
        for unit in HERE.glob("attributary@.*"):
            text = unit.read_text().replace("/usr/local/bin/attributary", "/bin/true").replace("User=attributary", "User=root")
            Path(folder, unit.name.replace("@.", "@nightly.")).write_text(text.replace("Group=attributary", "Group=root"))
        units = sorted(str(path) for path in Path(folder).iterdir())
        verified = subprocess.run(["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True)
        # What it says of units of the machine is not of ours.
        ours = [line for line in verified.stderr.splitlines() if "attributary" in line]
        check(not ours, "\n".join(ours))
    timer = (HERE / "attributary@.timer").read_text()
    calendar = re.search(r"OnCalendar=(.+)", timer)[1]
    check(subprocess.run(["systemd-analyze", "calendar", calendar], capture_output=True).returncode == 0, f"OnCalendar={calendar}")
    service = (HERE / "attributary@.service").read_text()
    return [("attributary@.service", shlex.split(re.search(r"^ExecStart=(.+)$", service, re.MULTILINE)[1].replace("%i", "nightly")))]


def crontab():
    lines = [line for line in (HERE / "crontab").read_text().splitlines() if line and not line.startswith("#") and "=" not in line.split()[0]]
    check(lines, "crontab: no line")
    commands = []
    for line in lines:
        fields, command = line.split(None, 5)[:5], line.split(None, 5)[5]
        check(all(re.fullmatch(r"(\*|\d+(-\d+)?)(/\d+)?(,\d+)*", field) for field in fields), f"crontab: {fields}")
        check("%" not in command, "crontab: a percent sign ends the command")
        commands.append(("crontab", shlex.split(command.split("&&")[-1])))
    return commands


def airflow():
    """Imports the DAG with Airflow itself; gives its commands."""
    spec = importlib.util.spec_from_file_location("airflow_dag", HERE / "airflow_dag.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    tasks = list(module.dag.tasks)
    check(len(tasks) == 2 and module.dag.max_active_runs == 1, "airflow_dag.py: two tasks, one run at a time")
    template = re.compile(r"{{.*?}}")
    return [("airflow_dag.py", shlex.split(template.sub("2026-01-01", task.bash_command))) for task in tasks]


def container():
    text = (HERE / "Containerfile").read_text()
    images = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    check(images and all(re.search(r":\d+\.\d+", image) for image in images), f"Containerfile: images are pinned: {images}")
    user = re.findall(r"^USER (\S+)", text, re.MULTILINE)
    check(user and user[-1] not in ("root", "0"), "Containerfile: not root")
    check('ENTRYPOINT ["/usr/local/bin/attributary"]' in text, "Containerfile: the program is the entrypoint")
    return [("Containerfile", shlex.split(re.search(r"--rm .* (attributary run .+)$", text, re.MULTILINE)[1]))]


def known(where, words):
    """Every flag of a command is one of the program's."""
    check(Path(words[0]).name == "attributary", f"{where}: {words[0]}")
    told = subprocess.run([PROGRAM, words[1], "--help"], capture_output=True, text=True)
    check(told.returncode == 0, f"{where}: no command {words[1]}")
    for flag in (word for word in words if word.startswith("--")):
        check(re.search(rf"(?<![\w-]){re.escape(flag)}(?![\w-])", told.stdout), f"{where}: {words[1]} has no {flag}")


def check(holds, problem):
    if not holds:
        raise SystemExit(f"deploy: {problem}")


if __name__ == "__main__":
    main()
