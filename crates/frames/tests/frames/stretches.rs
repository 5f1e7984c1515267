//! Files that are read in stretches, as they are in little memory, give what they give as a whole.

use std::sync::Mutex;

use attributary_core::value::ColumnType;
use attributary_frames::{TimeBounds, TouchSource, set_memory};
use polars::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::support::*;

const DAY: i64 = 86_400_000_000;

/// What memory there is is known to the whole process. Other tests do not mind.
static MEMORY: Mutex<()> = Mutex::new(());

/// What a read gives in all memory, which it must also give in hardly any.
fn whole_and_in_stretches<T: PartialEq>(read: impl Fn() -> T) -> T {
    let _alone = MEMORY.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    set_memory(u64::MAX);
    let whole = read();
    set_memory(1);
    let in_stretches = read();
    set_memory(u64::MAX);
    assert!(whole == in_stretches);
    whole
}

/// 100,000 rows in order of time.
fn log() -> DataFrame {
    let rows = 100_000_i64;
    let times = (0..rows).map(|row| row * DAY / 1_000).collect::<Vec<_>>();
    let times = Column::new("time".into(), times).cast(&DataType::Datetime(TimeUnit::Microseconds, None)).unwrap();
    let mut frame = df!(
        "customer" => (0..rows).map(|row| format!("customer number {}", row % 977)).collect::<Vec<_>>(),
        "channel" => (0..rows).map(|row| ["Email", "direct", "", "search"][row as usize % 4]).collect::<Vec<_>>(),
        "score" => (0..rows).map(|row| (row % 13 != 0).then_some(row % 100)).collect::<Vec<_>>(),
    )
    .unwrap();
    frame.with_column(times).unwrap();
    frame
}

#[test]
fn conditions_expressions_and_bounds_of_every_format() {
    let frame = log();
    for name in ["log.parquet", "log.csv", "log.ipc"] {
        let folder = Folder::new();
        let path = folder.write(name, &frame);
        let mut mapping = touches();
        let mut spec = spec(&path);
        let read =
            |spec: &_, mapping: &_, bounds: &_| whole_and_in_stretches(|| read_touches_within(spec, mapping, bounds, 2).unwrap());
        let all = TimeBounds::default();
        assert_eq!(read(&spec, &mapping, &all).len(), 100_000);
        spec.filter = Some("score < 50 AND customer <> 'customer number 5'".to_owned());
        let some = read(&spec, &mapping, &all);
        assert!(some.len() > 40_000 && some.windows(2).all(|pair| pair[0].row < pair[1].row));
        mapping.channel = sql("lower(channel)");
        mapping.campaign = Some(sql("CAST(score * 2 AS VARCHAR)"));
        for bounds in [
            all,
            TimeBounds { from: Some(40 * DAY), to: Some(70 * DAY) },
            TimeBounds { from: Some(99 * DAY), to: None },
            TimeBounds { from: None, to: Some(DAY) },
            TimeBounds { from: Some(500 * DAY), to: None },
        ] {
            let within = read(&spec, &mapping, &bounds);
            let expected = some
                .iter()
                .filter(|touch| bounds.from.is_none_or(|from| touch.time >= from) && bounds.to.is_none_or(|to| touch.time < to));
            assert!(within.iter().map(|touch| touch.row).eq(expected.map(|touch| touch.row)), "{name} {bounds:?}");
        }
    }
}

/// Cells with quotes and line breaks in them, a byte order mark, a last line that is empty or has no end.
#[test]
fn random_csv() {
    let cells = proptest::collection::vec("[a-z0-9 ,\"\n\r]{0,300}", 400..1_000);
    let ends = proptest::sample::select(vec![("\n", ""), ("\n", "\n"), ("\r\n", "\r\n"), ("\r\n", ""), ("\n", "\n\n")]);
    let inputs = (cells, ends, proptest::bool::ANY);
    let outcome = TestRunner::new(Config::with_cases(12)).run(&inputs, |(cells, (line, last), mark)| {
        let quoted = |cell: &str| format!("\"{}\"", cell.replace('"', "\"\""));
        let rows: Vec<_> = cells.iter().map(|cell| format!("{},2025-01-01,x,{}", quoted(cell), cell.len())).collect();
        let mark = if mark { "\u{feff}" } else { "" };
        let folder = Folder::new();
        let text = format!("{mark}customer,time,channel,score{line}{}{last}", rows.join(line));
        let path = folder.write_text("x.csv", &text);
        let mut mapping = touches();
        mapping.campaign = Some(sql("CAST(score + 1 AS VARCHAR)"));
        let read = whole_and_in_stretches(|| read_touches(&spec(&path), &mapping).unwrap());
        let expected = cells.len() + usize::from(last == "\n\n");
        assert_eq!(read.len(), expected);
        for (touch, cell) in read.iter().zip(&cells) {
            assert_eq!(touch.customer.as_text().unwrap_or(""), cell);
            assert_eq!(touch.attributes[1], text_of(cell.len() + 1));
        }
        Ok(())
    });
    outcome.unwrap();
}

fn text_of(number: usize) -> attributary_core::value::Value {
    text(&number.to_string())
}

#[test]
fn types_and_errors_are_those_of_the_whole_file() {
    let folder = Folder::new();
    let mut lines = "customer,time,channel,paid\n".to_owned();
    (0..40_000).for_each(|row| lines.push_str(&format!("{row:05},2025-01-01,a,true\n")));
    let number = folder.write_text("number.csv", &lines);
    let word = folder.write_text("word.csv", &format!("{lines}x,2025-01-01,a,1\n"));
    let ragged = folder.write_text("ragged.csv", &format!("{lines}x,2025-01-01,a,1,2,3\n"));
    let open = folder.write_text("open.csv", &format!("{lines}\"x,2025-01-01,a,1\n{}", "y,2025-01-01,a,1\n".repeat(9)));
    let kind = |path| whole_and_in_stretches(|| TouchSource::open(&spec(path), &touches()).unwrap().customer_type().clone());
    assert_eq!(kind(&number), ColumnType::Int { bits: 64, signed: true });
    assert_eq!(kind(&word), ColumnType::Text);
    for path in [ragged, open] {
        let failed = whole_and_in_stretches(|| TouchSource::open(&spec(&path), &touches()).is_err());
        assert!(failed, "{path:?}");
    }
    let _alone = MEMORY.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    set_memory(1);
    let error = TouchSource::open(&spec(&folder.path().join("ragged.csv")), &touches()).err().unwrap();
    assert!(folder.plain(&error).starts_with("cannot read ragged.csv: expected CSV; in what begins with row "), "{error}");
    set_memory(u64::MAX);
}
