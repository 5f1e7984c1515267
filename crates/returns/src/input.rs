//! The rows that sums are made of. Amounts are minor units of the pipeline's currency, shares billionths of a conversion.

use attributary_core::time::Day;
use attributary_core::value::Value;

/// What a conversion is in the life of its customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// The first order of a customer: the acquisition.
    New,
    /// A later order.
    Returning,
    /// No order, such as a lead.
    Other,
}

/// What a model credits one group with on one conversion day.
#[derive(Clone, Copy, Debug)]
pub struct Earned<'a> {
    /// The model's name.
    pub model: &'a str,
    /// The window's name.
    pub window: &'a str,
    /// The day of the conversions.
    pub day: Day,
    /// One cell for each field of [`Settings::by`](crate::Settings::by), the channel first; `(unattributed)` is a channel
    /// too.
    pub group: &'a [Value],
    /// The kind of the conversions: text or null.
    pub kind: &'a Value,
    /// What the conversions are in the lives of their customers.
    pub standing: Standing,
    /// The sum of the shares, in billionths of a conversion.
    pub conversions: i128,
    /// The sums of the parts of each value, in minor units.
    pub values: &'a [i128],
}

/// What marketing cost: one row of spend, however fine.
#[derive(Clone, Copy, Debug)]
pub struct Spent<'a> {
    /// The day that it was spent on.
    pub day: Day,
    /// As [`Earned::group`]. Null or empty text is `(not set)`.
    pub group: &'a [Value],
    /// What the money was for; none is `(not set)`.
    pub goal: Option<&'a str>,
    /// In minor units; negative for a credit note.
    pub amount: i128,
    /// Clicks that were paid for.
    pub clicks: u64,
    /// Times that an advertisement was shown.
    pub impressions: u64,
}

/// Whole conversions of one day, kind and standing, each counted once: what marketing touched of them, and the totals that
/// a model's groups are compared with.
#[derive(Clone, Copy, Debug)]
pub struct Touched<'a> {
    /// The window's name.
    pub window: &'a str,
    /// The day of the conversions.
    pub day: Day,
    /// Their kind: text or null.
    pub kind: &'a Value,
    /// What they are in the lives of their customers.
    pub standing: Standing,
    /// How many there are, attributed or not.
    pub conversions: u64,
    /// How many of them have a touch of marketing in the window.
    pub touched: u64,
    /// The sum of each value, in minor units.
    pub values: &'a [i128],
    /// The same of those that are touched.
    pub touched_values: &'a [i128],
}

/// What the customers that a channel acquired in a month did at one age. Rows of one key are added up, so each customer may
/// be told of in a row of its own.
#[derive(Clone, Copy, Debug)]
pub struct Cohort<'a> {
    /// The model's name, by which the channel is.
    pub model: &'a str,
    /// The window's name.
    pub window: &'a str,
    /// The month of the first order, by any of its days.
    pub month: Day,
    /// The channel of the first order.
    pub channel: &'a Value,
    /// Calendar months between the month of the first order and that of these orders.
    pub age: u32,
    /// The customers of the cohort. At age 0 all of them; at other ages either all or 0, since the largest counts.
    pub customers: u64,
    /// Those with an order at this age.
    pub active: u64,
    /// Their orders at this age.
    pub orders: u64,
    /// Customers whose second order is at this age, not before: what is cumulative in the table is not so here, as only this
    /// can be added up.
    pub repeaters: u64,
    /// The sum of each value of these orders, in minor units.
    pub values: &'a [i128],
}
