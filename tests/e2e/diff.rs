//! `diff`: what changed from one run to another, and causes that add up to it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use attributary_core::money::decimal_text;
use attributary_core::value::Value as Cell;
use attributary_pipeline::{DiffReport, Interrupt, Options, Progress};
use attributary_store::{PublishedRun, read_table};
use attributary_testkit::pipeline_file;
use attributary_testkit::rows::{self, ConversionRow, TouchRow};
use attributary_testkit::strategies::{FILES, Scenario, scenario};
use attributary_testkit::table::Table;
use proptest::prelude::*;

use crate::oracle::write;
use crate::sample::Sample;
use crate::support::{attributary, root, shown, write_parquet};

/// Amounts by model, window and channel.
type Channels = BTreeMap<(String, String, String), i128>;

/// What channels got of the first value in a run, from its table `by_channel`.
fn by_channel(run: &PublishedRun, value: &str) -> Channels {
    let reader = read_table(&run.folder.join("by_channel/part-0.parquet")).expect("a table");
    let place = |name: &str| reader.fields().iter().position(|field| field.name == name).expect("a column");
    let columns = ["model", "window", "channel", value].map(place);
    let mut channels = Channels::new();
    for rows in reader {
        let rows = rows.expect("rows");
        for row in 0..rows.len() {
            let [model, window, channel] = [0, 1, 2].map(|key| match rows.columns[columns[key]].value(row) {
                Cell::Text(text) => text.to_string(),
                _ => "(not set)".to_owned(),
            });
            let Cell::Int(amount) = rows.columns[columns[3]].value(row) else { panic!("an amount") };
            channels.insert((model, window, channel), amount);
        }
    }
    channels
}

/// What changed from one to the other.
fn changes(before: &Channels, after: &Channels) -> Channels {
    let mut changes = after.clone();
    before.iter().for_each(|(key, amount)| *changes.entry(key.clone()).or_default() -= amount);
    changes.retain(|_, amount| *amount != 0);
    changes
}

/// The causes of a report, added up; amounts have `scale` digits behind the point.
fn added_up(report: &DiffReport, scale: u8) -> Channels {
    let mut sums = Channels::new();
    for change in report.causes.iter().flat_map(|cause| &cause.channels) {
        let key = (change.model.clone(), change.window.clone(), change.channel.clone());
        *sums.entry(key).or_default() += minor(&change.change[0], scale);
    }
    sums.retain(|_, amount| *amount != 0);
    sums
}

fn minor(text: &str, scale: u8) -> i128 {
    let number: i128 = text.replace('.', "").parse().expect("a decimal");
    assert_eq!(decimal_text(number, scale), text);
    number
}

fn diff(before: &PublishedRun, after: &PublishedRun) -> DiffReport {
    let report = attributary_pipeline::diff(
        &before.folder,
        &after.folder,
        &Options { threads: Some(2), ..Options::default() },
        &Progress::default(),
        &Interrupt::default(),
    );
    report.unwrap_or_else(|error| panic!("{error}"))
}

fn words(report: &DiffReport) -> Vec<&str> {
    report.causes.iter().map(|cause| cause.cause.as_str()).collect()
}

/// The sample data where files can be changed.
struct Log {
    sample: Sample,
    folder: tempfile::TempDir,
}

impl Log {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for source in ["touchpoints", "conversions"] {
            fs::create_dir(folder.path().join(source)).expect("made");
            for entry in fs::read_dir(root().join("sample-data").join(source)).expect("a folder") {
                let entry = entry.expect("an entry");
                fs::copy(entry.path(), folder.path().join(source).join(entry.file_name())).expect("copied");
            }
        }
        Self { sample: Sample::new(), folder }
    }

    fn run(&self, arguments: &str) -> PublishedRun {
        let source = |name: &str| format!("--set {name}.source={}", self.folder.path().join(name).display());
        self.sample.run(&format!("{} {} {arguments}", source("touchpoints"), source("conversions")))
    }

    fn file(&self, source: &str, day: &str) -> PathBuf {
        self.folder.path().join(source).join(format!("{day}.parquet"))
    }

    /// Writes a file anew with those of its rows that `keep` lets stay, by their places.
    fn keep(&self, path: &Path, keep: impl Fn(usize) -> bool) {
        let mut table = table(path);
        let mut row = 0;
        table.rows.retain(|_| {
            row += 1;
            keep(row - 1)
        });
        write_parquet(path, &table);
    }
}

