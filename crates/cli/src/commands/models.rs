//! `attributary models`: what the list of models says of each, and what each makes of the same journey.

use attributary_core::WHOLE_SHARE;
use attributary_core::model::{ModelSpec, ParameterError, ParameterKind, ParameterSpec, typed};
use attributary_core::money::decimal_text;
use attributary_pipeline::models::example::{LEARNT, WorkedExample, example};
use attributary_pipeline::models::{MODELS, find};
use serde::Serialize;
use serde_json::{Value, json};

use super::facts;
use crate::app::Context;
use crate::args::ModelsArgs;
use crate::errors::Failure;
use crate::exit::Exit;
use crate::style::{Palette, Tone};
use crate::table::{Table, number, word};

/// Lists the models, or shows one.
pub fn perform(args: &ModelsArgs, context: &Context) -> Result<String, Failure> {
    match args.kind.as_deref().and_then(find) {
        None => {
            let all = MODELS.iter().map(described).collect::<Result<Vec<_>, _>>()?;
            context.document(&all, list)
        }
        Some(spec) => {
            let (described, worked) = (described(spec)?, worked(spec)?);
            context.document(&described, |palette| page(spec, &worked, palette))
        }
    }
}

/// Shares have nine digits.
const SHARE_DIGITS: u8 = 9;
/// The amount of the worked example has two.
const AMOUNT_DIGITS: u8 = 2;

fn worked(spec: &ModelSpec) -> Result<WorkedExample, Failure> {
    example(spec).map_err(|error: ParameterError| Failure::new(Exit::Bug, &error, None))
}

fn list(palette: &Palette) -> String {
    let marked = |spec: &ModelSpec| format!("{}{}", spec.summary, if spec.additive { "" } else { " *" });
    format!(
        "{}\n* not additive: several touches get the whole of one conversion, so rows do not add up to it\n\n{}\n",
        facts(0, MODELS.iter().map(|spec| (spec.kind, marked(spec)))),
        palette.tone(Tone::Dim, "`attributary models KIND` shows one, with its parameters and a worked example")
    )
}

fn page(spec: &ModelSpec, worked: &WorkedExample, palette: &Palette) -> String {
    let additive = if spec.additive {
        "yes: what touches get adds up to the conversion"
    } else {
        "no: rows do not add up to the conversions"
    };
    let about = facts(
        0,
        [
            ("weights", spec.weights.to_owned()),
            ("useful for", spec.useful_for.to_owned()),
            ("not useful for", spec.not_useful_for.to_owned()),
            ("additive", additive.to_owned()),
            ("fitted", if spec.fitted { "yes: to all journeys, before it weighs one" } else { "no" }.to_owned()),
        ],
    );
    let mut page = format!("{}: {}\n\n{about}", palette.bold(spec.kind), spec.summary);
    page.push_str(&format!("\n{}\n", palette.bold("parameters")));
    let parameters = spec.parameters.iter().map(parameter).chain(EVERY_MODELS.map(|(name, help)| (name, help.to_owned())));
    page.push_str(&facts(2, parameters));
    page.push_str(&format!("\n{}\n\n", palette.bold("in the pipeline file")));
    page.push_str(&indented(&snippet(spec, worked)));
    let amount = decimal_text(worked.amount.into(), AMOUNT_DIGITS);
    let title = format!("example: a conversion worth {amount}, {} touches before it", worked.rows.len());
    page.push_str(&format!("\n{}\n", palette.bold(title)));
    if spec.fitted {
        page.push_str(&learnt());
    }
    page.push_str(&rows(spec, worked).render(2, palette));
    page
}

/// What every model takes.
const EVERY_MODELS: [(&str, &str); 3] = [
    ("name", "its name in the tables; the kind by default"),
    ("only", "an SQL condition on touches: only those for which it holds may get credit"),
    (
        "fallback",
        "what holds where `only` leaves no touch: \"all\" touches (the default), or \"none\": the conversion is unattributed",
    ),
];

fn parameter(parameter: &ParameterSpec) -> (&'static str, String) {
    let default = match parameter.default {
        None => "required".to_owned(),
        Some("") => "none by default".to_owned(),
        Some(default) => format!("{default} by default"),
    };
    (parameter.name, format!("{}; {}, {default}", parameter.help, takes(parameter)))
}

