//! What is written is what is read, and what does not fit is refused.

use super::*;
use attributary_store::Fault;

#[test]
fn every_type_comes_back_with_its_nulls() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.parquet");
    let (fields, rows) = every_type();
    let written = write(&path, &fields, std::slice::from_ref(&rows)).unwrap();
    assert_eq!(written.rows, 4);
    let (read_fields, cells) = read(&path).unwrap();
    assert_eq!(read_fields, fields);
    for ((field, column), cells) in fields.iter().zip(&rows.columns).zip(cells) {
        assert_eq!(cells, values(column), "{}", field.name);
    }
}

#[test]
fn columns_without_nulls_come_back_as_plain_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.parquet");
    let fields = [Field::new("n", ColumnType::COUNT), Field::new("share", ColumnType::SHARE), Field::new("on", ColumnType::Date)];
    // An unsigned integer beyond i64 travels by its bits.
    let rows =
        Rows { columns: vec![Column::Ints(vec![1, -1]), Column::Wide(vec![1_000_000_000, -1]), Column::Ints(vec![0, -9])] };
    write(&path, &fields, std::slice::from_ref(&rows)).unwrap();
    assert_eq!(read_table(&path).unwrap().next().unwrap().unwrap(), rows);
}

#[test]
fn a_table_without_rows_is_one_file_with_the_schema() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.parquet");
    let (fields, _) = every_type();
    assert_eq!(write(&path, &fields, &[]).unwrap().rows, 0);
    let reader = read_table(&path).unwrap();
    assert_eq!((reader.fields(), reader.rows()), (fields.as_slice(), 0));
    assert_eq!(reader.count(), 0);
}

#[test]
fn many_rows_and_long_dictionaries() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.parquet");
    let dictionary = Arc::new((0..1_000).map(|it| Value::text(&format!("campaign number {it}"))).collect::<Vec<_>>());
    let fields = [Field::new("campaign", ColumnType::Text), Field::new("n", ColumnType::Int { bits: 32, signed: true })];
    let batch = |start: u32| Rows {
        columns: vec![
            Column::Codes { codes: (start..start + 90_000).map(|it| it % 1_000).collect(), dictionary: Arc::clone(&dictionary) },
            Column::Ints((start..start + 90_000).map(i64::from).collect()),
        ],
    };
    let written = write(&path, &fields, &[batch(0), batch(90_000), batch(180_000)]).unwrap();
    assert_eq!(written.rows, 270_000);
    let (_, cells) = read(&path).unwrap();
    for row in 0..270_000 {
        assert_eq!(cells[0][row], dictionary[row % 1_000]);
        assert_eq!(cells[1][row], Value::Int(row as i128));
    }
}

#[test]
fn distinct_texts_come_back_in_one_piece() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.parquet");
    let fields = [Field::new("id", ColumnType::Text), Field::new("key", ColumnType::Binary)];
    let ids: Vec<_> =
        (0..2_000).map(|it| if it % 7 == 0 { Value::Null } else { Value::text(&format!("order-{it:020}")) }).collect();
    let keys: Vec<_> = (0..2_000_u32).map(|it| Value::Binary(it.to_be_bytes().into())).collect();
    write(&path, &fields, &[Rows { columns: vec![Column::Values(ids.clone()), Column::Values(keys.clone())] }]).unwrap();
    let rows = read_table(&path).unwrap().next().unwrap().unwrap();
    assert!(matches!(&rows.columns[0], Column::Texts(_)), "{:?}", rows.columns[0]);
    assert_eq!((values(&rows.columns[0]), values(&rows.columns[1])), (ids, keys));
}

#[test]
fn hash_and_size_are_those_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.parquet");
    let (fields, rows) = every_type();
    let written = write(&path, &fields, &[rows]).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let hash: String = sha2::Sha256::digest(&bytes).iter().map(|it| format!("{it:02x}")).collect();
    assert_eq!((written.bytes, written.sha256), (bytes.len() as u64, hash));
    assert_eq!(written.path, path);

    use sha2::Digest;
    let length = u32::from_le_bytes(bytes[bytes.len() - 8..][..4].try_into().unwrap()) as usize;
    let footer: String =
        sha2::Sha256::digest(&bytes[bytes.len() - 8 - length..bytes.len() - 8]).iter().map(|it| format!("{it:02x}")).collect();
    assert_eq!(attributary_store::footer_sha256(&path).unwrap(), footer);
}

