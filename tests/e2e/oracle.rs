//! Random logs over the whole grid of options: the pipeline, from files to files, against the oracle.

use std::collections::BTreeMap;
use std::path::Path;

use attributary_core::money::decimal_text;
use attributary_core::time::instant_text;
use attributary_core::value::{ColumnType, Value};
use attributary_pipeline::{Interrupt, Options, Progress};
use attributary_testkit::strategies::{FILES, Scenario, scenario};
use attributary_testkit::table::Table;
use attributary_testkit::{oracle, pipeline_file, rows};
use proptest::prelude::*;

use crate::support::{read_current, write_parquet};

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, max_shrink_iters: 50, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_pipeline_is_the_oracle(scenario in scenario(), csv in any::<[bool; FILES as usize]>(), threads in 1_usize..3) {
        let Scenario { touches, conversions, settings } = &scenario;
        let expected = oracle::run(touches, conversions, settings);
        if let Err(problem) = run(&scenario, &csv, threads, &expected) {
            return Err(TestCaseError::fail(problem));
        }
    }
}

/// Writes the scenario's files, runs its pipeline and holds the tables against the expected ones.
fn run(scenario: &Scenario, csv: &[bool], threads: usize, expected: &BTreeMap<String, Table>) -> Result<(), String> {
    let Scenario { touches, conversions, settings } = scenario;
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (file, csv) in (0..FILES).zip(csv) {
        let path = |source: &str| folder.path().join(source).join(format!("{file}.{}", if *csv { "csv" } else { "parquet" }));
        write(&path("touchpoints"), &rows::touchpoints_table(touches, file, &settings.dimensions));
        write(&path("conversions"), &rows::conversions_table(conversions, file, &settings.values, settings.exponent()));
    }
    let pipeline = folder.path().join("scenario.toml");
    let toml = pipeline_file::to_pipeline_toml(settings, "touchpoints", "conversions", "out");
    std::fs::write(&pipeline, &toml).expect("written");
    let options = Options { pipeline, from: settings.from, to: settings.to, threads: Some(threads), ..Options::default() };
    let report = attributary_pipeline::run(&options, &Progress::default(), &Interrupt::default());
    report.map_err(|error| format!("{error}\n{toml}"))?;
    let output = folder.path().join("out");
    let found = expected.keys().map(|name| (name.clone(), read_current(&output, name))).collect();
    oracle::disagreement(expected, &found).map_or(Ok(()), |problem| Err(format!("{problem}\n{toml}")))
}

/// Writes a file of the kind that its name says.
pub fn write(path: &Path, table: &Table) {
    if path.extension().is_some_and(|extension| extension == "csv") { write_csv(path, table) } else { write_parquet(path, table) }
}

/// Every cell in quotes, so that an empty text is told from null, which is nothing at all.
fn write_csv(path: &Path, table: &Table) {
    let line = |cells: Vec<String>| cells.join(",") + "\n";
    let cell = |(value, kind): (&Value, &ColumnType)| match (value, kind) {
        (Value::Null, _) => String::new(),
        (Value::Int(time), ColumnType::Timestamp { .. }) => instant_text((*time).try_into().expect("microseconds")),
        (Value::Int(number), ColumnType::Decimal { scale, .. }) => decimal_text(*number, *scale),
        (Value::Text(text), _) => format!("\"{text}\""),
        other => panic!("no column of a scenario has {other:?}"),
    };
    let mut text = line(table.fields.iter().map(|field| field.name.clone()).collect());
    for row in &table.rows {
        text += &line(row.iter().zip(table.fields.iter().map(|field| &field.kind)).map(cell).collect());
    }
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    std::fs::write(path, text).expect("written");
}
