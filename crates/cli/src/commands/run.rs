//! `attributary run`: computes a pipeline, and says what came of it and that it adds up.

use attributary_pipeline::report::{ChannelReturns, LedgerLine, ModelSummary, ReturnsSummary, RunReport};

use super::facts;
use crate::app::Context;
use crate::args::RunArgs;
use crate::errors::Failure;
use crate::hooks;
use crate::mapped;
use crate::metrics;
use crate::progress;
use crate::signals::{First, Stop};
use crate::style::Palette;
use crate::table::{Column, Table, number, text as cells, word};
use crate::text::{self, grouped, shown, shown_path};

/// Runs the pipeline.
pub fn perform(args: &RunArgs, context: &Context) -> Result<String, Failure> {
    let options = args.options()?;
    let stop = Stop::on_signals(First::Asks, context)?;
    let progress = mapped::watched(context)?;
    #[cfg(feature = "otel")]
    let trace = crate::otel::Trace::begin();
    let work = || attributary_pipeline::run(&options, &progress, &stop.interrupt).map_err(|error| stop.failure(error));
    let ended = progress::during(context.bar, || progress::of_run(&progress), work);
    // The run stands, or its failure does: what only watches changes neither.
    let pipeline = args.file.pipeline.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    #[cfg(feature = "otel")]
    if let Some(Err(error)) = trace.map(|trace| trace.send(&pipeline, &progress, ended.as_ref())) {
        tracing::warn!("cannot send the trace of the run: {error}");
    }
    if let Some(path) = &args.metrics
        && let Err(error) = metrics::write(path, &pipeline, ended.as_ref())
    {
        tracing::warn!("cannot write {}: {error}", path.display());
    }
    // Where the file itself is wrong nobody knows what it wants.
    if let Ok(hooks) = attributary_pipeline::hooks(&options) {
        hooks::after(&hooks, &args.file.pipeline, ended.as_ref());
    }
    let report = ended?;
    in_one_line(&report);
    context.document(&report, |palette| page(&report, palette))
}

/// The last log line of a run that was published.
fn in_one_line(report: &RunReport) {
    let first = report.ledger.iter().find(|line| line.model != attributary_pipeline::SPEND);
    let (value, source, attributed) = first.map_or(("", "", ""), |line| (&line.value, &line.source, &line.attributed));
    tracing::info!(
        run_id = report.run_id,
        pipeline = report.pipeline,
        from = report.range.0,
        to = report.range.1,
        touchpoints = report.rows.touchpoints.read,
        conversions = report.rows.conversions.read,
        value,
        source,
        attributed,
        currency = report.currency,
        seconds = (report.seconds * 1_000.0).round() / 1_000.0,
        "published"
    );
}

/// What a person wants to see of a run.
fn page(report: &RunReport, palette: &Palette) -> String {
    let section = |title: &str, table: Table| match table.is_empty() {
        true => String::new(),
        false => format!("\n{}\n{}", palette.bold(title), table.render(2, palette)),
    };
    let mut page = format!("{}: {}, amounts in {}\n", palette.bold(shown(&report.pipeline, 60)), days(report), report.currency);
    page.push_str(&section("attributed, by model and window", summary(&report.models)));
    let first = report.models.iter().find_map(|model| model.attributed.first()).map_or("", |(name, _)| name);
    let title = format!("channels with most {}, and their part of it", shown(first, 40));
    page.push_str(&section(&title, channels(&report.models)));
    if report.models.iter().any(|model| !model.additive) {
        page.push_str("  * not additive: its channels do not add up; above them each conversion is counted once\n");
    }
    if let Some(returns) = &report.returns {
        let title = format!("returns on all that was spent, by {} {}", shown(&returns.model, 40), returns.window);
        page.push_str(&section(&title, channel_returns(returns)));
        if let Some(definition) = &returns.ltv_definition {
            page.push_str(&format!("  LTV: {}, per new customer\n", shown(definition, 60)));
        }
    }
    page.push_str(&section("ledger: attributed + unattributed + rejected = source", ledger(&report.ledger)));
    page.push_str(&section("rejected rows", rejects(report)));
    page.push_str(&section("quality", quality(report)));
    page.push('\n');
    page.push_str(&proof(&report.ledger, palette));
    for (value, rounding) in roundings(&report.ledger) {
        page.push_str(&format!("rounding at the door added {rounding} {} to {}\n", report.currency, shown(value, 60)));
    }
    for warning in &report.warnings {
        page.push_str(&format!("{} {}\n", palette.yellow("note:"), text::wrapped(&shown(warning, 1_000), 6)));
    }
    page.push('\n');
    page.push_str(&facts(0, about(report)));
    page
}

