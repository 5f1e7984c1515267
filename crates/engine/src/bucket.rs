//! Buckets: all records of the customers whose hashes begin alike, as chunks of columns in memory, further ones in a file.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use crate::budget::Budget;
use crate::cells::Cells;
use crate::error::EngineError;

/// A bucket is chosen by this many of the top bits of a hash: few enough that a bucket's buffer stays large, enough that
/// one bucket sits in cache.
pub const BUCKET_BITS: u32 = 8;

/// Records as columns of numbers and of cells. Columns that a kind of record does not have are empty.
pub trait Records: Send {
    /// The columns, always in the same order.
    fn columns(&mut self) -> Vec<Column<'_>>;
    /// No records of the same kind, with room for so many.
    #[must_use]
    fn like(&self, records: usize) -> Self;
    /// The number of records.
    fn len(&self) -> usize;
    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// The memory that they take, their spare room aside.
    fn memory(&self) -> u64;
    /// The hash by which a record's bucket is chosen.
    fn hash(&self, record: usize) -> u64;
    /// What tells which of two chunks of a bucket was read first, if anything.
    fn first_time(&self) -> Option<i64> {
        None
    }
}

/// A column of [`Records`].
pub enum Column<'a> {
    /// Numbers of 64 bits, as many for each record.
    Long(&'a mut Vec<u64>),
    /// Byte strings.
    Cells(&'a mut Cells),
}

impl Column<'_> {
    fn append(&mut self, other: &Self) {
        match (self, other) {
            (Self::Long(all), Self::Long(other)) => all.extend_from_slice(other),
            (Self::Cells(all), Self::Cells(other)) => all.append(other),
            _ => {}
        }
    }

    /// Appends a record of another column, which has so many numbers (or cells) for each, or none.
    fn push_from(&mut self, other: &Self, record: usize, records: usize) {
        let of = |length: usize| {
            let width = length / records;
            record * width..(record + 1) * width
        };
        match (self, other) {
            (Self::Long(all), Self::Long(other)) => all.extend_from_slice(&other[of(other.len())]),
            (Self::Cells(all), Self::Cells(other)) => of(other.len()).for_each(|cell| all.push_raw(other.raw(cell))),
            _ => {}
        }
    }

    fn clear(&mut self) {
        match self {
            Self::Long(numbers) => numbers.clear(),
            Self::Cells(cells) => cells.clear(),
        }
    }

    fn shrink(&mut self) {
        match self {
            Self::Long(numbers) => numbers.shrink_to_fit(),
            Self::Cells(cells) => cells.shrink(),
        }
    }

    fn write(&self, file: &mut impl Write) -> std::io::Result<()> {
        let mut block = |length: usize, bytes: &[u8]| {
            file.write_all(&(length as u64).to_ne_bytes())?;
            file.write_all(bytes)
        };
        match self {
            Self::Long(numbers) => block(numbers.len(), bytemuck::cast_slice(numbers)),
            Self::Cells(cells) => {
                block(cells.ends.len(), bytemuck::cast_slice(&cells.ends))?;
                block(cells.bytes.len(), &cells.bytes)
            }
        }
    }

    fn read(&mut self, file: &mut impl Read) -> std::io::Result<()> {
        fn block<T: bytemuck::Pod>(numbers: &mut Vec<T>, file: &mut impl Read) -> std::io::Result<()> {
            let mut length = [0_u8; 8];
            file.read_exact(&mut length)?;
            numbers.resize(u64::from_ne_bytes(length) as usize, T::zeroed());
            file.read_exact(bytemuck::cast_slice_mut(numbers))
        }
        match self {
            Self::Long(numbers) => block(numbers, file),
            Self::Cells(cells) => {
                block(&mut cells.ends, file)?;
                block(&mut cells.bytes, file)
            }
        }
    }
}

/// All records whose hashes begin alike.
pub struct Bucket<R> {
    path: PathBuf,
    /// No records, of the kind that comes in.
    kind: R,
    kept: Vec<R>,
    kept_bytes: u64,
    file: Option<BufWriter<File>>,
    spilled: u64,
    bytes: u64,
    records: u64,
}

impl<R: Records> Bucket<R> {
    /// An empty bucket that would spill to `path`.
    #[must_use]
    pub fn new(path: PathBuf, kind: R) -> Self {
        Self { path, kind, kept: Vec::new(), kept_bytes: 0, file: None, spilled: 0, bytes: 0, records: 0 }
    }

    /// The bytes that its records take, wherever they are.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The number of its records.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Takes a chunk, into memory as long as there is some: nothing that fits is written and read back.
    ///
    /// # Errors
    /// Where the bucket's file cannot be written.
    pub fn add(&mut self, mut chunk: R, budget: &Budget) -> Result<(), EngineError> {
        let bytes = chunk.memory();
        if budget.take(bytes) {
            self.bytes += bytes;
            self.kept_bytes += bytes;
            self.records += chunk.len() as u64;
            self.kept.push(chunk);
            Ok(())
        } else {
            self.spill(&mut chunk, budget)
        }
    }

