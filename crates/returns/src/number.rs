//! Exact arithmetic: ratios that are rounded once, products that need 256 bits, and parts that add up.

use std::cmp::Ordering;

/// numerator / denominator, the nearest float; none where the denominator is 0.
pub(crate) fn ratio(numerator: i128, denominator: i128) -> Option<f64> {
    scaled_ratio(numerator, 1, denominator, 1)
}

/// An amount in minor units per conversion, where conversions are billionths, in major units.
pub(crate) fn amount_per_share(amount: i128, shares: i128, exponent: u8) -> Option<f64> {
    scaled_ratio(amount, attributary_core::WHOLE_SHARE as u64, shares, 10_u64.pow(exponent.into()))
}

/// An amount in minor units per one of `count`, in major units.
pub(crate) fn amount_per_count(amount: i128, count: u64, exponent: u8) -> Option<f64> {
    scaled_ratio(amount, 1, count.into(), 10_u64.pow(exponent.into()))
}

/// (numerator · up) / (denominator · down), rounded once, half to even; none where the denominator is 0.
fn scaled_ratio(numerator: i128, up: u64, denominator: i128, down: u64) -> Option<f64> {
    if denominator == 0 {
        return None;
    }
    if numerator == 0 {
        return Some(0.0);
    }
    let sign = if (numerator < 0) == (denominator < 0) { 1.0 } else { -1.0 };
    let numerator = Wide::product(numerator.unsigned_abs(), up.into());
    let denominator = Wide::product(denominator.unsigned_abs(), down.into());
    Some(sign * numerator.over(denominator))
}

/// whole · part / of, rounded half to even; none where `of` is 0 or the result is out of range.
pub(crate) fn part_of(whole: i128, part: u64, of: u64) -> Option<i128> {
    if of == 0 {
        return None;
    }
    let (quotient, remainder) = Wide::product(whole.unsigned_abs(), part.into()).divide(of.into());
    let up = match remainder.cmp(&(u128::from(of) - remainder)) {
        Ordering::Less => 0,
        Ordering::Equal => quotient.low & 1,
        Ordering::Greater => 1,
    };
    let magnitude = if quotient.high == 0 { i128::try_from(quotient.low.checked_add(up)?).ok()? } else { return None };
    Some(if whole < 0 { -magnitude } else { magnitude })
}

/// `amount` in proportion to `weights` (in all more than 0 and less than 2¹²⁷), by largest remainder: ⌊|amount|·w / Σw⌋
/// each, what is left over to the largest remainders, ties to the earlier, a negative amount negated at the end. None where
/// there is no weight.
pub(crate) fn split(amount: i128, weights: &[u128]) -> Option<Vec<i128>> {
    let sum = weights.iter().try_fold(0_u128, |sum, weight| sum.checked_add(*weight))?;
    if sum == 0 || sum > i128::MAX as u128 {
        return None;
    }
    let magnitude = amount.unsigned_abs();
    // A part is not larger than the whole, so its quotient has no more than 128 bits.
    let divided: Vec<_> = weights.iter().map(|weight| Wide::product(magnitude, *weight).divide(sum)).collect();
    let mut parts: Vec<u128> = divided.iter().map(|(quotient, _)| quotient.low).collect();
    let left = magnitude - parts.iter().sum::<u128>();
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by_key(|place| std::cmp::Reverse(divided[*place].1));
    order.into_iter().take(usize::try_from(left).ok()?).for_each(|place| parts[place] += 1);
    let signed = |part: u128| if amount < 0 { 0_i128.checked_sub_unsigned(part) } else { 0_i128.checked_add_unsigned(part) };
    parts.into_iter().map(signed).collect()
}

/// An unsigned integer of 256 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Wide {
    high: u128,
    low: u128,
}

impl Wide {
    /// one · other.
    pub(crate) fn product(one: u128, other: u128) -> Self {
        const HALF: u128 = u64::MAX as u128;
        let ((one_high, one_low), (other_high, other_low)) = ((one >> 64, one & HALF), (other >> 64, other & HALF));
        let low = one_low * other_low;
        // Each of these is at most (2⁶⁴−1)² + 2·(2⁶⁴−1) = 2¹²⁸−1.
        let middle = one_high * other_low + (low >> 64);
        let cross = one_low * other_high + (middle & HALF);
        let high = one_high * other_high + (middle >> 64) + (cross >> 64);
        Self { high, low: cross << 64 | low & HALF }
    }

