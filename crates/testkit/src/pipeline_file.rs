//! Settings as a pipeline file, and back.

use attributary_core::duration::{Duration, Window};
use attributary_core::model::Fallback;
use attributary_core::time::{Zone, day_text, parse_day};
use toml::{Table, Value};

use crate::settings::{Ignore, Mapped, ModelKind, OracleModel, OracleSettings, Repeats, Reuse};
use crate::sql::Expression;

/// The pipeline file of the settings, over sources written by [`crate::rows`]. What is a default is left out, so that defaults are
/// tried too.
#[must_use]
pub fn to_pipeline_toml(settings: &OracleSettings, touchpoints: &str, conversions: &str, output: &str) -> String {
    let mut file = Table::new();
    let mut pipeline = table(&[("name", "scenario"), ("output", output), ("currency", &settings.currency)]);
    if settings.zone != Zone::utc() {
        pipeline.insert("timezone".into(), settings.zone.name().into());
    }
    file.insert("pipeline".into(), pipeline.into());
    file.insert("touchpoints".into(), touchpoints_section(settings, touchpoints).into());
    file.insert("conversions".into(), conversions_section(settings, conversions).into());
    file.insert("journey".into(), journey_section(settings).into());
    file.insert("model".into(), settings.models.iter().map(|model| model_section(model).into()).collect::<Vec<Value>>().into());
    let tables = settings.tables.iter().map(|(name, by)| {
        let mut section = table(&[("name", name)]);
        section.insert("by".into(), list(by));
        Value::from(section)
    });
    if !settings.tables.is_empty() {
        file.insert("table".into(), tables.collect::<Vec<_>>().into());
    }
    let mut output = Table::new();
    output.insert("credits".into(), true.into());
    if settings.paths != 10_000 {
        output.insert("paths".into(), Value::Integer(settings.paths as i64));
    }
    file.insert("output".into(), output.into());
    file.to_string()
}

/// `--from` and `--to` as arguments of `run`.
#[must_use]
pub fn run_arguments(settings: &OracleSettings) -> Vec<String> {
    let argument = |name: &str, day: Option<i32>| day.map(|day| [name.to_owned(), day_text(day)]);
    [argument("--from", settings.from), argument("--to", settings.to)].into_iter().flatten().flatten().collect()
}

