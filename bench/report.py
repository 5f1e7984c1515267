"""The results as Markdown."""

import datetime
import os
import platform
import re
from pathlib import Path

from measure import run


def table(head, rows):
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def spread(one, what, unit, digits):
    low, high = (value / unit for value in one.span(what))
    middle = f"{one.of(what) / unit:,.{digits}f}"
    return middle if len(one.runs) == 1 else f"{middle} ({low:,.{digits}f}–{high:,.{digits}f})"


def section(part):
    """A workload's settings, programs, targets and notes."""
    head = ["program", "wall s", "CPU s", "peak MiB", "M touches/s"] + ([part.extra_title] if part.extra_title else [])
    rows = []
    for name, one in part.series.items():
        if not one.ok:
            rows.append([name, one.error or "no run", *[""] * (len(head) - 2)])
            continue
        touches = part.touches_of.get(name, part.touches)
        speed = f"{touches / one.of('wall') / 1e6:.1f}" if touches else ""
        label = f"{name} ({one.note})" if one.note else name
        row = [label, spread(one, "wall", 1, 2), spread(one, "cpu", 1, 2), spread(one, "peak", 2**20, 0), speed]
        rows.append(row + ([part.extra.get(name, "")] if part.extra_title else []))
    text = f"## {part.title}\n\n{part.settings}\n\n{table(head, rows)}\n"
    if part.targets:
        checked = [
            [target.what, "–" if target.value is None else f"{target.value:.3g} {target.unit}",
             f"{'at least' if target.at_least else 'at most'} {target.bound:g} {target.unit}", target.verdict]
            for target in part.targets
        ]  # fmt: skip
        text += f"\n{table(['ratio', 'measured', 'must reach', ''], checked)}\n"
    if part.notes:
        text += "\n" + "\n".join(f"- {note}" for note in part.notes) + "\n"
    return text


def whole(bench, sections, took):
    facts = [f"- {name}: {value}" for name, value in machine(bench).items()]
    return (
        "# Results\n\nWritten by `bench/run.py`; `bench/README.md` says how to read it.\n\n"
        + "\n".join(facts)
        + f"\n- took: {took / 60:.1f} minutes\n\n"
        + "\n".join(section(part) for part in sections)
    )


def machine(bench):
    """Where and with what the numbers were made."""
    cpu = re.search(r"model name\s*: (.*)", read("/proc/cpuinfo"))
    memory = re.search(r"MemTotal:\s*(\d+)", read("/proc/meminfo"))
    return {
        "date": datetime.date.today().isoformat(),
        "processor": f"{cpu[1] if cpu else platform.processor()}, {os.cpu_count()} cores",
        "memory": f"{int(memory[1]) / 2**20:.1f} GiB" if memory else "unknown",
        "system": f"{platform.system()} {platform.release()}",
        "versions": ", ".join([run([bench.binary, "--version"]).stdout.strip(), *requirements(), f"Python {platform.python_version()}"]),
        "commit": commit(),
        "settings": f"scale {bench.scale:g}, {bench.rounds} rounds, {bench.threads} threads{', full' if bench.full else ''}",
    }


def commit():
    """The commit of the working tree, if it is one."""
    command = ["git", "-C", Path(__file__).parent, "describe", "--always", "--dirty"]
    return run(command).stdout.strip() or "unknown"


def requirements():
    return [line.replace("==", " ") for line in read(Path(__file__).with_name("requirements.txt")).split()]


def read(path):
    try:
        return Path(path).read_text()
    except OSError:
        return ""
