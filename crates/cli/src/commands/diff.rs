//! `attributary diff`: why a run says something else than an earlier one.

use attributary_core::money::decimal_text;
use attributary_pipeline::{Cause, ChannelChange, DiffReport, Total};

use super::facts;
use crate::app::Context;
use crate::args::DiffArgs;
use crate::errors::Failure;
use crate::mapped;
use crate::progress;
use crate::signals::{First, Stop};
use crate::style::Palette;
use crate::table::{Table, number, path, text as cells, word};
use crate::text::{self, grouped, shown};

/// So many changed files are shown.
const MOST_FILES: usize = 10;

/// Compares two runs.
pub fn perform(args: &DiffArgs, context: &Context) -> Result<String, Failure> {
    let stop = Stop::on_signals(First::Asks, context)?;
    let progress = mapped::watched(context)?;
    let work = || {
        let report = attributary_pipeline::diff(&args.before, &args.after, &args.options(), &progress, &stop.interrupt);
        report.map_err(|error| stop.failure(error))
    };
    let report = progress::during(context.bar, || progress::of_run(&progress), work)?;
    context.document(&report, |palette| page(&report, palette))
}

fn page(report: &DiffReport, palette: &Palette) -> String {
    let (before, after) = (&report.before, &report.after);
    let mut page = format!("{}: amounts in {}\n", palette.bold(shown(&report.pipeline, 60)), report.currency);
    let side =
        |side: &attributary_pipeline::Side| format!("{}, conversions {}", shown(&side.run_id, 128), text::days(&side.range));
    page.push_str(&facts(0, [("from", side(before)), ("to", side(after))]));
    let mut section = |title: &str, table: Table| {
        if !table.is_empty() {
            page.push_str(&format!("\n{}\n{}", palette.bold(title), table.render(2, palette)));
        }
    };
    section("attributed, by model and window", totals(report));
    let first = report.values.first().map_or("", String::as_str);
    for (place, cause) in report.causes.iter().enumerate() {
        let of = format!("of {}: {}", shown(first, 40), shown(&cause.cause, 200));
        section(&format!("why ({} of {}), {of}{}", place + 1, report.causes.len(), extent(cause)), models(report, cause));
    }
    if report.totals.iter().any(|total| !total.additive) {
        page.push_str("  * not additive: its channels do not add up; in the first table each conversion is counted once\n");
    }
    let mut section = |title: &str, table: Table| {
        if !table.is_empty() {
            page.push_str(&format!("\n{}\n{}", palette.bold(title), table.render(2, palette)));
        }
    };
    section("spend that changed, by channel", spend(report));
    section("conversions that moved most", conversions(report));
    section("files that changed", inputs(report));
    section("tables", tables(report));
    if report.causes.is_empty() {
        page.push_str("\nno channel got anything else than before\n");
    }
    if !report.settings.is_empty() {
        let text = |text: &Option<String>| text.as_ref().map_or_else(|| "nothing".to_owned(), |text| shown(text, 300));
        let changed =
            report.settings.iter().map(|(name, before, after)| (name.as_str(), format!("{} → {}", text(before), text(after))));
        page.push_str(&format!("\n{}\n{}", palette.bold("settings that changed"), facts(2, changed)));
    }
    for note in &report.notes {
        page.push_str(&format!("\n{} {}\n", palette.yellow("note:"), text::wrapped(&shown(note, 1_000), 6)));
    }
    page
}

fn totals(report: &DiffReport) -> Table {
    let head = [cells("model", 12), cells("window", 4), cells("value", 6)];
    let mut table = Table::new(head.into_iter().chain(["before", "after", "change", "unattributed"].map(number)));
    for total in &report.totals {
        for (place, value) in report.values.iter().enumerate() {
            let amounts = [&total.before, &total.after, &total.change, &total.unattributed_change];
            let signed = |place: usize, amount: &str| if place < 2 { grouped(amount) } else { with_sign(amount) };
            let amounts = amounts.iter().enumerate().map(|(column, amounts)| signed(column, &amounts[place]));
            table.row([marked(total), total.window.clone(), value.clone()].into_iter().chain(amounts));
        }
    }
    table
}

/// A model's name, with a star where its channels do not add up.
fn marked(total: &Total) -> String {
    format!("{}{}", shown(&total.model, 50), if total.additive { "" } else { " *" })
}

/// On how many days, and of how many conversions.
fn extent(cause: &Cause) -> String {
    let things = [cause.days.map(|days| text::things(days, "day")), cause.conversions.map(|all| text::things(all, "conversion"))];
    let things: Vec<String> = things.into_iter().flatten().collect();
    if things.is_empty() { String::new() } else { format!(" ({})", things.join(", ")) }
}

