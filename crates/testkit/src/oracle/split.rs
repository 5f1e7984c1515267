//! The largest-remainder method, word for word.

/// Splits `amount` over weights that are not all zero.
pub fn split(weights: &[f64], amount: i64) -> Vec<i64> {
    let largest = weights.iter().copied().fold(0.0, f64::max);
    let two_to_52 = 4_503_599_627_370_496.0;
    let quotas: Vec<i128> = weights.iter().map(|weight| (weight / largest * two_to_52).round_ties_even() as i128).collect();
    let sum: i128 = quotas.iter().sum();
    let magnitude = i128::from(amount).abs();
    let mut parts: Vec<i128> = quotas.iter().map(|quota| magnitude * quota / sum).collect();
    let mut left = magnitude - parts.iter().sum::<i128>();
    // One unit at a time to the largest remainder that has none yet, the earliest of equals.
    let mut remainders: Vec<i128> = quotas.iter().map(|quota| magnitude * quota % sum).collect();
    while left > 0 {
        let mut best = 0;
        for touch in 0..parts.len() {
            if remainders[touch] > remainders[best] {
                best = touch;
            }
        }
        parts[best] += 1;
        remainders[best] = -1;
        left -= 1;
    }
    parts.into_iter().map(|part| if amount < 0 { -(part as i64) } else { part as i64 }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use attributary_core::WHOLE_SHARE;

    #[test]
    fn the_numbers_of_the_contract() {
        assert_eq!(split(&[1.0; 3], 10_000), [3_334, 3_333, 3_333]);
        assert_eq!(split(&[1.0; 3], 1), [1, 0, 0]);
        assert_eq!(split(&[1.0; 3], -10_000), [-3_334, -3_333, -3_333]);
        assert_eq!(split(&[0.4, 0.2, 0.4], 5), [2, 1, 2]);
        assert_eq!(split(&[1.0; 3], WHOLE_SHARE), [333_333_334, 333_333_333, 333_333_333]);
        assert_eq!(split(&[3.0, 0.0, 1.0], 0), [0, 0, 0]);
    }

    #[test]
    fn the_largest_remainder_wins_and_the_earlier_touch_breaks_ties() {
        // 10 over 1:3:3 is 1.43, 4.29, 4.29: one unit left, to the remainder 0.43.
        assert_eq!(split(&[1.0, 3.0, 3.0], 10), [2, 4, 4]);
        // 3 over 1:1:2 is 0.75, 0.75, 1.5: two units left, to the two of 0.75.
        assert_eq!(split(&[1.0, 1.0, 2.0], 3), [1, 1, 1]);
        // 1 over 1:1: a tie.
        assert_eq!(split(&[1.0, 1.0], 1), [1, 0]);
    }
}
