//! Nothing, less than nothing, and more than fits.

use attributary_core::table::Field;
use attributary_core::value::{ColumnType, Value};
use attributary_returns::{
    Budget, Cohort, Earned, Period, ReturnsError, Settings, Spent, Standing, Sums, Target, Touched, WhatIf,
};

use crate::support::*;

#[test]
fn spend_without_touches_and_touches_without_spend_are_rows() {
    let mut settings = settings();
    settings.windows.push("7d".into());
    settings.lifetime = None;
    settings.by.push(Field::new("campaign", ColumnType::Text));
    settings.by.push(Field::new("market", ColumnType::Int { bits: 32, signed: true }));
    let mut sums = sums(settings);
    let spring = [text("search"), text("spring"), Value::Int(46)];
    sums.spent(&Spent { clicks: 5, impressions: 70, ..spent("2026-01-02", &spring, 1_000) }).expect("a row");
    // What has neither campaign nor market is one group, wherever it comes from.
    sums.spent(&spent("2026-01-02", &[Value::Null, Value::Null, Value::Null], 500)).expect("a row");
    sums.earned(&earned("2026-01-09", &[text("(not set)"), text(""), Value::Null], Standing::New, 1, &[800, 400, 0]))
        .expect("a row");
    sums.earned(&earned("2026-01-09", &[text("direct"), Value::Null, Value::Null], Standing::Other, 1, &[0, 0, 0]))
        .expect("a row");
    let nobody = [text("(unattributed)"), Value::Null, Value::Null];
    sums.earned(&earned("2026-01-09", &nobody, Standing::New, 1, &[300, 100, 0])).expect("a row");
    // Cohorts are of channels: a campaign's spend is not what their customers pay back.
    sums.cohort(&Cohort { window: "7d", ..cohort("2026-01-01", &text("search"), 0, 1, &[9_000, 9_000, 0]) }).expect("a row");
    let table = Grid::of(sums.returns());
    table.assert_sorted(&["model", "window", "period", "period_start", "channel", "campaign", "market"]);
    // 30d has four groups; 7d those that were spent on.
    assert_eq!(table.rows.len(), 6);
    let row = table.find(&[("channel", "search"), ("window", "7d")]);
    assert_eq!((table.int(row, "spend"), table.int(row, "clicks"), table.int(row, "impressions")), (1_000, 5, 70));
    assert_eq!((table.int(row, "revenue"), table.float(row, "roas"), table.float(row, "roi")), (0, Some(0.0), Some(-1.0)));
    for name in ["cpa", "cpl", "cac", "ltv", "ltv_cac", "mer", "blended_cac", "break_even_roas"] {
        assert_eq!(table.float(row, name), None, "{name}");
    }
    assert_eq!((table.cell(row, "ltv_definition"), table.cell(row, "payback_months")), (Value::Null, Value::Null));
    let row = table.find(&[("channel", "(not set)"), ("window", "30d")]);
    assert_eq!((table.text(row, "campaign"), table.float(row, "roas")), ("(not set)".to_owned(), Some(1.6)));
    let row = table.find(&[("channel", "(unattributed)")]);
    assert_eq!((table.cell(row, "campaign"), table.int(row, "spend")), (Value::Null, 0));
    for name in ["roas", "roi", "poas"] {
        assert_eq!(table.float(row, name), None, "{name}");
    }
    // Nothing was spent on it, so a customer cost nothing.
    assert_eq!(table.float(row, "cac"), Some(0.0));
    let row = table.find(&[("channel", "direct")]);
    assert_eq!((table.float(row, "cac"), table.float(row, "break_even_roas")), (None, None));
}

#[test]
fn refunds_and_credit_notes_are_less_than_nothing() {
    let mut sums = sums(settings());
    let search = [text("search")];
    sums.spent(&spent("2026-01-02", &search, 1_000)).expect("a row");
    sums.spent(&spent("2026-01-03", &search, -1_500)).expect("a row");
    sums.earned(&earned("2026-01-04", &search, Standing::New, 1, &[1_000, 600, 1_000])).expect("a row");
    sums.earned(&earned("2026-01-05", &search, Standing::Returning, 1, &[-1_250, -650, 0])).expect("a row");
    let table = Grid::of(sums.returns());
    assert_eq!((table.int(0, "spend"), table.int(0, "revenue"), table.int(0, "margin")), (-500, -250, -50));
    assert_eq!((table.float(0, "roas"), table.float(0, "roi"), table.float(0, "cac")), (Some(0.5), Some(-0.9), Some(-5.0)));
    assert_eq!(table.cell(0, "payback_months"), Value::Null);
    // A credit note over all of it leaves nothing to divide by.
    sums.spent(&spent("2026-01-31", &search, 500)).expect("a row");
    let table = Grid::of(sums.returns());
    assert_eq!((table.int(0, "spend"), table.float(0, "roas"), table.float(0, "roi")), (0, None, None));
}

