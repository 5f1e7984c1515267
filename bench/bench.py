"""What every workload works with: the programs, their places, and what a section of the results is made of."""

import json
import shutil
import subprocess
import venv
from dataclasses import dataclass, field
from pathlib import Path

import logs
from measure import Measured, in_turn, run

HERE = Path(__file__).resolve().parent


@dataclass
class Target:
    """A bound that a ratio must reach. Only judged at the size it is meant for."""

    what: str
    value: float | None
    bound: float
    at_least: bool = False
    judged: bool = True
    unit: str = "×"

    @property
    def verdict(self):
        if self.value is None:
            return "not measured"
        if not self.judged:
            return "not judged at this size"
        return "met" if (self.value >= self.bound if self.at_least else self.value <= self.bound) else "not met"


@dataclass
class Section:
    """One workload's part of the results. `extra` holds one more cell for each program, by name."""

    title: str
    settings: str
    touches: int
    series: dict
    targets: list = field(default_factory=list)
    notes: list = field(default_factory=list)
    extra: dict = field(default_factory=dict)
    extra_title: str = ""
    touches_of: dict = field(default_factory=dict)


class Bench:
    def __init__(self, arguments):
        self.scale = arguments.scale
        self.full = arguments.full
        self.rounds = arguments.rounds
        self.threads = arguments.threads
        self.data = Path(arguments.data).resolve()
        self.binary = Path(arguments.binary).resolve()
        self.decoder = Path(arguments.decode).resolve()
        self.disagreements = 0
        self.failures = 0
        if not self.binary.exists():
            raise SystemExit(f"no binary at {self.binary}: build it with `cargo build --release`, or say --binary PATH")

    @property
    def judged(self):
        return self.scale >= 1

    def touches(self, at_full_scale):
        return max(1000, round(at_full_scale * self.scale))

    def log(self, touches, **settings):
        return logs.make(self.binary, self.data, logs.settings(touches, **settings), self.threads)

    def peers(self, name=""):
        """The Python of the peers' virtual environment, made if absent; those of one workload alone have one of their own."""
        requirements, folder = HERE / f"requirements{name}.txt", HERE / f".venv{name}"
        python, record, wanted = folder / "bin" / "python", folder / "installed.txt", requirements.read_text()
        if not record.exists() or record.read_text() != wanted:
            print("installing the peers", flush=True)
            venv.create(folder, clear=True, with_pip=True)
            subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements], check=True)
            record.write_text(wanted)
        return python

    def out(self, workload, name):
        """An empty folder for a program's result."""
        folder = self.data / "out" / workload / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def ours(self, workload, name, text, *options, threads=None):
        """A program that runs this pipeline; `text` makes its file, given the output folder."""
        folder = self.out(workload, name)
        file, result = folder / "pipeline.toml", folder / "result"
        file.write_text(text(result))
        command = [self.binary, "run", file, "--threads", threads or self.threads, "--format", "json", "--quiet", "--full", *options]

        def program():
            shutil.rmtree(result, ignore_errors=True)
            return run(command)

        return program

    def result(self, workload, name):
        return self.data / "out" / workload / name / "result" / "current"

    def manifest(self, workload, name):
        return json.loads((self.result(workload, name) / "manifest.json").read_text())

    def duckdb(self, workload, name, form, log):
        script = HERE / "peers" / f"duckdb_{form}.sql"
        command = [self.peers(), HERE / "peers" / "duckdb_run.py", script, log, self.out(workload, name), self.threads]
        return lambda: run(command)

    def polars(self, workload, name, form, log):
        command = [self.peers(), HERE / "peers" / f"polars_{form}.py", log, self.out(workload, name)]
        return lambda: run(command, {"POLARS_MAX_THREADS": str(self.threads)})

    def decode(self, folder, columns):
        if not self.decoder.exists():
            return lambda: Measured(0, 0, 0, error=f"not measured: there is no program at {self.decoder}")
        command = [self.decoder, "--threads", self.threads, folder, *columns]
        return lambda: run(command)

    def measure(self, programs, rounds=None, rivals=()):
        series = in_turn(programs, rounds or self.rounds, rivals, say=lambda line: print(line, flush=True))
        self.failures += sum(1 for name, one in series.items() if one.error and not name.startswith("bare decode"))
        return series

    def agree(self, workload, ours, series, peers, tables, values):
        """One note for each peer that answered."""
        notes = []
        for peer in peers:
            if not (series[ours].ok and series[peer].ok):
                continue
            peer_out = self.data / "out" / workload / peer
            compared = run([self.peers(), HERE / "agree.py", self.result(workload, ours), peer_out, ",".join(tables), ",".join(values)])
            if not compared.ok:
                self.disagreements += 1
                notes.append(f"**{peer} could not be compared**: {compared.error}")
                continue
            for table, found in json.loads(compared.stdout).items():
                beyond = found["groups"]["beyond"] + found["models"]["beyond"]
                self.disagreements += bool(beyond)
                largest = max(found["groups"]["largest"][value] for value in values)
                of_a_model = max(found["models"]["largest"][value] for value in values)
                word = "agrees" if not beyond else f"**disagrees in {beyond:,} sums**"
                notes.append(
                    f"{peer} {word}: {table}, {found['groups']['count']:,} groups, largest difference {largest:.4f}, "
                    f"at most {found['groups']['part']:.0%} of what rounding allows; of a model's total {of_a_model:.4f}"
                )
        return notes


def best(series, names):
    """The fastest that answered."""
    able = [series[name] for name in names if series[name].ok]
    return min(able, key=lambda one: one.of("wall"), default=None)


def ratio(above, below, what="wall"):
    return above.of(what) / below.of(what) if above and below and above.ok and below.ok else None


