//! What a fit can fail of.

/// A chain for which no answer is found.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error(
    "the probabilities of a chain of {states} states do not settle: after {sweeps} sweeps over all of them one still changed by {change:e}. \
     Journeys go around in it almost for ever"
)]
pub struct NotSolved {
    /// The states.
    pub states: usize,
    /// How often all of them were gone over.
    pub sweeps: u32,
    /// What changed most in the last sweep.
    pub change: f64,
}
