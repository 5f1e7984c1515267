//! `sample-data` is what `sample-data/make.sh` writes, byte for byte.

use std::collections::BTreeMap;
use std::path::Path;

use crate::support::{attributary, root};

#[test]
fn sample_data_is_what_its_script_writes() {
    let script = std::fs::read_to_string(root().join("sample-data/make.sh")).expect("the script");
    let temp = tempfile::tempdir().expect("a temporary folder");
    let mut written = BTreeMap::new();
    for arguments in script.lines().filter_map(|line| line.strip_prefix("\"$attributary\" simulate ")) {
        let (folder, arguments) = arguments.split_once(' ').expect("a folder and arguments");
        let folder = temp.path().join(folder);
        let done = attributary().arg("simulate").arg(&folder).args(arguments.split(' ')).output().expect("the binary starts");
        assert!(done.status.success(), "{arguments}: {done:?}");
        written.extend(files(&folder));
    }
    assert!(written.len() > 2, "the script has no simulate: {script}");
    let mut found = files(&root().join("sample-data"));
    found.remove("make.sh");
    let differing = written.iter().filter(|(path, bytes)| found.get(*path) != Some(bytes)).map(|(path, _)| path);
    let differing: Vec<_> = differing.chain(found.keys().filter(|path| !written.contains_key(*path))).collect();
    assert!(differing.is_empty(), "`make sample-data` would write others: {differing:?}");
    let size: usize = found.values().map(Vec::len).sum();
    assert!(size < 3_000_000, "{size} bytes");
}

/// The bytes of every file below a folder, by the path in it.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if path.is_dir() {
            found.extend(files(&path).into_iter().map(|(inside, bytes)| (format!("{name}/{inside}"), bytes)));
        } else {
            found.insert(name, std::fs::read(&path).expect("a file"));
        }
    }
    found
}
