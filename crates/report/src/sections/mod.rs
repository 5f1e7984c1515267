//! The sections of the page, one file each, in the order of the page.

mod budget;
mod campaigns;
mod changes;
mod channels;
mod cohorts;
mod journeys;
mod learned;
mod quality;
mod returns;
mod segments;
mod settings;
mod shown;
mod spread;
mod summary;
mod windows;

use maud::Markup;

use crate::chart::Chart;
use crate::data_table::DataTable;
use crate::error::ReportError;
use crate::facts::Facts;

pub(crate) use settings::range_words;

/// A section: where it is, its title, and what makes it.
pub(crate) struct SectionSpec {
    /// Its place in the page's addresses.
    pub(crate) id: &'static str,
    /// Its title.
    pub(crate) title: &'static str,
    /// Makes its blocks.
    pub(crate) make: fn(&Facts) -> Result<Vec<Block>, ReportError>,
}

/// Every section, in the order of the page.
pub(crate) const SECTIONS: &[SectionSpec] = &[
    SectionSpec { id: "summary", title: "Summary and proof", make: summary::make },
    SectionSpec { id: "channels", title: "Channels under every model", make: channels::make },
    SectionSpec { id: "spread", title: "Spread between models", make: spread::make },
    SectionSpec { id: "campaigns", title: "Campaigns", make: campaigns::make },
    SectionSpec { id: "windows", title: "Window sensitivity", make: windows::make },
    SectionSpec { id: "journeys", title: "Journeys", make: journeys::make },
    SectionSpec { id: "learned", title: "What models learnt", make: learned::make },
    SectionSpec { id: "returns", title: "Spend and returns", make: returns::make },
    SectionSpec { id: "budget", title: "Budget and what-if", make: budget::make },
    SectionSpec { id: "cohorts", title: "Cohorts", make: cohorts::make },
    SectionSpec { id: "segments", title: "Customer segments", make: segments::make },
    SectionSpec { id: "changes", title: "What changed, and why", make: changes::make },
    SectionSpec { id: "quality", title: "Data quality", make: quality::make },
    SectionSpec { id: "settings", title: "Settings in words", make: settings::make },
];

/// A part of a section.
pub(crate) enum Block {
    /// Prose, headings, cards.
    Html(Markup),
    /// A chart.
    Chart(Chart),
    /// A table.
    Table(DataTable),
    /// Blocks that are folded away at first.
    Folded(String, Vec<Block>),
}
