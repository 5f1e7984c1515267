//! `attributary evaluate`: how good models are.

use attributary_pipeline::report::{Calibrated, EvaluateReport, ModelEvaluation};

use super::facts;
use crate::app::Context;
use crate::args::EvaluateArgs;
use crate::errors::Failure;
use crate::mapped;
use crate::progress;
use crate::signals::{First, Stop};
use crate::style::Palette;
use crate::table::{Table, number, text};
use crate::text::{self, shown, shown_path};

/// Evaluates them.
pub fn perform(args: &EvaluateArgs, context: &Context) -> Result<String, Failure> {
    let options = args.options()?;
    let stop = Stop::on_signals(First::Asks, context)?;
    let progress = mapped::watched(context)?;
    let work = || {
        let report = attributary_pipeline::evaluate(&options, args.truth.as_deref(), &progress, &stop.interrupt);
        report.map_err(|error| stop.failure(error))
    };
    let report = progress::during(context.bar, || progress::of_run(&progress), work)?;
    context.document(&report, |palette| page(&report, palette))
}

fn page(report: &EvaluateReport, palette: &Palette) -> String {
    let decimals =
        |number: Option<f64>, digits: usize| number.map_or_else(|| "–".to_owned(), |number| format!("{number:.digits$}"));
    let percent = |number: Option<f64>| number.map_or_else(|| "–".to_owned(), |number| format!("{:.1} %", 100.0 * number));
    let mut columns = vec![text("model", 12), text("window", 6), number("log-loss"), number("AUC"), number("off by")];
    columns.extend([number("week to week"), number("by chance")]);
    if report.truth.is_some() {
        columns.extend([number("misplaced"), number("rank"), number("credited")]);
    }
    let mut table = Table::new(columns);
    for model in &report.models {
        let ModelEvaluation { held_out, stability, spread, truth, .. } = model;
        let mut cells = vec![
            model.model.clone(),
            model.window.clone(),
            decimals(held_out.as_ref().map(|it| it.log_loss), 4),
            decimals(held_out.as_ref().map(|it| it.auc), 3),
            percent(held_out.as_ref().and_then(|it| off_by(&it.calibration))),
            decimals(*stability, 3),
            percent(*spread),
        ];
        if report.truth.is_some() {
            cells.push(percent(truth.map(|it| it.misplaced)));
            cells.push(decimals(truth.and_then(|it| it.rank_correlation), 3));
            cells.push(truth.and_then(|it| it.credited_for_caused).map_or_else(|| "–".to_owned(), |it| format!("{it:.2} x")));
        }
        table.row(cells);
    }
    let mut meanings = vec![
        (
            "log-loss, AUC",
            "what a model foretells of customers that it was not fitted to: −ln p per journey; 0.5 is chance".to_owned(),
        ),
        ("off by", "conversions that were foretold too much or too little by length of journey, of all that came".to_owned()),
        ("week to week", "how far channels keep their order from a week to the next: 1 is the same".to_owned()),
        (
            "by chance",
            "how wide the range is in which nine of ten draws of customers put channels, over what they have".to_owned(),
        ),
    ];
    if let Some(truth) = &report.truth {
        meanings.push(("misplaced", "credit at a wrong channel, by what each channel brought".to_owned()));
        meanings.push(("rank", "how far channels are in the order of what they brought: 1 is the same".to_owned()));
        meanings.push(("credited", "conversions that channels got, over those that would not have been without them".to_owned()));
        meanings.push(("truth", shown_path(&truth.display().to_string(), 400)));
    }
    meanings.push(("time", text::seconds(report.seconds)));
    let days = text::days(&report.range);
    let head = format!("{}, conversions {days}", palette.bold(shown(&report.pipeline, 80)));
    format!("{head}\n\n{}\n{}", table.render(0, palette), facts(0, meanings))
}

/// Which part of the conversions was foretold of journeys of the wrong length.
fn off_by(calibration: &[Calibrated]) -> Option<f64> {
    let conversions: u64 = calibration.iter().map(|it| it.conversions).sum();
    let off: f64 = calibration.iter().map(|it| (it.foretold - it.conversions as f64).abs()).sum();
    (conversions > 0).then(|| off / conversions as f64)
}
