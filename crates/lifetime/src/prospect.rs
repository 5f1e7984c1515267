//! How many purchases are to be expected of a customer who has not dropped out.
//!
//! Given x and T, the rate λ of such a customer has a gamma distribution of shape s = r+x and inverse scale α+T, and the
//! chance p to drop out after a purchase a beta distribution of a and β = b+x. Within t weeks they would make K purchases if
//! they never dropped out, and K is negative binomial: with y = t/(α+T),
//!
//! > P(K = n) = (s)ₙ/n! · (1+y)^−s · (y/(1+y))ⁿ
//!
//! The (k+1)-th of these is made if none of the k before it was the last, with the chance mₖ = E[(1−p)ᵏ] = (β)ₖ/(a+β)ₖ, so
//! what is to be expected is
//!
//! > E = Σₙ P(K = n) · (m₀ + m₁ + … + mₙ₋₁)
//!
//! It is the closed form of the paper, which has ₂F₁, with all differences taken out: every term is positive, so nothing
//! cancels, whatever the parameters. The sum has about as many terms as the customer might make purchases. Where that is too
//! many, the same expectation is an integral over p: see [`Prospect::by_quadrature`].

use std::f64::consts::PI;

/// Beyond these the integral is cheaper than the sum, or (1+y)^−s is no longer a float.
const LARGEST_RATIO: f64 = 0.995;
const MOST_PURCHASES: f64 = 20_000.0;
const SMALLEST_EXPONENT: f64 = -600.0;

/// What is known of a customer who has not dropped out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Prospect {
    /// r+x, the shape of the distribution of λ.
    pub(crate) shape: f64,
    /// α+T, its inverse scale, in weeks.
    pub(crate) weeks: f64,
    /// a, of the distribution of p.
    pub(crate) out: f64,
    /// b+x, of the same.
    pub(crate) stay: f64,
}

impl Prospect {
    /// The purchases to expect in the next `weeks`; 0 where that is not above zero.
    pub(crate) fn purchases(&self, weeks: f64) -> f64 {
        if weeks.is_nan() || weeks <= 0.0 {
            return 0.0;
        }
        // Beyond 10¹⁸ times what has been seen, all is over that will ever be.
        let stretch = weeks / self.weeks;
        if stretch > 1e18 {
            return if self.out > 1.0 { (self.out + self.stay - 1.0) / (self.out - 1.0) } else { f64::INFINITY };
        }
        self.by_sum(stretch).unwrap_or_else(|| self.by_quadrature(stretch))
    }

    /// The sum, where it is short enough; `stretch` is y.
    fn by_sum(&self, stretch: f64) -> Option<f64> {
        let ratio = stretch / (1.0 + stretch);
        let exponent = -self.shape * libm::log1p(stretch);
        if ratio > LARGEST_RATIO || exponent < SMALLEST_EXPONENT || self.shape * stretch > MOST_PURCHASES {
            return None;
        }
        let mut chance = libm::exp(exponent);
        let (mut made, mut still, mut sum) = (0.0, 1.0, 0.0);
        let mut n = 0.0;
        loop {
            let growth = (self.shape + n) / (n + 1.0) * ratio;
            chance *= growth;
            made += still;
            still *= (self.stay + n) / (self.out + self.stay + n);
            n += 1.0;
            let term = chance * made;
            sum += term;
            // From here terms shrink at least by q each, apart from `made`, which grows by 1/n of itself at most: what is left
            // out is below term · Σ qʲ(1+j) = term/(1−q)².
            let left = 1.0 - growth.max(ratio);
            if left > 0.0 && term < 1e-17 * sum * left * left {
                return Some(sum);
            }
        }
    }

