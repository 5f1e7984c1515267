//! What can be wrong with a pipeline file: always where, what was expected, what was found, and how to put it right.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::nearest::nearest;

/// A fault of a pipeline file (or of what `--set` made of it). All of them are exit code 2.
#[derive(Debug)]
pub struct FileError {
    file: PathBuf,
    fault: Box<Fault>,
}

impl FileError {
    pub(super) fn new(file: &Path, fault: Fault) -> Self {
        Self { file: file.to_owned(), fault: Box::new(fault) }
    }

    /// The pipeline file.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Where in the file; none where the file as a whole is at fault, or something is missing from it.
    #[must_use]
    pub fn place(&self) -> Option<Place> {
        self.fault.place
    }

    /// The key at fault, dotted as in `--set`; empty where the file as a whole is at fault.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.fault.key
    }

    /// What is wrong.
    #[must_use]
    pub fn problem(&self) -> &Problem {
        &self.fault.problem
    }

    /// How to put it right, where there is something to say.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        self.fault.problem.hint(self.fault.place)
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Fault { place, key, problem } = self.fault.as_ref();
        write!(formatter, "{}", self.file.display())?;
        match place {
            Some(Place::At { line, .. }) => write!(formatter, ":{line}: ")?,
            Some(Place::Set) if key.is_empty() => formatter.write_str(": --set: ")?,
            Some(Place::Set) => formatter.write_str(": --set ")?,
            None => formatter.write_str(": ")?,
        }
        if !key.is_empty() {
            write!(formatter, "{}: ", key.replace(char::is_control, "?"))?;
        }
        write!(formatter, "{problem}")
    }
}

impl std::error::Error for FileError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.fault.problem)
    }
}

/// Where a key or a value stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the file, both counted from 1; the column in characters.
    At {
        /// The line.
        line: u32,
        /// The column.
        column: u32,
    },
    /// On the command line, behind `--set`.
    Set,
}

/// A [`FileError`] while it does not know its file yet.
#[derive(Debug)]
pub(super) struct Fault {
    pub place: Option<Place>,
    pub key: String,
    pub problem: Problem,
}

impl Fault {
    /// A fault of the file as a whole.
    pub fn whole(problem: Problem) -> Self {
        Self { place: None, key: String::new(), problem }
    }
}

/// What is wrong, without where.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The file is not there.
    #[error("there is no such file")]
    NotFound,
    /// The file is there but cannot be read.
    #[error("cannot be read")]
    Unreadable(#[source] io::Error),
    /// The file is not text.
    #[error("expected UTF-8 text, found other bytes")]
    NotText,
    /// The text is not TOML.
    #[error("expected TOML: {0}")]
    Syntax(String),
    /// What is behind `--set` is not `key=value`.
    #[error("expected key=value, such as output.paths=0, found {0:?}")]
    SetSyntax(String),
    /// `--set` means a model or table that is not there.
    #[error("there is no {section} {entry:?}; found {}", list(found))]
    NoEntry {
        /// `model` or `table`.
        section: String,
        /// What was typed.
        entry: String,
        /// The names that there are.
        found: Vec<String>,
    },
    /// A key that nobody reads.
    #[error("unknown key; expected one of {}", list(known))]
    UnknownKey {
        /// The key, without its section.
        name: String,
        /// The keys of the section.
        known: Vec<String>,
    },
    /// A key that has to be there.
    #[error("is required")]
    Missing {
        /// A line that would do.
        example: String,
    },
    /// A value of the wrong type.
    #[error("expected {expected}, found {found}")]
    WrongType {
        /// What may stand here.
        expected: String,
        /// What stands here.
        found: String,
    },
    /// A word that is none of the few that may stand here.
    #[error("expected one of {}, found {found:?}", list(choices))]
    UnknownWord {
        /// What was typed.
        found: String,
        /// The words.
        choices: Vec<String>,
    },
    /// A name that is none of the many that may stand here.
    #[error("unknown {what} {found:?}")]
    UnknownName {
        /// What the name is one of.
        what: &'static str,
        /// What was typed.
        found: String,
        /// Names that look like it.
        near: Vec<String>,
        /// Some that would do.
        such_as: &'static str,
    },
    /// A word that is there twice.
    #[error("expected each only once, found {0:?} twice")]
    Twice(String),
    /// A name that attributary itself gives to something.
    #[error("the name {name:?} is taken by {by}")]
    Taken {
        /// The name.
        name: String,
        /// By what.
        by: String,
        /// How to give another.
        instead: &'static str,
    },
    /// A column is needed that the source does not map.
    #[error("{what} needs {column}, which is not mapped")]
    Unmapped {
        /// What needs it.
        what: String,
        /// The key that would map it.
        column: &'static str,
    },
    /// `${NAME}` of a variable that is not set.
    #[error("the environment variable {0} is not set")]
    VariableUnset(String),
    /// `${` that is not followed by a name and `}`.
    #[error("expected a variable as ${{NAME}}, found {0:?}")]
    VariableSyntax(String),
    /// More distinct predicates than a touch has bits for.
    #[error("expected at most {limit} distinct predicates in journey and model, found {found}")]
    TooManyPredicates {
        /// How many there may be.
        limit: usize,
        /// How many there are.
        found: usize,
    },
    /// Something asks for times, and there are none.
    #[error("asks when touches and conversions were, which [paths] do not say")]
    Timeless,
    /// A value of the right type that cannot be meant.
    #[error("{problem}")]
    Invalid {
        /// What was expected and what was found.
        problem: String,
        /// How to put it right.
        hint: Option<String>,
    },
}

