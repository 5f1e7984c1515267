//! Buckets: all records of the customers whose hashes begin alike, as chunks of columns in memory, further ones in a file.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use crate::budget::Budget;
use crate::cells::Cells;
use crate::error::EngineError;

/// A bucket is chosen by some of the top bits of a hash: few enough that a bucket's buffer stays large, enough that one
/// bucket sits in a core's cache while it is walked. That is 256 buckets, and more for a log of so many rows.
#[must_use]
pub fn bucket_bits(rows: u64) -> u32 {
    const ROWS_OF_A_BUCKET: u64 = 250_000;
    (u64::BITS - (rows / ROWS_OF_A_BUCKET).leading_zeros()).clamp(8, 10)
}

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
    /// Numbers of 64 bits, and how many there are for each record.
    Long(&'a mut Vec<u64>, usize),
    /// Byte strings.
    Cells(&'a mut Cells),
}

impl Column<'_> {
    fn append(&mut self, other: &Self) {
        match (self, other) {
            (Self::Long(all, _), Self::Long(other, _)) => all.extend_from_slice(other),
            (Self::Cells(all), Self::Cells(other)) => all.append(other),
            _ => {}
        }
    }

    /// Appends a record of another column, which has so many cells for each, or none.
    fn push_from(&mut self, other: &Self, record: usize, records: usize) {
        match (self, other) {
            (Self::Long(all, _), Self::Long(other, width)) => {
                all.extend_from_slice(other.get(record * width..(record + 1) * width).unwrap_or_default());
            }
            (Self::Cells(all), Self::Cells(other)) => {
                let width = other.len() / records;
                (record * width..(record + 1) * width).for_each(|cell| all.push_raw(other.raw(cell)));
            }
            _ => {}
        }
    }

    fn clear(&mut self) {
        match self {
            Self::Long(numbers, _) => numbers.clear(),
            Self::Cells(cells) => cells.clear(),
        }
    }

    fn shrink(&mut self) {
        match self {
            Self::Long(numbers, _) => numbers.shrink_to_fit(),
            Self::Cells(cells) => cells.shrink(),
        }
    }

    fn write(&self, file: &mut impl Write) -> std::io::Result<()> {
        let mut block = |length: usize, bytes: &[u8]| {
            file.write_all(&(length as u64).to_ne_bytes())?;
            file.write_all(bytes)
        };
        match self {
            Self::Long(numbers, width) => return pack(numbers, *width, file),
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
            Self::Long(numbers, width) => unpack(numbers, *width, file),
            Self::Cells(cells) => {
                block(&mut cells.ends, file)?;
                block(&mut cells.bytes, file)
            }
        }
    }
}

/// Writes numbers, `width` to a record, in as few bytes as the spread of each of these needs over all records: times of a
/// chunk lie close together, and keys, codes and amounts are mostly small.
fn pack(numbers: &[u64], width: usize, file: &mut impl Write) -> std::io::Result<()> {
    let records = numbers.len() / width.max(1);
    let mut fields: Vec<(u64, usize)> = Vec::with_capacity(width);
    for field in 0..width {
        let all = || numbers.iter().skip(field).step_by(width);
        let least = all().min().copied().unwrap_or(0);
        let spread = all().max().copied().unwrap_or(0) - least;
        fields.push((least, (u64::BITS - spread.leading_zeros()).div_ceil(8) as usize));
    }
    let bytes: usize = fields.iter().map(|(_, bytes)| bytes).sum();
    // Every number is written whole, and the next one over what it does not need.
    let mut packed = vec![0_u8; records * bytes + size_of::<u64>()];
    let mut at = 0;
    for record in numbers.chunks_exact(width.max(1)) {
        for (number, (least, bytes)) in record.iter().zip(&fields) {
            packed[at..at + size_of::<u64>()].copy_from_slice(&(number - least).to_le_bytes());
            at += bytes;
        }
    }
    file.write_all(&(records as u64).to_le_bytes())?;
    for (least, bytes) in fields {
        file.write_all(&least.to_le_bytes())?;
        file.write_all(&[bytes as u8])?;
    }
    file.write_all(&packed[..at])
}

/// Reads what [`pack`] wrote.
fn unpack(numbers: &mut Vec<u64>, width: usize, file: &mut impl Read) -> std::io::Result<()> {
    let mut word = [0; size_of::<u64>()];
    file.read_exact(&mut word)?;
    let records = u64::from_le_bytes(word) as usize;
    let mut fields: Vec<(u64, usize, u64)> = Vec::with_capacity(width);
    for _ in 0..width {
        file.read_exact(&mut word)?;
        let mut bytes = [0];
        file.read_exact(&mut bytes)?;
        let mask = if bytes[0] == 0 { 0 } else { u64::MAX >> (u64::BITS - 8 * u32::from(bytes[0])) };
        fields.push((u64::from_le_bytes(word), bytes[0].into(), mask));
    }
    let bytes: usize = fields.iter().map(|(_, bytes, _)| bytes).sum();
    let mut packed = vec![0_u8; records * bytes + size_of::<u64>()];
    file.read_exact(&mut packed[..records * bytes])?;
    numbers.clear();
    numbers.reserve(records * width);
    let mut at = 0;
    for _ in 0..records {
        for (least, bytes, mask) in &fields {
            word.copy_from_slice(&packed[at..at + size_of::<u64>()]);
            numbers.push(least + (u64::from_le_bytes(word) & mask));
            at += bytes;
        }
    }
    Ok(())
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
        let mut counted = Counted { file, bytes: 0 };
        for column in chunk.columns() {
            column.write(&mut counted).map_err(EngineError::temp(&self.path))?;
        }
        budget.count_spilled(counted.bytes);
        self.bytes += chunk.memory();
        self.records += chunk.len() as u64;
        self.spilled += 1;
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

/// Counts what is written.
struct Counted<'a> {
    file: &'a mut BufWriter<File>,
    bytes: u64,
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn packed_numbers_come_back(
            width in 1_usize..5,
            records in prop::collection::vec(prop::array::uniform4(prop_oneof![any::<u64>(), 0..300_u64, Just(7), Just(u64::MAX)]), 0..40),
        ) {
            let numbers: Vec<u64> = records.iter().flat_map(|record| record[..width].to_vec()).collect();
            let mut file = Vec::new();
            pack(&numbers, width, &mut file).expect("written");
            pack(&numbers, width, &mut file).expect("written");
            let (mut file, mut found) = (&file[..], vec![1, 2, 3]);
            for _ in 0..2 {
                unpack(&mut found, width, &mut file).expect("read");
                prop_assert_eq!(&found, &numbers);
            }
            prop_assert!(file.is_empty());
        }
    }
}
