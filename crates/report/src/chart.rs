//! A chart of the page: its data as JSON, drawn by the script in `assets/page.js`. Names stand once, marks refer to them by
//! place, so that two names that are cut to the same letters stay two.

use maud::{Markup, html};
use serde::Serialize;

use crate::cell::shortened;

/// Names on axes are cut here.
const LONGEST_LABEL: usize = 26;

/// How a chart is drawn.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// A bar per row, cut into the parts of each series.
    Stack,
    /// A dot per series in each row, and a line from the least to the most.
    Range,
    /// A bar per row.
    Bars,
    /// A column per place, left to right.
    Columns,
    /// A line per series, left to right.
    Lines,
    /// A cell per row and column, darker where there is more.
    Heat,
    /// A dot per row, with a line from low to high.
    Interval,
}

/// A chart.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Chart {
    /// Its place in the page's addresses, unique.
    pub(crate) id: String,
    kind: Kind,
    /// What it shows.
    #[serde(skip)]
    pub(crate) title: String,
    /// Under which model and window, and by what definition.
    #[serde(skip)]
    pub(crate) definition: String,
    /// The table that has its numbers.
    #[serde(skip)]
    pub(crate) numbers: String,
    /// What the numbers are.
    unit: String,
    /// Whether the numbers are fractions.
    percent: bool,
    /// The names of the rows, top to bottom.
    rows: Vec<String>,
    /// The names of the columns (of a heat map, of lines) or series.
    series: Vec<String>,
    marks: Vec<Mark>,
}

/// Something drawn.
#[derive(Clone, Debug, Serialize)]
struct Mark {
    row: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    series: Option<usize>,
    number: f64,
    #[serde(skip_serializing_if = "String::is_empty")]
    label: String,
    title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    between: Option<[f64; 2]>,
}

impl Chart {
    /// A chart without marks, whose numbers are in the table `numbers`.
    pub(crate) fn new(kind: Kind, id: &str, title: impl Into<String>, numbers: &str) -> Self {
        Self {
            id: id.to_owned(),
            kind,
            title: title.into(),
            definition: String::new(),
            numbers: numbers.to_owned(),
            unit: String::new(),
            percent: false,
            rows: Vec::new(),
            series: Vec::new(),
            marks: Vec::new(),
        }
    }

    /// The same with its definition.
    pub(crate) fn defined(mut self, definition: impl Into<String>) -> Self {
        self.definition = definition.into();
        self
    }

    /// The same with what its numbers are.
    pub(crate) fn unit(mut self, unit: impl Into<String>) -> Self {
        self.unit = unit.into();
        self
    }

    /// The same, its numbers being fractions.
    pub(crate) fn percent(mut self) -> Self {
        self.percent = true;
        self
    }

    /// The same with the names of its rows.
    pub(crate) fn rows<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        self.rows = names.into_iter().map(|name| shortened(name, LONGEST_LABEL)).collect();
        self
    }

    /// The same with the names of its columns or series.
    pub(crate) fn series<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        self.series = names.into_iter().map(|name| shortened(name, LONGEST_LABEL)).collect();
        self
    }

    /// Adds something to draw; `label` is its number as text. Nothing is drawn of numbers that are not finite.
    pub(crate) fn mark(&mut self, row: usize, series: Option<usize>, number: f64, label: impl Into<String>) {
        self.push(row, series, number, label.into(), None);
    }

    /// Adds something to draw with a line from a low to a high number.
    pub(crate) fn interval(&mut self, row: usize, number: f64, between: [f64; 2], label: impl Into<String>) {
        if between.iter().all(|end| end.is_finite()) {
            self.push(row, None, number, label.into(), Some(between));
        }
    }

    /// Whether there is nothing to draw.
    pub(crate) fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    /// The place where the script draws.
    pub(crate) fn render(&self) -> Markup {
        html! {
            figure.chart id={ "figure-" (self.id) } {
                figcaption { h4 { (self.title) } p { (self.definition) } }
                div.drawing data-chart=(self.id) role="img" aria-label={ (self.title) ". " (self.definition) } {}
                p.note { "The numbers: " a href={ "#" (self.numbers) } { "as a table" } "." }
            }
        }
    }

    fn push(&mut self, row: usize, series: Option<usize>, number: f64, label: String, between: Option<[f64; 2]>) {
        if !number.is_finite() {
            return;
        }
        let name = |names: &[String], place: usize| names.get(place).cloned().unwrap_or_default();
        let series_name = series.map(|place| name(&self.series, place)).filter(|name| !name.is_empty());
        let names = [Some(name(&self.rows, row)).filter(|name| !name.is_empty()), series_name];
        let title = format!("{}: {label}", names.into_iter().flatten().collect::<Vec<_>>().join(" · "));
        self.marks.push(Mark { row, series, number, label, title, between });
    }
}

/// The data of all charts as JSON that can stand in a page: no `<`, so nothing in it ends a script or begins a comment.
pub(crate) fn json(charts: &[&Chart]) -> Result<String, serde_json::Error> {
    Ok(serde_json::to_string(charts)?.replace('<', "\\u003c"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_the_json() {
        let mut chart = Chart::new(Kind::Bars, "c", "C", "t").rows(["</script><script>alert(1)"]);
        chart.mark(0, None, 1.5, "1.50");
        chart.mark(0, None, f64::NAN, "none");
        let json = json(&[&chart]).expect("json");
        assert!(!json.contains('<'), "{json}");
        let read: serde_json::Value = serde_json::from_str(&json).expect("json again");
        assert_eq!(read[0]["rows"][0], "</script><script>alert(1)");
        assert_eq!(read[0]["marks"].as_array().map(Vec::len), Some(1));
    }
}
