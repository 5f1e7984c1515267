//! `--set`.

use insta::assert_snapshot;

use super::{GOOD, said};

#[test]
fn what_is_no_assignment() {
    assert_snapshot!(said(GOOD, &["output.paths"]), @r#"pipelines/nightly.toml: --set: expected key=value, such as output.paths=0, found "output.paths""#);
    assert_snapshot!(said(GOOD, &["=5"]), @r#"pipelines/nightly.toml: --set: expected key=value, such as output.paths=0, found "=5""#);
    assert_snapshot!(said(GOOD, &["output..paths=5"]), @r#"pipelines/nightly.toml: --set: expected key=value, such as output.paths=0, found "output..paths=5""#);
    assert_snapshot!(said(GOOD, &["a = 1\nb=2"]), @"pipelines/nightly.toml: --set a: unknown key; expected one of pipeline, touchpoints, conversions, paths, journey, model, table, spend, fx, customers, returns, budget, quality, output");
}

#[test]
fn what_is_not_there() {
    assert_snapshot!(said(GOOD, &["output.path=5"]), @r#"
    pipelines/nightly.toml: --set output.path: unknown key; expected one of credits, paths, restatements, keep
    hint: did you mean "paths"?
    "#);
    assert_snapshot!(said(GOOD, &["outputs.paths=5"]), @r#"
    pipelines/nightly.toml: --set outputs: unknown key; expected one of pipeline, touchpoints, conversions, paths, journey, model, table, spend, fx, customers, returns, budget, quality, output
    hint: did you mean "output"?
    "#);
    assert_snapshot!(said(GOOD, &[r#"model.x.half_life="3d""#]), @r#"
    pipelines/nightly.toml: --set model.x.half_life: there is no model "x"; found last_click, time_decay_3d, first_and_last
    hint: use the name of a model, or its place in the file counted from 0
    "#);
    assert_snapshot!(said(GOOD, &[r#"model.time_decay.half_life="3d""#]), @r#"
    pipelines/nightly.toml: --set model.time_decay.half_life: there is no model "time_decay"; found last_click, time_decay_3d, first_and_last
    hint: did you mean "time_decay_3d"?
    "#);
    assert_snapshot!(said(GOOD, &[r#"model.7.half_life="3d""#]), @r#"
    pipelines/nightly.toml: --set model.7.half_life: there is no model "7"; found last_click, time_decay_3d, first_and_last
    hint: use the name of a model, or its place in the file counted from 0
    "#);
    assert_snapshot!(said(GOOD, &["table.x.by=[]"]), @r#"
    pipelines/nightly.toml: --set table.x.by: there is no table "x"; found by_campaign_week
    hint: use the name of a table, or its place in the file counted from 0
    "#);
    assert_snapshot!(said(GOOD, &["pipeline.name.x=1"]), @r#"pipelines/nightly.toml: --set pipeline.name.x: expected pipeline.name to be a table, found the text "nightly""#);
}

#[test]
fn what_is_of_the_wrong_type() {
    assert_snapshot!(said(GOOD, &["pipeline.name=2025"]), @r#"
    pipelines/nightly.toml: --set pipeline.name: expected a text, found the number 2025
    hint: a value behind --set is read as TOML: quote it twice to make it text, as in --set 'pipeline.name="2025"'
    "#);
    assert_snapshot!(said(GOOD, &["journey.windows=7d"]), @r#"pipelines/nightly.toml: --set journey.windows: expected a list of texts, such as ["30d"], found the text "7d""#);
    assert_snapshot!(said(GOOD, &["model.time_decay_3d.half_life=3 days"]), @r#"pipelines/nightly.toml: --set model.time_decay_3d.half_life: expected a duration such as 90s, 15m, 12h, 30d or 4w, found "3 days""#);
    assert_snapshot!(said(GOOD, &["output.credits=yes"]), @r#"pipelines/nightly.toml: --set output.credits: expected true or false, found the text "yes""#);
    assert_snapshot!(said(GOOD, &["touchpoints.source=${NOWHERE}"]), @r#"
    pipelines/nightly.toml: --set touchpoints.source: the environment variable NOWHERE is not set
    hint: set NOWHERE before the run, or write $${ for a literal ${
    "#);
    assert_snapshot!(said(GOOD, &["model=[]"]), @r#"
    pipelines/nightly.toml: model: is required
    hint: add, for example: [[model]] and below it kind = "last_touch"
    "#);
    assert_snapshot!(said(GOOD, &["output=5"]), @"pipelines/nightly.toml: --set output: expected a table, found the number 5");
    assert_snapshot!(said(GOOD, &[r#"touchpoints.columns={ time = "t" }"#]), @r#"
    pipelines/nightly.toml: --set touchpoints.columns.customer: is required
    hint: add, for example: columns = { customer = "user_id", … }
    "#);
}
