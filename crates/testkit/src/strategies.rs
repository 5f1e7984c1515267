//! Random scenarios over the whole grid of options: few customers, few instants that lie a window apart or a microsecond
//! beside it, many ties, duplicates and nulls. They shrink to few rows and to the defaults.

use attributary_core::duration::{DAY, Duration, Window};
use attributary_core::model::Fallback;
use attributary_core::money::{self, Rounded};
use attributary_core::time::{Day, Zone, parse_day};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use crate::rows::{ConversionRow, TouchRow};
use crate::settings::{Ignore, Mapped, ModelKind, OracleModel, OracleSettings, Repeats, Reuse};
use crate::sql::Expression;

/// A log and what to do with it.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Touchpoints of up to [`FILES`] files.
    pub touches: Vec<TouchRow>,
    /// Conversions of up to [`FILES`] files.
    pub conversions: Vec<ConversionRow>,
    /// The pipeline.
    pub settings: OracleSettings,
}

/// Rows are spread over this many files, some perhaps empty.
pub const FILES: u32 = 2;

/// Whole scenarios.
pub fn scenario() -> impl Strategy<Value = Scenario> {
    settings().prop_flat_map(|settings| {
        let (dimensions, values, exponent) = (settings.dimensions.len(), settings.values.len(), settings.exponent());
        (touches(dimensions), conversions(values, exponent), Just(settings))
            .prop_map(|(touches, conversions, settings)| Scenario { touches, conversions, settings })
    })
}

/// A log of touches of few customers, nulls, empty channels and duplicates among them.
pub fn touches(dimensions: usize) -> impl Strategy<Value = Vec<TouchRow>> {
    let words = (
        mostly(select(vec!["c0", "c1", "c2"])),
        mostly(instant()),
        option::weighted(0.9, select(vec!["a", "b", "direct", "Z", ""])),
        option::of(select(vec!["x", "y"])),
        option::of(select(vec!["click", "view", "hover"])),
        option::of(select(vec!["e0", "e1", "e2"])),
        vec(option::weighted(0.8, select(vec!["se", "no"])), dimensions),
        0..FILES,
    );
    let row = words.prop_map(|(customer, time, channel, campaign, interaction, id, dimensions, file)| TouchRow {
        file,
        row: 0,
        customer: owned(customer),
        time,
        channel: owned(channel),
        campaign: owned(campaign),
        interaction: owned(interaction),
        id: owned(id),
        dimensions: dimensions.into_iter().map(owned).collect(),
    });
    vec(row, 0..14).prop_map(|mut rows| {
        let mut next = [0_u64; FILES as usize];
        rows.iter_mut().for_each(|row| row.row = count(&mut next, row.file));
        rows
    })
}

/// A log of conversions, refunds, duplicates and invalid rows among them: refunds of orders that come later, of several rows
/// that claim to be the order, of refunds and of nothing.
pub fn conversions(values: usize, exponent: u8) -> impl Strategy<Value = Vec<ConversionRow>> {
    let words = (
        mostly(select(vec!["o0", "o1", "o2", "o3", "o4", "o5"])),
        option::weighted(0.92, select(vec!["c0", "c1", "c2"])),
        mostly(instant()),
        option::weighted(0.8, select(vec!["purchase", "lead"])),
        option::weighted(0.3, select(vec!["o0", "o1", "o2", "o3", "o4", "o9"])),
        vec(mostly(amount(exponent)), values),
        0..FILES,
    );
    let row = words.prop_map(|(id, customer, time, kind, refund_of, values, file)| ConversionRow {
        file,
        row: 0,
        id: owned(id),
        customer: owned(customer),
        time,
        kind: owned(kind),
        refund_of: owned(refund_of),
        values,
    });
    // Some rows again, all but what they refund.
    let again = vec((0..8_usize, option::of(select(vec!["o0", "o1"])), 0..FILES), 0..3);
    (vec(row, 0..8), prop_oneof![3 => Just(Vec::new()), 1 => again]).prop_map(|(mut rows, again)| {
        for (place, refund_of, file) in again {
            let row = rows.get(place).cloned();
            rows.extend(row.map(|row| ConversionRow { refund_of: owned(refund_of), file, ..row }));
        }
        let mut next = [0_u64; FILES as usize];
        rows.iter_mut().for_each(|row| row.row = count(&mut next, row.file));
        rows
    })
}