/// The settings of a pipeline file as cases and this module write them: columns by name only. Keys that decide no number are
/// passed over.
///
/// # Errors
/// Names what is missing, wrong or unknown here.
pub fn from_pipeline(file: &Table, run: &[String]) -> Result<OracleSettings, String> {
    let section = |name: &str| file.get(name).and_then(Value::as_table).cloned().unwrap_or_default();
    let (pipeline, touchpoints, conversions, journey) =
        (section("pipeline"), section("touchpoints"), section("conversions"), section("journey"));
    let columns = |source: &Table, name: &str| source.get("columns").and_then(|columns| columns.get(name)).is_some();
    let mut models = sections(file, "model")?.iter().map(model).collect::<Result<Vec<_>, _>>()?;
    if let Some(marketing) = text(&section("returns"), "marketing")? {
        let only = Some(Expression::parse(&marketing)?);
        let name = "marketing_touch".to_owned();
        models.push(OracleModel { name, kind: ModelKind::AnyTouch, only, fallback: Fallback::None });
    }
    let mut settings = OracleSettings::new(models);
    set(&mut settings.currency, text(&pipeline, "currency")?);
    if let Some(name) = text(&pipeline, "timezone")? {
        settings.zone = Zone::named(&name).ok_or_else(|| format!("no time zone {name}"))?;
    }
    settings.mapped = Mapped {
        campaign: columns(&touchpoints, "campaign"),
        interaction: columns(&touchpoints, "interaction"),
        touch_id: columns(&touchpoints, "id"),
        kind: columns(&conversions, "kind"),
        refund_of: columns(&conversions, "refund_of"),
    };
    settings.dimensions = texts(&touchpoints, "dimensions")?.unwrap_or_default();
    if let Some(values) = conversions.get("values").and_then(Value::as_table) {
        settings.values = values.iter().filter(|(_, mapping)| !is_worth(mapping)).map(|(name, _)| name.clone()).collect();
    }
    settings.order_kinds = texts(&conversions, "order_kinds")?;
    for (name, mapping) in conversions.get("values").and_then(Value::as_table).into_iter().flatten() {
        if let Some(within) = mapping.get("historic_clv").and_then(Value::as_str) {
            let days = |within: &str| Duration::parse(within)?.whole_days().ok_or_else(|| format!("{within} is no whole days"));
            let within = if within == "all" { None } else { Some(days(within)?) };
            settings.historic.push((name.clone(), within.and_then(|days| days.try_into().ok())));
        }
    }
    settings.until = match section("customers").get("until") {
        None => None,
        Some(until) => Some(parse_day(&until.to_string()).ok_or_else(|| format!("{until} is no day"))?),
    };
    if let Some(windows) = texts(&journey, "windows")? {
        settings.windows = windows.iter().map(|text| Window::parse(text)).collect::<Result<_, _>>()?;
    }
    settings.calendar_days = choice(&journey, "window_unit", &["exact", "calendar_day"])? == 1;
    for (interaction, window) in journey.get("interaction_windows").and_then(Value::as_table).into_iter().flatten() {
        let window = window.as_str().ok_or("interaction_windows hold windows")?;
        settings.interaction_windows.push((interaction.clone(), Window::parse(window)?));
    }
    settings.reuse = [Reuse::Overlap, Reuse::SincePreviousConversion]
        [choice(&journey, "touch_reuse", &["overlap", "since_previous_conversion"])?];
    settings.reuse_by_kind = choice(&journey, "reuse_by", &["customer", "kind"])? == 1;
    settings.repeats = REPEATS[choice(&journey, "repeats", &REPEAT_WORDS)?];
    settings.priority = texts(&journey, "priority")?.unwrap_or_default();
    if let Some(ignore) = journey.get("ignore").and_then(Value::as_table) {
        let predicate = text(ignore, "where")?.ok_or("ignore needs where")?;
        let always = choice(ignore, "when", &["others_exist", "always"])? == 1;
        settings.ignore = Some(Ignore { predicate: Expression::parse(&predicate)?, always });
    }
    for section in sections(file, "table")? {
        let name = text(&section, "name")?.ok_or("a table needs a name")?;
        settings.tables.push((name, texts(&section, "by")?.unwrap_or_default()));
    }
    if let Some(paths) = section("output").get("paths").and_then(Value::as_integer) {
        settings.paths = usize::try_from(paths).map_err(|_| "paths is a count".to_owned())?;
    }
    range(&mut settings, run)?;
    known_columns(&settings)?;
    Ok(settings)
}

/// Whether a value is what first orders carry, and no column of the source.
pub(crate) fn is_worth(mapping: &Value) -> bool {
    ["predicted_clv", "historic_clv", "total_clv"].iter().any(|name| mapping.get(name).is_some())
}

const REPEATS: [Repeats; 4] = [Repeats::Keep, Repeats::CollapseConsecutive, Repeats::First, Repeats::Last];
const REPEAT_WORDS: [&str; 4] = ["keep", "collapse_consecutive", "first", "last"];

fn touchpoints_section(settings: &OracleSettings, source: &str) -> Table {
    let mapped = settings.mapped;
    let optional = [("campaign", mapped.campaign), ("interaction", mapped.interaction), ("id", mapped.touch_id)];
    let names = ["customer", "time", "channel"].into_iter().chain(optional.into_iter().filter(|it| it.1).map(|it| it.0));
    let mut section = table(&[("source", source)]);
    section.insert("columns".into(), table(&names.map(|name| (name, name)).collect::<Vec<_>>()).into());
    if !settings.dimensions.is_empty() {
        section.insert("dimensions".into(), list(&settings.dimensions));
    }
    section
}

