//! Bad input to what marketing is worth: what ends a run and with which words, what is rejected and counted, and what is only
//! warned of.

use std::path::Path;

use attributary_core::value::Value;
use tempfile::TempDir;

use crate::cases::unbalanced;
use crate::support::{attributary, read_current, shown};

const PIPELINE: &str = r#"
[pipeline]
output   = "out"
currency = "SEK"

[touchpoints]
source  = "touchpoints.csv"
columns = { customer = "customer", time = "time", channel = "channel" }
dimensions = ["country"]

[conversions]
source  = "conversions.csv"
columns = { id = "id", customer = "customer", time = "time", kind = "kind", refund_of = "refund_of" }
values  = { revenue = "revenue" }

[[model]]
kind = "last_touch"

[[spend]]
source  = "spend.csv"
columns = { date = "date", channel = "channel", amount = "amount", currency = "currency" }

[fx]
source  = "rates.csv"
columns = { date = "date", currency = "currency", rate = "rate" }

[customers]

[returns]
"#;

const FILES: [(&str, &str); 4] = [
    ("touchpoints.csv", "customer,time,channel,country\nc1,2025-01-01T00:00:00Z,search,se\nc2,2025-01-01T00:00:00Z,email,no\n"),
    (
        "conversions.csv",
        "id,customer,time,kind,refund_of,revenue,currency\no1,c1,2025-01-02T00:00:00Z,purchase,,100,EUR\no2,c2,2025-01-02T00:00:00Z,lead,,50,SEK\n",
    ),
    ("spend.csv", "date,channel,amount,currency,goal\n2025-01-01,search,10,EUR,brand\n2025-01-01,email,5,SEK,sales\n"),
    ("rates.csv", "date,currency,rate\n2025-01-01,EUR,11.5\n"),
];

/// What a run did.
struct Ran {
    folder: TempDir,
    code: i32,
    report: serde_json::Value,
    stderr: String,
}

/// Runs the pipeline with a change to it and with other files.
fn run((old, new): (&str, &str), files: &[(&str, &str)]) -> Ran {
    let folder = tempfile::tempdir().expect("a temporary folder");
    assert!(PIPELINE.contains(old), "{old} is not in the pipeline");
    for (name, text) in FILES.iter().chain(files).chain([&("pipeline.toml", &*PIPELINE.replacen(old, new, 1))]) {
        std::fs::write(folder.path().join(name), text).expect("written");
    }
    let mut command = attributary();
    command.arg("run").arg(folder.path().join("pipeline.toml")).args(["--quiet", "--format", "json"]);
    let (code, stdout, stderr) = shown(&command.output().expect("the binary starts"));
    Ran { folder, code, report: serde_json::from_str(&stdout).unwrap_or_default(), stderr }
}

impl Ran {
    fn output(&self) -> std::path::PathBuf {
        self.folder.path().join("out")
    }

    /// The run went well, and its ledger is zero.
    fn succeeded(self) -> Self {
        assert_eq!(self.code, 0, "{}", self.stderr);
        assert_eq!(unbalanced(&self.output()), None);
        self
    }

    fn warnings(&self) -> Vec<&str> {
        self.report["warnings"].as_array().into_iter().flatten().filter_map(|warning| warning.as_str()).collect()
    }

    /// A column of a table, as text.
    fn column(&self, table: &str, column: &str) -> Vec<String> {
        column_of(&self.output(), table, column)
    }
}

fn column_of(output: &Path, table: &str, column: &str) -> Vec<String> {
    let table = read_current(output, table);
    let place = table.place(column).expect("a column");
    let text = |value: &Value| if value.is_null() { "-".to_owned() } else { value.display(&table.fields[place].kind) };
    table.rows.iter().map(|row| text(&row[place])).collect()
}

