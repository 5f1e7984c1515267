//! Advertising costs: days of other zones, amounts, currencies, counts, columns that are not mapped.

use std::sync::{Arc, Mutex};

use attributary_core::batch::NO_TIME;
use attributary_core::rates::Rates;
use attributary_core::time::{Zone, day_text, instant_text, parse_day};
use attributary_core::value::{ColumnType, Value};
use attributary_frames::{FrameError, Progress, SourceSpec, SpendMapping, SpendSource, Stop, ValueUnit};
use polars::prelude::*;

use crate::support::*;

const FORMATS: [&str; 3] = ["x.parquet", "x.ipc", "x.csv"];

/// A row as a test compares it.
#[derive(Clone, Debug, PartialEq)]
struct Cost {
    row: u64,
    time: i64,
    channel: Value,
    campaign: Value,
    goal: Value,
    dimensions: Vec<Value>,
    amount: Option<i64>,
    original: Option<i64>,
    rate: Option<i64>,
    clicks: Option<u64>,
    impressions: Option<u64>,
    id: Value,
}

fn costs(source: &SpendSource) -> Result<Vec<Cost>, FrameError> {
    let rows = Mutex::new(Vec::new());
    source.read(2, &Progress::default(), &|batch| {
        let exchange = batch.exchange.as_ref();
        let row = |row: usize| Cost {
            row: batch.rows[row],
            time: batch.times[row],
            channel: batch.channels.value(row).clone(),
            campaign: batch.campaigns.value(row).clone(),
            goal: batch.goals.value(row).clone(),
            dimensions: batch.dimensions.iter().map(|dimension| dimension.value(row).clone()).collect(),
            amount: batch.amounts[row].map(|it| it.minor),
            original: exchange.and_then(|exchange| exchange.originals[0][row]),
            rate: exchange.and_then(|exchange| exchange.rates[row]),
            clicks: batch.clicks[row],
            impressions: batch.impressions[row],
            id: batch.ids.as_ref().map_or(Value::Null, |ids| ids.value(row)),
        };
        rows.lock().unwrap().extend((0..batch.len()).map(|place| (batch.file, row(place))));
        Ok(())
    })?;
    let mut rows = rows.into_inner().unwrap();
    rows.sort_by_key(|(file, cost)| (*file, cost.row));
    Ok(rows.into_iter().map(|(_, cost)| cost).collect())
}

fn read(spec: &SourceSpec, mapping: &SpendMapping) -> Result<Vec<Cost>, FrameError> {
    costs(&SpendSource::open(spec, mapping)?)
}

fn spend(path: &std::path::Path) -> SourceSpec {
    SourceSpec { key: "spend".to_owned(), ..spec(path) }
}

/// date and amount by their own names, and nothing else.
fn least() -> SpendMapping {
    SpendMapping {
        date: name("date"),
        channel: None,
        campaign: None,
        amount: name("amount"),
        unit: ValueUnit::Major,
        currency: None,
        clicks: None,
        impressions: None,
        goal: None,
        goal_constant: None,
        customer: None,
        id: None,
        dimensions: Vec::new(),
        exponent: 2,
    }
}

fn dated(date: Column) -> DataFrame {
    let rows = date.len();
    DataFrame::new(rows, vec![date, Column::new("amount".into(), vec![1.5; rows])]).unwrap()
}

#[test]
fn a_reported_day_goes_where_its_middle_lies() {
    let folder = Folder::new();
    let stockholm = Zone::named("Europe/Stockholm").unwrap();
    let dates = ["2025-03-01", "2025-07-01"];
    let days = Column::new("date".into(), dates.map(|date| parse_day(date).unwrap())).cast(&DataType::Date).unwrap();
    for (zone, expected) in [
        ("Europe/Stockholm", ["2025-03-01T11:00:00Z", "2025-07-01T10:00:00Z"]),
        ("UTC", ["2025-03-01T12:00:00Z", "2025-07-01T12:00:00Z"]),
        ("Asia/Tokyo", ["2025-03-01T03:00:00Z", "2025-07-01T03:00:00Z"]),
        ("America/Los_Angeles", ["2025-03-01T20:00:00Z", "2025-07-01T19:00:00Z"]),
        ("Pacific/Auckland", ["2025-02-28T23:00:00Z", "2025-07-01T00:00:00Z"]),
    ] {
        for file in FORMATS {
            for date in [days.clone(), Column::new("date".into(), dates)] {
                let mut spec = spend(&folder.write(file, &dated(date)));
                spec.zone = Zone::named(zone).unwrap();
                let found = read(&spec, &least()).unwrap();
                assert_eq!([instant_text(found[0].time), instant_text(found[1].time)], expected, "{zone} {file}");
                // All of them are the same day in Stockholm.
                assert_eq!([0, 1].map(|row| day_text(stockholm.day(found[row].time))), dates, "{zone} {file}");
            }
        }
    }
    // From the other side of the world the middle of the day is another day.
    let mut spec = spend(&folder.write("x.parquet", &dated(days)));
    spec.zone = Zone::named("Pacific/Auckland").unwrap();
    let found = read(&spec, &least()).unwrap();
    let los_angeles = Zone::named("America/Los_Angeles").unwrap();
    assert_eq!([0, 1].map(|row| day_text(los_angeles.day(found[row].time))), ["2025-02-28", "2025-06-30"]);
}

