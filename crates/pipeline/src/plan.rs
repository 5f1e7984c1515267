//! From what the pipeline file says to what the engine does: sources opened, schemas checked, models built. No data is
//! touched; what can be wrong is wrong here.

use std::cell::RefCell;
use std::path::PathBuf;
use std::sync::Arc;

use attributary_core::batch::attribute;
use attributary_core::model::{ExpressionCompiler, WeightExpression};
use attributary_core::table::Field;
use attributary_core::time::Day;
use attributary_core::value::ColumnType;
use attributary_engine::bucket::bucket_bits;
use attributary_engine::{CustomersSetup, GroupColumn, Interrupt, ModelSetup, Period, Range, Segments, Setup, TableSetup, Worth};
use attributary_frames::{
    ConversionSource, FrameError, PathSource, RateSource, SourceFile, SpendSource, TimeBounds, TouchSource, stoppable,
};
use attributary_journeys as journeys;
use attributary_journeys::Rules;

use crate::as_of;
use crate::error::Error;
use crate::file::{self, Pipeline};
use crate::machine;
use crate::mappings::{conversion_mapping, path_mapping, rate_mapping, source_spec, spend_mappings, touch_mapping};
use crate::options::Options;
use crate::secrets::Secrets;
use crate::sources::{Conversions, Touchpoints};

/// A pipeline that is ready to run.
pub struct Plan {
    /// The pipeline file.
    pub pipeline: Pipeline,
    /// The touchpoints' source.
    pub touchpoints: Touchpoints,
    /// The conversions' source.
    pub conversions: Conversions,
    /// The sources of spend: those of `[[spend]]`, and the touchpoints where a touch has a cost.
    pub spend: Vec<SpendSource>,
    /// The source of exchange rates.
    pub rates: Option<RateSource>,
    /// The last instant at which a row that came is known, microseconds UTC; none: all rows are.
    pub as_of: Option<i64>,
    /// What the engine is told; without temporary folder yet.
    pub setup: Setup,
}

impl Plan {
    /// The same as [`Plan::new`], but ends once there is an `interrupt`: opening CSV files reads them.
    ///
    /// # Errors
    /// As there, and that the run was interrupted.
    pub fn interruptible(pipeline: Pipeline, options: &Options, interrupt: &Interrupt) -> Result<Self, Error> {
        let plan = Self::open(pipeline, options, interrupt);
        interrupt.check()?;
        plan
    }

    /// Opens the sources of a pipeline and puts everything together.
    ///
    /// # Errors
    /// Whatever the pipeline file or the sources' schemas have wrong.
    pub fn new(pipeline: Pipeline, options: &Options) -> Result<Self, Error> {
        Self::open(pipeline, options, &Interrupt::default())
    }

    fn open(pipeline: Pipeline, options: &Options, interrupt: &Interrupt) -> Result<Self, Error> {
        let located = |error: FrameError| match error.of_key() {
            Some((key, problem)) => Error::File(pipeline.invalid(key, problem, error.hint())),
            None => error.into(),
        };
        if pipeline.counted.is_some() {
            has_no_times(&pipeline, options)?;
        }
        let as_of = options.as_of.map(|as_of| as_of::of(as_of, &pipeline)).transpose()?;
        let as_of = as_of.as_ref();
        let stopped = || {
            let asked = interrupt.clone();
            move || asked.check().is_err()
        };
        let (touchpoints, conversions) = if let Some(counted) = &pipeline.counted {
            let spec = source_spec("paths", &pipeline.touchpoints.source, None);
            let paths = stoppable(stopped(), || PathSource::open(&spec, &path_mapping(&pipeline, counted))).map_err(located)?;
            let paths = Arc::new(paths);
            (Touchpoints::Paths(Arc::clone(&paths)), Conversions::Paths(paths))
        } else {
            // Of many files it takes a while to look at each.
            let (touchpoints, conversions) = rayon::join(
                || {
                    let spec = source_spec("touchpoints", &pipeline.touchpoints.source, as_of);
                    stoppable(stopped(), || TouchSource::open(&spec, &touch_mapping(&pipeline)))
                },
                || {
                    let spec = source_spec("conversions", &pipeline.conversions.source, as_of);
                    stoppable(stopped(), || ConversionSource::open(&spec, &conversion_mapping(&pipeline)))
                },
            );
            (Touchpoints::Log(Box::new(touchpoints.map_err(located)?)), Conversions::Log(Box::new(conversions.map_err(located)?)))
        };
        same_kind_of_customer(&touchpoints, &conversions)?;
        let (spend, rates) = stoppable(stopped(), || -> Result<_, Error> {
            let spend: Vec<SpendSource> = spend_mappings(&pipeline, as_of)
                .iter()
                .map(|(spec, mapping)| SpendSource::open(spec, mapping).map_err(located))
                .collect::<Result<_, _>>()?;
            let rates =
                |entry: &file::RatesEntry| RateSource::open(&source_spec("fx", &entry.source, None), &rate_mapping(entry));
            Ok((spend, pipeline.rates.as_ref().map(rates).transpose().map_err(located)?))
        })?;
        same_dimensions(&pipeline, &touchpoints, &spend)?;
        let setup = setup(&pipeline, options, &touchpoints, &conversions)?;
        let as_of = as_of.map(|as_of| as_of.last);
        Ok(Self { pipeline, touchpoints, conversions, spend, rates, as_of, setup })
    }

