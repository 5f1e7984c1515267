//! Tables for people: aligned, one line a row, no wider than the page where that can be.

use unicode_width::UnicodeWidthStr;

use crate::style::{Palette, Tone};
use crate::text::{WIDTH, shown, shown_path};

/// Cells are cut here, whatever else is in the row.
const WIDEST: usize = 60;
const GAP: &str = "  ";

/// A column: its heading and what its cells are.
#[derive(Clone, Debug)]
pub struct Column {
    head: String,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Aligned at the right, never cut.
    Number,
    /// Aligned at the left, never cut but at [`WIDEST`].
    Word,
    /// Aligned at the left, cut to so many columns if the page is too narrow.
    Text(usize),
    /// As a text, cut at its beginning.
    Path(usize),
}

/// Numbers: never cut.
pub fn number(head: &str) -> Column {
    Column { head: shown(head, WIDEST), kind: Kind::Number }
}

/// Words that are known to be short.
pub fn word(head: &str) -> Column {
    Column { head: shown(head, WIDEST), kind: Kind::Word }
}

/// Text from data: cut to `least` columns if need be.
pub fn text(head: &str, least: usize) -> Column {
    Column { head: shown(head, WIDEST), kind: Kind::Text(least) }
}

/// Paths of files: cut at their beginning to `least` columns if need be.
pub fn path(head: &str, least: usize) -> Column {
    Column { head: shown(head, WIDEST), kind: Kind::Path(least) }
}

/// Columns and rows. Cells are escaped as they come in.
#[derive(Clone, Debug)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<(Tone, Vec<String>)>,
    page: usize,
}

impl Table {
    /// A table without rows.
    pub fn new(columns: impl IntoIterator<Item = Column>) -> Self {
        Self { columns: columns.into_iter().collect(), rows: Vec::new(), page: WIDTH }
    }

    /// The same for a page of another width.
    pub fn within(self, page: usize) -> Self {
        Self { page, ..self }
    }

    /// Adds a row.
    pub fn row<T: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.toned(Tone::Plain, cells);
    }

    /// Adds a row that stands out or back.
    pub fn toned<T: AsRef<str>>(&mut self, tone: Tone, cells: impl IntoIterator<Item = T>) {
        let cells = cells.into_iter().zip(&self.columns).map(|(cell, column)| match column.kind {
            Kind::Path(_) => shown_path(cell.as_ref(), WIDEST),
            _ => shown(cell.as_ref(), WIDEST),
        });
        self.rows.push((tone, cells.collect()));
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table, each line with so many spaces before it; nothing without rows.
    pub fn render(&self, indent: usize, palette: &Palette) -> String {
        if self.is_empty() {
            return String::new();
        }
        let widths = self.widths(indent);
        let mut page = String::new();
        let heads: Vec<String> = self.columns.iter().map(|column| column.head.clone()).collect();
        for (tone, cells) in std::iter::once((&Tone::Head, &heads)).chain(self.rows.iter().map(|(tone, cells)| (tone, cells))) {
            let cells = cells.iter().zip(&self.columns).zip(&widths).map(|((cell, column), width)| column.cell(cell, *width));
            let line = cells.collect::<Vec<_>>().join(GAP);
            page.push_str(&" ".repeat(indent));
            page.push_str(&palette.tone(*tone, line.trim_end()));
            page.push('\n');
        }
        page
    }

    fn widths(&self, indent: usize) -> Vec<usize> {
        let widest = |place: usize| {
            let cells = self.rows.iter().filter_map(|(_, cells)| cells.get(place));
            cells.map(|cell| cell.width()).max().unwrap_or(0).max(self.columns[place].head.width())
        };
        let mut widths: Vec<usize> = (0..self.columns.len()).map(widest).collect();
        let page = self.page.saturating_sub(indent + GAP.len() * widths.len().saturating_sub(1));
        // The widest column that may give way does, until all fit.
        for _ in page..widths.iter().sum() {
            let may = |place: &usize| self.columns[*place].least().is_some_and(|least| widths[*place] > least);
            let Some(place) = (0..widths.len()).filter(may).max_by_key(|place| widths[*place]) else { break };
            widths[place] -= 1;
        }
        widths
    }
}

impl Column {
    fn least(&self) -> Option<usize> {
        match self.kind {
            Kind::Number | Kind::Word => None,
            Kind::Text(least) | Kind::Path(least) => Some(least.max(self.head.width())),
        }
    }

    fn cell(&self, cell: &str, width: usize) -> String {
        let cell = match self.kind {
            Kind::Path(_) => shown_path(cell, width),
            _ => shown(cell, width),
        };
        let room = " ".repeat(width.saturating_sub(cell.width()));
        if self.kind == Kind::Number { room + &cell } else { cell + &room }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let mut table = Table::new([text("channel", 8), number("revenue"), word("window")]);
        table.row(["search", "1,234.50", "30d"]);
        table.row(["検索", "-7.00", "all"]);
        table.row(["a\nb", "0.00", ""]);
        assert_eq!(
            table.render(2, &Palette::PLAIN),
            "  channel   revenue  window\n  search   1,234.50  30d\n  検索        -7.00  all\n  a\\nb         0.00\n"
        );
        assert_eq!(Table::new([word("x")]).render(0, &Palette::PLAIN), "");
    }

    #[test]
    fn what_may_give_way_does_until_the_page_is_wide_enough() {
        let mut table = Table::new([text("channel", 10), path("file", 20), number("amount")]);
        table.row(["c".repeat(10_000), "out/touchpoints/".repeat(9) + "2026-01-01.parquet", "1,000,000,000,000.00".to_owned()]);
        let page = table.render(0, &Palette::PLAIN);
        assert!(page.lines().all(|line| line.width() <= WIDTH), "{page}");
        assert!(page.contains("ccc…") && page.contains("2026-01-01.parquet") && page.contains("1,000,000,000,000.00"), "{page}");
    }
}
