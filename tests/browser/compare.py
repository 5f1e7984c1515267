"""Compares the figures of a page with the Parquet tables: `python3 compare.py RUN FOLDER`, the folder being that of browse.mjs.

DuckDB reads the tables and adds them up by itself; nothing of the report's own code is used. Amounts, counts and shares must
agree to the last digit, ratios to a billionth."""

import json
import sys
from decimal import Decimal
from pathlib import Path

import duckdb

HIDDEN = {0x200B, 0xFEFF, *range(0x202A, 0x202F), *range(0x2060, 0x206A), *range(0x20), *range(0x7F, 0xA0)}
MOST_ROWS = 200


def shown(name: str | None, missing: str = "(not set)") -> str:
    """A name as the page has it."""
    name = missing if name is None else name
    name = "".join("\N{REPLACEMENT CHARACTER}" if ord(letter) in HIDDEN else letter for letter in name)
    return name if len(name) <= 120 else name[:119] + "…"


class Page:
    def __init__(self, run: Path, folder: Path):
        self.run = run
        self.page = json.loads((folder / "tables.json").read_text())
        self.tables = self.page["tables"]
        self.manifest = json.loads((run / "manifest.json").read_text())
        self.models = [model["name"] for model in self.manifest["models"]]
        self.additive = {model["name"]: model["additive"] for model in self.manifest["models"]}
        self.windows = self.manifest["windows"]
        self.base = duckdb.connect()
        self.base.execute("SET TimeZone = 'UTC'")
        self.compared = 0
        for table in self.manifest["tables"]:
            self.base.execute(f"CREATE VIEW \"{table['name']}\" AS FROM read_parquet('{run}/{table['name']}/*.parquet')")
        self.has = {table["name"]: table["rows"] > 0 for table in self.manifest["tables"]}
        ledger = self.rows("SELECT DISTINCT value FROM ledger WHERE model <> '(spend)'")
        manifest_columns = [column[0] for column in self.base.execute("FROM paths LIMIT 0").description] if self.has.get("paths") else []
        self.values = sorted((value for (value,) in ledger), key=lambda value: manifest_columns.index(value) if value in manifest_columns else 0)
        self.value = self.values[0]
        said = dict((name, text) for name, text in self.manifest.get("settings", [])).get("revenue")
        self.revenue = said if said in self.values else self.value
        self.main = next((model for model in self.models if self.additive[model]), self.models[0] if self.models else "")
        self.window = self.windows[0] if self.windows else ""

    def rows(self, query: str, *parameters):
        return self.base.execute(query, list(parameters)).fetchall()

    def same(self, where: str, page: str, truth) -> None:
        self.compared += 1
        if truth is None:
            assert page == "", f"{where}: {page!r} on the page, nothing in the tables"
        elif isinstance(truth, float):
            assert abs(float(page) - truth) <= 1e-8 + 1e-9 * abs(truth), f"{where}: {page} on the page, {truth} in the tables"
        elif isinstance(truth, (int, Decimal)):
            assert Decimal(page) == truth, f"{where}: {page} on the page, {truth} in the tables"
        else:
            assert page == str(truth), f"{where}: {page!r} on the page, {truth!r} in the tables"

    def table(self, id: str, expected: dict, keys: int = 1, total: int | None = None) -> None:
        """Every row of a table, by its first cells; and that no row is missing that should be there."""
        rows = self.tables[id]["rows"]
        total = len(expected) if total is None else total
        assert len(rows) == min(total, MOST_ROWS), f"{id}: {len(rows)} rows on the page, {total} in the tables"
        for row in rows:
            key = tuple(row[:keys])
            truths = expected[key]
            candidates = truths if truths and isinstance(truths[0], list) else [truths]
            # Names that are cut may be the same: then one of the rows must agree.
            errors = []
            for truth in candidates:
                try:
                    assert len(row) - keys >= len(truth)
                    for place, cell in enumerate(truth):
                        self.same(f"{id} {key} {self.tables[id]['heads'][place + keys]}", row[place + keys], cell)
                    break
                except AssertionError as error:
                    errors.append(error)
            else:
                raise errors[0]


