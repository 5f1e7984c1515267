//! A small pipeline in a folder of its own, what may be put in place of its parts, and what must hold however a run ends.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{Array, ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use attributary_store::Manifest;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use tempfile::TempDir;

use crate::support::attributary;

/// Whatever is given to it, a command ends within this time.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder with `touches.parquet`, `conversions.parquet` and `pipeline.toml`, all as they should be.
pub struct World {
    folder: TempDir,
}

/// How a command ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The exit code; that of a signal is 128 and its number.
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl World {
    /// Three customers with six touches and three conversions, worth 175.55 together.
    pub fn new() -> Self {
        let world = Self { folder: tempfile::tempdir().expect("a folder") };
        world.parquet("touches.parquet", &touches());
        world.parquet("conversions.parquet", &conversions());
        world.pipeline(PIPELINE);
        world
    }

    /// Its folder.
    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    /// A file in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    /// Writes a file.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, bytes).expect("written");
    }

    /// Writes columns as Parquet.
    pub fn parquet(&self, name: &str, columns: &Columns) {
        self.write(name, parquet_bytes(columns, Compression::UNCOMPRESSED));
    }

    /// Writes the pipeline file.
    pub fn pipeline(&self, text: &str) {
        self.write("pipeline.toml", text);
    }

    /// The output folder.
    pub fn output(&self) -> PathBuf {
        self.path("out")
    }

    /// The run that `current` names, if any.
    pub fn current(&self) -> Option<PathBuf> {
        fs::read_link(self.output().join("current")).ok()
    }

    /// A command of the real binary in this folder.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = attributary();
        command.current_dir(self.root()).args(words);
        command
    }

    /// Runs a command to its end and checks what holds for each: see [`World::end`].
    pub fn perform(&self, words: &[&str]) -> Ended {
        self.end(&mut self.command(words))
    }

    /// `attributary run pipeline.toml --threads 2`, checked.
    pub fn run(&self) -> Ended {
        self.run_with(&[])
    }

    /// The same with more words.
    pub fn run_with(&self, words: &[&str]) -> Ended {
        self.perform(&[&["run", "pipeline.toml", "--threads", "2"], words].concat())
    }

    /// Runs a command that must not take long, must end by itself and not with our own fault, says no more than needed, and
    /// leaves `current` as it was unless it ends well. However it ends, nothing unfinished is left.
    pub fn end(&self, command: &mut Command) -> Ended {
        let before = self.current();
        let ended = finish(command);
        assert!(![1, 101].contains(&ended.code) && ended.code < 128, "{command:?} ended with {ended:#?}");
        for word in ["panicked", "internal error", "RUST_BACKTRACE", "stack backtrace"] {
            assert!(!ended.stderr.contains(word), "{command:?} said {ended:#?}");
        }
        if ended.code != 0 {
            assert_eq!(self.current(), before, "{command:?} ended with {} but switched `current`", ended.code);
            assert!(ended.stderr.contains("error:") || ended.stderr.contains("\"error\""), "{ended:#?}");
        }
        assert_eq!(litter(&self.output()), [""; 0], "left behind by {command:?}");
        ended
    }

    /// Stderr as it is anywhere: without this folder's path, without lines of the log.
    pub fn said(&self, ended: &Ended) -> String {
        let root = self.root().display().to_string();
        let lines = ended.stderr.lines().filter(|line| !line.contains("  INFO "));
        lines.map(|line| line.replace(&root, "<here>") + "\n").collect()
    }

    /// The manifest of the run that is current.
    pub fn manifest(&self) -> Manifest {
        let text = fs::read_to_string(self.output().join("current/manifest.json")).expect("a manifest");
        serde_json::from_str(&text).expect("JSON")
    }
}

impl Ended {
    /// It ended well, and every line of the ledger adds up.
    #[track_caller]
    pub fn is_fine(&self) -> &Self {
        assert_eq!(self.code, 0, "{self:#?}");
        assert!(self.stdout.contains("ledger: every line adds up, difference 0.00"), "{self:#?}");
        self
    }

    /// It ended with `code`, and the error says all of `words`.
    #[track_caller]
    pub fn fails(&self, code: i32, words: &[&str]) -> &Self {
        assert_eq!(self.code, code, "{self:#?}");
        let missing: Vec<_> = words.iter().filter(|word| !self.stderr.contains(**word)).collect();
        assert!(missing.is_empty(), "expected {missing:?} in {}", self.stderr);
        self
    }
}

/// What is left of unfinished runs.
pub fn litter(output: &Path) -> Vec<String> {
    let names = |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten().map(|it| it.file_name());
    let all = names(output).chain(names(&output.join("runs")));
    all.map(|name| name.to_string_lossy().into_owned()).filter(|name| name.starts_with(".staging")).collect()
}

/// Runs a command to its end, or kills it.
pub fn finish(command: &mut Command) -> Ended {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
    wait(child, &format!("{command:?}"))
}

