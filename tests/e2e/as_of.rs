//! `--as-of`: what a run says that leaves out what came later is what a run says of a log in which it never was.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use attributary_core::table::Field;
use attributary_core::time::{parse_day, parse_instant};
use attributary_core::value::{ColumnType, Value};
use attributary_pipeline::{AsOf, Interrupt, Options, Progress};
use attributary_store::PublishedRun;
use attributary_testkit::rows::{self, ConversionRow, TouchRow};
use attributary_testkit::strategies::{FILES, Scenario, scenario};
use attributary_testkit::table::Table;
use attributary_testkit::{oracle, pipeline_file};
use proptest::prelude::*;

use crate::incremental::renumbered;
use crate::oracle::write;
use crate::support::read_current;

/// When the runs are asked for.
const DAY: &str = "2026-04-03";

/// When a row came, and whether it was known then.
#[derive(Clone, Copy, Debug)]
struct Arrival(Option<&'static str>, bool);

const ARRIVALS: [Arrival; 6] = [
    Arrival(None, true),
    Arrival(Some("2026-01-01T00:00:00Z"), true),
    Arrival(Some("2026-04-03T11:59:59.999999Z"), true),
    Arrival(Some("2026-04-03T12:00:00Z"), true),
    Arrival(Some("2026-04-03T12:00:00.000001Z"), false),
    Arrival(Some("2027-01-01T00:00:00Z"), false),
];

/// The folders of files that came together.
const FOLDERS: [Arrival; 4] = [
    Arrival(Some("2026-04-02"), true),
    Arrival(Some(DAY), true),
    Arrival(Some("2026-04-04"), false),
    Arrival(Some("__HIVE_DEFAULT_PARTITION__"), true),
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, max_shrink_iters: 50, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_came_later_was_never_there(
        scenario in scenario(),
        arrivals in prop::collection::vec(prop::sample::select(ARRIVALS.to_vec()), 1..24),
        csv in any::<[bool; FILES as usize]>(),
    ) {
        let rows = |row: usize, _: u32| arrivals[row % arrivals.len()];
        let at = parse_instant("2026-04-03T12:00:00Z", &attributary_core::time::Zone::utc()).expect("a time");
        if let Err(problem) = play(&scenario, &rows, &csv, AsOf::Instant(at), false) {
            return Err(TestCaseError::fail(problem));
        }
    }

    #[test]
    fn folders_that_came_later_were_never_there(
        scenario in scenario(),
        arrivals in prop::collection::vec(prop::sample::select(FOLDERS.to_vec()), FILES as usize),
        csv in any::<[bool; FILES as usize]>(),
    ) {
        let files = |_: usize, file: u32| arrivals[file as usize];
        let day = AsOf::Day(parse_day(DAY).expect("a day"));
        if let Err(problem) = play(&scenario, &files, &csv, day, true) {
            return Err(TestCaseError::fail(problem));
        }
    }
}

/// Runs a log as it was known, and a log of what was known, and holds both against the oracle and against each other.
fn play(
    scenario: &Scenario,
    arrival: &dyn Fn(usize, u32) -> Arrival,
    csv: &[bool],
    as_of: AsOf,
    folders: bool,
) -> Result<(), String> {
    let Scenario { touches, conversions, settings } = scenario;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let known = |log: &str| folder.path().join(log);
    let thin_touches: Vec<TouchRow> =
        renumbered(touches, |row| arrival(row, touches[row].file).1, |row| (row.file, &mut row.row));
    let thin_conversions: Vec<ConversionRow> =
        renumbered(conversions, |row| arrival(row + 7, conversions[row].file).1, |row| (row.file, &mut row.row));
    for (file, csv) in (0..FILES).zip(csv) {
        let place = |log: &str, source: &str, came: Option<Arrival>| -> PathBuf {
            let hive =
                came.and_then(|came| came.0).filter(|_| folders).map_or_else(String::new, |came| format!("ingested={came}/"));
            known(log).join(source).join(format!("{hive}{file}.{}", if *csv { "csv" } else { "parquet" }))
        };
        let came = |all: Vec<(usize, u64)>| -> Vec<Option<&'static str>> {
            let mut all = all;
            all.sort_by_key(|(_, row)| *row);
            all.into_iter().map(|(number, _)| arrival(number, file).0).collect()
        };
        let of_touches = touches.iter().enumerate().filter(|(_, row)| row.file == file).map(|(number, row)| (number, row.row));
        let of_conversions =
            conversions.iter().enumerate().filter(|(_, row)| row.file == file).map(|(number, row)| (number + 7, row.row));
        let mut all = rows::touchpoints_table(touches, file, &settings.dimensions);
        let mut orders = rows::conversions_table(conversions, file, &settings.values, settings.exponent());
        if !folders {
            dated(&mut all, &came(of_touches.collect()));
            dated(&mut orders, &came(of_conversions.collect()));
        }
        write(&place("all", "touchpoints", Some(arrival(0, file))), &all);
        write(&place("all", "conversions", Some(arrival(0, file))), &orders);
        write(&place("thin", "touchpoints", None), &rows::touchpoints_table(&thin_touches, file, &settings.dimensions));
        let orders = rows::conversions_table(&thin_conversions, file, &settings.values, settings.exponent());
        write(&place("thin", "conversions", None), &orders);
    }
    let toml = pipeline_file::to_pipeline_toml(settings, "touchpoints", "conversions", "out");
    let expected = oracle::run(&thin_touches, &thin_conversions, settings);
    let asked = toml.replace("time = \"time\"", "ingested = \"ingested\"\ntime = \"time\"");
    let run = |log: &str, toml: &str, as_of: Option<AsOf>| {
        let pipeline = known(log).join("scenario.toml");
        std::fs::write(&pipeline, toml).expect("written");
        let output = Some(known(log).join("out"));
        let (from, to) = (settings.from, settings.to);
        let options = Options { pipeline, output, from, to, as_of, threads: Some(2), ..Options::default() };
        publish(&options, &expected).map_err(|problem| format!("{log}: {problem}\n{toml}"))
    };
    let (as_known, never) = (run("all", &asked, Some(as_of))?, run("thin", &toml, None)?);
    if hashes(&as_known) != hashes(&never) {
        return Err(format!("other bytes: {:?}\n{:?}\n{asked}", hashes(&as_known), hashes(&never)));
    }
    let later = as_known.manifest.rows.conversions.later;
    let removed = (conversions.len() - thin_conversions.len()) as u64;
    if later != removed || as_known.manifest.rows.conversions.read != never.manifest.rows.conversions.read {
        return Err(format!("{later} conversions came later, expected {removed}\n{asked}"));
    }
    let later = as_known.manifest.rows.touchpoints.later;
    let removed = (touches.len() - thin_touches.len()) as u64;
    if later > removed || (later != removed && settings.from.is_none() && settings.to.is_none()) {
        return Err(format!("{later} touches came later, of {removed} that did\n{asked}"));
    }
    Ok(())
}