fn days(report: &RunReport) -> String {
    let days = format!("conversions {}", text::days(&report.range));
    let known = report.as_of.as_ref().map_or_else(String::new, |last| format!(", as known at {last}"));
    let merged = if report.merged { ", merged into the run before" } else { "" };
    days + &known + merged
}

fn summary(models: &[ModelSummary]) -> Table {
    let values = models.first().map_or(&[][..], |model| &model.attributed);
    let mut columns = vec![cells("model", 12), cells("window", 4), number("conversions"), number("unattributed")];
    columns.extend(values.iter().map(|(name, _)| number(name)));
    let mut table = Table::new(columns);
    for model in models {
        let mut row = vec![marked(model), model.window.clone()];
        row.extend([model.attributed_conversions, model.unattributed_conversions].map(text::count));
        row.extend(model.attributed.iter().map(|(_, amount)| grouped(amount)));
        table.row(row);
    }
    table
}

fn marked(model: &ModelSummary) -> String {
    format!("{}{}", shown(&model.model, 50), if model.additive { "" } else { " *" })
}

fn channels(models: &[ModelSummary]) -> Table {
    let most = models.iter().map(|model| model.top_channels.len()).max().unwrap_or(0);
    let mut columns = vec![cells("model", 12), cells("window", 4)];
    let places = ["first", "second", "third"].into_iter().take(most);
    columns.extend(places.flat_map(|place| [cells(place, 8), number("")]));
    let mut table = Table::new(columns);
    for model in models.iter().filter(|model| !model.top_channels.is_empty()) {
        let all = model.attributed.first().map_or("", |(_, amount)| amount);
        let top = model.top_channels.iter().flat_map(|(channel, amount)| [channel.clone(), part(amount, all)]);
        table.row([marked(model), model.window.clone()].into_iter().chain(top));
    }
    table
}

fn channel_returns(returns: &ReturnsSummary) -> Table {
    let columns = ["spend", &returns.revenue, "ROAS", "CAC", "LTV:CAC"].map(number);
    let mut table = Table::new([cells("channel", 10)].into_iter().chain(columns));
    let ratio = |ratio: Option<f64>| ratio.map_or_else(|| "–".to_owned(), |ratio| grouped(&format!("{ratio:.2}")));
    for channel in &returns.channels {
        let ChannelReturns { channel, spend, revenue, roas, cac, ltv_cac } = channel;
        table.row([channel.clone(), grouped(spend), grouped(revenue), ratio(*roas), ratio(*cac), ratio(*ltv_cac)]);
    }
    table
}

/// How much of all an amount is; the amount itself where all is nothing or less.
fn part(amount: &str, all: &str) -> String {
    match (amount.parse::<f64>(), all.parse::<f64>()) {
        (Ok(part), Ok(all)) if all > 0.0 => format!("{:.1}%", (part / all * 1_000.0).round() / 10.0 + 0.0),
        _ => grouped(amount),
    }
}

