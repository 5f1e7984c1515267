//! Reads touchpoints and says how fast: `cargo run --release --example rows_per_second -- FOLDER THREADS [PREDICATE]`.
#![expect(clippy::print_stdout, reason = "it is a measurement for a person")]

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use attributary_core::time::Zone;
use attributary_frames::{ColumnSpec, FrameError, Predicate, Progress, SourceSpec, TimeBounds, TouchMapping, TouchSource};

fn main() -> Result<(), FrameError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [source, threads, predicates @ ..] = arguments.as_slice() else {
        println!("usage: rows_per_second FOLDER THREADS [PREDICATE]");
        return Ok(());
    };
    let threads = threads.parse().unwrap_or(1);
    println!("threads bounded: {}", attributary_frames::set_threads(threads));
    let name = |name: &str| ColumnSpec::Names(vec![name.to_owned()]);
    let spec = SourceSpec {
        key: "touchpoints".to_owned(),
        source: source.clone(),
        zone: Zone::utc(),
        filter: std::env::var("WHERE").ok(),
        missing_as_null: false,
    };
    let predicate = |sql: &String| Predicate { key: "predicate".to_owned(), sql: sql.clone() };
    let mapping = TouchMapping {
        customer: name("user_id"),
        time: name("event_time"),
        channel: name("channel"),
        campaign: Some(name("campaign")),
        interaction: None,
        id: None,
        dimensions: Vec::new(),
        predicates: predicates.iter().map(predicate).collect(),
    };
    let started = Instant::now();
    let touches = TouchSource::open(&spec, &mapping)?;
    let opened = started.elapsed();
    let (rows, batches, keys) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let bounds = TimeBounds { from: std::env::var("FROM").ok().and_then(|from| from.parse().ok()), to: None };
    touches.read(&bounds, threads, &Progress::default(), &|batch| {
        let sum = (0..batch.len()).fold(0_u64, |sum, row| sum.wrapping_add(batch.customers.key(row).hash()));
        rows.fetch_add(batch.len() as u64, Ordering::Relaxed);
        batches.fetch_add(1, Ordering::Relaxed);
        keys.fetch_add(sum, Ordering::Relaxed);
        Ok(())
    })?;
    let read = started.elapsed() - opened;
    let million = rows.into_inner() as f64 / 1e6;
    println!(
        "{} files opened in {opened:?}; {million} M rows in {read:?}, {batches:?} batches, {keys:x?}",
        touches.files().len()
    );
    println!("{:.1} M rows/s", million / read.as_secs_f64());
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().filter(|line| line.starts_with("VmHWM") || line.starts_with("Threads")).for_each(|line| println!("{line}"));
    Ok(())
}
