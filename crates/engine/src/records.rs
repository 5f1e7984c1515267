//! What is kept of a touch and of a conversion until its customer is walked.

use attributary_core::batch::TouchBatch;
use attributary_core::key::Key;
use attributary_core::value::ColumnType;

use crate::bucket::{Column, Records};
use crate::cells::Cells;

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

/// What a touch's record holds besides customer, time and profile.
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

/// Some touches. What every one of them has lies together.
#[derive(Clone, Debug, Default)]
pub struct TouchRecords {
    shape: Shape,
    /// Per record: the lower half of the customer's key, the upper one if the shape is wide (else it is the sign of the
    /// lower one), the time in microseconds UTC, the profile.
    words: Vec<u64>,
    /// File and row (see [`TouchRecords::origin`]), if the shape has them.
    origins: Vec<u64>,
    /// Ids, if the shape has them.
    pub ids: Cells,
    /// Customers as the source has them, if the shape has them.
    pub customers: Cells,
}

impl TouchRecords {
    /// No touches of a shape.
    #[must_use]
    pub fn new(shape: Shape) -> Self {
        Self { shape, ..Self::default() }
    }

    /// Appends a record without what only some shapes have.
    #[inline]
    pub fn push(&mut self, key: Key, time: i64, profile: u32) {
        let (low, time, profile) = (key.0 as u64, time as u64, u64::from(profile));
        if self.shape.wide {
            self.words.extend_from_slice(&[low, (key.0 >> 64) as u64, time, profile]);
        } else {
            self.words.extend_from_slice(&[low, time, profile]);
        }
    }

    /// Appends what only some shapes have of the record that was pushed last: it stems from a row of a batch.
    pub fn push_rest(&mut self, batch: &TouchBatch, row: usize) {
        if self.shape.origins {
            self.origins.push(pack_origin(batch.file, batch.rows.at(row)));
        }
        if let (true, Some(ids)) = (self.shape.ids, &batch.ids) {
            self.ids.push_identity(&**ids, row);
        }
        if self.shape.customers {
            self.customers.push_identity(&*batch.customers, row);
        }
    }

    /// The customer of a record.
    #[inline]
    #[must_use]
    pub fn key(&self, record: usize) -> Key {
        let words = self.words_of(record);
        // The shift of a signed number fills up with its sign.
        let high = if self.shape.wide { words[1] } else { (words[0] as i64 >> 63) as u64 };
        Key(u128::from(high) << 64 | u128::from(words[0]))
    }

    /// The time of a record.
    #[inline]
    #[must_use]
    pub fn time(&self, record: usize) -> i64 {
        self.words_of(record)[self.shape.words() - 2] as i64
    }

    /// The profile of a record.
    #[inline]
    #[must_use]
    pub fn profile(&self, record: usize) -> u32 {
        self.words_of(record)[self.shape.words() - 1] as u32
    }

    /// The file and the row in it that a record came from, if the shape has them.
    #[must_use]
    pub fn origin(&self, record: usize) -> Option<(u32, u64)> {
        self.origins.get(record).copied().map(unpack_origin)
    }

    #[inline]
    fn words_of(&self, record: usize) -> &[u64] {
        let words = self.shape.words();
        &self.words[record * words..][..words]
    }
}

impl Shape {
    /// The words of what every record has.
    #[inline]
    fn words(self) -> usize {
        if self.wide { 4 } else { 3 }
    }
}

impl Records for TouchRecords {
    fn columns(&mut self) -> Vec<Column<'_>> {
        vec![
            Column::Long(&mut self.words, self.shape.words()),
            Column::Long(&mut self.origins, 1),
            Column::Cells(&mut self.ids),
            Column::Cells(&mut self.customers),
        ]
    }

    fn like(&self, records: usize) -> Self {
        Self { shape: self.shape, words: Vec::with_capacity(records * self.shape.words()), ..Self::default() }
    }

    fn len(&self) -> usize {
        self.words.len() / self.shape.words()
    }

    fn memory(&self) -> u64 {
        let words = self.words.len() + self.origins.len();
        (words * size_of::<u64>() + self.ids.memory() + self.customers.memory()) as u64
    }

    fn hash(&self, record: usize) -> u64 {
        self.key(record).hash()
    }

    fn first_time(&self) -> Option<i64> {
        (!self.is_empty()).then(|| self.time(0))
    }
}

