//! What is no TOML, no section, or no variable.

use insta::assert_snapshot;

use super::{said, wrong};

#[test]
fn what_is_no_toml() {
    assert_snapshot!(said("[pipeline\n", &[]), @"pipelines/nightly.toml:1: expected TOML: unclosed table, expected `]`");
    assert_snapshot!(wrong(r#"currency = "SEK""#, "currency = SEK"), @"pipelines/nightly.toml:5: expected TOML: string values must be quoted, expected literal string");
    assert_snapshot!(wrong(r#"currency = "SEK""#, r#"currency = "SEK"#), @r#"pipelines/nightly.toml:5: expected TOML: invalid basic string, expected `"`"#);
    assert_snapshot!(wrong("keep    = 7", "keep = 7\nkeep = 8"), @"pipelines/nightly.toml:55: expected TOML: duplicate key keep");
    assert_snapshot!(wrong("keep    = 7", "keep = 99999999999999999999"), @"pipelines/nightly.toml:54: expected TOML: 99999999999999999999 is too large a number");
    assert_snapshot!(wrong("[journey]", "[pipeline]"), @"pipelines/nightly.toml:21: expected TOML: duplicate key pipeline");
}

#[test]
fn what_is_no_section() {
    assert_snapshot!(wrong("[output]", "[outputs]"), @r#"
    pipelines/nightly.toml:51: outputs: unknown key; expected one of pipeline, touchpoints, conversions, paths, journey, model, table, spend, fx, customers, returns, budget, quality, output
    hint: did you mean "output"?
    "#);
    assert_snapshot!(wrong(r#"[[model]]
kind = "last_click""#, r#"[[models]]
kind = "last_click""#), @r#"
pipelines/nightly.toml:31: models: unknown key; expected one of pipeline, touchpoints, conversions, paths, journey, model, table, spend, fx, customers, returns, budget, quality, output
hint: did you mean "model"?
"#);
    assert_snapshot!(wrong("[output]", "[colours]"), @"pipelines/nightly.toml:51: colours: unknown key; expected one of pipeline, touchpoints, conversions, paths, journey, model, table, spend, fx, customers, returns, budget, quality, output");
    assert_snapshot!(wrong("[[table]]", "[table]"), @"pipelines/nightly.toml:47: table: expected [[table]] with two brackets, found a table");
    assert_snapshot!(wrong("[pipeline]", "[[pipeline]]"), @"pipelines/nightly.toml:2: pipeline: expected a table, found a list");
    assert_snapshot!(said("", &[]), @r#"
    pipelines/nightly.toml: pipeline.currency: is required
    hint: add, for example: currency = "EUR"
    "#);
}

#[test]
fn variables() {
    assert_snapshot!(wrong(r#""../out/nightly""#, r#""${OUT}/nightly""#), @r#"
    pipelines/nightly.toml:4: pipeline.output: the environment variable OUT is not set
    hint: set OUT before the run, or write $${ for a literal ${
    "#);
    assert_snapshot!(wrong(r#""../out/nightly""#, r#""${OUT/nightly""#), @r#"
    pipelines/nightly.toml:4: pipeline.output: expected a variable as ${NAME}, found "${OUT/nightly"
    hint: write $${ for a literal ${
    "#);
    assert_snapshot!(wrong(r#""3d""#, r#""${HALF-LIFE}""#), @r#"
    pipelines/nightly.toml:37: model.time_decay_3d.half_life: expected a variable as ${NAME}, found "${HALF-LIFE}"
    hint: write $${ for a literal ${
    "#);
    assert_snapshot!(wrong(r#"["country", "device"]"#, r#"["country", "${DEVICE}"]"#), @r#"
    pipelines/nightly.toml:13: touchpoints.dimensions.1: the environment variable DEVICE is not set
    hint: set DEVICE before the run, or write $${ for a literal ${
    "#);
}

#[test]
fn the_head() {
    assert_snapshot!(wrong(r#"currency = "SEK""#, ""), @r#"
    pipelines/nightly.toml:2: pipeline.currency: is required
    hint: add, for example: currency = "EUR"
    "#);
    assert_snapshot!(wrong(r#"currency = "SEK""#, r#"currency = "SKE""#), @r#"
    pipelines/nightly.toml:5: pipeline.currency: unknown currency "SKE"
    hint: did you mean SEK, SLE?
    "#);
    assert_snapshot!(wrong(r#"currency = "SEK""#, r#"currency = "kr""#), @r#"
    pipelines/nightly.toml:5: pipeline.currency: unknown currency "kr"
    hint: did you mean KHR, KRW, LKR?
    "#);
    assert_snapshot!(wrong(r#"currency = "SEK""#, r#"currency = "eur""#), @r#"
    pipelines/nightly.toml:5: pipeline.currency: unknown currency "eur"
    hint: did you mean EUR, MUR?
    "#);
    assert_snapshot!(wrong(r#"currency = "SEK""#, "currency = 752"), @"pipelines/nightly.toml:5: pipeline.currency: expected a text, found the number 752");
    assert_snapshot!(wrong(r#"currency = "SEK""#, r#"curency = "SEK""#), @r#"
    pipelines/nightly.toml:5: pipeline.curency: unknown key; expected one of name, output, currency, timezone, on_success, on_failure
    hint: did you mean "currency"?
    "#);
    assert_snapshot!(wrong(r#"timezone = "Europe/Stockholm""#, r#"timezone = "Stockholm""#), @r#"
    pipelines/nightly.toml:6: pipeline.timezone: unknown time zone "Stockholm"
    hint: did you mean Europe/Stockholm?
    "#);
    assert_snapshot!(wrong(r#"timezone = "Europe/Stockholm""#, r#"timezone = "nowhere at all""#), @r#"
    pipelines/nightly.toml:6: pipeline.timezone: unknown time zone "nowhere at all"
    hint: expected a name such as UTC, Europe/Stockholm or America/New_York, or an offset such as +02:00
    "#);
    assert_snapshot!(wrong(r#"name     = "nightly""#, r#"name = " ""#), @"pipelines/nightly.toml:3: pipeline.name: expected a text, found an empty one");
    assert_snapshot!(wrong(r#""../out/nightly""#, r#""s3://bucket/nightly""#), @r#"pipelines/nightly.toml:4: pipeline.output: expected a folder on this machine, found the URL "s3://bucket/nightly""#);
    assert_snapshot!(wrong(r#""../out/nightly""#, r#"["out"]"#), @"pipelines/nightly.toml:4: pipeline.output: expected a text, found a list");
}

#[test]
fn the_tail() {
    assert_snapshot!(wrong("credits = true", r#"credits = "yes""#), @r#"pipelines/nightly.toml:52: output.credits: expected true or false, found the text "yes""#);
    assert_snapshot!(wrong("paths   = 100", "paths = -1"), @"pipelines/nightly.toml:53: output.paths: expected a whole number from 0 on, found the number -1");
    assert_snapshot!(wrong("paths   = 100", "paths = 1.5"), @"pipelines/nightly.toml:53: output.paths: expected a whole number from 0 on, found the number 1.5");
    assert_snapshot!(wrong("paths   = 100", "path = 5"), @r#"
    pipelines/nightly.toml:53: output.path: unknown key; expected one of credits, paths, restatements, keep
    hint: did you mean "paths"?
    "#);
    assert_snapshot!(wrong("keep    = 7", "keep = 2025-01-01"), @"pipelines/nightly.toml:54: output.keep: expected a number of runs such as 30, or a time such as \"30d\", found the date 2025-01-01");
}
