//! The data contract: runs that keep it, runs that break it, and the same verdict however few days are computed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use attributary_core::time::instant_text;
use attributary_core::value::Value;
use attributary_store::{PublishedRun, now, read_table};
use serde_json::Value as Json;
use tempfile::TempDir;

use crate::support::{attributary, read_current, shown};

const PIPELINE: &str = r#"
[pipeline]
currency = "SEK"

[touchpoints]
source = "touchpoints"
where = "kind = 'visit'"
columns = { customer = "who", time = "at", channel = "channel", id = "id" }

[conversions]
source = "conversions"
columns = { id = "id", customer = "who", time = "at" }
values = { revenue = "revenue" }

[journey]
windows = ["2d"]

[[model]]
kind = "linear"

[[model]]
kind = "any_touch"

[output]
paths = PATHS
"#;

/// A log in CSV files, a file a day, and a pipeline without a contract.
struct Log {
    folder: TempDir,
    paths: usize,
}

impl Log {
    fn new(paths: usize) -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder"), paths }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("written");
    }

    /// A day of January 2026: so many customers who visit and buy for 10.00 each.
    fn day(&self, day: u32, customers: u32) {
        let (mut touches, mut orders) = ("who,at,channel,id,kind\n".to_owned(), "id,who,at,revenue\n".to_owned());
        for number in 0..customers {
            let channel = if number % 4 == 3 { "" } else { "search" };
            touches += &format!("c{number},2026-01-{day:02}T08:00:00,{channel},t{day}-{number},visit\n");
            touches += &format!("c{number},2026-01-{day:02}T08:30:00,email,m{day}-{number},mail\n");
            orders += &format!("o{day}-{number},c{number},2026-01-{day:02}T09:00:00,10.00\n");
        }
        self.write(&format!("touchpoints/{day:02}.csv"), &touches);
        self.write(&format!("conversions/{day:02}.csv"), &orders);
    }

    fn command(&self, contract: &str, output: &str, arguments: &str) -> Command {
        self.write("p.toml", &format!("{}\n[quality]\n{contract}\n", PIPELINE.replace("PATHS", &self.paths.to_string())));
        let mut command = attributary();
        command.arg("run").arg(self.path("p.toml")).arg("--output").arg(self.path(output));
        command.args(["--quiet", "--format", "json"]).args(arguments.split_whitespace());
        command
    }

    /// Runs the pipeline with a contract, into a folder.
    fn try_run(&self, contract: &str, output: &str, arguments: &str) -> (i32, String, String) {
        shown(&self.command(contract, output, arguments).output().expect("the binary starts"))
    }

    fn run(&self, contract: &str, output: &str, arguments: &str) -> Json {
        let (code, stdout, stderr) = self.try_run(contract, output, arguments);
        assert_eq!(code, 0, "{stderr}");
        serde_json::from_str(&stdout).expect("JSON")
    }
}

