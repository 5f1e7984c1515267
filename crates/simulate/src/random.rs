//! Random numbers by counting: each draw is a hash of (seed, stream, place), so that any session of any file can be made
//! again on its own, on any thread. Integers only, hence the same on every machine.

use attributary_core::apportion::Apportion;

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;
/// One half-life, as [`Random::half_lives`] counts them.
pub const HALF_LIFE: u64 = 1 << HALF_LIFE_BITS;
const HALF_LIFE_BITS: u32 = 20;

/// What a sequence of draws is for; different streams are independent.
#[derive(Clone, Copy, Debug)]
pub enum Stream {
    /// How busy a day is.
    Day = 1,
    /// What the customer is like: country, device.
    Customer,
    /// Whether a customer is about during a stretch of weeks.
    Episode,
    /// A session and its touches.
    Session,
    /// Nulls and repeats among touch rows.
    TouchRow,
    /// Whether a conversion is a first one, a later one or a repeat.
    Turn,
    /// A first conversion (a purchase, a lead).
    Order,
    /// A later one (a refund, a deal).
    FollowUp,
    /// How long a later one takes.
    Lag,
    /// Nulls among conversion rows.
    ConversionRow,
    /// Which earlier customer a session brings back, if any.
    Visit,
    /// How often and how long a customer comes back.
    Buyer,
    /// How much a customer spends, and in which currency.
    Purse,
    /// What the ad platforms charge.
    Spend,
    /// How exchange rates move.
    Rate,
}

/// A sequence of random numbers (SplitMix64).
#[derive(Clone, Debug)]
pub struct Random {
    state: u64,
}

impl Random {
    /// The sequence of a place, named by two numbers, within a stream.
    pub fn new(seed: u64, stream: Stream, one: u64, other: u64) -> Self {
        let base = mix(seed ^ (stream as u64).wrapping_mul(0xD1B5_4A32_D192_ED03));
        let place = mix(base.wrapping_add(one.wrapping_mul(GOLDEN)));
        Self { state: mix(place.wrapping_add(other.wrapping_mul(GOLDEN))) }
    }

    /// 64 random bits, also read as a fraction of 2⁶⁴.
    pub fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GOLDEN);
        mix(self.state)
    }

    /// A number in `0..limit`; 0 where the limit is.
    pub fn below(&mut self, limit: u64) -> u64 {
        scale(self.draw(), limit)
    }

    /// A number in `low..high`.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        low + self.below((high - low) as u64) as i64
    }

    /// How many half-lives something lasts that decays, in parts of [`HALF_LIFE`] and never 0: half of all cases end within
    /// the first, half of the others within the second.
    pub fn half_lives(&mut self) -> u64 {
        // The logarithm of an even draw, bit by bit, as those of floats differ from machine to machine.
        let draw = self.draw() | 1;
        let whole = draw.leading_zeros();
        // What follows the zeros is a number from 1 to 2, with 31 binary digits behind the point. Whether its square is 2 or
        // more is the first digit of its logarithm, the square of what is left has the next.
        let (mut number, mut logarithm) = ((draw << whole) >> 32, 0);
        for _ in 0..HALF_LIFE_BITS {
            number *= number;
            let digit = number >> 63;
            number >>= 31 + digit;
            logarithm = logarithm << 1 | digit;
        }
        (u64::from(whole) + 1) * HALF_LIFE - logarithm
    }

    /// Whether something of this share happens.
    pub fn chance(&mut self, share: Share) -> bool {
        self.draw() < share.0
    }
}

/// A share of all cases, as a fraction of 2⁶⁴.
#[derive(Clone, Copy, Debug)]
pub struct Share(u64);

impl Share {
    /// `part` of a hundred.
    pub const fn percent(part: u64) -> Self {
        Self(u64::MAX / 100 * part)
    }

    /// A share between 0 and 1.
    pub fn of(share: f64) -> Self {
        // Both steps are exact or saturate: the product by a power of two, and the cast.
        Self((share * 18_446_744_073_709_551_616.0) as u64)
    }
}

/// A choice by weight among at most 65,536 things: a table of 4,096 places, dealt out in proportion to the weights.
#[derive(Debug)]
pub struct Choice {
    places: Vec<u16>,
}

