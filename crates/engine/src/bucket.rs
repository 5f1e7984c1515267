//! A bucket of touches: chunks of columns in memory, further ones in a file.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use attributary_core::batch::TouchBatch;
use attributary_core::key::Key;

use crate::cells::Cells;
use crate::error::EngineError;

/// What a record holds besides customer, time and profile.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shape {
    /// Whether customers need all 128 bits of their key; integers that fit 64 bits do not.
    pub wide: bool,
    /// The touch's id.
    pub ids: bool,
    /// The file and row it came from.
    pub origins: bool,
    /// The customer as the source has it.
    pub customers: bool,
}

/// Rows of a file take the low 40 bits of an origin.
const ROW_BITS: u32 = 40;

/// A file and a row in it as one number.
#[must_use]
pub fn pack_origin(file: u32, row: u64) -> u64 {
    u64::from(file) << ROW_BITS | row
}

/// The file and the row of [`pack_origin`].
#[must_use]
pub fn unpack_origin(origin: u64) -> (u32, u64) {
    ((origin >> ROW_BITS) as u32, origin & ((1 << ROW_BITS) - 1))
}

/// Some touches as columns.
#[derive(Clone, Debug, Default)]
pub struct Chunk {
    /// Customers: the lower half of their keys.
    pub low: Vec<u64>,
    /// The upper half, if the shape is wide; else it is the sign of the lower one.
    pub high: Vec<u64>,
    /// Microseconds UTC.
    pub times: Vec<i64>,
    /// Profiles.
    pub profiles: Vec<u32>,
    /// File and row (see [`Chunk::origin`]), if the shape has them.
    pub origins: Vec<u64>,
    /// Ids, if the shape has them.
    pub ids: Cells,
    /// Customers as the source has them, if the shape has them.
    pub customers: Cells,
}

impl Chunk {
    /// An empty chunk with room for so many records.
    #[must_use]
    pub fn with_capacity(shape: Shape, records: usize) -> Self {
        Self {
            low: Vec::with_capacity(records),
            high: Vec::with_capacity(if shape.wide { records } else { 0 }),
            times: Vec::with_capacity(records),
            profiles: Vec::with_capacity(records),
            ..Self::default()
        }
    }

    /// Appends a record without what only some shapes have.
    #[inline]
    pub fn push(&mut self, shape: Shape, key: Key, time: i64, profile: u32) {
        self.low.push(key.0 as u64);
        if shape.wide {
            self.high.push((key.0 >> 64) as u64);
        }
        self.times.push(time);
        self.profiles.push(profile);
    }

    /// Appends what only some shapes have of the record that was pushed last: it stems from a row of a batch.
    pub fn push_rest(&mut self, shape: Shape, batch: &TouchBatch, row: usize) {
        if shape.origins {
            self.origins.push(pack_origin(batch.file, batch.rows.at(row)));
        }
        if let (true, Some(ids)) = (shape.ids, &batch.ids) {
            self.ids.push_identity(&**ids, row);
        }
        if shape.customers {
            self.customers.push_identity(&*batch.customers, row);
        }
    }

    /// The customer of a record.
    #[inline]
    #[must_use]
    pub fn key(&self, record: usize) -> Key {
        let low = self.low[record];
        // The shift of a signed number fills up with its sign.
        let high = self.high.get(record).copied().unwrap_or((low as i64 >> 63) as u64);
        Key(u128::from(high) << 64 | u128::from(low))
    }

    /// Appends another's rows.
    pub fn append(&mut self, other: &Self) {
        self.low.extend_from_slice(&other.low);
        self.high.extend_from_slice(&other.high);
        self.times.extend_from_slice(&other.times);
        self.profiles.extend_from_slice(&other.profiles);
        self.origins.extend_from_slice(&other.origins);
        self.ids.append(&other.ids);
        self.customers.append(&other.customers);
    }

