//! The headline numbers, and the ledger that proves them.

use maud::{Markup, html};

use super::Block;
use super::shown::{absent, says};
use crate::cell::Cell;
use crate::data_table::{DataTable, Head};
use crate::error::ReportError;
use crate::facts::{Facts, LedgerLine};
use crate::number::{conversions, decimal, grouped, percent, things};
use crate::run::{SPEND, ValueColumn};
use crate::sums::is_unattributed;

/// At most this many different lines of proof stand at the top; the table has all.
const MOST_PROOFS: usize = 6;

/// Makes the section.
pub(super) fn make(facts: &Facts) -> Result<Vec<Block>, ReportError> {
    if facts.ledger.is_empty() {
        let how = html! { "A run of a newer version of attributary writes the table " code { "ledger" } "." };
        return Ok(vec![absent("This run has no ledger.", &how)]);
    }
    let mut blocks = vec![Block::Html(proofs(facts)), Block::Html(cards(facts))];
    if facts.ledger.iter().all(|line| line.difference == 0) {
        let (models, windows) = (facts.run.manifest().models.len(), facts.run.manifest().windows.len());
        blocks.push(says(format!(
            "Every line of the ledger adds up, to the last minor unit: {} × {} × {}{}, difference 0.",
            things(models, "model"),
            things(windows, "window"),
            things(facts.run.values.len(), "value"),
            if facts.run.spend.is_some() { ", and spend" } else { "" }
        )));
    }
    blocks.push(Block::Folded("The whole ledger: every model, window and value".to_owned(), vec![Block::Table(ledger(facts))]));
    if facts.run.table("ledger_currencies").is_some() {
        let table = DataTable::new("t-currencies", "Ledger by currency", "ledger_currencies")
            .defined("What each source has in each currency, as it stands there and converted.");
        let wanted = super::shown::every_column(&facts.run, "ledger_currencies", &[], &[])?;
        let table = super::shown::rows_as_they_stand(&facts.run, "ledger_currencies", table, wanted, None, |_| true)?;
        blocks.push(Block::Table(table));
    }
    Ok(blocks)
}

/// One equation for each different line of each value under the main window, and which models it holds for.
fn proofs(facts: &Facts) -> Markup {
    let mut proofs: Vec<(&LedgerLine, Vec<&str>)> = Vec::new();
    let (window, windows) = (facts.run.main_window(), facts.run.manifest().windows.len());
    for line in facts.ledger.iter().filter(|line| line.window == window || line.model == SPEND) {
        let same = |other: &LedgerLine| {
            let amounts = |it: &LedgerLine| (it.source, it.attributed, it.unattributed, it.rejected, it.difference);
            other.value == line.value && other.window == line.window && amounts(other) == amounts(line)
        };
        match proofs.iter_mut().find(|(other, _)| same(other)) {
            Some((_, models)) => models.push(&line.model),
            None => proofs.push((line, vec![&line.model])),
        }
    }
    let models = facts.run.manifest().models.len();
    html! {
        div.proofs {
            @for (line, names) in proofs.iter().take(MOST_PROOFS) {
                @if let Some(value) = facts.value_of(line) {
                    (proof(line, value, &whom(names, models)))
                }
            }
            @if windows > 1 { p.note { "The ledger below has the other windows." } }
            @if proofs.len() > MOST_PROOFS {
                p.note { "The first " (MOST_PROOFS) " of " (proofs.len()) " different lines; the ledger below has all." }
            }
        }
    }
}

fn whom(names: &[&str], models: usize) -> String {
    match names {
        [] => String::new(),
        [one] => format!("model {one}"),
        _ if names.len() == models => format!("all {models} models"),
        [first, ..] if names.len() > 4 => format!("{} models, the first {first}", names.len()),
        _ => format!("models {}", names.join(", ")),
    }
}

fn proof(line: &LedgerLine, value: &ValueColumn, whom: &str) -> Markup {
    let amount = |minor| decimal(minor, value.scale);
    let part = |name: &'static str, minor: i128| html! { span.term { data value=(minor) { (amount(minor)) } " " span.quiet { (name) } } };
    html! {
        div.proof data-value=(value.name) data-window=(line.window) {
            p.equation {
                span.term.whole { data { (amount(line.source)) } " " span.quiet { bdi { (value.name) } ", " (value.currency) } }
                " = " (part("attributed", line.attributed))
                " + " (part("unattributed", line.unattributed))
                " + " (part("rejected", line.rejected))
                ", " span.difference { "difference " (amount(line.difference)) }
            }
            (bar(line))
            p.note {
                @if line.model == SPEND {
                    "Spend, whichever model and window. Attributed is what names a channel, unattributed what does not."
                } @else {
                    "Window " (line.window) ", " (whom) ". Source: accepted conversions, and of rejected ones their valid values."
                }
            }
        }
    }
}

