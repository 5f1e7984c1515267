//! The floor that benchmarks measure against: decodes some columns of every Parquet file below a folder, and does nothing with
//! them. `decode --threads N FOLDER COLUMN…`; the first column is decoded as it stands (text as views), other text as codes.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use arrow::datatypes::{DataType, Schema};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut threads = 1;
    if arguments.first().is_some_and(|first| first == "--threads") && arguments.len() > 1 {
        threads = arguments.remove(1).parse()?;
        arguments.remove(0);
    }
    let [folder, columns @ ..] = arguments.as_slice() else { return Err("decode [--threads N] FOLDER COLUMN…".into()) };
    let began = Instant::now();
    let mut files = Vec::new();
    parquet_files(Path::new(folder), &mut files)?;
    files.sort();
    let mut tasks: Vec<(PathBuf, ArrowReaderMetadata, usize)> = Vec::new();
    for path in files {
        let metadata = open(&path, columns)?;
        tasks.extend((0..metadata.metadata().num_row_groups()).map(|group| (path.clone(), metadata.clone(), group)));
    }
    let (next, rows) = (AtomicUsize::new(0), AtomicU64::new(0));
    let work = || -> Result<(), Failure> {
        while let Some((path, metadata, group)) = tasks.get(next.fetch_add(1, Ordering::Relaxed)) {
            rows.fetch_add(decode(path, metadata, *group, columns)?, Ordering::Relaxed);
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| "a thread panicked")?)
    })?;
    let (rows, seconds) = (rows.into_inner(), began.elapsed().as_secs_f64());
    #[expect(clippy::print_stdout, reason = "this is a program")]
    {
        println!("{{\"rows\": {rows}, \"seconds\": {seconds:.3}}}");
    }
    Ok(())
}

fn parquet_files(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            parquet_files(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "parquet") {
            files.push(path);
        }
    }
    Ok(())
}

fn open(path: &Path, columns: &[String]) -> Result<ArrowReaderMetadata, Failure> {
    let options = || ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let metadata = ArrowReaderMetadata::load(&File::open(path)?, options())?;
    let fields = metadata.schema().fields().iter().map(|field| {
        let kind = match field.data_type() {
            DataType::Utf8 if columns.first() == Some(field.name()) => DataType::Utf8View,
            DataType::Utf8 => DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
            other => other.clone(),
        };
        field.as_ref().clone().with_data_type(kind)
    });
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    Ok(ArrowReaderMetadata::try_new(Arc::clone(metadata.metadata()), options().with_schema(schema))?)
}

fn decode(path: &Path, metadata: &ArrowReaderMetadata, group: usize, columns: &[String]) -> Result<u64, Failure> {
    let mask = ProjectionMask::columns(metadata.parquet_schema(), columns.iter().map(String::as_str));
    let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(File::open(path)?, metadata.clone())
        .with_projection(mask)
        .with_row_groups(vec![group])
        .with_batch_size(1 << 15)
        .build()?;
    let mut rows = 0;
    for batch in reader {
        rows += std::hint::black_box(batch?).num_rows() as u64;
    }
    Ok(rows)
}
