"""One process at a time, measured by the operating system's own accounting."""

import os
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from statistics import median


@dataclass
class Measured:
    """One process: seconds of wall and CPU, peak memory in bytes, what it said on stdout."""

    wall: float
    cpu: float
    peak: int
    stdout: str = ""
    error: str = ""

    @property
    def ok(self):
        return not self.error


@dataclass
class Series:
    """The runs of one program, or the reason why there are none."""

    name: str
    runs: list = field(default_factory=list)
    error: str = ""
    note: str = ""

    @property
    def ok(self):
        return bool(self.runs) and not self.error

    def of(self, what):
        return median(getattr(run, what) for run in self.runs)

    def span(self, what):
        values = [getattr(run, what) for run in self.runs]
        return min(values), max(values)


def run(command, environment=None):
    """Runs a command to its end. The peak is its own, though never below what this small process held when it began."""
    command = [str(part) for part in command]
    with tempfile.TemporaryFile("w+") as stdout, tempfile.TemporaryFile("w+") as stderr:
        begin = time.perf_counter()
        try:
            process = subprocess.Popen(command, stdout=stdout, stderr=stderr, env={**os.environ, **(environment or {})})
        except OSError as error:
            return Measured(0, 0, 0, error=str(error))
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            raise
        wall = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        stdout.seek(0)
        stderr.seek(0)
        said = stderr.read().strip().splitlines()
        error = ""
        if process.returncode:
            error = f"exit code {process.returncode}: {said[-1] if said else 'no message'}"
        return Measured(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, stdout.read(), error)


def in_turn(programs, rounds, rivals=(), say=lambda line: None):
    """Runs all programs, one after the other, `rounds` times.

    `programs` maps a name to a function that runs it once. `rivals` are groups of names that are forms of the same
    answer: after the first round only the faster of each goes on. Returns a `Series` for each program.
    """
    series = {name: Series(name) for name in programs}
    for round_number in range(rounds):
        for name, program in programs.items():
            one = series[name]
            if one.error or one.note:
                continue
            measured = program()
            if measured.ok:
                one.runs.append(measured)
                say(f"  {name}: {measured.wall:.2f} s, {measured.cpu:.2f} s CPU, {measured.peak / 2**20:.0f} MiB")
            else:
                one.error = measured.error
                say(f"  {name}: {measured.error}")
        if round_number == 0 and rounds > 1:
            for group in rivals:
                able = sorted((series[name] for name in group if series[name].ok), key=lambda one: one.of("wall"))
                for slower in able[1:]:
                    slower.note = "one round: slower than the other form"
    return series
