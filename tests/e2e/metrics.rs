//! `--metrics`: a textfile that Prometheus' node exporter takes, of runs that end well and of others.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::sample::Sample;
use crate::support::{attributary, shown};

/// The samples by name and labels as they stand. Fails where the text is not of the exposition format.
fn samples(path: &Path) -> BTreeMap<String, f64> {
    let text = std::fs::read_to_string(path).expect("a file");
    assert!(text.ends_with('\n'));
    let (mut samples, mut typed) = (BTreeMap::new(), None);
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            assert!(
                rest.split_once(' ').is_some_and(|(name, help)| name.starts_with("attributary_") && !help.is_empty()),
                "{line}"
            );
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            typed = rest.strip_suffix(" gauge").map(str::to_owned);
            assert!(typed.is_some(), "{line}");
        } else {
            let (name, number) = line.rsplit_once(' ').expect("a name and a number");
            assert_eq!(name.split('{').next(), typed.as_deref(), "{line}");
            assert!(name.contains("{pipeline=\"sample\"") && name.ends_with("\"}"), "{line}");
            assert!(samples.insert(name.to_owned(), number.parse().expect("a number")).is_none(), "twice: {line}");
        }
    }
    samples
}

#[test]
fn a_run_is_watched_whatever_comes_of_it() {
    let sample = Sample::new();
    let path = sample.output().join("attributary.prom");
    let metrics = format!("--metrics {}", path.display());
    let (run, report) = sample.report(&metrics);
    let found = samples(&path);
    let of = |name: &str| *found.get(name).unwrap_or_else(|| panic!("no {name} among {:?}", found.keys()));
    assert_eq!(of("attributary_last_exit_code{pipeline=\"sample\"}"), 0.0);
    assert_eq!(
        of("attributary_rows_read{pipeline=\"sample\",source=\"touchpoints\"}"),
        run.manifest.rows.touchpoints.read as f64
    );
    assert!(of("attributary_phase_seconds{pipeline=\"sample\",phase=\"walking\"}") >= 0.0);
    for line in report["ledger"].as_array().expect("a ledger") {
        let text = |key: &str| line[key].as_str().expect("a text");
        for part in ["source", "attributed", "unattributed", "rejected", "rounding"] {
            let labels = ["model", "window", "value", "currency"].map(|key| format!("{key}=\"{}\"", text(key))).join(",");
            let name = format!("attributary_amount{{pipeline=\"sample\",{labels},part=\"{part}\"}}");
            assert_eq!(of(&name), text(part).parse::<f64>().expect("a decimal"));
        }
    }
    let success = of("attributary_last_success_timestamp_seconds{pipeline=\"sample\"}");

    let (code, _, stderr) = sample.try_run(&format!("{metrics} --set touchpoints.source=nowhere"));
    assert_eq!(code, 3, "{stderr}");
    let found = samples(&path);
    assert_eq!(found["attributary_last_exit_code{pipeline=\"sample\"}"], 3.0);
    assert_eq!(found["attributary_last_success_timestamp_seconds{pipeline=\"sample\"}"], success);
    assert!(!found.keys().any(|name| name.contains("amount")), "what a run did not compute is not said");
}

#[test]
fn hooks_know_what_came_of_the_run_and_change_nothing() {
    let sample = Sample::new();
    let told = sample.output().join("told");
    let say = |key: &str| {
        let script = format!("env | grep ^ATTRIBUTARY_ | sort > {}; exit 7", told.display());
        // `--set` takes TOML; its words must not hold spaces here.
        format!("--set pipeline.{key}=[\"sh\",\"-c\",\"{}\"]", script.replace(' ', "\\t"))
    };
    let run = sample.run(&say("on_success"));
    let said = std::fs::read_to_string(&told).expect("told");
    for line in [format!("ATTRIBUTARY_RUN_ID={}", run.manifest.run_id), "ATTRIBUTARY_EXIT_CODE=0".to_owned()] {
        assert!(said.contains(&line), "no {line} in\n{said}");
    }
    std::fs::remove_file(&told).expect("removed");
    let (code, _, stderr) =
        sample.try_run(&format!("{} {} --set touchpoints.source=nowhere", say("on_success"), say("on_failure")));
    assert_eq!(code, 3, "{stderr}");
    let said = std::fs::read_to_string(&told).expect("told");
    assert!(
        said.contains("ATTRIBUTARY_EXIT_CODE=3") && said.contains("ATTRIBUTARY_ERROR=") && !said.contains("RUN_ID"),
        "{said}"
    );
    // A hook is no setting: what was computed is gone on from.
    let (_, report) = sample.report("--set output.paths=500");
    assert_eq!(report["recomputed"]["base"], run.manifest.run_id.as_str());
}

#[test]
fn log_lines_say_which_run_and_phase_they_are_of() {
    let sample = Sample::new();
    let mut command = attributary();
    command.args(["run", "tests/pipelines/sample.toml", "--log-format", "json", "-v", "--run-id", "one", "--output"]);
    let (code, _, stderr) = shown(&command.arg(sample.output()).output().expect("the binary starts"));
    assert_eq!(code, 0, "{stderr}");
    let lines: Vec<Value> = stderr.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let phases: Vec<&str> =
        lines.iter().filter(|line| line["message"] == "phase").filter_map(|line| line["span"]["phase"].as_str()).collect();
    assert_eq!(phases, ["conversions", "touchpoints", "walking", "writing"]);
    assert!(lines.iter().filter(|line| line["message"] == "phase").all(|line| line["span"]["run_id"] == "one"), "{stderr}");
    let last = lines.last().expect("a line");
    assert_eq!((&last["message"], &last["run_id"]), (&"published".into(), &"one".into()), "{stderr}");
}

#[test]
fn a_file_that_cannot_be_written_does_not_end_the_run() {
    let sample = Sample::new();
    let (code, _, _) = sample.try_run(&format!("--metrics {}", sample.output().join("no/folder/x.prom").display()));
    assert_eq!(code, 0);
    assert!(sample.output().join("current/manifest.json").is_file());
}
