//! What fitted models learnt: removal effects, Shapley values, the steps of chains, intervals, and how good the fits are.
//!
//! Conversions and values beside a contribution are the *global* allocation: all that the model attributed under that window,
//! divided by the contributions alone, with the largest-remainder method. What touches got, conversion by conversion, is in the
//! other tables, and need not be the same.

use std::sync::Arc;

use attributary_core::WHOLE_SHARE;
use attributary_core::apportion::split_total;
use attributary_core::learning::{FittedModel, Node, PlayedBy, Player, ToldAs};
use attributary_core::model::Weighing;
use attributary_core::table::{Column, Field, Rows};
use attributary_core::value::{ColumnType, Value};

use crate::learn::{Fits, Fitted, Players};
use crate::setup::{ModelSetup, Setup};
use crate::tables::ledger::Line;

/// What would be lost without players.
pub const REMOVAL_EFFECTS: &str = "removal_effects";
/// What players add.
pub const SHAPLEY_VALUES: &str = "shapley_values";
/// The steps of chains.
pub const TRANSITIONS: &str = "transitions";
/// Between what shares would lie of other customers.
pub const INTERVALS: &str = "intervals";
/// Numbers that tell how good the fits are.
pub const MODEL_FIT: &str = "model_fit";

/// Between what stands at the start, at the end, and between the players of a state.
const START: &str = "(start)";
const CONVERSION: &str = "(conversion)";
const NULL: &str = "(null)";
const THEN: &str = " > ";
/// Between a channel and its campaign.
const OF: &str = " / ";

/// Draws lie between these in nine of ten cases.
const LOW: f64 = 0.05;
const HIGH: f64 = 0.95;

/// The tables that the fitted models of a run have, with their columns; none where no model is fitted.
#[must_use]
pub fn planned(setup: &Setup) -> Vec<(&'static str, Vec<Field>)> {
    let fitted: Vec<&dyn FittedModel> = setup.models.iter().filter_map(fitted).collect();
    if fitted.is_empty() {
        return Vec::new();
    }
    let text = |name| Field::new(name, ColumnType::Text);
    let float = |name| Field::new(name, ColumnType::Float { bits: 64 });
    let head = || vec![text("model"), text("window")];
    let players = || {
        let mut fields = head();
        fields.push(text("channel"));
        fields.extend(with_campaigns(setup).then(|| text("campaign")));
        fields
    };
    let told = |told_as: ToldAs| fitted.iter().any(|model| model.told_as() == told_as);
    let allocated = |measures: &[&'static str]| {
        let mut fields = players();
        fields.extend(measures.iter().copied().map(float));
        fields.extend([float("share"), Field::new("conversions", ColumnType::SHARE)]);
        fields.extend(setup.value_fields());
        fields
    };
    let mut planned = Vec::new();
    if told(ToldAs::RemovalEffects) {
        planned.push((REMOVAL_EFFECTS, allocated(&["removal_effect"])));
        let steps = [text("from"), text("to"), Field::new("count", ColumnType::COUNT), float("probability")];
        planned.push((TRANSITIONS, head().into_iter().chain(steps).collect()));
    }
    if told(ToldAs::ShapleyValues) {
        let mut fields = allocated(&["contribution", "standard_error"]);
        if by_position(setup) {
            let place = fields.iter().position(|field| field.name == "contribution").unwrap_or(0);
            fields.insert(place, Field::new("position", ColumnType::COUNT));
        }
        planned.push((SHAPLEY_VALUES, fields));
    }
    if fitted.iter().any(|model| model.training().bootstrap > 0) {
        let ends = ["share", "low", "high"].map(float);
        planned.push((INTERVALS, players().into_iter().chain(ends).chain([Field::new("draws", ColumnType::COUNT)]).collect()));
    }
    planned.push((MODEL_FIT, head().into_iter().chain([text("statistic"), float("value")]).collect()));
    planned
}

fn fitted(model: &ModelSetup) -> Option<&dyn FittedModel> {
    match &model.weighing {
        Weighing::Fitted(model) => Some(&**model),
        _ => None,
    }
}

/// Whether some model is by campaign, too.
fn with_campaigns(setup: &Setup) -> bool {
    setup.models.iter().filter_map(fitted).any(|model| model.training().by == PlayedBy::Placements)
}

/// Whether it matters to some model who comes when.
fn by_position(setup: &Setup) -> bool {
    setup.models.iter().filter_map(fitted).any(FittedModel::by_position)
}

