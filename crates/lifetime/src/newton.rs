//! Maximises a function of a few positive parameters, given its first two derivatives.
//!
//! Newton's method on the logarithms of the parameters, damped after Levenberg and Marquardt: where the surface is not
//! concave, or a step does not gain what it promised, the diagonal is raised, which turns the step towards the gradient and
//! shortens it. Likelihoods of these models have a maximum or rise along a ridge towards an edge; there steps do not
//! become shorter, and that is how the two are told apart.

/// A function's value and derivatives, by the logarithms of its parameters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Surface<const N: usize> {
    pub(crate) value: f64,
    /// What rounding may have done to the value.
    pub(crate) noise: f64,
    pub(crate) gradient: [f64; N],
    pub(crate) hessian: [[f64; N]; N],
}

impl<const N: usize> Surface<N> {
    /// From derivatives by the parameters themselves: ∂f/∂ln θ = θ · ∂f/∂θ.
    pub(crate) fn from_natural(
        [value, noise]: [f64; 2],
        parameters: &[f64; N],
        gradient: [f64; N],
        hessian: [[f64; N]; N],
    ) -> Self {
        let scaled: [f64; N] = std::array::from_fn(|i| parameters[i] * gradient[i]);
        let hessian = std::array::from_fn(|i| {
            std::array::from_fn(|j| {
                parameters[i] * parameters[j] * hessian[i.min(j)][i.max(j)] + if i == j { scaled[i] } else { 0.0 }
            })
        });
        Self { value, noise, gradient: scaled, hessian }
    }

    /// The largest component of the gradient.
    pub(crate) fn steepness(&self) -> f64 {
        self.gradient.iter().fold(0.0, |largest, component| component.abs().max(largest))
    }

    fn is_finite(&self) -> bool {
        self.value.is_finite() && self.gradient.iter().chain(self.hessian.iter().flatten()).all(|number| number.is_finite())
    }
}

/// How a search ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum End<const N: usize> {
    /// At a maximum.
    Maximum,
    /// On the way to an edge: of each parameter −1, 0 or 1, whether it shrinks, stays or grows.
    Edge([i8; N]),
    /// Neither, after as many steps as allowed.
    Lost,
}

/// Where a search ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome<const N: usize> {
    pub(crate) logs: [f64; N],
    pub(crate) surface: Surface<N>,
    pub(crate) iterations: u32,
    pub(crate) end: End<N>,
}

/// Parameters beyond a million times, or below a millionth, of their scale have left for an edge.
const FARTHEST: f64 = 13.815_510_557_964_274;
/// Beyond fifty times its scale, and still moving, a parameter is on its way to the edge.
const FAR: f64 = 3.912_023_005_428_146;
/// The longest step in the logarithm of one parameter.
const LONGEST_STEP: f64 = 2.0;
/// As Newton's steps square the error, the one after a step as short as this is below what a float holds.
const SHORT_STEP: f64 = 1e-7;
/// A gain in log-likelihood that says nothing any more, whatever the data.
const NO_GAIN: f64 = 1e-9;
/// A step longer than this that gains nothing goes along a ridge.
const RIDGE_STEP: f64 = 0.05;
const MOST_STEPS: u32 = 200;
const LEAST_DAMPING: f64 = 1e-9;
const FIRST_DAMPING: f64 = 1e-3;
const MOST_DAMPING: f64 = 1e12;

