//! `what_if`: what a further unit of spend on a channel went along with, in the last weeks.
//!
//! Ordinary least squares of the channel's attributed revenue per week on its spend per week: the slope is the marginal
//! return, with its standard error and a 90 % interval by Student's *t*. With Sxx = nΣx² − (Σx)², and Syy and Sxy likewise,
//! all of them exact integers:
//!
//! ```text
//! slope = Sxy / Sxx        standard error = √((Sxx·Syy − Sxy²) / (n − 2)) / Sxx
//! ```
//!
//! It is an association, not an effect: seasons, prices and other channels move with spend, revenue comes later than spend,
//! and weeks that follow each other are more alike than the formula supposes, so that the true interval is wider. Only an
//! experiment can tell; the verdict never says more than the interval does. Break-even is 1, as a unit of revenue for a
//! unit of spend.
//!
//! The weeks are whole ones of the days that are observed, from the first to the last with any spend at all, the last 26 of
//! them unless the settings say otherwise. A week in which a channel has no row of spend is a week in which it spent
//! nothing. Channels without any spend are not there, nor are models whose credits do not add up where groups are finer
//! than channels.

use attributary_core::time::Day;
use attributary_core::value::Value;
use rustc_hash::FxHashMap;

use crate::cohorts::Whose;
use crate::error::ReturnsError;
use crate::interner::ranks;
use crate::number::{Wide, amount_per_count, ratio};
use crate::period::Period;
use crate::student::two_sided_quantile;
use crate::sums::{Sums, Table, add};
use crate::table::Columns;

/// With fewer periods with spend than this nothing is said.
pub(crate) const LEAST: usize = 8;

/// How probable it is that the interval holds the slope, if weeks were independent.
const CONFIDENCE: f64 = 0.90;

const TABLE: &str = "what_if";

/// Revenue and spend by channel and period.
#[derive(Clone, Debug, Default)]
pub(crate) struct Series {
    earned: FxHashMap<Whose, FxHashMap<Day, i128>>,
    spent: FxHashMap<u32, FxHashMap<Day, i128>>,
    /// The first and the last day on which anything was earned.
    earned_days: Option<(Day, Day)>,
    /// The beginnings of the first and the last period in which anything was spent.
    spent_periods: Option<(Day, Day)>,
}

impl Series {
    pub(crate) fn earned(&mut self, whose: Whose, period: Period, day: Day, revenue: i128) -> Result<(), ReturnsError> {
        widen(&mut self.earned_days, day);
        let Some(start) = period.start(day) else { return Ok(()) };
        add(self.earned.entry(whose).or_default().entry(start).or_default(), revenue, TABLE, "revenue")
    }

    pub(crate) fn spent(&mut self, channel: u32, period: Period, day: Day, amount: i128) -> Result<(), ReturnsError> {
        let Some(start) = period.start(day) else { return Ok(()) };
        widen(&mut self.spent_periods, start);
        add(self.spent.entry(channel).or_default().entry(start).or_default(), amount, TABLE, "spend")
    }

    /// The beginnings of the last `count` periods that can be compared.
    fn periods(&self, period: Period, count: usize, observed: Option<(Day, Day)>) -> Vec<Day> {
        let Some(((first_day, last_day), (first, last))) = observed.or(self.earned_days).zip(self.spent_periods) else {
            return Vec::new();
        };
        let next = |start: &Day| period.end(*start).filter(|next| *next <= last);
        let starts = std::iter::successors(Some(first), next);
        let whole = |start: &Day| *start >= first_day && period.end(*start).is_some_and(|end| end - 1 <= last_day);
        let mut starts: Vec<Day> = starts.filter(whole).collect();
        starts.drain(..starts.len().saturating_sub(count));
        starts
    }
}

fn widen(range: &mut Option<(Day, Day)>, day: Day) {
    let (first, last) = range.get_or_insert((day, day));
    (*first, *last) = ((*first).min(day), (*last).max(day));
}

struct Row<'a> {
    model: &'a str,
    window: &'a str,
    channel: &'a Value,
    spend: i128,
    slope: Option<Slope>,
    verdict: String,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Slope {
    slope: f64,
    standard_error: f64,
    low: f64,
    high: f64,
}