impl Problem {
    pub(super) fn invalid(problem: impl Into<String>) -> Self {
        Self::Invalid { problem: problem.into(), hint: None }
    }

    fn hint(&self, place: Option<Place>) -> Option<String> {
        let meant = |word: &str| format!("did you mean {word:?}?");
        match self {
            Self::NotFound => Some("give the path of a pipeline file, such as pipelines/nightly.toml".to_owned()),
            Self::NotText => Some("save the file as UTF-8".to_owned()),
            Self::NoEntry { section, found, .. } if found.is_empty() => Some(format!("the file has no [[{section}]]")),
            Self::NoEntry { section, entry, found } => nearest(entry, found)
                .map(meant)
                .or_else(|| Some(format!("use the name of a {section}, or its place in the file counted from 0"))),
            Self::UnknownKey { name, known } => nearest(name, known).map(meant),
            Self::Missing { example } => Some(format!("add, for example: {example}")),
            Self::WrongType { expected, .. } if place == Some(Place::Set) && expected == "a text" => Some(
                "a value behind --set is read as TOML: quote it twice to make it text, as in --set 'pipeline.name=\"2025\"'"
                    .to_owned(),
            ),
            Self::UnknownWord { found, choices } => nearest(found, choices).map(meant),
            Self::UnknownName { near, such_as, .. } if near.is_empty() => Some(format!("expected {such_as}")),
            Self::UnknownName { near, .. } => Some(format!("did you mean {}?", near.join(", "))),
            Self::Taken { instead, .. } => Some((*instead).to_owned()),
            Self::Unmapped { column, .. } => Some(format!("map it: {column} = \"…\"")),
            Self::VariableUnset(name) => Some(format!("set {name} before the run, or write $${{ for a literal ${{")),
            Self::VariableSyntax(_) => Some("write $${ for a literal ${".to_owned()),
            Self::TooManyPredicates { .. } => Some("give models that may use the same touches the same text in only".to_owned()),
            Self::Timeless => Some("remove it, or give [touchpoints] and [conversions] instead of [paths]".to_owned()),
            Self::Invalid { hint, .. } => hint.clone(),
            Self::Unreadable(_) | Self::Syntax(_) | Self::SetSyntax(_) | Self::WrongType { .. } | Self::Twice(_) => None,
        }
    }
}

fn list(words: &[String]) -> String {
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}
