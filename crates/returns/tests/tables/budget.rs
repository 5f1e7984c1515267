//! Parts of the budget.

use std::collections::BTreeMap;

use attributary_core::table::Field;
use attributary_core::value::{ColumnType, Value};
use attributary_returns::{Budget, Earned, ModelName, NO_SPEND, Parts, Period, RoasTargets, Settings, Spent, Standing, Target};

use crate::support::*;

fn target(low: f64, high: Option<f64>) -> Target {
    Target { low: Some(low), high }
}

#[test]
fn goals_have_their_share_and_what_it_brought() {
    let targets =
        [("long-term", target(0.30, None)), ("test and learn", target(0.10, Some(0.15))), ("unused", target(0.01, None))];
    let budget = Budget {
        parts: Parts::Goal,
        targets: targets.map(|(part, target)| (part.to_owned(), target)).into(),
        roas: RoasTargets { new: Some(0.5), returning: Some(0.5) },
    };
    let mut models = settings().models;
    models.push(ModelName { name: "any_touch".into(), additive: false });
    let mut sums = sums(Settings { budgets: vec![budget], models, ..settings() });
    let (brand, search, direct, nobody) = ([text("brand")], [text("search")], [text("direct")], [text("(unattributed)")]);
    let on = |goal, row| Spent { goal, ..row };
    sums.spent(&on(Some("long-term"), spent("2026-02-01", &brand, 30_000))).expect("a row");
    // Search is for two goals, one to two, and something that nobody knows.
    sums.spent(&on(Some("sales"), spent("2026-02-01", &search, 33_000))).expect("a row");
    sums.spent(&on(Some("test and learn"), spent("2026-02-02", &search, 16_500))).expect("a row");
    sums.spent(&on(None, spent("2026-02-02", &[Value::Null], 20_500))).expect("a row");
    sums.spent(&on(Some("sales"), spent("2025-02-02", &search, 10_000))).expect("a row");
    sums.earned(&earned("2026-02-03", &search, Standing::New, 1, &[10_001, 5_000, 20_000])).expect("a row");
    sums.earned(&earned("2026-02-04", &brand, Standing::Returning, 2, &[15_000, 5_000, 0])).expect("a row");
    sums.earned(&earned("2026-02-05", &direct, Standing::Returning, 1, &[700, 0, 0])).expect("a row");
    sums.earned(&earned("2026-02-05", &nobody, Standing::Returning, 1, &[50, 0, 0])).expect("a row");
    sums.earned(&earned("2025-02-05", &search, Standing::New, 1, &[15_000, 0, 0])).expect("a row");
    sums.earned(&Earned { model: "any_touch", ..earned("2026-02-03", &search, Standing::New, 1, &[9, 9, 9]) }).expect("a row");
    let table = Grid::of(sums.budget());
    table.assert_sorted(&["by", "part", "period", "period_start", "model", "window"]);
    let row = |part| table.find(&[("part", part), ("period_start", "2026-02-01")]);
    let verdicts = [("long-term", "within"), ("test and learn", "above"), ("unused", "below"), ("sales", "null")];
    for (part, verdict) in verdicts {
        assert_eq!(table.text(row(part), "verdict"), verdict, "{part}");
    }
    assert_eq!(table.float(row("long-term"), "share"), Some(0.3));
    assert_eq!(table.float(row("test and learn"), "share"), Some(0.165));
    assert_eq!(table.text(row("(not set)"), "spend"), "205.00");
    // 10,001 two to one is 6,667 and a third, 3,333 and two thirds: the unit that is left goes to the larger remainder.
    assert_eq!((table.int(row("sales"), "revenue"), table.int(row("test and learn"), "revenue")), (6_667, 3_334));
    assert_eq!(table.int(row(NO_SPEND), "revenue"), 700);
    assert_eq!(table.int(row("(unattributed)"), "revenue"), 50);
    assert_eq!(table.float(row("long-term"), "roas"), Some(0.5));
    assert_eq!(table.text(row("long-term"), "returning_roas_verdict"), "within");
    assert_eq!(table.text(row("long-term"), "new_roas_verdict"), "below");
    // A year before sales had all of search.
    assert_eq!(table.int(row("sales"), "spend_year_before"), 10_000);
    assert_eq!(table.int(row("sales"), "value_year_before"), 15_000);
    assert_eq!(table.float(row("sales"), "roas_year_before"), Some(1.5));
    assert_eq!(table.int(row("long-term"), "spend_year_before"), 0);
    assert_eq!(table.float(row("long-term"), "roas_year_before"), None);
    let before = table.find(&[("part", "sales"), ("period_start", "2025-02-01")]);
    assert_eq!(table.cell(before, "spend_year_before"), Value::Null);
    assert_eq!(table.cell(before, "value_year_before"), Value::Null);
    assert!((0..table.rows.len()).all(|row| table.text(row, "model") == "linear"), "models that do not add up are left out");
}