    /// The sources of spend that are not the touchpoints.
    pub fn own_spend(&self) -> impl Iterator<Item = &SpendSource> {
        self.spend.iter().take(self.pipeline.spend.len())
    }

    /// The files of all sources of spend, one source after the other.
    pub fn spend_files(&self) -> impl Iterator<Item = &SourceFile> {
        self.spend.iter().flat_map(SpendSource::files)
    }

    /// The times of touches that can matter to the run. Orders that are refunded in the range may lie outside of it: `refunded`
    /// says when the first and the last of them were.
    #[must_use]
    pub fn touch_bounds(&self, refunded: Option<(i64, i64)>) -> TimeBounds {
        let Setup { rules, range, .. } = &self.setup;
        let (first, last) = refunded.unzip();
        let from = |day: Day| rules.earliest_touch(first.map_or(day, |first| day.min(rules.zone.day(first))));
        let to = |day: Day| last.map_or(rules.zone.start_of(day), |last| rules.zone.start_of(day).max(last.saturating_add(1)));
        TimeBounds { from: range.from.map(from), to: range.to.map(to) }
    }
}

/// Loads the pipeline file of the options and works on it. What goes wrong is told without the values of `${NAME}`.
///
/// # Errors
/// What is wrong with the file, or what the work says.
pub(crate) fn with_pipeline<T>(options: &Options, work: impl FnOnce(Pipeline, &Secrets) -> Result<T, Error>) -> Result<T, Error> {
    let asked = RefCell::new(Secrets::default());
    let environment = |name: &str| {
        let value = std::env::var(name).ok()?;
        asked.borrow_mut().add(name, &value);
        Some(value)
    };
    let loaded = match &options.text {
        Some(text) => file::parse(&options.pipeline, text, &options.overrides, &environment),
        None => file::load(&options.pipeline, &options.overrides, &environment),
    };
    let mut secrets = asked.into_inner();
    match loaded {
        Ok(pipeline) => {
            secrets.show_paths(&pipeline);
            work(pipeline, &secrets).map_err(|error| secrets.mask_error(error))
        }
        Err(error) => Err(secrets.mask_error(error.into())),
    }
}

/// What a pipeline file wants done after a run.
///
/// # Errors
/// What is wrong with the file.
pub fn hooks(options: &Options) -> Result<file::Hooks, Error> {
    with_pipeline(options, |pipeline, _| {
        let output = options.output.clone().or(pipeline.output);
        Ok(file::Hooks { output, ..pipeline.hooks })
    })
}

