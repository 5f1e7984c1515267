//! The whole of a pipeline file, and every mistake in it that a user can make.

mod conversions;
mod journey;
mod models;
mod overrides;
mod quality;
mod syntax;
mod tables;
mod touchpoints;
mod whole;

use std::path::Path;

use super::{Pipeline, parse};

/// A pipeline file with something of everything.
const GOOD: &str = r#"
[pipeline]
name     = "nightly"
output   = "../out/nightly"
currency = "SEK"
timezone = "Europe/Stockholm"

[touchpoints]
source     = "../sample-data/touchpoints"
timezone   = "UTC"
where      = "event_name = 'page_view'"
columns    = { customer = ["client_id", "clientId"], time = "event_time", channel = { sql = "lower(utm_source)" }, campaign = "campaign", interaction = "interaction", id = "event_id" }
dimensions = ["country", "device"]

[conversions]
source  = "../sample-data/conversions/*.parquet"
missing_columns = "null"
columns = { id = "order_id", customer = "user_id", time = "ordered_at", kind = "kind" }
values  = { revenue = "revenue", margin = { column = "margin_cents", unit = "minor" } }

[journey]
windows     = ["30d", "4w"]
window_unit = "exact"
interaction_windows = { view = "1d" }
touch_reuse = "overlap"
reuse_by    = "customer"
repeats     = "keep"
priority    = ["click", "view"]
ignore      = { where = "channel = 'direct'", when = "others_exist" }

[[model]]
kind = "last_click"

[[model]]
name = "time_decay_3d"
kind = "time_decay"
half_life = "3d"

[[model]]
name = "first_and_last"
kind = "position_based"
first = 0.4
last = "0.3"
only = "channel <> 'direct'"
fallback = "none"

[[table]]
name = "by_campaign_week"
by   = ["conversion_week", "channel", "campaign", "device"]

[output]
credits = true
paths   = 100
keep    = 7
"#;

fn read(text: &str, overrides: &[&str]) -> Result<Pipeline, String> {
    let overrides: Vec<_> = overrides.iter().map(|it| (*it).to_owned()).collect();
    let environment = |name: &str| (name == "LAKE").then(|| "/lake".to_owned());
    parse(Path::new("pipelines/nightly.toml"), text, &overrides, &environment).map_err(|error| match error.hint() {
        Some(hint) => format!("{error}\nhint: {hint}"),
        None => error.to_string(),
    })
}

/// What is said when `from` in [`GOOD`] is `to` instead.
#[track_caller]
fn wrong(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from:?} is in the good file");
    said(&GOOD.replacen(from, to, 1), &[])
}

/// What is said of a text.
#[track_caller]
fn said(text: &str, overrides: &[&str]) -> String {
    match read(text, overrides) {
        Ok(_) => panic!("expected an error"),
        Err(said) => said,
    }
}

/// What [`GOOD`] becomes when `from` is `to` instead.
#[track_caller]
fn changed(from: &str, to: &str) -> Pipeline {
    assert!(GOOD.contains(from), "{from:?} is in the good file");
    read(&GOOD.replacen(from, to, 1), &[]).unwrap_or_else(|said| panic!("{said}"))
}
