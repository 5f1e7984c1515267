//! A run on one thread, part by part: partitioning the touches by customer, the walk, the rows of the table. Items are touches
//! of the log.

use divan::Bencher;
use divan::counter::ItemsCount;
use small_log::{SmallLog, TOUCHES};

mod small_log;

fn main() {
    divan::main();
}

#[divan::bench]
fn partition(bencher: Bencher<'_, '_>) {
    let log = SmallLog::new();
    let bencher = bencher.counter(ItemsCount::new(TOUCHES)).with_inputs(|| log.collect().expect("conversions are taken"));
    bencher.bench_local_refs(|collected| log.partition(collected).expect("touches are taken"));
}

#[divan::bench]
fn walk(bencher: Bencher<'_, '_>) {
    let log = SmallLog::new();
    let bencher = bencher.counter(ItemsCount::new(TOUCHES)).with_inputs(|| {
        let collected = log.collect().expect("conversions are taken");
        let partitioned = log.partition(&collected).expect("touches are taken");
        (collected, partitioned)
    });
    bencher.bench_local_values(|(collected, partitioned)| log.walk(collected, partitioned).expect("the ledger adds up"));
}

#[divan::bench]
fn rows(bencher: Bencher<'_, '_>) {
    let log = SmallLog::new();
    let collected = log.collect().expect("conversions are taken");
    let partitioned = log.partition(&collected).expect("touches are taken");
    let walked = log.walk(collected, partitioned).expect("the ledger adds up");
    bencher.counter(ItemsCount::new(TOUCHES)).bench_local(|| log.rows(&walked).expect("sums are in memory"));
}
