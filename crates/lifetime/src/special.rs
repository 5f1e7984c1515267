//! Functions that neither the standard library nor `libm` has, from operations that give the same bits everywhere.

/// ln(1 + eᶻ) and its derivative, 1 / (1 + e⁻ᶻ), without overflow.
#[inline]
pub(crate) fn softplus(z: f64) -> (f64, f64) {
    let small = libm::exp(-z.abs());
    let sigmoid = if z >= 0.0 { 1.0 / (1.0 + small) } else { small / (1.0 + small) };
    (z.max(0.0) + libm::log1p(small), sigmoid)
}

/// ln Γ(x+d) − ln Γ(x), and the same of its first two derivatives ψ and ψ′, for x, d > 0: right to the last digits also
/// where x is so large that the difference of the two would have none.
///
/// Up to 10 by recurrence, from there by the asymptotic series (Abramowitz & Stegun 6.1.40, 6.3.18 and 6.4.12), of which the
/// first term left out is below 10⁻¹⁶ then.
pub(crate) fn gamma_rise(mut x: f64, d: f64) -> [f64; 3] {
    let [mut log_gamma, mut digamma, mut trigamma] = [0.0; 3];
    while x < 10.0 {
        let (below, above) = (1.0 / x, 1.0 / (x + d));
        log_gamma -= libm::log1p(d * below);
        digamma += d * below * above;
        trigamma -= d * below * above * (below + above);
        x += 1.0;
    }
    let y = x + d;
    let ([log_low, low, low_slope], [log_high, high, high_slope]) = (stirling(x), stirling(y));
    let log = libm::log1p(d / x);
    log_gamma += (x - 0.5) * log + d * (libm::log(y) - 1.0) + log_high - log_low;
    digamma += log + 0.5 * d / (x * y) + high - low;
    trigamma -= d / (x * y) * (1.0 + 0.5 * (1.0 / x + 1.0 / y)) - (high_slope - low_slope);
    [log_gamma, digamma, trigamma]
}

/// ψ′(x), the second derivative of ln Γ, for x > 0.
pub(crate) fn trigamma(mut x: f64) -> f64 {
    let mut trigamma = 0.0;
    while x < 10.0 {
        trigamma += 1.0 / (x * x);
        x += 1.0;
    }
    trigamma + 1.0 / x + 0.5 / (x * x) + stirling(x)[2]
}

/// What Stirling's series adds to (x−½) ln x − x + ½ ln 2π = ln Γ(x), and its first two derivatives, for x ≥ 10.
fn stirling(x: f64) -> [f64; 3] {
    // Bernoulli's numbers of even index.
    const NUMBERS: [f64; 8] =
        [1.0 / 6.0, -1.0 / 30.0, 1.0 / 42.0, -1.0 / 30.0, 5.0 / 66.0, -691.0 / 2_730.0, 7.0 / 6.0, -3_617.0 / 510.0];
    let y = 1.0 / (x * x);
    let mut sums = [0.0; 3];
    for (k, number) in NUMBERS.iter().enumerate().rev() {
        let twice = 2.0 * (k as f64 + 1.0);
        let terms = [number / (twice * (twice - 1.0)), -number / twice, *number];
        sums = std::array::from_fn(|i| sums[i] * y + terms[i]);
    }
    [sums[0] / x, sums[1] * y, sums[2] * y / x]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From mpmath 1.4 with 60 digits: x, d, `loggamma(x + d) - loggamma(x)`, the same of `psi(0, …)` and `psi(1, …)`, and
    /// `psi(1, x)`.
    const REFERENCES: &[[f64; 6]] = &[
        [1e-06, 1e-06, -0.6931477577731429, 500000.00000164495, -750000000000.0001, 1000000000001.645],
        [0.001, 2.0, -6.906755778649053, 1000.9990009990009, -1000000.998002996, 1000001.6425331958],
        [0.5, 0.5, -0.5723649429247001, 1.3862943611198906, -3.289868133696453, 4.934802200544679],
        [1.0, 3.74, 2.7940910985740164, 2.0240746975088104, -1.4101578499780172, 1.6449340668482264],
        [2.5, 0.001, 0.0007034017801652782, 0.0004902396913789871, -0.0002360921509858893, 0.49035775610023485],
        [6.25, 3.74, 7.559711227359964, 0.500246845947465, -0.06820228301069038, 0.17347923315893218],
        [9.999, 1000.0, 5961.536341180133, 4.66556207084348, -0.10418679637577008, 0.10517738667672887],
        [10.0, 1e-09, 2.2517525891193045e-09, 1.0516633567616083e-10, -1.1049834969642118e-11, 0.10516633568168575],
        [33.3, 1000000.0, 12815882.0224634, 10.325076118906164, -0.030484444128137812, 0.030485444095338887],
        [1234.5, 7.25, 51.62687370183287, 0.005858010575338342, -4.733294367974936e-06, 0.0008103727271269667],
        [1000000.0, 3.7, 51.11739405946249, 3.6999950050106562e-06, -3.699990010031968e-12, 1.0000005000001667e-06],
        [1000000.0, 2000000.0, 28926857.432626676, 1.098612622001517, -6.666671111112716e-07, 1.0000005000001667e-06],
        [1000000000000.0, 0.5, 13.81551055796415, 5.00000000000125e-13, -5.0000000000025e-25, 1.0000000000005e-12],
        [0.3, 100000000.0, 1742068070.534241, 21.9232049641525, -12.245364536107731, 12.245364546107732],
    ];

    #[test]
    fn rises_are_right() {
        for &[x, d, log_gamma, digamma, slope, at] in REFERENCES {
            let near = |found: f64, expected: f64| (found - expected).abs() <= 1e-14 * expected.abs() + 1e-18;
            let found = gamma_rise(x, d);
            // ln Γ(x+d) − ln Γ(x) is 0 somewhere between: there only its terms are right to the last digits.
            assert!(
                (found[0] - log_gamma).abs() <= 1e-14 * (log_gamma.abs() + d) + 1e-17,
                "ln Γ {x} {d}: {} {log_gamma}",
                found[0]
            );
            assert!(near(found[1], digamma), "ψ {x} {d}: {} {digamma}", found[1]);
            assert!(near(found[2], slope), "ψ′ {x} {d}: {} {slope}", found[2]);
            assert!(near(trigamma(x), at), "ψ′({x}) = {} {at}", trigamma(x));
        }
    }

    #[test]
    fn softplus_does_not_overflow() {
        assert_eq!(softplus(0.0), (std::f64::consts::LN_2, 0.5));
        assert_eq!(softplus(1e6), (1e6, 1.0));
        assert_eq!(softplus(-1e6), (0.0, 0.0));
    }
}
