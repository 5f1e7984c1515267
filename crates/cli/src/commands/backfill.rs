//! `attributary backfill`: history in steps, each published as it is done.

use std::sync::Mutex;
use std::time::Instant;

use attributary_pipeline::report::{BackfillReport, StepReport};

use super::facts;
use crate::app::Context;
use crate::args::BackfillArgs;
use crate::errors::Failure;
use crate::mapped;
use crate::progress;
use crate::signals::{First, Stop};
use crate::style::Palette;
use crate::table::{Table, number, text as cells};
use crate::text::{self, shown_path};

/// Computes and publishes the steps.
pub fn perform(args: &BackfillArgs, context: &Context) -> Result<String, Failure> {
    let options = args.options()?;
    let stop = Stop::on_signals(First::Asks, context)?;
    let progress = mapped::watched(context)?;
    let done = Mutex::new((0, 0));
    let began = Instant::now();
    let each = |step: &StepReport, of: usize| {
        let mut done = done.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        done.0 += 1;
        done.1 += usize::from(step.run_id.is_some());
        let left = (of - done.0) as f64 * began.elapsed().as_secs_f64() / done.1.max(1) as f64;
        let (from, to, seconds) = (&step.from, &step.to, (step.seconds * 1_000.0).round() / 1_000.0);
        match &step.run_id {
            Some(run_id) => {
                let left = left.round();
                tracing::info!(from, to, run_id, seconds, step = done.0, of, seconds_left = left, "step published");
            }
            None => tracing::info!(from, to, step = done.0, of, "step was done before"),
        }
    };
    let work = || {
        let report = attributary_pipeline::backfill(&options, args.step.into(), args.restart, &progress, &each, &stop.interrupt);
        report.map_err(|error| stop.failure(error))
    };
    let report = progress::during(context.bar, || progress::of_run(&progress), work)?;
    context.document(&report, |palette| page(&report, palette))
}

fn page(report: &BackfillReport, palette: &Palette) -> String {
    let mut table = Table::new([cells("from", 10), cells("to before", 10), cells("run", 12), number("time")]);
    for step in &report.steps {
        let run = step.run_id.clone().unwrap_or_else(|| "done before".to_owned());
        let time = if step.run_id.is_some() { text::seconds(step.seconds) } else { String::new() };
        table.row([step.from.clone(), step.to.clone(), run, time]);
    }
    let about = [
        (
            "current",
            format!("{}: conversions {}", shown_path(&report.output.display().to_string(), 400), text::days(&report.range)),
        ),
        ("time", text::seconds(report.seconds)),
    ];
    format!("{}\n{}\n{}", palette.bold("backfilled"), table.render(2, palette), facts(0, about))
}
