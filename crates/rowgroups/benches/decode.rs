//! Decoding a Parquet file as a run does, row group by row group, with integer keys and with text keys. Items are touches.

use std::error::Error;
use std::fs::File;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use attributary_core::duration::SECOND;
use attributary_core::time::Zone;
use attributary_rowgroups::{Attribute, Columns, LogFile, Next};
use divan::Bencher;
use divan::counter::ItemsCount;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

/// Fewer where tests run it once, without optimisation.
const TOUCHES: usize = if cfg!(debug_assertions) { 10_000 } else { 500_000 };

const GROUP_ROWS: usize = 1 << 17;
const CUSTOMERS: u64 = 80_000;
const CHANNELS: u64 = 12;
const CAMPAIGNS: u64 = 600;

/// 2026-01-01.
const BEGIN: i64 = 1_767_225_600 * SECOND;

fn main() {
    divan::main();
}

#[divan::bench]
fn integer_keys(bencher: Bencher<'_, '_>) {
    bench(bencher, |customers| Arc::new(customers.map(|customer| customer as i64).collect::<Int64Array>()));
}

#[divan::bench]
fn text_keys(bencher: Bencher<'_, '_>) {
    bench(bencher, |customers| Arc::new(customers.map(|customer| Some(text_key(customer))).collect::<StringArray>()));
}

fn bench(bencher: Bencher<'_, '_>, keys: fn(&mut dyn Iterator<Item = u64>) -> ArrayRef) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("touches.parquet");
    write(&path, keys).expect("the file is written");
    bencher.counter(ItemsCount::new(TOUCHES)).bench(|| {
        let rows = decode(&path).expect("the file is whole");
        assert_eq!(rows, TOUCHES as u64);
    });
}

/// 16 hexadecimal digits. The factor is odd, so customers stay distinct.
fn text_key(customer: u64) -> String {
    format!("{:016x}", customer.wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

fn decode(path: &Path) -> Result<u64, Box<dyn Error>> {
    let column = |name: &str| Attribute::Column(name.to_owned());
    let wanted = Columns {
        customer: "customer".to_owned(),
        time: "time".to_owned(),
        zone: Zone::utc(),
        id: None,
        attributes: vec![column("channel"), column("campaign"), Attribute::Nothing],
        refund_of: None,
        currency: None,
        amounts: Vec::new(),
        known: None,
    };
    let file = LogFile::open(path, wanted)?.ok_or("a column is of a type that is not decoded")?;
    let mut rows = 0;
    for group in file.groups(None, None).0 {
        let mut batches = file.read(&group)?;
        while let Next::Rows(count, batch) = batches.next_touches(0, |_| true)? {
            black_box(batch);
            rows += count;
        }
    }
    Ok(rows)
}

/// Touches in order of time, 15 seconds apart.
fn write(path: &Path, keys: fn(&mut dyn Iterator<Item = u64>) -> ArrayRef) -> Result<(), Box<dyn Error>> {
    let mut state = 20_260_101_u64;
    let mut random = |limit: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((u128::from(state) * u128::from(limit)) >> 64) as u64
    };
    let times = (0..TOUCHES as i64).map(|row| BEGIN + 15 * SECOND * row);
    let customers = keys(&mut (0..TOUCHES).map(|_| random(CUSTOMERS)));
    let mut texts = |of: &str, count: u64| -> ArrayRef {
        Arc::new((0..TOUCHES).map(|_| Some(format!("{of} {}", random(count)))).collect::<StringArray>())
    };
    let batch = RecordBatch::try_from_iter([
        ("customer", customers),
        ("time", Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC")) as ArrayRef),
        ("channel", texts("channel", CHANNELS)),
        ("campaign", texts("campaign", CAMPAIGNS)),
    ])?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .build();
    let mut writer = ArrowWriter::try_new(File::create(path)?, batch.schema(), Some(properties))?;
    writer.write(&batch)?;
    writer.close()?;
    Ok(())
}
