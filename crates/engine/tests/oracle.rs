//! The engine against the slow, obvious oracle of the testkit: random logs over the whole grid of options, with batches,
//! threads and memory that change nothing.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use attributary_core::NOT_SET;
use attributary_core::batch::{Coded, ConversionBatch, Identities, NO_TIME, RowNumbers, TouchBatch, attribute};
use attributary_core::key::Key;
use attributary_core::learning::{Contribution, Fit, FittedModel, Journeys, Player, Statistics, ToldAs, Training};
use attributary_core::model::{
    ExpressionCompiler, Fallback, ModelSpec, ParameterError, Parameters, TouchColumns, Weighing, WeightExpression,
};
use attributary_core::table::{Field, NULL_CODE, Rows};
use attributary_core::time::Day;
use attributary_core::value::{ColumnType, Value};
use attributary_engine::conversions::{ConversionCollector, Converted};
use attributary_engine::histories::{History, Observation, OrderKinds};
use attributary_engine::learn::learn;
use attributary_engine::ledger::Ledger;
use attributary_engine::partition::{Partition, Partitioned};
use attributary_engine::rejects::Rejects;
use attributary_engine::tables::{self, SinkError, TableSink, grouped};
use attributary_engine::walk::walk;
use attributary_engine::{
    CustomersSetup, EngineError, GroupColumn, Interrupt, ModelSetup, Period, Range, Segments, Setup, TableSetup, Worth,
};
use attributary_journeys::{Ignore, IgnoreWhen, Repeats, Reuse, Rules};
use attributary_testkit::oracle;
use attributary_testkit::rows::{ConversionRow, TouchRow};
use attributary_testkit::settings::{self, ModelKind, OracleSettings};
use attributary_testkit::sql::Expression;
use attributary_testkit::strategies::scenario;
use attributary_testkit::table::Table;
use proptest::prelude::*;

/// So little memory that a few rows fill it, but the touches of one customer fit.
const LITTLE: u64 = 6_000;

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_engine_is_the_oracle(
        scenario in scenario(),
        batch in 1_usize..8,
        threads in 1_usize..4,
        // Little memory: everything goes through files, and buckets are divided.
        spills in prop::bool::weighted(0.05),
    ) {
        let memory = if spills { LITTLE } else { 1 << 30 };
        let how = How { batch, threads, memory, bucket_bits: 4 + batch as u32 % 3 * 2, stretch_pairs: u64::MAX };
        let expected = oracle::run(&scenario.touches, &scenario.conversions, &scenario.settings);
        let found = run(&scenario.touches, &scenario.conversions, &scenario.settings, &how);
        if let Some(disagreement) = oracle::disagreement(&expected, &found) {
            return Err(TestCaseError::fail(disagreement));
        }
    }

    /// As those of very many touches and conversions are, where rules and tables allow it.
    #[test]
    fn customers_walked_day_by_day_are_the_oracle(scenario in scenario(), threads in 1_usize..3, spills in prop::bool::weighted(0.05)) {
        let mut settings = scenario.settings;
        (settings.paths, settings.calendar_days, settings.ignore, settings.repeats) = (0, false, None, settings::Repeats::Keep);
        settings.priority.clear();
        settings.interaction_windows.clear();
        let how = How { batch: 7, threads, memory: if spills { LITTLE } else { 1 << 30 }, bucket_bits: 3, stretch_pairs: 0 };
        let mut expected = oracle::run(&scenario.touches, &scenario.conversions, &settings);
        expected.remove("credits");
        let found = run(&scenario.touches, &scenario.conversions, &settings, &how);
        if let Some(disagreement) = oracle::disagreement(&expected, &found) {
            return Err(TestCaseError::fail(disagreement));
        }
    }
}

/// As many random logs as `PROPTEST_CASES` says, or some that take seconds.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(1_500)
}

struct How {
    batch: usize,
    threads: usize,
    memory: u64,
    bucket_bits: u32,
    stretch_pairs: u64,
}