#[test]
fn times_are_the_instants_that_they_are() {
    let folder = Folder::new();
    let late = at("2025-03-01T23:30:00Z");
    let micros = |zone: Option<TimeZone>| {
        Column::new("date".into(), [Some(late), None]).cast(&DataType::Datetime(TimeUnit::Microseconds, zone)).unwrap()
    };
    let utc = TimeZone::opt_try_new(Some("UTC")).unwrap();
    for (date, expected) in [
        (micros(None), late - 9 * 3_600_000_000),
        (micros(utc), late),
        (Column::new("date".into(), [Some("2025-03-01 23:30"), Some("soon")]), late - 9 * 3_600_000_000),
        (Column::new("date".into(), [Some("2025-03-01T23:30Z"), None]), late),
    ] {
        let mut spec = spend(&folder.write("x.parquet", &dated(date)));
        spec.zone = Zone::named("Asia/Tokyo").unwrap();
        let found = read(&spec, &least()).unwrap();
        assert_eq!(found.iter().map(|cost| cost.time).collect::<Vec<_>>(), [expected, NO_TIME]);
    }
}

#[test]
fn every_column_in_every_format() {
    let folder = Folder::new();
    let frame = df!(
        "date" => ["2025-01-01", "2025-01-02", "2025-01-03"],
        "channel" => [Some("search"), None, Some("")],
        "campaign" => [None, Some("brand"), Some("brand")],
        "amount" => [Some(12.345), Some(-3.0), None],
        "clicks" => [Some(7_i64), None, Some(-1)],
        "impressions" => [Some(1e3), Some(2.5), Some(0.0)],
        "objective" => [Some("leads"), None, Some("sales")],
        "key" => ["a", "b", "c"],
        "country" => ["se", "no", "se"],
    )
    .unwrap();
    let mut mapping = SpendMapping {
        channel: Some(name("channel")),
        campaign: Some(name("campaign")),
        clicks: Some(name("clicks")),
        impressions: Some(name("impressions")),
        goal: Some(name("objective")),
        goal_constant: Some("never".to_owned()),
        id: Some(name("key")),
        dimensions: dimensions(&["country"]),
        ..least()
    };
    for file in FORMATS {
        let path = folder.write(file, &frame);
        let source = SpendSource::open(&spend(&path), &mapping).unwrap();
        assert_eq!((source.id_type(), source.dimension_types()), (Some(&ColumnType::Text), &[ColumnType::Text][..]));
        let found = costs(&source).unwrap();
        let cost = |row: u64, channel, campaign, goal, amount, clicks, impressions, id, country| Cost {
            row,
            time: at(&format!("2025-01-0{}T12:00:00Z", row + 1)),
            channel: text(channel),
            campaign,
            goal,
            dimensions: vec![text(country)],
            amount,
            original: None,
            rate: None,
            clicks,
            impressions,
            id: text(id),
        };
        let expected = [
            // In CSV 12.345 is a decimal and goes to the even cent; the float is a little more.
            cost(
                0,
                "search",
                Value::Null,
                text("leads"),
                Some(if file == "x.csv" { 1_234 } else { 1_235 }),
                Some(7),
                Some(1_000),
                "a",
                "se",
            ),
            cost(1, "(not set)", text("brand"), Value::Null, Some(-300), None, None, "b", "no"),
            cost(2, "(not set)", text("brand"), text("sales"), None, None, Some(0), "c", "se"),
        ];
        assert_eq!(found, expected, "{file}");
    }
    mapping.goal = None;
    let found = read(&spend(&folder.path().join("x.csv")), &mapping).unwrap();
    assert!(found.iter().all(|cost| cost.goal == text("never")));
    let found = read(&spend(&folder.path().join("x.csv")), &least()).unwrap();
    assert!(found.iter().all(|cost| cost.channel == text("(not set)") && cost.campaign.is_null() && cost.goal.is_null()));
    assert!(found.iter().all(|cost| cost.clicks.is_none() && cost.impressions.is_none() && cost.id.is_null()));
}

