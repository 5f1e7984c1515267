//! From the world to files: some threads, each with one file at a time.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread;

use attributary_core::table::{Field, Rows};
use attributary_store::TableFile;

use crate::calendar::Slice;
use crate::spend::{self, Account};
use crate::truth::{self, Tally};
use crate::visits::World;
use crate::{Layout, SimulateError, Summary};

/// In the output folder as long as it is not complete. Readers skip names that begin so.
const UNFINISHED: &str = "_unfinished";
const PARQUET: attributary_store::Layout =
    attributary_store::Layout { row_group_rows: 1 << 20, compression_level: 1, compressed_from: 0 };

/// A folder of the output, and what its files hold.
struct Table {
    folder: &'static str,
    fields: fn(&World) -> Vec<Field>,
    rows: fn(&World, usize) -> Rows,
    /// Touch and conversion rows that it has of a slice.
    counts: fn(&Slice) -> [u64; 2],
}

const TOUCHPOINTS: Table = Table {
    folder: "touchpoints",
    fields: World::touch_fields,
    rows: World::touch_rows,
    counts: |slice| [slice.touch_count(), 0],
};
const CONVERSIONS: Table = Table {
    folder: "conversions",
    fields: World::conversion_fields,
    rows: World::conversion_rows,
    counts: |slice| [0, slice.conversion_count()],
};
const EVENTS: Table = Table {
    folder: "events",
    fields: World::event_fields,
    rows: World::event_rows,
    counts: |slice| [slice.touch_count(), slice.conversion_count()],
};

/// The tables that the log is written as.
fn tables(world: &World) -> &'static [Table] {
    match world.settings.layout {
        Layout::Tables => &[TOUCHPOINTS, CONVERSIONS],
        Layout::Events => &[EVENTS],
    }
}

/// The folders that the log is written as.
fn folders(world: &World) -> Vec<&'static str> {
    let spend = world.settings.spend.then_some(spend::FOLDER);
    tables(world).iter().map(|table| table.folder).chain(spend).collect()
}

/// Writes all files of the world, see [`crate::simulate`].
pub fn write(out: &Path, world: &World, progress: &dyn Fn(u64)) -> Result<Summary, SimulateError> {
    prepare(out, &folders(world))?;
    let (mut summary, tally) = write_files(out, world, progress)?;
    if world.settings.truth {
        write_truth(out, world, &tally, &mut summary)?;
    }
    if let Some(rates) = world.rates() {
        write_text(out, "rates.csv", &rates, &mut summary)?;
    }
    // Names first, then the word that all is well.
    for folder in folders(world) {
        sync_folder(&out.join(folder))?;
    }
    let marker = out.join(UNFINISHED);
    fs::remove_file(&marker).map_err(failed("remove", &marker))?;
    sync_folder(out)?;
    Ok(summary)
}

/// What the threads tell: rows as they are written, what brought the conversions, and what came of each file.
enum News {
    Touches(u64),
    Causes(Tally),
    Done(Result<Summary, SimulateError>),
}

fn write_files(out: &Path, world: &World, progress: &dyn Fn(u64)) -> Result<(Summary, Tally), SimulateError> {
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let files = world.calendar.files.len();
    // What ads cost is one piece of work over the whole log, so it is begun first.
    let before = usize::from(world.settings.spend);
    thread::scope(|scope| {
        let (sender, news) = channel();
        for _ in 0..threads(world) {
            let (sender, next, stop) = (sender.clone(), &next, &stop);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let work = next.fetch_add(1, Ordering::Relaxed);
                    if work >= before + files {
                        break;
                    }
                    let done = match work.checked_sub(before) {
                        None => write_spend(out, world, stop),
                        Some(file) => write_stretch(out, world, file, &sender),
                    };
                    stop.fetch_or(done.is_err(), Ordering::Relaxed);
                    // Nobody listens only after all threads are done.
                    let _ = sender.send(News::Done(done));
                }
            });
        }
        drop(sender);

        let (mut summary, mut tally, mut failure, mut touches) = (Summary::default(), Tally::default(), None, 0);
        for news in news {
            match news {
                News::Touches(rows) => {
                    touches += rows;
                    progress(touches);
                }
                News::Causes(stretch) => tally.add(&stretch),
                News::Done(Ok(stretch)) => {
                    summary.touches += stretch.touches;
                    summary.conversions += stretch.conversions;
                    summary.files += stretch.files;
                    summary.bytes += stretch.bytes;
                }
                News::Done(Err(error)) => failure = failure.or(Some(error)),
            }
        }
        failure.map_or(Ok((summary, tally)), Err)
    })
}