fn takes(parameter: &ParameterSpec) -> String {
    match parameter.kind {
        ParameterKind::Duration => "a duration (90s 15m 12h 30d 4w)".to_owned(),
        ParameterKind::Period => "a duration (90s 15m 12h 30d 4w) or \"all\"".to_owned(),
        ParameterKind::Fraction => "a number from 0 to 1".to_owned(),
        ParameterKind::Whole { least, most } if most > 1_000_000_000 => format!("a whole number from {least} on"),
        ParameterKind::Whole { least, most } => format!("a whole number from {least} to {most}"),
        ParameterKind::Flag => "true or false".to_owned(),
        ParameterKind::Groups => "a table { social = [\"facebook\", \"instagram\"] }".to_owned(),
        ParameterKind::Choice(choices) => choices.iter().map(|choice| typed(choice)).collect::<Vec<_>>().join(" or "),
        ParameterKind::Expression => "an SQL expression".to_owned(),
    }
}

fn snippet(spec: &ModelSpec, worked: &WorkedExample) -> String {
    let mut lines = vec!["[[model]]".to_owned(), format!("kind = {:?}", spec.kind)];
    for (name, text) in worked.parameters.iter().filter(|(_, text)| !text.is_empty()) {
        let bare = |kind| matches!(kind, ParameterKind::Fraction | ParameterKind::Whole { .. } | ParameterKind::Flag);
        let bare = spec.parameters.iter().any(|it| it.name == *name && bare(it.kind));
        lines.push(if bare { format!("{name} = {text}") } else { format!("{name} = {}", typed(text)) });
    }
    lines.join("\n") + "\n"
}

/// The journeys that the example's model was fitted to.
fn learnt() -> String {
    let mut table = Table::new([word("journeys"), number("converting"), number("others")]);
    for (channels, conversions, nulls) in LEARNT {
        table.row([channels.join(" > "), conversions.to_string(), nulls.to_string()]);
    }
    format!("  fitted to these journeys:\n\n{}\n", table.render(2, &Palette::PLAIN))
}

fn indented(lines: &str) -> String {
    lines.lines().map(|line| format!("  {line}\n")).collect()
}

fn rows(spec: &ModelSpec, worked: &WorkedExample) -> Table {
    let mut table = Table::new([
        number("touch"),
        word("channel"),
        word("interaction"),
        number("days before"),
        number("share"),
        number("amount"),
    ]);
    let share = |share: i64| decimal_text(share.into(), SHARE_DIGITS);
    let amount = |amount: i64| decimal_text(amount.into(), AMOUNT_DIGITS);
    for (place, row) in worked.rows.iter().enumerate() {
        let (touch, days) = ((place + 1).to_string(), row.age_days.to_string());
        table.row([&touch, row.channel, row.interaction, &days, &share(row.share), &amount(row.amount)]);
    }
    if spec.additive {
        let shares: i64 = worked.rows.iter().map(|row| row.share).sum();
        let amounts: i64 = worked.rows.iter().map(|row| row.amount).sum();
        table.row(["", "sum", "", "", &share(shares), &amount(amounts)]);
    } else {
        table.row(["", "once", "", "", &share(WHOLE_SHARE), &amount(worked.amount)]);
    }
    table
}

/// A model as data.
#[derive(Serialize)]
struct Described {
    kind: &'static str,
    summary: &'static str,
    weights: &'static str,
    useful_for: &'static str,
    not_useful_for: &'static str,
    additive: bool,
    fitted: bool,
    parameters: Vec<Value>,
    example: Value,
}

