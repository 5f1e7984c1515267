//! A journey: one conversion with its eligible touches, oldest first, as a model sees it. And the words for what
//! happened to touches and conversions on the way.

use std::fmt;

/// What the engine knows of a kind of touch: touches that agree in everything but customer, time and id share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct TouchFacts {
    /// The channel's code; equal codes are equal channels.
    pub channel: u32,
    /// The code of the pair (channel, campaign).
    pub placement: u32,
    /// The place of the interaction in `priority`: 0 is the best class.
    pub class: u32,
    /// Whether the interaction is `click`, or none is mapped.
    pub click: bool,
    /// The interaction's own window, as a place in the list of them; [`TouchFacts::NO_WINDOW`] for none.
    pub interaction_window: u32,
    /// Bit *i* says whether the pipeline's predicate *i* holds.
    pub flags: u64,
}

impl TouchFacts {
    /// No window of its own.
    pub const NO_WINDOW: u32 = u32::MAX;

    /// Whether predicate `flag` holds.
    #[must_use]
    pub fn holds(&self, flag: u32) -> bool {
        self.flags >> flag & 1 == 1
    }
}

/// One conversion and the touches that may get credit for it, oldest first. Touches are counted from 0.
#[derive(Clone, Copy)]
pub struct Journey<'a> {
    conversion_time: i64,
    touches: &'a [u32],
    times: &'a [i64],
    profiles: &'a [u32],
    facts: &'a [TouchFacts],
}

impl<'a> Journey<'a> {
    /// The journey of the touches at the places `touches` of a customer's `times` and `profiles`; a profile is a place
    /// in `facts`.
    #[must_use]
    pub fn new(conversion_time: i64, touches: &'a [u32], times: &'a [i64], profiles: &'a [u32], facts: &'a [TouchFacts]) -> Self {
        Self { conversion_time, touches, times, profiles, facts }
    }

    /// How many touches there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.touches.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.touches.is_empty()
    }

    /// How long before the conversion the touch was, in microseconds, never negative.
    #[must_use]
    pub fn age(&self, touch: usize) -> i64 {
        self.conversion_time - self.times[self.touches[touch] as usize]
    }

    /// The touch's profile: what it is but for its customer, time and id.
    #[must_use]
    pub fn profile(&self, touch: usize) -> usize {
        self.profiles[self.touches[touch] as usize] as usize
    }

    /// The touch's channel as a code: equal codes are equal channels.
    #[must_use]
    pub fn channel(&self, touch: usize) -> u32 {
        self.facts(touch).channel
    }

    /// Whether the touch was a click.
    #[must_use]
    pub fn is_click(&self, touch: usize) -> bool {
        self.facts(touch).click
    }

    fn facts(&self, touch: usize) -> &TouchFacts {
        &self.facts[self.profile(touch)]
    }
}

/// Why a conversion got no touch, the first that applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Unattributed {
    /// The conversion names no customer.
    IdentityMissing,
    /// No touch lies within its window.
    NoTouch,
    /// All touches within its window lie at or before the previous conversion.
    Consumed,
    /// The rules, `only` with fallback none, or weights that are all zero left nothing.
    Ignored,
}

impl Unattributed {
    /// Every reason, in order.
    pub const ALL: [Self; 4] = [Self::IdentityMissing, Self::NoTouch, Self::Consumed, Self::Ignored];
}

impl fmt::Display for Unattributed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::IdentityMissing => "identity_missing",
            Self::NoTouch => "no_touch",
            Self::Consumed => "consumed",
            Self::Ignored => "ignored",
        })
    }
}

/// Why a source row was rejected, the first that applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rejected {
    /// A touch without customer.
    NullCustomer,
    /// A conversion without id.
    NullId,
    /// No time, a text that is none, or one outside the years 1 to 9999.
    NullTime,
    /// A currency that is null or unknown, or has no rate of the day or of the week before it.
    MissingRate,
    /// A value that is null, not finite, or 10¹⁸ minor units and more.
    InvalidValue,
    /// Another row has the same id (for touches: of the same customer at the same time).
    DuplicateId,
    /// A refund of an order that is not there.
    RefundWithoutOrder,
    /// A rate without a currency, of an unknown one, or that is no rate: null, not above zero, a million or more.
    InvalidRate,
}

impl Rejected {
    /// Every reason, in order.
    pub const ALL: [Self; 8] = [
        Self::NullCustomer,
        Self::NullId,
        Self::NullTime,
        Self::MissingRate,
        Self::InvalidValue,
        Self::DuplicateId,
        Self::RefundWithoutOrder,
        Self::InvalidRate,
    ];
}

impl fmt::Display for Rejected {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::NullCustomer => "null_customer",
            Self::NullId => "null_id",
            Self::NullTime => "null_time",
            Self::MissingRate => "missing_rate",
            Self::InvalidValue => "invalid_value",
            Self::DuplicateId => "duplicate_id",
            Self::RefundWithoutOrder => "refund_without_order",
            Self::InvalidRate => "invalid_rate",
        })
    }
}

/// What the rules said of one touch of a customer, for one conversion, window and model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It may get credit.
    Eligible,
    /// It lies after the conversion.
    AfterConversion,
    /// It lies before the window.
    OutOfWindow,
    /// It lies at or before the previous conversion.
    Consumed,
    /// A better class of interaction is present.
    LowerPriority,
    /// It matches `ignore`.
    Ignored,
    /// It repeats a touch that is kept.
    Repeat,
    /// The model's `only` does not hold for it.
    NotOnly,
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Eligible => "eligible",
            Self::AfterConversion => "after_conversion",
            Self::OutOfWindow => "out_of_window",
            Self::Consumed => "consumed",
            Self::LowerPriority => "lower_priority",
            Self::Ignored => "ignored",
            Self::Repeat => "repeat",
            Self::NotOnly => "not_only",
        })
    }
}