pub(crate) fn table(sums: &Sums) -> Result<Table, ReturnsError> {
    let settings = &sums.settings;
    let what_if = settings.what_if.unwrap_or_default();
    let observed = settings.observed.as_ref().map(|days| (days.start, days.end - 1));
    let periods = sums.series.periods(what_if.period, what_if.last, observed);
    let rows = rows(sums, &periods, what_if.period)?;
    let mut columns = Columns::of(TABLE);
    columns.texts("model", rows.iter().map(|row| Some(row.model)));
    columns.texts("window", rows.iter().map(|row| Some(row.window)));
    let mut channel = settings.by[0].clone();
    "channel".clone_into(&mut channel.name);
    columns.values(&channel, rows.iter().map(|row| row.channel));
    columns.texts("period", rows.iter().map(|_| Some(what_if.period.name())));
    let count = periods.len() as u64;
    columns.counts("periods", rows.iter().map(|_| count));
    columns.ratios("spend_per_period", rows.iter().map(|row| amount_per_count(row.spend, count, settings.exponent)));
    columns.ratios("marginal_return", rows.iter().map(|row| Some(row.slope?.slope)));
    columns.ratios("standard_error", rows.iter().map(|row| Some(row.slope?.standard_error)));
    columns.ratios("low", rows.iter().map(|row| Some(row.slope?.low)));
    columns.ratios("high", rows.iter().map(|row| Some(row.slope?.high)));
    columns.texts("verdict", rows.iter().map(|row| Some(row.verdict.as_str())));
    columns.finish()
}

fn rows<'a>(sums: &'a Sums, periods: &[Day], period: Period) -> Result<Vec<Row<'a>>, ReturnsError> {
    let (settings, series) = (&sums.settings, &sums.series);
    let (models, windows, channels) = (ranks(&settings.model_names()), ranks(&settings.windows), sums.channels.ranks());
    let mut whose: Vec<Whose> = Vec::new();
    for model in 0..settings.models.len() {
        if settings.by.len() == 1 || settings.models[model].additive {
            let windows = 0..settings.windows.len() as u16;
            whose.extend(windows.flat_map(|window| series.spent.keys().map(move |channel| (model as u16, window, *channel))));
        }
    }
    whose.sort_unstable_by_key(|(model, window, channel)| {
        (models[usize::from(*model)], windows[usize::from(*window)], channels[*channel as usize])
    });
    let row = |whose: Whose| {
        let of = |amounts: Option<&FxHashMap<Day, i128>>| -> Vec<i128> {
            periods.iter().map(|start| amounts.and_then(|amounts| amounts.get(start)).copied().unwrap_or(0)).collect()
        };
        let (spend, revenue) = (of(series.spent.get(&whose.2)), of(series.earned.get(&whose)));
        let mut sum = 0;
        spend.iter().try_for_each(|amount| add(&mut sum, *amount, TABLE, "spend"))?;
        let (slope, verdict) = judge(&spend, &revenue, period)?;
        let model = settings.models[usize::from(whose.0)].name.as_str();
        let window = settings.windows[usize::from(whose.1)].as_str();
        Ok(Row { model, window, channel: sums.channels.item(whose.2), spend: sum, slope, verdict })
    };
    whose.into_iter().map(row).collect()
}

/// The slope of revenue on spend and what can be said of it.
fn judge(spend: &[i128], revenue: &[i128], period: Period) -> Result<(Option<Slope>, String), ReturnsError> {
    let (one, many) = (period.name(), format!("{}s", period.name()));
    let with_spend = spend.iter().filter(|amount| **amount != 0).count();
    if with_spend < LEAST {
        let noun = if with_spend == 1 { one } else { &many };
        return Ok((None, format!("too few {many} with spend to tell: {with_spend} {noun}, at least {LEAST} are needed")));
    }
    let slope = fit(spend, revenue).ok_or_else(|| ReturnsError::overflow(TABLE, "products of spend and revenue"))?;
    let Some(slope) = slope else { return Ok((None, format!("spend did not vary in these {many}"))) };
    let verdict = if slope.low > 1.0 {
        format!("each further unit brought more than it cost in these {many} (association, not proof)")
    } else if slope.high < 1.0 {
        format!("each further unit brought less than it cost in these {many} (association, not proof)")
    } else {
        "cannot be told from break-even".to_owned()
    };
    Ok((Some(slope), verdict))
}