#[test]
fn amounts_are_converted_at_the_rate_of_their_day() {
    let folder = Folder::new();
    let path = folder.write_text(
        "x.csv",
        "date,amount,currency\n\
         2025-01-01,10,EUR\n\
         2025-01-02,-10.01,EUR\n\
         2025-01-10,10,EUR\n\
         2025-01-02,10,SEK\n\
         2025-01-02,10,\n\
         2025-01-02,10,XXX\n\
         ,10,EUR\n\
         ,10,SEK\n",
    );
    let mapping = SpendMapping { currency: Some(name("currency")), ..least() };
    let mut rates = Rates::new("SEK");
    rates.add("EUR", parse_day("2025-01-01").unwrap(), 11_000_000_000_000);
    rates.add("EUR", parse_day("2025-01-02").unwrap(), 12_345_000_000_000);
    let mut spec = spend(&path);
    spec.zone = Zone::named("America/Los_Angeles").unwrap();
    let mut source = SpendSource::open(&spec, &mapping).unwrap();
    source.set_rates(Arc::new(rates), Zone::named("Europe/Stockholm").unwrap());
    let found = costs(&source).unwrap();
    let amounts: Vec<_> = found.iter().map(|cost| cost.amount).collect();
    // -10.01 · 12.345 = -123.57345.
    assert_eq!(amounts, [Some(11_000), Some(-12_357), None, Some(1_000), None, None, None, Some(1_000)]);
    let originals: Vec<_> = found.iter().map(|cost| cost.original).collect();
    let ten = Some(1_000);
    assert_eq!(originals, [ten, Some(-1_001), ten, ten, None, None, ten, ten]);
    assert_eq!((found[1].rate, found[2].rate), (Some(12_345_000_000_000), None));
    // Yen have no smaller unit.
    let path = folder.write_text("y.csv", "date,amount\n2025-01-01,1000\n");
    let mapping = SpendMapping { unit: ValueUnit::Minor, currency: Some(sql("'JPY'")), ..least() };
    let mut rates = Rates::new("SEK");
    rates.add("JPY", parse_day("2025-01-01").unwrap(), 71_200_000_000);
    let mut source = SpendSource::open(&spend(&path), &mapping).unwrap();
    source.set_rates(Arc::new(rates), Zone::utc());
    assert_eq!(costs(&source).unwrap()[0].amount, Some(7_120));
}

#[test]
fn what_is_wrong_is_said_by_key() {
    let folder = Folder::new();
    let frame = df!("date" => ["2025-01-01"], "amount" => [1.5], "clicks" => ["many"], "day" => [20_000_i32]).unwrap();
    let path = folder.write("x.parquet", &frame);
    let error = |mapping: &SpendMapping| folder.plain(&SpendSource::open(&spend(&path), mapping).err().unwrap());
    assert_eq!(
        error(&SpendMapping { amount: name("cost"), ..least() }),
        "spend.columns.amount: no column \"cost\" in x.parquet; found date, amount, clicks, day"
    );
    assert!(
        error(&SpendMapping { date: name("day"), ..least() })
            .starts_with("spend.columns.date: column \"day\" is int32 in x.parquet, expected timestamps, dates")
    );
    assert_eq!(
        error(&SpendMapping { clicks: Some(name("clicks")), ..least() }),
        "spend.columns.clicks: column \"clicks\" is text in x.parquet, expected whole numbers"
    );
    assert!(error(&SpendMapping { unit: ValueUnit::Minor, ..least() }).contains("expected integers, as the unit is minor"));
    assert_eq!(
        error(&SpendMapping { impressions: Some(sql("click * 2")), ..least() }),
        "spend.columns.impressions: no column \"click\", in \"click * 2\"; there are date, amount, clicks, day"
    );
    let failing = SpendMapping { date: sql("CAST(clicks AS DATE)"), ..least() };
    let error = read(&spend(&path), &failing).unwrap_err();
    assert!(folder.plain(&error).starts_with("spend.columns.date: fails on a row of x.parquet"), "{error}");
}

#[test]
fn files_that_differ_filters_and_ends() {
    let folder = Folder::new();
    folder.write_text("1.csv", "date,amount,clicks,country\n2025-01-01,1.5,3,se\n2025-01-02,2,4,no\n");
    folder.write("2.parquet", &df!("date" => ["2025-01-03"], "amount" => [7_i32], "country" => ["se"]).unwrap());
    let mapping = SpendMapping { clicks: Some(name("clicks")), channel: Some(sql("upper(country)")), ..least() };
    let mut spec = spend(folder.path());
    let error = SpendSource::open(&spec, &mapping).err().unwrap();
    assert!(folder.plain(&error).starts_with("spend.columns.clicks: no column \"clicks\" in 2.parquet"), "{error}");
    spec.missing_as_null = true;
    let found = read(&spec, &mapping).unwrap();
    let brief: Vec<_> = found.iter().map(|cost| (cost.channel.clone(), cost.amount, cost.clicks)).collect();
    assert_eq!(brief, [(text("SE"), Some(150), Some(3)), (text("NO"), Some(200), Some(4)), (text("SE"), Some(700), None)]);
    spec.filter = Some("country = 'se'".to_owned());
    assert_eq!(read(&spec, &mapping).unwrap().iter().map(|cost| cost.row).collect::<Vec<_>>(), [0, 0]);
    let source = SpendSource::open(&spec, &mapping).unwrap();
    assert_eq!(source.files().len(), 2);
    assert_eq!(source.read(2, &Progress::default(), &|_| Err(Stop)), Err(FrameError::Stopped));
}
