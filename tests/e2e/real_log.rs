//! The log of a real web shop, in `$ATTRIBUTARY_REAL_DATA/web_log`: what the pipelines make of it against plain loops over
//! its rows. Where there is no such folder the tests say so and pass.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use attributary_core::time::{Zone, parse_instant};
use attributary_core::value::Value;
use attributary_store::{Manifest, PublishedRun, read_table};
use attributary_testkit::table::Table;

use crate::cases::unbalanced;
use crate::support::{attributary, read_current, root, shown};

/// Cents by channel.
type ByChannel = BTreeMap<String, i128>;

const WEEK: i64 = 7 * 24 * 3_600 * 1_000_000;

#[test]
fn sessions_and_purchases_give_what_plain_loops_give() {
    let Some(log) = web_log() else { return };
    let output = tempfile::tempdir().expect("a temporary folder");
    let manifest = attribute(&root().join("tests/pipelines/web_log.toml"), output.path());

    let (mut visits, mut without_client) = (Visits::new(), 0);
    for path in parquet_files(&log.join("sessions")) {
        let columns = ["client_id", "started_at", "session_id", "channel"].map(str::to_owned);
        for session in read(&path).project(&columns).expect("its columns").rows {
            let [client, started, id, channel] = &session[..] else { panic!("four columns") };
            let Some(client) = client.as_text() else {
                without_client += 1;
                continue;
            };
            let visit = (int(started), text(id), text(channel));
            visits.entry(client.to_owned()).or_default().insert(visit);
        }
    }
    let columns = ["client_id", "purchased_at", "revenue"].map(str::to_owned);
    let purchases = read(&log.join("purchases.parquet")).project(&columns).expect("its columns");
    let purchase = |row: Vec<Value>| Purchase {
        client: Some(text(&row[0])),
        time: int(&row[1]),
        cents: (row[2].as_float().expect("a float") * 100.0).round() as i128,
    };
    let purchases: Vec<Purchase> = purchases.rows.into_iter().map(purchase).collect();
    assert_eq!((purchases.len(), purchases.iter().map(|purchase| purchase.cents).sum()), (276, 27_879_940));

    assert_eq!(manifest.rows.touchpoints.read, 40_133);
    assert_eq!(manifest.rows.touchpoints.rejected, BTreeMap::from([("null_customer".to_owned(), without_client)]));
    assert_eq!((manifest.rows.conversions.accepted, manifest.rows.conversions.in_range), (276, 276));
    for (model, weigh) in WEIGHTS {
        assert_eq!(by_channel(output.path(), model), in_a_loop(&visits, &purchases, *weigh), "{model}");
    }
    assert_eq!(by_channel(output.path(), "any_touch"), every_channel_in_full(&visits, &purchases));
    assert_eq!(unbalanced(output.path()), None);
}

#[test]
fn raw_events_are_read_though_their_columns_drift() {
    let Some(log) = web_log() else { return };
    let output = tempfile::tempdir().expect("a temporary folder");
    let manifest = attribute(&root().join("tests/pipelines/web_log_raw.toml"), output.path());
    assert_eq!((manifest.rows.conversions.read, manifest.rows.conversions.accepted), (294, 290));
    assert_eq!(manifest.rows.conversions.rejected, BTreeMap::from([("duplicate_id".to_owned(), 4)]));

    let (mut visits, mut purchases) = (Visits::new(), BTreeMap::new());
    for path in parquet_files(&log.join("raw")) {
        let table = read(&path);
        for row in &table.rows {
            let cell = |name: &str| table.place(name).ok().and_then(|place| row[place].as_text());
            let client = cell("client_id").or(cell("clientId")).map(str::to_owned);
            let time = parse_instant(cell("timestamp").expect("a time"), &Zone::utc()).expect("a time");
            match cell("event_name") {
                Some("page_viewed") => {
                    let page = cell("page_url").unwrap_or_default();
                    let visit = (time, String::new(), channel(page, cell("referrer")).to_owned());
                    client.map(|client| visits.entry(client).or_default().insert(visit));
                }
                Some("checkout_completed") => {
                    let event: serde_json::Value = serde_json::from_str(cell("event_data").expect("data")).expect("JSON");
                    let cents = (event["revenue"].as_f64().expect("a number") * 100.0).round() as i128;
                    let earliest = purchases
                        .entry(event["transaction_id"].to_string())
                        .or_insert(Purchase { time: i64::MAX, ..Purchase::default() });
                    if time < earliest.time {
                        *earliest = Purchase { client, time, cents };
                    }
                }
                _ => {}
            }
        }
    }
    let purchases: Vec<Purchase> = purchases.into_values().collect();
    assert_eq!((purchases.len(), purchases.iter().map(|purchase| purchase.cents).sum()), (290, 28_774_440));
    assert_eq!(by_channel(output.path(), "last_touch"), in_a_loop(&visits, &purchases, last));
    assert_eq!(unbalanced(output.path()), None);
}

