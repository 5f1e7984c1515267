//! Rows on their way to a table of one file a conversion day: written to temporary files bucket by bucket, read back
//! day by day. So a table of any size needs the memory of a piece of one bucket.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use attributary_core::time::Day;

use crate::budget::Budget;
use crate::cells::Cells;
use crate::error::EngineError;
use crate::sorted::Conversions;

/// Rows as columns of integers, and one of ids. The first column is the row's conversion.
#[derive(Clone, Debug, Default)]
pub struct Block {
    /// The columns, all of one length.
    pub columns: Vec<Vec<i64>>,
    /// An id for each row, or for none.
    pub ids: Cells,
}

/// The conversions that some rows speak of, each once. A row names its conversion by the place here.
#[derive(Clone, Debug, Default)]
pub struct Named {
    /// Microseconds UTC; of refunds their own.
    pub times: Vec<i64>,
    /// Codes of kinds.
    pub kinds: Vec<i64>,
    /// The values of a conversion side by side.
    pub values: Vec<i64>,
    /// Where values were converted, of each conversion the code of its currency, the rate, and its own values (see
    /// [`crate::lanes::Exchanged`]).
    pub exchanged: Vec<i64>,
    /// Ids as the source has them.
    pub ids: Cells,
    /// Customers as the source has them.
    pub customers: Cells,
}

/// What one thread writes.
pub struct Spool {
    path: PathBuf,
    file: Option<BufWriter<File>>,
    written: u64,
    pieces: Vec<Piece>,
}

/// A run of rows of one day, and where it stands.
#[derive(Clone, Copy, Debug)]
struct Piece {
    day: Day,
    bucket: u32,
    sequence: u32,
    offset: u64,
    bytes: u64,
}

/// The column of a row's conversion.
pub const CONVERSION: usize = 0;

impl Block {
    /// The number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.columns.first().map_or(0, Vec::len)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The memory that the rows take.
    #[must_use]
    pub fn memory(&self) -> u64 {
        (self.columns.len() * self.len() * size_of::<i64>() + self.ids.memory()) as u64
    }

    /// Appends a row without id.
    pub fn push(&mut self, row: &[i64]) {
        self.columns.resize_with(row.len(), Vec::new);
        self.columns.iter_mut().zip(row).for_each(|(column, cell)| column.push(*cell));
    }

    /// Removes all rows.
    pub fn clear(&mut self) {
        self.columns.iter_mut().for_each(Vec::clear);
        self.ids.clear();
    }

    fn take(&self, rows: &[u32]) -> Self {
        let take = |column: &Vec<i64>| rows.iter().map(|row| column[*row as usize]).collect();
        let ids = if self.ids.is_empty() { Cells::default() } else { self.ids.take(rows) };
        Self { columns: self.columns.iter().map(take).collect(), ids }
    }
}

impl Named {
    /// The conversions of a block whose rows name them in ascending order; the rows name them by their place here then.
    fn of(block: &mut Block, conversions: &Conversions) -> Self {
        let mut named = Self::default();
        let mut last = None;
        for conversion in block.columns.first_mut().into_iter().flatten() {
            if last != Some(*conversion) {
                let place = *conversion as usize;
                named.times.push(conversions.own_time(place));
                named.kinds.push(conversions.kinds[place].into());
                named.values.extend_from_slice(conversions.values(place));
                if let Some(exchanged) = conversions.exchanged(place) {
                    named.exchanged.extend([exchanged.currency.into(), exchanged.rate]);
                    named.exchanged.extend_from_slice(exchanged.originals);
                }
                named.ids.push_raw(conversions.ids.raw(place));
                named.customers.push_raw(conversions.customers.raw(place));
                last = Some(*conversion);
            }
            *conversion = named.times.len() as i64 - 1;
        }
        named
    }

    fn append(&mut self, other: &Self) {
        self.times.extend_from_slice(&other.times);
        self.kinds.extend_from_slice(&other.kinds);
        self.values.extend_from_slice(&other.values);
        self.exchanged.extend_from_slice(&other.exchanged);
        self.ids.append(&other.ids);
        self.customers.append(&other.customers);
    }
}

