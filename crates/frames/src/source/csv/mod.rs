//! CSV files with a header. Every cell is read as it is written; types are inferred from all of them and laid over the text.

use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use polars::prelude::{
    DataFrame, DataType, Engine, Expr, IdxSize, LazyCsvReader, LazyFileListReader, LazyFrame, PlanCallback, PolarsResult,
    RowIndex, ScanSources, Schema, SchemaRef, lit, polars_bail, polars_err, when,
};

use self::records::{Records, Stretch, ahead};
use super::{Format, Inspected, ROW, Rows, null_of, whole_file};
use crate::threads::{is_stopped, memory_of_queries};

mod records;

pub(super) const FORMAT: Format = Format { name: "CSV", extensions: &["csv"], inspect, check: whole_file, scan };

fn inspect(path: &Path) -> PolarsResult<Inspected> {
    let records = records(path, stretch_size())?;
    let header = reader(records.header().to_vec()).with_infer_schema_length(Some(0)).finish()?.collect_schema()?;
    if header.is_empty() {
        polars_bail!(ComputeError: "it has no header");
    }
    let names: Vec<_> = header.iter_names().map(ToString::to_string).collect();
    let schema = texts(&names);
    let inferred = Arc::new(Mutex::new((vec![Cells::default(); names.len()], 0_u64)));
    for stretch in ahead(records) {
        if is_stopped() {
            polars_bail!(ComputeError: "reading was interrupted");
        }
        let shared = Arc::clone(&inferred);
        let look = PlanCallback::new(move |batch: DataFrame| {
            let mut inferred = shared.lock().unwrap_or_else(PoisonError::into_inner);
            inferred.1 += batch.height() as u64;
            // What is text stays text.
            for (cells, column) in inferred.0.iter_mut().zip(batch.columns().iter().skip(1)).filter(|(cells, _)| !cells.texts) {
                column.str()?.iter().flatten().for_each(|cell| cells.add(cell));
            }
            Ok(false)
        });
        let stretch = stretch?;
        let first_row = stretch.first_row;
        let looked = frame(stretch, &schema)?.sink_batches(look, false, None)?.collect_with_engine(Engine::Streaming);
        // Polars counts from where the stretch begins.
        looked.map_err(|error| match first_row {
            0 => error,
            row => error.wrap_msg(|problem| format!("in what begins with row {row}: {problem}")),
        })?;
    }
    let inferred = inferred.lock().unwrap_or_else(PoisonError::into_inner);
    let columns = names.into_iter().zip(&inferred.0).map(|(name, cells)| (name, cells.kind())).collect();
    Ok(Inspected { columns, rows: Some(inferred.1), footer_sha256: None, written: true })
}

fn scan(path: &Path, columns: &[String]) -> PolarsResult<Rows> {
    scan_by(path, columns, stretch_size())
}

fn scan_by(path: &Path, columns: &[String], size: usize) -> PolarsResult<Rows> {
    let schema = texts(columns);
    let stretches = ahead(records(path, size)?).map(move |stretch| frame(stretch?, &schema));
    Ok(Rows::InStretches(Box::new(stretches)))
}

/// How much is read at a time: as much again waits, and what is made of it takes several times as much.
fn stretch_size() -> usize {
    (memory_of_queries() / 4).clamp(1 << 16, 16 << 20) as usize
}

fn records(path: &Path, size: usize) -> PolarsResult<Records<File>> {
    let file = File::open(path)?;
    // As much as the file has, and the byte by which its end shows.
    let length = file.metadata()?.len() as usize;
    Records::open(file, size.min(length + 1))
}

/// All columns as they are written.
fn texts(columns: &[String]) -> SchemaRef {
    Arc::new(columns.iter().map(|name| (name.as_str().into(), DataType::String)).collect::<Schema>())
}

fn frame(stretch: Stretch, schema: &SchemaRef) -> PolarsResult<LazyFrame> {
    let Ok(offset) = IdxSize::try_from(stretch.first_row) else {
        return Err(polars_err!(ComputeError: "it has more than {} rows", IdxSize::MAX));
    };
    let row_index = RowIndex { name: ROW.into(), offset };
    reader(stretch.bytes).with_schema(Some(Arc::clone(schema))).with_row_index(Some(row_index)).finish()
}

fn reader(bytes: Vec<u8>) -> LazyCsvReader {
    let source = ScanSources::Buffers([bytes.into()].into());
    LazyCsvReader::new_with_sources(source).with_glob(false).with_cache(false).with_has_header(true)
}

/// The cells of a column that was inferred to be of type `kind`.
pub(super) fn typed(text: Expr, kind: &DataType) -> Expr {
    // Cells that are quoted and empty are empty too.
    let filled = || when(text.clone().neq(lit(""))).then(text.clone()).otherwise(null_of(DataType::String));
    match kind {
        DataType::Int64 | DataType::Float64 => filled().strict_cast(kind.clone()),
        DataType::Boolean => filled().str().to_lowercase().eq(lit("true")),
        DataType::Null => null_of(DataType::Null),
        _ => text,
    }
}

/// What the cells of a column have been so far.
#[derive(Clone, Copy, Default)]
struct Cells {
    integers: bool,
    floats: bool,
    truths: bool,
    texts: bool,
}

