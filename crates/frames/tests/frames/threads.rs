//! Any number of threads gives the same rows once; bounds; and how a read ends before its end.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use attributary_core::batch::NO_TIME;
use attributary_core::time::Zone;
use attributary_frames::{FrameError, Progress, Stop, TimeBounds, TouchSource};
use polars::prelude::*;

use crate::support::*;

const DAY: i64 = 86_400_000_000;

fn log(rows: i64, kind: &DataType) -> DataFrame {
    let times = Column::new(
        "time".into(),
        (0..rows).map(|row| if row % 11 == 3 { None } else { Some(row * DAY / 50) }).collect::<Vec<_>>(),
    );
    let times = match kind {
        DataType::Date => times.cast(&DataType::Datetime(TimeUnit::Microseconds, None)).unwrap().cast(kind).unwrap(),
        DataType::Datetime(unit, zone) => times
            .cast(&DataType::Datetime(TimeUnit::Microseconds, zone.clone()))
            .unwrap()
            .cast(&DataType::Datetime(*unit, zone.clone()))
            .unwrap(),
        other => times.cast(&DataType::Datetime(TimeUnit::Microseconds, None)).unwrap().cast(other).unwrap(),
    };
    let mut frame = df!(
        "customer" => (0..rows).map(|row| format!("customer number {}", row % 97)).collect::<Vec<_>>(),
        "channel" => (0..rows).map(|row| ["email", "direct", "", "search"][row as usize % 4]).collect::<Vec<_>>(),
    )
    .unwrap();
    frame.with_column(times).unwrap();
    frame
}

#[test]
fn every_row_arrives_once_whatever_the_threads() {
    let folder = Folder::new();
    let micros = DataType::Datetime(TimeUnit::Microseconds, None);
    for file in 0..5 {
        folder.write(&format!("{file}.parquet"), &log(20_000 + file * 777, &micros));
    }
    folder.write("6.ipc", &log(150_000, &micros));
    let mut mapping = touches();
    mapping.predicates = vec![predicate("channel = '(not set)'"), predicate("channel < 'e'")];
    let one = read_touches_within(&spec(folder.path()), &mapping, &TimeBounds::default(), 1).unwrap();
    assert_eq!(one.len(), 100_000 + 7_770 + 150_000);
    assert!(one.windows(2).all(|pair| (pair[0].file, pair[0].row + 1) == (pair[1].file, pair[1].row) || pair[1].row == 0));
    for threads in [2, 3, 8] {
        let many = read_touches_within(&spec(folder.path()), &mapping, &TimeBounds::default(), threads).unwrap();
        assert!(one == many, "{threads} threads");
    }
}

#[test]
fn bounds_hand_on_exactly_the_rows_within() {
    let utc = TimeZone::opt_try_new(Some("UTC")).unwrap();
    let kinds = [
        DataType::Datetime(TimeUnit::Microseconds, None),
        DataType::Datetime(TimeUnit::Milliseconds, utc),
        DataType::Datetime(TimeUnit::Nanoseconds, None),
        DataType::Date,
        DataType::String,
    ];
    for kind in kinds {
        let folder = Folder::new();
        folder.write("a.parquet", &log(5_000, &kind));
        folder.write("b.ipc", &log(500, &kind));
        for zone in ["UTC", "America/New_York"] {
            let mut spec = spec(folder.path());
            spec.zone = Zone::named(zone).unwrap();
            let all = read_touches(&spec, &touches()).unwrap();
            for (from, to) in
                [(Some(10 * DAY), Some(60 * DAY)), (Some(99 * DAY), None), (None, Some(3 * DAY + 1)), (Some(200 * DAY), None)]
            {
                let bounds = TimeBounds { from, to };
                let within = |time: i64| {
                    if time == NO_TIME {
                        from.is_none()
                    } else {
                        from.is_none_or(|from| from <= time) && to.is_none_or(|to| time < to)
                    }
                };
                let expected: Vec<_> = all.iter().filter(|touch| within(touch.time)).cloned().collect();
                let found = read_touches_within(&spec, &touches(), &bounds, 2).unwrap();
                assert!(found == expected, "{kind} {zone} {bounds:?}: {} for {}", found.len(), expected.len());
            }
        }
    }
}

#[test]
fn times_beyond_the_calendar_pass_without_a_start_only() {
    let folder = Folder::new();
    let cells = [i64::MIN, -62_135_596_800_000_001, 0, 253_402_300_800_000_000, i64::MAX];
    let mut frame = df!("customer" => ["a"; 5], "channel" => ["b"; 5]).unwrap();
    frame
        .with_column(Column::new("time".into(), cells).cast(&DataType::Datetime(TimeUnit::Microseconds, None)).unwrap())
        .unwrap();
    folder.write("a.parquet", &frame);
    let rows = |from, to| {
        let bounds = TimeBounds { from, to };
        let rows = read_touches_within(&spec(folder.path()), &touches(), &bounds, 1).unwrap();
        rows.iter().map(|touch| touch.row).collect::<Vec<_>>()
    };
    assert_eq!(rows(None, None), [0, 1, 2, 3, 4]);
    assert_eq!(rows(None, Some(-1)), [0, 1, 3, 4]);
    assert_eq!(rows(Some(-1), None), [2]);
}

#[test]
fn the_sink_can_stop_a_read() {
    let folder = Folder::new();
    for file in 0..6 {
        folder.write(&format!("{file}.parquet"), &log(300_000, &DataType::Datetime(TimeUnit::Microseconds, None)));
    }
    for threads in [1, 4] {
        let source = TouchSource::open(&spec(folder.path()), &touches()).unwrap();
        let batches = AtomicUsize::new(0);
        let outcome = source.read(&TimeBounds::default(), threads, &Progress::default(), &|_| {
            if batches.fetch_add(1, Ordering::SeqCst) == 2 { Err(Stop) } else { Ok(()) }
        });
        assert_eq!(outcome, Err(FrameError::Stopped));
        assert!(batches.into_inner() < 18, "it stops soon");
    }
}

#[test]
fn a_panic_of_the_sink_comes_out_and_nothing_hangs() {
    let folder = Folder::new();
    for file in 0..4 {
        folder.write(&format!("{file}.parquet"), &log(200_000, &DataType::Datetime(TimeUnit::Microseconds, None)));
    }
    let source = TouchSource::open(&spec(folder.path()), &touches()).unwrap();
    for threads in [1, 3] {
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            source.read(&TimeBounds::default(), threads, &Progress::default(), &|_| panic!("the sink's own"))
        }));
        let text = outcome.err().and_then(|panic| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        assert_eq!(text.as_deref(), Some("the sink's own"));
    }
}

#[test]
fn two_reads_at_once_do_not_meet() {
    let folder = Folder::new();
    folder.write("a.parquet", &log(100_000, &DataType::Datetime(TimeUnit::Microseconds, None)));
    let source = TouchSource::open(&spec(folder.path()), &touches()).unwrap();
    let counts = Mutex::new(vec![0; 3]);
    std::thread::scope(|scope| {
        for reader in 0..3 {
            let (source, counts) = (&source, &counts);
            scope.spawn(move || {
                source
                    .read(&TimeBounds::default(), 2, &Progress::default(), &|batch| {
                        counts.lock().unwrap()[reader] += batch.len();
                        Ok(())
                    })
                    .unwrap();
            });
        }
    });
    assert_eq!(counts.into_inner().unwrap(), [100_000; 3]);
}
