//! Why a run says something else than an earlier one.
//!
//! The way from one run to the other is gone in steps, of which each changes one thing: first what the inputs hold, under the
//! earlier run's settings, then one part of the settings after another. What a step changes for a channel is its cause's, so the
//! causes of a channel add up to its whole change. Steps that nobody has published are computed, beside the runs. What the inputs
//! changed is told apart by conversion where both runs have credits, else by conversion day.

mod conversions;
mod days;
mod spend;
mod steps;
mod sums;
mod tables;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use attributary_core::money::decimal_text;
use attributary_engine::{EngineError, Interrupt};
use attributary_store::{Cause, ChannelChange, DiffReport, PublishedRun, Side, Total};

use self::conversions::Both;
use self::days::{Causes, Changed, DayChanges, changed_files};
use self::sums::{Amounts, Ledger, Sums, add};
use crate::again::{Recipe, read_run};
use crate::error::Error;
use crate::options::{Options, Progress};
use crate::plan::{rules, with_pipeline};

/// So many conversions are told of.
const MOST_MOVED: usize = 10;

/// Where the settings changed, and the inputs cannot be computed under the earlier ones.
const NOT_APART: &str = "settings and inputs, which cannot be told apart";

/// Says what changed from one run to another, and why. Of `machine` threads, memory and the folder for temporary files count.
///
/// # Errors
/// Where a run cannot be read, or the two cannot be compared.
pub fn diff(
    before: &Path,
    after: &Path,
    machine: &Options,
    progress: &Progress,
    interrupt: &Interrupt,
) -> Result<DiffReport, Error> {
    let (before, after) = (read_run(before)?, read_run(after)?);
    let currency = same_currency(&before, &after)?;
    let mut way = Way { aligned: Aligned::new(&before, &after)?, before, after, machine, progress, interrupt, notes: Vec::new() };
    let mut causes = way.causes()?;
    causes.retain(|_, changed| !changed.channels.is_empty());
    let Way { aligned, before, after, notes, .. } = way;
    let text = |amount: i128| decimal_text(amount, aligned.before.scale);
    let texts = |amounts: &Amounts| amounts.iter().map(|amount| text(*amount)).collect::<Vec<_>>();
    let both = aligned.both(&before, &after, &aligned.own_windows, interrupt);
    let conversions = if both.have_credits() { both.moved_most(MOST_MOVED, &text)? } else { Vec::new() };
    let mut causes: Vec<(i128, Cause)> = causes.into_iter().map(|(words, changed)| said(words, &changed, &texts)).collect();
    causes.sort_by_key(|(size, _)| std::cmp::Reverse(*size));
    Ok(DiffReport {
        pipeline: after.manifest.pipeline.clone(),
        currency,
        values: aligned.before.values.clone(),
        settings: changed_settings(&before, &after),
        inputs: changed_files(&before, &after),
        tables: tables::changes(&before, &after, interrupt)?,
        totals: aligned.totals(&before, &after, &texts)?,
        spend: spend::changes(&before, &after)?,
        causes: causes.into_iter().map(|(_, cause)| cause).collect(),
        conversions,
        notes,
        before: side(&before),
        after: side(&after),
    })
}

/// Two runs, and what is needed to go from one to the other.
struct Way<'a> {
    before: PublishedRun,
    after: PublishedRun,
    aligned: Aligned,
    machine: &'a Options,
    progress: &'a Progress,
    interrupt: &'a Interrupt,
    notes: Vec<String>,
}

