//! Files, folders, patterns, Hive partitions, row numbers and what is known of a file before it is read.

use attributary_core::value::{ColumnType, Value};
use attributary_frames::{Fault, TouchSource};
use polars::prelude::*;

use crate::support::*;

#[test]
fn files_of_every_format_in_a_folder_are_one_source() {
    let folder = Folder::new();
    for name in ["b/1.parquet", "a.csv", "c.arrow", "d.pq"] {
        folder.write(name, &three());
    }
    folder.write_text("b/_SUCCESS", "");
    folder.write_text("notes.txt", "not data");
    let source = TouchSource::open(&spec(folder.path()), &touches()).unwrap();
    let names: Vec<_> =
        source.files().iter().map(|file| file.path.strip_prefix(folder.path()).unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["a.csv", "b/1.parquet", "c.arrow", "d.pq"]);
    assert!(source.files().iter().all(|file| file.rows == Some(3)));
    let footers: Vec<_> = source.files().iter().map(|file| file.footer_sha256.as_ref().map(String::len)).collect();
    assert_eq!(footers, [None, Some(64), Some(64), Some(64)]);
    assert_eq!(source.customer_type(), &ColumnType::Text);
    let rows = read_touches(&spec(folder.path()), &touches()).unwrap();
    assert_eq!(rows.len(), 12);
    assert_eq!(customers(&rows[9..]), [text("ann"), text("bob"), text("ann")]);
    assert!(rows.iter().all(|touch| touch.time > 0 && touch.flags == 0 && touch.attributes[1].is_null()));
    assert_eq!(rows.iter().map(|touch| (touch.file, touch.row)).collect::<Vec<_>>()[2..5], [(0, 2), (1, 0), (1, 1)]);
}

#[test]
fn hive_folders_are_text_columns_also_in_sql() {
    let folder = Folder::new();
    for day in ["day=2025-01-01/shop=S%C3%A3o%20Paulo", "day=2025-01-02/shop=__HIVE_DEFAULT_PARTITION__"] {
        folder.write(&format!("{day}/part.parquet"), &three());
    }
    let mut mapping = touches();
    mapping.dimensions = dimensions(&["day", "shop"]);
    let rows = read_touches(&spec(folder.path()), &mapping).unwrap();
    assert_eq!(rows[0].attributes[3..], [text("2025-01-01"), text("São Paulo")]);
    assert_eq!(rows[3].attributes[3..], [text("2025-01-02"), Value::Null]);
    let mut second = spec(folder.path());
    second.filter = Some("day > '2025-01-01'".to_owned());
    assert_eq!(read_touches(&second, &mapping).unwrap().len(), 3);
    // A pattern's folders are partitions from its first wildcard on.
    let pattern = spec(&folder.path().join("day=*/*/*.parquet"));
    assert_eq!(read_touches(&pattern, &mapping).unwrap()[5].attributes[3], text("2025-01-02"));
}

#[test]
fn row_numbers_count_the_rows_of_the_file_whatever_is_left_out() {
    let folder = Folder::new();
    let rows = 5_000_i64;
    let frame = df!(
        "customer" => (0..rows).collect::<Vec<_>>(),
        "time" => (0..rows).map(|row| row * 1_000_000).collect::<Vec<_>>(),
        "channel" => (0..rows).map(|row| if row % 7 == 0 { "email" } else { "direct" }).collect::<Vec<_>>(),
    )
    .unwrap()
    .lazy()
    .with_column(col("time").cast(DataType::Datetime(TimeUnit::Microseconds, None)))
    .collect()
    .unwrap();
    for name in ["rows.parquet", "rows.ipc", "rows.csv"] {
        let path = folder.write(name, &frame);
        for (filter, kept) in [
            ("channel = 'email'", (0..rows).filter(|row| row % 7 == 0).collect::<Vec<_>>()),
            ("customer >= 3500", (3_500..rows).collect()),
            ("customer = 4711 OR customer = 12", vec![12, 4_711]),
        ] {
            let mut spec = spec(&path);
            spec.filter = Some(filter.to_owned());
            let touches = read_touches(&spec, &touches()).unwrap();
            assert_eq!(touches.iter().map(|touch| touch.row as i64).collect::<Vec<_>>(), kept, "{name} {filter}");
            assert!(touches.iter().all(|touch| touch.customer == Value::Int(touch.row.into())), "{name} {filter}");
            assert!(touches.iter().all(|touch| touch.time == touch.row as i64 * 1_000_000), "{name} {filter}");
        }
    }
}

#[test]
fn files_without_rows_are_no_fault() {
    let folder = Folder::new();
    for name in ["a.parquet", "b.ipc", "c.csv"] {
        folder.write(name, &three().clear());
    }
    assert_eq!(read_touches(&spec(folder.path()), &touches()).unwrap(), []);
    folder.write("d.parquet", &three());
    assert_eq!(read_touches(&spec(folder.path()), &touches()).unwrap().len(), 3);
}

#[test]
fn a_source_without_files_names_it_and_what_was_sought() {
    let folder = Folder::new();
    let error = TouchSource::open(&spec(folder.path()), &touches()).err().unwrap();
    assert_eq!(error.fault(), Fault::Input);
    assert_eq!(
        folder.plain(&error),
        "touchpoints.source: no file that can be read: .; looked for .parquet, .pq, .csv, .ipc, .arrow, .feather"
    );
}

#[test]
fn names_that_are_patterns_elsewhere_are_names_here() {
    let folder = Folder::new();
    let mut frame = three();
    frame.rename("channel", "^c.*$".into()).unwrap();
    frame.rename("customer", "*".into()).unwrap();
    for file in ["a[1].parquet", "b*.csv", "c?.ipc"] {
        let path = folder.write(file, &frame);
        let mut mapping = touches();
        mapping.channel = name("^c.*$");
        mapping.customer = name("*");
        let rows = read_touches(&spec(&path), &mapping).unwrap();
        assert_eq!(customers(&rows)[1], text("bob"), "{file}");
        assert_eq!(channels(&rows), ["email", "direct", "search"], "{file}");
    }
}
