//! Files that are cut off, empty, of another kind, or have a byte that flipped: an error that names the file or the right
//! number of rows, never a panic, never a read that ends early and says nothing.

use attributary_frames::{Fault, TouchSource, silence_reader_panics};
use polars::prelude::*;

use crate::support::*;

fn log(rows: i32) -> DataFrame {
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
        let whole = std::fs::read(folder.write(name, &log(4_000))).unwrap();
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
    let parquet = std::fs::read(folder.write("good.parquet", &log(4_000))).unwrap();
    assert!(message("x.feather", &parquet).contains("does not begin with ARROW1"));
    let huge = [&b"PAR1"[..], &[0; 40], &u32::MAX.to_le_bytes(), b"PAR1"].concat();
    assert!(message("x.parquet", &huge).contains("a footer longer than the file"));
}

/// One of so many bytes is damaged. With 1 the test takes minutes; it was run so whenever polars changed.
const STEP: usize = 37;

#[test]
fn a_byte_that_flipped_is_an_error_or_does_not_matter() {
    silence_reader_panics();
    let folder = Folder::new();
    let mut frame = log(300);
    let snappy = std::fs::File::create(folder.path().join("snappy.parquet")).unwrap();
    ParquetWriter::new(snappy).with_compression(ParquetCompression::Snappy).finish(&mut frame).unwrap();
    let plain = std::fs::File::create(folder.path().join("plain.parquet")).unwrap();
    let plain = ParquetWriter::new(plain).with_compression(ParquetCompression::Uncompressed).with_data_page_size(Some(512));
    plain.finish(&mut frame).unwrap();
    folder.write("zstd.parquet", &frame);
    folder.write("x.ipc", &frame);
    for name in ["zstd.parquet", "snappy.parquet", "plain.parquet", "x.ipc"] {
        let whole = std::fs::read(folder.path().join(name)).unwrap();
        let mut noticed = 0;
        // Every byte of the first page's header: the reader asks for as much memory as it says.
        for place in (0..64).chain((64..whole.len()).step_by(STEP)) {
            for flip in [0xFF, 1 << (place % 8)] {
                let mut damaged = whole.clone();
                damaged[place] ^= flip;
                noticed +=
                    usize::from(refused(&folder, &format!("damaged {name}"), &damaged, &format!("{name} byte {place} {flip}")));
            }
        }
        assert!(noticed > 20, "{name}: {noticed} were noticed");
    }
}
