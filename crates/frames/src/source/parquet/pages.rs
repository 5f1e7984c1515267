//! A walk over the page headers of a Parquet file before its pages are read.
//!
//! The reader takes from a header how much memory to ask for, and a process that asks for exabytes is ended on the spot: no
//! panic, nothing to catch. So a header that cannot be true is found here. The pages themselves are not touched.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Cursor, Read, Seek, SeekFrom};

use polars::prelude::{ParquetReader, PolarsResult, SerReader, polars_bail, polars_ensure};
use polars_parquet_format::thrift::protocol::TCompactInputProtocol;
use polars_parquet_format::{PageHeader, PageType};

/// Checks every page header of the named columns, and says how many bytes these take.
pub(super) fn check(file: File, columns: &BTreeSet<String>) -> PolarsResult<u64> {
    let mut reader = ParquetReader::new(file.try_clone()?);
    let metadata = reader.get_metadata()?;
    let mut pages = Pages { end: file.metadata()?.len(), file, buffer: Vec::new() };
    let (mut rows, mut bytes) = (0, 0);
    for group in &metadata.row_groups {
        rows += group.num_rows();
        for name in columns {
            for chunk in group.columns_under_root_iter(name).into_iter().flatten() {
                let flat = chunk.descriptor().descriptor.max_rep_level == 0;
                let values = chunk.num_values();
                polars_ensure!(
                    values >= 0 && (!flat || values as u64 == group.num_rows() as u64),
                    ComputeError: "column {} has {} values for {} rows", name, values, group.num_rows()
                );
                let range = chunk.byte_range();
                bytes += range.end.saturating_sub(range.start);
                pages.check_chunk(name, range, values)?;
            }
        }
    }
    polars_ensure!(rows == metadata.num_rows, ComputeError: "its row groups have {} rows, the file {}", rows, metadata.num_rows);
    Ok(bytes)
}

struct Pages {
    file: File,
    /// The file's length.
    end: u64,
    buffer: Vec<u8>,
}

/// What is read at first to find a header in: most are shorter.
const HEADER_BYTES: usize = 512;

/// A header longer than this is none.
const MAX_HEADER_BYTES: usize = 1 << 24;

impl Pages {
    fn check_chunk(&mut self, column: &str, range: std::ops::Range<u64>, values: i64) -> PolarsResult<()> {
        polars_ensure!(
            range.start <= range.end && range.end <= self.end,
            ComputeError: "column {} lies outside of the file", column
        );
        let mut place = range.start;
        let mut seen = 0_i64;
        while seen < values {
            polars_ensure!(place < range.end, ComputeError: "column {} has {} of its {} values", column, seen, values);
            let (header, length) = self.header(place, range.end)?;
            let size = u64::try_from(header.compressed_page_size).ok();
            let next = size.and_then(|size| place.checked_add(length)?.checked_add(size)).filter(|next| *next <= range.end);
            let (Some(next), Some(held)) = (next, values_of(&header)) else {
                polars_bail!(ComputeError: "column {} has a damaged page at byte {}", column, place);
            };
            let dictionary = header.type_ == PageType::DICTIONARY_PAGE;
            // An entry of a dictionary takes a byte at least.
            let most = if dictionary { i64::from(header.uncompressed_page_size) } else { values - seen };
            polars_ensure!(
                held <= most,
                ComputeError: "column {} has a page of {} values at byte {}, expected at most {}", column, held, place, most
            );
            if !dictionary {
                seen += held;
            }
            place = next;
        }
        Ok(())
    }

    /// The header at a place of the file, and its length.
    fn header(&mut self, place: u64, end: u64) -> PolarsResult<(PageHeader, u64)> {
        let mut wanted = HEADER_BYTES;
        loop {
            self.file.seek(SeekFrom::Start(place))?;
            self.buffer.clear();
            let available = (end - place).min(wanted as u64);
            Read::by_ref(&mut self.file).take(available).read_to_end(&mut self.buffer)?;
            let mut bytes = Cursor::new(self.buffer.as_slice());
            let header = PageHeader::read_from_in_protocol(&mut TCompactInputProtocol::new(&mut bytes, MAX_HEADER_BYTES));
            match header {
                Ok(header) => return Ok((header, bytes.position())),
                // It may be longer than what was read of it: statistics hold whole texts.
                Err(_) if available == wanted as u64 && wanted < MAX_HEADER_BYTES => wanted *= 8,
                Err(error) => polars_bail!(ComputeError: "no page can be read at byte {}: {}", place, error),
            }
        }
    }
}

/// How many values a page says it holds; none where that, or another of its sizes, cannot be.
fn values_of(header: &PageHeader) -> Option<i64> {
    let uncompressed = (header.uncompressed_page_size >= 0).then_some(header.uncompressed_page_size)?;
    let values = match header.type_ {
        PageType::DATA_PAGE => header.data_page_header.as_ref()?.num_values,
        PageType::DATA_PAGE_V2 => {
            let page = header.data_page_header_v2.as_ref()?;
            let levels = page.definition_levels_byte_length.checked_add(page.repetition_levels_byte_length)?;
            let parts = [page.definition_levels_byte_length, page.repetition_levels_byte_length, page.num_rows, page.num_nulls];
            if parts.iter().any(|part| *part < 0) || levels > uncompressed || page.num_nulls > page.num_values {
                return None;
            }
            page.num_values
        }
        PageType::DICTIONARY_PAGE => header.dictionary_page_header.as_ref()?.num_values,
        _ => 0,
    };
    (values >= 0).then_some(i64::from(values))
}
