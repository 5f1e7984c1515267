//! The folder of runs.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use super::*;
use attributary_store::{Fault, Keep, Manifest, Output, PublishedRun, Staging};

fn fields() -> Vec<Field> {
    vec![Field::new("n", ColumnType::COUNT)]
}

fn rows(numbers: &[i64]) -> Rows {
    Rows { columns: vec![Column::Ints(numbers.to_vec())] }
}

fn stage_file(staging: &mut Staging, table: &str, file: &str, numbers: &[i64]) -> WrittenFile {
    let mut staged = staging.table_file(table, file, &fields()).unwrap();
    staged.write(&rows(numbers)).unwrap();
    staged.finish(staging).unwrap()
}

fn publish(output: &Output, run_id: &str, numbers: &[i64]) -> PublishedRun {
    let mut staging = output.stage(run_id).unwrap();
    stage_file(&mut staging, "total", "part-0", numbers);
    staging.publish(Manifest::default()).unwrap()
}

/// Lets all runs go but the newest; says which are gone.
fn prune(output: &Output, keep: usize) -> Vec<String> {
    let (gone, removed) = output.prune(&Keep::Runs(keep), &|| false);
    removed.unwrap();
    gone
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    names
}

fn current(root: &Path) -> PathBuf {
    fs::read_link(root.join("current")).unwrap()
}

#[test]
fn a_run_is_published_as_a_whole() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("deep/out");
    let output = Output::open(&root).unwrap();
    assert_eq!(output.current().unwrap(), None);

    let mut staging = output.stage("2026-11-22").unwrap();
    stage_file(&mut staging, "total", "part-0", &[1, 2]);
    for part in [10, 2, 0] {
        stage_file(&mut staging, "by_channel", &format!("part-{part}"), &[part]);
    }
    let state = staging.state_file("days", "2026-11-21", &fields()).unwrap();
    state.finish(&mut staging).unwrap();
    assert_eq!(names(&root), [".lock", ".staging-2026-11-22", "runs"]);

    let given = Manifest { pipeline: "nightly".to_owned(), windows: vec!["30d".to_owned()], ..Manifest::default() };
    let published = staging.publish(given).unwrap();
    assert_eq!(names(&root), [".lock", "current", "runs"]);
    assert_eq!(current(&root), Path::new("runs/2026-11-22"));
    assert_eq!(published.folder, root.join("runs/2026-11-22"));
    assert_eq!(names(&published.folder), ["by_channel", "manifest.json", "state", "total"]);

    let manifest = &published.manifest;
    assert_eq!((manifest.run_id.as_str(), manifest.pipeline.as_str()), ("2026-11-22", "nightly"));
    let tables: BTreeMap<_, _> = manifest.tables.iter().map(|it| (it.name.as_str(), it)).collect();
    assert_eq!(tables.keys().copied().collect::<Vec<_>>(), ["by_channel", "total"]);
    let paths: Vec<_> = tables["by_channel"].files.iter().map(|it| it.path.as_str()).collect();
    assert_eq!(paths, ["by_channel/part-0.parquet", "by_channel/part-2.parquet", "by_channel/part-10.parquet"]);
    assert_eq!((tables["by_channel"].rows, tables["total"].rows), (3, 2));
    assert_eq!(manifest.state[0].files[0].path, "state/days/2026-11-21.parquet");
    for file in manifest.tables.iter().chain(&manifest.state).flat_map(|it| &it.files) {
        let path = published.path(file).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().len(), file.bytes);
        assert_eq!(read_table(&path).unwrap().rows(), file.rows);
        assert_eq!(file.sha256.len(), 64);
    }
    assert_eq!(output.current().unwrap(), Some(published));
}

