//! `attributary simulate`: a synthetic log. Its flags are the list of settings of the simulation.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use attributary_simulate::{SETTINGS, Settings, Summary, simulate};
use clap::{Arg, ArgMatches, Command, FromArgMatches};
use serde::Serialize;

use super::facts;
use crate::app::Context;
use crate::errors::Failure;
use crate::progress::{self, Stand};
use crate::signals::{First, Stop};
use crate::text;

/// The folder, and each setting as text.
#[derive(Clone, Debug)]
pub struct SimulateArgs {
    out: PathBuf,
    settings: Vec<(&'static str, String)>,
}

impl clap::Args for SimulateArgs {
    fn augment_args(command: Command) -> Command {
        let out = Arg::new("out").value_name("OUT").required(true).value_parser(clap::value_parser!(PathBuf));
        let command = command.arg(out.help("The folder to write to, new or empty"));
        SETTINGS.iter().fold(command, |command, setting| {
            let flag = Arg::new(setting.name).long(setting.name).value_name("VALUE");
            command.arg(flag.default_value(setting.default).help(sentence(setting.help)).allow_negative_numbers(true))
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

/// As the help of other flags begins.
fn sentence(help: &str) -> String {
    let mut letters = help.chars();
    letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect()
}

impl FromArgMatches for SimulateArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let out = matches.get_one::<PathBuf>("out").cloned().unwrap_or_default();
        let text = |name| matches.get_one::<String>(name).cloned();
        Ok(Self { out, settings: SETTINGS.iter().filter_map(|setting| Some((setting.name, text(setting.name)?))).collect() })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Writes the log.
pub fn perform(args: &SimulateArgs, context: &Context) -> Result<String, Failure> {
    let mut settings = Settings::default();
    for (name, text) in &args.settings {
        settings.set(name, text)?;
    }
    Stop::on_signals(First::Ends, context)?;
    let started = Instant::now();
    let touches = AtomicU64::new(0);
    let stand = || {
        let done = touches.load(Ordering::Relaxed);
        let words = format!("writing: {} of {} touches", text::count(done), text::count(settings.touches));
        Stand { done, total: settings.touches, words }
    };
    let work = || simulate(&args.out, &settings, &|rows| touches.store(rows, Ordering::Relaxed));
    let Summary { touches, conversions, files, bytes } = progress::during(context.bar, stand, work)?;
    let written =
        Written { folder: args.out.clone(), touches, conversions, files, bytes, seconds: started.elapsed().as_secs_f64() };
    context.document(&written, |_| shown(&written))
}

/// What was written.
#[derive(Serialize)]
struct Written {
    folder: PathBuf,
    touches: u64,
    conversions: u64,
    files: u64,
    bytes: u64,
    seconds: f64,
}

fn shown(written: &Written) -> String {
    facts(
        0,
        [
            ("touches", text::count(written.touches)),
            ("conversions", text::count(written.conversions)),
            ("folder", text::shown(&written.folder.display().to_string(), 400)),
            ("size", format!("{} in {}", text::bytes(written.bytes), text::things(written.files, "file"))),
            ("time", format!("{}, {} touches/s", text::seconds(written.seconds), text::rate(written.touches, written.seconds))),
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{self, Early};

    fn typed(line: &str) -> SimulateArgs {
        match args::parse(line.split(' ').map(Into::into).collect(), Early::default()).map(|args| args.command) {
            Ok(args::Command::Simulate(args)) => args,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_setting_is_a_flag_and_has_its_default() {
        let args = typed("attributary simulate out");
        let mut settings = Settings { touches: 1, seed: 99, ..Settings::default() };
        for (name, text) in &args.settings {
            settings.set(name, text).expect(name);
        }
        assert_eq!((args.settings.len(), settings), (SETTINGS.len(), Settings::default()));
        let args = typed("attributary simulate out --customers 5 --preset=b2b --seed -1");
        let given = |wanted: &str| args.settings.iter().find(|(name, _)| *name == wanted).map(|(_, text)| text.as_str());
        assert_eq!([given("customers"), given("preset"), given("seed")], [Some("5"), Some("b2b"), Some("-1")]);
    }

    #[test]
    fn the_summary() {
        let written = Written {
            folder: "out".into(),
            touches: 1_000_000,
            conversions: 30_000,
            files: 120,
            bytes: 22_000_000,
            seconds: 1.25,
        };
        insta::assert_snapshot!(shown(&written), @r"
        touches      1,000,000
        conversions  30,000
        folder       out
        size         21.0 MiB in 120 files
        time         1.25 s, 800,000 touches/s
        ");
    }
}
