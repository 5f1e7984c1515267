//! The CDNOW customers of the literature, where environment variable `ATTRIBUTARY_REAL_DATA` says where they are.

mod slow;

use attributary_lifetime::{FitError, History, PurchaseStatistics, Spending, SpendingStatistics, bg_nbd, gamma_gamma};
use slow::{log_likelihood, nelder_mead};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

#[test]
fn purchases_of_the_sample() {
    let Some(summary) = read("cdnow_customers_summary.csv") else { return };
    let statistics = histories(&summary);
    assert_eq!(statistics.customers(), 2_357);
    let fit = bg_nbd::fit(&statistics).expect("a fit");
    let found = [fit.model.r(), fit.model.alpha(), fit.model.a(), fit.model.b()];
    // Fader, Hardie, Lee 2005, table 2.
    assert_near(&found, &[0.243, 4.414, 0.793, 2.426], 0.001);
    assert_near(&[fit.log_likelihood], &[-9_582.43], 0.01);
    let history = History::from_weeks(2, 30.43, 38.86).expect("a history");
    assert_near(&[fit.model.expected_purchases(39.0, &history)], &[1.226], 0.001);
}

#[test]
fn spending_of_the_sample() {
    let Some(summary) = read("cdnow_customers_summary_with_transactions.csv") else { return };
    let mut statistics = SpendingStatistics::default();
    for fields in rows(&summary) {
        statistics.add_mean(fields[1] as u32, fields[4]).expect("a mean");
    }
    assert_eq!((statistics.repeaters(), statistics.excluded()), (946, 0));
    let fit = gamma_gamma::fit(&statistics).expect("a fit");
    // Fader, Hardie 2013, section 4.
    assert_near(&[fit.model.p(), fit.model.q(), fit.model.v()], &[6.25, 3.74, 15.44], 0.02);
    let spending = Spending::new(Ok(fit), statistics.observed_mean().expect("a mean"));
    assert_near(&[spending.expected_mean(0, 0.0)], &[35.2], 0.1);
}

/// All customers by the day, against a search that knows neither counts nor derivatives.
#[test]
fn purchases_of_all_customers() {
    let Some(master) = read("CDNOW_master.txt") else { return };
    // Dates as days since 1996-12-31; both years have 365 days.
    let mut days: BTreeMap<&str, BTreeSet<u32>> = BTreeMap::new();
    for line in master.lines().filter(|line| !line.trim().is_empty()) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        if let [customer, date, ..] = fields[..]
            && let Ok(date) = date.parse::<u32>()
        {
            days.entry(customer).or_default().insert(day_of(date));
        }
    }
    let end = day_of(19_980_630);
    let histories: Vec<History> = days
        .values()
        .map(|days| {
            let (first, last) = (days.iter().next().expect("a day"), days.iter().next_back().expect("a day"));
            History::from_days(days.len() as u32 - 1, last - first, end - first).expect("a history")
        })
        .collect();
    assert_eq!(histories.len(), 23_570);
    let mut statistics = PurchaseStatistics::default();
    histories.iter().for_each(|history| statistics.add(history));
    let fit = bg_nbd::fit(&statistics).expect("a fit");

    let (logs, value) = nelder_mead([0.0; 4], |logs| histories.iter().map(|history| log_likelihood(history, logs)).sum());
    let found = [fit.model.r(), fit.model.alpha(), fit.model.a(), fit.model.b()];
    for (found, log) in found.iter().zip(logs) {
        assert!((found / log.exp() - 1.0).abs() < 1e-4, "{found} {}", log.exp());
    }
    assert!(fit.log_likelihood >= value - 1e-6, "{} {value}", fit.log_likelihood);
    assert_near(&[fit.log_likelihood], &[value], 1e-3);
}

#[test]
fn nobody_of_the_sample_returned() {
    let Some(summary) = read("cdnow_customers_summary.csv") else { return };
    let mut statistics = PurchaseStatistics::default();
    for fields in rows(&summary).filter(|fields| fields[1] == 0.0) {
        statistics.add(&History::from_weeks(0, 0.0, fields[3]).expect("a history"));
    }
    assert_eq!(bg_nbd::fit(&statistics), Err(FitError::NobodyReturned { customers: 1_411 }));
}

fn histories(summary: &str) -> PurchaseStatistics {
    let mut statistics = PurchaseStatistics::default();
    for fields in rows(summary) {
        statistics.add(&History::from_weeks(fields[1] as u32, fields[2], fields[3]).expect("a history"));
    }
    statistics
}

fn rows(summary: &str) -> impl Iterator<Item = Vec<f64>> {
    summary.lines().skip(1).map(|line| line.split(',').map(|field| field.trim().parse().expect("a number")).collect())
}

/// Days of 1997 and 1998 by yyyymmdd, from 1 on.
fn day_of(date: u32) -> u32 {
    const BEFORE: [u32; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let (year, month, day) = (date / 10_000, date / 100 % 100, date % 100);
    (year - 1997) * 365 + BEFORE[month as usize - 1] + day
}

fn read(file: &str) -> Option<String> {
    match std::env::var_os("ATTRIBUTARY_REAL_DATA") {
        Some(folder) => {
            let path = PathBuf::from(folder).join("cdnow").join(file);
            Some(std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
        }
        None => {
            #[expect(clippy::print_stdout, reason = "a test that is skipped says so")]
            {
                println!("skipped: ATTRIBUTARY_REAL_DATA is not set");
            }
            None
        }
    }
}

fn assert_near(found: &[f64], expected: &[f64], within: f64) {
    let all = found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() <= within);
    assert!(all && found.len() == expected.len(), "{found:?}, expected {expected:?} ± {within}");
}
