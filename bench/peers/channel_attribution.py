"""Markov attribution of aggregated paths by simulation: channel_attribution.py PATHS REMOVAL_EFFECTS MODEL THREADS.

PATHS and REMOVAL_EFFECTS are tables of an attributary run. Prints what its own function took, and how far each channel's share
is from the exact one."""

import json
import sys
import time
from pathlib import Path

import ChannelAttribution
import polars

paths, effects, model, threads = sys.argv[1:]
table = polars.read_parquet(Path(paths) / "*.parquet")
frame = table.select("path", conversions=polars.col("conversions").cast(int), null_journeys=polars.col("null_journeys").cast(int))
assert not (frame["path"] == "(other)").any(), "all paths are needed"
frame = frame.to_dict(as_series=False)

import pandas  # noqa: E402

begin = time.perf_counter()
found = ChannelAttribution.markov_model(
    pandas.DataFrame(frame), "path", "conversions", var_null="null_journeys", order=1, ncore=int(threads), seed=1, verbose=False, flg_pro=False
)
seconds = time.perf_counter() - begin
found = dict(zip(found["channel_name"], found["total_conversions"]))
exact = polars.read_parquet(Path(effects) / "*.parquet").filter(polars.col("model") == model)
exact = dict(zip(exact["channel"], exact["share"]))
total = sum(found.values())
errors = [abs(found.get(channel, 0) / total / share - 1) for channel, share in exact.items() if share > 0]
moved = sum(abs(found.get(channel, 0) / total - share) for channel, share in exact.items()) / 2
print(json.dumps({"seconds": seconds, "paths": table.height, "largest": max(errors), "mean": sum(errors) / len(errors), "moved": moved}))
