//! Signals in the middle of a run, pipes that close, and how a run speaks to whom.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::attributary;
use crate::world::{World, finish, litter, until, wait};

/// A log that takes some seconds.
pub static LOG: LazyLock<Log> = LazyLock::new(Log::new);

/// A simulated log and a pipeline on it.
pub struct Log {
    folder: TempDir,
}

impl Log {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let words =
            ["simulate", "log", "--touches", "1500000", "--customers", "100000", "--conversions", "30000", "--days", "20"];
        let ended = finish(attributary().current_dir(folder.path()).args(words).args(["--keys", "hex16"]));
        assert_eq!(ended.code, 0, "{ended:?}");
        fs::write(folder.path().join("pipeline.toml"), PIPELINE).expect("written");
        Self { folder }
    }

    pub fn pipeline(&self) -> PathBuf {
        self.folder.path().join("pipeline.toml")
    }

    fn start(&self, output: &Path) -> Child {
        self.start_with(output, &[])
    }

    fn start_with(&self, output: &Path, words: &[&str]) -> Child {
        let mut command = attributary();
        command.arg("run").arg(self.pipeline()).args(["--threads", "1", "--output"]).arg(output).args(words);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts")
    }
}

const PIPELINE: &str = r#"
[pipeline]
currency = "SEK"

[touchpoints]
source = "log/touchpoints"
columns = { customer = "user_id", time = "event_time", channel = "channel", campaign = "campaign", interaction = "interaction", id = "event_id" }
dimensions = ["country", "device"]

[conversions]
source = "log/conversions"
columns = { id = "order_id", customer = "user_id", time = "ordered_at" }
values = { revenue = "revenue" }

[[model]]
kind = "linear"

[[model]]
kind = "time_decay"
"#;

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args(["-s", name, &child.id().to_string()]).status();
    assert!(sent.is_ok_and(|status| status.success()), "kill is there");
}

#[test]
fn signals_end_a_run_at_any_moment_and_nothing_is_left() {
    for (name, code, word) in [("INT", 130, "interrupted"), ("TERM", 143, "terminated")] {
        let folder = tempfile::tempdir().expect("a folder");
        let output = folder.path().join("out");
        for after in [20, 150, 400, 900, 1_500] {
            let child = LOG.start(&output);
            until(Duration::from_secs(20), || output.join(".lock").exists().then_some(()));
            std::thread::sleep(Duration::from_millis(after));
            let began = Instant::now();
            signal(&child, name);
            let ended = wait(child, name);
            assert_eq!(ended.code, code, "after {after} ms: {ended:#?}");
            assert!(began.elapsed() < Duration::from_secs(2), "{:?} after {after} ms", began.elapsed());
            assert!(ended.stderr.contains(&format!("error: {word}, nothing was published")), "{ended:#?}");
            assert_eq!(ended.stdout, "");
            assert_eq!(litter(&output), [""; 0]);
            assert!(!output.join("current").exists() && fs::read_dir(output.join("runs")).expect("runs").next().is_none());
        }
    }
}

/// What went to disk is merged, and paths are counted: whatever a signal finds the run at, it ends at once.
#[test]
fn signals_end_a_run_in_little_memory() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = folder.path().join("out");
    for after in [250, 700, 1_100, 1_600, 2_100, 2_600, 3_200] {
        let words = ["--memory", "256MB", "--set", "output.paths=1000", "--set", "output.credits=true"];
        let child = LOG.start_with(&output, &words);
        until(Duration::from_secs(20), || output.join(".lock").exists().then_some(()));
        std::thread::sleep(Duration::from_millis(after));
        let began = Instant::now();
        signal(&child, "INT");
        let ended = wait(child, "INT");
        if ended.code == 0 {
            // It was faster.
            break;
        }
        assert_eq!(ended.code, 130, "after {after} ms: {ended:#?}");
        assert!(began.elapsed() < Duration::from_secs(2), "{:?} after {after} ms", began.elapsed());
        assert_eq!(litter(&output), [""; 0]);
        assert!(!output.join("current").exists());
    }
}