/// Searches from `start`, both it and `scale` as logarithms of the parameters. `evaluate` is called once for each step.
///
/// On the way to an edge long steps are cut short, and with them what the other parameters still had to go. So where it ends
/// at one, the parameter that is farthest out is held there, and the others are taken to their best; where they leave for an
/// edge of their own, the farthest of them is held as well.
pub(crate) fn maximise<const N: usize>(
    start: [f64; N],
    scale: [f64; N],
    evaluate: impl Fn(&[f64; N]) -> Surface<N>,
) -> Outcome<N> {
    let mut found = climb(start, scale, FARTHEST, &evaluate);
    let edge = found.end;
    let mut held = [false; N];
    while matches!(found.end, End::Edge(_)) {
        let out = |i: &usize| (found.logs[*i] - scale[*i]).abs();
        let Some(farthest) = (0..N).filter(|i| !held[*i]).max_by(|one, other| out(one).total_cmp(&out(other))) else { break };
        held[farthest] = true;
        let stiffness = (0..N).fold(1.0_f64, |most, i| found.surface.hessian[i][i].abs().max(most)) * 1e3;
        let anchor = found.logs;
        let settled = climb(anchor, anchor, FAR, &|logs| {
            let mut surface = evaluate(logs);
            for i in (0..N).filter(|i| held[*i]) {
                let pull = logs[i] - anchor[i];
                surface.value -= 0.5 * stiffness * pull * pull;
                surface.gradient[i] -= stiffness * pull;
                surface.hessian[i][i] -= stiffness;
            }
            surface
        });
        let iterations = found.iterations + settled.iterations;
        found = Outcome { iterations, surface: evaluate(&settled.logs), ..settled };
    }
    Outcome { end: edge, ..found }
}

fn climb<const N: usize>(
    start: [f64; N],
    scale: [f64; N],
    farthest: f64,
    evaluate: &impl Fn(&[f64; N]) -> Surface<N>,
) -> Outcome<N> {
    let mut logs = start;
    let mut surface = evaluate(&logs);
    let mut damping = 0.0;
    let end = |logs, surface, iterations, end| Outcome { logs, surface, iterations, end };
    if !surface.is_finite() {
        return end(logs, surface, 0, End::Lost);
    }
    for iteration in 1..=MOST_STEPS {
        let Some(mut step) = newton_step(&surface, damping) else {
            // Hardly more than it takes: along a ridge that is all but flat, more would make the steps too short.
            damping = (damping * 8.0).max(LEAST_DAMPING);
            if damping > MOST_DAMPING {
                return end(logs, surface, iteration, End::Lost);
            }
            continue;
        };
        let length = shorten(&mut step);
        let gain = 0.5 * dot(&surface.gradient, &step);
        if gain < NO_GAIN && damping <= FIRST_DAMPING && length > RIDGE_STEP {
            return end(logs, surface, iteration, End::Edge(heading(&logs, &scale, &step)));
        }
        let next_logs: [f64; N] = std::array::from_fn(|i| logs[i] + step[i]);
        let next = evaluate(&next_logs);
        if !next.is_finite() || next.value < surface.value - surface.noise - next.noise {
            damping = (damping * 8.0).max(FIRST_DAMPING);
            if damping > MOST_DAMPING {
                // Nothing is higher in reach: the maximum, as far as floats tell.
                let flat = gain < 1e-6;
                return end(logs, surface, iteration, if flat { End::Maximum } else { End::Lost });
            }
            continue;
        }
        (logs, surface) = (next_logs, next);
        if (0..N).any(|i| (logs[i] - scale[i]).abs() > farthest) {
            return end(logs, surface, iteration, End::Edge(heading(&logs, &scale, &step)));
        }
        if damping == 0.0 && (length < SHORT_STEP || gain < NO_GAIN * 1e-6) {
            return end(logs, surface, iteration, End::Maximum);
        }
        damping = if damping < 1e-6 { 0.0 } else { damping / 16.0 };
    }
    // Still on the way, and far out: it is a way to an edge.
    let out = std::array::from_fn(|i| logs[i] - scale[i]);
    let heading = heading(&logs, &scale, &out);
    end(logs, surface, MOST_STEPS, if heading == [0; N] { End::Lost } else { End::Edge(heading) })
}

fn dot<const N: usize>(one: &[f64; N], other: &[f64; N]) -> f64 {
    one.iter().zip(other).fold(0.0, |sum, (one, other)| sum + one * other)
}

/// Shortens a step to the longest allowed; its length then, by its largest component.
fn shorten<const N: usize>(step: &mut [f64; N]) -> f64 {
    let length = step.iter().fold(0.0_f64, |largest, component| component.abs().max(largest));
    if length <= LONGEST_STEP {
        return length;
    }
    step.iter_mut().for_each(|component| *component *= LONGEST_STEP / length);
    LONGEST_STEP
}

