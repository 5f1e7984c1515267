//! What marketing is worth, over a log with refunds, two currencies and spend: days that are merged are the whole, byte for byte.

use std::path::Path;

use attributary_store::PublishedRun;
use tempfile::TempDir;

use crate::cases::unbalanced;
use crate::sample::assert_same_bytes;
use crate::support::{attributary, read_current, shown};

/// A folder with a pipeline, its sources and what it wrote.
struct Shop {
    folder: TempDir,
}

const PIPELINE: &str = r#"
[pipeline]
output   = "out"
currency = "SEK"
timezone = "Europe/Stockholm"

[touchpoints]
source  = "log/touchpoints"
columns = { customer = "user_id", time = "event_time", channel = "channel", campaign = "campaign", id = "event_id" }

[conversions]
source      = "log/conversions"
columns     = { id = "order_id", customer = "user_id", time = "ordered_at", kind = "kind", refund_of = "refund_of", currency = "currency" }
order_kinds = ["purchase"]
values      = { revenue = "revenue", margin = "gross_margin" }

[journey]
windows     = ["7d"]
touch_reuse = "since_previous_conversion"

[[model]]
kind = "time_decay"

[[model]]
kind = "any_touch"

[[table]]
name = "by_standing"
by   = ["standing", "kind", "channel"]

[[table]]
name = "by_day"
by   = ["conversion_date", "standing"]

[[spend]]
source   = "log/spend/search.parquet"
timezone = "Europe/Stockholm"
columns  = { date = "day", channel = "channel", campaign = "campaign", amount = "cost", currency = "currency", goal = "goal" }

[[spend]]
source   = "log/spend/social.parquet"
timezone = "America/Los_Angeles"
columns  = { date = "date_start", channel = "channel", campaign = "campaign_name", amount = "amount_spent", currency = "currency", goal = "goal" }

[fx]
source  = "log/rates.csv"
columns = { date = "date", currency = "currency", rate = "rate" }

[customers]
lapsing_after = "20d"

[returns]
periods   = ["day", "week", "month", "quarter", "all"]
by        = ["channel", "campaign"]
marketing = "channel not in ('direct', 'organic_search')"
what_if   = "8w"

[budget]
goals = { brand = { min = 0.3 }, test = { min = 0.1, max = 0.15 } }

[output]
credits = true
"#;

impl Shop {
    /// 45 days of a shop whose customers pay in two currencies, return, and send things back.
    fn of_45_days() -> Self {
        let shop = Self { folder: tempfile::tempdir().expect("a temporary folder") };
        let settings = "--customers 400 --touches 4000 --conversions 700 --days 45 --start 2026-01-01 --currencies SEK,EUR \
                        --refund-of true --spend true --duplicates 0.01 --repeat 0.3 --seed 5 --quiet";
        let mut command = attributary();
        command.arg("simulate").arg(shop.path().join("log")).args(settings.split_whitespace());
        let (code, _, stderr) = shown(&command.output().expect("the binary starts"));
        assert_eq!(code, 0, "{stderr}");
        shop.write("pipeline.toml", PIPELINE);
        shop
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).expect("written");
    }

    /// Runs the pipeline with further arguments into a folder.
    fn try_run(&self, output: &str, arguments: &str) -> (i32, String, String) {
        let mut command = attributary();
        command.arg("run").arg(self.path().join("pipeline.toml")).arg("--output").arg(self.path().join(output));
        command.args(["--quiet", "--format", "json"]).args(arguments.split_whitespace());
        shown(&command.output().expect("the binary starts"))
    }

    fn run(&self, output: &str, arguments: &str) -> PublishedRun {
        let (code, _, stderr) = self.try_run(output, arguments);
        assert_eq!(code, 0, "{arguments}\n{stderr}");
        assert_eq!(unbalanced(&self.path().join(output)), None, "{arguments}");
        let folder = self.path().join(output).join("current").canonicalize().expect("a current run");
        PublishedRun::read(&folder).expect("a manifest")
    }
}

