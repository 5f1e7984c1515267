//! The arrows between crates, and what every crate has; `crates/README.md` says why.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::support::root;

/// The crates that each may name, ground floor up. Tests may name more.
const ARROWS: &[(&str, &[&str])] = &[
    ("core", &[]),
    ("fitted", &[]),
    ("models", &["core", "fitted"]),
    ("journeys", &["core"]),
    ("engine", &["core", "journeys"]),
    ("rowgroups", &["core"]),
    ("frames", &["core", "rowgroups"]),
    ("lifetime", &[]),
    ("returns", &["core"]),
    ("store", &["core"]),
    ("report", &["core", "store"]),
    ("simulate", &["core", "store"]),
    ("pipeline", &["core", "models", "journeys", "engine", "frames", "lifetime", "returns", "store"]),
    ("cli", &["core", "pipeline", "report", "simulate"]),
    ("testkit", &["core"]),
];

/// Who else's crates, by the beginning of their names, only some of ours may name.
const KEPT_APART: &[(&str, &[&str])] = &[
    ("polars", &["frames"]),
    ("sqlparser", &["frames"]),
    ("arrow", &["store", "rowgroups"]),
    ("parquet", &["store", "rowgroups"]),
    ("rayon", &["engine", "fitted", "lifetime", "store", "pipeline"]),
    ("toml", &["pipeline", "testkit"]),
    ("clap", &["cli"]),
    ("indicatif", &["cli"]),
];

/// What is for tests only.
const TESTS_ONLY: &[&str] = &["proptest", "insta", "attributary-testkit"];

#[test]
fn arrows_point_down_only() {
    let crates = crates();
    let listed: Vec<&str> = ARROWS.iter().map(|(name, _)| *name).collect();
    assert_eq!(crates.keys().map(String::as_str).collect::<BTreeSet<_>>(), listed.iter().copied().collect());
    for (place, (name, allowed)) in ARROWS.iter().enumerate() {
        assert!(allowed.iter().all(|below| listed[..place].contains(below)), "{name} is not above all of {allowed:?}");
        for needed in &crates[*name].needs {
            if let Some(ours) = needed.strip_prefix("attributary-") {
                assert!(allowed.contains(&ours), "{name} may not name {ours}, only {allowed:?}");
            }
            for (prefix, allowed) in KEPT_APART {
                assert!(
                    !needed.starts_with(prefix) || allowed.contains(name),
                    "{name} may not name {needed}, only {allowed:?} may"
                );
            }
            assert!(*name == "testkit" || !TESTS_ONLY.contains(&needed.as_str()), "{name} needs {needed} outside its tests");
        }
    }
}

#[test]
fn every_crate_has_the_lints_and_a_line_on_the_map() {
    let map = std::fs::read_to_string(root().join("crates/README.md")).expect("the map");
    for (name, member) in crates() {
        let manifest = std::fs::read_to_string(&member.manifest).expect("a manifest");
        assert!(manifest.contains("\n[lints]\nworkspace = true\n"), "{name} has not the lints of the workspace");
        assert!(map.contains(&format!("| `{name}` | ")), "crates/README.md has no row for {name}");
    }
}

struct Member {
    manifest: PathBuf,
    /// The names of what it is built with, tests aside.
    needs: Vec<String>,
}

/// The crates of the workspace by their folders' names.
fn crates() -> BTreeMap<String, Member> {
    let mut command = Command::new(env!("CARGO"));
    command.args(["metadata", "--no-deps", "--offline", "--format-version", "1"]).current_dir(root());
    let metadata: Value = serde_json::from_slice(&command.output().expect("cargo starts").stdout).expect("JSON");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let list = |value: &Value| value.as_array().expect("a list").clone();
    let member = |package: &Value| {
        let manifest = PathBuf::from(text(&package["manifest_path"]));
        let name = manifest.parent().and_then(|folder| folder.file_name()).expect("a folder").to_string_lossy().into_owned();
        let needs = list(&package["dependencies"]).into_iter().filter(|needed| needed["kind"] != "dev");
        let needs = needs.map(|needed| text(&needed["name"])).collect();
        (name, Member { manifest, needs })
    };
    list(&metadata["packages"]).iter().map(member).collect()
}
