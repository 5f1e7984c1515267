"""A run with every table there can be: `python3 complete.py RUN NEW` copies a run and adds the tables of spend and customers.

Their rows are made up, but hang together (ratios are those of their row), and take the run's own channels."""

import hashlib
import json
import shutil
import sys
from pathlib import Path

import duckdb

TABLES = {
    "returns": """
        WITH channels AS (
            SELECT model, "window", channel, revenue, margin, conversions,
                   CASE WHEN channel = '(unattributed)' THEN 0 ELSE (abs(hash(channel)::DOUBLE) % 900 + 100) END::DECIMAL(38, 2) AS spend
            FROM by_channel
        ), periods AS (
            SELECT 'all' AS period, NULL::DATE AS period_start, 1 AS part
            UNION ALL SELECT 'month', (DATE '2026-01-01' + INTERVAL (n) MONTH)::DATE, 2 + n FROM range(4) AS t(n)
        ), sums AS (
            SELECT model, "window", period, period_start, channel,
                   (spend / part)::DECIMAL(38, 2) AS spend, (10 * part)::UBIGINT AS clicks, (100 * part)::UBIGINT AS impressions,
                   (revenue / part)::DECIMAL(38, 2) AS revenue, (margin / part)::DECIMAL(38, 2) AS margin,
                   (conversions / part)::DECIMAL(38, 9) AS conversions, (conversions / part / 2)::DECIMAL(38, 9) AS new_customers,
                   (conversions / part / 3)::DECIMAL(38, 9) AS returning_conversions, 0::DECIMAL(38, 9) AS leads
            FROM channels, periods
        )
        SELECT *, revenue::DOUBLE / nullif(spend, 0) AS roas, (margin - spend)::DOUBLE / nullif(spend, 0) AS roi, 'margin' AS roi_on,
               margin::DOUBLE / nullif(spend, 0) AS poas, sum(revenue) OVER whole / sum(spend) OVER whole AS mer, revenue::DOUBLE / nullif(margin, 0) AS break_even_roas,
               spend::DOUBLE / nullif(conversions, 0) AS cpa, NULL::DOUBLE AS cpl, spend::DOUBLE / nullif(new_customers, 0) AS cac,
               sum(spend) OVER whole / sum(new_customers) OVER whole AS blended_cac, margin::DOUBLE / nullif(new_customers, 0) AS ltv,
               'historic <margin>' AS ltv_definition, margin::DOUBLE / nullif(spend, 0) AS ltv_cac,
               4.0::DOUBLE AS payback_months
        FROM sums WINDOW whole AS (PARTITION BY model, "window", period, period_start) ORDER BY ALL
    """,
    "marketing_share": """
        SELECT '30d' AS "window", 'all' AS period, NULL::DATE AS period_start, kind, 200::UBIGINT AS conversions, 150::UBIGINT AS touched,
               0.75::DOUBLE AS share, 1000.00::DECIMAL(38, 2) AS value, 800.00::DECIMAL(38, 2) AS touched_value,
               750.00::DECIMAL(38, 2) AS attributed_value, 300.00::DECIMAL(38, 2) AS spend, 2.5::DOUBLE AS roas, 1.5::DOUBLE AS roi
        FROM (VALUES ('(all)'), ('(customers)'), ('=purchase()')) AS t(kind)
    """,
    "customers": """
        SELECT 'c' || n AS customer, TIMESTAMPTZ '2026-01-01 00:00:00+00' + INTERVAL (n) HOUR AS first_order,
               TIMESTAMPTZ '2026-03-01 00:00:00+00' + INTERVAL (n) HOUR AS last_order, (1 + n % 5)::UBIGINT AS orders,
               (n * 7.31)::DECIMAL(38, 2) AS revenue, (n * 2.43)::DECIMAL(38, 2) AS margin,
               (n * 7.31 / (1 + n % 5))::DOUBLE AS average_order_value, (n % 5)::UBIGINT AS frequency, (n % 9)::DOUBLE AS recency, 12.5::DOUBLE AS age,
               (1 + n % 5)::UBIGINT AS r_score, (1 + n % 4)::UBIGINT AS f_score, (1 + n % 3)::UBIGINT AS m_score,
               ['Champions', 'Loyal', 'At risk', '<b>Lost</b>', '=New()', 'Potential'][(1 + n % 11 % 6)] AS segment,
               (n * 7.31)::DECIMAL(38, 2) AS historic_clv, 0.5::DOUBLE AS p_alive, 1.25::DOUBLE AS expected_purchases,
               CASE WHEN n % 3 > 0 THEN n * 3.1 END::DECIMAL(38, 2) AS predicted_clv,
               ['direct', 'email', '<i>ads</i>'][(1 + n % 3)] AS "acquired_by_last_touch_{window}"
        FROM range(500) AS t(n)
    """,
    "cohorts": """
        SELECT model, "window", (DATE '2025-01-01' + INTERVAL (month) MONTH)::DATE AS acquisition_month, channel, age::UBIGINT AS age_months,
               (20 + 3 * month)::UBIGINT AS customers, ((20 + 3 * month) // (1 + age))::UBIGINT AS active, (30 + month)::UBIGINT AS orders,
               (100.5 + month)::DECIMAL(38, 2) AS revenue, (50.5 + month)::DECIMAL(38, 2) AS margin,
               ((100.5 + 31 * month) * (1 + age))::DECIMAL(38, 2) AS cumulative, 7.0::DOUBLE AS cumulative_per_customer,
               1.0::DOUBLE / (1 + age) AS retention, 0.25::DOUBLE AS repeat_rate, 500.00::DECIMAL(38, 2) AS spend,
               CASE WHEN month % 2 = 0 THEN 3 END::UBIGINT AS payback_month
        FROM (SELECT DISTINCT model, "window" FROM by_channel), range(14) AS m(month), range(14) AS a(age), (VALUES ('email'), ('<i>ads</i>')) AS c(channel)
        WHERE month + age < 14 ORDER BY ALL
    """,
    "budget": """
        SELECT "by", part, 'quarter' AS period, DATE '2026-01-01' AS period_start, 'last_touch' AS model, '{window}' AS "window",
               spend::DECIMAL(38, 2) AS spend, share::DOUBLE AS share, 0.3::DOUBLE AS target_low, 0.5::DOUBLE AS target_high, verdict,
               (spend * 3)::DECIMAL(38, 2) AS revenue, spend::DECIMAL(38, 2) AS margin, 3.0::DOUBLE AS roas, 55.0::DOUBLE AS cac, 3.1::DOUBLE AS ltv_cac,
               NULL::DECIMAL(38, 2) AS spend_year_before, NULL::DECIMAL(38, 2) AS value_year_before, NULL::DOUBLE AS roas_year_before
        FROM (VALUES ('goal', 'acquisition', 600.5, 0.6, 'above'), ('goal', 'retention', 200.25, 0.2, 'below'), ('stage', '<u>upper</u>', 400.0, 0.4, 'within'))
             AS t("by", part, spend, share, verdict)
    """,
    "what_if": """
        SELECT 'last_touch' AS model, '{window}' AS "window", channel, 'week' AS period, 26::UBIGINT AS periods, spend::DECIMAL(38, 2) AS spend_per_period,
               marginal::DOUBLE AS marginal_return, 0.2::DOUBLE AS standard_error, (marginal - 0.4)::DOUBLE AS low, (marginal + 0.4)::DOUBLE AS high, verdict
        FROM (VALUES ('email', 120.0, 2.4, 'increase'), ('<i>ads</i>', 800.0, 0.6, 'decrease'), ('video', 90.0, 1.1, 'not clear'))
             AS t(channel, spend, marginal, verdict)
    """,
    "customer_value_fit": "SELECT * FROM (VALUES ('r', 0.243::DOUBLE), ('alpha', 4.41), ('p', 6.25), ('customers', 500.0)) AS t(statistic, value)",
    "ledger_currencies": """
        SELECT * FROM (VALUES ('conversions', 'revenue', 'EUR', 200::UBIGINT, 1000.00::DECIMAL(38, 2), 1000.00::DECIMAL(38, 2), 0.00::DECIMAL(38, 2)),
                              ('spend', 'spend', 'USD', 20::UBIGINT, 100.00, 91.00, 0.00))
             AS t(source, value, currency, rows, original, converted, rate_difference)
    """,
}

SETTINGS = [["Time zone", "UTC: days begin at midnight there"], ["Reuse of touches", "a touch serves <every> conversion"]]


def main(run: Path, new: Path) -> None:
    shutil.rmtree(new, ignore_errors=True)
    shutil.copytree(run.resolve(), new)
    manifest = json.loads((new / "manifest.json").read_text())
    window = manifest["windows"][0]
    base = duckdb.connect()
    base.execute(f"CREATE VIEW by_channel AS FROM read_parquet('{new}/by_channel/*.parquet')")
    for name, query in TABLES.items():
        (new / name).mkdir()
        file = new / name / "part-0.parquet"
        base.execute(f"COPY ({query.replace('{window}', window)}) TO '{file}' (FORMAT parquet)")
        rows = base.execute(f"SELECT count(*) FROM read_parquet('{file}')").fetchone()[0]
        data = file.read_bytes()
        entry = {"path": f"{name}/part-0.parquet", "rows": rows, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        manifest["tables"].append({"name": name, "rows": rows, "files": [entry]})
    manifest["settings"] = SETTINGS
    (new / "manifest.json").write_text(json.dumps(manifest, indent=2))


main(Path(sys.argv[1]), Path(sys.argv[2]))