fn threads(world: &World) -> usize {
    let cores = || thread::available_parallelism().map_or(1, NonZero::get);
    world.settings.threads.map_or_else(cores, |threads| threads as usize).min(world.calendar.files.len())
}

/// Each table's file of one stretch of time.
fn write_stretch(out: &Path, world: &World, file: usize, sender: &Sender<News>) -> Result<Summary, SimulateError> {
    let mut summary = Summary::default();
    for table in tables(world) {
        write_file(out, table, world, file, sender, &mut summary)?;
    }
    // Conversions are made once more for that, as rows say nothing of causes; there are few beside the touches.
    if world.settings.truth {
        let _ = sender.send(News::Causes(world.tally(world.calendar.files[file].slices.clone())));
    }
    Ok(summary)
}

/// The file of each ad platform, in one pass over all touches, unless something else fails meanwhile.
fn write_spend(out: &Path, world: &World, stop: &AtomicBool) -> Result<Summary, SimulateError> {
    let folder = out.join(spend::FOLDER);
    let mut accounts = Vec::new();
    for account in Account::all(world) {
        let [hidden, path] = paths(&folder, account.name());
        accounts.push((TableFile::create(&hidden, &account.fields(), &PARQUET)?, account, hidden, path));
    }
    for place in 0..world.calendar.slices.len() {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        for touch in world.touches(place) {
            accounts.iter_mut().for_each(|(_, account, ..)| account.count(&touch));
        }
        let end = world.calendar.slices[place].time.end;
        let end = if place + 1 == world.calendar.slices.len() { i64::MAX } else { end };
        for (file, account, ..) in &mut accounts {
            file.write(&account.bill(end))?;
        }
    }
    let mut summary = Summary::default();
    for (file, _, hidden, path) in accounts {
        summary.files += 1;
        summary.bytes += file.finish()?.bytes;
        fs::rename(&hidden, &path).map_err(failed("rename", &hidden))?;
    }
    Ok(summary)
}

/// The table of what each channel brought.
fn write_truth(out: &Path, world: &World, tally: &Tally, summary: &mut Summary) -> Result<(), SimulateError> {
    let [hidden, path] = paths(out, truth::FILE);
    let mut file = TableFile::create(&hidden, &truth::fields(), &PARQUET)?;
    file.write(&world.truth_rows(tally))?;
    summary.files += 1;
    summary.bytes += file.finish()?.bytes;
    fs::rename(&hidden, &path).map_err(failed("rename", &hidden))
}

fn write_text(folder: &Path, name: &str, text: &str, summary: &mut Summary) -> Result<(), SimulateError> {
    let [hidden, path] = [format!(".{name}"), name.to_owned()].map(|name| folder.join(name));
    let mut file = File::create(&hidden).map_err(failed("create", &hidden))?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed("write", &hidden))?;
    summary.files += 1;
    summary.bytes += text.len() as u64;
    fs::rename(&hidden, &path).map_err(failed("rename", &hidden))
}

/// What a file is called while it is being written, and then.
fn paths(folder: &Path, name: &str) -> [PathBuf; 2] {
    [format!(".{name}.parquet"), format!("{name}.parquet")].map(|name| folder.join(name))
}

/// One file, slice by slice, which is added to the summary.
fn write_file(
    out: &Path,
    table: &Table,
    world: &World,
    file: usize,
    sender: &Sender<News>,
    summary: &mut Summary,
) -> Result<(), SimulateError> {
    let plan = &world.calendar.files[file];
    let [hidden, path] = paths(&out.join(table.folder), &plan.name);
    let mut table_file = TableFile::create(&hidden, &(table.fields)(world), &PARQUET)?;
    for slice in plan.slices.clone() {
        table_file.write(&(table.rows)(world, slice))?;
        let [touches, conversions] = (table.counts)(&world.calendar.slices[slice]);
        summary.touches += touches;
        summary.conversions += conversions;
        if touches > 0 {
            let _ = sender.send(News::Touches(touches));
        }
    }
    summary.files += 1;
    summary.bytes += table_file.finish()?.bytes;
    fs::rename(&hidden, &path).map_err(failed("rename", &hidden))
}