#[test]
fn the_manifest_says_the_same_whatever_the_order_of_files() {
    let folder = tempfile::tempdir().unwrap();
    let output = Output::open(folder.path()).unwrap();
    let files = [("a", "x", 1), ("b", "x", 2), ("b", "y", 3)];
    let manifests = [[0, 1, 2], [2, 1, 0]].map(|order| {
        let mut staging = output.stage(&format!("run-{}", order[0])).unwrap();
        for (table, file, number) in order.map(|it: usize| files[it]) {
            stage_file(&mut staging, table, file, &[number]);
        }
        Manifest { run_id: String::new(), ..staging.publish(Manifest::default()).unwrap().manifest }
    });
    assert_eq!(manifests[0], manifests[1]);
}

#[test]
fn what_is_not_published_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let output = Output::open(folder.path()).unwrap();
    let before = publish(&output, "first", &[1]);
    {
        let mut staging = output.stage("second").unwrap();
        stage_file(&mut staging, "total", "part-0", &[2]);
        let mut unfinished = staging.table_file("by_channel", "part-0", &fields()).unwrap();
        unfinished.write(&rows(&[3])).unwrap();
        drop(staging);
    }
    assert_eq!(names(folder.path()), [".lock", "current", "runs"]);
    assert_eq!(names(&folder.path().join("runs")), [".ids", "first"]);
    assert_eq!(output.current().unwrap(), Some(before));
    // The id was never given, so it is free.
    publish(&output, "second", &[2]);
    assert_eq!(current(folder.path()), Path::new("runs/second"));
}

#[test]
fn a_file_dropped_unfinished_is_no_part_of_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let output = Output::open(folder.path()).unwrap();
    let mut staging = output.stage("run").unwrap();
    drop(staging.table_file("total", "part-0", &fields()).unwrap());
    stage_file(&mut staging, "total", "part-1", &[1]);
    let run = staging.publish(Manifest::default()).unwrap();
    assert_eq!(names(&run.folder.join("total")), ["part-1.parquet"]);
    assert_eq!(run.manifest.tables[0].files.len(), 1);

    let mut staging = output.stage("early").unwrap();
    let _unfinished = staging.table_file("total", "part-0", &fields()).unwrap();
    let error = staging.publish(Manifest::default()).unwrap_err();
    assert!(matches!(error, StoreError::Unfinished { files: 1, .. }), "{error:?}");
    assert_eq!((error.fault(), current(folder.path())), (Fault::Bug, PathBuf::from("runs/run")));
}

#[test]
fn an_id_is_used_once() {
    let folder = tempfile::tempdir().unwrap();
    let output = Output::open(folder.path()).unwrap();
    publish(&output, "a", &[1]);
    publish(&output, "b", &[2]);
    assert_eq!(prune(&output, 1), ["a"]);
    drop(output);
    let output = Output::open(folder.path()).unwrap();
    for run_id in ["a", "b"] {
        let error = output.stage(run_id).err().unwrap();
        assert!(matches!(error, StoreError::RunIdUsed { .. }), "{error:?}");
        assert_eq!(error.fault(), Fault::Usage);
    }
    let _staging = output.stage("c").unwrap();
    assert!(matches!(output.stage("c"), Err(StoreError::RunIdUsed { .. })));
}

#[test]
fn an_id_has_no_path_parts() {
    let folder = tempfile::tempdir().unwrap();
    let output = Output::open(folder.path()).unwrap();
    let long = "x".repeat(129);
    for run_id in ["", ".", "..", ".hidden", "a/b", "../a", "/a", "a\\b", "a b", "å", "a\n", "a+b", &long] {
        let error = output.stage(run_id).err().unwrap();
        assert!(matches!(error, StoreError::RunIdInvalid { .. }), "{run_id:?}: {error:?}");
        assert_eq!(error.fault(), Fault::Usage);
        assert!(error.hint().is_some());
    }
    for run_id in ["2026-11-22T10.00.00Z", "A_b-1", &long[..128]] {
        output.stage(run_id).unwrap();
    }
}

#[test]
fn a_torn_list_of_ids_swallows_none() {
    let folder = tempfile::tempdir().unwrap();
    let output = Output::open(folder.path()).unwrap();
    publish(&output, "a", &[1]);
    let ids = folder.path().join("runs/.ids");
    fs::write(&ids, "a\nhal").unwrap();
    publish(&output, "b", &[1]);
    assert_eq!(fs::read_to_string(&ids).unwrap(), "a\nhal\nb\n");
}

