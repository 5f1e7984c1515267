//! A chain that ends: with what probability a journey converts.
//!
//! With Q the steps between states and r those that convert, x = (I − Q)⁻¹ r is the probability of each state. I − Q is an
//! M-matrix, and it is solved without a subtraction, so that no digits are lost even where journeys go around for a long time:
//!
//! * few states: by elimination of one state after another, in which the pivot is the sum of what leaves the state and not one
//!   minus what stays (Grassmann, Taksar, Heyman, "Regenerative analysis and steady state distributions for Markov chains",
//!   Operations Research 33 (1985) 1107–1116);
//! * many: by sweeps over all states (Gauss–Seidel), until what is left to change is below a bound.
//!
//! Both go in a fixed order, so they give the same bits on every machine, with any number of threads.

use crate::error::NotSolved;
use crate::transitions::{Gram, Node, Transitions};

/// Up to so many states are eliminated one by one.
pub const DENSE_STATES: usize = 600;

/// So many sweeps, after which there is no answer.
const MOST_SWEEPS: u32 = 100_000;

/// What is left to change at most, in parts of each probability.
const TOLERANCE: f64 = 1e-13;

/// A chain whose states are grams.
#[derive(Clone, Debug)]
pub struct Chain {
    grams: Vec<Gram>,
    /// The steps from state to state and those that convert, as probabilities; the rest ends without a conversion.
    pub(crate) steps: Steps,
    /// With what probability a journey begins in a state.
    pub(crate) start: Vec<f64>,
    journeys: u64,
    conversions: u64,
}

/// Probabilities of steps.
#[derive(Clone, Debug, Default)]
pub(crate) struct Steps {
    /// Where the steps of each state begin, and one place behind the last.
    ends: Vec<usize>,
    targets: Vec<u32>,
    probabilities: Vec<f64>,
    /// With what probability the next step of each state converts.
    pub converts: Vec<f64>,
    /// With what probability it ends the journey without.
    pub ends_without: Vec<f64>,
}

/// An answer, and how it was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Solved {
    /// By state.
    pub probabilities: Vec<f64>,
    /// Sweeps over all states; none where they were eliminated.
    pub sweeps: u32,
    /// By how much an equation is not met at most.
    pub residual: f64,
}

impl Steps {
    /// The steps of a state: where to, and with what probability.
    pub fn of(&self, state: usize) -> impl Iterator<Item = (usize, f64)> {
        let places = self.ends[state]..self.ends[state + 1];
        places.map(|place| (self.targets[place] as usize, self.probabilities[place]))
    }

    pub fn len(&self) -> usize {
        self.converts.len()
    }

    pub(crate) fn push(&mut self, steps: &[(u32, f64)], converts: f64, ends_without: f64) {
        if self.ends.is_empty() {
            self.ends.push(0);
        }
        self.targets.extend(steps.iter().map(|(to, _)| to));
        self.probabilities.extend(steps.iter().map(|(_, probability)| probability));
        self.ends.push(self.targets.len());
        self.converts.push(converts);
        self.ends_without.push(ends_without);
    }

    /// The same without some states. A step to one of them ends the journey, or with `redistribute` is never gone: the others
    /// take its place in their proportions.
    pub fn without(&self, removed: &dyn Fn(usize) -> bool, redistribute: bool) -> Self {
        let mut steps = Self::default();
        for state in 0..self.len() {
            if removed(state) {
                steps.push(&[], 0.0, 1.0);
                continue;
            }
            let (lost, mut kept): (Vec<_>, Vec<_>) =
                self.of(state).map(|(to, share)| (to as u32, share)).partition(|(to, _)| removed(*to as usize));
            let sum = |steps: &[(u32, f64)]| steps.iter().map(|(_, share)| share).sum::<f64>();
            let (mut converts, mut ends_without) = (self.converts[state], self.ends_without[state]);
            let left = sum(&kept) + converts + ends_without;
            if !redistribute || left == 0.0 {
                ends_without += sum(&lost);
            } else if !lost.is_empty() {
                kept.iter_mut().for_each(|(_, share)| *share /= left);
                (converts, ends_without) = (converts / left, ends_without / left);
            }
            steps.push(&kept, converts, ends_without);
        }
        steps
    }

