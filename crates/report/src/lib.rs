//! A run as one self-contained HTML page: what marketing people and their controllers read, with the proof at its top.
//!
//! [`page`] reads the manifest and the Parquet tables of a published run. The page needs no network and no server; its tables
//! are plain HTML, and a script that is part of the page draws the charts. Names from the data are text wherever they stand.

mod cell;
mod chart;
mod data_table;
mod document;
mod error;
mod facts;
mod number;
mod run;
mod scan;
mod sections;
mod spend;
mod sums;

use std::path::Path;

use attributary_store::DiffReport;

pub use error::ReportError;

use facts::Facts;
use run::Run;
use sections::SECTIONS;

/// The most bytes that a page has.
pub const MOST_BYTES: usize = 3_000_000;

/// How many rows tables show, tried one after the other until the page is small enough.
const ROWS: &[usize] = &[data_table::MOST_ROWS, 100, 50, 20, 10, 5];

/// The page of a run, from the run's folder (`…/runs/<id>` or `…/current`). Sections whose tables the run lacks say how to get
/// them. The page has less than [`MOST_BYTES`] bytes: tables are cut to their first rows, and say so.
///
/// # Errors
/// [`ReportError::Store`] where there is no run or one of its files cannot be read.
pub fn page(run_folder: &Path) -> Result<String, ReportError> {
    page_of(run_folder, None)
}

/// The same, with what changed since an earlier run and why.
///
/// # Errors
/// As [`page`].
pub fn page_against(run_folder: &Path, diff: DiffReport) -> Result<String, ReportError> {
    page_of(run_folder, Some(diff))
}

fn page_of(run_folder: &Path, diff: Option<DiffReport>) -> Result<String, ReportError> {
    let facts = Facts::read(Run::open(run_folder)?, diff)?;
    let sections = SECTIONS.iter().map(|section| Ok((section, (section.make)(&facts)?)));
    let sections = sections.collect::<Result<Vec<_>, ReportError>>()?;
    let mut bytes = 0;
    for rows in ROWS {
        let page = document::render(&facts, &sections, *rows)?;
        if page.len() < MOST_BYTES {
            return Ok(page);
        }
        bytes = page.len();
    }
    Err(ReportError::TooLarge { bytes, limit: MOST_BYTES })
}
