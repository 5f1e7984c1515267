//! From a path, folder or pattern to its files and their columns. A new format is one file here and one entry in [`FORMATS`].

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use polars::prelude::{DataType, Expr, LazyFrame, PlRefPath, PolarsResult, col, lit};

use attributary_core::value::Value;

use crate::error::{FrameError, unreadable};
use crate::guard::guarded;
use crate::{SourceFile, SourceSpec};

mod csv;
mod ipc;
mod parquet;
mod state;

/// Every format that is read.
const FORMATS: &[Format] = &[parquet::FORMAT, csv::FORMAT, ipc::FORMAT];

/// The column that numbers the rows of a file from 0.
pub(crate) const ROW: &str = "__attributary_row";

/// What is known of a kind of file.
#[derive(Clone, Copy)]
pub(crate) struct Format {
    /// How a message calls it.
    name: &'static str,
    /// Lower case, without the dot.
    extensions: &'static [&'static str],
    /// What a file holds, without reading its rows (CSV: from all of them).
    inspect: fn(&Path) -> PolarsResult<Inspected>,
    /// Whether the structure of the named columns will do to be read, and the bytes that they take; a file's rows are not
    /// looked at.
    check: fn(&Path, &BTreeSet<String>) -> PolarsResult<u64>,
    /// All columns of a file, and [`ROW`].
    scan: fn(&Path, &[String]) -> PolarsResult<Rows>,
}

/// The rows of a file, not read yet.
pub(crate) enum Rows {
    /// All of them. Any stretch can be read by itself.
    Sliceable(LazyFrame),
    /// All of them, and how many there are up to the end of each record batch. A batch is always decoded as a whole.
    InBatches(LazyFrame, Vec<u64>),
    /// One stretch after another, none of which is held once it was read.
    InStretches(Box<dyn Iterator<Item = PolarsResult<LazyFrame>>>),
}

/// What a format says of one file.
struct Inspected {
    columns: Vec<(String, DataType)>,
    rows: Option<u64>,
    footer_sha256: Option<String>,
    /// Whether cells are text of which the types are only inferred.
    written: bool,
}

/// A column of a file, as SQL and mappings see it.
#[derive(Clone, Debug)]
pub(crate) struct FoundColumn {
    /// Its name.
    pub name: String,
    /// Its type; dictionaries are text.
    pub kind: DataType,
    /// Its cells, of that type.
    pub cells: Expr,
    /// In CSV: its cells as written.
    pub written: Option<Expr>,
    /// Of a Hive partition: what all its cells are.
    pub constant: Option<Value>,
}

/// A file of which the columns are known.
pub(crate) struct OpenFile {
    /// Path, size, rows.
    pub file: SourceFile,
    /// Its columns in order, then its Hive partitions.
    pub columns: Vec<FoundColumn>,
    places: HashMap<String, usize>,
    format: &'static Format,
    physical: Vec<String>,
}

impl OpenFile {
    /// A column by its name.
    pub(crate) fn column(&self, name: &str) -> Option<&FoundColumn> {
        self.places.get(name).map(|&place| &self.columns[place])
    }

    /// The names of all columns.
    pub(crate) fn names(&self) -> Vec<String> {
        self.columns.iter().map(|column| column.name.clone()).collect()
    }

    /// Whether the structure of these columns will do to be read, and the bytes that they take.
    pub(crate) fn check(&self, columns: &BTreeSet<String>) -> PolarsResult<u64> {
        (self.format.check)(&self.file.path, columns)
    }

    /// The rows, not read yet, and the bytes that will be. Of the columns only `columns` will be.
    pub(crate) fn scan(&self, columns: &BTreeSet<String>) -> PolarsResult<(Rows, u64)> {
        let bytes = self.check(columns)?;
        Ok(((self.format.scan)(&self.file.path, &self.physical)?, bytes))
    }

