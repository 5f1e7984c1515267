//! Running the real binary, writing its inputs and reading its tables.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use attributary_core::table::{Column, Rows};
use attributary_core::value::Value;
use attributary_store::{Layout, TableFile, read_table};
use attributary_testkit::table::Table;

/// The binary, with an environment that is the same everywhere.
pub fn attributary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_attributary"));
    command.env_remove("NO_COLOR").env_remove("RUST_LOG").env("RUST_BACKTRACE", "1").current_dir(root());
    command
}

/// The root of the project.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the project's folder")
}

/// Runs the binary and gives exit code, stdout and stderr.
pub fn run(arguments: &[&str]) -> (i32, String, String) {
    shown(&attributary().args(arguments).output().expect("the binary starts"))
}

/// Exit code, stdout and stderr; -1 for a process that a signal ended.
pub fn shown(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

/// Writes a table as one Parquet file.
pub fn write_parquet(path: &Path, table: &Table) {
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    let mut file = TableFile::create(path, &table.fields, &Layout::default()).expect("a file");
    let column = |place: usize| Column::Values(table.rows.iter().map(|row| row[place].clone()).collect());
    file.write(&Rows { columns: (0..table.fields.len()).map(column).collect() }).expect("written");
    file.finish().expect("finished");
}

/// Reads all files of a table of the run that is current, in the order of their names.
pub fn read_current(output: &Path, table: &str) -> Table {
    read_run(&output.join("current"), table)
}

/// The same of the run in a folder.
pub fn read_run(run: &Path, table: &str) -> Table {
    let folder = run.join(table);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    let mut all = Table { fields: Vec::new(), rows: Vec::new() };
    for path in paths {
        let reader = read_table(&path).expect("a table");
        all.fields = reader.fields().to_vec();
        for rows in reader {
            let rows = rows.expect("rows");
            let cells = |row: usize| -> Vec<Value> { rows.columns.iter().map(|column| column.value(row)).collect() };
            all.rows.extend((0..rows.len()).map(cells));
        }
    }
    all
}