/// A line for each value and window, and for all models that agree on it; models that do not have lines of their own.
fn ledger(lines: &[LedgerLine]) -> Table {
    let amounts = ["source", "attributed", "unattributed", "rejected", "difference"].map(number);
    let head: [Column; 3] = [cells("value", 6), cells("window", 4), cells("model", 10)];
    let mut table = Table::new(head.into_iter().chain(amounts));
    for (value, window) in distinct(lines.iter().map(|line| (line.value.as_str(), line.window.as_str()))) {
        let of_window: Vec<_> = lines.iter().filter(|line| line.value == value && line.window == window).collect();
        for amounts in distinct(of_window.iter().map(|line| amounts_of(line))) {
            let alike: Vec<_> = of_window.iter().filter(|line| amounts_of(line) == amounts).collect();
            let model = match alike.len() {
                1 => alike[0].model.clone(),
                all if all == of_window.len() => format!("all {all}"),
                some => format!("{some} of {}", of_window.len()),
            };
            table.row([value.to_owned(), window.to_owned(), model].into_iter().chain(amounts.map(grouped)));
        }
    }
    table
}

fn amounts_of(line: &LedgerLine) -> [&str; 5] {
    [&line.source, &line.attributed, &line.unattributed, &line.rejected, &line.difference].map(String::as_str)
}

/// The one line that matters.
fn proof(lines: &[LedgerLine], palette: &Palette) -> String {
    let Some(first) = lines.first() else { return String::new() };
    let apart = lines.iter().filter(|line| line.difference.contains(|digit: char| matches!(digit, '1'..='9'))).count();
    if apart > 0 {
        return format!("{} {apart} of {} ledger lines differ from zero\n", palette.red("ledger:"), lines.len());
    }
    let things = |texts: Vec<&str>, thing: &str| text::things(texts.len() as u64, thing);
    let (spend, of_models): (Vec<_>, Vec<_>) = lines.iter().partition(|line| line.model == attributary_pipeline::SPEND);
    let models = things(distinct(of_models.iter().map(|line| line.model.as_str())), "model");
    let windows = things(distinct(of_models.iter().map(|line| line.window.as_str())), "window");
    let values = things(distinct(of_models.iter().map(|line| line.value.as_str())), "value");
    format!(
        "{} every line adds up, difference {} {} ({models} × {windows} × {values}{})\n",
        palette.green("ledger:"),
        first.difference,
        first.currency,
        if spend.is_empty() { "" } else { ", and spend" },
    )
}

/// What rounding added to each value, where it added anything.
fn roundings(lines: &[LedgerLine]) -> Vec<(&str, &str)> {
    let trimmed = lines.iter().map(|line| (line.value.as_str(), line.rounding.trim_end_matches('0').trim_end_matches('.')));
    distinct(trimmed.filter(|(_, rounding)| !matches!(*rounding, "" | "0" | "-0")))
}

fn rejects(report: &RunReport) -> Table {
    let mut table = Table::new([word("source"), cells("reason", 14), number("rows")]);
    let rows = &report.rows;
    let mut sources = vec![("touchpoints", &rows.touchpoints.rejected), ("conversions", &rows.conversions.rejected)];
    sources.extend(rows.spend.iter().map(|spend| ("spend", &spend.rejected)));
    sources.extend(rows.fx.iter().map(|rates| ("fx", &rates.rejected)));
    for (source, reasons) in sources {
        for (reason, rows) in reasons.iter().filter(|(_, rows)| **rows > 0) {
            table.row([source, reason, &text::count(*rows)]);
        }
    }
    table
}

/// What each check found.
fn quality(report: &RunReport) -> Table {
    let mut table = Table::new([word("check"), cells("of", 12), word("result"), number("found"), number("limit")]);
    for line in &report.quality {
        let result = match (line.passed, line.level.as_str()) {
            (true, _) => "holds",
            (false, level) => level,
        };
        let found = line.found.as_deref().map_or_else(|| "–".to_owned(), |found| in_unit(found, &line.unit));
        table.row([&line.check, line.subject.as_deref().unwrap_or(""), result, &found, &in_unit(&line.limit, &line.unit)]);
    }
    table
}