fn run(touches: &[TouchRow], conversions: &[ConversionRow], settings: &OracleSettings, how: &How) -> BTreeMap<String, Table> {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let (mut setup, predicates) = setup(settings, how, temp.path());
    let pool = rayon::ThreadPoolBuilder::new().num_threads(how.threads).build().expect("a pool");
    let rejects = Rejects::new(&setup, &Interrupt::default());
    let mut ledger = Ledger::default();

    let batches = || {
        let of_files = conversions.chunk_by(|one, other| one.file == other.file).flat_map(|file| file.chunks(how.batch));
        of_files.map(|rows| conversion_batch(rows, settings))
    };
    let collector = ConversionCollector::new(&setup, &rejects, conversions.len() as u64);
    batches().for_each(|batch| collector.add(&batch).expect("conversions are taken"));
    let collected = collector.finish().expect("conversions are collected");
    if collected.reason().is_some() {
        batches().for_each(|batch| collected.add(&batch).expect("suspects are taken"));
    }
    let mut converted = collected.finish(&mut ledger).expect("ids are unique");
    let observation = (!setup.worths.is_empty()).then(|| observation(&setup, &mut converted));

    // Orders that are refunded in the range may lie before it, and behind it too.
    let refunded = converted.earliest_refunded.map(|time| setup.rules.zone.day(time));
    let from = setup.range.from.map(|from| setup.rules.earliest_touch(refunded.map_or(from, |day| day.min(from))));
    let to = setup.range.to.map(|to| setup.rules.zone.start_of(to));
    let to = to.map(|to| converted.latest_refunded.map_or(to, |latest| to.max(latest + 1)));
    let wanted = |row: &&TouchRow| match row.time {
        None => from.is_none(),
        Some(time) => from.is_none_or(|from| from <= time) && to.is_none_or(|to| time < to),
    };
    let touches: Vec<&TouchRow> = touches.iter().filter(wanted).collect();
    let partition = Partition::new(&setup, &converted, &rejects, &|| 1.0);
    for rows in touches.chunk_by(|one, other| one.file == other.file).flat_map(|file| file.chunks(how.batch)) {
        partition.add(&touch_batch(rows, settings, &predicates)).expect("touches are taken");
    }
    let mut partitioned = partition.finish(&setup).expect("the partition is closed");
    let learnt = learn_by(&pool, &mut setup, &mut converted, &mut partitioned);
    let mut walked = pool
        .install(|| walk(&setup, converted, partitioned, &rejects, &mut ledger, observation.as_ref()))
        .expect("the walk ends well");

    let sink = Memory::default();
    for (number, (table, (_, sums))) in setup.tables.iter().zip(&walked.tables).enumerate() {
        let rows = &mut grouped::finish(sums, walked.finish(&setup, number), false).expect("sorted");
        sink.file(&table.name, tables::ONLY_FILE, &grouped::fields(&setup, table, false), rows).expect("written");
    }
    if let Some(credits) = &walked.credits {
        tables::credits::write(&setup, credits, (&walked.kinds, &walked.currencies.0), &walked.profiles, &sink).expect("written");
    }
    tables::unattributed::write(&setup, &walked.unattributed, (&walked.kinds, &walked.budget), &sink).expect("written");
    let rejected = rejects.finish().expect("kept");
    let file = |_, file: u32| file.to_string();
    let rows = &mut tables::rejects::rows(&setup, &rejected, &file).expect("sorted");
    sink.file("rejects", tables::ONLY_FILE, &tables::rejects::fields(&setup), rows).expect("written");
    if let Some(paths) = walked.paths.take() {
        let rows = tables::paths::rows(paths, &setup, &walked.profiles, &walked.budget).expect("merged");
        // A refund is no journey, and may be all there is of a path.
        let told: Told = (0..rows.len()).map(|row| journeys_of(&rows, row)).filter(|(_, counts)| *counts != (0, 0)).collect();
        // What is rare may be told of as others.
        if told.keys().all(|(_, path)| path != "(other)") {
            assert_eq!(learnt, told);
        }
        tables::write_whole(&sink, "paths", &tables::paths::fields(&setup), rows).expect("written");
    }
    let lines = tables::ledger::lines(&tables::ledger::day_lines(&ledger, &setup), &setup);
    tables::write_whole(&sink, "ledger", &tables::ledger::fields(&setup, false), tables::ledger::rows(&lines, &setup, false))
        .expect("written");
    sink.tables()
}

/// Journeys by window and path: those that convert, and the others.
type Told = BTreeMap<(String, String), (u64, u64)>;

