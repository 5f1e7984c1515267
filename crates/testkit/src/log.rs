//! Logs as people write them: text tables, and journeys in one line each.
//!
//! A text table has a line of column names and a line per row, cells apart by `|` where the first line has one, else by
//! spaces. `-` or nothing is null, `""` is empty text, quotes keep spaces together. Lines that begin with `#` are left out. A line
//! with `{1..30}` in it stands for thirty lines, with 1 in that place in the first, 2 in the second and so on.
//!
//! A journey is `organic > social/spring@8d = 100`: touches oldest first, each a channel, perhaps a campaign, perhaps its
//! age at the conversion; then what the conversion is worth. Without `=` it led to no conversion. Touches without an age
//! are a day apart, the last one day before. Line *n* is customer `c`*n* with order `o`*n*, all at [`JOURNEY_END`].

use attributary_core::duration::{DAY, Duration};
use attributary_core::time::{self, Zone};

/// When the conversions of journeys in one line happen.
pub const JOURNEY_END: &str = "2025-03-01T12:00:00Z";

/// A table as text; none is null.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TextTable {
    /// Column names.
    pub columns: Vec<String>,
    /// One cell per column in each.
    pub rows: Vec<Vec<Option<String>>>,
}

impl TextTable {
    /// Reads a text table.
    ///
    /// # Errors
    /// Where there is no line of names, or a row has another number of cells.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let head = lines.next().ok_or("a table needs a line of column names")?;
        let bars = head.contains('|');
        let columns = cells(head, bars)?.into_iter().map(|name| name.ok_or_else(|| format!("a column without name in {head:?}")));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        let mut rows = Vec::new();
        for line in lines.map(repeated).collect::<Result<Vec<_>, _>>()?.into_iter().flatten() {
            let row = cells(&line, bars)?;
            if row.len() != columns.len() {
                return Err(format!("expected {} cells ({}), found {} in {line:?}", columns.len(), columns.join(" "), row.len()));
            }
            rows.push(row);
        }
        Ok(Self { columns, rows })
    }
}

/// Reads journeys into touchpoints (`customer`, `time`, `channel`, and `campaign` where one is named) and conversions
/// (`id`, `customer`, `time`, `revenue`).
///
/// # Errors
/// Says what is wrong with which line.
pub fn journeys(text: &str) -> Result<(TextTable, TextTable), String> {
    let end = time::parse_instant(JOURNEY_END, &Zone::utc()).ok_or("the end of journeys is no time")?;
    let campaigns = text.contains('/');
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let mut touches = TextTable { columns: names(&["customer", "time", "channel"]), rows: Vec::new() };
    if campaigns {
        touches.columns.push("campaign".to_owned());
    }
    let mut conversions = TextTable { columns: names(&["id", "customer", "time", "revenue"]), rows: Vec::new() };
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    for (line, number) in lines.zip(1..) {
        let (path, worth) = line.split_once('=').map_or((line, None), |(path, worth)| (path, Some(worth.trim())));
        let customer = Some(format!("c{number}"));
        let steps: Vec<_> = path.split('>').map(str::trim).filter(|step| !step.is_empty()).collect();
        for (place, step) in steps.iter().enumerate() {
            let (name, age) = match step.split_once('@') {
                Some((name, age)) => (name, Duration::parse(age).map_err(|wrong| format!("{line:?}: {wrong}"))?.micros()),
                None => (*step, (steps.len() - place) as i64 * DAY),
            };
            let (channel, campaign) =
                name.split_once('/').map_or((name, None), |(channel, rest)| (channel, Some(rest.to_owned())));
            let mut row = vec![customer.clone(), Some(time::instant_text(end - age)), Some(channel.to_owned())];
            if campaigns {
                row.push(campaign);
            }
            touches.rows.push(row);
        }
        if let Some(worth) = worth {
            let (id, time) = (Some(format!("o{number}")), Some(JOURNEY_END.to_owned()));
            conversions.rows.push(vec![id, customer, time, Some(worth.to_owned())]);
        }
    }
    Ok((touches, conversions))
}