def ratio(part, whole):
    return float(Decimal(part) / Decimal(whole)) if whole else None


def collect(pairs):
    """A dictionary of lists."""
    found: dict = {}
    for key, row in pairs:
        found.setdefault(key, []).append(row)
    return found


def ledger(page: Page) -> None:
    names = "source, attributed, unattributed, rejected, difference"
    expected = {
        (shown(value), currency, window, shown(model)): amounts
        for value, currency, window, model, *amounts in page.rows(f'SELECT value, currency, "window", model, {names} FROM ledger')
    }
    page.table("t-ledger", expected, keys=4)
    # At the top there is one line: of the first value, under the first model. What differs from it stands below.
    [proof] = page.page["proofs"]
    assert (proof["value"], proof["window"]) == (page.value, page.window)
    query = f'SELECT {names} FROM ledger WHERE value = ? AND "window" = ? AND model = ?'
    for proof, [amounts] in [(proof, page.rows(query, page.value, page.window, page.models[0]))]:
        said = [f"{amount:,}" for amount in amounts]
        numbers = [word.strip(",") for word in proof["equation"].split() if word[0].isdigit() or word[0] == "-" and len(word) > 1]
        assert set(numbers) <= set(said) and len(numbers) == 5, (numbers, said)
        whole, attributed, unattributed, rejected, difference = (Decimal(number.replace(",", "")) for number in numbers)
        assert whole == attributed + unattributed + rejected + difference and difference == 0
        assert numbers == said, (numbers, said)
        page.compared += 5
    query = f"""SELECT DISTINCT value, currency, {names} FROM ledger WHERE "window" = ? OR model = '(spend)'"""
    further = {(value, currency, *amounts) for value, currency, *amounts in page.rows(query, page.window)}
    further -= {(value, currency, *amounts) for value, currency, *amounts in further if value == page.value and [f"{it:,}" for it in amounts] == said}
    if not further:
        assert "t-proofs" not in page.tables
        return
    expected = collect(((shown(value), currency), [None, *amounts]) for value, currency, *amounts in further)
    table = page.tables["t-proofs"]
    page.tables["t-proofs"] = {**table, "rows": [[*row[:2], "", *row[3:]] for row in table["rows"]]}
    page.table("t-proofs", expected, keys=2, total=min(len(further), 12))


def cards(page: Page) -> None:
    """The figures at the top, from sums of whole tables: one division each."""
    cards = {title: number for title, number, *_ in page.page["cards"]}

    def card(title: str, truth, digits: int | None = None) -> None:
        if truth is None:
            assert title not in cards, title
            return
        if digits is not None:
            truth = truth.quantize(Decimal(1).scaleb(-digits), rounding="ROUND_HALF_UP")
        assert cards[title] == f"{truth:,}", f"{title}: {cards[title]} on the page, {truth:,} in the tables"
        page.compared += 1

    query = 'SELECT currency, attributed, unattributed, rejected FROM ledger WHERE model = ? AND "window" = ? AND value = ?'
    [(currency, attributed, unattributed, rejected)] = page.rows(query, page.main, page.window, page.value)
    name = f"{shown(page.value)}, {currency}"
    for title, amount in (("Attributed", attributed), ("Unattributed", unattributed), ("Rejected", rejected)):
        card(f"{title} {name}", amount)
    query = """SELECT sum(conversions) FROM by_channel WHERE model = ? AND "window" = ? AND channel <> '(unattributed)'"""
    [(conversions,)] = page.rows(query, page.main, page.window)
    whole = conversions % 1 == 0
    card("Attributed conversions", Decimal(int(conversions)) if whole else conversions, None if whole else 2)
    if not page.has.get("returns"):
        assert not {"MER", "LTV:CAC", "New customers"} & cards.keys()
        return
    query = f"""SELECT sum(spend), sum("{page.revenue}"), sum(new_customers) FROM returns WHERE model = ? AND "window" = ? AND period = 'all' """
    [(spend, revenue, customers)] = page.rows(query, page.main, page.window)
    ratio = lambda part, whole: Decimal(part) / Decimal(whole) if whole else None
    card(f"Spend, {currency}", spend)
    card("MER", ratio(revenue, spend), 2)
    paid = f"""SELECT sum(s), sum(r) FROM (SELECT sum(spend) AS s, sum("{page.revenue}") AS r FROM returns
               WHERE model = ? AND "window" = ? AND period = 'all' AND channel <> '(unattributed)' GROUP BY channel) WHERE s <> 0"""
    [(paid_spend, paid_revenue)] = page.rows(paid, page.main, page.window)
    card("ROAS of paid channels", ratio(paid_revenue, paid_spend), 2)
    card(f"Blended CAC, {currency}", ratio(spend, customers), 2)
    whole = customers % 1 == 0
    card("New customers", Decimal(int(customers)) if whole else customers, None if whole else 2)
    # The run's own figures: its MER and blended CAC, and its LTV of each row times the customers of the row.
    query = """SELECT any_value(mer), any_value(blended_cac), sum(ltv * new_customers) FROM returns
               WHERE model = ? AND "window" = ? AND period = 'all' """
    [(mer, cac, lifetime)] = page.rows(query, page.main, page.window)
    for title, of_run in (("MER", mer), (f"Blended CAC, {currency}", cac), ("LTV:CAC", lifetime and lifetime / float(spend))):
        assert abs(float(cards[title].replace(",", "")) - of_run) <= 0.0051, f"{title}: {cards[title]} on the page, {of_run} in the run"
        page.compared += 1


