//! `[conversions]`.

use insta::assert_snapshot;

use super::wrong;

#[test]
fn what_has_to_be_there() {
    assert_snapshot!(wrong(r#"source  = "../sample-data/conversions/*.parquet""#, ""), @r#"
    pipelines/nightly.toml:15: conversions.source: is required
    hint: add, for example: source = "../sample-data/touchpoints"
    "#);
    assert_snapshot!(wrong(r#"id = "order_id", "#, ""), @r#"
    pipelines/nightly.toml:18: conversions.columns.id: is required
    hint: add, for example: columns = { id = "order_id", … }
    "#);
    assert_snapshot!(wrong(r#"customer = "user_id", "#, ""), @r#"
    pipelines/nightly.toml:18: conversions.columns.customer: is required
    hint: add, for example: columns = { customer = "user_id", … }
    "#);
    assert_snapshot!(wrong(r#"time = "ordered_at", "#, ""), @r#"
    pipelines/nightly.toml:18: conversions.columns.time: is required
    hint: add, for example: columns = { time = "ordered_at", … }
    "#);
    assert_snapshot!(wrong(r#"{ revenue = "revenue", margin = { column = "margin_cents", unit = "minor" } }"#, "{}"), @r#"
    pipelines/nightly.toml:15: conversions.values: is required
    hint: add, for example: values = { revenue = "revenue" }
    "#);
    assert_snapshot!(wrong("values  =", "# values"), @r#"
    pipelines/nightly.toml:15: conversions.values: is required
    hint: add, for example: values = { revenue = "revenue" }
    "#);
}

#[test]
fn columns() {
    assert_snapshot!(wrong(r#"kind = "kind""#, r#"kinds = "kind""#), @r#"
    pipelines/nightly.toml:18: conversions.columns.kinds: unknown key; expected one of id, customer, time, kind, refund_of, currency, ingested
    hint: did you mean "kind"?
    "#);
}

#[test]
fn values() {
    assert_snapshot!(wrong(r#"{ revenue = "revenue""#, r#"{ Revenue = "revenue""#), @r#"pipelines/nightly.toml:19: conversions.values.Revenue: expected a name of a-z, 0-9 and _, found "Revenue""#);
    assert_snapshot!(wrong(r#"{ revenue = "revenue""#, r#"{ touches = "revenue""#), @r#"
    pipelines/nightly.toml:19: conversions.values.touches: the name "touches" is taken by a column of attributary's own tables
    hint: give it another name: values = { my_name = "its_column" }
    "#);
    assert_snapshot!(wrong(r#"{ revenue = "revenue""#, r#"{ device = "revenue""#), @r#"
    pipelines/nightly.toml:19: conversions.values.device: the name "device" is taken by a dimension of touchpoints
    hint: give it another name: values = { my_name = "its_column" }
    "#);
    assert_snapshot!(wrong(r#"{ revenue = "revenue""#, "{ revenue = 5"), @r#"pipelines/nightly.toml:19: conversions.values.revenue: expected a column's name, a list of alternative names, or { sql = "…" }, found the number 5"#);
    assert_snapshot!(wrong(r#""minor""#, r#""cents""#), @r#"pipelines/nightly.toml:19: conversions.values.margin.unit: expected one of major, minor, found "cents""#);
    assert_snapshot!(wrong(r#"column = "margin_cents", unit"#, "unit"), @r#"
    pipelines/nightly.toml:19: conversions.values.margin.column: is required
    hint: add, for example: { column = "revenue_cents", unit = "minor" }
    "#);
    assert_snapshot!(wrong(r#"column = "margin_cents", unit"#, r#"column = "a", sql = "b", unit"#), @"pipelines/nightly.toml:19: conversions.values.margin.sql: expected either column or sql, found both");
    assert_snapshot!(wrong(r#"column = "margin_cents", unit"#, r#"column = "a", scale = 2, unit"#), @"pipelines/nightly.toml:19: conversions.values.margin.scale: unknown key; expected one of column, sql, unit");
    assert_snapshot!(wrong(r#"values  = { revenue = "revenue", margin = { column = "margin_cents", unit = "minor" } }"#, r#"values = ["revenue"]"#), @r#"pipelines/nightly.toml:19: conversions.values: expected a table of values, such as { revenue = "revenue" }, found a list"#);
}