impl Way<'_> {
    /// The causes of all that changed.
    fn causes(&mut self) -> Result<Causes, Error> {
        let settings_changed = self.before.manifest.settings_sha256 != self.after.manifest.settings_sha256;
        let other_version = self.before.manifest.version != self.after.manifest.version;
        // Rows that came between two times at which a run is known are inputs, too.
        let same_inputs = self.before.manifest.as_of == self.after.manifest.as_of
            && changed_files(&self.before, &self.after).iter().all(|file| file.source == "spend");
        let same_days = self.before.manifest.range == self.after.manifest.range;
        let recipes = Recipe::of(&self.before).and_then(|before| Ok((before, Recipe::of(&self.after)?)));
        let steps = match &recipes {
            Ok((before, after)) if settings_changed => steps::steps(before, after),
            _ if settings_changed => None,
            _ => Some(Vec::new()),
        };
        if let (Some(0), false) = (steps.as_ref().map(Vec::len), other_version && same_inputs) {
            // Nothing that credit hangs on: all is the inputs'.
            if other_version {
                let [one, other] = [&self.before, &self.after].map(|run| &run.manifest.version);
                self.notes.push(format!("versions {one} and {other} made these runs: what that changed is among the causes"));
            }
            return self.of_inputs(&self.after, &self.aligned.after, &self.aligned.own_windows);
        }
        if same_inputs && same_days && steps.as_ref().is_some_and(|steps| steps.len() < 2) {
            let step = steps.and_then(|mut steps| steps.pop()).map(|step| step.words);
            let version = other_version.then(|| format!("version {}", self.after.manifest.version));
            let words: Vec<String> = step.into_iter().chain(version).collect();
            return Ok(Causes::from([(words.join(", "), whole(&self.aligned.before, &self.aligned.after))]));
        }
        let changed_since = match (&recipes, &steps) {
            (Ok((_, after)), Some(_)) => after.changed_inputs(&self.after.manifest, self.machine, self.interrupt),
            _ => Ok(vec!["the manifests do not say how the runs were made".to_owned()]),
        };
        let (Ok((recipe, later)), Some(steps), Ok(changed)) = (recipes, steps, &changed_since) else {
            return Ok(self.not_apart(&[]));
        };
        if !changed.is_empty() {
            return Ok(self.not_apart(changed));
        }
        self.step_by_step(recipe, later, steps, same_inputs && same_days)
    }

    /// The causes, where the way between the runs has to be computed.
    fn step_by_step(
        &mut self,
        recipe: Recipe,
        later: Recipe,
        steps: Vec<steps::Step>,
        same_inputs: bool,
    ) -> Result<Causes, Error> {
        let mut causes = Causes::new();
        let mut sums = self.aligned.before.clone();
        if !same_inputs {
            // The earlier settings on the later inputs.
            let credits = self.before.manifest.table("credits").is_some();
            let text = steps::narrowed(&recipe.text, credits).unwrap_or_default();
            let recipe = Recipe { file: recipe.file, text, range: later.range, as_of: later.as_of, overrides: Vec::new() };
            let again = recipe.make(&self.after, self.machine, self.progress, self.interrupt)?;
            let of_inputs = self.aligned.sums_as_before(&again.run)?;
            causes = self.of_inputs(&again.run, &of_inputs, &self.aligned.windows)?;
            sums = of_inputs;
        }
        let last = steps.len() - 1;
        for (number, step) in steps.into_iter().enumerate() {
            let next = if number == last {
                self.aligned.after.clone()
            } else {
                let text = steps::narrowed(&step.text, false).unwrap_or_default();
                let recipe =
                    Recipe { file: later.file.clone(), text, range: later.range, as_of: later.as_of, overrides: Vec::new() };
                let again = recipe.make(&self.after, self.machine, self.progress, self.interrupt)?;
                self.aligned.sums_on_the_way(&again.run)?
            };
            merge(&mut causes, step.words, whole(&sums, &next));
            sums = next;
        }
        Ok(causes)
    }

    /// What the inputs changed from the earlier run to one of the same settings, whose windows are told by other names.
    fn of_inputs(&self, after: &PublishedRun, to: &Sums, windows: &BTreeMap<String, String>) -> Result<Causes, Error> {
        let (before, from) = (&self.before, &self.aligned.before);
        let options = Recipe::of(before).map(|recipe| Options {
            pipeline: recipe.file.into(),
            text: Some(recipe.text),
            ..Options::default()
        })?;
        let (rules, fitted) = with_pipeline(&options, |pipeline, _| {
            let fitted = pipeline.models.iter().any(|model| model.spec.fitted);
            Ok((rules(&pipeline), fitted))
        })?;
        let days = DayChanges::new(before, after, &rules, fitted)?;
        let changes = from.changes(to);
        let both = self.aligned.both(before, after, windows, self.interrupt);
        if !both.have_credits() {
            return Ok(days.causes(&changes));
        }
        let causes = both.causes(&days)?;
        let mut left = whole(from, to);
        causes.values().flat_map(|cause| &cause.channels).for_each(|(key, amounts)| left.add(key, amounts, -1));
        // Who takes part in a conversion is counted by the columns of a table, which may be more than the channel.
        let additive = |model: &str| self.aligned.models.iter().any(|(name, additive)| name == model && *additive);
        left.channels.retain(|(model, _, _), amounts| additive(model) && amounts.iter().any(|amount| *amount != 0));
        match left.channels.first_key_value() {
            None => Ok(causes),
            // The credits of a run are its tables' to the last unit.
            Some((key, amounts)) => {
                Err(EngineError::Bug(format!("credits do not add up to {key:?}: {amounts:?} is left")).into())
            }
        }
    }

    /// All that changed as one cause, and why it is no more.
    fn not_apart(&mut self, changed: &[String]) -> Causes {
        let why = if changed.is_empty() {
            "a manifest does not say how its run was made".to_owned()
        } else {
            format!("the inputs are not what run {} found any more: {}", self.after.manifest.run_id, changed[0])
        };
        self.notes.push(format!("settings changed too, and cannot be told apart from the inputs, as {why}"));
        Causes::from([(NOT_APART.to_owned(), whole(&self.aligned.before, &self.aligned.after))])
    }
}

