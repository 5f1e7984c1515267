//! `evaluate`: how good models are. What those that learn foretell of customers that they did not see, how much each model's
//! division changes from week to week and by chance, and, where a log has a known truth, how far it is from that.
//!
//! The pipeline is computed once, beside the runs and for nobody to see, with a table by channel and one by channel and week.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use attributary_core::value::Value;
use attributary_core::{NOT_SET, UNATTRIBUTED};
use attributary_engine::tables::learned::{INTERVALS, MODEL_FIT};
use attributary_engine::{Interrupt, Range};
use attributary_store::{PublishedRun, read_table};
use toml::{Table, Value as Toml};

use crate::again::Recipe;
use crate::error::Error;
use crate::options::{Options, Progress};
use crate::plan::with_pipeline;
use crate::report::{Calibrated, EvaluateReport, HeldOut, ModelEvaluation, TruthDistance, range_text};
use crate::run::output_folder;

/// So often a model that learns is fitted to customers drawn at random, if the pipeline does not say how often.
const DRAWS: i64 = 50;

const BY_CHANNEL: &str = "by_channel";
const BY_WEEK: &str = "by_week";

/// The truth of a simulated log lies beside its tables.
const TRUTH: &str = "truth.parquet";

/// Computes a pipeline and says how good its models are. `truth` is a table of what channels brought, as `simulate` writes it; by
/// default that beside the folder of touchpoints, if there is one.
///
/// # Errors
/// As a run's; and where the truth cannot be read.
pub fn evaluate(
    options: &Options,
    truth: Option<&Path>,
    progress: &Progress,
    interrupt: &Interrupt,
) -> Result<EvaluateReport, Error> {
    let began = Instant::now();
    let (recipe, name, beside, of_source) = with_pipeline(options, |pipeline, _| {
        let text = asked(&pipeline.fingerprints.text, pipeline.counted.is_none())
            .ok_or_else(|| Error::Usage { problem: "the pipeline's text cannot be read again".to_owned(), hint: None })?;
        let recipe = Recipe {
            file: pipeline.file().display().to_string(),
            text,
            overrides: Vec::new(),
            range: Range { from: options.from, to: options.to },
            as_of: options.as_of,
        };
        let beside = options.temp.clone().or_else(|| output_folder(&pipeline, options).ok());
        let source = Path::new(&pipeline.touchpoints.source.path).parent().map(|folder| folder.join(TRUTH));
        Ok((recipe, pipeline.name.clone(), beside.unwrap_or_else(std::env::temp_dir), source))
    })?;
    let truth = truth.map(Path::to_owned).or(of_source.filter(|path| path.is_file()));
    let caused = truth.as_deref().map(read_truth).transpose()?;
    let again = recipe.make_beside(&beside, None, options, progress, interrupt)?;
    let run = &again.run;
    let credited = credited(run, BY_CHANNEL)?;
    let weekly = if run.manifest.table(BY_WEEK).is_some() { credited_by_week(run)? } else { BTreeMap::new() };
    let (fits, spreads) = (held_out(run)?, spreads(run)?);
    let mut models = Vec::new();
    for model in &run.manifest.models {
        for window in &run.manifest.windows {
            let place = (model.name.clone(), window.clone());
            let weeks: Vec<&Credits> = weekly.get(&place).into_iter().flat_map(BTreeMap::values).collect();
            let nothing = Credits::new();
            let of_channels = credited.get(&place).unwrap_or(&nothing);
            models.push(ModelEvaluation {
                model: model.name.clone(),
                kind: model.kind.clone(),
                window: window.clone(),
                held_out: fits.get(&place).cloned(),
                weeks: weeks.len() as u64,
                stability: stability(&weeks),
                spread: spreads.get(&place).copied(),
                truth: caused.as_ref().map(|caused| distance(of_channels, caused)),
            });
        }
    }
    Ok(EvaluateReport {
        pipeline: name,
        range: range_text(options.from, options.to),
        truth,
        models,
        seconds: began.elapsed().as_secs_f64(),
    })
}

