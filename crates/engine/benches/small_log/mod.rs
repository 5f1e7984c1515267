//! A small log, the same on every machine, and the one place where benches and the fixed run drive the engine: six rule
//! models, one window, one grouped table, on the calling thread alone.

use std::sync::Arc;

use attributary_core::batch::{Coded, ConversionBatch, Identities, RowNumbers, TouchBatch, attribute};
use attributary_core::duration::{DAY, Window};
use attributary_core::key::Key;
use attributary_core::model::{ExpressionCompiler, Fallback, Parameters, WeightExpression};
use attributary_core::money::Rounded;
use attributary_core::table::{NULL_CODE, Rows};
use attributary_core::time::Zone;
use attributary_core::value::{ColumnType, Value};
use attributary_engine::conversions::{ConversionCollector, Converted};
use attributary_engine::ledger::Ledger;
use attributary_engine::partition::{Partition, Partitioned};
use attributary_engine::rejects::Rejects;
use attributary_engine::tables::grouped;
use attributary_engine::walk::{Walked, walk};
use attributary_engine::{EngineError, GroupColumn, Interrupt, ModelSetup, Period, Range, Setup, TableSetup};
use attributary_journeys::{Repeats, Reuse, Rules};

/// Touches of the log, in order of time.
pub const TOUCHES: usize = 300_000;

const CONVERSIONS: usize = 9_000;
const CUSTOMERS: u64 = 50_000;
const CHANNELS: u64 = 12;
const CAMPAIGNS: u64 = 50;
const DAYS: i64 = 90;

/// 2026-01-01.
const BEGIN: i64 = 20_454 * DAY;

/// Rows of a batch, as `rowgroups` makes them.
const BATCH_ROWS: usize = 1 << 14;

const MODELS: [&str; 6] = ["last_touch", "first_touch", "linear", "time_decay", "position_based", "j_shaped"];

/// The log and what is computed of it, in four steps. None is inlined: `bench/instructions.py` counts by their names.
pub struct SmallLog {
    setup: Setup,
    conversions: ConversionBatch,
    touches: Vec<TouchBatch>,
}

/// The conversions, and what is counted beside them.
pub struct Collected {
    converted: Converted,
    ledger: Ledger,
    rejects: Rejects,
}

impl SmallLog {
    /// Makes the log, and the calling thread the only one of rayon's pool.
    #[inline(never)]
    pub fn new() -> Self {
        // There may be a pool already: of this thread, from the log before this one.
        _ = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build_global();
        let mut random = Random(20_260_101);
        let touches: Vec<Touch> = (0..TOUCHES).map(|row| Touch::at(row, &mut random)).collect();
        Self { setup: setup(), conversions: conversion_batch(&touches, &mut random), touches: touch_batches(&touches) }
    }

    /// Takes the conversions.
    #[inline(never)]
    pub fn collect(&self) -> Result<Collected, EngineError> {
        let (rejects, mut ledger) = (Rejects::new(&self.setup, &Interrupt::default()), Ledger::default());
        let collector = ConversionCollector::new(&self.setup, &rejects, self.conversions.len() as u64);
        collector.add(&self.conversions)?;
        // No id is there twice.
        let converted = collector.finish()?.finish(&mut ledger)?;
        Ok(Collected { converted, ledger, rejects })
    }

    /// Partitions the touches by customer.
    #[inline(never)]
    pub fn partition(&self, collected: &Collected) -> Result<Partitioned, EngineError> {
        let partition = Partition::new(&self.setup, &collected.converted, &collected.rejects, &|| 1.0);
        self.touches.iter().try_for_each(|batch| partition.add(batch))?;
        partition.finish(&self.setup)
    }

    /// Walks the log. Its ledger adds up, or this is an error.
    #[inline(never)]
    pub fn walk(&self, collected: Collected, partitioned: Partitioned) -> Result<Walked, EngineError> {
        let Collected { converted, mut ledger, rejects } = collected;
        walk(&self.setup, converted, partitioned, &rejects, &mut ledger, None)
    }

    /// The rows of the table, some at a time.
    #[inline(never)]
    pub fn rows(&self, walked: &Walked) -> Result<Vec<Rows>, EngineError> {
        let (_, sums) = &walked.tables[0];
        grouped::finish(sums, walked.finish(&self.setup, 0), false)?.collect()
    }
}

fn setup() -> Setup {
    let by = vec![
        GroupColumn::Conversion(Period::Day),
        GroupColumn::Attribute(attribute::CHANNEL),
        GroupColumn::Attribute(attribute::CAMPAIGN),
    ];
    let integer = ColumnType::Int { bits: 64, signed: true };
    Setup {
        rules: Rules {
            zone: Zone::utc(),
            windows: vec![Window::parse("30d").expect("a window")],
            calendar_days: false,
            interaction_windows: Vec::new(),
            interaction_mapped: false,
            reuse: Reuse::Overlap,
            priority: Vec::new(),
            ignore: None,
            repeats: Repeats::Keep,
        },
        range: Range::default(),
        only: None,
        values: vec!["revenue".to_owned()],
        currency: ("EUR".to_owned(), 2),
        models: MODELS.iter().map(|kind| model(kind)).collect(),
        tables: vec![TableSetup { name: "by_day".to_owned(), by }],
        credits: false,
        paths: 0,
        dimensions: Vec::new(),
        customer_type: integer.clone(),
        touch_customer_type: integer.clone(),
        conversion_id_type: integer,
        touch_id_type: None,
        mapped_attributes: vec![attribute::CHANNEL, attribute::CAMPAIGN],
        // So much that nothing goes to disk.
        memory: 1 << 30,
        bucket_bits: 8,
        stretch_pairs: attributary_engine::walk::STRETCH_PAIRS,
        temp: std::env::temp_dir(),
        threads: 1,
        worths: Vec::new(),
        refunds: false,
        exchange: false,
        counted: false,
        order_kinds: None,
        customers: None,
    }
}

