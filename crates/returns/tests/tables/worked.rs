//! The numbers that the documentation works out.

use attributary_core::value::Value;
use attributary_returns::{Earned, Settings, Spent, Standing, WhatIf};

use crate::support::*;

/// 300 leads, 30 of them touched, customers worth 200 M, a budget of 5 M.
#[test]
fn a_tenth_of_the_leads_is_a_tenth_of_what_customers_are_worth() {
    let mut sums = sums(settings());
    let million = 100_000_000;
    let (lead, order) = (text("lead"), text("order"));
    sums.touched(&touched("2026-01-05", &lead, Standing::Other, (300, 30), &[0, 0, 0])).expect("a row");
    sums.touched(&touched("2026-01-20", &order, Standing::New, (50, 20), &[200 * million, 0, 0])).expect("a row");
    sums.spent(&spent("2026-01-01", &[text("search")], 5 * million)).expect("a row");
    let table = Grid::of(sums.marketing_share());
    let leads = table.find(&[("kind", "lead")]);
    assert_eq!(table.float(leads, "share"), Some(0.1));
    assert_eq!(table.text(leads, "value"), "200000000.00");
    assert_eq!(table.text(leads, "attributed_value"), "20000000.00");
    assert_eq!(table.text(leads, "spend"), "5000000.00");
    assert_eq!((table.float(leads, "roas"), table.float(leads, "roi")), (Some(4.0), Some(3.0)));
    let customers = table.find(&[("kind", "(customers)")]);
    assert_eq!((table.int(customers, "conversions"), table.float(customers, "share")), (50, Some(0.4)));
    assert_eq!(table.float(customers, "roas"), Some(16.0));
    let all = table.find(&[("kind", "(all)")]);
    assert_eq!((table.int(all, "conversions"), table.int(all, "touched")), (350, 50));
    // 200 M · 50 / 350, half to even in whole minor units.
    assert_eq!(table.text(all, "attributed_value"), "28571428.57");
    table.assert_sorted(&["window", "period", "period_start", "kind"]);
}

/// Spend 500, a first order of 600 and 2,400 more over two years.
#[test]
fn a_return_of_1_2_is_one_of_6_over_the_life_of_the_customer() {
    let mut sums = sums(settings());
    let search = [text("search")];
    sums.spent(&spent("2024-03-01", &search, 50_000)).expect("a row");
    sums.earned(&earned("2024-03-15", &search, Standing::New, 1, &[60_000, 15_000, 300_000])).expect("a row");
    for later in ["2025-01-10", "2026-02-10"] {
        sums.earned(&earned(later, &search, Standing::Returning, 1, &[120_000, 30_000, 0])).expect("a row");
    }
    for (age, margin) in [(0, 15_000), (10, 30_000), (23, 30_000)] {
        sums.cohort(&cohort("2024-03-01", &search[0], age, 1, &[2 * margin, margin, 0])).expect("a row");
    }
    sums.touched(&touched("2024-03-15", &Value::Null, Standing::New, (1, 1), &[60_000, 0, 0])).expect("a row");
    sums.touched(&touched("2024-03-16", &Value::Null, Standing::New, (3, 0), &[40_000, 0, 0])).expect("a row");
    let table = Grid::of(sums.returns());
    let march = table.find(&[("period_start", "2024-03-01")]);
    let float = |name| table.float(march, name);
    assert_eq!((float("roas"), float("ltv"), float("cac"), float("ltv_cac")), (Some(1.2), Some(3_000.0), Some(500.0), Some(6.0)));
    // Of the margin: 150 − 500 of 500.
    assert_eq!((float("roi"), float("poas"), float("break_even_roas")), (Some(-0.7), Some(0.3), Some(4.0)));
    assert_eq!(table.text(march, "roi_on"), "margin");
    assert_eq!(table.text(march, "ltv_definition"), "historic revenue");
    // All revenue is 1,000, and four customers are new.
    assert_eq!((float("mer"), float("blended_cac")), (Some(2.0), Some(125.0)));
    // 150 + 300 < 500 ≤ 150 + 300 + 300.
    assert_eq!(table.int(march, "payback_months"), 23);
    let later = table.find(&[("period_start", "2025-01-01")]);
    assert_eq!(table.text(later, "returning_conversions"), "1.000000000");
    assert_eq!((table.float(later, "cac"), table.float(later, "ltv"), table.float(later, "ltv_cac")), (None, None, None));
    table.assert_sorted(&["model", "window", "period", "period_start", "channel"]);
}