#[test]
fn cells_that_do_not_fit_are_a_fault_of_ours() {
    let int = |bits, signed| ColumnType::Int { bits, signed };
    let cases = [
        (int(8, true), Column::Ints(vec![128]), "the number 128"),
        (int(32, false), Column::Ints(vec![-1]), "the number -1"),
        (int(64, false), Column::Values(vec![Value::Int(-1)]), "the number -1"),
        (int(64, true), Column::Wide(vec![1 << 80]), "the number 1208925819614629174706176"),
        (int(64, true), Column::Floats(vec![Some(1.0)]), "floats"),
        (int(64, true), Column::Values(vec![Value::text("one")]), "the text \"one\""),
        (ColumnType::Text, Column::Ints(vec![1]), "integers"),
        (ColumnType::Date, texts(&[Some("2026-11-22")]), "texts"),
        (ColumnType::Text, codes(&[0], &[Value::Boolean(true)]), "the boolean true"),
        (ColumnType::Text, codes(&[1], &[Value::text("a")]), "code 1 of a dictionary of 1"),
        (ColumnType::Binary, Column::Values(vec![Value::text("a")]), "the text \"a\""),
        (ColumnType::Boolean, Column::Ints(vec![1]), "integers"),
        (ColumnType::Float { bits: 32 }, Column::Floats(vec![Some(0.1)]), "the float 0.1"),
        (ColumnType::Float { bits: 64 }, Column::Values(vec![Value::Int(1)]), "the number 1"),
        (ColumnType::Decimal { precision: 3, scale: 2 }, Column::Wide(vec![999, -1_000]), "the unscaled number -1000"),
        (
            ColumnType::Decimal { precision: 38, scale: 0 },
            Column::Wide(vec![10_i128.pow(38)]),
            &format!("the unscaled number 1{}", "0".repeat(38)),
        ),
        (ColumnType::Date, Column::Ints(vec![1 << 40]), "the number 1099511627776"),
        (ColumnType::Text, Column::Values(vec![Value::Binary([1, 2].into())]), "2 bytes"),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (kind, column, expected) in cases {
        let path = folder.path().join("table.parquet");
        let error = write(&path, &[Field::new("cell", kind.clone())], &[Rows { columns: vec![column] }]).unwrap_err();
        let StoreError::Mismatch { table, column, expected: field, found } = &error else { panic!("{error:?}") };
        assert_eq!((table, column.as_str(), field, found.as_str()), (&path, "cell", &kind, expected));
        assert_eq!(error.fault(), Fault::Bug);
        assert!(!path.exists(), "an unfinished file is removed");
    }
}

#[test]
fn rows_of_the_wrong_shape_are_a_fault_of_ours() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.parquet");
    let fields = [Field::new("a", ColumnType::Date), Field::new("b", ColumnType::Date)];
    for columns in [vec![Column::Ints(vec![1])], vec![Column::Ints(vec![1, 2]), Column::Ints(vec![1])]] {
        let error = write(&path, &fields, &[Rows { columns }]).unwrap_err();
        assert!(matches!(error, StoreError::Shape { .. }), "{error:?}");
    }
    assert!(matches!(write(&path, &[], &[]), Err(StoreError::Shape { .. })));
}

#[test]
fn files_of_others() {
    use arrow::array::{
        ArrayRef, Decimal64Array, DictionaryArray, FixedSizeBinaryArray, Int8Array, Int32Array, LargeStringArray, NullArray,
        RecordBatch, StringArray, StringViewArray, StructArray, TimestampNanosecondArray,
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("theirs.parquet");
    let write = |columns: Vec<(&str, ArrayRef)>| {
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let mut writer =
            parquet::arrow::ArrowWriter::try_new(std::fs::File::create(&path).unwrap(), batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
    };
    let words = ["a", "b", "a"];
    let keyed = DictionaryArray::new(Int8Array::from(vec![Some(0), None, Some(1)]), Arc::new(StringArray::from(vec!["x", "y"])));
    write(vec![
        ("utf8", Arc::new(StringArray::from(words.to_vec()))),
        ("large", Arc::new(LargeStringArray::from(words.to_vec()))),
        ("view", Arc::new(StringViewArray::from(words.to_vec()))),
        ("dictionary", Arc::new(keyed)),
        ("fixed", Arc::new(FixedSizeBinaryArray::try_from_iter([[1, 2], [3, 4], [5, 6]].into_iter()).unwrap())),
        ("time", Arc::new(TimestampNanosecondArray::from(vec![1, 2, 3]))),
        ("money", Arc::new(Decimal64Array::from(vec![125, -5, 0]).with_precision_and_scale(12, 2).unwrap())),
        ("nothing", Arc::new(NullArray::new(3))),
    ]);
    let (fields, cells) = read(&path).unwrap();
    let kinds: Vec<_> = fields.iter().map(|field| field.kind.to_string()).collect();
    assert_eq!(kinds, ["text", "text", "text", "text", "binary", "timestamp[ns]", "decimal(12, 2)", "text"]);
    for column in &cells[..3] {
        assert_eq!(*column, words.map(Value::text));
    }
    assert_eq!(cells[3], [Value::text("x"), Value::Null, Value::text("y")]);
    assert_eq!(cells[4][1], Value::Binary([3, 4].into()));
    assert_eq!(cells[6], [125, -5, 0].map(Value::Int));
    assert_eq!(cells[7], [Value::Null, Value::Null, Value::Null]);

    let inner = Int32Array::from(vec![1]);
    let field = Arc::new(arrow::datatypes::Field::new("x", arrow::datatypes::DataType::Int32, true));
    write(vec![("nested", Arc::new(StructArray::from(vec![(field, Arc::new(inner) as ArrayRef)])))]);
    let error = read(&path).unwrap_err();
    assert!(matches!(&error, StoreError::Unsupported { column, .. } if column == "nested"), "{error:?}");
    assert_eq!(error.fault(), Fault::Input);
}
