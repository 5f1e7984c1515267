//! Reading a Parquet file back: rows for merging runs and for tests, and the hash of a footer.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use attributary_core::table::{Field, Rows};
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use sha2::{Digest, Sha256};

use crate::error::StoreError;
use crate::{decode, files, schema};

const BATCH_ROWS: usize = 64 * 1024;

/// Opens a Parquet file, one of ours or one of anybody's whose columns have types that a table of ours can have.
///
/// # Errors
/// [`StoreError::Read`], [`StoreError::Corrupt`] or [`StoreError::Unsupported`], each naming the file.
pub fn read_table(path: &Path) -> Result<TableReader, StoreError> {
    let file = File::open(path).map_err(|source| StoreError::Read { path: path.to_owned(), source })?;
    let builder = guarded(path, || ParquetRecordBatchReaderBuilder::try_new(file))?;
    let fields = builder.schema().fields().iter().map(|field| {
        let kind = schema::column_type(field.data_type()).ok_or_else(|| StoreError::Unsupported {
            path: path.to_owned(),
            column: field.name().clone(),
            found: field.data_type().to_string(),
        })?;
        Ok(Field::new(field.name(), kind))
    });
    let fields = fields.collect::<Result<Vec<_>, StoreError>>()?;
    let rows = builder.metadata().file_metadata().num_rows().try_into().unwrap_or(0);
    let batches = guarded(path, || builder.with_batch_size(BATCH_ROWS).build())?;
    Ok(TableReader { path: path.to_owned(), fields, rows, batches: Some(batches) })
}

/// The rows of a Parquet file, some at a time: an iterator that ends with the file or with its first error.
pub struct TableReader {
    path: PathBuf,
    fields: Vec<Field>,
    rows: u64,
    /// None after the end or an error.
    batches: Option<ParquetRecordBatchReader>,
}

impl TableReader {
    /// The columns.
    #[must_use]
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The number of rows that the footer states.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }
}

impl Iterator for TableReader {
    type Item = Result<Rows, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let batches = self.batches.as_mut()?;
        let rows = guarded(&self.path, || {
            let Some(batch) = batches.next().transpose()? else { return Ok(None) };
            let columns = self.fields.iter().zip(batch.columns()).map(|(field, array)| decode::column(&field.kind, array));
            columns.collect::<Result<Vec<_>, _>>().map(|columns| Some(Rows { columns }))
        });
        let rows: Option<Result<Rows, StoreError>> = rows.transpose();
        if !matches!(rows, Some(Ok(_))) {
            self.batches = None;
        }
        rows
    }
}

/// The SHA-256 of a Parquet file's footer (what stands before its length and the last four bytes), in hexadecimal digits: it
/// changes whenever the file's data do, without reading them.
///
/// # Errors
/// [`StoreError::Read`] or [`StoreError::Corrupt`].
pub fn footer_sha256(path: &Path) -> Result<String, StoreError> {
    let unreadable = |source| StoreError::Read { path: path.to_owned(), source };
    let corrupt = |detail: &str| StoreError::Corrupt { path: path.to_owned(), detail: detail.to_owned() };
    let mut file = File::open(path).map_err(unreadable)?;
    let size = file.seek(SeekFrom::End(0)).map_err(unreadable)?;
    let mut tail = [0; 8];
    if size < 12 {
        return Err(corrupt("too short"));
    }
    file.seek(SeekFrom::Start(size - 8)).map_err(unreadable)?;
    file.read_exact(&mut tail).map_err(unreadable)?;
    let [length @ .., _, _, _, _] = tail;
    let length = u64::from(u32::from_le_bytes(length));
    if !matches!(&tail[4..], b"PAR1" | b"PARE") || length > size - 12 {
        return Err(corrupt("no footer at its end"));
    }
    file.seek(SeekFrom::Start(size - 8 - length)).map_err(unreadable)?;
    let mut footer = Vec::new();
    file.take(length).read_to_end(&mut footer).map_err(unreadable)?;
    Ok(files::hex(&Sha256::digest(&footer)))
}

/// Runs a reader at the door: corrupt files make it fail, and now and then panic. Either way the error names the file.
fn guarded<T, E: std::fmt::Display>(path: &Path, read: impl FnOnce() -> Result<T, E>) -> Result<T, StoreError> {
    let detail = match catch_unwind(AssertUnwindSafe(read)) {
        Ok(Ok(it)) => return Ok(it),
        Ok(Err(error)) => error.to_string(),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
            text.unwrap_or("the reader gave up").to_owned()
        }
    };
    Err(StoreError::Corrupt { path: path.to_owned(), detail })
}
