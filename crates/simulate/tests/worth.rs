//! What marketing is worth can be told from a log: spend, currencies, refunds that name their order, customers who come back.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::Path;

use attributary_core::time::{Zone, parse_day};
use attributary_core::value::Value;
use attributary_simulate::{Currency, KeyKind, Layout, Preset, Settings, simulate};
use attributary_store::read_table;

const DAY: i128 = 86_400_000_000;

fn shop() -> Settings {
    let size = Settings { customers: 3_000, touches: 20_000, conversions: Some(1_200), days: 70, ..Settings::default() };
    let asked = Settings { repeat: 0.4, currencies: vec![Currency::Sek, Currency::Eur], refund_of: true, spend: true, ..size };
    Settings { seed: 3, campaigns: 30, ..asked }
}

#[test]
fn all_of_it_is_the_same_whatever_the_threads() {
    for settings in [shop(), Settings { preset: Preset::B2b, refund_of: false, ..shop() }] {
        let one = files(&written(&Settings { threads: Some(1), ..settings.clone() }));
        let two = files(&written(&Settings { threads: Some(2), ..settings.clone() }));
        assert!(one == two);
        assert_eq!(one.len(), 143);
        assert!(["spend/search.parquet", "spend/social.parquet", "rates.csv"].iter().all(|name| one.contains_key(*name)));
        let other = files(&written(&Settings { seed: 4, ..settings }));
        assert!(one.iter().all(|(name, bytes)| other[name] != *bytes));
    }
}

#[test]
fn what_is_asked_for_changes_nothing_else() {
    let plain = Settings { repeat: 0.0, currencies: vec![Currency::Sek], refund_of: false, spend: false, ..shop() };
    let before = files(&written(&plain));
    let after = files(&written(&Settings { spend: true, ..plain.clone() }));
    assert!(before.iter().all(|(name, bytes)| after[name] == *bytes) && after.len() == before.len() + 3);
    let touches = |settings: &Settings| rows(written(settings).path(), "touchpoints");
    assert!(touches(&plain) == touches(&Settings { currencies: shop().currencies, refund_of: true, ..plain }));
}

#[test]
fn spend_follows_touches_by_the_days_of_each_platform() {
    let folder = written(&Settings { duplicates: 0.0, nulls: 0.0, ..shop() });
    let touches = rows(folder.path(), "touchpoints");
    for (file, zone, currency, channels) in [
        ("search", "Europe/Stockholm", "SEK", ["paid_search", "shopping_ads", "display"].as_slice()),
        ("social", "America/Los_Angeles", "EUR", &["social", "video"]),
    ] {
        let zone = Zone::named(zone).expect("a zone");
        let mut clicks: HashMap<(i128, &str, &str), i128> = HashMap::new();
        for touch in touches.iter().filter(|touch| touch[5].as_text() == Some("click")) {
            let day = i128::from(zone.day(int(&touch[2]) as i64));
            *clicks.entry((day, text(&touch[3]), text(&touch[4]))).or_default() += 1;
        }
        let lines = table(&folder.path().join(format!("spend/{file}.parquet")));
        assert!(lines.is_sorted_by_key(|line| int(&line[0])));
        let mut billed = HashSet::new();
        for line in &lines {
            let key = (int(&line[0]), text(&line[1]), text(&line[2]));
            assert!(channels.contains(&key.1), "{line:?}");
            assert_eq!(text(&line[4]), currency);
            assert!(["sales", "brand", "test"].contains(&text(&line[7])), "{line:?}");
            let (reported, seen) = (int(&line[5]), clicks.get(&key).copied().unwrap_or(0));
            let known = touches.iter().any(|touch| text(&touch[4]) == key.2);
            assert!(!known || (seen..=seen * 6 / 5 + 1).contains(&reported), "{line:?}: {seen}");
            assert!(int(&line[6]) >= reported, "{line:?}");
            assert!(key.2.is_empty() || billed.insert(key), "twice: {line:?}");
        }
        // Every click of its channels is on a bill, on the platform's day.
        assert!(clicks.keys().filter(|key| channels.contains(&key.1)).all(|key| billed.contains(key)));
        assert!(channels.iter().all(|channel| lines.iter().any(|line| text(&line[1]) == *channel)));

        let of_campaign = |line: &&Vec<Value>| !line[2].is_null();
        let costs = |lines: Vec<&Vec<Value>>| lines.into_iter().map(|line| cost(&line[3])).sum::<f64>();
        let (named, unnamed): (Vec<_>, Vec<_>) = lines.iter().partition(of_campaign);
        assert!(named.iter().all(|line| cost(&line[3]) >= 0.0));
        assert!((1..30).contains(&unnamed.len()) && unnamed.iter().any(|line| cost(&line[3]) < 0.0), "{unnamed:?}");
        let campaigns: HashSet<_> = touches.iter().map(|touch| text(&touch[4])).collect();
        let untracked: HashSet<_> = named.iter().map(|line| text(&line[2])).filter(|name| !campaigns.contains(name)).collect();
        assert_eq!(untracked.len(), 1, "{untracked:?}");
        let quiet = named.iter().filter(|line| !clicks.contains_key(&(int(&line[0]), text(&line[1]), text(&line[2])))).count();
        assert!(quiet > 20, "{quiet}");
        assert!(costs(unnamed).abs() < costs(named) / 20.0);
    }
}