/// What a model is told of all journeys that does nothing but listen.
fn learn_by(pool: &rayon::ThreadPool, setup: &mut Setup, converted: &mut Converted, partitioned: &mut Partitioned) -> Told {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let listener = Listener { heard: Arc::clone(&heard), null_journeys: setup.follows_everyone() };
    let weighing = Weighing::Fitted(Box::new(listener));
    let model =
        ModelSetup { name: "listener".to_owned(), weighing, only: None, fallback: Fallback::All, additive: true, frozen: None };
    let models = std::mem::replace(&mut setup.models, vec![model]);
    let Partitioned { buckets, profiles, .. } = partitioned;
    let fits = pool.install(|| learn(setup, converted, buckets, profiles)).expect("they can be learnt from");
    setup.models = models;
    let mut journeys = Told::new();
    let heard = std::mem::take(&mut *heard.lock().expect("a lock"));
    for (window, heard) in heard.into_iter().enumerate() {
        let names = &fits.of(0, window).expect("a fit").players.names;
        let name = |player: &u32| names[*player as usize].channel.clone();
        for (path, counts) in heard {
            let path = path.iter().map(name).collect::<Vec<_>>().join(" > ");
            assert!(
                journeys.insert((setup.rules.windows[window].to_string(), path), counts).is_none(),
                "two players of one name"
            );
        }
    }
    journeys
}

/// A row of the table of paths.
fn journeys_of(rows: &Rows, row: usize) -> ((String, String), (u64, u64)) {
    let text = |column: usize| rows.columns[column].value(row).as_text().expect("a text").to_owned();
    let count = |column: usize| match rows.columns[column].value(row) {
        Value::Int(count) => count as u64,
        other => panic!("{other:?} is no count"),
    };
    ((text(0), text(1)), (count(3), count(4)))
}

/// By the players of a path: journeys that convert, and others.
type Heard = BTreeMap<Vec<u32>, (u64, u64)>;

struct Listener {
    heard: Arc<Mutex<Vec<Heard>>>,
    null_journeys: bool,
}

impl FittedModel for Listener {
    fn training(&self) -> Training {
        Training { null_journeys: self.null_journeys, ..Training::default() }
    }

    fn told_as(&self) -> ToldAs {
        ToldAs::default()
    }

    fn statistics(&self) -> Box<dyn Statistics> {
        Box::new(Counts::default())
    }

    fn fit(&self, statistics: Box<dyn Statistics>, players: &[Player]) -> Result<Fit, String> {
        let statistics: Box<dyn Any> = statistics;
        let Counts(counts) = *statistics.downcast::<Counts>().expect("its own");
        self.heard.lock().expect("a lock").push(counts);
        Ok(Fit { contributions: vec![Contribution::default(); players.len()], ..Fit::default() })
    }
}

#[derive(Default)]
struct Counts(Heard);

impl Statistics for Counts {
    fn memory(&self) -> u64 {
        0
    }

    fn add(&mut self, journeys: Journeys<'_>) {
        let counts = self.0.entry(journeys.players.to_vec()).or_default();
        *counts = (counts.0 + journeys.conversions, counts.1 + journeys.nulls);
    }

    fn absorb(&mut self, other: Box<dyn Statistics>) {
        let other: Box<dyn Any> = other;
        let Counts(other) = *other.downcast::<Self>().expect("its own");
        for (players, (conversions, nulls)) in other {
            self.add(Journeys { players: &players, conversions, nulls, fold: 0 });
        }
    }
}

/// What is looked at: up to the end of the range, or to the last order or refund.
fn observation(setup: &Setup, converted: &mut Converted) -> Observation {
    let orders = OrderKinds::of(setup, &converted.kinds);
    let mut last = None;
    for bucket in &mut converted.buckets {
        let conversions = bucket.look(setup, None, &converted.budget).expect("read");
        for customer in conversions.each_customer() {
            let events = customer.map(|conversion| conversions.event(conversion, &orders, setup));
            if History::of(events.clone(), None).is_some() {
                last = last.max(events.filter(|event| event.order).map(|event| event.day).max());
            }
        }
    }
    Observation { until: setup.range.to.map(|to| to - 1).or(last).unwrap_or(Day::MIN), predict: None }
}

/// Keeps tables in memory, by table and file.
#[derive(Default)]
struct Memory(Mutex<BTreeMap<(String, String), Table>>);

