//! The door: which rows are accepted, which rejected and why, and which count in a range.

use std::collections::BTreeMap;

use attributary_core::NOT_SET;
use attributary_core::duration::Window;
use attributary_core::journey::Rejected;
use attributary_core::money::Rounded;
use attributary_core::time;

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
    pub customer: Option<String>,
    pub time: i64,
    pub kind: Option<String>,
    pub values: Vec<Rounded>,
}

impl Conversion {
    pub fn amounts(&self) -> Vec<i64> {
        self.values.iter().map(|value| value.minor).collect()
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
    pub conversions: Vec<Conversion>,
    pub rejects: Vec<Reject>,
}

pub fn accept(touches: &[TouchRow], conversions: &[ConversionRow], settings: &OracleSettings) -> Source {
    let mut rejects = Vec::new();
    let touches = accept_touches(touches, settings, &mut rejects);
    let conversions = accept_conversions(conversions, settings, &mut rejects);
    Source { touches, conversions, rejects }
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
            let amounts = row.values.iter().map(|value| value.map_or(0, |it| it.minor)).collect();
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
        let kind = row.kind.clone().filter(|_| settings.mapped.kind);
        left.push((Conversion { id, customer: row.customer.clone(), time, kind, values }, row));
    }
    // Of one id the first by time, then customer, kind and values as they are mapped, then file and row stays.
    let key = |(it, row): &(Conversion, &ConversionRow)| {
        (it.time, it.customer.clone(), it.kind.clone(), it.amounts(), row.file, row.row)
    };
    left.sort_by_key(key);
    let mut accepted: BTreeMap<String, Conversion> = BTreeMap::new();
    for (conversion, row) in left {
        if accepted.contains_key(&conversion.id) {
            reject(row, Rejected::DuplicateId);
        } else {
            accepted.insert(conversion.id.clone(), conversion);
        }
    }
    accepted.into_values().collect()
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