/// Makes the folders, and marks the output as unfinished.
fn prepare(out: &Path, folders: &[&str]) -> Result<(), SimulateError> {
    match fs::read_dir(out) {
        Ok(mut entries) => {
            if out.join(UNFINISHED).exists() {
                return Err(SimulateError::Unfinished { path: out.to_owned() });
            }
            if let Some(entry) = entries.next() {
                let found = entry.map_err(failed("read", out))?.file_name().to_string_lossy().into_owned();
                return Err(SimulateError::NotEmpty { path: out.to_owned(), found });
            }
        }
        Err(error) if error.kind() == ErrorKind::NotADirectory => {
            return Err(SimulateError::NotAFolder { path: out.to_owned() });
        }
        Err(error) if error.kind() == ErrorKind::NotFound => fs::create_dir_all(out).map_err(failed("create", out))?,
        Err(error) => return Err(failed("read", out)(error)),
    }
    let marker = out.join(UNFINISHED);
    let text = "A simulation is being written here, or was broken off. If none is running, remove this folder.\n";
    fs::write(&marker, text).map_err(failed("create", &marker))?;
    for folder in folders {
        let folder = out.join(folder);
        fs::create_dir(&folder).map_err(failed("create", &folder))?;
    }
    Ok(())
}

fn sync_folder(folder: &Path) -> Result<(), SimulateError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed("write", folder))
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SimulateError {
    let path = path.to_owned();
    move |source| SimulateError::Io { action, path, source }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use attributary_core::value::Value;
    use attributary_store::read_table;

    use super::*;
    use crate::{KeyKind, Settings, simulate};

    fn small() -> Settings {
        let settings = Settings { customers: 500, touches: 3_000, conversions: Some(200), days: 5, ..Settings::default() };
        Settings { nulls: 0.01, duplicates: 0.01, ..settings }
    }

    /// Every file of a simulation, by its path within the output.
    fn bytes(settings: &Settings) -> BTreeMap<String, Vec<u8>> {
        let folder = tempfile::tempdir().expect("a folder");
        let out = folder.path().join("log");
        let summary = simulate(&out, settings, &|_| ()).expect("a log");
        let mut files = BTreeMap::new();
        for table in fs::read_dir(&out).expect("tables") {
            let table = table.expect("a table").path();
            for file in fs::read_dir(&table).expect("a folder") {
                let path = file.expect("a file").path();
                let name = path.strip_prefix(&out).expect("within").to_string_lossy().into_owned();
                files.insert(name, fs::read(&path).expect("bytes"));
            }
        }
        assert_eq!(summary.files, files.len() as u64);
        assert_eq!(summary.bytes, files.values().map(|bytes| bytes.len() as u64).sum::<u64>());
        files
    }

    #[test]
    fn same_settings_same_bytes_whatever_the_threads() {
        for keys in [KeyKind::Text, KeyKind::Hex16, KeyKind::Integer] {
            let one = bytes(&Settings { threads: Some(1), keys, ..small() });
            assert_eq!(one.len(), 10);
            assert!(one.contains_key("touchpoints/2026-01-05.parquet") && one.contains_key("conversions/2026-01-01.parquet"));
            assert_eq!(one, bytes(&Settings { threads: Some(2), keys, ..small() }));
            let other = bytes(&Settings { seed: 2, keys, ..small() });
            assert!(one.iter().all(|(name, bytes)| other[name] != *bytes));
        }
    }

    #[test]
    fn one_log_of_events_in_as_many_files() {
        let settings = Settings { layout: Layout::Events, ..small() };
        let one = bytes(&Settings { threads: Some(1), ..settings.clone() });
        assert_eq!(one.len(), 5);
        assert!(one.contains_key("events/2026-01-05.parquet"));
        assert_eq!(one, bytes(&Settings { threads: Some(2), ..settings.clone() }));

        let folder = tempfile::tempdir().expect("a folder");
        let progress = std::cell::Cell::new(0);
        let summary = simulate(folder.path(), &settings, &|rows| progress.set(rows)).expect("a log");
        assert_eq!((summary.touches, summary.conversions, progress.get()), (3_000, 200, 3_000));
        let (mut rows, mut revenues, mut last) = (0, 0, Value::Null);
        for file in one.keys() {
            let reader = read_table(&folder.path().join(file)).expect("a table");
            let names: Vec<_> = reader.fields().iter().map(|field| field.name.as_str()).collect();
            assert_eq!(names.join(" "), "event_id user_id event_time event_name channel campaign order_id revenue");
            for part in reader.map(|rows| rows.expect("rows")) {
                for row in 0..part.len() {
                    let time = part.columns[2].value(row);
                    assert!(time >= last);
                    last = time;
                    revenues += usize::from(!part.columns[7].value(row).is_null());
                }
                rows += part.len();
            }
        }
        assert_eq!((rows, revenues), (3_200, 200));
        assert!(matches!(simulate(folder.path(), &settings, &|_| ()), Err(SimulateError::NotEmpty { .. })));
    }

    #[test]
    fn files_hold_what_the_settings_say() {
        let folder = tempfile::tempdir().expect("a folder");
        let progress = std::cell::Cell::new(0);
        let summary = simulate(folder.path(), &small(), &|rows| progress.set(rows)).expect("a log");
        assert_eq!((summary.touches, summary.conversions, progress.get()), (3_000, 200, 3_000));
        let first = folder.path().join("conversions/2026-01-01.parquet");
        let reader = read_table(&first).expect("a table");
        let names: Vec<_> = reader.fields().iter().map(|field| format!("{} {}", field.name, field.kind)).collect();
        assert_eq!(
            names,
            [
                "order_id text",
                "user_id text",
                "ordered_at timestamp[us, UTC]",
                "kind text",
                "revenue decimal(18, 2)",
                "gross_margin decimal(18, 2)"
            ]
        );
        let touches = read_table(&folder.path().join("touchpoints/2026-01-01.parquet")).expect("a table");
        let names: Vec<_> = touches.fields().iter().map(|field| field.name.clone()).collect();
        assert_eq!(names, ["event_id", "user_id", "event_time", "channel", "campaign", "interaction", "country", "device"]);
        for rows in touches {
            let rows = rows.expect("rows");
            assert!((0..rows.len()).any(|row| rows.columns[3].value(row) == Value::text("paid_search")));
        }
    }

    #[test]
    fn a_log_of_one_touch_and_one_of_more_files_than_rows() {
        let tiny = Settings { customers: 1, touches: 1, conversions: Some(0), files: Some(3), days: 1, ..small() };
        assert_eq!(bytes(&tiny).len(), 6);
        let no_campaigns = Settings { channels: 1, campaigns: 0, touches: 40, conversions: Some(90), ..tiny };
        assert!(bytes(&no_campaigns).contains_key("touchpoints/part-00002.parquet"));
    }

    #[test]
    fn nothing_is_mixed_with_what_is_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let error = |out: &Path| {
            let error = simulate(out, &small(), &|_| ()).expect_err("an error");
            assert!(error.hint().is_some());
            error.to_string().replace(&folder.path().display().to_string(), "[folder]")
        };
        let out = folder.path().join("log");
        simulate(&out, &small(), &|_| ()).expect("a log");
        let message = error(&out);
        assert!(message.starts_with("folder [folder]/log is not empty, it holds "), "{message}");
        assert_eq!(
            error(&out.join("touchpoints/2026-01-01.parquet")),
            "[folder]/log/touchpoints/2026-01-01.parquet is not a folder"
        );
        fs::write(out.join(UNFINISHED), "").expect("a marker");
        assert_eq!(error(&out), "folder [folder]/log holds a simulation that did not finish");
    }

    #[test]
    fn a_broken_run_leaves_its_mark() {
        let folder = tempfile::tempdir().expect("a folder");
        let out = folder.path().join("log");
        // Something stands where a file must go.
        let blocked = out.join("conversions/.2026-02-05.parquet");
        let made = std::cell::Cell::new(false);
        let block = |_| {
            if !made.replace(true) {
                fs::create_dir(&blocked).expect("a folder");
            }
        };
        let settings = Settings { threads: Some(1), days: 40, ..small() };
        let error = simulate(&out, &settings, &block).expect_err("an error");
        assert!(error.to_string().contains("2026-02-05.parquet"), "{error}");
        assert!(out.join(UNFINISHED).exists());
    }
}