/// The sums of both runs by the same names.
struct Aligned {
    before: Sums,
    after: Sums,
    /// The earlier run's windows by the names that they have in the later one.
    windows: BTreeMap<String, String>,
    /// The later run's windows, and those of runs between the two.
    own_windows: BTreeMap<String, String>,
    /// The models of both, and whether each is additive.
    models: Vec<(String, bool)>,
}

impl Aligned {
    fn new(before: &PublishedRun, after: &PublishedRun) -> Result<Self, Error> {
        let (of_before, of_after) = (&before.manifest.windows, &after.manifest.windows);
        let mut windows: BTreeMap<String, String> =
            of_before.iter().filter(|window| of_after.contains(window)).map(|window| (window.clone(), window.clone())).collect();
        let left: Vec<_> = of_before.iter().filter(|window| !of_after.contains(window)).collect();
        let taken: Vec<_> = of_after.iter().filter(|window| !of_before.contains(window)).collect();
        // As many as there were: each is in the place of one.
        if left.len() == taken.len() {
            windows.extend(left.into_iter().zip(taken).map(|(before, after)| (before.clone(), after.clone())));
        }
        let of_after = &after.manifest.models;
        let models = before.manifest.models.iter().filter_map(|model| {
            let after = of_after.iter().find(|other| other.name == model.name)?;
            (after.additive == model.additive).then(|| (model.name.clone(), model.additive))
        });
        let mut aligned = Self {
            before: Sums::of(before)?,
            after: Sums::of(after)?,
            own_windows: windows.values().map(|window| (window.clone(), window.clone())).collect(),
            windows,
            models: models.collect(),
        };
        if aligned.models.is_empty() || aligned.windows.is_empty() || aligned.before.values != aligned.after.values {
            return Err(Error::Input {
                problem: format!(
                    "runs {} and {} have no model, window and values in common",
                    before.manifest.run_id, after.manifest.run_id
                ),
                hint: Some("compare runs that have a model of the same name, and the same values".to_owned()),
            });
        }
        aligned.before = std::mem::take(&mut aligned.before).renamed(&aligned.windows, &aligned.names());
        aligned.after = std::mem::take(&mut aligned.after).renamed(&aligned.own_windows, &aligned.names());
        Ok(aligned)
    }

    fn names(&self) -> Vec<String> {
        self.models.iter().map(|(name, _)| name.clone()).collect()
    }

    /// The sums of a run of the earlier settings.
    fn sums_as_before(&self, run: &PublishedRun) -> Result<Sums, Error> {
        Ok(Sums::of(run)?.renamed(&self.windows, &self.names()))
    }

    /// The sums of a run of which some settings are the later ones.
    fn sums_on_the_way(&self, run: &PublishedRun) -> Result<Sums, Error> {
        let windows = self.windows.iter().chain(&self.own_windows).map(|(one, other)| (one.clone(), other.clone())).collect();
        Ok(Sums::of(run)?.renamed(&windows, &self.names()))
    }

