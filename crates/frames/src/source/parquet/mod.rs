//! Parquet files.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;

use polars::prelude::{
    DataType, HiveOptions, LazyFrame, ParquetReader, PolarsResult, RowIndex, ScanArgsParquet, SerReader, polars_bail,
};

use super::state::footer_sha256;
use super::{Format, Inspected, ROW, Rows, polars_path};

mod pages;

pub(super) const FORMAT: Format = Format { name: "Parquet", extensions: &["parquet", "pq"], inspect, check, scan };

/// Four bytes of footer length and `PAR1`.
const TRAILER: u64 = 8;

fn inspect(path: &Path) -> PolarsResult<Inspected> {
    let file = File::open(path)?;
    let length = footer_length(&file)?;
    let footer_sha256 = footer_sha256(&file, length, TRAILER)?;
    let mut reader = ParquetReader::new(file);
    let schema = reader.schema()?;
    let columns = schema.iter_values().map(|field| (field.name.to_string(), DataType::from_arrow_field(field))).collect();
    let rows = reader.num_rows()? as u64;
    Ok(Inspected { columns, rows: Some(rows), footer_sha256: Some(footer_sha256), written: false })
}

fn check(path: &Path, columns: &BTreeSet<String>) -> PolarsResult<u64> {
    pages::check(File::open(path)?, columns)
}

fn scan(path: &Path, _columns: &[String]) -> PolarsResult<Rows> {
    let arguments = ScanArgsParquet {
        row_index: Some(RowIndex { name: ROW.into(), offset: 0 }),
        hive_options: HiveOptions::new_disabled(),
        glob: false,
        cache: false,
        ..ScanArgsParquet::default()
    };
    LazyFrame::scan_parquet(polars_path(path)?, arguments).map(Rows::Sliceable)
}

fn footer_length(file: &File) -> PolarsResult<u64> {
    use std::io::{Read, Seek, SeekFrom};
    let mut reader = file;
    let mut trailer = [0_u8; TRAILER as usize];
    if file.metadata()?.len() >= 4 + TRAILER {
        reader.seek(SeekFrom::End(-(TRAILER as i64)))?;
        reader.read_exact(&mut trailer)?;
    }
    if !trailer.ends_with(b"PAR1") {
        polars_bail!(ComputeError: "it does not end with PAR1 as Parquet does: cut off, or another kind of file");
    }
    Ok(u32::from_le_bytes([trailer[0], trailer[1], trailer[2], trailer[3]]).into())
}