#[test]
fn totals_count_each_conversion_once() {
    let mut settings = settings();
    settings.models[0].name = "any_touch".into();
    settings.models[0].additive = false;
    let mut sums = sums(settings);
    let (search, mail) = ([text("search")], [text("mail")]);
    for group in [&search, &mail] {
        let row = Earned { model: "any_touch", ..earned("2026-01-04", group, Standing::New, 1, &[1_000, 600, 0]) };
        sums.earned(&row).expect("a row");
    }
    sums.touched(&touched("2026-01-04", &Value::Null, Standing::New, (1, 1), &[1_000, 600, 0])).expect("a row");
    sums.spent(&spent("2026-01-01", &search, 500)).expect("a row");
    let table = Grid::of(sums.returns());
    for row in 0..2 {
        assert_eq!((table.float(row, "mer"), table.float(row, "blended_cac")), (Some(2.0), Some(5.0)));
    }
    // Conversions without kinds have no row of their own beside `(all)`.
    let shares = Grid::of(sums.marketing_share());
    assert_eq!((shares.rows.len(), shares.text(0, "kind"), shares.text(1, "kind")), (2, "(all)".into(), "(customers)".into()));
}

/// By campaign, `any_touch` would count a conversion once for each campaign of the channel.
#[test]
fn marginal_returns_of_models_that_do_not_add_up_are_of_channels_only() {
    for (by, rows) in [(vec!["channel"], 1), (vec!["channel", "campaign"], 0)] {
        let mut settings = settings();
        settings.models[0].additive = false;
        settings.what_if = Some(WhatIf::default());
        settings.by = by.iter().map(|name| Field::new(*name, ColumnType::Text)).collect();
        let mut sums = sums(settings);
        sums.spent(&spent("2026-01-01", &vec![text("search"); by.len()], 500)).expect("a row");
        let table = Grid::of(sums.what_if());
        assert_eq!(table.rows.len(), rows, "{by:?}");
    }
}

#[test]
fn a_budget_without_conversions_has_no_share() {
    let mut sums = sums(settings());
    sums.spent(&spent("2026-01-01", &[text("search")], 500)).expect("a row");
    let refund = touched("2026-02-04", &Value::Null, Standing::Returning, (0, 0), &[-70, 0, 0]);
    sums.touched(&refund).expect("a row");
    let lead = text("lead");
    sums.touched(&touched("2026-02-04", &lead, Standing::Other, (2, 1), &[5, 0, 0])).expect("a row");
    let table = Grid::of(sums.marketing_share());
    table.assert_sorted(&["window", "period", "period_start", "kind"]);
    let row = table.find(&[("period_start", "2026-01-01"), ("kind", "(all)")]);
    assert_eq!((table.float(row, "share"), table.cell(row, "attributed_value")), (None, Value::Null));
    assert_eq!((table.int(row, "spend"), table.float(row, "roas"), table.float(row, "roi")), (500, None, None));
    // The unset kind is there where others have names.
    let row = table.find(&[("period_start", "2026-02-01"), ("kind", "(not set)")]);
    assert_eq!((table.int(row, "value"), table.float(row, "share")), (-65, None));
    // Half of −65 is −32.5: to even.
    let row = table.find(&[("period_start", "2026-02-01"), ("kind", "lead")]);
    assert_eq!((table.int(row, "attributed_value"), table.float(row, "roas")), (-32, None));
}

#[test]
fn sums_that_do_not_fit_are_errors() {
    let large = 10_i128.pow(37);
    let search = [text("search")];
    let mut fits = sums(settings());
    for _ in 0..9 {
        fits.earned(&earned("2026-01-04", &search, Standing::New, 1, &[large, large, large])).expect("a row");
    }
    fits.spent(&spent("2026-01-04", &search, 3 * large)).expect("a row");
    let table = Grid::of(fits.returns());
    assert_eq!((table.int(0, "revenue"), table.float(0, "roas"), table.float(0, "roi")), (9 * large, Some(3.0), Some(2.0)));
    assert_eq!(table.float(0, "ltv"), Some(1e35));
    fits.earned(&earned("2026-01-04", &search, Standing::New, 1, &[large, 0, 0])).expect("a row");
    let overflow = |table, column: &str| ReturnsError::Overflow { table, column: column.to_owned() };
    assert_eq!(fits.returns(), Err(overflow("returns", "revenue")), "38 digits are all that a column has");
    let mut row = earned("2026-01-04", &search, Standing::New, 1, &[i128::MAX, 0, 0]);
    assert_eq!(fits.earned(&row), Err(overflow("returns", "revenue")));
    row.values = &[0, 0];
    assert_eq!(fits.earned(&row), Err(ReturnsError::Length { what: "values", expected: 3, found: 2 }));
    let mut clicks = sums(settings());
    let row = Spent { clicks: u64::MAX, ..spent("2026-01-04", &search, 1) };
    clicks.spent(&row).expect("a row");
    clicks.spent(&row).expect("as many clicks as 64 bits hold");
    let mut gain = sums(settings());
    gain.spent(&spent("2026-01-04", &search, i128::MIN)).expect("a row");
    assert_eq!(gain.returns(), Err(overflow("returns", "roi")));
}