/// What is wrong with the pipeline file is said before anything is read, with exit code 2; what is wrong with a source, with 3.
#[test]
fn what_ends_a_run() {
    let added = |line: &str| format!("[returns]\n{line}\n");
    let in_returns = |line: &str, code: i32, said: &[&str]| ends(("[returns]\n", &added(line)), &[], code, said);
    in_returns("revenue = 'revenu'", 2, &["returns.revenue", "expected one of revenue", "did you mean \"revenue\"?"]);
    in_returns("ltv = 'clv'", 2, &["returns.ltv", "found \"clv\""]);
    in_returns("periods = ['monthly']", 2, &["returns.periods", "day, week, month, quarter, all", "did you mean \"month\"?"]);
    in_returns("periods = []", 2, &["returns.periods", "at least one period"]);
    in_returns("by = ['country']", 2, &["returns.by", "the channel first"]);
    in_returns("by = ['channel', 'conversion_date']", 2, &["returns.by", "expected one of channel, campaign, country"]);
    in_returns("what_if = '3w'", 2, &["returns.what_if", "at least \"8w\""]);
    in_returns("marketing = \"chanel <> 'x'\"", 2, &["returns.marketing", "no column \"chanel\"", "did you mean channel?"]);
    in_returns("[budget]\ngoals = { test = { min = 0.5, max = 0.1 } }", 2, &["budget.goals.test.min", "at most max = 0.1"]);
    in_returns("[budget]\ngoals = { test = { min = 30 } }", 2, &["budget.goals.test.min", "a share from 0 to 1"]);
    let stages = "[budget]\nstages = { a = { channels = ['x'] }, b = { channels = ['x'] } }";
    in_returns(stages, 2, &["budget.stages.b.channels", "\"x\" twice"]);

    let in_customers = |line: &str, said: &[&str]| ends(("[customers]\n", &format!("[customers]\n{line}\n")), &[], 2, said);
    in_customers("until = 'tomorrow'", &["customers.until", "a day such as 2026-06-30"]);
    in_customers("horizon = '12h'", &["customers.horizon", "whole days"]);
    in_customers("discount_rate = -0.1", &["customers.discount_rate", "a yearly rate from 0 on"]);
    in_customers("loyal_score = 9", &["customers.loyal_score", "a score from 1 to 5"]);

    let fx = &PIPELINE[PIPELINE.find("[fx]").expect("there")..PIPELINE.find("[customers]").expect("there")];
    ends((fx, ""), &[], 2, &["columns.currency", "need exchange rates", "add [fx] with source"]);
    ends(("kind = \"kind\", ", "currency = \"currency\", "), &[], 0, &[]);
    let no_kind = ("kind = \"kind\", refund_of = \"refund_of\" }", "refund_of = \"refund_of\" }\norder_kinds = [\"purchase\"]");
    ends(no_kind, &[], 2, &["conversions.order_kinds", "conversions.columns.kind"]);
    let both_goals = ("currency = \"currency\" }", "goal = \"goal\" }\ngoal = \"brand\"");
    ends(both_goals, &[], 2, &["columns.goal", "a goal for all rows or a column of goals"]);
    ends((", amount = \"amount\"", ""), &[], 2, &["columns.amount", "is required"]);
    let dimension = ("currency = \"currency\" }", "currency = \"currency\" }\ndimensions = [\"device\"]");
    ends(dimension, &[], 2, &["dimensions", "expected one of country, found \"device\""]);
    ends(("{ revenue = ", "{ spend = "), &[], 2, &["conversions.values.spend", "taken by a column of attributary's own tables"]);

    ends(("\"spend.csv\"", "\"spending.csv\""), &[], 3, &["there is no such file or folder", "spending.csv"]);
    ends(("amount = \"amount\"", "amount = \"cost\""), &[], 3, &["no column \"cost\"", "spend.csv", "amount, currency"]);
    let nothing = ("[returns]", "[returns]");
    let ten = [("spend.csv", "date,channel,amount,currency\n2025-01-01,search,ten,SEK\n")];
    ends(nothing, &ten, 3, &["columns.amount", "is text", "spend.csv", "expected integers, decimals or floats"]);
    let eleven = [("rates.csv", "date,currency,rate\n2025-01-01,EUR,eleven\n")];
    ends(nothing, &eleven, 3, &["fx.columns.rate", "is text", "rates.csv"]);
    let two = [("rates.csv", "date,currency,rate\n2025-01-01,EUR,11.5\n2025-01-02,EUR,11\n2025-01-01,EUR,11.6\n")];
    ends(nothing, &two, 3, &["EUR is 11.6 on 2025-01-01 in row 2", "11.5 in row 0", "keep one rate"]);
}

/// Nothing is published by a run that fails.
#[track_caller]
fn ends(change: (&str, &str), files: &[(&str, &str)], code: i32, said: &[&str]) {
    let ran = run(change, files);
    assert_eq!(ran.code, code, "{change:?}\n{}", ran.stderr);
    for part in said {
        assert!(ran.stderr.contains(part), "{change:?}: no {part:?} in\n{}", ran.stderr);
    }
    assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
    assert_eq!(ran.output().join("current").exists(), code == 0, "{change:?}");
}

#[test]
fn spend_without_a_rate_or_a_day_is_rejected_and_counted() {
    let spend = "date,channel,amount,currency\n2025-01-01,search,10,GBP\n2025-01-09,search,20,EUR\n2025-01-08,search,1,EUR\n\
                 2025-02-30,search,2,SEK\n99999-01-01,search,4,SEK\n1999-01-01,search,8,SEK\n2025-01-01,search,,SEK\n\
                 2025-01-01,search,-3,SEK\n2025-01-01,search,1000000000000000000,SEK\n";
    let ran = run(("[returns]", "[returns]"), &[("spend.csv", spend)]).succeeded();
    let mut reasons = ran.column("rejects", "reason");
    reasons.sort();
    assert_eq!(
        reasons,
        ["invalid_value", "invalid_value", "missing_rate", "missing_rate", "null_time", "null_time"],
        "{}",
        read_current(&ran.output(), "rejects").text()
    );
    // 11.50 + 8.00 − 3.00; what has no rate has no amount in kronor either.
    let line = ran.report["ledger"].as_array().expect("lines").iter().find(|line| line["model"] == "(spend)").expect("a line");
    assert_eq!((line["attributed"].as_str(), line["rejected"].as_str()), (Some("16.50"), Some("6.00")));
    assert_eq!(line["difference"], "0.00");
    assert_eq!(ran.report["rows"]["spend"]["rejected"]["missing_rate"], 2);
}

