//! The sources of a case: text tables in the sections of its file, with the types and the mapping that are not said.

use attributary_core::money;
use attributary_core::table::Field;
use attributary_core::value::{ColumnType, TimeUnit, Value};

use crate::log::{self, TextTable};
use crate::pipeline_file::is_worth;
use crate::table::{self, Table};

/// What a case gives as files.
#[derive(Clone, Debug)]
pub(crate) struct Sources {
    pub touchpoints: Table,
    pub conversions: Table,
    /// Spend and rates, each with the name of its file.
    pub further: Vec<(String, Table)>,
}

const TOUCH_COLUMNS: [&str; 7] = ["customer", "time", "channel", "campaign", "interaction", "id", "cost"];
const CONVERSION_COLUMNS: [&str; 6] = ["id", "customer", "time", "kind", "refund_of", "currency"];
const SPEND_COLUMNS: [&str; 9] = ["date", "channel", "campaign", "amount", "currency", "clicks", "impressions", "goal", "id"];
const RATE_COLUMNS: [&str; 3] = ["date", "currency", "rate"];

/// Takes the rows out of a case's file, and leaves its sources mapped: where one says nothing of its columns, each is mapped to its
/// own name, and the others are dimensions and values.
pub(crate) fn take(file: &mut toml::Table, journeys: Option<String>) -> Result<Sources, String> {
    let (touch_text, conversion_text) = match journeys {
        Some(text) => log::journeys(&text)?,
        None => (rows_of(section(file, "touchpoints"), "touchpoints")?, rows_of(section(file, "conversions"), "conversions")?),
    };
    let touchpoints = typed(section(file, "touchpoints"), "touchpoints", &touch_text)?;
    let conversions = typed(section(file, "conversions"), "conversions", &conversion_text)?;
    map_touchpoints(section(file, "touchpoints"), &touch_text.columns);
    map_conversions(section(file, "conversions"), &conversion_text.columns);
    let mut further = Vec::new();
    if let Some(spend) = file.get_mut("spend").and_then(toml::Value::as_array_mut) {
        for (place, section) in spend.iter_mut().enumerate() {
            let section = section.as_table_mut().ok_or("[[spend]] is a list of tables")?;
            let text = rows_of(section, "spend")?;
            let name = format!("spend_{place}.parquet");
            further.push((name.clone(), typed(section, "spend", &text)?));
            section.insert("source".into(), name.into());
            map(section, &text.columns, &SPEND_COLUMNS, "dimensions");
        }
    }
    if let Some(section) = file.get_mut("fx").and_then(toml::Value::as_table_mut) {
        let text = rows_of(section, "fx")?;
        further.push(("fx.parquet".to_owned(), typed(section, "fx", &text)?));
        section.insert("source".into(), "fx.parquet".into());
        map(section, &text.columns, &RATE_COLUMNS, "further columns");
    }
    Ok(Sources { touchpoints, conversions, further })
}

/// A section of a case's file, empty where there is none.
pub(crate) fn section<'a>(file: &'a mut toml::Table, name: &str) -> &'a mut toml::Table {
    let entry = file.entry(name.to_owned()).or_insert_with(|| toml::Table::new().into());
    if !entry.is_table() {
        *entry = toml::Table::new().into();
    }
    entry.as_table_mut().expect("it was just made one")
}

fn rows_of(section: &mut toml::Table, name: &str) -> Result<TextTable, String> {
    match section.remove("rows") {
        Some(toml::Value::String(text)) => TextTable::parse(&text).map_err(|wrong| format!("{name}: {wrong}")),
        _ => Err(format!("{name}.rows is missing, and there are no journeys")),
    }
}

/// The cells by `types` (`text`, `int`, `float`, `decimal`, `date`, `instant`, `wall_clock`), or as their columns mostly are.
fn typed(section: &mut toml::Table, name: &str, text: &TextTable) -> Result<Table, String> {
    let types = section.remove("types");
    let mut fields = Vec::new();
    for (place, column) in text.columns.iter().enumerate() {
        let default = match column.as_str() {
            "time" => "instant",
            "date" if name != "touchpoints" => "date",
            "clicks" | "impressions" if name == "spend" => "int",
            "amount" | "rate" | "cost" if name != "conversions" => "decimal",
            _ if name == "conversions" && !CONVERSION_COLUMNS.contains(&column.as_str()) => "decimal",
            _ => "text",
        };
        let word = types.as_ref().and_then(|types| types.get(column)?.as_str()).unwrap_or(default);
        let kind = match word {
            "text" => ColumnType::Text,
            "int" => ColumnType::Int { bits: 64, signed: true },
            "float" => ColumnType::Float { bits: 64 },
            "date" => ColumnType::Date,
            "instant" => ColumnType::instant(),
            "wall_clock" => ColumnType::Timestamp { unit: TimeUnit::Micro, zone: None },
            "decimal" => {
                let cells = text.rows.iter().filter_map(|row| money::parse_decimal(row[place].as_deref()?).flatten());
                let scale = cells.map(|(_, scale)| scale).max().unwrap_or(0);
                ColumnType::Decimal { precision: 38, scale: u8::try_from(scale).map_err(|_| "too many digits")? }
            }
            _ => return Err(format!("{name}.types.{column}: no type {word}")),
        };
        fields.push(Field::new(column, kind));
    }
    let cells = |row: &Vec<Option<String>>| -> Result<Vec<Value>, String> {
        row.iter().zip(&fields).map(|(text, field)| table::cell(text.as_deref(), &field.kind)).collect()
    };
    let rows = text.rows.iter().map(cells).collect::<Result<_, _>>().map_err(|wrong| format!("{name}: {wrong}"))?;
    Ok(Table { fields, rows })
}

fn map_touchpoints(section: &mut toml::Table, columns: &[String]) {
    map(section, columns, &TOUCH_COLUMNS, "dimensions");
}

/// Columns that are none of the known ones become values, beside those that first orders carry.
fn map_conversions(section: &mut toml::Table, columns: &[String]) {
    let (known, values) = split(columns, &CONVERSION_COLUMNS);
    if !section.contains_key("columns") {
        section.insert("columns".into(), identity(&known));
    }
    let of_orders = section.get("values").and_then(toml::Value::as_table).is_some_and(|given| given.values().all(is_worth));
    if !section.contains_key("values") {
        section.insert("values".into(), identity(&values));
    } else if of_orders && let Some(given) = section.get_mut("values").and_then(toml::Value::as_table_mut) {
        for (name, column) in identity(&values).as_table().into_iter().flatten() {
            given.insert(name.clone(), column.clone());
        }
    }
}

fn map(section: &mut toml::Table, columns: &[String], known: &[&str], others: &str) {
    let (known, others_found) = split(columns, known);
    if !section.contains_key("columns") {
        section.insert("columns".into(), identity(&known));
        if !others_found.is_empty() {
            section.insert(others.into(), others_found.into());
        }
    }
}

fn split(columns: &[String], known: &[&str]) -> (Vec<String>, Vec<String>) {
    columns.iter().cloned().partition(|name| known.contains(&name.as_str()))
}

fn identity(names: &[String]) -> toml::Value {
    names.iter().map(|name| (name.clone(), toml::Value::from(name.as_str()))).collect::<toml::Table>().into()
}
