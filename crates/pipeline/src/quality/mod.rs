//! The data contract: whether what a run has written may be published.
//!
//! Everything is taken from what an incremental run publishes as a full one does: the ledger, the tables, and what is noted of each
//! file. So the same inputs get the same verdict, however few days were computed. All is compared as integers.

mod change;
mod found;
mod table;

use std::path::Path;

use attributary_core::money::decimal_text;
use attributary_core::time::instant_text;
use attributary_store::{Output, now};
use serde::Serialize;

use self::change::Days;
use self::found::{Counts, Found, Part};
use crate::carried::InputVersions;
use crate::error::Error;
use crate::file::{Check, Level, Rule, SourceName};
use crate::options::Options;
use crate::plan::Plan;
use crate::report::{QualityLine, range_text};
use crate::run::{Computed, Totals};

pub(crate) use self::table::{fields, rows};

/// The name of the table.
pub(crate) const TABLE: &str = "quality";

/// One whole, in billionths.
const ONE: i128 = 1_000_000_000;

/// What the checks look at.
pub(crate) struct Evidence<'a> {
    pub plan: &'a Plan,
    pub options: &'a Options,
    pub computed: &'a Computed,
    pub totals: &'a Totals,
    pub versions: &'a InputVersions,
    /// Whether days were put into a run before: then what was read is of these days only.
    pub is_merge: bool,
    /// The run as it is written.
    pub staged: &'a Path,
    pub output: &'a Output,
    pub output_folder: &'a Path,
}

impl Evidence<'_> {
    /// By the clock, or as far as anything was known of in a run that leaves out what came later.
    fn now(&self) -> i64 {
        self.plan.as_of.map_or_else(now, |as_of| as_of.min(now()))
    }
}

/// What came of one check. Numbers are in billionths of the unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub check: &'static str,
    /// Of what: a source, a value, a model and a window.
    pub subject: Option<String>,
    pub level: Level,
    pub unit: &'static str,
    pub limit: i128,
    /// None where there was nothing to compare.
    pub found: Option<i128>,
    pub passed: bool,
    pub explanation: String,
}

/// Looks at everything that a pipeline asks for.
///
/// # Errors
/// Where what was written, or an earlier run, cannot be read.
pub(crate) fn judge(checks: &[Check], evidence: &Evidence<'_>) -> Result<Vec<Finding>, Error> {
    let mut found = Found::new(evidence);
    checks.iter().map(|check| finding(check, evidence, &mut found)).collect()
}

fn finding(check: &Check, evidence: &Evidence<'_>, found: &mut Found<'_>) -> Result<Finding, Error> {
    let level = check.level;
    Ok(match &check.rule {
        Rule::RejectedShare { source, limit } => {
            let Counts { rows, rejected } = found.counts(*source)?;
            let part = Part { part: rejected.into(), whole: rows.into() };
            share(("max_rejected_share", Some(source.name().to_owned())), level, *limit, part, |of| {
                format!("{} of {} rows were rejected", of.part, of.whole)
            })
        }
        Rule::UnattributedShare { limit } => {
            let (subject, part) = found.unattributed();
            share(("max_unattributed_share", subject), level, *limit, part, |of| {
                format!("{} of {} conversions got to no touch", of.part, of.whole)
            })
        }
        Rule::NotSetShare { limit } => {
            let (subject, part) = found.not_set()?;
            share(("max_not_set_share", subject), level, *limit, part, |of| {
                let [part, whole] = [of.part, of.whole].map(|shares| trimmed(&decimal_text(shares, 9)));
                format!("{part} of {whole} attributed conversions went to touches without a channel")
            })
        }
        Rule::Rows { source, least } => {
            let Counts { rows, rejected } = found.counts(*source)?;
            let accepted = rows.saturating_sub(rejected);
            Finding {
                check: "min_rows",
                subject: Some(source.name().to_owned()),
                level,
                unit: "rows",
                limit: i128::from(*least) * ONE,
                found: Some(i128::from(accepted) * ONE),
                passed: accepted >= *least,
                explanation: format!("{accepted} rows were accepted, at least {least} are expected"),
            }
        }
        Rule::Age { limit } => age(evidence, level, limit, found.newest_touch()),
        Rule::Change { value, limit } => change(evidence, level, value, *limit, found.days()?)?,
        Rule::Unique { source } => {
            let duplicates = found.duplicates(*source)?;
            Finding {
                check: "unique",
                subject: Some(source.name().to_owned()),
                level,
                unit: "rows",
                limit: 0,
                found: Some(i128::from(duplicates) * ONE),
                passed: duplicates == 0,
                explanation: format!("{duplicates} rows have an id that another row has"),
            }
        }
    })
}

