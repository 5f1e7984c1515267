//! `[touchpoints]` and `[conversions]`: where rows come from and which columns mean what.

use std::path::{Component, Path, PathBuf};

use attributary_core::duration::Duration;
use attributary_core::time::Zone;

use super::document::Item;
use super::error::{Fault, Problem};
use super::names::{check_column, check_snake_case};
use super::nearest::all_near;
use super::pipeline::{Column, Conversions, Dimension, Source, Touchpoints, ValueColumn, Worth, WorthEntry};
use super::section::{Field, Section};

/// The column that says when a row came.
pub(super) const INGESTED: &str = "ingested";

const DIMENSION_INSTEAD: &str = "give it another name: dimensions = { my_name = \"its_column\" }";
const VALUE_INSTEAD: &str = "give it another name: values = { my_name = \"its_column\" }";

pub(super) fn touchpoints(root: &Section<'_>, folder: &Path) -> Result<Touchpoints, Fault> {
    let known = ["source", "timezone", "where", "missing_columns", "columns", "dimensions"];
    let section = root.section("touchpoints", &known)?;
    let columns =
        section.section("columns", &["customer", "time", "channel", "campaign", "interaction", "id", "cost", INGESTED])?;
    let optional = |name| columns.get(name).map(|field| column(&field)).transpose();
    Ok(Touchpoints {
        source: Source { ingested: optional(INGESTED)?, ..source(&section, folder)? },
        customer: column(&columns.need("customer", "columns = { customer = \"user_id\", … }")?)?,
        time: column(&columns.need("time", "columns = { time = \"event_time\", … }")?)?,
        channel: column(&columns.need("channel", "columns = { channel = \"channel\", … }")?)?,
        campaign: optional("campaign")?,
        interaction: optional("interaction")?,
        id: optional("id")?,
        cost: optional("cost")?,
        dimensions: section.get("dimensions").map(|field| dimensions(&field)).transpose()?.unwrap_or_default(),
    })
}

pub(super) fn conversions(root: &Section<'_>, folder: &Path, dimensions: &[Dimension]) -> Result<Conversions, Fault> {
    let known = ["source", "timezone", "where", "missing_columns", "columns", "values", "order_kinds"];
    let section = root.section("conversions", &known)?;
    let columns = section.section("columns", &["id", "customer", "time", "kind", "refund_of", "currency", INGESTED])?;
    let optional = |name| columns.get(name).map(|field| column(&field)).transpose();
    let (values, worths) = values(&section.need("values", VALUES_EXAMPLE)?, dimensions)?;
    let conversions = Conversions {
        source: Source { ingested: optional(INGESTED)?, ..source(&section, folder)? },
        id: column(&columns.need("id", "columns = { id = \"order_id\", … }")?)?,
        customer: column(&columns.need("customer", "columns = { customer = \"user_id\", … }")?)?,
        time: column(&columns.need("time", "columns = { time = \"ordered_at\", … }")?)?,
        kind: optional("kind")?,
        refund_of: optional("refund_of")?,
        currency: optional("currency")?,
        order_kinds: order_kinds(&section, columns.get("kind").is_some())?,
        values,
        worths,
    };
    if conversions.values.is_empty() {
        return Err(section.missing("values", VALUES_EXAMPLE));
    }
    Ok(conversions)
}

/// `order_kinds`: which kinds make a customer.
fn order_kinds(section: &Section<'_>, kind_mapped: bool) -> Result<Option<Vec<String>>, Fault> {
    let Some(field) = section.get("order_kinds") else { return Ok(None) };
    if !kind_mapped {
        return Err(field.fault(Problem::Unmapped { what: "this".to_owned(), column: "conversions.columns.kind" }));
    }
    let kinds = field.texts("[\"purchase\"]")?;
    Ok(Some(kinds.iter().map(|kind| kind.text().map(str::to_owned)).collect::<Result<_, _>>()?))
}

pub(super) const VALUES_EXAMPLE: &str = "values = { revenue = \"revenue\" }";

/// What all sources have, the columns aside.
pub(super) fn source(section: &Section<'_>, folder: &Path) -> Result<Source, Fault> {
    let field = section.need("source", "source = \"../sample-data/touchpoints\"")?;
    let path = resolve(&field, folder, "expected a file, a folder or a glob")?;
    Ok(Source {
        path,
        zone: zone(section)?,
        filter: section.get("where").map(|field| field.text().map(str::to_owned)).transpose()?,
        missing_as_null: match section.get("missing_columns") {
            Some(field) => field.choice(&[("error", false), ("null", true)])?,
            None => false,
        },
        ingested: None,
    })
}

/// A path, relative to the pipeline file's folder.
pub(super) fn resolve(field: &Field<'_>, folder: &Path, expected: &str) -> Result<String, Fault> {
    let path = field.text()?;
    if path.contains("://") {
        return Err(field.fault(Problem::invalid(format!("{expected} on this machine, found the URL {path:?}"))));
    }
    let path = without_detours(&folder.join(path));
    path.to_str().map(str::to_owned).ok_or_else(|| field.fault(Problem::invalid("expected a path of UTF-8 text")))
}

/// The same path without `.` and, where no symbolic link is in the way, without `folder/..`: people read these paths.
fn without_detours(path: &Path) -> PathBuf {
    let mut short = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir
                if matches!(short.components().next_back(), Some(Component::Normal(_))) && !short.is_symlink() =>
            {
                short.pop();
            }
            _ => short.push(part),
        }
    }
    if short.as_os_str().is_empty() { PathBuf::from(".") } else { short }
}

