"""What both polars programs share: the log as lazy frames, and shares into tables."""

import polars as pl

DAY = 86_400_000_000  # microseconds


def pairs(log, values, columns, days):
    """One row for each conversion and touch at most `days` before it."""
    conversions = (
        pl.scan_parquet(f"{log}/conversions/*.parquet")
        .select(
            "user_id",
            pl.col("ordered_at").dt.epoch("us"),
            pl.col("ordered_at").dt.date().alias("conversion_date"),
            *(pl.col(column).cast(pl.Float64).alias(name) for name, column in values.items()),
        )
        .with_row_index("conversion")
    )
    touches = pl.scan_parquet(f"{log}/touchpoints/*.parquet").select("user_id", pl.col("event_time").dt.epoch("us"), *columns)
    age = pl.col("ordered_at") - pl.col("event_time")
    return (
        touches.join(conversions, on="user_id")
        .filter(age.is_between(0, days * DAY))
        .select("conversion", "conversion_date", *values, *columns, age.alias("age"))
        .with_columns(decay=0.5 ** (pl.col("age") / (7 * DAY)))
    )


def ends(pairs):
    """What each journey must know of itself; no two touches of a customer are at one time in these logs."""
    age = pl.col("age")
    return pairs.group_by("conversion").agg(
        length=pl.len(), first=age.max(), last=age.min(), all_decay=pl.col("decay").sum()
    )


def rule_shares(w=""):
    """The six rule models, of a pair that knows its journey's ends; `w` is what these are called after in a window."""
    age, length = pl.col("age"), pl.col("length" + w)
    is_first, is_last = age == pl.col("first" + w), age == pl.col("last" + w)
    middle = 0.2 / (length.cast(pl.Int64) - 2)
    return {
        "last_touch": is_last.cast(pl.Float64),
        "first_touch": is_first.cast(pl.Float64),
        "linear": 1 / length,
        "time_decay": pl.col("decay") / pl.col("all_decay" + w),
        "position_based": pl.when(length <= 2).then(1 / length).when(is_first | is_last).then(0.4).otherwise(middle),
        "j_shaped": pl.when(length == 1).then(1.0)
        .when(length == 2).then(pl.when(is_first).then(0.25).otherwise(0.75))
        .when(is_first).then(0.2).when(is_last).then(0.6).otherwise(middle),
    }  # fmt: skip


def sums(models, values):
    """Conversions and values of each model, side by side."""
    return [pl.col(model).sum().alias(f"{model}/conversions") for model in models] + [
        (pl.col(model) * pl.col(value)).sum().alias(f"{model}/{value}") for model in models for value in values
    ]


def long(wide, models, window, keys, values, w=""):
    """Side by side into one row per model."""
    measures = ["conversions", *values]
    return pl.concat(
        wide.select(
            pl.lit(model).alias("model"), pl.lit(window).alias("window"), *keys,
            *(pl.col(f"{model}{w}/{measure}").alias(measure) for measure in measures),
        ).filter(pl.col("conversions") > 0)
        for model in models
    )  # fmt: skip
