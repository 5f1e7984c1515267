//! What several sections share: the run, its ledger, and what each channel got.

use attributary_store::DiffReport;

use crate::error::ReportError;
use crate::run::{Run, SPEND, ValueColumn};
use crate::spend::Spend;
use crate::sums::{NOT_SET, Sums, UNATTRIBUTED};

/// What several sections share.
pub(crate) struct Facts {
    /// The run.
    pub(crate) run: Run,
    /// The lines of the ledger, in the pipeline's order of values, windows and models.
    pub(crate) ledger: Vec<LedgerLine>,
    /// What each channel got; none where no table has channels.
    pub(crate) channels: Option<Sums>,
    /// What was spent and what it brought; none where nothing says what was spent.
    pub(crate) spend: Option<Spend>,
    /// What changed since an earlier run; none where nobody asked.
    pub(crate) diff: Option<DiffReport>,
}

/// source = attributed + unattributed + rejected, of one model, window and value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LedgerLine {
    pub(crate) model: String,
    pub(crate) window: String,
    pub(crate) value: String,
    pub(crate) source: i128,
    pub(crate) attributed: i128,
    pub(crate) unattributed: i128,
    pub(crate) rejected: i128,
    pub(crate) difference: i128,
}

impl Facts {
    /// Reads what several sections need.
    pub(crate) fn read(run: Run, diff: Option<DiffReport>) -> Result<Self, ReportError> {
        let (ledger, channels, spend) = (ledger(&run)?, Sums::read(&run, &["channel"])?, Spend::read(&run)?);
        Ok(Self { run, ledger, channels, spend, diff })
    }

    /// The value that charts show, and the sums of the channels, where there are both.
    pub(crate) fn main(&self) -> Option<(&ValueColumn, &Sums)> {
        self.run.main_value().zip(self.channels.as_ref()).filter(|(_, sums)| !sums.pairs.is_empty())
    }

    /// A line of the ledger.
    pub(crate) fn line(&self, model: &str, window: &str, value: &str) -> Option<&LedgerLine> {
        self.ledger.iter().find(|line| line.model == model && line.window == window && line.value == value)
    }

    /// The value of a line of the ledger.
    pub(crate) fn value_of(&self, line: &LedgerLine) -> Option<&ValueColumn> {
        if line.model == SPEND { self.run.spend.as_ref() } else { self.run.values.iter().find(|value| value.name == line.value) }
    }

    /// The additive models that have sums under a window.
    pub(crate) fn additive_models<'a>(&self, sums: &'a Sums, window: &str) -> Vec<&'a str> {
        sums.models(window).into_iter().filter(|model| self.run.additive(model)).collect()
    }
}

/// A sentence that says what the special channels are.
pub(crate) fn channel_words() -> String {
    format!("{NOT_SET} are touches without a channel; {UNATTRIBUTED} are conversions that no touch got")
}

fn ledger(run: &Run) -> Result<Vec<LedgerLine>, ReportError> {
    let mut lines = Vec::new();
    run.scan_named("ledger", |row| {
        let text = |column: &str| row.text(column).unwrap_or_default().to_owned();
        let amount = |column: &str| row.int(column).unwrap_or(0);
        lines.push(LedgerLine {
            model: text("model"),
            window: text("window"),
            value: text("value"),
            source: amount("source"),
            attributed: amount("attributed"),
            unattributed: amount("unattributed"),
            rejected: amount("rejected"),
            difference: amount("difference"),
        });
        Ok(())
    })?;
    let value_place = |name: &str| run.values.iter().position(|value| value.name == name);
    lines.sort_by_key(|line| {
        (line.model == SPEND, value_place(&line.value), run.window_place(&line.window), run.model_place(&line.model))
    });
    Ok(lines)
}