/// The number of a check as people read it; exactly it is in the table.
fn in_unit(decimal: &str, unit: &str) -> String {
    let trimmed = decimal.trim_end_matches('0').trim_end_matches('.');
    match (unit, decimal.parse::<f64>()) {
        ("share", Ok(share)) => format!("{:.2}%", share * 100.0),
        ("seconds", Ok(seconds)) => format!("{:.1} h", seconds / 3_600.0),
        _ => grouped(trimmed),
    }
}

fn about(report: &RunReport) -> Vec<(&'static str, String)> {
    let (touches, conversions) = (&report.rows.touchpoints, &report.rows.conversions);
    let read = |read: u64, later: u64| match later {
        0 => format!("{} read", text::count(read)),
        later => format!("{} read, {} came later", text::count(read), text::count(later)),
    };
    let tables = report.tables.iter().map(|(name, rows, _)| format!("{name} {}", text::count(*rows)));
    let mut time = format!("{}, {} touches/s", text::seconds(report.seconds), text::rate(touches.read, report.seconds));
    time += &format!(", peak memory {}", text::bytes(report.peak_memory_bytes));
    if report.spilled_bytes > 0 {
        time += &format!(", {} put aside on disk", text::bytes(report.spilled_bytes));
    }
    vec![
        ("touches", format!("{}, {} in journeys", read(touches.read, touches.later), text::count(touches.used))),
        (
            "conversions",
            format!(
                "{}, {} accepted, {} in the range{}",
                read(conversions.read, conversions.later),
                text::count(conversions.accepted),
                text::count(conversions.in_range),
                match conversions.refunds {
                    0 => String::new(),
                    refunds => format!(" and {}", text::things(refunds, "refund")),
                },
            ),
        ),
        ("computed", computed(report)),
        ("result", shown_path(&report.folder.display().to_string(), 400)),
        ("rows", tables.collect::<Vec<_>>().join(", ")),
        ("removed", report.pruned.iter().map(|run| shown(run, 128)).collect::<Vec<_>>().join(", ")),
        ("time", time),
    ]
}

/// Which days were computed and why, where that is not plain.
fn computed(report: &RunReport) -> String {
    match (&report.recomputed, report.whole_because.as_deref()) {
        (Some(recomputed), _) => {
            let reasons: Vec<String> = recomputed.because.iter().map(|(reason, days)| format!("{reason} for {days}")).collect();
            let reasons = if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join(", ")) };
            format!(
                "{} of {} days with conversions{reasons}, the others from run {}",
                text::count(recomputed.conversion_days),
                text::count(recomputed.of),
                shown(&recomputed.base, 128),
            )
        }
        (None, None | Some(attributary_pipeline::FIRST_RUN)) => String::new(),
        (None, Some(because)) => format!("all days: {}", shown(because, 400)),
    }
}

