//! Dividing one conversion over its touches by the largest-remainder method, in exact integer arithmetic.
//!
//! Weights are floats and become integers once: qᵢ = round half to even (wᵢ / w_max · 2⁵²). Then the share and each value
//! are split over the same qᵢ, each on its own: ⌊|m|·qᵢ / Σq⌋, the units left over to the largest remainders, ties to the
//! earlier touch, a negative amount negated at the end. So the parts of any amount add up to it, whatever the weights.
//!
//! 100.00 over three equal touches is 33.34 33.33 33.33; −100.00 is −33.34 −33.33 −33.33.

/// 2⁵², what the largest weight becomes.
const SCALE: f64 = (1_u64 << 52) as f64;

/// The weights of one conversion's touches as integers, ready to split amounts over. Reused from conversion to
/// conversion so that nothing is allocated in the walk.
#[derive(Debug, Default)]
pub struct Apportion {
    quotas: Vec<u64>,
    sum: u128,
    /// Remainders and touches; narrow while Σq has 64 bits, which it has for any two thousand touches.
    narrow: Vec<(u64, u32)>,
    wide: Vec<(u128, u32)>,
}

impl Apportion {
    /// Takes the weights, each finite and not negative. False where all are zero: then nothing can be split.
    pub fn set_weights(&mut self, weights: &[f64]) -> bool {
        let largest = weights.iter().copied().fold(0.0, f64::max);
        self.quotas.clear();
        self.sum = 0;
        if largest <= 0.0 {
            return false;
        }
        self.quotas.extend(weights.iter().map(|weight| (weight / largest * SCALE).round_ties_even() as u64));
        self.sum = self.quotas.iter().map(|quota| u128::from(*quota)).sum();
        true
    }

    /// Splits `amount` (|amount| < 10¹⁸) over the weights into `parts`, one for each touch.
    ///
    /// # Panics
    /// Where [`Apportion::set_weights`] was not called or said false.
    pub fn split(&mut self, amount: i64, parts: &mut Vec<i64>) {
        let magnitude = amount.unsigned_abs();
        assert!(self.sum > 0, "weights are set before an amount is split");
        parts.clear();
        if let Ok(sum) = u64::try_from(self.sum) {
            self.narrow.clear();
            for (touch, &quota) in self.quotas.iter().enumerate() {
                let (part, remainder) = divide_narrow(magnitude, quota, sum);
                parts.push(part as i64);
                self.narrow.push((remainder, touch as u32));
            }
            give_the_rest(magnitude, parts, &mut self.narrow);
        } else {
            self.wide.clear();
            for (touch, &quota) in self.quotas.iter().enumerate() {
                let product = u128::from(magnitude) * u128::from(quota);
                parts.push((product / self.sum) as i64);
                self.wide.push((product % self.sum, touch as u32));
            }
            give_the_rest(magnitude, parts, &mut self.wide);
        }
        if amount < 0 {
            parts.iter_mut().for_each(|part| *part = -*part);
        }
    }
}

/// The part of touch `touch` (from 0) when `amount` is split over `count` equal weights: all remainders are equal, so the
/// units left over go to the earliest touches.
#[must_use]
pub fn equal_part(amount: i64, count: usize, touch: usize) -> i64 {
    let (magnitude, count) = (amount.unsigned_abs(), count as u64);
    let part = magnitude / count + u64::from((touch as u64) < magnitude % count);
    if amount < 0 { -(part as i64) } else { part as i64 }
}

/// Gives the units that are left over to the largest remainders, one each, ties to the earlier touch. Fewer units are left
/// than touches have a remainder.
fn give_the_rest<R: Ord>(magnitude: u64, parts: &mut [i64], remainders: &mut [(R, u32)]) {
    let left = (magnitude - parts.iter().map(|part| *part as u64).sum::<u64>()) as usize;
    if left == 0 {
        return;
    }
    if left < remainders.len() {
        remainders.select_nth_unstable_by(left, |one, other| other.0.cmp(&one.0).then(one.1.cmp(&other.1)));
    }
    for (_, touch) in &remainders[..left] {
        parts[*touch as usize] += 1;
    }
}