/// What a report says of a check: what was found, and whether it holds.
fn found<'a>(report: &'a Json, check: &str, subject: &str) -> (&'a str, bool) {
    let lines = report["quality"].as_array().expect("a list");
    let line = lines.iter().find(|line| line["check"] == check && line["subject"] == subject);
    let line = line.unwrap_or_else(|| panic!("no {check} of {subject} in {lines:?}"));
    (line["found"].as_str().unwrap_or("nothing"), line["passed"] == true)
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").file_name());
    let mut names: Vec<String> = entries.map(|name| name.to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

const ALL: &str =
    "max_rejected_share = \"20%\"\nmax_unattributed_share = \"20%\"\nmax_not_set_share = \"50%\"\nmin_rows = 4\nunique = true";

#[test]
fn what_holds_is_published_with_what_was_found() {
    let log = Log::new(0);
    log.day(5, 8);
    let report = log.run(ALL, "out", "");
    for subject in ["touchpoints", "conversions"] {
        assert_eq!(found(&report, "max_rejected_share", subject), ("0.000000000", true));
        assert_eq!(found(&report, "min_rows", subject), ("8.000000000", true), "mails are left out by `where`");
        assert_eq!(found(&report, "unique", subject), ("0.000000000", true));
    }
    assert_eq!(found(&report, "max_not_set_share", "linear 2d"), ("0.250000000", true));
    assert_eq!(found(&report, "max_unattributed_share", "any_touch 2d"), ("0.000000000", true));
    let table = read_current(&log.path("out"), "quality");
    let columns: Vec<&str> = table.fields.iter().map(|field| field.name.as_str()).collect();
    assert_eq!(columns, ["check", "subject", "level", "unit", "limit", "found", "passed", "explanation"]);
    assert_eq!(table.rows.len(), 8);
    assert!(table.rows.iter().all(|row| row[6] == Value::Boolean(true)));
    let (code, _, stderr) = shown(
        &attributary().arg("verify").arg(log.path("out/current")).current_dir(log.folder.path()).output().expect("it starts"),
    );
    assert_eq!(code, 0, "{stderr}");
}

#[test]
fn a_broken_contract_publishes_nothing_and_says_why() {
    let log = Log::new(0);
    log.day(5, 8);
    log.run(ALL, "out", "--run-id first");
    log.write(
        "touchpoints/06.csv",
        "who,at,channel,id,kind\n,2026-01-06T08:00:00,search,a,visit\nc1,2026-01-05T08:00:00,search,t5-1,visit\n",
    );
    log.write("conversions/06.csv", "id,who,at,revenue\no5-1,c1,2026-01-06T09:00:00,10.00\n");
    let strict = "max_rejected_share = { touchpoints = \"5%\" }\nunique = true\nmin_rows = { is = 100, level = \"warn\" }";
    for _ in 0..2 {
        let (code, stdout, stderr) = log.try_run(strict, "out", "--run-id second");
        assert_eq!((code, stdout.as_str()), (4, ""), "{stderr}");
        for words in ["2 of 10 rows were rejected: 20 %, at most 5 %", "unique of touchpoints", "second.failed/findings.json"] {
            assert!(stderr.contains(words), "no {words} in {stderr}");
        }
        assert!(!stderr.contains("min_rows"), "a warning is no reason: {stderr}");
        assert_eq!(names(&log.path("out")), [".lock", "current", "runs"], "no litter");
        assert_eq!(names(&log.path("out/runs")), [".ids", "first", "second.failed"]);
        assert_eq!(names(&log.path("out/runs/second.failed")), ["findings.json", "quality"]);
    }
    let current = PublishedRun::read(&log.path("out/current")).expect("a manifest");
    assert_eq!(current.manifest.run_id, "first");
    let findings: Json =
        serde_json::from_slice(&fs::read(log.path("out/runs/second.failed/findings.json")).expect("a file")).expect("JSON");
    assert_eq!((&findings["run_id"], findings["checks"].as_array().map(Vec::len)), (&Json::from("second"), Some(5)));
    let table = read_table(&log.path("out/runs/second.failed/quality/part-0.parquet")).expect("a table");
    assert_eq!(table.rows(), 5);

    // What failed is no run to anyone, and no run can look like it.
    let runs = |arguments: &[&str]| {
        shown(
            &attributary()
                .args(arguments)
                .arg(log.path("p.toml"))
                .arg("--output")
                .arg(log.path("out"))
                .output()
                .expect("it starts"),
        )
    };
    let (code, stdout, stderr) = runs(&["runs", "--format", "json"]);
    assert!(code == 0 && !stdout.contains("failed"), "{stdout}{stderr}");
    let (code, _, stderr) = log.try_run(strict, "out", "--run-id third.failed");
    assert!(code == 2 && stderr.contains("ends with .failed"), "{code} {stderr}");

    // The id is free, and what it left goes with the run that has it.
    let report = log.run("min_rows = { is = 100, level = \"warn\" }", "out", "--run-id second");
    assert_eq!(names(&log.path("out/runs")), [".ids", "first", "second"]);
    assert!(
        report["warnings"].to_string().contains("quality: min_rows of touchpoints: 8 rows were accepted"),
        "{}",
        report["warnings"]
    );
    assert_eq!(report["recomputed"]["base"], "first", "a contract is no setting");
}

#[test]
fn few_days_computed_get_the_verdict_of_all() {
    for paths in [0, 50] {
        let log = Log::new(paths);
        (1..=12).for_each(|day| log.day(day, 8));
        // Of customers who convert, as only theirs are found without paths.
        log.write("touchpoints/twice.csv", "who,at,channel,id,kind\nc1,2026-01-03T08:00:00,search,t3-1,visit\n,2026-01-04T01:00:00,email,x,visit\nc2,,email,y,visit\n");
        let contract = format!(
            "{}\nmax_age = {{ is = \"1h\", level = \"warn\" }}",
            ALL.replace("unique = true", "unique = { is = true, level = \"warn\" }")
        );
        log.run(&contract, "out", "");
        for night in 0..3 {
            match night {
                0 => log.day(13, 16),
                1 => log.write(
                    "touchpoints/late.csv",
                    "who,at,channel,id,kind\nc3,2026-01-13T07:00:00,,late,visit\n,2026-01-13T07:00:00,,later,visit\n",
                ),
                _ => fs::remove_file(log.path("touchpoints/twice.csv")).expect("removed"),
            }
            let some = log.run(&contract, "out", "");
            let all = log.run(&contract, &format!("full{night}"), "");
            let (days, of) = (&some["recomputed"]["conversion_days"], &some["recomputed"]["of"]);
            assert!(*of == 13 && (1..13).contains(&days.as_u64().expect("a number")), "{}", some["recomputed"]);
            // Only what the clock says of its age differs.
            let lines = |report: &Json| -> Vec<Json> {
                let lines = report["quality"].as_array().expect("a list").iter().cloned();
                lines
                    .map(|mut line| {
                        if line["check"] == "max_age" {
                            let words =
                                line["explanation"].as_str().and_then(|words| words.split(',').next()).unwrap_or("").to_owned();
                            (line["explanation"], line["found"]) = (words.into(), Json::Null);
                        }
                        line
                    })
                    .collect()
            };
            assert_eq!(lines(&some), lines(&all), "paths {paths}, night {night}");
        }
        // What changed only in settings that are none is not counted anew.
        assert!(found(&log.run(&contract, "out", ""), "min_rows", "touchpoints").1);
    }
}

#[test]
fn days_of_a_range_are_counted_by_computing_them() {
    let log = Log::new(0);
    (1..=6).for_each(|day| log.day(day, 8));
    let days = "--from 2026-01-04 --to 2026-01-07";
    log.run("min_rows = 1", "out", days);
    let report = log.run("min_rows = 1", "out", days);
    assert_eq!(report["whole_because"], "[quality] counts the touches of a range of days");
    assert_eq!(found(&report, "min_rows", "touchpoints").0, "40.000000000", "with those that the window reaches");
    let report = log.run("min_rows = { conversions = 1 }", "out", days);
    assert_eq!((&report["whole_because"], found(&report, "min_rows", "conversions").0), (&Json::Null, "24.000000000"));
}

#[test]
fn freshness_is_that_of_the_newest_touch_that_is_not_in_the_future() {
    let log = Log::new(0);
    log.day(5, 8);
    log.write("touchpoints/odd.csv", "who,at,channel,id,kind\nc1,2199-01-05T08:00:00,search,odd,visit\n");
    let (code, _, stderr) = log.try_run("max_age = \"90m\"", "out", "");
    assert!(code == 4 && stderr.contains("the newest touch is of 2026-01-05T08:00:00"), "{code} {stderr}");
    // Against the end of the days that were asked for, where they ended before.
    let report = log.run("max_age = \"16h\"", "out", "--to 2026-01-06");
    assert_eq!(found(&report, "max_age", "touchpoints"), ("57600.000000000", true));
    assert_eq!(log.try_run("max_age = \"15h\"", "out", "--to 2026-01-06").0, 4);
}

#[test]
fn a_touch_of_the_future_is_the_newest_once_its_time_has_come() {
    let log = Log::new(0);
    (1..=5).for_each(|day| log.day(day, 8));
    let day = 86_400;
    let to_come = [1, 3].map(|days| instant_text(now() + days * day * 1_000_000));
    let rows: String = to_come.iter().map(|time| format!("c1,{time},search,{time},visit\n")).collect();
    log.write("touchpoints/odd.csv", &format!("who,at,channel,id,kind\nc1,,search,odd,visit\n{rows}"));
    let contract = "max_age = { is = \"1h\", level = \"warn\" }\nmin_rows = { touchpoints = 42 }\nmax_rejected_share = \"20%\"";
    let night = |output: &str, days: i64| -> Json {
        let mut command = log.command(contract, output, "");
        let (code, stdout, stderr) =
            shown(&command.env("ATTRIBUTARY_CLOCK", (days * day).to_string()).output().expect("the binary starts"));
        assert_eq!(code, 0, "{stderr}");
        serde_json::from_str(&stdout).expect("JSON")
    };
    let newest = |report: &Json| {
        let lines = report["quality"].as_array().expect("a list");
        let line = lines.iter().find(|line| line["check"] == "max_age").expect("a check");
        line["explanation"].as_str().and_then(|words| words.split(',').next()).expect("words").to_owned()
    };
    let nights = [(0, "2026-01-05T08:00:00Z"), (2, &*to_come[0]), (2, &*to_come[0]), (4, &*to_come[1])];
    for (number, (days, expected)) in nights.into_iter().enumerate() {
        let (some, all) = (night("out", days), night(&format!("full{number}"), days));
        assert_eq!(newest(&some), format!("the newest touch is of {expected}"), "after {days} days");
        for (check, subject) in [("min_rows", "touchpoints"), ("max_rejected_share", "touchpoints")] {
            assert_eq!(found(&some, check, subject), found(&all, check, subject), "after {days} days");
        }
        if days > 0 {
            assert_eq!(some["recomputed"]["conversion_days"], 0, "{}", some["recomputed"]);
        }
    }
}

#[test]
fn a_day_is_compared_with_its_weekday() {
    let log = Log::new(0);
    (1..=29).for_each(|day| log.day(day, if day == 29 { 3 } else { 8 }));
    let contract = "max_change = { revenue = \"50%\" }";
    // The last day of the range has its weekdays 1, 8, 15 and 22 before it in the run itself.
    let (code, _, stderr) = log.try_run(contract, "out", "--to 2026-01-30");
    assert!(
        code == 4 && stderr.contains("2026-01-29 has 30.00, the median of 4 same weekdays before is 80.000: 62.5 % off"),
        "{code} {stderr}"
    );
    assert_eq!(found(&log.run(contract, "out", "--to 2026-01-29"), "max_change", "revenue"), ("0.000000000", true));
    // A run of one day knows the others from earlier runs, as far as there are enough of them.
    for (day, expected) in [(1, "nothing"), (8, "nothing"), (15, "nothing"), (22, "0.000000000")] {
        let report = log.run(contract, "days", &format!("--date 2026-01-{day:02}"));
        assert_eq!(found(&report, "max_change", "revenue"), (expected, true), "{}", report["quality"]);
    }
    assert_eq!(log.try_run(contract, "days", "--date 2026-01-29").0, 4);
    // As does one that is merged.
    log.run(contract, "merged", "--to 2026-01-29");
    assert_eq!(log.try_run(contract, "merged", "--date 2026-01-29 --merge").0, 4);
}

#[test]
fn findings_go_as_runs_go() {
    let log = Log::new(0);
    log.day(5, 8);
    let keep = "--set output.keep=2";
    for id in ["a", "b", "c"] {
        assert_eq!(log.try_run("min_rows = 100", "out", &format!("{keep} --run-id {id}")).0, 4);
    }
    fs::create_dir(log.path("out/runs/mine.failed")).expect("someone's folder");
    log.run("min_rows = 1", "out", &format!("{keep} --run-id d"));
    assert_eq!(names(&log.path("out/runs")), [".ids", "b.failed", "c.failed", "d", "mine.failed"]);
}

#[test]
fn a_hook_is_told_where_the_findings_are() {
    let log = Log::new(0);
    log.day(5, 8);
    let script = format!("env | grep ^ATTRIBUTARY_ > {}", log.path("told").display()).replace(' ', "\\t");
    let hook = format!("--run-id a --set pipeline.on_failure=[\"sh\",\"-c\",\"{script}\"]");
    assert_eq!(log.try_run("min_rows = 100", "out", &hook).0, 4);
    let told = fs::read_to_string(log.path("told")).expect("told");
    let output = log.path("out");
    let expected = [
        "ATTRIBUTARY_EXIT_CODE=4".to_owned(),
        format!("ATTRIBUTARY_OUTPUT={}", output.display()),
        format!("ATTRIBUTARY_FINDINGS={}", output.join("runs/a.failed").display()),
    ];
    expected.iter().for_each(|line| assert!(told.lines().any(|told| told == line), "no {line} in\n{told}"));
}