impl Choice {
    /// A choice among `weights.len()` things; all are equal where every weight is 0.
    pub fn new(weights: &[u32]) -> Self {
        let places = apportion(4_096, weights.iter().map(|weight| f64::from(*weight)).collect());
        let each = places.iter().enumerate().flat_map(|(thing, count)| std::iter::repeat_n(thing as u16, *count as usize));
        Self { places: each.collect() }
    }

    /// The thing that 64 random bits fall on.
    pub fn pick(&self, draw: u64) -> usize {
        self.places[(draw >> 52) as usize].into()
    }
}

/// Divides `total` (below 10¹⁸) in proportion to the weights, by largest remainder; equally where all are 0.
pub fn apportion(total: u64, mut weights: Vec<f64>) -> Vec<u64> {
    let mut apportion = Apportion::default();
    if !apportion.set_weights(&weights) {
        weights.fill(1.0);
        apportion.set_weights(&weights);
    }
    let mut parts = Vec::new();
    if !weights.is_empty() {
        apportion.split(total as i64, &mut parts);
    }
    parts.into_iter().map(|part| part as u64).collect()
}

/// The place in `0..limit` of a fraction of 2⁶⁴.
pub fn scale(fraction: u64, limit: u64) -> u64 {
    ((u128::from(fraction) * u128::from(limit)) >> 64) as u64
}

/// Turns a number into another that looks unlike its neighbours'; no two numbers become the same one.
pub fn mix(mut number: u64) -> u64 {
    number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_fixed_for_ever() {
        // Published values of SplitMix64 from state 1234567.
        let mut random = Random { state: 1_234_567 };
        assert_eq!([random.draw(), random.draw()], [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
    }

    #[test]
    fn places_and_streams_are_independent() {
        let first = |stream, one, other| Random::new(7, stream, one, other).draw();
        assert_ne!(first(Stream::Session, 0, 1), first(Stream::Session, 1, 0));
        assert_ne!(first(Stream::Session, 0, 0), first(Stream::Order, 0, 0));
    }

    #[test]
    fn choices_follow_their_weights() {
        let choice = Choice::new(&[1, 0, 3]);
        let mut random = Random::new(1, Stream::Session, 0, 0);
        let mut counts = [0; 3];
        (0..40_000).for_each(|_| counts[choice.pick(random.draw())] += 1);
        assert!((9_500..10_500).contains(&counts[0]) && counts[1] == 0, "{counts:?}");
        assert_eq!(Choice::new(&[0, 0]).pick(u64::MAX), 1);
    }

    #[test]
    fn what_decays_is_halved_again_and_again() {
        let mut random = Random::new(1, Stream::Session, 0, 0);
        let lives: Vec<u64> = (0..200_000).map(|_| random.half_lives()).collect();
        let longer = |parts: u64| lives.iter().filter(|life| **life > parts).count() as f64 / lives.len() as f64;
        for (parts, share) in
            [(0, 1.0), (1, 0.840_896), (2, std::f64::consts::FRAC_1_SQRT_2), (4, 0.5), (6, 0.353_553), (8, 0.25), (20, 0.031_25)]
        {
            assert!((longer(HALF_LIFE / 4 * parts) - share).abs() < 0.004, "{parts}: {}", longer(HALF_LIFE / 4 * parts));
        }
        let mean = lives.iter().sum::<u64>() as f64 / lives.len() as f64 / HALF_LIFE as f64;
        assert!((mean - std::f64::consts::LOG2_E).abs() < 0.01, "{mean}");
        // The draws of `draws_are_fixed_for_ever` are 2 to the power of -1.514246 and of -2.525795 of all there are.
        let mut random = Random { state: 1_234_567 };
        assert_eq!([random.half_lives(), random.half_lives()], [1_587_802, 2_648_488]);
    }

    #[test]
    fn shares_reach_from_never_to_always() {
        let mut random = Random::new(1, Stream::Session, 0, 0);
        assert!((0..1_000).all(|_| !random.chance(Share::of(0.0))));
        let hits = (0..100_000).filter(|_| random.chance(Share::of(0.1))).count();
        assert!((9_500..10_500).contains(&hits), "{hits}");
        assert_eq!(apportion(7, vec![0.0, 0.0]), [4, 3]);
        assert_eq!(apportion(7, vec![]), [] as [u64; 0]);
    }
}
