//! Dividing one conversion over its touches by the largest-remainder method, in exact integer arithmetic.
//!
//! Weights are floats and become integers once: qᵢ = round half to even (wᵢ / w_max · 2⁵²). Then the share and each value
//! are split over the same qᵢ, each on its own: ⌊|m|·qᵢ / Σq⌋, the units left over to the largest remainders, ties to the
//! earlier touch, a negative amount negated at the end. So the parts of any amount add up to it, whatever the weights.
//!
//! 100.00 over three equal touches is 33.34 33.33 33.33; −100.00 is −33.34 −33.33 −33.33.

use std::ops::Range;

/// 2⁵², what the largest weight becomes.
const SCALE: f64 = (1_u64 << 52) as f64;

/// Below both of these a part and its remainder come out of 64 bits: see [`divide_native`].
const NATIVE_MAGNITUDE: u64 = 1 << 50;
const NATIVE_SUM: u128 = 1 << 61;

/// Up to this many runs a remainder and its run fit into one number of 64 bits: Σq has no more than 52 + 6 bits then.
const PACKED_RUNS: usize = 64;
const RUN_BITS: u32 = PACKED_RUNS.trailing_zeros();

/// The weights of one conversion's touches as integers, ready to split amounts over. Reused from conversion to
/// conversion so that nothing is allocated in the walk.
///
/// Many models give neighbours the same weight. Such a run is divided once: its touches have equal parts and remainders, and
/// of what is left over its earlier touches come first.
#[derive(Debug, Default)]
pub struct Apportion {
    runs: Vec<Run>,
    touches: usize,
    sum: u128,
    /// Remainders and runs in as few bits as they fit into.
    packed: Vec<u64>,
    narrow: Vec<(u64, u32)>,
    wide: Vec<(u128, u32)>,
}

/// Neighbouring touches of one weight.
#[derive(Clone, Copy, Debug)]
struct Run {
    quota: u64,
    first: u32,
    count: u32,
}

impl Apportion {
    /// Takes the weights, each finite and not negative. False where all are zero: then nothing can be split.
    pub fn set_weights(&mut self, weights: &[f64]) -> bool {
        let largest = weights.iter().fold(0.0, |largest, weight| if *weight > largest { *weight } else { largest });
        if !self.begin(weights.len(), largest) {
            return false;
        }
        let mut last = f64::NAN;
        for (touch, &weight) in weights.iter().enumerate() {
            match self.runs.last_mut() {
                Some(run) if weight == last => run.count += 1,
                _ => self.push_run(weight, largest, touch, 1),
            }
            last = weight;
        }
        self.end();
        true
    }

    /// As [`Apportion::set_weights`], of two touches or more: one weight for the first, one for each between, one for the last.
    pub fn set_ends(&mut self, touches: usize, first: f64, between: f64, last: f64) -> bool {
        let ends = first.max(last);
        let largest = if touches > 2 { ends.max(between) } else { ends };
        if !self.begin(touches, largest) {
            return false;
        }
        self.push_run(first, largest, 0, 1);
        if touches > 2 {
            self.push_run(between, largest, 1, touches - 2);
        }
        self.push_run(last, largest, touches - 1, 1);
        self.end();
        true
    }

    fn begin(&mut self, touches: usize, largest: f64) -> bool {
        self.runs.clear();
        self.touches = touches;
        self.sum = 0;
        largest > 0.0
    }

    fn push_run(&mut self, weight: f64, largest: f64, first: usize, count: usize) {
        let quota = round_ties_even(weight / largest * SCALE);
        self.runs.push(Run { quota, first: first as u32, count: count as u32 });
    }

    fn end(&mut self) {
        // 2⁵² · 2³² is more than 64 bits hold, but not two of them.
        self.sum = self.runs.iter().map(|run| u128::from(run.quota) * u128::from(run.count)).sum();
    }

    /// Splits `amount` (|amount| < 10¹⁸) over the weights into `parts`, one for each touch.
    ///
    /// # Panics
    /// Where [`Apportion::set_weights`] was not called or said false.
    pub fn split(&mut self, amount: i64, parts: &mut Vec<i64>) {
        parts.clear();
        parts.resize(self.touches, 0);
        self.split_runs(amount, |touches, part| parts[touches].iter_mut().for_each(|all| *all += part));
    }

