//! What someone types.

use std::ffi::OsString;
use std::path::PathBuf;

use attributary_core::time::{Day, day_text, parse_day};
use attributary_pipeline::models::MODELS;
use attributary_pipeline::{AsOf, Options, Step};
use clap::builder::PossibleValuesParser;
use clap::{ArgAction, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::app::Format;
use crate::commands::simulate::SimulateArgs;
use crate::errors::Failure;
use crate::exit::Exit;
use crate::log::LogFormat;
use crate::style::ColorChoice;

/// Turns an event log into money with a proof: divides the value of conversions over the touchpoints before them, exact
/// to the last minor unit.
#[derive(Debug, Parser)]
#[command(name = "attributary", version, after_help = exit_codes(), max_term_width = 100, disable_help_subcommand = true)]
pub struct Args {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Everywhere")]
pub struct Global {
    /// What results on stdout look like
    #[arg(long, global = true, value_enum, default_value_t = Format::Text, value_name = "FORMAT")]
    pub format: Format,
    /// What errors and log lines on stderr look like
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text, value_name = "FORMAT")]
    pub log_format: LogFormat,
    /// Say more on stderr; twice for even more
    #[arg(short, long, global = true, action = ArgAction::Count, conflicts_with = "quiet")]
    pub verbose: u8,
    /// Say nothing on stderr but errors
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// When to use colours; `auto` also minds NO_COLOR
    #[arg(long, global = true, value_enum, default_value_t = ColorChoice::Auto, value_name = "WHEN")]
    pub color: ColorChoice,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Compute a pipeline and publish its tables
    Run(RunArgs),
    /// Compute and publish history in steps, each merged into the run before
    Backfill(BackfillArgs),
    /// Prove that a run is what its inputs give: compute it once more and compare the bytes
    Verify(VerifyArgs),
    /// Say why a run differs from an earlier one: causes that add up to the whole change
    Diff(DiffArgs),
    /// Say what a run would read and write, without touching data
    Check(CheckArgs),
    /// Show the journey of one conversion as the engine sees it
    Explain(ExplainArgs),
    /// Say how good models are: what they foretell, how stable they are, how far from a known truth
    Evaluate(EvaluateArgs),
    /// Write a run as one HTML page: numbers, charts and the ledger's proof
    Report(ReportArgs),
    /// List the runs that were published: their days, rows, money and size
    Runs(RunsArgs),
    /// Make an earlier run the current one again
    Rollback(RollbackArgs),
    /// List the models, or show one with its parameters and a worked example
    Models(ModelsArgs),
    /// Write a synthetic log, the same bytes for the same settings
    Simulate(SimulateArgs),
    /// Print the completions of a shell
    Completions(CompletionsArgs),
}

impl Command {
    /// The number of threads that was asked for; none for commands that read no data.
    pub fn threads(&self) -> Option<Option<usize>> {
        match self {
            Self::Run(args) => Some(args.machine.threads),
            Self::Backfill(args) => Some(args.machine.threads),
            Self::Verify(args) => Some(args.machine.threads),
            Self::Diff(args) => Some(args.machine.threads),
            Self::Report(args) => Some(args.machine.threads),
            Self::Explain(args) => Some(args.machine.threads),
            Self::Evaluate(args) => Some(args.machine.threads),
            Self::Check(_) => Some(None),
            Self::Runs(_) | Self::Rollback(_) | Self::Models(_) | Self::Simulate(_) | Self::Completions(_) => None,
        }
    }
}

