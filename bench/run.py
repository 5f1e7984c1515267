#!/usr/bin/env python3
"""Measures attributary beside DuckDB and polars on the same files, and writes RESULTS.md. See README.md."""

import argparse
import time
from pathlib import Path

import report
from bench import HERE, Bench
from workloads import WORKLOADS


def main():
    arguments = parse()
    bench = Bench(arguments)
    begin, sections = time.perf_counter(), []
    for letter in arguments.only:
        print(letter, flush=True)
        sections.append(WORKLOADS[letter](bench))
        print("\n" + report.section(sections[-1]), flush=True)
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(report.whole(bench, sections, time.perf_counter() - begin))
    print(f"written to {arguments.out}")
    if bench.disagreements or bench.failures:
        raise SystemExit(f"{bench.disagreements} comparisons disagree, {bench.failures} programs failed")


def parse():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="size of the logs; 0.02 is a smoke test [1.0]")
    parser.add_argument("--only", type=letters, default=list(WORKLOADS), help="workloads, such as A,C,F [all]")
    parser.add_argument("--full", action="store_true", help="D with 200 M touches, E up to 1,000 M")
    parser.add_argument("--rounds", type=int, default=3, help="how often each program runs [3]")
    parser.add_argument("--threads", type=int, default=2, help="threads of each program [2]")
    parser.add_argument("--data", type=Path, default=HERE / "data", help="where logs and outputs go [bench/data]")
    parser.add_argument("--binary", type=Path, default=HERE.parent / "target/release/attributary")
    parser.add_argument("--decode", type=Path, default=HERE.parent / "target/release/examples/decode", help="the bare decode")
    parser.add_argument("--out", type=Path, default=HERE / "RESULTS.md")
    return parser.parse_args()


def letters(text):
    chosen = [letter.strip().upper() for letter in text.split(",")]
    unknown = [letter for letter in chosen if letter not in WORKLOADS]
    if unknown:
        raise argparse.ArgumentTypeError(f"no workload {', '.join(unknown)}; there are {', '.join(WORKLOADS)}")
    return chosen


if __name__ == "__main__":
    main()