impl Memory {
    /// The tables, their files one behind the other.
    fn tables(self) -> BTreeMap<String, Table> {
        let mut tables: BTreeMap<String, Table> = BTreeMap::new();
        for ((name, _), file) in self.0.into_inner().expect("no panic") {
            match tables.get_mut(&name) {
                Some(table) => table.rows.extend(file.rows),
                None => _ = tables.insert(name, file),
            }
        }
        tables
    }
}

impl TableSink for Memory {
    fn file(
        &self,
        table: &str,
        file: &str,
        fields: &[Field],
        rows: &mut dyn Iterator<Item = Result<Rows, EngineError>>,
    ) -> Result<(), SinkError> {
        let mut all = Table { fields: fields.to_vec(), rows: Vec::new() };
        for rows in rows {
            let rows = rows?;
            all.rows.extend((0..rows.len()).map(|row| rows.columns.iter().map(|column| column.value(row)).collect()));
        }
        let before = self.0.lock().expect("no panic").insert((table.to_owned(), file.to_owned()), all);
        assert!(before.is_none(), "{table}/{file} is written once");
        Ok(())
    }
}

fn setup(settings: &OracleSettings, how: &How, temp: &std::path::Path) -> (Setup, Vec<Expression>) {
    let mut predicates: Vec<Expression> = Vec::new();
    let mut flag = |predicate: &Expression| {
        predicates.push(predicate.clone());
        predicates.len() as u32 - 1
    };
    let rules = Rules {
        zone: settings.zone.clone(),
        windows: settings.windows.clone(),
        calendar_days: settings.calendar_days,
        interaction_windows: settings.interaction_windows.clone(),
        interaction_mapped: settings.mapped.interaction,
        reuse: match settings.reuse {
            settings::Reuse::Overlap => Reuse::Overlap,
            settings::Reuse::SincePreviousConversion => Reuse::SincePreviousConversion { by_kind: settings.reuse_by_kind },
        },
        priority: settings.priority.clone(),
        ignore: settings.ignore.as_ref().map(|ignore| Ignore {
            flag: flag(&ignore.predicate),
            when: if ignore.always { IgnoreWhen::Always } else { IgnoreWhen::OthersExist },
        }),
        repeats: match settings.repeats {
            settings::Repeats::Keep => Repeats::Keep,
            settings::Repeats::CollapseConsecutive => Repeats::CollapseConsecutive,
            settings::Repeats::First => Repeats::First,
            settings::Repeats::Last => Repeats::Last,
        },
    };
    let models = settings.models.iter().map(|model| {
        let spec = attributary_models::find(model.kind.word()).expect("a kind of the list");
        let mut parameters = Parameters::defaults(spec).expect("defaults");
        parameters.fallback = model.fallback;
        set_parameters(spec, &model.kind, &mut parameters).expect("parameters");
        let weighing: Weighing = (spec.build)(&parameters, &Compiler).expect("a model");
        let only = model.only.as_ref().map(&mut flag);
        ModelSetup { name: model.name.clone(), weighing, only, fallback: model.fallback, additive: spec.additive, frozen: None }
    });
    let models = models.collect();
    let mapped = [
        (attribute::CHANNEL, true),
        (attribute::CAMPAIGN, settings.mapped.campaign),
        (attribute::INTERACTION, settings.mapped.interaction),
    ];
    let mapped = mapped.iter().filter(|(_, mapped)| *mapped).map(|(place, _)| *place);
    // The margin, or what came in.
    let of = settings.values.iter().position(|name| name == "margin").unwrap_or(0);
    let setup = Setup {
        rules,
        range: Range { from: settings.from, to: settings.to },
        only: None,
        values: settings.all_values(),
        currency: (settings.currency.clone(), settings.exponent()),
        models,
        tables: settings.grouped_tables().iter().map(|(name, by)| table(name, by, settings)).collect(),
        // Who are walked day by day have none.
        credits: how.stretch_pairs > 0,
        paths: settings.paths,
        dimensions: settings.dimensions.iter().map(|name| Field::new(name, ColumnType::Text)).collect(),
        customer_type: ColumnType::Text,
        touch_customer_type: ColumnType::Text,
        conversion_id_type: ColumnType::Text,
        touch_id_type: settings.mapped.touch_id.then_some(ColumnType::Text),
        mapped_attributes: mapped.chain((0..settings.dimensions.len()).map(|place| attribute::DIMENSIONS + place)).collect(),
        memory: how.memory,
        bucket_bits: how.bucket_bits,
        stretch_pairs: how.stretch_pairs,
        worths: settings.historic.iter().map(|(_, within)| Worth::Historic { value: of, within: *within }).collect(),
        refunds: settings.mapped.refund_of,
        exchange: false,
        counted: false,
        order_kinds: settings.order_kinds.clone(),
        customers: (!settings.historic.is_empty()).then_some(CustomersSetup {
            revenue: 0,
            margin: None,
            tables: false,
            horizon: 364,
            segments: Segments { lapsing_after: 90, loyal_orders: 3, loyal_score: 4 },
        }),
        temp: temp.to_owned(),
        threads: how.threads,
    };
    (setup, predicates)
}

