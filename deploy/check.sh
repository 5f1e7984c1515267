#!/bin/sh
# Checks the files of this folder: see check.py. Needs the binary (target/debug/attributary), systemd-analyze and Python; installs
# Airflow below target/, some 220 MB.
set -eu
cd "$(dirname "$0")/.."
work=target/deploy
command -v systemd-analyze > /dev/null || { echo "make deploy-check: no systemd-analyze found; install it (apt-get install systemd)" >&2; exit 1; }
mkdir -p "$work"
[ -x "$work/venv/bin/python" ] || python3 -m venv "$work/venv"
"$work/venv/bin/python" -c 'import airflow' 2> /dev/null ||
    "$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check --requirement deploy/requirements.txt
# Its settings and its database are none of the user's.
AIRFLOW_HOME="$PWD/$work/airflow" AIRFLOW__CORE__LOAD_EXAMPLES=False AIRFLOW__LOGGING__LOGGING_LEVEL=ERROR "$work/venv/bin/python" deploy/check.py
