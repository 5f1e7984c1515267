//! What each campaign got under every model.

use maud::html;

use super::Block;
use super::channels::model_head;
use super::shown::{absent, says};
use crate::cell::Cell;
use crate::data_table::{DataTable, Head};
use crate::error::ReportError;
use crate::facts::Facts;
use crate::sums::{Sums, UNATTRIBUTED};

/// Makes the section.
pub(super) fn make(facts: &Facts) -> Result<Vec<Block>, ReportError> {
    let sums = Sums::read(&facts.run, &["channel", "campaign"])?.filter(|sums| !sums.pairs.is_empty());
    let Some((value, sums)) = facts.run.main_value().zip(sums) else {
        let how = html! { "Map a campaign column in " code { "[touchpoints]" } " and add a " code { "[[table]]" } " with " code { "by = [\"channel\", \"campaign\"]" } "." };
        return Ok(vec![absent("No table of this run has conversions by campaign.", &how)]);
    };
    let (main, window) = (facts.run.main_model(), facts.run.main_window());
    let models = sums.models(window);
    let mut table = DataTable::new("t-campaigns", format!("Campaigns: {} under every model, window {window}", value.name), &sums.table)
        .defined(format!(
            "{} in {}: what each campaign of a channel got under each model, window {window}. (not set) are touches without a campaign; \
             {UNATTRIBUTED} conversions are left out.",
            value.name, value.currency
        ))
        .ordered(format!("by {} under {main}", value.name))
        .heads([Head::text("campaign"), Head::text("channel")])
        .heads(models.iter().map(|model| model_head(facts, model)));
    for names in sums.ranked(main, window, 0) {
        table.row_of(|| {
            let name = |place: usize| Cell::name(names.get(place).map(String::as_str));
            let amount = |model: &&str| Cell::amount(sums.of(model, window, &names).value(0), value);
            [name(1), name(0)].into_iter().chain(models.iter().map(amount)).collect()
        });
    }
    let mut blocks = vec![Block::Table(table)];
    if !sums.left_out.is_empty() {
        blocks.push(says(format!(
            "Left out, as what they give does not add up over the rows of {}: {}. A table with by = [\"channel\", \"campaign\"] has them.",
            sums.table,
            sums.left_out.join(", ")
        )));
    }
    Ok(blocks)
}