/// The rows of a planned table. `ledger` says what each model attributed.
#[must_use]
pub fn rows(table: &str, setup: &Setup, fits: &Fits, ledger: &[Line]) -> Rows {
    let told = Told { setup, of: of_setup(setup, fits), ledger };
    match table {
        REMOVAL_EFFECTS => told.contributions(ToldAs::RemovalEffects),
        SHAPLEY_VALUES => told.contributions(ToldAs::ShapleyValues),
        TRANSITIONS => told.transitions(),
        INTERVALS => told.intervals(),
        _ => told.statistics(),
    }
}

/// Model, window, and what was learnt, in the order of the names of the models and then of the windows.
fn of_setup<'a>(setup: &'a Setup, fits: &'a Fits) -> Vec<(&'a ModelSetup, String, &'a Fitted)> {
    let mut models: Vec<usize> = (0..setup.models.len()).collect();
    models.sort_by_key(|model| &setup.models[*model].name);
    let of_model = |model: usize| {
        let windows = setup.rules.windows.iter().enumerate();
        windows.filter_map(move |(window, text)| Some((&setup.models[model], text.to_string(), fits.of(model, window)?)))
    };
    models.into_iter().flat_map(of_model).collect()
}

struct Told<'a> {
    setup: &'a Setup,
    of: Vec<(&'a ModelSetup, String, &'a Fitted)>,
    ledger: &'a [Line],
}

/// Cells of a table whose first columns are a model and a window.
#[derive(Default)]
struct Cells {
    models: Vec<Value>,
    windows: Vec<Value>,
    channels: Vec<Value>,
    campaigns: Vec<Value>,
}

impl Cells {
    fn push(&mut self, model: &str, window: &str) {
        self.models.push(Value::text(model));
        self.windows.push(Value::text(window));
    }

    fn push_player(&mut self, players: &Players, player: usize) {
        let Player { channel, campaign } = &players.names[player];
        self.channels.push(Value::text(channel));
        self.campaigns.push(campaign.as_ref().map_or(Value::Null, |campaign| Value::text(campaign)));
    }

    /// The columns, of which that of campaigns is only there where somebody has some.
    fn columns(self, with_campaigns: bool) -> Vec<Column> {
        let campaigns = with_campaigns.then_some(self.campaigns);
        let all = [Some(self.models), Some(self.windows), Some(self.channels), campaigns];
        all.into_iter().flatten().map(Column::Values).collect()
    }
}

