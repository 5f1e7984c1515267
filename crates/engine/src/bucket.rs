//! Buckets: all records of the customers whose hashes begin alike, as chunks of columns in memory, further ones in a file.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use crate::budget::Budget;
use crate::cells::Cells;
use crate::error::EngineError;

/// A bucket is chosen by some of the top bits of a hash: few enough that a bucket's buffer stays large, enough that one
/// bucket sits in a core's cache while it is walked. That is 256 buckets, and more for a log of so many rows, unless no more
/// than `files` files may be open: each bucket may need three.
#[must_use]
pub fn bucket_bits(rows: u64, files: u64) -> u32 {
    const ROWS_OF_A_BUCKET: u64 = 250_000;
    let most = (files / 4).max(16).ilog2();
    (u64::BITS - (rows / ROWS_OF_A_BUCKET).leading_zeros()).clamp(8, 10).min(most)
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

    fn write(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Long(numbers, width) => pack(numbers, *width, bytes),
            Self::Cells(cells) => {
                pack(&cells.ends, 1, bytes);
                bytes.extend_from_slice(&(cells.bytes.len() as u64).to_le_bytes());
                bytes.extend_from_slice(&cells.bytes);
            }
        }
    }

    /// Appends what [`Column::write`] wrote.
    fn read(&mut self, bytes: &mut impl Read) -> std::io::Result<()> {
        match self {
            Self::Long(numbers, width) => unpack(numbers, *width, 0, bytes),
            Self::Cells(cells) => {
                let before = cells.bytes.len();
                unpack(&mut cells.ends, 1, before as u64, bytes)?;
                let mut length = [0; size_of::<u64>()];
                bytes.read_exact(&mut length)?;
                cells.bytes.resize(before + u64::from_le_bytes(length) as usize, 0);
                bytes.read_exact(&mut cells.bytes[before..])
            }
        }
    }
}

/// Appends numbers, `width` to a record, in as few bytes as the spread of each of these needs over all records: times of a
/// chunk lie close together, and keys, codes and amounts are mostly small.
fn pack(numbers: &[u64], width: usize, bytes: &mut Vec<u8>) {
    const WORD: usize = size_of::<u64>();
    let records = numbers.len() / width.max(1);
    let mut spans: Vec<(u64, u64)> = vec![(u64::MAX, 0); width];
    for record in numbers.chunks_exact(width.max(1)) {
        spans.iter_mut().zip(record).for_each(|(span, number)| *span = (span.0.min(*number), span.1.max(*number)));
    }
    let span = |(least, most): (u64, u64)| {
        let least = least.min(most);
        (least, (u64::BITS - (most - least).leading_zeros()).div_ceil(8) as usize)
    };
    let fields: Vec<(u64, usize)> = spans.into_iter().map(span).collect();
    bytes.extend_from_slice(&(records as u64).to_le_bytes());
    for (least, count) in &fields {
        bytes.extend_from_slice(&least.to_le_bytes());
        bytes.push(*count as u8);
    }
    // Every number is written whole, and the next one over what it does not need.
    let mut at = bytes.len();
    let end = at + records * fields.iter().map(|(_, count)| count).sum::<usize>();
    bytes.resize(end + WORD, 0);
    for record in numbers.chunks_exact(width.max(1)) {
        for (number, (least, count)) in record.iter().zip(&fields) {
            bytes[at..at + WORD].copy_from_slice(&(number - least).to_le_bytes());
            at += count;
        }
    }
    bytes.truncate(end);
}

/// Appends what [`pack`] wrote, each number that much larger.
fn unpack(numbers: &mut Vec<u64>, width: usize, larger: u64, bytes: &mut impl Read) -> std::io::Result<()> {
    const WORD: usize = size_of::<u64>();
    let mut word = [0; WORD];
    bytes.read_exact(&mut word)?;
    let records = u64::from_le_bytes(word) as usize;
    let mut fields: Vec<(u64, usize, u64)> = Vec::with_capacity(width);
    for _ in 0..width {
        bytes.read_exact(&mut word)?;
        let mut count = [0];
        bytes.read_exact(&mut count)?;
        let mask = if count[0] == 0 { 0 } else { u64::MAX >> (u64::BITS - 8 * u32::from(count[0])) };
        fields.push((u64::from_le_bytes(word), count[0].into(), mask));
    }
    let length = records * fields.iter().map(|(_, count, _)| count).sum::<usize>();
    let mut packed = vec![0_u8; length + WORD];
    bytes.read_exact(&mut packed[..length])?;
    numbers.reserve(records * width);
    let mut at = 0;
    for _ in 0..records {
        for (least, count, mask) in &fields {
            word.copy_from_slice(&packed[at..at + WORD]);
            numbers.push(larger + least + (u64::from_le_bytes(word) & mask));
            at += count;
        }
    }
    Ok(())
}

