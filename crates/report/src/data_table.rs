//! A table of the page: plain HTML that can be read without scripts. A script makes it sortable, filterable and exportable.

use maud::{Markup, html};

use crate::cell::Cell;
use crate::number::{grouped, things};

/// The most rows that a table is collected with; the page may show fewer.
pub(crate) const MOST_ROWS: usize = 200;

/// From this many rows on a table has a filter.
const FILTER_FROM: usize = 9;

/// How many rows are printed: `page.css` hides those behind.
const ON_PAPER: usize = 30;

/// Texts of more letters than these get room in their column.
const LONG_TEXT: usize = 40;

/// A table.
pub(crate) struct DataTable {
    /// Its place in the page's addresses, unique.
    pub(crate) id: String,
    /// What it is.
    pub(crate) title: String,
    /// Under which model and window, and by what definition.
    pub(crate) definition: String,
    /// The columns.
    pub(crate) heads: Vec<Head>,
    /// The rows that may be shown, at most [`MOST_ROWS`].
    pub(crate) rows: Vec<Vec<Cell>>,
    /// How many there are, in which order the first ones were taken, and which table has them all.
    pub(crate) whole: Whole,
}

/// What a table would have if nothing were cut.
pub(crate) struct Whole {
    /// Its rows.
    pub(crate) rows: usize,
    /// What the first ones are first by: `by revenue under last_touch`.
    pub(crate) order: String,
    /// The folder of the Parquet files that have everything.
    pub(crate) source: String,
}

/// A column.
pub(crate) struct Head {
    /// Its name.
    pub(crate) title: String,
    /// A remark below it, such as `not additive`.
    pub(crate) note: Option<String>,
    /// Whether its cells are numbers.
    pub(crate) numeric: bool,
}

impl Head {
    /// A column of names.
    pub(crate) fn text(title: &str) -> Self {
        Self { title: crate::cell::shortened(title, 60), note: None, numeric: false }
    }

    /// A column of numbers.
    pub(crate) fn number(title: &str) -> Self {
        Self { numeric: true, ..Self::text(title) }
    }

    /// The same with a remark.
    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }
}

impl DataTable {
    /// A table of rows in their order, whose source is the table of that name; rows beyond [`MOST_ROWS`] are cut.
    pub(crate) fn new(id: &str, title: impl Into<String>, source: &str) -> Self {
        let whole = Whole { rows: 0, order: "in the order of the table".to_owned(), source: source.to_owned() };
        let (id, title) = (id.to_owned(), title.into());
        Self { id, title, definition: String::new(), heads: Vec::new(), rows: Vec::new(), whole }
    }

    /// The same with its definition.
    pub(crate) fn defined(mut self, definition: impl Into<String>) -> Self {
        self.definition = definition.into();
        self
    }

    /// The same with these columns.
    pub(crate) fn heads(mut self, heads: impl IntoIterator<Item = Head>) -> Self {
        self.heads.extend(heads);
        self
    }

    /// The same, its rows being first by something.
    pub(crate) fn ordered(mut self, order: impl Into<String>) -> Self {
        self.whole.order = order.into();
        self
    }

    /// Adds a row; those beyond the most are counted only.
    pub(crate) fn row(&mut self, cells: Vec<Cell>) {
        self.row_of(|| cells);
    }

    /// The same of cells that are made only where they are kept.
    pub(crate) fn row_of(&mut self, cells: impl FnOnce() -> Vec<Cell>) {
        self.whole.rows += 1;
        if self.rows.len() < MOST_ROWS {
            self.rows.push(cells());
        }
    }

    /// Leaves out columns that say nothing, or the same text in every row, and says so in the definition.
    pub(crate) fn without_repetition(&mut self) {
        if self.rows.len() < 2 {
            return;
        }
        let (mut same, mut empty) = (Vec::new(), Vec::new());
        let mut keep = Vec::new();
        for (place, head) in self.heads.iter().enumerate() {
            let first = self.rows.first().and_then(|row| row.get(place));
            let repeated = self.rows.iter().all(|row| row.get(place) == first);
            match first {
                Some(Cell::Empty) if repeated => empty.push(head.title.clone()),
                Some(Cell::Text(text)) if repeated => same.push(format!("{} is “{text}”", head.title)),
                _ => keep.push(place),
            }
        }
        if keep.is_empty() || keep.len() == self.heads.len() {
            return;
        }
        let mut places = 0..;
        self.heads.retain(|_| places.next().is_some_and(|place| keep.contains(&place)));
        for row in &mut self.rows {
            let mut places = 0..;
            row.retain(|_| places.next().is_some_and(|place| keep.contains(&place)));
        }
        if !same.is_empty() {
            self.definition += &format!(" In each of these rows {}.", same.join(", "));
        }
        if !empty.is_empty() {
            self.definition += &format!(" Without a figure in these rows, and left out: {}.", empty.join(", "));
        }
    }

