"""Whether a peer's tables say the same as ours: agree.py OURS PEER TABLE,TABLE VALUE,VALUE. Prints JSON.

Ours are exact; each credit of theirs may differ by the rounding of one credit, so a group may differ by its touches times
one minor unit (of conversions: times a billionth), and by a millionth of itself for their floats. What no touch got is left out.
"""

import json
import sys

import duckdb

ours, peer, tables, values = sys.argv[1:]
measures = {"conversions": 1e-9, **{value: 0.01 for value in values.split(",")}}
keys = {"by_day": ["conversion_date", "channel", "campaign"], "by_channel": ["channel"], "total": []}
database = duckdb.connect()


def compare(table):
    """All groups of a table, and the sums of each model and window."""
    by = ['"window"', "model", *keys[table]]
    sums = ", ".join(f"{measure}::DOUBLE AS {measure}" for measure in measures)
    minus = ", ".join(f"-{measure}::DOUBLE" for measure in measures)
    left = f"SELECT {', '.join(by)}, {sums}, touches::DOUBLE AS touches, true AS us FROM '{ours}/{table}/*.parquet'"
    if "channel" in by:
        left += " WHERE channel IS DISTINCT FROM '(unattributed)'"
    else:  # take off what no touch got
        left += f" UNION ALL SELECT {', '.join(by)}, {minus}, 0, true FROM '{ours}/by_channel/*.parquet' WHERE channel = '(unattributed)'"
    right = f"SELECT {', '.join(by)}, {sums}, 0 AS touches, false AS us FROM '{peer}/{table}.parquet'"
    database.execute(f"CREATE OR REPLACE TEMP VIEW both_sides AS {left} UNION ALL {right}")
    return {"groups": check(by), "models": check(by[:2])}


def check(by):
    found = {"largest": {}, "part": 0, "beyond": 0}
    for measure, unit in measures.items():
        found["count"], largest, part, beyond = database.execute(
            f"""
            SELECT count(*), max(off), max(off / allowed), count(*) FILTER (off > allowed)
            FROM (SELECT abs(us - peer) AS off, touches * {unit} + 1e-6 * abs(peer) + 1e-9 AS allowed FROM (
                  SELECT coalesce(sum({measure}) FILTER (us), 0) AS us, coalesce(sum({measure}) FILTER (NOT us), 0) AS peer,
                         sum(touches) AS touches
                  FROM both_sides GROUP BY {", ".join(by)}))
            """
        ).fetchone()
        found["largest"][measure] = largest
        found["part"] = max(found["part"], part)
        found["beyond"] += beyond
    return found


print(json.dumps({table: compare(table) for table in tables.split(",")}))