def channels(page: Page) -> None:
    if not page.has.get("by_channel"):
        return
    for window_place, window in enumerate(page.windows):
        measures = [(value, place) for place, value in enumerate(page.values)] + [("conversions", "n")]
        for measure, place in measures:
            id = "t-channels" if (window_place, place) == (0, 0) else f"t-channels-{window_place}-{place}"
            matrix(page, id, measure, window)
    sums = {(m, c): v for m, c, v in page.rows(f'SELECT model, channel, "{page.value}" FROM by_channel WHERE "window" = ?', page.window)}
    wholes = dict(page.rows('SELECT model, attributed FROM ledger WHERE value = ? AND "window" = ?', page.value, page.window))
    names = {channel for _, channel in sums if channel != "(unattributed)"}
    models = [head[0] for head in page.tables["t-shares"]["heads"][1:]]
    model_of = {shown(model)[:60]: model for model in page.models}
    expected = collect(((shown(name),), [ratio(sums.get((model_of[m], name), 0), wholes[model_of[m]]) for m in models]) for name in names)
    page.table("t-shares", expected, total=len(names))
    spread(page, sums, names)
    not_set(page)


def matrix(page: Page, id: str, measure: str, window: str) -> None:
    sums = {(m, c): v for m, c, v in page.rows(f'SELECT model, channel, "{measure}" FROM by_channel WHERE "window" = ?', window)}
    models = {shown(model)[:60]: model for model in page.models}
    heads = [models[head[0]] for head in page.tables[id]["heads"][1:]]
    assert [head for head in page.models if any(model == head for model, _ in sums)] == heads
    for head in page.tables[id]["heads"][1:]:
        assert (len(head) > 1) == (not page.additive[models[head[0]]]), f"{id}: {head} says whether it is additive"
    names = {channel for _, channel in sums}
    expected = collect(((shown(name),), [sums.get((model, name), Decimal(0)) for model in heads]) for name in names)
    page.table(id, expected, total=len(names))


def spread(page: Page, sums: dict, names: set) -> None:
    models = [model for model in page.models if page.additive[model]]
    if len(models) < 2:
        return
    of = lambda model, name: sums.get((model, name), Decimal(0))
    rank = lambda model, name: 1 + sum(of(model, other) > of(model, name) for other in names)
    expected = {}
    for name in names:
        amounts, ranks = [of(model, name) for model in models], [rank(model, name) for model in models]
        least, most = min(amounts), max(amounts)
        row = [least, most, most - least, ratio(most - least, most), min(ranks), max(ranks), "no" if min(ranks) == max(ranks) else "yes"]
        expected.setdefault((shown(name),), []).append(row)
    table = page.tables["t-spread"]
    # The names of the models stand between the amounts.
    rows = [[row[0], row[1], row[3], *row[5:]] for row in table["rows"]]
    for row in table["rows"]:
        for amount, model in ((row[1], row[2]), (row[3], row[4])):
            assert any(of(it, name) == Decimal(amount) for it in models if shown(it) == model for name in names if shown(name) == row[0])
    page.tables["t-spread"] = {"heads": table["heads"][:1] + [["?"]] * 7, "rows": rows}
    page.table("t-spread", expected, total=len(names))


