"""Simulated logs, written once and kept for as long as their settings stay the same."""

import json
import shutil
from pathlib import Path

from measure import run

CUSTOMERS_PER_TOUCH = 0.16
CONVERSIONS_PER_TOUCH = 0.03
TOUCHES_PER_FILE = 1_000_000
LEAST_FILES = 8  # so that small logs, too, have work for every thread


def settings(touches, keys="integer", days=90, files=None, campaigns=2000):
    """What `attributary simulate` is asked for."""
    return {
        "customers": max(1, round(touches * CUSTOMERS_PER_TOUCH)),
        "touches": touches,
        "conversions": max(1, round(touches * CONVERSIONS_PER_TOUCH)),
        "seed": 1,
        "days": days,
        "files": files or max(LEAST_FILES, round(touches / TOUCHES_PER_FILE)),
        "channels": 12,
        "campaigns": campaigns,
        "keys": keys,
        "duplicates": 0,
        "nulls": 0,
    }


def name(wanted):
    return f"log_{wanted['touches']}_{wanted['keys']}_{wanted['days']}d_{wanted['files']}f_{wanted['campaigns']}c"


def make(binary, data, wanted, threads):
    """The folder of this log and what its simulation took; simulates it unless it is there already."""
    folder, record = data / name(wanted), data / f"{name(wanted)}.json"
    if folder.exists() and record.exists():
        known = json.loads(record.read_text())
        if known["settings"] == wanted:
            return folder, known
    shutil.rmtree(folder, ignore_errors=True)
    record.unlink(missing_ok=True)
    data.mkdir(parents=True, exist_ok=True)
    print(f"simulating {folder.name}", flush=True)
    options = [text for key, value in wanted.items() for text in (f"--{key}", str(value))]
    measured = run([binary, "simulate", folder, *options, "--threads", str(threads), "--quiet"])
    if not measured.ok:
        raise SystemExit(f"simulate failed: {measured.error}")
    known = {"settings": wanted, "seconds": round(measured.wall, 2), "bytes": size(folder)}
    record.write_text(json.dumps(known, indent=1) + "\n")
    return folder, known


def size(folder):
    return sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())
