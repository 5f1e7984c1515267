//! What was known at a time: rows that came later are left out where they are read, as if they were not there.

use attributary_core::batch::NO_TIME;
use attributary_core::time::{Zone, parse_day, parse_instant};
use polars::prelude::{DataType, Expr, PolarsResult, Series};

use crate::AsOf;
use crate::plan::{Plain, Resolved};
use crate::times::instants;

/// When the rows of a source came, and until when one must have come to be known.
pub(crate) struct Known {
    came: Resolved,
    as_of: AsOf,
    /// Of times that name no zone.
    zone: Zone,
}

/// What is said of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Known,
    /// It does not say when it came; so it was there before anyone took note, and is known.
    Undated,
    Later,
}

impl Known {
    /// The rows of a source of which `came` says when each came.
    pub(crate) fn new(came: Resolved, as_of: AsOf, zone: Zone) -> Self {
        Self { came, as_of, zone }
    }

    /// What is said of all rows of a file, where they came together, as those of a Hive partition do.
    pub(crate) fn of_file(&self, file: usize) -> Option<Verdict> {
        match &self.came.plain[file] {
            Plain::Nothing => Some(Verdict::Undated),
            Plain::Constant(value) => Some(self.verdict(value.as_text().map_or(NO_TIME, |text| self.arrival(text)))),
            Plain::Column(_) | Plain::Computed => None,
        }
    }

    /// The column of a file that says it as it stands, and until when.
    pub(crate) fn plain(&self, file: usize) -> Option<(&str, i64)> {
        match &self.came.plain[file] {
            Plain::Column(name) => Some((name, self.as_of.last)),
            _ => None,
        }
    }

    /// The cells of a file that say it.
    pub(crate) fn cells(&self, file: usize) -> &Expr {
        &self.came.cells[file].0
    }

    /// What is said of each row of a column of them.
    pub(crate) fn verdicts(&self, column: &Series) -> PolarsResult<Vec<Verdict>> {
        let came = match column.dtype() {
            // A date is the day on which a row came: it begins where the days of the pipeline do.
            DataType::Date => instants(column, &self.as_of.zone)?,
            DataType::Categorical(..) | DataType::Enum(..) => return self.verdicts(&column.cast(&DataType::String)?),
            DataType::String => column.str()?.iter().map(|text| text.map_or(NO_TIME, |text| self.arrival(text))).collect(),
            _ => instants(column, &self.zone)?,
        };
        Ok(came.into_iter().map(|came| self.verdict(came)).collect())
    }

    fn arrival(&self, text: &str) -> i64 {
        let text = text.trim();
        let zone = if parse_day(text).is_some() { &self.as_of.zone } else { &self.zone };
        parse_instant(text, zone).unwrap_or(NO_TIME)
    }

    fn verdict(&self, came: i64) -> Verdict {
        match came {
            NO_TIME => Verdict::Undated,
            came if came > self.as_of.last => Verdict::Later,
            _ => Verdict::Known,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use attributary_core::value::ColumnType;
    use polars::prelude::NamedFrom;

    #[test]
    fn dates_begin_where_the_days_of_the_pipeline_do() {
        let new_york = Zone::named("America/New_York").expect("a zone");
        let last = parse_instant("2026-04-03T23:59:59.999999-04:00", &Zone::utc()).expect("a time");
        let came = Resolved { kind: ColumnType::Text, cells: Vec::new(), plain: Vec::new(), first: None };
        let known = Known::new(came, AsOf { last, zone: new_york }, Zone::utc());
        use Verdict::{Known as There, Later, Undated};
        let texts = ["2026-04-03", "2026-04-04", " 2026-04-03 ", "2026-04-04T03:59:59Z", "2026-04-04 04:00", "soon"];
        let texts = Series::new("came".into(), texts);
        assert_eq!(known.verdicts(&texts).expect("verdicts"), [There, Later, There, There, Later, Undated]);
        let days = Series::new("came".into(), [Some(20_546_i32), Some(20_547), None]).cast(&DataType::Date).expect("dates");
        assert_eq!(known.verdicts(&days).expect("verdicts"), [There, Later, Undated]);
    }
}
