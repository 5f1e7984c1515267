//! What models learnt from all journeys: what channels contribute, how sure that is, and how good the models are.

use maud::html;

use super::Block;
use super::shown::{As, Wanted, absent, every_column, rows_as_they_stand, says};
use crate::data_table::DataTable;
use crate::error::ReportError;
use crate::facts::Facts;

/// Fractions, whichever table they are in.
const FRACTIONS: &[&str] = &["removal_effect", "share", "low", "high", "probability"];

/// Makes the section.
pub(super) fn make(facts: &Facts) -> Result<Vec<Block>, ReportError> {
    if facts.run.table("model_fit").is_none() {
        let how = html! { "Add a " code { "[[model]]" } " that learns, such as " code { "kind = \"markov\"" } "." };
        return Ok(vec![absent("No model of this run learns from journeys.", &how)]);
    }
    let mut blocks = vec![says(
        "Learnt from all journeys, those of customers who did not convert included where the model asks for them. Conversions and values here are divided by \
         the shares alone, all at once; what channels get conversion by conversion is in the tables of the other sections, and need \
         not be the same.",
    )];
    let effects = "What would be lost without a channel, as a part of all conversions; of a group, without all of its channels.";
    let values = "What a channel adds to the others: conversions, or a rate, as the model measures. Below zero it takes away.";
    let intervals = "Between low and high lies the share in nine of ten fits to customers drawn at random.";
    blocks.extend(table(facts, "removal_effects", "Removal effects", effects, Some("conversions"))?);
    blocks.extend(table(facts, "shapley_values", "Contributions", values, Some("conversions"))?);
    blocks.extend(table(facts, "intervals", "How sure the shares are", intervals, None)?);
    let fit = "What each model learnt from, how it was solved, and how well it foretells customers that it did not see.";
    let steps = "How many journeys went from one state to another, and what part of those that were there.";
    let mut details = Vec::new();
    details.extend(table(facts, "model_fit", "How good the models are", fit, None)?);
    details.extend(table(facts, "transitions", "Steps of the chains", steps, Some("count"))?);
    blocks.push(Block::Folded("How the models were fitted".to_owned(), details));
    Ok(blocks)
}

/// A table of the run as it stands, if it has rows.
fn table(facts: &Facts, source: &str, title: &str, defined: &str, by: Option<&str>) -> Result<Option<Block>, ReportError> {
    if facts.run.table(source).is_none_or(|table| table.rows == 0) {
        return Ok(None);
    }
    let id = format!("t-learned-{}", source.replace('_', "-"));
    let table = DataTable::new(&id, title, source).defined(defined);
    let columns = every_column(&facts.run, source, &[], FRACTIONS)?;
    // Contributions and statistics are no ratios: two digits would not do.
    let itself = |wanted: Wanted| if wanted.shown == As::Ratio { Wanted { shown: As::Itself, ..wanted } } else { wanted };
    let columns = columns.into_iter().map(itself).collect();
    Ok(Some(Block::Table(rows_as_they_stand(&facts.run, source, table, columns, by, |_| true)?)))
}
