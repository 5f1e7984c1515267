//! Every file of `tests/cases` through the real binary.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use attributary_core::value::Value;
use attributary_testkit::cases::{Case, Expectation};

use crate::support::{read_current, run, write_parquet};

#[test]
fn the_binary_gives_what_every_case_expects() {
    let cases = Case::all(&Case::folder()).expect("cases that can be read");
    assert!(cases.len() >= 45, "only {} cases", cases.len());
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(problem) = try_case(case) {
                wrong.lock().expect("no thread panics").push(format!("{} ({}): {problem}", case.name, case.title));
            }
        }
    };
    std::thread::scope(|scope| (0..2).for_each(|_| drop(scope.spawn(work))));
    let wrong = wrong.into_inner().expect("no thread panics");
    assert!(wrong.is_empty(), "{} of {} cases are wrong\n\n{}", wrong.len(), cases.len(), wrong.join("\n\n"));
}

/// Runs the case, and holds the tables that were published against what it expects.
fn try_case(case: &Case) -> Result<(), String> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_parquet(&folder.path().join("touchpoints.parquet"), &case.touchpoints);
    write_parquet(&folder.path().join("conversions.parquet"), &case.conversions);
    case.further.iter().for_each(|(name, table)| write_parquet(&folder.path().join(name), table));
    let pipeline = folder.path().join("case.toml");
    std::fs::write(&pipeline, case.pipeline_toml("touchpoints.parquet", "conversions.parquet", "out")).expect("written");
    let mut arguments = vec!["run", pipeline.to_str().expect("a path of text"), "--quiet", "--format", "json"];
    arguments.extend(case.run.iter().map(String::as_str));
    let (code, stdout, stderr) = run(&arguments);
    if code != 0 {
        return Err(format!("exit code {code}\n{stderr}"));
    }
    let output = folder.path().join("out");
    let check = |expected: &Expectation| {
        let there = output.join("current").join(&expected.table).is_dir();
        if there {
            expected.check(&read_current(&output, &expected.table)).err()
        } else {
            Some(format!("no table {}", expected.table))
        }
    };
    let mut wrong: Vec<String> = case.expected.iter().filter_map(check).collect();
    wrong.extend(unbalanced(&output));
    let report: serde_json::Value = serde_json::from_str(&stdout).expect("JSON");
    let warnings: Vec<&str> = report["warnings"].as_array().into_iter().flatten().filter_map(|it| it.as_str()).collect();
    let as_wanted = warnings.len() == case.warnings.len()
        && warnings.iter().zip(&case.warnings).all(|(found, part)| found.contains(part.as_str()));
    if !as_wanted {
        wrong.push(format!("expected the warnings {:?}, found {warnings:?}", case.warnings));
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

/// What is wrong with the ledger of the current run, if anything.
pub fn unbalanced(output: &Path) -> Option<String> {
    let ledger = read_current(output, "ledger");
    let difference = ledger.place("difference").expect("a column");
    let differing = ledger.rows.iter().any(|row| row[difference] != Value::Int(0));
    let lines: BTreeSet<_> = ledger.rows.iter().map(|row| &row[..3]).collect();
    let doubled = lines.len() != ledger.rows.len();
    (differing || doubled || lines.is_empty())
        .then(|| format!("ledger: expected one line each, without a difference, found\n{}", ledger.text()))
}
