//! Small numbers for things that are compared and hashed often.

use std::borrow::Borrow;
use std::hash::Hash;

use rustc_hash::FxHashMap;

/// Gives each distinct item a number, in the order in which they come. The numbers are never written anywhere.
#[derive(Clone, Debug)]
pub(crate) struct Interner<T> {
    numbers: FxHashMap<T, u32>,
    items: Vec<T>,
}

impl<T> Default for Interner<T> {
    fn default() -> Self {
        Self { numbers: FxHashMap::default(), items: Vec::new() }
    }
}

impl<T: Hash + Ord + Clone> Interner<T> {
    /// The number of `item`, a new one if it has none.
    pub(crate) fn number<Q>(&mut self, item: &Q) -> u32
    where
        T: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = T> + ?Sized,
    {
        if let Some(number) = self.numbers.get(item) {
            return *number;
        }
        let number = self.items.len() as u32;
        self.items.push(item.to_owned());
        self.numbers.insert(item.to_owned(), number);
        number
    }

    /// The item of a number.
    pub(crate) fn item(&self, number: u32) -> &T {
        &self.items[number as usize]
    }

    /// The number of `item`, if it has one.
    pub(crate) fn find<Q>(&self, item: &Q) -> Option<u32>
    where
        T: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.numbers.get(item).copied()
    }

    /// The place of each number in the order of the items.
    pub(crate) fn ranks(&self) -> Vec<u32> {
        ranks(&self.items)
    }
}

/// The place of each item in the order of the items.
pub(crate) fn ranks<T: Ord>(items: &[T]) -> Vec<u32> {
    let mut order: Vec<usize> = (0..items.len()).collect();
    order.sort_unstable_by(|one, other| items[*one].cmp(&items[*other]));
    let mut ranks = vec![0; items.len()];
    for (rank, item) in order.into_iter().enumerate() {
        ranks[item] = rank as u32;
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_as_they_are_asked_and_ranks_by_order() {
        let mut interner = Interner::<String>::default();
        let numbers: Vec<u32> = ["b", "c", "a", "b"].iter().map(|text| interner.number(*text)).collect();
        assert_eq!(numbers, [0, 1, 2, 0]);
        assert_eq!(interner.ranks(), [1, 2, 0]);
        assert_eq!((interner.item(2).as_str(), interner.find("c"), interner.find("d")), ("a", Some(1), None));
    }
}