/// Settings over the whole grid, such as a pipeline file may hold.
pub fn settings() -> impl Strategy<Value = OracleSettings> {
    let orders = (
        option::of(subsequence(vec!["purchase", "lead"], 1..=2)),
        prop_oneof![2 => Just(Vec::new()), 1 => subsequence(vec![None, Some(1_u32), Some(2)], 1..=2)],
    );
    let columns = (any::<[bool; 5]>(), orders, 0..=2_usize, 1..=2_usize, select(vec!["SEK", "JPY", "KWD"]));
    columns.prop_flat_map(|(mapped, (order_kinds, historic), dimensions, values, currency)| {
        let [campaign, interaction, touch_id, kind, refund_of] = mapped;
        let mut settings = OracleSettings::new(Vec::new());
        settings.mapped = Mapped { campaign, interaction, touch_id, kind, refund_of };
        let order_kinds = order_kinds.filter(|_| kind);
        settings.order_kinds = order_kinds.map(|kinds| kinds.into_iter().map(str::to_owned).collect());
        let name = |within: Option<u32>| within.map_or("worth".to_owned(), |days| format!("worth_of_{days}"));
        settings.historic = historic.into_iter().map(|within| (name(within), within)).collect();
        settings.dimensions = ["country", "device"][..dimensions].iter().map(|name| (*name).to_owned()).collect();
        settings.values = ["revenue", "margin"][..values].iter().map(|name| (*name).to_owned()).collect();
        settings.currency = currency.to_owned();
        with_rules(settings)
    })
}

fn with_rules(columns: OracleSettings) -> impl Strategy<Value = OracleSettings> {
    let predicates = predicates(&columns);
    let interactions = if columns.mapped.interaction { vec!["click", "view"] } else { Vec::new() };
    let calendar = (any::<bool>(), option::of(day()), option::of(day()), select(vec!["UTC", "Europe/Stockholm"]));
    let windows = subsequence(vec!["1d", "2d", "24h", "1w", "all", "36h", "12h", "90s"], 1..=3).prop_shuffle();
    let own_windows = (subsequence(interactions.clone(), 0..=interactions.len()), select(vec!["1d", "2d", "12h"]));
    let reuse = (any::<bool>(), any::<bool>());
    let repeats = select(vec![Repeats::Keep, Repeats::CollapseConsecutive, Repeats::First, Repeats::Last]);
    let priority = subsequence(interactions.clone(), 0..=interactions.len()).prop_shuffle();
    let ignore = option::of((select(predicates), any::<bool>()));
    let outputs = (vec(model(&columns), 1..=4), tables(&columns), select(vec![10_000_usize, 2, 1, 0]));
    (calendar, windows, own_windows, reuse, repeats, priority, ignore, outputs).prop_map(move |all| {
        let ((calendar_days, from, to, zone), windows, (own, own_window), reuse, repeats, priority, ignore, outputs) = all;
        let mut settings = columns.clone();
        let whole_days = |window: &Window| match window {
            Window::All | Window::Paths => true,
            Window::Back(duration) => duration.whole_days().is_some(),
        };
        let read = |text: &str| Window::parse(text).ok().filter(|window| !calendar_days || whole_days(window));
        settings.windows = windows.iter().filter_map(|text| read(text)).collect();
        if settings.windows.is_empty() {
            settings.windows = read("2d").into_iter().collect();
        }
        settings.calendar_days = calendar_days;
        settings.interaction_windows = own.iter().filter_map(|name| Some(((*name).to_owned(), read(own_window)?))).collect();
        settings.zone = Zone::named(zone).unwrap_or_else(Zone::utc);
        (settings.from, settings.to) = match (from, to) {
            (Some(one), Some(other)) if one == other => (Some(one), None),
            (Some(one), Some(other)) => (Some(one.min(other)), Some(one.max(other))),
            open => open,
        };
        settings.reuse = if reuse.0 { Reuse::SincePreviousConversion } else { Reuse::Overlap };
        settings.reuse_by_kind = reuse.1 && settings.mapped.kind;
        settings.repeats = repeats;
        settings.priority = priority.iter().map(|name| (*name).to_owned()).collect();
        settings.ignore = ignore.map(|(predicate, always)| Ignore { predicate, always });
        let (mut models, tables, paths) = outputs;
        for (place, model) in models.iter_mut().enumerate() {
            model.name = format!("m{place}_{}", model.name);
        }
        (settings.models, settings.tables, settings.paths) = (models, tables, paths);
        settings
    })
}

