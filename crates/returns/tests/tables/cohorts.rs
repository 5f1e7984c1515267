//! Customers by the month in which they came.

use attributary_core::value::Value;
use attributary_returns::{Cohort, Period, Settings};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::support::*;

#[test]
fn ages_without_orders_are_rows() {
    let mut sums = sums(settings());
    let search = text("search");
    // Four customers in January; one comes back in April, one of those of February never.
    let january = cohort("2026-01-17", &search, 0, 4, &[4_000, 1_000, 0]);
    sums.cohort(&january).expect("a row");
    let april =
        Cohort { customers: 0, active: 1, orders: 2, repeaters: 1, ..cohort("2026-01-01", &search, 3, 0, &[2_000, 500, 0]) };
    sums.cohort(&april).expect("a row");
    sums.cohort(&cohort("2026-02-01", &Value::Null, 0, 1, &[100, 10, 0])).expect("a row");
    sums.spent(&spent("2026-01-31", std::slice::from_ref(&search), 1_400)).expect("a row");
    let table = Grid::of(sums.cohorts());
    table.assert_sorted(&["model", "window", "acquisition_month", "channel", "age_months"]);
    assert_eq!(table.rows.len(), 5);
    let row = |age: &str| table.find(&[("channel", "search"), ("age_months", age)]);
    for (age, active, cumulative, retention, repeat_rate) in
        [("0", 4, 4_000, 1.0, 0.0), ("1", 0, 4_000, 0.0, 0.0), ("2", 0, 4_000, 0.0, 0.0), ("3", 1, 6_000, 0.25, 0.25)]
    {
        let row = row(age);
        assert_eq!(table.text(row, "acquisition_month"), "2026-01-01");
        assert_eq!((table.int(row, "active"), table.int(row, "cumulative")), (active, cumulative));
        assert_eq!((table.float(row, "retention"), table.float(row, "repeat_rate")), (Some(retention), Some(repeat_rate)));
        assert_eq!((table.int(row, "customers"), table.int(row, "spend"), table.int(row, "payback_month")), (4, 1_400, 3));
    }
    assert_eq!(table.float(row("3"), "cumulative_per_customer"), Some(15.0));
    let unknown = table.find(&[("channel", "(not set)")]);
    assert_eq!(table.cell(unknown, "payback_month"), Value::Null);
}

#[test]
fn ages_end_with_what_is_observed_and_quarters_are_paid_back_together() {
    let observed = Some(day("2026-01-01")..day("2026-06-02"));
    let periods = vec![Period::Quarter, Period::All, Period::Week];
    let mut sums = sums(Settings { observed, periods, margin: None, ..settings() });
    let search = text("search");
    for (month, age, revenue) in [("2026-01-01", 0, 100), ("2026-01-01", 1, 50), ("2026-03-01", 0, 100), ("2026-03-01", 2, 70)] {
        sums.cohort(&cohort(month, &search, age, 1, &[revenue, 0, 0])).expect("a row");
    }
    sums.spent(&spent("2026-01-31", std::slice::from_ref(&search), 250)).expect("a row");
    let table = Grid::of(sums.cohorts());
    let ages = |month: &str| (0..table.rows.len()).filter(|row| table.text(*row, "acquisition_month") == month).count();
    assert_eq!((ages("2026-01-01"), ages("2026-03-01")), (6, 4));
    let returns = Grid::of(sums.returns());
    // 200 at age 0, 250 at age 1.
    for (period, payback) in [("quarter", Value::Int(1)), ("all", Value::Int(1)), ("week", Value::Null)] {
        assert_eq!(returns.cell(returns.find(&[("period", period)]), "payback_months"), payback, "{period}");
    }
    // What the customers of the next quarter bring is not theirs.
    sums.cohort(&cohort("2026-04-01", &search, 0, 1, &[900, 0, 0])).expect("a row");
    let later = Grid::of(sums.returns());
    for (period, payback) in [("quarter", 1), ("all", 0)] {
        assert_eq!(later.int(later.find(&[("period", period)]), "payback_months"), payback, "{period}");
    }
    assert_eq!(returns.text(0, "roi_on"), "revenue");
    assert_eq!((returns.float(0, "poas"), returns.float(0, "break_even_roas")), (None, None));
}