fn set_parameters(spec: &ModelSpec, kind: &ModelKind, parameters: &mut Parameters) -> Result<(), ParameterError> {
    let texts: Vec<(&str, String)> = match kind {
        ModelKind::Linear { per_channel } => vec![("per", if *per_channel { "channel" } else { "touch" }.to_owned())],
        ModelKind::TimeDecay { half_life } => vec![("half_life", half_life.to_string())],
        ModelKind::PositionBased { first, last } => vec![("first", first.to_string()), ("last", last.to_string())],
        ModelKind::Custom { weight } => vec![("weight", weight.to_sql().to_owned())],
        _ => Vec::new(),
    };
    for (name, text) in texts {
        let parameter = spec.parameters.iter().find(|parameter| parameter.name == name).expect("a parameter of the model");
        parameters.set(parameter, &text)?;
    }
    Ok(())
}

/// Expressions by the testkit's own little evaluator.
struct Compiler;

struct Weight(Expression);

impl ExpressionCompiler for Compiler {
    fn compile(&self, expression: &str) -> Result<Box<dyn WeightExpression>, String> {
        Ok(Box::new(Weight(Expression::parse(expression)?)))
    }
}

impl WeightExpression for Weight {
    fn evaluate(&self, touches: &TouchColumns) -> Result<Vec<Option<f64>>, String> {
        let rows = touches.columns[0].1.len();
        let weight = |row: usize| {
            let cell = |name: &str| {
                let column = &touches.columns.iter().find(|(column, _)| column == name).expect("a column").1;
                match column.value(row) {
                    Value::Null => attributary_testkit::sql::Cell::Null,
                    Value::Int(number) => attributary_testkit::sql::Cell::Number(number as f64),
                    float @ Value::Float(_) => attributary_testkit::sql::Cell::Number(float.as_float().expect("a float")),
                    text => attributary_testkit::sql::Cell::Text(text.as_text().expect("a text").to_owned()),
                }
            };
            match self.0.evaluate(&cell) {
                attributary_testkit::sql::Cell::Number(number) => Some(number),
                _ => None,
            }
        };
        Ok((0..rows).map(weight).collect())
    }
}

fn table(name: &str, by: &[String], settings: &OracleSettings) -> TableSetup {
    let column = |name: &String| match name.as_str() {
        "conversion_date" => GroupColumn::Conversion(Period::Day),
        "conversion_week" => GroupColumn::Conversion(Period::Week),
        "conversion_month" => GroupColumn::Conversion(Period::Month),
        "touch_date" => GroupColumn::Touch(Period::Day),
        "touch_week" => GroupColumn::Touch(Period::Week),
        "touch_month" => GroupColumn::Touch(Period::Month),
        "kind" => GroupColumn::Kind,
        "standing" => GroupColumn::Standing,
        "channel" => GroupColumn::Attribute(attribute::CHANNEL),
        "campaign" => GroupColumn::Attribute(attribute::CAMPAIGN),
        "interaction" => GroupColumn::Attribute(attribute::INTERACTION),
        dimension => {
            let place = settings.dimensions.iter().position(|name| name == dimension).expect("a dimension");
            GroupColumn::Attribute(attribute::DIMENSIONS + place)
        }
    };
    TableSetup { name: name.to_owned(), by: by.iter().map(column).collect() }
}

struct Words(Vec<Option<String>>);

impl Identities for Words {
    fn is_null(&self, row: usize) -> bool {
        self.0[row].is_none()
    }

    fn value(&self, row: usize) -> Value {
        self.0[row].as_deref().map_or(Value::Null, Value::text)
    }

    fn append_ordered_bytes(&self, row: usize, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(self.0[row].as_deref().unwrap_or_default().as_bytes());
    }