/// `timezone`, by default UTC.
pub(super) fn zone(section: &Section<'_>) -> Result<Zone, Fault> {
    let Some(field) = section.get("timezone") else { return Ok(Zone::utc()) };
    let name = field.text()?;
    Zone::named(name).ok_or_else(|| {
        let near = all_near(name, &Zone::names()).into_iter().take(3).map(str::to_owned).collect();
        let such_as = "a name such as UTC, Europe/Stockholm or America/New_York, or an offset such as +02:00";
        field.fault(Problem::UnknownName { what: "time zone", found: name.to_owned(), near, such_as })
    })
}

/// A column by name, by alternative names, or computed.
pub(super) fn column(field: &Field<'_>) -> Result<Column, Fault> {
    match &field.node.item {
        Item::Text(_) => Ok(Column::Names(vec![field.text()?.to_owned()])),
        Item::List(names) if names.is_empty() => Err(field.wrong(COLUMN)),
        Item::List(_) => {
            let names = field.texts("[\"client_id\", \"clientId\"]")?;
            Ok(Column::Names(names.iter().map(|name| name.text().map(str::to_owned)).collect::<Result<_, _>>()?))
        }
        Item::Table(_) => {
            let sql = field.section(&["sql"])?.need("sql", "{ sql = \"lower(utm_source)\" }")?;
            Ok(Column::Sql(sql.text()?.to_owned()))
        }
        _ => Err(field.wrong(COLUMN)),
    }
}

const COLUMN: &str = "a column's name, a list of alternative names, or { sql = \"…\" }";

/// Names of columns, or names of one's own for columns, as values have.
fn dimensions(field: &Field<'_>) -> Result<Vec<Dimension>, Fault> {
    let mut dimensions = Vec::new();
    if let Item::Table(_) = field.node.item {
        for (name, field) in field.entries("a table")? {
            check_column(name, &field, DIMENSION_INSTEAD)?;
            dimensions.push(Dimension { name: name.to_owned(), column: column(&field)? });
        }
        return Ok(dimensions);
    }
    for field in field.texts("[\"country\", \"device\"]")? {
        let name = field.text()?;
        check_column(name, &field, DIMENSION_INSTEAD)?;
        dimensions.push(Dimension { name: name.to_owned(), column: Column::Names(vec![name.to_owned()]) });
    }
    Ok(dimensions)
}

/// The values of the source, and those that first orders carry besides.
pub(super) fn values(field: &Field<'_>, dimensions: &[Dimension]) -> Result<(Vec<ValueColumn>, Vec<WorthEntry>), Fault> {
    let (mut values, mut worths) = (Vec::new(), Vec::new());
    for (name, field) in field.entries("a table of values, such as { revenue = \"revenue\" }")? {
        check_snake_case(name, &field)?;
        check_column(name, &field, VALUE_INSTEAD)?;
        if dimensions.iter().any(|dimension| dimension.name == name) {
            let by = "a dimension of touchpoints".to_owned();
            return Err(field.fault(Problem::Taken { name: name.to_owned(), by, instead: VALUE_INSTEAD }));
        }
        match worth(&field)? {
            Some(worth) => worths.push(WorthEntry { name: name.to_owned(), worth }),
            None => {
                let (column, minor) = value_column(&field)?;
                values.push(ValueColumn { name: name.to_owned(), column, minor });
            }
        }
    }
    Ok((values, worths))
}

/// `{ predicted_clv = "52w" }`, `{ total_clv = "52w" }` or `{ historic_clv = "all" }`.
fn worth(field: &Field<'_>) -> Result<Option<Worth>, Fault> {
    let Item::Table(_) = &field.node.item else { return Ok(None) };
    let entries = field.entries("a table")?;
    let kinds = ["predicted_clv", "total_clv", "historic_clv"];
    let Some(name) = kinds.into_iter().find(|kind| entries.iter().any(|(name, _)| name == kind)) else { return Ok(None) };
    let horizon = field.section(&[name])?.need(name, "predicted_clv = \"52w\"")?;
    Ok(Some(match name {
        "predicted_clv" => Worth::Predicted(days(&horizon)?),
        "total_clv" => Worth::Total(days(&horizon)?),
        _ if matches!(&horizon.node.item, Item::Text(text) if text == "all") => Worth::Historic(None),
        _ => Worth::Historic(Some(days(&horizon)?)),
    }))
}

/// A duration of whole days.
pub(super) fn days(field: &Field<'_>) -> Result<u32, Fault> {
    let wrong = || field.wrong("a duration of whole days such as \"365d\" or \"52w\"");
    let Item::Text(_) = field.node.item else { return Err(wrong()) };
    let duration = Duration::parse(field.text()?).map_err(|problem| field.fault(Problem::invalid(problem)))?;
    duration.whole_days().and_then(|days| u32::try_from(days).ok()).ok_or_else(wrong)
}

/// A column, or one with the unit that its numbers are in.
pub(super) fn value_column(field: &Field<'_>) -> Result<(Column, bool), Fault> {
    if !matches!(field.node.item, Item::Table(_)) {
        return Ok((column(field)?, false));
    }
    let section = field.section(&["column", "sql", "unit"])?;
    let minor = match section.get("unit") {
        Some(unit) => unit.choice(&[("major", false), ("minor", true)])?,
        None => false,
    };
    let column = match (section.get("column"), section.get("sql")) {
        (Some(_), Some(sql)) => {
            return Err(sql.fault(Problem::invalid("expected either column or sql, found both")));
        }
        (None, Some(sql)) => Column::Sql(sql.text()?.to_owned()),
        (name, None) => {
            column(&name.ok_or_else(|| section.missing("column", "{ column = \"revenue_cents\", unit = \"minor\" }"))?)?
        }
    };
    Ok((column, minor))
}
