//! Rows that are allowed and hard: money without end, years without calendar, a customer who never rests, names of any length.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{
    ArrayRef, Float64Array, Int64Array, PrimitiveArray, StringArray, TimestampMicrosecondArray, TimestampMillisecondArray,
};
use arrow::datatypes::TimestampMicrosecondType;
use attributary_core::value::{ColumnType, Value};

use crate::support::read_current;
use crate::world::{HOUR, NEW_YEAR, World, columns, conversions, texts, times, touches, with};

/// Conversions whose revenue is `cells`, all of `ann`.
fn orders(cells: &[f64]) -> crate::world::Columns {
    let count = cells.len();
    columns([
        ("order_id", Arc::new(StringArray::from_iter_values((0..count).map(|order| format!("o{order}")))) as ArrayRef),
        ("user_id", Arc::new(StringArray::from(vec!["ann"; count]))),
        ("ordered_at", Arc::new(TimestampMicrosecondArray::from(vec![NEW_YEAR + 24 * HOUR; count]))),
        ("kind", Arc::new(StringArray::from(vec!["purchase"; count]))),
        ("revenue", Arc::new(Float64Array::from(cells.to_vec()))),
    ])
}

#[test]
fn money_that_is_none_is_rejected_and_the_rest_adds_up() {
    let world = World::new();
    let limit = 1e16; // 10^18 minor units
    let cells =
        [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN, limit, -limit, 1e300, 5e-324, -0.0, 9.99e15, 1.0];
    world.parquet("conversions.parquet", &orders(&cells));
    world.run().is_fine();
    assert_eq!(world.manifest().rows.conversions.rejected.get("invalid_value"), Some(&8));
    let rejects = read_current(&world.output(), "rejects");
    assert_eq!(rejects.rows.len(), 8);
    assert!(rejects.rows.iter().all(|row| row.contains(&Value::text("invalid_value"))), "{rejects:?}");
    let source = &read_current(&world.output(), "ledger").rows[0][4];
    assert_eq!(source.display(&ColumnType::amount(2)), "9990000000000001.00");
}

#[test]
fn a_hundred_of_the_largest_amounts_do_not_overflow() {
    let world = World::new();
    let cells: Vec<f64> = (0..2_000).map(|order| if order % 3 == 0 { -9.99e15 } else { 9.99e15 }).collect();
    world.parquet("conversions.parquet", &orders(&cells));
    world.run_with(&["--set", "output.credits=true"]).is_fine();
    let source = read_current(&world.output(), "ledger").rows[0][4].display(&ColumnType::amount(2));
    assert_eq!(source, "6653340000000000000.00");
}

#[test]
fn years_at_and_beyond_the_ends_of_the_calendar() {
    let world = World::new();
    let (first, last) = (-62_135_596_800_000_000, 253_402_300_799_999_999);
    let at = [first, first + HOUR, last - HOUR, first - 1, last + 1, i64::MIN];
    world.parquet(
        "touches.parquet",
        &with(with(touches(), "at", TimestampMicrosecondArray::from(at.to_vec())), "user_id", StringArray::from(vec!["ann"; 6])),
    );
    world.parquet(
        "conversions.parquet",
        &with(conversions(), "ordered_at", TimestampMicrosecondArray::from(vec![first + 2 * HOUR, last, i64::MAX])),
    );
    world.run_with(&["--set", "output.credits=true", "--set", "journey.windows=[\"30d\", \"all\", \"3650000d\"]"]).is_fine();
    let rows = world.manifest().rows;
    assert_eq!(rows.touchpoints.rejected.get("null_time"), Some(&3));
    assert_eq!(rows.conversions.rejected.get("null_time"), Some(&1));
    let days: Vec<_> = world
        .manifest()
        .tables
        .into_iter()
        .find(|it| it.name == "credits")
        .expect("credits")
        .files
        .into_iter()
        .map(|it| it.path)
        .collect();
    assert_eq!(days, ["credits/0001-01-01.parquet"]);
    for zone in ["Pacific/Kiritimati", "Etc/GMT+12", "Europe/Stockholm"] {
        for unit in ["exact", "calendar_day"] {
            let set = [
                format!("pipeline.timezone={zone}"),
                format!("touchpoints.timezone={zone}"),
                format!("journey.window_unit={unit}"),
            ];
            world.run_with(&["--set", &set[0], "--set", &set[1], "--set", &set[2]]).is_fine();
            world.run_with(&["--set", &set[0], "--set", &set[2], "--from", "0001-01-01", "--to", "9999-12-31"]).is_fine();
            world.run_with(&["--set", &set[0], "--date", "9999-12-31"]).is_fine();
        }
    }
    world.parquet(
        "touches.parquet",
        &with(touches(), "at", TimestampMillisecondArray::from(vec![i64::MAX, i64::MIN, i64::MAX / 1_000, 0, 1, 2])),
    );
    world.run().is_fine();
    let texts = [
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59.999999Z",
        "0000-01-01",
        "10000-01-01",
        "-0001-01-01",
        "+012026-01-01T00:00:00Z",
    ];
    world.parquet("touches.parquet", &with(touches(), "at", StringArray::from(texts.to_vec())));
    world.run().is_fine();
    assert_eq!(world.manifest().rows.touchpoints.rejected.get("null_time"), Some(&4));
}

