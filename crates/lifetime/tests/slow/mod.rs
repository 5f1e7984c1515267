//! The likelihood of BG/NBD and its maximum a second time, slowly: no counts, no derivatives, the platform's functions.

use attributary_lifetime::History;

/// Equation 6 of the paper with Γ throughout, by the logarithms of r, α, a, b.
pub fn log_likelihood(history: &History, logs: &[f64; 4]) -> f64 {
    let [r, alpha, a, b] = logs.map(f64::exp);
    let x = f64::from(history.repeats());
    let gamma = libm::lgamma;
    let common = gamma(r + x) - gamma(r) + r * alpha.ln() + gamma(a + b) + gamma(b + x) - gamma(b) - gamma(a + b + x);
    let stayed = -(r + x) * (alpha + history.age_weeks()).ln();
    if history.repeats() == 0 {
        return common + stayed;
    }
    let left = a.ln() - (b + x - 1.0).ln() - (r + x) * (alpha + history.recency_weeks()).ln();
    common + stayed.max(left) + (-(stayed - left).abs()).exp().ln_1p()
}

/// Nelder, Mead, "A simplex method for function minimization" (1965), for a maximum, started again from where it ended.
pub fn nelder_mead(start: [f64; 4], evaluate: impl Fn(&[f64; 4]) -> f64) -> ([f64; 4], f64) {
    let mut best = (start, evaluate(&start));
    for width in [0.5, 0.1, 0.02] {
        let mut simplex = vec![best];
        for i in 0..4 {
            let mut point = best.0;
            point[i] += width;
            simplex.push((point, evaluate(&point)));
        }
        for _ in 0..250 {
            simplex.sort_by(|one, other| other.1.total_cmp(&one.1));
            if simplex[0].1 - simplex[4].1 < 1e-9 {
                break;
            }
            let middle: [f64; 4] = std::array::from_fn(|i| simplex[..4].iter().map(|point| point.0[i]).sum::<f64>() / 4.0);
            let worst = simplex[4];
            let along = |factor: f64| {
                let point = std::array::from_fn(|i| middle[i] + factor * (worst.0[i] - middle[i]));
                (point, evaluate(&point))
            };
            let mirrored = along(-1.0);
            if mirrored.1 > simplex[0].1 {
                let farther = along(-2.0);
                simplex[4] = if farther.1 > mirrored.1 { farther } else { mirrored };
            } else if mirrored.1 > simplex[3].1 {
                simplex[4] = mirrored;
            } else {
                let nearer = along(if mirrored.1 > worst.1 { -0.5 } else { 0.5 });
                if nearer.1 > worst.1.max(mirrored.1) {
                    simplex[4] = nearer;
                } else {
                    let top = simplex[0].0;
                    for point in &mut simplex[1..] {
                        point.0 = std::array::from_fn(|i| 0.5 * (top[i] + point.0[i]));
                        point.1 = evaluate(&point.0);
                    }
                }
            }
        }
        simplex.sort_by(|one, other| other.1.total_cmp(&one.1));
        best = simplex[0];
    }
    best
}
