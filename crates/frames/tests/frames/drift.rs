//! Files of one source that differ: alternatives, missing and mistyped columns, extra ones.

use attributary_core::value::{ColumnType, Value};
use attributary_frames::{ColumnSpec, Fault, FrameError, TouchSource};
use polars::prelude::*;

use crate::support::*;

fn renamed(from: &str, to: &str) -> DataFrame {
    let mut frame = three();
    frame.rename(from, to.into()).unwrap();
    frame
}

fn opened(folder: &Folder, mapping: &attributary_frames::TouchMapping) -> Result<(), FrameError> {
    TouchSource::open(&spec(folder.path()), mapping).map(|_| ())
}

#[test]
fn alternatives_take_the_first_name_that_each_file_has() {
    let folder = Folder::new();
    folder.write("1.parquet", &three());
    folder.write("2.parquet", &renamed("customer", "clientId"));
    let mut mapping = touches();
    let error = opened(&folder, &mapping).unwrap_err();
    assert_eq!(error.fault(), Fault::Input);
    assert_eq!(
        folder.plain(&error),
        "touchpoints.columns.customer: no column \"customer\" in 2.parquet; found clientId, time, channel"
    );
    mapping.customer = ColumnSpec::Names(vec!["client_id".to_owned(), "customer".to_owned()]);
    let error = opened(&folder, &mapping).unwrap_err();
    assert!(folder.plain(&error).contains("no column \"client_id\" or \"customer\" in 2.parquet"), "{error}");
    assert_eq!(error.hint().unwrap(), "if clientId is the same column, map both: [\"client_id\", \"customer\", \"clientId\"]");
    mapping.customer = ColumnSpec::Names(vec!["customer".to_owned(), "clientId".to_owned()]);
    let rows = read_touches(&spec(folder.path()), &mapping).unwrap();
    assert_eq!(customers(&rows)[3..], [text("ann"), text("bob"), text("ann")]);
}

#[test]
fn a_missing_column_is_null_where_the_source_says_so_but_not_where_no_file_has_it() {
    let folder = Folder::new();
    folder.write("1.parquet", &three());
    folder.write("2.parquet", &three().drop("channel").unwrap());
    let mut mapping = touches();
    mapping.campaign = Some(sql("lower(channel)"));
    let mut lenient = spec(folder.path());
    lenient.missing_as_null = true;
    assert!(
        folder
            .plain(&opened(&folder, &mapping).unwrap_err())
            .contains("touchpoints.columns.channel: no column \"channel\" in 2.parquet")
    );
    let rows = read_touches(&lenient, &mapping).unwrap();
    assert_eq!(channels(&rows)[2..4], ["search", "(not set)"]);
    assert_eq!((&rows[2].attributes[1], &rows[3].attributes[1]), (&text("search"), &Value::Null));
    lenient.filter = Some("channel IS NULL".to_owned());
    assert_eq!(read_touches(&lenient, &mapping).unwrap().len(), 3);
    mapping.campaign = Some(name("gone"));
    let error = TouchSource::open(&lenient, &mapping).err().unwrap();
    assert!(folder.plain(&error).contains("touchpoints.columns.campaign: no column \"gone\" in 1.parquet"), "{error}");
}

#[test]
fn sql_over_a_column_that_some_files_lack_is_the_inputs_fault_and_over_none_the_pipelines() {
    let folder = Folder::new();
    folder.write("1.parquet", &three());
    folder.write("2.parquet", &three().drop("channel").unwrap());
    let mut mapping = touches();
    mapping.channel = sql("upper(channel)");
    let error = opened(&folder, &mapping).unwrap_err();
    assert_eq!(error.fault(), Fault::Input);
    assert!(folder.plain(&error).contains("touchpoints.columns.channel: no column \"channel\" in 2.parquet"));
    mapping.channel = sql("upper(chanel)");
    let error = opened(&folder, &mapping).unwrap_err();
    assert_eq!(error.fault(), Fault::Pipeline);
    assert_eq!(
        error.to_string(),
        "touchpoints.columns.channel: no column \"chanel\", in \"upper(chanel)\"; there are customer, time, channel"
    );
    assert_eq!(error.hint().unwrap(), "did you mean channel?");
}

#[test]
fn a_type_that_differs_names_both_files() {
    let folder = Folder::new();
    folder.write("1.parquet", &three());
    let mut other = three();
    other.with_column(Column::new("customer".into(), [1_i64, 2, 3])).unwrap();
    folder.write("2.parquet", &other);
    let error = opened(&folder, &touches()).unwrap_err();
    assert_eq!(error.fault(), Fault::Input);
    assert_eq!(
        folder.plain(&error),
        "touchpoints.columns.customer: column \"customer\" is int64 in 2.parquet, but text in 1.parquet"
    );
    let mut mapping = touches();
    mapping.customer = sql("customer || ''");
    let error = opened(&folder, &mapping).unwrap_err();
    assert_eq!(
        folder.plain(&error),
        "touchpoints.columns.customer: column \"customer\" is int64 in 2.parquet, but text in 1.parquet"
    );
    // Computed into one type it is no fault, and neither is a column that nobody uses.
    let mut unused = touches();
    unused.customer = name("time");
    assert!(opened(&folder, &unused).is_ok());
}

#[test]
fn a_column_of_nulls_takes_the_type_of_the_other_files() {
    let folder = Folder::new();
    let mut empty = three();
    empty.with_column(Column::full_null("customer".into(), 3, &DataType::Null)).unwrap();
    folder.write("1.parquet", &empty);
    let mut numbers = three();
    numbers.with_column(Column::new("customer".into(), [1_i64, 2, 3])).unwrap();
    folder.write("2.parquet", &numbers);
    let source = TouchSource::open(&spec(folder.path()), &touches()).unwrap();
    assert_eq!(source.customer_type(), &ColumnType::Int { bits: 64, signed: true });
    let rows = read_touches(&spec(folder.path()), &touches()).unwrap();
    assert_eq!(customers(&rows)[2..4], [Value::Null, Value::Int(1)]);
}

#[test]
fn extra_columns_of_any_type_are_fine() {
    let folder = Folder::new();
    let mut extra = three();
    let lists =
        Column::new("lists".into(), [Series::new("".into(), [1, 2]), Series::new("".into(), [3]), Series::new("".into(), [4])]);
    extra.with_column(lists).unwrap();
    extra
        .with_column(Column::new("pause".into(), [1_i64, 2, 3]).cast(&DataType::Duration(TimeUnit::Milliseconds)).unwrap())
        .unwrap();
    extra.with_column(Column::new("clock".into(), [1_i64, 2, 3]).cast(&DataType::Time).unwrap()).unwrap();
    folder.write("1.parquet", &extra);
    folder.write("2.parquet", &three());
    folder.write("3.ipc", &extra);
    assert_eq!(read_touches(&spec(folder.path()), &touches()).unwrap().len(), 9);
}