    fn key(&self, row: usize) -> Key {
        Key::from_bytes(self.0[row].as_deref().unwrap_or_default().as_bytes())
    }

    fn has_nulls(&self) -> bool {
        self.0.contains(&None)
    }

    fn hashes(&self, hashes: &mut Vec<u64>) {
        hashes.clear();
        hashes.extend((0..self.0.len()).map(|row| self.key(row).hash()));
    }

    fn keys_of(&self, rows: &[u32], keys: &mut Vec<Key>) {
        keys.clear();
        keys.extend(rows.iter().map(|row| self.key(*row as usize)));
    }
}

fn coded(cells: Vec<Value>) -> Coded {
    let mut dictionary: Vec<Value> = Vec::new();
    let codes = cells.into_iter().map(|cell| {
        if cell.is_null() {
            return NULL_CODE;
        }
        let known = dictionary.iter().position(|value| *value == cell);
        known.unwrap_or_else(|| {
            dictionary.push(cell);
            dictionary.len() - 1
        }) as u32
    });
    let codes = codes.collect();
    Coded { codes, dictionary: Arc::new(dictionary) }
}

fn words(cells: impl Iterator<Item = Option<String>>, mapped: bool) -> Coded {
    coded(cells.map(|cell| cell.filter(|_| mapped).map_or(Value::Null, |text| Value::text(&text))).collect())
}

fn touch_batch(rows: &[&TouchRow], settings: &OracleSettings, predicates: &[Expression]) -> TouchBatch {
    let channel =
        |row: &TouchRow| row.channel.clone().filter(|channel| !channel.is_empty()).unwrap_or_else(|| NOT_SET.to_owned());
    let mut attributes = vec![
        words(rows.iter().map(|row| Some(channel(row))), true),
        words(rows.iter().map(|row| row.campaign.clone()), settings.mapped.campaign),
        words(rows.iter().map(|row| row.interaction.clone()), settings.mapped.interaction),
    ];
    for place in 0..settings.dimensions.len() {
        attributes.push(words(rows.iter().map(|row| row.dimensions[place].clone()), true));
    }
    let flags = |row: &&TouchRow| {
        let cell = |name: &str| {
            let text = match name {
                "channel" => Some(channel(row)),
                "campaign" => row.campaign.clone(),
                "interaction" => row.interaction.clone(),
                "id" => row.id.clone(),
                dimension => {
                    let place = settings.dimensions.iter().position(|name| name == dimension).expect("a dimension");
                    row.dimensions[place].clone()
                }
            };
            text.map_or(attributary_testkit::sql::Cell::Null, attributary_testkit::sql::Cell::Text)
        };
        predicates.iter().enumerate().map(|(bit, predicate)| u64::from(predicate.holds(&cell)) << bit).sum()
    };
    TouchBatch {
        file: rows[0].file,
        rows: RowNumbers::Each(rows.iter().map(|row| row.row).collect()),
        customers: Arc::new(Words(rows.iter().map(|row| row.customer.clone()).collect())),
        times: rows.iter().map(|row| row.time.unwrap_or(NO_TIME)).collect(),
        ids: settings.mapped.touch_id.then(|| {
            let ids: Arc<dyn Identities> = Arc::new(Words(rows.iter().map(|row| row.id.clone()).collect()));
            ids
        }),
        attributes,
        flags: rows.iter().map(flags).collect(),
    }
}

fn conversion_batch(rows: &[ConversionRow], settings: &OracleSettings) -> ConversionBatch {
    ConversionBatch {
        file: rows[0].file,
        rows: rows.iter().map(|row| row.row).collect(),
        ids: Arc::new(Words(rows.iter().map(|row| row.id.clone()).collect())),
        customers: Arc::new(Words(rows.iter().map(|row| row.customer.clone()).collect())),
        times: rows.iter().map(|row| row.time.unwrap_or(NO_TIME)).collect(),
        kinds: words(rows.iter().map(|row| row.kind.clone()), settings.mapped.kind),
        values: (0..settings.values.len()).map(|value| rows.iter().map(|row| row.values[value]).collect()).collect(),
        refunds: settings.mapped.refund_of.then(|| {
            let orders: Arc<dyn Identities> = Arc::new(Words(rows.iter().map(|row| row.refund_of.clone()).collect()));
            orders
        }),
        exchange: None,
        counted: None,
    }
}