#[test]
fn pruning_keeps_the_newest_and_current() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let output = Output::open(root).unwrap();
    for run_id in ["z", "y", "x", "w"] {
        publish(&output, run_id, &[1]);
    }
    fs::create_dir(root.join("runs/notes")).unwrap();
    assert_eq!(prune(&output, 0), [""; 0]);
    assert_eq!(prune(&output, 9), [""; 0]);
    assert_eq!(prune(&output, 3), ["z"]);
    // Somebody went back to an older run.
    fs::remove_file(root.join("current")).unwrap();
    symlink("runs/y", root.join("current")).unwrap();
    assert_eq!(prune(&output, 1), ["x"]);
    assert_eq!(names(&root.join("runs")), [".ids", "notes", "w", "y"]);
    assert_eq!(output.current().unwrap().unwrap().manifest.run_id, "y");
}

#[test]
fn pruning_ends_when_it_is_told_to() {
    let folder = tempfile::tempdir().unwrap();
    let output = Output::open(folder.path()).unwrap();
    for run_id in ["a", "b", "c", "d"] {
        publish(&output, run_id, &[1]);
    }
    let asked = std::cell::Cell::new(0);
    let stop = || asked.replace(asked.get() + 1) == 1;
    let (gone, removed) = output.prune(&Keep::Runs(1), &stop);
    assert!(removed.is_ok() && gone == ["a"], "{gone:?}");
    assert_eq!(prune(&output, 1), ["b", "c"]);
}

#[test]
fn a_lock_that_was_removed_is_no_second_lock() {
    let folder = tempfile::tempdir().unwrap();
    let output = Output::open(folder.path()).unwrap();
    fs::remove_file(folder.path().join(".lock")).unwrap();
    // Someone did what nobody should: from here on the new file is the lock.
    let second = Output::open(folder.path()).unwrap();
    assert!(matches!(Output::open(folder.path()), Err(StoreError::Held { .. })));
    drop((output, second));
    Output::open(folder.path()).unwrap();
}

#[test]
fn runs_that_are_not_on_the_disk_of_the_output_are_refused_before_the_work() {
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = Path::new("/dev/shm");
    let Ok(elsewhere) = tempfile::tempdir_in(elsewhere) else { return };
    symlink(elsewhere.path(), folder.path().join("runs")).unwrap();
    let error = Output::open(folder.path()).err().unwrap();
    assert!(error.to_string().starts_with("cannot move files into ") && error.fault() == Fault::Output, "{error:?}");
    assert!(error.hint().is_some_and(|hint| hint.contains("file system")), "{error:?}");
    assert_eq!(names(folder.path()), [".lock", "runs"]);
    assert_eq!(names(elsewhere.path()), [""; 0]);
}

