//! What a run did as a Prometheus textfile, for the node exporter's collector of such files. Its format:
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use attributary_pipeline::report::RunReport;

use crate::errors::Failure;
use crate::files::write_whole;

/// When a run ended well last; kept by runs that do not.
const LAST_SUCCESS: &str = "attributary_last_success_timestamp_seconds";

/// Writes the file, whole or not at all. `ended` is what came of the run of a pipeline.
///
/// # Errors
/// Where it cannot be written.
pub fn write(path: &Path, pipeline: &str, ended: Result<&RunReport, &Failure>) -> std::io::Result<()> {
    let before = fs::read_to_string(path).unwrap_or_default();
    write_whole(path, text(pipeline, ended, now(), &before).as_bytes())
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn text(pipeline: &str, ended: Result<&RunReport, &Failure>, now: u64, before: &str) -> String {
    let mut all = Metrics { pipeline, text: String::new() };
    let code = ended.map_or_else(|failure| failure.exit.code(), |_| 0);
    all.gauge("last_exit_code", "The exit code of the last run.", [(&[][..], code.to_string())]);
    all.gauge("last_run_timestamp_seconds", "When the last run ended, seconds since 1970.", [(&[][..], now.to_string())]);
    let kept =
        || before.lines().find(|line| line.starts_with(&format!("{LAST_SUCCESS}{{")))?.rsplit(' ').next()?.parse::<u64>().ok();
    if let Some(success) = ended.map_or_else(|_| kept(), |_| Some(now)) {
        let help = "When the last run that was published ended, seconds since 1970.";
        all.gauge("last_success_timestamp_seconds", help, [(&[][..], success.to_string())]);
    }
    if let Ok(report) = ended {
        of_report(&mut all, report);
    }
    all.text
}

fn of_report(all: &mut Metrics<'_>, report: &RunReport) {
    let version = env!("CARGO_PKG_VERSION");
    all.gauge(
        "run_info",
        "The run that was published last.",
        [(&[("run_id", report.run_id.as_str()), ("version", version)][..], "1".into())],
    );
    all.gauge("run_seconds", "How long it took.", [(&[][..], report.seconds.to_string())]);
    let phases: Vec<_> =
        report.phases.iter().map(|(phase, seconds)| ([("phase", phase.as_str())], seconds.to_string())).collect();
    all.gauge("phase_seconds", "How long each phase took.", phases.iter().map(|(labels, value)| (&labels[..], value.clone())));
    all.gauge("peak_memory_bytes", "The most memory that it held.", [(&[][..], report.peak_memory_bytes.to_string())]);
    all.gauge("spilled_bytes", "What it put aside on disk.", [(&[][..], report.spilled_bytes.to_string())]);
    if let Some(recomputed) = &report.recomputed {
        let help = "Days with conversions that it computed; the others are from the run before.";
        all.gauge("computed_days", help, [(&[][..], recomputed.conversion_days.to_string())]);
    }
    let rows = &report.rows;
    let mut sources = vec![
        ("touchpoints", rows.touchpoints.read, &rows.touchpoints.rejected),
        ("conversions", rows.conversions.read, &rows.conversions.rejected),
    ];
    sources.extend(rows.spend.iter().map(|spend| ("spend", spend.read, &spend.rejected)));
    sources.extend(rows.fx.iter().map(|rates| ("fx", rates.read, &rates.rejected)));
    let read: Vec<_> = sources.iter().map(|(source, read, _)| ([("source", *source)], read.to_string())).collect();
    all.gauge("rows_read", "Rows that it read.", read.iter().map(|(labels, value)| (&labels[..], value.clone())));
    let rejected: Vec<_> = sources
        .iter()
        .flat_map(|(source, _, reasons)| {
            reasons.iter().map(|(reason, rows)| ([("source", *source), ("reason", reason.as_str())], rows.to_string()))
        })
        .collect();
    all.gauge(
        "rows_rejected",
        "Of those, rows that it rejected.",
        rejected.iter().map(|(labels, value)| (&labels[..], value.clone())),
    );
    let money: Vec<_> = report
        .ledger
        .iter()
        .flat_map(|line| {
            let parts = [
                ("source", &line.source),
                ("attributed", &line.attributed),
                ("unattributed", &line.unattributed),
                ("rejected", &line.rejected),
            ];
            parts.map(|(part, amount)| {
                let labels =
                    [("model", &line.model), ("window", &line.window), ("value", &line.value), ("currency", &line.currency)];
                let [model, window, value, currency] = labels.map(|(name, text)| (name, text.as_str()));
                ([model, window, value, currency, ("part", part)], amount.clone())
            })
        })
        .collect();
    all.gauge(
        "amount",
        "The ledger, in units of the currency.",
        money.iter().map(|(labels, value)| (&labels[..], value.clone())),
    );
}

/// The text as it grows. Every sample has the pipeline as a label.
struct Metrics<'a> {
    pipeline: &'a str,
    text: String,
}

impl Metrics<'_> {
    /// A metric and its samples: other labels than the pipeline, and the number.
    fn gauge<'l>(&mut self, name: &str, help: &str, samples: impl IntoIterator<Item = (&'l [(&'l str, &'l str)], String)>) {
        let mut samples = samples.into_iter().peekable();
        if samples.peek().is_none() {
            return;
        }
        // A String can always be written to.
        let _ = writeln!(self.text, "# HELP attributary_{name} {help}\n# TYPE attributary_{name} gauge");
        for (labels, number) in samples {
            let labels = std::iter::once(("pipeline", self.pipeline)).chain(labels.iter().copied());
            let labels: Vec<String> = labels.map(|(label, text)| format!("{label}=\"{}\"", escaped(text))).collect();
            let _ = writeln!(self.text, "attributary_{name}{{{}}} {number}", labels.join(","));
        }
    }
}

/// The value of a label.
fn escaped(text: &str) -> String {
    text.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;

    #[test]
    fn a_run_that_fails_keeps_when_one_did_not() {
        let failure = Failure::plain(Exit::Input, "no file");
        let first = text("nightly", Err(&failure), 200, "");
        assert!(
            first.contains("attributary_last_exit_code{pipeline=\"nightly\"} 3\n") && !first.contains(LAST_SUCCESS),
            "{first}"
        );
        let before = "# HELP x\nattributary_last_success_timestamp_seconds{pipeline=\"nightly\"} 100\n";
        let later = text("nightly", Err(&failure), 200, before);
        assert!(later.contains("attributary_last_success_timestamp_seconds{pipeline=\"nightly\"} 100\n"), "{later}");
        assert!(later.contains("attributary_last_run_timestamp_seconds{pipeline=\"nightly\"} 200\n"), "{later}");
    }

    #[test]
    fn names_from_data_stay_inside_of_their_quotes() {
        let mut all = Metrics { pipeline: "a\"b\\c\nd", text: String::new() };
        all.gauge("x", "X.", [(&[("model", "m")][..], "1".to_owned())]);
        assert_eq!(
            all.text,
            "# HELP attributary_x X.\n# TYPE attributary_x gauge\nattributary_x{pipeline=\"a\\\"b\\\\c\\nd\",model=\"m\"} 1\n"
        );
        all.gauge("y", "Y.", []);
        assert!(!all.text.contains("_y"), "nothing is said of what there is none of");
    }
}
