//! What the engine is told: the rules, models, values and tables of one run.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use attributary_core::model::{Fallback, Weighing};
use attributary_core::table::Field;
use attributary_core::time::{self, Day};
use attributary_core::value::ColumnType;
use attributary_journeys::Rules;

use crate::days::Days;
use crate::error::EngineError;
use crate::learn::Frozen;

/// Everything one run computes, all of it in one walk over the log.
pub struct Setup {
    /// Windows, reuse, priority, ignore, repeats.
    pub rules: Rules,
    /// The conversion days of the run.
    pub range: Range,
    /// Those of them that are computed, where the results of the others are there already.
    pub only: Option<Days>,
    /// Names of the values, which become columns: those of the source, then those of `worths`.
    pub values: Vec<String>,
    /// Values that no source has: what a customer is worth, carried by their first order and 0 on all others.
    pub worths: Vec<Worth>,
    /// Whether some conversions refund others.
    pub refunds: bool,
    /// Whether the source gives values in several currencies.
    pub exchange: bool,
    /// Whether conversions are paths that were counted, each with the touches of one journey.
    pub counted: bool,
    /// Which kinds of conversions are orders, that is make a customer; none: all.
    pub order_kinds: Option<Vec<String>>,
    /// What becomes of customers, if anybody asks.
    pub customers: Option<CustomersSetup>,
    /// The currency's code and its digits behind the point.
    pub currency: (String, u8),
    /// The models, in the pipeline's order; their names are unique.
    pub models: Vec<ModelSetup>,
    /// The grouped tables.
    pub tables: Vec<TableSetup>,
    /// Whether the touch-level table is written.
    pub credits: bool,
    /// Rows of the paths table per window; 0: none, and customers without conversions are passed over.
    pub paths: usize,
    /// Names and types of the dimensions.
    pub dimensions: Vec<Field>,
    /// The type of customers among the conversions.
    pub customer_type: ColumnType,
    /// The type of customers among the touches.
    pub touch_customer_type: ColumnType,
    /// The type of conversion ids.
    pub conversion_id_type: ColumnType,
    /// The type of touch ids, where mapped.
    pub touch_id_type: Option<ColumnType>,
    /// Places of the touch attributes that are mapped (see `core::batch::attribute`).
    pub mapped_attributes: Vec<usize>,
    /// How many bytes the engine may hold; what is more goes to disk.
    pub memory: u64,
    /// Where they go then; exists and belongs to this run.
    pub temp: PathBuf,
    /// How many of the top bits of a hash choose a bucket (see [`crate::bucket::bucket_bits`]). It changes no result.
    pub bucket_bits: u32,
    /// From how many pairs of a touch and a conversion on a customer's conversions are divided a day at a time, mostly
    /// [`crate::walk::STRETCH_PAIRS`]. It changes no result.
    pub stretch_pairs: u64,
    /// How many threads share the memory: those of the rayon pool that the walk is called in.
    pub threads: usize,
}

/// What a customer is worth, as a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worth {
    /// What they are expected to bring in so many days from the end of the observation on, see [`crate::histories::Predict`].
    Predicted {
        /// Days.
        horizon: u32,
    },
    /// What they brought so far of a value of the source, and are expected to bring within so many days.
    Total {
        /// The value's place.
        value: usize,
        /// Days.
        horizon: u32,
    },
    /// What they brought of a value of the source, refunds taken off.
    Historic {
        /// The value's place.
        value: usize,
        /// Within so many days of the first order; none: so far.
        within: Option<u32>,
    },
}

/// Which tables of customers are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomersSetup {
    /// The place of the value that says what an order brought in.
    pub revenue: usize,
    /// That of what was earned by it, if it is mapped.
    pub margin: Option<usize>,
    /// Whether the tables are written, or only values made of what they say.
    pub tables: bool,
    /// For how many days the table foresees what a customer will bring.
    pub horizon: u32,
    /// What the segments are told apart by.
    pub segments: Segments,
}

/// Where the segments of customers begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segments {
    /// Who came back and then bought nothing for longer than so many days is lapsing.
    pub lapsing_after: u32,
    /// Who has so many orders, ...
    pub loyal_orders: u64,
    /// ... and at least this score of what they brought in, is loyal and of high value.
    pub loyal_score: u8,
}

impl CustomersSetup {
    /// The place of the value that says what a customer is worth: the margin, or what they brought in where none is mapped.
    #[must_use]
    pub fn worth(&self) -> usize {
        self.margin.unwrap_or(self.revenue)
    }
}

/// One model as the pipeline has it.
pub struct ModelSetup {
    /// Its name in the tables.
    pub name: String,
    /// How it weighs.
    pub weighing: Weighing,
    /// The predicate of `only`, as a bit of the touches' flags.
    pub only: Option<u32>,
    /// What holds where `only` leaves none.
    pub fallback: Fallback,
    /// Whether its credits add up to the conversion.
    pub additive: bool,
    /// What it learnt before, by window, and is not to learn anew.
    pub frozen: Option<Vec<Frozen>>,
}

/// Which of a journey's touches a model may credit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Narrowed {
    /// All of them.
    All,
    /// Those whose places were written.
    Some,
    /// None: the conversion stays unattributed.
    Nothing,
}