def not_set(page: Page) -> None:
    columns = ", ".join(f'"{value}"' for value in page.values)
    got = {(m, w): row for m, w, *row in page.rows(f'SELECT model, "window", conversions, {columns} FROM by_channel WHERE channel = \'(not set)\'')}
    wholes = {(m, w, v): a for m, w, v, a in page.rows('SELECT model, "window", value, attributed FROM ledger')}
    pairs = page.rows('SELECT DISTINCT model, "window" FROM by_channel')
    expected = {}
    for model, window in pairs:
        conversions, *amounts = got.get((model, window), [Decimal(0)] * (1 + len(page.values)))
        name = shown(model) if page.additive[model] else f"{model} (not additive)"
        row = [conversions]
        for value, amount in zip(page.values, amounts):
            row += [amount, ratio(amount, wholes[model, window, value])]
        expected[shown(name), window] = row
    page.table("t-not-set", expected, keys=2)


def campaigns(page: Page) -> None:
    source = next((name for name in ("by_campaign", "by_campaign_week") if page.has.get(name)), None)
    if source is None or "t-campaigns" not in page.tables:
        return
    query = f"""SELECT coalesce(channel, '(not set)'), coalesce(campaign, '(not set)'), model, sum("{page.value}") FROM {source}
                WHERE "window" = ? AND channel <> '(unattributed)' GROUP BY ALL"""
    sums = {(channel, campaign, model): amount for channel, campaign, model, amount in page.rows(query, page.window)}
    models = {shown(model)[:60]: model for model in page.models}
    heads = [models[head[0]] for head in page.tables["t-campaigns"]["heads"][2:]]
    groups = {(channel, campaign) for channel, campaign, model in sums if model in heads}
    row = lambda channel, campaign: [sums.get((channel, campaign, model), Decimal(0)) for model in heads]
    expected = collect(((shown(campaign), shown(channel)), row(channel, campaign)) for channel, campaign in groups)
    page.table("t-campaigns", expected, keys=2, total=len(groups))
    # The first ones are those with most: none that was left out has more than one that is there.
    amounts = sorted((sums.get((channel, campaign, page.main), Decimal(0)) for channel, campaign in groups), reverse=True)
    assert [Decimal(cells[2]) for cells in page.tables["t-campaigns"]["rows"]] == amounts[:MOST_ROWS]


def windows(page: Page) -> None:
    if "t-windows" not in page.tables:
        return
    lines = {(m, w): (a, ratio(a, s)) for m, w, a, s in page.rows('SELECT model, "window", attributed, source FROM ledger WHERE value = ?', page.value)}
    page.table("t-windows", {(shown(model),): [cell for window in page.windows for cell in lines[model, window]] for model in page.models})
    sums = {(w, c): v for w, c, v in page.rows(f'SELECT "window", channel, "{page.value}" FROM by_channel WHERE model = ?', page.main)}
    names = {name for (name,) in page.rows("SELECT DISTINCT channel FROM by_channel WHERE channel <> '(unattributed)' AND \"window\" = ?", page.window)}
    rows = []
    for name in names:
        amounts = [sums.get((window, name), Decimal(0)) for window in page.windows]
        width = max(amounts) - min(amounts)
        rows.append(((shown(name),), [*amounts, width, ratio(width, max(amounts))]))
    page.table("t-channel-windows", collect(rows), total=len(names))


