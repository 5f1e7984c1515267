//! All customers' histories, equal ones counted: what BG/NBD is fitted on.

use crate::counted::Counted;
use crate::history::History;

/// Customers by (x, t_x, T), equal ones counted. Any order of adding and any division into shards give the same.
///
/// Of ten million customers observed by the day for two years some millions are distinct, at 24 bytes each.
#[derive(Clone, Debug, Default)]
pub struct PurchaseStatistics {
    /// (x, t_x, T) where both times are whole days, in half the room.
    days: Counted<[u32; 3]>,
    /// The bits of the weeks elsewhere: of floats that are not negative they sort as the numbers do.
    weeks: Counted<(u32, [u64; 2])>,
}

impl PurchaseStatistics {
    /// One more customer.
    pub fn add(&mut self, history: &History) {
        self.add_many(history, 1);
    }

    /// `count` more customers of the same history.
    pub fn add_many(&mut self, history: &History, count: u64) {
        let repeats = history.repeats();
        match history.days() {
            Some([recency, age]) => self.days.add([repeats, recency, age], count),
            None => self.weeks.add((repeats, [history.recency_weeks().to_bits(), history.age_weeks().to_bits()]), count),
        }
    }

    /// The customers of another shard as well.
    pub fn merge(&mut self, other: &Self) {
        self.days.merge(&other.days);
        self.weeks.merge(&other.weeks);
    }

    /// Sorts in what was added last. Without it a fit does so on a copy.
    pub fn compact(&mut self) {
        self.days.compact();
        self.weeks.compact();
    }

    /// How many customers there are.
    #[must_use]
    pub fn customers(&self) -> u64 {
        self.days.total().saturating_add(self.weeks.total())
    }

    /// Distinct histories with their counts, always in the same order.
    #[must_use]
    pub fn distinct(&self) -> Vec<(History, u64)> {
        let (days, weeks) = (self.days.sorted(), self.weeks.sorted());
        // What was taken apart when it was added is put together again, and so cannot fail.
        let of_days = days.iter().filter_map(|([repeats, recency, age], count)| {
            Some((History::from_days(*repeats, *recency, *age).or_else(|_| weekly(*repeats, *recency, *age)).ok()?, *count))
        });
        let of_weeks = weeks.iter().filter_map(|((repeats, [recency, age]), count)| {
            Some((History::from_weeks(*repeats, f64::from_bits(*recency), f64::from_bits(*age)).ok()?, *count))
        });
        of_days.chain(of_weeks).collect()
    }
}

/// Of a history that was given in weeks and happens to have whole days.
fn weekly(repeats: u32, recency: u32, age: u32) -> Result<History, crate::error::InputError> {
    History::from_weeks(repeats, f64::from(recency) / 7.0, f64::from(age) / 7.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_histories_are_counted_however_they_came() {
        let mut statistics = PurchaseStatistics::default();
        let histories = [
            History::from_days(2, 14, 21),
            History::from_weeks(2, 2.0, 3.0),
            History::from_weeks(2, 2.01, 3.0),
            // More purchases than days: only summaries in weeks may have them.
            History::from_weeks(40, 2.0, 3.0),
        ]
        .map(|history| history.expect("a history"));
        for history in &histories {
            statistics.add(history);
        }
        let mut other = PurchaseStatistics::default();
        other.add_many(&histories[2], 3);
        other.add_many(&histories[0], 0);
        statistics.merge(&other);
        assert_eq!(statistics.customers(), 7);
        assert_eq!(statistics.distinct(), [(histories[0], 2), (histories[3], 1), (histories[2], 4)]);
    }
}