impl ModelSetup {
    /// Applies `only` and its fallback to `length` touches; `flags` gives those of a touch. Writes the places of those that
    /// are left where they are fewer.
    pub fn narrow(&self, length: usize, flags: impl Fn(usize) -> u64, places: &mut Vec<usize>) -> Narrowed {
        let Some(flag) = self.only else { return Narrowed::All };
        places.clear();
        places.extend((0..length).filter(|place| flags(*place) >> flag & 1 == 1));
        match (places.len(), self.fallback) {
            (0, Fallback::None) => Narrowed::Nothing,
            (0, Fallback::All) => Narrowed::All,
            (left, _) if left == length => Narrowed::All,
            _ => Narrowed::Some,
        }
    }
}

/// One grouped table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSetup {
    /// Its name.
    pub name: String,
    /// What it groups by, in column order.
    pub by: Vec<GroupColumn>,
}

/// A column that a table may group by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupColumn {
    /// The conversion's day, or the first day of its period.
    Conversion(Period),
    /// The touch's day, or the first day of its period.
    Touch(Period),
    /// The conversion's kind.
    Kind,
    /// Whether the conversion is a customer's first order, a later one, or none, see [`crate::histories::Standing`].
    Standing,
    /// An attribute of the touch: a place as in `core::batch::attribute`.
    Attribute(usize),
}

/// A stretch of the calendar, named by its first day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// A day.
    Day,
    /// An ISO week, from Monday.
    Week,
    /// A calendar month.
    Month,
}

impl Period {
    /// The first day of the period that holds `day`.
    #[must_use]
    pub fn start(self, day: Day) -> Day {
        match self {
            Self::Day => day,
            Self::Week => time::week_start(day),
            Self::Month => time::month_start(day),
        }
    }
}

/// Some days: from the first, inclusive, to the last, exclusive, either of which may be open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// The first day.
    pub from: Option<Day>,
    /// The day after the last.
    pub to: Option<Day>,
}

impl Range {
    /// Whether a day lies in it.
    #[must_use]
    pub fn contains(&self, day: Day) -> bool {
        self.from.is_none_or(|from| from <= day) && self.to.is_none_or(|to| day < to)
    }

    /// Whether a row of that day is counted; one without a day is where the range has no beginning.
    #[must_use]
    pub fn counts(&self, day: Option<Day>) -> bool {
        day.map_or(self.from.is_none(), |day| self.contains(day))
    }
}

impl Setup {
    /// Whether the conversions of a day are computed.
    #[must_use]
    pub fn computes(&self, day: Day) -> bool {
        self.range.contains(day) && self.only.as_ref().is_none_or(|days| days.contains(day))
    }

    /// Whether tables of customers are written.
    #[must_use]
    pub fn lists_customers(&self) -> bool {
        self.customers.as_ref().is_some_and(|customers| customers.tables)
    }

    /// Whether customers who never convert are followed too.
    #[must_use]
    pub fn follows_everyone(&self) -> bool {
        let learns_of_all = |model: &ModelSetup| match &model.weighing {
            Weighing::Fitted(fitted) => fitted.training().null_journeys && model.frozen.is_none(),
            _ => false,
        };
        // A path brings its null journeys along.
        !self.counted && (self.paths > 0 || self.models.iter().any(learns_of_all))
    }

    /// How many of the values are in the source.
    #[must_use]
    pub fn source_values(&self) -> usize {
        self.values.len() - self.worths.len()
    }

    /// Whether all conversions of a customer must be known, also those outside the range.
    #[must_use]
    pub fn follows_histories(&self) -> bool {
        self.customers.is_some() || self.tables.iter().any(|table| table.by.contains(&GroupColumn::Standing))
    }

    /// The name of an attribute.
    #[must_use]
    pub fn attribute_field(&self, place: usize) -> Field {
        use attributary_core::batch::attribute::{CAMPAIGN, CHANNEL, DIMENSIONS, INTERACTION};
        match place {
            CHANNEL => Field::new("channel", ColumnType::Text),
            CAMPAIGN => Field::new("campaign", ColumnType::Text),
            INTERACTION => Field::new("interaction", ColumnType::Text),
            _ => self.dimensions[place - DIMENSIONS].clone(),
        }
    }

    /// The attributes that a weight expression may name: channel, and of the others those that are mapped.
    pub fn weight_attributes(&self) -> impl Iterator<Item = usize> + '_ {
        (0..attributary_core::batch::attribute::DIMENSIONS + self.dimensions.len())
            .filter(|place| self.mapped_attributes.contains(place))
    }

    /// The type of an amount.
    #[must_use]
    pub fn amount(&self) -> ColumnType {
        ColumnType::amount(self.currency.1)
    }

    /// One amount column per value.
    pub fn value_fields(&self) -> impl Iterator<Item = Field> + '_ {
        self.values.iter().map(|name| Field::new(name, self.amount()))
    }
}

/// Somebody's wish that the run should end; looked at often. Copies share it.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Asks the run to end.
    pub fn interrupt(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Goes on, or ends the run.
    ///
    /// # Errors
    /// [`EngineError::Interrupted`] once [`Interrupt::interrupt`] was called.
    pub fn check(&self) -> Result<(), EngineError> {
        if self.0.load(Ordering::Relaxed) { Err(EngineError::Interrupted) } else { Ok(()) }
    }
}