/// Puts a column behind the others that says when rows came.
fn dated(table: &mut Table, came: &[Option<&str>]) {
    table.fields.push(Field::new("ingested", ColumnType::instant()));
    let utc = attributary_core::time::Zone::utc();
    for (row, came) in table.rows.iter_mut().zip(came) {
        let time = came.map(|came| parse_instant(came, &utc).expect("a time"));
        row.push(time.map_or(Value::Null, |time| Value::Int(time.into())));
    }
}

/// Runs a pipeline, and holds its tables against the expected ones.
fn publish(options: &Options, expected: &BTreeMap<String, Table>) -> Result<PublishedRun, String> {
    let report = attributary_pipeline::run(options, &Progress::default(), &Interrupt::default());
    let report = report.map_err(|error| error.to_string())?;
    let output: &Path = options.output.as_deref().expect("an output");
    // Rejected rows are named by their places, which are not the same in a log without the others.
    let named = expected.keys().filter(|name| *name != "rejects");
    let expected: BTreeMap<_, _> = named.clone().map(|name| (name.clone(), expected[name].clone())).collect();
    let found = named.map(|name| (name.clone(), read_current(output, name))).collect();
    oracle::disagreement(&expected, &found).map_or(Ok(()), Err)?;
    PublishedRun::read(&report.folder).map_err(|error| error.to_string())
}

/// The SHA-256 of the files of all tables and of the state, those aside that name files and rows.
fn hashes(run: &PublishedRun) -> BTreeMap<String, String> {
    let files = run.manifest.tables.iter().chain(&run.manifest.state).flat_map(|table| &table.files);
    let of_files = ["rejects/", "state/touch_", "state/conversion_files", "state/conversion_hours", "state/conversion_ids"];
    let files = files.filter(|file| !of_files.iter().any(|table| file.path.starts_with(table)));
    files.map(|file| (file.path.clone(), file.sha256.clone())).collect()
}