    /// self − other, which is not larger.
    pub(crate) fn minus(self, other: Self) -> Self {
        let (low, borrow) = self.low.overflowing_sub(other.low);
        Self { high: self.high.wrapping_sub(other.high).wrapping_sub(borrow.into()), low }
    }

    /// As a float, off by less than its last two bits.
    pub(crate) fn as_float(self) -> f64 {
        libm::ldexp(self.high as f64, 128) + self.low as f64
    }

    fn bits(self) -> i32 {
        let bits = if self.high == 0 { 128 - self.low.leading_zeros() } else { 256 - self.high.leading_zeros() };
        bits as i32
    }

    fn shifted(self, by: i32) -> Self {
        match by {
            0 => self,
            1..128 => Self { high: self.high << by | self.low >> (128 - by), low: self.low << by },
            _ => Self { high: self.low << (by - 128), low: 0 },
        }
    }

    /// self / divisor and what remains, for a divisor above 0 and below 2¹²⁷: bit by bit, unless 128 bits are enough.
    fn divide(self, divisor: u128) -> (Self, u128) {
        if self.high == 0 {
            return (Self { high: 0, low: self.low / divisor }, self.low % divisor);
        }
        let (mut quotient, mut remainder) = (Self { high: self.high / divisor, low: 0 }, self.high % divisor);
        for bit in (0..128).rev() {
            remainder = remainder << 1 | (self.low >> bit & 1);
            if remainder >= divisor {
                remainder -= divisor;
                quotient.low |= 1 << bit;
            }
        }
        (quotient, remainder)
    }