fn conversions_section(settings: &OracleSettings, source: &str) -> Table {
    let optional = [("kind", settings.mapped.kind), ("refund_of", settings.mapped.refund_of)];
    let names = ["id", "customer", "time"].into_iter().chain(optional.into_iter().filter(|it| it.1).map(|it| it.0));
    let mut section = table(&[("source", source)]);
    section.insert("columns".into(), table(&names.map(|name| (name, name)).collect::<Vec<_>>()).into());
    let values: Vec<_> = settings.values.iter().map(|name| (name.as_str(), name.as_str())).collect();
    let mut values = table(&values);
    for (name, within) in &settings.historic {
        let within = within.map_or("all".to_owned(), |days| format!("{days}d"));
        values.insert(name.clone(), table(&[("historic_clv", &within)]).into());
    }
    section.insert("values".into(), values.into());
    if let Some(kinds) = &settings.order_kinds {
        section.insert("order_kinds".into(), list(kinds));
    }
    section
}

fn journey_section(settings: &OracleSettings) -> Table {
    let mut section = Table::new();
    section.insert("windows".into(), list(&settings.windows.iter().map(Window::to_string).collect::<Vec<_>>()));
    let mut word = |key: &str, word: &str| section.insert(key.into(), word.into());
    if settings.calendar_days {
        word("window_unit", "calendar_day");
    }
    if settings.reuse == Reuse::SincePreviousConversion {
        word("touch_reuse", "since_previous_conversion");
    }
    if settings.reuse_by_kind {
        word("reuse_by", "kind");
    }
    if let Some(place) = REPEATS.iter().position(|repeats| *repeats == settings.repeats && *repeats != Repeats::Keep) {
        word("repeats", REPEAT_WORDS[place]);
    }
    if !settings.priority.is_empty() {
        section.insert("priority".into(), list(&settings.priority));
    }
    if !settings.interaction_windows.is_empty() {
        let windows: Vec<_> =
            settings.interaction_windows.iter().map(|(name, window)| (name.as_str(), window.to_string())).collect();
        let windows: Vec<_> = windows.iter().map(|(name, window)| (*name, window.as_str())).collect();
        section.insert("interaction_windows".into(), table(&windows).into());
    }
    if let Some(ignore) = &settings.ignore {
        let when = if ignore.always { "always" } else { "others_exist" };
        section.insert("ignore".into(), table(&[("where", ignore.predicate.to_sql()), ("when", when)]).into());
    }
    section
}

fn model_section(model: &OracleModel) -> Table {
    let mut section = table(&[("kind", model.kind.word())]);
    if model.name != model.kind.word() {
        section.insert("name".into(), model.name.as_str().into());
    }
    match &model.kind {
        ModelKind::Linear { per_channel: true } => drop(section.insert("per".into(), "channel".into())),
        ModelKind::TimeDecay { half_life } => drop(section.insert("half_life".into(), half_life.to_string().into())),
        ModelKind::PositionBased { first, last } => {
            section.insert("first".into(), (*first).into());
            section.insert("last".into(), (*last).into());
        }
        ModelKind::Custom { weight } => drop(section.insert("weight".into(), weight.to_sql().into())),
        _ => {}
    }
    if let Some(only) = &model.only {
        section.insert("only".into(), only.to_sql().into());
    }
    if model.fallback == Fallback::None {
        section.insert("fallback".into(), "none".into());
    }
    section
}

fn model(section: &Table) -> Result<OracleModel, String> {
    let word = text(section, "kind")?.ok_or("a model needs a kind")?;
    let number = |key: &str| match section.get(key) {
        None => Ok(0.4),
        Some(Value::Float(number)) => Ok(*number),
        Some(Value::Integer(number)) => Ok(*number as f64),
        Some(other) => Err(format!("{key} is {other}, expected a number")),
    };
    let kind = match word.as_str() {
        "last_touch" => ModelKind::LastTouch,
        "first_touch" => ModelKind::FirstTouch,
        "last_click" => ModelKind::LastClick,
        "first_click" => ModelKind::FirstClick,
        "linear" => ModelKind::Linear { per_channel: choice(section, "per", &["touch", "channel"])? == 1 },
        "any_touch" => ModelKind::AnyTouch,
        "time_decay" => {
            let half_life = text(section, "half_life")?;
            ModelKind::TimeDecay { half_life: Duration::parse(half_life.as_deref().unwrap_or("7d"))? }
        }
        "position_based" => ModelKind::PositionBased { first: number("first")?, last: number("last")? },
        "j_shaped" => ModelKind::JShaped,
        "inverse_j" => ModelKind::InverseJ,
        "custom" => ModelKind::Custom { weight: Expression::parse(&text(section, "weight")?.ok_or("custom needs a weight")?)? },
        _ => return Err(format!("no model kind {word}")),
    };
    let mut model = OracleModel::new(kind);
    set(&mut model.name, text(section, "name")?);
    model.only = text(section, "only")?.map(|only| Expression::parse(&only)).transpose()?;
    model.fallback = [Fallback::All, Fallback::None][choice(section, "fallback", &["all", "none"])?];
    Ok(model)
}

