//! Writes a log without the command line: `cargo run -p attributary-simulate --example log OUT days=180 spend=true …`

use std::path::Path;

use attributary_simulate::{Settings, SimulateError, simulate};

fn main() -> Result<(), SimulateError> {
    let mut arguments = std::env::args().skip(1);
    let out = arguments.next().unwrap_or_else(|| "out/log".to_owned());
    let mut settings = Settings::default();
    for setting in arguments {
        let (name, text) = setting.split_once('=').unwrap_or((&setting, ""));
        settings.set(name, text)?;
    }
    simulate(Path::new(&out), &settings, &|_| ()).map(|_| ())
}
