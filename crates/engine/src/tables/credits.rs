//! The touch-level table: every touch of every attributed conversion, under each model and window.

use std::sync::Arc;

use attributary_core::batch::attribute::DIMENSIONS;
use attributary_core::money::exponent;
use attributary_core::rates::RATE_SCALE;
use attributary_core::table::{Column, Field, NULL_CODE, Rows};
use attributary_core::value::{ColumnType, Value};
use attributary_journeys::Profiles;

use super::unattributed::{conversion_columns, model_and_window};
use super::{SinkError, TableSink};
use crate::budget::Budget;
use crate::error::EngineError;
use crate::kinds::ConversionKinds;
use crate::setup::Setup;
use crate::sorted::Conversions;
use crate::spool::{Block, CONVERSION, Named, Spool, Spooled};

/// Columns of a spooled credit: conversion, model, window, sequence, length, touch time, profile, share, then the values.
const MODEL: usize = 1;
const WINDOW: usize = 2;
const SEQUENCE: usize = 3;
const LENGTH: usize = 4;
const TIME: usize = 5;
const PROFILE: usize = 6;
const SHARE: usize = 7;
const VALUES: usize = 8;

/// The most digits behind the point that a currency of ISO 4217 has: in one column there are amounts of several.
pub const MOST_DIGITS: u8 = 4;

/// One thread's credits on their way to disk.
pub struct CreditBuffer {
    block: Block,
    row: Vec<i64>,
    spool: Spool,
}

/// A touch's time, profile and id (see `Cells::raw`).
pub type CreditedTouch<'a> = (i64, u32, &'a [u8]);

impl CreditBuffer {
    /// A buffer that goes to `spool`.
    #[must_use]
    pub fn new(spool: Spool) -> Self {
        Self { block: Block::default(), row: Vec::new(), spool }
    }

    /// Adds the credits of a conversion, model and window to its touches. `share` and `value` give the parts of a touch.
    pub fn add(
        &mut self,
        (conversion, model, window): (usize, usize, usize),
        touches: &mut dyn ExactSizeIterator<Item = CreditedTouch<'_>>,
        values: usize,
        share: impl Fn(usize) -> i64,
        value: impl Fn(usize, usize) -> i64,
    ) {
        let length = touches.len();
        for (touch, (time, profile, id)) in touches.enumerate() {
            self.row.clear();
            self.row.extend([conversion, model, window, touch + 1, length].map(|number| number as i64));
            self.row.extend([time, profile.into(), share(touch)]);
            self.row.extend((0..values).map(|of| value(of, touch)));
            self.block.push(&self.row);
            self.block.ids.push_raw(id);
        }
    }

    /// Whether it is time to write.
    #[must_use]
    pub fn is_full(&self, budget: &Budget) -> bool {
        self.block.memory() >= budget.rows()
    }

    /// Writes what has been gathered of `bucket`.
    ///
    /// # Errors
    /// Where temporary space cannot be written.
    pub fn flush(&mut self, bucket: u32, conversions: &Conversions, budget: &Budget) -> Result<(), EngineError> {
        let columns = &self.block.columns;
        let key = |row: usize| [CONVERSION, MODEL, WINDOW, SEQUENCE].map(|column| columns[column][row]);
        self.spool.write(bucket, &self.block, conversions, key, budget)?;
        self.block.clear();
        Ok(())
    }

    /// What was written.
    #[must_use]
    pub fn finish(self) -> Spool {
        self.spool
    }
}

/// The table's columns.
#[must_use]
pub fn fields(setup: &Setup) -> Vec<Field> {
    let mut fields = vec![
        Field::new("model", ColumnType::Text),
        Field::new("window", ColumnType::Text),
        Field::new("conversion_id", setup.conversion_id_type.clone()),
        Field::new("customer", setup.customer_type.clone()),
        Field::new("conversion_time", ColumnType::instant()),
        Field::new("kind", ColumnType::Text),
        Field::new("sequence", ColumnType::COUNT),
        Field::new("length", ColumnType::COUNT),
        Field::new("touch_time", ColumnType::instant()),
        Field::new("touch_id", setup.touch_id_type.clone().unwrap_or(ColumnType::Text)),
    ];
    fields.extend((0..DIMENSIONS + setup.dimensions.len()).map(|place| setup.attribute_field(place)));
    fields.push(Field::new("share", ColumnType::SHARE));
    fields.extend(setup.value_fields());
    if setup.exchange {
        fields.push(Field::new("currency", ColumnType::Text));
        fields.push(Field::new("rate", ColumnType::Decimal { precision: 38, scale: RATE_SCALE }));
        let original = |name: &String| Field::new(format!("original_{name}"), ColumnType::amount(MOST_DIGITS));
        fields.extend(setup.values.iter().take(setup.source_values()).map(original));
    }
    fields
}

