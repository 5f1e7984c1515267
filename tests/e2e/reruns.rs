//! Runs made again: `verify` proves one, `backfill` makes history of many.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::Value;

use crate::sample::{Sample, assert_same_bytes};
use crate::support::{attributary, root, shown};

/// Runs a command and gives exit code, stdout and stderr.
fn command(words: &[&str]) -> (i32, String, String) {
    shown(&attributary().args(words).arg("--quiet").output().expect("the binary starts"))
}

fn verify(run: &Path, more: &[&str]) -> (i32, String, String) {
    let run = run.display().to_string();
    command(&[&["verify", &run, "--format", "json"], more].concat())
}

#[test]
fn a_run_is_proved_however_it_was_made() {
    let sample = Sample::new();
    let current = sample.output().join("current");
    sample.run("--from 2026-02-01 --to 2026-02-05");
    // Days put in place, and a night that takes all days over.
    for arguments in ["", "--date 2026-02-05 --merge", "--from 2026-02-01 --to 2026-02-06"] {
        if !arguments.is_empty() {
            sample.run(arguments);
        }
        let (code, stdout, stderr) = verify(&current, &[]);
        assert_eq!(code, 0, "{arguments}\n{stderr}");
        let report: Value = serde_json::from_str(&stdout).expect("JSON");
        assert_eq!((&report["computed"], &report["run_id"]), (&Value::Bool(true), &sample.current().manifest.run_id.into()));
    }
    let (code, stdout, _) = command(&["verify", &current.display().to_string()]);
    assert_eq!(code, 0);
    assert!(stdout.starts_with("verified:") && stdout.contains("the same bytes in all"), "{stdout}");
    // What it computed beside the runs is gone.
    let left = fs::read_dir(sample.output()).expect("a folder").map(|entry| entry.expect("an entry").file_name());
    assert!(left.into_iter().all(|name| !name.to_string_lossy().starts_with(".again")));
}

#[test]
fn a_damaged_file_is_named() {
    let sample = Sample::new();
    let run = sample.run("--from 2026-02-01 --to 2026-02-03");
    let file = run.folder.join("by_channel/part-0.parquet");
    let mut bytes = fs::read(&file).expect("a file");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, bytes).expect("written");
    for more in [&[][..], &["--files-only"]] {
        let (code, _, stderr) = verify(&run.folder, more);
        assert_eq!(code, 3, "{stderr}");
        assert!(stderr.contains("by_channel/part-0.parquet is not what was written"), "{stderr}");
    }
    fs::remove_file(&file).expect("removed");
    let (code, _, stderr) = verify(&run.folder, &["--files-only"]);
    assert!(code == 3 && stderr.contains("by_channel/part-0.parquet cannot be read"), "{stderr}");
}

#[test]
fn inputs_that_changed_prove_nothing() {
    let (sample, log) = (Sample::new(), tempfile::tempdir().expect("a temporary folder"));
    let folder = log.path().join("touchpoints");
    fs::create_dir(&folder).expect("made");
    for entry in fs::read_dir(root().join("sample-data/touchpoints")).expect("a folder") {
        let entry = entry.expect("an entry");
        fs::copy(entry.path(), folder.join(entry.file_name())).expect("copied");
    }
    sample.run(&format!("--set touchpoints.source={}", folder.display()));
    let current = sample.output().join("current");
    assert_eq!(verify(&current, &[]).0, 0);
    fs::remove_file(folder.join("2026-01-15.parquet")).expect("removed");
    fs::copy(folder.join("2026-01-16.parquet"), folder.join("2026-01-17.parquet")).expect("copied");
    let (code, _, stderr) = verify(&current, &[]);
    assert_eq!(code, 3, "{stderr}");
    for said in ["2026-01-15.parquet is gone", "2026-01-17.parquet is not what it was", "--files-only"] {
        assert!(stderr.contains(said), "no {said:?} in\n{stderr}");
    }
    assert_eq!(verify(&current, &["--files-only"]).0, 0);
}

#[test]
fn what_the_inputs_do_not_give_is_seen() {
    let sample = Sample::new();
    let run = sample.run("--from 2026-02-01 --to 2026-02-03");
    // Files and manifest agree with each other, not with the inputs: another table's bytes under this one's name.
    let (from, to) = (run.folder.join("total/part-0.parquet"), run.folder.join("by_channel/part-0.parquet"));
    fs::copy(from, to).expect("copied");
    let manifest = run.folder.join("manifest.json");
    let mut json: Value = serde_json::from_slice(&fs::read(&manifest).expect("a manifest")).expect("JSON");
    let total = json["tables"].as_array().expect("tables").iter().find(|table| table["name"] == "total").expect("total").clone();
    for table in json["tables"].as_array_mut().expect("tables") {
        if table["name"] == "by_channel" {
            for key in ["sha256", "bytes", "rows"] {
                table["files"][0][key] = total["files"][0][key].clone();
            }
        }
    }
    fs::write(&manifest, json.to_string()).expect("written");
    assert_eq!(verify(&run.folder, &["--files-only"]).0, 0);
    let (code, _, stderr) = verify(&run.folder, &[]);
    assert_eq!(code, 1, "{stderr}");
    assert!(stderr.contains("is not what its inputs give: other bytes in by_channel"), "{stderr}");
}

