//! `attributary explain`: one conversion, every touch of its customer, and what each model made of them.

use std::ops::RangeInclusive;

use attributary_core::journey::Verdict;
use attributary_pipeline::report::{ExplainedCredit, ExplainedModel, Explanation};

use super::facts;
use crate::app::Context;
use crate::args::ExplainArgs;
use crate::errors::Failure;
use crate::mapped;
use crate::progress::{self, Stand};
use crate::signals::{First, Stop};
use crate::style::{Palette, Tone};
use crate::table::{Table, number, path, text as cells, word};
use crate::text::{self, grouped, shown, shown_path};

/// Explains a conversion.
pub fn perform(args: &ExplainArgs, context: &Context) -> Result<String, Failure> {
    let stop = Stop::on_signals(First::Asks, context)?;
    mapped::watched(context)?;
    let options = args.options();
    let stand = || Stand { done: 0, total: 0, words: "looking for the conversion and its customer's touches".to_owned() };
    let work = || {
        let explanation = attributary_pipeline::explain(&options, &args.conversion_id, &stop.interrupt);
        explanation.map_err(|error| stop.failure(error))
    };
    let explanation = progress::during(context.bar, stand, work)?;
    context.document(&explanation, |palette| page(&explanation, palette))
}

fn page(explanation: &Explanation, palette: &Palette) -> String {
    let mut page = head(explanation, palette);
    let windows = windows(explanation);
    let folder = common_folder(explanation.touches.iter().map(|touch| touch.origin.0.as_str()));
    page.push_str(&format!("\n{}\n", palette.bold(touches_title(explanation.touches.len(), folder))));
    page.push_str(&touches(explanation, &windows, folder).render(2, palette));
    for (window, models) in &windows {
        page.push_str(&format!("\n{}\n", palette.bold(format!("window {}", shown(window, 40)))));
        page.push_str(&credits(explanation, models).render(2, palette));
        for (model, reason) in models.iter().filter_map(|model| Some((model, model.unattributed.as_deref()?))) {
            page.push_str(&format!(
                "  {} leaves it unattributed, {reason}: {}\n",
                shown(&model.model, 40),
                reason_in_words(reason)
            ));
        }
    }
    page
}

fn head(explanation: &Explanation, palette: &Palette) -> String {
    let amount = |(name, amount): &(String, String)| format!("{} {} {}", shown(name, 40), grouped(amount), explanation.currency);
    let values = explanation.values.iter().map(amount).collect::<Vec<_>>().join(", ");
    let (file, row) = &explanation.origin;
    let refunds = explanation.refunds_order_of.as_ref().map(|time| format!("the order of {time}, whose journey it has"));
    let converted = explanation.converted_from.as_ref().map(|from| {
        let amount = |(name, amount): &(String, String)| format!("{} {}", shown(name, 40), grouped(amount));
        let values = from.values.iter().map(amount).collect::<Vec<_>>().join(", ");
        format!("{values} in {} at {}", shown(&from.currency, 8), from.rate)
    });
    format!(
        "{} {}\n{}",
        palette.bold("conversion"),
        palette.bold(shown(&explanation.conversion_id, 80)),
        facts(
            0,
            [
                ("customer", explanation.customer.as_deref().map_or("none".to_owned(), |customer| shown(customer, 80))),
                ("time", format!("{} (day {})", explanation.time, explanation.day)),
                ("kind", explanation.kind.as_deref().map_or(String::new(), |kind| shown(kind, 80))),
                ("refunds", refunds.unwrap_or_default()),
                ("worth", values),
                ("converted", converted.unwrap_or_default()),
                ("from", format!("{}, row {row}", shown_path(file, 400))),
            ]
        )
    )
}

fn touches_title(touches: usize, folder: &str) -> String {
    let from = if folder.is_empty() { String::new() } else { format!(", from {}", shown_path(folder, 400)) };
    match touches {
        0 => "no touches of this customer".to_owned(),
        1 => format!("1 touch of this customer{from}"),
        _ => format!("{} touches of this customer{from}", text::count(touches as u64)),
    }
}

/// The folder that all files are in, with the separator at its end.
fn common_folder<'a>(mut files: impl Iterator<Item = &'a str>) -> &'a str {
    let folder = |file: &'a str| file.rfind('/').map_or("", |end| &file[..=end]);
    let first = files.next().map_or("", folder);
    files.fold(first, |common, file| {
        let same = common.bytes().zip(file.bytes()).take_while(|(one, other)| one == other).count();
        // A separator is never a part of a longer letter.
        common.as_bytes()[..same].iter().rposition(|byte| *byte == b'/').map_or("", |end| &common[..=end])
    })
}

/// The touches have many columns: here the page is wider than elsewhere.
const WIDE: usize = 160;

