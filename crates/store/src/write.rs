//! One table as one Parquet file. Its bytes depend on the rows alone: not on how they were cut into batches, nor on the
//! clock, the machine or the threads.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;
use attributary_core::table::{Field, Rows};
use parquet::arrow::arrow_writer::{
    ArrowColumnWriter, ArrowRowGroupWriterFactory, ArrowWriter, ArrowWriterOptions, compute_leaves,
};
use parquet::arrow::{ARROW_SCHEMA_META_KEY, encode_arrow_schema};
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, IntoParallelRefMutIterator, ParallelIterator};
use sha2::{Digest, Sha256};

use crate::encode::{Encoder, Misfit};
use crate::error::StoreError;
use crate::files;
use crate::schema::{Form, schema};

/// Rows are handed to the Parquet writer in batches of exactly this many, because it looks at page sizes between batches.
const BATCH_ROWS: usize = 16 * 1024;

/// Row groups are cut here even if they have few rows, so that long texts do not fill the memory.
const ROW_GROUP_BYTES: usize = 16 << 20;

/// Who wrote the file. In the form that other readers parse; the number is that of this file layout, not of the program,
/// so that a release does not change the bytes of a table.
const CREATED_BY: &str = "attributary version 1";

/// How a file is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The rows of a row group, at least one.
    pub row_group_rows: usize,
    /// The level of zstd, 1 to 22.
    pub compression_level: i32,
    /// From how many rows on a file is compressed, at most 16,384. To set the compressor up for each column of a file takes many times
    /// as long as to write a few rows.
    pub compressed_from: usize,
}

impl Default for Layout {
    fn default() -> Self {
        Self { row_group_rows: 1 << 20, compression_level: 3, compressed_from: 0 }
    }
}

/// A Parquet file being written. Its memory is bounded by one row group. Dropped before [`TableFile::finish`], it removes
/// the file.
pub struct TableFile {
    unfinished: Unfinished,
    /// The file, until the first rows are handed to a writer.
    file: Option<File>,
    begun: Option<Begun>,
    layout: Layout,
    schema: SchemaRef,
    encoders: Vec<Encoder>,
    /// Fewer than [`BATCH_ROWS`] rows that wait for more.
    waiting: Vec<RecordBatch>,
    waiting_rows: usize,
    rows: u64,
}

/// A file whose first rows were handed to a writer.
struct Begun {
    writer: SerializedFileWriter<HashingFile>,
    groups: ArrowRowGroupWriterFactory,
    /// The columns of the row group that is being written, and its rows.
    group: Option<(Vec<ArrowColumnWriter>, usize)>,
}

/// A finished file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its rows.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
    /// The SHA-256 of its bytes, as 64 hexadecimal digits.
    pub sha256: String,
}

impl TableFile {
    /// Begins a file at `path` (its folder must exist; a file that is there is overwritten) with these columns.
    ///
    /// # Errors
    /// [`StoreError::Output`] where the file cannot be created, [`StoreError::Shape`] without columns.
    pub fn create(path: &Path, fields: &[Field], layout: &Layout) -> Result<Self, StoreError> {
        if fields.is_empty() {
            return Err(StoreError::Shape {
                table: path.to_owned(),
                expected: "one column or more".to_owned(),
                found: "none".to_owned(),
            });
        }
        let file = File::create(path).map_err(StoreError::output("create", path))?;
        let unfinished = Unfinished { path: path.to_owned(), armed: true };
        Ok(Self {
            unfinished,
            file: Some(file),
            begun: None,
            layout: Layout { row_group_rows: layout.row_group_rows.max(1), ..*layout },
            schema: Arc::new(schema(fields, Form::Memory)),
            encoders: fields.iter().map(Encoder::new).collect(),
            waiting: Vec::new(),
            waiting_rows: 0,
            rows: 0,
        })
    }

