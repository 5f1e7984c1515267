//! What fitted models learnt: removal effects, Shapley values, the steps of chains, intervals, and how good the fits are.
//!
//! Conversions and values beside a contribution are the *global* allocation: all that the model attributed under that window,
//! divided by the contributions alone, with the largest-remainder method. What touches got, conversion by conversion, is in the
//! other tables, and need not be the same.

use std::sync::Arc;

use attributary_core::WHOLE_SHARE;
use attributary_core::apportion::split_total;
use attributary_core::learning::{Node, Player, ToldAs};
use attributary_core::table::{Column, Field, Rows};
use attributary_core::value::{ColumnType, Value};

use crate::learn::{Fits, Fitted, Players};
use crate::setup::Setup;
use crate::tables::ledger::Line;

/// The tables that say what was learnt.
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

/// A table that some fitted model has something for.
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Its columns.
    pub fields: Vec<Field>,
    /// All its rows.
    pub rows: Rows,
}

/// The tables of all fitted models; none where no model is fitted. `ledger` says what each attributed.
#[must_use]
pub fn tables(setup: &Setup, fits: &Fits, ledger: &[Line]) -> Vec<Table> {
    let mut all = Vec::new();
    let fitted = Told { setup, of: of_setup(setup, fits), ledger };
    if fitted.of.is_empty() {
        return all;
    }
    all.extend(fitted.contributions(REMOVAL_EFFECTS, ToldAs::RemovalEffects));
    all.extend(fitted.contributions(SHAPLEY_VALUES, ToldAs::ShapleyValues));
    all.extend(fitted.transitions());
    all.extend(fitted.intervals());
    all.push(fitted.statistics());
    all
}

/// Model, window, and what was learnt, in the order of the names of the models and then of the windows.
fn of_setup<'a>(setup: &'a Setup, fits: &'a Fits) -> Vec<(&'a str, String, &'a Fitted)> {
    let mut models: Vec<usize> = (0..setup.models.len()).collect();
    models.sort_by_key(|model| &setup.models[*model].name);
    let of_model = |model: usize| {
        let windows = setup.rules.windows.iter().enumerate();
        windows.filter_map(move |(window, text)| {
            Some((setup.models[model].name.as_str(), text.to_string(), fits.of(model, window)?))
        })
    };
    models.into_iter().flat_map(of_model).collect()
}

