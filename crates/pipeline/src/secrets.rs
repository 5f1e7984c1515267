//! What `${NAME}` put into a pipeline stays out of messages: they show `${NAME}`, as the file does.
//!
//! Paths are excepted: where something was read and written is said in messages and in the manifest, so a path is no place
//! for a secret.

use std::error::Error as _;

use crate::error::Error;
use crate::file::Pipeline;

/// A value shorter than this hides nothing, and would be found in every other word.
const SHORTEST: usize = 4;

/// The values of the variables that a pipeline file names.
#[derive(Clone, Debug, Default)]
pub(crate) struct Secrets {
    /// Name and value, the longest value first, so that one that is part of another does not tear it apart.
    values: Vec<(String, String)>,
}

impl Secrets {
    pub fn add(&mut self, name: &str, value: &str) {
        if value.len() >= SHORTEST && !self.values.iter().any(|(known, _)| known == name) {
            self.values.push((name.to_owned(), value.to_owned()));
            self.values.sort_by_key(|(_, value)| std::cmp::Reverse(value.len()));
        }
    }

    /// Lets the values pass that are part of where the pipeline reads and writes.
    pub fn show_paths(&mut self, pipeline: &Pipeline) {
        let output = pipeline.output.as_ref().map(|output| output.display().to_string());
        let sources = [&pipeline.touchpoints.source.path, &pipeline.conversions.source.path];
        let paths: Vec<&str> = sources.into_iter().chain(&output).map(String::as_str).collect();
        self.values.retain(|(_, value)| !paths.iter().any(|path| path.contains(value.as_str())));
    }

    /// The text with `${NAME}` in place of each value, also where it stands quoted and escaped.
    pub fn mask(&self, text: &str) -> String {
        self.values.iter().fold(text.to_owned(), |text, (name, value)| {
            let shown = format!("${{{name}}}");
            let quoted = format!("{value:?}");
            text.replace(value, &shown).replace(&quoted[1..quoted.len() - 1], &shown)
        })
    }

    /// The error, as words only where they would have told a value.
    pub fn mask_error(&self, error: Error) -> Error {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(next) = cause {
            if !text.contains(&next.to_string()) {
                text = format!("{text}: {next}");
            }
            cause = next.source();
        }
        let hint = error.hint();
        let (masked, masked_hint) = (self.mask(&text), hint.as_deref().map(|hint| self.mask(hint)));
        if masked == text && masked_hint == hint {
            return error;
        }
        Error::Masked { fault: error.fault(), message: masked, hint: masked_hint }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_shown_by_their_names() {
        let mut secrets = Secrets::default();
        for (name, value) in [("KEY", "hunter2"), ("LONG", "hunter2 and more"), ("QUOTE", "it's \"so\""), ("SHORT", "no")] {
            secrets.add(name, value);
        }
        assert_eq!(secrets.mask("x = 'hunter2'"), "x = '${KEY}'");
        assert_eq!(secrets.mask("<hunter2 and more>"), "<${LONG}>");
        assert_eq!(secrets.mask(&format!("found {:?}", "it's \"so\"")), "found \"${QUOTE}\"");
        assert_eq!(secrets.mask("nothing to do"), "nothing to do");
    }

    #[test]
    fn an_error_keeps_its_fault_and_one_without_secrets_is_itself() {
        let mut secrets = Secrets::default();
        secrets.add("KEY", "hunter2");
        let error = |problem: &str| Error::Input { problem: problem.to_owned(), hint: Some("try hunter2".to_owned()) };
        let masked = secrets.mask_error(error("no hunter2 here"));
        assert_eq!((masked.fault(), masked.to_string()), (crate::Fault::Input, "no ${KEY} here".to_owned()));
        assert_eq!(masked.hint().as_deref(), Some("try ${KEY}"));
        let plain = Error::Usage { problem: "all is said".to_owned(), hint: None };
        assert!(matches!(secrets.mask_error(plain), Error::Usage { .. }));
    }
}