#[test]
fn files_are_carried_over() {
    let folder = tempfile::tempdir().unwrap();
    let output = Output::open(folder.path()).unwrap();
    let mut staging = output.stage("first").unwrap();
    stage_file(&mut staging, "credits", "2026-11-21", &[1]);
    stage_file(&mut staging, "credits", "2026-11-22", &[2]);
    let state = staging.state_file("days", "2026-11-21", &fields()).unwrap();
    state.finish(&mut staging).unwrap();
    let first = staging.publish(Manifest::default()).unwrap();

    let mut staging = output.stage("second").unwrap();
    staging.carry_over(&first, "credits", "2026-11-21").unwrap();
    staging.carry_over_state(&first, "days", "2026-11-21").unwrap();
    stage_file(&mut staging, "credits", "2026-11-22", &[3, 4]);
    let error = staging.carry_over(&first, "credits", "2026-11-23").unwrap_err();
    assert!(matches!(error, StoreError::NotCarried { .. }), "{error:?}");
    let error = staging.carry_over(&first, "credits", "2026-11-22").unwrap_err();
    assert!(matches!(error, StoreError::StagedTwice { .. }), "{error:?}");
    let second = staging.publish(Manifest::default()).unwrap();
    assert_eq!(second.manifest.tables[0].rows, 3);
    assert_eq!(second.manifest.tables[0].files[0], first.manifest.tables[0].files[0]);
    assert_eq!(second.manifest.state, first.manifest.state);
    // The file outlives the run it came from.
    prune(&output, 1);
    let (_, cells) = read(&second.folder.join("credits/2026-11-21.parquet")).unwrap();
    assert_eq!(cells, [[Value::Int(1)]]);

    fs::write(second.folder.join("credits/2026-11-22.parquet"), "short").unwrap();
    let mut staging = output.stage("third").unwrap();
    let error = staging.carry_over(&second, "credits", "2026-11-22").unwrap_err();
    assert!(error.to_string().contains("has 5 bytes"), "{error}");
    assert_eq!(error.fault(), Fault::Output);
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let output = Output::open(folder.path()).unwrap();
    let mut staging = output.stage("run").unwrap();
    for (table, file) in [("..", "a"), ("a/b", "a"), ("a", "../b"), ("", "a"), ("a", ""), ("state", "a"), ("manifest.json", "a")]
    {
        let error = staging.table_file(table, file, &fields()).err().unwrap();
        assert!(matches!(error, StoreError::TableName { .. }), "{error:?}");
    }
    let mut run = publish(&output, "other", &[1]);
    run.manifest.tables[0].files[0].path = "../../../etc/passwd".to_owned();
    assert!(run.path(&run.manifest.tables[0].files[0]).is_err());
}

#[test]
fn only_one_holds_the_output() {
    let folder = tempfile::tempdir().unwrap();
    let output = Output::open(folder.path()).unwrap();
    let error = Output::open(folder.path()).err().unwrap();
    assert_eq!(error.fault(), Fault::Held);
    let text = error.to_string();
    assert!(text.contains(&format!("(process {} on ", std::process::id())) && text.contains(", since 20"), "{text}");
    // A staging holds on by itself.
    let staging = output.stage("run").unwrap();
    drop(output);
    assert!(matches!(Output::open(folder.path()), Err(StoreError::Held { .. })));
    drop(staging);
    Output::open(folder.path()).unwrap();
}

/// The other process of the next test; on its own it does nothing.
#[test]
fn holds_the_output_until_it_is_killed() {
    let Some(root) = std::env::var_os("ATTRIBUTARY_STORE_HELD") else { return };
    let output = Output::open(Path::new(&root)).unwrap();
    let mut staging = output.stage("killed").unwrap();
    stage_file(&mut staging, "total", "part-0", &[1]);
    fs::write(Path::new(&root).join("ready"), "").unwrap();
    std::thread::sleep(Duration::from_secs(60));
}

#[test]
fn a_killed_run_leaves_neither_lock_nor_litter() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "output::holds_the_output_until_it_is_killed"])
        .env("ATTRIBUTARY_STORE_HELD", folder.path())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while !folder.path().join("ready").exists() && begun.elapsed() < Duration::from_secs(30) {
        std::thread::sleep(Duration::from_millis(20));
    }
    let held = Output::open(folder.path()).err().map(|error| error.to_string());
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(held.as_ref().is_some_and(|it| it.contains(&format!("process {} on ", child.id()))), "{held:?}");
    assert!(folder.path().join(".staging-killed").is_dir());

    symlink("runs/killed", folder.path().join(".staging-killed+current")).unwrap();
    let output = Output::open(folder.path()).unwrap();
    assert_eq!(names(folder.path()), [".lock", "ready", "runs"]);
    output.stage("killed").unwrap();
}

#[test]
fn an_output_that_is_no_folder() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(matches!(Output::open(&file), Err(StoreError::NotAFolder { .. })));
    for root in [file.as_path(), &file.join("below"), Path::new("/proc/attributary"), Path::new("/dev/null")] {
        let error = Output::open(root).err().unwrap();
        assert_eq!(error.fault(), Fault::Output, "{error:?}");
        assert!(error.to_string().contains(root.to_str().unwrap()), "{error}");
    }
}