/// ⌊magnitude · quota / sum⌋ and its remainder, for quota ≤ sum < 2⁶⁴.
///
/// A division of 128 bits costs some 30 ns, so the quotient is estimated in floating point and set right by exact
/// multiplication: the estimate is off by less than one part in 2⁵⁰, and the loop takes what is missing.
fn divide_narrow(magnitude: u64, quota: u64, sum: u64) -> (u64, u64) {
    let product = u128::from(magnitude) * u128::from(quota);
    if let Ok(product) = u64::try_from(product) {
        return (product / sum, product % sum);
    }
    let mut quotient = (magnitude as f64 * (quota as f64 / sum as f64)) as u64;
    // Both products are below 2¹²⁷, so their difference has a sign.
    let mut remainder = product as i128 - (u128::from(quotient) * u128::from(sum)) as i128;
    while remainder < 0 || remainder >= i128::from(sum) {
        let missing = (remainder as f64 / sum as f64).floor() as i64;
        // The estimate of what is missing may round to nothing just beside the edge.
        let missing = if missing == 0 { 1 } else { missing };
        quotient = quotient.wrapping_add_signed(missing);
        remainder -= i128::from(missing) * i128::from(sum);
    }
    (quotient, remainder as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition, word for word.
    fn obvious(weights: &[f64], amount: i64) -> Vec<i64> {
        let largest = weights.iter().copied().fold(0.0, f64::max);
        let quotas: Vec<u128> =
            weights.iter().map(|weight| (weight / largest * 4_503_599_627_370_496.0).round_ties_even() as u128).collect();
        let sum: u128 = quotas.iter().sum();
        let magnitude = u128::from(amount.unsigned_abs());
        let mut parts: Vec<u128> = quotas.iter().map(|quota| magnitude * quota / sum).collect();
        let left = magnitude - parts.iter().sum::<u128>();
        let mut order: Vec<usize> = (0..weights.len()).collect();
        order.sort_by_key(|touch| (std::cmp::Reverse(magnitude * quotas[*touch] % sum), *touch));
        for touch in &order[..left as usize] {
            parts[*touch] += 1;
        }
        parts.into_iter().map(|part| part as i64 * amount.signum()).collect()
    }

    fn split(weights: &[f64], amount: i64) -> Vec<i64> {
        let (mut apportion, mut parts) = (Apportion::default(), Vec::new());
        assert!(apportion.set_weights(weights));
        apportion.split(amount, &mut parts);
        parts
    }

    #[test]
    fn worked_numbers() {
        assert_eq!(split(&[1.0; 3], 10_000), [3_334, 3_333, 3_333]);
        assert_eq!(split(&[1.0; 3], 1), [1, 0, 0]);
        assert_eq!(split(&[1.0; 3], -10_000), [-3_334, -3_333, -3_333]);
        assert_eq!(split(&[0.4, 0.2, 0.4], 5), [2, 1, 2]);
        assert_eq!(split(&[0.0, 5e-324], 7), [0, 7]);
        assert!(!Apportion::default().set_weights(&[0.0, 0.0]));
    }

    fn amounts() -> impl Strategy<Value = i64> {
        const LIMIT: i64 = 1_000_000_000_000_000_000;
        prop_oneof![-20_i64..20, -1_000_000_i64..1_000_000, (1 - LIMIT)..LIMIT, Just(crate::WHOLE_SHARE), Just(LIMIT - 1)]
    }

    fn weights() -> impl Strategy<Value = Vec<f64>> {
        let weight = prop_oneof![Just(0.0), Just(1.0), 0.0..1.0_f64, 0.0..1e-12_f64, 1e-300..1e300_f64];
        prop::collection::vec(weight, 1..40).prop_filter("not all zero", |all| all.iter().any(|weight| *weight > 0.0))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn the_fast_split_is_the_definition(weights in weights(), amount in amounts()) {
            let parts = split(&weights, amount);
            prop_assert_eq!(parts.iter().sum::<i64>(), amount);
            prop_assert_eq!(parts, obvious(&weights, amount));
        }

        #[test]
        fn equal_parts_are_the_definition(count in 1_usize..60, amount in amounts()) {
            let parts: Vec<_> = (0..count).map(|touch| equal_part(amount, count, touch)).collect();
            prop_assert_eq!(parts, obvious(&vec![1.0; count], amount));
        }
    }

    #[test]
    fn a_million_touches_still_add_up() {
        let weights: Vec<f64> = (0..1_000_000).map(|touch| f64::from(touch % 97) + 0.5).collect();
        for amount in [0, 1, -999_999_999_999_999_999, crate::WHOLE_SHARE] {
            assert_eq!(split(&weights, amount).iter().sum::<i64>(), amount);
        }
    }
}
