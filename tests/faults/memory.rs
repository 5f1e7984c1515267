//! A log that does not fit into the memory it may use: it goes through the disk, to the same bytes.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use attributary_store::Manifest;

use crate::moments::LOG;
use crate::support::attributary;
use crate::world::{finish, litter};

#[test]
fn little_memory_gives_the_same_bytes() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = folder.path().join("out");
    let run = |memory: &str| {
        let mut command = attributary();
        command
            .arg("run")
            .arg(LOG.pipeline())
            .args(["--threads", "2", "--format", "json", "--memory", memory, "--output"])
            .arg(&output);
        // Credits, and paths that follow everyone, with ids.
        let ended = finish(command.args(["--set", "output.credits=true", "--set", "output.paths=1000"]));
        assert_eq!(ended.code, 0, "{ended:?}");
        let report: serde_json::Value = serde_json::from_str(&ended.stdout).expect("JSON");
        assert_eq!(litter(&output), [""; 0]);
        let number = |name: &str| report[name].as_u64().unwrap_or_else(|| panic!("{name} in {report}"));
        (hashes(&output), number("spilled_bytes"), number("peak_memory_bytes"))
    };
    let (expected, spilled, _) = run("4GB");
    assert_eq!(spilled, 0);
    let (found, spilled, peak) = run("256MB");
    assert!(spilled > 10_000_000, "spilled {spilled} bytes");
    assert_eq!(found, expected);
    // Not a bound on the whole process yet, but close to it.
    assert!(peak < 512_000_000, "peak memory {peak} bytes");
}

fn hashes(output: &Path) -> BTreeMap<String, String> {
    let text = fs::read_to_string(output.join("current/manifest.json")).expect("a manifest");
    let manifest: Manifest = serde_json::from_str(&text).expect("JSON");
    let files = manifest.tables.into_iter().chain(manifest.state).flat_map(|table| table.files);
    files.map(|file| (file.path, file.sha256)).collect()
}