#[test]
fn stages_are_their_channels() {
    let stages =
        BTreeMap::from([("video", "awareness"), ("search", "sales")].map(|(channel, stage)| (channel.into(), stage.into())));
    let budget = Budget { parts: Parts::Stage(stages), ..Budget::default() };
    let by = vec![Field::new("channel", ColumnType::Text), Field::new("campaign", ColumnType::Text)];
    let observed = Some(day("2026-01-01")..day("2027-01-01"));
    let mut sums =
        sums(Settings { budgets: vec![budget], by, observed, periods: vec![Period::All, Period::Month], ..settings() });
    for (channel, campaign, spend, revenue) in [
        ("video", "a", 300, 900),
        ("video", "b", 100, 0),
        ("search", "a", 600, 100),
        ("mail", "a", 0, 70),
        ("(unattributed)", "", 0, 5),
    ] {
        let group = [text(channel), text(campaign)];
        for at in ["2026-03-01", "2025-03-01"] {
            sums.spent(&spent(at, &group, spend)).expect("a row");
            sums.earned(&earned(at, &group, Standing::New, 1, &[revenue, 0, 0])).expect("a row");
        }
    }
    let table = Grid::of(sums.budget());
    let row = |part| table.find(&[("part", part), ("period_start", "2026-03-01")]);
    for (part, spend, revenue) in [("awareness", 400, 900), ("sales", 600, 100), ("(not set)", 0, 70), ("(unattributed)", 0, 5)] {
        assert_eq!((table.int(row(part), "spend"), table.int(row(part), "revenue")), (spend, revenue), "{part}");
    }
    // The year before is not observed, though its spend is known.
    assert_eq!(table.int(row("sales"), "spend_year_before"), 600);
    assert_eq!(table.cell(row("sales"), "value_year_before"), Value::Null);
    assert_eq!(table.float(row("sales"), "roas_year_before"), None);
    let all = table.find(&[("part", "sales"), ("period", "all")]);
    assert_eq!((table.cell(all, "period_start"), table.int(all, "spend")), (Value::Null, 1_200));
    table.assert_sorted(&["by", "part", "period", "period_start", "model", "window"]);
}

#[test]
fn credit_notes_never_divide_by_less_than_nothing() {
    let mut sums = sums(Settings { budgets: vec![Budget::default()], ..settings() });
    let search = [text("search")];
    for (goal, amount) in [("a", -100), ("b", 0), ("c", 40)] {
        sums.spent(&Spent { goal: Some(goal), ..spent("2026-01-01", &search, amount) }).expect("a row");
    }
    let mail = [text("mail")];
    for (goal, amount) in [("e", -100), ("d", -5)] {
        sums.spent(&Spent { goal: Some(goal), ..spent("2026-01-01", &mail, amount) }).expect("a row");
    }
    for group in [&search, &mail] {
        sums.earned(&earned("2026-01-02", group, Standing::New, 1, &[-101, 0, 0])).expect("a row");
    }
    let table = Grid::of(sums.budget());
    let revenue: Vec<i128> = ["a", "b", "c", "d", "e"].map(|part| table.int(table.find(&[("part", part)]), "revenue")).into();
    assert_eq!(revenue, [0, 0, -101, -101, 0]);
}