    /// Writes a chunk to the bucket's file.
    fn spill(&mut self, chunk: &mut R, budget: &Budget) -> Result<(), EngineError> {
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                let options = File::options().read(true).write(true).create(true).truncate(true).open(&self.path);
                self.file.insert(BufWriter::with_capacity(1 << 12, options.map_err(EngineError::temp(&self.path))?))
            }
        };
        for column in chunk.columns() {
            column.write(file).map_err(EngineError::temp(&self.path))?;
        }
        self.bytes += chunk.memory();
        self.records += chunk.len() as u64;
        self.spilled += 1;
        budget.count_spilled(chunk.memory());
        Ok(())
    }

    /// All records in one chunk; the bucket is gone then, and so is its file.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn load(mut self, budget: &Budget) -> Result<R, EngineError> {
        // Threads read different stretches of the log: in the order of time there is less to sort afterwards.
        self.kept.sort_by_key(R::first_time);
        let records = self.records as usize;
        let mut all = self.kind.like(records);
        self.drain(budget, |chunk| {
            all.columns().iter_mut().zip(chunk.columns()).for_each(|(all, column)| all.append(&column));
            Ok(())
        })?;
        Ok(all)
    }

    /// Divides the bucket by the `bits` bits of the hash behind its first `used` ones, each part going to its own file.
    ///
    /// # Errors
    /// Where a file cannot be read or written.
    pub fn divide(self, used: u32, bits: u32, budget: &Budget) -> Result<Vec<Self>, EngineError> {
        const PART_BYTES: u64 = 1 << 16;
        let path = self.path.clone();
        let part = |number: u32| Self::new(path.with_extension(format!("{used}-{number}")), self.kind.like(0));
        let mut parts: Vec<_> = (0..1 << bits).map(part).collect();
        let mut buffers: Vec<R> = parts.iter().map(|_| self.kind.like(0)).collect();
        let mut of_part: Vec<Vec<u32>> = vec![Vec::new(); parts.len()];
        self.drain(budget, |chunk| {
            let records = chunk.len();
            of_part.iter_mut().for_each(Vec::clear);
            (0..records).for_each(|record| of_part[(chunk.hash(record) << used >> (64 - bits)) as usize].push(record as u32));
            for ((part, buffer), rows) in parts.iter_mut().zip(&mut buffers).zip(&of_part) {
                for (mut all, column) in buffer.columns().into_iter().zip(chunk.columns()) {
                    rows.iter().for_each(|record| all.push_from(&column, *record as usize, records));
                }
                if buffer.memory() >= PART_BYTES {
                    part.spill(buffer, budget)?;
                    buffer.columns().iter_mut().for_each(Column::clear);
                }
            }
            Ok(())
        })?;
        for (part, buffer) in parts.iter_mut().zip(&mut buffers).filter(|(_, buffer)| !buffer.is_empty()) {
            part.spill(buffer, budget)?;
        }
        Ok(parts)
    }

    /// Gives all chunks to `each`, those in memory first, and the memory back.
    fn drain(self, budget: &Budget, mut each: impl FnMut(&mut R) -> Result<(), EngineError>) -> Result<(), EngineError> {
        for mut chunk in self.kept {
            let bytes = chunk.memory();
            each(&mut chunk)?;
            drop(chunk);
            budget.give_back(bytes);
        }
        if let Some(file) = self.file {
            let failed = || EngineError::temp(&self.path);
            let mut file = file.into_inner().map_err(|wrong| failed()(wrong.into_error()))?;
            file.seek(SeekFrom::Start(0)).map_err(failed())?;
            let mut file = BufReader::with_capacity(1 << 16, file);
            let mut chunk = self.kind;
            for _ in 0..self.spilled {
                for mut column in chunk.columns() {
                    column.read(&mut file).map_err(failed())?;
                }
                each(&mut chunk)?;
            }
            drop(file);
            std::fs::remove_file(&self.path).map_err(failed())?;
        }
        Ok(())
    }
}

/// The buckets of all hashes, which many threads fill.
pub struct Buckets<R> {
    buckets: Vec<Mutex<Bucket<R>>>,
    /// No records, of the kind that comes in.
    kind: R,
    chunk_records: usize,
}

impl<R: Records> Buckets<R> {
    /// `count` empty buckets, which spill to files called `name` and a number.
    #[must_use]
    pub fn new(name: &str, count: usize, kind: R, chunk_records: usize, budget: &Budget) -> Self {
        let bucket = |number| Mutex::new(Bucket::new(budget.temp().join(format!("{name}-{number:03}")), kind.like(0)));
        Self { buckets: (0..count).map(bucket).collect(), kind, chunk_records }
    }

    /// What one thread gathers: a chunk for each bucket.
    #[must_use]
    pub fn chunks(&self) -> Vec<R> {
        self.buckets.iter().map(|_| self.kind.like(self.chunk_records)).collect()
    }

    /// Whether a chunk is to be handed on.
    #[inline]
    #[must_use]
    pub fn is_full(&self, chunk: &R) -> bool {
        chunk.len() >= self.chunk_records
    }

    /// Hands a chunk on once it is full.
    ///
    /// # Errors
    /// Where its bucket's file cannot be written.
    #[inline]
    pub fn hand_on_full(&self, number: usize, chunk: &mut R, budget: &Budget) -> Result<(), EngineError> {
        if !self.is_full(chunk) {
            return Ok(());
        }
        self.hand_on(number, std::mem::replace(chunk, self.kind.like(self.chunk_records)), budget)
    }

    fn hand_on(&self, number: usize, chunk: R, budget: &Budget) -> Result<(), EngineError> {
        self.buckets[number].lock().unwrap_or_else(PoisonError::into_inner).add(chunk, budget)
    }

    /// The buckets, once the last records of all threads are in.
    ///
    /// # Errors
    /// Where a bucket's file cannot be written.
    pub fn finish(self, of_threads: impl IntoIterator<Item = Vec<R>>, budget: &Budget) -> Result<Vec<Bucket<R>>, EngineError> {
        for chunks in of_threads {
            for (number, mut chunk) in chunks.into_iter().enumerate().filter(|(_, chunk)| !chunk.is_empty()) {
                chunk.columns().iter_mut().for_each(Column::shrink);
                self.hand_on(number, chunk, budget)?;
            }
        }
        Ok(self.buckets.into_iter().map(|bucket| bucket.into_inner().unwrap_or_else(PoisonError::into_inner)).collect())
    }
}
