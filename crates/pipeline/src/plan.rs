//! From what the pipeline file says to what the engine does: sources opened, schemas checked, models built. No data is
//! touched; what can be wrong is wrong here.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;

use attributary_core::batch::attribute;
use attributary_core::model::{ExpressionCompiler, WeightExpression};
use attributary_core::table::Field;
use attributary_core::value::ColumnType;
use attributary_engine::bucket::bucket_bits;
use attributary_engine::{GroupColumn, ModelSetup, Period, Range, Setup, TableSetup};
use attributary_frames::{
    ColumnSpec, ConversionMapping, ConversionSource, DimensionSpec, FrameError, Predicate, SourceSpec, TimeBounds, TouchMapping,
    TouchSource, ValueSpec, ValueUnit,
};
use attributary_journeys as journeys;
use attributary_journeys::Rules;

use crate::error::Error;
use crate::file::{self, Pipeline};
use crate::machine;
use crate::options::Options;
use crate::secrets::Secrets;

/// A pipeline that is ready to run.
pub struct Plan {
    /// The pipeline file.
    pub pipeline: Pipeline,
    /// The touchpoints' source.
    pub touchpoints: TouchSource,
    /// The conversions' source.
    pub conversions: ConversionSource,
    /// What the engine is told; without temporary folder yet.
    pub setup: Setup,
}

impl Plan {
    /// Opens the sources of a pipeline and puts everything together.
    ///
    /// # Errors
    /// Whatever the pipeline file or the sources' schemas have wrong.
    pub fn new(pipeline: Pipeline, options: &Options) -> Result<Self, Error> {
        let located = |error: FrameError| match error.of_key() {
            Some((key, problem)) => Error::File(pipeline.invalid(key, problem, error.hint())),
            None => error.into(),
        };
        let touchpoints = TouchSource::open(&source_spec("touchpoints", &pipeline.touchpoints.source), &touch_mapping(&pipeline));
        let touchpoints = touchpoints.map_err(located)?;
        let conversions =
            ConversionSource::open(&source_spec("conversions", &pipeline.conversions.source), &conversion_mapping(&pipeline));
        let conversions = conversions.map_err(located)?;
        same_kind_of_customer(&touchpoints, &conversions)?;
        let setup = setup(&pipeline, options, &touchpoints, &conversions)?;
        Ok(Self { pipeline, touchpoints, conversions, setup })
    }