fn setup(pipeline: &Pipeline, options: &Options, touchpoints: &Touchpoints, conversions: &Conversions) -> Result<Setup, Error> {
    let touch = &pipeline.touchpoints;
    let dimension_types = touchpoints.dimension_types();
    let dimensions: Vec<Field> =
        touch.dimensions.iter().zip(dimension_types).map(|(dimension, kind)| Field::new(&dimension.name, kind.clone())).collect();
    let mut mapped_attributes = vec![attribute::CHANNEL];
    mapped_attributes.extend(touch.campaign.as_ref().map(|_| attribute::CAMPAIGN));
    mapped_attributes.extend(touch.interaction.as_ref().map(|_| attribute::INTERACTION));
    mapped_attributes.extend((0..dimensions.len()).map(|place| attribute::DIMENSIONS + place));
    let memory = options.memory.unwrap_or_else(machine::default_memory);
    attributary_frames::set_memory(memory);
    let mut setup = Setup {
        rules: rules(pipeline),
        range: Range { from: options.from, to: options.to },
        only: None,
        values: values(pipeline),
        worths: pipeline.conversions.worths.iter().map(|worth| worth_of(pipeline, worth.worth)).collect(),
        refunds: pipeline.conversions.refund_of.is_some(),
        exchange: pipeline.conversions.currency.is_some(),
        counted: pipeline.counted.is_some(),
        order_kinds: pipeline.conversions.order_kinds.clone(),
        customers: pipeline.customers.as_ref().map(|entry| customers(pipeline, entry)),
        currency: (pipeline.currency.code.clone(), pipeline.currency.exponent),
        models: Vec::new(),
        tables: pipeline.tables.iter().map(table).chain(bases(pipeline)).collect(),
        credits: pipeline.credits,
        paths: pipeline.paths,
        dimensions,
        customer_type: conversions.customer_type().clone(),
        touch_customer_type: touchpoints.customer_type().clone(),
        conversion_id_type: conversions.id_type().clone(),
        touch_id_type: touchpoints.id_type().cloned(),
        mapped_attributes,
        memory: machine::engine_budget(memory),
        temp: PathBuf::new(),
        bucket_bits: bucket_bits(touchpoints.files().iter().filter_map(|file| file.rows).sum(), machine::open_files()),
        stretch_pairs: attributary_engine::walk::STRETCH_PAIRS,
        threads: options.threads.unwrap_or_else(machine::threads),
    };
    setup.models = models(pipeline, &setup)?;
    Ok(setup)
}

/// Refuses what asks of paths when they were.
fn has_no_times(pipeline: &Pipeline, options: &Options) -> Result<(), Error> {
    let asked = if options.from.is_some() || options.to.is_some() {
        "a range of days"
    } else if options.as_of.is_some() {
        "an instant at which rows were known"
    } else if options.merge {
        "days to merge"
    } else {
        return Ok(());
    };
    Err(Error::Usage {
        problem: format!(
            "expected none of --from, --to, --date, --as-of and --merge, found {asked}: pipeline {:?} has [paths], which do not say when they were",
            pipeline.name
        ),
        hint: Some("leave it out: all paths are read".to_owned()),
    })
}

/// The values of the source, then those that first orders carry.
fn values(pipeline: &Pipeline) -> Vec<String> {
    let of_source = pipeline.conversions.values.iter().map(|value| value.name.clone());
    of_source.chain(pipeline.conversions.worths.iter().map(|worth| worth.name.clone())).collect()
}

/// The value that says what was earned: the margin, or the revenue where none is mapped.
fn worth_of(pipeline: &Pipeline, worth: file::Worth) -> Worth {
    let (revenue, margin) = revenue_and_margin(pipeline);
    let value = margin.unwrap_or(revenue);
    match worth {
        file::Worth::Predicted(horizon) => Worth::Predicted { horizon },
        file::Worth::Historic(within) => Worth::Historic { value, within },
        file::Worth::Total(horizon) => Worth::Total { value, horizon },
    }
}

/// The places of the values that say what came in and what was earned by it.
pub(crate) fn revenue_and_margin(pipeline: &Pipeline) -> (usize, Option<usize>) {
    let called_so = || pipeline.conversions.values.iter().position(|value| value.name == "margin");
    pipeline.returns.as_ref().map_or_else(|| (0, called_so()), |returns| (returns.revenue, returns.margin))
}

