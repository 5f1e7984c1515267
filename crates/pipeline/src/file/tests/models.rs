//! `[[model]]`.

use insta::assert_snapshot;

use super::{GOOD, said, wrong};

#[test]
fn kinds() {
    assert_snapshot!(wrong(r#"kind = "last_click""#, r#"name = "x""#), @r#"
    pipelines/nightly.toml:31: model.x.kind: is required
    hint: add, for example: kind = "last_touch"; attributary models lists them all
    "#);
    assert_snapshot!(wrong(r#"kind = "last_click""#, r#"kind = "last_clik""#), @r#"
    pipelines/nightly.toml:32: model.last_clik.kind: expected one of last_touch, first_touch, last_click, first_click, linear, any_touch, time_decay, position_based, j_shaped, inverse_j, custom, markov, shapley, shao_li, found "last_clik"
    hint: did you mean "last_click"?
    "#);
    assert_snapshot!(wrong(r#"kind = "last_click""#, r#"kind = "eigen""#), @r#"pipelines/nightly.toml:32: model.eigen.kind: expected one of last_touch, first_touch, last_click, first_click, linear, any_touch, time_decay, position_based, j_shaped, inverse_j, custom, markov, shapley, shao_li, found "eigen""#);
    assert_snapshot!(wrong(r#"kind = "last_click""#, "kind = 7"), @"pipelines/nightly.toml:32: model.0.kind: expected a text, found the number 7");
}

#[test]
fn names() {
    assert_snapshot!(wrong(r#"name = "time_decay_3d""#, r#"name = "last_click""#), @r#"
    pipelines/nightly.toml:34: model.last_click: expected a unique name, found a second model "last_click"
    hint: give each model of the same kind a name of its own
    "#);
    assert_snapshot!(wrong(r#"name = "time_decay_3d""#, r#"name = """#), @"pipelines/nightly.toml:35: model.time_decay.name: expected a text, found an empty one");
    assert_snapshot!(wrong(r#"name = "time_decay_3d""#, r#""a\nb" = 1"#), @"pipelines/nightly.toml:35: model.time_decay.a?b: unknown key; expected one of name, kind, only, fallback, half_life");
}

#[test]
fn parameters() {
    assert_snapshot!(wrong(r#"half_life = "3d""#, r#"halflife = "3d""#), @r#"
    pipelines/nightly.toml:37: model.time_decay_3d.halflife: unknown key; expected one of name, kind, only, fallback, half_life
    hint: did you mean "half_life"?
    "#);
    assert_snapshot!(wrong(r#"half_life = "3d""#, "first = 0.4"), @"pipelines/nightly.toml:37: model.time_decay_3d.first: unknown key; expected one of name, kind, only, fallback, half_life");
    assert_snapshot!(wrong(r#"half_life = "3d""#, r#"half_life = "3 days""#), @r#"pipelines/nightly.toml:37: model.time_decay_3d.half_life: expected a duration such as 90s, 15m, 12h, 30d or 4w, found "3 days""#);
    assert_snapshot!(wrong(r#"half_life = "3d""#, "half_life = 3"), @r#"pipelines/nightly.toml:37: model.time_decay_3d.half_life: expected a duration such as 90s, 15m, 12h, 30d or 4w, found "3""#);
    assert_snapshot!(wrong(r#"half_life = "3d""#, "half_life = true"), @"pipelines/nightly.toml:37: model.time_decay_3d.half_life: expected a duration such as 90s, 15m, 12h, 30d or 4w, found true");
    assert_snapshot!(wrong("first = 0.4", "first = 0.8"), @"pipelines/nightly.toml:42: model.first_and_last.first: expected at most 1 together with last, found 0.8 + 0.3");
    assert_snapshot!(wrong("first = 0.4", "first = -0.1"), @"pipelines/nightly.toml:42: model.first_and_last.first: expected a number from 0 to 1, found -0.1");
    assert_snapshot!(wrong("first = 0.4", r#"first = "most""#), @"pipelines/nightly.toml:42: model.first_and_last.first: expected a number from 0 to 1, found most");
    assert_snapshot!(wrong("first = 0.4", "first = [1]"), @"pipelines/nightly.toml:42: model.first_and_last.first: expected a number from 0 to 1, found a list");
    assert_snapshot!(wrong(r#"kind = "last_click""#, r#"kind = "linear"
per = "campaign""#), @r#"pipelines/nightly.toml:33: model.linear.per: expected one of touch, channel, found "campaign""#);
    assert_snapshot!(wrong(r#"kind = "last_click""#, r#"kind = "custom""#), @r#"
    pipelines/nightly.toml:31: model.custom.weight: is required
    hint: add, for example: weight = "…", an SQL expression over position, length, age_days, channel, campaign, interaction and the dimensions
    "#);
    assert_snapshot!(wrong(r#"kind = "last_click""#, r#"kind = "custom"
weight = true"#), @"pipelines/nightly.toml:33: model.custom.weight: expected an SQL expression as text, found true");
}

#[test]
fn what_is_not_a_list() {
    assert_snapshot!(said(GOOD, &[r#"model={ kind = "linear" }"#]), @"pipelines/nightly.toml: --set model: expected [[model]] with two brackets, found a table");
    assert_snapshot!(said(GOOD, &["model=[1]"]), @"pipelines/nightly.toml: --set model.0: expected [[model]] with two brackets, found the number 1");
}

#[test]
fn a_dimension_that_an_expression_knows_already() {
    assert_snapshot!(said(&GOOD.replacen("kind = \"last_click\"", "kind = \"custom\"\nweight = \"position\"", 1).replace("\"device\"", "\"position\""), &[]), @r#"
    pipelines/nightly.toml:33: model.custom.weight: position means two things: what custom knows by itself, and the dimension of that name
    hint: give the dimension another name: dimensions = { my_name = "position" }
    "#);
}

#[test]
fn only_and_fallback() {
    assert_snapshot!(wrong(r#"fallback = "none""#, r#"fallback = "nothing""#), @r#"pipelines/nightly.toml:45: model.first_and_last.fallback: expected one of all, none, found "nothing""#);
    assert_snapshot!(wrong(r#"only = "channel <> 'direct'""#, "only = true"), @"pipelines/nightly.toml:44: model.first_and_last.only: expected a text, found true");
    assert_snapshot!(wrong(r#"only = "channel <> 'direct'""#, r#"only = """#), @"pipelines/nightly.toml:44: model.first_and_last.only: expected a text, found an empty one");
}