impl Cells {
    fn add(&mut self, cell: &str) {
        if self.texts || cell.is_empty() {
            return;
        }
        match cell.as_bytes() {
            bytes if is_integer(bytes) && cell.parse::<i64>().is_ok() => self.integers = true,
            // Whole numbers beyond 64 bits are floats to SQL: keys and values take the text.
            bytes if is_float(bytes) => self.floats = true,
            _ if cell.eq_ignore_ascii_case("true") || cell.eq_ignore_ascii_case("false") => self.truths = true,
            _ => self.texts = true,
        }
    }

    fn kind(self) -> DataType {
        match (self.integers, self.floats, self.truths, self.texts) {
            (false, false, false, false) => DataType::Null,
            (true, false, false, false) => DataType::Int64,
            (_, true, false, false) => DataType::Float64,
            (false, false, true, false) => DataType::Boolean,
            _ => DataType::String,
        }
    }
}

fn is_integer(cell: &[u8]) -> bool {
    let digits = cell.strip_prefix(b"-").unwrap_or(cell);
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}

fn is_float(cell: &[u8]) -> bool {
    let digits = cell.strip_prefix(b"-").or_else(|| cell.strip_prefix(b"+")).unwrap_or(cell);
    if [&b"inf"[..], b"nan", b"infinity"].iter().any(|word| digits.eq_ignore_ascii_case(word)) {
        return true;
    }
    let starts_right = matches!(digits, [b'0'..=b'9', ..] | [b'.', b'0'..=b'9', ..]);
    let only_number = digits.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
    starts_right && only_number && std::str::from_utf8(cell).is_ok_and(|cell| cell.parse::<f64>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars::prelude::PlRefPath;
    use proptest::prelude::*;

    /// A file as polars reads it by itself, with numbers of rows.
    fn whole(path: &Path, columns: &[String]) -> PolarsResult<DataFrame> {
        let row_index = RowIndex { name: ROW.into(), offset: 0 };
        let reader = LazyCsvReader::new(PlRefPath::try_from_path(path)?).with_has_header(true);
        reader.with_schema(Some(texts(columns))).with_row_index(Some(row_index)).finish()?.collect()
    }

    fn in_stretches(path: &Path, columns: &[String], size: usize) -> PolarsResult<DataFrame> {
        let Rows::InStretches(stretches) = scan_by(path, columns, size)? else { polars_bail!(ComputeError: "not in stretches") };
        let none = whole(path, columns)?.clear();
        stretches.into_iter().try_fold(none, |before, stretch| before.vstack(&stretch?.collect()?))
    }

    fn cell() -> impl Strategy<Value = String> {
        prop_oneof![
            "[a-z0-9]{0,6}",
            "-?[0-9]{1,3}(\\.[0-9]{1,2})?",
            Just("\u{feff}å".to_owned()),
            "[a-z \n\r,\"]{0,9}".prop_map(|cell| format!("\"{}\"", cell.replace('"', "\"\""))),
        ]
    }

    fn file() -> impl Strategy<Value = String> {
        let rows = prop::collection::vec(prop::collection::vec(cell(), 1..=3), 0..30);
        (
            rows,
            any::<bool>(),
            prop_oneof![Just("\n"), Just("\r\n")],
            prop_oneof![Just(""), Just("\n"), Just("\n\n")],
            any::<bool>(),
        )
            .prop_map(|(rows, mark, line, end, before)| {
                let lines: Vec<_> = rows.iter().map(|row| row.join(",")).collect();
                let mark = if mark { "\u{feff}" } else { "" };
                let before = if before { line } else { "" };
                format!("{mark}{before}a,\"b\n\",c{line}{}{}", lines.join(line), end.replace('\n', line))
            })
    }

    proptest! {
        #[test]
        fn stretches_are_the_file(text in file(), size in 1_usize..60) {
            let file = tempfile::NamedTempFile::new().expect("a file");
            std::fs::write(file.path(), &text).expect("written");
            let columns = ["a", "b", "c"].map(ToOwned::to_owned);
            let (whole, cut) = (whole(file.path(), &columns), in_stretches(file.path(), &columns, size));
            match (whole, cut) {
                (Ok(whole), Ok(cut)) => prop_assert!(whole.equals_missing(&cut), "{text:?}: {whole} {cut}"),
                (whole, cut) => prop_assert!(whole.is_err() && cut.is_err(), "{text:?}: {whole:?} {cut:?}"),
            }
        }
    }

    fn kind(cells: &[&str]) -> DataType {
        let mut seen = Cells::default();
        cells.iter().for_each(|cell| seen.add(cell));
        seen.kind()
    }

    #[test]
    fn types_come_from_every_cell() {
        assert_eq!(kind(&["1", "", "-20"]), DataType::Int64);
        assert_eq!(kind(&["007"]), DataType::Int64);
        assert_eq!(kind(&["1", "2.50", "1e3", "NaN"]), DataType::Float64);
        assert_eq!(kind(&["12345678901234567890"]), DataType::Float64);
        assert_eq!(kind(&["true", "FALSE"]), DataType::Boolean);
        assert_eq!(kind(&["", ""]), DataType::Null);
        for text in [&["1", "x"][..], &["true", "1"], &["1-2"], &["2025-01-01"], &["e5"], &["1 "], &["."]] {
            assert_eq!(kind(text), DataType::String, "{text:?}");
        }
    }
}
