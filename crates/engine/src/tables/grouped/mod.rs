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

use attributary_core::time::Day;

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
    kind: u32,
}
