//! Everything a second time, slowly: each cell by looking at all rows.

use std::collections::BTreeSet;

use attributary_core::table::Field;
use attributary_core::time::Day;
use attributary_core::value::{ColumnType, Value};
use attributary_returns::{Budget, Earned, ModelName, Period, Settings, Spent, Standing, Sums, Touched};
use proptest::prelude::*;

use crate::support::*;

const MODELS: [&str; 2] = ["linear", "first_touch"];
const WINDOWS: [&str; 2] = ["30d", "all"];
const CHANNELS: [&str; 4] = ["search", "mail", "(unattributed)", "(not set)"];
const CAMPAIGNS: [&str; 2] = ["spring", "autumn"];
const KINDS: [&str; 2] = ["order", "lead"];
const GOALS: [&str; 3] = ["sales", "brand", "test"];
const STANDINGS: [Standing; 3] = [Standing::New, Standing::Returning, Standing::Other];

#[derive(Clone, Debug)]
struct EarnedRow {
    whose: (usize, usize),
    day: Day,
    group: (usize, usize),
    kind: usize,
    standing: usize,
    conversions: i128,
    values: [i128; 3],
}

#[derive(Clone, Debug)]
struct SpentRow {
    day: Day,
    group: (usize, usize),
    goal: usize,
    amount: i128,
    clicks: u64,
}

#[derive(Clone, Debug)]
struct TouchedRow {
    window: usize,
    day: Day,
    kind: usize,
    standing: usize,
    conversions: u64,
    untouched: u64,
    revenue: i128,
    touched_revenue: i128,
}

#[derive(Clone, Debug)]
struct Log {
    earned: Vec<EarnedRow>,
    spent: Vec<SpentRow>,
    touched: Vec<TouchedRow>,
}

fn days() -> impl Strategy<Value = Day> {
    // Around a new year, and a year before.
    prop_oneof![20_400..20_500_i32, 20_040..20_130_i32]
}

fn logs() -> impl Strategy<Value = Log> {
    let group = || (0..CHANNELS.len(), 0..CAMPAIGNS.len());
    let amounts = || -100_000..1_000_000_i128;
    let earned = (
        (0..2_usize, 0..2_usize),
        days(),
        group(),
        0..2_usize,
        0..3_usize,
        0..3_000_000_000_i128,
        [amounts(), amounts(), amounts()],
    )
        .prop_map(|(whose, day, group, kind, standing, conversions, values)| EarnedRow {
            whose,
            day,
            group,
            kind,
            standing,
            conversions,
            values,
        });
    let spent = (days(), group(), 0..3_usize, amounts(), 0..100_u64).prop_map(|(day, group, goal, amount, clicks)| SpentRow {
        day,
        group,
        goal,
        amount,
        clicks,
    });
    let touched = (0..2_usize, days(), 0..2_usize, 0..3_usize, 0..9_u64, 0..9_u64, amounts(), amounts()).prop_map(
        |(window, day, kind, standing, touched, untouched, revenue, touched_revenue)| TouchedRow {
            window,
            day,
            kind,
            standing,
            conversions: touched + untouched,
            untouched,
            revenue,
            touched_revenue,
        },
    );
    let many = 0..40_usize;
    let earned = proptest::collection::vec(earned, many.clone());
    (earned, proptest::collection::vec(spent, many.clone()), proptest::collection::vec(touched, many))
        .prop_map(|(earned, spent, touched)| Log { earned, spent, touched })
}

fn group(of: (usize, usize)) -> [Value; 2] {
    // What no touch earned has no campaign; nor has any text that is not there.
    let campaign = if CHANNELS[of.0] == "(unattributed)" { Value::Null } else { text(CAMPAIGNS[of.1]) };
    [if CHANNELS[of.0] == "(not set)" { Value::Null } else { text(CHANNELS[of.0]) }, campaign]
}

/// How a group is called in the table.
fn named(of: (usize, usize)) -> [Value; 2] {
    [text(CHANNELS[of.0]), group(of)[1].clone()]
}

