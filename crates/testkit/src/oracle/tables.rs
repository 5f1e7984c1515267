//! The tables, from outcomes.

use std::collections::{BTreeMap, BTreeSet};

use attributary_core::UNATTRIBUTED;
use attributary_core::duration::{DAY, Window};
use attributary_core::money::{ROUNDING_SCALE, Rounded};
use attributary_core::table::Field;
use attributary_core::time;
use attributary_core::value::{ColumnType, Value};

use crate::rows::word;
use crate::settings::{ModelKind, OracleModel, OracleSettings};
use crate::table::Table;

use super::clean::{Conversion, Source, Touch};
use super::{Credit, Outcome, clean, journeys};

/// A table by some columns. A group is in it once anything was credited to it, be it a share or an amount.
pub fn grouped(outcomes: &[Outcome<'_>], by: &[String], source: &Source, settings: &OracleSettings) -> Table {
    let mut groups: BTreeMap<Vec<Value>, Sums> = BTreeMap::new();
    for outcome in outcomes {
        let name = [Value::text(&outcome.model.name), Value::text(&outcome.window.to_string())];
        let key = |touch: Option<&Touch>| {
            let group = by.iter().map(|column| match column.as_str() {
                "standing" => clean::standing(outcome.conversion, source, settings).map_or(Value::Null, Value::text),
                column => group_cell(column, touch, outcome.conversion, settings),
            });
            name.iter().cloned().chain(group).collect::<Vec<_>>()
        };
        let (whole, worth) = (outcome.conversion.share(), outcome.conversion.amounts());
        let is_something = |share: i64, amounts: &[i64]| share != 0 || amounts.iter().any(|amount| *amount != 0);
        match &outcome.result {
            _ if !is_something(whole, &worth) => {}
            Err(_) => groups.entry(key(None)).or_default().add(whole, &worth, 0),
            Ok(credits) if outcome.model.kind == ModelKind::AnyTouch => {
                let keys: Vec<_> = credits.iter().map(|credit| key(Some(credit.touch))).collect();
                for distinct in keys.iter().collect::<BTreeSet<_>>() {
                    let touches = keys.iter().filter(|other| *other == distinct).count();
                    let touches = if whole > 0 { touches as i128 } else { 0 };
                    groups.entry(distinct.clone()).or_default().add(whole, &worth, touches);
                }
            }
            Ok(credits) => {
                for Credit { touch, share, amounts } in credits {
                    if is_something(*share, amounts) {
                        groups.entry(key(Some(touch))).or_default().add(*share, amounts, i128::from(*share > 0));
                    }
                }
            }
        }
    }
    let mut fields = vec![text("model"), text("window")];
    fields.extend(by.iter().map(|column| Field::new(column, group_type(column))));
    fields.push(Field::new("conversions", ColumnType::SHARE));
    fields.extend(value_fields(settings));
    fields.push(count("touches"));
    let row = |(mut key, sums): (Vec<Value>, Sums)| {
        key.push(Value::Int(sums.share));
        key.extend(sums.amounts.into_iter().map(Value::Int));
        key.push(Value::Int(sums.touches));
        key
    };
    Table { fields, rows: groups.into_iter().map(row).collect() }
}

/// Touch × attributed conversion × model × window, touches that got nothing included.
pub fn credits(outcomes: &[Outcome<'_>], settings: &OracleSettings) -> Table {
    let mut fields = conversion_fields();
    fields.extend([count("sequence"), count("length"), Field::new("touch_time", ColumnType::instant())]);
    fields.extend(["touch_id", "channel", "campaign", "interaction"].map(text));
    fields.extend(settings.dimensions.iter().map(|name| text(name)));
    fields.push(Field::new("share", ColumnType::SHARE));
    fields.extend(value_fields(settings));
    let mut rows = Vec::new();
    for outcome in outcomes {
        let Ok(credits) = &outcome.result else { continue };
        for (place, Credit { touch, share, amounts }) in credits.iter().enumerate() {
            let mut row = conversion_cells(outcome);
            row.extend([place + 1, credits.len()].map(|number| Value::Int(number as i128)));
            row.extend([Value::Int(touch.time.into()), word(&touch.id), Value::text(&touch.channel)]);
            row.extend([word(&touch.campaign), word(&touch.interaction)]);
            row.extend(touch.dimensions.iter().map(word));
            row.push(Value::Int((*share).into()));
            row.extend(amounts.iter().map(|amount| Value::Int((*amount).into())));
            rows.push(row);
        }
    }
    Table { fields, rows }
}

/// Conversion × model × window without credit.
pub fn unattributed(outcomes: &[Outcome<'_>], settings: &OracleSettings) -> Table {
    let mut fields = conversion_fields();
    fields.extend(value_fields(settings));
    fields.push(text("reason"));
    if settings.mapped.refund_of {
        fields.push(Field::new("refund", ColumnType::Boolean));
    }
    let mut rows = Vec::new();
    for outcome in outcomes {
        let Err(reason) = &outcome.result else { continue };
        let mut row = conversion_cells(outcome);
        row.extend(outcome.conversion.amounts().into_iter().map(|amount| Value::Int(amount.into())));
        row.push(Value::text(&reason.to_string()));
        if settings.mapped.refund_of {
            row.push(Value::Boolean(outcome.conversion.refund_of.is_some()));
        }
        rows.push(row);
    }
    Table { fields, rows }
}

/// Rejected rows that count in the range.
pub fn rejects(source: &Source) -> Table {
    let mut fields = vec![text("source"), count("file"), count("row"), text("reason"), text("customer")];
    fields.extend([Field::new("time", ColumnType::instant()), text("id")]);
    let row = |reject: &clean::Reject| {
        let name = if reject.touchpoint { "touchpoints" } else { "conversions" };
        let mut row = vec![Value::text(name), Value::Int(reject.file.into()), Value::Int(reject.row.into())];
        row.extend([Value::text(&reject.reason.to_string()), word(&reject.customer), crate::rows::instant(reject.time)]);
        row.push(word(&reject.id));
        row
    };
    Table { fields, rows: source.rejects.iter().map(row).collect() }
}

/// Model × window × value: the proof.
pub fn ledger(outcomes: &[Outcome<'_>], source: &Source, settings: &OracleSettings) -> Table {
    let amount = || ColumnType::amount(settings.exponent());
    let mut fields = ["model", "window", "value", "currency"].map(text).to_vec();
    fields.extend(["source", "attributed", "unattributed", "rejected", "difference"].map(|name| Field::new(name, amount())));
    fields.push(Field::new("rounding", ColumnType::Decimal { precision: 38, scale: ROUNDING_SCALE }));
    let in_range = || source.in_range(settings);
    let mut rows = Vec::new();
    for model in &settings.models {
        for window in &settings.windows {
            for (place, value) in settings.all_values().iter().enumerate() {
                let sum = |numbers: &mut dyn Iterator<Item = i64>| numbers.map(i128::from).sum::<i128>();
                let accepted = sum(&mut in_range().map(|it| it.values[place].minor));
                let rejected = sum(&mut source
                    .rejects
                    .iter()
                    .filter(|it| !it.touchpoint)
                    .map(|it| it.amounts.get(place).copied().unwrap_or(0)));
                let (mut attributed, mut unattributed) = (0, 0);
                for outcome in outcomes.iter().filter(|it| it.model.name == model.name && it.window == window) {
                    let whole = i128::from(outcome.conversion.values[place].minor);
                    match &outcome.result {
                        Err(_) => unattributed += whole,
                        Ok(_) if model.kind == ModelKind::AnyTouch => attributed += whole,
                        Ok(credits) => attributed += sum(&mut credits.iter().map(|credit| credit.amounts[place])),
                    }
                }
                let difference = accepted + rejected - (attributed + unattributed + rejected);
                let rounding = in_range().map(|it: &Conversion| it.values[place]).map(|it: Rounded| it.difference).sum();
                let mut row = [model.name.as_str(), &window.to_string(), value, &settings.currency].map(Value::text).to_vec();
                row.extend([accepted + rejected, attributed, unattributed, rejected, difference, rounding].map(Value::Int));
                rows.push(row);
            }
        }
    }
    Table { fields, rows }
}

/// The most frequent channel paths of each window, then the rest as `(other)` where there is a rest. Conversions that the
/// rules leave without touches have no path.
pub fn paths(source: &Source, settings: &OracleSettings) -> Table {
    let mut fields = vec![text("window"), text("path"), count("length"), count("conversions"), count("null_journeys")];
    fields.extend(value_fields(settings));
    fields.push(Field::new("median_days_to_convert", ColumnType::Float { bits: 64 }));
    let mut windows: Vec<&Window> = settings.windows.iter().collect();
    windows.sort_by_key(|window| window.to_string());
    let mut rows = Vec::new();
    for window in windows {
        let mut paths: BTreeMap<Vec<&str>, Path> = BTreeMap::new();
        for conversion in source.in_range(settings) {
            if let Ok(touches) = journeys::eligible(conversion, window, source, settings) {
                let path = paths.entry(channels(&touches)).or_default();
                path.add(&conversion.amounts().into_iter().map(i128::from).collect::<Vec<_>>());
                if conversion.refund_of.is_none() {
                    path.conversions += 1;
                    path.days.push(conversion.time - touches[0].time);
                }
            }
        }
        for touches in journeys::null_journeys(window, source, settings) {
            paths.entry(channels(&touches)).or_default().null_journeys += 1;
        }
        let mut sorted: Vec<_> = paths.into_iter().map(|(channels, path)| (channels.join(" > "), channels.len(), path)).collect();
        sorted.sort_by_key(|(name, _, path)| (-(path.conversions + path.null_journeys), name.clone()));
        let left = sorted.split_off(settings.paths.min(sorted.len()));
        let row = |name: &str, length: Value, path: &Path, median: Value| {
            let mut row = vec![Value::text(&window.to_string()), Value::text(name), length];
            row.extend([Value::Int(path.conversions), Value::Int(path.null_journeys)]);
            row.extend((0..settings.all_values().len()).map(|place| Value::Int(path.amounts.get(place).copied().unwrap_or(0))));
            row.push(median);
            row
        };
        for (name, length, path) in sorted {
            rows.push(row(&name, Value::Int(length as i128), &path, path.median_days()));
        }
        if !left.is_empty() {
            let mut other = Path::default();
            for (_, _, path) in left {
                other.conversions += path.conversions;
                other.null_journeys += path.null_journeys;
                other.add(&path.amounts);
            }
            rows.push(row("(other)", Value::Null, &other, Value::Null));
        }
    }
    Table { fields, rows }
}

#[derive(Default)]
struct Sums {
    share: i128,
    amounts: Vec<i128>,
    touches: i128,
}

impl Sums {
    fn add(&mut self, share: i64, amounts: &[i64], touches: i128) {
        self.share += i128::from(share);
        self.touches += touches;
        self.amounts.resize(amounts.len(), 0);
        self.amounts.iter_mut().zip(amounts).for_each(|(sum, amount)| *sum += i128::from(*amount));
    }
}

#[derive(Default)]
struct Path {
    conversions: i128,
    null_journeys: i128,
    /// Empty while there is no conversion.
    amounts: Vec<i128>,
    /// Microseconds from the first touch to each conversion.
    days: Vec<i64>,
}

impl Path {
    fn add(&mut self, amounts: &[i128]) {
        self.amounts.resize(amounts.len().max(self.amounts.len()), 0);
        self.amounts.iter_mut().zip(amounts).for_each(|(sum, amount)| *sum += amount);
    }

    fn median_days(&self) -> Value {
        let mut days = self.days.clone();
        days.sort_unstable();
        let (Some(low), Some(high)) = (days.get(days.len().saturating_sub(1) / 2), days.get(days.len() / 2)) else {
            return Value::Null;
        };
        Value::float((i128::from(*low) + i128::from(*high)) as f64 / 2.0 / DAY as f64)
    }
}

fn channels<'a>(touches: &[&'a Touch]) -> Vec<&'a str> {
    touches.iter().map(|touch| touch.channel.as_str()).collect()
}

/// The cell of a `by` column; without a touch the conversion is unattributed.
fn group_cell(column: &str, touch: Option<&Touch>, conversion: &Conversion, settings: &OracleSettings) -> Value {
    let day = |time: i64| settings.zone.day(time);
    let label = |day: i32| Value::Int(day.into());
    let of_touch = |cell: fn(&Touch) -> Value| touch.map_or(Value::Null, cell);
    match column {
        "conversion_date" => label(day(conversion.own_time)),
        "conversion_week" => label(time::week_start(day(conversion.own_time))),
        "conversion_month" => label(time::month_start(day(conversion.own_time))),
        "kind" => word(&conversion.kind),
        "touch_date" => touch.map_or(Value::Null, |touch| label(day(touch.time))),
        "touch_week" => touch.map_or(Value::Null, |touch| label(time::week_start(day(touch.time)))),
        "touch_month" => touch.map_or(Value::Null, |touch| label(time::month_start(day(touch.time)))),
        "channel" => Value::text(touch.map_or(UNATTRIBUTED, |touch| &touch.channel)),
        "campaign" => of_touch(|touch| word(&touch.campaign)),
        "interaction" => of_touch(|touch| word(&touch.interaction)),
        _ => {
            let place = settings.dimensions.iter().position(|name| name == column);
            place.and_then(|place| touch.map(|touch| word(&touch.dimensions[place]))).unwrap_or_default()
        }
    }
}

fn group_type(column: &str) -> ColumnType {
    let dates = ["conversion_date", "conversion_week", "conversion_month", "touch_date", "touch_week", "touch_month"];
    if dates.contains(&column) { ColumnType::Date } else { ColumnType::Text }
}

fn conversion_fields() -> Vec<Field> {
    let time = Field::new("conversion_time", ColumnType::instant());
    vec![text("model"), text("window"), text("conversion_id"), text("customer"), time, text("kind")]
}

fn conversion_cells(outcome: &Outcome<'_>) -> Vec<Value> {
    let Outcome { model: OracleModel { name, .. }, window, conversion, .. } = outcome;
    let mut cells = vec![Value::text(name), Value::text(&window.to_string()), Value::text(&conversion.id)];
    cells.extend([word(&conversion.customer), Value::Int(conversion.own_time.into()), word(&conversion.kind)]);
    cells
}

fn value_fields(settings: &OracleSettings) -> Vec<Field> {
    let amount = ColumnType::amount(settings.exponent());
    settings.all_values().iter().map(|name| Field::new(name, amount.clone())).collect()
}

fn text(name: &str) -> Field {
    Field::new(name, ColumnType::Text)
}

fn count(name: &str) -> Field {
    Field::new(name, ColumnType::COUNT)
}
