//! The headline numbers, and the ledger that proves them.

use maud::{Markup, html};

use super::Block;
use super::shown::{absent, says};
use crate::cell::{Cell, shortened};
use crate::data_table::{DataTable, Head};
use crate::error::ReportError;
use crate::facts::{Facts, LedgerLine};
use crate::number::{conversions, decimal, grouped, percent, quotient, things};
use crate::run::{SPEND, ValueColumn};
use crate::spend::Spend;
use crate::sums::is_unattributed;

/// At most this many different lines of proof stand under the cards; the whole ledger is behind them.
const MOST_PROOFS: usize = 12;

/// Numbers of more letters than these are smaller, so that they stay in one line.
const LONG_NUMBER: usize = 13;

/// Makes the section.
pub(super) fn make(facts: &Facts) -> Result<Vec<Block>, ReportError> {
    if facts.ledger.is_empty() {
        let how = html! { "A run of a newer version of attributary writes the table " code { "ledger" } "." };
        return Ok(vec![absent("This run has no ledger.", &how)]);
    }
    let proofs = proofs(facts);
    let (first, further) = match proofs.split_first() {
        Some((first, further)) if first.0.model != SPEND => (Some(first), further),
        _ => (None, &proofs[..]),
    };
    let mut blocks = Vec::new();
    if let Some((line, names)) = first
        && let Some(value) = facts.value_of(line)
    {
        blocks.push(Block::Html(proof(line, value, &whom(names, facts.run.manifest().models.len()))));
    }
    blocks.push(Block::Html(cards(facts)));
    if further.is_empty() {
        blocks.extend(adds_up(facts).map(says));
    } else {
        blocks.push(Block::Table(further_proofs(facts, further)));
    }
    blocks.push(Block::Folded("The whole ledger: every model, window and value".to_owned(), vec![Block::Table(ledger(facts))]));
    if facts.run.table("ledger_currencies").is_some() {
        let table = DataTable::new("t-currencies", "Ledger by currency", "ledger_currencies").defined(
            "What each source has in each currency: rows, the amount as it stands there, the same converted, and what rounding added.",
        );
        let wanted = super::shown::every_column(&facts.run, "ledger_currencies", &[], &[])?;
        let table = super::shown::rows_as_they_stand(&facts.run, "ledger_currencies", table, wanted, None, |_| true)?;
        blocks.push(Block::Folded("What was converted: every source, value and currency".to_owned(), vec![Block::Table(table)]));
    }
    Ok(blocks)
}

/// What the whole ledger says, where it says so.
fn adds_up(facts: &Facts) -> Option<String> {
    let (models, windows) = (facts.run.manifest().models.len(), facts.run.manifest().windows.len());
    facts.ledger.iter().all(|line| line.difference == 0).then(|| {
        format!(
            "Every line of the ledger adds up, to the last minor unit: {} × {} × {}{}, difference 0.",
            things(models, "model"),
            things(windows, "window"),
            things(facts.run.values.len(), "value"),
            if facts.run.spend.is_some() { ", and spend" } else { "" }
        )
    })
}

/// A line and the models that have the same.
type Proof<'a> = (&'a LedgerLine, Vec<&'a str>);

/// One line for each different one of each value under the main window and for spend, and the models it holds for; that of the
/// first value and the pipeline's first model comes first.
fn proofs(facts: &Facts) -> Vec<Proof<'_>> {
    let mut proofs: Vec<Proof<'_>> = Vec::new();
    let window = facts.run.main_window();
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
    proofs
}