/// Predicates over the columns that are mapped, with nulls in play.
fn predicates(settings: &OracleSettings) -> Vec<Expression> {
    let mut texts = vec!["channel = 'direct'", "channel <> 'direct'", "channel IN ('a', '(not set)')", "channel >= 'a'"];
    if settings.mapped.campaign {
        texts.extend(["campaign = 'x'", "campaign <> 'x'", "campaign IS NULL", "NOT (campaign = 'x')"]);
        texts.extend(["campaign = 'x' OR channel = 'a'", "NOT (campaign = 'y' AND channel <> 'b')"]);
    }
    if settings.mapped.interaction {
        texts.extend(["interaction = 'click'", "interaction IS NOT NULL AND interaction <> 'view'"]);
    }
    if settings.mapped.touch_id {
        texts.push("id <> 'e1'");
    }
    if !settings.dimensions.is_empty() {
        texts.extend(["country = 'se'", "country IS NULL OR country = 'no'"]);
    }
    expressions(&texts)
}

fn weights(settings: &OracleSettings) -> Vec<Expression> {
    let mut texts = vec![
        "position",
        "length - position + 1",
        "1.0 / (1.0 + age_days)",
        "CASE WHEN position = 1 OR position = length THEN 40 ELSE 5 END",
        "CASE WHEN channel = 'a' THEN 2.0 ELSE 0.0 END",
    ];
    if settings.mapped.interaction {
        texts.push("CASE WHEN interaction = 'click' THEN 3.0 ELSE 1.0 END");
    }
    if settings.mapped.touch_id {
        texts.push("CASE WHEN id = 'e1' THEN 3.0 ELSE 1.0 END");
    }
    if settings.mapped.campaign {
        texts.push("CASE WHEN campaign IS NULL THEN 0.0 ELSE 1.0 END");
    }
    if !settings.dimensions.is_empty() {
        texts.push("CASE WHEN country = 'se' THEN 0.3 ELSE 0.1 END * age_days + 0.1");
    }
    expressions(&texts)
}

fn expressions(texts: &[&str]) -> Vec<Expression> {
    texts.iter().map(|text| Expression::parse(text).expect("the strategies' own texts are well formed")).collect()
}

fn model(settings: &OracleSettings) -> impl Strategy<Value = OracleModel> + use<> {
    let half_life = select(vec!["1d", "7d", "12h", "1s"]).prop_map(|text| Duration::parse(text).expect("a duration"));
    let fractions = select(vec![(0.4, 0.4), (0.0, 0.0), (1.0, 0.0), (0.0, 0.7), (0.5, 0.5), (0.3, 0.1)]);
    let kind = prop_oneof![
        Just(ModelKind::LastTouch),
        Just(ModelKind::FirstTouch),
        Just(ModelKind::LastClick),
        Just(ModelKind::FirstClick),
        any::<bool>().prop_map(|per_channel| ModelKind::Linear { per_channel }),
        Just(ModelKind::AnyTouch),
        half_life.prop_map(|half_life| ModelKind::TimeDecay { half_life }),
        fractions.prop_map(|(first, last)| ModelKind::PositionBased { first, last }),
        Just(ModelKind::JShaped),
        Just(ModelKind::InverseJ),
        select(weights(settings)).prop_map(|weight| ModelKind::Custom { weight }),
    ];
    let fallback = select(vec![Fallback::All, Fallback::None]);
    let all = (kind, option::weighted(0.4, select(predicates(settings))), fallback);
    all.prop_map(|(kind, only, fallback)| OracleModel { only, fallback, ..OracleModel::new(kind) })
}

