//! The door: which rows are accepted, which rejected and why, and which count in a range.

use std::collections::BTreeMap;

use attributary_core::duration::Window;
use attributary_core::journey::Rejected;
use attributary_core::money::{ROUNDING_SCALE, Rounded};
use attributary_core::time;
use attributary_core::{NOT_SET, WHOLE_SHARE};

use crate::rows::{ConversionRow, TouchRow};
use crate::settings::OracleSettings;

/// An accepted touch. The order of the fields is the total order of touches, except for the customer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Touch {
    pub customer: String,
    pub time: i64,
    pub interaction: Option<String>,
    pub id: Option<String>,
    pub channel: String,
    pub campaign: Option<String>,
    pub dimensions: Vec<Option<String>>,
}

/// An accepted conversion.
#[derive(Clone, Debug)]
pub struct Conversion {
    pub id: String,
    /// Of a refund: that of its order.
    pub customer: Option<String>,
    /// When its journey ends: of a refund the time of its order.
    pub time: i64,
    /// When it happened itself.
    pub own_time: i64,
    /// Of a refund: that of its order.
    pub kind: Option<String>,
    /// The order that it takes back.
    pub refund_of: Option<String>,
    pub values: Vec<Rounded>,
}

impl Conversion {
    pub fn amounts(&self) -> Vec<i64> {
        self.values.iter().map(|value| value.minor).collect()
    }

    /// A refund counts no conversion.
    pub fn share(&self) -> i64 {
        if self.refund_of.is_some() { 0 } else { WHOLE_SHARE }
    }
}

/// A rejected row that counts in the range.
pub struct Reject {
    pub touchpoint: bool,
    pub file: u32,
    pub row: u64,
    pub reason: Rejected,
    pub customer: Option<String>,
    pub time: Option<i64>,
    pub id: Option<String>,
    /// A conversion's valid amounts, 0 for an invalid one.
    pub amounts: Vec<i64>,
}

/// All accepted rows, inside the range and outside, and the rejected rows that count.
pub struct Source {
    /// By customer, then in total order.
    pub touches: Vec<Touch>,
    /// Orders, leads and refunds.
    pub conversions: Vec<Conversion>,
    pub rejects: Vec<Reject>,
}

impl Source {
    /// The conversions that are no refunds.
    pub fn orders(&self) -> impl Iterator<Item = &Conversion> {
        self.conversions.iter().filter(|it| it.refund_of.is_none())
    }

    /// Without paths, duplicates among touches are those that lie within the longest window of the day of a conversion of the range.
    fn forget_duplicates(&mut self, settings: &OracleSettings) {
        let unbounded = settings.windows.contains(&Window::All);
        let longest = settings.windows.iter().filter_map(Window::micros).max().unwrap_or(0);
        let reached = |conversion: &&Conversion, customer: &str, time: i64| {
            let day = settings.zone.day(conversion.time);
            let first = settings.zone.start_of(day) - longest;
            let within = (unbounded || first <= time) && time < settings.zone.start_of(day + 1);
            conversion.customer.as_deref() == Some(customer) && within
        };
        let rejects = std::mem::take(&mut self.rejects);
        let kept = rejects.into_iter().filter(|row| match (&row.customer, row.time) {
            (Some(customer), Some(time)) if row.touchpoint && row.reason == Rejected::DuplicateId => {
                self.in_range(settings).any(|conversion| reached(&conversion, customer, time))
            }
            _ => true,
        });
        self.rejects = kept.collect();
    }

    /// The conversions of the range, refunds by their own day.
    pub fn in_range<'a>(&'a self, settings: &'a OracleSettings) -> impl Iterator<Item = &'a Conversion> {
        self.conversions.iter().filter(|it| in_range(it.own_time, settings))
    }
}

pub fn accept(touches: &[TouchRow], conversions: &[ConversionRow], settings: &OracleSettings) -> Source {
    let mut rejects = Vec::new();
    let touches = accept_touches(touches, settings, &mut rejects);
    let conversions = accept_conversions(conversions, settings, &mut rejects);
    let mut source = Source { touches, conversions, rejects };
    let carried: Vec<Vec<Rounded>> = source.conversions.iter().map(|it| carried(it, &source, settings)).collect();
    source.conversions.iter_mut().zip(carried).for_each(|(it, carried)| it.values.extend(carried));
    if settings.paths == 0 {
        source.forget_duplicates(settings);
    }
    source
}

/// Whether a conversion at this time is in the range.
pub fn in_range(instant: i64, settings: &OracleSettings) -> bool {
    let day = settings.zone.day(instant);
    settings.from.is_none_or(|from| from <= day) && settings.to.is_none_or(|to| day < to)
}

