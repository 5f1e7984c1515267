//! Rows of spend that have ids: of those with one id the first stays, by time, then by what they say, then by file and row. They
//! wait, on disk where they are many, until all are there.

use attributary_core::batch::SpendBatch;
use attributary_core::key::Key;
use attributary_engine::EngineError;
use attributary_engine::bucket::{Bucket, Buckets, Column, Records};
use attributary_engine::budget::Budget;
use attributary_engine::cells::Cells;

use super::spend::{Reading, Row, push_id};

/// Buckets over their part of the memory are divided by this many further bits of the hash.
const DIVIDE_BITS: u32 = 4;

/// The bytes of a waiting row, one for its id aside.
const ROW_BYTES: u64 = 160;

/// What rows are alike in that have one id: the id, and of touches that have a cost also the customer and the time.
type Identity = [u64; 5];

/// The rows of a source that wait.
pub(super) struct Waiting {
    buckets: Buckets<WaitingRows>,
    chunks: Vec<WaitingRows>,
    budget: std::sync::Arc<Budget>,
}

/// Rows side by side: a hash, the identity, then what is known of the row.
#[derive(Default)]
pub(super) struct WaitingRows {
    words: Vec<u64>,
    ids: Cells,
}

const WORDS: usize = 16;

impl Waiting {
    /// None yet, of source number `number`.
    pub fn new(number: usize, budget: &std::sync::Arc<Budget>) -> Self {
        let records = budget.chunk_records(ROW_BYTES, 1 << 6);
        let buckets =
            Buckets::new(&format!("spend-{number}"), 1 << budget.bucket_bits(), WaitingRows::default(), records, budget);
        Self { chunks: buckets.chunks(), buckets, budget: std::sync::Arc::clone(budget) }
    }

    /// Lets a row wait.
    pub fn add(&mut self, row: Row, batch: &SpendBatch, place: usize, text_ids: bool) -> Result<(), EngineError> {
        let Some(ids) = &batch.ids else { return Ok(()) };
        let id = ids.key(place);
        let customer = batch
            .customers
            .as_ref()
            .map(|customers| if customers.is_null(place) { Key::from_int(0) } else { customers.key(place) });
        let halves = |key: Key| [key.0 as u64, (key.0 >> 64) as u64];
        let [low, high] = halves(id);
        let [customer_low, customer_high] = customer.map_or([0, 0], halves);
        // A touch's id is one of its customer and time.
        let at = if customer.is_some() { row.time as u64 } else { 0 };
        let identity: Identity = [low, high, customer_low, customer_high, at];
        let hash = id.hash() ^ customer.map_or(0, Key::hash).rotate_left(17) ^ at.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let number = (hash >> (u64::BITS - self.budget.bucket_bits())) as usize;
        let chunk = &mut self.chunks[number];
        chunk.words.push(hash);
        chunk.words.extend_from_slice(&identity);
        chunk.words.extend_from_slice(&[
            row.time as u64,
            row.group.into(),
            row.amount as u64,
            row.difference as u64,
            row.clicks,
            row.impressions,
            row.currency.map_or(0, |currency| u64::from(currency) + 1),
            row.original as u64,
            row.origin.0.into(),
            row.origin.1,
        ]);
        push_id(batch, place, text_ids, &mut chunk.ids);
        self.buckets.hand_on_full(number, chunk, &self.budget)
    }

    /// Accepts the first of each id, and rejects the others.
    pub fn settle(self, reading: &mut Reading<'_>) -> Result<(), EngineError> {
        let Self { buckets, chunks, budget } = self;
        let used = budget.bucket_bits();
        buckets.finish([chunks], &budget)?.into_iter().try_for_each(|bucket| settle(bucket, used, u64::MAX, reading, &budget))
    }
}

/// `before` is how large the bucket was before it was divided.
fn settle(
    bucket: Bucket<WaitingRows>,
    used: u32,
    before: u64,
    reading: &mut Reading<'_>,
    budget: &Budget,
) -> Result<(), EngineError> {
    budget.check()?;
    let bytes = bucket.bytes();
    // What keeps nearly all of its rows is one id's.
    let one_id = bytes > before / 16 * 15;
    if bytes > budget.bucket() && !one_id && used + DIVIDE_BITS <= u64::BITS {
        let parts = bucket.divide(used, DIVIDE_BITS, budget)?;
        return parts.into_iter().try_for_each(|part| settle(part, used + DIVIDE_BITS, bytes, reading, budget));
    }
    budget.expect_id(bucket.records(), 2 * bytes)?;
    let rows = bucket.load(budget)?;
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_unstable_by(|one, other| {
        let (first, second) = (rows.row(*one), rows.row(*other));
        // Numbers of groups and currencies hang on which came first: what they stand for does not.
        let said = |row: &Row| {
            let currency = row.currency.map(|currency| &reading.currencies[currency as usize]);
            (row.time, &reading.groups[row.group as usize], currency, row.original, row.amount, row.difference)
        };
        rows.identity(*one).cmp(rows.identity(*other)).then_with(|| said(&first).cmp(&said(&second))).then_with(|| {
            (first.clicks, first.impressions, first.origin).cmp(&(second.clicks, second.impressions, second.origin))
        })
    });
    let mut last: Option<usize> = None;
    for place in order {
        let row = rows.row(place);
        if last.is_some_and(|last| rows.identity(last) == rows.identity(place)) {
            reading.reject_duplicate(&row, rows.ids.raw(place));
        } else {
            reading.accept(&row);
            last = Some(place);
        }
    }
    Ok(())
}

impl WaitingRows {
    fn words_of(&self, row: usize) -> &[u64] {
        &self.words[row * WORDS..][..WORDS]
    }

    fn identity(&self, row: usize) -> &[u64] {
        &self.words_of(row)[1..6]
    }

    fn row(&self, row: usize) -> Row {
        let words = &self.words_of(row)[6..];
        Row {
            time: words[0] as i64,
            group: words[1] as u32,
            amount: words[2] as i64,
            difference: words[3] as i64,
            clicks: words[4],
            impressions: words[5],
            currency: words[6].checked_sub(1).map(|currency| currency as u32),
            original: words[7] as i64,
            origin: (words[8] as u32, words[9]),
        }
    }
}

impl Records for WaitingRows {
    fn columns(&mut self) -> Vec<Column<'_>> {
        vec![Column::Long(&mut self.words, WORDS), Column::Cells(&mut self.ids)]
    }

    fn like(&self, records: usize) -> Self {
        Self { words: Vec::with_capacity(records * WORDS), ids: Cells::with_capacity(records) }
    }

    fn len(&self) -> usize {
        self.words.len() / WORDS
    }

    fn memory(&self) -> u64 {
        (self.words.len() * size_of::<u64>() + self.ids.memory()) as u64
    }

    fn hash(&self, record: usize) -> u64 {
        self.words_of(record)[0]
    }
}