    /// Appends one row of another.
    fn push_from(&mut self, other: &Self, row: usize) {
        self.low.push(other.low[row]);
        self.high.extend(other.high.get(row));
        self.times.push(other.times[row]);
        self.profiles.push(other.profiles[row]);
        if let Some(origin) = other.origins.get(row) {
            self.origins.push(*origin);
        }
        if !other.ids.is_empty() {
            self.ids.push_raw(other.ids.raw(row));
        }
        if !other.customers.is_empty() {
            self.customers.push_raw(other.customers.raw(row));
        }
    }

    /// The file and the row in it that a record came from.
    #[must_use]
    pub fn origin(&self, record: usize) -> (u32, u64) {
        unpack_origin(self.origins[record])
    }

    /// The number of records.
    #[must_use]
    pub fn len(&self) -> usize {
        self.low.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.low.is_empty()
    }

    /// The bytes that the records take.
    #[must_use]
    pub fn memory(&self) -> u64 {
        let fixed = self.low.len() * 20 + self.high.len() * 8 + self.origins.len() * 8;
        (fixed + self.ids.memory() + self.customers.memory()) as u64
    }

    /// Gives back the memory that no record takes.
    pub fn shrink(&mut self) {
        self.low.shrink_to_fit();
        self.high.shrink_to_fit();
        self.times.shrink_to_fit();
        self.profiles.shrink_to_fit();
    }

    /// Removes all records and keeps the memory.
    pub fn clear(&mut self) {
        self.low.clear();
        self.high.clear();
        self.times.clear();
        self.profiles.clear();
        self.origins.clear();
        for cells in [&mut self.ids, &mut self.customers] {
            cells.bytes.clear();
            cells.ends.clear();
        }
    }

    fn write(&self, file: &mut impl Write) -> std::io::Result<()> {
        let lengths = [
            self.low.len(),
            self.high.len(),
            self.origins.len(),
            self.ids.len(),
            self.ids.bytes.len(),
            self.customers.len(),
            self.customers.bytes.len(),
        ];
        file.write_all(bytemuck::cast_slice(&lengths.map(|length| length as u64)))?;
        file.write_all(bytemuck::cast_slice(&self.low))?;
        file.write_all(bytemuck::cast_slice(&self.high))?;
        file.write_all(bytemuck::cast_slice(&self.times))?;
        file.write_all(bytemuck::cast_slice(&self.profiles))?;
        file.write_all(bytemuck::cast_slice(&self.origins))?;
        for cells in [&self.ids, &self.customers] {
            file.write_all(bytemuck::cast_slice(&cells.ends))?;
            file.write_all(&cells.bytes)?;
        }
        Ok(())
    }

    fn read(file: &mut impl Read) -> std::io::Result<Self> {
        let mut lengths = [0_u64; 7];
        file.read_exact(bytemuck::cast_slice_mut(&mut lengths))?;
        let [records, wide, origins, ids, id_bytes, customers, customer_bytes] = lengths.map(|length| length as usize);
        let mut chunk = Self {
            low: vec![0; records],
            high: vec![0; wide],
            times: vec![0; records],
            profiles: vec![0; records],
            origins: vec![0; origins],
            ids: Cells { bytes: vec![0; id_bytes], ends: vec![0; ids] },
            customers: Cells { bytes: vec![0; customer_bytes], ends: vec![0; customers] },
        };
        file.read_exact(bytemuck::cast_slice_mut(&mut chunk.low))?;
        file.read_exact(bytemuck::cast_slice_mut(&mut chunk.high))?;
        file.read_exact(bytemuck::cast_slice_mut(&mut chunk.times))?;
        file.read_exact(bytemuck::cast_slice_mut(&mut chunk.profiles))?;
        file.read_exact(bytemuck::cast_slice_mut(&mut chunk.origins))?;
        for cells in [&mut chunk.ids, &mut chunk.customers] {
            file.read_exact(bytemuck::cast_slice_mut(&mut cells.ends))?;
            file.read_exact(&mut cells.bytes)?;
        }
        Ok(chunk)
    }
}

