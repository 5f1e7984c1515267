//! `attributary verify`: proves that a run is what its inputs give.

use attributary_pipeline::report::VerifyReport;

use super::facts;
use crate::app::Context;
use crate::args::VerifyArgs;
use crate::errors::Failure;
use crate::mapped;
use crate::progress;
use crate::signals::{First, Stop};
use crate::style::Palette;
use crate::text::{self, shown, shown_path};

/// Proves it.
pub fn perform(args: &VerifyArgs, context: &Context) -> Result<String, Failure> {
    let stop = Stop::on_signals(First::Asks, context)?;
    let progress = mapped::watched(context)?;
    let work = || {
        let report = attributary_pipeline::verify(&args.run, args.files_only, &args.options(), &progress, &stop.interrupt);
        report.map_err(|error| stop.failure(error))
    };
    let report = progress::during(context.bar, || progress::of_run(&progress), work)?;
    context.document(&report, |palette| page(&report, palette))
}

fn page(report: &VerifyReport, palette: &Palette) -> String {
    let days = text::days(&report.range);
    let files = format!("{} files, {}: each as its manifest says", text::count(report.files), text::bytes(report.bytes));
    let tables: Vec<String> =
        report.tables.iter().map(|(name, rows)| format!("{} {}", shown(name, 60), text::count(*rows))).collect();
    let proof = match report.computed {
        true => format!("all days computed once more: the same bytes in all {} tables", report.tables.len()),
        false => "not asked for (--files-only)".to_owned(),
    };
    let about = [
        ("run", format!("{}, conversions {days}", shown_path(&report.folder.display().to_string(), 400))),
        ("files", files),
        ("computed", proof),
        ("tables", tables.join(", ")),
        ("time", text::seconds(report.seconds)),
    ];
    format!("{} {}\n\n{}", palette.green("verified:"), palette.bold(shown(&report.run_id, 80)), facts(0, about))
}
