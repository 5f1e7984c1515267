//! What can go wrong between a pipeline file and the first row, whose fault it is, and what may help.

use std::path::{Path, PathBuf};

use attributary_core::money::decimal_text;
use attributary_core::rates::RATE_SCALE;
use attributary_core::time::{Day, day_text};

/// Who has to act on a [`FrameError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The pipeline file: exit code 2.
    Pipeline,
    /// The input: exit code 3.
    Input,
    /// Nobody: the sink asked for the end.
    Stopped,
}

/// Why a source cannot be opened or read.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum FrameError {
    /// An SQL text that cannot be used.
    #[error("{key}: {problem}, in {sql:?}")]
    Sql {
        /// The key of the pipeline file that holds the text.
        key: String,
        /// The text.
        sql: String,
        /// What is wrong with it.
        problem: String,
    },
    /// An SQL text that names a column that is not there.
    #[error("{key}: no column {column:?}, in {sql:?}; there {}", are(known))]
    UnknownColumn {
        /// The key of the pipeline file that holds the text.
        key: String,
        /// The text.
        sql: String,
        /// The name that is not known.
        column: String,
        /// The names that are.
        known: Vec<String>,
    },
    /// More predicates than a touch has bits.
    #[error("{found} different conditions on touches, at most {} can be used", crate::MAX_PREDICATES)]
    TooManyPredicates {
        /// How many there are.
        found: usize,
    },
    /// A source that is not there, or holds no file of a known kind.
    #[error("{key}: {problem}: {source_path}; looked for {}", extensions.join(", "))]
    NoFiles {
        /// The key of the pipeline file, such as `touchpoints.source`.
        key: String,
        /// The file, folder or pattern.
        source_path: String,
        /// What was found instead of files.
        problem: &'static str,
        /// The extensions that are read.
        extensions: Vec<String>,
    },
    /// A file that is not what its extension says, is cut off or damaged.
    #[error("cannot read {}: {problem}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the reader found.
        problem: String,
    },
    /// A file of which fewer or more rows arrived than it says it has.
    #[error("cannot read {}: it says it has {expected} rows, but {found} were read", file.display())]
    WrongRowCount {
        /// The file.
        file: PathBuf,
        /// What the file's own metadata says.
        expected: u64,
        /// What arrived.
        found: u64,
    },
    /// A mapped column that a file does not have.
    #[error("{key}: no column {} in {}; found {}", alternatives(columns), file.display(), found.join(", "))]
    MissingColumn {
        /// The key of the pipeline file that maps the column.
        key: String,
        /// The names that were looked for; any one would do.
        columns: Vec<String>,
        /// The file.
        file: PathBuf,
        /// The columns that the file has.
        found: Vec<String>,
        /// Whether other files of the source have it.
        elsewhere: bool,
    },
    /// A mapped column of a type that cannot be used there.
    #[error("{key}: column {column:?} is {found} in {}, expected {expected}", file.display())]
    WrongType {
        /// The key of the pipeline file that maps the column.
        key: String,
        /// The column.
        column: Box<str>,
        /// The file.
        file: PathBuf,
        /// Its type.
        found: Box<str>,
        /// The types that can be used.
        expected: &'static str,
        /// What may help.
        hint: Option<Box<str>>,
    },
    /// A column that is one thing in one file and another in the next.
    #[error("{key}: column {column:?} is {found} in {}, but {other_found} in {}", file.display(), other_file.display())]
    MixedTypes {
        /// The key of the pipeline file that uses the column.
        key: String,
        /// The column.
        column: Box<str>,
        /// The file whose type differs.
        file: PathBuf,
        /// Its type there.
        found: Box<str>,
        /// A file before it.
        other_file: Box<Path>,
        /// Its type there.
        other_found: Box<str>,
    },
    /// A currency that has two rates on one day.
    #[error(
        "{key}: {currency} is {} on {} in row {row} of {}, but {} in row {other_row} of {}",
        rate_text(*found), day_text(*day), file.display(), rate_text(*other_found), other_file.display()
    )]
    MixedRates {
        /// The section of the pipeline file.
        key: String,
        /// The currency.
        currency: Box<str>,
        /// The day.
        day: Day,
        /// The file of the later row.
        file: Box<Path>,
        /// The later row's place in it, from 0.
        row: u64,
        /// Its rate, in 10⁻¹².
        found: i64,
        /// The file of the row before it.
        other_file: Box<Path>,
        /// That row's place in it, from 0.
        other_row: u64,
        /// Its rate, in 10⁻¹².
        other_found: i64,
    },
    /// An SQL expression that fails on the rows of a file, such as a cast of a text that is no number.
    #[error("{keys}: fails on a row of {}: {problem}", file.display())]
    Computation {
        /// The keys of the pipeline file that hold the SQL of this source.
        keys: String,
        /// The file.
        file: PathBuf,
        /// What the expression said.
        problem: String,
    },
    /// The sink asked for the end.
    #[error("reading was stopped")]
    Stopped,
}