fn accept_touches(rows: &[TouchRow], settings: &OracleSettings, rejects: &mut Vec<Reject>) -> Vec<Touch> {
    let mapped = settings.mapped;
    let mut reject = |row: &TouchRow, reason| {
        if rejected_touch_counts(valid_time(row.time), settings) {
            let (customer, id) = (row.customer.clone(), row.id.clone().filter(|_| mapped.touch_id));
            let (file, row, time) = (row.file, row.row, valid_time(row.time));
            rejects.push(Reject { touchpoint: true, file, row, reason, customer, time, id, amounts: Vec::new() });
        }
    };
    let mut left = Vec::new();
    for row in rows {
        let Some(customer) = row.customer.clone() else {
            reject(row, Rejected::NullCustomer);
            continue;
        };
        let Some(time) = valid_time(row.time) else {
            reject(row, Rejected::NullTime);
            continue;
        };
        let touch = Touch {
            customer,
            time,
            interaction: row.interaction.clone().filter(|_| mapped.interaction),
            id: row.id.clone().filter(|_| mapped.touch_id),
            channel: row.channel.clone().filter(|channel| !channel.is_empty()).unwrap_or_else(|| NOT_SET.to_owned()),
            campaign: row.campaign.clone().filter(|_| mapped.campaign),
            dimensions: row.dimensions.clone(),
        };
        left.push((touch, row));
    }
    // The total order, then file and row: the first of equal (customer, time, id) stays.
    left.sort_by(|(one, one_row), (other, other_row)| {
        one.cmp(other).then((one_row.file, one_row.row).cmp(&(other_row.file, other_row.row)))
    });
    let mut accepted: Vec<Touch> = Vec::new();
    for (touch, row) in left {
        let same = |other: &Touch| other.customer == touch.customer && other.time == touch.time && other.id == touch.id;
        if touch.id.is_some() && accepted.iter().any(same) {
            reject(row, Rejected::DuplicateId);
        } else {
            accepted.push(touch);
        }
    }
    accepted
}

fn accept_conversions(rows: &[ConversionRow], settings: &OracleSettings, rejects: &mut Vec<Reject>) -> Vec<Conversion> {
    let mut reject = |row: &ConversionRow, reason| {
        let time = valid_time(row.time);
        // On its day; without a time only in a run without `--from`.
        if time.map_or(settings.from.is_none(), |time| in_range(time, settings)) {
            let amounts = row.values.iter().map(|value| value.map_or(0, |it| worth(row, it, settings).minor)).collect();
            let (customer, id) = (row.customer.clone(), row.id.clone());
            rejects.push(Reject { touchpoint: false, file: row.file, row: row.row, reason, customer, time, id, amounts });
        }
    };
    let mut left = Vec::new();
    for row in rows {
        let Some(id) = row.id.clone() else {
            reject(row, Rejected::NullId);
            continue;
        };
        let Some(time) = valid_time(row.time) else {
            reject(row, Rejected::NullTime);
            continue;
        };
        let Some(values) = row.values.iter().copied().collect::<Option<Vec<_>>>() else {
            reject(row, Rejected::InvalidValue);
            continue;
        };
        let values = values.into_iter().map(|value| worth(row, value, settings)).collect();
        let (customer, kind) = (row.customer.clone(), row.kind.clone().filter(|_| settings.mapped.kind));
        let refund_of = refunded(row, settings).cloned();
        left.push((Conversion { id, customer, time, own_time: time, kind, refund_of, values }, row));
    }
    // Of one id the first by time, then customer, kind, order and values as they are mapped, then file and row stays.
    let key = |(it, row): &(Conversion, &ConversionRow)| {
        let differences: Vec<i128> = it.values.iter().map(|value| value.difference).collect();
        (it.time, it.customer.clone(), it.kind.clone(), it.refund_of.clone(), it.amounts(), differences, row.file, row.row)
    };
    left.sort_by_key(key);
    let mut unique: BTreeMap<String, (Conversion, &ConversionRow)> = BTreeMap::new();
    for (conversion, row) in left {
        if unique.contains_key(&conversion.id) {
            reject(row, Rejected::DuplicateId);
        } else {
            unique.insert(conversion.id.clone(), (conversion, row));
        }
    }
    // Only now is it known which rows are orders. A refund has the customer, the time and the kind of the one that it takes back.
    let orders: BTreeMap<String, Conversion> =
        unique.iter().filter(|(_, (it, _))| it.refund_of.is_none()).map(|(id, (it, _))| (id.clone(), it.clone())).collect();
    let mut accepted = Vec::new();
    for (conversion, row) in unique.into_values() {
        let Some(of) = &conversion.refund_of else {
            accepted.push(conversion);
            continue;
        };
        match orders.get(of) {
            None => reject(row, Rejected::RefundWithoutOrder),
            Some(order) => {
                let (customer, kind) = (order.customer.clone(), order.kind.clone());
                accepted.push(Conversion { customer, time: order.time, kind, ..conversion });
            }
        }
    }
    accepted
}