/// The parameters that are far out and still move outwards.
fn heading<const N: usize>(logs: &[f64; N], scale: &[f64; N], step: &[f64; N]) -> [i8; N] {
    let length = step.iter().fold(0.0_f64, |largest, component| component.abs().max(largest));
    std::array::from_fn(|i| {
        let out = logs[i] - scale[i];
        let moves = step[i].abs() >= 0.1 * length && step[i] * out > 0.0;
        if moves && out.abs() > FAR { if out > 0.0 { 1 } else { -1 } } else { 0 }
    })
}

/// The solution of (−H + damping · |diag H|) · step = gradient by Cholesky's decomposition, where it is positive definite.
fn newton_step<const N: usize>(surface: &Surface<N>, damping: f64) -> Option<[f64; N]> {
    let largest = (0..N).fold(0.0_f64, |largest, i| surface.hessian[i][i].abs().max(largest));
    let mut lower = [[0.0; N]; N];
    for i in 0..N {
        for j in 0..=i {
            let mut sum = -surface.hessian[i][j];
            if i == j {
                sum += damping * surface.hessian[i][i].abs().max(1e-8 * largest);
            }
            sum = lower[i][..j].iter().zip(&lower[j]).fold(sum, |sum, (one, other)| sum - one * other);
            if i > j {
                lower[i][j] = sum / lower[j][j];
            } else if sum > 0.0 {
                lower[i][i] = sum.sqrt();
            } else {
                return None;
            }
        }
    }
    let mut step = surface.gradient;
    for i in 0..N {
        for k in 0..i {
            step[i] -= lower[i][k] * step[k];
        }
        step[i] /= lower[i][i];
    }
    for i in (0..N).rev() {
        for k in i + 1..N {
            step[i] -= lower[k][i] * step[k];
        }
        step[i] /= lower[i][i];
    }
    step.iter().all(|component| component.is_finite()).then_some(step)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// −(x·y − 2)² − (x − 1)², times 1000: a curved ridge with its top at (1, 2).
    fn hill(logs: &[f64; 2]) -> Surface<2> {
        let [x, y] = logs.map(libm::exp);
        let (product, side) = (x * y - 2.0, x - 1.0);
        let value = -product * product - side * side;
        let gradient = [-2.0 * product * y - 2.0 * side, -2.0 * product * x];
        let hessian = [[-2.0 * y * y - 2.0, -2.0 * product - 2.0 * x * y], [f64::NAN, -2.0 * x * x]];
        Surface::from_natural([1e3 * value, 0.0], &[x, y], gradient.map(|g| 1e3 * g), hessian.map(|row| row.map(|h| 1e3 * h)))
    }

    #[test]
    fn finds_the_top_from_afar() {
        for start in [[0.0, 0.0], [3.0, -4.0], [-5.0, 2.0], [2.0, 2.0]] {
            let found = maximise(start, [0.0; 2], hill);
            assert_eq!(found.end, End::Maximum, "{start:?}");
            let [x, y] = found.logs.map(libm::exp);
            assert!((x - 1.0).abs() < 1e-9 && (y - 2.0).abs() < 1e-9, "{x} {y}");
        }
    }

    /// Rises for ever with the first parameter.
    #[test]
    fn tells_an_edge_from_a_top() {
        let ridge = |logs: &[f64; 2]| {
            let [x, y] = logs.map(libm::exp);
            let value = -1.0 / x - (y - 1.0) * (y - 1.0);
            let hessian = [[-2.0 / (x * x * x), 0.0], [0.0, -2.0]];
            Surface::from_natural([value, 0.0], &[x, y], [1.0 / (x * x), -2.0 * (y - 1.0)], hessian)
        };
        assert_eq!(maximise([0.0, 1.0], [0.0; 2], ridge).end, End::Edge([1, 0]));
    }
}