/// The lines that a line with `{1..30}` stands for, in all places that it has one, which are of the same length.
fn repeated(line: &str) -> Result<Vec<String>, String> {
    let wrong = || format!("expected such as {{1..30}}, in each place as many, in {line:?}");
    let mut lines: Option<Vec<String>> = None;
    for part in line.split_inclusive('}') {
        let Some((before, span)) = part.strip_suffix('}').and_then(|part| part.split_once('{')) else {
            lines.iter_mut().flatten().for_each(|line| line.push_str(part));
            lines.get_or_insert_with(|| vec![part.to_owned()]);
            continue;
        };
        let (first, last) = span.split_once("..").ok_or_else(wrong)?;
        let (first, last): (u32, u32) = (first.parse().map_err(|_| wrong())?, last.parse().map_err(|_| wrong())?);
        let numbers: Vec<u32> = (first..=last).collect();
        let of_before = lines.unwrap_or_else(|| vec![String::new(); numbers.len()]);
        if of_before.len() != numbers.len() {
            return Err(wrong());
        }
        lines = Some(of_before.iter().zip(&numbers).map(|(line, number)| format!("{line}{before}{number}")).collect());
    }
    Ok(lines.unwrap_or_default())
}

fn cells(line: &str, bars: bool) -> Result<Vec<Option<String>>, String> {
    let null = |cell: String| (!cell.is_empty() && cell != "-").then_some(cell);
    let unquoted = |cell: &str| match cell.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(inner) => Some(inner.to_owned()),
        None => null(cell.to_owned()),
    };
    if bars {
        return Ok(line.split('|').map(|cell| unquoted(cell.trim())).collect());
    }
    let (mut found, mut rest) = (Vec::new(), line.trim());
    while !rest.is_empty() {
        let end = match rest.strip_prefix('"') {
            Some(inner) => inner.find('"').ok_or_else(|| format!("a quote is not closed in {line:?}"))? + 2,
            None => rest.find(char::is_whitespace).unwrap_or(rest.len()),
        };
        found.push(unquoted(&rest[..end]));
        rest = rest[end..].trim_start();
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(cells: &[&str]) -> Vec<Option<String>> {
        cells.iter().map(|cell| Some((*cell).to_owned())).collect()
    }

    #[test]
    fn tables_by_spaces_and_by_bars() {
        let spaces = TextTable::parse("a b c\n# a remark\n1 - \"\"\n\"(not set)\" 2 3\n").expect("a table");
        assert_eq!(spaces.rows[0], [Some("1".to_owned()), None, Some(String::new())]);
        assert_eq!(spaces.rows[1], some(&["(not set)", "2", "3"]));
        let bars = TextTable::parse("path | n\n a > b | 2\n | -").expect("a table");
        assert_eq!(bars.rows, [some(&["a > b", "2"]), vec![None, None]]);
        assert!(TextTable::parse("a b\n1").is_err_and(|wrong| wrong.contains("expected 2 cells")));
        assert!(TextTable::parse("").is_err());
    }

    #[test]
    fn one_line_for_many() {
        let many = TextTable::parse("id customer worth\no{1..3} c{8..10} 5\nx y 6").expect("a table");
        assert_eq!(many.rows, [["o1", "c8", "5"], ["o2", "c9", "5"], ["o3", "c10", "5"], ["x", "y", "6"]].map(|row| some(&row)));
        assert!(TextTable::parse("id customer\no{1..3} c{1..2}").is_err());
        assert!(TextTable::parse("id\no{1}").is_err());
    }

    #[test]
    fn a_journey_in_one_line() {
        let (touches, conversions) = journeys("email@8d > paid/spring@12h = 100\nsocial > email").expect("journeys");
        assert_eq!(touches.columns, ["customer", "time", "channel", "campaign"]);
        assert_eq!(touches.rows[1], some(&["c1", "2025-03-01T00:00:00Z", "paid", "spring"]));
        assert_eq!(touches.rows[2][1].as_deref(), Some("2025-02-27T12:00:00Z"));
        assert_eq!(conversions.rows, [some(&["o1", "c1", JOURNEY_END, "100"])]);
    }
}