/// The pipeline's text with nothing to be written but what is looked at here. `timed`: whether it is known when touches were.
fn asked(text: &str, timed: bool) -> Option<String> {
    let mut pipeline: Table = text.parse().ok()?;
    let table = |name: &str, by: &[&str]| {
        let by = by.iter().map(|column| Toml::from(*column)).collect::<Vec<_>>();
        Toml::Table([("name".to_owned(), Toml::from(name)), ("by".to_owned(), Toml::Array(by))].into_iter().collect())
    };
    let by_week = timed.then(|| table(BY_WEEK, &["conversion_week", "channel"]));
    let tables = [table(BY_CHANNEL, &["channel"])].into_iter().chain(by_week).collect();
    pipeline.insert("table".to_owned(), Toml::Array(tables));
    pipeline.insert("output".to_owned(), Toml::Table([("paths".to_owned(), Toml::from(0))].into_iter().collect()));
    for section in ["quality", "returns", "budget", "spend"] {
        pipeline.remove(section);
    }
    for model in pipeline.get_mut("model")?.as_array_mut()?.iter_mut().filter_map(Toml::as_table_mut) {
        let kind = model.get("kind").and_then(Toml::as_str)?.to_owned();
        if attributary_models::find(&kind).is_some_and(|spec| spec.fitted)
            && model.get("bootstrap").is_none_or(|it| it.as_integer() == Some(0))
        {
            model.insert("bootstrap".to_owned(), Toml::from(DRAWS));
        }
    }
    Some(pipeline.iter().map(|(name, section)| format!("{} = {section}\n", Toml::String(name.clone()))).collect())
}

/// What channels got, in billionths of conversions.
type Credits = BTreeMap<String, i128>;

/// By model and window.
type ByModel<T> = BTreeMap<(String, String), T>;

/// A row: a cell by the name of its column.
type Row<'a> = dyn Fn(&str) -> Value + 'a;