#[test]
fn a_customer_with_a_million_touches() {
    let world = World::new();
    let count = 1_000_000;
    let channels = ["search", "email", "social", "direct", "video"];
    let second = |row: i64| NEW_YEAR + row * 1_000_000;
    world.parquet(
        "touches.parquet",
        &columns([
            ("user_id", Arc::new(StringArray::from(vec!["ann"; count])) as ArrayRef),
            ("at", Arc::new(PrimitiveArray::<TimestampMicrosecondType>::from_iter_values((0..count as i64).map(second)))),
            ("channel", Arc::new(StringArray::from_iter_values((0..count).map(|row| channels[row * 7 % 5])))),
            ("campaign", Arc::new(StringArray::from_iter_values((0..count).map(|row| channels[row % 5])))),
            ("interaction", Arc::new(StringArray::from_iter_values((0..count).map(|row| ["click", "view"][row % 2])))),
            ("event_id", Arc::new(StringArray::from_iter_values((0..count).map(|row| format!("e{row}"))))),
        ]),
    );
    world.parquet(
        "conversions.parquet",
        &columns([
            ("order_id", texts(["o1", "o2", "o3"])),
            ("user_id", texts(["ann"; 3])),
            ("ordered_at", times([second(count as i64), second(count as i64) + 1, second(500_000)])),
            ("kind", texts(["purchase"; 3])),
            ("revenue", Arc::new(Int64Array::from(vec![1_000_003, -1, 7]))),
        ]),
    );
    let began = Instant::now();
    let more = "[[model]]\nkind = \"time_decay\"\n[[model]]\nkind = \"any_touch\"\n[[model]]\nname = \"own\"\nkind = \"custom\"\nweight = \"1.0 / position\"\n";
    world.pipeline(&format!("{}{more}", crate::world::PIPELINE));
    let set = ["--set", "journey.windows=[\"all\", \"1h\"]"];
    world.run_with(&set).is_fine();
    assert!(began.elapsed() < Duration::from_secs(40), "{:?}", began.elapsed());
    let counts = read_current(&world.output(), "total").rows.into_iter().map(|row| row[4].clone());
    assert!(counts.clone().any(|touches| touches == Value::Int(2_500_001)), "{:?}", counts.collect::<Vec<_>>());
}

/// Pairs of touches and conversions multiply: whoever pays for a bot should know of it.
#[test]
fn a_customer_who_is_no_person_is_told_of_but_not_named() {
    let world = World::new();
    let (touches, orders) = (40_000, 300);
    let second = |row: usize| NEW_YEAR + row as i64 * 1_000_000;
    world.parquet(
        "touches.parquet",
        &columns([
            ("user_id", Arc::new(StringArray::from(vec!["crawler-7"; touches])) as ArrayRef),
            ("at", Arc::new(PrimitiveArray::<TimestampMicrosecondType>::from_iter_values((0..touches).map(second)))),
            ("channel", Arc::new(StringArray::from(vec!["search"; touches]))),
            ("campaign", Arc::new(StringArray::from(vec!["brand"; touches]))),
            ("interaction", Arc::new(StringArray::from(vec!["click"; touches]))),
            ("event_id", Arc::new(StringArray::from_iter_values((0..touches).map(|row| format!("e{row}"))))),
        ]),
    );
    world.parquet(
        "conversions.parquet",
        &columns([
            ("order_id", Arc::new(StringArray::from_iter_values((0..orders).map(|order| format!("o{order}")))) as ArrayRef),
            ("user_id", Arc::new(StringArray::from(vec!["crawler-7"; orders]))),
            ("ordered_at", Arc::new(TimestampMicrosecondArray::from_iter_values((0..orders).map(|row| second(touches + row))))),
            ("kind", Arc::new(StringArray::from(vec!["purchase"; orders]))),
            ("revenue", Arc::new(Int64Array::from(vec![100; orders]))),
        ]),
    );
    let ended = world.run();
    ended.is_fine();
    let told = ended.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("a customer has 40000 touches and 300 conversions"), "{}", ended.stdout);
    assert!(!told.contains("crawler"), "{}", ended.stdout);
}

