//! The bytes of a log that was once written stay what they are, whatever settings have come since.

use std::fs;
use std::path::{Path, PathBuf};

use attributary_simulate::{KeyKind, Layout, Preset, Settings, simulate};

#[test]
fn old_settings_have_their_old_bytes() {
    let shop = || {
        let shop = Settings { customers: 800, touches: 6_000, conversions: Some(400), days: 20, ..Settings::default() };
        Settings { seed: 7, duplicates: 0.02, nulls: 0.02, ..shop }
    };
    let cases = [
        (0x50fa_3527_8717_da32, shop()),
        (0xf251_6cec_8f41_e920, Settings { preset: Preset::B2b, days: 120, files: Some(9), keys: KeyKind::Integer, ..shop() }),
        (0x553b_e5bd_16b5_4016, Settings { layout: Layout::Events, keys: KeyKind::Hex16, channels: 14, campaigns: 7, ..shop() }),
    ];
    let found = cases.each_ref().map(|(_, settings)| {
        let folder = tempfile::tempdir().expect("a folder");
        simulate(folder.path(), settings, &|_| ()).expect("a log");
        hash(folder.path())
    });
    assert_eq!(found, cases.map(|(hash, _)| hash));
}

/// A hash (FNV-1a) of every file and its name, in the order of names.
fn hash(folder: &Path) -> u64 {
    let mut files = all(folder);
    files.sort();
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for file in files {
        let name = file.strip_prefix(folder).expect("within").to_string_lossy().replace('\\', "/");
        for byte in name.into_bytes().into_iter().chain(fs::read(&file).expect("bytes")) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    hash
}

fn all(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { all(&path) } else { vec![path] }).collect()
}