    /// The times of touches that can matter to the run.
    #[must_use]
    pub fn touch_bounds(&self) -> TimeBounds {
        let Setup { rules, range, .. } = &self.setup;
        TimeBounds { from: range.from.map(|from| rules.earliest_touch(from)), to: range.to.map(|to| rules.zone.start_of(to)) }
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
    let loaded = file::load(&options.pipeline, &options.overrides, &environment);
    let mut secrets = asked.into_inner();
    match loaded {
        Ok(pipeline) => {
            secrets.show_paths(&pipeline);
            work(pipeline, &secrets).map_err(|error| secrets.mask_error(error))
        }
        Err(error) => Err(secrets.mask_error(error.into())),
    }
}

fn setup(
    pipeline: &Pipeline,
    options: &Options,
    touchpoints: &TouchSource,
    conversions: &ConversionSource,
) -> Result<Setup, Error> {
    let touch = &pipeline.touchpoints;
    let dimension_types = touchpoints.dimension_types();
    let dimensions: Vec<Field> =
        touch.dimensions.iter().zip(dimension_types).map(|(dimension, kind)| Field::new(&dimension.name, kind.clone())).collect();
    let mut mapped_attributes = vec![attribute::CHANNEL];
    mapped_attributes.extend(touch.campaign.as_ref().map(|_| attribute::CAMPAIGN));
    mapped_attributes.extend(touch.interaction.as_ref().map(|_| attribute::INTERACTION));
    mapped_attributes.extend((0..dimensions.len()).map(|place| attribute::DIMENSIONS + place));
    let memory = options.memory.unwrap_or_else(machine::default_memory);
    let mut setup = Setup {
        rules: rules(pipeline),
        range: Range { from: options.from, to: options.to },
        values: pipeline.conversions.values.iter().map(|value| value.name.clone()).collect(),
        currency: (pipeline.currency.code.clone(), pipeline.currency.exponent),
        models: Vec::new(),
        tables: pipeline.tables.iter().map(table).collect(),
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

fn models(pipeline: &Pipeline, setup: &Setup) -> Result<Vec<ModelSetup>, Error> {
    // Signed, so that `position - 2` is a negative number and not a huge one.
    let count = ColumnType::Int { bits: 64, signed: true };
    let numbers = [("position", count.clone()), ("length", count), ("age_days", ColumnType::Float { bits: 64 })];
    let attributes = setup.weight_attributes().map(|place| setup.attribute_field(place)).map(|field| (field.name, field.kind));
    let id = setup.touch_id_type.iter().map(|kind| ("id".to_owned(), kind.clone()));
    let columns = numbers.map(|(name, kind)| (name.to_owned(), kind)).into_iter().chain(attributes).chain(id).collect();
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

fn rules(pipeline: &Pipeline) -> Rules {
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
    let column = |column: &file::GroupColumn| match column {
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
        file::GroupColumn::Dimension(place) => GroupColumn::Attribute(attribute::DIMENSIONS + place),
    };
    TableSetup { name: table.name.clone(), by: table.by.iter().map(column).collect() }
}

fn source_spec(key: &str, source: &file::Source) -> SourceSpec {
    SourceSpec {
        key: key.to_owned(),
        source: source.path.clone(),
        zone: source.zone.clone(),
        filter: source.filter.clone(),
        missing_as_null: source.missing_as_null,
    }
}

fn column_spec(column: &file::Column) -> ColumnSpec {
    match column {
        file::Column::Names(names) => ColumnSpec::Names(names.clone()),
        file::Column::Sql(sql) => ColumnSpec::Sql(sql.clone()),
    }
}

fn touch_mapping(pipeline: &Pipeline) -> TouchMapping {
    let touch = &pipeline.touchpoints;
    let dimension =
        |dimension: &file::Dimension| DimensionSpec { name: dimension.name.clone(), column: column_spec(&dimension.column) };
    let mut keys: BTreeMap<&str, String> = BTreeMap::new();
    for model in &pipeline.models {
        if let Some(only) = &model.only {
            keys.entry(only).or_insert_with(|| format!("model.{}.only", model.name));
        }
    }
    let predicate = |sql: &str| Predicate {
        key: keys.get(sql).cloned().unwrap_or_else(|| "journey.ignore.where".to_owned()),
        sql: sql.to_owned(),
    };
    TouchMapping {
        customer: column_spec(&touch.customer),
        time: column_spec(&touch.time),
        channel: column_spec(&touch.channel),
        campaign: touch.campaign.as_ref().map(column_spec),
        interaction: touch.interaction.as_ref().map(column_spec),
        id: touch.id.as_ref().map(column_spec),
        dimensions: touch.dimensions.iter().map(dimension).collect(),
        predicates: pipeline.predicates().into_iter().map(predicate).collect(),
    }
}

fn conversion_mapping(pipeline: &Pipeline) -> ConversionMapping {
    let conversions = &pipeline.conversions;
    let value = |value: &file::ValueColumn| ValueSpec {
        name: value.name.clone(),
        column: column_spec(&value.column),
        unit: if value.minor { ValueUnit::Minor } else { ValueUnit::Major },
    };
    ConversionMapping {
        id: column_spec(&conversions.id),
        customer: column_spec(&conversions.customer),
        time: column_spec(&conversions.time),
        kind: conversions.kind.as_ref().map(column_spec),
        values: conversions.values.iter().map(value).collect(),
        exponent: pipeline.currency.exponent,
    }
}

/// Text never equals a number: touches and conversions that name customers differently would all stay unattributed.
fn same_kind_of_customer(touchpoints: &TouchSource, conversions: &ConversionSource) -> Result<(), Error> {
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