fn tables(settings: &OracleSettings) -> impl Strategy<Value = Vec<(String, Vec<String>)>> + use<> {
    let mut columns = vec!["channel", "conversion_date", "conversion_week", "conversion_month"];
    columns.extend(["touch_date", "touch_week", "touch_month"]);
    columns.extend(settings.mapped.campaign.then_some("campaign"));
    columns.extend(settings.mapped.interaction.then_some("interaction"));
    columns.extend(settings.mapped.kind.then_some("kind"));
    columns.push("standing");
    columns.extend(["country", "device"].into_iter().take(settings.dimensions.len()));
    let by = subsequence(columns, 0..=3).prop_shuffle();
    vec(by, 0..=3).prop_map(|all| {
        let named = |(place, by): (usize, Vec<&str>)| (format!("table_{place}"), by.into_iter().map(str::to_owned).collect());
        all.into_iter().enumerate().map(named).collect()
    })
}

/// Midnights in Stockholm around the change to summer time on 30 March 2025 and the hours of the change, noons, and a
/// microsecond beside each: many pairs are whole days apart, of 23, 24 or 25 hours.
fn instant() -> impl Strategy<Value = i64> {
    let hours = select(vec![12_i64, 0, 11, 13, 22, 23, 1, 2]);
    let off = prop_oneof![6 => Just(0), 1 => Just(1), 1 => Just(-1)];
    (0..7_i64, hours, off).prop_map(|(day, hour, off)| (i64::from(first_day()) + day) * DAY + hour * DAY / 24 + off)
}

fn day() -> impl Strategy<Value = Day> {
    (0..7).prop_map(|day| first_day() + day)
}

fn first_day() -> Day {
    parse_day("2025-03-27").expect("a day")
}

/// Amounts with one digit more than the currency has, now and then a very large one.
fn amount(exponent: u8) -> impl Strategy<Value = Rounded> {
    let tenths_of_minor = prop_oneof![
        4 => select(vec![10_i128, 0, 50, 1_000, 100_000, 3_333_330]),
        2 => select(vec![-10_i128, -50, -1_000, -100_000]),
        2 => -100_000_i128..100_000,
        1 => select(vec![5_i128, 15, -5, 25]),
        1 => Just(9_999_999_999_999_999_990),
    ];
    tenths_of_minor.prop_map(move |tenths| money::from_decimal(tenths, u32::from(exponent) + 1, exponent).unwrap_or_default())
}

fn mostly<T: Strategy>(inner: T) -> impl Strategy<Value = Option<T::Value>>
where
    T::Value: Clone,
{
    option::weighted(0.96, inner)
}

fn owned(text: Option<&str>) -> Option<String> {
    text.map(str::to_owned)
}