    /// Whether the file is Parquet.
    pub(crate) fn is_parquet(&self) -> bool {
        self.format.name == parquet::FORMAT.name
    }

    fn open(located: Located) -> Result<Self, FrameError> {
        let Located { path, format, partitions } = located;
        // What it is before anything of it is read: whatever changes later shows.
        let (bytes, modified, inode) = state::of(&path).map_err(|error| unreadable(&path, error.to_string()))?;
        if bytes == 0 {
            return Err(unreadable(&path, "it is empty (0 bytes)"));
        }
        let inspected = guarded(|| (format.inspect)(&path))
            .map_err(|failure| unreadable(&path, format!("expected {}; {}", format.name, failure.text())))?;
        let physical = inspected.columns.iter().map(|(name, _)| name.clone()).collect();
        let mut columns: Vec<_> =
            inspected.columns.into_iter().map(|(name, kind)| FoundColumn::new(name, kind, inspected.written)).collect();
        for (name, value) in partitions {
            // A column of the file itself has its own type: it goes first.
            if columns.iter().all(|column| column.name != name) {
                columns.push(FoundColumn::partition(name, value));
            }
        }
        let places = columns.iter().enumerate().map(|(place, column)| (column.name.clone(), place)).collect();
        let Inspected { rows, footer_sha256, .. } = inspected;
        let file = SourceFile { path, bytes, rows, footer_sha256, modified, inode };
        Ok(Self { file, columns, places, format, physical })
    }
}

impl FoundColumn {
    fn new(name: String, kind: DataType, written: bool) -> Self {
        let cells = literal_column(&name);
        if written {
            return Self { cells: csv::typed(cells.clone(), &kind), kind, written: Some(cells), constant: None, name };
        }
        match kind {
            DataType::Categorical(..) | DataType::Enum(..) => {
                Self { cells: cells.cast(DataType::String), kind: DataType::String, written: None, constant: None, name }
            }
            kind => Self { cells, kind, written: None, constant: None, name },
        }
    }

    fn partition(name: String, value: Option<String>) -> Self {
        let constant = value.as_deref().map_or(Value::Null, Value::text);
        let cells = value.map_or_else(|| null_of(DataType::String), lit);
        Self { name, kind: DataType::String, cells, written: None, constant: Some(constant) }
    }
}

/// A column by exactly this name: polars takes names in `^…$` for patterns and `*` for all.
pub(crate) fn literal_column(name: &str) -> Expr {
    if name == "*" || (name.starts_with('^') && name.ends_with('$')) {
        use polars::prelude::Selector;
        return Expr::Selector(Selector::ByName { names: [name.into()].into(), strict: true });
    }
    col(name)
}

/// A null cell of a type.
pub(crate) fn null_of(kind: DataType) -> Expr {
    use polars::prelude::NULL;
    lit(NULL).cast(kind)
}

/// A local path in the form that polars takes, never a pattern.
fn polars_path(path: &Path) -> PolarsResult<PlRefPath> {
    PlRefPath::try_from_path(path)
}

/// The bytes of a format whose files are read whole.
fn whole_file(path: &Path, _columns: &BTreeSet<String>) -> PolarsResult<u64> {
    Ok(std::fs::metadata(path)?.len())
}

/// Every extension that is read, with its dot.
pub(crate) fn extensions() -> Vec<String> {
    FORMATS.iter().flat_map(|format| format.extensions).map(|extension| format!(".{extension}")).collect()
}

/// Opens every file of a source, in the order of their paths' bytes.
pub(crate) fn open(spec: &SourceSpec) -> Result<Vec<OpenFile>, FrameError> {
    locate(spec)?.into_iter().map(OpenFile::open).collect()
}

#[derive(Debug)]
struct Located {
    path: PathBuf,
    format: &'static Format,
    partitions: Vec<(String, Option<String>)>,
}

impl std::fmt::Debug for Format {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name)
    }
}

