//! Customer and conversion keys: any source key as one fixed-width number, compared and hashed at register speed.

use xxhash_rust::xxh3::xxh3_128;

/// A customer's (or conversion's) identity in 128 bits.
///
/// Integers and byte strings of up to 15 bytes are packed exactly, and so are those of 16 whose last byte is no control
/// character; all others are their XXH3 of 128 bits, of which the chance that any two of 10⁹ customers share one is below 10⁻²⁰.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(pub u128);

impl Key {
    /// The key of a text or binary identity.
    #[must_use]
    #[inline]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        // The last byte of a shorter one is its length, which is below 16.
        if let Ok(packed) = <[u8; 16]>::try_from(bytes)
            && packed[15] >= 16
        {
            return Self(u128::from_le_bytes(packed));
        }
        if bytes.len() <= 15 {
            let mut packed = [0_u8; 16];
            packed[..bytes.len()].copy_from_slice(bytes);
            packed[15] = bytes.len() as u8;
            return Self(u128::from_le_bytes(packed));
        }
        Self(xxh3_128(bytes))
    }

    /// The key of an integer identity of any width.
    #[must_use]
    #[inline]
    pub fn from_int(number: i128) -> Self {
        Self(number as u128)
    }

    /// A well-mixed hash: its top bits choose the bucket that the customer's rows go to, on every machine the same.
    #[must_use]
    #[inline]
    pub fn hash(self) -> u64 {
        let low = self.0 as u64 ^ 0x9E37_79B9_7F4A_7C15;
        let high = (self.0 >> 64) as u64 ^ 0xD1B5_4A32_D192_ED03;
        let product = u128::from(low).wrapping_mul(u128::from(high));
        let folded = (product as u64) ^ ((product >> 64) as u64);
        // One more round: neighbouring integers must not land in neighbouring buckets.
        let product = u128::from(folded ^ low.rotate_left(32)).wrapping_mul(0xA076_1D64_78BD_642F_E703_7ED1_A0B4_28DB);
        (product as u64) ^ ((product >> 64) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_keys_are_exact_and_length_counts() {
        assert_ne!(Key::from_bytes(b"a"), Key::from_bytes(b"a\0"));
        assert_ne!(Key::from_bytes(b""), Key::from_bytes(b"\0"));
        assert_ne!(Key::from_bytes(b"0123456789abcdef"), Key::from_bytes(b"0123456789abcdeg"));
        // As long as a packed key, and its last byte is the length of a shorter one.
        assert_ne!(Key::from_bytes(b"0123456789abcd\0\x0e"), Key::from_bytes(b"0123456789abcd"));
    }

    #[test]
    fn hashes_of_neighbours_spread_over_all_buckets() {
        let mut buckets = vec![0_u32; 256];
        for number in 0..256_000 {
            buckets[(Key::from_int(number).hash() >> 56) as usize] += 1;
        }
        assert!(buckets.iter().all(|count| (800..1_200).contains(count)), "{buckets:?}");
    }
}
