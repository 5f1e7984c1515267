//! What models learnt is kept with a run, so that a later one can credit new days by it without reading history (`refit =
//! "frozen"`).
//!
//! A fit is used again by a model of the same name, as long as neither its parameters nor what journeys are has changed. It is
//! kept as text, numbers as their bits: it comes back as it was, to the last bit.

use attributary_core::learning::{Contribution, Fit, Node, Player, Step};
use attributary_core::model::Weighing;
use attributary_core::table::{Column, Field, Rows};
use attributary_core::value::{ColumnType, Value};
use attributary_engine::learn::{Fits, Frozen};
use attributary_store::PublishedRun;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::carried::{for_each_row, state};
use crate::error::Error;
use crate::plan::Plan;
use crate::settings;

/// The table of the state.
pub(crate) const FITS: &str = "fits";

/// What a model's journeys are made by; each is a line of a pipeline's text.
const JOURNEYS: [&str; 4] = ["touchpoints", "conversions", "paths", "journey"];

/// Lets the models of a plan that are to be fitted once have what a run learnt. Models of which it has nothing, or of which anything
/// changed since, are fitted anew.
///
/// # Errors
/// Where the run cannot be read.
pub(crate) fn thaw(plan: &mut Plan, run: &PublishedRun) -> Result<(), Error> {
    if state(run, FITS).is_none() || run.manifest.version != env!("CARGO_PKG_VERSION") {
        return Ok(());
    }
    let mut known: Vec<(String, String, String, Frozen)> = Vec::new();
    for_each_row(run, state(run, FITS), &fields(), |cells| {
        let text = |place: usize| cells[place].as_text().unwrap_or_default().to_owned();
        if let Some(frozen) = serde_json::from_str::<Told>(&text(4)).ok().and_then(Told::frozen) {
            known.push((text(0), text(1), text(2), frozen));
        }
    })?;
    let windows: Vec<String> = plan.setup.rules.windows.iter().map(ToString::to_string).collect();
    for place in frozen_models(plan).collect::<Vec<_>>() {
        let made_by = made_by(plan, place);
        let name = &plan.setup.models[place].name;
        let of_window = |window: &String| {
            let found = known.iter().find(|(model, of, by, _)| model == name && of == window && *by == made_by);
            found.map(|(.., frozen)| frozen.clone())
        };
        plan.setup.models[place].frozen = windows.iter().map(of_window).collect();
    }
    Ok(())
}

/// The places of the models that are to be fitted once.
fn frozen_models(plan: &Plan) -> impl Iterator<Item = usize> {
    let is_frozen = |place: &usize| {
        let is_fitted = matches!(plan.setup.models[*place].weighing, Weighing::Fitted(_));
        is_fitted && plan.pipeline.models[*place].parameters.text("refit") == Ok("frozen")
    };
    (0..plan.setup.models.len()).filter(is_frozen)
}

/// The SHA-256 of all that a model's fit hangs on but the rows.
fn made_by(plan: &Plan, model: usize) -> String {
    let lines = plan.pipeline.fingerprints.text.lines();
    let of_journeys = lines.filter(|line| JOURNEYS.iter().any(|name| line.starts_with(&format!("{name} = "))));
    let zone = plan.pipeline.zone.name();
    let text = of_journeys.chain([zone, &settings::model(&plan.pipeline.models[model])]).collect::<Vec<_>>().join("\n");
    sha256(&text)
}

