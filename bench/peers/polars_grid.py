"""Ten models, three windows, two values, three tables, streaming: polars_grid.py LOG OUT."""

import sys

import polars as pl
from polars_log import DAY, long, pairs, rule_shares, sums

log, out = sys.argv[1:]
keys, values = ["conversion_date", "channel", "campaign"], ["revenue", "margin"]
age, WINDOWS = pl.col("age"), (7, 30, 90)
pair = (
    pairs(log, {"revenue": "revenue", "margin": "gross_margin"}, ["channel", "campaign", "interaction"], 90)
    .with_columns(click=pl.col("interaction") == "click", not_direct=pl.col("channel").ne_missing("direct"))
    .drop("interaction")
    .collect(engine="streaming")
    .lazy()
)


def additive():
    """The nine models that divide a conversion, by day, channel and campaign, all windows side by side."""
    journeys, shares = [], {}
    for days in WINDOWS:
        within, w = age <= days * DAY, f"_{days}d"
        clicks, not_direct = age.filter(within & pl.col("click")), age.filter(within & pl.col("not_direct"))
        first, last = age.filter(within).max(), age.filter(within).min()
        journeys += [
            within.sum().alias("length" + w),
            first.alias("first" + w),
            last.alias("last" + w),
            pl.col("decay").filter(within).sum().alias("all_decay" + w),
            pl.coalesce(clicks.min(), last).alias("last_click_age" + w),
            pl.coalesce(clicks.max(), first).alias("first_click_age" + w),
            pl.coalesce(not_direct.min(), last).alias("last_not_direct_age" + w),
        ]
        models = rule_shares(w) | {
            "last_click": (age == pl.col("last_click_age" + w)).cast(pl.Float64),
            "first_click": (age == pl.col("first_click_age" + w)).cast(pl.Float64),
            "last_non_direct": (age == pl.col("last_not_direct_age" + w)).cast(pl.Float64),
        }
        shares |= {model + w: pl.when(within).then(share).otherwise(0.0) for model, share in models.items()}
    wide = (
        pair.join(pair.group_by("conversion").agg(journeys), on="conversion")
        .select(*keys, *values, **shares)
        .group_by(keys)
        .agg(sums(shares, values))
        .collect(engine="streaming")
    )
    return pl.concat(long(wide, models, f"{days}d", keys, values, f"_{days}d") for days in WINDOWS)


def any_touch(by, table_keys):
    """The whole conversion once for each distinct `by` of its journey; a window holds it if its youngest touch lies within."""
    contacts = pair.group_by("conversion", *by).agg(age.min(), pl.col("conversion_date", *values).first()).collect(engine="streaming")
    whole = [pl.len().cast(pl.Float64).alias("conversions"), *(pl.col(value).sum() for value in values)]
    tables = []
    for days in WINDOWS:
        touched = contacts.lazy().filter(age <= days * DAY)
        table = touched.group_by(table_keys).agg(whole) if table_keys else touched.select(whole)
        tables.append(table.select(pl.lit("any_touch").alias("model"), pl.lit(f"{days}d").alias("window"), *table_keys, "conversions", *values))
    return pl.concat(tables).collect(engine="streaming")


measures = pl.col("conversions", *values).sum()
by_day = additive()
by_channel = by_day.group_by("model", "window", "channel").agg(measures)
total = by_day.group_by("model", "window").agg(measures)
pl.concat([by_day, any_touch(["channel", "campaign"], keys)]).write_parquet(f"{out}/by_day.parquet")
pl.concat([by_channel, any_touch(["channel"], ["channel"])]).write_parquet(f"{out}/by_channel.parquet")
pl.concat([total, any_touch([], [])]).write_parquet(f"{out}/total.parquet")