/// All records whose hashes begin alike. They wait in packed form, in memory or in a file.
pub struct Bucket<R> {
    path: PathBuf,
    /// No records, of the kind that comes in.
    kind: R,
    /// Chunks in memory, and what tells which of them was read first.
    kept: Vec<(Option<i64>, Box<[u8]>)>,
    file: Option<BufWriter<File>>,
    /// Chunks in the file.
    spilled: u64,
    bytes: u64,
    records: u64,
}

impl<R: Records> Bucket<R> {
    /// An empty bucket that would spill to `path`.
    #[must_use]
    pub fn new(path: PathBuf, kind: R) -> Self {
        Self { path, kind, kept: Vec::new(), file: None, spilled: 0, bytes: 0, records: 0 }
    }

    /// The bytes that its records take once they are loaded.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The number of its records.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Takes the records of a chunk, into memory as long as there is some: nothing that fits is written and read back.
    ///
    /// # Errors
    /// Where the bucket's file cannot be written.
    fn add(&mut self, chunk: Packed, budget: &Budget) -> Result<(), EngineError> {
        if budget.take(chunk.bytes.len() as u64) {
            self.bytes += chunk.memory;
            self.records += chunk.records;
            self.kept.push((chunk.first_time, chunk.bytes.into_boxed_slice()));
            return Ok(());
        }
        self.spill(&chunk, budget)
    }

    /// Takes the records of a chunk into the file.
    fn spill(&mut self, chunk: &Packed, budget: &Budget) -> Result<(), EngineError> {
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                let options = File::options().read(true).write(true).create(true).truncate(true).open(&self.path);
                self.file.insert(BufWriter::with_capacity(1 << 12, options.map_err(EngineError::temp(&self.path))?))
            }
        };
        file.write_all(&chunk.bytes).map_err(EngineError::temp(&self.path))?;
        budget.count_spilled(chunk.bytes.len() as u64);
        self.bytes += chunk.memory;
        self.records += chunk.records;
        self.spilled += 1;
        Ok(())
    }

    /// All records in one chunk; the bucket is gone then, and so is its file.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn load(mut self, budget: &Budget) -> Result<R, EngineError> {
        // Threads read different stretches of the log: in the order of time there is less to sort afterwards.
        self.kept.sort_by_key(|(first_time, _)| *first_time);
        let mut all = self.kind.like(self.records as usize);
        self.drain(budget, &mut all, |_| Ok(()))?;
        Ok(all)
    }

    /// All records in one chunk; the bucket stays as it is.
    ///
    /// # Errors
    /// Where the file cannot be read or written.
    pub fn look(&mut self) -> Result<R, EngineError> {
        let mut all = self.kind.like(self.records as usize);
        self.look_into(&mut all, |_| ())?;
        Ok(all)
    }

    /// As [`Bucket::look`], only the records whose hashes are wanted if anyone says which.
    ///
    /// # Errors
    /// As there.
    pub fn look_at(&mut self, wanted: Option<&dyn Fn(u64) -> bool>) -> Result<R, EngineError> {
        let Some(wanted) = wanted else { return self.look() };
        let mut all = self.kind.like(0);
        let mut chunk = self.kind.like(0);
        self.look_into(&mut chunk, |chunk| {
            let records = chunk.len();
            let kept: Vec<usize> = (0..records).filter(|record| wanted(chunk.hash(*record))).collect();
            for (mut all, column) in all.columns().into_iter().zip(chunk.columns()) {
                kept.iter().for_each(|record| all.push_from(&column, *record, records));
            }
            clear(chunk);
        })?;
        Ok(all)
    }

    /// Appends chunk by chunk to `into`, and calls `each` after every one.
    fn look_into(&mut self, into: &mut R, mut each: impl FnMut(&mut R)) -> Result<(), EngineError> {
        self.kept.sort_by_key(|(first_time, _)| *first_time);
        let failed = EngineError::temp(&self.path);
        let mut read = || {
            for (_, packed) in &self.kept {
                let mut bytes = &packed[..];
                into.columns().iter_mut().try_for_each(|column| column.read(&mut bytes))?;
                each(into);
            }
            if let Some(file) = &mut self.file {
                file.flush()?;
                // The place in the file is shared: whoever loads the bucket begins at its start.
                let mut file = file.get_ref().try_clone()?;
                file.seek(SeekFrom::Start(0))?;
                let mut file = BufReader::with_capacity(1 << 16, file);
                for _ in 0..self.spilled {
                    into.columns().iter_mut().try_for_each(|column| column.read(&mut file))?;
                    each(into);
                }
            }
            Ok(())
        };
        read().map_err(failed)
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
        let mut chunk = self.kind.like(0);
        self.drain(budget, &mut chunk, |chunk| {
            let records = chunk.len();
            of_part.iter_mut().for_each(Vec::clear);
            (0..records).for_each(|record| of_part[(chunk.hash(record) << used >> (64 - bits)) as usize].push(record as u32));
            for ((part, buffer), rows) in parts.iter_mut().zip(&mut buffers).zip(&of_part) {
                for (mut all, column) in buffer.columns().into_iter().zip(chunk.columns()) {
                    rows.iter().for_each(|record| all.push_from(&column, *record as usize, records));
                }
                if buffer.memory() >= PART_BYTES {
                    part.spill(&Packed::of(buffer), budget)?;
                    clear(buffer);
                }
            }
            clear(chunk);
            Ok(())
        })?;
        for (part, buffer) in parts.iter_mut().zip(&mut buffers).filter(|(_, buffer)| !buffer.is_empty()) {
            part.spill(&Packed::of(buffer), budget)?;
        }
        Ok(parts)
    }

    /// Appends chunk by chunk to `into`, those in memory first, calls `each` after every one, and gives the memory back.
    fn drain(
        self,
        budget: &Budget,
        into: &mut R,
        mut each: impl FnMut(&mut R) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        let failed = || EngineError::temp(&self.path);
        for (_, packed) in self.kept {
            budget.check()?;
            let mut bytes = &packed[..];
            into.columns().iter_mut().try_for_each(|column| column.read(&mut bytes)).map_err(failed())?;
            budget.give_back(packed.len() as u64);
            drop(packed);
            each(into)?;
        }
        if let Some(file) = self.file {
            let mut file = file.into_inner().map_err(|wrong| failed()(wrong.into_error()))?;
            file.seek(SeekFrom::Start(0)).map_err(failed())?;
            let mut file = BufReader::with_capacity(1 << 16, file);
            for _ in 0..self.spilled {
                budget.check()?;
                into.columns().iter_mut().try_for_each(|column| column.read(&mut file)).map_err(failed())?;
                each(into)?;
            }
            drop(file);
            std::fs::remove_file(&self.path).map_err(failed())?;
        }
        Ok(())
    }
}

