//! What brought the conversions of a log stands beside it, the same in every form of the log.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::Path;

use attributary_core::value::Value;
use attributary_simulate::{Currency, KeyKind, Layout, Preset, Settings, simulate};
use attributary_store::read_table;

fn shop() -> Settings {
    let shop = Settings { customers: 3_000, touches: 20_000, conversions: Some(2_000), days: 40, ..Settings::default() };
    Settings { seed: 5, duplicates: 0.02, nulls: 0.02, truth: true, ..shop }
}

#[test]
fn the_truth_is_the_same_whatever_the_threads() {
    for settings in [shop(), Settings { preset: Preset::B2b, layout: Layout::Events, files: Some(7), spend: true, ..shop() }] {
        let one = files(written(&Settings { threads: Some(1), ..settings.clone() }).path());
        assert!(one == files(written(&Settings { threads: Some(2), ..settings.clone() }).path()));
        let other = files(written(&Settings { seed: 6, ..settings }).path());
        assert!(one.iter().all(|(name, bytes)| other[name] != *bytes));
    }
}

#[test]
fn touches_are_what_they_are_without_it() {
    for preset in [Preset::B2c, Preset::B2b] {
        let after = files(written(&Settings { preset, ..shop() }).path());
        let before = files(written(&Settings { preset, truth: false, ..shop() }).path());
        assert_eq!(after.len(), before.len() + 1);
        let touches = |(name, _): &(&String, &Vec<u8>)| name.starts_with("touchpoints");
        assert!(
            before.iter().filter(touches).count() == 40 && before.iter().filter(touches).all(|(name, it)| after[name] == *it)
        );
        assert!(!before.contains_key("truth.parquet"));
    }
}

#[test]
fn the_truth_is_the_same_in_every_form_of_the_log() {
    let plain = truth(written(&shop()).path());
    for keys in [KeyKind::Hex16, KeyKind::Integer] {
        assert_eq!(truth(written(&Settings { keys, ..shop() }).path()), plain);
    }
    let settings = Settings { layout: Layout::Events, currencies: vec![Currency::Sek, Currency::Eur], nulls: 0.3, ..shop() };
    assert_eq!(truth(written(&settings).path()), plain);
}

#[test]
fn channels_stand_by_name_and_add_up() {
    for (preset, channels, none, pair) in [
        (Preset::B2c, 10, ["affiliate", "direct"], ["paid_search", "social"]),
        (Preset::B2b, 40, ["direct", "display"], ["email", "linkedin"]),
    ] {
        let folder = written(&Settings { preset, channels, ..shop() });
        let reader = read_table(&folder.path().join("truth.parquet")).expect("a table");
        let columns: Vec<_> = reader.fields().iter().map(|field| format!("{} {}", field.name, field.kind)).collect();
        assert_eq!(
            columns,
            [
                "channel text",
                "effect int64",
                "half_life_hours float64",
                "alone int64",
                "with_another int64",
                "incremental_conversions int64"
            ]
        );
        let mut rows = truth(folder.path());
        let conversions: HashSet<Value> =
            table_rows(folder.path(), "conversions").into_iter().map(|row| row[0].clone()).collect();
        let sum = |column: usize| rows.iter().map(|row| int(&row[column])).sum::<i128>();
        assert_eq!(sum(3) + sum(4) / 2, conversions.len() as i128);

        let baseline = rows.pop().expect("a row");
        assert_eq!(baseline[..3], [Value::text("(baseline)"), Value::Null, Value::Null]);
        assert!(int(&baseline[3]) > 500 && int(&baseline[4]) == 0, "{baseline:?}");
        assert_eq!(rows.len(), channels as usize);
        assert!(rows.is_sorted_by(|one, other| one[0] < other[0]));
        for row in &rows {
            let name = row[0].as_text().expect("a name");
            assert_eq!(int(&row[5]), int(&row[3]) + int(&row[4]), "{row:?}");
            assert_eq!(int(&row[4]) > 0, pair.contains(&name), "{row:?}");
            // Who has no effect brings nothing, and everyone else something.
            assert_eq!(int(&row[1]) == 0, none.contains(&name), "{row:?}");
            assert_eq!(int(&row[5]) == 0, int(&row[1]) == 0, "{row:?}");
            assert_eq!(row[2].is_null(), int(&row[1]) == 0, "{row:?}");
        }
        assert!(rows.iter().any(|row| int(&row[1]) == 100));
    }
}

fn written(settings: &Settings) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let summary = simulate(folder.path(), settings, &|_| ()).expect("a log");
    let files = files(folder.path());
    assert_eq!((summary.files, summary.bytes), (files.len() as u64, files.values().map(|it| it.len() as u64).sum()));
    folder
}

/// Every file by its path within the folder.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let (mut files, mut paths) = (BTreeMap::new(), vec![folder.to_owned()]);
    while let Some(path) = paths.pop() {
        if path.is_dir() {
            paths.extend(fs::read_dir(&path).expect("a folder").map(|entry| entry.expect("an entry").path()));
        } else {
            let name = path.strip_prefix(folder).expect("within").to_string_lossy().into_owned();
            files.insert(name, fs::read(&path).expect("bytes"));
        }
    }
    files
}

fn truth(folder: &Path) -> Vec<Vec<Value>> {
    table(&folder.join("truth.parquet"))
}

fn table_rows(folder: &Path, name: &str) -> Vec<Vec<Value>> {
    let entries = fs::read_dir(folder.join(name)).expect("a table");
    entries.flat_map(|entry| table(&entry.expect("a file").path())).collect()
}

fn table(path: &Path) -> Vec<Vec<Value>> {
    let parts = read_table(path).expect("a table").map(|rows| rows.expect("rows"));
    let row = |rows: &attributary_core::table::Rows, row| rows.columns.iter().map(|column| column.value(row)).collect();
    parts.flat_map(|rows| (0..rows.len()).map(|place| row(&rows, place)).collect::<Vec<_>>()).collect()
}

fn int(value: &Value) -> i128 {
    match value {
        Value::Int(int) => *int,
        other => panic!("{other:?} is no integer"),
    }
}