fn locate(spec: &SourceSpec) -> Result<Vec<Located>, FrameError> {
    let source = spec.source.as_str();
    let none = |problem| FrameError::NoFiles {
        key: format!("{}.source", spec.key),
        source_path: source.to_owned(),
        problem,
        extensions: extensions(),
    };
    let path = Path::new(source);
    let mut found = Vec::new();
    let mut walk = Walk { found: &mut found, ancestors: Vec::new() };
    if path.is_dir() {
        walk.folder(path, path)?;
    } else if path.exists() {
        let format = format_of(path).ok_or_else(|| none("a file of an unknown kind"))?;
        return Ok(vec![Located { path: path.to_owned(), format, partitions: Vec::new() }]);
    } else if source.contains(['*', '?', '[']) {
        let options = glob::MatchOptions { require_literal_leading_dot: true, ..Default::default() };
        let matches = glob::glob_with(source, options).map_err(|_| none("a pattern that cannot be used"))?;
        // Folders before the first wildcard are no partitions of it.
        let fixed: PathBuf = path.components().take_while(|part| !is_pattern(part.as_os_str())).collect();
        for entry in matches {
            let entry = entry.map_err(|error| unreadable(error.path(), error.error().to_string()))?;
            let below = entry.strip_prefix(&fixed).unwrap_or(&entry);
            if !below.iter().any(is_skipped) {
                walk.entry(&entry, &fixed)?;
            }
        }
    } else {
        return Err(none("there is no such file or folder"));
    }
    if found.is_empty() {
        return Err(none("no file that can be read"));
    }
    found.sort_by(|left, right| left.path.as_os_str().as_encoded_bytes().cmp(right.path.as_os_str().as_encoded_bytes()));
    found.dedup_by(|left, right| left.path == right.path);
    Ok(found)
}

struct Walk<'a> {
    found: &'a mut Vec<Located>,
    /// The folders above, so that a link to one of them ends.
    ancestors: Vec<PathBuf>,
}

impl Walk<'_> {
    fn folder(&mut self, folder: &Path, base: &Path) -> Result<(), FrameError> {
        let wrong = |error: std::io::Error| unreadable(folder, error.to_string());
        let real = folder.canonicalize().map_err(wrong)?;
        if self.ancestors.contains(&real) {
            return Ok(());
        }
        self.ancestors.push(real);
        for entry in std::fs::read_dir(folder).map_err(wrong)? {
            self.entry(&entry.map_err(wrong)?.path(), base)?;
        }
        self.ancestors.pop();
        Ok(())
    }

    fn entry(&mut self, path: &Path, base: &Path) -> Result<(), FrameError> {
        if path.file_name().is_some_and(is_skipped) {
            return Ok(());
        }
        if path.is_dir() {
            return self.folder(path, base);
        }
        if let Some(format) = format_of(path) {
            self.found.push(Located { path: path.to_owned(), format, partitions: partitions(path, base) });
        }
        Ok(())
    }
}

fn format_of(path: &Path) -> Option<&'static Format> {
    let extension = path.extension()?.to_str()?.to_ascii_lowercase();
    FORMATS.iter().find(|format| format.extensions.contains(&extension.as_str()))
}

fn is_skipped(name: &OsStr) -> bool {
    matches!(name.as_encoded_bytes().first(), Some(b'_' | b'.'))
}

fn is_pattern(part: &OsStr) -> bool {
    part.as_encoded_bytes().iter().any(|byte| b"*?[".contains(byte))
}

/// `key=value` folders between `base` and the file.
fn partitions(path: &Path, base: &Path) -> Vec<(String, Option<String>)> {
    let below = path.strip_prefix(base).unwrap_or(path);
    let folders = below.parent().into_iter().flat_map(Path::components);
    folders
        .filter_map(|part| {
            let (name, value) = part.as_os_str().to_str()?.split_once('=')?;
            let value = (value != "__HIVE_DEFAULT_PARTITION__").then(|| percent_decoded(value));
            (!name.is_empty()).then(|| (percent_decoded(name), value))
        })
        .collect()
}