/// The equation as a bar. Its parts are named beside it, so it says nothing that only eyes could read.
fn bar(line: &LedgerLine) -> Markup {
    let parts = [("attributed", line.attributed), ("unattributed", line.unattributed), ("rejected", line.rejected)];
    let drawable = line.source > 0 && parts.iter().all(|(_, part)| *part >= 0);
    let mut start = 0.0;
    let rectangles: Vec<_> = parts
        .into_iter()
        .map(|(name, part)| {
            let width = crate::number::drawn(part, line.source).unwrap_or(0.0) * 1_000.0;
            let rectangle = (name, start, width);
            start += width;
            rectangle
        })
        .collect();
    html! {
        @if drawable {
            svg.bar viewBox="0 0 1000 8" preserveAspectRatio="none" aria-hidden="true" {
                @for (name, start, width) in rectangles {
                    rect class=(name) x=(format!("{start:.2}")) y="0" width=(format!("{width:.2}")) height="8" {}
                }
            }
        }
    }
}

struct Card {
    title: String,
    number: String,
    unit: String,
    part: Option<String>,
    definition: String,
}

fn cards(facts: &Facts) -> Markup {
    let (model, window) = (facts.run.main_model(), facts.run.main_window());
    let mut cards = Vec::new();
    for value in &facts.run.values {
        let Some(line) = facts.line(model, window, &value.name) else { continue };
        cards.push(Card {
            title: format!("Attributed {}", value.name),
            number: decimal(line.attributed, value.scale),
            unit: value.currency.clone(),
            part: percent(line.attributed, line.source).map(|it| format!("{it} of the source")),
            definition: format!("model {model} · window {window} · what touches got"),
        });
    }
    if let Some(value) = facts.run.main_value()
        && let Some(line) = facts.line(model, window, &value.name)
    {
        for (title, minor, what) in [
            ("Unattributed", line.unattributed, "conversions that no touch got"),
            ("Rejected", line.rejected, "valid values of rejected conversions"),
        ] {
            cards.push(Card {
                title: format!("{title} {}", value.name),
                number: decimal(minor, value.scale),
                unit: value.currency.clone(),
                part: percent(minor, line.source).map(|it| format!("{it} of the source")),
                definition: format!("model {model} · window {window} · {what}"),
            });
        }
    }
    if let Some(groups) = facts.channels.as_ref().and_then(|sums| sums.groups(model, window)) {
        let attributed = groups
            .iter()
            .filter(|(names, _)| !is_unattributed(names))
            .fold(0_i128, |sum, (_, it)| sum.saturating_add(it.conversions));
        let all = groups.values().fold(0_i128, |sum, it| sum.saturating_add(it.conversions));
        if facts.run.additive(model) {
            cards.push(Card {
                title: "Attributed conversions".to_owned(),
                number: conversions(attributed),
                unit: String::new(),
                part: percent(attributed, all).map(|it| format!("{it} of {} accepted", conversions(all))),
                definition: format!("model {model} · window {window} · shares of conversions, added up"),
            });
        }
    }
    let touches = &facts.run.manifest().rows.touchpoints;
    cards.push(Card {
        title: "Touches in journeys".to_owned(),
        number: grouped(&touches.used.to_string()),
        unit: String::new(),
        part: percent(touches.used.into(), touches.read.into())
            .map(|it| format!("{it} of {} read", grouped(&touches.read.to_string()))),
        definition: "every model and window · rows of the log that came into a journey".to_owned(),
    });
    html! {
        ul.cards {
            @for card in &cards {
                li {
                    span.card-title { bdi { (card.title) } }
                    span.card-number { (card.number) @if !card.unit.is_empty() { " " span.unit { (card.unit) } } }
                    @if let Some(part) = &card.part { span.card-part { (part) } }
                    span.card-definition { (card.definition) }
                }
            }
        }
    }
}

fn ledger(facts: &Facts) -> DataTable {
    let amounts = ["source", "attributed", "unattributed", "rejected", "difference"].into_iter().map(Head::number);
    let mut table = DataTable::new("t-ledger", "Ledger", "ledger")
        .defined(
            "Source = attributed + unattributed + rejected, for each value, window and model; amounts in the value's currency.",
        )
        .heads(["value", "currency", "window", "model"].into_iter().map(Head::text).chain(amounts));
    for line in &facts.ledger {
        let Some(value) = facts.value_of(line) else { continue };
        let mut row =
            vec![Cell::text(&line.value), Cell::text(&value.currency), Cell::text(&line.window), Cell::text(&line.model)];
        let amounts = [line.source, line.attributed, line.unattributed, line.rejected, line.difference];
        row.extend(amounts.into_iter().map(|minor| Cell::amount(minor, value)));
        table.row(row);
    }
    table
}