def journeys(page: Page) -> None:
    if not page.has.get("paths"):
        return
    columns = ", ".join(f'"{value}"' for value in page.values)
    sums = ", ".join(f'sum("{value}")' for value in page.values)
    for place, window in enumerate(page.windows):
        suffix = f"-{place}" if place else ""
        query = f"""SELECT path, length, conversions, null_journeys, {columns}, median_days_to_convert FROM paths
                    WHERE "window" = ? AND length IS NOT NULL"""
        rows = page.rows(query, window)
        expected = collect(
            ((shown(path),), [length, conversions, nulls, ratio(conversions, conversions + nulls), *rest]) for path, length, conversions, nulls, *rest in rows
        )
        page.table(f"t-paths{suffix}", expected, total=len(rows))
        query = f"""SELECT CASE WHEN length > 12 THEN 12 ELSE length END AS l, sum(conversions)::BIGINT, sum(null_journeys)::BIGINT, {sums} FROM paths
                    WHERE "window" = ? GROUP BY l"""
        rows = page.rows(query, window)
        all = sum(row[1] for row in rows)
        name = lambda length: "not known" if length is None else "12 and more" if length == 12 else str(length)
        expected = {(name(row[0]),): [row[1], ratio(row[1], all), row[2], ratio(row[1], row[1] + row[2]), *row[3:]] for row in rows}
        page.table(f"t-lengths{suffix}", expected)


def unattributed(page: Page) -> None:
    if not page.has.get("unattributed"):
        return
    sums = ", ".join(f'sum("{value}")' for value in page.values)
    sources = {(m, w, v): s for m, w, v, s in page.rows('SELECT model, "window", value, source FROM ledger')}
    expected = {}
    # Refunds are no conversions; runs without refunds have no column that says so.
    has_refunds = any(name == "refund" for name, *_ in page.rows("DESCRIBE unattributed"))
    count = "count(*) FILTER (NOT refund)" if has_refunds else "count(*)"
    for reason, window, model, rows, *amounts in page.rows(f'SELECT reason, "window", model, {count}, {sums} FROM unattributed GROUP BY ALL'):
        row = [rows]
        for value, amount in zip(page.values, amounts):
            row += [amount, ratio(amount, sources[model, window, value])]
        expected[reason, window, shown(model)] = row
    page.table("t-unattributed", expected, keys=3)


def rejects(page: Page) -> None:
    counts = page.rows("SELECT source, reason, count(*) FROM rejects GROUP BY ALL") if page.has.get("rejects") else []
    read = {source: page.manifest["rows"][source]["read"] for source in page.manifest["rows"]}
    page.table("t-rejects", {(source, reason): [rows, ratio(rows, read[source])] for source, reason, rows in counts}, keys=2)


def returns(page: Page) -> None:
    if not page.has.get("returns"):
        return
    sums = f'sum(spend), sum("{page.revenue}")'
    row = lambda spend, value: [spend, value, ratio(value, spend)]
    rows = page.rows(f"SELECT channel, {sums} FROM returns WHERE model = ? AND \"window\" = ? AND period = 'all' GROUP BY ALL", page.main, page.window)
    page.table("t-spend", collect(((shown(name),), row(*both)) for name, *both in rows), total=len(rows))
    rows = page.rows(
        f"SELECT period_start, {sums} FROM returns WHERE model = ? AND \"window\" = ? AND period = 'month' GROUP BY ALL", page.main, page.window
    )
    if len(rows) > 1:
        page.table("t-spend-time", {(str(start),): row(*both) for start, *both in rows})
    stand(page, "t-returns", "returns", """"window" = ? AND period = 'all'""", page.window)


def stand(page: Page, id: str, source: str, where: str = "true", *parameters) -> None:
    """Rows of a table as they stand there; columns that say the same, or nothing, in every row may be left out."""
    if not page.has.get(source):
        return
    types = {name: str(kind) for name, kind, *_ in page.base.execute(f'FROM "{source}" LIMIT 0').description}
    titles = {shown(name.replace("_", " ")): name for name in types}
    columns = [titles[head[0]] for head in page.tables[id]["heads"]]
    texts = [column for column in columns if types[column] in ("VARCHAR", "DATE")]
    quoted = lambda these: ", ".join(f'"{column}"' for column in these)
    select = lambda these: page.rows(f'SELECT {quoted(these)} FROM "{source}" WHERE {where}', *parameters)
    everything = select(types)
    for place, column in enumerate(types):
        if column in columns or column in ("model", "window", "period") or len(everything) > MOST_ROWS:
            continue
        assert len({row[place] for row in everything}) == 1, f"{id}: {column} is left out, although it differs"
    # Texts first, whatever their place on the page: they say which row it is.
    order = sorted(range(len(columns)), key=lambda place: columns[place] not in texts)
    table = page.tables[id]
    page.tables[id] = {"heads": [table["heads"][place] for place in order], "rows": [[row[place] for place in order] for row in table["rows"]]}
    blank = lambda cell: "" if cell is None else shown(str(cell))
    rows = select([columns[place] for place in order])
    page.table(id, collect((tuple(blank(cell) for cell in row[: len(texts)]), list(row[len(texts) :])) for row in rows), keys=len(texts), total=len(rows))


