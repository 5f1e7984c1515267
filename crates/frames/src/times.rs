//! Times of any shape as microseconds UTC, and a time range as a condition on the raw column.

use attributary_core::batch::NO_TIME;
use attributary_core::duration::DAY;
use attributary_core::time::{Clock, Zone, parse_instant};
use polars::prelude::{DataType, Expr, PolarsResult, Series, TimeUnit, lit, polars_bail};

use crate::TimeBounds;
use crate::types::core_unit;

/// The instants of a column; [`NO_TIME`] where there is none.
pub(crate) fn instants(column: &Series, zone: &Zone) -> PolarsResult<Vec<i64>> {
    Ok(match column.dtype() {
        DataType::Datetime(unit, time_zone) => {
            let clock = Clock::new(core_unit(*unit), time_zone.is_none().then_some(zone));
            let instant = |cell: Option<i64>| cell.and_then(|cell| clock.instant(cell)).unwrap_or(NO_TIME);
            column.datetime()?.physical().iter().map(instant).collect()
        }
        DataType::Date => {
            let clock = Clock::new(attributary_core::value::TimeUnit::Micro, Some(zone));
            let instant = |day: i32| clock.instant(i64::from(day).saturating_mul(DAY)).unwrap_or(NO_TIME);
            column.date()?.physical().iter().map(|day| day.map_or(NO_TIME, instant)).collect()
        }
        DataType::String => {
            column.str()?.iter().map(|text| text.and_then(|text| parse_instant(text, zone)).unwrap_or(NO_TIME)).collect()
        }
        DataType::Null => vec![NO_TIME; column.len()],
        DataType::Categorical(..) | DataType::Enum(..) => return instants(&column.cast(&DataType::String)?, zone),
        other => polars_bail!(SchemaMismatch: "a time of type {}", other),
    })
}

/// Whether the bounds hand a row on.
pub(crate) fn within(bounds: &TimeBounds, instant: i64) -> bool {
    if instant == NO_TIME {
        return bounds.from.is_none();
    }
    bounds.from.is_none_or(|from| from <= instant) && bounds.to.is_none_or(|to| instant < to)
}

