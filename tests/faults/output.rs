//! Outputs that cannot be written: whatever is wrong, `current` stays as it was and nothing unfinished is left.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::world::{Ended, World, finish};

#[test]
fn an_output_that_is_no_folder() {
    let world = World::new();
    world.write("file", "here first");
    world.run_with(&["--output", "file"]).fails(5, &["error: output file is not a folder", "\nhint: "]);
    world.run_with(&["--output", "file/below/it"]).fails(5, &["error: ", "file/below", "\nhint: "]);
    world.run_with(&["--output", "pipeline.toml"]).fails(5, &["error: output pipeline.toml is not a folder"]);
    world.run_with(&["--output", "/dev/null"]).fails(5, &["error: output /dev/null is not a folder"]);
    world.run_with(&["--output", "/proc/nowhere"]).fails(5, &["error: ", "/proc/nowhere"]);
    world.run_with(&["--output", "/sys/kernel"]).fails(5, &["error: ", "/sys/kernel"]);
    world.run_with(&["--output", &"x".repeat(300)]).fails(5, &["error: ", "File name too long"]);
    assert_eq!(fs::read_to_string(world.path("file")).expect("the file"), "here first");
}

#[test]
fn things_in_the_way_inside_of_the_output() {
    for (name, what) in [("out/runs", "runs"), ("out/current", "current"), ("out/runs/.ids/x", ".ids"), ("out/.lock/x", ".lock")]
    {
        let world = World::new();
        world.write(name, "in the way");
        let ended = world.run();
        ended.fails(5, &["error: ", what]);
        assert_eq!(fs::read_to_string(world.path(name)).expect("still there"), "in the way");
    }
    // A link to nowhere is a run that was removed by hand: the next run replaces it.
    let world = World::new();
    fs::create_dir(world.output()).expect("a folder");
    std::os::unix::fs::symlink("runs/gone", world.output().join("current")).expect("a link");
    world.run().is_fine();
    assert!(world.output().join("current/manifest.json").exists());
}

#[test]
fn an_output_that_another_run_holds() {
    let world = World::new();
    world.run().is_fine();
    let before = world.current();
    let lock = File::options().read(true).write(true).open(world.output().join(".lock")).expect("the lock");
    lock.lock().expect("held");
    // Said before any input is read: this one is not even there.
    let began = Instant::now();
    let ended = world.run_with(&["--set", "touchpoints.source=gone.parquet"]);
    ended.fails(6, &["error: output out is held by another run", "process", "since", "\nhint: "]);
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    world.run().fails(6, &["held by another run"]);
    assert_eq!(world.current(), before);
    // Whoever only looks is not held up.
    assert_eq!(world.perform(&["check", "pipeline.toml"]).code, 0);
    assert_eq!(world.perform(&["explain", "pipeline.toml", "o1"]).code, 0);
    drop(lock);
    world.run().is_fine();
}

#[test]
fn an_output_that_is_read_only() {
    let world = World::new();
    world.run().is_fine();
    let bind = format!("mount --bind {0} {0} && mount -o remount,bind,ro {0}", world.output().display());
    let Some(ended) = apart(&world, &bind) else { return };
    ended.fails(5, &["error: cannot ", "out/", "caused by: Read-only file system", "\nhint: "]);
    let manifest = world.manifest();
    world.run().is_fine();
    assert_ne!(world.manifest().run_id, manifest.run_id);
}

#[test]
fn a_disk_that_is_full() {
    // From a disk that is full at once to one that is full when the last tables are written.
    let mut codes = Vec::new();
    for kib in [4, 8, 12, 16, 24, 32, 40, 48, 64, 80, 4096] {
        let world = World::new();
        fs::create_dir(world.output()).expect("a folder");
        let mount = format!("mount -t tmpfs -o size={kib}k none {}", world.output().display());
        let Some(ended) = apart(&world, &mount) else { return };
        if ended.code != 0 {
            ended.fails(5, &["error: cannot ", "out", "No space left on device", "\nhint: "]);
        }
        codes.push(ended.code);
    }
    assert_eq!((codes.first(), codes.last()), (Some(&5), Some(&0)), "{codes:?}");
    assert!(codes.is_sorted_by(|small, large| small >= large), "{codes:?}");
}

/// Runs the pipeline where `mount` has changed the file system for this one process, and checks what is left there. None,
/// with a word, where nothing may be mounted.
#[expect(clippy::print_stderr, reason = "says why a test is skipped")]
fn apart(world: &World, mount: &str) -> Option<Ended> {
    let attributary = env!("CARGO_BIN_EXE_attributary");
    let allowed = Command::new("unshare").args(["-m", "sh", "-c", mount]).output().is_ok_and(|output| output.status.success());
    if !allowed {
        eprintln!("skipped: `{mount}` is not permitted here");
        return None;
    }
    let script = format!(
        "{mount}; before=$(readlink out/current); {attributary} run pipeline.toml --threads 2; code=$?
        [ $code = 0 ] || [ \"$before\" = \"$(readlink out/current)\" ] || echo current has changed
        ls -A out out/runs | grep staging; exit $code"
    );
    let ended = finish(Command::new("unshare").args(["-m", "sh", "-c", &script]).current_dir(world.root()));
    assert!(!ended.stdout.contains("current has changed") && !ended.stdout.contains(".staging"), "{ended:#?}");
    assert!(!ended.stderr.contains("panicked") && !ended.stderr.contains("internal error"), "{ended:#?}");
    Some(ended)
}

#[test]
#[expect(clippy::print_stderr, reason = "says why a test is skipped")]
fn a_result_that_cannot_be_printed() {
    if !Path::new("/dev/full").exists() {
        return eprintln!("skipped: there is no /dev/full");
    }
    let world = World::new();
    let full = || File::options().write(true).open("/dev/full").expect("open");
    for words in [&["models"][..], &["check", "pipeline.toml"], &["run", "pipeline.toml"], &["completions", "bash"]] {
        let mut child = world.command(words);
        let output = child.stdout(full()).output().expect("it starts");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(5), "{words:?}: {said}");
        assert!(said.contains("error: cannot write to standard output"), "{words:?}: {said}");
    }
    // And nobody is there to hear it.
    for words in [&["run", "gone.toml"][..], &["rnu"], &["run", "pipeline.toml"]] {
        let code = world.command(words).stderr(full()).output().expect("it starts").status.code();
        assert_eq!(code, Some(if words[1..] == ["pipeline.toml"] { 0 } else { 2 }));
    }
}
