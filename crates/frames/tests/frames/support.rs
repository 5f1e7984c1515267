//! Writing small files, and reading a source back as rows that a test can compare.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use attributary_core::batch::{Coded, ConversionBatch, TouchBatch};
use attributary_core::time::{Zone, parse_instant};
use attributary_core::value::Value;
use attributary_frames::{
    ColumnSpec, ConversionMapping, ConversionSource, DimensionSpec, FrameError, Predicate, Progress, SourceSpec, TimeBounds,
    TouchMapping, TouchSource, ValueSpec, ValueUnit,
};
use polars::prelude::*;

/// A folder that is removed with the test.
pub struct Folder(tempfile::TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    fn place(&self, name: &str) -> PathBuf {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        // A new file, not new bytes in the old one: a reader may still have that one mapped.
        let _ = std::fs::remove_file(&path);
        path
    }

    /// Writes a frame in the format of the name's extension.
    pub fn write(&self, name: &str, frame: &DataFrame) -> PathBuf {
        let path = self.place(name);
        let mut frame = frame.clone();
        let file = std::fs::File::create(&path).unwrap();
        match path.extension().and_then(|it| it.to_str()) {
            Some("parquet" | "pq") => _ = ParquetWriter::new(file).with_row_group_size(Some(1_000)).finish(&mut frame).unwrap(),
            Some("csv") => CsvWriter::new(file).finish(&mut frame).unwrap(),
            _ => IpcWriter::new(file).finish(&mut frame).unwrap(),
        }
        path
    }

    pub fn write_text(&self, name: &str, text: &str) -> PathBuf {
        self.write_bytes(name, text.as_bytes())
    }

    pub fn write_bytes(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.place(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// Takes the folder's path out of a message.
    pub fn plain(&self, error: &FrameError) -> String {
        error.to_string().replace(&format!("{}/", self.path().display()), "").replace(&self.path().display().to_string(), ".")
    }
}

pub fn spec(source: &Path) -> SourceSpec {
    SourceSpec {
        key: "touchpoints".to_owned(),
        source: source.to_str().unwrap().to_owned(),
        zone: Zone::utc(),
        filter: None,
        missing_as_null: false,
        ingested: None,
        as_of: None,
    }
}

pub fn name(name: &str) -> ColumnSpec {
    ColumnSpec::Names(vec![name.to_owned()])
}

pub fn sql(text: &str) -> ColumnSpec {
    ColumnSpec::Sql(text.to_owned())
}

/// Dimensions called as their columns are.
pub fn dimensions(names: &[&str]) -> Vec<DimensionSpec> {
    names.iter().map(|it| DimensionSpec { name: (*it).to_owned(), column: name(it) }).collect()
}

/// customer, time, channel by their own names, and nothing else.
pub fn touches() -> TouchMapping {
    TouchMapping {
        customer: name("customer"),
        time: name("time"),
        channel: name("channel"),
        campaign: None,
        interaction: None,
        id: None,
        dimensions: Vec::new(),
        predicates: Vec::new(),
    }
}

/// id, customer, time and revenue by their own names.
pub fn conversions() -> ConversionMapping {
    ConversionMapping {
        id: name("id"),
        customer: name("customer"),
        time: name("time"),
        kind: None,
        values: vec![value("revenue", name("revenue"), ValueUnit::Major)],
        refund_of: None,
        currency: None,
        exponent: 2,
    }
}

pub fn value(name: &str, column: ColumnSpec, unit: ValueUnit) -> ValueSpec {
    ValueSpec { name: name.to_owned(), column, unit }
}

pub fn predicate(sql: &str) -> Predicate {
    Predicate { key: "model.a.only".to_owned(), sql: sql.to_owned() }
}

/// A touch as a test compares it.
#[derive(Clone, Debug, PartialEq)]
pub struct Touch {
    pub file: u32,
    pub row: u64,
    pub customer: Value,
    pub time: i64,
    pub id: Value,
    pub attributes: Vec<Value>,
    pub flags: u64,
}

/// A conversion as a test compares it.
#[derive(Clone, Debug, PartialEq)]
pub struct Conversion {
    pub file: u32,
    pub row: u64,
    pub id: Value,
    pub customer: Value,
    pub time: i64,
    pub kind: Value,
    pub values: Vec<Option<i64>>,
}

fn touch_rows(batch: &TouchBatch) -> Vec<Touch> {
    let row = |row: usize| Touch {
        file: batch.file,
        row: batch.rows.at(row),
        customer: batch.customers.value(row),
        time: batch.times[row],
        id: batch.ids.as_ref().map_or(Value::Null, |ids| ids.value(row)),
        attributes: batch.attributes.iter().map(|coded| cell(coded, row)).collect(),
        flags: batch.flags.get(row).copied().unwrap_or(0),
    };
    (0..batch.len()).map(row).collect()
}

fn cell(coded: &Coded, row: usize) -> Value {
    coded.value(row).clone()
}

fn conversion_rows(batch: &ConversionBatch) -> Vec<Conversion> {
    let row = |row: usize| Conversion {
        file: batch.file,
        row: batch.rows[row],
        id: batch.ids.value(row),
        customer: batch.customers.value(row),
        time: batch.times[row],
        kind: cell(&batch.kinds, row),
        values: batch.values.iter().map(|values| values[row].map(|it| it.minor)).collect(),
    };
    (0..batch.len()).map(row).collect()
}

pub fn read_touches(spec: &SourceSpec, mapping: &TouchMapping) -> Result<Vec<Touch>, FrameError> {
    read_touches_within(spec, mapping, &TimeBounds::default(), 2)
}

pub fn read_touches_within(
    spec: &SourceSpec,
    mapping: &TouchMapping,
    bounds: &TimeBounds,
    threads: usize,
) -> Result<Vec<Touch>, FrameError> {
    let source = TouchSource::open(spec, mapping)?;
    let rows = Mutex::new(Vec::new());
    let progress = Progress::default();
    source.read(bounds, threads, &progress, &|batch| {
        rows.lock().unwrap().extend(touch_rows(&batch));
        Ok(())
    })?;
    let total: u64 = source.files().iter().map(|file| file.rows.unwrap()).sum();
    let bytes: u64 = source.files().iter().map(|file| file.bytes).sum();
    assert_eq!(progress.rows.into_inner(), total, "progress ends at all rows");
    assert_eq!(progress.bytes.into_inner(), bytes, "progress ends at all bytes");
    let mut rows = rows.into_inner().unwrap();
    rows.sort_by_key(|touch| (touch.file, touch.row));
    Ok(rows)
}

pub fn read_conversions(spec: &SourceSpec, mapping: &ConversionMapping) -> Result<Vec<Conversion>, FrameError> {
    let source = ConversionSource::open(spec, mapping)?;
    let rows = Mutex::new(Vec::new());
    source.read(&TimeBounds::default(), 2, &Progress::default(), &|batch| {
        rows.lock().unwrap().extend(conversion_rows(&batch));
        Ok(())
    })?;
    let mut rows = rows.into_inner().unwrap();
    rows.sort_by_key(|conversion| (conversion.file, conversion.row));
    Ok(rows)
}

/// Three touches of two customers.
pub fn three() -> DataFrame {
    df!(
        "customer" => ["ann", "bob", "ann"],
        "time" => ["2025-01-01T00:00:00Z", "2025-01-02T00:00:00Z", "2025-01-03T00:00:00Z"],
        "channel" => ["email", "direct", "search"],
    )
    .unwrap()
}

pub fn at(text: &str) -> i64 {
    parse_instant(text, &Zone::utc()).unwrap()
}

pub fn text(text: &str) -> Value {
    Value::text(text)
}

pub fn customers(touches: &[Touch]) -> Vec<Value> {
    touches.iter().map(|touch| touch.customer.clone()).collect()
}

pub fn channels(touches: &[Touch]) -> Vec<String> {
    touches.iter().map(|touch| touch.attributes[0].as_text().unwrap_or("null").to_owned()).collect()
}
