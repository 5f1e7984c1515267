//! Computed columns, `where` and predicates, and whose fault it is when they are wrong.

use attributary_core::value::{ColumnType, Value};
use attributary_frames::{ConversionSource, Fault, FrameError, Predicate, TouchMapping, TouchSource, ValueUnit};
use polars::prelude::*;

use crate::support::*;

fn events() -> DataFrame {
    df!(
        "customer" => ["ann", "bob", "cid", "dan"],
        "time" => ["2025-01-01T00:00:00Z"; 4],
        "url" => ["https://x.example/?utm_campaign=spring+sale&utm_source=News", "https://x.example/", "?utm_campaign=%C3%A5", "?a=1"],
        "data" => [Some(r#"{"revenue": 12.345, "items": [{"id": "p1"}]}"#), Some(r#"{"revenue": "7"}"#), Some("broken"), None],
        "clicks" => [Some(1_i32), Some(2), None, Some(4)],
    )
    .unwrap()
}

fn problem(folder: &Folder, change: impl Fn(&mut TouchMapping)) -> FrameError {
    let mut mapping = touches();
    change(&mut mapping);
    TouchSource::open(&spec(folder.path()), &mapping).err().unwrap()
}

#[test]
fn computed_columns_and_the_helper_functions() {
    let folder = Folder::new();
    for file in ["x.parquet", "x.ipc", "x.csv"] {
        let path = folder.write(file, &events());
        let mut mapping = touches();
        mapping.channel = sql("COALESCE(lower(url_param(url, 'utm_source')), 'direct')");
        mapping.campaign = Some(sql("url_param(url, 'utm_campaign')"));
        mapping.id = Some(sql("clicks * 10"));
        mapping.interaction = Some(sql("json_value(data, '$.items[0].id')"));
        let rows = read_touches(&spec(&path), &mapping).unwrap();
        assert_eq!(channels(&rows), ["news", "direct", "direct", "direct"], "{file}");
        assert_eq!(
            rows.iter().map(|row| row.attributes[1].clone()).collect::<Vec<_>>(),
            [text("spring sale"), Value::Null, text("å"), Value::Null]
        );
        assert_eq!(
            rows.iter().map(|row| row.id.clone()).collect::<Vec<_>>(),
            [Value::Int(10), Value::Int(20), Value::Null, Value::Int(40)]
        );
        assert_eq!(rows[0].attributes[2], text("p1"));
        let mut values = conversions();
        values.id = sql("customer");
        values.values = vec![
            value("a", sql("CAST(json_value(data, '$.revenue') AS DOUBLE)"), ValueUnit::Major),
            value("b", sql("CAST(json_value(data, '$.revenue') AS DECIMAL(18, 3))"), ValueUnit::Major),
            value("c", sql("clicks"), ValueUnit::Minor),
        ];
        let rows = read_conversions(&spec(&path), &values).unwrap();
        // The float next to 12.345 lies above it; the decimal is a tie, and goes to the even cent.
        assert_eq!(rows[0].values, [Some(1_235), Some(1_234), Some(1)], "{file}");
        assert_eq!(rows[1].values, [Some(700), Some(700), Some(2)]);
        assert_eq!(rows[2].values, [None, None, None]);
    }
}

#[test]
fn dictionaries_are_text_in_sql() {
    let folder = Folder::new();
    let mut frame = three();
    let words = frame.column("channel").unwrap().cast(&DataType::from_categories(Categories::global())).unwrap();
    frame.with_column(words).unwrap();
    for file in ["x.parquet", "x.ipc"] {
        let path = folder.write(file, &frame);
        let mut spec = spec(&path);
        spec.filter =
            Some("channel LIKE '%e%' AND channel || '!' <> 'direct!' AND channel IN ('email', 'direct', 'search')".to_owned());
        let mut mapping = touches();
        mapping.campaign = Some(sql("upper(channel)"));
        mapping.predicates = vec![predicate("channel = 'email'")];
        let rows = read_touches(&spec, &mapping).unwrap();
        assert_eq!(
            rows.iter().map(|row| (row.row, row.attributes[1].clone(), row.flags)).collect::<Vec<_>>(),
            [(0, text("EMAIL"), 1), (2, text("SEARCH"), 0)]
        );
    }
}

#[test]
fn predicates_see_the_mapped_names() {
    let folder = Folder::new();
    let mut frame = events();
    frame.with_column(Column::new("kanal".into(), [Some("email"), None, Some(""), Some("direct")])).unwrap();
    frame.with_column(Column::new("channel".into(), ["source"; 4])).unwrap();
    let path = folder.write("x.parquet", &frame);
    let mut mapping = touches();
    mapping.channel = name("kanal");
    mapping.id = Some(name("clicks"));
    mapping.dimensions = dimensions(&["clicks"]);
    mapping.campaign = Some(sql("url_param(url, 'utm_campaign')"));
    mapping.predicates = vec![
        predicate("channel = '(not set)'"),
        predicate("channel <> 'direct'"),
        predicate("clicks > 1"),
        predicate("campaign IS NULL OR id = 1"),
        predicate("campaign = 'å'"),
        predicate("true"),
        predicate("NULL"),
    ];
    let rows = read_touches(&spec(&path), &mapping).unwrap();
    let flags: Vec<_> = rows.iter().map(|row| format!("{:07b}", row.flags)).collect();
    assert_eq!(flags, ["0101010", "0101111", "0110011", "0101100"]);
    for (sql, expected) in [
        ("url IS NULL", "model.a.only: no column \"url\", in \"url IS NULL\"; there are id, channel, campaign, clicks"),
        (
            "interaction = 'click'",
            "model.a.only: no column \"interaction\", in \"interaction = 'click'\"; there are id, channel, campaign, clicks",
        ),
        (
            "customer = 'ann'",
            "model.a.only: no column \"customer\", in \"customer = 'ann'\"; there are id, channel, campaign, clicks",
        ),
        ("clicks", "model.a.only: it gives int32, expected a condition, in \"clicks\""),
    ] {
        mapping.predicates = vec![predicate(sql)];
        let error = TouchSource::open(&spec(&path), &mapping).err().unwrap();
        assert_eq!((error.fault(), error.to_string().as_str()), (Fault::Pipeline, expected));
    }
    mapping.predicates = vec![predicate("true"); 65];
    assert_eq!(TouchSource::open(&spec(&path), &mapping).err().unwrap(), FrameError::TooManyPredicates { found: 65 });
}

#[test]
fn a_predicate_over_a_dimension_named_like_a_plans_own_column() {
    let folder = Folder::new();
    let mut frame = three();
    frame.with_column(Column::new("attribute 0".into(), [1, 2, 3])).unwrap();
    frame.with_column(Column::new("__attributary_row".into(), ["x"; 3])).unwrap();
    let path = folder.write("x.parquet", &frame);
    let mut mapping = touches();
    mapping.dimensions = dimensions(&["time", "customer", "attribute 0"]);
    mapping.predicates =
        vec![Predicate { key: "k".to_owned(), sql: "customer = 'ann' AND \"attribute 0\" = 3 AND time > '2025'".to_owned() }];
    let outcome = read_touches(&spec(&path), &mapping);
    // A row number of the same name as a column cannot be told from it: that file is refused, not misread.
    assert!(outcome.is_err_and(|error| error.fault() == Fault::Input));
    let path = folder.write("x.parquet", &frame.drop("__attributary_row").unwrap());
    assert_eq!(read_touches(&spec(&path), &mapping).unwrap().iter().map(|row| row.flags).collect::<Vec<_>>(), [0, 0, 1]);
}

#[test]
fn sql_that_is_wrong_is_the_pipelines_fault_and_names_the_key() {
    let folder = Folder::new();
    folder.write("x.parquet", &three());
    for (text, part) in [
        ("channel =", "Expected"),
        ("max(channel)", "one row at a time"),
        ("channel, time", "several"),
        ("lower(channel) OVER ()", "OVER"),
        ("nosuch(channel)", "nosuch"),
        ("channel > 1.5 + time", "touchpoints.columns.campaign"),
        ("CAST('1' AS DOUBLE)", "it gives float64, expected text"),
        ("json_value(channel)", "expects 2 arguments, found 1"),
    ] {
        let error = problem(&folder, |mapping| mapping.campaign = Some(sql(text)));
        assert_eq!(error.fault(), Fault::Pipeline, "{text}: {error}");
        let message = error.to_string();
        assert!(message.starts_with("touchpoints.columns.campaign: ") && message.contains(part), "{text}: {message}");
        assert!(message.lines().count() == 1, "{message}");
    }
    let mut wrong = spec(folder.path());
    for (filter, part) in [
        ("channel", "it gives text, expected a condition"),
        ("count(*) > 1", "one row at a time"),
        ("nope = 1", "no column \"nope\""),
    ] {
        wrong.filter = Some(filter.to_owned());
        let error = TouchSource::open(&wrong, &touches()).err().unwrap();
        assert_eq!(error.fault(), Fault::Pipeline, "{error}");
        assert!(error.to_string().starts_with("touchpoints.where: ") && error.to_string().contains(part), "{error}");
    }
    let error = problem(&folder, |mapping| mapping.time = sql("length(channel)"));
    assert!(error.to_string().starts_with("touchpoints.columns.time: it gives uint32, expected timestamps"), "{error}");
}

#[test]
fn a_cell_that_sql_cannot_take_is_the_inputs_fault() {
    let folder = Folder::new();
    let path = folder.write("x.parquet", &three());
    let mut mapping = touches();
    mapping.id = Some(sql("CAST(channel AS BIGINT)"));
    let error = read_touches(&spec(&path), &mapping).unwrap_err();
    assert_eq!(error.fault(), Fault::Input);
    assert!(folder.plain(&error).starts_with("touchpoints.columns.id: fails on a row of x.parquet: "), "{error}");
    assert!(error.hint().unwrap().contains("TRY_CAST"));
    mapping.id = Some(sql("TRY_CAST(channel AS BIGINT)"));
    assert_eq!(read_touches(&spec(&path), &mapping).unwrap()[0].id, Value::Null);
}

#[test]
fn fields_of_nested_columns_can_be_computed_with() {
    let folder = Folder::new();
    let mut frame = three();
    let fields = [Series::new("source".into(), ["a", "b", "c"]), Series::new("size".into(), [1, 2, 3])];
    frame.with_column(StructChunked::from_series("event".into(), 3, fields.iter()).unwrap().into_column()).unwrap();
    let path = folder.write("x.parquet", &frame);
    let mut mapping = touches();
    mapping.channel = sql("upper(event.source)");
    mapping.id = Some(sql("event.size + 1"));
    mapping.campaign = Some(sql("self.channel"));
    let rows = read_touches(&spec(&path), &mapping).unwrap();
    assert_eq!(channels(&rows), ["A", "B", "C"]);
    assert_eq!((&rows[2].id, &rows[2].attributes[1]), (&Value::Int(4), &text("search")));
    let error = problem(&folder, |mapping| mapping.channel = name("event"));
    assert!(error.to_string().contains("column \"event\" is nested"), "{error}");
}

#[test]
fn constants_are_columns() {
    let folder = Folder::new();
    let path = folder.write("x.parquet", &three());
    let mut mapping = touches();
    mapping.channel = sql("'web'");
    mapping.campaign = Some(sql("NULL"));
    mapping.id = Some(sql("1"));
    let source = TouchSource::open(&spec(&path), &mapping).unwrap();
    assert!(matches!(source.id_type(), Some(ColumnType::Int { .. })));
    let rows = read_touches(&spec(&path), &mapping).unwrap();
    assert_eq!(channels(&rows), ["web"; 3]);
    assert_eq!((&rows[2].attributes[1], &rows[2].id), (&Value::Null, &Value::Int(1)));
    let mut none = spec(&path);
    none.filter = Some("1 = 2".to_owned());
    assert_eq!(read_touches(&none, &mapping).unwrap(), []);
}

#[test]
fn one_file_can_be_touchpoints_and_conversions() {
    let folder = Folder::new();
    let mut frame = three();
    frame.with_column(Column::new("id".into(), [None, Some("o1"), None])).unwrap();
    frame.with_column(Column::new("revenue".into(), [None, Some(5.0), None])).unwrap();
    let path = folder.write("x.parquet", &frame);
    let mut orders = spec(&path);
    orders.filter = Some("id IS NOT NULL".to_owned());
    assert_eq!(read_conversions(&orders, &conversions()).unwrap()[0].row, 1);
    orders.filter = Some("id IS NULL".to_owned());
    assert_eq!(read_touches(&orders, &touches()).unwrap().len(), 2);
    assert!(ConversionSource::open(&orders, &conversions()).is_ok());
}