#[derive(Debug, clap::Args)]
pub struct RunArgs {
    #[command(flatten)]
    pub file: FileArgs,
    /// The first day of conversions, in the pipeline's time zone
    #[arg(long, value_name = "DAY", value_parser = day)]
    pub from: Option<Day>,
    /// The day after the last
    #[arg(long, value_name = "DAY", value_parser = day)]
    pub to: Option<Day>,
    /// Only this day
    #[arg(long, value_name = "DAY", value_parser = day, conflicts_with_all = ["from", "to"])]
    pub date: Option<Day>,
    #[command(flatten)]
    pub known: KnownArgs,
    /// Publish the current run with these days replaced, instead of these days alone
    #[arg(long)]
    pub merge: bool,
    /// Compute all days, also those that nothing changed for since the current run
    #[arg(long, conflicts_with = "merge")]
    pub full: bool,
    /// Fit anew also the models with refit = "frozen"
    #[arg(long, conflicts_with = "merge")]
    pub refit: bool,
    /// The folder to write to, instead of the pipeline file's
    #[arg(long, value_name = "PATH")]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub machine: MachineArgs,
    /// The folder for temporary files, which are needed when memory is full; by default the output's
    #[arg(long, value_name = "FOLDER")]
    pub temp: Option<PathBuf>,
    /// Also write what the run did as a Prometheus textfile, whatever came of it
    #[arg(long, value_name = "FILE")]
    pub metrics: Option<PathBuf>,
    /// The id of the run; by default the time and a few digits
    #[arg(long, value_name = "ID")]
    pub run_id: Option<String>,
    #[command(flatten)]
    pub wait: WaitArgs,
}

/// What is known.
#[derive(Debug, clap::Args)]
pub struct KnownArgs {
    /// Leave out rows that came later: a time such as 2026-04-03T06:00:00Z, or a day, all of it; needs `columns.ingested`
    #[arg(long, value_name = "TIME", value_parser = as_of)]
    pub as_of: Option<AsOf>,
}

/// How long to wait for others.
#[derive(Debug, clap::Args)]
pub struct WaitArgs {
    /// How long to wait where another run holds the output, such as 30s or 10m; by default not at all
    #[arg(long, value_name = "TIME", value_parser = wait)]
    pub wait: Option<std::time::Duration>,
}

#[derive(Debug, clap::Args)]
pub struct RunsArgs {
    #[command(flatten)]
    pub file: FileArgs,
    /// The folder that the runs are in, instead of the pipeline file's
    #[arg(long, value_name = "PATH")]
    pub output: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub struct RollbackArgs {
    #[command(flatten)]
    pub file: FileArgs,
    /// The id of the run to go back to
    #[arg(value_name = "RUN_ID")]
    pub run_id: String,
    /// The folder that the runs are in, instead of the pipeline file's
    #[arg(long, value_name = "PATH")]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub wait: WaitArgs,
}

#[derive(Debug, clap::Args)]
pub struct BackfillArgs {
    #[command(flatten)]
    pub file: FileArgs,
    /// The first day of conversions, in the pipeline's time zone
    #[arg(long, value_name = "DAY", value_parser = day)]
    pub from: Day,
    /// The day after the last
    #[arg(long, value_name = "DAY", value_parser = day)]
    pub to: Day,
    /// What is computed and published at a time
    #[arg(long, value_enum, default_value_t = StepWord::Month, value_name = "STEP")]
    pub step: StepWord,
    /// Begin with the first day, also where an earlier backfill of these days was ended half way
    #[arg(long)]
    pub restart: bool,
    /// The folder to write to, instead of the pipeline file's
    #[arg(long, value_name = "PATH")]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub machine: MachineArgs,
    /// The folder for temporary files, which are needed when memory is full; by default the output's
    #[arg(long, value_name = "FOLDER")]
    pub temp: Option<PathBuf>,
    #[command(flatten)]
    pub wait: WaitArgs,
}

/// A step of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum StepWord {
    Day,
    Week,
    Month,
    Quarter,
}

impl From<StepWord> for Step {
    fn from(word: StepWord) -> Self {
        match word {
            StepWord::Day => Self::Day,
            StepWord::Week => Self::Week,
            StepWord::Month => Self::Month,
            StepWord::Quarter => Self::Quarter,
        }
    }
}