    /// As HTML, with at most `rows` rows.
    pub(crate) fn render(&self, rows: usize) -> Markup {
        let shown = self.rows.len().min(rows);
        let (title_id, hint_id) = (format!("{}-title", self.id), format!("{}-cut", self.id));
        let cut = self.whole.rows > shown;
        html! {
            div.table-block {
                div.table-head {
                    h4 id=(title_id) { bdi { (self.title) } }
                    div.tools hidden {
                        @if shown >= FILTER_FROM {
                            label { span.quiet { "Filter" } " " input type="search" data-filter=(self.id) autocomplete="off" aria-label={ "Filter " (self.title) }; }
                            span.quiet role="status" data-count=(self.id) {}
                        }
                        button type="button" data-csv=(self.id) aria-label={ "Save " (self.title) " as CSV" } { "CSV" }
                    }
                }
                div.scroll tabindex="0" role="region" aria-labelledby=(title_id) {
                    table.sortable.n-last id=(self.id) aria-describedby=[cut.then_some(&hint_id)] {
                        caption { span { (self.definition) } }
                        thead { tr { @for head in &self.heads { (self.head(head)) } } }
                        tbody { @for row in self.rows.iter().take(shown) { tr { @for (place, cell) in row.iter().enumerate() { (self.cell(cell, place)) } } } }
                    }
                }
                @if self.whole.rows == 0 { p.note { "No rows." } }
                @if shown > ON_PAPER { p.note.paper { "On paper the first " (ON_PAPER) " of " (shown) " rows." } }
                @if cut {
                    p.note id=(hint_id) {
                        "The first " (grouped(&shown.to_string())) " of " (things(self.whole.rows, "row")) ", " (self.whole.order)
                        @if !self.whole.source.is_empty() { "; all are in the Parquet table " code { (self.whole.source) } }
                        "."
                    }
                }
            }
        }
    }

    fn head(&self, head: &Head) -> Markup {
        html! {
            th scope="col" class=[head.numeric.then_some("number")] {
                bdi { (head.title) }
                @if let Some(note) = &head.note { " " span.note { (note) } }
            }
        }
    }

    /// The cell of a column. The first one names its row.
    fn cell(&self, cell: &Cell, place: usize) -> Markup {
        let content = match cell {
            Cell::Empty => html! { span.quiet aria-label="none" { "–" } },
            Cell::Text(text) => {
                let prose = text.contains(' ') && text.chars().count() > LONG_TEXT;
                html! { bdi class=[prose.then_some("prose")] { (text) } }
            }
            Cell::Number { shown, .. } => html! { (shown) },
        };
        let exact = match cell {
            Cell::Number { shown, exact } if shown != exact => Some(exact.as_str()),
            Cell::Empty => Some(""),
            _ => None,
        };
        let numeric = self.heads.get(place).is_some_and(|head| head.numeric);
        html! {
            @if place == 0 {
                th scope="row" class=[numeric.then_some("number")] data-sort=[exact] { (content) }
            } @else {
                td class=[numeric.then_some("number")] data-sort=[exact] { (content) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_the_same_in_every_row_is_said_once() {
        let heads = [Head::text("channel"), Head::text("roi on"), Head::number("cpl"), Head::number("roas")];
        let mut table = DataTable::new("t", "Returns", "returns").defined("Ratios.").heads(heads);
        for channel in ["search", "email"] {
            table.row(vec![Cell::text(channel), Cell::text("margin"), Cell::Empty, Cell::count(2)]);
        }
        table.without_repetition();
        assert_eq!(table.heads.iter().map(|head| head.title.as_str()).collect::<Vec<_>>(), ["channel", "roas"]);
        assert_eq!(table.rows, [vec![Cell::text("search"), Cell::count(2)], vec![Cell::text("email"), Cell::count(2)]]);
        assert_eq!(
            table.definition,
            "Ratios. In each of these rows roi on is “margin”. Without a figure in these rows, and left out: cpl."
        );
    }

    #[test]
    fn names_are_text_and_what_is_cut_is_said() {
        let mut table = DataTable::new("t", "Campaigns", "by_campaign").heads([Head::text("campaign"), Head::number("revenue")]);
        for place in 0..300 {
            table.row(vec![Cell::text("\"><img src=x onerror=alert(1)>"), Cell::decimal(place * 100_000, 2)]);
        }
        let page = table.ordered("by revenue").render(2).into_string();
        assert!(!page.contains("<img"), "{page}");
        assert!(page.contains("<bdi>&quot;&gt;&lt;img src=x onerror=alert(1)&gt;</bdi>"), "{page}");
        assert!(
            page.contains("The first 2 of 300 rows, by revenue; all are in the Parquet table <code>by_campaign</code>."),
            "{page}"
        );
        assert!(page.contains(r#"<td class="number" data-sort="1000.00">1,000.00</td>"#), "{page}");
        assert!(page.contains(r#"<td class="number">0.00</td>"#), "{page}");
    }
}