/// The models of each window, windows in the order of their first.
fn windows(explanation: &Explanation) -> Vec<(&str, Vec<&ExplainedModel>)> {
    let mut windows: Vec<(&str, Vec<&ExplainedModel>)> = Vec::new();
    for model in &explanation.models {
        match windows.iter_mut().find(|(window, _)| *window == model.window) {
            Some((_, models)) => models.push(model),
            None => windows.push((&model.window, vec![model])),
        }
    }
    windows
}

/// Every touch with its verdict under each window.
fn touches(explanation: &Explanation, windows: &[(&str, Vec<&ExplainedModel>)], folder: &str) -> Table {
    let mut columns = vec![number("#"), word("time")];
    columns.extend(windows.iter().map(|(window, _)| word(&format!("in {window}"))));
    columns.extend(explanation.columns.iter().map(|name| cells(name, 6)));
    columns.extend([path("file", 24), number("row")]);
    let mut table = Table::new(columns).within(WIDE);
    for (place, touch) in explanation.touches.iter().enumerate() {
        let verdicts: Vec<_> = windows.iter().map(|(_, models)| verdict(models, place)).collect();
        let eligible = verdicts.iter().any(|verdict| matches!(verdict, Some(Verdict::Eligible | Verdict::NotOnly)));
        let mut row = vec![(place + 1).to_string(), touch.time.clone()];
        row.extend(verdicts.iter().map(|verdict| verdict.map_or(String::new(), |verdict| verdict.to_string())));
        row.extend(touch.columns.iter().map(|cell| cell.clone().unwrap_or_else(|| "–".to_owned())));
        let file = touch.origin.0.strip_prefix(folder).unwrap_or(&touch.origin.0);
        row.extend([file.to_owned(), touch.origin.1.to_string()]);
        table.toned(if eligible { Tone::Plain } else { Tone::Dim }, row);
    }
    table
}

/// The verdict on a touch before any model's own choice: `not_only` where that is all there is.
fn verdict(models: &[&ExplainedModel], touch: usize) -> Option<Verdict> {
    let verdicts = || models.iter().filter_map(|model| model.touches.get(touch)).map(|credit| credit.verdict);
    verdicts().find(|verdict| *verdict != Verdict::NotOnly).or_else(|| verdicts().next())
}

/// What the models gave to the touches that were theirs to weigh. Touches in a row that got the same share a line.
fn credits(explanation: &Explanation, models: &[&ExplainedModel]) -> Table {
    let mut columns = vec![cells("model", 12), number("touch"), cells("channel", 8), number("weight"), number("share")];
    columns.extend(explanation.values.iter().map(|(name, _)| number(name)));
    let mut table = Table::new(columns);
    let channel = explanation.columns.iter().position(|name| name == "channel");
    for model in models {
        let mut name = model.model.as_str();
        for (touches, credit) in stretches(&model.touches) {
            let (first, last) = (*touches.start(), *touches.end());
            let what = if first == last {
                channel.and_then(|column| explanation.touches.get(first)?.columns.get(column)?.clone()).unwrap_or_default()
            } else {
                "each".to_owned()
            };
            let places = if first == last { (first + 1).to_string() } else { format!("{}–{}", first + 1, last + 1) };
            let mut row = vec![name.to_owned(), places, what];
            match (credit.weight, &credit.share) {
                (None, _) if credit.verdict == Verdict::NotOnly => row.push("not_only".to_owned()),
                (weight, share) => {
                    row.extend([weight.map_or(String::new(), weight_text), share.clone().unwrap_or_default()]);
                    row.extend(credit.amounts.iter().flatten().map(|amount| grouped(amount)));
                }
            }
            table.toned(if got_something(credit) { Tone::Plain } else { Tone::Dim }, row);
            name = "";
        }
    }
    table
}

fn got_something(credit: &ExplainedCredit) -> bool {
    let is_some = |decimal: &String| decimal.contains(|digit: char| matches!(digit, '1'..='9'));
    credit.share.as_ref().is_some_and(is_some) || credit.amounts.iter().flatten().any(is_some)
}

/// From this many equal touches in a row on, one line stands for all.
const LONG: usize = 3;

/// The touches that were a model's to weigh, long stretches of equal ones as one.
fn stretches(touches: &[ExplainedCredit]) -> Vec<(RangeInclusive<usize>, &ExplainedCredit)> {
    let same = |one: &ExplainedCredit, other: &ExplainedCredit| {
        one.verdict == other.verdict && one.weight == other.weight && one.share == other.share && one.amounts == other.amounts
    };
    let mut stretches = Vec::new();
    let mut first = 0;
    while first < touches.len() {
        let credit = &touches[first];
        let length = touches[first..].iter().take_while(|other| same(credit, other)).count();
        if credit.weight.is_some() || credit.verdict == Verdict::NotOnly {
            if length >= LONG {
                stretches.push((first..=first + length - 1, credit));
            } else {
                stretches.extend((first..first + length).map(|touch| (touch..=touch, credit)));
            }
        }
        first += length;
    }
    stretches
}