fn table(path: &Path) -> Table {
    let reader = read_table(path).expect("a table");
    let mut table = Table { fields: reader.fields().to_vec(), rows: Vec::new() };
    for rows in reader {
        let rows = rows.expect("rows");
        table.rows.extend((0..rows.len()).map(|row| rows.columns.iter().map(|column| column.value(row)).collect()));
    }
    table
}

/// Holds a report's causes against the tables of the runs.
#[track_caller]
fn check(report: &DiffReport, before: &PublishedRun, after: &PublishedRun) {
    let expected = changes(&by_channel(before, "revenue"), &by_channel(after, "revenue"));
    assert_eq!(added_up(report, 2), expected);
    assert_eq!(wrong_rows(report, before, after), None);
}

/// A table of which the report tells of other rows than those that are only in one of the runs.
fn wrong_rows(report: &DiffReport, before: &PublishedRun, after: &PublishedRun) -> Option<String> {
    for changed in &report.tables {
        let mut rows: BTreeMap<(String, Vec<Cell>), i64> = BTreeMap::new();
        for (run, sign) in [(before, -1), (after, 1)] {
            for file in run.manifest.table(&changed.name).iter().flat_map(|table| &table.files) {
                let table = table(&run.folder.join(&file.path));
                let columns = format!("{:?}", table.fields);
                table.rows.into_iter().for_each(|row| *rows.entry((columns.clone(), row)).or_default() += sign);
            }
        }
        let sum = |sign: i64| rows.values().map(|count| (sign * count).max(0)).sum::<i64>();
        if (sum(-1), sum(1)) != (changed.rows_gone as i64, changed.rows_new as i64) {
            return Some(format!("{} rows are gone, {} are new: {changed:?}", sum(-1), sum(1)));
        }
    }
    None
}

#[test]
fn late_touches_are_named_and_add_up() {
    for credits in ["", "--set output.credits=false"] {
        let log = Log::new();
        let path = log.file("touchpoints", "2026-01-20");
        let whole = fs::read(&path).expect("a file");
        log.keep(&path, |row| row % 3 != 0);
        let before = log.run(credits);
        fs::write(&path, whole).expect("written");
        let after = log.run(credits);
        let report = diff(&before, &after);
        check(&report, &before, &after);
        assert_eq!(words(&report), ["touches of changed files"]);
        let [file] = &report.inputs[..] else { panic!("one file: {:?}", report.inputs) };
        assert!(file.path.ends_with("2026-01-20.parquet") && file.change == "changed" && file.rows_before < file.rows_after);
        // The longest window is seven days.
        assert!(report.causes[0].days.is_some_and(|days| (1..=9).contains(&days)), "{:?}", report.causes[0].days);
        let recomputed = after.manifest.recomputed.expect("an incremental run");
        assert!(recomputed.conversion_days <= 9 && recomputed.of > 50, "{recomputed:?}");
        // Touches move money; they make none.
        for total in &report.totals {
            assert_eq!(minor(&total.change[0], 2), -minor(&total.unattributed_change[0], 2), "{total:?}");
        }
        assert_eq!(report.conversions.is_empty(), !credits.is_empty());
        assert_eq!(report.causes[0].conversions.is_some(), credits.is_empty());
    }
}

#[test]
fn each_kind_of_change_is_told_apart_by_conversion() {
    let log = Log::new();
    let path = log.file("conversions", "2026-02-01");
    let whole = table(&path);
    let revenue = whole.fields.iter().position(|field| field.name == "revenue").expect("a column");
    let paid: Vec<usize> =
        (0..whole.rows.len()).filter(|row| matches!(whole.rows[*row][revenue], Cell::Int(amount) if amount > 0)).collect();
    log.keep(&path, |row| row != paid[0]);
    let before = log.run("");
    // One comes late, one goes, one is worth more; and touches of a day are gone.
    let mut changed = whole.clone();
    changed.rows[paid[2]][revenue] = Cell::Int(123_456_789);
    changed.rows.remove(paid[1]);
    write_parquet(&path, &changed);
    fs::remove_file(log.file("touchpoints", "2026-01-30")).expect("removed");
    let after = log.run("");
    let report = diff(&before, &after);
    check(&report, &before, &after);
    let mut causes = words(&report);
    causes.sort_unstable();
    assert_eq!(causes, ["changed conversions", "conversions that are gone", "new conversions", "touches of files that are gone"]);
    let count = |words: &str| report.causes.iter().find(|cause| cause.cause == words).and_then(|cause| cause.conversions);
    assert_eq!([count("changed conversions"), count("conversions that are gone"), count("new conversions")], [Some(1); 3]);
    let id = whole.fields.iter().position(|field| field.name == "order_id").expect("a column");
    let Cell::Text(id) = &whole.rows[paid[2]][id] else { panic!("a text") };
    assert_eq!(report.conversions[0].conversion_id, id.to_string(), "{:?}", report.conversions);
}