#[derive(Debug, clap::Args)]
pub struct VerifyArgs {
    /// The run's folder, such as out/nightly/current or out/nightly/runs/ID
    #[arg(value_name = "RUN")]
    pub run: PathBuf,
    /// Only compare the run's files with its manifest, without computing it once more
    #[arg(long)]
    pub files_only: bool,
    #[command(flatten)]
    pub machine: MachineArgs,
    /// The folder for the run that is compared and for temporary files; by default the output's
    #[arg(long, value_name = "FOLDER")]
    pub temp: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub struct EvaluateArgs {
    #[command(flatten)]
    pub file: FileArgs,
    /// The first day of conversions, in the pipeline's time zone
    #[arg(long, value_name = "DAY", value_parser = day)]
    pub from: Option<Day>,
    /// The day after the last
    #[arg(long, value_name = "DAY", value_parser = day)]
    pub to: Option<Day>,
    /// What channels brought, as `simulate --truth true` writes it; by default truth.parquet beside the touchpoints' folder
    #[arg(long, value_name = "FILE")]
    pub truth: Option<PathBuf>,
    #[command(flatten)]
    pub machine: MachineArgs,
    /// The folder for the run that is computed and for temporary files; by default the output's
    #[arg(long, value_name = "FOLDER")]
    pub temp: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub struct DiffArgs {
    /// The earlier run's folder, such as out/nightly/runs/ID
    #[arg(value_name = "RUN_A")]
    pub before: PathBuf,
    /// The later run's folder, such as out/nightly/current
    #[arg(value_name = "RUN_B")]
    pub after: PathBuf,
    #[command(flatten)]
    pub machine: MachineArgs,
    /// The folder for runs that have to be computed to tell causes apart; by default the later run's output
    #[arg(long, value_name = "FOLDER")]
    pub temp: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub struct CheckArgs {
    #[command(flatten)]
    pub file: FileArgs,
    #[command(flatten)]
    pub known: KnownArgs,
    /// The folder that a run would write to, instead of the pipeline file's
    #[arg(long, value_name = "PATH")]
    pub output: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub struct ExplainArgs {
    #[command(flatten)]
    pub file: FileArgs,
    /// The id of the conversion
    #[arg(value_name = "CONVERSION_ID", allow_negative_numbers = true)]
    pub conversion_id: String,
    #[command(flatten)]
    pub known: KnownArgs,
    #[command(flatten)]
    pub machine: MachineArgs,
}

#[derive(Debug, clap::Args)]
pub struct ReportArgs {
    /// The run's folder, such as out/nightly/current or out/nightly/runs/ID
    #[arg(value_name = "RUN")]
    pub run: PathBuf,
    /// The file to write, instead of report-ID.html in the run's output folder
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// The folder of an earlier run: say what changed since then, and why
    #[arg(long, value_name = "RUN")]
    pub against: Option<PathBuf>,
    #[command(flatten)]
    pub machine: MachineArgs,
}

#[derive(Debug, clap::Args)]
pub struct ModelsArgs {
    /// The model to show
    #[arg(value_name = "KIND", value_parser = PossibleValuesParser::new(MODELS.iter().map(|model| model.kind)))]
    pub kind: Option<String>,
}

#[derive(Debug, clap::Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL", value_enum)]
    pub shell: clap_complete::Shell,
}

/// The pipeline file and what is different this time.
#[derive(Debug, clap::Args)]
pub struct FileArgs {
    /// The pipeline file
    #[arg(value_name = "PIPELINE")]
    pub pipeline: PathBuf,
    /// Set a key of the pipeline file, such as output.paths=0 or model.linear.per=channel; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
}

/// How much of the machine to use.
#[derive(Debug, clap::Args)]
pub struct MachineArgs {
    /// How many threads to use, at most 1024; by default one a core
    #[arg(long, value_name = "N", value_parser = threads)]
    pub threads: Option<usize>,
    /// How much memory to use, such as 512MB or 1.5GiB, at least 256MB; by default 60 % of the machine's
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub memory: Option<u64>,
}

impl RunArgs {
    /// What to ask of the pipeline.
    pub fn options(&self) -> Result<Options, Failure> {
        let (from, to) = match self.date {
            Some(day) => (Some(day), Some(day + 1)),
            None => (self.from, self.to),
        };
        in_order(from, to).map_err(|failure| failure.hint("--to is the day after the last; for one day there is --date"))?;
        Ok(Options {
            output: self.output.clone(),
            from,
            to,
            as_of: self.known.as_of,
            merge: self.merge,
            full: self.full,
            refit: self.refit,
            run_id: self.run_id.clone(),
            wait: self.wait.wait,
            temp: self.temp.clone(),
            ..self.machine.options(&self.file)
        })
    }
}

/// Whether one day is before the other.
fn in_order(from: Option<Day>, to: Option<Day>) -> Result<(), Failure> {
    match (from, to) {
        (Some(from), Some(to)) if from >= to => {
            let (from, to) = (day_text(from), day_text(to));
            Err(Failure::plain(Exit::Usage, format!("expected --from before --to, found {from} and {to}")))
        }
        _ => Ok(()),
    }
}

impl BackfillArgs {
    /// What to ask of the pipeline.
    pub fn options(&self) -> Result<Options, Failure> {
        let (from, to) = (Some(self.from), Some(self.to));
        in_order(from, to).map_err(|failure| failure.hint("--to is the day after the last"))?;
        Ok(Options {
            output: self.output.clone(),
            from,
            to,
            wait: self.wait.wait,
            temp: self.temp.clone(),
            ..self.machine.options(&self.file)
        })
    }
}

impl ReportArgs {
    /// What of the machine may be used.
    pub fn options(&self) -> Options {
        self.machine.alone()
    }
}

impl EvaluateArgs {
    /// What to ask of the pipeline.
    pub fn options(&self) -> Result<Options, Failure> {
        in_order(self.from, self.to).map_err(|failure| failure.hint("--to is the day after the last"))?;
        Ok(Options { from: self.from, to: self.to, temp: self.temp.clone(), ..self.machine.options(&self.file) })
    }
}

impl DiffArgs {
    /// What of the machine may be used.
    pub fn options(&self) -> Options {
        Options { temp: self.temp.clone(), ..self.machine.alone() }
    }
}

impl VerifyArgs {
    /// What of the machine may be used.
    pub fn options(&self) -> Options {
        Options { temp: self.temp.clone(), ..self.machine.alone() }
    }
}

impl CheckArgs {
    /// What to ask of the pipeline.
    pub fn options(&self) -> Options {
        Options { output: self.output.clone(), as_of: self.known.as_of, ..self.file.options() }
    }
}

impl RunsArgs {
    /// What to ask of the pipeline.
    pub fn options(&self) -> Options {
        Options { output: self.output.clone(), ..self.file.options() }
    }
}

impl RollbackArgs {
    /// What to ask of the pipeline.
    pub fn options(&self) -> Options {
        Options { output: self.output.clone(), wait: self.wait.wait, ..self.file.options() }
    }
}

impl ExplainArgs {
    /// What to ask of the pipeline.
    pub fn options(&self) -> Options {
        Options { as_of: self.known.as_of, ..self.machine.options(&self.file) }
    }
}

impl FileArgs {
    fn options(&self) -> Options {
        Options { pipeline: self.pipeline.clone(), overrides: self.overrides.clone(), ..Options::default() }
    }
}

impl MachineArgs {
    fn options(&self, file: &FileArgs) -> Options {
        Options { threads: self.threads, memory: self.memory, ..file.options() }
    }

    fn alone(&self) -> Options {
        Options { threads: self.threads, memory: self.memory, ..Options::default() }
    }
}

/// What has to be known of the command line even if it cannot be understood.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Early {
    /// What errors look like.
    pub log_format: LogFormat,
    /// When help and errors are coloured.
    pub color: ColorChoice,
}

impl Early {
    /// Looks for the two flags and for nothing else.
    pub fn read(words: &[OsString]) -> Self {
        let mut early = Self::default();
        let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).take_while(|word| word != "--").collect();
        for (place, word) in words.iter().enumerate() {
            let (name, value) = match word.split_once('=') {
                Some((name, value)) => (name, value),
                None => (word.as_ref(), words.get(place + 1).map_or("", |next| next.as_ref())),
            };
            match (name, value) {
                ("--log-format", "json") => early.log_format = LogFormat::Json,
                ("--color", "always") => early.color = ColorChoice::Always,
                ("--color", "never") => early.color = ColorChoice::Never,
                _ => {}
            }
        }
        early
    }
}

/// Understands a command line, its first word the program's name.
pub fn parse(words: Vec<OsString>, early: Early) -> Result<Args, clap::Error> {
    let mut command = Args::command().color(early.color.into());
    let mut matches = command.try_get_matches_from_mut(words)?;
    Args::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))
}