/// `%41` is `A`; what is no such code stays as it is.
pub(crate) fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut place = 0;
    while place < bytes.len() {
        let code = text.get(place + 1..place + 3).filter(|code| code.bytes().all(|digit| digit.is_ascii_hexdigit()));
        match (bytes[place], code.and_then(|code| u8::from_str_radix(code, 16).ok())) {
            (b'%', Some(byte)) => {
                decoded.push(byte);
                place += 3;
            }
            (byte, _) => {
                decoded.push(byte);
                place += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use attributary_core::time::Zone;

    fn spec(source: &Path) -> SourceSpec {
        SourceSpec {
            key: "touchpoints".to_owned(),
            source: source.to_str().expect("a path").to_owned(),
            zone: Zone::utc(),
            filter: None,
            missing_as_null: false,
            ingested: None,
            as_of: None,
        }
    }

    fn names(source: &Path, root: &Path) -> Vec<String> {
        let found = locate(&spec(source)).expect("files");
        found.iter().map(|it| it.path.strip_prefix(root).expect("below").display().to_string()).collect()
    }

    fn touch(path: PathBuf) {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, b"x").expect("written");
    }

    #[test]
    fn folders_are_read_recursively_without_hidden_names_and_other_kinds() {
        let root = tempfile::tempdir().expect("a folder");
        for name in ["b.parquet", "a/z.PQ", "a/_tmp/x.parquet", ".git/x.csv", "_SUCCESS", "a/notes.txt", "c.feather", "a/q.arrow"]
        {
            touch(root.path().join(name));
        }
        assert_eq!(names(root.path(), root.path()), ["a/q.arrow", "a/z.PQ", "b.parquet", "c.feather"]);
        assert_eq!(names(&root.path().join("*/*.arrow"), root.path()), ["a/q.arrow"]);
        assert_eq!(names(&root.path().join("**/*.p*"), root.path()), ["a/z.PQ", "b.parquet"]);
        assert_eq!(names(&root.path().join("?"), root.path()), ["a/q.arrow", "a/z.PQ"]);
        std::os::unix::fs::symlink(root.path(), root.path().join("a/loop")).expect("a link");
        assert_eq!(names(root.path(), root.path()).len(), 4);
    }

    #[test]
    fn nothing_found_says_where_and_what_was_sought() {
        let root = tempfile::tempdir().expect("a folder");
        touch(root.path().join("a.txt"));
        let message = |path: PathBuf| {
            locate(&spec(&path)).expect_err("nothing").to_string().replace(root.path().to_str().expect("utf"), "")
        };
        let all = ".parquet, .pq, .csv, .ipc, .arrow, .feather";
        assert_eq!(message(root.path().join("")), format!("touchpoints.source: no file that can be read: /; looked for {all}"));
        assert!(message(root.path().join("gone")).contains("there is no such file or folder: /gone"));
        assert!(message(root.path().join("*.csv")).contains("no file that can be read: /*.csv"));
        assert!(message(root.path().join("a.txt")).contains("a file of an unknown kind: /a.txt"));
    }

    #[test]
    fn hive_folders_below_the_source_become_columns() {
        let parts = partitions(
            Path::new("log/x=0/day=2025-01-01/city=S%C3%A3o%20Paulo/k=__HIVE_DEFAULT_PARTITION__/a.pq"),
            Path::new("log/x=0"),
        );
        let text = |name: &str, value: Option<&str>| (name.to_owned(), value.map(str::to_owned));
        assert_eq!(parts, [text("day", Some("2025-01-01")), text("city", Some("São Paulo")), text("k", None)]);
        assert_eq!(percent_decoded("100%&%4"), "100%&%4");
    }
}
