//! `attributary rollback`: an earlier run becomes the current one again.

use attributary_pipeline::RollbackReport;

use crate::app::Context;
use crate::args::RollbackArgs;
use crate::errors::Failure;
use crate::signals::{First, Stop};
use crate::style::Palette;
use crate::text::{self, shown};

/// Goes back, and says from what to what.
pub fn perform(args: &RollbackArgs, context: &Context) -> Result<String, Failure> {
    let stop = Stop::on_signals(First::Asks, context)?;
    let done = attributary_pipeline::rollback(&args.options(), &args.run_id, &stop.interrupt);
    let report = done.map_err(|error| stop.failure(error))?;
    context.document(&report, |palette| page(&report, palette))
}

fn page(report: &RollbackReport, palette: &Palette) -> String {
    let to = palette.bold(shown(&report.to, 128));
    let change = match &report.from {
        Some(from) if *from == report.to => format!("{to} is current already"),
        Some(from) => format!("current: from {} back to {to}", shown(from, 128)),
        None => format!("current: {to}; before there was none"),
    };
    let files = text::things(report.files, "file");
    format!("{change}\n{files} of it, {}, are as its manifest says\n", text::bytes(report.bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_what_to_what() {
        let report = |from: Option<&str>| {
            let from = from.map(str::to_owned);
            let report =
                RollbackReport { pipeline: "p".into(), output: "out".into(), from, to: "one".into(), files: 12, bytes: 2_048 };
            page(&report, &Palette::PLAIN)
        };
        insta::assert_snapshot!(report(Some("two")), @r"
        current: from two back to one
        12 files of it, 2.0 KiB, are as its manifest says
        ");
        assert!(report(Some("one")).starts_with("one is current already\n"));
        assert!(report(None).starts_with("current: one; before there was none\n"));
    }
}