fn exit_codes() -> String {
    let lines = Exit::ALL.iter().map(|exit| format!("\n  {:>3}  {}", exit.code(), exit.meaning()));
    format!("Exit codes:{}", lines.collect::<String>())
}

fn day(text: &str) -> Result<Day, String> {
    parse_day(text).ok_or_else(|| "expected a day such as 2026-01-31".to_owned())
}

fn as_of(text: &str) -> Result<AsOf, String> {
    AsOf::parse(text)
        .ok_or_else(|| "expected a day such as 2026-04-03, or a time with its zone such as 2026-04-03T06:00:00Z".to_owned())
}

fn wait(text: &str) -> Result<std::time::Duration, String> {
    let span = attributary_core::duration::Duration::parse(text)?;
    Ok(std::time::Duration::from_micros(span.micros().unsigned_abs()))
}

fn threads(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=1_024).contains(number));
    number.ok_or_else(|| "expected a number from 1 to 1024".to_owned())
}

/// The least that `--memory` may be.
const LEAST_MEMORY: u64 = 256_000_000;

fn size(text: &str) -> Result<u64, String> {
    let expected = || "expected a size such as 512MB or 1.5GiB (KB, MB, GB, KiB, MiB or GiB)".to_owned();
    let digits = text.trim().trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = match text.trim()[digits.len()..].to_ascii_lowercase().as_str() {
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        _ => return Err(expected()),
    };
    let bytes = decimal_times(digits.trim_end(), unit).ok_or_else(expected)?;
    if bytes < LEAST_MEMORY { Err(format!("expected at least {}MB", LEAST_MEMORY / 1_000_000)) } else { Ok(bytes) }
}

