//! What a file becomes where nothing is wrong with it, and what keeps it from being read at all.

use std::path::{Path, PathBuf};

use attributary_core::model::Fallback;
use attributary_store::Keep;
use insta::assert_snapshot;

use super::{GOOD, changed, read, said, wrong};
use crate::file::{Column, Dimension, GroupColumn, Ignore, IgnoreWhen, Repeats, Reuse, TableEntry, ValueColumn, load};

/// As little as a file can say.
const LEAST: &str = r#"
pipeline.currency = "JPY"
[touchpoints]
source = "log"
columns = { customer = "c", time = "t", channel = "ch" }
[conversions]
source = "/orders"
columns = { id = "i", customer = "c", time = "t" }
values = { revenue = "r" }
[[model]]
kind = "linear"
"#;

fn name(name: &str) -> Column {
    Column::Names(vec![name.to_owned()])
}

#[test]
fn everything_is_read() {
    let pipeline = read(GOOD, &[]).expect("a good file");
    assert_eq!(pipeline.name, "nightly");
    assert_eq!(pipeline.output, Some(PathBuf::from("out/nightly")));
    assert_eq!((pipeline.currency.code.as_str(), pipeline.currency.exponent), ("SEK", 2));
    assert_eq!(pipeline.zone.name(), "Europe/Stockholm");

    let touchpoints = &pipeline.touchpoints;
    assert_eq!(touchpoints.source.path, "sample-data/touchpoints");
    assert_eq!(touchpoints.source.zone.name(), "UTC");
    assert_eq!(touchpoints.source.filter.as_deref(), Some("event_name = 'page_view'"));
    assert!(!touchpoints.source.missing_as_null);
    assert_eq!(touchpoints.customer, Column::Names(vec!["client_id".to_owned(), "clientId".to_owned()]));
    assert_eq!(touchpoints.time, name("event_time"));
    assert_eq!(touchpoints.channel, Column::Sql("lower(utm_source)".to_owned()));
    assert_eq!(touchpoints.campaign, Some(name("campaign")));
    assert_eq!(touchpoints.interaction, Some(name("interaction")));
    assert_eq!(touchpoints.id, Some(name("event_id")));
    let dimension = |of: &str| Dimension { name: of.to_owned(), column: name(of) };
    assert_eq!(touchpoints.dimensions, [dimension("country"), dimension("device")]);

    let conversions = &pipeline.conversions;
    assert_eq!(conversions.source.path, "sample-data/conversions/*.parquet");
    assert!(conversions.source.missing_as_null);
    assert_eq!((&conversions.id, &conversions.customer), (&name("order_id"), &name("user_id")));
    assert_eq!((&conversions.time, &conversions.kind), (&name("ordered_at"), &Some(name("kind"))));
    let value = |of: &str, column: &str, minor| ValueColumn { name: of.to_owned(), column: name(column), minor };
    assert_eq!(conversions.values, [value("revenue", "revenue", false), value("margin", "margin_cents", true)]);

    let journey = &pipeline.journey;
    assert_eq!(journey.windows.iter().map(ToString::to_string).collect::<Vec<_>>(), ["30d", "4w"]);
    assert!(!journey.calendar_days && !journey.reuse_by_kind);
    let (interaction, window) = &journey.interaction_windows[0];
    assert_eq!((interaction.as_str(), window.to_string().as_str()), ("view", "1d"));
    assert_eq!((journey.reuse, journey.repeats), (Reuse::Overlap, Repeats::Keep));
    assert_eq!(journey.priority, ["click", "view"]);
    assert_eq!(journey.ignore, Some(Ignore { filter: "channel = 'direct'".to_owned(), when: IgnoreWhen::OthersExist }));

    let models: Vec<_> = pipeline.models.iter().map(|model| (model.name.as_str(), model.spec.kind)).collect();
    let expected = [("last_click", "last_click"), ("time_decay_3d", "time_decay"), ("first_and_last", "position_based")];
    assert_eq!(models, expected);
    assert_eq!(pipeline.models[1].parameters.duration("half_life"), Ok(3 * 86_400_000_000));
    let last = &pipeline.models[2];
    assert_eq!((last.parameters.fraction("first"), last.parameters.fraction("last")), (Ok(0.4), Ok(0.3)));
    assert_eq!((last.only.as_deref(), last.parameters.fallback), (Some("channel <> 'direct'"), Fallback::None));
    assert_eq!(pipeline.predicates(), ["channel = 'direct'", "channel <> 'direct'"]);

    let by = vec![GroupColumn::ConversionWeek, GroupColumn::Channel, GroupColumn::Campaign, GroupColumn::Dimension(1)];
    assert_eq!(pipeline.tables, [TableEntry { name: "by_campaign_week".to_owned(), by }]);
    assert_eq!((pipeline.credits, pipeline.paths, pipeline.keep.clone()), (true, 100, Keep::Runs(7)));
}