fn customers(pipeline: &Pipeline, entry: &file::CustomersEntry) -> CustomersSetup {
    let (revenue, margin) = revenue_and_margin(pipeline);
    CustomersSetup {
        revenue,
        margin,
        tables: entry.tables,
        horizon: entry.horizon,
        segments: Segments {
            lapsing_after: entry.lapsing_after,
            loyal_orders: entry.loyal_orders,
            loyal_score: entry.loyal_score,
        },
    }
}

/// The table that returns are made of: what each group got, by day, kind and standing. It is kept with the run's state.
pub(crate) const RETURNS_BASE: &str = "returns_base";

/// The table of all conversions by day, kind and standing, likewise.
pub(crate) const CONVERSIONS_BASE: &str = "conversions_base";

/// Whether a table is only kept with the run's state.
pub(crate) fn is_base(table: &TableSetup) -> bool {
    table.name == RETURNS_BASE || table.name == CONVERSIONS_BASE
}

fn bases(pipeline: &Pipeline) -> Vec<TableSetup> {
    let Some(returns) = &pipeline.returns else { return Vec::new() };
    let day = if returns.by_touch { GroupColumn::Touch(Period::Day) } else { GroupColumn::Conversion(Period::Day) };
    let mut by = vec![day];
    by.extend(returns.by.iter().map(group_column));
    by.extend([GroupColumn::Kind, GroupColumn::Standing]);
    let conversions = vec![GroupColumn::Conversion(Period::Day), GroupColumn::Kind, GroupColumn::Standing];
    vec![TableSetup { name: RETURNS_BASE.to_owned(), by }, TableSetup { name: CONVERSIONS_BASE.to_owned(), by: conversions }]
}

fn models(pipeline: &Pipeline, setup: &Setup) -> Result<Vec<ModelSetup>, Error> {
    // Signed, so that `position - 2` is a negative number and not a huge one.
    let count = ColumnType::Int { bits: 64, signed: true };
    let age = ("age_days", ColumnType::Float { bits: 64 });
    let numbers = [("position", count.clone()), ("length", count)].into_iter().chain((!setup.counted).then_some(age));
    let attributes = setup.weight_attributes().map(|place| setup.attribute_field(place)).map(|field| (field.name, field.kind));
    let id = setup.touch_id_type.iter().map(|kind| ("id".to_owned(), kind.clone()));
    let columns = numbers.map(|(name, kind)| (name.to_owned(), kind)).chain(attributes).chain(id).collect();
    let compiler = Compiler { columns };
    let predicates = pipeline.predicates();
    let build = |model: &file::ModelEntry| {
        let weighing = (model.spec.build)(&model.parameters, &compiler).map_err(|wrong| {
            let key = format!("model.{}.{}", model.name, wrong.parameter);
            pipeline.invalid(&key, wrong.problem, None)
        })?;
        Ok(ModelSetup {
            name: model.name.clone(),
            weighing,
            only: model.only.as_deref().and_then(|only| flag(&predicates, only)),
            fallback: model.parameters.fallback,
            additive: model.spec.additive,
            frozen: None,
        })
    };
    pipeline.models.iter().map(build).collect()
}

fn flag(predicates: &[&str], wanted: &str) -> Option<u32> {
    predicates.iter().position(|predicate| *predicate == wanted).map(|place| place as u32)
}

/// Weight expressions over the columns that this pipeline maps.
struct Compiler {
    columns: Vec<(String, ColumnType)>,
}

impl ExpressionCompiler for Compiler {
    fn compile(&self, expression: &str) -> Result<Box<dyn WeightExpression>, String> {
        attributary_frames::compile_weight(expression, &self.columns)
    }
}

