//! Inputs that someone replaces, cuts, removes or writes on while they are read: an error that names the file, never a number of
//! neither version.

use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use arrow::array::{StringArray, TimestampMicrosecondArray};
use parquet::basic::Compression;

use crate::moments::LOG;
use crate::nights::{Chance, say};
use crate::support::attributary;
use crate::world::{Columns, Ended, HOUR, NEW_YEAR, World, ipc_bytes, litter, parquet_bytes, touches, until, wait, with};

/// What is done to a file, as a word for messages and a deed.
type Deed = (&'static str, fn(&Path));

/// The same rows for another customer: as many bytes, another content.
fn others() -> Columns {
    with(touches(), "user_id", StringArray::from(vec!["bob", "bob", "ann", "bob", "eve", "ann"]))
}

fn bytes_like(path: &Path, columns: &Columns) -> Vec<u8> {
    match path.extension().and_then(|it| it.to_str()) {
        Some("arrow") => ipc_bytes(columns),
        Some("csv") => csv("bob").into_bytes(),
        _ => parquet_bytes(columns, Compression::UNCOMPRESSED),
    }
}

fn csv(customer: &str) -> String {
    let row = |id: usize| format!("{customer},2026-01-01T0{id}:00:00,search,spring,click,e{id}\n");
    let rows: String = (1..7).map(row).collect();
    format!("user_id,at,channel,campaign,interaction,event_id\n{rows}")
}

const DEEDS: [Deed; 5] = [
    ("cut", |path| {
        let length = fs::metadata(path).expect("the file").len();
        File::options().write(true).open(path).and_then(|file| file.set_len(length / 2)).expect("cut");
    }),
    ("removed", |path| fs::remove_file(path).expect("removed")),
    ("replaced", |path| {
        // Another file in its place, of which even the time is the same.
        let (new, time) = (path.with_extension("tmp"), fs::metadata(path).and_then(|it| it.modified()).expect("a time"));
        fs::write(&new, fs::read(path).expect("the file")).expect("written");
        File::options().write(true).open(&new).and_then(|file| file.set_modified(time)).expect("set");
        fs::rename(new, path).expect("renamed");
    }),
    ("written anew", |path| {
        std::thread::sleep(Duration::from_millis(20));
        let bytes = bytes_like(path, &others());
        fs::write(path, bytes).expect("written");
    }),
    ("written on", |path| {
        use std::io::Write;
        let mut file = File::options().append(true).open(path).expect("the file");
        file.write_all(b"ann,2026-01-01T09:00:00,search,spring,click,e9\n").expect("written");
    }),
];

#[test]
fn an_input_that_changes_while_it_is_read_is_an_error_that_names_it() {
    if !cfg!(debug_assertions) {
        return say("inputs that change at named moments: SKIPPED, as builds for use cannot be held at them");
    }
    let mut count = 0;
    for (name, rules) in [
        // Decoded as it stands, by a query, as text, mapped.
        ("touches.parquet", ""),
        ("touches.parquet", "touchpoints.where=\"channel <> 'x'\""),
        ("touches.csv", ""),
        ("touches.arrow", ""),
        ("conversions.parquet", ""),
    ] {
        for moment in ["opened", "read"] {
            for (word, deed) in DEEDS {
                let world = World::new();
                match name {
                    "touches.csv" => world.write(name, csv("ann")),
                    "touches.arrow" => world.write(name, ipc_bytes(&touches())),
                    _ => {}
                }
                let source = format!("touchpoints.source={name}");
                let mut words = vec!["run", "pipeline.toml", "--threads", "2"];
                if name.starts_with("touches") {
                    words.extend(["--set", &source]);
                }
                if !rules.is_empty() {
                    words.extend(["--set", rules]);
                }
                let ended = changed(&world, &words, moment, || deed(&world.path(name)));
                assert_eq!(ended.code, 3, "{name} {word} at {moment} {rules}: {ended:#?}");
                ended.fails(3, &["error: ", name, "while it was read", "\nhint: "]);
                assert!(world.current().is_none() && litter(&world.output()).is_empty(), "{name} {word} at {moment}");
                count += 1;
            }
        }
    }
    say(&format!("inputs that change while they are read: {count} ways, an error that names the file each time"));
}

#[test]
fn what_only_looks_like_a_change_is_none() {
    if !cfg!(debug_assertions) {
        return say("inputs that seem to change: SKIPPED, as builds for use cannot be held at named moments");
    }
    let world = World::new();
    world.parquet("log/1.parquet", &touches());
    let ended = changed(&world, &["run", "pipeline.toml", "--set", "touchpoints.source=log"], "read", || {
        // A new file beside it, a further name, other rights, and someone who reads.
        world.parquet("log/2.parquet", &touches());
        fs::hard_link(world.path("log/1.parquet"), world.path("backup.parquet")).expect("a link");
        fs::set_permissions(world.path("log/1.parquet"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("set");
        fs::read(world.path("log/1.parquet")).expect("read");
    });
    assert_eq!(ended.code, 0, "{ended:#?}");
    // Times that are set back betray nothing, but the footer does.
    let ended = changed(&world, &["run", "pipeline.toml", "--full"], "read", || {
        let path = world.path("touches.parquet");
        let (length, time) = fs::metadata(&path).map(|it| (it.len(), it.modified().expect("a time"))).expect("the file");
        let hours = TimestampMicrosecondArray::from_iter_values((2..8).map(|hour| NEW_YEAR + hour * HOUR));
        let late = with(touches(), "at", hours);
        fs::write(&path, parquet_bytes(&late, Compression::UNCOMPRESSED)).expect("written");
        File::options().write(true).open(&path).and_then(|file| file.set_modified(time)).expect("set");
        assert_eq!(fs::metadata(&path).expect("the file").len(), length);
    });
    ended.fails(3, &["touches.parquet was changed while it was read"]);
}

/// Runs and does something at a moment.
fn changed(world: &World, words: &[&str], moment: &str, deed: impl FnOnce()) -> Ended {
    let file = world.path("held");
    let mut command = world.command(words);
    command.env("ATTRIBUTARY_HOLD", format!("{moment}:{}", file.display())).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("it starts");
    until(Duration::from_secs(30), || file.exists().then_some(())).expect("the moment");
    deed();
    fs::remove_file(&file).expect("removed");
    wait(child, &format!("{words:?}"))
}

/// What is mapped into memory and cut is not there any more: the system says so in its own way, which would end the process.
#[test]
fn files_that_are_cut_in_the_midst_of_being_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let from = LOG.pipeline().parent().expect("a folder").to_owned();
    let mut chance = Chance::new();
    let mut codes = Vec::new();
    for (rules, longest) in [("touchpoints.where=\"channel <> 'x'\"", 1_500_000), ("output.paths=0", 400_000)] {
        for _ in 0..3 {
            for source in ["touchpoints", "conversions"] {
                fs::create_dir_all(folder.path().join("log").join(source)).expect("a folder");
                for entry in fs::read_dir(from.join("log").join(source)).expect("a folder").flatten() {
                    fs::copy(entry.path(), folder.path().join("log").join(source).join(entry.file_name())).expect("copied");
                }
            }
            fs::copy(LOG.pipeline(), folder.path().join("pipeline.toml")).expect("copied");
            let output = folder.path().join("out");
            let mut command = attributary();
            command.current_dir(folder.path()).args([
                "run",
                "pipeline.toml",
                "-q",
                "--threads",
                "2",
                "--output",
                "out",
                "--full",
            ]);
            command.args(["--set", rules]).stdout(Stdio::piped()).stderr(Stdio::piped());
            let child = command.spawn().expect("it starts");
            until(Duration::from_secs(20), || litter(&output).iter().any(|name| name.contains("temp")).then_some(()));
            std::thread::sleep(Duration::from_micros(chance.below(longest)));
            for entry in fs::read_dir(folder.path().join("log/touchpoints")).expect("a folder").flatten() {
                File::options().write(true).open(entry.path()).and_then(|file| file.set_len(4_096)).expect("cut");
            }
            let ended = wait(child, "cut");
            ended.fails(3, &["error: ", "log/touchpoints/", "was changed while it was read"]);
            assert_eq!(litter(&output), [""; 0], "{ended:#?}");
            assert!(!output.join("current").exists());
            codes.push(ended.code);
        }
    }
    say(&format!("files that are cut while they are read (seed {}): exit codes {codes:?}", chance.seed));
}