#[test]
fn what_is_not_said_has_its_default() {
    let pipeline = read(LEAST, &[]).expect("a good file");
    assert_eq!((pipeline.name.as_str(), pipeline.output), ("nightly", None));
    assert_eq!((pipeline.currency.exponent, pipeline.zone.name()), (0, "UTC"));
    assert_eq!(pipeline.touchpoints.source.path, "pipelines/log");
    assert_eq!(pipeline.conversions.source.path, "/orders");
    let journey = &pipeline.journey;
    assert_eq!(journey.windows.iter().map(ToString::to_string).collect::<Vec<_>>(), ["30d"]);
    assert_eq!((journey.reuse, journey.repeats), (Reuse::Overlap, Repeats::Keep));
    assert!(journey.priority.is_empty() && journey.ignore.is_none() && journey.interaction_windows.is_empty());
    assert_eq!((pipeline.models[0].name.as_str(), pipeline.models[0].parameters.fallback), ("linear", Fallback::All));
    let tables: Vec<_> = pipeline.tables.iter().map(|table| (table.name.as_str(), table.by.len())).collect();
    assert_eq!(tables, [("attributed_revenue", 3), ("by_channel", 1), ("total", 0)]);
    assert_eq!((pipeline.credits, pipeline.paths, pipeline.keep.clone()), (false, 10_000, Keep::All));
}