/// Hands the rows of a table to `each`.
fn for_each_row(run: &PublishedRun, table: &str, each: &mut dyn FnMut(&Row<'_>)) -> Result<(), Error> {
    let files = run.manifest.table(table).map(|table| table.files.clone()).unwrap_or_default();
    for file in files {
        read_rows(&run.path(&file)?, each)?;
    }
    Ok(())
}

fn read_rows(path: &Path, each: &mut dyn FnMut(&Row<'_>)) -> Result<(), Error> {
    let reader = read_table(path)?;
    let names: Vec<String> = reader.fields().iter().map(|field| field.name.clone()).collect();
    for rows in reader {
        let rows = rows?;
        for row in 0..rows.len() {
            each(&|name| {
                let column = names.iter().position(|known| known == name);
                column.map_or(Value::Null, |column| rows.columns[column].value(row))
            });
        }
    }
    Ok(())
}

fn text(cell: &Value) -> String {
    cell.as_text().unwrap_or_default().to_owned()
}

fn int(cell: &Value) -> i128 {
    match cell {
        Value::Int(number) => *number,
        _ => 0,
    }
}

fn place(cell: &Row<'_>) -> (String, String) {
    (text(&cell("model")), text(&cell("window")))
}

fn credited(run: &PublishedRun, table: &str) -> Result<ByModel<Credits>, Error> {
    let mut all: ByModel<Credits> = BTreeMap::new();
    for_each_row(run, table, &mut |cell| {
        let channel = text(&cell("channel"));
        if channel != UNATTRIBUTED {
            *all.entry(place(cell)).or_default().entry(channel).or_default() += int(&cell("conversions"));
        }
    })?;
    Ok(all)
}

fn credited_by_week(run: &PublishedRun) -> Result<ByModel<BTreeMap<i128, Credits>>, Error> {
    let mut all: ByModel<BTreeMap<i128, Credits>> = BTreeMap::new();
    for_each_row(run, BY_WEEK, &mut |cell| {
        let channel = text(&cell("channel"));
        if channel != UNATTRIBUTED {
            let week = all.entry(place(cell)).or_default().entry(int(&cell("conversion_week"))).or_default();
            *week.entry(channel).or_default() += int(&cell("conversions"));
        }
    })?;
    Ok(all)
}

/// What models foretold of customers that they were not fitted to.
fn held_out(run: &PublishedRun) -> Result<ByModel<HeldOut>, Error> {
    let mut numbers: ByModel<BTreeMap<String, f64>> = BTreeMap::new();
    for_each_row(run, MODEL_FIT, &mut |cell| {
        if let Some(number) = cell("value").as_float() {
            numbers.entry(place(cell)).or_default().insert(text(&cell("statistic")), number);
        }
    })?;
    let of_model = |(place, numbers): ((String, String), BTreeMap<String, f64>)| {
        let number = |name: &str| numbers.get(name).copied();
        let calibration = numbers.iter().filter_map(|(name, journeys)| {
            let lengths = name.strip_prefix("calibration_journeys_")?;
            let of = |what: &str| number(&format!("calibration_{what}_{lengths}")).unwrap_or(0.0);
            Some(Calibrated {
                lengths: lengths.to_owned(),
                journeys: *journeys as u64,
                conversions: of("conversions") as u64,
                foretold: of("foretold"),
            })
        });
        let held_out = HeldOut {
            log_loss: -number("held_out_log_likelihood")? / number("journeys").filter(|journeys| *journeys > 0.0)?,
            auc: number("held_out_auc")?,
            calibration: calibration.collect(),
        };
        Some((place, held_out))
    };
    Ok(numbers.into_iter().filter_map(of_model).collect())
}

/// How wide the range is in which nine of ten draws of customers put a channel's part, over that part, on average over channels
/// by their parts.
fn spreads(run: &PublishedRun) -> Result<ByModel<f64>, Error> {
    let mut sums: ByModel<(f64, f64)> = BTreeMap::new();
    for_each_row(run, INTERVALS, &mut |cell| {
        let number = |name: &str| cell(name).as_float().unwrap_or(0.0);
        let sums = sums.entry(place(cell)).or_default();
        sums.0 += number("high") - number("low");
        sums.1 += number("share").abs();
    })?;
    let spread = |(place, (widths, shares)): ((String, String), (f64, f64))| (shares > 0.0).then(|| (place, widths / shares));
    Ok(sums.into_iter().filter_map(spread).collect())
}

/// How far channels are in the same order in a week and in the next, on average; none of fewer than two weeks.
fn stability(weeks: &[&Credits]) -> Option<f64> {
    let pairs = weeks.windows(2).filter_map(|weeks| rank_correlation(&side_by_side(weeks[0], weeks[1])));
    let found: Vec<f64> = pairs.collect();
    (!found.is_empty()).then(|| found.iter().sum::<f64>() / found.len() as f64)
}

/// What channels have of one and of another.
fn side_by_side(one: &Credits, other: &Credits) -> Vec<(f64, f64)> {
    let of = |credits: &Credits, channel: &String| credits.get(channel).copied().unwrap_or(0) as f64;
    let mut channels: Vec<&String> = one.keys().chain(other.keys()).collect();
    channels.sort_unstable();
    channels.dedup();
    channels.into_iter().map(|channel| (of(one, channel), of(other, channel))).collect()
}

/// Spearman's rank correlation: 1 where both are in the same order, −1 where they are in opposite ones. Equals share their rank.
/// None of fewer than three, or where all of one are equal.
fn rank_correlation(pairs: &[(f64, f64)]) -> Option<f64> {
    if pairs.len() < 3 {
        return None;
    }
    let ranks = |numbers: Vec<f64>| -> Vec<f64> {
        let below = |number: f64| numbers.iter().filter(|other| **other < number).count() as f64;
        let equal = |number: f64| numbers.iter().filter(|other| **other == number).count() as f64;
        numbers.iter().map(|number| below(*number) + (equal(*number) - 1.0) / 2.0).collect()
    };
    let (one, other) = pairs.iter().copied().unzip();
    let (one, other) = (ranks(one), ranks(other));
    let mean = (pairs.len() - 1) as f64 / 2.0;
    let product =
        |left: &[f64], right: &[f64]| left.iter().zip(right).map(|(left, right)| (left - mean) * (right - mean)).sum::<f64>();
    let scale = (product(&one, &one) * product(&other, &other)).sqrt();
    (scale > 0.0).then(|| product(&one, &other) / scale)
}

/// What channels brought: conversions that would not have been without them, in billionths.
fn read_truth(path: &Path) -> Result<Credits, Error> {
    let mut caused = Credits::new();
    read_rows(path, &mut |cell| {
        let channel = text(&cell("channel"));
        // What would have been anyway is no channel's.
        if !channel.is_empty() && !channel.starts_with('(') {
            caused.insert(channel, int(&cell("incremental_conversions")) * i128::from(attributary_core::WHOLE_SHARE));
        }
    })?;
    if caused.is_empty() {
        return Err(Error::Input {
            problem: format!("{} has no rows with a channel and its incremental_conversions", path.display()),
            hint: Some("expected a table as `attributary simulate --truth true` writes it".to_owned()),
        });
    }
    Ok(caused)
}

/// How far what channels got is from what they brought.
fn distance(credited: &Credits, caused: &Credits) -> TruthDistance {
    let credited: Credits =
        credited.iter().filter(|(channel, _)| *channel != NOT_SET).map(|(channel, amount)| (channel.clone(), *amount)).collect();
    let sum = |credits: &Credits| credits.values().sum::<i128>() as f64;
    let (all_credited, all_caused) = (sum(&credited), sum(caused));
    let pairs = side_by_side(&credited, caused);
    let part = |amount: f64, all: f64| if all > 0.0 { amount / all } else { 0.0 };
    let apart = pairs.iter().map(|(one, other)| (part(*one, all_credited) - part(*other, all_caused)).abs()).sum::<f64>() / 2.0;
    TruthDistance {
        misplaced: apart,
        rank_correlation: rank_correlation(&pairs),
        credited_for_caused: (all_caused > 0.0).then(|| all_credited / all_caused),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_agree_or_do_not() {
        let of = |pairs: &[(f64, f64)]| rank_correlation(pairs).map(|found| (found * 1e12).round() / 1e12);
        assert_eq!(of(&[(1.0, 10.0), (2.0, 20.0), (3.0, 900.0)]), Some(1.0));
        assert_eq!(of(&[(1.0, 3.0), (2.0, 2.0), (3.0, 1.0)]), Some(-1.0));
        // Ranks 0, 1.5, 1.5, 3 and 1, 0, 2, 3.
        assert_eq!(of(&[(1.0, 2.0), (2.0, 1.0), (2.0, 3.0), (5.0, 4.0)]), Some(0.632_455_532_034));
        assert_eq!(of(&[(1.0, 1.0), (2.0, 2.0)]), None);
        assert_eq!(of(&[(1.0, 1.0), (1.0, 2.0), (1.0, 3.0)]), None);
    }

    #[test]
    fn what_is_at_the_wrong_channel_is_counted_once() {
        let credits = |all: &[(&str, i128)]| all.iter().map(|(channel, amount)| ((*channel).to_owned(), *amount)).collect();
        let found = distance(&credits(&[("a", 60), ("b", 40), (NOT_SET, 5)]), &credits(&[("a", 20), ("b", 20), ("c", 10)]));
        assert!((found.misplaced - 0.2).abs() < 1e-12, "{found:?}");
        assert_eq!(found.credited_for_caused, Some(2.0));
        assert_eq!(found.rank_correlation.map(|it| (it * 1e9).round() / 1e9), Some(0.866_025_404));
    }

    #[test]
    fn a_pipeline_is_asked_for_what_is_looked_at() {
        let text = "pipeline = { currency = \"SEK\" }\nmodel = [{ kind = \"linear\" }, { kind = \"markov\" }, { kind = \"shapley\", bootstrap = 7 }]\nquality = { max_age = \"2d\" }\n";
        let asked = asked(text, true).expect("a text").parse::<Table>().expect("TOML");
        let draws = |model: usize| asked["model"][model].get("bootstrap").and_then(Toml::as_integer);
        assert_eq!([draws(0), draws(1), draws(2)], [None, Some(DRAWS), Some(7)]);
        assert_eq!(asked["table"].as_array().map(Vec::len), Some(2));
        assert!(asked.get("quality").is_none() && asked["output"]["paths"].as_integer() == Some(0));
    }
}