    /// The states from which a conversion can be reached. From the others none is, however long a journey goes around.
    pub fn can_convert(&self) -> Vec<bool> {
        let mut before: Vec<Vec<u32>> = vec![Vec::new(); self.len()];
        for state in 0..self.len() {
            self.of(state).for_each(|(to, _)| before[to].push(state as u32));
        }
        let mut can: Vec<bool> = self.converts.iter().map(|probability| *probability > 0.0).collect();
        let mut known: Vec<usize> = (0..self.len()).filter(|state| can[*state]).collect();
        while let Some(state) = known.pop() {
            for earlier in &before[state] {
                if !std::mem::replace(&mut can[*earlier as usize], true) {
                    known.push(*earlier as usize);
                }
            }
        }
        can
    }

    /// With what probability each state converts. `near` is a first guess that is nowhere too small, for many states.
    ///
    /// # Errors
    /// Where sweeps do not end.
    pub fn convert(&self, near: Option<&[f64]>, most_dense: usize) -> Result<Solved, NotSolved> {
        let can = self.can_convert();
        let states: Vec<usize> = (0..self.len()).filter(|state| can[*state]).collect();
        let (probabilities, sweeps) = if states.len() <= most_dense {
            let converts: Vec<f64> = states.iter().map(|state| self.converts[*state]).collect();
            let mut probabilities = vec![0.0; self.len()];
            let found = Eliminated::new(self, &states).solve(converts);
            states.iter().zip(found).for_each(|(state, probability)| probabilities[*state] = probability);
            (probabilities, 0)
        } else {
            self.sweep(&states, near)?
        };
        let residual = states.iter().map(|state| (self.step(*state, &probabilities) - probabilities[*state]).abs());
        Ok(Solved { residual: residual.fold(0.0, f64::max), probabilities, sweeps })
    }

    fn step(&self, state: usize, probabilities: &[f64]) -> f64 {
        self.of(state).map(|(to, probability)| probability * probabilities[to]).sum::<f64>() + self.converts[state]
    }

    /// Forwards and backwards in turn, as journeys go both ways.
    fn sweep(&self, states: &[usize], near: Option<&[f64]>) -> Result<(Vec<f64>, u32), NotSolved> {
        let mut probabilities = vec![0.0; self.len()];
        if let Some(near) = near {
            states.iter().for_each(|state| probabilities[*state] = near[*state]);
        }
        let (mut last, mut before) = (1.0, 1.0);
        for sweep in 1..=MOST_SWEEPS {
            let mut change = 0.0_f64;
            let mut improve = |state: &usize| {
                let next = self.step(*state, &probabilities);
                // As long as no conversion was reached, all is still to come.
                change = change.max(if next > 0.0 {
                    (next / probabilities[*state].max(f64::MIN_POSITIVE) - 1.0).abs().min(1.0)
                } else {
                    1.0
                });
                probabilities[*state] = next;
            };
            if sweep % 2 == 1 {
                states.iter().rev().for_each(&mut improve)
            } else {
                states.iter().for_each(&mut improve)
            }
            // Changes become smaller by a factor, so all that are still to come are a geometric series.
            let factor = f64::max(change / last, last / before);
            if change == 0.0 || (factor < 1.0 && change * factor / (1.0 - factor) <= TOLERANCE) {
                return Ok((probabilities, sweep));
            }
            (before, last) = (last, change);
        }
        Err(NotSolved { states: states.len(), sweeps: MOST_SWEEPS, change: last })
    }
}

/// Some states, eliminated one after another, the last first. What is kept answers for any right side.
pub(crate) struct Eliminated {
    size: usize,
    /// By row: to the left of the diagonal the step that is left when all later states are eliminated, on it the pivot, to its
    /// right the factor by which a later state's row came to this one.
    cells: Vec<f64>,
}