#[test]
fn without_credits_conversions_are_told_apart_by_their_files() {
    let files = ["conversions of changed files", "conversions of files that are gone", "conversions of new files"];
    // Where a conversion's credit hangs on earlier ones, too, runs do not note of which days a file is.
    let reuse = "--set journey.touch_reuse=\"since_previous_conversion\"";
    for (arguments, several) in [("", &files[..]), (reuse, &["conversions that are new, changed or gone"])] {
        let log = Log::new();
        let [changed, gone, new] = ["2026-01-20", "2026-02-01", "2026-02-10"].map(|day| log.file("conversions", day));
        let late = fs::read(&new).expect("a file");
        fs::remove_file(&new).expect("removed");
        let arguments = format!("--set output.credits=false {arguments}");
        let before = log.run(&arguments);
        fs::write(&new, &late).expect("written");
        let alone = log.run(&arguments);
        let report = diff(&before, &alone);
        check(&report, &before, &alone);
        assert_eq!(words(&report), ["conversions of new files"]);
        log.keep(&changed, |row| row % 3 != 0);
        fs::remove_file(&gone).expect("removed");
        let after = log.run(&arguments);
        let report = diff(&before, &after);
        check(&report, &before, &after);
        let mut causes = words(&report);
        causes.sort_unstable();
        assert_eq!(causes, *several);
    }
}

#[test]
fn settings_are_told_apart_from_inputs_and_from_each_other() {
    let log = Log::new();
    let path = log.file("touchpoints", "2026-01-20");
    log.keep(&path, |row| row % 2 == 0);
    let before = log.run("");
    fs::copy(root().join("sample-data/touchpoints/2026-01-20.parquet"), &path).expect("copied");
    let after = log.run("--set journey.windows=[\"3d\",\"14d\"] --set model.time_decay.half_life=2d --set output.paths=0");
    let report = diff(&before, &after);
    // By the names of the later run.
    let renamed = |channels: Channels| -> Channels {
        channels
            .into_iter()
            .map(|((model, window, channel), amount)| {
                ((model, if window == "7d" { "14d".to_owned() } else { window }, channel), amount)
            })
            .collect()
    };
    let expected = changes(&renamed(by_channel(&before, "revenue")), &by_channel(&after, "revenue"));
    assert_eq!(added_up(&report, 2), expected);
    let mut causes = words(&report);
    causes.sort_unstable();
    assert_eq!(causes, ["lookback windows", "models", "touches of changed files"]);
    let of = |words: &str| report.causes.iter().find(|cause| cause.cause == words).expect("a cause");
    assert!(of("models").channels.iter().all(|change| change.model == "time_decay"));
    assert!(of("lookback windows").channels.iter().all(|change| change.window == "14d"));
    assert_eq!(report.settings.iter().map(|(name, _, _)| name.as_str()).collect::<Vec<_>>(), ["windows", "model time_decay"]);

    // The same, once the inputs are others still: then nobody can tell.
    fs::remove_file(&path).expect("removed");
    let report = diff(&before, &after);
    assert_eq!(added_up(&report, 2), expected);
    assert_eq!(words(&report), ["settings and inputs, which cannot be told apart"]);
    assert!(report.notes[0].contains("2026-01-20.parquet is gone"), "{:?}", report.notes);
}

#[test]
fn days_that_come_and_go_are_their_own_causes() {
    let sample = Sample::new();
    let before = sample.run("--from 2026-02-01 --to 2026-02-05");
    let after = sample.run("--from 2026-02-03 --to 2026-02-08");
    let report = diff(&before, &after);
    check(&report, &before, &after);
    let mut causes = words(&report);
    causes.sort_unstable();
    assert_eq!(causes, ["days that are not computed any more", "days that were not computed before"]);
    let none = diff(&after, &after);
    assert!(none.causes.is_empty() && none.conversions.is_empty() && none.inputs.is_empty());
    assert!(none.tables.iter().all(|table| table.files == table.same_files));
}

