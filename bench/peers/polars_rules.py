"""Six rule models over a window of 30 days, streaming: polars_rules.py LOG OUT."""

import sys

from polars_log import ends, long, pairs, rule_shares, sums

log, out = sys.argv[1:]
keys = ["conversion_date", "channel", "campaign"]
pair = pairs(log, {"revenue": "revenue"}, ["channel", "campaign"], 30)
shares = rule_shares()
wide = (
    pair.join(ends(pair), on="conversion")
    .select(*keys, "revenue", **shares)
    .group_by(keys)
    .agg(sums(shares, ["revenue"]))
    .collect(engine="streaming")
)
long(wide, shares, "30d", keys, ["revenue"]).write_parquet(f"{out}/by_day.parquet")
