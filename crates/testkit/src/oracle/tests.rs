//! The contract's own numbers, by hand.

use attributary_core::duration::{DAY, Duration, Window};
use attributary_core::model::Fallback;
use attributary_core::money;
use attributary_core::time::{Zone, parse_instant};
use attributary_core::value::Value;

use super::*;
use crate::settings::{Ignore, Repeats, Reuse};
use crate::sql::Expression;

const END: &str = "2025-03-10T12:00:00Z";

fn at(text: &str) -> i64 {
    parse_instant(text, &Zone::utc()).expect(text)
}

/// One touch of customer `c` so long before `END`.
fn touch(age: i64, channel: &str) -> TouchRow {
    let (customer, channel) = (Some("c".to_owned()), Some(channel.to_owned()));
    TouchRow { customer, time: Some(at(END) - age), channel, ..TouchRow::default() }
}

fn conversion(id: &str, time: &str, minor: i64) -> ConversionRow {
    let (id, customer, values) = (Some(id.to_owned()), Some("c".to_owned()), vec![money::from_minor(minor.into())]);
    ConversionRow { id, customer, time: Some(at(time)), values, ..ConversionRow::default() }
}

/// Channels with their amounts under one model.
fn by_channel(touches: &[TouchRow], conversions: &[ConversionRow], settings: &OracleSettings) -> Vec<(String, i128)> {
    let table = run(touches, conversions, settings)["by_channel"].clone();
    let place = |name| table.place(name).expect(name);
    let (channel, revenue) = (place("channel"), place("revenue"));
    let amount = |cell: &Value| if let Value::Int(amount) = cell { *amount } else { panic!("{cell:?}") };
    table.rows.iter().map(|row| (row[channel].as_text().expect("text").to_owned(), amount(&row[revenue]))).collect()
}

fn check(kind: ModelKind, touches: &[TouchRow], worth: i64, expected: &[(&str, i128)]) {
    let settings = OracleSettings::new(vec![OracleModel::new(kind)]);
    let found = by_channel(touches, &[conversion("o", END, worth)], &settings);
    assert_eq!(found, expected.iter().map(|(name, amount)| ((*name).to_owned(), *amount)).collect::<Vec<_>>());
}

#[test]
fn the_additive_models_on_three_touches() {
    let touches = [touch(3 * DAY, "a"), touch(2 * DAY, "b"), touch(DAY, "c")];
    check(ModelKind::LastTouch, &touches, 10_000, &[("c", 10_000)]);
    check(ModelKind::FirstTouch, &touches, 10_000, &[("a", 10_000)]);
    check(ModelKind::LastClick, &touches, 10_000, &[("c", 10_000)]);
    check(ModelKind::Linear { per_channel: false }, &touches, 10_000, &[("a", 3_334), ("b", 3_333), ("c", 3_333)]);
    check(ModelKind::Linear { per_channel: false }, &touches, -10_000, &[("a", -3_334), ("b", -3_333), ("c", -3_333)]);
    check(ModelKind::PositionBased { first: 0.4, last: 0.4 }, &touches, 5, &[("a", 2), ("b", 1), ("c", 2)]);
    check(ModelKind::JShaped, &touches, 10_000, &[("a", 2_000), ("b", 2_000), ("c", 6_000)]);
    check(ModelKind::InverseJ, &touches, 10_000, &[("a", 6_000), ("b", 2_000), ("c", 2_000)]);
    // 2^-2 : 2^-1 : 1 is 1 : 2 : 4 sevenths of 7.00.
    let half_life = Duration::parse("1d").expect("a day");
    check(ModelKind::TimeDecay { half_life }, &touches, 700, &[("a", 100), ("b", 200), ("c", 400)]);
    let weight = Expression::parse("length - position + 1").expect("a weight");
    check(ModelKind::Custom { weight }, &touches, 600, &[("a", 300), ("b", 200), ("c", 100)]);
    check(ModelKind::AnyTouch, &touches, 500, &[("a", 500), ("b", 500), ("c", 500)]);
}

