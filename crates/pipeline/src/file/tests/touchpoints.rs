//! `[touchpoints]`.

use insta::assert_snapshot;

use super::{said, wrong};

#[test]
fn what_has_to_be_there() {
    assert_snapshot!(said(r#"[pipeline]
currency="SEK"
"#, &[]), @r#"
pipelines/nightly.toml: touchpoints.source: is required
hint: add, for example: source = "../sample-data/touchpoints"
"#);
    assert_snapshot!(wrong(r#"source     = "../sample-data/touchpoints""#, ""), @r#"
    pipelines/nightly.toml:8: touchpoints.source: is required
    hint: add, for example: source = "../sample-data/touchpoints"
    "#);
    assert_snapshot!(wrong(r#"customer = ["client_id", "clientId"], "#, ""), @r#"
    pipelines/nightly.toml:12: touchpoints.columns.customer: is required
    hint: add, for example: columns = { customer = "user_id", … }
    "#);
    assert_snapshot!(wrong(r#"time = "event_time", "#, ""), @r#"
    pipelines/nightly.toml:12: touchpoints.columns.time: is required
    hint: add, for example: columns = { time = "event_time", … }
    "#);
    assert_snapshot!(wrong(r#"channel = { sql = "lower(utm_source)" }, "#, ""), @r#"
    pipelines/nightly.toml:12: touchpoints.columns.channel: is required
    hint: add, for example: columns = { channel = "channel", … }
    "#);
}

#[test]
fn columns() {
    assert_snapshot!(wrong(r#"campaign = "campaign""#, r#"campain = "campaign""#), @r#"
    pipelines/nightly.toml:12: touchpoints.columns.campain: unknown key; expected one of customer, time, channel, campaign, interaction, id, cost, ingested
    hint: did you mean "campaign"?
    "#);
    assert_snapshot!(wrong(r#"campaign = "campaign""#, "campaign = 1"), @r#"pipelines/nightly.toml:12: touchpoints.columns.campaign: expected a column's name, a list of alternative names, or { sql = "…" }, found the number 1"#);
    assert_snapshot!(wrong(r#"campaign = "campaign""#, r#"campaign = """#), @"pipelines/nightly.toml:12: touchpoints.columns.campaign: expected a text, found an empty one");
    assert_snapshot!(wrong(r#"campaign = "campaign""#, "campaign = []"), @r#"pipelines/nightly.toml:12: touchpoints.columns.campaign: expected a column's name, a list of alternative names, or { sql = "…" }, found a list"#);
    assert_snapshot!(wrong(r#"campaign = "campaign""#, r#"campaign = ["a", 1]"#), @r#"pipelines/nightly.toml:12: touchpoints.columns.campaign: expected a list of texts, such as ["client_id", "clientId"], found the number 1"#);
    assert_snapshot!(wrong(r#"campaign = "campaign""#, r#"campaign = ["a", "a"]"#), @r#"pipelines/nightly.toml:12: touchpoints.columns.campaign: expected each only once, found "a" twice"#);
    assert_snapshot!(wrong(r#"sql = "lower(utm_source)""#, r#"sqll = "x""#), @r#"
    pipelines/nightly.toml:12: touchpoints.columns.channel.sqll: unknown key; expected one of sql
    hint: did you mean "sql"?
    "#);
    assert_snapshot!(wrong(r#"sql = "lower(utm_source)""#, ""), @r#"
    pipelines/nightly.toml:12: touchpoints.columns.channel.sql: is required
    hint: add, for example: { sql = "lower(utm_source)" }
    "#);
    assert_snapshot!(wrong(r#"id = "event_id" }"#, "id = true }"), @r#"pipelines/nightly.toml:12: touchpoints.columns.id: expected a column's name, a list of alternative names, or { sql = "…" }, found true"#);
}

#[test]
fn the_source() {
    assert_snapshot!(wrong(r#"source     = "../sample-data/touchpoints""#, r#"source = "s3://bucket/log""#), @r#"pipelines/nightly.toml:9: touchpoints.source: expected a file, a folder or a glob on this machine, found the URL "s3://bucket/log""#);
    assert_snapshot!(wrong(r#"timezone   = "UTC""#, r#"timezone = "UCT+1""#), @r#"
    pipelines/nightly.toml:10: touchpoints.timezone: unknown time zone "UCT+1"
    hint: did you mean UCT?
    "#);
    assert_snapshot!(wrong(r#"where      = "event_name = 'page_view'""#, "where = true"), @"pipelines/nightly.toml:11: touchpoints.where: expected a text, found true");
    assert_snapshot!(wrong(r#"timezone   = "UTC""#, r#"missing_columns = "nul""#), @r#"pipelines/nightly.toml:10: touchpoints.missing_columns: expected one of error, null, found "nul""#);
    assert_snapshot!(wrong(r#"timezone   = "UTC""#, r#"time_zone = "UTC""#), @r#"
    pipelines/nightly.toml:10: touchpoints.time_zone: unknown key; expected one of source, timezone, where, missing_columns, columns, dimensions
    hint: did you mean "timezone"?
    "#);
}

#[test]
fn dimensions() {
    assert_snapshot!(wrong(r#"["country", "device"]"#, r#""country""#), @r#"pipelines/nightly.toml:13: touchpoints.dimensions: expected a list of texts, such as ["country", "device"], found the text "country""#);
    assert_snapshot!(wrong(r#"["country", "device"]"#, r#"["country", 7]"#), @r#"pipelines/nightly.toml:13: touchpoints.dimensions: expected a list of texts, such as ["country", "device"], found the number 7"#);
    assert_snapshot!(wrong(r#"["country", "device"]"#, r#"["country", "country"]"#), @r#"pipelines/nightly.toml:13: touchpoints.dimensions: expected each only once, found "country" twice"#);
    assert_snapshot!(wrong(r#"["country", "device"]"#, r#"["source"]"#), @r#"
    pipelines/nightly.toml:13: touchpoints.dimensions: the name "source" is taken by a column of attributary's own tables
    hint: give it another name: dimensions = { my_name = "its_column" }
    "#);
    assert_snapshot!(wrong(r#"["country", "device"]"#, r#"{ channel = "utm_source" }"#), @r#"
    pipelines/nightly.toml:13: touchpoints.dimensions.channel: the name "channel" is taken by a column of attributary's own tables
    hint: give it another name: dimensions = { my_name = "its_column" }
    "#);
    assert_snapshot!(wrong(r#"["country", "device"]"#, r#"["revenue"]"#), @r#"
    pipelines/nightly.toml:19: conversions.values.revenue: the name "revenue" is taken by a dimension of touchpoints
    hint: give it another name: values = { my_name = "its_column" }
    "#);
    assert_snapshot!(wrong(r#"["country", "device"]"#, "{ country = 7 }"), @r#"pipelines/nightly.toml:13: touchpoints.dimensions.country: expected a column's name, a list of alternative names, or { sql = "…" }, found the number 7"#);
}
