//! Customers of known parameters, from a seed.

use attributary_lifetime::{History, PurchaseStatistics, SpendingStatistics};

/// SplitMix64 (Steele, Lea, Flood 2014).
pub struct Random(pub u64);

impl Random {
    /// Above 0 and below 1.
    pub fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 12) as f64 * f64::exp2(-52.0) + f64::exp2(-53.0)
    }

    pub fn exponential(&mut self) -> f64 {
        -libm::log(self.uniform())
    }

    fn normal(&mut self) -> f64 {
        (2.0 * self.exponential()).sqrt() * libm::cos(std::f64::consts::TAU * self.uniform())
    }

    /// Marsaglia, Tsang, "A simple method for generating gamma variables" (2000).
    pub fn gamma(&mut self, shape: f64) -> f64 {
        if shape < 1.0 {
            return self.gamma(shape + 1.0) * libm::pow(self.uniform(), 1.0 / shape);
        }
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let normal = self.normal();
            let v = libm::pow(1.0 + c * normal, 3.0);
            if v > 0.0 && libm::log(self.uniform()) < 0.5 * normal * normal + d - d * v + d * libm::log(v) {
                return d * v;
            }
        }
    }

    pub fn beta(&mut self, a: f64, b: f64) -> f64 {
        let (a, b) = (self.gamma(a), self.gamma(b));
        a / (a + b)
    }
}

/// Parameters to simulate with.
#[derive(Clone, Copy)]
pub struct Truth {
    pub r: f64,
    pub alpha: f64,
    pub a: f64,
    pub b: f64,
    pub p: f64,
    pub q: f64,
    pub v: f64,
}

/// One customer: exact times in weeks of their repeat purchases, the age in weeks, and what a purchase is worth to them.
pub struct Customer {
    pub purchases: Vec<f64>,
    pub age: f64,
    pub shape: f64,
    pub rate: f64,
}

impl Truth {
    pub fn customer(&self, random: &mut Random, age: f64) -> Customer {
        let (lambda, chance) = (random.gamma(self.r) / self.alpha, random.beta(self.a, self.b));
        let (mut purchases, mut time) = (Vec::new(), 0.0);
        loop {
            time += random.exponential() / lambda;
            if time > age {
                break;
            }
            purchases.push(time);
            if random.uniform() < chance {
                break;
            }
        }
        Customer { purchases, age, shape: self.p, rate: random.gamma(self.q) / self.v }
    }
}

impl Customer {
    /// To the last bit of the times.
    pub fn exact(&self) -> History {
        let last = self.purchases.last().copied().unwrap_or(0.0);
        History::from_weeks(self.purchases.len() as u32, last, self.age).expect("a history")
    }

    /// By the day, as a log of purchases has it: purchases of one day are one, those of the first day none.
    pub fn daily(&self) -> History {
        let mut days: Vec<u32> = self.purchases.iter().map(|time| (time * 7.0).floor() as u32).filter(|day| *day > 0).collect();
        days.dedup();
        let last = days.last().copied().unwrap_or(0);
        History::from_days(days.len() as u32, last, (self.age * 7.0).floor() as u32).expect("a history")
    }

    /// The total of `repeats` purchases.
    pub fn total(&self, random: &mut Random, repeats: u32) -> f64 {
        if repeats == 0 { 0.0 } else { random.gamma(self.shape * f64::from(repeats)) / self.rate }
    }
}

/// Many customers, by exact times or by the day, their first purchases spread evenly over `weeks` before the end.
pub fn simulate(truth: &Truth, seed: u64, customers: u32, weeks: f64, daily: bool) -> (PurchaseStatistics, SpendingStatistics) {
    let (mut purchases, mut spending) = (PurchaseStatistics::default(), SpendingStatistics::default());
    let mut random = Random(seed);
    for _ in 0..customers {
        let age = random.uniform() * weeks;
        let customer = truth.customer(&mut random, age);
        let history = if daily { customer.daily() } else { customer.exact() };
        purchases.add(&history);
        spending.add(history.repeats(), customer.total(&mut random, history.repeats()) as i128);
    }
    (purchases, spending)
}