fn count(next: &mut [u64], file: u32) -> u64 {
    let place = &mut next[file as usize];
    *place += 1;
    *place - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle;
    use crate::pipeline_file::{from_pipeline, run_arguments, to_pipeline_toml};
    use crate::table::Table;
    use attributary_core::WHOLE_SHARE;
    use attributary_core::value::Value;

    fn sum(table: &Table, column: &str, model: &OracleModel, window: &Window) -> i128 {
        let place = table.place(column).expect(column);
        let name = [Value::text(&model.name), Value::text(&window.to_string())];
        let amount = |row: &Vec<Value>| if let Value::Int(amount) = row[place] { amount } else { 0 };
        table.rows.iter().filter(|row| row[..2] == name).map(amount).sum()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn settings_survive_the_pipeline_file(settings in settings()) {
            let text = to_pipeline_toml(&settings, "touches", "conversions", "out");
            let file: toml::Table = text.parse().expect(&text);
            prop_assert_eq!(from_pipeline(&file, &run_arguments(&settings)), Ok(settings));
        }

        /// The oracle keeps the laws that the engine is to keep: nothing is lost, and the order of rows is nothing.
        #[test]
        fn the_oracle_is_conservative_and_blind_to_order(scenario in scenario()) {
            let Scenario { mut touches, mut conversions, settings } = scenario;
            let tables = oracle::run(&touches, &conversions, &settings);
            let ledger = tables["ledger"].place("difference").expect("a column");
            prop_assert!(tables["ledger"].rows.iter().all(|row| row[ledger] == Value::Int(0)));
            for model in settings.models.iter().filter(|model| model.kind != ModelKind::AnyTouch) {
                for window in &settings.windows {
                    let mut sums = std::collections::BTreeSet::new();
                    for (name, _) in settings.grouped_tables() {
                        sums.insert((sum(&tables[&name], "conversions", model, window), sum(&tables[&name], "revenue", model, window)));
                    }
                    prop_assert!(sums.len() == 1 && sums.iter().all(|(shares, _)| shares % i128::from(WHOLE_SHARE) == 0));
                }
            }
            touches.reverse();
            conversions.reverse();
            let again = oracle::run(&touches, &conversions, &settings);
            for (name, table) in tables {
                prop_assert_eq!(table.sorted(), again[&name].clone().sorted(), "{}", name);
            }
        }
    }

    /// Random logs are only worth something if they reach every corner.
    #[test]
    fn the_grid_is_reached() {
        use proptest::strategy::ValueTree;
        use proptest::test_runner::TestRunner;
        let mut runner = TestRunner::deterministic();
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..600 {
            let Scenario { touches, conversions, settings } = scenario().new_tree(&mut runner).expect("a scenario").current();
            let tables = oracle::run(&touches, &conversions, &settings);
            for (table, column) in [("rejects", "reason"), ("unattributed", "reason")] {
                let place = tables[table].place(column).expect(column);
                seen.extend(tables[table].rows.iter().filter_map(|row| row[place].as_text().map(str::to_owned)));
            }
            if let Some(paths) = tables.get("paths") {
                let (path, nulls) = (paths.place("path").expect("path"), paths.place("null_journeys").expect("nulls"));
                seen.extend(paths.rows.iter().filter(|row| row[path].as_text() == Some("(other)")).map(|_| "other".to_owned()));
                seen.extend(paths.rows.iter().filter(|row| row[nulls] > Value::Int(0)).map(|_| "null journey".to_owned()));
            }
            if tables["credits"].rows.len() > 20 {
                seen.insert("many credits".to_owned());
            }
            let share = tables["credits"].place("share").expect("share");
            let first = |row: &&Vec<Value>| row[share] == Value::Int(0) && settings.models[0].kind == ModelKind::AnyTouch;
            seen.extend(tables["credits"].rows.iter().filter(first).map(|_| "credited refund".to_owned()));
            for (name, by) in settings.grouped_tables() {
                let standing = by.iter().position(|column| column == "standing");
                let words = tables[&name].rows.iter().filter_map(|row| row[2 + standing?].as_text());
                seen.extend(words.map(str::to_owned));
            }
        }
        let wanted = "null_customer null_id null_time invalid_value duplicate_id identity_missing no_touch consumed ignored other \
             refund_without_order new returning";
        for word in wanted.split(' ').chain(["null journey", "many credits", "credited refund"]) {
            assert!(seen.contains(word), "never saw {word}: {seen:?}");
        }
    }
}
