#!/bin/sh
# Checks the examples of this folder with the tools that they are for: see docs/operations.md. Needs the binary
# (target/debug/attributary), Python, and systemd-analyze of the package systemd. `make deploy-check` runs it.
set -eu
cd "$(dirname "$0")/.."
work=target/deploy
attributary=$PWD/target/debug/attributary
missing() {
    echo "make deploy-check: $1" >&2
    exit 1
}
[ -x "$attributary" ] || missing "no $attributary; build it first (cargo build --workspace)"
command -v python3 > /dev/null || missing "no python3 found"
command -v systemd-analyze > /dev/null || missing "no systemd-analyze found; install it (apt-get install systemd)"
mkdir -p "$work"

# The units as they stand, but for the program's path: one that is there must be executable.
cp deploy/attributary.timer "$work"
sed "s|^ExecStart=/usr/local/bin/attributary|ExecStart=$attributary|" deploy/attributary.service > "$work/attributary.service"
# A key that it does not know is a warning to it.
said=$(systemd-analyze verify --man=no "$work/attributary.service" "$work/attributary.timer" 2>&1) || true
[ -z "$said" ] || missing "$said"
systemd-analyze calendar "$(sed -n 's/^OnCalendar=//p' deploy/attributary.timer)" > /dev/null
# How much is left open to the program: at most 1.0 of 10, which is 10 here.
systemd-analyze security --offline=yes --threshold=10 "$work/attributary.service" > "$work/security.txt" || {
    cat "$work/security.txt"
    missing "the service is less hardened than it was"
}

# Airflow with all that it needs, pinned: 300 MB, a minute, once.
if ! cmp -s deploy/requirements.txt "$work/venv/installed.txt"; then
    rm -rf "$work/venv"
    python3 -m venv "$work/venv"
    "$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --requirement deploy/requirements.txt
    cp deploy/requirements.txt "$work/venv/installed.txt"
fi
"$work/venv/bin/hadolint" deploy/Containerfile
AIRFLOW_HOME=$PWD/$work/airflow "$work/venv/bin/python" deploy/check.py "$attributary"
echo "deploy-check: units, crontab, DAG and container file are as their tools want them"