/// The inner none where spend does not vary, the outer one where the products have too many bits. For three points or more.
fn fit(spend: &[i128], revenue: &[i128]) -> Option<Option<Slope>> {
    let count = i128::try_from(spend.len()).ok()?;
    let sum = |numbers: &[i128]| numbers.iter().try_fold(0_i128, |sum, number| sum.checked_add(*number));
    let products = |one: &[i128], other: &[i128]| {
        let mut products = one.iter().zip(other);
        let products = products.try_fold(0_i128, |sum, (one, other)| sum.checked_add(one.checked_mul(*other)?))?;
        count.checked_mul(products)?.checked_sub(sum(one)?.checked_mul(sum(other)?)?)
    };
    let (spread, together, revenue_spread) = (products(spend, spend)?, products(spend, revenue)?, products(revenue, revenue)?);
    let Some(slope) = ratio(together, spread) else { return Some(None) };
    // Not negative, by Cauchy and Schwarz: n times Sxx times the sum of squares that is left.
    let left = Wide::product(spread.unsigned_abs(), revenue_spread.unsigned_abs())
        .minus(Wide::product(together.unsigned_abs(), together.unsigned_abs()));
    let freedom = spend.len() as u32 - 2;
    let standard_error = libm::sqrt(left.as_float() / f64::from(freedom)) / spread as f64;
    let reach = two_sided_quantile(CONFIDENCE, freedom) * standard_error;
    Some(Some(Slope { slope, standard_error, low: slope - reach, high: slope + reach }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Anscombe's first set, in hundredths: slope 0.5001, standard error 0.1179, as every textbook has it.
    #[test]
    fn the_slope_is_that_of_the_textbook() {
        let spend = [10, 8, 13, 9, 11, 14, 6, 4, 12, 7, 5].map(|x| x * 100);
        let revenue = [804, 695, 758, 881, 833, 996, 724, 426, 1084, 482, 568];
        let slope = fit(&spend, &revenue).expect("in range").expect("spend varies");
        assert!((slope.slope - 0.500_090_909).abs() < 1e-9, "{slope:?}");
        assert!((slope.standard_error - 0.117_905_5).abs() < 1e-7, "{slope:?}");
        // t of 9 degrees of freedom: 1.8331.
        assert!((slope.low - (0.500_090_909 - 1.833_113 * 0.117_905_5)).abs() < 1e-6, "{slope:?}");
        assert!((slope.high - (0.500_090_909 + 1.833_113 * 0.117_905_5)).abs() < 1e-6, "{slope:?}");
    }

    #[test]
    fn verdicts_say_no_more_than_the_interval() {
        let verdict = |spend: &[i128], revenue: &[i128]| judge(spend, revenue, Period::Week).expect("in range").1;
        let spend = [10, 20, 30, 40, 50, 60, 70, 80];
        let noise = [3, -3, 2, -2, -2, 2, -3, 3];
        let times = |factor: i128| -> Vec<i128> { spend.iter().zip(noise).map(|(x, e)| factor * x + e).collect() };
        assert_eq!(
            verdict(&spend, &times(3)),
            "each further unit brought more than it cost in these weeks (association, not proof)"
        );
        assert_eq!(
            verdict(&spend, &times(-1)),
            "each further unit brought less than it cost in these weeks (association, not proof)"
        );
        assert_eq!(verdict(&spend, &times(1)), "cannot be told from break-even");
        // A perfect line has no error at all.
        assert_eq!(fit(&spend, &spend.map(|x| 2 * x)).flatten().map(|slope| (slope.low, slope.high)), Some((2.0, 2.0)));
        assert_eq!(verdict(&[5; 9], &[1, 2, 3, 4, 5, 6, 7, 8, 9]), "spend did not vary in these weeks");
        assert_eq!(
            verdict(&[1, 2, 3, 4, 5, 6, 7, 0, 0, 0], &[0; 10]),
            "too few weeks with spend to tell: 7 weeks, at least 8 are needed"
        );
        assert_eq!(verdict(&[1], &[0]), "too few weeks with spend to tell: 1 week, at least 8 are needed");
    }

    #[test]
    fn too_many_bits_are_an_error() {
        let spend: Vec<i128> = (1..=8).map(|week| week * 10_i128.pow(36)).collect();
        assert_eq!(judge(&spend, &spend, Period::Week), Err(ReturnsError::overflow(TABLE, "products of spend and revenue")));
        let spend: Vec<i128> = (1..=26).map(|week| week * 10_i128.pow(15)).collect();
        assert_eq!(fit(&spend, &spend).flatten().map(|slope| slope.slope), Some(1.0));
    }
}
