//! Rows that came later than a source is asked for are left out and counted, alike by both readers, and where whole row groups or
//! files can be passed over.

use std::sync::Mutex;
use std::sync::atomic::Ordering;

use attributary_core::time::{Zone, parse_instant};
use attributary_frames::{AsOf, Progress, TimeBounds, TouchSource};
use polars::prelude::*;

use crate::support::*;

const SECOND: i64 = 1_000_000;
const ROWS: i64 = 5_000;

/// Rows a second apart, of which one comes every two seconds; of every hundredth nobody knows when.
fn frame() -> DataFrame {
    let times: Vec<i64> = (0..ROWS).map(|row| row * SECOND).collect();
    let came: Vec<Option<i64>> = (0..ROWS).map(|row| (row % 100 != 99 || row >= 4_000).then_some(2 * row * SECOND)).collect();
    df!("customer" => (0..ROWS).collect::<Vec<_>>(), "time" => times, "ingested" => came, "channel" => vec!["email"; ROWS as usize])
        .unwrap()
        .lazy()
        .with_columns([cols(["time", "ingested"]).as_expr().cast(DataType::Datetime(TimeUnit::Microseconds, None))])
        .collect()
        .unwrap()
}

/// The rows, how many came later, of how many nobody knows, and the bytes that were read.
fn read(spec: &attributary_frames::SourceSpec, bounds: &TimeBounds) -> (Vec<u64>, u64, u64, u64) {
    let source = TouchSource::open(spec, &touches()).unwrap();
    let (rows, progress) = (Mutex::new(Vec::new()), Progress::default());
    let sink = |batch: attributary_core::batch::TouchBatch| {
        rows.lock().unwrap().extend((0..batch.len()).map(|row| batch.rows.at(row)));
        Ok(())
    };
    source.read(bounds, 2, &progress, &sink).unwrap();
    let mut rows = rows.into_inner().unwrap();
    rows.sort_unstable();
    let all: u64 = source.files().iter().filter_map(|file| file.rows).sum();
    assert_eq!(progress.rows.load(Ordering::Relaxed), all, "progress ends at all rows");
    (rows, progress.later.into_inner(), progress.undated.into_inner(), progress.read.into_inner())
}

#[test]
fn both_readers_leave_out_and_count_the_same_rows() {
    let folder = Folder::new();
    let last = 3_000 * SECOND;
    let known = |row: i64| (row % 100 == 99 && row < 4_000) || 2 * row * SECOND <= last;
    let paths = ["a.parquet", "b.ipc", "c.csv"].map(|name| folder.write(name, &frame()));
    let all = TimeBounds::default();
    let some = |from, to| TimeBounds { from: Some(from * SECOND), to: Some(to * SECOND) };
    for bounds in [all, some(0, ROWS), some(1_200, 4_700), some(0, 1_000), TimeBounds { from: None, to: Some(4_321 * SECOND) }] {
        let inside =
            |row: &i64| bounds.from.is_none_or(|from| from <= row * SECOND) && bounds.to.is_none_or(|to| row * SECOND < to);
        let expected: Vec<u64> = (0..ROWS).filter(inside).filter(|row| known(*row)).map(|row| row as u64).collect();
        let later = (0..ROWS).filter(inside).filter(|row| !known(*row)).count() as u64;
        let undated = (0..ROWS).filter(inside).filter(|row| row % 100 == 99 && *row < 4_000).count() as u64;
        for path in &paths {
            // A column by name is read as it stands in Parquet, a condition and an expression are not.
            for (filter, came) in [(None, name("ingested")), (Some("customer >= 0"), name("ingested")), (None, sql("ingested"))] {
                let as_of = Some(AsOf { last, zone: Zone::utc() });
                let mut spec = spec(path);
                (spec.filter, spec.ingested, spec.as_of) = (filter.map(str::to_owned), Some(came), as_of);
                let (rows, of_later, of_undated, _) = read(&spec, &bounds);
                assert_eq!((&rows, of_later, of_undated), (&expected, later, undated), "{path:?} {bounds:?} {filter:?}");
            }
        }
    }
}

#[test]
fn row_groups_and_folders_that_came_later_are_not_read() {
    let folder = Folder::new();
    let path = folder.write("one/a.parquet", &frame());
    let mut spec = spec(&path);
    spec.ingested = Some(name("ingested"));
    let (whole, later, ..) = read(&spec, &TimeBounds::default());
    assert_eq!((whole.len() as i64, later), (ROWS, 0), "nobody asks");
    spec.as_of = Some(AsOf { last: 10_000 * SECOND, zone: Zone::utc() });
    let (whole, later, _, all) = read(&spec, &TimeBounds::default());
    assert_eq!((whole.len() as i64, later), (ROWS, 0), "all came before");
    spec.as_of = Some(AsOf { last: 3_000 * SECOND, zone: Zone::utc() });
    // The last of five row groups came later as a whole; of the others some rows do not say when.
    let (_, _, _, some) = read(&spec, &TimeBounds::default());
    assert!(some < all, "{some} of {all}");
    let (_, _, _, inside) = read(&spec, &TimeBounds { from: Some(0), to: Some(ROWS * SECOND) });
    assert_eq!(inside, some, "all its times are wanted");

    for day in ["2026-04-03", "2026-04-04", "__HIVE_DEFAULT_PARTITION__"] {
        folder.write(&format!("days/came={day}/a.parquet"), &frame());
    }
    let mut spec = crate::support::spec(&folder.path().join("days"));
    let last = parse_instant("2026-04-03T22:00:00Z", &Zone::utc()).unwrap() - 1;
    spec.ingested = Some(name("came"));
    // It is the 4th in Stockholm an instant later.
    spec.as_of = Some(AsOf { last, zone: Zone::named("Europe/Stockholm").unwrap() });
    let (rows, later, undated, read_bytes) = read(&spec, &TimeBounds::default());
    assert_eq!((rows.len() as i64, later as i64, undated as i64), (2 * ROWS, ROWS, ROWS));
    spec.as_of = Some(AsOf { last: last + 1, zone: Zone::named("Europe/Stockholm").unwrap() });
    let (rows, later, _, all) = read(&spec, &TimeBounds::default());
    assert_eq!((rows.len() as i64, later), (3 * ROWS, 0));
    assert!(read_bytes < all, "{read_bytes} of {all}");
}