struct Told<'a> {
    setup: &'a Setup,
    of: Vec<(&'a str, String, &'a Fitted)>,
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
    fn with_campaigns(&self) -> bool {
        self.of.iter().any(|(_, _, fitted)| fitted.players.names.iter().any(|player| player.campaign.is_some()))
    }

    fn player_fields(&self) -> Vec<Field> {
        let text = |name| Field::new(name, ColumnType::Text);
        let mut fields = vec![text("model"), text("window"), text("channel")];
        fields.extend(self.with_campaigns().then(|| text("campaign")));
        fields
    }

    fn contributions(&self, name: &'static str, told_as: ToldAs) -> Option<Table> {
        let of: Vec<_> = self.of.iter().filter(|(_, _, fitted)| fitted.fit.told_as == told_as).collect();
        if of.is_empty() {
            return None;
        }
        let mut cells = Cells::default();
        let (mut contributions, mut errors, mut shares) = (Vec::new(), Vec::new(), Vec::new());
        let mut amounts: Vec<Vec<Value>> = vec![Vec::new(); 1 + self.setup.values.len()];
        for (model, window, fitted) in of {
            let there: Vec<usize> = (0..fitted.players.names.len()).filter(|player| fitted.takes_part[*player]).collect();
            let parts: Vec<f64> = there.iter().map(|player| fitted.fit.contributions[*player].share).collect();
            for (amounts, total) in amounts.iter_mut().zip(self.attributed(model, window)) {
                let parts = split_total(total, &parts).unwrap_or_else(|| vec![0; there.len()]);
                amounts.extend(parts.into_iter().map(Value::Int));
            }
            for player in there {
                let contribution = fitted.fit.contributions[player];
                cells.push(model, window);
                cells.push_player(&fitted.players, player);
                contributions.push(Some(contribution.value));
                errors.push(contribution.standard_error);
                shares.push(Some(contribution.share));
            }
            // Of groups only this is told: what is theirs is that of their players.
            for (name, effect) in &fitted.fit.groups {
                cells.push(model, window);
                cells.channels.push(Value::text(name));
                cells.campaigns.push(Value::Null);
                contributions.push(Some(*effect));
                errors.push(None);
                shares.push(None);
                amounts.iter_mut().for_each(|amounts| amounts.push(Value::Null));
            }
        }
        let float = |name| Field::new(name, ColumnType::Float { bits: 64 });
        let mut fields = self.player_fields();
        let mut columns = cells.columns(self.with_campaigns());
        if told_as == ToldAs::RemovalEffects {
            fields.push(float("removal_effect"));
            columns.push(Column::Floats(contributions));
        } else {
            fields.extend(["contribution", "standard_error"].map(float));
            columns.extend([contributions, errors].map(Column::Floats));
        }
        fields.extend([float("share"), Field::new("conversions", ColumnType::SHARE)]);
        fields.extend(self.setup.value_fields());
        columns.push(Column::Floats(shares));
        columns.extend(amounts.into_iter().map(Column::Values));
        Some(Table { name, fields, rows: Rows { columns } })
    }

    /// What a model attributed under a window: conversions in billionths, then each value.
    fn attributed(&self, model: &str, window: &str) -> Vec<i128> {
        let lines = || self.ledger.iter().filter(|line| line.model == model && line.window == window);
        let conversions = lines().map(|line| line.attributed_conversions).max().unwrap_or(0);
        let of_value = |value: &String| lines().filter(|line| line.value == *value).map(|line| line.attributed).sum();
        let values = self.setup.values.iter().map(of_value);
        std::iter::once(i128::from(conversions) * i128::from(WHOLE_SHARE)).chain(values).collect()
    }

    fn transitions(&self) -> Option<Table> {
        let mut cells = Cells::default();
        let (mut from, mut to, mut counts, mut probabilities) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (model, window, fitted) in &self.of {
            for step in &fitted.fit.steps {
                cells.push(model, window);
                from.push(node_text(&step.from, &fitted.players));
                to.push(node_text(&step.to, &fitted.players));
                counts.push(step.count as i64);
                probabilities.push(Some(step.probability));
            }
        }
        if counts.is_empty() {
            return None;
        }
        let text = |name| Field::new(name, ColumnType::Text);
        let fields = vec![
            text("model"),
            text("window"),
            text("from"),
            text("to"),
            Field::new("count", ColumnType::COUNT),
            Field::new("probability", ColumnType::Float { bits: 64 }),
        ];
        let columns = vec![
            Column::Values(cells.models),
            Column::Values(cells.windows),
            Column::Values(from),
            Column::Values(to),
            Column::Ints(counts),
            Column::Floats(probabilities),
        ];
        Some(Table { name: TRANSITIONS, fields, rows: Rows { columns } })
    }

    fn intervals(&self) -> Option<Table> {
        let mut cells = Cells::default();
        let (mut shares, mut lows, mut highs, mut draws) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (model, window, fitted) in self.of.iter().filter(|(_, _, fitted)| !fitted.drawn.is_empty()) {
            for player in (0..fitted.players.names.len()).filter(|player| fitted.takes_part[*player]) {
                let mut drawn: Vec<f64> = fitted.drawn.iter().map(|shares| shares[player]).collect();
                drawn.sort_by(f64::total_cmp);
                let last = (drawn.len() - 1) as f64;
                cells.push(model, window);
                cells.push_player(&fitted.players, player);
                shares.push(Some(fitted.fit.contributions[player].share));
                lows.push(Some(drawn[(last * LOW).floor() as usize]));
                highs.push(Some(drawn[(last * HIGH).ceil() as usize]));
                draws.push(drawn.len() as i64);
            }
        }
        if shares.is_empty() {
            return None;
        }
        let mut fields = self.player_fields();
        fields.extend(["share", "low", "high"].map(|name| Field::new(name, ColumnType::Float { bits: 64 })));
        fields.push(Field::new("draws", ColumnType::COUNT));
        let mut columns = cells.columns(self.with_campaigns());
        columns.extend([shares, lows, highs].map(Column::Floats));
        columns.push(Column::Ints(draws));
        Some(Table { name: INTERVALS, fields, rows: Rows { columns } })
    }

    fn statistics(&self) -> Table {
        let mut cells = Cells::default();
        let (mut names, mut values) = (Vec::new(), Vec::new());
        for (model, window, fitted) in &self.of {
            for (name, value) in &fitted.fit.statistics {
                cells.push(model, window);
                names.push(Value::text(name));
                values.push(Some(*value));
            }
        }
        let text = |name| Field::new(name, ColumnType::Text);
        let fields = vec![text("model"), text("window"), text("statistic"), Field::new("value", ColumnType::Float { bits: 64 })];
        let columns =
            vec![Column::Values(cells.models), Column::Values(cells.windows), Column::Values(names), Column::Floats(values)];
        Table { name: MODEL_FIT, fields, rows: Rows { columns } }
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