#[test]
fn people_and_machines_read_the_same() {
    let sample = Sample::new();
    let before = sample.run("--from 2026-02-01 --to 2026-02-05");
    let after = sample.run("--from 2026-02-01 --to 2026-02-06 --set model.time_decay.half_life=2d");
    let words = |format: &str| {
        let mut command = attributary();
        command.arg("diff").args([&before.folder, &after.folder]).args(["--quiet", "--format", format]);
        shown(&command.output().expect("the binary starts"))
    };
    let (code, text, stderr) = words("text");
    assert_eq!(code, 0, "{stderr}");
    for said in [
        "attributed, by model and window",
        "why (1 of 2), of revenue: days that were not computed before",
        "models",
        "time_decay",
        "conversions that moved most",
        "model time_decay",
    ] {
        assert!(text.contains(said), "no {said:?} in\n{text}");
    }
    let (_, json, _) = words("json");
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["before"]["run_id"], before.manifest.run_id.as_str());
    // The page for people has the same.
    let page = sample.output().join("page.html");
    let mut command = attributary();
    command.arg("report").arg(&after.folder).arg("--against").arg(&before.folder).arg("--output").arg(&page).arg("--quiet");
    let (code, _, stderr) = shown(&command.output().expect("the binary starts"));
    assert_eq!(code, 0, "{stderr}");
    let page = fs::read_to_string(&page).expect("a page");
    for cause in json["causes"].as_array().expect("causes") {
        let (cause, change) = (cause["cause"].as_str().expect("words"), &cause["channels"][0]["change"][0]);
        assert!(page.contains(cause), "no {cause}");
        assert!(page.contains(change.as_str().expect("a decimal")), "no {change}");
    }
    // Nothing is left beside the runs.
    let names = fs::read_dir(sample.output()).expect("a folder").map(|entry| entry.expect("an entry").file_name());
    assert!(names.into_iter().all(|name| !name.to_string_lossy().starts_with(".again")));
    let (code, _, stderr) = shown(&attributary().args(["diff", "no/such", "run"]).output().expect("the binary starts"));
    assert!(code == 3 && stderr.contains("no/such"), "{code} {stderr}");
}

#[test]
fn a_table_of_more_than_channels_will_do() {
    let log = Log::new();
    let path = log.file("touchpoints", "2026-01-20");
    let whole = fs::read(&path).expect("a file");
    log.keep(&path, |row| row % 3 != 0);
    let tables = "--set table=[{name=\"by_campaign\",by=[\"channel\",\"campaign\"]}]";
    let before = log.run(tables);
    fs::write(&path, whole).expect("written");
    let after = log.run(tables);
    let report = diff(&before, &after);
    assert_eq!(words(&report), ["touches of changed files"]);
    // What is shared out goes from some to others, or from what no touch got.
    for model in ["last_non_direct", "time_decay", "custom"] {
        let of_model = report.causes[0].channels.iter().filter(|change| change.model == model);
        assert_eq!(of_model.map(|change| minor(&change.change[0], 2)).sum::<i128>(), 0, "{model}");
    }
}

#[test]
fn spend_that_changed_is_told_by_channel() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let spend = folder.path().join("search.parquet");
    let whole = table(&root().join("sample-data/spend/search.parquet"));
    let mut less = whole.clone();
    less.rows.truncate(whole.rows.len() - 5);
    let sample = Sample::of("pipelines/nightly.toml");
    let arguments = format!("--set spend.search.source={}", spend.display());
    write_parquet(&spend, &less);
    let before = sample.run(&arguments);
    write_parquet(&spend, &whole);
    let after = sample.run(&arguments);
    let report = diff(&before, &after);
    let column = |name: &str| whole.fields.iter().position(|field| field.name == name).expect("a column");
    assert!(report.causes.is_empty(), "{:?}", words(&report));
    let channels: std::collections::BTreeSet<&Cell> =
        whole.rows[whole.rows.len() - 5..].iter().map(|row| &row[column("channel")]).collect();
    assert_eq!(report.spend.len(), channels.len(), "{:?}", report.spend);
    for spend in &report.spend {
        assert_eq!(minor(&spend.after, 2) - minor(&spend.before, 2), minor(&spend.change, 2));
        assert!(channels.contains(&Cell::text(&spend.channel)) && minor(&spend.change, 2) > 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn causes_are_all_that_changed(
        scenario in scenario(),
        nights in prop::collection::vec(prop_oneof![3 => Just([true; 2]), 1 => any::<[bool; 2]>()], 24),
        later in scenario(),
        changed in prop_oneof![2 => Just([false; 2]), 1 => any::<[bool; 2]>()],
    ) {
        if let Err(problem) = play(&scenario, &nights, &later, changed) {
            return Err(TestCaseError::fail(problem));
        }
    }
}

fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(60)
}