/// All touches of the customers whose hashes begin alike.
pub struct Bucket {
    path: PathBuf,
    shape: Shape,
    kept: Vec<Chunk>,
    file: Option<BufWriter<File>>,
    spilled: u64,
    bytes: u64,
    records: u64,
}

impl Bucket {
    /// An empty bucket that would spill to `path`.
    #[must_use]
    pub fn new(path: PathBuf, shape: Shape) -> Self {
        Self { path, shape, kept: Vec::new(), file: None, spilled: 0, bytes: 0, records: 0 }
    }

    /// The bytes that its records take, wherever they are.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Those of them that are in the file.
    #[must_use]
    pub fn spilled_bytes(&self) -> u64 {
        self.bytes - self.kept.iter().map(Chunk::memory).sum::<u64>()
    }

    /// Takes a chunk into memory.
    pub fn keep(&mut self, chunk: Chunk) {
        self.bytes += chunk.memory();
        self.records += chunk.len() as u64;
        self.kept.push(chunk);
    }

    /// Writes a chunk to the bucket's file.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn spill(&mut self, chunk: &Chunk) -> Result<(), EngineError> {
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                let options = File::options().read(true).write(true).create(true).truncate(true).open(&self.path);
                self.file.insert(BufWriter::with_capacity(1 << 13, options.map_err(EngineError::temp(&self.path))?))
            }
        };
        chunk.write(file).map_err(EngineError::temp(&self.path))?;
        self.bytes += chunk.memory();
        self.records += chunk.len() as u64;
        self.spilled += 1;
        Ok(())
    }

    /// All records in one chunk; the bucket is gone then, and so is its file.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn load(mut self) -> Result<Chunk, EngineError> {
        let mut all = Chunk::with_capacity(self.shape, self.records as usize);
        // Threads read different stretches of the log: in the order of time there is less to sort afterwards.
        self.kept.sort_by_key(|chunk| chunk.times.first().copied());
        self.drain(|chunk| {
            all.append(&chunk);
            Ok(())
        })?;
        Ok(all)
    }

    /// Divides the bucket by the `bits` bits of the hash behind its first `used` ones, each part going to its own file.
    ///
    /// # Errors
    /// Where a file cannot be read or written.
    pub fn divide(self, used: u32, bits: u32) -> Result<Vec<Self>, EngineError> {
        const PART_BYTES: u64 = 1 << 18;
        let path = self.path.clone();
        let part = |number: u32| Self::new(path.with_extension(format!("{used}-{number}")), self.shape);
        let mut parts: Vec<_> = (0..1 << bits).map(part).collect();
        let mut buffers = vec![Chunk::default(); parts.len()];
        self.drain(|chunk| {
            for row in 0..chunk.len() {
                let place = (chunk.key(row).hash() << used >> (64 - bits)) as usize;
                buffers[place].push_from(&chunk, row);
                if buffers[place].memory() >= PART_BYTES {
                    parts[place].spill(&buffers[place])?;
                    buffers[place].clear();
                }
            }
            Ok(())
        })?;
        for (part, buffer) in parts.iter_mut().zip(&buffers) {
            if !buffer.is_empty() {
                part.spill(buffer)?;
            }
        }
        Ok(parts)
    }

    fn drain(self, mut each: impl FnMut(Chunk) -> Result<(), EngineError>) -> Result<(), EngineError> {
        for chunk in self.kept {
            each(chunk)?;
        }
        if let Some(file) = self.file {
            let failed = || EngineError::temp(&self.path);
            let mut file = file.into_inner().map_err(|wrong| failed()(wrong.into_error()))?;
            file.seek(SeekFrom::Start(0)).map_err(failed())?;
            let mut file = BufReader::with_capacity(1 << 16, file);
            for _ in 0..self.spilled {
                each(Chunk::read(&mut file).map_err(failed())?)?;
            }
            drop(file);
            std::fs::remove_file(&self.path).map_err(failed())?;
        }
        Ok(())
    }
}
