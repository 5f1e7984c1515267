//! The same input gives the same bytes, and parts of a range add up to the whole.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use attributary_core::value::Value;
use attributary_store::read_table;
use attributary_testkit::table::Table;

use crate::sample::{Sample, assert_same_bytes};
use crate::support::{attributary, read_current, root, write_parquet};

#[test]
fn threads_and_memory_change_no_byte() {
    let sample = Sample::new();
    let expected = sample.run("--threads 1");
    let names: Vec<&str> = expected.manifest.tables.iter().map(|table| table.name.as_str()).collect();
    for table in
        ["attributed_revenue", "by_channel", "by_touch_week", "total", "credits", "unattributed", "rejects", "paths", "ledger"]
    {
        assert!(names.contains(&table), "no {table} among {names:?}");
    }
    for arguments in ["--threads 2", "--threads 2 --memory 256MB"] {
        assert_same_bytes(&sample.run(&format!("{arguments} --full")), &expected, "", arguments);
    }
}

#[test]
fn spilling_changes_no_byte() {
    let log = tempfile::tempdir().expect("a temporary folder");
    let size = [
        "--customers",
        "60000",
        "--touches",
        "600000",
        "--conversions",
        "6000",
        "--seed",
        "3",
        "--duplicates",
        "0.01",
        "--quiet",
    ];
    let written = attributary().arg("simulate").arg(log.path().join("log")).args(size).output().expect("the binary starts");
    assert!(written.status.success(), "{written:?}");
    let source = |name: &str| format!("--set {name}.source={}", log.path().join("log").join(name).display());
    let settings = format!("--set output.credits=false {} {}", source("touchpoints"), source("conversions"));
    let (sample, other) = (Sample::new(), Sample::new());
    let (little, report) = sample.report(&format!("--memory 256MB {settings}"));
    assert!(report["spilled_bytes"].as_u64() > Some(0), "nothing was spilled: {report}");
    assert_same_bytes(&little, &other.run(&format!("--memory 2GB {settings}")), "", "spilled");
}

#[test]
fn every_model_gives_the_same_bytes_on_one_thread_and_two() {
    let nightly = Sample::of("pipelines/nightly.toml");
    assert_same_bytes(&nightly.run("--threads 1"), &nightly.run("--threads 2 --full"), "", "one thread and two");
}

/// Columns that stand as they are wanted are decoded without a query; a condition that holds for every row makes a query of them.
#[test]
fn decoding_and_querying_give_the_same_bytes() {
    let always = |source: &str, column: &str| format!("--set {source}.where=coalesce(length({column}),0)>=0");
    let queried = [always("touchpoints", "user_id"), always("conversions", "order_id")].join(" ");
    for range in ["", "--from 2026-02-10 --to 2026-02-20"] {
        for pipeline in ["pipelines/nightly.toml", "pipelines/windows.toml"] {
            let (decoded, other) = (Sample::of(pipeline), Sample::of(pipeline));
            let (decoded, queried) = (decoded.run(range), other.run(&format!("{range} {queried}")));
            assert_same_bytes(&decoded, &queried, "", "decoded and queried");
            assert_eq!(decoded.manifest.rows, queried.manifest.rows);
        }
    }
}

/// A night must not decode the whole history: counted by the bytes that a run says it has read.
#[test]
fn a_day_reads_the_bytes_of_its_window() {
    let read = |arguments: &str| Sample::of("pipelines/nightly.toml").run(arguments).manifest.bytes_read;
    let settings = "--set output.paths=0 --set journey.windows=[\"7d\"]";
    let (whole, day) = (read(settings), read(&format!("{settings} --date 2026-02-20")));
    let share = day.touchpoints as f64 / whole.touchpoints as f64;
    // Eight or nine of some sixty daily files: days begin an hour earlier in the pipeline's zone.
    assert!((0.03..0.10).contains(&share), "{day:?} of {whole:?}");
    assert_eq!(day.conversions, whole.conversions, "ids are unique over all days");
    let files: u64 = std::fs::read_dir(root().join("sample-data/touchpoints"))
        .expect("a folder")
        .map(|entry| entry.expect("an entry").metadata().expect("its size").len())
        .sum();
    assert!(whole.touchpoints < files, "footers and columns that are not mapped are not counted: {whole:?}");
}

#[test]
fn the_order_of_files_and_rows_changes_no_byte() {
    let sources = tempfile::tempdir().expect("a temporary folder");
    for source in ["touchpoints", "conversions"] {
        backwards(&root().join("sample-data").join(source), &sources.path().join(source));
    }
    let source = |name: &str| format!("--set {name}.source={}", sources.path().join(name).display());
    let (sample, other) = (Sample::new(), Sample::new());
    let shuffled = sample.run(&format!("--from 2026-02-10 {} {}", source("touchpoints"), source("conversions")));
    let expected = other.run("--from 2026-02-10");
    assert_same_bytes(&shuffled, &expected, "rejects", "shuffled");
    assert_eq!(shuffled.manifest.rows, expected.manifest.rows);
}

#[test]
fn parts_of_a_range_add_up_to_the_whole() {
    let [whole, before, after] = ["--to 2026-02-20", "--to 2026-02-10", "--from 2026-02-10 --to 2026-02-20"].map(|arguments| {
        let sample = Sample::new();
        sample.run(arguments);
        sample
    });
    for table in ["attributed_revenue", "by_channel", "by_touch_week", "total", "ledger"] {
        let parts = [&before, &after].map(|part| sums(&read_current(part.output(), table)));
        let mut added = BTreeMap::new();
        for (key, sums) in parts.into_iter().flatten() {
            let into = added.entry(key).or_insert_with(|| vec![0; sums.len()]);
            into.iter_mut().zip(sums).for_each(|(into, sum)| *into += sum);
        }
        assert_eq!(added, sums(&read_current(whole.output(), table)), "{table}");
    }
    for table in ["credits", "unattributed"] {
        let [mut added, after, expected] = [&before, &after, &whole].map(|part| read_current(part.output(), table));
        added.rows.extend(after.rows);
        assert!(added.sorted() == expected.sorted(), "{table}");
    }
}

/// Writes every file of a folder with its rows backwards, under names that put the last file first.
fn backwards(from: &Path, to: &Path) {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(from).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    for (place, path) in paths.iter().rev().enumerate() {
        let reader = read_table(path).expect("a table");
        let mut table = Table { fields: reader.fields().to_vec(), rows: Vec::new() };
        for rows in reader {
            let rows = rows.expect("rows");
            table.rows.extend((0..rows.len()).map(|row| rows.columns.iter().map(|column| column.value(row)).collect()));
        }
        table.rows.reverse();
        write_parquet(&to.join(format!("{place:03}.parquet")), &table);
    }
}

/// What a table adds up, by what comes before it.
fn sums(table: &Table) -> BTreeMap<Vec<Value>, Vec<i128>> {
    let keys = table.place("conversions").or_else(|_| table.place("source")).expect("a grouped table or the ledger");
    let number = |cell: &Value| match cell {
        Value::Int(number) => *number,
        other => panic!("expected a number, found {other:?}"),
    };
    table.rows.iter().map(|row| (row[..keys].to_vec(), row[keys..].iter().map(number).collect())).collect()
}
