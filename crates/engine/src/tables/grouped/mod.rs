//! Grouped tables: attributed shares, values and touches by whatever columns the pipeline names.
//!
//! Sums are kept per conversion day even where the table does not show it, so that days can be replaced and parts added
//! up. A row of the accumulator holds all windows and models side by side: a touch finds its row once, and every further
//! model costs only its additions. A table that shows less than another one is not counted in the walk at all, participation
//! aside: it is added up from the other when the walk is over.

mod disk;
mod plan;
mod rows;
mod sums;

pub use disk::Sums;
pub(crate) use disk::spill;
pub use plan::{Grounds, Plan};
pub use rows::{Finish, Order, by_field, fields, finish, shows_day};
pub use sums::{Grouped, Parts};

use attributary_core::WHOLE_SHARE;
use attributary_core::table::NULL_CODE;
use attributary_core::time::Day;

use crate::histories::Standing;
use crate::sorted::Conversions;

/// The day of a touch where there is no touch.
const NO_DAY: Day = Day::MIN;

/// The touch group of conversions that no touch got.
const NO_TOUCH: u32 = u32::MAX;

/// The lanes of a slot before its values: share and touches.
pub(crate) const FIXED_LANES: usize = 2;

/// Where a row's sums belong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct GroupKey {
    touch_group: u32,
    touch_day: Day,
    day: Day,
    class: Class,
}

/// What rows know of conversions besides their day, in 32 bits: their kind and what they are to their customer, as far as the
/// table shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Class(u32);

impl Class {
    const KIND_BITS: u32 = 30;
    const NO_KIND: u32 = NULL_CODE >> (u32::BITS - Self::KIND_BITS);

    fn new(kind: u32, standing: Standing) -> Self {
        Self((standing as u32) << Self::KIND_BITS | kind & Self::NO_KIND)
    }

    /// The code of the kind, or [`NULL_CODE`].
    fn kind(self) -> u32 {
        match self.0 & Self::NO_KIND {
            Self::NO_KIND => NULL_CODE,
            kind => kind,
        }
    }

    fn standing(self) -> Standing {
        Standing::ALL[(self.0 >> Self::KIND_BITS) as usize % Standing::ALL.len()]
    }
}

/// What grouping asks of a conversion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OfConversion {
    /// Its day.
    pub day: Day,
    /// The code of its kind.
    pub kind: u32,
    /// What it is to its customer.
    pub standing: Standing,
    /// What there is of it to divide, in billionths: nothing of a refund, and of a path what its conversions have together.
    pub share: i64,
}

impl OfConversion {
    /// How many conversions it stands for.
    #[must_use]
    #[inline]
    pub fn conversions(&self) -> i64 {
        self.share / WHOLE_SHARE
    }

    /// One of some conversions.
    #[must_use]
    pub fn new(conversions: &Conversions, conversion: usize) -> Self {
        Self {
            day: conversions.days[conversion],
            kind: conversions.kinds[conversion],
            standing: conversions.standing(conversion),
            share: conversions.share(conversion),
        }
    }
}
