"""Writes a small log whose names are what nobody would call a channel: `python3 hostile.py FOLDER`. The pipeline is hostile.toml."""

import csv
import datetime
import random
import sys
from pathlib import Path

NAMES = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</script><script>alert(2)</script>",
    "<!-- not the end",
    "=cmd()|'/C calc'!A0",
    "+1+1",
    "-2+3",
    "@SUM(A1:A9)",
    "\t=1+1",
    "a,b;c\"d\"'e'",
    "two\nlines",
    "\u202eright to left\u202c",
    "\u05e2\u05d1\u05e8\u05d9\u05ea \u2067 (not set)",
    "\u200b",
    "&lt;b&gt; &amp; {{7*7}} ${7*7}",
    "x" * 1000,
    "ö" * 1000,
    "javascript:alert(3)",
    "(other)",
    "\N{SMILING FACE WITH SUNGLASSES} smile",
]

PIPELINE = """
[pipeline]
name     = "<script>alert('pipeline')</script>"
output   = "out"
currency = "EUR"

[touchpoints]
source  = "touchpoints.csv"
columns = { customer = "customer", time = "time", channel = "channel", campaign = "campaign", interaction = "interaction" }

[conversions]
source  = "conversions.csv"
columns = { id = "id", customer = "customer", time = "time" }
values  = { revenue = "revenue", margin = "margin" }

[journey]
windows = ["3d", "30d"]

[[model]]
kind = "last_touch"

[[model]]
name = "=first()"
kind = "first_touch"

[[model]]
kind = "linear"

[[model]]
name = "<b>any</b>"
kind = "any_touch"

[[table]]
name = "by_channel"
by   = ["channel"]

[[table]]
name = "by_campaign"
by   = ["channel", "campaign"]

[output]
paths = 300
"""


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "hostile.toml").write_text(PIPELINE)
    draw = random.Random(7)
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
    at = lambda minutes: (start + datetime.timedelta(minutes=minutes)).isoformat()
    touches, conversions = [], []
    for customer in range(400):
        minute = draw.randrange(40 * 1440)
        for _ in range(draw.randrange(1, 5)):
            touches.append([f"c{customer}", at(minute), draw.choice(NAMES + [""]), draw.choice(NAMES + [""]), draw.choice(["click", "view"])])
            minute += draw.randrange(1, 5 * 1440)
        if draw.random() < 0.7:
            revenue = draw.randrange(-5_000, 90_000)
            conversions.append([f"o{customer}", f"c{customer}", at(minute), f"{revenue / 100:.2f}", f"{revenue // 3 / 100:.2f}"])
    conversions += [["o1", "c1", at(9), "10.00", "4.00"], ["o-none", "", at(5), "12.34", "5.00"], ["o-bad", "c2", at(6), "", "1.00"]]
    write(folder / "touchpoints.csv", ["customer", "time", "channel", "campaign", "interaction"], touches)
    write(folder / "conversions.csv", ["id", "customer", "time", "revenue", "margin"], conversions)


def write(path: Path, heads: list[str], rows: list[list[str]]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([heads, *rows])


main(Path(sys.argv[1]))
