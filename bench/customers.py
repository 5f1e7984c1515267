"""What it takes to foresee what customers will bring: a run with and without `[customers]`, on customers who behave as BG/NBD
supposes. `python3 bench/customers.py 1000000 10000000`; needs the release binary and the peers' environment (`make bench` makes
both)."""

import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
BINARY = HERE.parent / "target/release/attributary"

# Rates are Gamma(1, 60 days), dropouts Beta(1, 2.5): a customer makes geometrically many repeat purchases, if there is time.
ORDERS = """
import duckdb, sys
duckdb.sql("select setseed(0.42)")
duckdb.sql(f'''copy (
  with customer as (
    select id, first, rate, least(200, coalesce(floor(ln(1 - random()) / ln(1 - dropout)), 200))::int as repeats, price
    from (select id, random() * 700 as first, -ln(1 - random()) / 60 as rate, 1 - (1 - random()) ** (1 / 2.5) as dropout,
                 100 + 900 * random() as price from range({sys.argv[1]}) t(id))),
  gap as (select id, place, first, price, case place when 0 then 0 else -ln(1 - random()) / rate end as days
          from customer, range(repeats + 1) q(place)),
  purchase as (select id, price, first + sum(days) over (partition by id order by place) as day from gap)
  select row_number() over () as order_id, id as user_id, timestamp '2024-01-01' + to_microseconds((day * 86400e6)::bigint) as ordered_at,
         (price * (0.5 + random()))::decimal(18, 2) as revenue
  from purchase where day < 730) to '{sys.argv[2]}/orders.parquet' (row_group_size 500000)''')
duckdb.sql(f'''copy (select id as user_id, timestamp '2024-01-01' + to_seconds((random() * 6e7)::bigint) as event_time,
  ['search', 'social', 'email'][1 + id % 3] as channel from range({sys.argv[1]} // 5) t(id)) to '{sys.argv[2]}/touches.parquet' ''')
"""

PIPELINE = """
[pipeline]
currency = "SEK"
output = "out"
[touchpoints]
source = "touches.parquet"
columns = { customer = "user_id", time = "event_time", channel = "channel" }
[conversions]
source = "orders.parquet"
columns = { id = "order_id", customer = "user_id", time = "ordered_at" }
values = { revenue = "revenue" }
[[model]]
kind = "last_touch"
[output]
paths = 0
keep = 1
"""


def run(folder, name, text):
    file = folder / f"{name}.toml"
    file.write_text(text)
    measured = ["/usr/bin/time", "-f", "%e s wall, %U s user, %M KiB", BINARY, "run", file, "-q", "--full"]
    done = subprocess.run(measured, capture_output=True, text=True, check=False)
    print(f"  {name:<10} {done.stderr.strip().splitlines()[-1]}", flush=True)
    print("".join(f"    {line}\n" for line in done.stdout.splitlines() if line.startswith("note:")), end="")


for customers in [int(count) for count in sys.argv[1:]] or [1_000_000]:
    folder = HERE / "data" / f"customers_{customers}"
    if not (folder / "touches.parquet").exists():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run([HERE / ".venv/bin/python", "-c", ORDERS, str(customers), folder], check=True)
    print(f"{customers} customers")
    run(folder, "plain", PIPELINE)
    run(folder, "customers", PIPELINE + "[customers]\nhorizon = \"52w\"\n")
    value = 'values = { revenue = "revenue", clv = { predicted_clv = "52w" } }'
    run(folder, "as a value", PIPELINE.replace('values = { revenue = "revenue" }', value))