/// A part of a whole is at most `limit` billionths. Of nothing it is nothing.
fn share(
    (check, subject): (&'static str, Option<String>),
    level: Level,
    limit: i64,
    of: Part,
    words: impl Fn(&Part) -> String,
) -> Finding {
    let limit = i128::from(limit);
    let found = of.billionths();
    let explanation = format!("{}: {}, at most {} are expected", words(&of), percent(found), percent(limit));
    let passed = of.part.saturating_mul(ONE) <= limit.saturating_mul(of.whole) || of.part == 0;
    Finding { check, subject, level, unit: "share", limit, found: Some(found), passed, explanation }
}

/// The newest touch is not older than `limit`, by the clock or what is known when, or by the end of the days that were asked for where they ended before.
fn age(evidence: &Evidence<'_>, level: Level, limit: &attributary_core::duration::Duration, newest: Option<i64>) -> Finding {
    let end = evidence.options.to.map(|to| evidence.plan.setup.rules.zone.start_of(to));
    let at = end.map_or_else(|| evidence.now(), |end| end.min(evidence.now()));
    let age = newest.map(|newest| at.saturating_sub(newest).max(0));
    let said = instant_text(at);
    let explanation = match newest {
        Some(newest) => format!("the newest touch is of {}, at most {limit} before {said} is expected", instant_text(newest)),
        None => format!("no touch was found, one at most {limit} before {said} is expected"),
    };
    let billionths = |micros: i64| i128::from(micros) * 1_000;
    Finding {
        check: "max_age",
        subject: Some(SourceName::Touchpoints.name().to_owned()),
        level,
        unit: "seconds",
        limit: billionths(limit.micros()),
        found: age.map(billionths),
        passed: age.is_some_and(|age| age <= limit.micros()),
        explanation,
    }
}

/// The value of the last whole day is not further than `limit` billionths from the median of the same weekday before it.
fn change(evidence: &Evidence<'_>, level: Level, value: &str, limit: i64, own: &Days) -> Result<Finding, Error> {
    let compared = change::compare(evidence, value, own)?;
    let limit = i128::from(limit);
    let (found, passed) = compared.verdict(limit);
    let explanation = compared.words(evidence.plan.setup.currency.1, limit);
    let subject = Some(value.to_owned());
    Ok(Finding { check: "max_change", subject, level, unit: "share", limit, found, passed, explanation })
}

impl Finding {
    /// What a person is told.
    pub fn words(&self) -> String {
        let subject = self.subject.as_ref().map(|subject| format!(" of {subject}")).unwrap_or_default();
        format!("{}{subject}: {}", self.check, self.explanation)
    }

    /// Whether the run may not be published for it.
    pub fn is_fatal(&self) -> bool {
        !self.passed && self.level == Level::Fail
    }

    /// As reports have it.
    pub fn line(&self) -> QualityLine {
        QualityLine {
            check: self.check.to_owned(),
            subject: self.subject.clone(),
            level: self.level.name().to_owned(),
            unit: self.unit.to_owned(),
            limit: decimal_text(self.limit, 9),
            found: self.found.map(|found| decimal_text(found, 9)),
            passed: self.passed,
            explanation: self.explanation.clone(),
        }
    }
}

/// `findings.json`: why a run was not published.
#[derive(Serialize)]
pub(crate) struct Findings {
    run_id: String,
    pipeline: String,
    range: (Option<String>, Option<String>),
    finished: String,
    checks: Vec<QualityLine>,
}

impl Findings {
    pub fn new(run_id: &str, plan: &Plan, findings: &[Finding]) -> Self {
        Self {
            run_id: run_id.to_owned(),
            pipeline: plan.pipeline.name.clone(),
            range: range_text(plan.setup.range.from, plan.setup.range.to),
            finished: instant_text(now()),
            checks: findings.iter().map(Finding::line).collect(),
        }
    }
}

/// Billionths as per cent, to four digits.
fn percent(billionths: i128) -> String {
    format!("{} %", trimmed(&decimal_text((billionths + 500).div_euclid(1_000), 4)))
}

fn trimmed(decimal: &str) -> String {
    if decimal.contains('.') { decimal.trim_end_matches('0').trim_end_matches('.').to_owned() } else { decimal.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_compared_exactly_and_its_limit_is_allowed() {
        let of = |part, whole, limit| {
            let finding = share(("max_rejected_share", None), Level::Fail, limit, Part { part, whole }, |_| "x".to_owned());
            (finding.passed, finding.explanation)
        };
        assert_eq!(of(1, 100, 10_000_000), (true, "x: 1 %, at most 1 % are expected".to_owned()));
        assert!(!of(1_000_001, 100_000_000, 10_000_000).0, "one row above it");
        assert!(of(0, 0, 0).0 && of(0, 7, 0).0 && !of(1, i128::from(u64::MAX), 0).0);
        assert_eq!(of(1, 3, 1_000_000_000).1, "x: 33.3333 %, at most 100 % are expected");
    }
}