fn add_up(log: &Log) -> Sums {
    let settings = Settings {
        models: MODELS.map(|name| ModelName { name: name.into(), additive: true }).into(),
        windows: WINDOWS.map(str::to_owned).into(),
        periods: Period::EVERY.into(),
        by: ["channel", "campaign"].map(|name| Field::new(name, ColumnType::Text)).into(),
        budgets: vec![Budget::default()],
        ..settings()
    };
    let mut sums = sums(settings);
    for row in &log.earned {
        let (kind, group) = (text(KINDS[row.kind]), group(row.group));
        let (model, window, standing) = (MODELS[row.whose.0], WINDOWS[row.whose.1], STANDINGS[row.standing]);
        let (conversions, values) = (row.conversions, &row.values);
        sums.earned(&Earned { model, window, day: row.day, group: &group, kind: &kind, standing, conversions, values })
            .expect("a row");
    }
    for row in &log.spent {
        let (group, goal) = (group(row.group), Some(GOALS[row.goal]));
        let SpentRow { day, amount, clicks, .. } = *row;
        sums.spent(&Spent { day, group: &group, goal, amount, clicks, impressions: 2 * clicks }).expect("a row");
    }
    for row in &log.touched {
        sums.touched(&Touched {
            window: WINDOWS[row.window],
            day: row.day,
            kind: &text(KINDS[row.kind]),
            standing: STANDINGS[row.standing],
            conversions: row.conversions,
            touched: row.conversions - row.untouched,
            values: &[row.revenue, 0, 0],
            touched_values: &[row.touched_revenue, 0, 0],
        })
        .expect("a row");
    }
    sums
}

/// All numbers here are so small that both sides of a ratio are exact floats.
fn over(numerator: i128, denominator: i128) -> Option<f64> {
    (denominator != 0).then(|| numerator as f64 / denominator as f64)
}

fn start(period: Period, day: Day) -> Value {
    period.start(day).map_or(Value::Null, |day| Value::Int(day.into()))
}

