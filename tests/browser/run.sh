#!/bin/sh
# Reports of the sample, of a log of hostile names and of a run that has every table, in a headless Chromium: see docs/report.md.
# Needs the binary (target/debug/attributary), Chromium, Node and Python. `make browser` runs it.
set -eu
cd "$(dirname "$0")/../.."
work=target/browser
attributary=$PWD/target/debug/attributary

missing() {
    echo "make browser: $1" >&2
    exit 1
}
CHROMIUM=${CHROMIUM:-$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)}
export CHROMIUM
[ -x "$CHROMIUM" ] || missing "no Chromium found; install it (apt-get install chromium) or name it: CHROMIUM=/path make browser"
command -v npm > /dev/null || missing "no npm found; install Node 20 or newer"
command -v python3 > /dev/null || missing "no python3 found"
[ -x "$attributary" ] || missing "no $attributary; build it first (cargo build --workspace)"

mkdir -p "$work"
[ -d tests/browser/node_modules ] || (cd tests/browser && npm ci --silent --no-audit --no-fund)
[ -x "$work/venv/bin/python" ] || python3 -m venv "$work/venv"
python=$work/venv/bin/python
"$python" -c 'import duckdb' 2> /dev/null || "$python" -m pip install --quiet --requirement tests/browser/requirements.txt

"$attributary" run pipelines/nightly.toml --output "$work/sample-run" --quiet > /dev/null
rm -rf "$work/hostile-run"
"$python" tests/browser/hostile.py "$work/hostile-run"
"$attributary" run "$work/hostile-run/hostile.toml" --quiet > /dev/null
"$python" tests/browser/complete.py "$work/hostile-run/out/current" "$work/complete-run"

check() { # a name and the run
    "$attributary" report "$2" --output "$work/$1.html" > /dev/null
    node tests/browser/browse.mjs "$work/$1.html" "$work/$1"
    "$python" tests/browser/compare.py "$2" "$work/$1"
}
check sample "$work/sample-run/current"
check hostile "$work/hostile-run/out/current"
check complete "$work/complete-run"
echo "The picture of the README anew: node tests/browser/picture.mjs $work/sample.html docs/report.png"
echo "Look at the screenshots too: $work/*/light.png, dark.png, narrow.png"
