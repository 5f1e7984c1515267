//! Colours: an aid for the eye that can be switched off, never the only carrier of a meaning.

use std::ffi::OsStr;
use std::fmt::Display;

use clap::builder::styling::{AnsiColor, Style};

/// When to use colours; `Auto` is on a terminal, unless `NO_COLOR` is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ColorChoice {
    #[default]
    Auto,
    Always,
    Never,
}

impl From<ColorChoice> for clap::ColorChoice {
    fn from(choice: ColorChoice) -> Self {
        match choice {
            ColorChoice::Auto => Self::Auto,
            ColorChoice::Always => Self::Always,
            ColorChoice::Never => Self::Never,
        }
    }
}

/// The colours of one stream, on or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Palette {
    on: bool,
}

/// How a line stands out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// Not at all.
    #[default]
    Plain,
    /// As a heading.
    Head,
    /// Less than the others.
    Dim,
}

impl Palette {
    /// Without colours.
    pub const PLAIN: Self = Self { on: false };

    /// The colours of a stream that is a terminal or not.
    pub fn choose(choice: ColorChoice, terminal: bool) -> Self {
        let set = |name: &str, wrong: fn(&OsStr) -> bool| std::env::var_os(name).is_some_and(|value| wrong(&value));
        let unwanted = set("NO_COLOR", |value| !value.is_empty()) || set("TERM", |value| value == "dumb");
        Self { on: decide(choice, terminal, unwanted) }
    }

    /// Whether there are colours.
    pub fn is_on(self) -> bool {
        self.on
    }

    /// What is wrong.
    pub fn red(self, text: impl Display) -> String {
        self.paint(AnsiColor::Red.on_default().bold(), text)
    }

    /// What is worth a look.
    pub fn yellow(self, text: impl Display) -> String {
        self.paint(AnsiColor::Yellow.on_default().bold(), text)
    }

    /// What is as it should be.
    pub fn green(self, text: impl Display) -> String {
        self.paint(AnsiColor::Green.on_default(), text)
    }

    /// A title.
    pub fn bold(self, text: impl Display) -> String {
        self.paint(Style::new().bold(), text)
    }

    /// A line of a table.
    pub fn tone(self, tone: Tone, text: impl Display) -> String {
        match tone {
            Tone::Plain => text.to_string(),
            Tone::Head => self.paint(AnsiColor::Cyan.on_default(), text),
            Tone::Dim => self.paint(Style::new().dimmed(), text),
        }
    }

    fn paint(self, style: Style, text: impl Display) -> String {
        if self.on { format!("{style}{text}{style:#}") } else { text.to_string() }
    }
}

fn decide(choice: ColorChoice, terminal: bool, unwanted: bool) -> bool {
    match choice {
        ColorChoice::Auto => terminal && !unwanted,
        ColorChoice::Always => true,
        ColorChoice::Never => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_terminal_gets_colours_unless_told() {
        use ColorChoice::*;
        for (choice, terminal, unwanted, expected) in [
            (Auto, true, false, true),
            (Auto, true, true, false),
            (Auto, false, false, false),
            (Always, false, true, true),
            (Never, true, false, false),
        ] {
            assert_eq!(decide(choice, terminal, unwanted), expected, "{choice:?} {terminal} {unwanted}");
        }
    }

    #[test]
    fn without_colours_nothing_is_added() {
        assert_eq!(Palette::PLAIN.red("x"), "x");
        assert_eq!(Palette { on: true }.red("x"), "\u{1b}[1m\u{1b}[31mx\u{1b}[0m");
    }
}