/// Each once, in the order of their first.
fn distinct<T: PartialEq>(all: impl Iterator<Item = T>) -> Vec<T> {
    all.fold(Vec::new(), |mut seen, it| {
        if !seen.contains(&it) {
            seen.push(it);
        }
        seen
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use unicode_width::UnicodeWidthStr;

    fn model(model: &str, window: &str, additive: bool, revenue: &str) -> ModelSummary {
        let top = [("search", "512334.10"), ("e\u{1b}[31mmail", "301221.00"), ("social", "-120.55")];
        ModelSummary {
            model: model.to_owned(),
            window: window.to_owned(),
            additive,
            attributed_conversions: 28_112,
            unattributed_conversions: 1_838,
            attributed: vec![("revenue".into(), revenue.into()), ("margin".into(), "456789.10".into())],
            top_channels: top.map(|(channel, amount)| (channel.into(), amount.into())).to_vec(),
        }
    }

    fn line(model: &str, window: &str, value: &str, attributed: &str) -> LedgerLine {
        LedgerLine {
            model: model.into(),
            window: window.into(),
            value: value.into(),
            currency: "SEK".into(),
            source: "1300000.00".into(),
            attributed: attributed.into(),
            unattributed: "65000.00".into(),
            rejected: "432.11".into(),
            difference: "0.00".into(),
            rounding: if value == "revenue" { "-0.004000000000" } else { "0.000000000000" }.into(),
        }
    }

    fn report() -> RunReport {
        let mut report = RunReport {
            run_id: "20260201T030000Z-0ab1c".into(),
            folder: "out/nightly/runs/20260201T030000Z-0ab1c".into(),
            pipeline: "nightly".into(),
            currency: "SEK".into(),
            range: (Some("2026-01-01".into()), Some("2026-02-01".into())),
            as_of: None,
            merged: false,
            recomputed: None,
            whole_because: None,
            rows: Default::default(),
            models: vec![
                model("last_touch", "30d", true, "1234567.89"),
                model("any_touch", "30d", false, "1234567.89"),
                model("last_touch", "7d", true, "1200000.00"),
                model("any_touch", "7d", false, "1100000.00"),
            ],
            ledger: Vec::new(),
            returns: None,
            quality: Vec::new(),
            tables: vec![("attributed_revenue".into(), 12_345, 1), ("ledger".into(), 4, 1)],
            pruned: Vec::new(),
            warnings: Vec::new(),
            seconds: 2.134,
            peak_memory_bytes: 327_155_712,
            spilled_bytes: 0,
            phases: Vec::new(),
        };
        for value in ["revenue", "margin"] {
            for (name, window, attributed) in [
                ("last_touch", "30d", "1234567.89"),
                ("any_touch", "30d", "1234567.89"),
                ("last_touch", "7d", "1200000.00"),
                ("any_touch", "7d", "1100000.00"),
            ] {
                report.ledger.push(line(name, window, value, attributed));
            }
        }
        report.rows.touchpoints.read = 1_000_000;
        report.rows.touchpoints.used = 812_345;
        report.rows.touchpoints.rejected = [("null_customer".to_owned(), 5_012), ("null_time".to_owned(), 0)].into();
        report.rows.conversions.read = 30_000;
        report.rows.conversions.accepted = 29_950;
        report.rows.conversions.in_range = 29_950;
        report.rows.conversions.rejected = [("duplicate_id".to_owned(), 50)].into();
        report
    }

    #[test]
    fn the_whole_page() {
        insta::assert_snapshot!(page(&report(), &Palette::PLAIN), @r"
        nightly: conversions from 2026-01-01 to before 2026-02-01, amounts in SEK

        attributed, by model and window
          model        window  conversions  unattributed       revenue      margin
          last_touch   30d          28,112         1,838  1,234,567.89  456,789.10
          any_touch *  30d          28,112         1,838  1,234,567.89  456,789.10
          last_touch   7d           28,112         1,838  1,200,000.00  456,789.10
          any_touch *  7d           28,112         1,838  1,100,000.00  456,789.10

        channels with most revenue, and their part of it
          model        window  first          second                  third
          last_touch   30d     search  41.5%  e\u{1b}[31mmail  24.4%  social  0.0%
          any_touch *  30d     search  41.5%  e\u{1b}[31mmail  24.4%  social  0.0%
          last_touch   7d      search  42.7%  e\u{1b}[31mmail  25.1%  social  0.0%
          any_touch *  7d      search  46.6%  e\u{1b}[31mmail  27.4%  social  0.0%
          * not additive: its channels do not add up; above them each conversion is counted once

        ledger: attributed + unattributed + rejected = source
          value    window  model             source    attributed  unattributed  rejected  difference
          revenue  30d     all 2       1,300,000.00  1,234,567.89     65,000.00    432.11        0.00
          revenue  7d      last_touch  1,300,000.00  1,200,000.00     65,000.00    432.11        0.00
          revenue  7d      any_touch   1,300,000.00  1,100,000.00     65,000.00    432.11        0.00
          margin   30d     all 2       1,300,000.00  1,234,567.89     65,000.00    432.11        0.00
          margin   7d      last_touch  1,300,000.00  1,200,000.00     65,000.00    432.11        0.00
          margin   7d      any_touch   1,300,000.00  1,100,000.00     65,000.00    432.11        0.00

        rejected rows
          source       reason          rows
          touchpoints  null_customer  5,012
          conversions  duplicate_id      50

        ledger: every line adds up, difference 0.00 SEK (2 models × 2 windows × 2 values)
        rounding at the door added -0.004 SEK to revenue

        touches      1,000,000 read, 812,345 in journeys
        conversions  30,000 read, 29,950 accepted, 29,950 in the range
        result       out/nightly/runs/20260201T030000Z-0ab1c
        rows         attributed_revenue 12,345, ledger 4
        time         2.13 s, 468,604 touches/s, peak memory 312 MiB
        ");
    }

    #[test]
    fn a_small_run_without_rejects() {
        let mut small = report();
        small.models.truncate(1);
        small.models[0].attributed.truncate(1);
        small.models[0].top_channels.clear();
        small.ledger.truncate(1);
        small.ledger[0].rounding = "0.000000000000".into();
        small.rows.touchpoints.rejected.clear();
        small.rows.conversions.rejected.clear();
        (small.merged, small.range.1) = (true, None);
        small.warnings = vec!["customer \"bot\" has 1,000,000 touches".into()];
        small.pruned = vec!["old".into()];
        small.spilled_bytes = 3 << 30;
        insta::assert_snapshot!(page(&small, &Palette::PLAIN), @r#"
        nightly: conversions from 2026-01-01 on, merged into the run before, amounts in SEK

        attributed, by model and window
          model       window  conversions  unattributed       revenue
          last_touch  30d          28,112         1,838  1,234,567.89

        ledger: attributed + unattributed + rejected = source
          value    window  model             source    attributed  unattributed  rejected  difference
          revenue  30d     last_touch  1,300,000.00  1,234,567.89     65,000.00    432.11        0.00

        ledger: every line adds up, difference 0.00 SEK (1 model × 1 window × 1 value)
        note: customer "bot" has 1,000,000 touches

        touches      1,000,000 read, 812,345 in journeys
        conversions  30,000 read, 29,950 accepted, 29,950 in the range
        result       out/nightly/runs/20260201T030000Z-0ab1c
        rows         attributed_revenue 12,345, ledger 4
        removed      old
        time         2.13 s, 468,604 touches/s, peak memory 312 MiB, 3.0 GiB put aside on disk
        "#);
    }

    #[test]
    fn a_page_is_100_columns_wide_at_most_whatever_the_names() {
        let mut wide = report();
        for model in &mut wide.models {
            model.model = "position_based_by_channel_of_the_north".into();
            model.top_channels.iter_mut().for_each(|(channel, _)| *channel = "c".repeat(10_240));
        }
        for line in &mut wide.ledger {
            line.model = "position_based_by_channel_of_the_north".into();
        }
        wide.tables = (0..30).map(|table| (format!("table_{table}"), 1_000, 1)).collect();
        let page = page(&wide, &Palette::PLAIN);
        assert!(page.lines().all(|line| line.width() <= text::WIDTH), "{page}");
    }

    #[test]
    fn parts_of_nothing_are_amounts() {
        let parts = [("25.00", "100.00"), ("-1.00", "100.00"), ("1000.00", "0.00"), ("5", "-5")].map(|(one, all)| part(one, all));
        assert_eq!(parts, ["25.0%", "-1.0%", "1,000.00", "5"]);
    }

    #[test]
    fn a_difference_is_never_called_zero() {
        let mut lines = report().ledger;
        lines[3].difference = "-0.01".into();
        assert_eq!(proof(&lines, &Palette::PLAIN), "ledger: 1 of 8 ledger lines differ from zero\n");
    }
}
