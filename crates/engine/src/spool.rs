//! Rows on their way to a table of one file a conversion day: written to temporary files bucket by bucket, read back
//! day by day. So a table of any size needs the memory of a piece of one bucket.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
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
        self.pieces.push(Piece { day, bucket, sequence: self.pieces.len() as u32, offset: self.written });
        self.written += bytes.len() as u64;
        Ok(())
    }

    fn read_piece(&self, piece: Piece) -> Result<Block, EngineError> {
        let Some(file) = &self.file else { return Ok(Block::default()) };
        let read = || -> std::io::Result<Block> {
            let mut file = BufReader::new(file);
            file.seek(SeekFrom::Start(piece.offset))?;
            let mut lengths = [0_u64; 4];
            file.read_exact(bytemuck::cast_slice_mut(&mut lengths))?;
            let [columns, rows, ids, id_bytes] = lengths.map(|length| length as usize);
            let mut block =
                Block { columns: vec![vec![0; rows]; columns], ids: Cells { bytes: vec![0; id_bytes], ends: vec![0; ids] } };
            for column in &mut block.columns {
                file.read_exact(bytemuck::cast_slice_mut(column))?;
            }
            file.read_exact(bytemuck::cast_slice_mut(&mut block.ids.ends))?;
            file.read_exact(&mut block.ids.bytes)?;
            Ok(block)
        };
        read().map_err(EngineError::temp(&self.path))
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
    #[must_use]
    pub fn new(spools: Vec<Spool>) -> Self {
        let of = |(number, spool): (usize, &Spool)| spool.pieces.iter().map(move |piece| (*piece, number)).collect::<Vec<_>>();
        let mut pieces: Vec<_> = spools.iter().enumerate().flat_map(of).collect();
        pieces.sort_unstable_by_key(|(piece, _)| (piece.day, piece.bucket, piece.sequence));
        Self { spools, pieces }
    }

    /// The days that have rows, ascending, each with its rows piece by piece in the order of the buckets.
    pub fn days(&self) -> impl Iterator<Item = (Day, impl Iterator<Item = Result<Block, EngineError>> + '_)> + '_ {
        self.pieces.chunk_by(|one, other| one.0.day == other.0.day).map(|pieces| {
            let blocks = pieces.iter().map(|(piece, spool)| self.spools[*spool].read_piece(*piece));
            (pieces[0].0.day, blocks)
        })
    }
}