#[test]
fn runs_are_kept_by_number_or_by_age() {
    let kept = |keep: &str| changed("keep    = 7", &format!("keep = {keep}")).keep;
    assert_eq!((kept("0"), kept("1")), (Keep::All, Keep::Runs(1)));
    let Keep::Within(span) = kept("\"30d\"") else { panic!("a span of time") };
    assert_eq!(span.whole_days(), Some(30));
    assert_snapshot!(wrong("keep    = 7", "keep = \"30\""), @r#"pipelines/nightly.toml:54: output.keep: expected a duration such as 90s, 15m, 12h, 30d or 4w, found "30""#);
    assert_snapshot!(wrong("keep    = 7", "keep = -1"), @r#"pipelines/nightly.toml:54: output.keep: expected a number of runs such as 30, or a time such as "30d", found the number -1"#);
}

#[test]
fn other_words_mean_other_things() {
    let pipeline = changed("\"overlap\"\nreuse_by    = \"customer\"", "\"since_previous_conversion\"\nreuse_by = \"kind\"");
    assert!(pipeline.journey.reuse == Reuse::SincePreviousConversion && pipeline.journey.reuse_by_kind);
    for (word, repeats) in
        [("collapse_consecutive", Repeats::CollapseConsecutive), ("first", Repeats::First), ("last", Repeats::Last)]
    {
        assert_eq!(changed("\"keep\"", &format!("{word:?}")).journey.repeats, repeats);
    }
    assert_eq!(changed("\"others_exist\"", "\"always\"").journey.ignore.map(|it| it.when), Some(IgnoreWhen::Always));
    assert!(
        changed("[\"30d\", \"4w\"]\nwindow_unit = \"exact\"", "[\"30d\", \"all\"]\nwindow_unit = \"calendar_day\"")
            .journey
            .calendar_days
    );
    let dimensions = "{ country = \"land\", device = { sql = \"lower(ua)\" } }";
    let pipeline = changed("[\"country\", \"device\"]", dimensions);
    assert_eq!(pipeline.touchpoints.dimensions[1].column, Column::Sql("lower(ua)".to_owned()));
    let pipeline = changed("column = \"margin_cents\"", "sql = \"a - b\"");
    assert_eq!(pipeline.conversions.values[1].column, Column::Sql("a - b".to_owned()));
    // The three tables that are made without any may also be made by hand.
    assert_eq!(changed("\"by_campaign_week\"", "\"attributed_revenue\"").tables[0].name, "attributed_revenue");
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_are_taken() {
    let text = format!("\u{feff}{}", GOOD.replace('\n', "\r\n"));
    let (one, other) = (read(GOOD, &[]).expect("a good file"), read(&text, &[]).expect("a good file"));
    assert_eq!(one.fingerprints, other.fingerprints);
    assert_snapshot!(said(&text.replace("[output]", "[outputs]"), &[]), @r#"
    pipelines/nightly.toml:51: outputs: unknown key; expected one of pipeline, touchpoints, conversions, paths, journey, model, table, spend, fx, customers, returns, budget, quality, output
    hint: did you mean "output"?
    "#);
}

#[test]
fn variables_and_overrides_are_put_in_but_variables_stay_out_of_the_fingerprint() {
    let log = "\"../sample-data/touchpoints\"";
    let pipeline = changed(log, "\"${LAKE}/log\"");
    assert_eq!(pipeline.touchpoints.source.path, "/lake/log");
    let set = read(GOOD, &["touchpoints.source=${LAKE}/log"]).expect("a good file");
    assert_eq!(set.touchpoints.source.path, "/lake/log");
    assert_eq!(set.fingerprints, pipeline.fingerprints);
    assert_ne!(set.fingerprints, changed(log, "\"/lake/log\"").fingerprints);
    assert_eq!(changed(log, "\"$${LAKE}\"").touchpoints.source.path, "pipelines/${LAKE}");
}

#[test]
fn settings_are_all_but_names_and_places_of_output() {
    let base = read(GOOD, &[]).expect("a good file").fingerprints;
    for same in ["pipeline.name=other", "pipeline.output=/elsewhere", "output.keep=0"] {
        let other = read(GOOD, &[same]).expect("a good file").fingerprints;
        assert_ne!(base.pipeline_sha256, other.pipeline_sha256, "{same}");
        assert_eq!(base.settings_sha256, other.settings_sha256, "{same}");
    }
    for different in ["output.credits=false", "journey.windows=[\"7d\"]", "model.0.only=channel = 'x'", "pipeline.currency=EUR"] {
        let other = read(GOOD, &[different]).expect("a good file").fingerprints;
        assert_ne!(base.settings_sha256, other.settings_sha256, "{different}");
    }
}

#[test]
fn what_shows_later_still_knows_its_line() {
    let pipeline = read(GOOD, &["model.last_click.only=colour = 'red'"]).expect("a good file");
    let error = |key| pipeline.invalid(key, "unknown column \"colour\"", None).to_string();
    assert_snapshot!(error("model.first_and_last.only"), @r#"pipelines/nightly.toml:44: model.first_and_last.only: unknown column "colour""#);
    assert_snapshot!(error("touchpoints.columns.channel.sql"), @r#"pipelines/nightly.toml:12: touchpoints.columns.channel.sql: unknown column "colour""#);
    assert_snapshot!(error("model.last_click.only"), @r#"pipelines/nightly.toml: --set model.last_click.only: unknown column "colour""#);
    assert_snapshot!(error("model.last_click.weight"), @r#"pipelines/nightly.toml: model.last_click.weight: unknown column "colour""#);
}

#[test]
fn a_touch_has_bits_for_64_predicates() {
    let models = |count: usize| {
        (0..count).fold(LEAST.to_owned(), |text, model| {
            text + &format!("[[model]]\nname = \"m{model}\"\nkind = \"linear\"\nonly = \"length(channel) > {model}\"\n")
        })
    };
    assert_eq!(read(&models(64), &[]).map(|pipeline| pipeline.predicates().len()), Ok(64));
    assert_snapshot!(said(&models(65), &[]), @r#"
    pipelines/nightly.toml: expected at most 64 distinct predicates in journey and model, found 65
    hint: give models that may use the same touches the same text in only
    "#);
}

#[test]
fn files_that_cannot_be_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let failed = |path: &Path| {
        let Err(error) = load(path, &[], &|_| None) else { panic!("expected an error") };
        assert!(error.file() == path && error.place().is_none() && error.key().is_empty());
        let hint = error.hint().map_or_else(String::new, |hint| format!("\nhint: {hint}"));
        format!("{error}{hint}").replace(&folder.path().display().to_string(), "FOLDER")
    };
    assert_snapshot!(failed(&folder.path().join("absent.toml")), @r#"
    FOLDER/absent.toml: there is no such file
    hint: give the path of a pipeline file, such as pipelines/nightly.toml
    "#);
    assert_snapshot!(failed(folder.path()), @"FOLDER: cannot be read");
    let binary = folder.path().join("binary.toml");
    std::fs::write(&binary, [0xFF, 0xFE, 0x00]).expect("written");
    assert_snapshot!(failed(&binary), @r#"
    FOLDER/binary.toml: expected UTF-8 text, found other bytes
    hint: save the file as UTF-8
    "#);
}

#[test]
fn a_file_that_is_damaged_anywhere_is_an_error_or_a_pipeline_but_no_panic() {
    for (cut, _) in GOOD.char_indices() {
        let _ = read(&GOOD[..cut], &[]);
        let _ = read(&format!("{}é{}", &GOOD[..cut], &GOOD[cut..]), &[]);
    }
    let lines: Vec<_> = GOOD.lines().collect();
    for place in 0..lines.len() {
        let without: Vec<_> = lines.iter().enumerate().filter(|(other, _)| *other != place).map(|(_, line)| *line).collect();
        let _ = read(&without.join("\n"), &[]);
    }
}
