//! Who converts in the range, as a filter that is small enough to be asked for every row of the log.

use std::sync::atomic::{AtomicU64, Ordering};

/// A Bloom filter whose three bits of a customer lie in one word: some 2 % of the others pass it and are dropped in the
/// walk. With more bits fewer would, but more of it would lie outside of a core's cache, and that is what a look-up costs.
pub struct Converters {
    words: Vec<AtomicU64>,
}

impl Converters {
    /// For the customers of so many conversions, some of whom have several.
    #[must_use]
    pub fn new(conversions: u64) -> Self {
        const BITS_PER_CONVERSION: u64 = 8;
        let words = (conversions * BITS_PER_CONVERSION).div_ceil(64).max(1);
        Self { words: (0..words).map(|_| AtomicU64::new(0)).collect() }
    }

    /// Adds a customer.
    pub fn add(&self, hash: u64) {
        let (word, bits) = self.place(hash);
        self.words[word].fetch_or(bits, Ordering::Relaxed);
    }

    /// Whether a customer may be among them.
    #[inline]
    #[must_use]
    pub fn may_hold(&self, hash: u64) -> bool {
        let (word, bits) = self.place(hash);
        self.words[word].load(Ordering::Relaxed) & bits == bits
    }

    /// A word by the upper bits of the hash, bits by the lowest ones.
    #[inline]
    fn place(&self, hash: u64) -> (usize, u64) {
        let bits = [0, 6, 12].map(|from| 1 << (hash >> from & 63));
        (((u128::from(hash) * self.words.len() as u128) >> 64) as usize, bits[0] | bits[1] | bits[2])
    }
}
