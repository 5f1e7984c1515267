#!/usr/bin/env python3
"""Counts the instructions of a fixed run of the engine, and fails where they are more than the recorded ones.

Seconds hang on the machine and on what else it does; instructions do not. The run is crates/engine/examples/fixed_run.rs.
Exit code 1: more instructions, or another result. 2: valgrind is missing, or the run failed.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
BASELINE = HERE / "instructions.json"

# The methods that are counted, and the one before them, which makes the log.
STEPS = ("collect", "partition", "walk", "rows")
BEFORE = "new"
METHODS = "fixed_run::small_log::SmallLog::"

TOLERANCE = 0.03
# Another compiler makes other code of the same source.
TOLERANCE_OTHER_RUSTC = 0.25


@dataclass
class Count:
    """Instructions of the whole and of each step, what they were compiled with, and what came out."""

    instructions: int
    steps: dict
    rustc: str
    checksum: str


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", action="store_true", help=f"make this count the recorded one, in bench/{BASELINE.name}")
    arguments = parser.parse_args()
    if not shutil.which("valgrind"):
        fail("valgrind is missing; get it with: apt-get install valgrind")
    count = counted()
    if arguments.record:
        BASELINE.write_text(json.dumps(asdict(count), indent=2) + "\n")
        print(f"recorded {count.instructions:,} instructions in {BASELINE}")
        return
    if not BASELINE.exists():
        fail(f"{BASELINE} is missing; make it with --record")
    sys.exit(compare(count, Count(**json.loads(BASELINE.read_text()))))


def compare(count, recorded):
    """Says how a count stands to the recorded one; the exit code."""
    if count.checksum != recorded.checksum:
        print(f"WRONG: the run came to another result: {count.checksum}, recorded is {recorded.checksum}")
        print("if that is meant, record it with --record")
        return 1
    tolerance = TOLERANCE
    if count.rustc != recorded.rustc:
        tolerance = TOLERANCE_OTHER_RUSTC
        print(f"this is {count.rustc}, recorded is {recorded.rustc}: counts compare badly, {tolerance:.0%} are tolerated")
    lines = [(step, count.steps[step], recorded.steps[step]) for step in STEPS]
    lines.append(("whole", count.instructions, recorded.instructions))
    changes = {name: now / before - 1 for name, now, before in lines}
    for name, now, before in lines:
        print(f"{name:>10} {now:>15,} instructions, recorded {before:>15,}: {changes[name]:+.2%}")
    worse = [f"{name} by {change:.1%}" for name, change in changes.items() if change > tolerance]
    better = [f"{name} by {-change:.1%}" for name, change in changes.items() if change < -tolerance]
    if worse:
        print(f"WORSE: {', '.join(worse)}; {tolerance:.0%} are tolerated; if that is meant, record it with --record")
        return 1
    if better:
        print(f"better: {', '.join(better)}; record it with --record")
    return 0


def counted():
    """Builds the example and runs it under callgrind."""
    program = build()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "callgrind"
        # At the end of each method a file is written of what was counted since the last one; the rest, in `out`, is looking
        # at the result.
        ends = [f"--dump-after={METHODS}{method}" for method in (BEFORE, *STEPS)]
        checksum = run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", *ends, program]).strip()
        counts = dict(count_of_method(file.read_text()) for file in Path(folder).iterdir() if file != out)
    if set(counts) != {BEFORE, *STEPS}:
        fail(f"expected counts of {', '.join((BEFORE, *STEPS))}, found those of {', '.join(counts) or 'nothing'}")
    steps = {step: counts[step] for step in STEPS}
    return Count(sum(steps.values()), steps, run(["rustc", "--version"]).strip(), checksum)


def count_of_method(dump):
    """The method at whose end a file of callgrind was written, and its instructions."""
    trigger = re.search(r"^desc: Trigger: --dump-after=.*::(\w+)$", dump, re.MULTILINE)
    total = re.search(r"^totals: (\d+)$", dump, re.MULTILINE)
    if not trigger or not total:
        fail("a file of callgrind has no trigger or no totals")
    return trigger[1], int(total[1])


def build():
    """The example's program."""
    command = ["cargo", "build", "--release", "-p", "attributary-engine", "--example", "fixed_run"]
    said = run([*command, "--message-format=json-render-diagnostics"])
    messages = [json.loads(line) for line in said.splitlines()]
    programs = [message["executable"] for message in messages if message.get("executable")]
    if len(programs) != 1:
        fail(f"expected one program from cargo, found {len(programs)}")
    return programs[0]


def run(command):
    """What a command says on stdout. It is shown what it says on stderr only where it fails, cargo aside."""
    quiet = None if command[0] == "cargo" else subprocess.PIPE
    done = subprocess.run(command, cwd=HERE.parent, stdout=subprocess.PIPE, stderr=quiet, text=True)
    if done.returncode:
        fail(f"{' '.join(command[:2])} … failed with exit code {done.returncode}\n{done.stderr or ''}".strip())
    return done.stdout


def fail(problem):
    print(problem, file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    main()