#[test]
fn current_that_is_no_link_or_leads_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fs::create_dir(root.join("current")).unwrap();
    let error = Output::open(root).err().unwrap();
    assert!(matches!(error, StoreError::NoSuchRun { .. }), "{error:?}");
    fs::remove_dir(root.join("current")).unwrap();

    symlink("runs/gone", root.join("current")).unwrap();
    let output = Output::open(root).unwrap();
    let error = output.current().unwrap_err();
    assert!(matches!(&error, StoreError::NoSuchRun { path, .. } if *path == root.join("current")), "{error:?}");
    assert_eq!(error.fault(), Fault::Output);
    // A new run mends it.
    let run = publish(&output, "new", &[1]);
    assert_eq!(output.current().unwrap(), Some(run));
}

/// A compressor takes longer to set up than a few rows take to write.
#[test]
fn files_of_few_rows_are_not_compressed() {
    use parquet::basic::Compression;
    use parquet::file::reader::{FileReader, SerializedFileReader};

    let folder = tempfile::tempdir().unwrap();
    let output = Output::open(folder.path()).unwrap();
    let mut staging = output.stage("run").unwrap();
    let numbers: Vec<i64> = (0..2_048).collect();
    for rows in [0, 1, 1_023, 1_024, 2_048] {
        let written = stage_file(&mut staging, "total", &rows.to_string(), &numbers[..rows]);
        let reader = SerializedFileReader::new(fs::File::open(written.path).unwrap()).unwrap();
        let groups = reader.metadata().row_groups();
        assert_eq!(groups.iter().map(|group| group.num_rows()).sum::<i64>(), rows as i64);
        let compressed = groups.iter().any(|group| group.column(0).compression() != Compression::UNCOMPRESSED);
        assert_eq!(compressed, rows >= 1_024, "{rows}");
    }
    let run = staging.publish(Manifest::default()).unwrap();
    let (_, cells) = read(&run.folder.join("total/1023.parquet")).unwrap();
    assert_eq!(cells[0].len(), 1_023);
}

#[test]
fn a_full_disk_publishes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let output = Output::open(root).unwrap();
    let before = publish(&output, "before", &[1]);

    // A file whose disk is full: with its footer, and in its midst.
    let link = root.join("full.parquet");
    symlink("/dev/full", &link).unwrap();
    let layout = Layout { row_group_rows: 10_000, ..Layout::default() };
    let mut file = TableFile::create(&link, &fields(), &layout).unwrap();
    let many: Vec<_> = (0..100_000_i64).map(|it| it.wrapping_mul(0x9e37_79b9_7f4a_7c15_u64 as i64)).collect();
    for error in [write(&link, &fields(), &[rows(&[1])]).unwrap_err(), file.write(&rows(&many)).unwrap_err()] {
        assert!(matches!(&error, StoreError::Output { action: "write", path, .. } if *path == link), "{error:?}");
        assert_eq!(error.fault(), Fault::Output);
        assert!(error.hint().is_some_and(|hint| hint.contains("space")), "{error:?}");
    }
    drop(file);
    assert!(Path::new("/dev/full").exists() && link.is_symlink(), "what we did not create is never removed");

    // A manifest, a list of ids and a switch that fail.
    let ids = root.join("runs/.ids");
    let kept = fs::read(&ids).unwrap();
    for obstacle in ["manifest", "ids", "run", "current"] {
        let mut staging = output.stage("run").unwrap();
        stage_file(&mut staging, "total", "part-0", &[2]);
        let link = root.join("current");
        match obstacle {
            "manifest" => symlink("/dev/full", root.join(".staging-run/manifest.json")).unwrap(),
            "ids" => {
                fs::remove_file(&ids).unwrap();
                fs::create_dir(&ids).unwrap();
            }
            "run" => fs::write(root.join("runs/run"), "in the way").unwrap(),
            _ => {
                fs::remove_file(&link).unwrap();
                fs::create_dir(&link).unwrap();
            }
        }
        let error = staging.publish(Manifest::default()).unwrap_err();
        assert_eq!(error.fault(), Fault::Output, "{error:?}");
        match obstacle {
            "ids" => {
                fs::remove_dir(&ids).unwrap();
                fs::write(&ids, &kept).unwrap();
            }
            "run" => fs::remove_file(root.join("runs/run")).unwrap(),
            "current" => {
                fs::remove_dir(&link).unwrap();
                symlink("runs/before", &link).unwrap();
            }
            _ => {}
        }
        assert_eq!(output.current().unwrap().as_ref(), Some(&before), "{obstacle}");
        assert_eq!(names(root), [".lock", "current", "full.parquet", "runs"], "{obstacle}");
        assert_eq!(names(&root.join("runs")), [".ids", "before"], "{obstacle}");
        assert_eq!(fs::read(&ids).unwrap(), kept, "{obstacle}");
    }
    publish(&output, "run", &[2]);
}

