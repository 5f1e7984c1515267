//! `[quality]`: what must hold of a run before it is published.

use attributary_core::duration::Duration;
use attributary_core::money::parse_decimal;

use super::document::Item;
use super::error::{Fault, Problem};
use super::names::GroupColumn;
use super::pipeline::{Check, Conversions, Level, Rule, SourceName, TableEntry, Touchpoints};
use super::section::{Field, Section};

/// The keys of the section.
const KEYS: [&str; 7] =
    ["max_rejected_share", "max_unattributed_share", "max_not_set_share", "min_rows", "max_age", "max_change", "unique"];

/// Both sources, by the names of their sections.
const SOURCES: [SourceName; 2] = [SourceName::Touchpoints, SourceName::Conversions];

/// What a limit is a part of.
const ONE: i64 = 1_000_000_000;

/// The checks, in the order of [`KEYS`]; none where there is no section.
pub(super) fn quality(
    root: &Section<'_>,
    touchpoints: &Touchpoints,
    conversions: &Conversions,
    tables: &[TableEntry],
) -> Result<Option<Vec<Check>>, Fault> {
    if root.get("quality").is_none() {
        return Ok(None);
    }
    let section = root.section("quality", &KEYS)?;
    let mut checks = Vec::new();
    if let Some(field) = section.get("max_rejected_share") {
        for (source, level, limit) in by_source(&field, &part)? {
            checks.push(Check { rule: Rule::RejectedShare { source, limit }, level });
        }
    }
    if let Some(field) = section.get("max_unattributed_share") {
        let (level, limit) = levelled(&field, &part)?;
        checks.push(Check { rule: Rule::UnattributedShare { limit }, level });
    }
    if let Some(field) = section.get("max_not_set_share") {
        let (level, limit) = levelled(&field, &part)?;
        if !tables.iter().any(|table| table.by.contains(&GroupColumn::Channel)) {
            let problem = Problem::Invalid {
                problem: "expected a table that is grouped by channel, found none".to_owned(),
                hint: Some("add [[table]] name = \"by_channel\", by = [\"channel\"]".to_owned()),
            };
            return Err(field.fault(problem));
        }
        checks.push(Check { rule: Rule::NotSetShare { limit }, level });
    }
    if let Some(field) = section.get("min_rows") {
        for (source, level, rows) in by_source(&field, &|field| Ok(field.count()? as u64))? {
            checks.push(Check { rule: Rule::Rows { source, least: rows }, level });
        }
    }
    if let Some(field) = section.get("max_age") {
        let (level, limit) =
            levelled(&field, &|field| Duration::parse(field.text()?).map_err(|wrong| field.fault(Problem::invalid(wrong))))?;
        checks.push(Check { rule: Rule::Age { limit }, level });
    }
    if let Some(field) = section.get("max_change") {
        let names = conversions.values.iter().map(|value| &value.name).chain(conversions.worths.iter().map(|worth| &worth.name));
        let names: Vec<String> = names.cloned().collect();
        for (value, field) in field.entries("a share for each value, such as { revenue = \"50%\" }")? {
            if !names.iter().any(|name| name == value) {
                return Err(field.fault(Problem::UnknownWord { found: value.to_owned(), choices: names }));
            }
            let (level, limit) = levelled(&field, &share)?;
            checks.push(Check { rule: Rule::Change { value: value.to_owned(), limit }, level });
        }
    }
    if let Some(field) = section.get("unique") {
        let named = names_sources(&field);
        for (source, level, wanted) in by_source(&field, &|field| field.boolean())? {
            let unmapped = source == SourceName::Touchpoints && touchpoints.id.is_none();
            if wanted && unmapped && named {
                return Err(field.fault(Problem::Unmapped { what: "touchpoints".to_owned(), column: "touchpoints.columns.id" }));
            }
            if wanted && !unmapped {
                checks.push(Check { rule: Rule::Unique { source }, level });
            }
        }
    }
    Ok(Some(checks))
}

/// What is read from the value of a key.
type Read<'a, T> = &'a dyn Fn(&Field<'_>) -> Result<T, Fault>;

/// A value, or a table of it and its level: `"1%"`, `{ is = "1%", level = "warn" }`.
fn levelled<T>(field: &Field<'_>, read: Read<'_, T>) -> Result<(Level, T), Fault> {
    if !matches!(field.node.item, Item::Table(_)) {
        return Ok((Level::Fail, read(field)?));
    }
    let section = field.section(&["is", "level"])?;
    let limit = read(&section.need("is", "is = \"1%\", or the limit that is meant")?)?;
    let level =
        section.get("level").map_or(Ok(Level::Fail), |field| field.choice(&[("warn", Level::Warn), ("fail", Level::Fail)]));
    Ok((level?, limit))
}

/// The same for both sources alike, or for those that a table names.
fn by_source<T: Clone>(field: &Field<'_>, read: Read<'_, T>) -> Result<Vec<(SourceName, Level, T)>, Fault> {
    if !names_sources(field) {
        let (level, limit) = levelled(field, read)?;
        return Ok(SOURCES.into_iter().map(|source| (source, level, limit.clone())).collect());
    }
    let section = field.section(&SOURCES.map(SourceName::name))?;
    let of = |source: SourceName| Some((source, section.get(source.name())?));
    SOURCES
        .into_iter()
        .filter_map(of)
        .map(|(source, field)| levelled(&field, read).map(|(level, it)| (source, level, it)))
        .collect()
}

/// Whether a table names sources, and not a limit and its level.
fn names_sources(field: &Field<'_>) -> bool {
    matches!(&field.node.item, Item::Table(entries) if !entries.iter().any(|entry| ["is", "level"].contains(&entry.name.as_str())))
}

/// A share of at most all, in billionths.
fn part(field: &Field<'_>) -> Result<i64, Fault> {
    let share = share(field)?;
    if share <= ONE { Ok(share) } else { Err(field.wrong("a share of at most 100%, such as \"1%\" or 0.01")) }
}

/// A share from 0 on, in billionths: `"12.5%"`, read digit by digit, or `0.125`.
fn share(field: &Field<'_>) -> Result<i64, Fault> {
    let wrong = || field.wrong("a share such as \"1%\" or 0.01");
    let Item::Text(text) = &field.node.item else {
        let number = field.number().map_err(|_| wrong())?;
        // Beyond this nothing changes by so much, and floats have no billionths any more.
        let fits = (0.0..=1_000_000.0).contains(&number);
        return if fits { Ok((number * ONE as f64).round_ties_even() as i64) } else { Err(wrong()) };
    };
    let number = text.trim().strip_suffix('%').filter(|number| number.starts_with(|first: char| first.is_ascii_digit()));
    let (unscaled, scale) = number.and_then(parse_decimal).flatten().ok_or_else(wrong)?;
    // A hundredth has seven digits less than a billionth.
    let Some(power) = 7_u32.checked_sub(scale) else {
        return Err(field.fault(Problem::invalid(format!("expected at most 7 digits behind the point, found {text:?}"))));
    };
    let billionths = unscaled.checked_mul(10_i128.pow(power)).filter(|it| *it <= i128::from(ONE) * 1_000_000);
    billionths.and_then(|it| i64::try_from(it).ok()).ok_or_else(wrong)
}
