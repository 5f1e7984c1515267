//! `attributary runs`: the runs that there are, the last published first.

use attributary_pipeline::runs::{RunEntry, RunsReport};

use super::facts;
use crate::app::Context;
use crate::args::RunsArgs;
use crate::errors::Failure;
use crate::signals::{First, Stop};
use crate::style::{Palette, Tone};
use crate::table::{Table, number, text as cells, word};
use crate::text::{self, grouped, shown, shown_path};

/// Lists the runs.
pub fn perform(args: &RunsArgs, context: &Context) -> Result<String, Failure> {
    Stop::on_signals(First::Ends, context)?;
    let report = attributary_pipeline::runs(&args.options())?;
    context.document(&report, |palette| page(&report, palette))
}

fn page(report: &RunsReport, palette: &Palette) -> String {
    let output = shown_path(&report.output.display().to_string(), 400);
    if report.runs.is_empty() {
        return format!("no runs in {output}\n{}", astray(report, palette));
    }
    let mut page = format!("{} in {output}\n\n{}", palette.bold(things(report)), table(&report.runs).render(2, palette));
    page.push_str(&format!("\n{}\n", legend(report)));
    page.push_str(&astray(report, palette));
    let torn: Vec<_> = report.runs.iter().filter_map(|run| Some((run.run_id.as_str(), run.problem.as_deref()?))).collect();
    if !torn.is_empty() {
        page.push_str(&format!("\n{}\n", palette.red("torn: no command can use these")));
        page.push_str(&facts(2, torn.into_iter().map(|(run, problem)| (run, shown(problem, 400)))));
    }
    let mut made = Table::new([word("run"), word("days computed"), word("others from")]);
    for (run, from) in report.runs.iter().filter_map(|run| Some((run, run.made_from.as_ref()?))) {
        let days = format!("{} of {}", text::count(from.days_computed), text::count(from.of_days));
        made.row([&run.run_id, &days, &from.run_id]);
    }
    if !made.is_empty() {
        page.push_str(&format!("\n{}\n{}", palette.bold("made from other runs"), made.render(2, palette)));
    }
    page
}

fn things(report: &RunsReport) -> String {
    format!("{} of {}", text::things(report.runs.len() as u64, "run"), shown(&report.pipeline, 60))
}

fn table(runs: &[RunEntry]) -> Table {
    let value = runs.iter().find_map(|run| Some(run.money.as_ref()?.value.as_str())).unwrap_or("money");
    let mut table = Table::new([
        word("run"),
        cells("days", 16),
        number("rows read"),
        number(value),
        number("took"),
        number("own size"),
        number("shared"),
    ]);
    for run in runs {
        let mark = match (run.current, &run.problem) {
            (_, Some(_)) => " !",
            (true, None) => " *",
            (false, None) => "",
        };
        let rows = run.touchpoints_read.zip(run.conversions_read).map(|(touches, conversions)| touches + conversions);
        let tone = if run.current { Tone::Plain } else { Tone::Dim };
        table.toned(
            tone,
            [
                format!("{}{mark}", run.run_id),
                run.range.as_ref().map_or_else(|| "–".to_owned(), days),
                rows.map_or_else(|| "–".to_owned(), text::count),
                run.money.as_ref().map_or_else(|| "–".to_owned(), |money| grouped(&money.attributed)),
                run.seconds.map_or_else(|| "–".to_owned(), text::seconds),
                text::bytes(run.own_bytes),
                text::count(run.shared_files),
            ],
        );
    }
    table
}

/// The conversion days of a run.
fn days(range: &(Option<String>, Option<String>)) -> String {
    match range {
        (None, None) => "all".to_owned(),
        (Some(from), None) => format!("{from} on"),
        (None, Some(to)) => format!("before {to}"),
        (Some(from), Some(to)) => {
            // A year that both are of is said once.
            let year = from.split_once('-').map_or("", |(year, _)| year);
            let rest = to.strip_prefix(year).and_then(|rest| rest.strip_prefix('-'));
            format!("{from}–{}", rest.unwrap_or(to))
        }
    }
}