fn described(spec: &ModelSpec) -> Result<Described, Failure> {
    let worked = worked(spec)?;
    let parameter = |it: &ParameterSpec| {
        let (kind, choices) = match it.kind {
            ParameterKind::Duration => ("duration", None),
            ParameterKind::Period => ("period", None),
            ParameterKind::Fraction => ("fraction", None),
            ParameterKind::Whole { .. } => ("whole", None),
            ParameterKind::Flag => ("flag", None),
            ParameterKind::Groups => ("groups", None),
            ParameterKind::Choice(choices) => ("choice", Some(choices)),
            ParameterKind::Expression => ("expression", None),
        };
        json!({ "name": it.name, "type": kind, "choices": choices, "default": it.default, "help": it.help })
    };
    let touches: Vec<_> = worked
        .rows
        .iter()
        .map(|row| {
            json!({
                "channel": row.channel,
                "interaction": row.interaction,
                "age_days": row.age_days,
                "share": decimal_text(row.share.into(), SHARE_DIGITS),
                "amount": decimal_text(row.amount.into(), AMOUNT_DIGITS),
            })
        })
        .collect();
    let typed: serde_json::Map<_, _> =
        worked.parameters.iter().map(|(name, text)| ((*name).to_owned(), (*text).into())).collect();
    Ok(Described {
        kind: spec.kind,
        summary: spec.summary,
        weights: spec.weights,
        useful_for: spec.useful_for,
        not_useful_for: spec.not_useful_for,
        additive: spec.additive,
        fitted: spec.fitted,
        parameters: spec.parameters.iter().map(parameter).collect(),
        example: json!({ "parameters": typed, "amount": decimal_text(worked.amount.into(), AMOUNT_DIGITS), "touches": touches }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use unicode_width::UnicodeWidthStr;

    fn shown(kind: &str) -> String {
        let spec = find(kind).expect(kind);
        page(spec, &worked(spec).expect(kind), &Palette::PLAIN)
    }

    #[test]
    fn the_list() {
        insta::assert_snapshot!(list(&Palette::PLAIN), @r"
        last_touch      The last touch gets everything
        first_touch     The first touch gets everything
        last_click      The last click gets everything
        first_click     The first click gets everything
        linear          Every touch, or every channel, gets the same
        any_touch       Every group that took part gets the whole conversion *
        time_decay      Touches nearer to the conversion get more, by a half-life
        position_based  The first and the last touch get fixed parts, the middle shares the rest
        j_shaped        Position based with the weight on the last touch
        inverse_j       Position based with the weight on the first touch
        custom          Weights from an SQL expression over the touches
        markov          Channels get what would be lost without them, learnt from all journeys
        shapley         Channels get what they add to the others, learnt from all journeys
        shao_li         Channels get what they convert alone and in pairs, learnt from all journeys

        * not additive: several touches get the whole of one conversion, so rows do not add up to it

        `attributary models KIND` shows one, with its parameters and a worked example
        ");
    }

    #[test]
    fn a_model() {
        insta::assert_snapshot!(shown("time_decay"), @r#"
        time_decay: Touches nearer to the conversion get more, by a half-life

        weights         2^(−age / half_life), relative to the youngest touch
        useful for      decisions that ripen over days or weeks: promotions, considered purchases
        not useful for  long sales cycles with a short half-life, which is last touch by another name
        additive        yes: what touches get adds up to the conversion
        fitted          no

        parameters
          half_life  the age by which a touch's weight is half of one at the conversion; a duration (90s 15m
                     12h 30d 4w), 7d by default
          name       its name in the tables; the kind by default
          only       an SQL condition on touches: only those for which it holds may get credit
          fallback   what holds where `only` leaves no touch: "all" touches (the default), or "none": the
                     conversion is unattributed

        in the pipeline file

          [[model]]
          kind = "time_decay"
          half_life = "7d"

        example: a conversion worth 100.00, 4 touches before it
          touch  channel  interaction  days before        share  amount
              1  search   click                 10  0.150216891   15.02
              2  social   view                   8  0.183116442   18.31
              3  email    click                  3  0.300433783   30.05
              4  direct   visit                  1  0.366232884   36.62
                 sum                                1.000000000  100.00
        "#);
    }

    #[test]
    fn a_model_that_is_not_additive() {
        insta::assert_snapshot!(shown("any_touch"), @r#"
        any_touch: Every group that took part gets the whole conversion

        weights         every distinct value of the table's columns gets the whole conversion once
        useful for      reach: which conversions a channel had any part in, an upper bound of what it may
                        have done
        not useful for  adding up: the rows of a table exceed the total, and no table is the sum of a finer
                        one
        additive        no: rows do not add up to the conversions
        fitted          no

        parameters
          name      its name in the tables; the kind by default
          only      an SQL condition on touches: only those for which it holds may get credit
          fallback  what holds where `only` leaves no touch: "all" touches (the default), or "none": the
                    conversion is unattributed

        in the pipeline file

          [[model]]
          kind = "any_touch"

        example: a conversion worth 100.00, 4 touches before it
          touch  channel  interaction  days before        share  amount
              1  search   click                 10  1.000000000  100.00
              2  social   view                   8  1.000000000  100.00
              3  email    click                  3  1.000000000  100.00
              4  direct   visit                  1  1.000000000  100.00
                 once                               1.000000000  100.00
        "#);
    }

    #[test]
    fn every_model_fits_the_page_and_is_data() {
        for spec in MODELS {
            let page = shown(spec.kind);
            assert!(page.lines().all(|line| line.width() <= crate::text::WIDTH), "{page}");
            let data = serde_json::to_value(described(spec).expect(spec.kind)).expect(spec.kind);
            assert_eq!(data["kind"], spec.kind);
            assert_eq!(data["example"]["touches"].as_array().map(Vec::len), Some(4), "{}", spec.kind);
        }
    }
}