/// The records of a chunk as they wait.
struct Packed {
    bytes: Vec<u8>,
    first_time: Option<i64>,
    records: u64,
    /// What they take once they are loaded.
    memory: u64,
}

impl Packed {
    fn of<R: Records>(chunk: &mut R) -> Self {
        let memory = chunk.memory();
        let mut bytes = Vec::with_capacity(memory as usize);
        chunk.columns().iter().for_each(|column| column.write(&mut bytes));
        Self { bytes, first_time: chunk.first_time(), records: chunk.len() as u64, memory }
    }
}

/// Removes all records and keeps the memory.
fn clear<R: Records>(records: &mut R) {
    records.columns().iter_mut().for_each(Column::clear);
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
        let packed = Packed::of(chunk);
        clear(chunk);
        self.buckets[number].lock().unwrap_or_else(PoisonError::into_inner).add(packed, budget)?;
        Ok(())
    }

    /// The buckets, once the last records of all threads are in.
    ///
    /// # Errors
    /// Where a bucket's file cannot be written.
    pub fn finish(self, of_threads: impl IntoIterator<Item = Vec<R>>, budget: &Budget) -> Result<Vec<Bucket<R>>, EngineError> {
        let mut buckets: Vec<Bucket<R>> =
            self.buckets.into_iter().map(|bucket| bucket.into_inner().unwrap_or_else(PoisonError::into_inner)).collect();
        for chunks in of_threads {
            for (bucket, mut chunk) in buckets.iter_mut().zip(chunks).filter(|(_, chunk)| !chunk.is_empty()) {
                bucket.add(Packed::of(&mut chunk), budget)?;
            }
        }
        Ok(buckets)
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
            let mut packed = Vec::new();
            pack(&numbers, width, &mut packed);
            pack(&numbers, width, &mut packed);
            let (mut bytes, mut found) = (&packed[..], Vec::new());
            unpack(&mut found, width, 0, &mut bytes).expect("read");
            unpack(&mut found, width, 0, &mut bytes).expect("read");
            prop_assert!(bytes.is_empty());
            prop_assert_eq!(found, [&numbers[..], &numbers[..]].concat());
        }
    }
}
