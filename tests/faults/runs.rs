//! One run after the other: what stays, what is written down of each, and what never is.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use attributary_core::value::Value;
use attributary_store::{Manifest, read_table};
use attributary_testkit::table::Table;
use sha2::{Digest, Sha256};

use crate::support::{attributary, read_current, root};
use crate::world::{World, finish};

fn runs(world: &World) -> Vec<String> {
    let entries = fs::read_dir(world.output().join("runs")).expect("runs").flatten().filter(|it| it.path().is_dir());
    let mut names: Vec<_> = entries.map(|it| it.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn ids_are_unique_and_sort_by_time_and_keep_keeps_the_newest() {
    let world = World::new();
    let ids: Vec<String> = (0..5)
        .map(|_| {
            world.run().is_fine();
            // Two runs of one second are told apart, but not ordered, by their digits.
            std::thread::sleep(std::time::Duration::from_millis(1_000));
            world.manifest().run_id
        })
        .collect();
    assert!(ids.is_sorted() && ids.iter().collect::<BTreeSet<_>>().len() == 5, "{ids:?}");
    assert_eq!(runs(&world), ids);
    world.run_with(&["--run-id", "a-last-one", "--set", "output.keep=2"]).is_fine();
    assert_eq!(runs(&world), [ids[4].as_str(), "a-last-one"]);
    assert_eq!(world.manifest().run_id, "a-last-one");
    // An id that was pruned is still never used again.
    world.run_with(&["--run-id", &ids[0]]).fails(2, &["was used before"]);
    // A run that fails removes none.
    world.run_with(&["--set", "output.keep=1", "--set", "touchpoints.source=gone"]).fails(3, &[]);
    assert_eq!(runs(&world).len(), 2);
}

#[test]
fn current_stays_however_few_are_kept() {
    let world = World::new();
    for id in ["one", "two", "three"] {
        world.run_with(&["--run-id", id]).is_fine();
    }
    // Someone goes back to an earlier run.
    fs::remove_file(world.output().join("current")).expect("a link");
    std::os::unix::fs::symlink("runs/one", world.output().join("current")).expect("a link");
    world.run_with(&["--run-id", "four", "--set", "output.keep=1"]).is_fine();
    assert_eq!(runs(&world), ["four"]);
}

#[test]
fn a_reader_that_resolves_current_once_sees_one_whole_run() {
    let world = World::new();
    world.run().is_fine();
    let seen = std::thread::scope(|scope| {
        let writer = scope.spawn(|| (0..6).for_each(|_| _ = world.run().is_fine()));
        let mut seen = BTreeSet::new();
        while !writer.is_finished() {
            let folder = world.output().join(world.current().expect("there is always a current run"));
            seen.insert(whole(&folder).run_id);
        }
        seen
    });
    assert!(seen.len() > 2, "{seen:?}");
}

/// A run's manifest, of which every file is as it says and no other file is there.
fn whole(folder: &Path) -> Manifest {
    let manifest: Manifest =
        serde_json::from_str(&fs::read_to_string(folder.join("manifest.json")).expect("a manifest")).expect("JSON");
    assert_eq!(folder.file_name().and_then(|it| it.to_str()), Some(manifest.run_id.as_str()));
    let mut listed = BTreeSet::from([PathBuf::from("manifest.json")]);
    for table in manifest.tables.iter().chain(&manifest.state) {
        assert_eq!(table.rows, table.files.iter().map(|file| file.rows).sum::<u64>(), "{table:?}");
        for file in &table.files {
            let path = folder.join(&file.path);
            let bytes = fs::read(&path).expect("a file");
            let sha256: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!((file.bytes, &file.sha256), (bytes.len() as u64, &sha256), "{path:?}");
            let rows: usize = read_table(&path).expect("a table").map(|rows| rows.expect("rows").len()).sum();
            assert_eq!(file.rows, rows as u64, "{path:?}");
            listed.insert(file.path.clone().into());
        }
    }
    let mut found = BTreeSet::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).expect("a folder").flatten() {
            match entry.path() {
                path if path.is_dir() => folders.push(path),
                path => _ = found.insert(path.strip_prefix(folder).expect("below").to_owned()),
            }
        }
    }
    assert_eq!(found, listed);
    manifest
}

#[test]
fn secrets_are_written_down_nowhere() {
    let world = World::new();
    let secret = "s3cr3t-t0ken";
    // A secret in a predicate, where nothing has to name it.
    let pipeline = crate::world::PIPELINE.replace("[conversions]", "where = \"channel <> '${TOKEN}'\"\n[conversions]");
    world.pipeline(&pipeline);
    let ended = world.end(world.command(&["run", "pipeline.toml", "-vv", "--log-format", "json"]).env("TOKEN", secret));
    ended.is_fine();
    let manifest = fs::read_to_string(world.output().join("current/manifest.json")).expect("a manifest");
    for (place, text) in [("stdout", &ended.stdout), ("stderr", &ended.stderr), ("manifest", &manifest)] {
        assert!(!text.contains(secret), "{place}: {text}");
    }
    // The fingerprint does not depend on it either.
    let first = world.manifest();
    world.end(world.command(&["run", "pipeline.toml"]).env("TOKEN", "another")).is_fine();
    assert_eq!(world.manifest().pipeline_sha256, first.pipeline_sha256);
}

