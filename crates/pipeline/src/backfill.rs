//! History computed in steps, each published into the run before: what is done stays, and a backfill that was ended goes on.

use std::time::Instant;

use attributary_core::time::{Day, day_text, parse_day};
use attributary_engine::Interrupt;
use attributary_store::{Backfill, Range};

use crate::error::Error;
use crate::held;
use crate::options::{Options, Progress};
use crate::plan::with_pipeline;
use crate::report::{BackfillReport, StepReport};
use crate::run::{output_folder, run};

pub use attributary_returns::Period as Step;

/// Publishes the days from `options.from` to before `options.to`, one `step` of the calendar after another, each merged into the
/// run before. What each step's manifest says lets a backfill of the same days, step and settings go on behind the last one that
/// was published, unless `restart`. `each` is told of every step as it is done, and how many there are.
///
/// # Errors
/// Where the days are missing, and as a run's; steps that were published stay.
pub fn backfill(
    options: &Options,
    step: Step,
    restart: bool,
    progress: &Progress,
    each: &dyn Fn(&StepReport, usize),
    interrupt: &Interrupt,
) -> Result<BackfillReport, Error> {
    let began = Instant::now();
    let (Some(from), Some(to)) = (options.from, options.to) else {
        return Err(Error::Usage { problem: "expected the first day and the day after the last".to_owned(), hint: None });
    };
    let said =
        |done: Day| Backfill { from: day_text(from), to: day_text(to), step: step.name().to_owned(), done: day_text(done) };
    let folder =
        with_pipeline(options, |pipeline, _| Ok((output_folder(&pipeline, options)?, pipeline.fingerprints.settings_sha256)));
    let (folder, settings) = folder?;
    let last = held::open(&folder, options, interrupt)?.current()?.filter(|_| !restart).map(|run| run.manifest);
    let last = last.filter(|manifest| manifest.settings_sha256 == settings && manifest.version == env!("CARGO_PKG_VERSION"));
    let of_this = |last: &Backfill| Backfill { done: day_text(to), ..last.clone() } == said(to);
    let done = last.and_then(|manifest| manifest.backfill).filter(of_this).and_then(|last| parse_day(&last.done));
    // Whoever starts one that is complete wants it once more.
    let done = done.filter(|done| *done < to);
    let all = spans(step, from, to);
    let mut steps = Vec::new();
    for (start, end) in all.iter().copied() {
        let is_done = done.is_some_and(|done| end <= done);
        let mut report = StepReport { from: day_text(start), to: day_text(end), run_id: None, seconds: 0.0 };
        if !is_done {
            let options = Options { from: Some(start), to: Some(end), merge: true, backfill: Some(said(end)), ..options.clone() };
            let published = run(&options, progress, interrupt)?;
            (report.run_id, report.seconds) = (Some(published.run_id), published.seconds);
        }
        steps.push(report.clone());
        each(&report, all.len());
    }
    let current = held::open(&folder, options, interrupt)?.current()?;
    let Range { from, to } = current.map(|run| run.manifest.range).unwrap_or_default();
    Ok(BackfillReport { output: folder, range: (from, to), steps, seconds: began.elapsed().as_secs_f64() })
}

/// The steps: those of the calendar, cut off at both ends.
fn spans(step: Step, from: Day, to: Day) -> Vec<(Day, Day)> {
    let mut spans = Vec::new();
    let mut start = from;
    while start < to {
        let end = step.start(start).and_then(|first| step.end(first)).unwrap_or(to).min(to);
        spans.push((start, end));
        start = end;
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_those_of_the_calendar() {
        let day = |text: &str| parse_day(text).expect("a day");
        let steps = |step: Step, from: &str, to: &str| -> Vec<String> {
            spans(step, day(from), day(to)).iter().map(|(from, to)| format!("{} {}", day_text(*from), day_text(*to))).collect()
        };
        assert_eq!(
            steps(Step::Month, "2024-11-20", "2025-02-02"),
            ["2024-11-20 2024-12-01", "2024-12-01 2025-01-01", "2025-01-01 2025-02-01", "2025-02-01 2025-02-02"]
        );
        assert_eq!(steps(Step::Week, "2024-12-30", "2025-01-07"), ["2024-12-30 2025-01-06", "2025-01-06 2025-01-07"]);
        assert_eq!(steps(Step::Quarter, "2025-02-01", "2025-03-01"), ["2025-02-01 2025-03-01"]);
        assert_eq!(steps(Step::Day, "2025-02-28", "2025-03-02").len(), 2);
    }
}