#[test]
fn rows_that_cannot_be_are_errors() {
    let mut sums = sums(settings());
    let search = [text("search")];
    let row = earned("2026-01-04", &search, Standing::New, 1, &[0, 0, 0]);
    let unknown = sums.earned(&Earned { model: "liner", ..row }).expect_err("no such model");
    assert_eq!(unknown.to_string(), "unknown model \"liner\", expected one of: linear");
    let unknown = sums.earned(&Earned { window: "31d", ..row }).expect_err("no such window");
    assert_eq!(unknown.to_string(), "unknown window \"31d\", expected one of: 30d");
    for far in [i32::MIN, i32::MAX] {
        assert_eq!(sums.earned(&Earned { day: far, ..row }), Err(ReturnsError::Day { day: far }));
        let month = cohort("2026-01-01", &search[0], 0, 1, &[0, 0, 0]);
        assert_eq!(sums.cohort(&Cohort { month: far, ..month }), Err(ReturnsError::Day { day: far }));
    }
    let wide = [text("search"), text("spring")];
    let error = sums.spent(&spent("2026-01-04", &wide, 1)).expect_err("too many cells");
    assert_eq!(error.to_string(), "expected 1 cells of a group, found 2");
    let old = cohort("2026-01-01", &search[0], 200_000, 1, &[0, 0, 0]);
    assert_eq!(sums.cohort(&old), Err(ReturnsError::Age { age: 200_000 }));
    let row = touched("2026-01-04", &Value::Null, Standing::New, (1, 2), &[0, 0, 0]);
    assert_eq!(sums.touched(&row), Err(ReturnsError::Touched { conversions: 1, touched: 2 }));
    // A kind may be called like a row: it stays a row of its own.
    let kind = text("(all)");
    sums.touched(&Touched { kind: &kind, touched: 1, ..row }).expect("any kind");
    assert_eq!(sums.returns().map(|(_, rows)| rows.len()), Ok(0), "what was refused is not in the sums");
}

#[test]
fn settings_that_do_not_go_together_are_errors() {
    let refused = |change: &dyn Fn(&mut Settings)| {
        let mut settings = settings();
        change(&mut settings);
        Sums::new(settings).expect_err("settings that do not go together").to_string()
    };
    assert_eq!(refused(&|it| it.margin = Some(3)), "margin: expected one of 3 values, found the one in place 3");
    assert_eq!(refused(&|it| it.by.clear()), "by: expected the channel first, found nothing");
    assert_eq!(refused(&|it| it.exponent = 19), "exponent: expected at most 18 digits behind the point, found 19");
    assert_eq!(refused(&|it| it.windows.push("30d".into())), "windows: expected each name once, found \"30d\" twice");
    assert_eq!(refused(&|it| it.values[2] = "ltv".into()), "table returns would have two columns called \"ltv\"");
    assert_eq!(refused(&|it| it.values[2] = "age_months".into()), "table cohorts would have two columns called \"age_months\"");
    assert_eq!(refused(&|it| it.budgets = vec![Budget::default(); 2]), "budgets: expected at most one by goal, found more");
    let reversed = Target { low: Some(0.5), high: Some(0.25) };
    let targets = |it: &mut Settings| it.budgets = vec![Budget { targets: [("a".into(), reversed)].into(), ..Budget::default() }];
    assert_eq!(refused(&targets), "budgets: part \"a\": expected a low end below the high end, found 0.5 and 0.25");
    let what_if = |period, last| move |it: &mut Settings| it.what_if = Some(WhatIf { period, last });
    assert_eq!(refused(&what_if(Period::All, 26)), "what_if: expected day, week, month or quarter, found all");
    assert_eq!(refused(&what_if(Period::Week, 7)), "what_if: expected at least 8 periods, found 7");
    let days = i32::MIN..0;
    assert_eq!(refused(&|it| it.observed = Some(days.clone())), "day -2147483648 is not in the years 1 to 9999");
}
