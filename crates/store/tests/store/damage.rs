//! Damaged files: an error that names the file, or rows; never a panic.

use super::*;
use attributary_store::{Fault, footer_sha256};

/// Reads to the end and says whether it went well.
fn survives(path: &Path) -> bool {
    let footer = footer_sha256(path);
    let outcome = read(path);
    for error in footer.err().iter().chain(outcome.as_ref().err()) {
        assert_eq!(error.fault(), Fault::Input, "{error:?}");
        assert!(error.to_string().contains("table.parquet"), "{error}");
    }
    outcome.is_ok()
}

#[test]
fn every_truncation() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.parquet");
    let (fields, rows) = every_type();
    write(&path, &fields, &[rows]).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    for length in (0..bytes.len()).step_by(7).chain([bytes.len() - 1, bytes.len() - 4, bytes.len() - 8]) {
        std::fs::write(&path, &bytes[..length]).unwrap();
        assert!(!survives(&path), "{length} of {} bytes", bytes.len());
    }
}

#[test]
fn flipped_bits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.parquet");
    let (fields, rows) = every_type();
    write(&path, &fields, &[rows]).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let mut refused = 0;
    // Every third byte, each time another way: all of them is a matter of minutes, not of other places.
    for place in (0..bytes.len()).step_by(3) {
        let mut damaged = bytes.clone();
        damaged[place] ^= [0x01, 0x80, 0xff, 0x10][place / 3 % 4];
        std::fs::write(&path, &damaged).unwrap();
        refused += usize::from(!survives(&path));
    }
    assert!(refused > bytes.len() / 30, "{refused} of {}", bytes.len());
}

#[test]
fn no_parquet_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.parquet");
    for bytes in [&b""[..], b"PAR1", b"PAR1PAR1", b"PAR1\xff\xff\xff\xffPAR1", b"a,b,c\n1,2,3\n4,5,6\n"] {
        std::fs::write(&path, bytes).unwrap();
        assert!(!survives(&path));
    }
    let missing = folder.path().join("missing.parquet");
    for error in [read(&missing).unwrap_err(), read(folder.path()).unwrap_err(), footer_sha256(&missing).unwrap_err()] {
        assert_eq!(error.fault(), Fault::Input);
    }
    assert!(matches!(read(&missing), Err(StoreError::Read { .. })));
}