/// What the table's columns are.
fn legend(report: &RunsReport) -> String {
    let mut legend =
        vec!["* is current; own size and shared: of files that no other run has, and how many others have too".to_owned()];
    legend.extend(report.runs.iter().find_map(|run| run.money.as_ref()).map(|money| {
        format!("{} in {} as {} {} attributes it", money.value, money.currency, shown(&money.model, 40), money.window)
    }));
    legend.push(format!("on the disk: {}, counting once what several runs share", text::bytes(report.bytes)));
    text::wrapped(&legend.join("; "), 0)
}

/// Says so where `current` names none of the runs.
fn astray(report: &RunsReport, palette: &Palette) -> String {
    match &report.current {
        Some(current) if !report.runs.iter().any(|run| run.current) => {
            format!("{} current names {}, which is not there\n", palette.yellow("note:"), shown(current, 128))
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use attributary_pipeline::runs::{MadeFrom, Money};

    fn entry(run_id: &str) -> RunEntry {
        RunEntry {
            run_id: run_id.into(),
            current: false,
            problem: None,
            range: Some((None, None)),
            touchpoints_read: Some(1_000_000),
            conversions_read: Some(30_000),
            money: Some(Money {
                model: "last_touch".into(),
                window: "30d".into(),
                value: "revenue".into(),
                currency: "SEK".into(),
                attributed: "1234567.89".into(),
            }),
            started: Some("2026-02-01T03:00:00Z".into()),
            seconds: Some(125.2),
            made_from: None,
            own_bytes: 327_155_712,
            own_files: 400,
            shared_bytes: 0,
            shared_files: 0,
        }
    }

    fn report() -> RunsReport {
        let from = MadeFrom { run_id: "20260201T030000Z-0ab1c".into(), days_computed: 3, of_days: 365 };
        let newest = RunEntry {
            current: true,
            range: Some((Some("2026-01-01".into()), Some("2026-02-01".into()))),
            made_from: Some(from),
            own_bytes: 1_536,
            shared_files: 362,
            ..entry("20260202T030000Z-f00d1")
        };
        let torn = RunEntry {
            problem: Some("manifest.json is missing".into()),
            range: None,
            touchpoints_read: None,
            conversions_read: None,
            money: None,
            started: None,
            seconds: None,
            ..entry("20260131T030000Z-bad00")
        };
        RunsReport {
            pipeline: "nightly".into(),
            output: "out/nightly".into(),
            current: Some("20260202T030000Z-f00d1".into()),
            bytes: 654_313_000,
            runs: vec![newest, entry("20260201T030000Z-0ab1c"), torn],
        }
    }

    #[test]
    fn a_list() {
        insta::assert_snapshot!(page(&report(), &Palette::PLAIN), @r"
        3 runs of nightly in out/nightly

          run                       days              rows read       revenue       took  own size  shared
          20260202T030000Z-f00d1 *  2026-01-01–02-01  1,030,000  1,234,567.89  2 min 5 s   1.5 KiB     362
          20260201T030000Z-0ab1c    all               1,030,000  1,234,567.89  2 min 5 s   312 MiB       0
          20260131T030000Z-bad00 !  –                         –             –          –   312 MiB       0

        * is current; own size and shared: of files that no other run has, and how many others have too;
        revenue in SEK as last_touch 30d attributes it; on the disk: 624 MiB, counting once what several
        runs share

        torn: no command can use these
          20260131T030000Z-bad00  manifest.json is missing

        made from other runs
          run                     days computed  others from
          20260202T030000Z-f00d1  3 of 365       20260201T030000Z-0ab1c
        ");
    }

    #[test]
    fn days_are_short_where_they_can_be() {
        let days = |from: Option<&str>, to: Option<&str>| days(&(from.map(str::to_owned), to.map(str::to_owned)));
        let (one, two) = (Some("2026-12-01"), Some("2027-01-01"));
        assert_eq!(
            [days(one, two), days(one, None), days(None, two)],
            ["2026-12-01–2027-01-01", "2026-12-01 on", "before 2027-01-01"]
        );
    }

    #[test]
    fn no_runs_and_a_current_that_is_gone() {
        let none = RunsReport { current: Some("gone".into()), runs: Vec::new(), ..report() };
        assert_eq!(page(&none, &Palette::PLAIN), "no runs in out/nightly\nnote: current names gone, which is not there\n");
    }
}
