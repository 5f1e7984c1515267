//! `--as-of`: a pipeline as it was known at some time, from inputs of which some came later.

use std::sync::atomic::Ordering;

use attributary_core::time::{Day, Zone, instant_text, parse_day, parse_instant};
use attributary_store::Manifest;

use crate::error::Error;
use crate::file::{Pipeline, Source};
use crate::options::Options;
use crate::run::Computed;

/// The time that someone asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AsOf {
    /// All of a day, in the pipeline's time zone.
    Day(Day),
    /// An instant, microseconds UTC.
    Instant(i64),
}

impl AsOf {
    /// Reads a day, or an RFC 3339 time; none where the text is neither. A time that names no zone is neither.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(day) = parse_day(text) {
            return Some(Self::Day(day));
        }
        // Whoever names a zone means the same instant whatever zone is taken for granted.
        let [here, there] = ["UTC", "Asia/Tokyo"].map(|zone| parse_instant(text, &Zone::named(zone)?));
        here.filter(|_| here == there && text.contains([':'])).map(Self::Instant)
    }

    /// The last instant at which a row that came is known.
    pub(crate) fn last(self, zone: &Zone) -> i64 {
        match self {
            Self::Day(day) => zone.start_of(day.saturating_add(1)).saturating_sub(1),
            Self::Instant(instant) => instant,
        }
    }
}

/// What was said of when rows came.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Came {
    /// Rows that came later, and were left out.
    pub later: u64,
    /// Rows that were taken although nothing says when they came.
    pub undated: u64,
}

impl Came {
    /// What was said so far in the reading of a source.
    pub fn of(progress: &attributary_frames::Progress) -> Self {
        Self { later: progress.later.load(Ordering::Relaxed), undated: progress.undated.load(Ordering::Relaxed) }
    }
}

/// What readers are told.
///
/// # Errors
/// Where a source does not say when its rows came.
pub(crate) fn of(as_of: AsOf, pipeline: &Pipeline) -> Result<attributary_frames::AsOf, Error> {
    let sources = [("touchpoints", &pipeline.touchpoints.source), ("conversions", &pipeline.conversions.source)];
    let without = |(_, source): &&(&str, &Source)| source.ingested.is_none();
    let lacking: Vec<String> = sources.iter().filter(without).map(|(name, _)| format!("[{name}]")).collect();
    if !lacking.is_empty() {
        return Err(Error::Usage {
            problem: format!(
                "--as-of: expected a column that says when a row came, found no `ingested` in {}",
                lacking.join(" and ")
            ),
            hint: Some(
                "for example columns = { ingested = \"loaded_at\", … }; a Hive folder such as ingested_date=2026-04-03 will do"
                    .to_owned(),
            ),
        });
    }
    Ok(attributary_frames::AsOf { last: as_of.last(&pipeline.zone), zone: pipeline.zone.clone() })
}

/// A run as it was known is not published where the nightly ones are, unless someone names the folder.
///
/// # Errors
/// Where no one does.
pub(crate) fn has_output_of_its_own(options: &Options) -> Result<(), Error> {
    if options.as_of.is_none() || options.output.is_some() {
        return Ok(());
    }
    Err(Error::Usage {
        problem: "--as-of: expected --output too, as the run would become `current` among those that know everything".to_owned(),
        hint: Some("name a folder for it, such as --output out/as-of-2026-04-03".to_owned()),
    })
}

/// The time as a manifest says it.
pub(crate) fn said(last: Option<i64>) -> Option<String> {
    last.map(instant_text)
}

/// What a manifest says; none inside where all was known, none at all where it is no time.
pub(crate) fn of_manifest(manifest: &Manifest) -> Option<Option<AsOf>> {
    match &manifest.as_of {
        None => Some(None),
        Some(text) => parse_instant(text, &Zone::utc()).map(|instant| Some(AsOf::Instant(instant))),
    }
}

/// How a run that was published is as known, for sentences.
pub(crate) fn words(as_of: Option<&String>) -> String {
    as_of.map_or_else(|| "knows all rows".to_owned(), |text| format!("is as known at {text}"))
}

/// What a person should know of rows that do not say when they came, and of spend that is not asked.
pub(crate) fn warnings(as_of: Option<i64>, pipeline: &Pipeline, computed: &Computed) -> Vec<String> {
    let rows = |count: u64, source: &str| {
        (count > 0).then(|| format!("{count} rows of {source} say no time at which they came, and are taken as always known"))
    };
    if as_of.is_none() {
        return Vec::new();
    }
    let unasked = pipeline.spend.iter().filter(|spend| spend.source.ingested.is_none());
    let unasked = unasked.map(|spend| format!("{} maps no `ingested`, so all of its rows are taken as known", spend.key));
    let rates = pipeline.rates.iter().map(|_| "exchange rates are taken as they are known now".to_owned());
    let undated = [rows(computed.touches_came.undated, "touchpoints"), rows(computed.conversions_came.undated, "conversions")];
    undated.into_iter().flatten().chain(unasked).chain(rates).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_ends_where_the_pipeline_says() {
        let zone = Zone::named("Europe/Stockholm").expect("a zone");
        let last = |text: &str| AsOf::parse(text).map(|as_of| instant_text(as_of.last(&zone)));
        assert_eq!(last("2026-04-03").as_deref(), Some("2026-04-03T21:59:59.999999Z"));
        assert_eq!(last("2026-04-03T12:00:00+02:00").as_deref(), Some("2026-04-03T10:00:00Z"));
        assert_eq!(last("2026-04-03T12:00:00.5Z").as_deref(), Some("2026-04-03T12:00:00.5Z"));
        for neither in ["2026-04-03T12:00:00", "2026-04-03 12:00", "yesterday", "2026-13-01", "", "2026-04-03Z"] {
            assert_eq!(last(neither), None, "{neither}");
        }
    }
}