/// Waits for a child's end, or kills it.
pub fn wait(mut child: Child, what: &str) -> Ended {
    let (stdout, stderr) = (reading(child.stdout.take()), reading(child.stderr.take()));
    let status = until(PATIENCE, || child.try_wait().expect("a status"));
    if status.is_none() {
        let _ = child.kill();
        panic!("{what} did not end: {}", stderr.join().unwrap_or_default());
    }
    let text = |read: std::thread::JoinHandle<String>| read.join().expect("read to its end");
    Ended { code: status.map_or(-1, code), stdout: text(stdout), stderr: text(stderr) }
}

/// Looks every few milliseconds until there is something, or the time is up.
pub fn until<T>(time: Duration, look: impl FnMut() -> Option<T>) -> Option<T> {
    let (began, mut look) = (Instant::now(), look);
    loop {
        match look() {
            Some(found) => return Some(found),
            None if began.elapsed() > time => return None,
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

fn reading(from: Option<impl Read + Send + 'static>) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut from) = from {
            let _ = from.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn code(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

/// Columns by name.
pub type Columns = Vec<(String, ArrayRef)>;

/// The default pipeline.
pub const PIPELINE: &str = r#"
[pipeline]
output = "out"
currency = "SEK"

[touchpoints]
source = "touches.parquet"
columns = { customer = "user_id", time = "at", channel = "channel", campaign = "campaign", interaction = "interaction", id = "event_id" }

[conversions]
source = "conversions.parquet"
columns = { id = "order_id", customer = "user_id", time = "ordered_at", kind = "kind" }
values = { revenue = "revenue" }

[[model]]
kind = "linear"

[[model]]
kind = "last_touch"
"#;

/// 2026-01-01, in microseconds since 1970.
pub const NEW_YEAR: i64 = 1_767_225_600_000_000;

/// An hour in microseconds.
pub const HOUR: i64 = 3_600_000_000;

/// Six touches of three customers, one an hour.
pub fn touches() -> Columns {
    columns([
        ("user_id", texts(["ann", "ann", "bob", "ann", "eve", "bob"])),
        ("at", times([0, 1, 2, 3, 4, 5].map(|hour| NEW_YEAR + hour * HOUR))),
        ("channel", texts(["search", "email", "search", "direct", "social", "email"])),
        ("campaign", texts(["spring", "news", "spring", "news", "spring", "news"])),
        ("interaction", texts(["click", "view", "click", "click", "view", "view"])),
        ("event_id", texts(["e1", "e2", "e3", "e4", "e5", "e6"])),
    ])
}

/// Three orders of three customers, a day after the touches.
pub fn conversions() -> Columns {
    columns([
        ("order_id", texts(["o1", "o2", "o3"])),
        ("user_id", texts(["ann", "bob", "zoe"])),
        ("ordered_at", times([24, 25, 26].map(|hour| NEW_YEAR + hour * HOUR))),
        ("kind", texts(["purchase", "purchase", "lead"])),
        ("revenue", Arc::new(Float64Array::from(vec![100.0, 50.05, 25.5]))),
    ])
}

/// Columns by name.
pub fn columns<const N: usize>(columns: [(&str, ArrayRef); N]) -> Columns {
    columns.map(|(name, array)| (name.to_owned(), array)).into()
}

/// The same with another array behind a name.
pub fn with(columns: Columns, name: &str, array: impl Array + 'static) -> Columns {
    let array: ArrayRef = Arc::new(array);
    columns.into_iter().map(|(own, old)| if own == name { (own, Arc::clone(&array)) } else { (own, old) }).collect()
}

/// The same without a column.
pub fn without(columns: Columns, name: &str) -> Columns {
    columns.into_iter().filter(|(own, _)| own != name).collect()
}

/// The same with another name for a column.
pub fn renamed(columns: Columns, from: &str, to: &str) -> Columns {
    columns.into_iter().map(|(name, array)| (if name == from { to.to_owned() } else { name }, array)).collect()
}

/// A column of texts.
pub fn texts<const N: usize>(cells: [&str; N]) -> ArrayRef {
    Arc::new(StringArray::from(cells.to_vec()))
}

/// A column of wall clocks, in microseconds.
pub fn times<const N: usize>(cells: [i64; N]) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from(cells.to_vec()))
}

/// Columns as arrow has them.
pub fn batch(columns: &Columns) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.iter().map(|(name, array)| (name, Arc::clone(array), true)))
        .expect("columns")
}

/// Columns as the bytes of a Parquet file.
pub fn parquet_bytes(columns: &Columns, compression: Compression) -> Vec<u8> {
    let batch = batch(columns);
    // Statistics that are cut off are what long texts have in many logs.
    let properties = WriterProperties::builder().set_compression(compression).set_statistics_truncate_length(Some(16)).build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).expect("a writer");
    writer.write(&batch).expect("written");
    writer.close().expect("finished");
    bytes
}

/// Columns as the bytes of an Arrow IPC file.
pub fn ipc_bytes(columns: &Columns) -> Vec<u8> {
    let batch = batch(columns);
    let mut bytes = Vec::new();
    let mut writer = arrow::ipc::writer::FileWriter::try_new(&mut bytes, &batch.schema()).expect("a writer");
    writer.write(&batch).expect("written");
    writer.finish().expect("finished");
    drop(writer);
    bytes
}