#[test]
fn manifests_of_other_versions_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let output = Output::open(folder.path()).unwrap();
    let run = publish(&output, "run", &[1]);
    let path = run.folder.join("manifest.json");
    fs::write(&path, r#"{"run_id": "run", "news": {"a": [1]}, "range": {"from": "2026-01-01", "why": 1}}"#).unwrap();
    let read = output.current().unwrap().unwrap();
    assert_eq!(read.manifest.run_id, "run");
    assert_eq!((read.manifest.range.from.as_deref(), read.manifest.range.to), (Some("2026-01-01"), None));
    fs::write(&path, r#"{"run_id": "#).unwrap();
    let error = output.current().unwrap_err();
    assert!(matches!(&error, StoreError::Manifest { path: it, .. } if *it == path), "{error:?}");
}

#[test]
fn the_manifest_is_text_for_people() {
    let folder = tempfile::tempdir().unwrap();
    let output = Output::open(folder.path()).unwrap();
    let mut manifest = Manifest { pipeline: "nightly".to_owned(), peak_memory_bytes: 7, ..Manifest::default() };
    manifest.rows.touchpoints.rejected.insert("null_time".to_owned(), 3);
    let run = output.stage("run").unwrap().publish(manifest).unwrap();
    let text = fs::read_to_string(run.folder.join("manifest.json")).unwrap();
    let keys: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("  \"")?.split('"').next()).collect();
    assert_eq!(
        keys,
        [
            "run_id",
            "version",
            "pipeline",
            "pipeline_sha256",
            "settings_sha256",
            "pipeline_file",
            "working_folder",
            "pipeline_toml",
            "range",
            "inputs",
            "bytes_read",
            "rows",
            "models",
            "windows",
            "settings",
            "tables",
            "state",
            "started",
            "finished",
            "peak_memory_bytes"
        ]
    );
    assert!(text.contains("\"null_time\": 3") && text.ends_with("}\n"), "{text}");
}

#[test]
fn files_can_be_written_on_any_thread() {
    fn travels<T: Send>(_: &T) {}
    let folder = tempfile::tempdir().unwrap();
    let output = Output::open(folder.path()).unwrap();
    let mut staging = output.stage("run").unwrap();
    let files: Vec<_> = (0..4).map(|it| staging.table_file("total", &format!("part-{it}"), &fields()).unwrap()).collect();
    travels(&staging);
    let files: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = files
            .into_iter()
            .map(|mut file| {
                scope.spawn(move || {
                    file.write(&rows(&[1, 2, 3])).unwrap();
                    file
                })
            })
            .collect();
        threads.into_iter().map(|it| it.join().unwrap()).collect()
    });
    for file in files {
        file.finish(&mut staging).unwrap();
    }
    assert_eq!(staging.publish(Manifest::default()).unwrap().manifest.tables[0].rows, 12);
}
