//! `attributary check`: what a run would read and write.

use attributary_pipeline::report::{CheckReport, SourceReport};

use super::facts;
use crate::app::Context;
use crate::args::CheckArgs;
use crate::errors::Failure;
use crate::signals::{First, Stop};
use crate::style::Palette;
use crate::table::{Table, text as cells, word};
use crate::text::{self, shown};

/// Checks a pipeline and its sources' schemas.
pub fn perform(args: &CheckArgs, context: &Context) -> Result<String, Failure> {
    Stop::on_signals(First::Ends, context)?;
    let report = attributary_pipeline::check(&args.options())?;
    context.document(&report, |palette| page(&report, palette))
}

fn page(report: &CheckReport, palette: &Palette) -> String {
    let output = report.output.as_ref().map_or("nothing: neither the file nor --output names a folder".to_owned(), |folder| {
        shown(&folder.display().to_string(), 400)
    });
    let mut page = facts(
        0,
        [
            ("pipeline", shown(&report.pipeline, 80)),
            ("currency", report.currency.clone()),
            ("days", format!("in {}", report.timezone)),
            ("known", report.as_of.as_ref().map_or_else(String::new, |last| format!("what came until {last}"))),
            ("windows", report.windows.join(", ")),
            ("output", output),
        ],
    );
    for source in &report.sources {
        page.push_str(&section(&format!("reads {}", source.source), &about(source), &columns(source), palette));
    }
    let mut models = Table::new([cells("name", 12), word("kind"), word("additive")]);
    for (name, kind, additive) in &report.models {
        models.row([name.as_str(), kind, if *additive { "yes" } else { "no" }]);
    }
    page.push_str(&section(
        "models",
        &format!("each under {}", text::things(report.windows.len() as u64, "window")),
        &models,
        palette,
    ));
    page.push_str(&format!("\n{}\n", palette.bold("would write")));
    let width = report.tables.iter().map(|(name, _)| name.len()).max().unwrap_or(0) + 2;
    for (name, columns) in &report.tables {
        let columns: Vec<_> =
            columns.iter().map(|(name, kind)| format!("{} {}", shown(name, 60), kind.replace(", ", ","))).collect();
        page.push_str(&format!("  {name:width$}{}\n", text::wrapped(&columns.join(", "), width + 2)));
    }
    page
}

fn section(title: &str, about: &str, table: &Table, palette: &Palette) -> String {
    format!("\n{} {about}\n{}", palette.bold(format!("{title}:")), table.render(2, palette))
}

fn about(source: &SourceReport) -> String {
    let rows = source.rows.map_or("rows not known before reading".to_owned(), |rows| text::things(rows, "row"));
    let files = text::things(source.files as u64, "file");
    format!("{}, {files}, {}, {rows}", text::shown_path(&source.path, 400), text::bytes(source.bytes))
}

fn columns(source: &SourceReport) -> Table {
    let mut table = Table::new([cells("name", 10), cells("from", 20), word("type")]);
    for (name, from, kind) in &source.columns {
        table.row([name.as_str(), from, kind.as_deref().unwrap_or("")]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_says_what_goes_in_and_what_comes_out() {
        let own = |pairs: &[(&str, &str)]| pairs.iter().map(|(one, other)| ((*one).to_owned(), (*other).to_owned())).collect();
        let source = |name: &str, rows| SourceReport {
            source: name.to_owned(),
            path: format!("../sample-data/{name}"),
            files: 60,
            bytes: 2_200_000,
            rows,
            columns: vec![
                ("customer".into(), "client_id | clientId".into(), Some("text".into())),
                ("channel".into(), "sql: lower(utm_source)".into(), None),
            ],
        };
        let report = CheckReport {
            pipeline: "nightly".into(),
            output: Some("out/nightly".into()),
            currency: "SEK".into(),
            timezone: "Europe/Stockholm".into(),
            as_of: None,
            sources: vec![source("touchpoints", Some(100_000)), source("conversions", None)],
            windows: vec!["30d".into(), "7d".into()],
            models: vec![("last_non_direct".into(), "last_touch".into(), true), ("any_touch".into(), "any_touch".into(), false)],
            tables: vec![
                (
                    "by_channel".into(),
                    own(&[
                        ("model", "text"),
                        ("window", "text"),
                        ("channel", "text"),
                        ("conversions", "Decimal(38, 9)"),
                        ("revenue", "Decimal(38, 2)"),
                        ("touches", "UInt64"),
                    ]),
                ),
                ("total".into(), own(&[("model", "text"), ("window", "text")])),
            ],
        };
        insta::assert_snapshot!(page(&report, &Palette::PLAIN), @r"
        pipeline  nightly
        currency  SEK
        days      in Europe/Stockholm
        windows   30d, 7d
        output    out/nightly

        reads touchpoints: ../sample-data/touchpoints, 60 files, 2.1 MiB, 100,000 rows
          name      from                    type
          customer  client_id | clientId    text
          channel   sql: lower(utm_source)

        reads conversions: ../sample-data/conversions, 60 files, 2.1 MiB, rows not known before reading
          name      from                    type
          customer  client_id | clientId    text
          channel   sql: lower(utm_source)

        models: each under 2 windows
          name             kind        additive
          last_non_direct  last_touch  yes
          any_touch        any_touch   no

        would write
          by_channel  model text, window text, channel text, conversions Decimal(38,9), revenue
                      Decimal(38,2), touches UInt64
          total       model text, window text
        ");
    }
}