#[test]
fn paths_that_are_meant_from_a_folder_are_looked_for_there() {
    let output = tempfile::tempdir().expect("a temporary folder");
    let run = shown(
        &attributary()
            .args(["run", "pipelines/windows.toml", "--quiet", "--date", "2026-02-03", "--output"])
            .arg(output.path())
            .output()
            .expect("the binary starts"),
    );
    assert_eq!(run.0, 0, "{}", run.2);
    let current = output.path().join("current");
    assert_eq!(verify(&current, &[]).0, 0);
    let mut elsewhere = attributary();
    elsewhere.current_dir(output.path()).arg("verify").arg(&current);
    let (code, _, stderr) = shown(&elsewhere.output().expect("the binary starts"));
    assert!(code == 3 && stderr.contains("pipelines/windows.toml is meant from there"), "{code}: {stderr}");
}

fn backfill(sample: &Sample, more: &[&str]) -> Value {
    let pipeline = root().join("tests/pipelines/sample.toml").display().to_string();
    let output = sample.output().display().to_string();
    let words = ["backfill", &pipeline, "--output", &output, "--from", "2026-01-30", "--to", "2026-02-10", "--format", "json"];
    let (code, stdout, stderr) = command(&[&words, more].concat());
    assert_eq!(code, 0, "{stderr}");
    serde_json::from_str(&stdout).expect("JSON")
}

/// For each step its first day and whether it was computed now.
fn steps(report: &Value) -> Vec<(String, bool)> {
    let steps = report["steps"].as_array().expect("steps").iter();
    steps.map(|step| (step["from"].as_str().expect("a day").to_owned(), step["run_id"].is_string())).collect()
}

#[test]
fn history_in_steps_is_one_run_and_goes_on_where_it_was() {
    let (sample, whole) = (Sample::new(), Sample::new());
    let expected = whole.run("--from 2026-01-30 --to 2026-02-10");
    let report = backfill(&sample, &["--step", "week"]);
    let weeks = ["2026-01-30", "2026-02-02", "2026-02-09"];
    assert_eq!(steps(&report), weeks.map(|week| (week.to_owned(), true)));
    assert_same_bytes(&sample.current(), &expected, "", "weeks");
    assert_eq!(report["range"], serde_json::json!(["2026-01-30", "2026-02-10"]));

    // As one that was killed behind its second step leaves it.
    let second = report["steps"][1]["run_id"].as_str().expect("a run");
    let current = sample.output().join("current");
    fs::remove_file(&current).expect("removed");
    symlink(Path::new("runs").join(second), &current).expect("linked");
    let report = backfill(&sample, &["--step", "week"]);
    assert_eq!(
        steps(&report),
        [("2026-01-30", false), ("2026-02-02", false), ("2026-02-09", true)].map(|(day, done)| (day.to_owned(), done))
    );
    assert_same_bytes(&sample.current(), &expected, "", "gone on");

    // Complete: whoever starts it once more wants all of it.
    assert!(steps(&backfill(&sample, &["--step", "month"])).iter().all(|(_, computed)| *computed));
    assert_same_bytes(&sample.current(), &expected, "", "again");
    let first = backfill(&sample, &["--step", "month"])["steps"][0]["run_id"].as_str().expect("a run").to_owned();
    fs::remove_file(&current).expect("removed");
    symlink(Path::new("runs").join(first), &current).expect("linked");
    assert!(steps(&backfill(&sample, &["--step", "month", "--restart"])).iter().all(|(_, computed)| *computed));
}

#[test]
fn a_backfill_wants_both_ends() {
    let pipeline = root().join("tests/pipelines/sample.toml").display().to_string();
    let (code, _, stderr) = command(&["backfill", &pipeline, "--from", "2026-02-01"]);
    assert!(code == 2 && stderr.contains("--to <DAY>"), "{stderr}");
    let (code, _, stderr) = command(&["backfill", &pipeline, "--from", "2026-02-01", "--to", "2026-02-01"]);
    assert!(code == 2 && stderr.contains("expected --from before --to"), "{stderr}");
}