#[test]
fn linear_per_channel_and_two_touches_by_position() {
    let touches = [touch(3 * DAY, "a"), touch(2 * DAY, "a"), touch(DAY, "b")];
    check(ModelKind::Linear { per_channel: true }, &touches, 1_000, &[("a", 500), ("b", 500)]);
    check(ModelKind::Linear { per_channel: false }, &touches, 1_000, &[("a", 667), ("b", 333)]);
    let two = [touch(2 * DAY, "a"), touch(DAY, "b")];
    check(ModelKind::JShaped, &two, 1_000, &[("a", 250), ("b", 750)]);
    check(ModelKind::PositionBased { first: 0.0, last: 0.0 }, &two, 1_000, &[("(unattributed)", 1_000)]);
    check(ModelKind::PositionBased { first: 0.0, last: 0.0 }, &two[..1], 1_000, &[("a", 1_000)]);
}

#[test]
fn a_window_is_closed_at_both_ends() {
    let settings = OracleSettings::new(vec![OracleModel::new(ModelKind::AnyTouch)]);
    let touches = [touch(30 * DAY + 1, "too_old"), touch(30 * DAY, "oldest"), touch(0, "now"), touch(-1, "too_late")];
    let found = by_channel(&touches, &[conversion("o", END, 7)], &settings);
    assert_eq!(found, [("now".to_owned(), 7), ("oldest".to_owned(), 7)]);
}

#[test]
fn calendar_days_end_with_the_conversions_day() {
    let mut settings = OracleSettings::new(vec![OracleModel::new(ModelKind::AnyTouch)]);
    settings.windows = vec![Window::parse("2d").expect("a window")];
    settings.calendar_days = true;
    settings.zone = Zone::named("Europe/Stockholm").expect("a zone");
    // In Stockholm 9 March begins at 23:00 UTC on the 8th.
    let mut touches = [touch(0, "first_moment"), touch(0, "moment_before")];
    touches[0].time = Some(at("2025-03-08T23:00:00Z"));
    touches[1].time = Some(at("2025-03-08T22:59:59.999999Z"));
    let found = by_channel(&touches, &[conversion("o", END, 7)], &settings);
    assert_eq!(found, [("first_moment".to_owned(), 7)]);
}

#[test]
fn reuse_reasons_and_rules() {
    let touches = [touch(3 * DAY, "direct"), touch(2 * DAY, "paid"), touch(DAY, "direct")];
    let conversions = [conversion("first", "2025-03-08T12:00:00Z", 100), conversion("second", END, 1_000)];
    let mut settings = OracleSettings::new(vec![OracleModel::new(ModelKind::FirstTouch)]);
    let pairs =
        |found: Vec<(String, i128)>| found.into_iter().map(|(name, amount)| format!("{name} {amount}")).collect::<Vec<_>>();
    assert_eq!(pairs(by_channel(&touches, &conversions, &settings)), ["direct 1100"]);
    settings.reuse = Reuse::SincePreviousConversion;
    // The touch at the instant of the first conversion is consumed by it.
    assert_eq!(pairs(by_channel(&touches[..2], &conversions, &settings)), ["(unattributed) 1000", "direct 100"]);
    settings.reuse = Reuse::Overlap;
    let direct = Expression::parse("channel = 'direct'").expect("a predicate");
    settings.ignore = Some(Ignore { predicate: direct, always: false });
    assert_eq!(pairs(by_channel(&touches, &conversions, &settings)), ["paid 1100"]);
    assert_eq!(pairs(by_channel(&touches[..1], &conversions, &settings)), ["direct 1100"]);
    settings.ignore = None;
    settings.repeats = Repeats::Last;
    assert_eq!(pairs(by_channel(&touches, &conversions, &settings)), ["direct 100", "paid 1000"]);
    settings.models[0].only = Expression::parse("channel = 'email'").ok();
    settings.models[0].fallback = Fallback::None;
    assert_eq!(pairs(by_channel(&touches, &conversions, &settings)), ["(unattributed) 1100"]);
}

#[test]
fn the_first_of_a_duplicate_id_stays_wherever_it_stands() {
    let settings = OracleSettings::new(vec![OracleModel::new(ModelKind::LastTouch)]);
    let mut conversions = [conversion("o", END, 500), conversion("o", "2025-03-09T12:00:00Z", 300)];
    conversions[1].row = 1;
    let tables = run(&[touch(2 * DAY, "a")], &conversions, &settings);
    assert_eq!(tables["rejects"].rows.len(), 1);
    assert_eq!(tables["rejects"].rows[0][2], Value::Int(0));
    // Source, attributed, unattributed, rejected, difference.
    assert_eq!(tables["ledger"].rows[0][4..9], [800, 300, 0, 500, 0].map(Value::Int));
}
