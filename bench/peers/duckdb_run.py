"""Runs one SQL file in DuckDB: duckdb_run.py FILE.sql LOG OUT THREADS."""

import string
import sys
from pathlib import Path

import duckdb

script, log, out, threads = sys.argv[1:]
log = Path(log)
sql = string.Template(Path(script).read_text()).substitute(
    touchpoints=log / "touchpoints", conversions=log / "conversions", out=out
)
database = duckdb.connect(config={"threads": threads})
database.execute("SET preserve_insertion_order = false")
database.execute(sql)