    /// self / other as the nearest float, ties to even, where neither is 0 nor has more than 200 bits.
    fn over(self, other: Self) -> f64 {
        const EXACT: u128 = 1 << 53;
        if self.high == 0 && other.high == 0 && self.low <= EXACT && other.low <= EXACT {
            // Both are floats as they stand, and IEEE division rounds correctly.
            return self.low as f64 / other.low as f64;
        }
        // A quotient of 55 or 56 bits: two more than a float has at least, so that its last bit may say whether anything
        // remained.
        let shift = 55 - (self.bits() - other.bits());
        let (mut rest, divisor) = if shift >= 0 { (self.shifted(shift), other) } else { (self, other.shifted(-shift)) };
        let mut quotient = 0_u64;
        for bit in (0..56).rev() {
            let part = divisor.shifted(bit);
            if rest >= part {
                rest = rest.minus(part);
                quotient |= 1 << bit;
            }
        }
        let sticky = u64::from(rest > Self { high: 0, low: 0 });
        libm::ldexp((quotient | sticky) as f64, -shift)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Digits wider than any here, as decimal long multiplication and division would have it: base 2³², least first.
    fn product(one: u128, other: u128) -> (u128, u128) {
        let digits = |number: u128| (0..4).map(move |digit| number >> (32 * digit) & 0xFFFF_FFFF);
        let mut sums = [0_u128; 9];
        for (place, left) in digits(one).enumerate() {
            for (offset, right) in digits(other).enumerate() {
                sums[place + offset] += (left * right) & 0xFFFF_FFFF;
                sums[place + offset + 1] += (left * right) >> 32;
            }
        }
        for place in 0..8 {
            sums[place + 1] += sums[place] >> 32;
            sums[place] &= 0xFFFF_FFFF;
        }
        let join = |digits: &[u128]| digits.iter().rev().fold(0, |all, digit| all << 32 | digit);
        (join(&sums[4..8]), join(&sums[..4]))
    }

    #[test]
    fn ratios_are_null_for_nothing_and_rounded_once() {
        assert_eq!(ratio(1, 0), None);
        assert_eq!(ratio(0, 0), None);
        assert_eq!(ratio(0, -5), Some(0.0));
        assert_eq!(ratio(3, 10), Some(0.3));
        assert_eq!(ratio(-1, 3), Some(-1.0 / 3.0));
        assert_eq!(ratio(i128::MIN, i128::MIN), Some(1.0));
        assert_eq!(ratio(i128::MAX, 1), Some(2_f64.powi(127)));
        // 2⁵³ + 1 is halfway between two floats: to even, unless something more is there.
        assert_eq!(ratio((1 << 53) + 1, 1), Some(2_f64.powi(53)));
        assert_eq!(ratio(((1 << 53) + 1) * 1_000_000 + 1, 1_000_000), Some(2_f64.powi(53) + 2.0));
        // 500.00 over 2.5 conversions.
        assert_eq!(amount_per_share(50_000, 2_500_000_000, 2), Some(200.0));
        assert_eq!(amount_per_count(50_000, 8, 2), Some(62.5));
        assert_eq!(amount_per_share(i128::MAX, 1, 18), Some(2_f64.powi(127) * 1e9 / 1e18));
    }

    #[test]
    fn parts_of_a_whole_are_rounded_half_to_even() {
        assert_eq!(part_of(5, 1, 2), Some(2));
        assert_eq!(part_of(7, 1, 2), Some(4));
        assert_eq!(part_of(-7, 1, 2), Some(-4));
        assert_eq!(part_of(i128::MAX, u64::MAX, u64::MAX), Some(i128::MAX));
        assert_eq!(part_of(i128::MAX, 3, 2), None);
        assert_eq!(part_of(5, 1, 0), None);
    }

    #[test]
    fn a_split_gives_what_is_left_to_the_largest_remainders() {
        assert_eq!(split(100, &[1, 1, 1]), Some(vec![34, 33, 33]));
        assert_eq!(split(-100, &[1, 1, 1]), Some(vec![-34, -33, -33]));
        assert_eq!(split(10, &[0, 2, 1]), Some(vec![0, 7, 3]));
        assert_eq!(split(i128::MIN, &[1]), Some(vec![i128::MIN]));
        assert_eq!(split(i128::MIN, &[1, 1]), Some(vec![i128::MIN / 2; 2]));
        assert_eq!(split(1, &[0]), None);
        assert_eq!(split(1, &[u128::MAX, 1]), None);
    }

    proptest! {
        #[test]
        fn products_are_those_of_long_multiplication(one: u128, other: u128, divisor in 1..u128::MAX >> 1) {
            let wide = Wide::product(one, other);
            prop_assert_eq!((wide.high, wide.low), product(one, other));
            let (quotient, remainder) = wide.divide(divisor);
            prop_assert!(remainder < divisor);
            // quotient · divisor + remainder, its low half: enough, as only the bits below decide.
            prop_assert_eq!(quotient.low.wrapping_mul(divisor).wrapping_add(remainder), wide.low);
        }

        /// No other float is nearer: |n − q·d| is compared in integers for q and its neighbours.
        #[test]
        fn ratios_are_the_nearest_floats(n in 1_u64.., d in 1_u64..1 << 52) {
            let quotient = ratio(n.into(), d.into()).expect("a number");
            let off = |float: f64| {
                let bits = float.to_bits();
                let (mantissa, power) = (u128::from(bits & ((1 << 52) - 1) | 1 << 52), (bits >> 52) as i32 - 1075);
                // mantissa · 2^power against n / d, both times d · 2^−power: whole numbers of at most 128 bits.
                let shift = -power;
                prop_assume!((0..64).contains(&shift));
                Ok((u128::from(n) << shift).abs_diff(mantissa * u128::from(d)))
            };
            let here = off(quotient)?;
            // Neighbours with the same power of two only: next to a power of two they are not.
            for neighbour in [quotient.next_up(), quotient.next_down()] {
                if neighbour.to_bits() >> 52 == quotient.to_bits() >> 52 {
                    prop_assert!(here <= off(neighbour)?);
                }
            }
        }

        #[test]
        fn the_slow_way_is_the_fast_way(n in 1_u64..1 << 53, d in 1_u64..1 << 53, scale in 1_u64..1 << 60) {
            // Both sides scaled beyond 53 bits go the slow way.
            let slow = scaled_ratio(n.into(), scale, d.into(), scale).expect("a number");
            prop_assert_eq!(slow, n as f64 / d as f64);
        }

        #[test]
        fn splits_add_up(amount: i128, weights in proptest::collection::vec(0..u128::MAX >> 8, 1..9)) {
            match split(amount, &weights) {
                Some(parts) => {
                    prop_assert_eq!(parts.iter().sum::<i128>(), amount);
                    prop_assert!(parts.iter().all(|part| part.signum() * amount.signum() >= 0));
                }
                None => prop_assert!(weights.iter().all(|weight| *weight == 0)),
            }
        }
    }
}
