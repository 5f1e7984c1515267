//! Runs that compute only the days that something changed for: what they publish is what computing all days publishes, byte for
//! byte, and what the oracle says.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use attributary_core::time::Day;
use attributary_pipeline::report::RunReport;
use attributary_pipeline::{Interrupt, Options, Progress};
use attributary_store::PublishedRun;
use attributary_testkit::rows::{self, ConversionRow, TouchRow};
use attributary_testkit::strategies::{FILES, Scenario, scenario};
use attributary_testkit::table::Table;
use attributary_testkit::{oracle, pipeline_file};
use proptest::prelude::*;

use crate::oracle::write;
use crate::sample::assert_same_bytes;
use crate::support::read_current;

/// Which nights a row is there.
type Nights = [bool; 3];

/// How many nights there are.
const NIGHTS: usize = 3;

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nights_that_compute_what_changed_are_nights_that_compute_everything(
        scenario in scenario(),
        nights in prop::collection::vec(prop_oneof![4 => Just([true; 3]), 1 => any::<Nights>()], 24),
        csv in any::<[bool; FILES as usize]>(),
        // A later night may have other days, or put some in place.
        ranges in prop::collection::vec(prop_oneof![3 => Just(None), 1 => (prop::option::of(0..4_i32), prop::option::of(0..4_i32)).prop_map(Some)], NIGHTS),
        // Before a night someone may have put one of the first days anew into what is published.
        merges in prop::collection::vec(prop::option::weighted(0.3, 0..8_i32), NIGHTS),
    ) {
        if let Err(problem) = play(&scenario, &nights, &csv, &ranges, &merges) {
            return Err(TestCaseError::fail(problem));
        }
    }
}

fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(60)
}

/// Plays the nights one after another. Each goes on from the one before, is held against one that does not, and against the
/// oracle.
fn play(
    scenario: &Scenario,
    nights: &[Nights],
    csv: &[bool],
    ranges: &[Option<(Option<i32>, Option<i32>)>],
    merges: &[Option<i32>],
) -> Result<(), String> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut settings = scenario.settings.clone();
    let there = |row: usize, night: usize| nights[row % nights.len()][night];
    let mut written = BTreeMap::new();
    for (night, range) in ranges.iter().enumerate() {
        let touches: Vec<TouchRow> = renumbered(&scenario.touches, |row| there(row, night), |row| (row.file, &mut row.row));
        let conversions: Vec<ConversionRow> =
            renumbered(&scenario.conversions, |row| there(row + 7, night), |row| (row.file, &mut row.row));
        for (file, csv) in (0..FILES).zip(csv) {
            let path = |source: &str| folder.path().join(source).join(format!("{file}.{}", if *csv { "csv" } else { "parquet" }));
            let tables = [
                (path("touchpoints"), rows::touchpoints_table(&touches, file, &settings.dimensions)),
                (path("conversions"), rows::conversions_table(&conversions, file, &settings.values, settings.exponent())),
            ];
            for (path, table) in tables {
                // Files that nobody writes stay as they are.
                if written.get(&path) != Some(&table) {
                    write(&path, &table);
                    written.insert(path, table);
                }
            }
        }
        if let Some((from, to)) = *range {
            let shifted = |day: Option<Day>, days: Option<i32>| day.map(|day| day + days.unwrap_or(0));
            let (earlier, later) = (from.map(|days| -days), to);
            (settings.from, settings.to) = (shifted(scenario.settings.from, earlier), shifted(scenario.settings.to, later));
        }
        let expected = oracle::run(&touches, &conversions, &settings);
        let toml = pipeline_file::to_pipeline_toml(&settings, "touchpoints", "conversions", "out");
        let pipeline = folder.path().join("scenario.toml");
        std::fs::write(&pipeline, &toml).expect("written");
        let options = Options { pipeline, from: settings.from, to: settings.to, threads: Some(2), ..Options::default() };
        if let (Some(day), Some(first)) = (merges[night], first_day(scenario)) {
            // What it publishes is looked at by the tests of merges; that it may be refused, too.
            let output = Some(folder.path().join("out"));
            let merge = Options { merge: true, from: Some(first + day), to: Some(first + day + 1), output, ..options.clone() };
            let _ = attributary_pipeline::run(&merge, &Progress::default(), &Interrupt::default());
        }
        let (_, found) = run(&options, &folder.path().join("out"), &expected).map_err(|error| format!("{error}\n{toml}"))?;
        let full = Options { full: true, ..options };
        let (_, whole) = run(&full, &folder.path().join("full"), &expected).map_err(|error| format!("{error}\n{toml}"))?;
        let differing = differing(&found, &whole);
        if !differing.is_empty() {
            return Err(format!("night {night}: other bytes in {differing:?}\n{toml}"));
        }
    }
    Ok(())
}

/// The first day of a conversion, as UTC has it.
fn first_day(scenario: &Scenario) -> Option<Day> {
    scenario
        .conversions
        .iter()
        .filter_map(|row| row.time)
        .min()
        .and_then(|time| Day::try_from(time.div_euclid(86_400_000_000)).ok())
}