fn range(settings: &mut OracleSettings, run: &[String]) -> Result<(), String> {
    for pair in run.chunks(2) {
        let [name, day] = pair else { return Err(format!("{pair:?} needs a day")) };
        let day = parse_day(day).ok_or_else(|| format!("{day} is no day"))?;
        match name.as_str() {
            "--from" => settings.from = Some(day),
            "--to" => settings.to = Some(day),
            "--date" => (settings.from, settings.to) = (Some(day), Some(day + 1)),
            _ => return Err(format!("{name}: cases know --from, --to and --date")),
        }
    }
    Ok(())
}

/// A misspelt column in a predicate would be null everywhere and the oracle none the wiser.
fn known_columns(settings: &OracleSettings) -> Result<(), String> {
    let mut known = vec!["channel"];
    let mapped = settings.mapped;
    for (name, there) in [("campaign", mapped.campaign), ("interaction", mapped.interaction), ("id", mapped.touch_id)] {
        known.extend(there.then_some(name));
    }
    known.extend(settings.dimensions.iter().map(String::as_str));
    let check = |expression: &Expression, more: &[&str]| {
        let unknown =
            expression.columns().into_iter().find(|name| !known.contains(&name.as_str()) && !more.contains(&name.as_str()));
        unknown.map_or(Ok(()), |name| Err(format!("{expression:?} names the unknown column {name}")))
    };
    settings.ignore.iter().try_for_each(|ignore| check(&ignore.predicate, &[]))?;
    for model in &settings.models {
        model.only.iter().try_for_each(|only| check(only, &[]))?;
        if let ModelKind::Custom { weight } = &model.kind {
            check(weight, &["position", "length", "age_days"])?;
        }
    }
    Ok(())
}

fn set(place: &mut String, text: Option<String>) {
    if let Some(text) = text {
        *place = text;
    }
}

fn text(section: &Table, key: &str) -> Result<Option<String>, String> {
    let text = |value: &Value| value.as_str().map(str::to_owned).ok_or_else(|| format!("{key} is {value}, expected text"));
    section.get(key).map(text).transpose()
}

fn texts(section: &Table, key: &str) -> Result<Option<Vec<String>>, String> {
    let wrong = || format!("{key} is a list of texts");
    let Some(value) = section.get(key) else { return Ok(None) };
    let items = value.as_array().ok_or_else(wrong)?.iter().map(|item| item.as_str().map(str::to_owned).ok_or_else(wrong));
    items.collect::<Result<_, _>>().map(Some)
}

/// The place of the chosen word, the first where the key is absent.
fn choice(section: &Table, key: &str, words: &[&str]) -> Result<usize, String> {
    let Some(word) = text(section, key)? else { return Ok(0) };
    words.iter().position(|known| *known == word).ok_or_else(|| format!("{key} is {word}, expected one of {}", words.join(", ")))
}

fn sections(file: &Table, key: &str) -> Result<Vec<Table>, String> {
    let Some(value) = file.get(key) else { return Ok(Vec::new()) };
    let wrong = || format!("[[{key}]] is a list of tables");
    value.as_array().ok_or_else(wrong)?.iter().map(|item| item.as_table().cloned().ok_or_else(wrong)).collect()
}

fn table(entries: &[(&str, &str)]) -> Table {
    entries.iter().map(|(key, text)| ((*key).to_owned(), Value::from(*text))).collect()
}

fn list(items: &[String]) -> Value {
    Value::Array(items.iter().map(|item| item.as_str().into()).collect())
}
