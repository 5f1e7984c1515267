//! `[[table]]`.

use insta::assert_snapshot;

use super::{GOOD, said, wrong};

#[test]
fn names() {
    assert_snapshot!(wrong(r#"name = "by_campaign_week""#, ""), @r#"
    pipelines/nightly.toml:47: table.0.name: is required
    hint: add, for example: name = "by_campaign"
    "#);
    assert_snapshot!(wrong(r#""by_campaign_week""#, r#""by campaign""#), @r#"pipelines/nightly.toml:48: table.by campaign.name: expected a name of a-z, 0-9 and _, found "by campaign""#);
    assert_snapshot!(wrong(r#""by_campaign_week""#, r#""ledger""#), @r#"
    pipelines/nightly.toml:48: table.ledger.name: the name "ledger" is taken by a table of attributary's own, now or later
    hint: give the table another name
    "#);
    assert_snapshot!(wrong(r#""by_campaign_week""#, r#""cohorts""#), @r#"
    pipelines/nightly.toml:48: table.cohorts.name: the name "cohorts" is taken by a table of attributary's own, now or later
    hint: give the table another name
    "#);
    assert_snapshot!(wrong("[output]", r#"[[table]]
name = "by_campaign_week"
by = []
[output]"#), @r#"pipelines/nightly.toml:52: table.by_campaign_week.name: expected each only once, found "by_campaign_week" twice"#);
    assert_snapshot!(wrong("[output]", r#"[[table]]
name = "x"
[output]"#), @r#"
pipelines/nightly.toml:51: table.x.by: is required
hint: add, for example: by = ["conversion_week", "channel"]
"#);
    assert_snapshot!(wrong("[output]", r#"[[table]]
name = "x"
by = []
per = 1
[output]"#), @"pipelines/nightly.toml:54: table.x.per: unknown key; expected one of name, by");
}

#[test]
fn columns() {
    assert_snapshot!(wrong(r#"["conversion_week", "channel", "campaign", "device"]"#, r#""channel""#), @r#"pipelines/nightly.toml:49: table.by_campaign_week.by: expected a list of texts, such as ["conversion_week", "channel"], found the text "channel""#);
    assert_snapshot!(wrong(r#""conversion_week", "channel""#, r#""conversion_day", "channel""#), @r#"
    pipelines/nightly.toml:49: table.by_campaign_week.by: expected one of conversion_date, conversion_week, conversion_month, touch_date, touch_week, touch_month, channel, campaign, kind, interaction, standing, country, device, found "conversion_day"
    hint: did you mean "conversion_date"?
    "#);
    assert_snapshot!(wrong(r#""conversion_week", "channel""#, r#""conversion_week", "city""#), @r#"pipelines/nightly.toml:49: table.by_campaign_week.by: expected one of conversion_date, conversion_week, conversion_month, touch_date, touch_week, touch_month, channel, campaign, kind, interaction, standing, country, device, found "city""#);
    assert_snapshot!(wrong(r#""conversion_week", "channel""#, r#""channel", "channel""#), @r#"pipelines/nightly.toml:49: table.by_campaign_week.by: expected each only once, found "channel" twice"#);
    assert_snapshot!(wrong(r#""conversion_week", "channel""#, r#""conversion_week", 7"#), @r#"pipelines/nightly.toml:49: table.by_campaign_week.by: expected a list of texts, such as ["conversion_week", "channel"], found the number 7"#);
}

#[test]
fn what_is_not_mapped() {
    assert_snapshot!(wrong(r#"campaign = "campaign", "#, ""), @r#"
    pipelines/nightly.toml:49: table.by_campaign_week.by: "campaign" needs touchpoints.columns.campaign, which is not mapped
    hint: map it: touchpoints.columns.campaign = "…"
    "#);
    assert_snapshot!(said(&GOOD.replacen(", kind = \"kind\"", "", 1).replacen("\"device\"]\n\n[output]", "\"kind\"]\n[output]", 1), &[]), @r#"
    pipelines/nightly.toml:49: table.by_campaign_week.by: "kind" needs conversions.columns.kind, which is not mapped
    hint: map it: conversions.columns.kind = "…"
    "#);
    assert_snapshot!(said(&GOOD.replacen("interaction = \"interaction\", ", "", 1).replacen("priority    = [\"click\", \"view\"]", "", 1).replacen("interaction_windows = { view = \"1d\" }", "", 1).replacen("\"device\"]\n\n[output]", "\"interaction\"]\n[output]", 1), &[]), @r#"
    pipelines/nightly.toml:49: table.by_campaign_week.by: "interaction" needs touchpoints.columns.interaction, which is not mapped
    hint: map it: touchpoints.columns.interaction = "…"
    "#);
}