#[test]
fn a_signal_that_comes_twice_at_once_is_one() {
    // As `timeout` sends it: to the process and to its group.
    let folder = tempfile::tempdir().expect("a folder");
    let output = folder.path().join("out");
    let child = LOG.start(&output);
    until(Duration::from_secs(20), || output.join(".lock").exists().then_some(()));
    std::thread::sleep(Duration::from_millis(500));
    for _ in 0..3 {
        signal(&child, "TERM");
    }
    let ended = wait(child, "TERM thrice");
    assert_eq!(ended.code, 143, "{ended:#?}");
    assert_eq!(litter(&output), [""; 0]);
}

#[test]
fn what_a_kill_leaves_behind_the_next_run_removes() {
    let world = World::new();
    let first = world.run();
    first.is_fine();
    let before = world.current();
    let child = LOG.start(&world.output());
    until(Duration::from_secs(20), || litter(&world.output()).first().cloned()).expect("it has begun");
    signal(&child, "KILL");
    assert_eq!(wait(child, "KILL").code, 137);
    assert_eq!(world.current(), before);
    assert_ne!(litter(&world.output()), [""; 0]);
    world.run().is_fine();
    assert_eq!(litter(&world.output()), [""; 0]);
    assert_eq!(fs::read_dir(world.output().join("runs")).expect("runs").flatten().filter(|it| it.path().is_dir()).count(), 2);
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let world = World::new();
    for words in [&["run", "pipeline.toml"][..], &["models"], &["check", "pipeline.toml"], &["--help"], &["completions", "zsh"]] {
        let mut child = world.command(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        // Closed before a letter is written.
        drop(child.stdout.take());
        let ended = wait(child, "a closed pipe");
        assert_eq!(ended.code, 0, "{words:?}: {ended:?}");
        assert!(!ended.stderr.contains("error"), "{words:?}: {ended:?}");
    }
    let mut child = world.command(&["models"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let mut start = [0; 10];
    child.stdout.take().expect("a pipe").read_exact(&mut start).expect("the first letters");
    assert_eq!(wait(child, "head").code, 0);
}

#[test]
fn what_is_said_is_for_whom_it_is() {
    let world = World::new();
    let ended = world.run();
    assert!(
        !ended.stderr.contains(['\u{1b}', '\r']) && !ended.stdout.contains(['\u{1b}', '\r']),
        "no bar, no colours: {ended:?}"
    );
    let quiet = world.run_with(&["-q"]);
    assert_eq!((quiet.code, quiet.stderr.as_str()), (0, ""));
    for words in
        [&["--log-format", "json"][..], &["--log-format", "json", "-vv"], &["--log-format=json", "--set", "pipeline.currency=X"]]
    {
        let ended = world.run_with(words);
        assert!(ended.stderr.lines().count() > 0);
        for line in ended.stderr.lines() {
            let line: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            assert!(line.is_object(), "{line}");
        }
    }
    let coloured = world.run_with(&["--color", "always"]);
    assert!(coloured.stdout.contains('\u{1b}'), "{coloured:?}");
    let plain = world.run_with(&["--color", "never", "-v"]);
    assert!(!plain.stdout.contains('\u{1b}') && !plain.stderr.contains('\u{1b}'), "{plain:?}");
    let asked = world.end(world.command(&["run", "pipeline.toml"]).env("NO_COLOR", "1"));
    assert!(!asked.stdout.contains('\u{1b}') && !asked.stderr.contains('\u{1b}'), "{asked:?}");
    let wrong = world.perform(&["run", "gone.toml", "--color", "always"]);
    assert!(wrong.stderr.contains('\u{1b}'), "{wrong:?}");
}

#[test]
fn results_as_json_are_one_document() {
    let world = World::new();
    for words in [
        &["run", "pipeline.toml"][..],
        &["check", "pipeline.toml"],
        &["explain", "pipeline.toml", "o1"],
        &["models"],
        &["models", "linear"],
        &["simulate", "log", "--touches", "100", "--customers", "10"],
    ] {
        let ended = world.perform(&[words, &["--format", "json"]].concat());
        assert_eq!(ended.code, 0, "{ended:?}");
        let document: serde_json::Value =
            serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {}", ended.stdout));
        assert!(document.is_object() || document.is_array(), "{words:?}");
        if words[0] == "run" {
            assert_eq!(document["ledger"][0]["difference"], "0.00");
            assert_eq!(document["ledger"][0]["source"], "175.55");
        }
    }
}