#[test]
fn a_column_that_drifts_is_named_with_its_file_and_key() {
    let Some(_) = web_log() else { return };
    let pipeline = std::fs::read_to_string(root().join("tests/pipelines/web_log_raw.toml")).expect("a pipeline");
    let strict = pipeline.replace("missing_columns = \"null\"", "");
    for (pipeline, file, column, key) in [
        (strict.clone(), "events_20250304.parquet", "referrer", "touchpoints.columns.channel"),
        (
            strict.replace("[\"client_id\", \"clientId\"]", "\"client_id\""),
            "events_20250227.parquet",
            "client_id",
            "touchpoints.columns.customer",
        ),
    ] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("raw.toml");
        std::fs::write(&path, pipeline).expect("written");
        let (code, _, stderr) = shown(
            &attributary().arg("run").arg(path).arg("--output").arg(folder.path().join("out")).output().expect("it starts"),
        );
        assert_eq!(code, 3, "{stderr}");
        for word in [file, column, key] {
            assert!(stderr.contains(word), "no {word} in\n{stderr}");
        }
        assert!(!folder.path().join("out/current").exists());
    }
}

fn web_log() -> Option<PathBuf> {
    real_data("web_log")
}

/// A folder of the real data, if it is there; says so if it is not.
pub fn real_data(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("ATTRIBUTARY_REAL_DATA").map(|folder| Path::new(&folder).join(name));
    let found = folder.filter(|folder| folder.is_dir());
    if found.is_none() {
        // Past the test's capture, so that it is seen of a test that passes too.
        let said = format!("skipped: ATTRIBUTARY_REAL_DATA names no folder with {name} in it\n");
        std::io::Write::write_all(&mut std::io::stderr(), said.as_bytes()).expect("stderr can be written");
    }
    found
}

fn attribute(pipeline: &Path, output: &Path) -> Manifest {
    let done = attributary().arg("run").arg(pipeline).arg("--quiet").arg("--output").arg(output).output().expect("it starts");
    let (code, _, stderr) = shown(&done);
    assert_eq!(code, 0, "{stderr}");
    PublishedRun::read(&output.join("current")).expect("a manifest").manifest
}

/// What a model of the current run says of the revenue, by channel; not those that got none.
fn by_channel(output: &Path, model: &str) -> ByChannel {
    let columns = ["model", "channel", "revenue"].map(str::to_owned);
    let table = read_current(output, "by_channel").project(&columns).expect("its columns");
    table
        .rows
        .iter()
        .filter(|row| row[0].as_text() == Some(model))
        .map(|row| (text(&row[1]), wide(&row[2])))
        .filter(|(_, cents)| *cents != 0)
        .collect()
}

/// The visits of each client, time, id, channel, in order.
type Visits = BTreeMap<String, BTreeSet<(i64, String, String)>>;

#[derive(Default)]
struct Purchase {
    client: Option<String>,
    time: i64,
    cents: i128,
}

/// What of a journey, ages in microseconds and channels, oldest first, each touch weighs.
type Weigh = fn(&[(i64, &str)]) -> Vec<f64>;

const WEIGHTS: &[(&str, Weigh)] = &[
    ("first_touch", |journey| one(journey, Some(0))),
    ("last_touch", last),
    ("last_non_direct", |journey| one(journey, journey.iter().rposition(|(_, channel)| *channel != "direct"))),
    ("linear", |journey| vec![1.0; journey.len()]),
    ("time_decay", |journey| {
        let youngest = journey[journey.len() - 1].0;
        journey.iter().map(|(age, _)| (-(age - youngest) as f64 / (3 * WEEK / 7) as f64).exp2()).collect()
    }),
];

