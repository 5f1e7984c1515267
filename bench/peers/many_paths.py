"""Published paths, so many times over, as Parquet: many_paths.py PATHS_CSV FOLDER TIMES. What is there already stays."""

import sys
from pathlib import Path

import polars

source, folder, times = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
FILES = 8
if not folder.exists():
    one = polars.read_csv(source).select(
        "path",
        conversions=polars.col("total_conversions").cast(polars.Int64),
        null_journeys=polars.col("total_null").cast(polars.Int64),
        revenue=polars.col("total_conversion_value").cast(polars.Float64),
    )
    beside = folder.with_name(folder.name + ".unfinished")
    beside.mkdir(parents=True, exist_ok=True)
    for number in range(FILES):
        copies = times // FILES + (number < times % FILES)
        if copies:
            polars.concat([one] * copies).write_parquet(beside / f"{number}.parquet")
    beside.rename(folder)