#[test]
fn two_runs_differ_in_id_clock_and_memory_only() {
    let world = World::new();
    let plain = |words: &[&str]| {
        world.run_with(words).is_fine();
        let manifest = whole(&world.output().join(world.current().expect("a run")));
        Manifest { run_id: String::new(), started: String::new(), finished: String::new(), peak_memory_bytes: 0, ..manifest }
    };
    let first = plain(&["--set", "output.credits=true"]);
    assert_eq!(plain(&["--set", "output.credits=true", "--full"]), first);
    assert_eq!(plain(&["--set", "output.credits=true", "--full", "--run-id", "x", "--memory", "256MB", "-q"]), first);
    // The way to the output is no setting.
    world.perform(&["run", "pipeline.toml", "--output", "elsewhere", "--threads", "1", "--set", "output.credits=true"]).is_fine();
    let other: Manifest =
        serde_json::from_str(&fs::read_to_string(world.path("elsewhere/current/manifest.json")).expect("a manifest"))
            .expect("JSON");
    assert_eq!((other.tables, other.rows), (first.tables, first.rows));
}

/// What `explain` says of a conversion is what the tables hold, under all models and windows.
#[test]
fn explain_agrees_with_the_tables() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = folder.path().join("out");
    let pipeline = root().join("pipelines/windows.toml");
    let words = [
        "run".as_ref(),
        pipeline.as_os_str(),
        "--output".as_ref(),
        output.as_os_str(),
        "--set".as_ref(),
        "output.paths=0".as_ref(),
    ];
    finish(attributary().args(words)).is_fine();
    let (credits, left) = (read_current(&output, "credits"), read_current(&output, "unattributed"));
    let ids: BTreeSet<&str> =
        [&credits, &left].into_iter().flat_map(|table| column(table, "conversion_id")).filter_map(Value::as_text).collect();
    let chosen: Vec<&str> = ids.iter().step_by(ids.len() / 20).take(20).copied().collect();
    assert_eq!(chosen.len(), 20);
    for id in chosen {
        let ended = finish(attributary().arg("explain").arg(&pipeline).args([id, "--format", "json"]));
        assert_eq!(ended.code, 0, "{ended:?}");
        let explained: serde_json::Value = serde_json::from_str(&ended.stdout).expect("JSON");
        assert_eq!(told(&explained, id), held(&credits, &left, id), "{id}");
    }
}

/// Model, window, touch time (or the reason), share and amount.
type Lines = BTreeSet<[String; 6]>;

fn told(explained: &serde_json::Value, id: &str) -> Lines {
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    assert_eq!(explained["conversion_id"], id);
    let names: Vec<String> = explained["columns"].as_array().expect("columns").iter().map(text).collect();
    let touch_id = names.iter().position(|name| name == "id").expect("the touch's id");
    let mut lines = Lines::new();
    for model in explained["models"].as_array().expect("models") {
        let (name, window) = (text(&model["model"]), text(&model["window"]));
        if let Some(reason) = model["unattributed"].as_str() {
            lines.insert([name, window, reason.to_owned(), String::new(), String::new(), String::new()]);
            continue;
        }
        for (place, touch) in model["touches"].as_array().expect("touches").iter().enumerate() {
            if let Some(share) = touch["share"].as_str() {
                let of = &explained["touches"][place];
                let amount = text(&touch["amounts"][0]);
                let id = text(&of["columns"][touch_id]);
                lines.insert([name.clone(), window.clone(), text(&of["time"]), id, share.to_owned(), amount]);
            }
        }
    }
    lines
}

fn held(credits: &Table, left: &Table, id: &str) -> Lines {
    let cells = |table: &Table, names: &[&str]| -> Vec<Vec<String>> {
        let places: Vec<_> = names.iter().map(|name| place(table, name)).collect();
        let own = place(table, "conversion_id");
        let rows = table.rows.iter().filter(|row| row[own].as_text() == Some(id));
        rows.map(|row| places.iter().map(|place| row[*place].display(&table.fields[*place].kind)).collect()).collect()
    };
    let line = |mut cells: Vec<String>| -> [String; 6] {
        cells.resize(6, String::new());
        cells.try_into().expect("six cells")
    };
    let credited = cells(credits, &["model", "window", "touch_time", "touch_id", "share", "revenue"]);
    let reasons = cells(left, &["model", "window", "reason"]);
    credited.into_iter().chain(reasons).map(line).collect()
}

fn place(table: &Table, name: &str) -> usize {
    table.fields.iter().position(|field| field.name == name).unwrap_or_else(|| panic!("no {name} in {:?}", table.fields))
}

fn column<'a>(table: &'a Table, name: &str) -> impl Iterator<Item = &'a Value> {
    let place = place(table, name);
    table.rows.iter().map(move |row| &row[place])
}