/// A decimal number times a unit, in whole bytes.
fn decimal_times(number: &str, unit: u128) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.len() <= 15 && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return None;
    }
    let scale = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    let unscaled = whole.parse::<u128>().ok()? * scale + fraction.parse::<u128>().ok()?;
    u64::try_from(unscaled * unit / scale).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Args, clap::Error> {
        parse(line.split(' ').map(Into::into).collect(), Early::default())
    }

    fn run_options(line: &str) -> Result<Options, String> {
        match parsed(line).map_err(|error| error.to_string())?.command {
            Command::Run(args) => args.options().map_err(|failure| format!("{failure:?}")),
            other => Err(format!("{other:?}")),
        }
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Args::command().debug_assert();
    }

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("256MB", 256_000_000),
            ("1GB", 1_000_000_000),
            ("1.5GiB", 1_610_612_736),
            ("300 MiB", 314_572_800),
            ("0.5gb", 500_000_000),
            ("262144KiB", 268_435_456),
            ("1000000KB", 1_000_000_000),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in [
            "",
            "GB",
            "1",
            "1.GB",
            ".5GB",
            "-1GB",
            "1e3GB",
            "1TB",
            "1 G B",
            "1GBé",
            "１GB",
            "99999999999999999999GB",
            "9999999999999GB",
        ] {
            assert!(size(text).is_err_and(|error| error.starts_with("expected a size such as")), "{text}");
        }
        for text in ["255MB", "0.2GB", "0KB", "255.999999MB"] {
            assert_eq!(size(text), Err("expected at least 256MB".to_owned()), "{text}");
        }
    }

    #[test]
    fn a_date_is_the_range_of_one_day() {
        let options = run_options("attributary run p.toml --date 2026-02-28").expect("options");
        assert_eq!(
            (options.from.map(day_text), options.to.map(day_text)),
            (Some("2026-02-28".into()), Some("2026-03-01".into()))
        );
        let open = run_options("attributary run p.toml --from 2026-02-28").expect("options");
        assert_eq!((open.from.map(day_text), open.to), (Some("2026-02-28".into()), None));
    }

    #[test]
    fn ranges_that_cannot_be_are_said_so() {
        let error = run_options("attributary run p.toml --from 2026-02-28 --to 2026-02-28").expect_err("an empty range");
        assert!(error.contains("expected --from before --to, found 2026-02-28 and 2026-02-28"), "{error}");
        let error = run_options("attributary run p.toml --date 2026-02-28 --to 2026-03-28").expect_err("both");
        assert!(error.contains("'--date <DAY>' cannot be used with '--to <DAY>'"), "{error}");
        for day in ["2026-02-30", "28.02.2026", "2026-2-8", "today"] {
            let error = run_options(&format!("attributary run p.toml --date {day}")).expect_err(day);
            assert!(error.contains("expected a day such as 2026-01-31"), "{error}");
        }
    }

    #[test]
    fn all_usage_errors_are_exit_code_2() {
        for line in [
            "attributary",
            "attributary fly",
            "attributary run",
            "attributary run p.toml --threads 0",
            "attributary run p.toml --threads 1025",
            "attributary run p.toml --memory 1MB",
            "attributary run p.toml -q -v",
            "attributary explain p.toml",
            "attributary run p.toml --wait 10",
            "attributary run p.toml --wait 0s",
            "attributary runs",
            "attributary rollback p.toml",
            "attributary models linaer",
            "attributary check p.toml --format xml",
            "attributary completions tcsh",
        ] {
            assert_eq!(parsed(line).expect_err(line).exit_code(), 2, "{line}");
        }
        for line in ["attributary --help", "attributary --version", "attributary run --help"] {
            assert_eq!(parsed(line).expect_err(line).exit_code(), 0, "{line}");
        }
    }

    #[test]
    fn an_unknown_kind_lists_the_kinds_and_the_nearest() {
        let error = parsed("attributary models linaer").expect_err("no such kind").to_string();
        assert!(error.contains("'linear'") && error.contains("time_decay"), "{error}");
    }

    #[test]
    fn global_flags_stand_anywhere() {
        for line in
            ["attributary --format json -v models", "attributary models -v --format json", "attributary models --format=json -v"]
        {
            let global = parsed(line).expect(line).global;
            assert_eq!((global.format, global.verbose), (Format::Json, 1), "{line}");
        }
        assert!(
            matches!(parsed("attributary explain p.toml -17").map(|args| args.command), Ok(Command::Explain(args)) if args.conversion_id == "-17")
        );
    }

    #[test]
    fn flags_for_errors_are_known_before_all_others() {
        let early = |line: &str| Early::read(&line.split(' ').map(Into::into).collect::<Vec<_>>());
        let json = Early { log_format: LogFormat::Json, color: ColorChoice::Never };
        assert_eq!(early("attributary fly --log-format json --color=never"), json);
        assert_eq!(early("attributary fly --log-format=json --color never"), json);
        assert_eq!(early("attributary fly -- --log-format=json"), Early::default());
    }
}
