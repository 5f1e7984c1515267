//! RFM scores: how recently, how often and for how much a customer bought, each as a fifth of all customers from 1 to 5.

use attributary_core::time::Day;

use super::Book;
use super::book::ordered;
use crate::budget::Budget;
use crate::error::EngineError;
use crate::histories::History;
use crate::runs::Runs;

/// Where the fifths of all customers end. Who is alike has the same score, so that a fifth may be larger than another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scores {
    last_days: Vec<Day>,
    orders: Vec<u64>,
    amounts: Vec<[u8; 16]>,
}

impl Scores {
    /// Of the customers of all books, which are closed.
    ///
    /// # Errors
    /// Where what is on disk cannot be read.
    pub fn of(books: &[Book], budget: &Budget) -> Result<Self, EngineError> {
        let customers = books.iter().map(Book::customers).sum::<u64>();
        let last_days = ends(customers, sorted(books.iter().flat_map(|book| &book.last_days)).map(Ok))?;
        let orders = ends(customers, sorted(books.iter().flat_map(|book| &book.order_counts)).map(Ok))?;
        let mut amounts = Runs::merge(books.iter().map(|book| &book.amount_runs), budget)?;
        let amounts = ends(
            customers,
            std::iter::from_fn(|| amounts.next_row().transpose()).map(|row| {
                let (key, _) = row?;
                Ok((<[u8; 16]>::try_from(&key[..]).unwrap_or_default(), 1))
            }),
        )?;
        Ok(Self { last_days, orders, amounts })
    }

    /// The scores of recency, frequency and money of a customer; `revenue` is the place of the value that they brought in.
    #[must_use]
    pub fn scores(&self, history: &History, revenue: usize) -> [u8; 3] {
        [
            score(&self.last_days, &history.last_day),
            score(&self.orders, &history.orders),
            score(&self.amounts, &ordered(history.values[revenue])),
        ]
    }
}

fn score<T: Ord>(ends: &[T], of: &T) -> u8 {
    1 + ends.iter().filter(|end| *end < of).count() as u8
}

fn sorted<'a, T: Ord + Copy + 'a>(counts: impl Iterator<Item = (&'a T, &'a u64)>) -> std::vec::IntoIter<(T, u64)> {
    let mut sorted: Vec<(T, u64)> = counts.map(|(of, count)| (*of, *count)).collect();
    sorted.sort_unstable();
    sorted.into_iter()
}

/// What the last one of each fifth but the highest has, given all in order, each with how many have it.
fn ends<T: Copy>(all: u64, sorted: impl Iterator<Item = Result<(T, u64), EngineError>>) -> Result<Vec<T>, EngineError> {
    let mut ends = Vec::new();
    let mut passed = 0;
    for one in sorted {
        let (of, count) = one?;
        passed += count;
        while ends.len() < 4 && passed * 5 >= all * (ends.len() as u64 + 1) {
            ends.push(of);
        }
    }
    Ok(ends)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fifths_end_where_they_should_and_equals_are_scored_alike() {
        let of = |all: &[u64]| ends(all.len() as u64, all.iter().map(|of| Ok((*of, 1)))).expect("in memory");
        let scores = |all: &[u64]| all.iter().map(|of| score(&ends_of(all), of)).collect::<Vec<_>>();
        fn ends_of(all: &[u64]) -> Vec<u64> {
            ends(all.len() as u64, all.iter().map(|of| Ok((*of, 1)))).expect("in memory")
        }
        assert_eq!(of(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]), [2, 4, 6, 8]);
        assert_eq!(scores(&[1, 2, 3, 4, 5]), [1, 2, 3, 4, 5]);
        assert_eq!(scores(&[1, 1, 1, 1, 9]), [1, 1, 1, 1, 5]);
        assert_eq!(scores(&[7]), [1]);
    }
}