/// The lines of proof behind the first one.
fn further_proofs(facts: &Facts, proofs: &[Proof<'_>]) -> DataTable {
    let models = facts.run.manifest().models.len();
    let mut definition = adds_up(facts).unwrap_or_default();
    let window = facts.run.main_window();
    definition += &format!(
        " Here what differs from the line at the top, under window {window}: source = attributed + unattributed + rejected. Of spend, \
         attributed is what names a channel."
    );
    let amounts = ["source", "attributed", "unattributed", "rejected", "difference"].into_iter().map(Head::number);
    let mut table = DataTable::new("t-proofs", "Every line adds up", "ledger")
        .defined(definition.trim_start())
        .ordered("in the order of values and models")
        .heads(["value", "currency", "models"].into_iter().map(Head::text).chain(amounts));
    for (line, names) in proofs {
        let Some(value) = facts.value_of(line) else { continue };
        let whom = if line.model == SPEND { "whichever model".to_owned() } else { whom(names, models) };
        let mut row = vec![Cell::text(&line.value), Cell::text(&value.currency), Cell::text(&whom)];
        row.extend(amounts_of(line).map(|minor| Cell::amount(minor, value)));
        table.row(row);
    }
    table.rows.truncate(MOST_PROOFS);
    table
}

fn amounts_of(line: &LedgerLine) -> [i128; 5] {
    [line.source, line.attributed, line.unattributed, line.rejected, line.difference]
}

fn whom(names: &[&str], models: usize) -> String {
    match names {
        [] => String::new(),
        [one] => format!("model {one}"),
        _ if names.len() == models => format!("all {models} models"),
        [first, ..] if names.len() > 4 => format!("{} of {models} models, the first {first}", names.len()),
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
                "Window " (line.window) ", " (whom) ". Source: accepted conversions, and of rejected ones their valid values."
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

/// What a controller asks first: what came, what it cost, what a customer costs and is worth, and what is missing.
fn cards(facts: &Facts) -> Markup {
    let mut cards: Vec<Card> = facts.run.main_value().and_then(|value| attributed(facts, value)).into_iter().collect();
    // Sums over rows of a model that is not additive would be none; it is the main one only where there is no other.
    let spend = facts.spend.as_ref().filter(|_| facts.run.additive(facts.run.main_model()));
    if let Some(spend) = spend {
        if Some(&spend.revenue) != facts.run.main_value() {
            cards.extend(attributed(facts, &spend.revenue));
        }
        cards.extend(of_spend(facts, spend));
    } else if let Some((line, value)) = facts.ledger.iter().find(|line| line.model == SPEND).zip(facts.run.spend.as_ref()) {
        cards.push(Card {
            title: "Spend".to_owned(),
            number: decimal(line.source, value.scale),
            unit: value.currency.clone(),
            part: None,
            definition: "whichever model · all that was spent".to_owned(),
        });
    }
    cards.extend(missing(facts));
    cards.extend(conversion_card(facts));
    if spend.is_none() {
        let touches = &facts.run.manifest().rows.touchpoints;
        cards.push(Card {
            title: "Touches in journeys".to_owned(),
            number: grouped(&touches.used.to_string()),
            unit: String::new(),
            part: percent(touches.used.into(), touches.read.into())
                .map(|it| format!("{it} of {} read", grouped(&touches.read.to_string()))),
            definition: "whichever model · rows of the log that came into a journey".to_owned(),
        });
    }
    html! {
        ul.cards {
            @for card in &cards {
                li {
                    span.card-title { bdi { (card.title) } @if !card.unit.is_empty() { ", " (card.unit) } }
                    span.card-number.long[card.number.len() > LONG_NUMBER] { (card.number) }
                    @if let Some(part) = &card.part { span.card-part { (part) } }
                    span.card-definition { (card.definition) }
                }
            }
        }
    }
}

/// The model and window of a figure that hangs on them.
fn main_pair(facts: &Facts) -> String {
    format!("model {} · window {}", facts.run.main_model(), facts.run.main_window())
}

fn attributed(facts: &Facts, value: &ValueColumn) -> Option<Card> {
    let line = facts.line(facts.run.main_model(), facts.run.main_window(), &value.name)?;
    Some(Card {
        title: format!("Attributed {}", value.name),
        number: decimal(line.attributed, value.scale),
        unit: value.currency.clone(),
        part: percent(line.attributed, line.source).map(|it| format!("{it} of the source")),
        definition: format!("{} · what touches got", main_pair(facts)),
    })
}

/// What the value of no touch and of no conversion is.
fn missing(facts: &Facts) -> Vec<Card> {
    let value = facts.run.main_value();
    let line = value.and_then(|value| facts.line(facts.run.main_model(), facts.run.main_window(), &value.name));
    let Some((value, line)) = value.zip(line) else { return Vec::new() };
    let parts = [
        ("Unattributed", line.unattributed, format!("{} · conversions that no touch got", main_pair(facts))),
        ("Rejected", line.rejected, "whichever model · valid values of rejected conversions".to_owned()),
    ];
    let card = |(title, minor, definition): (&str, i128, String)| Card {
        title: format!("{title} {}", value.name),
        number: decimal(minor, value.scale),
        unit: value.currency.clone(),
        part: percent(minor, line.source).map(|it| format!("{it} of the source")),
        definition,
    };
    parts.map(card).into()
}

/// Shares of conversions of all channels; additive models only.
fn conversion_card(facts: &Facts) -> Option<Card> {
    let (model, window) = (facts.run.main_model(), facts.run.main_window());
    let groups = facts.channels.as_ref().filter(|_| facts.run.additive(model))?.groups(model, window)?;
    let sum = |keep: &dyn Fn(&[String]) -> bool| {
        let kept = groups.iter().filter(|(names, _)| keep(names));
        kept.fold(0_i128, |sum, (_, it)| sum.saturating_add(it.conversions))
    };
    let (attributed, all) = (sum(&|names| !is_unattributed(names)), sum(&|_| true));
    Some(Card {
        title: "Attributed conversions".to_owned(),
        number: conversions(attributed),
        unit: String::new(),
        part: percent(attributed, all).map(|it| format!("{it} of {} accepted", conversions(all))),
        definition: format!("{} · shares of conversions, added up", main_pair(facts)),
    })
}

/// Ratios of the sums of all rows: one division each. What hangs on no model says so.
fn of_spend(facts: &Facts, spend: &Spend) -> Vec<Card> {
    let (revenue, all, paid) = (&spend.revenue, spend.all(), spend.paid());
    let currency = || revenue.currency.clone();
    let quotient = |pair: Option<(i128, i128)>| pair.and_then(|(dividend, divisor)| quotient(dividend, divisor, 2));
    let mut cards = vec![Card {
        title: "Spend".to_owned(),
        number: decimal(all.spend, spend.scale),
        unit: currency(),
        part: spend
            .roas(all)
            .and_then(|(revenue, spend)| percent(spend, revenue))
            .map(|it| format!("{it} of all {}", revenue.name)),
        definition: "whichever model · all that was spent".to_owned(),
    }];
    let ratio = |title: &str, number: Option<String>, unit: String, part: Option<String>, definition: String| {
        number.map(|number| Card { title: title.to_owned(), number, unit, part, definition })
    };
    cards.extend(ratio(
        "MER",
        quotient(spend.roas(all)),
        String::new(),
        Some(format!("all {} ÷ all spend", revenue.name)),
        format!("whichever model · of {}, attributed or not", revenue.amount(all.revenue)),
    ));
    cards.extend(ratio(
        "ROAS of paid channels",
        quotient(spend.roas(paid)),
        String::new(),
        Some(format!("their {} ÷ their spend", revenue.name)),
        format!("{} · channels that were spent on", main_pair(facts)),
    ));
    cards.extend(ratio(
        "Blended CAC",
        quotient(spend.cac()),
        currency(),
        Some("all spend ÷ all new customers".to_owned()),
        "whichever model · attributed or not".to_owned(),
    ));
    cards.extend(ratio(
        "New customers",
        (spend.new_customers != 0).then(|| conversions(spend.new_customers)),
        String::new(),
        Some("by their first orders".to_owned()),
        "whichever model · attributed or not".to_owned(),
    ));
    cards.extend(spend.lifetime.as_ref().and_then(|lifetime| {
        let ltv = quotient(spend.ltv()).map(|ltv| format!("LTV {ltv} {} ÷ blended CAC", revenue.currency));
        ratio(
            "LTV:CAC",
            quotient(spend.ltv_cac()),
            String::new(),
            ltv,
            format!("whichever model · LTV is {} of the new customers", shortened(&lifetime.definition, 120)),
        )
    }));
    cards
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
        row.extend(amounts_of(line).map(|minor| Cell::amount(minor, value)));
        table.row(row);
    }
    table
}