    /// E[(1 − (1+py)^−s)/p] over the beta distribution of p, by the rule of Takahasi and Mori (1974): with
    /// p = 1/(1 + exp(−π sinh u)) the integrand falls doubly exponentially on both sides whatever the parameters, so the
    /// trapezoidal rule squares its error each time the steps are halved. The distribution is normed by the same rule.
    fn by_quadrature(&self, stretch: f64) -> f64 {
        // Where the logarithm of the density has fallen by this much, nothing is left of it.
        const FALL: f64 = 800.0;
        let (low, high) = (-libm::asinh(FALL / (PI * self.out)), libm::asinh(FALL / (PI * self.stay)));
        let all = self.out + self.stay;
        let highest = self.out * libm::log(self.out / all) + self.stay * libm::log(self.stay / all);
        let point = |u: f64| {
            let logit = PI * libm::sinh(u);
            let small = libm::log1p(libm::exp(-logit.abs()));
            let (log_out, log_stay) = ((-small).min(logit - small), (-small).min(-logit - small));
            let weight = libm::exp(self.out * log_out + self.stay * log_stay - highest) * libm::cosh(u);
            let out = libm::exp(log_out);
            let made = -libm::expm1(-self.shape * libm::log1p(out * stretch)) / out;
            // Where p is next to nothing, so is the chance to drop out.
            let made = if made.is_finite() && out > 1e-290 { made } else { self.shape * stretch };
            (weight * made, weight)
        };
        let add = |sums: (f64, f64), u: f64| {
            let point = point(u);
            (sums.0 + point.0, sums.1 + point.1)
        };
        let mut steps = 64_u32;
        let mut width = (high - low) / f64::from(steps);
        let mut sums = (0..=steps).fold((0.0, 0.0), |sums, step| add(sums, low + f64::from(step) * width));
        let mut last = f64::NAN;
        loop {
            let found = sums.0 / sums.1;
            if (found - last).abs() <= 1e-13 * found || steps >= 1 << 16 {
                return found;
            }
            last = found;
            sums = (0..steps).fold(sums, |sums, step| add(sums, low + (f64::from(step) + 0.5) * width));
            steps *= 2;
            width *= 0.5;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// s, α+T, a, b+x, t and what is to be expected: mpmath 1.4 with 60 digits, the closed form of the paper with `hyp2f1`.
    const REFERENCES: &[([f64; 5], f64)] = &[
        ([2.243, 43.274, 0.793, 4.426, 39.0], 1.687399305805313),
        ([0.243, 4.414, 0.793, 2.426, 52.0], 1.4460505953964038),
        ([0.243, 4.414, 0.793, 2.426, 1e-06], 5.505210502292042e-08),
        ([0.243, 4.414, 0.793, 2.426, 5200.0], 12.148119026370994),
        ([0.243, 4.414, 1.0, 2.426, 52.0], 1.289988252484069),
        ([0.243, 4.414, 1.0000001, 2.426, 52.0], 1.2899881872321293),
        ([0.05, 0.1, 0.01, 0.01, 52.0], 12.466503488423053),
        ([0.05, 0.01, 3.5, 0.2, 520.0], 0.4495074336644222),
        ([150.3, 104.3, 0.5, 152.1, 52.0], 67.43446948321166),
        ([700.5, 110.0, 0.8, 703.0, 52.0], 282.07614779644257),
        ([700.5, 110.0, 0.8, 703.0, 520.0], 1465.1622426771758),
        ([3000.2, 50.0, 0.3, 3010.0, 260.0], 11092.097468616947),
        ([25.0, 3.0, 2.0, 0.5, 52.0], 1.4981948452856344),
        ([50.0, 30.0, 80.0, 4.0, 52.0], 1.0506329113924051),
        ([1.0, 1.0, 1e-06, 1.0, 10.0], 9.999976021089255),
        ([50000.0, 10.0, 0.001, 50000.0, 52.0], 259694.59663007074),
        ([0.001, 4.0, 0.8, 2.4, 52.0], 0.007022035544834739),
        ([0.3, 0.001, 0.7, 3.0, 104.0], 102.01428950698978),
        ([40.0, 100000.0, 100000.0, 300000.0, 52.0], 0.02074466874616609),
        ([2.5, 40.0, 500.0, 9500.0, 26.0], 1.536898025036175),
        ([0.7, 0.2, 0.2, 1.4, 1000000.0], 196510.33480977663),
    ];

    #[test]
    fn is_the_closed_form() {
        for &([shape, weeks, out, stay, t], expected) in REFERENCES {
            let found = Prospect { shape, weeks, out, stay }.purchases(t);
            assert!((found / expected - 1.0).abs() < 1e-11, "{shape} {weeks} {out} {stay} {t}: {found} ≠ {expected}");
        }
    }

    /// Two ways that have nothing in common.
    #[test]
    fn the_sum_is_the_integral() {
        for shape in [1e-3, 0.25, 3.0, 60.0] {
            for out in [1e-4, 0.1, 0.8, 1.0, 3.0, 40.0] {
                for stay in [1e-2, 0.5, 2.4, 70.0, 900.0] {
                    for stretch in [1e-6, 0.02, 0.5, 4.0, 30.0] {
                        let prospect = Prospect { shape, weeks: 1.0, out, stay };
                        let (sum, integral) = (prospect.by_sum(stretch), prospect.by_quadrature(stretch));
                        if let Some(sum) = sum {
                            assert!((sum / integral - 1.0).abs() < 1e-11, "{prospect:?} {stretch}: {sum} {integral}");
                        }
                    }
                }
            }
        }
    }
}
