"""The pipeline files of the workloads."""

import json

SOURCES = """\
[pipeline]
name     = "{name}"
output   = "{output}"
currency = "SEK"

[touchpoints]
source  = "{log}/touchpoints"
columns = {{ customer = "user_id", time = "event_time", channel = "channel", campaign = "campaign"{interaction} }}

[conversions]
source  = "{log}/conversions"
columns = {{ id = "order_id", customer = "user_id", time = "ordered_at" }}
values  = {{ {values} }}

[journey]
windows = [{windows}]

[output]
paths   = {paths}
credits = {credits}
keep    = 1
"""

PATHS = """\
[pipeline]
name     = "{name}"
output   = "{output}"
currency = "SEK"

[paths]
source  = "{paths}"
columns = {{ path = "path", conversions = "conversions", null_journeys = "null_journeys" }}
values  = {{ revenue = "revenue" }}

[output]
paths = 0
keep  = 1
"""

BY_DAY = '\n[[table]]\nname = "by_day"\nby   = ["conversion_date", "channel", "campaign"]\n'
BY_CHANNEL = '\n[[table]]\nname = "by_channel"\nby   = ["channel"]\n'
TOTAL = '\n[[table]]\nname = "total"\nby   = []\n'


def model(kind, **keys):
    lines = "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())
    return f'\n[[model]]\nkind = "{kind}"\n{lines}'


RULES = [model(kind) for kind in ("last_touch", "first_touch", "linear", "time_decay", "position_based", "j_shaped")]
GRID = [
    *RULES,
    model("last_click"),
    model("first_click"),
    model("last_touch", name="last_non_direct", only="channel <> 'direct'"),
    model("any_touch"),
]


def counted(name, paths, output, models):
    """The text of a pipeline file over paths that were counted."""
    return PATHS.format(name=name, paths=paths, output=output) + "".join(models)


def pipeline(name, log, output, models, windows=("30d",), tables=(BY_DAY,), values=("revenue",), interaction=False, paths=0, credits=False):
    """The text of a pipeline file over a simulated log."""
    columns = {"revenue": "revenue", "margin": "gross_margin"}
    text = SOURCES.format(
        name=name,
        log=log,
        output=output,
        interaction=', interaction = "interaction"' if interaction else "",
        values=", ".join(f'{value} = "{columns[value]}"' for value in values),
        windows=", ".join(f'"{window}"' for window in windows),
        paths=paths,
        credits=str(credits).lower(),
    )
    return text + "".join(models) + "".join(tables)