/// Two nights, of which the second may have other rows, other windows and other models.
fn play(scenario: &Scenario, nights: &[[bool; 2]], later: &Scenario, changed: [bool; 2]) -> Result<(), String> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut settings = scenario.settings.clone();
    let mut runs = Vec::new();
    for night in [0, 1] {
        let there = |row: usize| nights[row % nights.len()][night];
        let touches: Vec<TouchRow> = present(&scenario.touches, &there);
        let conversions: Vec<ConversionRow> = present(&scenario.conversions, &|row| there(row + 7));
        for file in 0..FILES {
            let path = |source: &str| folder.path().join(source).join(format!("{file}.parquet"));
            write(&path("touchpoints"), &rows::touchpoints_table(&touches, file, &settings.dimensions));
            write(&path("conversions"), &rows::conversions_table(&conversions, file, &settings.values, settings.exponent()));
        }
        if night == 1 && changed[0] && settings.mapped.interaction {
            settings.windows.clone_from(&later.settings.windows);
            settings.interaction_windows.clone_from(&later.settings.interaction_windows);
            settings.calendar_days = later.settings.calendar_days;
        }
        if night == 1 && changed[1] && !scenario.settings.models.is_empty() {
            let last = settings.models.len() - 1;
            settings.models[last].only = None;
        }
        settings.tables.retain(|(name, _)| name != "by_channel");
        settings.tables.push(("by_channel".to_owned(), vec!["channel".to_owned()]));
        let toml = pipeline_file::to_pipeline_toml(&settings, "touchpoints", "conversions", "out");
        let pipeline = folder.path().join("scenario.toml");
        fs::write(&pipeline, &toml).expect("written");
        let options = Options { pipeline, from: settings.from, to: settings.to, threads: Some(2), ..Options::default() };
        let report = attributary_pipeline::run(&options, &Progress::default(), &Interrupt::default());
        let report = report.map_err(|error| format!("{error}\n{toml}"))?;
        runs.push((PublishedRun::read(&report.folder).map_err(|error| error.to_string())?, toml));
    }
    let [(before, _), (after, toml)] = &runs[..] else { panic!("two runs") };
    let report = attributary_pipeline::diff(
        &before.folder,
        &after.folder,
        &Options::default(),
        &Progress::default(),
        &Interrupt::default(),
    );
    let report = match report {
        Ok(report) => report,
        // No window of the one is one of the other, and there are not as many.
        Err(error) if error.to_string().contains("in common") => return Ok(()),
        Err(error) => return Err(format!("{error}\n{toml}")),
    };
    // Windows by the names of the later run; those that are in neither are not compared.
    let mut windows: BTreeMap<&String, &String> = before
        .manifest
        .windows
        .iter()
        .filter(|window| after.manifest.windows.contains(window))
        .map(|window| (window, window))
        .collect();
    let left: Vec<_> = before.manifest.windows.iter().filter(|window| !after.manifest.windows.contains(window)).collect();
    let taken: Vec<_> = after.manifest.windows.iter().filter(|window| !before.manifest.windows.contains(window)).collect();
    if left.len() == taken.len() {
        windows.extend(left.into_iter().zip(taken));
    }
    let value = &settings.values[0];
    let renamed = by_channel(before, value)
        .into_iter()
        .filter_map(|((model, window, channel), amount)| Some(((model, (*windows.get(&window)?).clone(), channel), amount)));
    let mut of_after = by_channel(after, value);
    of_after.retain(|(_, window, _), _| windows.values().any(|known| *known == window));
    let expected = changes(&renamed.collect(), &of_after);
    let found = added_up(&report, settings.exponent());
    if found != expected {
        return Err(format!("{found:?}\nexpected {expected:?}\n{:?}\n{toml}", report.causes));
    }
    if report.causes.iter().any(|cause| cause.channels.is_empty()) {
        return Err(format!("a cause of nothing: {:?}", report.causes));
    }
    wrong_rows(&report, before, after).map_or(Ok(()), |problem| Err(format!("{problem}\n{toml}")))
}

fn present<T: Clone>(all: &[T], there: &impl Fn(usize) -> bool) -> Vec<T> {
    all.iter().enumerate().filter(|(row, _)| there(*row)).map(|(_, row)| row.clone()).collect()
}