fn sha256(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The table's columns: model, window, the SHA-256 of what it hangs on, the SHA-256 of the fit, the fit.
pub(crate) fn fields() -> Vec<Field> {
    ["model", "window", "made_by_sha256", "fit_sha256", "fit"].map(|name| Field::new(name, ColumnType::Text)).to_vec()
}

/// A row for each model that is to be fitted once, and window; nothing where there is none.
pub(crate) fn rows(plan: &Plan, fits: &Fits) -> Option<Rows> {
    let mut columns: Vec<Vec<Value>> = vec![Vec::new(); fields().len()];
    for model in frozen_models(plan) {
        for (window, name) in plan.setup.rules.windows.iter().enumerate() {
            let Some(text) = text(fits, model, window) else { continue };
            let made_by = made_by(plan, model);
            let cells = [&plan.setup.models[model].name, &name.to_string(), &made_by, &sha256(&text), &text]
                .map(|cell| Value::text(cell));
            columns.iter_mut().zip(cells).for_each(|(column, cell)| column.push(cell));
        }
    }
    (!columns[0].is_empty()).then(|| Rows { columns: columns.into_iter().map(Column::Values).collect() })
}

/// The SHA-256 of what a model learnt under all windows, if it is to be fitted once: by this the manifest names it.
pub(crate) fn fit_sha256(plan: &Plan, fits: &Fits, model: usize) -> Option<String> {
    let windows = 0..plan.setup.rules.windows.len();
    let texts: Option<Vec<String>> = windows.map(|window| text(fits, model, window)).collect();
    frozen_models(plan).any(|place| place == model).then_some(texts)?.map(|texts| sha256(&texts.join("\n")))
}

fn text(fits: &Fits, model: usize, window: usize) -> Option<String> {
    serde_json::to_string(&Told::of(&fits.of(model, window)?.frozen())).ok()
}

/// A fit as it is kept; floats are their bits.
#[derive(Serialize, Deserialize)]
struct Told {
    players: Vec<(String, Option<String>)>,
    takes_part: Vec<bool>,
    weights: Vec<u64>,
    by_position: Vec<Vec<u64>>,
    contributions: Vec<(u64, Option<u64>, u64)>,
    groups: Vec<(String, u64)>,
    steps: Vec<(Place, Place, u64, u64)>,
    statistics: Vec<(String, u64)>,
    drawn: Vec<Vec<u64>>,
}

/// A [`Node`].
#[derive(Serialize, Deserialize)]
enum Place {
    Start,
    State(Vec<u32>),
    Conversion,
    Null,
}

impl Told {
    fn of(frozen: &Frozen) -> Self {
        let Frozen { players, takes_part, fit, drawn } = frozen;
        let bits = |numbers: &[f64]| numbers.iter().map(|number| number.to_bits()).collect();
        let named = |(name, number): &(String, f64)| (name.clone(), number.to_bits());
        let contribution = |it: &Contribution| (it.value.to_bits(), it.standard_error.map(f64::to_bits), it.share.to_bits());
        let step = |step: &Step| (Place::of(&step.from), Place::of(&step.to), step.count, step.probability.to_bits());
        Self {
            players: players.iter().map(|player| (player.channel.clone(), player.campaign.clone())).collect(),
            takes_part: takes_part.clone(),
            weights: bits(&fit.weights),
            by_position: fit.by_position.iter().map(|positions| bits(positions)).collect(),
            contributions: fit.contributions.iter().map(contribution).collect(),
            groups: fit.groups.iter().map(named).collect(),
            steps: fit.steps.iter().map(step).collect(),
            statistics: fit.statistics.iter().map(named).collect(),
            drawn: drawn.iter().map(|draw| bits(draw)).collect(),
        }
    }

    /// The fit, if what was kept is one.
    fn frozen(self) -> Option<Frozen> {
        let count = self.players.len();
        let whole = self.takes_part.len() == count
            && self.contributions.len() == count
            && self.drawn.iter().all(|draw| draw.len() == count);
        let floats = |bits: Vec<u64>| bits.into_iter().map(f64::from_bits).collect();
        let named = |(name, bits): (String, u64)| (name, f64::from_bits(bits));
        let contribution = |(value, standard_error, share): (u64, Option<u64>, u64)| Contribution {
            value: f64::from_bits(value),
            standard_error: standard_error.map(f64::from_bits),
            share: f64::from_bits(share),
        };
        let step = |(from, to, count, probability): (Place, Place, u64, u64)| Step {
            from: from.node(),
            to: to.node(),
            count,
            probability: f64::from_bits(probability),
        };
        whole.then(|| Frozen {
            players: self.players.into_iter().map(|(channel, campaign)| Player { channel, campaign }).collect(),
            takes_part: self.takes_part,
            fit: Fit {
                weights: floats(self.weights),
                by_position: self.by_position.into_iter().map(floats).collect(),
                contributions: self.contributions.into_iter().map(contribution).collect(),
                groups: self.groups.into_iter().map(named).collect(),
                steps: self.steps.into_iter().map(step).collect(),
                statistics: self.statistics.into_iter().map(named).collect(),
            },
            drawn: self.drawn.into_iter().map(floats).collect(),
        })
    }
}

impl Place {
    fn of(node: &Node) -> Self {
        match node {
            Node::Start => Self::Start,
            Node::State(players) => Self::State(players.to_vec()),
            Node::Conversion => Self::Conversion,
            Node::Null => Self::Null,
        }
    }

    fn node(self) -> Node {
        match self {
            Self::Start => Node::Start,
            Self::State(players) => Node::State(players.into()),
            Self::Conversion => Node::Conversion,
            Self::Null => Node::Null,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fit_comes_back_to_the_last_bit() {
        let third = 1.0 / 3.0;
        let frozen = Frozen {
            players: vec![
                Player { channel: "a > b".to_owned(), campaign: Some("\u{0}\"x".to_owned()) },
                Player { channel: "ö".to_owned(), campaign: None },
            ],
            takes_part: vec![true, false],
            fit: Fit {
                weights: vec![third, -0.0],
                by_position: vec![vec![third], vec![0.25, third]],
                contributions: vec![
                    Contribution { value: -third, standard_error: Some(f64::MIN_POSITIVE), share: 1e-300 },
                    Contribution { value: 0.1 + 0.2, standard_error: None, share: 1.0 },
                ],
                groups: vec![("both".to_owned(), third)],
                steps: vec![Step { from: Node::Start, to: Node::State([1, 0].into()), count: u64::MAX, probability: third }],
                statistics: vec![("residual".to_owned(), f64::INFINITY)],
            },
            drawn: vec![vec![third, 1.0 - third]],
        };
        let text = serde_json::to_string(&Told::of(&frozen)).expect("a text");
        let again = serde_json::from_str::<Told>(&text).expect("the text").frozen().expect("a fit");
        assert_eq!(again, frozen);
        assert!(again.fit.weights[1].is_sign_negative());
        let cut = text.replace("[true,false]", "[true]");
        assert!(serde_json::from_str::<Told>(&cut).expect("a text").frozen().is_none());
    }
}