impl FrameError {
    /// Whose fault it is.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::Sql { .. } | Self::UnknownColumn { .. } | Self::TooManyPredicates { .. } => Fault::Pipeline,
            Self::Stopped => Fault::Stopped,
            _ => Fault::Input,
        }
    }

    /// The key of the pipeline file that is at fault, and what is wrong with it without the key.
    #[must_use]
    pub fn of_key(&self) -> Option<(&str, String)> {
        let (Self::Sql { key, .. } | Self::UnknownColumn { key, .. }) = self else { return None };
        let text = self.to_string();
        Some((key, text.strip_prefix(key.as_str()).and_then(|text| text.strip_prefix(": ")).unwrap_or(&text).to_owned()))
    }

    /// What may help, where something may.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownColumn { column, known, .. } => near(column, known).map(|name| format!("did you mean {name}?")),
            Self::MissingColumn { key, columns, found, elsewhere, .. } => Some(missing_hint(key, columns, found, *elsewhere)),
            Self::WrongType { hint, .. } => hint.as_deref().map(str::to_owned),
            Self::NoFiles { .. } => Some("a relative path starts at the pipeline file's folder".to_owned()),
            Self::MixedTypes { .. } => {
                Some("write the files with one type, or read the odd ones as a source of their own".to_owned())
            }
            Self::MixedRates { key, .. } => {
                Some(format!("keep one rate for each currency and day, or choose with `where` in [{key}]"))
            }
            Self::Computation { .. } => Some("TRY_CAST gives null where CAST fails".to_owned()),
            Self::Unreadable { .. } | Self::WrongRowCount { .. } => {
                Some("write the file again, or move it away: names that start with _ or . are skipped".to_owned())
            }
            Self::Sql { .. } | Self::TooManyPredicates { .. } | Self::Stopped => None,
        }
    }
}

/// A rate without the zeros that end it.
fn rate_text(rate: i64) -> String {
    decimal_text(rate.into(), RATE_SCALE).trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn missing_hint(key: &str, columns: &[String], found: &[String], elsewhere: bool) -> String {
    let section = key.split('.').next().unwrap_or(key);
    let near = columns.iter().find_map(|column| near(column, found));
    match (near, elsewhere) {
        (Some(name), true) => format!("if {name} is the same column, map both: [\"{}\", \"{name}\"]", columns.join("\", \"")),
        (Some(name), false) => format!("did you mean {name}?"),
        (None, true) => format!("other files have it: `missing_columns = \"null\"` in [{section}] takes it as null here"),
        (None, false) => "map one of the columns that were found".to_owned(),
    }
}

/// The name closest to `wanted`, if one is close.
pub(crate) fn near<'a>(wanted: &str, names: &'a [String]) -> Option<&'a str> {
    let plain = |name: &str| name.to_lowercase().replace(['_', '-', ' '], "");
    let wanted = plain(wanted);
    let scored = names.iter().map(|name| (strsim::normalized_damerau_levenshtein(&wanted, &plain(name)), name));
    let best = scored.max_by(|left, right| left.0.total_cmp(&right.0))?;
    (best.0 >= 0.6).then_some(best.1.as_str())
}

/// A path for a message that is about no file in particular.
pub(crate) fn unreadable(file: &Path, problem: impl Into<String>) -> FrameError {
    FrameError::Unreadable { file: file.to_owned(), problem: problem.into() }
}

fn are(known: &[String]) -> String {
    if known.is_empty() { "are none".to_owned() } else { format!("are {}", known.join(", ")) }
}

fn alternatives(columns: &[String]) -> String {
    columns.iter().map(|column| format!("{column:?}")).collect::<Vec<_>>().join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn near_names_look_past_case_and_underscores() {
        assert_eq!(near("client_id", &names(&["event", "clientId", "time"])), Some("clientId"));
        assert_eq!(near("chanel", &names(&["channel", "campaign"])), Some("channel"));
        assert_eq!(near("revenue", &names(&["a", "b"])), None);
    }

    #[test]
    fn a_missing_column_lists_what_was_found_and_hints() {
        let error = FrameError::MissingColumn {
            key: "touchpoints.columns.customer".to_owned(),
            columns: names(&["client_id"]),
            file: "log/a.parquet".into(),
            found: names(&["clientId", "event"]),
            elsewhere: true,
        };
        assert_eq!(
            error.to_string(),
            "touchpoints.columns.customer: no column \"client_id\" in log/a.parquet; found clientId, event"
        );
        assert_eq!(error.fault(), Fault::Input);
        let hint = error.hint();
        assert_eq!(hint.as_deref(), Some("if clientId is the same column, map both: [\"client_id\", \"clientId\"]"));
    }

    #[test]
    fn an_unknown_column_in_sql_is_the_pipelines_fault() {
        let error = FrameError::UnknownColumn {
            key: "model.last_non_direct.only".to_owned(),
            sql: "chanel = 'x'".to_owned(),
            column: "chanel".to_owned(),
            known: names(&["channel", "country"]),
        };
        assert_eq!(error.fault(), Fault::Pipeline);
        assert_eq!(
            error.to_string(),
            "model.last_non_direct.only: no column \"chanel\", in \"chanel = 'x'\"; there are channel, country"
        );
        assert_eq!(error.hint().as_deref(), Some("did you mean channel?"));
    }
}