fn model(kind: &str) -> ModelSetup {
    let spec = attributary_models::find(kind).expect("a kind of the list");
    let parameters = Parameters::defaults(spec).expect("defaults are of their kinds");
    let weighing = (spec.build)(&parameters, &NoExpressions).expect("defaults are enough for a rule model");
    ModelSetup { name: kind.to_owned(), weighing, only: None, fallback: Fallback::All, additive: spec.additive, frozen: None }
}

struct NoExpressions;

impl ExpressionCompiler for NoExpressions {
    fn compile(&self, _: &str) -> Result<Box<dyn WeightExpression>, String> {
        Err("rule models need no expression".to_owned())
    }
}

#[derive(Clone, Copy)]
struct Touch {
    customer: i64,
    time: i64,
    channel: u32,
    campaign: u32,
}

impl Touch {
    fn at(row: usize, random: &mut Random) -> Self {
        // Some customers come often and many now and then: the product of two draws is mostly small.
        let limit = 1 + random.below(CUSTOMERS);
        Self {
            customer: random.below(limit) as i64,
            time: BEGIN + DAYS * DAY / TOUCHES as i64 * row as i64,
            channel: random.below(CHANNELS) as u32,
            campaign: random.below(CAMPAIGNS) as u32,
        }
    }
}

fn touch_batches(touches: &[Touch]) -> Vec<TouchBatch> {
    let dictionary = |of: &str, count: u64| Arc::new((0..count).map(|code| Value::text(&format!("{of} {code}"))).collect());
    let (channels, campaigns) = (dictionary("channel", CHANNELS), dictionary("campaign", CAMPAIGNS));
    let batch = |(number, rows): (usize, &[Touch])| TouchBatch {
        file: 0,
        rows: RowNumbers::From((number * BATCH_ROWS) as u64),
        customers: Arc::new(Integers(rows.iter().map(|touch| touch.customer).collect())),
        times: rows.iter().map(|touch| touch.time).collect(),
        ids: None,
        attributes: vec![
            Coded { codes: rows.iter().map(|touch| touch.channel).collect(), dictionary: Arc::clone(&channels) },
            Coded { codes: rows.iter().map(|touch| touch.campaign).collect(), dictionary: Arc::clone(&campaigns) },
            nothing(rows.len()),
        ],
        flags: Vec::new(),
    };
    touches.chunks(BATCH_ROWS).enumerate().map(batch).collect()
}

/// Each conversion is that of a touch's customer, within a day after it.
fn conversion_batch(touches: &[Touch], random: &mut Random) -> ConversionBatch {
    let (mut customers, mut times, mut values) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..CONVERSIONS {
        let touch = touches[random.below(TOUCHES as u64) as usize];
        customers.push(touch.customer);
        times.push(touch.time + random.below(DAY as u64) as i64);
        values.push(Some(Rounded { minor: 500 + random.below(20_000) as i64, difference: 0 }));
    }
    ConversionBatch {
        file: 0,
        rows: (0..CONVERSIONS as u64).collect(),
        ids: Arc::new(Integers((0..CONVERSIONS as i64).collect())),
        customers: Arc::new(Integers(customers)),
        times,
        kinds: nothing(CONVERSIONS),
        values: vec![values],
        refunds: None,
        exchange: None,
        counted: None,
    }
}

fn nothing(rows: usize) -> Coded {
    Coded { codes: vec![NULL_CODE; rows], dictionary: Arc::default() }
}

/// A linear congruential generator, of which the upper bits are good enough.
struct Random(u64);

impl Random {
    /// A number from 0 to below `limit`.
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((u128::from(self.0) * u128::from(limit)) >> 64) as u64
    }
}

struct Integers(Vec<i64>);

impl Identities for Integers {
    fn is_null(&self, _: usize) -> bool {
        false
    }

    fn value(&self, row: usize) -> Value {
        Value::Int(self.0[row].into())
    }

    fn append_ordered_bytes(&self, row: usize, bytes: &mut Vec<u8>) {
        Value::append_ordered_int(self.0[row].into(), bytes);
    }

    fn key(&self, row: usize) -> Key {
        Key::from_int(self.0[row].into())
    }

    fn has_nulls(&self) -> bool {
        false
    }

    fn hashes(&self, hashes: &mut Vec<u64>) {
        hashes.clear();
        hashes.extend(self.0.iter().map(|number| Key::from_int((*number).into()).hash()));
    }

    fn keys_of(&self, rows: &[u32], keys: &mut Vec<Key>) {
        keys.clear();
        keys.extend(rows.iter().map(|row| self.key(*row as usize)));
    }
}