/// The rows that are there, numbered anew within their files.
pub fn renumbered<T: Clone>(all: &[T], there: impl Fn(usize) -> bool, place: impl Fn(&mut T) -> (u32, &mut u64)) -> Vec<T> {
    let mut next = BTreeMap::new();
    let mut kept: Vec<T> = all.iter().enumerate().filter(|(row, _)| there(*row)).map(|(_, row)| row.clone()).collect();
    for row in &mut kept {
        let (file, number) = place(row);
        let next = next.entry(file).or_insert(0);
        *number = *next;
        *next += 1;
    }
    kept
}

/// Runs a pipeline and holds its tables against the expected ones.
fn run(options: &Options, output: &Path, expected: &BTreeMap<String, Table>) -> Result<(RunReport, PublishedRun), String> {
    let options = Options { output: Some(output.to_owned()), ..options.clone() };
    let report = attributary_pipeline::run(&options, &Progress::default(), &Interrupt::default());
    let report = report.map_err(|error| error.to_string())?;
    let found = expected.keys().map(|name| (name.clone(), read_current(output, name))).collect();
    if let Some(problem) = oracle::disagreement(expected, &found) {
        return Err(format!("{problem}\n{:?}", report.recomputed));
    }
    let run = PublishedRun::read(&report.folder).map_err(|error| error.to_string())?;
    Ok((report, run))
}

/// The files of tables that are not the same in both, or only in one.
fn differing(one: &PublishedRun, other: &PublishedRun) -> Vec<String> {
    let hashes = |run: &PublishedRun| -> BTreeMap<String, String> {
        let tables = run.manifest.tables.iter().chain(&run.manifest.state).flat_map(|table| &table.files);
        let tables = tables.filter(|file| {
            !["state/touch_files", "state/touch_hours", "state/conversion_files"].iter().any(|table| file.path.starts_with(table))
        });
        tables.map(|file| (file.path.clone(), file.sha256.clone())).collect()
    };
    let (one, other) = (hashes(one), hashes(other));
    let paths = one.keys().chain(other.keys());
    let mut differing: Vec<String> = paths.filter(|path| one.get(*path) != other.get(*path)).cloned().collect();
    differing.dedup();
    differing
}

#[test]
fn a_night_without_news_computes_nothing_and_changes_no_byte() {
    let sample = crate::sample::Sample::new();
    let first = sample.run("--set output.paths=0");
    let (second, report) = sample.report("--set output.paths=0");
    assert_same_bytes(&second, &first, "", "again");
    assert_eq!(report["recomputed"]["base"], first.manifest.run_id.as_str());
    assert_eq!(report["recomputed"]["days"], serde_json::json!([]));
    // Neither touches nor conversions are read: nothing is new, and no conversion hangs on another one.
    assert_eq!((second.manifest.bytes_read.touchpoints, second.manifest.bytes_read.conversions), (0, 0));
    assert!(first.manifest.bytes_read.conversions > 0);
    let (_, report) = sample.report("--set output.paths=0 --full");
    assert_eq!(report["whole_because"], "--full was given");
    let (_, report) = sample.report("--set output.paths=0 --set journey.windows=[\"3d\"]");
    let because = report["whole_because"].as_str().expect("a reason");
    assert!(because.starts_with("the settings are not those of run "), "{because}");
}

/// Links lead to no other disk, so the files of the days that are taken over must be copied.
#[test]
fn days_are_taken_over_from_another_disk() {
    let sample = crate::sample::Sample::new();
    let first = sample.run("--set output.paths=0");
    let device = |path: &Path| std::fs::metadata(path).map(|it| it.dev()).ok();
    let ours = device(&first.folder);
    let Some(elsewhere) = ["/dev/shm", "/run", "/var/tmp"].map(Path::new).into_iter().find_map(|folder| {
        let other = device(folder).is_some_and(|theirs| Some(theirs) != ours);
        other.then(|| tempfile::tempdir_in(folder).ok())?
    }) else {
        #[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
        {
            eprintln!("skipped: no other disk is found that may be written to");
        }
        return;
    };
    let moved = elsewhere.path().join("run");
    assert!(std::process::Command::new("cp").arg("-a").args([&first.folder, &moved]).status().expect("cp").success());
    std::fs::remove_dir_all(&first.folder).expect("removed");
    std::os::unix::fs::symlink(&moved, &first.folder).expect("a link");
    let (second, report) = sample.report("--set output.paths=0");
    assert_eq!(report["recomputed"]["base"], first.manifest.run_id.as_str());
    assert_same_bytes(&second, &first, "", "copied");
    let files = second.manifest.tables.iter().filter(|table| table.name == "credits").flat_map(|table| &table.files);
    let links: Vec<u64> = files.map(|file| std::fs::metadata(second.folder.join(&file.path)).expect("a file").nlink()).collect();
    assert!(!links.is_empty() && links.iter().all(|links| *links == 1), "{links:?}");
    let mut verify = crate::support::attributary();
    let (code, _, stderr) = crate::support::shown(
        &verify.arg("verify").arg(&second.folder).current_dir(crate::support::root()).output().expect("it starts"),
    );
    assert_eq!(code, 0, "{stderr}");
}