/// A line for each model and window: what touches got more or less of the first value, how much went from one channel to
/// another, and the channels where most changed.
fn models(report: &DiffReport, cause: &Cause) -> Table {
    let head = [cells("model", 12), cells("window", 4), number("attributed"), number("moved")];
    let places = ["most", "next"].into_iter().flat_map(|place| [cells(place, 8), number("")]);
    let mut table = Table::new(head.into_iter().chain(places));
    for total in &report.totals {
        let of = |change: &&ChannelChange| (&change.model, &change.window) == (&total.model, &total.window);
        let mut changes: Vec<&ChannelChange> =
            cause.channels.iter().filter(of).filter(|it| it.channel != UNATTRIBUTED && first(it) != 0).collect();
        if changes.is_empty() {
            continue;
        }
        changes.sort_by_key(|change| std::cmp::Reverse(first(change).abs()));
        let sum = |sign: i128| changes.iter().map(|change| (first(change) * sign).max(0)).sum::<i128>();
        let (gained, lost) = (sum(1), sum(-1));
        let digits = changes[0].change[0].split_once('.').map_or(0, |(_, digits)| digits.len());
        let decimal = |amount: i128| decimal_text(amount, digits as u8);
        let most = changes.iter().take(2).flat_map(|change| [change.channel.clone(), with_sign(&change.change[0])]);
        let row = [marked(total), total.window.clone(), with_sign(&decimal(gained - lost)), grouped(&decimal(gained.max(lost)))];
        table.row(row.into_iter().chain(most).chain(std::iter::repeat(String::new())).take(8));
    }
    table
}

/// What no touch got.
const UNATTRIBUTED: &str = "(unattributed)";

/// The first value's change in minor units, for the order of lines and for sums that are shown.
fn first(change: &ChannelChange) -> i128 {
    change.change.first().and_then(|amount| amount.replace('.', "").parse().ok()).unwrap_or(0)
}

fn spend(report: &DiffReport) -> Table {
    let mut table = Table::new([cells("channel", 10)].into_iter().chain(["before", "after", "change"].map(number)));
    for spend in &report.spend {
        table.row([spend.channel.clone(), grouped(&spend.before), grouped(&spend.after), with_sign(&spend.change)]);
    }
    table
}

fn conversions(report: &DiffReport) -> Table {
    let head = [cells("conversion", 10), word("day"), cells("model", 12), cells("window", 4), number("moved")];
    let mut table = Table::new(head.into_iter().chain([cells("channel: before → after", 20)]));
    for moved in &report.conversions {
        let channels =
            moved.channels.iter().map(|(channel, before, after)| format!("{channel}: {} → {}", grouped(before), grouped(after)));
        let channels = channels.collect::<Vec<_>>().join(", ");
        let names = [&moved.conversion_id, &moved.day, &moved.model, &moved.window].map(Clone::clone);
        table.row(names.into_iter().chain([grouped(&moved.moved), channels]));
    }
    table
}

fn inputs(report: &DiffReport) -> Table {
    let mut table = Table::new([word("source"), word("change"), number("rows before"), number("rows after"), path("file", 20)]);
    let rows = |rows: Option<u64>| rows.map_or_else(|| "–".to_owned(), text::count);
    for file in report.inputs.iter().take(MOST_FILES) {
        let change =
            [file.source.clone(), file.change.to_owned(), rows(file.rows_before), rows(file.rows_after), file.path.clone()];
        table.row(change);
    }
    if report.inputs.len() > MOST_FILES {
        let more = format!("and {} more, all with --format json", report.inputs.len() - MOST_FILES);
        table.row(["", "", "", "", &more]);
    }
    table
}

fn tables(report: &DiffReport) -> Table {
    let rows = ["rows before", "gone", "new", "rows after"].map(number);
    let mut table = Table::new([cells("table", 10)].into_iter().chain(rows).chain([cells("bytes", 10)]));
    let rows = |rows: Option<u64>| rows.map_or_else(|| "–".to_owned(), text::count);
    for changed in &report.tables {
        let same = match (changed.files, changed.same_files) {
            (files, same) if files == same => "the same".to_owned(),
            (1, _) => "others".to_owned(),
            (files, same) => format!("the same in {same} of {files} files"),
        };
        let (gone, new) = (text::count(changed.rows_gone), text::count(changed.rows_new));
        table.row([changed.name.clone(), rows(changed.rows_before), gone, new, rows(changed.rows_after), same]);
    }
    table
}

/// An amount with its sign, thousands apart.
fn with_sign(amount: &str) -> String {
    let nothing = !amount.contains(|digit: char| matches!(digit, '1'..='9'));
    if nothing || amount.starts_with('-') { grouped(amount) } else { format!("+{}", grouped(amount)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_have_signs() {
        assert_eq!(["1234.50", "-1234.50", "0.00", "-0.01"].map(with_sign), ["+1,234.50", "-1,234.50", "0.00", "-0.01"]);
    }
}