fn last(journey: &[(i64, &str)]) -> Vec<f64> {
    one(journey, None)
}

/// All for one touch; for the last where there is no such.
fn one(journey: &[(i64, &str)], place: Option<usize>) -> Vec<f64> {
    let place = place.unwrap_or(journey.len() - 1);
    (0..journey.len()).map(|other| f64::from(u8::from(other == place))).collect()
}

fn in_a_loop(visits: &Visits, purchases: &[Purchase], weigh: Weigh) -> ByChannel {
    let mut sums = ByChannel::new();
    for purchase in purchases {
        let journey = journey(visits, purchase);
        if journey.is_empty() {
            *sums.entry("(unattributed)".to_owned()).or_default() += purchase.cents;
            continue;
        }
        for ((_, channel), cents) in journey.iter().zip(split(&weigh(&journey), purchase.cents)) {
            *sums.entry((*channel).to_owned()).or_default() += cents;
        }
    }
    sums.retain(|_, cents| *cents != 0);
    sums
}

fn every_channel_in_full(visits: &Visits, purchases: &[Purchase]) -> ByChannel {
    let mut sums = ByChannel::new();
    for purchase in purchases {
        let channels: BTreeSet<&str> = journey(visits, purchase).into_iter().map(|(_, channel)| channel).collect();
        for channel in channels {
            *sums.entry(channel.to_owned()).or_default() += purchase.cents;
        }
    }
    sums
}

/// Age and channel of each touch in the week before a purchase, oldest first.
fn journey<'a>(visits: &'a Visits, purchase: &Purchase) -> Vec<(i64, &'a str)> {
    let of_client = purchase.client.as_ref().and_then(|client| visits.get(client)).into_iter().flatten();
    let aged = of_client.map(|(time, _, channel)| (purchase.time - time, channel.as_str()));
    aged.filter(|(age, _)| (0..=WEEK).contains(age)).collect()
}

/// Largest remainders: every part is rounded down, and what is left goes to those that lost most, the earlier first.
fn split(weights: &[f64], cents: i128) -> Vec<i128> {
    let most = weights.iter().copied().fold(0.0, f64::max);
    let whole: Vec<i128> = weights.iter().map(|weight| (weight / most * 2_f64.powi(52)).round_ties_even() as i128).collect();
    let total: i128 = whole.iter().sum();
    let mut parts: Vec<i128> = whole.iter().map(|weight| cents * weight / total).collect();
    let mut places: Vec<usize> = (0..parts.len()).collect();
    places.sort_by_key(|place| std::cmp::Reverse(cents * whole[*place] % total));
    let left = cents - parts.iter().sum::<i128>();
    places.into_iter().take(left as usize).for_each(|place| parts[place] += 1);
    parts
}

/// What the SQL of the pipeline says.
fn channel(page: &str, referrer: Option<&str>) -> &'static str {
    let parameters = page.split_once('?').map_or("", |(_, parameters)| parameters).split('#').next().unwrap_or_default();
    match referrer {
        _ if parameters.split('&').any(|parameter| parameter.starts_with("utm_source=")) => "campaign",
        Some(referrer) if referrer.starts_with("https://www.google.") => "search",
        Some(referrer) if !referrer.starts_with("https://puffy.com/") => "referral",
        _ => "direct",
    }
}

pub fn read(path: &Path) -> Table {
    let reader = read_table(path).expect("a table");
    let mut table = Table { fields: reader.fields().to_vec(), rows: Vec::new() };
    for rows in reader {
        let rows = rows.expect("rows");
        table.rows.extend((0..rows.len()).map(|row| rows.columns.iter().map(|column| column.value(row)).collect()));
    }
    table
}

fn parquet_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => found.extend(parquet_files(&path)),
            false => found.push(path),
        }
    }
    found
}

fn text(value: &Value) -> String {
    value.as_text().expect("a text").to_owned()
}

fn wide(value: &Value) -> i128 {
    match value {
        Value::Int(number) => *number,
        other => panic!("expected a number, found {other:?}"),
    }
}

fn int(value: &Value) -> i64 {
    wide(value).try_into().expect("64 bits")
}