    /// Appends rows.
    ///
    /// # Errors
    /// [`StoreError::Shape`] and [`StoreError::Mismatch`] where they are not rows of this table, [`StoreError::Output`]
    /// where the disk refuses them (it may be full). After an error the file is of no use.
    pub fn write(&mut self, rows: &Rows) -> Result<(), StoreError> {
        self.check_shape(rows)?;
        let mut start = 0;
        while start < rows.len() {
            let end = rows.len().min(start + BATCH_ROWS - self.waiting_rows);
            let columns = self.encoders.iter_mut().zip(&rows.columns).map(|(encoder, column)| {
                encoder.array(column, start..end).map_err(|Misfit(found)| StoreError::Mismatch {
                    table: self.unfinished.path.clone(),
                    column: encoder.field.name.clone(),
                    expected: encoder.field.kind.clone(),
                    found,
                })
            });
            let columns = columns.collect::<Result<Vec<_>, _>>()?;
            let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns)
                .map_err(|error| writing(&self.unfinished.path, error.into()))?;
            self.waiting.push(batch);
            self.waiting_rows += end - start;
            if self.waiting_rows == BATCH_ROWS {
                let mut begun = self.begin(true)?;
                self.hand_over(&mut begun)?;
                self.begun = Some(begun);
            }
            start = end;
        }
        self.rows += rows.len() as u64;
        Ok(())
    }

    /// Writes what is left and the footer, and waits until the disk has it.
    ///
    /// # Errors
    /// [`StoreError::Output`] where the disk refuses; the file is removed then.
    pub fn finish(self) -> Result<WrittenFile, StoreError> {
        self.close(0).map(|(written, _)| written)
    }

    /// As [`TableFile::finish`], but does not wait for a file of fewer than `wait_from` bytes. Says whether it has waited.
    pub(crate) fn close(mut self, wait_from: u64) -> Result<(WrittenFile, bool), StoreError> {
        // What is not begun yet is all there is.
        let few = self.begun.is_none() && self.waiting_rows < self.layout.compressed_from;
        let mut begun = self.begin(!few)?;
        self.hand_over(&mut begun)?;
        begun.close_group().map_err(|error| writing(&self.unfinished.path, error))?;
        let (Self { mut unfinished, rows, .. }, Begun { mut writer, .. }) = (self, begun);
        let path = unfinished.path.clone();
        // Not `into_inner`, which turns what the disk says into plain text.
        writer.finish().map_err(|error| writing(&path, error))?;
        let file = writer.inner();
        let waits = file.bytes >= wait_from;
        if waits {
            file.file.sync_all().map_err(StoreError::output("write", &path))?;
        }
        unfinished.armed = false;
        Ok((WrittenFile { path, rows, bytes: file.bytes, sha256: files::hex(&file.hash.clone().finalize()) }, waits))
    }

    fn check_shape(&self, rows: &Rows) -> Result<(), StoreError> {
        let wrong =
            |expected: String, found: String| Err(StoreError::Shape { table: self.unfinished.path.clone(), expected, found });
        if rows.columns.len() != self.encoders.len() {
            return wrong(format!("{} columns", self.encoders.len()), format!("{}", rows.columns.len()));
        }
        let odd = self.encoders.iter().zip(&rows.columns).find(|(_, column)| column.len() != rows.len());
        match odd {
            Some((encoder, column)) => {
                wrong(format!("{} rows", rows.len()), format!("{} in column {:?}", column.len(), encoder.field.name))
            }
            None => Ok(()),
        }
    }

    /// The writer: that which was begun, or a new one.
    fn begin(&mut self, compressed: bool) -> Result<Begun, StoreError> {
        if let Some(begun) = self.begun.take() {
            return Ok(begun);
        }
        let path = &self.unfinished.path;
        let Some(file) = self.file.take() else {
            let source = "it failed before".into();
            return Err(StoreError::Encode { path: path.clone(), source });
        };
        let fields: Vec<Field> = self.encoders.iter().map(|encoder| encoder.field.clone()).collect();
        let properties = properties(&fields, &self.layout, compressed);
        let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
        let writer = ArrowWriter::try_new_with_options(HashingFile::new(file), Arc::clone(&self.schema), options)
            .and_then(ArrowWriter::into_serialized_writer);
        let (writer, groups) = writer.map_err(|error| writing(path, error))?;
        Ok(Begun { writer, groups, group: None })
    }

    fn hand_over(&mut self, begun: &mut Begun) -> Result<(), StoreError> {
        let batches = std::mem::take(&mut self.waiting);
        self.waiting_rows = 0;
        let rows = self.layout.row_group_rows;
        let written = match batches.as_slice() {
            [] => Ok(()),
            [one] => begun.write_batch(one, rows),
            many => concat_batches(&self.schema, many).map_err(ParquetError::from).and_then(|one| begun.write_batch(&one, rows)),
        };
        written.map_err(|error| writing(&self.unfinished.path, error))
    }
}