/// Each of the settings has other tables that are counted anew, or none.
const SETTINGS: [(&str, &str); 3] = [
    ("", ""),
    ("--set customers.until=2026-01-31 --set returns.period_by=touch", ""),
    // Without paths, which duplicates of touches are found hangs on who converts on the days that are run together.
    ("--set output.paths=0", "rejects"),
];

#[test]
fn days_merged_one_by_one_are_one_run() {
    let shop = Shop::of_45_days();
    for (number, (settings, _)) in SETTINGS.iter().enumerate() {
        let (days, whole) = (format!("days{number}"), format!("whole{number}"));
        shop.run(&days, &format!("{settings} --from 2026-01-10 --to 2026-01-15"));
        // Out of order, and the last one in the middle of what is there already.
        for day in ["2026-01-15", "2026-01-16", "2026-01-09"] {
            shop.run(&days, &format!("{settings} --date {day} --merge"));
        }
        let merged = shop.run(&days, &format!("{settings} --date 2026-01-12 --merge"));
        let expected = shop.run(&whole, &format!("{settings} --from 2026-01-09 --to 2026-01-17"));
        let names: Vec<&str> = expected.manifest.tables.iter().map(|table| table.name.as_str()).collect();
        for table in ["returns", "marketing_share", "cohorts", "budget", "what_if", "customers", "ledger_currencies"] {
            assert!(names.contains(&table), "no {table} among {names:?}");
        }
        assert_same_bytes(&merged, &expected, "", settings);
    }
}

#[test]
fn a_day_merged_into_a_run_over_everything_changes_no_byte() {
    let shop = Shop::of_45_days();
    for (number, (settings, except)) in SETTINGS.iter().enumerate() {
        let output = format!("out{number}");
        let whole = shop.run(&output, settings);
        assert_same_bytes(&shop.run(&output, &format!("{settings} --date 2026-01-12 --merge")), &whole, except, settings);
    }
}

#[test]
fn refunds_of_other_days_are_taken_off_day_by_day() {
    let shop = Shop::of_45_days();
    let whole = shop.run("whole", "--from 2026-01-20 --to 2026-01-25");
    let refunds = read_current(&shop.path().join("whole"), "credits");
    let (share, value) = (refunds.place("share").expect("share"), refunds.place("revenue").expect("revenue"));
    let zero = attributary_core::value::Value::Int(0);
    assert!(refunds.rows.iter().any(|row| row[share] == zero && row[value] < zero), "no refund among the credits");
    shop.run("days", "--date 2026-01-20");
    for day in 21..25 {
        shop.run("days", &format!("--date 2026-01-{day} --merge"));
    }
    let folder = shop.path().join("days/current").canonicalize().expect("a current run");
    assert_same_bytes(&PublishedRun::read(&folder).expect("a manifest"), &whole, "", "day by day");
}

#[test]
fn threads_and_memory_change_no_byte() {
    let shop = Shop::of_45_days();
    let expected = shop.run("one", "--threads 1");
    assert_same_bytes(&shop.run("two", "--threads 2 --memory 256MB"), &expected, "", "two threads, little memory");
}

#[test]
fn what_customers_are_worth_cannot_be_merged() {
    let shop = Shop::of_45_days();
    for worth in ["{predicted_clv=\"52w\"}", "{total_clv=\"52w\"}", "{historic_clv=\"all\"}"] {
        let settings = format!("--set conversions.values.clv={worth}");
        shop.run("out", &format!("{settings} --from 2026-01-10 --to 2026-01-12"));
        let (code, _, stderr) = shop.try_run("out", &format!("{settings} --date 2026-01-12 --merge"));
        assert_eq!(code, 2, "{stderr}");
        assert!(stderr.contains("predicted_clv") && stderr.contains("run all days anew without --merge"), "{stderr}");
    }
}