impl Spool {
    /// Writes to `path` once there is something to write.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path, file: None, written: 0, pieces: Vec::new() }
    }

    /// Writes the rows of `block`, which stem from `bucket`, day by day, and within a day in the order of `key`, a tuple that
    /// begins with the conversion and that no two rows share.
    ///
    /// # Errors
    /// Where the temporary file cannot be written.
    pub fn write<K: Ord>(
        &mut self,
        bucket: u32,
        block: &Block,
        conversions: &Conversions,
        key: impl Fn(usize) -> K,
        budget: &Budget,
    ) -> Result<(), EngineError> {
        let day = |row: u32| conversions.days[block.columns[CONVERSION][row as usize] as usize];
        let mut order: Vec<u32> = (0..block.len() as u32).collect();
        order.sort_unstable_by(|one, other| {
            day(*one).cmp(&day(*other)).then_with(|| key(*one as usize).cmp(&key(*other as usize)))
        });
        for rows in order.chunk_by(|one, other| day(*one) == day(*other)) {
            let mut piece = block.take(rows);
            let named = Named::of(&mut piece, conversions);
            self.write_piece(bucket, day(rows[0]), &piece, &named, budget)?;
        }
        Ok(())
    }

    fn write_piece(&mut self, bucket: u32, day: Day, block: &Block, named: &Named, budget: &Budget) -> Result<(), EngineError> {
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                let opened = File::options().read(true).write(true).create_new(true).open(&self.path);
                self.file.insert(BufWriter::with_capacity(1 << 17, opened.map_err(EngineError::temp(&self.path))?))
            }
        };
        let mut bytes = Vec::new();
        let append = |bytes: &mut Vec<u8>, numbers: &[i64]| {
            bytes.extend_from_slice(&(numbers.len() as u64).to_ne_bytes());
            bytes.extend_from_slice(bytemuck::cast_slice(numbers));
        };
        append(&mut bytes, &[block.columns.len() as i64]);
        for column in block.columns.iter().chain([&named.times, &named.kinds, &named.values, &named.exchanged]) {
            append(&mut bytes, column);
        }
        for cells in [&block.ids, &named.ids, &named.customers] {
            append(&mut bytes, bytemuck::cast_slice(&cells.ends));
            bytes.extend_from_slice(&cells.bytes);
            // Numbers stand at multiples of eight.
            bytes.resize(bytes.len().next_multiple_of(8), 0);
        }
        file.write_all(&bytes).map_err(EngineError::temp(&self.path))?;
        let sequence = self.pieces.len() as u32;
        self.pieces.push(Piece { day, bucket, sequence, offset: self.written, bytes: bytes.len() as u64 });
        self.written += bytes.len() as u64;
        budget.count_spilled(bytes.len() as u64);
        Ok(())
    }

    /// Appends the rows of a piece to a block, and the conversions that they name.
    fn read_piece(&self, piece: Piece, block: &mut Block, named: &mut Named) -> Result<(), EngineError> {
        let Some(file) = &self.file else { return Ok(()) };
        // Several threads read one file at a time, each at its own place.
        let mut words = vec![0_i64; piece.bytes.div_ceil(8) as usize];
        file.get_ref()
            .read_exact_at(bytemuck::cast_slice_mut(&mut words), piece.offset)
            .map_err(EngineError::temp(&self.path))?;
        let mut rest = &words[..];
        let numbers = |rest: &mut &[i64]| {
            let (length, others) = rest.split_first().unwrap_or((&0, &[]));
            let (numbers, others) = others.split_at(*length as usize);
            *rest = others;
            numbers.to_vec()
        };
        let count = numbers(&mut rest)[0] as usize;
        let base = named.times.len() as i64;
        block.columns.resize_with(count, Vec::new);
        for (place, column) in block.columns.iter_mut().enumerate() {
            let cells = numbers(&mut rest);
            if place == CONVERSION {
                column.extend(cells.iter().map(|conversion| base + conversion));
            } else {
                column.extend_from_slice(&cells);
            }
        }
        let [times, kinds, values, exchanged] = std::array::from_fn(|_| numbers(&mut rest));
        let mut cells = || {
            let ends: Vec<u64> = bytemuck::cast_vec(numbers(&mut rest));
            let length = ends.last().copied().unwrap_or(0) as usize;
            let (bytes, others) = rest.split_at(length.div_ceil(8));
            rest = others;
            Cells { bytes: bytemuck::cast_slice(bytes)[..length].to_vec(), ends }
        };
        block.ids.append(&cells());
        let [ids, customers] = std::array::from_fn(|_| cells());
        named.append(&Named { times, kinds, values, exchanged, ids, customers });
        Ok(())
    }
}

/// What all threads wrote, day by day.
pub struct Spooled {
    spools: Vec<Spool>,
    /// Day, bucket, sequence, spool, in this order.
    pieces: Vec<(Piece, usize)>,
}

impl Spooled {
    /// Puts the threads' spools together. A bucket must have been written by one thread.
    ///
    /// # Errors
    /// Where a file cannot be written to its end.
    pub fn new(mut spools: Vec<Spool>) -> Result<Self, EngineError> {
        for Spool { path, file, .. } in &mut spools {
            file.as_mut().map_or(Ok(()), BufWriter::flush).map_err(EngineError::temp(&*path))?;
        }
        let of = |(number, spool): (usize, &Spool)| spool.pieces.iter().map(move |piece| (*piece, number)).collect::<Vec<_>>();
        let mut pieces: Vec<_> = spools.iter().enumerate().flat_map(of).collect();
        pieces.sort_unstable_by_key(|(piece, _)| (piece.day, piece.bucket, piece.sequence));
        Ok(Self { spools, pieces })
    }

    /// The days that have rows, ascending.
    #[must_use]
    pub fn days(&self) -> Vec<SpooledDay<'_>> {
        self.pieces
            .chunk_by(|one, other| one.0.day == other.0.day)
            .map(|pieces| SpooledDay { day: pieces[0].0.day, pieces })
            .collect()
    }

    /// The rows of a day in the order of the buckets, many small pieces at a time.
    pub fn blocks<'a>(&'a self, day: &SpooledDay<'a>) -> impl Iterator<Item = Result<(Block, Named), EngineError>> + use<'a> {
        const ROWS: usize = 1 << 14;
        let mut pieces = day.pieces.iter().peekable();
        std::iter::from_fn(move || {
            pieces.peek()?;
            let (mut block, mut named) = (Block::default(), Named::default());
            while block.len() < ROWS {
                let Some((piece, spool)) = pieces.next() else { break };
                if let Err(error) = self.spools[*spool].read_piece(*piece, &mut block, &mut named) {
                    return Some(Err(error));
                }
            }
            Some(Ok((block, named)))
        })
    }
}

/// A day and where its rows are.
pub struct SpooledDay<'a> {
    /// The day.
    pub day: Day,
    pieces: &'a [(Piece, usize)],
}