proptest! {
    /// Told customer by customer, the table is what one counts by looking at all customers for each cell.
    #[test]
    fn customers_are_counted_as_one_would_by_hand(
        customers in vec((0..3_i32, 0..2_usize, vec((0..6_u32, -50..100_i128), 0..5)), 1..30),
        spend in -50..400_i128,
    ) {
        let channels = [text("mail"), text("search")];
        let months = ["2025-12-01", "2026-01-01", "2026-02-01"];
        let mut sums = sums(settings());
        sums.spent(&spent("2026-01-09", &channels[..1], spend)).expect("a row");
        // The first order is at age 0, whatever else there is.
        let orders = |customer: &(i32, usize, Vec<(u32, i128)>)| {
            let mut orders = customer.2.clone();
            orders.push((0, 60));
            orders.sort_unstable();
            orders
        };
        for customer in &customers {
            let orders = orders(customer);
            for age in 0..6 {
                let at: Vec<_> = orders.iter().filter(|order| order.0 == age).collect();
                if at.is_empty() {
                    continue;
                }
                let revenue = at.iter().map(|order| order.1).sum();
                let repeaters = u64::from(orders.get(1).is_some_and(|second| second.0 == age));
                sums.cohort(&Cohort {
                    orders: at.len() as u64,
                    active: 1,
                    customers: u64::from(age == 0),
                    repeaters,
                    ..cohort(months[customer.0 as usize], &channels[customer.1], age, 1, &[revenue, revenue / 2, 0])
                }).expect("a row");
            }
        }
        let table = Grid::of(sums.cohorts());
        table.assert_sorted(&["model", "window", "acquisition_month", "channel", "age_months"]);
        let mut seen = 0;
        for (month, name) in months.iter().enumerate() {
            for (channel, channel_name) in ["mail", "search"].iter().enumerate() {
                let of: Vec<_> = customers.iter().filter(|it| it.0 == month as i32 && it.1 == channel).map(orders).collect();
                let Some(last) = of.iter().flatten().map(|order| order.0).max() else { continue };
                let until = |age: u32| move |order: &&(u32, i128)| order.0 <= age;
                let margin = |age: u32| -> i128 {
                    // Rows are by customer and age, and each has half of its revenue as margin.
                    of.iter().map(|orders| (0..=age).map(|at| {
                        orders.iter().filter(|order| order.0 == at).map(|order| order.1).sum::<i128>() / 2
                    }).sum::<i128>()).sum()
                };
                let spend = if (month, channel) == (1, 0) { spend } else { 0 };
                let payback = (0..=last).find(|age| spend > 0 && margin(*age) >= spend);
                for age in 0..=last {
                    let at = age.to_string();
                    let row = table.find(&[("acquisition_month", name), ("channel", channel_name), ("age_months", &at)]);
                    seen += 1;
                    let active = of.iter().filter(|orders| orders.iter().any(|order| order.0 == age)).count();
                    let repeaters = of.iter().filter(|orders| orders.iter().filter(until(age)).count() > 1).count();
                    let cumulative: i128 = of.iter().flatten().filter(until(age)).map(|order| order.1).sum();
                    prop_assert_eq!(table.int(row, "customers"), of.len() as i128);
                    prop_assert_eq!(table.int(row, "active"), active as i128);
                    prop_assert_eq!(table.int(row, "cumulative"), cumulative);
                    prop_assert_eq!(table.float(row, "repeat_rate"), Some(repeaters as f64 / of.len() as f64));
                    prop_assert_eq!(table.float(row, "retention"), Some(active as f64 / of.len() as f64));
                    prop_assert_eq!(table.cell(row, "payback_month"), payback.map_or(Value::Null, |age| Value::Int(age.into())));
                }
            }
        }
        prop_assert_eq!(seen, table.rows.len());
    }
}
