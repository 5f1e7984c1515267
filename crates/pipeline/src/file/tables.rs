//! `[[table]]`: the grouped tables.

use super::error::{Fault, Problem};
use super::names::{GroupColumn, table_name};
use super::pipeline::{Conversions, TableEntry, Touchpoints};
use super::section::{Field, Section};

/// `timed`: whether anybody knows when touches were.
pub(super) fn tables(
    root: &Section<'_>,
    (touchpoints, conversions): (&Touchpoints, &Conversions),
    timed: bool,
) -> Result<Vec<TableEntry>, Fault> {
    let fields = root.get("table").map(|field| field.tables()).transpose()?.unwrap_or_default();
    if fields.is_empty() {
        return Ok(defaults(timed));
    }
    let mut tables: Vec<TableEntry> = Vec::new();
    for field in fields {
        let section = field.section(&["name", "by"])?;
        let name = section.need("name", "name = \"by_campaign\"")?;
        let entry = TableEntry { name: table_name(&name)?.to_owned(), by: by(&section, (touchpoints, conversions), timed)? };
        if tables.iter().any(|earlier| earlier.name == entry.name) {
            return Err(name.fault(Problem::Twice(entry.name)));
        }
        tables.push(entry);
    }
    Ok(tables)
}

/// The tables of a pipeline that names none. A campaign that is not mapped is null there, which a table of one's own is not
/// allowed.
fn defaults(timed: bool) -> Vec<TableEntry> {
    use GroupColumn::{Campaign, Channel, ConversionDate};
    let table = |name: &str, by: &[GroupColumn]| TableEntry { name: name.to_owned(), by: by.to_vec() };
    let by_day = timed.then(|| table("attributed_revenue", &[ConversionDate, Channel, Campaign]));
    by_day.into_iter().chain([table("by_channel", &[Channel]), table("total", &[])]).collect()
}

fn by(
    section: &Section<'_>,
    (touchpoints, conversions): (&Touchpoints, &Conversions),
    timed: bool,
) -> Result<Vec<GroupColumn>, Fault> {
    let by = section.need("by", "by = [\"conversion_week\", \"channel\"]")?;
    let column = |field: &Field<'_>| match column(field, touchpoints, conversions)? {
        column if !timed && column.asks_for_times() => Err(field.fault(Problem::Timeless)),
        column => Ok(column),
    };
    by.texts("[\"conversion_week\", \"channel\"]")?.iter().map(column).collect()
}

pub(super) fn column(field: &Field<'_>, touchpoints: &Touchpoints, conversions: &Conversions) -> Result<GroupColumn, Fault> {
    let found = field.text()?;
    let dimensions: Vec<_> = touchpoints.dimensions.iter().map(|dimension| dimension.name.as_str()).collect();
    let all = GroupColumn::FIXED.into_iter().chain((0..dimensions.len()).map(GroupColumn::Dimension));
    let Some(column) = all.clone().find(|column| column.name(&dimensions) == found) else {
        let choices = all.map(|column| column.name(&dimensions).to_owned()).collect();
        return Err(field.fault(Problem::UnknownWord { found: found.to_owned(), choices }));
    };
    let needs = match column {
        GroupColumn::Campaign if touchpoints.campaign.is_none() => "touchpoints.columns.campaign",
        GroupColumn::Interaction if touchpoints.interaction.is_none() => "touchpoints.columns.interaction",
        GroupColumn::Kind if conversions.kind.is_none() => "conversions.columns.kind",
        _ => return Ok(column),
    };
    Err(field.fault(Problem::Unmapped { what: format!("{found:?}"), column: needs }))
}
