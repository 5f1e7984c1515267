//! Rows on their way to a table of one file a conversion day: written to temporary files bucket by bucket, read back
//! day by day. So a table of any size needs the memory of a piece of one bucket.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use attributary_core::time::Day;

use crate::cells::Cells;
use crate::error::EngineError;

/// Rows as columns of integers, and one of ids.
#[derive(Clone, Debug, Default)]
pub struct Block {
    /// The columns, all of one length.
    pub columns: Vec<Vec<i64>>,
    /// An id for each row, or for none.
    pub ids: Cells,
}

/// What one thread writes.
pub struct Spool {
    path: PathBuf,
    file: Option<File>,
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

    /// Appends a row without id.
    pub fn push(&mut self, row: &[i64]) {
        self.columns.resize_with(row.len(), Vec::new);
        self.columns.iter_mut().zip(row).for_each(|(column, cell)| column.push(*cell));
    }

    /// Removes all rows.
    pub fn clear(&mut self) {
        self.columns.iter_mut().for_each(Vec::clear);
        self.ids = Cells::default();
    }

    fn take(&self, rows: &[u32]) -> Self {
        let take = |column: &Vec<i64>| rows.iter().map(|row| column[*row as usize]).collect();
        let mut taken = Self { columns: self.columns.iter().map(take).collect(), ids: Cells::default() };
        if !self.ids.is_empty() {
            rows.iter().for_each(|row| taken.ids.push_raw(self.ids.raw(*row as usize)));
        }
        taken
    }
}

impl Spool {
    /// Writes to `path` once there is something to write.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path, file: None, written: 0, pieces: Vec::new() }
    }

    /// Writes the rows of `block`, which stem from `bucket`: day by day, and within a day in the order of `key`, a tuple
    /// that no two rows share. `day` gives the day of a row.
    ///
    /// # Errors
    /// Where the temporary file cannot be written.
    pub fn write<K: Ord>(
        &mut self,
        bucket: u32,
        block: &Block,
        day: impl Fn(usize) -> Day,
        key: impl Fn(usize) -> K,
    ) -> Result<(), EngineError> {
        let mut order: Vec<u32> = (0..block.len() as u32).collect();
        order.sort_unstable_by(|one, other| {
            let (one, other) = (*one as usize, *other as usize);
            day(one).cmp(&day(other)).then_with(|| key(one).cmp(&key(other)))
        });
        for rows in order.chunk_by(|one, other| day(*one as usize) == day(*other as usize)) {
            self.write_piece(bucket, day(rows[0] as usize), &block.take(rows))?;
        }
        Ok(())
    }

    fn write_piece(&mut self, bucket: u32, day: Day, block: &Block) -> Result<(), EngineError> {
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                let opened = File::options().read(true).write(true).create_new(true).open(&self.path);
                self.file.insert(opened.map_err(EngineError::temp(&self.path))?)
            }
        };
        let mut bytes = Vec::new();
        let lengths = [block.columns.len(), block.len(), block.ids.len(), block.ids.bytes.len()];
        bytes.extend_from_slice(bytemuck::cast_slice(&lengths.map(|length| length as u64)));
        for column in &block.columns {
            bytes.extend_from_slice(bytemuck::cast_slice(column));
        }
        bytes.extend_from_slice(bytemuck::cast_slice(&block.ids.ends));
        bytes.extend_from_slice(&block.ids.bytes);
        file.write_all(&bytes).map_err(EngineError::temp(&self.path))?;
        self.pieces.push(Piece {
            day,
            bucket,
            sequence: self.pieces.len() as u32,
            offset: self.written,
            bytes: bytes.len() as u64,
        });
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// Appends the rows of a piece to a block.
    fn read_piece(&self, piece: Piece, block: &mut Block) -> Result<(), EngineError> {
        let Some(file) = &self.file else { return Ok(()) };
        // Several threads read one file at a time, each at its own place.
        let mut words = vec![0_u64; piece.bytes.div_ceil(8) as usize];
        let bytes = &mut bytemuck::cast_slice_mut(&mut words)[..piece.bytes as usize];
        file.read_exact_at(bytes, piece.offset).map_err(EngineError::temp(&self.path))?;
        let lengths = words[..LENGTHS].iter().map(|length| *length as usize);
        let [columns, rows, ids, _] = lengths.collect::<Vec<_>>().try_into().unwrap_or([0; LENGTHS]);
        let numbers: &[i64] = bytemuck::cast_slice(&words[LENGTHS..]);
        block.columns.resize_with(columns, Vec::new);
        for (column, cells) in block.columns.iter_mut().zip(numbers.chunks(rows.max(1))) {
            column.extend_from_slice(cells);
        }
        let base = block.ids.bytes.len() as u64;
        let ends = &words[LENGTHS + columns * rows..][..ids];
        block.ids.ends.extend(ends.iter().map(|end| base + end));
        let bytes: &[u8] = bytemuck::cast_slice(&words[LENGTHS + columns * rows + ids..]);
        block.ids.bytes.extend_from_slice(&bytes[..ends.last().copied().unwrap_or(0) as usize]);
        Ok(())
    }
}

/// How many numbers precede the columns of a piece: columns, rows, ids, bytes of ids.
const LENGTHS: usize = 4;

/// What all threads wrote, day by day.
pub struct Spooled {
    spools: Vec<Spool>,
    /// Day, bucket, sequence, spool, in this order.
    pieces: Vec<(Piece, usize)>,
}

impl Spooled {
    /// Puts the threads' spools together. A bucket must have been written by one thread.
    #[must_use]
    pub fn new(spools: Vec<Spool>) -> Self {
        let of = |(number, spool): (usize, &Spool)| spool.pieces.iter().map(move |piece| (*piece, number)).collect::<Vec<_>>();
        let mut pieces: Vec<_> = spools.iter().enumerate().flat_map(of).collect();
        pieces.sort_unstable_by_key(|(piece, _)| (piece.day, piece.bucket, piece.sequence));
        Self { spools, pieces }
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
    pub fn blocks<'a>(&'a self, day: &SpooledDay<'a>) -> impl Iterator<Item = Result<Block, EngineError>> + use<'a> {
        const ROWS: usize = 1 << 16;
        let mut pieces = day.pieces.iter().peekable();
        std::iter::from_fn(move || {
            pieces.peek()?;
            let mut block = Block::default();
            while block.len() < ROWS {
                let Some((piece, spool)) = pieces.next() else { break };
                if let Err(error) = self.spools[*spool].read_piece(*piece, &mut block) {
                    return Some(Err(error));
                }
            }
            Some(Ok(block))
        })
    }
}

/// A day and where its rows are.
pub struct SpooledDay<'a> {
    /// The day.
    pub day: Day,
    pieces: &'a [(Piece, usize)],
}