#[test]
fn channels_bring_back_some_of_what_they_cost_or_some_times_as_much() {
    let settings = Settings { touches: 120_000, conversions: Some(5_000), days: 180, customers: 30_000, ..shop() };
    let folder = written(&Settings { currencies: vec![Currency::Sek], refund_of: false, nulls: 0.0, ..settings });
    let (touches, orders) = (rows(folder.path(), "touchpoints"), rows(folder.path(), "conversions"));
    let mut by_customer: HashMap<&str, Vec<(i128, &str)>> = HashMap::new();
    touches.iter().for_each(|it| by_customer.entry(text(&it[1])).or_default().push((int(&it[2]), text(&it[3]))));
    let mut revenue: HashMap<&str, f64> = HashMap::new();
    for order in &orders {
        let own = by_customer.get(text(&order[1])).map_or(&[][..], Vec::as_slice);
        let before = own.partition_point(|(time, _)| *time <= int(&order[2]));
        let channel = before.checked_sub(1).map_or("none", |last| own[last].1);
        *revenue.entry(channel).or_default() += cost(&order[4]);
    }
    let mut spend: BTreeMap<String, f64> = BTreeMap::new();
    for (file, rate) in [("search", 1.0), ("social", 11.2)] {
        for line in table(&folder.path().join(format!("spend/{file}.parquet"))) {
            *spend.entry(text(&line[1]).to_owned()).or_default() += cost(&line[3]) * rate;
        }
    }
    assert_eq!(spend.len(), 5);
    let returns: BTreeMap<_, _> =
        spend.iter().map(|(channel, spend)| (channel.as_str(), revenue[channel.as_str()] / spend)).collect();
    assert!(returns.values().all(|it| (0.5..6.5).contains(it)), "{returns:?}");
    assert!(returns["display"] < 1.0 && returns["paid_search"] > 2.5, "{returns:?}");
}

#[test]
fn refunds_name_an_earlier_order_of_the_customer() {
    for keys in [KeyKind::Text, KeyKind::Hex16, KeyKind::Integer] {
        let folder = written(&Settings { conversions: Some(9_000), nulls: 0.0, duplicates: 0.01, keys, ..shop() });
        let rows = rows(folder.path(), "conversions");
        let orders: HashMap<&Value, &Vec<Value>> = rows.iter().map(|row| (&row[0], row)).collect();
        let (mut stray, mut partial, mut refunds) = (0, 0, HashMap::new());
        for row in &rows {
            if text(&row[3]) != "refund" {
                assert!(row[7].is_null() && int(&row[4]) > 0, "{row:?}");
                continue;
            }
            // A repeated row names the same order again.
            assert_eq!(*refunds.entry(&row[0]).or_insert(&row[7]), &row[7]);
            let Some(order) = orders.get(&row[7]) else {
                stray += 1;
                continue;
            };
            assert_eq!((text(&order[3]), &order[1], &order[6]), ("purchase", &row[1], &row[6]));
            assert!(int(&order[2]) < int(&row[2]), "{row:?} {order:?}");
            assert!(-int(&row[4]) <= int(&order[4]) && -int(&row[5]) <= int(&order[5]), "{row:?} {order:?}");
            partial += usize::from(-int(&row[4]) < int(&order[4]));
        }
        assert!((250..450).contains(&refunds.len()) && (1..12).contains(&stray), "{} {stray}", refunds.len());
        assert!((refunds.len() / 6..refunds.len() / 3).contains(&partial), "{partial}");
        assert_eq!(refunds.values().collect::<HashSet<_>>().len(), refunds.len());
    }
}