    /// Splits `amount` (|amount| < 10¹⁸) over the weights: `give` is told of stretches of touches and what each touch of them
    /// gets, some of them twice, as what is left over comes on top.
    ///
    /// # Panics
    /// Where [`Apportion::set_weights`] was not called or said false.
    #[inline]
    pub fn split_runs(&mut self, amount: i64, mut give: impl FnMut(Range<usize>, i64)) {
        let (magnitude, sign) = (amount.unsigned_abs(), amount.signum());
        let mut give = |touches: Range<usize>, part: u64| give(touches, sign * part as i64);
        assert!(self.sum > 0, "weights are set before an amount is split");
        let Self { runs, sum, touches, packed, narrow, wide } = self;
        match u64::try_from(*sum) {
            Ok(small) if magnitude < NATIVE_MAGNITUDE && *sum < NATIVE_SUM => {
                let reciprocal = 1.0 / small as f64;
                let divide = |quota| divide_native(magnitude, quota, small, reciprocal);
                if *touches <= PACKED_RUNS {
                    // Turned around, so that the largest remainder is first, and of equal ones the earlier run.
                    let pack = |remainder: u64, run: u32| !(remainder << RUN_BITS) & !(PACKED_RUNS as u64 - 1) | u64::from(run);
                    let run_of = |packed: &u64| (packed % PACKED_RUNS as u64) as usize;
                    split_over(runs, magnitude, &mut give, packed, divide, pack, run_of);
                } else {
                    split_narrow(runs, magnitude, &mut give, narrow, divide);
                }
            }
            Ok(sum) => split_narrow(runs, magnitude, &mut give, narrow, |quota| divide_narrow(magnitude, quota, sum)),
            Err(_) => {
                let divide = |quota| {
                    let product = u128::from(magnitude) * u128::from(quota);
                    ((product / *sum) as u64, product % *sum)
                };
                let keep = |remainder: u128, run: u32| (!remainder, run);
                split_over(runs, magnitude, &mut give, wide, divide, keep, |kept: &(u128, u32)| kept.1 as usize);
            }
        }
    }
}

fn split_narrow(
    runs: &[Run],
    magnitude: u64,
    give: &mut impl FnMut(Range<usize>, u64),
    room: &mut Vec<(u64, u32)>,
    divide: impl Fn(u64) -> (u64, u64),
) {
    split_over(runs, magnitude, give, room, divide, |remainder, run| (!remainder, run), |kept| kept.1 as usize);
}

/// Gives each touch its part and the units that are left over to the largest remainders. `order` makes of a remainder and its
/// run what comes the earlier the larger the remainder is, and of equal ones for the earlier run; `run_of` gives the run back.
#[inline]
fn split_over<R, K: Ord>(
    runs: &[Run],
    magnitude: u64,
    give: &mut impl FnMut(Range<usize>, u64),
    room: &mut Vec<K>,
    divide: impl Fn(u64) -> (u64, R),
    order: impl Fn(R, u32) -> K,
    run_of: impl Fn(&K) -> usize,
) {
    room.clear();
    let mut left = magnitude;
    let mut longer = false;
    for (number, run) in runs.iter().enumerate() {
        let (part, remainder) = divide(run.quota);
        left -= part * u64::from(run.count);
        longer |= run.count > 1;
        let first = run.first as usize;
        give(first..first + run.count as usize, part);
        room.push(order(remainder, number as u32));
    }
    // Fewer units are left than touches have a remainder, and every run that is reached takes one at least.
    let mut left = left as usize;
    if left == 0 {
        return;
    }
    if left < room.len() {
        room.select_nth_unstable(left);
        room.truncate(left);
    }
    if longer {
        room.sort_unstable();
    }
    for kept in room.iter() {
        let run = runs[run_of(kept)];
        let taken = left.min(run.count as usize);
        let first = run.first as usize;
        give(first..first + taken, 1);
        left -= taken;
    }
}

/// A number from 0 to 2⁵² rounded half to even: adding 2⁵² leaves no bits behind the point, and the hardware rounds so.
#[inline]
fn round_ties_even(number: f64) -> u64 {
    ((number + SCALE) - SCALE) as i64 as u64
}