#[test]
fn names_of_any_length_and_with_any_letter() {
    let long = "x".repeat(10_000);
    for name in [
        long.as_str(),
        "two\nlines",
        "\u{1b}[31mred\u{1b}[0m",
        "=cmd|' /C calc'!A0",
        "a > b",
        "",
        " ",
        "\0",
        "(unattributed)",
        "(not set)",
        "(other)",
        "é🙂\u{202e}rtl",
        "a\tb\r",
        "' OR 1=1 --",
    ] {
        let world = World::new();
        world.parquet("touches.parquet", &with(touches(), "channel", StringArray::from(vec![name; 6])));
        let ended = world.run_with(&["--set", "output.credits=true"]);
        ended.is_fine();
        let control = ended.stdout.chars().find(|letter| letter.is_control() && *letter != '\n');
        assert_eq!(control, None, "{:?}", ended.stdout);
        assert!(ended.stdout.lines().all(|line| line.chars().count() < 200), "{}", ended.stdout);
        // The file holds it as it was.
        let channels = read_current(&world.output(), "by_channel");
        let wanted = if name.is_empty() { "(not set)" } else { name };
        assert!(channels.rows.iter().any(|row| row[2] == Value::text(wanted)), "{name:?}");
        let explained = world.perform(&["explain", "pipeline.toml", "o1"]);
        assert_eq!(explained.code, 0, "{explained:?}");
        assert!(!explained.stdout.contains('\u{1b}') && !explained.stdout.contains('\0'), "{}", explained.stdout);
        assert!(explained.stdout.lines().all(|line| line.chars().count() < 400), "{}", explained.stdout);
        world.run_with(&["--format", "json"]);
    }
}

#[test]
fn windows_longer_than_the_log_are_the_whole_log() {
    let world = World::new();
    let table = |window: &str| {
        world.run_with(&["--set", &format!("journey.windows=[\"{window}\"]")]).is_fine();
        let rows = read_current(&world.output(), "by_channel").rows;
        rows.into_iter()
            .map(|mut row| {
                row.remove(1);
                row
            })
            .collect::<Vec<_>>()
    };
    let all = table("all");
    for window in ["36500d", "5000w", "100000d"] {
        assert_eq!(table(window), all, "{window}");
    }
    for window in ["99999999999999999999d", "0d", "-1d", "1.5d", "d", "", "9223372036854775807w"] {
        world.run_with(&["--set", &format!("journey.windows=[\"{window}\"]")]).fails(2, &["journey.windows", "expected"]);
    }
}

#[test]
fn conversions_without_customer_are_counted_and_unattributed() {
    let world = World::new();
    world.parquet("conversions.parquet", &with(conversions(), "user_id", StringArray::from(vec![None, None, Some("ann")])));
    world.run().is_fine();
    let unattributed = read_current(&world.output(), "unattributed");
    let reasons: Vec<_> = unattributed.rows.iter().filter_map(|row| row.last()?.as_text()).collect();
    assert_eq!(reasons.iter().filter(|it| **it == "identity_missing").count(), 4, "{unattributed:?}");
    assert_eq!(world.manifest().rows.conversions.accepted, 3);
    let explained = world.perform(&["explain", "pipeline.toml", "o1"]);
    assert_eq!(explained.code, 0, "{explained:?}");
    assert!(explained.stdout.contains("identity_missing"), "{}", explained.stdout);
}