    fn both<'a>(
        &'a self,
        before: &'a PublishedRun,
        after: &'a PublishedRun,
        windows_after: &'a BTreeMap<String, String>,
        interrupt: &'a Interrupt,
    ) -> Both<'a> {
        let windows = [&self.windows, windows_after];
        Both { before, after, values: &self.before.values, windows, models: &self.models, interrupt }
    }

    /// What the ledgers say of the models and windows of both.
    fn totals(
        &self,
        before: &PublishedRun,
        after: &PublishedRun,
        texts: &dyn Fn(&Amounts) -> Vec<String>,
    ) -> Result<Vec<Total>, Error> {
        let (before, after) = (Ledger::of(before, &self.before.values)?, Ledger::of(after, &self.before.values)?);
        let mut totals = Vec::new();
        for (model, (old, new)) in
            self.names().into_iter().flat_map(|name| self.windows.iter().map(move |windows| (name.clone(), windows)))
        {
            let (Some(before), Some(after)) = (before.of_pair(&model, old), after.of_pair(&model, new)) else { continue };
            let change = |place: usize| {
                let mut change = after[place].clone();
                add(&mut change, &before[place], -1);
                texts(&change)
            };
            totals.push(Total {
                additive: self.models.iter().any(|(name, additive)| *name == model && *additive),
                model,
                window: new.clone(),
                before: texts(&before[0]),
                after: texts(&after[0]),
                change: change(0),
                unattributed_change: change(1),
            });
        }
        Ok(totals)
    }
}

/// All that changed between two sums, as one cause.
fn whole(from: &Sums, to: &Sums) -> Changed {
    let mut changed = Changed::default();
    for (key, days) in from.changes(to) {
        days.values().for_each(|amounts| changed.add(&key, amounts, 1));
    }
    changed.channels.retain(|_, amounts| amounts.iter().any(|amount| *amount != 0));
    changed
}

fn merge(causes: &mut Causes, words: String, changed: Changed) {
    let cause = causes.entry(words).or_default();
    changed.channels.iter().for_each(|(key, amounts)| cause.add(key, amounts, 1));
}

/// A cause in words, and how much it moved: of it the order hangs.
fn said(words: String, changed: &Changed, texts: &dyn Fn(&Amounts) -> Vec<String>) -> (i128, Cause) {
    let size = changed.channels.values().flatten().map(|amount| amount.abs()).sum();
    let channel = |((model, window, channel), amounts): (&sums::Key, &Amounts)| ChannelChange {
        model: model.clone(),
        window: window.clone(),
        channel: channel.clone(),
        change: texts(amounts),
    };
    let days = (!changed.days.is_empty()).then_some(changed.days.len() as u64);
    (
        size,
        Cause { cause: words, days, conversions: changed.conversions, channels: changed.channels.iter().map(channel).collect() },
    )
}

fn side(run: &PublishedRun) -> Side {
    let manifest = &run.manifest;
    Side {
        run_id: manifest.run_id.clone(),
        range: (manifest.range.from.clone(), manifest.range.to.clone()),
        finished: manifest.finished.clone(),
        version: manifest.version.clone(),
    }
}

/// The currency of both runs.
fn same_currency(before: &PublishedRun, after: &PublishedRun) -> Result<String, Error> {
    let of = |run: &PublishedRun| run.manifest.settings.iter().find(|(name, _)| name == "currency").map(|(_, code)| code.clone());
    match (of(before), of(after)) {
        (Some(one), Some(other)) if one == other => Ok(one),
        (one, other) => {
            let shown = |code: Option<String>| code.unwrap_or_else(|| "none".to_owned());
            Err(Error::Input {
                problem: format!(
                    "runs {} and {} cannot be compared: amounts are in {} and in {}",
                    before.manifest.run_id,
                    after.manifest.run_id,
                    shown(one),
                    shown(other)
                ),
                hint: Some("compare runs of one currency".to_owned()),
            })
        }
    }
}

/// What was asked for otherwise, in words.
fn changed_settings(before: &PublishedRun, after: &PublishedRun) -> Vec<(String, Option<String>, Option<String>)> {
    let of = |run: &PublishedRun, name: &str| {
        run.manifest.settings.iter().find(|(known, _)| known == name).map(|(_, text)| text.clone())
    };
    let mut seen = BTreeSet::new();
    let names = before.manifest.settings.iter().chain(&after.manifest.settings).map(|(name, _)| name);
    let names = names.filter(|name| seen.insert((*name).clone()));
    names.map(|name| (name.clone(), of(before, name), of(after, name))).filter(|(_, one, other)| one != other).collect()
}
