//! Listing runs, going back to one, letting old ones go, waiting for others, and clocks that jump.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::nights::{Nights, Variant, say};
use crate::world::{Ended, World, finish, litter, until, wait};

/// What `attributary runs` says.
fn listed(world: &World) -> Value {
    let ended = world.perform(&["runs", "pipeline.toml", "--format", "json"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    serde_json::from_str(&ended.stdout).expect("JSON")
}

fn ids(list: &Value) -> Vec<&str> {
    list["runs"].as_array().expect("runs").iter().map(|run| run["run_id"].as_str().expect("an id")).collect()
}

/// Runs under a clock that is so many days ahead.
fn days_ahead(world: &World, days: i64, words: &[&str]) -> Ended {
    let mut command = world.command(&[&["run", "pipeline.toml"], words].concat());
    world.end(command.env("ATTRIBUTARY_CLOCK", (days * 86_400).to_string()))
}

/// A run that waits at a moment until the file is gone.
fn held(world: &World, moment: &str) -> (Child, PathBuf) {
    let file = world.path("held");
    let mut command = world.command(&["run", "pipeline.toml"]);
    command.env("ATTRIBUTARY_HOLD", format!("{moment}:{}", file.display())).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("it starts");
    until(Duration::from_secs(30), || file.exists().then_some(())).expect("the moment");
    (child, file)
}

#[test]
fn runs_are_listed_the_last_first() {
    let world = World::new();
    let none = world.perform(&["runs", "pipeline.toml"]);
    assert_eq!((none.code, none.stdout.as_str()), (0, "no runs in out\n"));
    assert!(!world.output().exists(), "whoever only looks makes nothing");
    for (id, more) in [("z", "--full"), ("a", "-q"), ("m", "--to=2026-01-02"), ("b", "--full")] {
        let paths = if id == "a" { "output.paths=0" } else { "output.paths=5" };
        world.run_with(&["--run-id", id, more, "--set", "output.credits=true", "--set", paths]).is_fine();
    }
    // The same as the run before, which it takes its days from.
    world.run_with(&["--run-id", "c", "--set", "output.credits=true", "--set", "output.paths=5"]).is_fine();
    let list = listed(&world);
    assert_eq!((ids(&list), list["current"].as_str()), (vec!["c", "b", "m", "a", "z"], Some("c")));
    let runs = list["runs"].as_array().expect("runs");
    assert_eq!(runs.iter().filter(|run| run["current"] == true).count(), 1);
    let (c, m, z) = (&runs[0], &runs[2], &runs[4]);
    let money =
        serde_json::json!({ "model": "linear", "window": "30d", "value": "revenue", "currency": "SEK", "attributed": "150.05" });
    assert_eq!((&z["money"], &z["touchpoints_read"], &z["conversions_read"]), (&money, &Value::from(6), &Value::from(3)));
    assert_eq!(z["range"], serde_json::json!([null, null]));
    assert_eq!((&m["range"], &m["money"]["attributed"]), (&serde_json::json!([null, "2026-01-02"]), &Value::from("0.00")));
    assert!(z["seconds"].as_f64().is_some_and(|seconds| seconds > 0.0), "{z}");
    assert_eq!((&z["made_from"], &z["problem"], &z["shared_files"]), (&Value::Null, &Value::Null, &Value::from(0)));
    assert_eq!(c["made_from"], serde_json::json!({ "run_id": "b", "days_computed": 0, "of_days": 1 }));
    // Files of days that both have are counted once.
    assert_eq!((&c["shared_files"], &runs[1]["shared_files"]), (&Value::from(2), &Value::from(2)));
    let number = |run: &Value, key: &str| run[key].as_u64().expect("a number");
    let own: u64 = runs.iter().map(|run| number(run, "own_bytes")).sum();
    assert_eq!(list["bytes"].as_u64(), Some(own + number(c, "shared_bytes")));
    let text = world.perform(&["runs", "pipeline.toml"]).stdout;
    assert!(text.starts_with("5 runs of pipeline in out\n") && text.contains("\n  c *  ") && text.contains("150.05"), "{text}");
    assert!(text.contains("0 of 1         b\n"), "{text}");
}

#[test]
fn torn_runs_are_listed_and_not_gone_back_to() {
    let world = World::new();
    for id in ["whole", "no-manifest", "half-manifest", "cut", "gone", "flipped", "other", "last"] {
        world.run_with(&["--run-id", id, "--full"]).is_fine();
    }
    let path = |run: &str, file: &str| world.output().join("runs").join(run).join(file);
    fs::remove_file(path("no-manifest", "manifest.json")).expect("removed");
    fs::write(path("half-manifest", "manifest.json"), "{ \"run_id\": ").expect("written");
    fs::write(path("cut", "total/part-0.parquet"), "PAR1").expect("written");
    fs::remove_file(path("gone", "ledger/part-0.parquet")).expect("removed");
    let mut bytes = fs::read(path("flipped", "by_channel/part-0.parquet")).expect("a file");
    bytes[40] ^= 1;
    fs::write(path("flipped", "by_channel/part-0.parquet"), bytes).expect("written");
    fs::copy(path("whole", "manifest.json"), path("other", "manifest.json")).expect("copied");
    let list = listed(&world);
    let problem = |id: &str| {
        let run = list["runs"].as_array().expect("runs").iter().find(|run| run["run_id"] == id).expect("the run");
        run["problem"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(list["runs"].as_array().map(Vec::len), Some(8));
    assert_eq!((problem("whole"), problem("last")), (String::new(), String::new()));
    for (id, listed, refused) in [
        ("no-manifest", "manifest.json is missing", "run \"no-manifest\" is torn: "),
        ("half-manifest", "manifest.json is no manifest", "manifest.json is not a manifest"),
        ("cut", "total/part-0.parquet has 4 bytes; its manifest says ", "total/part-0.parquet has 4 bytes; its manifest says "),
        ("gone", "ledger/part-0.parquet is missing", "run \"gone\" is torn: ledger/part-0.parquet is missing"),
        // Only its bytes tell: whoever lists reads no tables.
        ("flipped", "", "the SHA-256 of by_channel/part-0.parquet is not what its manifest says"),
        ("other", "", "its manifest is that of run \"whole\""),
    ] {
        assert!(problem(id).contains(listed), "{id}: {}", problem(id));
        world.perform(&["rollback", "pipeline.toml", id]).fails(5, &["error: run ", refused, "\nhint: "]);
        assert_eq!(world.current(), Some("runs/last".into()), "{id}");
    }
    assert!(world.perform(&["runs", "pipeline.toml"]).stdout.contains("torn: no command can use these"));
    world.perform(&["rollback", "pipeline.toml", "whole"]).is_done("current: from last back to whole\n");
}

impl Ended {
    #[track_caller]
    fn is_done(&self, words: &str) {
        assert!(self.code == 0 && self.stdout.contains(words), "{self:#?}");
    }
}

#[test]
fn the_run_after_a_rollback_goes_on_from_there() {
    let world = World::new();
    let run = |id: &str, words: &[&str]| {
        world.run_with(&[&["--run-id", id, "--format", "json"], words].concat());
        world.manifest()
    };
    run("one", &[]);
    run("two", &["--full"]);
    run("three", &["--set", "journey.windows=[\"1d\"]"]);
    let back = |id: &str| world.perform(&["rollback", "pipeline.toml", id]);
    back("nine").fails(2, &["error: there is no run \"nine\" in out; expected one of three, two, one", "\nhint: "]);
    back("../one").fails(2, &["expected one of three, two, one"]);
    let ended = back("one");
    assert!(
        ended.stdout.starts_with("current: from three back to one\n") && ended.stdout.contains("as its manifest says"),
        "{ended:?}"
    );
    assert_eq!(world.current(), Some("runs/one".into()));
    back("one").is_done("one is current already");
    // Not from the last that was published, but from the one that is current.
    let next = run("four", &[]);
    assert_eq!(next.recomputed.as_ref().map(|it| it.base.as_str()), Some("one"));
    let json = world.perform(&["rollback", "pipeline.toml", "two", "--format", "json"]);
    let json: Value = serde_json::from_str(&json.stdout).expect("JSON");
    assert_eq!((json["from"].as_str(), json["to"].as_str()), (Some("four"), Some("two")));
    // `--merge` as well, which needs the same settings.
    run("five", &["--date", "2026-01-02", "--merge"]);
    assert_eq!(world.manifest().recomputed.map(|it| it.base), Some("two".to_owned()));
    back("three").is_done("current: from five back to three");
    world.run_with(&["--date", "2026-01-02", "--merge"]).fails(2, &["run three was made with other settings"]);
    // A run that was gone back to is kept like the others: the newest, and what is current.
    world.run_with(&["--run-id", "six", "--set", "output.keep=2"]).is_fine();
    assert_eq!(ids(&listed(&world)), ["six", "five"]);
    // With nothing published there is nothing to go back to.
    let fresh = World::new();
    fresh.perform(&["rollback", "pipeline.toml", "one"]).fails(2, &["expected none, as there are no runs"]);
}

#[test]
fn whoever_waits_gets_the_output_when_it_is_free() {
    if !cfg!(debug_assertions) {
        return say("waiting for the output: SKIPPED, as builds for use cannot be held at named moments");
    }
    let world = World::new();
    world.run_with(&["--run-id", "first"]).is_fine();
    let (child, file) = held(&world, "read");
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let holder = format!("held by another run (process {} on {}, since 20", child.id(), host.trim());
    let busy = |words: &[&str]| finish(&mut world.command(words));
    for words in [&["run", "pipeline.toml"][..], &["rollback", "pipeline.toml", "first"]] {
        busy(words).fails(6, &[holder.as_str(), "--wait 10m"]);
        let began = Instant::now();
        busy(&[words, &["--wait", "1s"]].concat()).fails(6, &[&holder]);
        assert!((1..5).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    }
    // Whoever only looks does not wait.
    assert_eq!(busy(&["runs", "pipeline.toml"]).code, 0);
    // Someone who waits can be told to end.
    let mut waiting = world.command(&["run", "pipeline.toml", "--wait", "5m"]);
    let waiting = waiting.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    std::thread::sleep(Duration::from_millis(500));
    let began = Instant::now();
    let sent = std::process::Command::new("kill").args(["-s", "TERM", &waiting.id().to_string()]).status();
    assert!(sent.is_ok_and(|status| status.success()));
    let ended = wait(waiting, "TERM");
    ended.fails(143, &["waits for the other run to end", "error: terminated, nothing was published"]);
    assert!(began.elapsed() < Duration::from_secs(2));
    // And one that waits goes on when the other has ended: first the one, then the other, neither lost.
    let mut waiting = world.command(&["run", "pipeline.toml", "--run-id", "second", "--wait", "1m"]);
    let waiting = waiting.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    std::thread::sleep(Duration::from_millis(300));
    fs::remove_file(file).expect("removed");
    wait(child, "the first").is_fine();
    wait(waiting, "the second").is_fine();
    assert_eq!(world.current(), Some("runs/second".into()));
    assert_eq!(listed(&world)["runs"].as_array().map(Vec::len), Some(3));
    // A lock whose process was killed is nobody's.
    let (mut child, _) = held(&world, "synced");
    child.kill().expect("killed");
    assert_eq!(wait(child, "KILL").code, 137);
    world.run().is_fine();
}

#[test]
fn runs_are_kept_by_age_as_far_as_clocks_can_be_believed() {
    if !cfg!(debug_assertions) {
        return say("clocks that jump: SKIPPED, as the clock of builds for use cannot be moved");
    }
    let world = World::new();
    let keep = ["--set", "output.keep=30d"];
    let kept = |world: &World| {
        listed(world)["runs"]
            .as_array()
            .expect("runs")
            .iter()
            .map(|run| run["run_id"].as_str().expect("an id").to_owned())
            .collect::<Vec<_>>()
    };
    for (id, days) in [("a", -50), ("b", -40), ("c", -20), ("d", -10)] {
        days_ahead(&world, days, &["--run-id", id]).is_fine();
    }
    assert_eq!(kept(&world).len(), 4);
    days_ahead(&world, 0, &[&["--run-id", "e"], &keep[..]].concat()).is_fine();
    assert_eq!(kept(&world), ["e", "d", "c"]);
    // The clock is a year ahead for one run: nobody knows whether a year has passed, so nothing goes.
    days_ahead(&world, 365, &[&["--run-id", "f"], &keep[..]].concat()).is_fine();
    assert_eq!(kept(&world), ["f", "e", "d", "c"]);
    // It is right again, and then far back.
    days_ahead(&world, 1, &[&["--run-id", "g"], &keep[..]].concat()).is_fine();
    days_ahead(&world, -3_000, &[&["--run-id", "h"], &keep[..]].concat()).is_fine();
    days_ahead(&world, 2, &[&["--run-id", "i"], &keep[..]].concat()).is_fine();
    assert_eq!(kept(&world), ["i", "h", "g", "f", "e", "d", "c"]);
    // In time all go, whatever their clocks said; what is current stays.
    days_ahead(&world, 15, &[&["--run-id", "j"], &keep[..]].concat()).is_fine();
    assert_eq!(kept(&world), ["j", "i", "h", "g", "f", "e", "d"]);
    world.perform(&["rollback", "pipeline.toml", "d"]).is_done("from j back to d");
    days_ahead(&world, 40, &[&["--run-id", "k"], &keep[..]].concat()).is_fine();
    assert_eq!(kept(&world), ["k", "j"]);
    // And the ids that runs give themselves sort as they were published, none twice.
    let other = World::new();
    for days in [0, 0, 400, -400, 0, -20_000, 0] {
        days_ahead(&other, days, &[]).is_fine();
    }
    let (list, mut sorted) = (listed(&other), kept(&other));
    sorted.sort_by(|one, other| other.cmp(one));
    assert_eq!(kept(&other), sorted);
    assert_eq!(list["current"], list["runs"][0]["run_id"]);
    for run in list["runs"].as_array().expect("runs") {
        assert!(run["seconds"].as_f64().is_some_and(|seconds| (0.0..60.0).contains(&seconds)), "{run}");
    }
}

/// A run that goes on from another one has all it needs itself: what the other one had may go.
#[test]
fn nothing_hangs_on_a_run_that_is_let_go() {
    let nights = Nights::new();
    let mut shared = 0;
    for night in 0..6 {
        let variant = if night % 2 == 0 { Variant::With } else { Variant::Without };
        nights.put(variant);
        let ended = finish(nights.run().args(["--set", "output.keep=1"]));
        assert_eq!(ended.code, 0, "{ended:?}");
        let runs = nights.runs();
        assert_eq!(runs.len(), 1);
        assert_eq!(nights.look(&runs[0]), Ok(variant));
        let folder = nights.output().join("runs").join(&runs[0]);
        let manifest = fs::read_to_string(folder.join("manifest.json")).expect("a manifest");
        shared += usize::from(manifest.contains("\"recomputed\""));
        for entry in fs::read_dir(folder.join("credits")).expect("credits").flatten() {
            assert_eq!(entry.metadata().expect("a file").nlink(), 1, "{:?}", entry.path());
        }
        // By its own account, too.
        let back = finish(nights.command("rollback").args([&runs[0], "--output"]).arg(nights.output()));
        assert_eq!(back.code, 0, "{back:?}");
    }
    assert_eq!(shared, 5, "all but the first take days over");
}

#[test]
fn a_run_that_cannot_be_let_go_is_told_of_and_tried_again() {
    if !cfg!(debug_assertions) {
        return say("runs that cannot be let go: SKIPPED, as builds for use cannot be held at named moments");
    }
    let world = World::new();
    world.pipeline(&format!("{}\n[output]\nkeep = 1\n", crate::world::PIPELINE));
    world.run_with(&["--run-id", "one"]).is_fine();
    let (child, file) = held(&world, "switched");
    // Something is in the way.
    fs::create_dir_all(world.output().join(".staging-one+pruned/x")).expect("a folder");
    fs::remove_file(file).expect("removed");
    let ended = wait(child, "a run");
    assert!(ended.code == 0 && ended.stdout.contains("not all runs that `keep` lets go could be removed"), "{ended:#?}");
    assert!(world.output().join("runs/one").exists());
    world.run_with(&["--run-id", "three"]).is_fine();
    assert_eq!((ids(&listed(&world)), litter(&world.output())), (vec!["three"], Vec::new()));
}