impl Begun {
    /// Encodes a batch into row groups of so many rows, its columns on as many threads as the current rayon pool has.
    fn write_batch(&mut self, batch: &RecordBatch, row_group_rows: usize) -> Result<(), ParquetError> {
        if self.group.is_none() {
            let number = self.writer.flushed_row_groups().len();
            self.group = Some((self.groups.create_column_writers(number)?, 0));
        }
        let Some((columns, rows)) = &mut self.group else { return Ok(()) };
        let room = row_group_rows - *rows;
        if batch.num_rows() > room {
            let (now, later) = (batch.slice(0, room), batch.slice(room, batch.num_rows() - room));
            self.write_batch(&now, row_group_rows)?;
            return self.write_batch(&later, row_group_rows);
        }
        // Every column of a table is one leaf.
        let schema = batch.schema();
        let leaves = schema.fields().iter().zip(batch.columns()).map(|(field, array)| compute_leaves(field, array));
        let leaves: Vec<_> = leaves.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
        columns.par_iter_mut().zip(&leaves).try_for_each(|(column, leaf)| column.write(leaf))?;
        *rows += batch.num_rows();
        let bytes: usize = columns.iter().map(ArrowColumnWriter::get_estimated_total_bytes).sum();
        if *rows >= row_group_rows || bytes >= ROW_GROUP_BYTES { self.close_group() } else { Ok(()) }
    }

    /// Writes the row group that was begun, if any.
    fn close_group(&mut self) -> Result<(), ParquetError> {
        let Some((columns, _)) = self.group.take() else { return Ok(()) };
        let chunks = columns.into_par_iter().map(ArrowColumnWriter::close).collect::<Result<Vec<_>, _>>()?;
        let mut group = self.writer.next_row_group()?;
        for chunk in chunks {
            chunk.append_to_row_group(&mut group)?;
        }
        group.close().map(|_| ())
    }
}

fn properties(fields: &[Field], layout: &Layout, compressed: bool) -> WriterProperties {
    // The types in arrow's own words, so that zones, seconds and widths come back exactly.
    let arrow_schema = KeyValue::new(ARROW_SCHEMA_META_KEY.to_owned(), encode_arrow_schema(&schema(fields, Form::File)));
    let level = ZstdLevel::try_new(layout.compression_level.clamp(1, 22)).unwrap_or_default();
    WriterProperties::builder()
        .set_created_by(CREATED_BY.to_owned())
        .set_compression(if compressed { Compression::ZSTD(level) } else { Compression::UNCOMPRESSED })
        .set_max_row_group_row_count(Some(layout.row_group_rows.max(1)))
        .set_key_value_metadata(Some(vec![arrow_schema]))
        .build()
}

/// An error of the Parquet writer: the disk's where it carries one, ours otherwise.
fn writing(path: &Path, error: ParquetError) -> StoreError {
    let error: Box<dyn std::error::Error + Send + Sync> = match error {
        ParquetError::External(inner) => inner,
        other => Box::new(other),
    };
    match error.downcast::<io::Error>() {
        Ok(source) => StoreError::Output { action: "write", path: path.to_owned(), source: *source },
        Err(source) => StoreError::Encode { path: path.to_owned(), source },
    }
}

/// Counts and hashes what goes to the disk, so that the file need not be read again.
struct HashingFile {
    file: File,
    hash: Sha256,
    bytes: u64,
}

impl HashingFile {
    fn new(file: File) -> Self {
        Self { file, hash: Sha256::new(), bytes: 0 }
    }
}

impl Write for HashingFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Removes its file when dropped, unless disarmed.
struct Unfinished {
    path: PathBuf,
    armed: bool,
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // Only what we created: never a device or a pipe that the path names.
        if self.armed && std::fs::symlink_metadata(&self.path).is_ok_and(|it| it.is_file()) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