impl Eliminated {
    /// Eliminates; steps to other states end the journey.
    pub fn new(steps: &Steps, states: &[usize]) -> Self {
        let size = states.len();
        let mut places = vec![usize::MAX; steps.len()];
        states.iter().enumerate().for_each(|(place, state)| places[*state] = place);
        let mut cells = vec![0.0; size * size];
        // All that leaves these states.
        let mut leaves = vec![0.0; size];
        for (row, state) in states.iter().enumerate() {
            leaves[row] = steps.converts[*state] + steps.ends_without[*state];
            for (to, probability) in steps.of(*state) {
                match places[to] {
                    usize::MAX => leaves[row] += probability,
                    // To itself: it is still there.
                    column if column == row => {}
                    column => cells[row * size + column] = probability,
                }
            }
        }
        for last in (0..size).rev() {
            let (above, below) = cells.split_at_mut(last * size);
            let eliminated = &mut below[..=last];
            let pivot = leaves[last] + eliminated[..last].iter().sum::<f64>();
            eliminated[last] = pivot;
            for row in 0..last {
                let cells = &mut above[row * size..][..=last];
                if cells[last] == 0.0 {
                    continue;
                }
                let factor = cells[last] / pivot;
                cells[last] = factor;
                cells.iter_mut().zip(&eliminated[..last]).for_each(|(cell, step)| *cell += factor * step);
                // What comes back to the row's own state only takes time.
                cells[row] = 0.0;
                leaves[row] += factor * leaves[last];
            }
        }
        Self { size, cells }
    }

    fn row(&self, row: usize) -> &[f64] {
        &self.cells[row * self.size..][..self.size]
    }

    /// What `amounts` on the way come to: (I − Q)⁻¹ applied to them.
    pub fn solve(&self, mut amounts: Vec<f64>) -> Vec<f64> {
        for row in (0..self.size).rev() {
            let later: f64 = (row + 1..self.size).map(|later| self.row(row)[later] * amounts[later]).sum();
            amounts[row] += later;
        }
        for row in 0..self.size {
            let cells = self.row(row);
            let earlier: f64 = (0..row).map(|earlier| cells[earlier] * amounts[earlier]).sum();
            amounts[row] = (amounts[row] + earlier) / cells[row];
        }
        amounts
    }

    /// How often each state is visited from where journeys begin: (I − Qᵀ)⁻¹ applied to that.
    pub fn visits(&self, mut start: Vec<f64>) -> Vec<f64> {
        for row in (0..self.size).rev() {
            let cells = self.row(row);
            let visits = start[row] / cells[row];
            start[row] = visits;
            start[..row].iter_mut().zip(cells).for_each(|(earlier, step)| *earlier += visits * step);
        }
        for row in 0..self.size {
            let visits = start[row];
            (row + 1..self.size).for_each(|later| start[later] += visits * self.row(row)[later]);
        }
        start
    }
}

impl Chain {
    /// The chain of counts.
    #[must_use]
    pub fn new(transitions: &Transitions) -> Self {
        let (grams, counts) = transitions.sorted();
        let mut starts = vec![0_u64; grams.len()];
        let mut steps = Steps::default();
        let (mut journeys, mut conversions) = (0, 0);
        let mut counts = &counts[..];
        while let Some((Node::Start, Node::State(to), count)) = counts.first() {
            starts[*to as usize] = *count;
            journeys += count;
            counts = &counts[1..];
        }
        for rank in 0..grams.len() as u32 {
            let of_state = counts.iter().take_while(|(from, _, _)| *from == Node::State(rank)).count();
            let (ours, others) = counts.split_at(of_state);
            counts = others;
            let all: u64 = ours.iter().map(|(_, _, count)| count).sum();
            let share = |count: u64| count as f64 / all as f64;
            let count_to = |end: Node| ours.iter().find(|(_, to, _)| *to == end).map_or(0, |(_, _, count)| *count);
            let to_states: Vec<(u32, f64)> = ours
                .iter()
                .filter_map(|(_, to, count)| match to {
                    Node::State(to) => Some((*to, share(*count))),
                    _ => None,
                })
                .collect();
            conversions += count_to(Node::Conversion);
            steps.push(&to_states, share(count_to(Node::Conversion)), share(count_to(Node::Null)));
        }
        let start = starts.into_iter().map(|count| if journeys == 0 { 0.0 } else { count as f64 / journeys as f64 }).collect();
        Self { grams, steps, start, journeys, conversions }
    }

    /// The states.
    #[must_use]
    pub fn grams(&self) -> &[Gram] {
        &self.grams
    }

    /// Journeys that the chain was learnt from.
    #[must_use]
    pub fn journeys(&self) -> u64 {
        self.journeys
    }

    /// Those of them that converted.
    #[must_use]
    pub fn conversions(&self) -> u64 {
        self.conversions
    }
}
