//! Runs that are killed: at each named moment of publishing, and at moments by chance, while a reader looks on.
//!
//! `ATTRIBUTARY_KILLS=200` kills so often by chance, `ATTRIBUTARY_SEED` plays the same again (as far as the machine does).

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use attributary_store::Moment;

use crate::nights::{Chance, Nights, Seen, Variant, say, times};
use crate::world::{litter, wait};

/// At each moment a run is killed for good; which run is current says whether it was published.
#[test]
fn a_kill_at_each_moment_of_publishing() {
    if !cfg!(debug_assertions) {
        return say("kills at named moments: SKIPPED, as builds for use cannot be held at them");
    }
    let nights = Nights::new();
    let mut published = BTreeSet::new();
    // Enough runs for some to be let go.
    for night in 0..4 {
        nights.recovers(if night % 2 == 0 { Variant::With } else { Variant::Without });
        nights.hold(&mut published);
    }
    let stop = AtomicBool::new(false);
    let (seen, figures) = thread::scope(|scope| {
        let reader = scope.spawn(|| nights.watch(&stop));
        let mut figures = Vec::new();
        for moment in Moment::ALL {
            let (before, was) = nights.hold(&mut published).expect("a run");
            let next = if was == Variant::With { Variant::Without } else { Variant::With };
            nights.put(next);
            let (mut child, file) = nights.held(&moment.name());
            // While it is held the reader sees the one or the other.
            let held = nights.current().expect("a run");
            child.kill().expect("killed");
            assert_eq!(wait(child, "kill").code, 137);
            std::fs::remove_file(file).expect("removed");
            let (after, is) = nights.hold(&mut published).expect("a run");
            let is_published = after != before;
            assert_eq!((held == after, is), (true, if is_published { next } else { was }), "{moment:?}");
            let switched = matches!(moment, Moment::Switched | Moment::Pruning | Moment::Pruned);
            assert_eq!(is_published, switched, "{moment:?}");
            let left = !litter(nights.output()).is_empty();
            figures.push(format!(
                "{}: {}{}",
                moment.name(),
                if switched { "new" } else { "old" },
                if left { ", litter" } else { "" }
            ));
            // The next run begins where that one ended, and cleans up.
            nights.recovers(next);
        }
        stop.store(true, Ordering::SeqCst);
        (reader.join().expect("the reader"), figures)
    });
    say(&format!("kills at named moments: {} of {}\n  current after each: {}", figures.len(), figures.len(), figures.join("; ")));
    is_clean(&seen);
}

#[test]
fn kills_at_moments_by_chance() {
    let nights = Nights::new();
    let mut chance = Chance::new();
    let kills = times("ATTRIBUTARY_KILLS", 25);
    let mut published = BTreeSet::new();
    nights.recovers(Variant::With);
    nights.hold(&mut published);
    let began = Instant::now();
    let stop = AtomicBool::new(false);
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    let (mut killed, mut recovered, mut usual) = (0, 0, 400_000);
    let seen = thread::scope(|scope| {
        let reader = scope.spawn(|| nights.watch(&stop));
        while killed < kills {
            let (before, was) = nights.hold(&mut published).expect("a run");
            let published_before = nights.runs();
            let variant = chance.variant();
            nights.put(variant);
            let back = chance.below(8) == 0;
            let mut command = if back {
                let runs = nights.runs();
                let mut command = nights.command("rollback");
                command.arg(&runs[chance.below(runs.len() as u64) as usize]).arg("--output").arg(nights.output());
                command
            } else {
                nights.run()
            };
            if !back && chance.below(2) == 0 {
                command.arg("--full");
            }
            let mut child = command.spawn().expect("it starts");
            // Publishing is a short part of a run: only some kills are at any moment, the others from when tables or the manifest
            // are being written.
            let longest = match (back, chance.below(3)) {
                (true, _) | (_, 0) => usual * 5 / 4,
                (_, 1) => writing(&nights, &mut child, "").map_or(0, |()| usual / 3),
                _ => writing(&nights, &mut child, "manifest.json").map_or(0, |()| 8_000),
            };
            thread::sleep(Duration::from_micros(chance.below(longest)));
            let _ = child.kill();
            let ended = wait(child, "kill");
            let (after, is) = nights.hold(&mut published).expect("a run");
            let what = match (ended.code, back) {
                (0, false) => {
                    assert!(after != before && is == variant, "{ended:?}");
                    "was faster"
                }
                (0, true) => "went back before",
                (137, true) => "killed while going back",
                (137, false) if after != before => {
                    assert_eq!(is, variant);
                    "killed after the switch"
                }
                (137, false) => {
                    assert_eq!(is, was);
                    stage(&nights, &published_before)
                }
                _ => panic!("{ended:#?}"),
            };
            killed += u64::from(ended.code == 137);
            *counts.entry(what).or_default() += 1;
            if chance.below(4) == 0 {
                let began = Instant::now();
                nights.recovers(chance.variant());
                usual = (usual + began.elapsed().as_micros() as u64) / 2;
                recovered += 1;
            }
        }
        nights.recovers(chance.variant());
        stop.store(true, Ordering::SeqCst);
        reader.join().expect("the reader")
    });
    let counts: Vec<String> = counts.iter().map(|(what, count)| format!("{what} {count}")).collect();
    say(&format!(
        "kills by chance (seed {}): {killed} kills in {:.0} s\n  {}\n  {} undisturbed runs after them ended well and left nothing; {} runs published, lost 0",
        chance.seed,
        began.elapsed().as_secs_f64(),
        counts.join(", "),
        recovered + 1,
        published.len(),
    ));
    is_clean(&seen);
}

/// The folders of runs that are being written.
fn staging(nights: &Nights) -> Vec<PathBuf> {
    let names = litter(nights.output()).into_iter().filter(|name| !name.contains("temp") && !name.contains('+'));
    names.map(|name| nights.output().join(name)).collect()
}

/// Waits until a run has begun to write its tables, or `name` in its folder; none where it has ended before.
fn writing(nights: &Nights, child: &mut Child, name: &str) -> Option<()> {
    loop {
        let begun = |folder: &PathBuf| match name {
            "" => std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()),
            name => folder.join(name).exists(),
        };
        if staging(nights).iter().any(begun) {
            return Some(());
        }
        if child.try_wait().expect("a status").is_some() {
            return None;
        }
        thread::sleep(Duration::from_micros(200));
    }
}

/// How far a run came that was not published.
fn stage(nights: &Nights, before: &[String]) -> &'static str {
    if nights.runs().iter().any(|run| !before.contains(run)) {
        return "killed between the folder and the link";
    }
    let folders = staging(nights);
    match folders.first() {
        None => "killed before it began",
        Some(folder) if folder.join("manifest.json").exists() => "killed with its manifest there",
        Some(folder) if std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) => {
            "killed while writing tables"
        }
        Some(_) => "killed while reading",
    }
}

/// The reader saw whole runs and nothing else.
#[track_caller]
fn is_clean(seen: &Seen) {
    say(&format!(
        "  a reader read `current` {} times, every file against its SHA-256: torn {}, mixes {}, without a run {}; runs that went while they were read: {}",
        seen.reads,
        seen.torn.len(),
        seen.mixed.len(),
        seen.missing,
        seen.overtaken,
    ));
    assert!(seen.torn.is_empty() && seen.mixed.is_empty() && seen.missing == 0, "{seen:#?}");
    assert!(seen.reads > 0 && seen.variants.len() == 2, "{seen:?}");
}