impl Told<'_> {
    fn contributions(&self, told_as: ToldAs) -> Rows {
        let mut cells = Cells::default();
        let (mut contributions, mut errors, mut shares, mut positions) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut amounts: Vec<Vec<Value>> = vec![Vec::new(); 1 + self.setup.values.len()];
        let is_told = |model: &ModelSetup| fitted(model).is_some_and(|model| model.told_as() == told_as);
        for (model, window, fitted) in self.of.iter().filter(|(model, _, _)| is_told(model)) {
            let there: Vec<usize> = (0..fitted.players.names.len()).filter(|player| fitted.takes_part[*player]).collect();
            let parts: Vec<f64> = there.iter().map(|player| fitted.fit.contributions[*player].share).collect();
            let totals = self.attributed(&model.name, window).into_iter();
            let parts: Vec<Vec<i128>> =
                totals.map(|total| split_total(total, &parts).unwrap_or_else(|| vec![0; there.len()])).collect();
            let all: f64 = fitted.fit.by_position.iter().flatten().sum();
            for (place, player) in there.into_iter().enumerate() {
                let contribution = fitted.fit.contributions[player];
                cells.push(&model.name, window);
                cells.push_player(&fitted.players, player);
                contributions.push(Some(contribution.value));
                errors.push(contribution.standard_error);
                shares.push(Some(contribution.share));
                positions.push(Value::Null);
                amounts.iter_mut().zip(&parts).for_each(|(amounts, parts)| amounts.push(Value::Int(parts[place])));
                // Of single positions, as of groups, only this is told.
                for (position, value) in
                    fitted.fit.by_position.get(player).into_iter().flatten().zip(1..).map(|(value, at)| (at, value))
                {
                    cells.push(&model.name, window);
                    cells.push_player(&fitted.players, player);
                    contributions.push(Some(*value));
                    errors.push(None);
                    shares.push((all > 0.0).then(|| value / all));
                    positions.push(Value::Int(position));
                    amounts.iter_mut().for_each(|amounts| amounts.push(Value::Null));
                }
            }
            // Of groups only this is told: what is theirs is that of their players.
            for (name, effect) in &fitted.fit.groups {
                cells.push(&model.name, window);
                cells.channels.push(Value::text(name));
                cells.campaigns.push(Value::Null);
                contributions.push(Some(*effect));
                errors.push(None);
                shares.push(None);
                positions.push(Value::Null);
                amounts.iter_mut().for_each(|amounts| amounts.push(Value::Null));
            }
        }
        let mut columns = cells.columns(with_campaigns(self.setup));
        if told_as == ToldAs::ShapleyValues && by_position(self.setup) {
            columns.push(Column::Values(positions));
        }
        columns.push(Column::Floats(contributions));
        if told_as == ToldAs::ShapleyValues {
            columns.push(Column::Floats(errors));
        }
        columns.push(Column::Floats(shares));
        columns.extend(amounts.into_iter().map(Column::Values));
        Rows { columns }
    }

    /// What a model attributed under a window: conversions in billionths, then each value.
    fn attributed(&self, model: &str, window: &str) -> Vec<i128> {
        let lines = || self.ledger.iter().filter(|line| line.model == model && line.window == window);
        let conversions = lines().map(|line| line.attributed_conversions).max().unwrap_or(0);
        let of_value = |value: &String| lines().filter(|line| line.value == *value).map(|line| line.attributed).sum();
        let values = self.setup.values.iter().map(of_value);
        std::iter::once(i128::from(conversions) * i128::from(WHOLE_SHARE)).chain(values).collect()
    }

    fn transitions(&self) -> Rows {
        let mut cells = Cells::default();
        let (mut from, mut to, mut counts, mut probabilities) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (model, window, fitted) in &self.of {
            for step in &fitted.fit.steps {
                cells.push(&model.name, window);
                from.push(node_text(&step.from, &fitted.players));
                to.push(node_text(&step.to, &fitted.players));
                counts.push(step.count as i64);
                probabilities.push(Some(step.probability));
            }
        }
        let texts = [cells.models, cells.windows, from, to].map(Column::Values);
        Rows { columns: texts.into_iter().chain([Column::Ints(counts), Column::Floats(probabilities)]).collect() }
    }

    fn intervals(&self) -> Rows {
        let mut cells = Cells::default();
        let (mut shares, mut lows, mut highs, mut draws) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (model, window, fitted) in self.of.iter().filter(|(_, _, fitted)| !fitted.drawn.is_empty()) {
            for player in (0..fitted.players.names.len()).filter(|player| fitted.takes_part[*player]) {
                let mut drawn: Vec<f64> = fitted.drawn.iter().map(|shares| shares[player]).collect();
                drawn.sort_by(f64::total_cmp);
                let last = (drawn.len() - 1) as f64;
                cells.push(&model.name, window);
                cells.push_player(&fitted.players, player);
                shares.push(Some(fitted.fit.contributions[player].share));
                lows.push(Some(drawn[(last * LOW).floor() as usize]));
                highs.push(Some(drawn[(last * HIGH).ceil() as usize]));
                draws.push(drawn.len() as i64);
            }
        }
        let mut columns = cells.columns(with_campaigns(self.setup));
        columns.extend([shares, lows, highs].map(Column::Floats));
        columns.push(Column::Ints(draws));
        Rows { columns }
    }

    fn statistics(&self) -> Rows {
        let mut cells = Cells::default();
        let (mut names, mut values) = (Vec::new(), Vec::new());
        for (model, window, fitted) in &self.of {
            for (name, value) in &fitted.fit.statistics {
                cells.push(&model.name, window);
                names.push(Value::text(name));
                values.push(Some(*value));
            }
        }
        let texts = [cells.models, cells.windows, names].map(Column::Values);
        Rows { columns: texts.into_iter().chain([Column::Floats(values)]).collect() }
    }
}

fn node_text(node: &Node, players: &Arc<Players>) -> Value {
    let name = |player: &u32| {
        let Player { channel, campaign } = &players.names[*player as usize];
        campaign.as_ref().map_or_else(|| channel.clone(), |campaign| format!("{channel}{OF}{campaign}"))
    };
    match node {
        Node::Start => Value::text(START),
        Node::Conversion => Value::text(CONVERSION),
        Node::Null => Value::text(NULL),
        Node::State(players) => Value::text(&players.iter().map(name).collect::<Vec<_>>().join(THEN)),
    }
}
