//! How a failure is shown: what is wrong, why, and what to do about it.

use std::error::Error;
use std::io::{self, Write};

use attributary_simulate::SimulateError;
use serde::Serialize;

use crate::exit::Exit;
use crate::log::LogFormat;
use crate::style::Palette;
use crate::{progress, text};

/// Lines of an error are cut here: names from data can be of any length.
const LONGEST_LINE: usize = 2_000;

/// Why a command ends without its result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    message: String,
    causes: Vec<String>,
    hint: Option<String>,
}

impl Failure {
    /// A failure by an error and what lies behind it.
    pub fn new(exit: Exit, error: &dyn Error, hint: Option<String>) -> Self {
        let failure = Self { exit, message: error.to_string(), causes: Vec::new(), hint };
        error.source().into_iter().fold(failure, Self::because)
    }

    /// A failure by its text alone.
    pub fn plain(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), causes: Vec::new(), hint: None }
    }

    /// What is wrong, without its causes.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The same with what may help.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same with a cause and what lies behind it, without what was said already.
    pub fn because(mut self, cause: &(dyn Error + 'static)) -> Self {
        let mut next = Some(cause);
        while let Some(cause) = next {
            let text = cause.to_string();
            let last = self.causes.last().unwrap_or(&self.message);
            if !last.contains(&text) {
                self.causes.push(text);
            }
            next = cause.source();
        }
        self
    }

    /// The command line's fault as data; as text clap shows it itself.
    pub fn usage(error: &clap::Error) -> Self {
        if error.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
            return Self::plain(Exit::Usage, "expected a command, found none").hint("see attributary --help");
        }
        let rendered = error.render().to_string();
        let paragraphs: Vec<_> = rendered.split("\n\n").map(|it| it.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        let message = paragraphs.first().map_or("", |first| first.trim_start_matches("error: "));
        let tips: Vec<_> = paragraphs.iter().filter_map(|it| it.strip_prefix("tip: ")).collect();
        Self {
            exit: Exit::Usage,
            message: message.to_owned(),
            causes: Vec::new(),
            hint: Some(tips.join("; ")).filter(|it| !it.is_empty()),
        }
    }

    /// Says it on stderr.
    pub fn show(&self, format: LogFormat, palette: Palette) {
        let shown = match format {
            LogFormat::Text => self.text(palette),
            LogFormat::Json => self.json(),
        };
        // There is nobody to tell that stderr is closed.
        progress::suspended(|| drop(io::stderr().lock().write_all(shown.as_bytes())));
    }

    fn text(&self, palette: Palette) -> String {
        let mut lines = vec![format!("{} {}", palette.red("error:"), text::shown(&self.message, LONGEST_LINE))];
        lines.extend(self.causes.iter().map(|cause| format!("  caused by: {}", text::shown(cause, LONGEST_LINE))));
        lines.extend(self.hint.iter().map(|hint| format!("{} {}", palette.yellow("hint:"), text::shown(hint, LONGEST_LINE))));
        lines.join("\n") + "\n"
    }

    fn json(&self) -> String {
        #[derive(Serialize)]
        struct Shown<'a> {
            error: &'a str,
            causes: &'a [String],
            hint: Option<&'a str>,
            exit_code: u8,
        }
        let shown = Shown { error: &self.message, causes: &self.causes, hint: self.hint.as_deref(), exit_code: self.exit.code() };
        text::json_line(&shown).unwrap_or_default()
    }
}

impl From<attributary_pipeline::Error> for Failure {
    fn from(error: attributary_pipeline::Error) -> Self {
        Self::new(error.fault().into(), &error, error.hint())
    }
}

impl From<SimulateError> for Failure {
    fn from(error: SimulateError) -> Self {
        let exit = match &error {
            SimulateError::UnknownSetting { .. } | SimulateError::Setting { .. } => Exit::Usage,
            _ => Exit::Output,
        };
        Self::new(exit, &error, error.hint())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{self, Early};

    #[derive(Debug)]
    struct Layer(&'static str, Option<Box<Layer>>);

    impl std::fmt::Display for Layer {
        fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            formatter.write_str(self.0)
        }
    }

    impl Error for Layer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|inner| inner as _)
        }
    }

    fn sample() -> Failure {
        let full = Layer("no space left on device", None);
        let again = Layer("cannot write out/\u{1b}[31mred", Some(Box::new(full)));
        let error = Layer("cannot write out/\u{1b}[31mred", Some(Box::new(again)));
        Failure::new(Exit::Output, &error, Some("free some space".to_owned()))
    }

    #[test]
    fn text_has_each_cause_once_and_no_control_characters() {
        insta::assert_snapshot!(sample().text(Palette::PLAIN), @r"
        error: cannot write out/\u{1b}[31mred
          caused by: no space left on device
        hint: free some space
        ");
    }

    #[test]
    fn json_is_one_line_of_fields() {
        insta::assert_snapshot!(sample().json(), @r#"{"error":"cannot write out/\u001b[31mred","causes":["no space left on device"],"hint":"free some space","exit_code":5}"#);
    }

    #[test]
    fn a_line_of_any_length_is_cut() {
        let failure = Failure::plain(Exit::Input, "x".repeat(10_000));
        assert!(failure.text(Palette::PLAIN).len() < 2_100);
    }

    #[test]
    fn an_unknown_flag_is_data_too() {
        let words = ["attributary", "run", "p.toml", "--treads", "2"].map(Into::into).to_vec();
        let error = args::parse(words, Early::default()).err().map(|error| Failure::usage(&error));
        insta::assert_snapshot!(error.map(|it| it.json()).unwrap_or_default(), @r#"{"error":"unexpected argument '--treads' found","causes":[],"hint":"a similar argument exists: '--threads'","exit_code":2}"#);
    }

    #[test]
    fn settings_are_the_command_lines_fault_and_folders_the_outputs() {
        let setting = attributary_simulate::Settings::default().set("touches", "many").err().map(|it| Failure::from(it).exit);
        assert_eq!(setting, Some(Exit::Usage));
        assert_eq!(Failure::from(SimulateError::NotAFolder { path: "x".into() }).exit, Exit::Output);
    }
}