/// Seven digits are enough to compare by eye; JSON has them all.
fn weight_text(weight: f64) -> String {
    match weight.abs() {
        size if size == size.trunc() && size < 1e9 => format!("{weight}"),
        size if (1e-3..1e9).contains(&size) => format!("{weight:.6}"),
        _ => format!("{weight:.6e}"),
    }
}

fn reason_in_words(reason: &str) -> &'static str {
    match reason {
        "identity_missing" => "the conversion names no customer",
        "no_touch" => "no touch lies within the window",
        "consumed" => "all touches within the window lie at or before an earlier conversion",
        "ignored" => "`ignore`, `only` or weights of zero left no touch",
        _ => "see the manual",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use attributary_pipeline::report::ExplainedTouch;
    use unicode_width::UnicodeWidthStr;

    fn not_weighed(verdict: Verdict) -> ExplainedCredit {
        ExplainedCredit { verdict, weight: None, share: None, amounts: None }
    }

    fn weighed(weight: f64, share: &str, revenue: &str, margin: &str) -> ExplainedCredit {
        let amounts = Some(vec![revenue.to_owned(), margin.to_owned()]);
        ExplainedCredit { verdict: Verdict::Eligible, weight: Some(weight), share: Some(share.to_owned()), amounts }
    }

    fn model(model: &str, window: &str, touches: Vec<ExplainedCredit>) -> ExplainedModel {
        ExplainedModel { model: model.into(), window: window.into(), unattributed: None, touches }
    }

    fn touch(time: &str, channel: &str, campaign: Option<&str>, row: u64) -> ExplainedTouch {
        ExplainedTouch {
            time: time.into(),
            columns: vec![Some(channel.into()), campaign.map(Into::into), Some("click".into())],
            origin: ("sample-data/touchpoints/2026-01-20.parquet".into(), row),
        }
    }

    fn explanation() -> Explanation {
        use Verdict::{AfterConversion, NotOnly, OutOfWindow};
        let none = "0.000000000";
        Explanation {
            conversion_id: "o-000123".into(),
            customer: Some("c-000042".into()),
            time: "2026-02-03T10:11:12Z".into(),
            day: "2026-02-03".into(),
            kind: Some("purchase".into()),
            values: vec![("revenue".into(), "1245.00".into()), ("margin".into(), "-88.20".into())],
            currency: "SEK".into(),
            refunds_order_of: None,
            converted_from: None,
            origin: ("sample-data/conversions/2026-02-03.parquet".into(), 17),
            columns: vec!["channel".into(), "campaign".into(), "interaction".into()],
            touches: vec![
                touch("2025-12-01T08:00:00Z", "search", Some("brand"), 3),
                touch("2026-01-20T08:00:00Z", "search", None, 811),
                touch("2026-01-20T08:00:00.25Z", "news\n\u{1b}[31mletter", Some("january"), 812),
                touch("2026-02-03T10:00:00Z", "direct", None, 4),
                touch("2026-02-04T10:00:00Z", "direct", None, 5),
            ],
            models: vec![
                model(
                    "last_touch",
                    "30d",
                    vec![
                        not_weighed(OutOfWindow),
                        weighed(0.0, none, "0.00", "0.00"),
                        weighed(0.0, none, "0.00", "0.00"),
                        weighed(1.0, "1.000000000", "1245.00", "-88.20"),
                        not_weighed(AfterConversion),
                    ],
                ),
                model(
                    "last_non_direct",
                    "30d",
                    vec![
                        not_weighed(OutOfWindow),
                        weighed(0.0, none, "0.00", "0.00"),
                        weighed(1.0, "1.000000000", "1245.00", "-88.20"),
                        not_weighed(NotOnly),
                        not_weighed(AfterConversion),
                    ],
                ),
                model(
                    "linear",
                    "30d",
                    vec![
                        not_weighed(OutOfWindow),
                        weighed(1.0, "0.333333334", "415.00", "-29.40"),
                        weighed(1.0, "0.333333333", "415.00", "-29.40"),
                        weighed(1.0, "0.333333333", "415.00", "-29.40"),
                        not_weighed(AfterConversion),
                    ],
                ),
                ExplainedModel {
                    unattributed: Some("no_touch".into()),
                    ..model(
                        "last_touch",
                        "5m",
                        vec![
                            not_weighed(OutOfWindow),
                            not_weighed(OutOfWindow),
                            not_weighed(OutOfWindow),
                            not_weighed(OutOfWindow),
                            not_weighed(AfterConversion),
                        ],
                    )
                },
            ],
        }
    }

    #[test]
    fn the_whole_page() {
        insta::assert_snapshot!(page(&explanation(), &Palette::PLAIN), @r"
        conversion o-000123
        customer  c-000042
        time      2026-02-03T10:11:12Z (day 2026-02-03)
        kind      purchase
        worth     revenue 1,245.00 SEK, margin -88.20 SEK
        from      sample-data/conversions/2026-02-03.parquet, row 17

        5 touches of this customer, from sample-data/touchpoints/
          #  time                     in 30d            in 5m             channel                 campaign  interaction  file                row
          1  2025-12-01T08:00:00Z     out_of_window     out_of_window     search                  brand     click        2026-01-20.parquet    3
          2  2026-01-20T08:00:00Z     eligible          out_of_window     search                  –         click        2026-01-20.parquet  811
          3  2026-01-20T08:00:00.25Z  eligible          out_of_window     news\n\u{1b}[31mletter  january   click        2026-01-20.parquet  812
          4  2026-02-03T10:00:00Z     eligible          out_of_window     direct                  –         click        2026-01-20.parquet    4
          5  2026-02-04T10:00:00Z     after_conversion  after_conversion  direct                  –         click        2026-01-20.parquet    5

        window 30d
          model            touch  channel                   weight        share   revenue  margin
          last_touch           2  search                         0  0.000000000      0.00    0.00
                               3  news\n\u{1b}[31mletter         0  0.000000000      0.00    0.00
                               4  direct                         1  1.000000000  1,245.00  -88.20
          last_non_direct      2  search                         0  0.000000000      0.00    0.00
                               3  news\n\u{1b}[31mletter         1  1.000000000  1,245.00  -88.20
                               4  direct                  not_only
          linear               2  search                         1  0.333333334    415.00  -29.40
                               3  news\n\u{1b}[31mletter         1  0.333333333    415.00  -29.40
                               4  direct                         1  0.333333333    415.00  -29.40

        window 5m
          last_touch leaves it unattributed, no_touch: no touch lies within the window
        ");
    }

    #[test]
    fn a_conversion_without_customer() {
        let mut nobody = explanation();
        nobody.customer = None;
        nobody.kind = None;
        nobody.touches.clear();
        nobody.models.truncate(1);
        nobody.models[0].touches.clear();
        nobody.models[0].unattributed = Some("identity_missing".into());
        insta::assert_snapshot!(page(&nobody, &Palette::PLAIN), @r"
        conversion o-000123
        customer  none
        time      2026-02-03T10:11:12Z (day 2026-02-03)
        worth     revenue 1,245.00 SEK, margin -88.20 SEK
        from      sample-data/conversions/2026-02-03.parquet, row 17

        no touches of this customer

        window 30d
          last_touch leaves it unattributed, identity_missing: the conversion names no customer
        ");
    }

    #[test]
    fn a_long_journey_of_equals_is_one_line() {
        let touches: Vec<_> = (0..1_000).map(|_| weighed(1.0, "0.001000000", "1.24", "-0.08")).collect();
        let lines = stretches(&touches);
        assert_eq!(lines.iter().map(|(places, _)| places.clone()).collect::<Vec<_>>(), [0..=999]);
        assert_eq!(stretches(&touches[..2]).len(), 2);
    }

    #[test]
    fn weights() {
        let shown = [0.0, 1.0, 0.25, 1.0 / 3.0, 1e-9, 123_456_789_012.0].map(weight_text);
        assert_eq!(shown, ["0", "1", "0.250000", "0.333333", "1.000000e-9", "1.234568e11"]);
    }

    #[test]
    fn text_from_data_is_escaped_and_cut() {
        let mut hostile = explanation();
        let text = "\u{1b}]0;title\u{7}\n".repeat(1_000);
        hostile.conversion_id = text.clone();
        hostile.customer = Some(text.clone());
        hostile.kind = Some(text.clone());
        hostile.touches[1].columns[0] = Some(text);
        let page = page(&hostile, &Palette::PLAIN);
        assert!(page.chars().all(|letter| letter == '\n' || !letter.is_control()), "{page}");
        assert!(page.lines().all(|line| line.width() <= WIDE), "{page}");
    }

    #[test]
    fn files_are_named_from_their_common_folder() {
        for (files, folder) in [
            (&["log/touch/a.parquet", "log/touch/b.parquet"][..], "log/touch/"),
            (&["log/touch/day=1/a.parquet", "log/touch/day=12/a.parquet"], "log/touch/"),
            (&["log/touch/a.parquet"], "log/touch/"),
            (&["é/a", "è/a"], ""),
            (&["a.parquet"], ""),
            (&[], ""),
        ] {
            assert_eq!(common_folder(files.iter().copied()), folder, "{files:?}");
        }
    }
}
