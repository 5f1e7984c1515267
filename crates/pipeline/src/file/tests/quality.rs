//! `[quality]`.

use insta::assert_snapshot;

use super::super::pipeline::{Check, Level, Rule, SourceName};
use super::{changed, wrong};

/// What a `[quality]` section with these lines asks for.
#[track_caller]
fn checks(lines: &str) -> Vec<Check> {
    changed("[output]", &format!("[quality]\n{lines}\n[output]")).quality.expect("a section")
}

/// What is said of such a section.
#[track_caller]
fn wrong_section(lines: &str) -> String {
    wrong("[output]", &format!("[quality]\n{lines}\n[output]"))
}

#[test]
fn a_limit_is_a_value_or_a_table() {
    let both = |level, limit| {
        let of = |source| Check { rule: Rule::RejectedShare { source, limit }, level };
        vec![of(SourceName::Touchpoints), of(SourceName::Conversions)]
    };
    assert_eq!(checks("max_rejected_share = \"1%\""), both(Level::Fail, 10_000_000));
    assert_eq!(checks("max_rejected_share = 0.01"), both(Level::Fail, 10_000_000));
    assert_eq!(checks("max_rejected_share = { is = \"0.0000001%\", level = \"warn\" }"), both(Level::Warn, 1));
    let one = Check { rule: Rule::Rows { source: SourceName::Conversions, least: 10 }, level: Level::Warn };
    assert_eq!(checks("min_rows = { conversions = { is = 10, level = \"warn\" } }"), [one]);
    let change = |value: &str, limit, level| Check { rule: Rule::Change { value: value.to_owned(), limit }, level };
    assert_eq!(
        checks("max_change = { revenue = \"150%\", margin = { is = \"5%\", level = \"warn\" } }"),
        [change("revenue", 1_500_000_000, Level::Fail), change("margin", 50_000_000, Level::Warn)]
    );
    assert_eq!((checks(""), checks("unique = false")), (Vec::new(), Vec::new()));
    assert_eq!(checks("unique = true").len(), 2);
}

#[test]
fn it_is_no_setting() {
    let settings = |lines: &str| changed("[output]", &format!("{lines}\n[output]")).fingerprints.settings_sha256;
    assert_eq!(settings(""), settings("[quality]\nunique = true"));
}

#[test]
fn limits() {
    assert_snapshot!(wrong_section("max_rejected_share = \"many\""), @r#"pipelines/nightly.toml:52: quality.max_rejected_share: expected a share such as "1%" or 0.01, found the text "many""#);
    assert_snapshot!(wrong_section("max_unattributed_share = \"101%\""), @r#"pipelines/nightly.toml:52: quality.max_unattributed_share: expected a share of at most 100%, such as "1%" or 0.01, found the text "101%""#);
    assert_snapshot!(wrong_section("max_unattributed_share = \"0.00000001%\""), @r#"pipelines/nightly.toml:52: quality.max_unattributed_share: expected at most 7 digits behind the point, found "0.00000001%""#);
    assert_snapshot!(wrong_section("max_age = 3"), @"pipelines/nightly.toml:52: quality.max_age: expected a text, found the number 3");
    assert_snapshot!(wrong_section("min_rows = { is = 1, level = \"maybe\" }"), @r#"pipelines/nightly.toml:52: quality.min_rows.level: expected one of warn, fail, found "maybe""#);
    assert_snapshot!(wrong_section("min_rows = { level = \"warn\" }"), @r#"
    pipelines/nightly.toml:52: quality.min_rows.is: is required
    hint: add, for example: is = "1%", or the limit that is meant
    "#);
    assert_snapshot!(wrong_section("min_rows = { orders = 1 }"), @"pipelines/nightly.toml:52: quality.min_rows.orders: unknown key; expected one of touchpoints, conversions");
    assert_snapshot!(wrong_section("max_change = { reveneu = \"5%\" }"), @r#"
    pipelines/nightly.toml:52: quality.max_change.reveneu: expected one of revenue, margin, found "reveneu"
    hint: did you mean "revenue"?
    "#);
    assert_snapshot!(wrong_section("max_rejected_shares = 1"), @r#"
    pipelines/nightly.toml:52: quality.max_rejected_shares: unknown key; expected one of max_rejected_share, max_unattributed_share, max_not_set_share, min_rows, max_age, max_change, unique
    hint: did you mean "max_rejected_share"?
    "#);
}