/// Neither the week in which the conversions begin nor that in which they end, and not those before spend or after it.
#[test]
fn weeks_that_are_not_whole_are_left_out() {
    let periods = |observed: Option<(&str, &str)>, spend: (&str, &str)| {
        let observed = observed.map(|(first, end)| day(first)..day(end));
        let mut sums = sums(Settings { what_if: Some(WhatIf::default()), observed, ..settings() });
        let search = [text("search")];
        for at in ["2026-01-07", "2026-03-01"] {
            sums.earned(&earned(at, &search, Standing::New, 1, &[100, 0, 0])).expect("a row");
        }
        for at in [spend.0, spend.1] {
            sums.spent(&spent(at, &search, 100)).expect("a row");
        }
        let table = Grid::of(sums.what_if());
        table.int(0, "periods")
    };
    // From Wednesday 7 January to Sunday 1 March there are seven whole weeks.
    assert_eq!(periods(None, ("2025-11-01", "2026-05-01")), 7);
    assert_eq!(periods(None, ("2026-01-14", "2026-02-23")), 7);
    assert_eq!(periods(None, ("2026-01-20", "2026-02-20")), 5);
    assert_eq!(periods(Some(("2026-01-05", "2026-03-02")), ("2025-11-01", "2026-05-01")), 8);
    assert_eq!(periods(Some(("2026-01-06", "2026-03-01")), ("2025-11-01", "2026-05-01")), 6);
    assert_eq!(periods(Some(("2025-01-06", "2026-03-02")), ("2025-01-06", "2026-05-01")), 26);
}

/// Twenty weeks of 100, 200, 300 … 1,000, twice; each unit of search brings 2 and each of display a half.
#[test]
fn marginal_returns_are_of_whole_weeks() {
    let observed = Some(day("2026-01-05")..day("2026-05-25"));
    let mut sums = sums(Settings { what_if: Some(WhatIf::default()), observed, ..settings() });
    let (search, display, unpaid) = ([text("search")], [text("display")], [text("direct")]);
    for week in 0..20 {
        let monday = day("2026-01-05") + week * 7;
        let amount = i128::from(week % 10 + 1) * 10_000;
        // Revenue is off by one up and down.
        let noise = i128::from(week % 2) * 200 - 100;
        for (group, revenue) in [(&search, 2 * amount + noise), (&display, amount / 2 + noise), (&unpaid, 700)] {
            let values = [revenue, 0, 0];
            let row = earned("2026-01-05", group, Standing::New, 1, &values);
            sums.earned(&Earned { day: monday + 6, ..row }).expect("a row");
        }
        for group in [&search, &display] {
            sums.spent(&Spent { day: monday, ..spent("2026-01-05", group, amount) }).expect("a row");
        }
    }
    let table = Grid::of(sums.what_if());
    assert_eq!(table.rows.len(), 2, "channels without spend are not there");
    let (search, display) = (table.find(&[("channel", "search")]), table.find(&[("channel", "display")]));
    assert_eq!((table.int(search, "periods"), table.float(search, "spend_per_period")), (20, Some(550.0)));
    let near = |row, name, number: f64| assert!((table.float(row, name).expect(name) - number).abs() < 0.01, "{name}");
    near(search, "marginal_return", 2.0);
    near(display, "marginal_return", 0.5);
    assert!(table.text(search, "verdict").starts_with("each further unit brought more"));
    assert!(table.text(display, "verdict").starts_with("each further unit brought less"));
    table.assert_sorted(&["model", "window", "channel", "period"]);
}