def budget(page: Page) -> None:
    """What the main model says, and behind it what the others say, in the order of the pipeline."""
    for id, source in (("t-budget", "budget"), ("t-what-if", "what_if")):
        main = 'model = ? AND "window" = ?'
        stand(page, id, source, main, page.main, page.window)
        if f"{id}-others" in page.tables:
            table = page.tables[f"{id}-others"]
            column = [head[0] for head in table["heads"]].index("model") if len(table["rows"]) > 1 and ["model"] in table["heads"] else None
            if column is not None:
                places = [[shown(model) for model in page.models].index(row[column]) for row in table["rows"]]
                assert places == sorted(places), f"{id}-others is in the order of the models"
            stand(page, f"{id}-others", source, f"NOT ({main})", page.main, page.window)
        elif page.has.get(source):
            assert not page.rows(f"SELECT 1 FROM {source} WHERE NOT ({main})", page.main, page.window)


def as_they_stand(page: Page) -> None:
    for id, source in (
        ("t-marketing-share", "marketing_share"),
        ("t-customer-segments", "customer_segments"),
        ("t-fit", "customer_value_fit"),
        ("t-currencies", "ledger_currencies"),
    ):
        if id in page.tables:
            stand(page, id, source)


def customers(page: Page) -> None:
    if page.has.get("customers"):
        known = {column[0] for column in page.base.execute("FROM customers LIMIT 0").description}
        values = [value for value in page.values if value in known]
        sums = ", ".join(f'sum("{value}")' for value in values)
        query = f"SELECT segment, count(*), sum(orders)::BIGINT, {sums}, count(predicted_clv), sum(predicted_clv) FROM customers GROUP BY ALL"
        rows = page.rows(query)
        wholes = [sum(row[place] for row in rows) for place in range(1, 3 + len(values))]
        expected = {}
        for segment, customers, orders, *rest in rows:
            row = [customers, ratio(customers, wholes[0]), orders]
            for place, amount in enumerate(rest[: len(values)]):
                row += [amount, ratio(amount, wholes[2 + place]), ratio(amount, orders)]
            count, predicted = rest[len(values) :]
            expected[(shown(segment),)] = [*row, predicted, ratio(predicted, count) if count else None]
        page.table("t-segments", expected)
    if page.has.get("cohorts"):
        query = """SELECT strftime(acquisition_month, '%Y-%m'), age_months, sum(customers)::BIGINT, sum(active)::BIGINT, sum(cumulative) FROM cohorts
                   WHERE model = ? AND "window" = ? GROUP BY ALL"""
        sums = {(month, age): row for month, age, *row in page.rows(query, page.main, page.window)}
        for id, of in (("t-retention", lambda row: ratio(row[1], row[0])), ("t-cohort-value", lambda row: ratio(row[2], row[0]))):
            ages = [int(head[0]) for head in page.tables[id]["heads"][2:]]
            months = sorted({month for month, _ in sums})
            row = lambda month: [max(it[0] for (m, _), it in sums.items() if m == month)] + [
                of(sums[month, age]) if (month, age) in sums else None for age in ages
            ]
            page.table(id, {(month,): row(month) for month in months})


def main(run: Path, folder: Path) -> None:
    page = Page(run, folder)
    for compare in (ledger, cards, channels, campaigns, windows, journeys, unattributed, rejects, returns, budget, as_they_stand, customers):
        compare(page)
    print(f"ok  {page.compared:,} figures of {folder} equal the tables")


main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]))
