//! Arrow IPC files, also called Feather version 2.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use polars::prelude::{
    DataType, Engine, HiveOptions, IpcReader, IpcScanOptions, LazyFrame, PolarsResult, RowIndex, SerReader, UnifiedScanArgs, len,
    polars_bail,
};
use polars_arrow::io::ipc::read::{get_row_count_from_blocks, read_file_metadata};

use super::state::footer_sha256;
use super::{Format, Inspected, ROW, Rows, polars_path, whole_file};

pub(super) const FORMAT: Format =
    Format { name: "Arrow IPC", extensions: &["ipc", "arrow", "feather"], inspect, check: whole_file, scan };

/// Four bytes of footer length and `ARROW1`.
const TRAILER: u64 = 10;

fn inspect(path: &Path) -> PolarsResult<Inspected> {
    let file = File::open(path)?;
    let length = footer_length(&file)?;
    let footer_sha256 = footer_sha256(&file, length, TRAILER)?;
    let schema = IpcReader::new(file).schema()?;
    let columns = schema.iter_values().map(|field| (field.name.to_string(), DataType::from_arrow_field(field))).collect();
    let counted = arguments(path, None)?.select([len()]).collect_with_engine(Engine::Streaming)?.unwrap_single();
    let rows = counted.columns()[0].get(0)?.extract::<u64>();
    Ok(Inspected { columns, rows, footer_sha256: Some(footer_sha256), written: false })
}

fn scan(path: &Path, _columns: &[String]) -> PolarsResult<Rows> {
    let rows = arguments(path, Some(RowIndex { name: ROW.into(), offset: 0 }))?;
    let mut file = File::open(path)?;
    let metadata = read_file_metadata(&mut file)?;
    let mut end = 0;
    let mut ends = Vec::with_capacity(metadata.blocks.len());
    for batch in metadata.blocks.chunks(1) {
        end += get_row_count_from_blocks(&mut file, batch)? as u64;
        ends.push(end);
    }
    Ok(Rows::InBatches(rows, ends))
}

fn arguments(path: &Path, row_index: Option<RowIndex>) -> PolarsResult<LazyFrame> {
    let arguments =
        UnifiedScanArgs { row_index, glob: false, hive_options: HiveOptions::new_disabled(), ..UnifiedScanArgs::default() };
    LazyFrame::scan_ipc(polars_path(path)?, IpcScanOptions::default(), arguments)
}

fn footer_length(mut file: &File) -> PolarsResult<u64> {
    let mut start = [0_u8; 6];
    let mut trailer = [0_u8; TRAILER as usize];
    if file.metadata()?.len() >= 8 + TRAILER {
        file.read_exact(&mut start)?;
        file.seek(SeekFrom::End(-(TRAILER as i64)))?;
        file.read_exact(&mut trailer)?;
    }
    if &start != b"ARROW1" {
        polars_bail!(ComputeError: "it does not begin with ARROW1: an IPC stream, an old Feather file, or another kind of file");
    }
    if !trailer.ends_with(b"ARROW1") {
        polars_bail!(ComputeError: "it does not end with ARROW1: it is cut off");
    }
    Ok(u32::from_le_bytes([trailer[0], trailer[1], trailer[2], trailer[3]]).into())
}