/// Writes the table, one file a conversion day.
///
/// # Errors
/// Where the sink or the temporary space fails.
pub fn write(
    setup: &Setup,
    spooled: &Spooled,
    (kinds, currencies): (&ConversionKinds, &ConversionKinds),
    profiles: &Profiles,
    sink: &dyn TableSink,
) -> Result<(), SinkError> {
    let fields = fields(setup);
    let to_rows = |block: &Block, named: &Named| rows(setup, (block, named), (kinds, currencies), profiles);
    super::unattributed::write_days(spooled, "credits", &fields, &to_rows, sink)
}

fn rows(
    setup: &Setup,
    (block, named): (&Block, &Named),
    (kinds, currencies): (&ConversionKinds, &ConversionKinds),
    profiles: &Profiles,
) -> Rows {
    let ints = |place: usize| Column::Ints(block.columns[place].clone());
    let wide = |place: usize| Column::Wide(block.columns[place].iter().map(|part| i128::from(*part)).collect());
    let mut columns = model_and_window(setup, &block.columns[MODEL], &block.columns[WINDOW]);
    columns.extend(conversion_columns(setup, &block.columns[CONVERSION], named, kinds));
    columns.extend([ints(SEQUENCE), ints(LENGTH), ints(TIME)]);
    columns.push(match &setup.touch_id_type {
        Some(kind) => Column::Values((0..block.len()).map(|row| block.ids.value(row, kind)).collect()),
        None => Column::Codes { codes: vec![NULL_CODE; block.len()], dictionary: Arc::new(Vec::<Value>::new()) },
    });
    for place in 0..profiles.codes.len() {
        let code = |profile: &i64| profiles.codes[place][*profile as usize];
        let codes = block.columns[PROFILE].iter().map(code).collect();
        columns.push(Column::Codes { codes, dictionary: Arc::clone(&profiles.dictionaries[place]) });
    }
    columns.push(wide(SHARE));
    columns.extend((0..setup.values.len()).map(|value| wide(VALUES + value)));
    if setup.exchange {
        columns.extend(exchanged(setup, &block.columns[CONVERSION], named, currencies));
    }
    Rows { columns }
}

/// What each row's conversion was before it was converted: its currency, the rate, and its whole values, not the credit's part.
fn exchanged(setup: &Setup, places: &[i64], named: &Named, currencies: &ConversionKinds) -> Vec<Column> {
    let width = 2 + setup.source_values();
    let cell = |conversion: &i64, lane: usize| named.exchanged[*conversion as usize * width + lane];
    // Currencies have fewer digits behind the point than the column.
    let digits: Vec<u8> = currencies.values.iter().map(|code| code.as_text().and_then(exponent).unwrap_or(0)).collect();
    let unit = |conversion: &i64| {
        let digits = digits.get(cell(conversion, 0) as usize).copied().unwrap_or(0);
        10_i128.pow(u32::from(MOST_DIGITS - digits.min(MOST_DIGITS)))
    };
    let codes = places.iter().map(|conversion| cell(conversion, 0) as u32).collect();
    let mut columns = vec![
        Column::Codes { codes, dictionary: Arc::clone(&currencies.values) },
        Column::Wide(places.iter().map(|conversion| cell(conversion, 1).into()).collect()),
    ];
    columns.extend((0..setup.source_values()).map(|value| {
        let amount = |conversion: &i64| i128::from(cell(conversion, 2 + value)) * unit(conversion);
        Column::Wide(places.iter().map(amount).collect())
    }));
    columns
}
