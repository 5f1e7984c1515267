//! Files that are cut off, empty, of another kind, or have a byte that flipped: an error that names the file or the right
//! number of rows, never a panic, never a read that ends early and says nothing.

use attributary_frames::{Fault, TouchSource, silence_reader_panics};
use polars::prelude::*;

use crate::support::*;

fn log() -> DataFrame {
    let rows = 4_000;
    df!(
        "customer" => (0..rows).map(|row| format!("customer {}", row * 7_919 % 1_000)).collect::<Vec<_>>(),
        "time" => (0..rows).map(|row| i64::from(row) * 60_000_000).collect::<Vec<_>>(),
        "channel" => (0..rows).map(|row| ["email", "direct", "search"][row as usize % 3]).collect::<Vec<_>>(),
    )
    .unwrap()
    .lazy()
    .with_column(col("time").cast(DataType::Datetime(TimeUnit::Microseconds, None)))
    .collect()
    .unwrap()
}

/// Reads a damaged file; says whether it was refused.
fn refused(folder: &Folder, name: &str, bytes: &[u8], what: &str) -> bool {
    let path = folder.write_bytes(name, bytes);
    match read_touches_unchecked(&path) {
        Ok(rows) => {
            let expected = TouchSource::open(&spec(&path), &touches()).unwrap().files()[0].rows;
            assert_eq!(expected, Some(rows as u64), "{what}: a short read");
            false
        }
        Err(error) => {
            assert_eq!(error.fault(), Fault::Input, "{what}: {error}");
            assert!(error.to_string().contains(name), "{what}: {error}");
            assert_eq!(error.to_string().lines().count(), 1, "{what}: {error}");
            true
        }
    }
}

fn read_touches_unchecked(path: &std::path::Path) -> Result<usize, attributary_frames::FrameError> {
    read_touches(&spec(path), &touches()).map(|rows| rows.len())
}

#[test]
fn files_that_are_cut_off_are_refused() {
    silence_reader_panics();
    let folder = Folder::new();
    for name in ["x.parquet", "x.ipc"] {
        let whole = std::fs::read(folder.write(name, &log())).unwrap();
        let cuts = (0..40).map(|part| whole.len() * part / 40).chain(whole.len() - 12..whole.len());
        for cut in cuts {
            assert!(refused(&folder, name, &whole[..cut], &format!("{name} cut at {cut}")), "{name} cut at {cut} was read");
        }
        assert!(!refused(&folder, name, &whole, name));
    }
}

#[test]
fn files_of_another_kind_are_refused_with_what_was_found() {
    silence_reader_panics();
    let folder = Folder::new();
    let message = |name: &str, bytes: &[u8]| {
        let path = folder.write_bytes(name, bytes);
        folder.plain(&read_touches_unchecked(&path).unwrap_err())
    };
    assert_eq!(message("x.parquet", b""), "cannot read x.parquet: it is empty (0 bytes)");
    assert_eq!(
        message("x.parquet", b"PAR1"),
        "cannot read x.parquet: expected Parquet; it does not end with PAR1 as Parquet does: cut off, or another kind of file"
    );
    assert!(message("y.pq", "customer,time,channel\n1,2,3\n".repeat(40).as_bytes()).contains("does not end with PAR1"));
    assert!(message("x.arrow", &[7; 400]).contains("does not begin with ARROW1"));
    assert!(message("x.csv", b"\n").starts_with("cannot read x.csv: "));
    let error = message("z.csv", &(0..=255).cycle().take(10_000).map(|it: u16| it as u8).collect::<Vec<_>>());
    assert!(error.contains("z.csv"), "{error}");
    let parquet = std::fs::read(folder.write("good.parquet", &log())).unwrap();
    assert!(message("x.feather", &parquet).contains("does not begin with ARROW1"));
    let huge = [&b"PAR1"[..], &[0; 40], &u32::MAX.to_le_bytes(), b"PAR1"].concat();
    assert!(message("x.parquet", &huge).contains("a footer longer than the file"));
}

#[test]
fn a_byte_that_flipped_is_an_error_or_does_not_matter() {
    silence_reader_panics();
    let folder = Folder::new();
    for name in ["x.parquet", "x.ipc"] {
        let whole = std::fs::read(folder.write(name, &log())).unwrap();
        // Every byte of the ends, where the structure is, and some of the middle.
        let edge = 600;
        let near_end = (whole.len() - 1_600..whole.len()).step_by(3);
        let middle = (0..300).map(|part| edge + (whole.len() - 2 * edge) * part / 300);
        let mut seen = 0;
        for place in (0..edge).step_by(3).chain(middle).chain(near_end) {
            let mut damaged = whole.clone();
            damaged[place] ^= if place % 2 == 0 { 0xFF } else { 1 << (place % 8) };
            seen += usize::from(refused(&folder, name, &damaged, &format!("{name} byte {place}")));
        }
        assert!(seen > 50, "{name}: {seen} were noticed");
    }
}