proptest! {
    #[test]
    fn returns_are_those_of_the_oracle(log in logs()) {
        let table = Grid::of(add_up(&log).returns());
        table.assert_sorted(&["model", "window", "period", "period_start", "channel", "campaign"]);
        let mut expected = BTreeSet::new();
        for period in Period::EVERY {
            let mut key = |model: usize, window: usize, day, of| {
                let [channel, campaign] = named(of);
                let (model, window) = (text(MODELS[model]), text(WINDOWS[window]));
                expected.insert((model, window, text(period.name()), start(period, day), channel, campaign));
            };
            log.earned.iter().for_each(|row| key(row.whose.0, row.whose.1, row.day, row.group));
            for row in &log.spent {
                (0..4).for_each(|both| key(both / 2, both % 2, row.day, row.group));
            }
        }
        prop_assert_eq!(table.rows.len(), expected.len());
        for (row, key) in expected.iter().enumerate() {
            let (model, window, period, begin, channel, campaign) = key;
            let cells = ["model", "window", "period", "period_start", "channel", "campaign"].map(|name| table.cell(row, name));
            prop_assert_eq!(&cells, &[model, window, period, begin, channel, campaign].map(Clone::clone));
            let period = period.as_text().and_then(Period::named).expect("a period");
            let within = |day| start(period, day) == *begin;
            let of_group = |of| named(of) == [channel.clone(), campaign.clone()];
            let earned: Vec<_> = log.earned.iter().filter(|row| {
                let whose = (text(MODELS[row.whose.0]), text(WINDOWS[row.whose.1]));
                whose == (model.clone(), window.clone()) && within(row.day) && of_group(row.group)
            }).collect();
            let sum = |of: &dyn Fn(&EarnedRow) -> i128| earned.iter().map(|row| of(row)).sum::<i128>();
            let spent: Vec<_> = log.spent.iter().filter(|row| within(row.day) && of_group(row.group)).collect();
            let spend: i128 = spent.iter().map(|row| row.amount).sum();
            let clicks: u64 = spent.iter().map(|row| row.clicks).sum();
            let (revenue, margin, worth) = (sum(&|row| row.values[0]), sum(&|row| row.values[1]), sum(&|row| row.values[2]));
            let conversions = sum(&|row| row.conversions);
            let new = sum(&|row| if row.standing == 0 { row.conversions } else { 0 });
            let returning = sum(&|row| if row.standing == 1 { row.conversions } else { 0 });
            let leads = sum(&|row| if row.kind == 1 { row.conversions } else { 0 });
            for (name, expected) in [
                ("spend", spend), ("clicks", clicks.into()), ("impressions", (2 * clicks).into()), ("revenue", revenue),
                ("margin", margin), ("worth", worth), ("conversions", conversions), ("new_customers", new),
                ("returning_conversions", returning), ("leads", leads),
            ] {
                prop_assert_eq!(table.int(row, name), expected, "{}", name);
            }
            let budget: i128 = log.spent.iter().filter(|row| within(row.day)).map(|row| row.amount).sum();
            let totals = || log.touched.iter().filter(|row| text(WINDOWS[row.window]) == *window && within(row.day));
            let all: i128 = totals().map(|row| row.revenue).sum();
            let customers: u64 = totals().filter(|row| row.standing == 0).map(|row| row.conversions).sum();
            let known = !log.touched.is_empty();
            let each = |amount: i128, shares: i128| over(amount * WHOLE, shares * 100);
            for (name, expected) in [
                ("roas", over(revenue, spend)), ("roi", over(margin - spend, spend)), ("poas", over(margin, spend)),
                ("break_even_roas", over(revenue, margin)), ("mer", over(all, budget).filter(|_| known)),
                ("cpa", each(spend, conversions)), ("cpl", each(spend, leads)), ("cac", each(spend, new)),
                ("blended_cac", over(budget, i128::from(customers) * 100).filter(|_| known)),
                ("ltv", each(worth, new)), ("ltv_cac", over(worth, spend).filter(|_| new != 0)),
            ] {
                prop_assert_eq!(table.float(row, name), expected, "{}", name);
            }
        }
    }

    #[test]
    fn shares_are_those_of_the_oracle(log in logs()) {
        let table = Grid::of(add_up(&log).marketing_share());
        table.assert_sorted(&["window", "period", "period_start", "kind"]);
        let mut expected = BTreeSet::new();
        for period in Period::EVERY {
            for row in &log.touched {
                for kind in ["(all)", "(customers)", KINDS[row.kind]] {
                    expected.insert((text(WINDOWS[row.window]), text(period.name()), start(period, row.day), text(kind)));
                }
            }
            for (row, window) in log.spent.iter().flat_map(|row| WINDOWS.map(|window| (row, window))) {
                for kind in ["(all)", "(customers)"] {
                    expected.insert((text(window), text(period.name()), start(period, row.day), text(kind)));
                }
            }
        }
        prop_assert_eq!(table.rows.len(), expected.len());
        for (row, (window, period, begin, kind)) in expected.iter().enumerate() {
            let cells = ["window", "period", "period_start", "kind"].map(|name| table.cell(row, name));
            prop_assert_eq!(&cells, &[window, period, begin, kind].map(Clone::clone));
            let period = period.as_text().and_then(Period::named).expect("a period");
            let within: Vec<_> = log.touched.iter()
                .filter(|row| text(WINDOWS[row.window]) == *window && start(period, row.day) == *begin).collect();
            let of_kind = |row: &&&TouchedRow| match kind.as_text() {
                Some("(all)") => true,
                Some("(customers)") => row.standing == 0,
                other => Some(KINDS[row.kind]) == other,
            };
            let value: i128 = within.iter().map(|row| row.revenue).sum();
            let conversions: i128 = within.iter().filter(of_kind).map(|row| i128::from(row.conversions)).sum();
            let touched: i128 = within.iter().filter(of_kind).map(|row| i128::from(row.conversions - row.untouched)).sum();
            let touched_value: i128 = within.iter().filter(of_kind).map(|row| row.touched_revenue).sum();
            let spend: i128 = log.spent.iter().filter(|row| start(period, row.day) == *begin).map(|row| row.amount).sum();
            prop_assert_eq!(table.int(row, "conversions"), conversions);
            prop_assert_eq!(table.int(row, "touched"), touched);
            prop_assert_eq!(table.int(row, "value"), value);
            prop_assert_eq!(table.int(row, "touched_value"), touched_value);
            prop_assert_eq!(table.int(row, "spend"), spend);
            prop_assert_eq!(table.float(row, "share"), over(touched, conversions));
            if conversions == 0 {
                prop_assert_eq!(table.cell(row, "attributed_value"), Value::Null);
                prop_assert_eq!(table.float(row, "roas"), None);
                continue;
            }
            let attributed = table.int(row, "attributed_value");
            let off = (attributed * conversions - value * touched).abs() * 2;
            prop_assert!(off < conversions || off == conversions && attributed % 2 == 0, "half to even");
            prop_assert_eq!(table.float(row, "roas"), over(attributed, spend));
            prop_assert_eq!(table.float(row, "roi"), over(attributed - spend, spend));
        }
    }

    /// Parts are exactly the whole: of spend, and of everything that was earned.
    #[test]
    fn parts_of_the_budget_add_up(log in logs()) {
        let table = Grid::of(add_up(&log).budget());
        table.assert_sorted(&["by", "part", "period", "period_start", "model", "window"]);
        for period in Period::EVERY {
            let days = log.earned.iter().map(|row| row.day).chain(log.spent.iter().map(|row| row.day));
            let starts: BTreeSet<Value> = days.map(|day| start(period, day)).collect();
            for (begin, both) in starts.iter().flat_map(|begin| (0..4).map(move |both| (begin, both))) {
                let (model, window) = (both / 2, both % 2);
                let rows: Vec<usize> = (0..table.rows.len()).filter(|row| {
                    table.text(*row, "period") == period.name() && table.cell(*row, "period_start") == *begin
                        && table.text(*row, "model") == MODELS[model] && table.text(*row, "window") == WINDOWS[window]
                }).collect();
                let spend: i128 = log.spent.iter().filter(|row| start(period, row.day) == *begin).map(|row| row.amount).sum();
                prop_assert_eq!(rows.iter().map(|row| table.int(*row, "spend")).sum::<i128>(), spend);
                for (place, name) in ["revenue", "margin", "worth"].iter().enumerate() {
                    let earned = log.earned.iter().filter(|row| row.whose == (model, window) && start(period, row.day) == *begin);
                    let earned: i128 = earned.map(|row| row.values[place]).sum();
                    prop_assert_eq!(rows.iter().map(|row| table.int(*row, name)).sum::<i128>(), earned, "{}", name);
                }
                for row in rows {
                    let part = table.text(row, "part");
                    let of_part = |row: &&SpentRow| GOALS[row.goal] == part && start(period, row.day) == *begin;
                    let spent: i128 = log.spent.iter().filter(of_part).map(|row| row.amount).sum();
                    prop_assert_eq!(table.int(row, "spend"), spent);
                    prop_assert_eq!(table.float(row, "share"), over(spent, spend));
                    prop_assert_eq!(table.float(row, "roas"), over(table.int(row, "revenue"), spent));
                }
            }
        }
    }

    /// Rows in any order are the same table.
    #[test]
    fn the_order_of_rows_does_not_matter(log in logs()) {
        let mut reversed = log.clone();
        reversed.earned.reverse();
        reversed.spent.reverse();
        reversed.touched.reverse();
        let (one, other) = (add_up(&log), add_up(&reversed));
        for table in [Sums::returns, Sums::marketing_share, Sums::cohorts, Sums::budget, Sums::what_if] {
            prop_assert_eq!(table(&one), table(&other));
        }
    }
}