/// A condition on the raw time column that every row within the bounds meets, and few others: it is there so that row
/// groups are skipped by their statistics, not to be exact. None where the column's type does not allow one.
pub(crate) fn condition(column: &Expr, kind: &DataType, bounds: &TimeBounds, zone: &Zone) -> Option<Expr> {
    let (unit, is_civil) = match kind {
        DataType::Datetime(unit, time_zone) => (Some(*unit), time_zone.is_none() && zone.name() != "UTC"),
        DataType::Date => (None, true),
        _ => return None,
    };
    // A wall clock is less than a day from its instant in UTC, in any zone.
    let slack = if is_civil { 2 * DAY } else { 0 };
    let literal = |micros: i64| {
        let cells = match unit {
            Some(TimeUnit::Milliseconds) => micros.div_euclid(1_000) + i64::from(micros.rem_euclid(1_000) > 0),
            Some(TimeUnit::Microseconds) => micros,
            Some(TimeUnit::Nanoseconds) => micros.checked_mul(1_000)?,
            None => return Some(lit(i32::try_from(micros.div_euclid(DAY)).ok()?).cast(DataType::Date)),
        };
        Some(lit(cells).cast(kind.clone()))
    };
    let from = bounds.from.and_then(|from| literal(from.checked_sub(slack)?)).map(|from| column.clone().gt_eq(from));
    let to = bounds.to.and_then(|to| literal(to.checked_add(slack)?)).map(|to| match unit {
        Some(_) => column.clone().lt(to),
        None => column.clone().lt_eq(to),
    });
    match (bounds.from, from, to) {
        (Some(_), Some(from), Some(to)) => Some(from.and(to)),
        (Some(_), from, to) => from.or(to),
        // Without a start, rows that have no time are wanted too: nulls, and years that are in no calendar.
        (None, _, Some(to)) => {
            let no_time = literal(parse_instant("9999-12-31", &Zone::utc())? - slack);
            let odd = column.clone().is_null();
            Some(to.or(no_time.map_or(odd.clone(), |no_time| odd.or(column.clone().gt_eq(no_time)))))
        }
        (None, _, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars::prelude::{IntoLazy, NamedFrom, col, df};
    use proptest::prelude::*;

    const SECOND: i64 = 1_000_000;

    fn column(cells: &[Option<i64>], unit: TimeUnit, zone: Option<&str>) -> Series {
        use polars::prelude::TimeZone;
        let zone = zone.map(|zone| TimeZone::opt_try_new(Some(zone)).expect("a zone").expect("one"));
        Series::new("at".into(), cells).cast(&DataType::Datetime(unit, zone)).expect("times")
    }

    fn stockholm() -> Zone {
        Zone::named("Europe/Stockholm").expect("a zone")
    }

    #[test]
    fn units_and_zones() {
        let at = |text| parse_instant(text, &Zone::utc()).expect(text);
        let noon = at("2025-07-01T12:00:00Z");
        for (cell, unit) in
            [(noon / 1_000, TimeUnit::Milliseconds), (noon, TimeUnit::Microseconds), (noon * 1_000 + 999, TimeUnit::Nanoseconds)]
        {
            let (plain, zoned) = (column(&[Some(cell), None], unit, None), column(&[Some(cell), None], unit, Some("Asia/Tokyo")));
            assert_eq!(instants(&zoned, &stockholm()).expect("times"), [noon, NO_TIME]);
            assert_eq!(instants(&plain, &stockholm()).expect("times"), [noon - 7_200 * SECOND, NO_TIME]);
            assert_eq!(instants(&plain, &Zone::utc()).expect("times"), [noon, NO_TIME]);
        }
        let floored = column(&[Some(-1)], TimeUnit::Nanoseconds, None);
        assert_eq!(instants(&floored, &Zone::utc()).expect("times"), [-1]);
        let days = Series::new("at".into(), [Some(0_i32), None, Some(i32::MAX)]).cast(&DataType::Date).expect("dates");
        assert_eq!(instants(&days, &stockholm()).expect("times"), [-3_600 * SECOND, NO_TIME, NO_TIME]);
        let texts = Series::new("at".into(), [Some("2025-07-01T14:00:00+02:00"), Some("soon"), Some("2025-07-01 14:00"), None]);
        assert_eq!(instants(&texts, &stockholm()).expect("times"), [noon, NO_TIME, noon, NO_TIME]);
    }

    #[test]
    fn years_outside_the_calendar_are_no_times() {
        for extreme in [i64::MIN, i64::MIN + 1, i64::MAX, -62_135_596_800 * SECOND - 1, 253_402_300_800 * SECOND] {
            for unit in [TimeUnit::Milliseconds, TimeUnit::Microseconds] {
                let found = instants(&column(&[Some(extreme)], unit, None), &stockholm()).expect("times");
                assert!(found == [NO_TIME] || extreme.abs() < i64::MAX / 2, "{extreme} {unit:?} {found:?}");
            }
        }
        let first = column(&[Some(-62_135_596_800 * SECOND)], TimeUnit::Microseconds, None);
        assert_eq!(instants(&first, &Zone::utc()).expect("times"), [-62_135_596_800 * SECOND]);
    }

    proptest! {
        /// No row within the bounds is lost to the condition.
        #[test]
        fn the_condition_is_never_narrower(
            cell in prop_oneof![-4_000_000_000_000_000_i64..4_000_000_000_000_000, any::<i64>()],
            from in prop::option::of(-4_000_000_000_000_000_i64..4_000_000_000_000_000),
            to in prop::option::of(-4_000_000_000_000_000_i64..4_000_000_000_000_000),
            shape in 0_usize..7,
            here in any::<bool>(),
        ) {
            let zone = if here { stockholm() } else { Zone::utc() };
            let bounds = TimeBounds { from, to };
            let units = [TimeUnit::Milliseconds, TimeUnit::Microseconds, TimeUnit::Nanoseconds];
            let cells = match shape {
                6 => Series::new("at".into(), [Some((cell % 10_000_000) as i32), None]).cast(&DataType::Date).expect("dates"),
                _ => column(&[Some(cell), None], units[shape % 3], (shape < 3).then_some("UTC")),
            };
            let wanted = instants(&cells, &zone).expect("times").iter().filter(|instant| within(&bounds, **instant)).count();
            if let Some(condition) = condition(&col("at"), cells.dtype(), &bounds, &zone) {
                let frame = df!("at" => cells).expect("a frame");
                let kept = frame.lazy().filter(condition).collect().expect("filtered");
                let handed_on = instants(kept.columns()[0].as_materialized_series(), &zone).expect("times");
                prop_assert_eq!(handed_on.iter().filter(|instant| within(&bounds, **instant)).count(), wanted);
            }
        }
    }
}