/// What a conversion's record holds besides customer, time, kind, origin, values and id.
#[derive(Clone, Copy, Debug, Default)]
pub struct ConversionShape {
    /// How many values there are.
    pub values: usize,
    /// How many further numbers there are, see [`crate::lanes`].
    pub extras: usize,
    /// Whether customers are integers that fit 64 bits: then a key is all there is to know of them.
    pub narrow: bool,
    /// Whether it is kept what rounding did to the values, and records are put into buckets by the hash of their id. Once ids
    /// are known to be unique they are by that of the customer.
    pub by_id: bool,
    /// Whether the id of the order that it refunds is kept.
    pub orders: bool,
}

/// Some conversions. As with touches, what every one of them has lies together.
#[derive(Clone, Debug, Default)]
pub struct ConversionRecords {
    shape: ConversionShape,
    /// Per record: the lower half of the customer's key, time, kind (see [`ANONYMOUS`]), origin; the upper half unless the
    /// shape is narrow; the values in minor units; the extras; by id, what rounding did to each value in 10⁻¹² of the major unit (half a
    /// minor unit at most, so it fits) and the hash of the id.
    words: Vec<u64>,
    /// Per record its id and, unless the shape is narrow, its customer, as the source has them; where the shape says so, the id
    /// of its order.
    names: Cells,
}

/// A conversion on its way into [`ConversionRecords`] or out of it, its values and names aside.
#[derive(Clone, Copy, Debug)]
pub struct ConversionRecord {
    /// The customer; of a conversion without one something that its id tells.
    pub key: Key,
    /// Whether it has no customer.
    pub anonymous: bool,
    /// Microseconds UTC.
    pub time: i64,
    /// The code of the kind.
    pub kind: u32,
    /// File and row.
    pub origin: u64,
}

/// The mark, beside the kind, of a conversion without customer.
const ANONYMOUS: u64 = 1 << 32;

/// The words that every conversion has.
const FIXED_WORDS: usize = 4;

impl ConversionShape {
    fn upper_words(self) -> usize {
        usize::from(!self.narrow)
    }

    fn words(self) -> usize {
        FIXED_WORDS + self.upper_words() + self.values + self.extras + if self.by_id { self.values + 1 } else { 0 }
    }

    fn names(self) -> usize {
        1 + self.upper_words() + usize::from(self.orders)
    }
}

impl ConversionRecords {
    /// No conversions of a shape.
    #[must_use]
    pub fn new(shape: ConversionShape) -> Self {
        Self { shape, ..Self::default() }
    }

    /// Appends a record, its values and behind them its extras; what is then put into [`ConversionRecords::names_mut`] is its id, its customer
    /// where [`ConversionRecords::names_customers`], and its order where the shape has orders.
    pub fn push(&mut self, record: ConversionRecord, values: impl Iterator<Item = i64>) {
        let ConversionRecord { key, anonymous, time, kind, origin } = record;
        let kind = u64::from(kind) | if anonymous { ANONYMOUS } else { 0 };
        self.words.extend_from_slice(&[key.0 as u64, time as u64, kind, origin]);
        if !self.shape.narrow {
            self.words.push((key.0 >> 64) as u64);
        }
        self.words.extend(values.map(|value| value as u64));
    }

    /// Appends all of another's records, which are of the same shape.
    pub fn append(&mut self, other: &Self) {
        self.words.extend_from_slice(&other.words);
        self.names.append(&other.names);
    }

    /// Appends what the record that was pushed last has besides if the shape is by id.
    pub fn push_by_id(&mut self, differences: impl Iterator<Item = i64>, hash: u64) {
        self.words.extend(differences.map(|difference| difference as u64));
        self.words.push(hash);
    }

    /// Where the names of the record that was pushed last are put.
    pub fn names_mut(&mut self) -> &mut Cells {
        &mut self.names
    }

    /// Whether customers are kept as the source has them.
    #[must_use]
    pub fn names_customers(&self) -> bool {
        !self.shape.narrow
    }

    /// A record, its values and names aside.
    #[must_use]
    #[inline]
    pub fn record(&self, record: usize) -> ConversionRecord {
        let words = self.words_of(record);
        ConversionRecord {
            key: self.key(record),
            anonymous: words[2] & ANONYMOUS != 0,
            time: words[1] as i64,
            kind: words[2] as u32,
            origin: words[3],
        }
    }

    /// The values of a record, in minor units.
    #[must_use]
    pub fn values(&self, record: usize) -> &[i64] {
        let from = FIXED_WORDS + self.shape.upper_words();
        bytemuck::cast_slice(&self.words_of(record)[from..][..self.shape.values])
    }

    /// The extras of a record.
    #[must_use]
    pub fn extras(&self, record: usize) -> &[i64] {
        let from = FIXED_WORDS + self.shape.upper_words() + self.shape.values;
        bytemuck::cast_slice(&self.words_of(record)[from..][..self.shape.extras])
    }