/// Which touches a conversion may look back on.
pub(crate) fn rules(pipeline: &Pipeline) -> Rules {
    let journey = &pipeline.journey;
    let predicates = pipeline.predicates();
    let ignore = journey.ignore.as_ref().and_then(|ignore| {
        let when = match ignore.when {
            file::IgnoreWhen::Always => journeys::IgnoreWhen::Always,
            file::IgnoreWhen::OthersExist => journeys::IgnoreWhen::OthersExist,
        };
        flag(&predicates, &ignore.filter).map(|flag| journeys::Ignore { flag, when })
    });
    Rules {
        zone: pipeline.zone.clone(),
        windows: journey.windows.clone(),
        calendar_days: journey.calendar_days,
        interaction_windows: journey.interaction_windows.clone(),
        interaction_mapped: pipeline.touchpoints.interaction.is_some(),
        reuse: match journey.reuse {
            file::Reuse::Overlap => journeys::Reuse::Overlap,
            file::Reuse::SincePreviousConversion => journeys::Reuse::SincePreviousConversion { by_kind: journey.reuse_by_kind },
        },
        priority: journey.priority.clone(),
        ignore,
        repeats: match journey.repeats {
            file::Repeats::Keep => journeys::Repeats::Keep,
            file::Repeats::CollapseConsecutive => journeys::Repeats::CollapseConsecutive,
            file::Repeats::First => journeys::Repeats::First,
            file::Repeats::Last => journeys::Repeats::Last,
        },
    }
}

fn table(table: &file::TableEntry) -> TableSetup {
    TableSetup { name: table.name.clone(), by: table.by.iter().map(group_column).collect() }
}

pub(crate) fn group_column(column: &file::GroupColumn) -> GroupColumn {
    match column {
        file::GroupColumn::ConversionDate => GroupColumn::Conversion(Period::Day),
        file::GroupColumn::ConversionWeek => GroupColumn::Conversion(Period::Week),
        file::GroupColumn::ConversionMonth => GroupColumn::Conversion(Period::Month),
        file::GroupColumn::TouchDate => GroupColumn::Touch(Period::Day),
        file::GroupColumn::TouchWeek => GroupColumn::Touch(Period::Week),
        file::GroupColumn::TouchMonth => GroupColumn::Touch(Period::Month),
        file::GroupColumn::Channel => GroupColumn::Attribute(attribute::CHANNEL),
        file::GroupColumn::Campaign => GroupColumn::Attribute(attribute::CAMPAIGN),
        file::GroupColumn::Interaction => GroupColumn::Attribute(attribute::INTERACTION),
        file::GroupColumn::Kind => GroupColumn::Kind,
        file::GroupColumn::Standing => GroupColumn::Standing,
        file::GroupColumn::Dimension(place) => GroupColumn::Attribute(attribute::DIMENSIONS + place),
    }
}

/// What was spent on a country is put beside what a country brought in: both must name countries alike.
fn same_dimensions(pipeline: &Pipeline, touchpoints: &Touchpoints, spend: &[SpendSource]) -> Result<(), Error> {
    let of_touches = touchpoints.dimension_types();
    for (entry, source) in pipeline.spend.iter().zip(spend) {
        for ((place, dimension), kind) in entry.dimensions.iter().zip(source.dimension_types()) {
            let same = matches!((&of_touches[*place], kind), (ColumnType::Int { .. }, ColumnType::Int { .. }));
            if !same && of_touches[*place] != *kind {
                return Err(Error::Input {
                    problem: format!(
                        "{}.dimensions.{} is {kind}, but touchpoints.dimensions has it as {}: nothing would be found",
                        entry.key, dimension.name, of_touches[*place],
                    ),
                    hint: Some("bring both to one type, for example { sql = \"CAST(store AS VARCHAR)\" }".to_owned()),
                });
            }
        }
    }
    Ok(())
}

/// Text never equals a number: touches and conversions that name customers differently would all stay unattributed.
fn same_kind_of_customer(touchpoints: &Touchpoints, conversions: &Conversions) -> Result<(), Error> {
    let (touch, conversion) = (touchpoints.customer_type(), conversions.customer_type());
    let same = matches!((touch, conversion), (ColumnType::Int { .. }, ColumnType::Int { .. })) || touch == conversion;
    if same {
        return Ok(());
    }
    Err(Error::Input {
        problem: format!(
            "touchpoints.columns.customer is {touch}, but conversions.columns.customer is {conversion}: no customer would be found"
        ),
        hint: Some("bring both to one type, for example customer = { sql = \"CAST(user_id AS VARCHAR)\" }".to_owned()),
    })
}
