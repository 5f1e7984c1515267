//! The bytes of a file depend on its rows alone.

use super::*;
use proptest::prelude::*;

fn fields() -> Vec<Field> {
    vec![
        Field::new("channel", ColumnType::Text),
        Field::new("id", ColumnType::Text),
        Field::new("n", ColumnType::COUNT),
        Field::new("share", ColumnType::SHARE),
        Field::new("days", ColumnType::Float { bits: 64 }),
    ]
}

fn cell(row: usize) -> u64 {
    (row as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40
}

/// Rows `start..end`, in one of several forms that mean the same.
fn rows(start: usize, end: usize, form: usize) -> Rows {
    let channels: Vec<_> = ["email", "paid search", "a channel with quite a long name"].map(Value::text).to_vec();
    let channel = (start..end).map(|row| if cell(row).is_multiple_of(5) { NULL_CODE } else { cell(row) as u32 % 3 });
    let id = |row| (!cell(row).is_multiple_of(7)).then(|| format!("order {:>20}", cell(row)));
    let ids: Vec<_> = (start..end).map(id).collect();
    let number = |row| cell(row) as i64;
    Rows {
        columns: vec![
            match form % 2 {
                0 => Column::Codes { codes: channel.collect(), dictionary: Arc::new(channels) },
                _ => Column::Values(channel.map(|it| channels.get(it as usize).cloned().unwrap_or_default()).collect()),
            },
            match form % 3 {
                0 => texts(&ids.iter().map(|id| id.as_deref()).collect::<Vec<_>>()),
                _ => Column::Values(ids.iter().map(|id| id.as_deref().map_or(Value::Null, Value::text)).collect()),
            },
            match form % 2 {
                0 => Column::Ints((start..end).map(number).collect()),
                _ => Column::Values((start..end).map(|row| Value::Int(number(row).into())).collect()),
            },
            Column::Wide((start..end).map(|row| i128::from(number(row)) << 20).collect()),
            Column::Floats((start..end).map(|row| (row % 11 != 0).then_some(cell(row) as f64 / 3.0)).collect()),
        ],
    }
}

fn written(cuts: &[usize], end: usize, layout: &Layout) -> WrittenFile {
    let folder = tempfile::tempdir().unwrap();
    let mut file = TableFile::create(&folder.path().join("table.parquet"), &fields(), layout).unwrap();
    let mut start = 0;
    for (form, cut) in cuts.iter().copied().chain([end]).enumerate() {
        let cut = cut.clamp(start, end);
        file.write(&rows(start, cut, form)).unwrap();
        start = cut;
    }
    WrittenFile { path: "".into(), ..file.finish().unwrap() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn however_the_rows_are_cut(mut cuts in prop::collection::vec(0_usize..80_000, 0..12), group in 9_000_usize..100_000) {
        cuts.sort_unstable();
        let layout = Layout { row_group_rows: group, ..Layout::default() };
        prop_assert_eq!(written(&cuts, 80_000, &layout), written(&[], 80_000, &layout));
    }
}

#[test]
fn one_row_at_a_time() {
    let cuts: Vec<_> = (0..5_000).collect();
    assert_eq!(written(&cuts, 5_000, &Layout::default()), written(&[], 5_000, &Layout::default()));
}

#[test]
fn the_file_says_nothing_of_when_and_where() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.parquet");
    let (fields, rows) = every_type();
    write(&path, &fields, &[rows]).unwrap();
    let metadata =
        parquet::file::metadata::ParquetMetaDataReader::new().parse_and_finish(&std::fs::File::open(&path).unwrap()).unwrap();
    assert_eq!(metadata.file_metadata().created_by(), Some("attributary version 1"));
    let keys: Vec<_> = metadata.file_metadata().key_value_metadata().unwrap().iter().map(|it| it.key.as_str()).collect();
    assert_eq!(keys, ["ARROW:schema"]);
    assert!(metadata.row_group(0).columns().iter().all(|it| matches!(it.compression(), parquet::basic::Compression::ZSTD(_))));
    assert!(metadata.row_group(0).column(0).dictionary_page_offset().is_some());
}
