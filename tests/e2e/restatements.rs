//! `restatements`: what a day was said to be worth first, and each time that something else was said.

use std::path::{Path, PathBuf};

use attributary_core::money::decimal_text;
use attributary_core::time::day_text;
use attributary_core::value::Value;
use attributary_store::PublishedRun;
use tempfile::TempDir;

use crate::support::{attributary, read_current, shown};

const PIPELINE: &str = r#"
[pipeline]
output = "out"
currency = "SEK"

[touchpoints]
source = "touches"
columns = { customer = "customer", time = "time", channel = "channel", ingested = "ingested" }

[conversions]
source = "orders"
columns = { id = "id", customer = "customer", time = "time", ingested = "ingested" }
values = { revenue = "revenue" }

[[model]]
kind = "linear"

[output]
paths = 0
restatements = true
"#;

/// A folder with a log that grows.
struct Log(TempDir);

impl Log {
    fn new() -> Self {
        let log = Self(tempfile::tempdir().expect("a temporary folder"));
        std::fs::write(log.path("p.toml"), PIPELINE).expect("written");
        // Most of a log is people who never buy.
        let others = "nobody,2026-03-01T08:00:00Z,direct,2026-03-01\n".repeat(8);
        log.touches("1", &format!("{others}ann,2026-03-01T08:00:00Z,email,2026-03-01"));
        log.orders("1", "o1,ann,2026-03-01T09:00:00Z,2026-03-01,100.00\no2,bob,2026-03-02T09:00:00Z,2026-03-02,50.05");
        log
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn touches(&self, name: &str, rows: &str) {
        self.write(&format!("touches/{name}.csv"), &format!("customer,time,channel,ingested\n{rows}\n"));
    }

    fn orders(&self, name: &str, rows: &str) {
        self.write(&format!("orders/{name}.csv"), &format!("id,customer,time,ingested,revenue\n{rows}\n"));
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("written");
    }

    fn perform(&self, words: &str) -> (i32, String, String) {
        let mut command = attributary();
        shown(&command.current_dir(self.0.path()).args(words.split_whitespace()).output().expect("the binary starts"))
    }

    #[track_caller]
    fn run(&self, words: &str) -> PublishedRun {
        let (code, stdout, stderr) = self.perform(&format!("run p.toml --format json --quiet {words}"));
        assert_eq!(code, 0, "{stderr}");
        let report: serde_json::Value = serde_json::from_str(&stdout).expect("JSON");
        PublishedRun::read(Path::new(&self.path(report["folder"].as_str().expect("a folder")))).expect("a manifest")
    }

    /// Day, model, version, attributed and unattributed, and what changed of both; the run that said it is looked up.
    fn restatements(&self) -> Vec<String> {
        self.restatements_of("out")
    }

    fn restatements_of(&self, output: &str) -> Vec<String> {
        let amount = |cell: &Value| match cell {
            Value::Int(amount) => decimal_text(*amount, 2),
            _ => "–".to_owned(),
        };
        let table = read_current(&self.path(output), "restatements");
        let row = |row: &Vec<Value>| {
            let Value::Int(day) = row[0] else { panic!("{row:?}") };
            assert!(!row[5].is_null() && !row[6].is_null() && row[11].as_text().is_some_and(|hash| hash.len() == 64), "{row:?}");
            let amounts: Vec<String> = row[7..11].iter().map(amount).collect();
            let version = match row[4] {
                Value::Int(version) => version,
                _ => 0,
            };
            format!("{} {} {version} {}", day_text(day as i32), row[1].as_text().unwrap_or_default(), amounts.join(" "))
        };
        table.rows.iter().map(row).collect()
    }
}

#[test]
fn a_day_that_is_worth_something_else_gets_a_row() {
    let log = Log::new();
    let first = log.run("");
    let published = ["2026-03-01 linear 1 100.00 0.00 – –", "2026-03-02 linear 1 0.00 50.05 – –"];
    assert_eq!(log.restatements(), published);
    log.run("");
    log.run("--full");
    assert_eq!(log.restatements(), published, "the same again is no restatement");
    let table = read_current(&log.path("out"), "restatements");
    assert!(table.rows.iter().all(|row| row[5].as_text() == Some(&first.manifest.run_id)), "each run is named once");

    // A late touch, a late order, a day that is new.
    log.touches("2", "bob,2026-03-02T08:00:00Z,search,2026-03-05");
    log.orders("2", "o3,zoe,2026-03-01T10:00:00Z,2026-03-05,1.00\no4,ann,2026-03-03T10:00:00Z,2026-03-05,2.00");
    let second = log.run("");
    assert!(second.manifest.recomputed.is_some(), "it went on from the run before");
    let restated = [
        "2026-03-01 linear 1 100.00 0.00 – –",
        "2026-03-01 linear 2 100.00 1.00 0.00 1.00",
        "2026-03-02 linear 1 0.00 50.05 – –",
        "2026-03-02 linear 2 50.05 0.00 50.05 -50.05",
        "2026-03-03 linear 1 2.00 0.00 – –",
    ];
    assert_eq!(log.restatements(), restated);

    // Days outside of a run stay as they were said.
    log.orders("3", "o5,zoe,2026-03-01T11:00:00Z,2026-03-05,9.00");
    log.run("--date 2026-03-02");
    assert_eq!(log.restatements(), restated);
    log.run("--from 2026-03-01 --to 2026-03-03 --merge");
    assert_eq!(log.restatements()[2], "2026-03-01 linear 3 100.00 10.00 0.00 9.00");

    // What is gone is nothing, what comes again is something.
    std::fs::remove_file(log.path("orders/2.csv")).expect("removed");
    log.run("");
    assert_eq!(log.restatements()[3], "2026-03-01 linear 4 100.00 9.00 0.00 -1.00");
    assert_eq!(log.restatements().last().expect("a row"), "2026-03-03 linear 2 0.00 0.00 -2.00 0.00");

    // Under another model days are published for the first time.
    log.run("--set model.0.kind=first_touch --set model.0.name=first");
    assert!(log.restatements().contains(&"2026-03-02 first 1 50.05 0.00 – –".to_owned()), "{:?}", log.restatements());
    assert!(log.restatements().contains(&"2026-03-02 linear 2 50.05 0.00 50.05 -50.05".to_owned()));

    let (code, _, stderr) = log.perform("verify out/current --quiet");
    assert_eq!(code, 0, "{stderr}");
}

#[test]
fn history_stays_when_runs_are_removed_and_ends_with_what_was_rolled_back() {
    let log = Log::new();
    let first = log.run("--set output.keep=1");
    log.touches("2", "bob,2026-03-02T08:00:00Z,search,2026-03-05");
    let second = log.run("--set output.keep=1");
    assert!(!log.path("out/runs").join(&first.manifest.run_id).exists());
    let restated = log.restatements();
    assert_eq!(restated.len(), 3, "{restated:?}");
    log.orders("2", "o3,zoe,2026-03-01T10:00:00Z,2026-03-05,1.00");
    log.run("--set output.keep=2");
    assert_eq!(log.restatements().len(), 4);
    let (code, _, stderr) = log.perform(&format!("rollback p.toml {}", second.manifest.run_id));
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(log.restatements(), restated);
}

#[test]
fn a_run_as_it_was_known_is_published_elsewhere_and_restates_nothing() {
    let log = Log::new();
    log.run("");
    log.touches("2", "bob,2026-03-02T08:00:00Z,search,2026-03-05");
    log.run("");
    let restated = log.restatements();
    let (code, _, stderr) = log.perform("run p.toml --as-of 2026-03-04 --quiet");
    assert!(code == 2 && stderr.contains("--as-of: expected --output too"), "{stderr}");
    let known = log.run("--as-of 2026-03-04 --output known");
    assert_eq!(known.manifest.as_of.as_deref(), Some("2026-03-04T23:59:59.999999Z"));
    assert_eq!((known.manifest.rows.touchpoints.read, known.manifest.rows.touchpoints.later), (9, 1));
    assert_eq!(log.restatements_of("known"), [""; 0]);
    assert!(log.run("--as-of 2026-03-04 --output known").manifest.recomputed.is_some(), "known as of the same time");
    let (code, stdout, stderr) = log.perform("run p.toml --as-of 2026-03-05 --output known --format json --quiet");
    assert!(code == 0 && stdout.contains("is as known at 2026-03-04T23:59:59.999999Z"), "{stdout}{stderr}");
    let (code, stdout, stderr) = log.perform("verify known/current --format json --quiet");
    assert!(code == 0 && stdout.contains("\"computed\": true"), "{stdout}{stderr}");
    // Into the pipeline's own output it goes where someone says so; then the next night computes everything.
    log.run("--as-of 2026-03-04 --output out");
    assert_eq!(log.restatements(), restated);
    let (code, _, stderr) = log.perform("run p.toml --date 2026-03-02 --merge --quiet");
    assert!(code == 2 && stderr.contains("is as known at 2026-03-04T23:59:59.999999Z, and this one knows all rows"), "{stderr}");
    assert!(log.run("").manifest.recomputed.is_none());
    assert_eq!(log.restatements(), restated);
    let (code, stdout, stderr) = log.perform("explain p.toml o2 --as-of 2026-03-04 --quiet");
    assert!(code == 0 && stdout.contains("no_touch") && !stdout.contains("search"), "{stdout}{stderr}");
    let (code, stdout, stderr) = log.perform("check p.toml --as-of 2026-03-04");
    assert!(code == 0 && stdout.contains("what came until 2026-03-04T23:59:59.999999Z"), "{stdout}{stderr}");
}

#[test]
fn why_a_run_says_something_else_than_it_was_known_is_told() {
    let log = Log::new();
    log.touches("2", "bob,2026-03-02T08:00:00Z,search,2026-03-05");
    log.orders("2", "o3,zoe,2026-03-01T10:00:00Z,2026-03-05,1.00");
    log.run("--as-of 2026-03-04 --output known");
    log.run("");
    let (code, stdout, stderr) = log.perform("diff known/current out/current --format json --quiet");
    assert_eq!(code, 0, "{stderr}");
    let report: serde_json::Value = serde_json::from_str(&stdout).expect("JSON");
    let causes: Vec<&str> = report["causes"].as_array().expect("causes").iter().filter_map(|it| it["cause"].as_str()).collect();
    assert!(!causes.is_empty(), "{stdout}");
    insta::assert_snapshot!(causes.join("\n"), @r"
    touches that came between the times as of which the runs are known
    touches that came between the times as of which the runs are known, and conversions that are new, changed or gone
    ");
}