#[test]
fn customers_pay_in_one_currency_at_about_the_same_prices() {
    let folder = written(&Settings { conversions: Some(9_000), nulls: 0.0, ..shop() });
    let (mut of, mut amounts) = (HashMap::new(), BTreeMap::<&str, Vec<f64>>::new());
    let rows = rows(folder.path(), "conversions");
    for row in &rows {
        assert_eq!(*of.entry(&row[1]).or_insert(&row[6]), &row[6]);
        if text(&row[3]) == "purchase" {
            amounts.entry(text(&row[6])).or_default().push(cost(&row[4]));
        }
    }
    let share = amounts["EUR"].len() * 100 / rows.len();
    assert!(amounts.len() == 2 && (15..=24).contains(&share), "{share} %");
    amounts.values_mut().for_each(|amounts| amounts.sort_by(f64::total_cmp));
    let median = |currency: &str| amounts[currency][amounts[currency].len() / 2];
    let dearer = median("SEK") / median("EUR");
    assert!((9.0..13.5).contains(&dearer), "{dearer}");

    let rates = fs::read_to_string(folder.path().join("rates.csv")).expect("rates");
    let first = rates.lines().nth(1).and_then(|line| parse_day(line.split(',').next()?)).expect("a day");
    assert!(first <= shop().start - 7);
}

#[test]
fn one_log_of_events_has_these_columns_too() {
    let folder = written(&Settings { layout: Layout::Events, duplicates: 0.0, ..shop() });
    let events = rows(folder.path(), "events");
    let (conversions, touches): (Vec<_>, Vec<_>) = events.iter().partition(|event| !event[6].is_null());
    assert!(touches.iter().all(|touch| touch[8].is_null() && touch[9].is_null()));
    assert!(conversions.iter().all(|row| !row[8].is_null() && (row[9].is_null() || text(&row[3]) == "refund")));
    let tables = rows(written(&Settings { duplicates: 0.0, ..shop() }).path(), "conversions");
    assert_eq!(conversions.iter().map(|row| &row[9]).collect::<Vec<_>>(), tables.iter().map(|row| &row[7]).collect::<Vec<_>>());
}

#[test]
fn customers_come_back_days_later_and_after_a_touch() {
    let settings = Settings { repeat: 0.6, customers: 20_000, days: 300, duplicates: 0.0, nulls: 0.0, ..shop() };
    let folder = written(&settings);
    let (touches, orders) = (rows(folder.path(), "touchpoints"), rows(folder.path(), "conversions"));
    let mut by_customer: HashMap<&Value, Vec<i128>> = HashMap::new();
    touches.iter().for_each(|it| by_customer.entry(&it[1]).or_default().push(int(&it[2])));
    let (mut first, mut again, mut followed) = (HashMap::new(), 0, 0);
    for order in orders.iter().filter(|order| text(&order[3]) == "purchase") {
        let time = int(&order[2]);
        if time - *first.entry(&order[1]).or_insert(time) > DAY {
            again += 1;
            let touched = by_customer.get(&order[1]).is_some_and(|it| it.iter().any(|at| (0..=30 * DAY).contains(&(time - at))));
            followed += usize::from(touched);
        }
    }
    assert!((250..600).contains(&again) && followed * 100 > again * 90, "{followed} of {again}");
}

fn written(settings: &Settings) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let summary = simulate(folder.path(), settings, &|_| ()).expect("a log");
    let files = files(&folder);
    assert_eq!((summary.files, summary.bytes), (files.len() as u64, files.values().map(|it| it.len() as u64).sum()));
    folder
}

/// Every file by its path within the folder.
fn files(folder: &tempfile::TempDir) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut paths = vec![folder.path().to_owned()];
    while let Some(path) = paths.pop() {
        if path.is_dir() {
            paths.extend(fs::read_dir(&path).expect("a folder").map(|entry| entry.expect("an entry").path()));
        } else {
            let name = path.strip_prefix(folder.path()).expect("within").to_string_lossy().into_owned();
            files.insert(name, fs::read(&path).expect("bytes"));
        }
    }
    files
}

/// The rows of a folder of files, in the order of time.
fn rows(folder: &Path, table_name: &str) -> Vec<Vec<Value>> {
    let mut paths: Vec<_> =
        fs::read_dir(folder.join(table_name)).expect("a table").map(|it| it.expect("a file").path()).collect();
    paths.sort();
    paths.iter().flat_map(|path| table(path)).collect()
}

fn table(path: &Path) -> Vec<Vec<Value>> {
    let parts = read_table(path).expect("a table").map(|rows| rows.expect("rows"));
    let row = |rows: &attributary_core::table::Rows, row| rows.columns.iter().map(|column| column.value(row)).collect();
    parts.flat_map(|rows| (0..rows.len()).map(|place| row(&rows, place)).collect::<Vec<_>>()).collect()
}

fn text(value: &Value) -> &str {
    value.as_text().unwrap_or_default()
}

fn int(value: &Value) -> i128 {
    match value {
        Value::Int(int) => *int,
        other => panic!("{other:?} is no integer"),
    }
}

/// An amount in major units.
fn cost(value: &Value) -> f64 {
    value.as_float().unwrap_or_else(|| int(value) as f64 / 100.0)
}