/// Splits `amount` over `count` equal weights, as [`Apportion::split_runs`] would: all remainders are equal, so the units left
/// over go to the earliest touches.
#[inline]
pub fn equal_runs(amount: i64, count: usize, mut give: impl FnMut(Range<usize>, i64)) {
    let (magnitude, sign) = (amount.unsigned_abs(), amount.signum());
    give(0..count, sign * (magnitude / count as u64) as i64);
    give(0..(magnitude % count as u64) as usize, sign);
}

/// The part of touch `touch` (from 0) when `amount` is split over `count` equal weights: all remainders are equal, so the
/// units left over go to the earliest touches.
#[must_use]
pub fn equal_part(amount: i64, count: usize, touch: usize) -> i64 {
    let (magnitude, count) = (amount.unsigned_abs(), count as u64);
    let part = magnitude / count + u64::from((touch as u64) < magnitude % count);
    if amount < 0 { -(part as i64) } else { part as i64 }
}

/// Divides a total of any size by the largest-remainder method, in proportion to weights of which some may be below zero, as
/// long as together they are above it. None where they are not, or where the total has more than 34 digits.
#[must_use]
pub fn split_total(total: i128, weights: &[f64]) -> Option<Vec<i128>> {
    let largest = weights.iter().fold(0.0, |largest: f64, weight| largest.max(weight.abs()));
    if largest.is_nan() || largest <= 0.0 || largest.is_infinite() {
        return None;
    }
    let magnitude = total.checked_abs()?;
    // Products have 126 bits at most: of a total beyond any money there is, the last bits of the weights do not count.
    let shift = (i128::BITS - magnitude.leading_zeros() + 53).saturating_sub(126);
    if magnitude >= 10_i128.pow(34) {
        return None;
    }
    let quota = |weight: &f64| ((weight / largest * SCALE).round_ties_even() as i128) >> shift;
    let quotas: Vec<i128> = weights.iter().map(quota).collect();
    let sum: i128 = quotas.iter().sum();
    if sum <= 0 {
        return None;
    }
    let mut parts: Vec<i128> = quotas.iter().map(|quota| (magnitude * quota).div_euclid(sum)).collect();
    let mut by_remainder: Vec<(i128, usize)> =
        quotas.iter().enumerate().map(|(place, quota)| (-(magnitude * quota).rem_euclid(sum), place)).collect();
    by_remainder.sort_unstable();
    let left = magnitude - parts.iter().sum::<i128>();
    by_remainder.iter().take(left as usize).for_each(|(_, place)| parts[*place] += 1);
    if total < 0 {
        parts.iter_mut().for_each(|part| *part = -*part);
    }
    Some(parts)
}