    /// What rounding did to the values of a record, if the shape is by id.
    #[must_use]
    pub fn differences(&self, record: usize) -> &[i64] {
        let from = FIXED_WORDS + self.shape.upper_words() + self.shape.values + self.shape.extras;
        bytemuck::cast_slice(&self.words_of(record)[from..][..self.shape.values])
    }

    /// The id of a record (see [`Cells::raw`]).
    #[must_use]
    pub fn id(&self, record: usize) -> &[u8] {
        self.names.raw(self.shape.names() * record)
    }

    /// Appends the customer of a record, as the source has it, to some cells.
    pub fn append_customer(&self, record: usize, cells: &mut Cells) {
        let ConversionRecord { key, anonymous, .. } = self.record(record);
        match (anonymous, self.shape.narrow) {
            (true, _) => cells.push_raw(&[]),
            (false, true) => cells.push_int(key.0 as i128),
            (false, false) => cells.push_raw(self.names.raw(self.shape.names() * record + 1)),
        }
    }

    /// The order that a record refunds (see [`Cells::raw`]); nothing where it refunds none, or the shape has no orders.
    #[must_use]
    pub fn order(&self, record: usize) -> &[u8] {
        if self.shape.orders { self.names.raw(self.shape.names() * (record + 1) - 1) } else { &[] }
    }

    /// The customer of a record (see [`Cells::raw`]); nothing where it has none.
    #[must_use]
    pub fn customer(&self, record: usize) -> Vec<u8> {
        let mut cells = Cells::default();
        self.append_customer(record, &mut cells);
        cells.raw(0).to_vec()
    }

    #[inline]
    fn key(&self, record: usize) -> Key {
        let words = self.words_of(record);
        // The shift of a signed number fills up with its sign.
        let high = if self.shape.narrow { (words[0] as i64 >> 63) as u64 } else { words[FIXED_WORDS] };
        Key(u128::from(high) << 64 | u128::from(words[0]))
    }

    #[inline]
    fn words_of(&self, record: usize) -> &[u64] {
        let words = self.shape.words();
        &self.words[record * words..][..words]
    }
}

impl Records for ConversionRecords {
    fn columns(&mut self) -> Vec<Column<'_>> {
        vec![Column::Long(&mut self.words, self.shape.words()), Column::Cells(&mut self.names)]
    }

    fn like(&self, records: usize) -> Self {
        Self {
            shape: self.shape,
            words: Vec::with_capacity(records * self.shape.words()),
            names: Cells::with_capacity(self.shape.names() * records),
        }
    }

    fn len(&self) -> usize {
        self.words.len() / self.shape.words()
    }

    fn memory(&self) -> u64 {
        (self.words.len() * size_of::<u64>() + self.names.memory()) as u64
    }

    fn hash(&self, record: usize) -> u64 {
        match self.words_of(record) {
            [.., hash] if self.shape.by_id => *hash,
            _ => self.key(record).hash(),
        }
    }
}

/// Records of a few words each, of which the first is the hash.
#[derive(Clone, Debug, Default)]
pub struct Words {
    width: usize,
    words: Vec<u64>,
}

impl Words {
    /// No records of so many words.
    #[must_use]
    pub fn new(width: usize) -> Self {
        Self { width, words: Vec::new() }
    }

    /// Appends a record.
    #[inline]
    pub fn push(&mut self, words: &[u64]) {
        self.words.extend_from_slice(words);
    }

    /// The words of a record.
    #[must_use]
    pub fn words_of(&self, record: usize) -> &[u64] {
        &self.words[record * self.width..][..self.width]
    }

    /// The words of all records.
    #[must_use]
    pub fn into_words(self) -> Vec<u64> {
        self.words
    }
}

impl Records for Words {
    fn columns(&mut self) -> Vec<Column<'_>> {
        vec![Column::Long(&mut self.words, self.width)]
    }

    fn like(&self, records: usize) -> Self {
        Self { width: self.width, words: Vec::with_capacity(records * self.width) }
    }

    fn len(&self) -> usize {
        self.words.len() / self.width
    }

    fn memory(&self) -> u64 {
        (self.words.len() * size_of::<u64>()) as u64
    }

    fn hash(&self, record: usize) -> u64 {
        self.words[record * self.width]
    }
}

/// Whether all keys of a type are integers of 64 bits with a sign.
#[must_use]
pub fn fits_64_bits(kind: &ColumnType) -> bool {
    matches!(kind, ColumnType::Int { signed: true, .. } | ColumnType::Int { bits: 0..64, .. })
}
