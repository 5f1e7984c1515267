//! `[journey]`.

use insta::assert_snapshot;

use super::{GOOD, said, wrong};

#[test]
fn windows() {
    assert_snapshot!(wrong(r#"["30d", "4w"]"#, "[]"), @r#"pipelines/nightly.toml:22: journey.windows: expected at least one window, such as ["30d"], found none"#);
    assert_snapshot!(wrong(r#"["30d", "4w"]"#, r#""30d""#), @r#"pipelines/nightly.toml:22: journey.windows: expected a list of texts, such as ["30d"], found the text "30d""#);
    assert_snapshot!(wrong(r#"["30d", "4w"]"#, "[30]"), @r#"pipelines/nightly.toml:22: journey.windows: expected a list of texts, such as ["30d"], found the number 30"#);
    assert_snapshot!(wrong(r#"["30d", "4w"]"#, r#"["30 days"]"#), @r#"pipelines/nightly.toml:22: journey.windows: expected a duration such as 90s, 15m, 12h, 30d or 4w, found "30 days"; a window may also be "all""#);
    assert_snapshot!(wrong(r#"["30d", "4w"]"#, r#"["0d"]"#), @r#"pipelines/nightly.toml:22: journey.windows: expected a duration above zero, found "0d"; a window may also be "all""#);
    assert_snapshot!(wrong(r#"["30d", "4w"]"#, r#"["30d", "30d"]"#), @r#"pipelines/nightly.toml:22: journey.windows: expected each only once, found "30d" twice"#);
    assert_snapshot!(wrong(r#"["30d", "4w"]"#, r#"["9999999w"]"#), @r#"pipelines/nightly.toml:22: journey.windows: expected a duration of at most 10,000 years, found "9999999w"; a window may also be "all""#);
    assert_snapshot!(wrong("windows     =", "window ="), @r#"
    pipelines/nightly.toml:22: journey.window: unknown key; expected one of windows, window_unit, interaction_windows, touch_reuse, reuse_by, repeats, priority, ignore
    hint: did you mean "windows"?
    "#);
}

#[test]
fn calendar_days_want_whole_days() {
    assert_snapshot!(wrong(r#"window_unit = "exact"
interaction_windows = { view = "1d" }"#, r#"window_unit = "calendar_day"
interaction_windows = { view = "36h" }"#), @r#"
pipelines/nightly.toml:24: journey.interaction_windows.view: expected whole days with window_unit = "calendar_day", found "36h"
hint: give days or weeks, or window_unit = "exact"
"#);
    assert_snapshot!(wrong(r#"windows     = ["30d", "4w"]
window_unit = "exact""#, r#"windows = ["36h"]
window_unit = "calendar_day""#), @r#"
pipelines/nightly.toml:22: journey.windows: expected whole days with window_unit = "calendar_day", found "36h"
hint: give days or weeks, or window_unit = "exact"
"#);
    assert_snapshot!(wrong(r#""exact""#, r#""calender_day""#), @r#"
    pipelines/nightly.toml:23: journey.window_unit: expected one of exact, calendar_day, found "calender_day"
    hint: did you mean "calendar_day"?
    "#);
}

#[test]
fn words() {
    assert_snapshot!(wrong(r#""overlap""#, r#""since_last_conversion""#), @r#"
    pipelines/nightly.toml:25: journey.touch_reuse: expected one of overlap, since_previous_conversion, found "since_last_conversion"
    hint: did you mean "since_previous_conversion"?
    "#);
    assert_snapshot!(wrong(r#""overlap""#, r#""none""#), @r#"pipelines/nightly.toml:25: journey.touch_reuse: expected one of overlap, since_previous_conversion, found "none""#);
    assert_snapshot!(wrong(r#""customer"
repeats"#, r#""kinds"
repeats"#), @r#"
pipelines/nightly.toml:26: journey.reuse_by: expected one of customer, kind, found "kinds"
hint: did you mean "kind"?
"#);
    assert_snapshot!(wrong(r#""keep""#, r#""collapse""#), @r#"
    pipelines/nightly.toml:27: journey.repeats: expected one of keep, collapse_consecutive, first, last, found "collapse"
    hint: did you mean "collapse_consecutive"?
    "#);
    assert_snapshot!(wrong(r#""keep""#, "7"), @"pipelines/nightly.toml:27: journey.repeats: expected a text, found the number 7");
    assert_snapshot!(wrong(r#"["click", "view"]"#, r#"["click", "click"]"#), @r#"pipelines/nightly.toml:28: journey.priority: expected each only once, found "click" twice"#);
    assert_snapshot!(wrong(r#"["click", "view"]"#, r#""click""#), @r#"pipelines/nightly.toml:28: journey.priority: expected a list of texts, such as ["click", "view"], found the text "click""#);
}

#[test]
fn what_needs_a_column() {
    assert_snapshot!(wrong(r#"interaction = "interaction", "#, ""), @r#"
    pipelines/nightly.toml:28: journey.priority: this needs touchpoints.columns.interaction, which is not mapped
    hint: map it: touchpoints.columns.interaction = "…"
    "#);
    assert_snapshot!(said(&GOOD.replacen("interaction = \"interaction\", ", "", 1).replacen("priority    = [\"click\", \"view\"]", "", 1), &[]), @r#"
    pipelines/nightly.toml:24: journey.interaction_windows: this needs touchpoints.columns.interaction, which is not mapped
    hint: map it: touchpoints.columns.interaction = "…"
    "#);
    assert_snapshot!(said(&GOOD.replacen(", kind = \"kind\"", "", 1).replacen("touch_reuse = \"overlap\"\nreuse_by    = \"customer\"", "touch_reuse = \"since_previous_conversion\"\nreuse_by = \"kind\"", 1), &[]), @r#"
    pipelines/nightly.toml:26: journey.reuse_by: this needs conversions.columns.kind, which is not mapped
    hint: map it: conversions.columns.kind = "…"
    "#);
}

#[test]
fn interaction_windows() {
    assert_snapshot!(wrong(r#"{ view = "1d" }"#, r#"["1d"]"#), @r#"pipelines/nightly.toml:24: journey.interaction_windows: expected a table of windows by interaction, such as { view = "1d" }, found a list"#);
    assert_snapshot!(wrong(r#"{ view = "1d" }"#, "{ view = 1 }"), @r#"pipelines/nightly.toml:24: journey.interaction_windows.view: expected a window such as "30d", found the number 1"#);
    assert_snapshot!(wrong(r#"{ view = "1d" }"#, r#"{ view = "1 day" }"#), @r#"pipelines/nightly.toml:24: journey.interaction_windows.view: expected a duration such as 90s, 15m, 12h, 30d or 4w, found "1 day"; a window may also be "all""#);
}

#[test]
fn ignore() {
    assert_snapshot!(wrong(r#"{ where = "channel = 'direct'", when = "others_exist" }"#, r#""channel = 'direct'""#), @r#"pipelines/nightly.toml:29: journey.ignore: expected a table, such as { where = "channel = 'direct'" }, found the text "channel = 'direct'""#);
    assert_snapshot!(wrong(r#"when = "others_exist""#, r#"when = "never""#), @r#"pipelines/nightly.toml:29: journey.ignore.when: expected one of others_exist, always, found "never""#);
    assert_snapshot!(wrong(r#"where = "channel = 'direct'", "#, ""), @r#"
    pipelines/nightly.toml:29: journey.ignore.where: is required
    hint: add, for example: ignore = { where = "channel = 'direct'" }
    "#);
    assert_snapshot!(wrong(r#"when = "others_exist""#, r#"unless = "x""#), @"pipelines/nightly.toml:29: journey.ignore.unless: unknown key; expected one of where, when");
}