/// ⌊magnitude · quota / sum⌋ and its remainder in 64 bits, for magnitude < 2⁵⁰ and quota ≤ 2⁵² ≤ sum < 2⁶¹; `reciprocal` is
/// 1 / sum.
///
/// Magnitude and quota are exact as floats. Rounding the sum, its reciprocal and the two products puts the estimate off by less
/// than 4 · 2⁻⁵³ of itself, and it is below 2⁵⁰: by less than one half. Rounded to the nearest integer (adding 2⁵² leaves its
/// bits as an integer's) it is off by less than one: the quotient, or the number above it. So the remainder lies between −sum
/// and sum, less than 2⁶³ either way, and is right although its products wrap around.
#[inline]
fn divide_native(magnitude: u64, quota: u64, sum: u64, reciprocal: f64) -> (u64, u64) {
    // Numbers below 2⁶³ become floats by one instruction if they have a sign.
    let estimate = magnitude as i64 as f64 * (quota as i64 as f64 * reciprocal);
    let quotient = (estimate + SCALE).to_bits() - SCALE.to_bits();
    let remainder = magnitude.wrapping_mul(quota).wrapping_sub(quotient.wrapping_mul(sum)) as i64;
    // All bits where it is below zero, none elsewhere.
    let above = remainder >> 63;
    (quotient.wrapping_add_signed(above), (remainder + (sum as i64 & above)) as u64)
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
        let edge = NATIVE_MAGNITUDE as i64;
        prop_oneof![
            -20_i64..20,
            -1_000_000_i64..1_000_000,
            (1 - LIMIT)..LIMIT,
            (edge - 20)..(edge + 20),
            Just(crate::WHOLE_SHARE),
            Just(LIMIT - 1)
        ]
    }

    fn weights() -> impl Strategy<Value = Vec<f64>> {
        let weight = prop_oneof![Just(0.0), Just(1.0), 0.0..1.0_f64, 0.0..1e-12_f64, 1e-300..1e300_f64];
        let any = prop::collection::vec(weight.clone(), 1..40);
        // Neighbours of one weight, as most models give them.
        let runs = prop::collection::vec((weight, 1_usize..30), 1..6)
            .prop_map(|runs| runs.into_iter().flat_map(|(weight, count)| vec![weight; count]).collect());
        // Long and heavy: beyond 64 touches, and beyond 512 whole quotas, other arithmetic holds.
        let long = prop::collection::vec(0.9..=1.0_f64, 60..700);
        prop_oneof![6 => any, 3 => runs, 1 => long].prop_filter("not all zero", |all| all.iter().any(|weight| *weight > 0.0))
    }

    #[test]
    fn totals_of_any_size_and_weights_below_zero() {
        assert_eq!(split_total(10_000, &[1.0, 1.0, 1.0]), Some(vec![3_334, 3_333, 3_333]));
        assert_eq!(split_total(-5, &[0.4, 0.2, 0.4]), Some(vec![-2, -1, -2]));
        assert_eq!(split_total(100, &[3.0, -1.0, 0.0]), Some(vec![150, -50, 0]));
        assert_eq!((split_total(1, &[0.0]), split_total(1, &[]), split_total(1, &[1.0, -2.0])), (None, None, None));
        assert_eq!(split_total(1, &[f64::NAN, f64::INFINITY]), None);
        let huge = 10_i128.pow(33) + 1;
        assert_eq!(split_total(huge, &[1.0, 2.0]).map(|parts| parts.iter().sum()), Some(huge));
        assert_eq!(split_total(i128::MAX, &[1.0, 2.0]), None);
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
        fn ends_are_weights(touches in 2_usize..90, ends in prop::array::uniform3(0.0..1.0_f64), amount in amounts()) {
            let [first, between, last] = ends;
            let mut weights = vec![between; touches];
            (weights[0], weights[touches - 1]) = (first, last);
            let (mut apportion, mut parts) = (Apportion::default(), Vec::new());
            prop_assert_eq!(apportion.set_ends(touches, first, between, last), weights.iter().any(|weight| *weight > 0.0));
            if weights.iter().any(|weight| *weight > 0.0) {
                apportion.split(amount, &mut parts);
                prop_assert_eq!(parts, obvious(&weights, amount));
            }
        }

        #[test]
        fn equal_parts_are_the_definition(count in 1_usize..60, amount in amounts()) {
            let parts: Vec<_> = (0..count).map(|touch| equal_part(amount, count, touch)).collect();
            let mut runs = vec![0; count];
            equal_runs(amount, count, |touches, part| runs[touches].iter_mut().for_each(|all| *all += part));
            prop_assert_eq!(&parts, &runs);
            prop_assert_eq!(parts, obvious(&vec![1.0; count], amount));
        }
    }

    /// Many cheap cases, beside the few that proptest can shrink.
    #[test]
    fn millions_of_quotients_are_exact() {
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        let mut random = |bits: u32| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 1) >> (63 - bits)
        };
        for _ in 0..4_000_000 {
            let bits = 1 + (random(6) % 50) as u32;
            let (magnitude, quota) = (random(bits), random(52));
            let sum = (1 << 52) + random(60) % ((NATIVE_SUM as u64) - (1 << 52));
            let product = u128::from(magnitude) * u128::from(quota);
            let exact = ((product / u128::from(sum)) as u64, (product % u128::from(sum)) as u64);
            assert_eq!(divide_native(magnitude, quota, sum, 1.0 / sum as f64), exact, "{magnitude} · {quota} / {sum}");
            assert_eq!(divide_narrow(magnitude, quota, sum), exact, "{magnitude} · {quota} / {sum}");
        }
        for half in [0.5, 1.5, 2.5, 3.49999, 4_503_599_627_370_495.5, SCALE] {
            assert_eq!(round_ties_even(half), half.round_ties_even() as u64, "{half}");
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
