//! Writes a log without the command line: `cargo run -p attributary-simulate --example log OUT days=180 spend=true …`

use std::path::Path;
use std::process::ExitCode;

use attributary_simulate::{Settings, SimulateError, Summary, simulate};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let out = arguments.next().unwrap_or_else(|| "out/log".to_owned());
    match written(Path::new(&out), arguments) {
        Ok(_) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// The log of the settings that are named.
fn written(out: &Path, named: impl Iterator<Item = String>) -> Result<Summary, SimulateError> {
    let mut settings = Settings::default();
    for setting in named {
        let (name, text) = setting.split_once('=').unwrap_or((&setting, ""));
        settings.set(name, text)?;
    }
    simulate(out, &settings, &|_| ())
}