/// The order that a row takes back, where such rows are asked for.
fn refunded<'a>(row: &'a ConversionRow, settings: &OracleSettings) -> Option<&'a String> {
    row.refund_of.as_ref().filter(|_| settings.mapped.refund_of)
}

/// What a value of a row counts as. A refund may have the signs of its order or the opposite ones: the first value that is not
/// nothing says which, and is taken off.
fn worth(row: &ConversionRow, value: Rounded, settings: &OracleSettings) -> Rounded {
    let unit = 10_i128.pow(u32::from(ROUNDING_SCALE - settings.exponent()));
    let given = row.values.iter().flatten().map(|value| i128::from(value.minor) * unit - value.difference);
    let first = given.into_iter().find(|given| *given != 0).unwrap_or(0);
    if refunded(row, settings).is_some() && first > 0 {
        return Rounded { minor: -value.minor, difference: -value.difference };
    }
    value
}

/// Whether a conversion is an order: those of a kind that makes a customer.
fn is_order(conversion: &Conversion, settings: &OracleSettings) -> bool {
    let Some(kinds) = &settings.order_kinds else { return true };
    conversion.kind.as_ref().is_some_and(|kind| kinds.contains(kind))
}

/// What a conversion carries besides the values of its row: the first order of a customer what all of theirs brought, margin if
/// there is one, refunds of their own days taken off, up to the last day that is looked at; all others nothing.
fn carried(conversion: &Conversion, source: &Source, settings: &OracleSettings) -> Vec<Rounded> {
    let is_first = conversion.refund_of.is_none() && standing(conversion, source, settings) == Some("new");
    let day = |it: &Conversion| settings.zone.day(it.own_time);
    // Refunds come late, and are looked at too.
    let known = source.conversions.iter().filter(|it| it.customer.is_some() && is_order(it, settings));
    let last = settings.until.or(settings.to.map(|to| to - 1)).or(known.map(day).max());
    let value = settings.values.iter().position(|name| name == "margin").unwrap_or(0);
    let of_customer = |it: &&Conversion| it.customer == conversion.customer && is_order(it, settings);
    let worth = |within: Option<u32>| {
        let seen = |time: i64| {
            let day = settings.zone.day(time);
            let near =
                within.is_none_or(|days| i64::from(day) <= i64::from(settings.zone.day(conversion.time)) + i64::from(days));
            near && last.is_some_and(|last| day <= last)
        };
        // A refund only takes off what was seen.
        let all = source.conversions.iter().filter(of_customer).filter(|it| seen(it.time) && seen(it.own_time));
        all.map(|it| it.values[value].minor).sum()
    };
    let minor = |within| if is_first { worth(within) } else { 0 };
    settings.historic.iter().map(|(_, within)| Rounded { minor: minor(*within), difference: 0 }).collect()
}

/// What a conversion is to its customer: the first order in the whole source, and what takes it back, is `new`, other orders and
/// their refunds are `returning`; nothing of no order, or of nobody known.
pub fn standing(conversion: &Conversion, source: &Source, settings: &OracleSettings) -> Option<&'static str> {
    if conversion.customer.is_none() || !is_order(conversion, settings) {
        return None;
    }
    let of_customer = source.orders().filter(|it| it.customer == conversion.customer && is_order(it, settings));
    let first = of_customer.min_by_key(|it| (it.time, it.id.clone()))?;
    let new = *conversion.refund_of.as_ref().unwrap_or(&conversion.id) == first.id;
    Some(if new { "new" } else { "returning" })
}

fn valid_time(time: Option<i64>) -> Option<i64> {
    time.filter(|time| time::is_time(*time))
}

/// Within [from − longest window, to). The longest window counts in days of 24 hours here, also where windows are of
/// calendar days.
fn rejected_touch_counts(time: Option<i64>, settings: &OracleSettings) -> bool {
    let Some(time) = time else { return settings.from.is_none() };
    let unbounded = settings.windows.contains(&Window::All);
    let longest = settings.windows.iter().filter_map(Window::micros).max().unwrap_or(0);
    let after_start = settings.from.is_none_or(|from| unbounded || time >= settings.zone.start_of(from) - longest);
    after_start && settings.to.is_none_or(|to| time < settings.zone.start_of(to))
}