#[test]
fn sources_that_overlap_are_told_with_their_days() {
    let twice =
        "[[spend]]\nsource = \"other.csv\"\ncolumns = { date = \"date\", channel = \"channel\", amount = \"amount\" }\n\n[fx]";
    let other = "date,channel,amount\n2025-01-01,search,1\n2025-01-02,search,1\n2025-01-03,search,1\n2025-01-04,social,1\n";
    let spend = "date,channel,amount,currency\n2025-01-02,search,1,SEK\n2025-01-03,search,1,SEK\n2025-01-04,search,1,SEK\n";
    let ran = run(("[fx]", twice), &[("other.csv", other), ("spend.csv", spend)]).succeeded();
    let overlaps: Vec<&str> = ran.warnings().into_iter().filter(|warning| warning.contains("both have spend")).collect();
    assert_eq!(overlaps.len(), 1, "{overlaps:?}");
    assert!(overlaps[0].contains("channel \"search\" on 2 days from 2025-01-02 to 2025-01-03"), "{overlaps:?}");
}

#[test]
fn without_any_spend_every_ratio_to_it_is_null() {
    let spend = "date,channel,amount,currency\n2025-01-01,search,0,SEK\n2025-01-01,email,5,SEK\n2025-01-01,email,-5,SEK\n";
    let ran = run(("[returns]", "[returns]\nperiods = [\"all\"]"), &[("spend.csv", spend)]).succeeded();
    assert_eq!(ran.column("returns", "channel"), ["email", "search"]);
    for ratio in ["roas", "roi", "mer", "ltv_cac"] {
        assert_eq!(ran.column("returns", ratio), ["-", "-"], "{ratio}");
    }
}

/// Customers who bought on one day only have the population's mean; where that is no distribution, it is said.
#[test]
fn where_all_spend_alike_the_mean_is_taken_and_told() {
    let ran = run(("[customers]\n", "[customers]\nuntil = 2025-07-31\n"), &[("conversions.csv", &orders_of(10))]).succeeded();
    let warnings = ran.warnings();
    assert!(warnings.len() == 1 && warnings[0].contains("customers' spending has no model"), "{warnings:?}");
    assert!(warnings[0].contains("what was observed is taken instead"), "{warnings:?}");
    let (segments, predicted) = (ran.column("customers", "segment"), ran.column("customers", "predicted_clv"));
    assert!(segments.iter().any(|segment| segment == "one_time"));
    assert!(predicted.iter().all(|amount| amount.parse::<f64>().is_ok_and(f64::is_finite)), "{predicted:?}");
    let statistics = ran.column("customer_value_fit", "statistic");
    assert!(statistics.contains(&"not_fitted".to_owned()), "{statistics:?}");
}

#[test]
fn where_nobody_came_back_nothing_is_foreseen_and_that_is_told() {
    let ran = run(("[returns]", "[returns]"), &[]).succeeded();
    let warnings = ran.warnings();
    assert!(warnings.len() == 1 && warnings[0].contains("cannot be foreseen: none of the 2 customers has bought again"));
    assert_eq!(ran.column("customers", "predicted_clv"), ["-", "-"]);
    assert_eq!(ran.column("customers", "p_alive"), ["-", "-"]);
}

/// Orders of customers who buy at random and drop out at random, each order of so much.
fn orders_of(amount: u32) -> String {
    const ONE: f64 = (1_u64 << 53) as f64;
    let mut state = 1_u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / ONE
    };
    let start = attributary_core::time::parse_day("2025-01-01").expect("a day");
    let mut text = "id,customer,time,kind,refund_of,revenue\n".to_owned();
    let mut orders = 0;
    for customer in 0..400 {
        let mut day = (random() * 60.0).floor();
        let a_day = -(1.0 - random()).ln() * 0.05;
        let drops_out = random().powi(2);
        while day < 210.0 {
            let date = attributary_core::time::day_text(start + day as i32);
            text += &format!("o{orders},c{customer},{date}T12:00:00Z,purchase,,{amount}\n");
            orders += 1;
            if random() < drops_out {
                break;
            }
            day += (-(1.0 - random()).ln() / a_day.max(1e-4)).max(1.0);
        }
    }
    text
}
