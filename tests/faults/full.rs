//! Disks that fill up at moments by chance, while a reader looks on: a run then ends with 5, publishes nothing and leaves nothing.
//!
//! A small tmpfs is filled, in a mount namespace of its own. Where nobody may mount one, only the other way is gone: a limit on the
//! size of files, by which any write may fail too. `ATTRIBUTARY_FILLS=200` fills so often.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::nights::{Chance, Nights, Seen, Variant, say, times};
use crate::world::{Ended, finish, litter};

/// Says to the test that it is in a mount namespace of its own.
const INSIDE: &str = "ATTRIBUTARY_FULL_INSIDE";

#[test]
fn a_disk_that_fills_up_by_chance() {
    if std::env::var_os(INSIDE).is_some() {
        return on_a_small_disk();
    }
    // Root makes a namespace, others one in which they are root.
    let may = |flags: &&&[&str]| {
        let mut command = Command::new("unshare");
        command.args(**flags).args(["mount", "-t", "tmpfs", "none", "/mnt"]).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let ways: [&[&str]; 2] = [&["-m"], &["-rm"]];
    let Some(flags) = ways.iter().find(may) else {
        return say("a full disk: SKIPPED the small tmpfs, as nobody may mount one here; the limit on files is in its place");
    };
    let itself = std::env::current_exe().expect("the test");
    let mut command = Command::new("unshare");
    command.args(*flags).arg(itself).args(["--exact", "full::a_disk_that_fills_up_by_chance", "--nocapture"]);
    // What it says is said at once.
    let status = command.env(INSIDE, "1").stdout(Stdio::null()).status().expect("it starts");
    assert!(status.success(), "on a small disk: {status}");
}

fn on_a_small_disk() {
    const KIB: u64 = 6 * 1024;
    let nights = Nights::new();
    fs::create_dir(nights.output()).expect("a folder");
    let size = format!("size={KIB}k");
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "none"]).arg(nights.output()).status();
    assert!(mounted.is_ok_and(|status| status.success()), "a tmpfs");
    nights.recovers(Variant::With);
    nights.recovers(Variant::Without);
    let need = nights.runs().iter().map(|run| taken(&nights.output().join("runs").join(run))).max().expect("a run");
    let ballast = nights.output().join("ballast");
    play(&nights, "a full disk (tmpfs)", "No space left on device", &mut |chance, nights| {
        let before = chance.below(2) == 0;
        if before {
            fill(&ballast, chance.below(need));
        }
        // Or it fills up while the run is under way.
        let after = Duration::from_micros(chance.below(300_000));
        let ended = thread::scope(|scope| {
            scope.spawn(|| {
                if !before {
                    thread::sleep(after);
                    fill(&ballast, 0);
                }
            });
            finish(&mut nights.run())
        });
        let left = litter(nights.output());
        fs::remove_file(&ballast).expect("removed");
        assert_eq!(left, [""; 0], "{ended:#?}");
        ended
    });
}

#[test]
fn files_that_may_not_grow() {
    let nights = Nights::new();
    nights.recovers(Variant::With);
    nights.recovers(Variant::Without);
    play(&nights, "a limit on files (RLIMIT_FSIZE)", "File too large", &mut |chance, nights| {
        // Blocks of 512 bytes. The signal that comes with the limit would end the process: it gets the error instead.
        let script = format!("trap '' XFSZ; ulimit -f {}; exec \"$@\"", chance.below(60));
        let run = nights.run();
        let mut command = Command::new("sh");
        command.args(["-c", &script, "sh"]).arg(run.get_program()).args(run.get_args()).current_dir(nights.root());
        finish(&mut command)
    });
}

/// Runs again and again with something in the way, and says how often what could not be done.
fn play(nights: &Nights, name: &str, cause: &str, run: &mut dyn FnMut(&mut Chance, &Nights) -> Ended) {
    let mut chance = Chance::new();
    let (fills, stop) = (times("ATTRIBUTARY_FILLS", 25), AtomicBool::new(false));
    let mut published = BTreeSet::new();
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let seen: Seen = thread::scope(|scope| {
        let reader = scope.spawn(|| nights.watch(&stop));
        for fill in 0..fills {
            let (before, was) = nights.hold(&mut published).expect("a run");
            let variant = chance.variant();
            nights.put(variant);
            let ended = run(&mut chance, nights);
            let (after, is) = nights.hold(&mut published).expect("a run");
            if ended.code == 0 {
                assert!(after != before && is == variant, "{ended:#?}");
                *counts.entry("there was room".to_owned()).or_default() += 1;
            } else {
                ended.fails(5, &["error: ", cause]);
                assert!(!ended.stderr.contains("panicked"), "{ended:#?}");
                assert_eq!((after, is), (before, was), "{ended:#?}");
                *counts.entry(action(&ended)).or_default() += 1;
            }
            assert_eq!(litter(nights.output()), [""; 0]);
            if fill % 4 == 3 {
                nights.recovers(chance.variant());
            }
        }
        nights.recovers(chance.variant());
        stop.store(true, Ordering::SeqCst);
        reader.join().expect("the reader")
    });
    let counts: Vec<String> = counts.iter().map(|(what, count)| format!("{what} {count}")).collect();
    say(&format!(
        "{name} (seed {}): {fills} times, lost 0\n  {}\n  a reader read `current` {} times: torn {}, mixes {}, without a run {}; runs that went while they were read: {}",
        chance.seed,
        counts.join(", "),
        seen.reads,
        seen.torn.len(),
        seen.mixed.len(),
        seen.missing,
        seen.overtaken,
    ));
    assert!(seen.torn.is_empty() && seen.mixed.is_empty() && seen.missing == 0 && seen.reads > 0, "{seen:#?}");
}

/// What could not be done, without the names of days and runs.
fn action(ended: &Ended) -> String {
    let line = ended.stderr.lines().find_map(|line| line.strip_prefix("error: ")).unwrap_or_default();
    let (what, path) = line.split_once(" /").unwrap_or((line, ""));
    let kinds = [("manifest.json", "the manifest"), (".ids", "the ids"), ("state/", "state"), ("temp-", "temporary files")];
    let kinds = [&kinds[..], &[("parquet", "a table"), ("+current", "the link"), ("probe", "a first file")]].concat();
    let kind = kinds.iter().find(|(part, _)| path.contains(part)).map_or("a folder", |(_, kind)| kind);
    format!("{what} ({kind})")
}

/// Fills a disk but for so many bytes.
fn fill(ballast: &Path, free: u64) {
    let mut file = File::create(ballast).expect("the ballast");
    let block = [0_u8; 4096];
    let mut written = 0_u64;
    while let Ok(bytes @ 1..) = file.write(&block) {
        written += bytes as u64;
    }
    file.set_len(written.saturating_sub(free)).expect("cut");
}

/// What a folder takes, in whole pages.
fn taken(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).expect("a folder").flatten();
    entries
        .map(|entry| {
            let path = entry.path();
            if path.is_dir() { 4096 + taken(&path) } else { entry.metadata().expect("a file").len().div_ceil(4096) * 4096 }
        })
        .sum()
}
