//! How often journeys go from one state to another: all that a chain is learnt from.
//!
//! A state is what the last `order` touches were: a gram of so many players. A journey of fewer touches is one state. Where a
//! state follows itself, it is one.

use rustc_hash::FxHashMap;

/// A player: a channel, or whatever takes part in journeys, by its place in a list.
pub type Player = u32;

/// What the last touches were, the oldest first.
pub type Gram = Box<[Player]>;

/// Where a step leads, or comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Node {
    /// Before the first touch.
    Start,
    /// A state, by its place.
    State(u32),
    /// The end of a journey that converts.
    Conversion,
    /// The end of one that does not.
    Null,
}

/// Counts of steps. Counts of several shards are merged; the order in which journeys come does not matter.
#[derive(Clone, Debug)]
pub struct Transitions {
    order: usize,
    places: FxHashMap<Gram, u32>,
    grams: Vec<Gram>,
    steps: FxHashMap<(Node, Node), u64>,
}

impl Transitions {
    /// Some bytes more or less than it takes.
    #[must_use]
    pub fn memory(&self) -> u64 {
        const STATE: usize = 3 * size_of::<(Gram, u32)>() + 96;
        const STEP: usize = 2 * size_of::<((Node, Node), u64)>();
        (self.grams.len() * STATE + self.steps.len() * STEP) as u64
    }

    /// None yet; `order` touches make a state.
    ///
    /// # Panics
    /// For an order of 0.
    #[must_use]
    pub fn new(order: usize) -> Self {
        assert!(order > 0, "a state is at least one touch");
        Self { order, places: FxHashMap::default(), grams: Vec::new(), steps: FxHashMap::default() }
    }

    /// How many touches make a state.
    #[must_use]
    pub fn order(&self) -> usize {
        self.order
    }

    /// Adds journeys of the same touches, of which some convert and others do not. Without touches there is no journey.
    pub fn add(&mut self, path: &[Player], conversions: u64, nulls: u64) {
        let journeys = conversions + nulls;
        if path.is_empty() || journeys == 0 {
            return;
        }
        let mut at = Node::Start;
        for gram in path.windows(self.order.min(path.len())) {
            let next = Node::State(self.place(gram));
            if next != at {
                self.step(at, next, journeys);
                at = next;
            }
        }
        self.step(at, Node::Conversion, conversions);
        self.step(at, Node::Null, nulls);
    }

    /// Adds the counts of another shard.
    ///
    /// # Panics
    /// Where that is of another order.
    pub fn merge(&mut self, other: &Self) {
        assert_eq!(self.order, other.order, "chains of one order");
        for ((from, to), count) in &other.steps {
            let [from, to] = [from, to].map(|node| match node {
                Node::State(place) => Node::State(self.place(&other.grams[*place as usize])),
                end => *end,
            });
            self.step(from, to, *count);
        }
    }

    /// The states in the order of their grams, and the steps between them in the order of both ends. Whatever is computed from
    /// them is the same for the same journeys.
    #[must_use]
    pub fn sorted(&self) -> (Vec<Gram>, Vec<(Node, Node, u64)>) {
        let mut places: Vec<u32> = (0..self.grams.len() as u32).collect();
        places.sort_unstable_by_key(|place| &self.grams[*place as usize]);
        let mut ranks = vec![0; places.len()];
        places.iter().zip(0..).for_each(|(place, rank)| ranks[*place as usize] = rank);
        let rank = |node: Node| match node {
            Node::State(place) => Node::State(ranks[place as usize]),
            end => end,
        };
        let mut steps: Vec<_> = self.steps.iter().map(|((from, to), count)| (rank(*from), rank(*to), *count)).collect();
        steps.sort_unstable();
        (places.iter().map(|place| self.grams[*place as usize].clone()).collect(), steps)
    }

    fn place(&mut self, gram: &[Player]) -> u32 {
        if let Some(place) = self.places.get(gram) {
            return *place;
        }
        let place = self.grams.len() as u32;
        self.grams.push(gram.into());
        self.places.insert(gram.into(), place);
        place
    }

    fn step(&mut self, from: Node, to: Node, count: u64) {
        if count > 0 {
            *self.steps.entry((from, to)).or_default() += count;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(order: usize, paths: &[(&[Player], u64, u64)]) -> Transitions {
        let mut transitions = Transitions::new(order);
        paths.iter().for_each(|(path, conversions, nulls)| transitions.add(path, *conversions, *nulls));
        transitions
    }

    #[test]
    fn what_follows_itself_is_one_state() {
        use Node::{Conversion, Null, Start, State};
        let (grams, steps) = of(1, &[(&[7, 7, 3, 3, 7], 2, 1)]).sorted();
        assert_eq!(grams, [Gram::from([3]), Gram::from([7])]);
        let expected = [
            (Start, State(1), 3),
            (State(0), State(1), 3),
            (State(1), State(0), 3),
            (State(1), Conversion, 2),
            (State(1), Null, 1),
        ];
        assert_eq!(steps, expected);
        // Of order 2: 77, 73, 33, 37.
        assert_eq!(of(2, &[(&[7, 7, 7, 3, 3, 7], 1, 0)]).sorted().0.len(), 4);
    }

    #[test]
    fn a_journey_of_few_touches_is_one_state() {
        let (grams, steps) = of(3, &[(&[1, 2], 1, 0), (&[1, 2, 3], 0, 4), (&[], 9, 9)]).sorted();
        assert_eq!(grams, [Gram::from([1, 2]), Gram::from([1, 2, 3])]);
        assert_eq!(steps.len(), 4);
    }

    #[test]
    fn shards_are_merged_whatever_they_saw_first() {
        let all: [(&[Player], u64, u64); 4] = [(&[1, 2, 3], 1, 0), (&[3, 1], 2, 5), (&[2], 0, 1), (&[1, 2, 3, 1, 2], 1, 1)];
        for order in 1..4 {
            let whole = of(order, &all).sorted();
            for cut in 0..=all.len() {
                let (mut one, other) = (of(order, &all[cut..]), of(order, &all[..cut]));
                one.merge(&other);
                assert_eq!(one.sorted(), whole, "order {order}, cut {cut}");
            }
        }
    }
}
